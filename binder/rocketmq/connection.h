/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TCP connection to one address: connecting with a time-out, trying again with jittered
 * back-off, the table of requests under way, and their deadlines. Loop thread only.
 */
#ifndef BINDER_ROCKETMQ_CONNECTION_H
#define BINDER_ROCKETMQ_CONNECTION_H

#include "base/buffer.h"
#include "base/owner.h"
#include "binder/rocketmq/client.h"
#include "remoting/command.h"

enum { RV__RMQ_BUCKETS = 64, RV__RMQ_CONNECT_MS = 3000, RV__RMQ_ASK_FIELDS = 24 };

struct rv__rmq_request;

/** `answer` NULL: none came and *why says so. The block holds the answer's body. */
typedef void (*rv__rmq_done_fn)(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why);

/* A question under way, embedded in whoever asks. `done` runs exactly once unless it is cancelled. */
struct rv__rmq_request {
	struct rv__rmq_connection *connection; /* NULL: not under way */
	struct rv__rmq_request *next;
	int32_t opaque;
	int64_t asked_ms;
	int64_t deadline_ms;
	rv__rmq_done_fn done;
};

enum rv__rmq_link { RV__RMQ_DOWN, RV__RMQ_CONNECTING, RV__RMQ_OPEN };

struct rv__rmq_connection {
	struct rv__rmq_connection *next;
	struct rv__rmq_client *client;
	struct rv__rmq_identity *identity;
	char *address; /* owned, "host:port" */
	bool broker;   /* kept open, and tried again by itself, while its broker is in a route */
	bool seen;     /* was open once */
	enum rv__rmq_link link;
	uv_tcp_t *tcp; /* own memory, since closing outlives a reconnect; NULL when down */
	uv_getaddrinfo_t *lookup;
	int64_t link_ms;   /* since when `link` holds */
	int64_t retry_ms;  /* when DOWN: earliest next try */
	unsigned failures; /* in a row */
	int64_t heard_ms;  /* last bytes received */
	struct rv__frame_decoder decoder;
	struct rv__buffer out;     /* to be written in this turn */
	struct rv__buffer writing; /* under way by uv_write */
	uv_write_t *write;         /* own memory; NULL: none under way */
	struct rv__rmq_request *buckets[RV__RMQ_BUCKETS];
	size_t request_count;
	bool heartbeat_answered; /* since it opened: the broker knows our groups */
	struct rv__rmq_request heartbeat;
};

/** The connection of an address, made and started when there was none. NULL: no memory. */
struct rv__rmq_connection *rv__rmq_connection_get(
    struct rv__rmq_client *client, struct rv__rmq_identity *identity, const char *address, bool broker);

/** Whether a request may be begun: open or on its way there. Starts connecting when the back-off has passed. */
bool rv__rmq_connection_usable(struct rv__rmq_connection *connection);

/** Writes what was collected in this turn. */
void rv__rmq_connection_flush(struct rv__rmq_connection *connection);

/** Fails what is past its deadline, gives up a slow connect, tries again. Returns the next deadline, 0: none. */
int64_t rv__rmq_connection_tend(struct rv__rmq_connection *connection, int64_t now_ms);

void rv__rmq_connection_destroy(struct rv__rmq_connection *connection);

/* -- asking ------------------------------------------------------------------------------ */

/*
 * One command being put together. Values are borrowed until end.
 *
 *     struct rv__rmq_ask ask;
 *     rv__rmq_ask_begin(&ask, connection, RV__REQ_GET_MAX_OFFSET);
 *     rv__rmq_ask_text(&ask, "topic", topic);
 *     rv__rmq_ask_number(&ask, "queueId", 3);
 *     rv__rmq_ask_end(&ask, &question->request, 3000, on_max_offset, NULL, 0);
 */
struct rv__rmq_ask {
	struct rv__rmq_connection *connection;
	int code;
	uint8_t serialize;
	size_t count;
	size_t used;
	struct rv__field fields[RV__RMQ_ASK_FIELDS];
	char scratch[512]; /* numbers as text */
};

void rv__rmq_ask_begin(struct rv__rmq_ask *ask, struct rv__rmq_connection *connection, int code);
void rv__rmq_ask_bytes(struct rv__rmq_ask *ask, const char *name, const char *value, size_t length);
void rv__rmq_ask_text(struct rv__rmq_ask *ask, const char *name, const char *value);
void rv__rmq_ask_number(struct rv__rmq_ask *ask, const char *name, int64_t value);
void rv__rmq_ask_bool(struct rv__rmq_ask *ask, const char *name, bool value);

/** Queues the command; request NULL: one-way. The connection must be usable. */
void rv__rmq_ask_end(struct rv__rmq_ask *ask, struct rv__rmq_request *request, int64_t timeout_ms,
    rv__rmq_done_fn done, const void *body, size_t body_length);

/** Forgets a request: `done` will not run. Nothing happens when it is not under way. */
void rv__rmq_request_cancel(struct rv__rmq_request *request);

/** Answers a broker's request. */
void rv__rmq_answer(struct rv__rmq_connection *connection, const struct rv__command *request, int code,
    const char *remark, const void *body, size_t body_length);

/* -- told to the rest of the client ------------------------------------------------------ */

void rv__rmq_on_open(struct rv__rmq_connection *connection);
void rv__rmq_on_lost(struct rv__rmq_connection *connection, const struct rv_error *why);
/** A command that the broker began. */
void rv__rmq_on_command(
    struct rv__rmq_connection *connection, const struct rv__command *command, struct rv__block *block);

/** The error of a broker's answer other than success, worded for people. */
rv_err rv__rmq_refusal(struct rv_error *err, const char *what, const struct rv__command *answer);

#endif
