/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/register.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "broker/relay.h"
#include "broker/server.h"
#include "broker/topics.h"

enum {
	REMOTES_MAX = 16,
	RETRY_MS = 1000, /* after a connection failed or was lost */
	SOON_MS = 5,     /* after a change: several in a row become one registration */
	STALL_MS = 5000, /* a name server that does not read for so long is given up */
	READ_ROOM = 4096
};

/* One name server. */
struct remote {
	struct rv__registrar *registrar;
	char host[256];
	char port[8];
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_getaddrinfo_t resolve;
	uv_timer_t timer; /* to the next registration or attempt */
	bool connected;
	bool open;              /* tcp is an open handle */
	bool told;              /* that it cannot be reached was logged */
	int64_t stalled_ms;     /* since when it does not read; 0: it does */
	char answer[READ_ROOM]; /* bytes of answers; only their arrival matters */
};

struct rv__registrar {
	struct rv__broker *broker;
	struct remote remotes[REMOTES_MAX];
	size_t count;
	bool stopping;
};

static void connect_remote(struct remote *remote);
static void on_timer(uv_timer_t *timer);

/* -- sending ------------------------------------------------------------------------------------------------ */

struct writing {
	uv_write_t write;
	struct rv__buffer bytes;
};

static void on_written(uv_write_t *write, int status)
{
	struct writing *writing = write->data;

	(void)status; /* a lost connection is noticed by its reader */
	rv__buffer_finish(&writing->bytes);
	free(writing);
}

/* Takes the bytes over. */
static void send_bytes(struct remote *remote, struct rv__buffer *bytes)
{
	struct writing *writing = rv__buffer_error(bytes) == RV_OK ? malloc(sizeof(*writing)) : NULL;
	uv_buf_t buf;

	if (!writing) {
		rv__buffer_finish(bytes);
		return;
	}
	writing->bytes = *bytes;
	writing->write.data = writing;
	buf = uv_buf_init((char *)writing->bytes.bytes, (unsigned)writing->bytes.length);
	if (uv_write(&writing->write, (uv_stream_t *)&remote->tcp, &buf, 1, on_written) != 0)
		on_written(&writing->write, UV_EPIPE);
}

static void add_identity(struct rv__command_writer *writer, const struct rv__broker *broker)
{
	rv__command_add_text(writer, "brokerName", broker->settings.broker_name);
	rv__command_add_text(writer, "brokerAddr", broker->address);
	rv__command_add_text(writer, "clusterName", broker->settings.cluster);
	rv__command_add_text(writer, "brokerId", "0");
}

/* Source: BrokerOuterAPI.registerBrokerAll, RegisterBrokerBody. */
static void send_registration(struct remote *remote)
{
	struct rv__broker *broker = remote->registrar->broker;
	struct rv__buffer body = RV__BUFFER_INIT(RV__FRAME_MAX), out = RV__BUFFER_INIT(2 * RV__FRAME_MAX);
	struct rv__command_writer writer;

	rv__buffer_add_text(&body, "{\"filterServerList\":[],\"topicConfigSerializeWrapper\":");
	rv__topics_encode(broker, &body, true);
	rv__buffer_add_text(&body, "}");
	rv__command_begin(&writer, &out,
	    &(struct rv__command_head){
	        .code = RV__REQ_REGISTER_BROKER,
	        .opaque = rv__relay_next_opaque(broker),
	        .language = RV__LANGUAGE_CPP,
	    });
	add_identity(&writer, broker);
	rv__command_add_text(&writer, "haServerAddr", broker->address);
	rv__command_add_text(&writer, "compressed", "false");
	rv__command_add_i64(&writer, "bodyCrc32", rv__record_crc(body.bytes, body.length));
	rv__command_end(&writer, body.length);
	rv__buffer_add(&out, body.bytes, body.length);
	if (rv__buffer_error(&body) != RV_OK)
		out.failed = rv__buffer_error(&body);
	rv__buffer_finish(&body);
	send_bytes(remote, &out);
}

