/* SPDX-License-Identifier: Apache-2.0 */
/* The answer that a handler gives, until it is handed to libmicrohttpd. On the stack of the connection's thread. */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include <microhttpd.h>

#include <rivulet/http.h>

/* Together they must fit what libmicrohttpd keeps for the head of an answer. */
enum { RV__RESPONSE_HEADERS_MAX = 16, RV__RESPONSE_HEADER_BYTES_MAX = 2048 };

struct rv_http_response {
	const char *instance; /* path of the request, for problems; borrowed; NULL when none */
	int status;           /* 0: not answered yet */
	char *body;           /* owned, from malloc() */
	size_t length;
	const char *content_type; /* static */
	struct rv__response_header {
		char *name; /* owned; the value stands behind its NUL */
		char *value;
	} headers[RV__RESPONSE_HEADERS_MAX];
	size_t header_count;
	size_t header_bytes;
	bool close; /* the connection ends with this answer */
};

/** Answers without a body (204). Returns 0. */
int rv__http_empty(struct rv_http_response *response, int status);

/** rv_http_problem() from its parts. Returns 0. */
int rv__http_refuse(struct rv_http_response *response, int status, rv_err code, uint16_t number,
    const char *format, ...) RV_PRINTF(5, 6);

/** The phrase of a status ("Not Found"); never NULL. */
const char *rv__http_phrase(int status);

/** Hands the answer over and empties `response`. MHD_NO: the connection must be closed. */
enum MHD_Result rv__response_queue(struct rv_http_response *response, struct MHD_Connection *connection);

void rv__response_finish(struct rv_http_response *response);

#endif
