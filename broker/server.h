/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker from inside: what its files share. Everything here lives on the loop's thread.
 *
 *     a turn of the loop:  sockets are read, requests handled: appended messages wait in the store's batch
 *                          -> one write for all (append.c) -> answers of what is acknowledged
 *                          -> held pulls that found something (longpoll.c)
 *                          -> one write a connection (connection.c)
 */
#ifndef BROKER_SERVER_H
#define BROKER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include <rivulet/log.h>

#include "base/map.h"
#include "broker/append.h"
#include "broker/broker.h"
#include "broker/connection.h"
#include "broker/settings.h"
#include "broker/store/store.h"
#include "remoting/codes.h"
#include "remoting/command.h"

#define RV__TOPIC "broker" /* of log lines */

enum { RV__NAME_SIZE = 256 }; /* topic and group names with their NUL */

struct rv__listener {
	uv_tcp_t tcp;
	struct rv__broker *broker;
	enum rv__door door;
	int port;
	bool open;
};

struct rv__topics;
struct rv__groups;
struct rv__offsets;
struct rv__locks;
struct rv__delay;
struct rv__namesrv;
struct rv__registrar;
struct rv__relay;
struct rv__transactions;

struct rv__broker {
	struct rv__broker_settings settings; /* strings are copies */
	char *directory;                     /* of the store */
	char address[80];                    /* brokerIP1:listenPort */
	struct rv__address host;             /* the same in binary, for records */
	int64_t started_ms;                  /* wall clock */
	rv__store *store;                    /* NULL in role namesrv: only documents, see `documents` */

	uv_loop_t loop;
	uv_thread_t thread;
	uv_mutex_t wake_lock; /* protects wake_open and the sending of wake */
	bool wake_open, lock_open;
	uv_async_t wake; /* the store has news, or close() was called */
	uv_prepare_t before_poll;
	uv_check_t after_poll;
	uv_timer_t second;
	bool loop_open, running;
	bool stop_wanted; /* atomic: set by close() */
	bool stopping;
	int stop_turns;
	uint64_t seconds; /* of the loop */
	struct rv__listener listeners[RV__DOORS];

	struct rv__connection *connections;
	struct rv__connection *dirty;
	size_t connection_count, connection_limit;
	size_t partial_bytes;
	bool told_full; /* the limit of connections was logged since it was last left */

	struct rv__command command;   /* the request at hand */
	struct rv__buffer scratch;    /* bodies under construction, records read */
	struct rv__buffer properties; /* of the message that is being appended */
	struct rv__append append;

	struct rv__topics *topics;
	struct rv__groups *groups;
	struct rv__offsets *offsets;
	struct rv__locks *locks;
	struct rv__delay *delay;
	struct rv__namesrv *namesrv;     /* NULL in role broker */
	struct rv__registrar *registrar; /* role broker: at remote name servers */
	struct rv__relay *relay;
	struct rv__transactions *transactions;
	struct rv__held *ready;              /* held pulls to run again at the end of this turn */
	uint64_t put_messages, got_messages; /* since start */
};

static inline bool rv__broker_serves(const struct rv__broker *broker)
{
	return broker->settings.role != RV__ROLE_NAMESRV;
}

/** Milliseconds of the loop's monotonic clock, as of this turn. */
static inline int64_t rv__broker_now(const struct rv__broker *broker)
{
	return (int64_t)uv_now(&broker->loop);
}

#endif
