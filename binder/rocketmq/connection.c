/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/rocketmq/connection.h"

#include <stdlib.h>
#include <string.h>

#include "base/back_off.h"
#include "base/numbers.h"

enum { BACK_OFF_FIRST_MS = 20, BACK_OFF_MAX_MS = 1000, READ_SIZE = 65536, OUT_LIMIT = 256 << 20 };

struct rv__rmq_connection *rv__rmq_connection_get(
    struct rv__rmq_client *client, struct rv__rmq_identity *identity, const char *address, bool broker)
{
	struct rv__rmq_connection *connection;

	for (connection = client->connections; connection; connection = connection->next) {
		if (connection->identity != identity || strcmp(connection->address, address) != 0)
			continue;
		/* One address may be name server and broker in one: then the broker has not heard of us yet. */
		if (broker && !connection->broker) {
			connection->broker = true;
			rv__rmq_client_announce(client);
		}
		return connection;
	}
	connection = calloc(1, sizeof *connection);
	if (!connection)
		return NULL;
	connection->address = strdup(address);
	if (!connection->address) {
		free(connection);
		return NULL;
	}
	connection->client = client;
	connection->identity = identity;
	connection->broker = broker;
	connection->out.limit = OUT_LIMIT;
	connection->writing.limit = OUT_LIMIT;
	connection->next = client->connections;
	client->connections = connection;
	return connection;
}

/* -- requests under way ------------------------------------------------------------------- */

static struct rv__rmq_request **bucket_of(struct rv__rmq_connection *connection, int32_t opaque)
{
	return &connection->buckets[(uint32_t)opaque % RV__RMQ_BUCKETS];
}

static struct rv__rmq_request *take_request(struct rv__rmq_connection *connection, int32_t opaque)
{
	struct rv__rmq_request **slot = bucket_of(connection, opaque), *request;

	while (*slot && (*slot)->opaque != opaque)
		slot = &(*slot)->next;
	request = *slot;
	if (!request)
		return NULL;
	*slot = request->next;
	request->connection = NULL;
	connection->request_count--;
	return request;
}

void rv__rmq_request_cancel(struct rv__rmq_request *request)
{
	if (request->connection)
		(void)take_request(request->connection, request->opaque);
}

/* One at a time: a callback may cancel, and free, any other request of the table. */
static void fail_requests(struct rv__rmq_connection *connection, const struct rv_error *why)
{
	for (size_t i = 0; i < RV__RMQ_BUCKETS; i++) {
		while (connection->buckets[i]) {
			struct rv__rmq_request *request =
			    take_request(connection, connection->buckets[i]->opaque);

			request->done(request, NULL, NULL, why);
		}
	}
}

/* -- opening and closing ------------------------------------------------------------------ */

static void free_tcp(uv_handle_t *handle)
{
	free(handle);
}

static void free_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *result)
{
	uv_freeaddrinfo(result);
	free(lookup);
}

static void set_down(struct rv__rmq_connection *connection)
{
	if (connection->tcp) {
		connection->tcp->data = NULL; /* callbacks under way find nobody */
		uv_close((uv_handle_t *)connection->tcp, free_tcp);
		connection->tcp = NULL;
	}
	if (connection->lookup) {
		connection->lookup->data = NULL; /* frees itself when its callback runs */
		connection->lookup = NULL;
	}
	if (connection->write) {
		connection->write->data = NULL;
		connection->write = NULL;
	}
	rv__frame_decoder_finish(&connection->decoder);
	connection->decoder = (struct rv__frame_decoder){0};
	rv__buffer_clear(&connection->out);
	connection->link = RV__RMQ_DOWN;
	connection->heartbeat_answered = false;
}

static void lose(struct rv__rmq_connection *connection, struct rv_error *why)
{
	struct rv__rmq_client *client = connection->client;
	bool was_open = connection->link == RV__RMQ_OPEN;
	int64_t back_off_ms, now = rv__rmq_now_ms(client);

	set_down(connection);
	/* The first try again comes at once after a connection that held for a while. */
	if (was_open && now - connection->link_ms > BACK_OFF_MAX_MS)
		connection->failures = 0;
	back_off_ms = rv__back_off_ms(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS, ++connection->failures);
	connection->retry_ms = now + rv__jitter_ms(back_off_ms, client->env->random());
	connection->link_ms = now;
	fail_requests(connection, why);
	rv__rmq_on_lost(connection, why);
	rv__rmq_client_hurry(client);
}

/* Closes; requests under way fail with RV_E_UNAVAILABLE. It may be opened again. */
static void drop(struct rv__rmq_connection *connection, const char *reason)
{
	struct rv_error why;

	if (connection->link == RV__RMQ_DOWN)
		return;
	rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_RMQ_LOST, RV__RMQ_TOPIC, "connection to %s: %s%s",
	    connection->address, reason,
	    connection->link == RV__RMQ_CONNECTING ? "; start it, or correct the address" : "");
	lose(connection, &why);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct rv__rmq_connection *connection = handle->data;
	size_t size = 0;
	uint8_t *room = connection ? rv__frame_decoder_room(&connection->decoder, READ_SIZE, &size) : NULL;

	*buffer = uv_buf_init((char *)room, room ? (unsigned)size : 0);
}

