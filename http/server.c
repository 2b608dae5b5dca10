/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between libmicrohttpd and the handlers. libmicrohttpd calls on_request when the headers of a request are
 * complete, once a piece of its body, and once at its end. A request that will be refused is answered at
 * the first call if its client waits for leave to send ("Expect: 100-continue") or announces too much, else
 * after its body, so that the connection can go on.
 */
#include "http/server.h"

#include <rivulet/log.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "http/connection.h"
#include "http/response.h"

#include <errno.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	STACK_SIZE = 256 * 1024,   /* of a connection's thread; only what is touched costs memory */
	POOL_EXTRA = 4 * 1024,     /* of a connection's pool beyond the request's header: the answer's */
	EXTRA_CONNECTIONS = 32,    /* beyond max-connections, for the actuator and for saying 503 */
	DISCARD_MAX = 1024 * 1024, /* bytes read over the limit before the connection is closed instead */
	BROKEN_LINES = 20,         /* log lines on broken requests in a period */
	BROKEN_PERIOD_MS = 10000
};

struct rv__http_server {
	struct MHD_Daemon *daemon;
	int listen_fd; /* the daemon's until stop */
	struct rv__http_settings settings;
	const struct rv__routes *routes;
	struct rv__http_connections connections;
	_Atomic int64_t running;  /* handlers, without management */
	_Atomic int64_t managing; /* handlers of management */
	_Atomic bool stopping;
	_Atomic int64_t broken_since_ms; /* start of the period in which `broken` counts */
	_Atomic int64_t broken;
};

/* -- one request ------------------------------------------------------------------------ */

static int refuse_busy(struct rv_http_response *response, uint16_t number, const char *what, int64_t limit)
{
	rv_http_set_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	return rv__http_refuse(
	    response, 503, RV_E_FULL, number, "%lld %s; try again in a second", (long long)limit, what);
}

static void run_handler(const struct rv_http_request *request, struct rv_http_response *response)
{
	const struct rv__route *route = request->route;

	(void)route->handler(request, response, route->context);
	if (response->status)
		return;
	rv_log(RV_LOG_ERROR, "http", "RV%04d the handler of %s %s returned without an answer",
	    RV__N_NOT_ANSWERED, route->method, route->text);
	rv__http_refuse(response, 500, RV_E_INTERNAL, RV__N_NOT_ANSWERED,
	    "the handler returned without an answer; the service's log says more");
}

static void run_counted(
    struct rv__http_server *server, const struct rv_http_request *request, struct rv_http_response *response)
{
	int64_t limit = server->settings.limits.max_requests;

	/* Counted before `stopping` is read: close sets that first and then waits for zero. */
	if (atomic_fetch_add(&server->running, 1) >= limit)
		refuse_busy(response, RV__N_TOO_BUSY, "requests are being handled already", limit);
	else if (atomic_load(&server->stopping))
		rv__http_refuse(response, 503, RV_E_UNAVAILABLE, RV__N_STOPPING, "the service is stopping");
	else
		run_handler(request, response);
	atomic_fetch_sub(&server->running, 1);
}

static void answer_options(
    struct rv__http_server *server, const struct rv_http_request *request, struct rv_http_response *response)
{
	char allowed[512];

	rv__routes_allowed(
	    server->routes, request->whole_server ? NULL : &request->segments, allowed, sizeof allowed);
	rv_http_set_header(response, MHD_HTTP_HEADER_ALLOW, allowed);
	rv__http_empty(response, 204);
}

