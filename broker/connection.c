/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/connection.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "base/numbers.h"
#include "broker/dispatch.h"
#include "broker/server.h"

enum {
	READ_ROOM = 16384,
	KEEP_OUT = 65536,     /* an output buffer beyond this is given back once it is empty */
	PAUSE_BYTES = 524288, /* so much unread output pauses reading: twice the largest answer to a pull */
	PAUSE_SHARE = 4       /* or a quarter of the limit, when that is less */
};

/* -- lists ------------------------------------------------------------------------------------------ */

static void link_connection(struct rv__connection *connection)
{
	struct rv__broker *broker = connection->broker;

	connection->next = broker->connections;
	if (connection->next)
		connection->next->previous = connection;
	broker->connections = connection;
	broker->connection_count++;
}

static void unlink_connection(struct rv__connection *connection)
{
	struct rv__broker *broker = connection->broker;

	if (connection->previous)
		connection->previous->next = connection->next;
	else
		broker->connections = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	broker->connection_count--;
}

static void mark_dirty(struct rv__connection *connection)
{
	if (connection->dirty)
		return;
	connection->dirty = true;
	connection->next_dirty = connection->broker->dirty;
	connection->broker->dirty = rv__connection_ref(connection);
}

/* -- life ------------------------------------------------------------------------------------------- */

struct rv__connection *rv__connection_ref(struct rv__connection *connection)
{
	connection->refs++;
	return connection;
}

void rv__connection_unref(struct rv__connection *connection)
{
	if (--connection->refs)
		return;
	rv__buffer_finish(&connection->out);
	rv__buffer_finish(&connection->sending);
	free(connection);
}

static void count_partial(struct rv__connection *connection, size_t bytes)
{
	connection->broker->partial_bytes -= connection->partial;
	connection->broker->partial_bytes += bytes;
	connection->partial = bytes;
}

static void on_closed(uv_handle_t *handle)
{
	struct rv__connection *connection = handle->data;

	unlink_connection(connection);
	count_partial(connection, 0);
	rv__frame_decoder_finish(&connection->input);
	rv__dispatch_closed(connection);
	rv__connection_unref(connection);
}

void rv__connection_close(struct rv__connection *connection, const char *format, ...)
{
	char reason[256];
	va_list args;

	if (connection->closing)
		return;
	connection->closing = true;
	if (format) {
		va_start(args, format);
		vsnprintf(reason, sizeof(reason), format, args);
		va_end(args);
		rv_log(RV_LOG_WARN, RV__TOPIC, "peer=%s: %s; connection closed", connection->peer, reason);
	}
	uv_close(&connection->handle, on_closed);
}

static void name_peer(struct rv__connection *connection)
{
	struct sockaddr_storage address;
	int length = sizeof(address);
	char ip[INET6_ADDRSTRLEN] = "?";

	if (uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&address, &length) != 0) {
		snprintf(connection->peer, sizeof(connection->peer), "?");
	} else if (address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;

		uv_ip6_name(v6, ip, sizeof(ip));
		snprintf(connection->peer, sizeof(connection->peer), "%s:%d", ip, ntohs(v6->sin6_port));
		memcpy(connection->address.ip, &v6->sin6_addr, 16);
		connection->address.length = 16;
		connection->address.port = ntohs(v6->sin6_port);
	} else {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;

		uv_ip4_name(v4, ip, sizeof(ip));
		snprintf(connection->peer, sizeof(connection->peer), "%s:%d", ip, ntohs(v4->sin_port));
		memcpy(connection->address.ip, &v4->sin_addr, 4);
		connection->address.length = 4;
		connection->address.port = ntohs(v4->sin_port);
	}
}

/* -- receiving -------------------------------------------------------------------------------------- */

