/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of Kafka records, byte for byte: what Spring Cloud Stream 4.2.1 wrote (captured), what it reads, and what
 * other producers may send. And keys.
 */
#include <stdio.h>
#include <string.h>

#include "binder/kafka/headers.h"
#include "binder/kafka/key.h"
#include "tests/support/unit.h"

#define TYPES RV__KAFKA_TYPES

static struct rv__kafka_header_reader reader;

static void teardown(void)
{
	rv__kafka_header_reader_finish(&reader);
}

/* -- out ------------------------------------------------------------------------------------------ */

/* "name=value" lines of all headers, in order; bytes that are no text as \xHH, NULL as (null). */
static const char *written_with(const struct rv__kafka_mapping *mapping, const rv_message *message, bool bare)
{
	static char text[65536];
	struct rv__kafka_outgoing outgoing;
	const char *name;
	const void *value;
	size_t size, at = 0;

	ck_assert_int_eq(rv__kafka_headers_write(mapping, message, bare, &outgoing), RV_OK);
	text[0] = '\0';
	if (!outgoing.headers)
		return text;
	for (size_t i = 0; !rd_kafka_header_get_all(outgoing.headers, i, &name, &value, &size); i++) {
		at += (size_t)snprintf(text + at, sizeof text - at, "%s=%s", name, value ? "" : "(null)");
		for (size_t j = 0; value && j < size; j++) {
			unsigned char c = ((const unsigned char *)value)[j];

			at += (size_t)snprintf(text + at, sizeof text - at, c < 0x20 ? "\\x%02x" : "%c", c);
		}
		at += (size_t)snprintf(text + at, sizeof text - at, "\n");
	}
	rd_kafka_headers_destroy(outgoing.headers);
	return text;
}

/* Without messageId, which differs each time, unless it is asked for. */
static const char *written(const rv_message *message)
{
	static const char *const patterns[] = {"!messageId", "*"};
	static const struct rv__kafka_mapping mapping = {.patterns = {patterns, 2}};

	return written_with(&mapping, message, false);
}

static void set(rv_message *message, const char *name, enum rv_header_type type, const char *value)
{
	ck_assert_int_eq(rv_message_set_header_typed(message, name, type, value, strlen(value)), RV_OK);
}

START_TEST(texts_go_out_as_spring_wrote_them)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);

	set(message, "contentType", RV_HEADER_TEXT, "application/json");
	set(message, "target-protocol", RV_HEADER_TEXT, "kafka");
	ck_assert_str_eq(written(message),
	    "contentType=application/json\n"
	    "target-protocol=kafka\n" TYPES
	    "={\"contentType\":\"java.lang.String\",\"target-protocol\":\"java.lang.String\"}\n");
}
END_TEST

START_TEST(each_type_goes_out_with_its_java_class)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);

	set(message, "b", RV_HEADER_BOOLEAN, "true");
	set(message, "i", RV_HEADER_INT, "-7");
	set(message, "l", RV_HEADER_LONG, "9000000000");
	set(message, "d", RV_HEADER_DOUBLE, "1.5");
	set(message, "whole", RV_HEADER_DOUBLE, "2");
	set(message, "o", RV_HEADER_JSON, "{\"a\":[1]}");
	set(message, "a", RV_HEADER_JSON, "[1,2]");
	set(message, "s", RV_HEADER_JSON, "\"quoted\"");
	set(message, "n", RV_HEADER_JSON, "5");
	set(message, "nothing", RV_HEADER_JSON, "null");
	set(message, "raw", RV_HEADER_BYTES, "\x01\x02");
	ck_assert_str_eq(written(message),
	    "b=true\ni=-7\nl=9000000000\nd=1.5\nwhole=2.0\no={\"a\":[1]}\na=[1,2]\ns=\"quoted\"\nn=5\n"
	    "nothing=(null)\nraw=\\x01\\x02\n" TYPES
	    "={\"b\":\"java.lang.Boolean\",\"i\":\"java.lang.Integer\",\"l\":\"java.lang.Long\","
	    "\"d\":\"java.lang.Double\",\"whole\":\"java.lang.Double\",\"o\":\"java.util.LinkedHashMap\","
	    "\"a\":\"java.util.ArrayList\",\"s\":\"java.lang.String\",\"n\":\"java.lang.Integer\"}\n");
}
END_TEST