/* Finds out how the request will be answered, from its target and method alone. */
static void route(struct rv__http_server *server, struct rv__http_connection *connection)
{
	struct rv_http_request *request = &connection->request;
	bool known = false;

	if (connection->target_error.code) {
		connection->plan = RV__HTTP_BAD_TARGET;
		return;
	}
	request->route = rv__routes_find(server->routes, request->method, &request->segments, &known);
	if (!request->route && strcmp(request->method, "HEAD") == 0)
		request->route = rv__routes_find(server->routes, "GET", &request->segments, &known);
	if (connection->extra && !(request->route && request->route->management))
		connection->plan = RV__HTTP_NO_PLACE;
	else if (request->route)
		connection->plan = RV__HTTP_SERVE;
	else if (strcmp(request->method, "OPTIONS") == 0 && (known || request->whole_server))
		connection->plan = RV__HTTP_OPTIONS;
	else
		connection->plan = known ? RV__HTTP_WRONG_METHOD : RV__HTTP_NO_ROUTE;
}

static void refuse_method(
    struct rv__http_server *server, const struct rv_http_request *request, struct rv_http_response *response)
{
	char allowed[512];

	rv__routes_allowed(server->routes, &request->segments, allowed, sizeof allowed);
	rv_http_set_header(response, MHD_HTTP_HEADER_ALLOW, allowed);
	rv__http_refuse(response, 405, RV_E_UNSUPPORTED, RV__N_WRONG_METHOD,
	    "'%.200s' does not take %.32s; it takes %s", rv_http_path(request), request->method, allowed);
}

static void refuse_body(struct rv__http_server *server, struct rv_http_response *response)
{
	rv__http_refuse(response, 413, RV_E_TOOBIG, RV__N_BODY_TOO_BIG,
	    "the body is larger than %lld bytes; send less or raise rivulet.http.max-body-size",
	    (long long)server->settings.limits.max_body_size);
}

static void serve(
    struct rv__http_server *server, struct rv__http_connection *connection, struct rv_http_response *response)
{
	const struct rv_http_request *request = &connection->request;

	rv__http_connection_enter(connection, RV__HTTP_HANDLING, -1);
	if (!request->route->management) {
		run_counted(server, request, response);
		return;
	}
	atomic_fetch_add(&server->managing, 1);
	run_handler(request, response);
	atomic_fetch_sub(&server->managing, 1);
}

static void make_answer(
    struct rv__http_server *server, struct rv__http_connection *connection, struct rv_http_response *response)
{
	const struct rv_http_request *request = &connection->request;

	switch (connection->plan) {
	case RV__HTTP_SERVE:
		serve(server, connection, response);
		break;
	case RV__HTTP_BAD_TARGET:
		rv_http_problem(response, 400, &connection->target_error);
		break;
	case RV__HTTP_NO_PLACE:
		refuse_busy(response, RV__N_TOO_MANY_CONNECTIONS, "connections are open already",
		    server->settings.limits.max_connections);
		break;
	case RV__HTTP_OPTIONS:
		answer_options(server, request, response);
		break;
	case RV__HTTP_WRONG_METHOD:
		refuse_method(server, request, response);
		break;
	case RV__HTTP_NO_ROUTE:
		rv__http_refuse(response, 404, RV_E_NOTFOUND, RV__N_NO_ROUTE,
		    "there is nothing at '%.200s'; look at the path, letter by letter",
		    rv_http_path(request));
		break;
	case RV__HTTP_TOO_BIG:
		refuse_body(server, response);
		break;
	case RV__HTTP_TWO_LENGTHS:
		rv__http_refuse(response, 400, RV_E_INVALID, RV__N_BROKEN_REQUEST,
		    "the length of the body is said in more than one way; send one Content-Length, or "
		    "Transfer-Encoding: chunked alone");
		break;
	case RV__HTTP_LONG_HEADER:
		rv__http_refuse(response, 431, RV_E_TOOBIG, RV__N_LONG_HEADER,
		    "request line and headers are longer than %lld bytes; send less or raise "
		    "server.max-http-request-header-size",
		    (long long)server->settings.server.max_header_size);
		break;
	}
}

/* Answers the request on its connection. */
static enum MHD_Result answer(
    struct rv__http_server *server, struct rv__http_connection *connection, bool last)
{
	struct rv_http_response response = {.instance = rv_http_path(&connection->request)};
	enum MHD_Result result;

