/* SPDX-License-Identifier: Apache-2.0 */
/* Sending: exact answers and exact records. */
#include "tests/support/unit.h"
#include "tests/wire/wire_kit.h"

#include "remoting/heartbeat.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct wire_client client;

static void setup(void)
{
	wire_setup();
	wire_open();
	wire_connect(&client, wire_port());
}

static void teardown(void)
{
	wire_disconnect(&client);
	wire_teardown();
}

START_TEST(the_answer_names_queue_offset_and_message)
{
	char expected[1024];

	ck_assert_int_eq(
	    wire_send_message(&client, "TopicTest", 1, "TAGS\x01TagA", "Hello"), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_number(&client, "queueId"), 1);
	ck_assert_int_eq(wire_number(&client, "queueOffset"), 0);
	ck_assert(wire_field_is(&client, "MSG_REGION", "DefaultRegion"));
	ck_assert(wire_field_is(&client, "TRACE_ON", "true"));
	snprintf(expected, sizeof(expected), "7F000001%08X%016X", wire_port(), 0);
	ck_assert(wire_field_is(&client, "msgId", expected));
	ck_assert_int_eq(
	    wire_send_message(&client, "TopicTest", 1, "TAGS\x01TagA", "Hello"), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_number(&client, "queueOffset"), 1);
}
END_TEST

START_TEST(the_bytes_of_an_answer_are_those_of_a_java_broker)
{
	char expected[1024];
	int length;

	wire_begin_as(&client,
	    &(struct rv__command_head){
	        .code = RV__REQ_GET_MAX_OFFSET, .opaque = 77, .language = RV__LANGUAGE_JAVA});
	rv__command_add_text(&client.writer, "topic", "Nothing");
	rv__command_add_text(&client.writer, "queueId", "0");
	wire_send(&client, NULL, 0);
	length = snprintf(expected, sizeof(expected),
	    "{\"code\":0,\"extFields\":{\"offset\":\"0\"},\"flag\":1,\"language\":\"CPP\",\"opaque\":77,"
	    "\"serializeTypeCurrentRPC\":\"JSON\",\"version\":409}");
	while (rv__frame_decoder_pending(&client.decoder) < (size_t)length + 8) {
		size_t size;
		uint8_t *room = rv__frame_decoder_room(&client.decoder, 4096, &size);
		ssize_t n = recv(client.fd, room, size, 0);

		ck_assert_int_gt(n, 0);
		rv__frame_decoder_received(&client.decoder, (size_t)n);
	}
	ck_assert_int_eq(rv__frame_decoder_next(&client.decoder, &client.frame, NULL), RV__FRAME_WHOLE);
	ck_assert_uint_eq(client.frame.header_length, (size_t)length);
	ck_assert_mem_eq(client.frame.header, expected, (size_t)length);
}
END_TEST

START_TEST(a_binary_request_gets_a_binary_answer)
{
	wire_begin_as(&client,
	    &(struct rv__command_head){.code = RV__REQ_SEND_MESSAGE_V2,
	        .opaque = -9,
	        .language = RV__LANGUAGE_CPP,
	        .serialize = RV__SERIALIZE_ROCKETMQ});
	wire_add_send_fields(&client, "TopicTest", 0, "TAGS\x01TagA\x02");
	ck_assert_int_eq(wire_call(&client, "Hello", 5), RV__RSP_SUCCESS);
	ck_assert_int_eq(client.command.opaque, -9);
	ck_assert_int_eq(wire_number(&client, "queueOffset"), 0);
}
END_TEST