static void process_input(struct rv__connection *connection);

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct rv__connection *connection = handle->data;
	size_t size = 0;
	uint8_t *at = rv__frame_decoder_room(&connection->input, READ_ROOM, &size);

	(void)suggested;
	*buf = uv_buf_init((char *)at, at ? (unsigned)size : 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct rv__connection *connection = stream->data;

	(void)buf;
	if (n == UV_EOF || n == UV_ECONNRESET) {
		rv__connection_close(connection, NULL);
		return;
	}
	if (n < 0) {
		rv__connection_close(connection, "reading failed: %s", uv_strerror((int)n));
		return;
	}
	if (n == 0)
		return;
	connection->last_traffic_ms = rv__broker_now(connection->broker);
	rv__frame_decoder_received(&connection->input, (size_t)n);
	process_input(connection);
}

static void pause_reading(struct rv__connection *connection)
{
	connection->paused = true;
	uv_read_stop(&connection->stream);
}

static void resume_reading(struct rv__connection *connection)
{
	connection->paused = false;
	process_input(connection);
	if (!connection->closing && !connection->paused)
		uv_read_start(&connection->stream, on_room, on_read);
}

/* Who has been at an unfinished request for longest: whoever fills the limit gives way, not whoever comes last. */
static struct rv__connection *find_slowest(struct rv__broker *broker)
{
	struct rv__connection *slowest = NULL;

	for (struct rv__connection *one = broker->connections; one; one = one->next)
		if (!one->closing && one->partial &&
		    (!slowest || one->partial_since_ms < slowest->partial_since_ms))
			slowest = one;
	return slowest;
}

static void close_slowest(struct rv__broker *broker)
{
	struct rv__connection *slowest;

	while (broker->partial_bytes > (size_t)broker->settings.max_partial &&
	    (slowest = find_slowest(broker))) {
		rv__connection_close(slowest,
		    "RV%04d unfinished requests of all clients hold more than %lld bytes (maxPartialInput), "
		    "this "
		    "one is the oldest",
		    RV__N_BROKER_LIMIT, (long long)broker->settings.max_partial);
		count_partial(slowest, 0);
	}
}

/* Bytes of the frame that is not whole yet count against the limit that all connections share. */
static void account_partial(struct rv__connection *connection)
{
	struct rv__broker *broker = connection->broker;
	size_t pending = rv__frame_decoder_pending(&connection->input);

	count_partial(connection, pending);
	if (pending == 0) {
		connection->partial_since_ms = 0;
		if (connection->input.block && connection->input.block->capacity > KEEP_OUT)
			rv__frame_decoder_trim(&connection->input);
		return;
	}
	if (!connection->partial_since_ms)
		connection->partial_since_ms = rv__broker_now(broker);
	close_slowest(broker);
}

static bool is_slow(const struct rv__connection *connection)
{
	size_t share = (size_t)connection->broker->settings.max_output / PAUSE_SHARE;

	return connection->out.length + connection->sending.length >
	    (share < PAUSE_BYTES ? share : PAUSE_BYTES);
}

static void process_input(struct rv__connection *connection)
{
	struct rv__broker *broker = connection->broker;
	enum rv__frame_result result = RV__FRAME_MORE;
	struct rv__frame frame;
	struct rv_error error;

	while (!connection->closing && !connection->paused) {
		result = rv__frame_decoder_next(&connection->input, &frame, &error);
		if (result != RV__FRAME_WHOLE)
			break;
		connection->partial_since_ms = 0;
		if (rv__command_decode(&frame, &broker->command, &error) != RV_OK) {
			rv__connection_close(connection, "%s", error.text);
			return;
		}
		rv__dispatch(connection, &broker->command);
		if (is_slow(connection))
			pause_reading(connection);
	}
	if (result == RV__FRAME_BROKEN)
		rv__connection_close(connection, "%s", error.text);
	if (!connection->closing)
		account_partial(connection);
}

void rv__connection_check_idle(struct rv__connection *connection)
{
	int64_t now = rv__broker_now(connection->broker);
	int64_t idle_ms = connection->broker->settings.idle_ms;

	if (connection->closing)
		return;
	if (connection->partial_since_ms && !connection->paused &&
	    now - connection->partial_since_ms >= idle_ms)
		rv__connection_close(connection, "a request is unfinished for %lld ms", (long long)idle_ms);
	else if (connection->out.length + connection->sending.length > 0 &&
	    now - connection->last_traffic_ms >= idle_ms)
		rv__connection_close(connection, "%zu bytes of answers unread for %lld ms",
		    connection->out.length + connection->sending.length, (long long)idle_ms);
	else if (now - connection->last_traffic_ms >= idle_ms)
		rv__connection_close(connection, NULL);
}