static void send_farewell(struct remote *remote)
{
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv__command_writer writer;
	uv_buf_t buf;

	rv__command_begin(&writer, &out,
	    &(struct rv__command_head){
	        .code = RV__REQ_UNREGISTER_BROKER,
	        .opaque = rv__relay_next_opaque(remote->registrar->broker),
	        .language = RV__LANGUAGE_CPP,
	    });
	add_identity(&writer, remote->registrar->broker);
	rv__command_end(&writer, 0);
	buf = uv_buf_init((char *)out.bytes, (unsigned)out.length);
	(void)uv_try_write((uv_stream_t *)&remote->tcp, &buf, 1);
	rv__buffer_finish(&out);
}

/* -- connecting --------------------------------------------------------------------------------------------- */

static void lose(struct remote *remote, const char *why);

/* Nothing is sent behind what is not read yet: the next registration says all that the ones left out would have. */
static void wait_for_reader(struct remote *remote)
{
	int64_t now = rv__broker_now(remote->registrar->broker);

	if (!remote->stalled_ms)
		remote->stalled_ms = now;
	if (now - remote->stalled_ms >= STALL_MS)
		lose(remote, "it does not read what it is sent");
	else
		uv_timer_start(&remote->timer, on_timer, RETRY_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct remote *remote = timer->data;

	if (remote->registrar->stopping)
		return;
	if (!remote->connected) {
		connect_remote(remote);
		return;
	}
	if (uv_stream_get_write_queue_size((uv_stream_t *)&remote->tcp) > 0) {
		wait_for_reader(remote);
		return;
	}
	remote->stalled_ms = 0;
	send_registration(remote);
	uv_timer_start(timer, on_timer, (uint64_t)remote->registrar->broker->settings.register_period_ms, 0);
}

static void try_again(struct remote *remote)
{
	if (!remote->registrar->stopping)
		uv_timer_start(&remote->timer, on_timer, RETRY_MS, 0);
}

static void on_lost(uv_handle_t *handle)
{
	struct remote *remote = handle->data;

	remote->open = false;
	try_again(remote);
}

static void lose(struct remote *remote, const char *why)
{
	remote->connected = false;
	if (!remote->told && !remote->registrar->stopping)
		rv_log(RV_LOG_WARN, RV__TOPIC,
		    "RV%04d name server %s:%s cannot be reached: %s; trying again every %d ms",
		    RV__N_BROKER_REGISTER, remote->host, remote->port, why, RETRY_MS);
	remote->told = true;
	if (remote->open && !uv_is_closing((uv_handle_t *)&remote->tcp))
		uv_close((uv_handle_t *)&remote->tcp, on_lost);
	else if (!remote->open)
		try_again(remote);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct remote *remote = handle->data;

	(void)suggested;
	*buf = uv_buf_init(remote->answer, sizeof(remote->answer));
}

static void on_answer(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	if (n < 0)
		lose(stream->data, uv_strerror((int)n));
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct remote *remote = connect->data;

	if (status != 0) {
		if (status != UV_ECANCELED)
			lose(remote, uv_strerror(status));
		return;
	}
	remote->connected = true;
	remote->told = false;
	remote->stalled_ms = 0;
	uv_tcp_nodelay(&remote->tcp, 1);
	uv_read_start((uv_stream_t *)&remote->tcp, on_room, on_answer);
	rv_log(RV_LOG_INFO, RV__TOPIC, "registers at name server %s:%s", remote->host, remote->port);
	on_timer(&remote->timer);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
	struct remote *remote = resolve->data;

	if (remote->registrar->stopping) {
		uv_freeaddrinfo(found);
		return;
	}
	if (status == 0)
		status = uv_tcp_init(&remote->registrar->broker->loop, &remote->tcp);
	if (status == 0) {
		remote->open = true;
		remote->tcp.data = remote;
		remote->connect.data = remote;
		status = uv_tcp_connect(&remote->connect, &remote->tcp, found->ai_addr, on_connected);
	}
	uv_freeaddrinfo(found);
	if (status != 0)
		lose(remote, uv_strerror(status));
}

static void connect_remote(struct remote *remote)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	int status;

	remote->resolve.data = remote;
	status = uv_getaddrinfo(&remote->registrar->broker->loop, &remote->resolve, on_resolved, remote->host,
	    remote->port, &hints);
	if (status != 0)
		lose(remote, uv_strerror(status));
}