static void handle_frame(struct rv__rmq_connection *connection, struct rv__frame *frame)
{
	struct rv__command command;
	struct rv__rmq_request *request;
	struct rv_error why;

	if (rv__command_decode(frame, &command, &why) != RV_OK) {
		drop(connection, why.text);
		return;
	}
	if (!rv__command_is_response(&command)) {
		rv__rmq_on_command(connection, &command, frame->block);
		return;
	}
	request = take_request(connection, command.opaque);
	if (request) /* else an answer that came after its time-out */
		request->done(request, &command, frame->block, NULL);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct rv__rmq_connection *connection = stream->data;
	struct rv__frame_decoder *decoder;
	enum rv__frame_result result = RV__FRAME_MORE;
	struct rv__frame frame;
	struct rv_error why;

	if (!connection || n == 0)
		return;
	if (n < 0) {
		drop(connection, n == UV_EOF ? "closed by the peer" : uv_strerror((int)n));
		return;
	}
	decoder = &connection->decoder;
	connection->heard_ms = rv__rmq_now_ms(connection->client);
	rv__frame_decoder_received(decoder, (size_t)n);
	/* A callback may drop the connection: then stream->data is gone, and the decoder is empty. */
	while (stream->data && (result = rv__frame_decoder_next(decoder, &frame, &why)) == RV__FRAME_WHOLE) {
		struct rv__block *block = rv__block_ref(frame.block);

		handle_frame(connection, &frame);
		rv__block_unref(block);
	}
	if (stream->data && result == RV__FRAME_BROKEN)
		drop(connection, why.text);
}

static void on_connect(uv_connect_t *connect, int status)
{
	uv_stream_t *stream = connect->handle;
	struct rv__rmq_connection *connection = stream->data;

	free(connect);
	if (!connection)
		return;
	if (status == 0)
		status = uv_read_start(stream, on_room, on_read);
	if (status != 0) {
		drop(connection, uv_strerror(status));
		return;
	}
	connection->link = RV__RMQ_OPEN;
	connection->link_ms = connection->heard_ms = rv__rmq_now_ms(connection->client);
	connection->seen = true;
	rv__rmq_on_open(connection);
}

static void open_socket(struct rv__rmq_connection *connection, const struct sockaddr *address)
{
	uv_connect_t *connect = malloc(sizeof *connect);
	int status = UV_ENOMEM;

	connection->tcp = malloc(sizeof *connection->tcp);
	if (connect && connection->tcp) {
		status = uv_tcp_init(&connection->client->loop, connection->tcp);
		if (status != 0) {
			free(connection->tcp);
			connection->tcp = NULL;
		}
	}
	if (status == 0) {
		connection->tcp->data = connection;
		uv_tcp_nodelay(connection->tcp, 1);
		status = uv_tcp_connect(connect, connection->tcp, address, on_connect);
	}
	if (status != 0) {
		free(connect);
		drop(connection, uv_strerror(status));
	}
}

static void on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *result)
{
	struct rv__rmq_connection *connection = lookup->data;

	if (!connection) {
		free_lookup(lookup, status, result);
		return;
	}
	connection->lookup = NULL;
	if (status == 0 && result)
		open_socket(connection, result->ai_addr);
	else
		drop(connection, status ? uv_strerror(status) : "the name has no address");
	free_lookup(lookup, status, result);
}

static void look_up(struct rv__rmq_connection *connection, const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
	int status = UV_ENOMEM;

	connection->lookup = malloc(sizeof *connection->lookup);
	if (connection->lookup) {
		connection->lookup->data = connection;
		status = uv_getaddrinfo(
		    &connection->client->loop, connection->lookup, on_lookup, host, port, &hints);
	}
	if (status != 0) {
		free(connection->lookup);
		connection->lookup = NULL;
		drop(connection, uv_strerror(status));
	}
}

static void start_connecting(struct rv__rmq_connection *connection)
{
	const char *colon = strrchr(connection->address, ':');
	struct sockaddr_storage address;
	char host[256];
	size_t length = colon ? (size_t)(colon - connection->address) : 0;
	int port;

	connection->link = RV__RMQ_CONNECTING;
	connection->link_ms = rv__rmq_now_ms(connection->client);
	if (!colon || length == 0 || length >= sizeof host) {
		drop(connection, "the address is not host:port");
		return;
	}
	memcpy(host, connection->address, length);
	host[length] = '\0';
	if (host[0] == '[' && host[length - 1] == ']') {
		memmove(host, host + 1, length - 2);
		host[length - 2] = '\0';
	}
	port = (int)strtol(colon + 1, NULL, 10);
	if (uv_ip4_addr(host, port, (struct sockaddr_in *)&address) == 0 ||
	    uv_ip6_addr(host, port, (struct sockaddr_in6 *)&address) == 0)
		open_socket(connection, (struct sockaddr *)&address);
	else
		look_up(connection, host, colon + 1);
}