	make_answer(server, connection, &response);
	if (!response.status) /* no memory for any answer */
		response.status = 500;
	response.close = last || connection->extra || atomic_load(&server->stopping);
	if (rv_log_enabled(RV_LOG_DEBUG, "http"))
		rv_log(RV_LOG_DEBUG, "http", "%s %.200s -> %d", rv_http_method(&connection->request),
		    rv_http_path(&connection->request), response.status);
	rv__http_connection_enter(connection, RV__HTTP_WRITING, server->settings.limits.write_timeout_ms);
	result = rv__response_queue(&response, connection->request.connection);
	rv__response_finish(&response);
	return result;
}

/* -- libmicrohttpd's calls -------------------------------------------------------------- */

static bool announces_too_much(const struct rv__http_server *server, struct MHD_Connection *mhd)
{
	const char *text = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	/* libmicrohttpd has refused by itself what is no number or beyond its range. */
	return text && strtoull(text, NULL, 10) > (unsigned long long)server->settings.limits.max_body_size;
}

/* libmicrohttpd refuses by itself what does not fit its pool, which is a little larger. */
static bool has_long_header(const struct rv__http_server *server, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info && info->header_size > (size_t)server->settings.server.max_header_size;
}

struct framing {
	const char *length; /* of the first Content-Length */
	bool chunked;
	bool ambiguous;
};

static enum MHD_Result note_framing(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct framing *framing = arg;

	(void)kind;
	if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
		framing->ambiguous |= !value || (framing->length && strcmp(framing->length, value) != 0);
		framing->length = value;
	} else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
		framing->ambiguous |= framing->chunked || !value || strcasecmp(value, "chunked") != 0;
		framing->chunked = true;
	}
	return MHD_YES;
}

/*
 * A proxy in front may read the other of two lengths, and take the rest for the next client's request (RFC 9112, 6.3
 * and 11.2). libmicrohttpd takes one of them without a word.
 */
static bool has_two_lengths(struct MHD_Connection *mhd)
{
	struct framing framing = {0};

	MHD_get_connection_values(mhd, MHD_HEADER_KIND, note_framing, &framing);
	return framing.ambiguous || (framing.length && framing.chunked);
}

/* The headers are complete. */
static enum MHD_Result begin(
    struct rv__http_server *server, struct rv__http_connection *connection, struct MHD_Connection *mhd)
{
	bool asks = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT) != NULL;

	route(server, connection);
	if (has_long_header(server, mhd))
		connection->plan = RV__HTTP_LONG_HEADER;
	else if (has_two_lengths(mhd))
		connection->plan = RV__HTTP_TWO_LENGTHS;
	else if (announces_too_much(server, mhd))
		connection->plan = RV__HTTP_TOO_BIG;
	else if (connection->plan == RV__HTTP_SERVE || !asks)
		return MHD_YES;
	return answer(server, connection, true);
}

static enum MHD_Result take_body(
    struct rv__http_server *server, struct rv__http_connection *connection, const char *bytes, size_t length)
{
	struct rv__buffer *body = &connection->request.body;
	size_t limit = (size_t)server->settings.limits.max_body_size;
	char peer[96];