/* -- life ----------------------------------------------------------------------------------------------------- */

/* One "host:port". */
static bool add_remote(struct rv__registrar *registrar, const char *text, size_t length)
{
	struct remote *remote = &registrar->remotes[registrar->count];
	const char *colon = memrchr(text, ':', length);
	size_t host = colon ? (size_t)(colon - text) : 0, port = colon ? length - host - 1 : 0;

	if (registrar->count == REMOTES_MAX || host == 0 || host >= sizeof(remote->host) || port == 0 ||
	    port >= sizeof(remote->port))
		return false;
	remote->registrar = registrar;
	snprintf(remote->host, sizeof(remote->host), "%.*s", (int)host, text);
	snprintf(remote->port, sizeof(remote->port), "%.*s", (int)port, colon + 1);
	if (strspn(remote->port, "0123456789") != port)
		return false;
	uv_timer_init(&registrar->broker->loop, &remote->timer);
	remote->timer.data = remote;
	registrar->count++;
	return true;
}

rv_err rv__registrar_open(struct rv__broker *broker, struct rv_error *err)
{
	const char *at = broker->settings.name_servers;
	struct rv__registrar *registrar;

	if (broker->settings.role != RV__ROLE_BROKER || !at)
		return RV_OK;
	registrar = broker->registrar = calloc(1, sizeof(*registrar));
	if (!registrar)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for name servers");
	registrar->broker = broker;
	while (*at) {
		size_t length = strcspn(at, ";,");

		if (length > 0 && !add_remote(registrar, at, length))
			return rv_error_set(err, RV_E_CONFIG, RV__N_BROKER_NAMESRV, RV__TOPIC,
			    "namesrvAddr '%.*s' is not HOST:PORT, or there are more than %d", (int)length, at,
			    REMOTES_MAX);
		at += length + (at[length] != '\0');
	}
	for (size_t i = 0; i < registrar->count; i++)
		uv_timer_start(&registrar->remotes[i].timer, on_timer, 0, 0);
	return RV_OK;
}

void rv__registrar_changed(struct rv__broker *broker)
{
	struct rv__registrar *registrar = broker->registrar;

	for (size_t i = 0; registrar && !registrar->stopping && i < registrar->count; i++)
		/* One that is due anyway is not put off by change after change. */
		if (registrar->remotes[i].connected &&
		    uv_timer_get_due_in(&registrar->remotes[i].timer) > SOON_MS)
			uv_timer_start(&registrar->remotes[i].timer, on_timer, SOON_MS, 0);
}

void rv__registrar_stop(struct rv__broker *broker)
{
	struct rv__registrar *registrar = broker->registrar;

	if (!registrar)
		return;
	registrar->stopping = true;
	for (size_t i = 0; i < registrar->count; i++) {
		struct remote *remote = &registrar->remotes[i];

		if (remote->connected)
			send_farewell(remote);
		uv_close((uv_handle_t *)&remote->timer, NULL);
		if (remote->open && !uv_is_closing((uv_handle_t *)&remote->tcp))
			uv_close((uv_handle_t *)&remote->tcp, NULL);
		(void)uv_cancel((uv_req_t *)&remote->resolve);
	}
}

void rv__registrar_close(struct rv__broker *broker)
{
	free(broker->registrar);
	broker->registrar = NULL;
}