bool rv__rmq_connection_usable(struct rv__rmq_connection *connection)
{
	if (connection->client->closing)
		return false;
	if (connection->link == RV__RMQ_DOWN && rv__rmq_now_ms(connection->client) >= connection->retry_ms)
		start_connecting(connection);
	return connection->link != RV__RMQ_DOWN;
}

/* -- writing ------------------------------------------------------------------------------ */

static void on_written(uv_write_t *write, int status)
{
	struct rv__rmq_connection *connection = write->data;

	free(write);
	if (!connection)
		return;
	connection->write = NULL;
	rv__buffer_clear(&connection->writing);
	if (status != 0 && status != UV_ECANCELED)
		drop(connection, uv_strerror(status));
	else
		rv__rmq_connection_flush(connection);
}

/* The rest of a write that the socket did not take at once. */
static void write_rest(struct rv__rmq_connection *connection, size_t from)
{
	struct rv__buffer spare = connection->writing;
	uv_write_t *write = malloc(sizeof *write);
	uv_buf_t rest;
	int status = UV_ENOMEM;

	connection->writing = connection->out;
	connection->out = spare;
	rv__buffer_clear(&connection->out);
	rest = uv_buf_init(
	    (char *)connection->writing.bytes + from, (unsigned)(connection->writing.length - from));
	if (write) {
		write->data = connection;
		status = uv_write(write, (uv_stream_t *)connection->tcp, &rest, 1, on_written);
	}
	if (status != 0) {
		free(write);
		drop(connection, uv_strerror(status));
		return;
	}
	connection->write = write;
}

void rv__rmq_connection_flush(struct rv__rmq_connection *connection)
{
	uv_buf_t bytes;
	int written;

	if (connection->link != RV__RMQ_OPEN || connection->write || connection->out.length == 0)
		return;
	bytes = uv_buf_init((char *)connection->out.bytes, (unsigned)connection->out.length);
	written = uv_try_write((uv_stream_t *)connection->tcp, &bytes, 1);
	if (written == UV_EAGAIN)
		written = 0;
	if (written < 0) {
		drop(connection, uv_strerror(written));
		return;
	}
	if ((size_t)written < connection->out.length)
		write_rest(connection, (size_t)written);
	else
		rv__buffer_clear(&connection->out);
}

/* -- deadlines ---------------------------------------------------------------------------- */

static void time_out(struct rv__rmq_connection *connection, struct rv__rmq_request *request)
{
	struct rv_error why;

	rv_error_set(&why, RV_E_TIMEOUT, RV__N_RMQ_NO_ANSWER, RV__RMQ_TOPIC,
	    "no answer from %s within %lld ms", connection->address,
	    (long long)(request->deadline_ms - request->asked_ms));
	request->done(request, NULL, NULL, &why);
}

/* Fails requests past their deadline; returns the earliest deadline left, 0: none. */
static int64_t expire(struct rv__rmq_connection *connection, int64_t now_ms)
{
	int64_t next = 0;
	bool silent = false;

	for (size_t i = 0; i < RV__RMQ_BUCKETS && connection->request_count > 0; i++) {
		struct rv__rmq_request *request = connection->buckets[i];

		while (request) {
			if (request->deadline_ms > now_ms) {
				next = !next || request->deadline_ms < next ? request->deadline_ms : next;
				request = request->next;
				continue;
			}
			silent |= connection->heard_ms < request->asked_ms;
			time_out(connection, take_request(connection, request->opaque));
			request = connection->buckets[i]; /* the callback may have changed the list */
		}
	}
	/* Nothing at all came since the question: the peer's machine may be gone without a word. */
	if (silent)
		drop(connection, "the peer is silent");
	return next;
}

int64_t rv__rmq_connection_tend(struct rv__rmq_connection *connection, int64_t now_ms)
{
	if (connection->link == RV__RMQ_CONNECTING && now_ms - connection->link_ms >= RV__RMQ_CONNECT_MS)
		drop(connection, "not connected within 3000 ms");
	if (connection->link == RV__RMQ_DOWN && connection->broker && now_ms >= connection->retry_ms &&
	    !connection->client->closing)
		start_connecting(connection);
	if (connection->link == RV__RMQ_OPEN && now_ms - connection->heard_ms > 1000)
		rv__frame_decoder_trim(&connection->decoder);
	return expire(connection, now_ms);
}

void rv__rmq_connection_destroy(struct rv__rmq_connection *connection)
{
	set_down(connection);
	rv__buffer_finish(&connection->out);
	rv__buffer_finish(&connection->writing);
	free(connection->address);
	free(connection);
}