START_TEST(a_text_that_begins_with_a_quote_goes_out_as_json)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);

	set(message, "said", RV_HEADER_TEXT, "\"no\\\" and 粤\n");
	ck_assert_str_eq(written(message),
	    "said=\"\\\"no\\\\\\\" and 粤\\u000A\"\n" TYPES "={\"said\":\"java.lang.String\"}\n");
}
END_TEST

START_TEST(names_that_steer_or_describe_stay_at_home)
{
	static const char *const names[] = {"kafka_acknowledgment", "kafka_consumer", "kafka_offset",
	    "kafka_data", "kafka_receivedMessageKey", "kafka_receivedPartitionId", "kafka_receivedTimestamp",
	    "kafka_receivedTopic", "kafka_timestampType", "kafka_batchConvertedHeaders",
	    "kafka_nativeHeaders", "kafka_deliveryAttempt", "kafka_listenerInfo", "kafka_groupId", "id",
	    "timestamp", "deliveryAttempt", "scst_nativeHeadersPresent", TYPES};
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		set(message, names[i], RV_HEADER_TEXT, "1");
	set(message, "scst_partition", RV_HEADER_INT, "2");
	set(message, "kafka_own", RV_HEADER_TEXT, "yes");
	ck_assert_str_eq(written(message),
	    "scst_partition=2\nkafka_own=yes\n" TYPES
	    "={\"scst_partition\":\"java.lang.Integer\",\"kafka_own\":\"java.lang.String\"}\n");
}
END_TEST

START_TEST(what_tracing_tools_write_goes_raw_and_unlisted)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);

	set(message, "traceparent", RV_HEADER_TEXT, "00-ab-cd-01");
	set(message, "b3", RV_HEADER_TEXT, "1-2");
	set(message, "X-B3-TraceId", RV_HEADER_TEXT, "9");
	ck_assert_str_eq(written(message), "traceparent=00-ab-cd-01\nb3=1-2\nX-B3-TraceId=9\n");
}
END_TEST

/* The order of a captured dead letter: the list of types stands before what was appended. */
START_TEST(facts_of_a_dead_letter_follow_the_list_of_types)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);

	set(message, "contentType", RV_HEADER_TEXT, "application/json");
	set(message, "x-original-topic", RV_HEADER_TEXT, "capd");
	ck_assert_int_eq(
	    rv_message_set_header_typed(message, "x-original-partition", RV_HEADER_BYTES, "\0\0\0\0", 4),
	    RV_OK);
	set(message, "target-protocol", RV_HEADER_TEXT, "kafka");
	set(message, "x-exception-fqcn", RV_HEADER_TEXT, "RV0123");
	ck_assert_str_eq(written(message),
	    "contentType=application/json\ntarget-protocol=kafka\n" TYPES
	    "={\"contentType\":\"java.lang.String\",\"target-protocol\":\"java.lang.String\"}\n"
	    "x-original-topic=capd\nx-original-partition=\\x00\\x00\\x00\\x00\nx-exception-fqcn=RV0123\n");
}
END_TEST

START_TEST(the_id_travels_as_a_text)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	static const struct rv__kafka_mapping all = {.bare = false};
	char expected[256];

	snprintf(expected, sizeof expected, "messageId=%s\n" TYPES "={\"messageId\":\"java.lang.String\"}\n",
	    rv_message_id(message));
	ck_assert_str_eq(written_with(&all, message, false), expected);
}
END_TEST