START_TEST(what_was_sent_is_pulled_with_its_properties_and_the_cluster)
{
	struct rv__record record;
	size_t length;
	const char *value;

	wire_send_message(
	    &client, "TopicTest", 2, "KEYS\x01K1\x02WAIT\x01true\x02TAGS\x01TagA\x02", "Hello RocketMQ 1");
	ck_assert_int_eq(wire_pull(&client, "G", "TopicTest", 2, 0, 0, "*"), RV__RSP_SUCCESS);
	ck_assert_str_eq(wire_remark(&client), "FOUND");
	record = wire_record(&client, 0);
	ck_assert_uint_eq(record.body_crc, 0x538b47d9);
	ck_assert(rv__record_body_ok(&record));
	ck_assert_int_eq(record.queue_id, 2);
	ck_assert_int_eq(record.born_timestamp, 1795350957541);
	ck_assert_uint_eq(record.store_host.port, (uint32_t)wire_port());
	value = rv__properties_get(record.properties, record.properties_length, "CLUSTER", &length);
	ck_assert_mem_eq(value, "DefaultCluster", length);
	value = rv__properties_get(record.properties, record.properties_length, "KEYS", &length);
	ck_assert_mem_eq(value, "K1", length);
	ck_assert_ptr_null(rv__properties_get(record.properties, record.properties_length, "WAIT", &length));
}
END_TEST

START_TEST(the_long_names_of_old_clients_are_understood)
{
	wire_begin(&client, RV__REQ_SEND_MESSAGE);
	rv__command_add_text(&client.writer, "producerGroup", "PG");
	rv__command_add_text(&client.writer, "topic", "Old");
	rv__command_add_text(&client.writer, "defaultTopic", RV__TOPIC_TEMPLATE);
	rv__command_add_text(&client.writer, "defaultTopicQueueNums", "3");
	rv__command_add_text(&client.writer, "queueId", "-1");
	rv__command_add_text(&client.writer, "sysFlag", "0");
	rv__command_add_text(&client.writer, "bornTimestamp", "1");
	rv__command_add_text(&client.writer, "flag", "7");
	rv__command_add_text(&client.writer, "properties", "TAGS\x01x");
	ck_assert_int_eq(wire_call(&client, "a", 1), RV__RSP_SUCCESS);
	ck_assert_int_ge(wire_number(&client, "queueId"), 0);
	ck_assert_int_lt(wire_number(&client, "queueId"), 3);
}
END_TEST

static size_t add_entry(uint8_t *at, const char *body, const char *properties)
{
	size_t body_length = strlen(body), properties_length = strlen(properties);
	size_t size = 4 * 5 + body_length + 2 + properties_length;

	memset(at, 0, 20);
	rv__put_u32(at, (uint32_t)size);
	rv__put_u32(at + 16, (uint32_t)body_length);
	memcpy(at + 20, body, body_length);
	rv__put_u16(at + 20 + body_length, (uint16_t)properties_length);
	memcpy(at + 22 + body_length, properties, properties_length);
	return size;
}

START_TEST(a_batch_has_one_id_a_message_and_keeps_wait)
{
	uint8_t body[512];
	size_t length = add_entry(body, "one", "KEYS\x01K1\x02WAIT\x01true"), size;
	struct rv_span ids;
	struct rv__record record;

	length += add_entry(body + length, "two", "KEYS\x01K2\x02WAIT\x01true");
	wire_begin(&client, RV__REQ_SEND_BATCH_MESSAGE);
	wire_add_send_fields(&client, "Batch", 0, "WAIT\x01true");
	ck_assert_int_eq(wire_call(&client, body, length), RV__RSP_SUCCESS);
	ids = rv__command_field(&client.command, "msgId");
	ck_assert_uint_eq(ids.length, 32 + 1 + 32);
	ck_assert_int_eq(ids.bytes[32], ',');
	ck_assert_int_eq(wire_number(&client, "queueOffset"), 0);
	wire_pull(&client, "G", "Batch", 0, 0, 0, "*");
	ck_assert_uint_eq(wire_record_count(&client), 2);
	record = wire_record(&client, 1);
	ck_assert_mem_eq(record.body, "two", 3);
	ck_assert_ptr_nonnull(rv__properties_get(record.properties, record.properties_length, "WAIT", &size));
}
END_TEST

