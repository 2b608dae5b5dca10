/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open connections of a server and the watch over them. A connection is always in one phase with one
 * deadline; the watch looks at all of them several times per time-out and shuts down the sockets of those that
 * are late. libmicrohttpd then ends the connection on its own thread, as if the client had gone. Its own
 * time-out would not do: it counts inactivity, and a client that sends a byte a second is never inactive.
 *
 * Locks: `lock` protects the list and that the descriptors in it are open; phase and deadline are atomic.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "http/request.h"
#include "http/settings.h"

enum rv__http_phase {
	RV__HTTP_IDLE,     /* between requests; also before the first */
	RV__HTTP_READING,  /* from the request line to the end of the body */
	RV__HTTP_HANDLING, /* in a handler: no deadline of ours */
	RV__HTTP_WRITING,
	RV__HTTP_CUT /* shut down by the watch */
};

/* How a request will be answered, known once its headers are complete. */
enum rv__http_plan {
	RV__HTTP_SERVE,
	RV__HTTP_BAD_TARGET,
	RV__HTTP_NO_PLACE,
	RV__HTTP_OPTIONS,
	RV__HTTP_WRONG_METHOD,
	RV__HTTP_NO_ROUTE,
	RV__HTTP_TOO_BIG,
	RV__HTTP_LONG_HEADER,
	RV__HTTP_TWO_LENGTHS
};

struct rv__http_connection {
	struct rv__http_connection *previous;
	struct rv__http_connection *next;
	int fd;
	bool began;        /* a request line came that could be read */
	bool extra;        /* above max-connections: management only */
	_Atomic int phase; /* enum rv__http_phase; written by the connection's thread, and the watch (CUT) */
	_Atomic int64_t until; /* deadline of the phase, monotonic ms; INT64_MAX: none */
	uint64_t discarded;    /* body bytes of this request that nobody will read */
	enum rv__http_plan plan;
	struct rv_error target_error; /* of RV__HTTP_BAD_TARGET */
	struct rv_http_request request;
};

struct rv__http_connections {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* the first connection came, or `closing` */
	pthread_t watch;
	struct rv__http_connection *first;
	size_t count;
	bool closing;
	struct rv__http_limits limits;
};

/** Starts the watch. RV_E_IO when the system refuses a thread. */
rv_err rv__http_connections_init(
    struct rv__http_connections *all, const struct rv__http_limits *limits, struct rv_error *err);

/** Joins the watch; no connection may be left. */
void rv__http_connections_finish(struct rv__http_connections *all);

/** Takes a new connection in. NULL: no memory. */
struct rv__http_connection *rv__http_connection_open(struct rv__http_connections *all, int fd);

/** Takes it out and frees it; before its descriptor is closed. */
void rv__http_connection_close(struct rv__http_connections *all, struct rv__http_connection *connection);

/** Enters a phase, with `timeout_ms` from now for it; -1: for ever. */
void rv__http_connection_enter(
    struct rv__http_connection *connection, enum rv__http_phase phase, int64_t timeout_ms);

/** Writes "127.0.0.1:4711" of the far end of a socket. */
void rv__http_peer(int fd, char *text, size_t size);

#endif