START_TEST(patterns_choose_and_the_first_match_decides)
{
	static const char *const patterns[] = {"!x-secret*", "X-*", "*Type", "*mid*"};
	static const struct rv__kafka_mapping mapping = {.patterns = {patterns, 4}};
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);

	set(message, "X-Secret-1", RV_HEADER_BYTES, "1");
	set(message, "x-open", RV_HEADER_BYTES, "2");
	set(message, "contentType", RV_HEADER_TEXT, "a/b");
	set(message, "amidst", RV_HEADER_BYTES, "3");
	set(message, "other", RV_HEADER_BYTES, "4");
	ck_assert_str_eq(written_with(&mapping, message, false),
	    "x-open=2\ncontentType=a/b\namidst=3\n" TYPES "={\"contentType\":\"java.lang.String\"}\n");
}
END_TEST

START_TEST(a_bare_message_has_no_header_but_its_key)
{
	static const struct rv__kafka_mapping mapping = {.bare = false};
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text("x");
	struct rv__kafka_outgoing outgoing;

	set(message, RV_HEADER_KEY, RV_HEADER_TEXT, "k1");
	set(message, "kafka_topic", RV_HEADER_TEXT, "elsewhere");
	set(message, "kafka_partitionId", RV_HEADER_INT, "3");
	set(message, "kafka_timestamp", RV_HEADER_LONG, "1700000000000");
	set(message, "kafka_messageKey", RV_HEADER_TEXT, "k2");
	ck_assert_int_eq(rv__kafka_headers_write(&mapping, message, true, &outgoing), RV_OK);
	ck_assert_ptr_null(outgoing.headers);
	ck_assert_str_eq(outgoing.key.value, "k1");
	ck_assert_str_eq(outgoing.topic, "elsewhere");
	ck_assert_int_eq(outgoing.partition, 3);
	ck_assert_int_eq(outgoing.timestamp_ms, 1700000000000);
}
END_TEST

START_TEST(many_long_names_make_a_long_list)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	char expected[32768] = "", types[16384] = TYPES "={", name[256];

	for (int i = 0; i < 20; i++) {
		memset(name, 'n', 200);
		snprintf(name + 200, 8, "%03d", i);
		set(message, name, RV_HEADER_TEXT, "v");
		snprintf(expected + strlen(expected), 256, "%.203s=v\n", name);
		snprintf(types + strlen(types), 256, "%s\"%.203s\":\"java.lang.String\"", i ? "," : "", name);
	}
	snprintf(expected + strlen(expected), sizeof types + 4, "%s}\n", types);
	ck_assert_str_eq(written(message), expected);
}
END_TEST

/* -- in -------------------------------------------------------------------------------------------- */

struct raw {
	const char *name;
	const char *value; /* NULL: a null header */
	size_t length;     /* 0: strlen */
};

static void read_raw(const struct raw *raws, size_t count)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(count);
	static rd_kafka_headers_t *kept; /* spans borrow from it until the next call */

	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(
		    rd_kafka_header_add(headers, raws[i].name, -1, raws[i].value,
		        raws[i].value ? (ssize_t)(raws[i].length ? raws[i].length : strlen(raws[i].value))
		                      : 0),
		    0);
	rv__kafka_headers_read(&reader, headers);
	if (kept)
		rd_kafka_headers_destroy(kept);
	kept = headers;
}
#define READ(...) \
	read_raw((const struct raw[]){__VA_ARGS__}, \
	    sizeof((const struct raw[]){__VA_ARGS__}) / sizeof(struct raw))

static void check_span(const char *name, enum rv_header_type type, const char *value)
{
	for (size_t i = 0; i < reader.count; i++) {
		const struct rv_header_span *span = &reader.spans[i];

		if (span->name.length != strlen(name) ||
		    memcmp(span->name.bytes, name, span->name.length) != 0)
			continue;
		ck_assert_int_eq(span->type, type);
		ck_assert_uint_eq(span->value.length, strlen(value));
		ck_assert_mem_eq(span->value.bytes, value, strlen(value));
		return;
	}
	ck_abort_msg("no header '%s'", name);
}