START_TEST(a_torn_batch_stores_nothing)
{
	uint8_t body[512];
	size_t length = add_entry(body, "one", "KEYS\x01K1");

	length += add_entry(body + length, "two", "KEYS\x01K2");
	wire_begin(&client, RV__REQ_SEND_BATCH_MESSAGE);
	wire_add_send_fields(&client, "Batch", 0, "WAIT\x01true");
	ck_assert_int_eq(wire_call(&client, body, length - 3), RV__RSP_MESSAGE_ILLEGAL);
	ck_assert_int_eq(wire_pull(&client, "G", "Batch", 0, 0, 0, "*"), RV__RSP_PULL_NOT_FOUND);
}
END_TEST

START_TEST(a_oneway_send_is_stored_and_not_answered)
{
	wire_begin_as(&client,
	    &(struct rv__command_head){.code = RV__REQ_SEND_MESSAGE_V2,
	        .opaque = 1000,
	        .flag = RV__FLAG_ONEWAY,
	        .language = RV__LANGUAGE_CPP});
	wire_add_send_fields(&client, "OneWay", 0, "");
	wire_send(&client, "x", 1);
	/* The next answer on the connection is the pull's. */
	ck_assert_int_eq(wire_pull(&client, "G", "OneWay", 0, 0, 20000, "*"), RV__RSP_SUCCESS);
	ck_assert_uint_eq(wire_record_count(&client), 1);
}
END_TEST

/* A send that must be refused, and with what. */
static const struct {
	const char *topic;
	int queue;
	int code;
} refused[] = {{"SCHEDULE_TOPIC_XXXX", 0, RV__RSP_NO_PERMISSION},
    {"SELF_TEST_TOPIC", 0, RV__RSP_NO_PERMISSION}, {"a b", 0, RV__RSP_SYSTEM_ERROR},
    {"TopicTest", 4, RV__RSP_SYSTEM_ERROR}};

START_TEST(sends_that_break_the_rules_are_refused_with_a_reason)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int code = wire_send_message(&client, refused[i].topic, refused[i].queue, "", "x");

		ck_assert_msg(
		    code == refused[i].code && *wire_remark(&client), "%s: %d", refused[i].topic, code);
	}
}
END_TEST

/* Requests that had arrived while the connection was paused for its unread answers must not wait for the next event. */
START_TEST(sends_behind_unread_answers_are_served_when_those_are_read)
{
	enum { PULLS = 12, SENDS = 5 };
	static char big[100000];
	int answers = 0;

	memset(big, 'b', sizeof(big) - 1);
	wire_settings.max_output = 1 << 20;
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	ck_assert_int_eq(wire_send_message(&client, "Big", 0, "", big), RV__RSP_SUCCESS);
	for (int i = 0; i < PULLS; i++) {
		wire_begin(&client, RV__REQ_VIEW_MESSAGE_BY_ID);
		rv__command_add_text(&client.writer, "offset", "0");
		wire_send(&client, NULL, 0);
	}
	for (int i = 0; i < SENDS; i++) {
		wire_begin(&client, RV__REQ_SEND_MESSAGE_V2);
		wire_add_send_fields(&client, "Behind", 0, "");
		wire_send(&client, "x", 1);
	}
	while (answers < PULLS + SENDS && wire_receive(&client, WIRE_WAIT_MS))
		answers++;
	ck_assert_int_eq(answers, PULLS + SENDS);
}
END_TEST

START_TEST(a_topic_may_look_like_a_format)
{
	ck_assert_int_eq(wire_send_message(&client, "%s%n", 0, "", "x"), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "%d%s", "%s%n", 0, 0, 0, "*"), RV__RSP_SUCCESS);
}
END_TEST

START_TEST(a_body_over_the_limit_is_refused_and_the_connection_stays)
{
	size_t length = (size_t)wire_settings.max_message + 1;
	char *body = calloc(1, length);

	wire_begin(&client, RV__REQ_SEND_MESSAGE_V2);
	wire_add_send_fields(&client, "Big", 0, "");
	ck_assert_int_eq(wire_call(&client, body, length), RV__RSP_MESSAGE_ILLEGAL);
	ck_assert_int_eq(wire_send_message(&client, "Big", 0, "", "small"), RV__RSP_SUCCESS);
	free(body);
}
END_TEST