	if (connection->plan == RV__HTTP_SERVE && length > limit - body->length)
		connection->plan = RV__HTTP_TOO_BIG;
	if (connection->plan == RV__HTTP_SERVE) {
		rv__buffer_add(body, bytes, length);
		return rv__buffer_error(body) ? MHD_NO : MHD_YES;
	}
	connection->discarded += length;
	if (connection->discarded <= DISCARD_MAX)
		return MHD_YES;
	rv__http_peer(connection->fd, peer, sizeof peer);
	rv_log(RV_LOG_WARN, "http",
	    "RV%04d closed the connection of %s: it goes on sending a body that was refused",
	    RV__N_BODY_TOO_BIG, peer);
	return MHD_NO;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
    const char *version, const char *bytes, size_t *length, void **slot)
{
	struct rv__http_server *server = arg;
	struct rv__http_connection *connection = *slot;
	size_t taken = *length;

	(void)url;
	(void)version;
	if (!connection)
		return MHD_NO;
	if (!connection->request.connection) {
		connection->request.connection = mhd;
		connection->request.method = method;
		return begin(server, connection, mhd);
	}
	if (taken == 0)
		return answer(server, connection, false);
	*length = 0;
	return take_body(server, connection, bytes, taken);
}

/* The request line has arrived. What is returned is the request's slot. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
	struct rv__http_server *server = arg;
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct rv__http_connection *connection = info ? info->socket_context : NULL;

	if (!connection)
		return NULL;
	connection->began = true;
	rv__request_reset(&connection->request);
	connection->discarded = 0;
	connection->target_error.code = RV_OK;
	rv__request_set_target(&connection->request, target, &connection->target_error);
	rv__http_connection_enter(connection, RV__HTTP_READING, server->settings.limits.request_timeout_ms);
	return connection;
}

static void on_completed(
    void *arg, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode code)
{
	struct rv__http_server *server = arg;
	struct rv__http_connection *connection = *slot;

	(void)mhd;
	(void)code;
	if (!connection)
		return;
	*slot = NULL;
	rv__request_reset(&connection->request);
	rv__http_connection_enter(connection, RV__HTTP_IDLE, server->settings.limits.idle_timeout_ms);
}

/* A stranger must not fill the disk with what he sends. */
static void log_broken(struct rv__http_server *server, const char *text)
{
	int64_t now = rv__monotonic_ms();
	int64_t hidden = 0;

	if (now - atomic_load(&server->broken_since_ms) > BROKEN_PERIOD_MS) {
		atomic_store(&server->broken_since_ms, now);
		hidden = atomic_exchange(&server->broken, 0) - BROKEN_LINES;
	}
	if (hidden > 0)
		rv_log(RV_LOG_INFO, "http", "RV%04d %lld more requests were refused before",
		    RV__N_BROKEN_REQUEST, (long long)hidden);
	if (atomic_fetch_add(&server->broken, 1) < BROKEN_LINES)
		rv_log(RV_LOG_INFO, "http", "RV%04d a request was refused: %s", RV__N_BROKEN_REQUEST, text);
}

/* libmicrohttpd's own words on what it refused. */
static RV_PRINTF(2, 0) void on_log(void *arg, const char *format, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof text, format, args);
	text[strcspn(text, "\r\n")] = '\0';
	log_broken(arg, text);
}

/* Whether more than its end ever came from the far side; that counts as one byte. */
static bool has_received(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof info;

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_bytes_received > 1;
}

/*
 * What begins with no request line is closed by libmicrohttpd, most often without a word: a browser that speaks TLS,
 * say. The far end has gone by now, and with it its name.
 */
static void tell_if_not_http(struct rv__http_server *server, const struct rv__http_connection *connection)
{
	if (!connection->began && !atomic_load(&server->stopping) &&
	    atomic_load(&connection->phase) != RV__HTTP_CUT && has_received(connection->fd))
		log_broken(server, "what came is no HTTP; is it TLS (https://)? there is none here");
}

static void on_connection(
    void *arg, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode code)
{
	struct rv__http_server *server = arg;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		*slot = info ? rv__http_connection_open(&server->connections, info->connect_fd) : NULL;
	} else if (*slot) {
		tell_if_not_http(server, *slot);
		rv__http_connection_close(&server->connections, *slot);
		*slot = NULL;
	}
}

/* -- life ------------------------------------------------------------------------------- */