START_TEST(what_spring_wrote_is_read_with_its_types)
{
	READ({"contentType", "application/json"}, {"i", "3"}, {"l", "-9000000000"}, {"d", "1.0"},
	    {"b", "false"}, {"s", "plain"}, {"q", "\"a\\\"b\""}, {"m", "{\"a\":1}"}, {"u", "\"0-1\""},
	    {TYPES,
	        "{\"contentType\":\"java.lang.String\",\"i\":\"java.lang.Integer\",\"l\":\"java.lang.Long\","
	        "\"d\":\"java.lang.Double\",\"b\":\"java.lang.Boolean\",\"s\":\"java.lang.String\","
	        "\"q\":\"java.lang.String\",\"m\":\"java.util.LinkedHashMap\",\"u\":\"java.util.UUID\"}"});
	ck_assert_uint_eq(reader.count, 9);
	check_span("contentType", RV_HEADER_TEXT, "application/json");
	check_span("i", RV_HEADER_INT, "3");
	check_span("l", RV_HEADER_LONG, "-9000000000");
	check_span("d", RV_HEADER_DOUBLE, "1.0");
	check_span("b", RV_HEADER_BOOLEAN, "false");
	check_span("s", RV_HEADER_TEXT, "plain");
	check_span("q", RV_HEADER_TEXT, "a\"b");
	check_span("m", RV_HEADER_JSON, "{\"a\":1}");
	check_span("u", RV_HEADER_TEXT, "0-1");
}
END_TEST

START_TEST(every_form_of_content_type_is_understood)
{
	static const struct {
		const char *value, *type;
	} forms[] = {{"application/json", "java.lang.String"}, {"\"application/json\"", "java.lang.String"},
	    {"\"application/json\"", "org.springframework.util.MimeType"}, {"application/json", NULL},
	    {"\"application/json\"", NULL},
	    {"{\"type\":\"application\",\"subtype\":\"json\",\"parameters\":{}}",
	        "org.springframework.util.MimeType"}};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		char types[128] = "";

		if (forms[i].type)
			snprintf(types, sizeof types, "{\"contentType\":\"%s\"}", forms[i].type);
		READ({"contentType", forms[i].value}, {TYPES, types});
		check_span("contentType", RV_HEADER_TEXT, "application/json");
	}
	READ({"contentType",
	    "{\"type\":\"text\",\"subtype\":\"plain\",\"parameters\":{\"charset\":\"UTF-8\"}}"});
	check_span("contentType", RV_HEADER_TEXT, "text/plain;charset=UTF-8");
}
END_TEST

START_TEST(what_no_list_names_is_bytes)
{
	READ({"x-original-topic", "capd"}, {"traceparent", "00-ab"}, {"empty", ""}, {"null", NULL},
	    {"zeros", "a\0b", 3});
	ck_assert_uint_eq(reader.count, 5);
	check_span("x-original-topic", RV_HEADER_BYTES, "capd");
	check_span("traceparent", RV_HEADER_TEXT, "00-ab");
	check_span("empty", RV_HEADER_BYTES, "");
	check_span("null", RV_HEADER_BYTES, "");
	ck_assert_uint_eq(reader.spans[4].value.length, 3);
}
END_TEST

START_TEST(the_last_list_and_the_last_of_equal_names_count)
{
	READ({"h", "1"}, {TYPES, "{\"h\":\"java.lang.String\"}"}, {"h", "2"},
	    {TYPES, "{\"h\":\"java.lang.Integer\"}"});
	ck_assert_uint_eq(reader.count, 1);
	check_span("h", RV_HEADER_INT, "2");
}
END_TEST

START_TEST(a_list_that_is_none_names_nothing)
{
	READ({"h", "1"}, {TYPES, "{\"h\":"});
	check_span("h", RV_HEADER_BYTES, "1");
	READ({"h", "1"}, {TYPES, "[\"h\"]"});
	check_span("h", RV_HEADER_BYTES, "1");
	READ({"h", "1"}, {TYPES, NULL});
	check_span("h", RV_HEADER_BYTES, "1");
	READ({"h", "1"}, {TYPES, "{\"h\":5}"});
	check_span("h", RV_HEADER_BYTES, "1");
}
END_TEST