/* -- sending ---------------------------------------------------------------------------------------- */

struct rv__buffer *rv__connection_out(struct rv__connection *connection)
{
	mark_dirty(connection);
	return &connection->out;
}

static void on_written(uv_write_t *write, int status)
{
	struct rv__connection *connection = write->data;

	connection->writing = false;
	connection->last_traffic_ms = rv__broker_now(connection->broker);
	rv__buffer_finish(&connection->sending);
	if (status < 0 && status != UV_ECANCELED)
		rv__connection_close(connection, NULL);
	if (!connection->closing) {
		mark_dirty(connection);
		if (connection->paused)
			resume_reading(connection);
	}
	rv__connection_unref(connection);
}

/* What the kernel did not take at once becomes `sending`, from byte `sent` on. */
static void send_rest(struct rv__connection *connection, size_t sent)
{
	uv_buf_t buf;

	connection->sending = connection->out;
	connection->out = (struct rv__buffer){.limit = connection->sending.limit};
	buf = uv_buf_init(
	    (char *)connection->sending.bytes + sent, (unsigned)(connection->sending.length - sent));
	connection->write.data = connection;
	if (uv_write(&connection->write, &connection->stream, &buf, 1, on_written) != 0) {
		rv__connection_close(connection, NULL);
		return;
	}
	connection->writing = true;
	rv__connection_ref(connection);
}

void rv__connection_flush(struct rv__connection *connection)
{
	struct rv__buffer *out = &connection->out;
	uv_buf_t buf;
	int n;

	if (connection->closing || connection->writing)
		return;
	if (rv__buffer_error(out) != RV_OK) {
		rv__connection_close(connection, "RV%04d more than %zu bytes of answers unread",
		    RV__N_BROKER_SLOW_READER, out->limit);
		return;
	}
	if (out->length == 0)
		return;
	buf = uv_buf_init((char *)out->bytes, (unsigned)out->length);
	n = uv_try_write(&connection->stream, &buf, 1);
	if (n < 0 && n != UV_EAGAIN) {
		rv__connection_close(connection, NULL);
		return;
	}
	connection->last_traffic_ms = rv__broker_now(connection->broker);
	if (n >= 0 && (size_t)n == out->length) {
		if (out->capacity > KEEP_OUT)
			rv__buffer_finish(out);
		else
			rv__buffer_clear(out);
		if (connection->paused)
			resume_reading(connection);
		return;
	}
	send_rest(connection, n > 0 ? (size_t)n : 0);
}

/* -- accepting -------------------------------------------------------------------------------------- */

static void on_refused_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static bool has_room(struct rv__broker *broker)
{
	if (broker->connection_count < broker->connection_limit) {
		broker->told_full = false;
		return true;
	}
	if (!broker->told_full)
		rv_log(RV_LOG_WARN, RV__TOPIC,
		    "RV%04d %zu connections are open, the limit (maxConnections, and what 'ulimit -n' "
		    "leaves); further "
		    "ones are closed",
		    RV__N_BROKER_LIMIT, broker->connection_count);
	broker->told_full = true;
	return false;
}

void rv__connection_accept(struct rv__broker *broker, uv_stream_t *listener, enum rv__door door)
{
	struct rv__connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return;
	connection->broker = broker;
	connection->door = door;
	connection->refs = 1;
	connection->out.limit = (size_t)broker->settings.max_output;
	connection->last_traffic_ms = rv__broker_now(broker);
	if (uv_tcp_init(&broker->loop, &connection->tcp) != 0) {
		free(connection);
		return;
	}
	connection->handle.data = connection;
	if (uv_accept(listener, &connection->stream) != 0 || !has_room(broker)) {
		uv_close(&connection->handle, on_refused_closed);
		return;
	}
	uv_tcp_nodelay(&connection->tcp, 1);
	name_peer(connection);
	link_connection(connection);
	uv_read_start(&connection->stream, on_room, on_read);
}
