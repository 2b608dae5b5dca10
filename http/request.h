/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request as a handler sees it. It belongs to its connection and is used again for the next
 * request, so that a busy connection allocates nothing for it.
 *
 * Threads: one, that of the connection.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <microhttpd.h>

#include <rivulet/property.h>

#include "base/buffer.h"
#include "http/routes.h"

/* Parameters beyond these are refused with 400. */
enum { RV__QUERY_MAX = 32 };

struct rv_http_request {
	struct MHD_Connection *connection; /* NULL in tests */
	const char *method;                /* libmicrohttpd's, until the request ends */
	const struct rv__route *route;     /* NULL until found */
	struct rv__buffer path;            /* as sent, without query, NUL-terminated */
	struct rv__buffer decoded;         /* what segments and parameters point into */
	struct rv__buffer body;
	struct rv__segments segments;        /* decoded */
	struct rv_pair query[RV__QUERY_MAX]; /* decoded */
	size_t query_count;
	bool whole_server; /* the target is "*" */
};

void rv__request_init(struct rv_http_request *request, size_t max_body_size);

/** Forgets the request before; keeps its memory for the next one, unless that is large. */
void rv__request_reset(struct rv_http_request *request);

void rv__request_finish(struct rv_http_request *request);

/**
 * Takes the target of a request line ("/cars/%E7%B2%A4?page=2") apart: path, decoded segments, decoded query.
 *
 * @return RV_OK; RV_E_INVALID for what is not a path, a broken escape, an escaped zero, invalid UTF-8, or too
 *         many parameters; RV_E_NOMEM
 * Source: RFC 9112 section 3.2, RFC 3986 section 2.1; '+' is a blank in the query as HTML forms have it
 */
rv_err rv__request_set_target(struct rv_http_request *request, const char *target, struct rv_error *err);

#endif
