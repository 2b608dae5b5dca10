/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/wire/wire_kit.h"

#include <arpa/inet.h>
#include <check.h>
#include <ftw.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "remoting/heartbeat.h"

struct rv__broker_settings wire_settings;

static rv__broker *broker;
static char directory[64];

/* -- the broker --------------------------------------------------------------------------------------------- */

void wire_setup(void)
{
	snprintf(directory, sizeof directory, "/tmp/rivulet-wire-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	rv__broker_settings_init(&wire_settings);
	wire_settings.store = directory;
	wire_settings.listen_port = 0;
	wire_settings.name_server_port = 0;
	wire_settings.flush = RV__FLUSH_ASYNC;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info;
	(void)kind;
	(void)where;
	return remove(path);
}

void wire_teardown(void)
{
	rv__broker_close(broker);
	broker = NULL;
	nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void wire_open(void)
{
	struct rv_error error;

	ck_assert_msg(rv__broker_open(&wire_settings, &broker, &error) == RV_OK, "%s", error.text);
}

void wire_close(void)
{
	rv__broker_close(broker);
	broker = NULL;
}

void wire_reopen(void)
{
	wire_close();
	wire_open();
}

int wire_port(void)
{
	return rv__broker_port(broker);
}

int wire_name_server_port(void)
{
	return rv__broker_name_server_port(broker);
}

const char *wire_directory(void)
{
	return directory;
}

/* -- clients ------------------------------------------------------------------------------------------------ */

void wire_connect(struct wire_client *client, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int on = 1;

	memset(client, 0, sizeof(*client));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void wire_disconnect(struct wire_client *client)
{
	close(client->fd);
	rv__frame_decoder_finish(&client->decoder);
	rv__buffer_finish(&client->out);
}

void wire_write(struct wire_client *client, const void *bytes, size_t length)
{
	/* A process that is stopped and goes on may send a part of it. */
	for (size_t sent = 0; sent < length;) {
		ssize_t n = send(client->fd, (const char *)bytes + sent, length - sent, MSG_NOSIGNAL);

		ck_assert_int_gt(n, 0);
		sent += (size_t)n;
	}
}

/* Reads what is there. >0 bytes, 0 closed, -1 nothing in time. */
static ssize_t read_some(struct wire_client *client, int64_t deadline_ms)
{
	struct pollfd wait = {.fd = client->fd, .events = POLLIN};
	int64_t left = deadline_ms - rv__monotonic_ms();
	size_t size = 0;
	uint8_t *room;
	ssize_t n;

	if (poll(&wait, 1, left > 0 ? (int)left : 0) != 1)
		return -1;
	room = rv__frame_decoder_room(&client->decoder, 65536, &size);
	n = recv(client->fd, room, size, 0);
	if (n > 0)
		rv__frame_decoder_received(&client->decoder, (size_t)n);
	return n < 0 ? 0 : n;
}

bool wire_is_closed(struct wire_client *client, int wait_ms)
{
	int64_t deadline_ms = rv__monotonic_ms() + wait_ms;
	ssize_t n;

	while ((n = read_some(client, deadline_ms)) > 0)
		continue;
	return n == 0;
}

bool wire_receive(struct wire_client *client, int wait_ms)
{
	int64_t deadline_ms = rv__monotonic_ms() + wait_ms;
	struct rv_error error;

	for (;;) {
		enum rv__frame_result result =
		    rv__frame_decoder_next(&client->decoder, &client->frame, &error);

		ck_assert_msg(result != RV__FRAME_BROKEN, "%s", error.text);
		if (result == RV__FRAME_WHOLE)
			break;
		if (read_some(client, deadline_ms) <= 0)
			return false;
	}
	ck_assert_msg(
	    rv__command_decode(&client->frame, &client->command, &error) == RV_OK, "%s", error.text);
	return true;
}

void wire_begin_as(struct wire_client *client, const struct rv__command_head *head)
{
	rv__buffer_clear(&client->out);
	rv__command_begin(&client->writer, &client->out, head);
}

void wire_begin(struct wire_client *client, int code)
{
	wire_begin_as(client,
	    &(struct rv__command_head){
	        .code = code, .opaque = ++client->opaque, .language = RV__LANGUAGE_CPP});
}

void wire_send(struct wire_client *client, const void *body, size_t length)
{
	rv__command_end(&client->writer, length);
	rv__buffer_add(&client->out, body, length);
	ck_assert_int_eq(rv__buffer_error(&client->out), RV_OK);
	wire_write(client, client->out.bytes, client->out.length);
}

int wire_call(struct wire_client *client, const void *body, size_t length)
{
	int32_t opaque = client->writer.head.opaque;

	wire_send(client, body, length);
	do
		ck_assert_msg(
		    wire_receive(client, WIRE_WAIT_MS), "no answer to %d", client->writer.head.code);
	while (!rv__command_is_response(&client->command) || client->command.opaque != opaque);
	ck_assert_int_eq(client->command.flag, RV__FLAG_RESPONSE);
	ck_assert_int_eq(client->command.serialize, client->writer.head.serialize);
	return client->command.code;
}

int64_t wire_number(const struct wire_client *client, const char *name)
{
	int64_t value = INT64_MIN;

	ck_assert_msg(rv__command_i64(&client->command, name, &value), "no number '%s'", name);
	return value;
}

bool wire_field_is(const struct wire_client *client, const char *name, const char *value)
{
	return rv__span_is(rv__command_field(&client->command, name), value);
}

const char *wire_remark(const struct wire_client *client)
{
	static char text[1024];

	snprintf(text, sizeof(text), "%.*s", (int)client->command.remark.length,
	    client->command.remark.bytes ? client->command.remark.bytes : "");
	return text;
}

/* -- common requests ------------------------------------------------------------------------------------------ */

void wire_add_send_fields(struct wire_client *client, const char *topic, int queue, const char *properties)
{
	rv__command_add_text(&client->writer, "a", "PG1");
	rv__command_add_text(&client->writer, "b", topic);
	rv__command_add_text(&client->writer, "c", RV__TOPIC_TEMPLATE);
	rv__command_add_text(&client->writer, "d", "4");
	rv__command_add_i64(&client->writer, "e", queue);
	rv__command_add_text(&client->writer, "f", "0");
	rv__command_add_text(&client->writer, "g", "1795350957541");
	rv__command_add_text(&client->writer, "h", "0");
	rv__command_add_text(&client->writer, "i", properties);
	rv__command_add_text(&client->writer, "j", "0");
	rv__command_add_text(&client->writer, "k", "false");
	rv__command_add_text(&client->writer, "m", "false");
	rv__command_add_text(&client->writer, "n", "broker-a");
}

int wire_send_message(
    struct wire_client *client, const char *topic, int queue, const char *properties, const char *body)
{
	wire_begin(client, RV__REQ_SEND_MESSAGE_V2);
	wire_add_send_fields(client, topic, queue, properties);
	return wire_call(client, body, strlen(body));
}

static void begin_pull(struct wire_client *client, const char *group, const char *topic, int queue,
    int64_t offset, int suspend_ms, const char *expression)
{
	wire_begin(client, RV__REQ_PULL_MESSAGE);
	rv__command_add_text(&client->writer, "consumerGroup", group);
	rv__command_add_text(&client->writer, "topic", topic);
	rv__command_add_i64(&client->writer, "queueId", queue);
	rv__command_add_i64(&client->writer, "queueOffset", offset);
	rv__command_add_text(&client->writer, "maxMsgNums", "32");
	rv__command_add_i64(&client->writer, "sysFlag",
	    (expression ? RV__PULL_SUBSCRIPTION : 0) | (suspend_ms ? RV__PULL_SUSPEND : 0));
	rv__command_add_text(&client->writer, "commitOffset", "0");
	rv__command_add_i64(&client->writer, "suspendTimeoutMillis", suspend_ms);
	if (expression)
		rv__command_add_text(&client->writer, "subscription", expression);
	rv__command_add_text(&client->writer, "subVersion", "5");
	rv__command_add_text(&client->writer, "expressionType", "TAG");
}

int wire_pull(struct wire_client *client, const char *group, const char *topic, int queue, int64_t offset,
    int suspend_ms, const char *expression)
{
	begin_pull(client, group, topic, queue, offset, suspend_ms, expression);
	return wire_call(client, NULL, 0);
}

void wire_start_pull(struct wire_client *client, const char *group, const char *topic, int queue,
    int64_t offset, int suspend_ms, const char *expression)
{
	begin_pull(client, group, topic, queue, offset, suspend_ms, expression);
	wire_send(client, NULL, 0);
}

struct rv__record wire_record(const struct wire_client *client, size_t index)
{
	const uint8_t *at = client->command.body;
	size_t left = client->command.body_length;
	struct rv__record record;
	struct rv_error error;

	for (;; index--) {
		ck_assert_msg(
		    left > 0 && rv__record_decode(at, left, &record, &error) == RV_OK, "no such record");
		if (index == 0)
			return record;
		at += record.size;
		left -= record.size;
	}
}

size_t wire_record_count(const struct wire_client *client)
{
	const uint8_t *at = client->command.body;
	size_t left = client->command.body_length, count = 0;
	struct rv__record record;

	for (; left > 0; count++) {
		ck_assert_int_eq(rv__record_decode(at, left, &record, NULL), RV_OK);
		at += record.size;
		left -= record.size;
	}
	return count;
}

int wire_heartbeat(struct wire_client *client, const char *client_id, const char *group, const char *topic,
    const char *expression, int64_t version)
{
	struct rv__subscription subscription = {.topic = topic, .expression = expression, .version = version};
	struct rv__heartbeat_consumer consumer = {.group = group,
	    .consume_type = "CONSUME_PASSIVELY",
	    .message_model = "CLUSTERING",
	    .consume_from_where = "CONSUME_FROM_FIRST_OFFSET",
	    .subscriptions = &subscription,
	    .subscription_count = 1};
	struct rv__heartbeat heartbeat = {
	    .client_id = client_id, .consumers = &consumer, .consumer_count = 1};
	struct rv__buffer body = RV__BUFFER_INIT(0);
	int code;

	rv__heartbeat_encode(&body, &heartbeat);
	wire_begin(client, RV__REQ_HEART_BEAT);
	code = wire_call(client, body.bytes, body.length);
	rv__buffer_finish(&body);
	return code;
}
