/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client's connection: receives frames, hands their commands to the dispatcher, gathers answers
 * and writes them once per turn of the loop.
 *
 * Bounded in every direction: partial input, unread output, idle time, and their number.
 * Lifecycle: accepted -> close() (any time, also from within its own handler) -> freed with the last reference.
 */
#ifndef BROKER_CONNECTION_H
#define BROKER_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/buffer.h"
#include "remoting/command.h"
#include "remoting/frame.h"
#include "remoting/record.h"

struct rv__broker;

/* Which door it came through. */
enum rv__door { RV__DOOR_NAMESRV, RV__DOOR_BROKER, RV__DOOR_VIP, RV__DOORS };

struct rv__connection {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
	};
	struct rv__broker *broker;
	unsigned refs; /* the loop's own, and one for every ticket */
	unsigned held; /* pulls of this client that wait for a message */
	enum rv__door door;
	bool closing;
	bool paused;  /* does not read: its answers pile up */
	bool writing; /* `sending` is on its way */
	bool dirty;   /* stands in the broker's list for the end of this turn */
	struct rv__frame_decoder input;
	size_t partial;            /* bytes counted in broker->partial_bytes */
	int64_t partial_since_ms;  /* when the unfinished frame began; 0: none */
	struct rv__buffer out;     /* answers not handed to the kernel yet */
	struct rv__buffer sending; /* what uv_write() holds */
	uv_write_t write;
	int64_t last_traffic_ms;                /* uv_now() */
	struct rv__connection *next, *previous; /* all of the broker */
	struct rv__connection *next_dirty;
	char peer[64];              /* "127.0.0.1:53122" */
	struct rv__address address; /* the same, as records carry it */
};

/** Takes one connection from a listener that has one. */
void rv__connection_accept(struct rv__broker *broker, uv_stream_t *listener, enum rv__door door);

/** Closes; `format` is the reason for the log, NULL: nothing to say. Twice is once. */
void rv__connection_close(struct rv__connection *connection, const char *format, ...) RV_PRINTF(2, 3);

struct rv__connection *rv__connection_ref(struct rv__connection *connection);
void rv__connection_unref(struct rv__connection *connection);

/** Where an answer goes: it is sent at the end of this turn. */
struct rv__buffer *rv__connection_out(struct rv__connection *connection);

/** End of a turn: writes what was gathered. */
void rv__connection_flush(struct rv__connection *connection);

/** Once a second: closes the idle and those that never finish a frame. */
void rv__connection_check_idle(struct rv__connection *connection);

#endif