static rv_err start_daemon(struct rv__http_server *server, struct rv_error *err)
{
	const struct rv__http_settings *settings = &server->settings;
	struct MHD_OptionItem options[] = {
	    {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_log, server},
	    {MHD_OPTION_LISTEN_SOCKET, server->listen_fd, NULL},
	    {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)settings->limits.max_connections + EXTRA_CONNECTIONS,
	        NULL},
	    {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)settings->server.max_header_size + POOL_EXTRA,
	        NULL},
	    {MHD_OPTION_THREAD_STACK_SIZE, STACK_SIZE, NULL},
	    {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
	    {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_target, server},
	    {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, server},
	    {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, server},
	    {MHD_OPTION_END, 0, NULL},
	};

	server->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
	        MHD_USE_POLL | MHD_USE_ITC | MHD_USE_TURBO | MHD_USE_ERROR_LOG,
	    0, NULL, NULL, on_request, server, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (server->daemon)
		return RV_OK;
	return rv_error_set(err, RV_E_IO, RV__N_HTTP_START, "http",
	    "the HTTP server could not start: %s; look at 'ulimit -a'", strerror(errno));
}

rv_err rv__http_server_start(const struct rv__http_settings *settings, const struct rv__routes *routes,
    int listen_fd, struct rv__http_server **ret_server, struct rv_error *err)
{
	struct rv__http_server *server = calloc(1, sizeof *server);
	rv_err code;

	if (!server)
		return rv_error_set(err, RV_E_NOMEM, 0, "http", "no memory for the HTTP server");
	server->settings = *settings;
	server->settings.server.address = NULL;
	server->routes = routes;
	server->listen_fd = listen_fd;
	code = rv__http_connections_init(&server->connections, &settings->limits, err);
	if (code)
		goto free_server;
	code = start_daemon(server, err);
	if (code)
		goto finish_connections;
	*ret_server = server;
	return RV_OK;
finish_connections:
	rv__http_connections_finish(&server->connections);
free_server:
	free(server);
	return code;
}

void rv__http_server_stop(struct rv__http_server *server)
{
	if (!server || atomic_exchange(&server->stopping, true))
		return;
	/* The socket is ours again. Shut down, it refuses clients at once; its number must stay taken while
	 * libmicrohttpd's thread may still look at it. */
	server->listen_fd = MHD_quiesce_daemon(server->daemon);
	if (server->listen_fd >= 0)
		shutdown(server->listen_fd, SHUT_RDWR);
}

/* Answers on their way out count too: a handler that just returned is to be heard. */
static bool is_busy(struct rv__http_server *server)
{
	bool writing = false;

	if (atomic_load(&server->running) + atomic_load(&server->managing) > 0)
		return true;
	pthread_mutex_lock(&server->connections.lock);
	for (struct rv__http_connection *it = server->connections.first; it && !writing; it = it->next)
		writing = atomic_load(&it->phase) == RV__HTTP_HANDLING ||
		    atomic_load(&it->phase) == RV__HTTP_WRITING;
	pthread_mutex_unlock(&server->connections.lock);
	return writing;
}

static void wait_for_handlers(struct rv__http_server *server)
{
	int64_t deadline = rv__monotonic_ms() + server->settings.limits.stop_timeout_ms;
	struct timespec pause = {.tv_nsec = 2000000};

	while (is_busy(server) && rv__monotonic_ms() < deadline)
		nanosleep(&pause, NULL);
	if (is_busy(server))
		rv_log(RV_LOG_WARN, "http",
		    "RV%04d stopping: %lld requests are still being handled; waiting for them",
		    RV__N_HANDLERS_LEFT,
		    (long long)(atomic_load(&server->running) + atomic_load(&server->managing)));
}

void rv__http_server_close(struct rv__http_server *server)
{
	if (!server)
		return;
	rv__http_server_stop(server);
	wait_for_handlers(server);
	MHD_stop_daemon(server->daemon);
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	rv__http_connections_finish(&server->connections);
	free(server);
}