START_TEST(values_that_lie_about_their_type_stay_bytes)
{
	READ({"i", "abc"}, {"big", "3000000000"}, {"d", "1,5"}, {"s", "\xff\xfe"}, {"q", "\"open"},
	    {"j", "{"}, {"e", ""},
	    {TYPES,
	        "{\"i\":\"java.lang.Integer\",\"big\":\"java.lang.Integer\",\"d\":\"java.lang.Double\","
	        "\"s\":\"java.lang.String\",\"q\":\"java.lang.String\",\"j\":\"java.util.HashMap\","
	        "\"e\":\"java.lang.String\"}"});
	check_span("i", RV_HEADER_BYTES, "abc");
	check_span("big", RV_HEADER_JSON, "3000000000");
	check_span("d", RV_HEADER_BYTES, "1,5");
	check_span("s", RV_HEADER_BYTES, "\xff\xfe");
	check_span("q", RV_HEADER_BYTES, "\"open");
	check_span("j", RV_HEADER_BYTES, "{");
	check_span("e", RV_HEADER_TEXT, "");
}
END_TEST

START_TEST(the_id_is_taken_out)
{
	READ({"messageId", "7F00000100002A9F1E2B0C3D4E5F6071"},
	    {TYPES, "{\"messageId\":\"java.lang.String\"}"});
	ck_assert_uint_eq(reader.count, 0);
	ck_assert_uint_eq(reader.id.length, 32);
	ck_assert_mem_eq(reader.id.bytes, "7F00000100002A9F", 16);
	READ({"h", "1"});
	ck_assert_uint_eq(reader.id.length, 0);
}
END_TEST

START_TEST(many_lists_and_long_values_are_kept_apart)
{
	char value[600], name[8], types[64];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 7; i++) {
			snprintf(name, sizeof name, "h%d", i);
			snprintf(types, sizeof types, "{\"h%d\":\"java.lang.Integer\"}", i);
			READ({name, "5"}, {"h9", "6"}, {TYPES, types});
			check_span(name, RV_HEADER_INT, "5");
			check_span("h9", RV_HEADER_BYTES, "6");
		}
	}
	memset(value, 'v', sizeof value);
	value[0] = value[598] = '"';
	value[599] = '\0';
	READ({"a", "\"first\""}, {"messageId", "\"an id\""}, {"b", value}, {"c", value},
	    {TYPES, "{\"a\":\"java.lang.String\",\"b\":\"java.lang.String\",\"c\":\"java.lang.String\"}"});
	check_span("a", RV_HEADER_TEXT, "first");
	ck_assert_mem_eq(reader.id.bytes, "an id", 5);
	ck_assert_uint_eq(reader.spans[1].value.length, 597);
	ck_assert_mem_eq(reader.spans[1].value.bytes, value + 1, 597);
	ck_assert_mem_eq(reader.spans[2].value.bytes, value + 1, 597);
}
END_TEST

START_TEST(more_headers_than_a_message_takes_are_left_out)
{
	struct raw raws[200];
	char names[200][8];

	for (int i = 0; i < 200; i++) {
		snprintf(names[i], sizeof names[i], "h%d", i);
		raws[i] = (struct raw){names[i], "v", 1};
	}
	read_raw(raws, 200);
	ck_assert_uint_eq(reader.count, RV__KAFKA_HEADERS_MAX);
}
END_TEST

/* -- keys ------------------------------------------------------------------------------------------- */

