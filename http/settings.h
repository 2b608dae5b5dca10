/* SPDX-License-Identifier: Apache-2.0 */
/* What the properties say about serving HTTP: two tables, `server.` and `rivulet.http.`. */
#ifndef HTTP_SETTINGS_H
#define HTTP_SETTINGS_H

#include <stdint.h>

#include <rivulet/property.h>

#include "base/config.h"

/* Below `server.`, by Spring's names. */
struct rv__http_server_settings {
	int64_t port;            /* 0: chosen by the system, -1: no server */
	const char *address;     /* numeric or a name of this machine */
	int64_t max_header_size; /* bytes of request line and headers together */
};

/* Below `rivulet.http.`: what a stranger may cost. */
struct rv__http_limits {
	int64_t max_body_size;      /* bytes */
	int64_t max_connections;    /* served at once, further ones get 503 */
	int64_t max_requests;       /* handlers running at once, further requests get 503 */
	int64_t request_timeout_ms; /* from the first byte of a request to its last */
	int64_t write_timeout_ms;   /* for taking an answer */
	int64_t idle_timeout_ms;    /* of a connection between two requests */
	int64_t stop_timeout_ms;    /* before running handlers are named in the log */
};

struct rv__http_settings {
	struct rv__http_server_settings server;
	struct rv__http_limits limits;
};

extern const struct rv_prop_table rv__http_server_table;
extern const struct rv_prop_table rv__http_limits_table;

/** Fills both; mistakes go to *problems. Strings belong to `config`. */
void rv__http_settings_read(
    struct rv__http_settings *settings, const rv_config *config, struct rv__problems *problems);

#endif
