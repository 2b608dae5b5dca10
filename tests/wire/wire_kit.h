/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker of its own for each case, on ports of the system's choice and a directory that goes with it,
 * and clients that speak to it in frames. Every wait ends at a deadline, with a failed case.
 */
#ifndef WIRE_KIT_H
#define WIRE_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/broker.h"
#include "remoting/codes.h"
#include "remoting/command.h"
#include "remoting/record.h"

enum { WIRE_WAIT_MS = 30000 };

/* Change these in a case before wire_open(), which the fixture does not call. */
extern struct rv__broker_settings wire_settings;

void wire_setup(void);    /* defaults into wire_settings, a new directory */
void wire_teardown(void); /* closes all */
void wire_open(void);
void wire_close(void);
/** Closes and opens again on the same store, as a restart does. */
void wire_reopen(void);
int wire_port(void);
int wire_name_server_port(void);
const char *wire_directory(void);

struct wire_client {
	int fd;
	struct rv__frame_decoder decoder;
	struct rv__frame frame;     /* received last */
	struct rv__command command; /* decoded from it */
	struct rv__buffer out;
	struct rv__command_writer writer;
	int32_t opaque;
};

void wire_connect(struct wire_client *client, int port);
void wire_disconnect(struct wire_client *client);

/* Raw bytes. */
void wire_write(struct wire_client *client, const void *bytes, size_t length);
/** Whether the broker closes the connection within the deadline, answers before it skipped. */
bool wire_is_closed(struct wire_client *client, int wait_ms);
/** Receives one frame into client->command; false when none comes within wait_ms. */
bool wire_receive(struct wire_client *client, int wait_ms);

/* Requests: begin, fields through rv__command_add*(&client->writer, …), then one of the ends. */
void wire_begin(struct wire_client *client, int code);
void wire_begin_as(struct wire_client *client, const struct rv__command_head *head);
/** Sends and waits for the answer with the same opaque; other frames are skipped. Returns its code. */
int wire_call(struct wire_client *client, const void *body, size_t length);
void wire_send(struct wire_client *client, const void *body, size_t length);

/* Fields of the last answer. */
int64_t wire_number(const struct wire_client *client, const char *name);
bool wire_field_is(const struct wire_client *client, const char *name, const char *value);
/** Remark as text; "" when there is none. In static memory. */
const char *wire_remark(const struct wire_client *client);

/* Things that many cases do. */
void wire_add_send_fields(struct wire_client *client, const char *topic, int queue, const char *properties);
/** SEND_MESSAGE_V2; returns the code. */
int wire_send_message(
    struct wire_client *client, const char *topic, int queue, const char *properties, const char *body);
/** PULL_MESSAGE with the expression in the request; suspend_ms 0: not held. Returns the code. */
int wire_pull(struct wire_client *client, const char *group, const char *topic, int queue, int64_t offset,
    int suspend_ms, const char *expression);
void wire_start_pull(struct wire_client *client, const char *group, const char *topic, int queue,
    int64_t offset, int suspend_ms, const char *expression);
/** Record number `index` of the last answer's body; fails the case when there are fewer. */
struct rv__record wire_record(const struct wire_client *client, size_t index);
size_t wire_record_count(const struct wire_client *client);
/** HEART_BEAT of one consumer group with one subscription. Returns the code. */
int wire_heartbeat(struct wire_client *client, const char *client_id, const char *group, const char *topic,
    const char *expression, int64_t version);

#endif