START_TEST(keys_are_written_as_java_s_serializers_do)
{
	static const struct {
		const char *class_name, *text, *bytes;
		size_t length;
	} rows[] = {
	    {"org.apache.kafka.common.serialization.StringSerializer", "粤B", "粤B", 4},
	    {"org.apache.kafka.common.serialization.ByteArraySerializer", "raw", "raw", 3},
	    {"org.apache.kafka.common.serialization.IntegerSerializer", "-2", "\xff\xff\xff\xfe", 4},
	    {"LongSerializer", "258", "\0\0\0\0\0\0\1\2", 8},
	    {"ShortSerializer", "258", "\1\2", 2},
	    {"UUIDSerializer", "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000",
	        36},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rv_header header = {RV_HEADER_KEY, rows[i].text, strlen(rows[i].text), RV_HEADER_TEXT};
		struct rv__kafka_record_key key, room;
		struct rv_header_span back;
		enum rv__kafka_format format;

		ck_assert(rv__kafka_format_of(rows[i].class_name, &format));
		ck_assert_int_eq(rv__kafka_key_write(format, &header, &key, NULL), RV_OK);
		ck_assert_uint_eq(key.length, rows[i].length);
		ck_assert_mem_eq(key.bytes, rows[i].bytes, key.length);
		rv__kafka_key_read(format, key.bytes, key.length, &room, &back);
		ck_assert_uint_eq(back.value.length, strlen(rows[i].text));
		ck_assert_mem_eq(back.value.bytes, rows[i].text, back.value.length);
		ck_assert_int_ne(back.type, RV_HEADER_BYTES);
	}
}
END_TEST

START_TEST(a_key_that_is_no_number_is_refused_with_a_sentence)
{
	static const char *const bad[] = {"abc", "", "3000000000", "1 "};
	struct rv__kafka_record_key key;
	struct rv_error error;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct rv_header header = {RV_HEADER_KEY, bad[i], strlen(bad[i]), RV_HEADER_TEXT};

		ck_assert_int_eq(
		    rv__kafka_key_write(RV__KAFKA_FORMAT_INTEGER, &header, &key, &error), RV_E_INVALID);
		ck_assert_ptr_nonnull(strstr(error.text, "key.serializer"));
	}
}
END_TEST

START_TEST(unknown_classes_are_no_format)
{
	enum rv__kafka_format format;

	ck_assert(!rv__kafka_format_of("io.confluent.kafka.serializers.KafkaAvroSerializer", &format));
	ck_assert(!rv__kafka_format_of("String", &format));
	ck_assert(rv__kafka_format_of("org.apache.kafka.common.serialization.StringDeserializer", &format));
}
END_TEST

START_TEST(a_received_key_is_text_where_it_is_one)
{
	struct rv__kafka_record_key room;
	struct rv_header_span span;

	rv__kafka_key_read(RV__KAFKA_FORMAT_BYTES, "k", 1, &room, &span);
	ck_assert_int_eq(span.type, RV_HEADER_TEXT);
	rv__kafka_key_read(RV__KAFKA_FORMAT_BYTES, "\0\1", 2, &room, &span);
	ck_assert_int_eq(span.type, RV_HEADER_BYTES);
	rv__kafka_key_read(RV__KAFKA_FORMAT_BYTES, "", 0, &room, &span);
	ck_assert_int_eq(span.type, RV_HEADER_TEXT);
	rv__kafka_key_read(RV__KAFKA_FORMAT_LONG, "abc", 3, &room, &span);
	ck_assert_int_eq(span.type, RV_HEADER_BYTES);
	ck_assert_uint_eq(span.value.length, 3);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {texts_go_out_as_spring_wrote_them,
	    each_type_goes_out_with_its_java_class, a_text_that_begins_with_a_quote_goes_out_as_json,
	    names_that_steer_or_describe_stay_at_home, what_tracing_tools_write_goes_raw_and_unlisted,
	    facts_of_a_dead_letter_follow_the_list_of_types, the_id_travels_as_a_text,
	    patterns_choose_and_the_first_match_decides, a_bare_message_has_no_header_but_its_key,
	    many_long_names_make_a_long_list, what_spring_wrote_is_read_with_its_types,
	    every_form_of_content_type_is_understood, what_no_list_names_is_bytes,
	    the_last_list_and_the_last_of_equal_names_count, a_list_that_is_none_names_nothing,
	    values_that_lie_about_their_type_stay_bytes, the_id_is_taken_out,
	    many_lists_and_long_values_are_kept_apart, more_headers_than_a_message_takes_are_left_out,
	    keys_are_written_as_java_s_serializers_do, a_key_that_is_no_number_is_refused_with_a_sentence,
	    unknown_classes_are_no_format, a_received_key_is_text_where_it_is_one, NULL};

	return unit_run("kafka_headers", cases, NULL, teardown);
}