/* A heartbeat as producer `asker`, whom replies name. */
static void become_asker(struct wire_client *asker)
{
	const char *producers[] = {"PG1"};
	struct rv__heartbeat heartbeat = {.client_id = "asker", .producers = producers, .producer_count = 1};
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__heartbeat_encode(&body, &heartbeat);
	wire_begin(asker, RV__REQ_HEART_BEAT);
	ck_assert_int_eq(wire_call(asker, body.bytes, body.length), RV__RSP_SUCCESS);
	rv__buffer_finish(&body);
}

START_TEST(a_reply_is_pushed_to_the_client_that_asked)
{
	static const char properties[] = "MSG_TYPE\x01reply\x02REPLY_TO_CLIENT\x01"
	                                 "asker\x02"
	                                 "CORRELATION_ID\x01"
	                                 "c1";
	struct wire_client asker;

	wire_connect(&asker, wire_port());
	become_asker(&asker);
	wire_begin(&client, RV__REQ_SEND_REPLY_MESSAGE_V2);
	wire_add_send_fields(&client, "DefaultCluster_REPLY_TOPIC", 0, properties);
	ck_assert_int_eq(wire_call(&client, "yes", 3), RV__RSP_SUCCESS);
	ck_assert(wire_receive(&asker, WIRE_WAIT_MS));
	ck_assert_int_eq(asker.command.code, RV__REQ_PUSH_REPLY_MESSAGE_TO_CLIENT);
	ck_assert_mem_eq(asker.command.body, "yes", 3);
	ck_assert(wire_field_is(&asker, "properties", properties));
	ck_assert_ptr_nonnull(rv__command_field(&asker.command, "storeHost").bytes);
	wire_disconnect(&asker);
	/* Gone: said so, with ids, since the reply is kept. */
	for (int i = 0; i < 50 && client.command.code == RV__RSP_SUCCESS; i++) {
		wire_begin(&client, RV__REQ_SEND_REPLY_MESSAGE_V2);
		wire_add_send_fields(&client, "DefaultCluster_REPLY_TOPIC", 0, properties);
		wire_call(&client, "yes", 3);
	}
	ck_assert_int_eq(client.command.code, RV__RSP_SYSTEM_ERROR);
	ck_assert_int_gt(wire_number(&client, "queueOffset"), 0);
}
END_TEST

START_TEST(without_auto_creation_an_unknown_topic_is_17)
{
	wire_settings.auto_create_topic = false;
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	ck_assert_int_eq(wire_send_message(&client, "Nobody", 0, "", "x"), RV__RSP_TOPIC_NOT_EXIST);
}
END_TEST

START_TEST(acknowledged_messages_and_topics_are_there_after_a_restart)
{
	wire_settings.flush = RV__FLUSH_SYNC;
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(wire_send_message(&client, "Kept", i % 4, "", "x"), RV__RSP_SUCCESS);
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(wire_pull(&client, "G", "Kept", i, 0, 0, "*"), RV__RSP_SUCCESS);
		ck_assert_uint_eq(wire_record_count(&client), 5);
	}
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {the_answer_names_queue_offset_and_message,
	    the_bytes_of_an_answer_are_those_of_a_java_broker, a_binary_request_gets_a_binary_answer,
	    what_was_sent_is_pulled_with_its_properties_and_the_cluster,
	    the_long_names_of_old_clients_are_understood, a_batch_has_one_id_a_message_and_keeps_wait,
	    a_torn_batch_stores_nothing, a_oneway_send_is_stored_and_not_answered,
	    sends_that_break_the_rules_are_refused_with_a_reason,
	    sends_behind_unread_answers_are_served_when_those_are_read, a_topic_may_look_like_a_format,
	    a_reply_is_pushed_to_the_client_that_asked,
	    a_body_over_the_limit_is_refused_and_the_connection_stays,
	    without_auto_creation_an_unknown_topic_is_17,
	    acknowledged_messages_and_topics_are_there_after_a_restart, NULL};

	return unit_run("wire_send", cases, setup, teardown);
}
