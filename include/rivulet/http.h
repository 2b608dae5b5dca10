/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP routes of a service, on libmicrohttpd. `server.port` (8080; 0 = chosen by the
 * system, -1 = no server) and `server.address` (127.0.0.1) come from the properties. A
 * service without routes opens one only for the actuator, when server.port is set.
 *
 * A handler runs on a thread of the HTTP module and may block: it delays neither other
 * connections nor the actuator. Requests that wait at once are capped
 * (rivulet.http.max-requests); above that callers get 503.
 */
#ifndef RIVULET_HTTP_H
#define RIVULET_HTTP_H

#include <stddef.h>

#include <jansson.h>

#include <rivulet/app.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_http_request rv_http_request;
typedef struct rv_http_response rv_http_response;

/**
 * Answers one request by one rv_http_json(), rv_http_text() or rv_http_problem() call; the return value
 * of those is the value to return. Both objects are borrowed until return. Any HTTP thread, several at once.
 * A handler that returns without an answer is answered for with 500, and logged; of two answers the first counts.
 */
typedef int (*rv_http_handler_fn)(const rv_http_request *request, rv_http_response *response, void *context);

/**
 * Registers a route. `path` is exact ("/sendTestMsg") or has whole segments in braces ("/cars/{plate}").
 * A known path with another method is 405 with Allow, an unknown path 404, both as JSON problems. GET also
 * serves HEAD. A route that cannot be (a method in small letters, declared twice …) is told by rv_app_run().
 */
RV_API void rv_app_route(
    rv_app *app, const char *method, const char *path, rv_http_handler_fn handler, void *context);

/** "POST". Borrowed until the handler returns, like everything that follows. */
RV_API const char *rv_http_method(const rv_http_request *request);
/** The path as sent, still with its escapes, without the query. */
RV_API const char *rv_http_path(const rv_http_request *request);
/** Decoded segment of a braced path; NULL when the route has none of that name. */
RV_API const char *rv_http_path_value(const rv_http_request *request, const char *name);
/** Decoded query parameter; NULL when absent. */
RV_API const char *rv_http_query(const rv_http_request *request, const char *name);
/** Request header, name without case; NULL when absent. */
RV_API const char *rv_http_header(const rv_http_request *request, const char *name);
/** Whole body (rivulet.http.max-body-size caps it, 413 above). Never NULL. */
RV_API const void *rv_http_body(const rv_http_request *request, size_t *ret_length);
/** Body as JSON: a new reference, owned; NULL with *err when it is none (RV_E_INVALID) or nests deeper than 64 levels
 * (RV_E_TOOBIG). */
RV_API json_t *rv_http_body_json(const rv_http_request *request, struct rv_error *err);

/*
 * Each answers with a status from 200 to 599 and returns 0; -1: no memory, and no answer is made. What cannot be answered
 * so (another status, a bad format, text that is no UTF-8 in JSON) becomes a problem with 500, and is logged.
 */

/** Answers with JSON packed by jansson's format. */
RV_API int rv_http_json(rv_http_response *response, int status, const char *format, ...);
/** Answers with `value`; its reference is taken, whatever is returned. */
RV_API int rv_http_json_value(rv_http_response *response, int status, json_t *value);
/** Answers with UTF-8 text (copied). */
RV_API int rv_http_text(rv_http_response *response, int status, const char *text);
/** Answers with an RFC 9457 problem: title, status, detail, instance, and the error's class, number and
 *  retriable flag. A NULL error: title and status alone. */
RV_API int rv_http_problem(rv_http_response *response, int status, const struct rv_error *error);
/** Adds a header to the answer; names and values with control characters are refused (logged). */
RV_API void rv_http_set_header(rv_http_response *response, const char *name, const char *value);

#ifdef __cplusplus
}
#endif
#endif
