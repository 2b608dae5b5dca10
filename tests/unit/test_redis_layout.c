/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/layout.h"

#include "tests/support/unit.h"

static struct rv__redis_decoded decoded;
static struct rv__buffer out;

static void setup(void)
{
	out = (struct rv__buffer)RV__BUFFER_INIT(1 << 20);
}

static void teardown(void)
{
	rv__buffer_finish(&out);
	rv__buffer_finish(&decoded.scratch);
}

static void expect(struct rv_span span, const char *text)
{
	ck_assert_ptr_nonnull(span.bytes);
	ck_assert_uint_eq(span.length, strlen(text));
	ck_assert_mem_eq(span.bytes, text, span.length);
}

static void expect_header(size_t index, const char *name, const char *value)
{
	ck_assert_uint_lt(index, decoded.header_count);
	expect(decoded.headers[index].name, name);
	expect(decoded.headers[index].value, value);
}

static bool decode_headers(const char *json)
{
	decoded.header_count = 0;
	decoded.id = (struct rv_span){NULL, 0};
	rv__buffer_clear(&decoded.scratch);
	return rv__redis_headers_decode((struct rv_span){json, strlen(json)}, &decoded);
}

/* Sends a message through XADD's bytes into the fields of an entry. */
static void pass(const rv_message *message, bool bare)
{
	struct rv__redis_head head = {.words = RV__BUFFER_INIT(100), .count = 3};
	struct rv__resp_framer framer = {0};
	struct rv__resp_cursor cursor;
	size_t length = 0;
	char *fields;

	rv__resp_text(&head.words, "XADD");
	rv__resp_text(&head.words, "k");
	rv__resp_text(&head.words, "*");
	rv__buffer_clear(&out);
	ck_assert(rv__redis_encode(&out, &head, message, bare));
	ck_assert_int_eq(
	    rv__resp_frame(&framer, (const char *)out.bytes, out.length, &length), RV__RESP_WHOLE);
	ck_assert_uint_eq(length, out.length);
	/* The same words without the first three are the fields of the entry. */
	cursor = (struct rv__resp_cursor){
	    .at = (const char *)out.bytes, .end = (const char *)out.bytes + out.length};
	length = (size_t)rv__resp_get_array(&cursor) - 3;
	for (int i = 0; i < 3; i++)
		rv__resp_skip(&cursor);
	{
		char line[RV__RESP_HEAD_ROOM];
		size_t n = (size_t)(rv__resp_put_head(line, '*', length) - line);

		fields = (char *)cursor.at - n;
		memcpy(fields, line, n);
	}
	cursor.at = fields;
	ck_assert(rv__redis_decode(&cursor, &decoded));
	ck_assert_ptr_eq(cursor.at, cursor.end);
	rv__buffer_finish(&head.words);
}

START_TEST(a_message_comes_back_as_it_went)
{
	rv_message *message = rv_message_create_text("粤B 12345");

	ck_assert_int_eq(rv_message_set_header(message, RV_HEADER_KEY, "k 1"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "quote", "a \"b\" \\ \x01 牌"), RV_OK);
	pass(message, false);
	expect(decoded.payload, "粤B 12345");
	expect(decoded.id, rv_message_id(message));
	ck_assert(!decoded.null);
	ck_assert_uint_eq(decoded.header_count, 3);
	expect_header(0, RV_HEADER_CONTENT_TYPE, rv_message_header(message, RV_HEADER_CONTENT_TYPE));
	expect_header(1, "quote", "a \"b\" \\ \x01 牌");
	expect_header(2, RV_HEADER_KEY, "k 1");
	rv_message_unref(message);
}
END_TEST

START_TEST(a_tombstone_has_no_payload_and_an_empty_one_has)
{
	rv_message *none = rv_message_create_null();
	rv_message *empty = rv_message_create("", 0);

	pass(none, false);
	ck_assert(decoded.null);
	pass(empty, false);
	ck_assert(!decoded.null);
	ck_assert_uint_eq(decoded.payload.length, 0);
	rv_message_unref(none);
	rv_message_unref(empty);
}
END_TEST

START_TEST(a_bare_message_is_payload_and_key_alone)
{
	rv_message *message = rv_message_create_text("x");

	ck_assert_int_eq(rv_message_set_header(message, RV_HEADER_KEY, "k"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "secret", "s"), RV_OK);
	pass(message, true);
	expect(decoded.payload, "x");
	ck_assert_ptr_null(decoded.id.bytes);
	ck_assert_uint_eq(decoded.header_count, 1);
	expect_header(0, RV_HEADER_KEY, "k");
	rv_message_unref(message);
}
END_TEST

START_TEST(headers_of_others_are_read_whatever_their_type)
{
	ck_assert(decode_headers(" { \"a\" : 15 , \"b\":true,\"c\":null,\"d\":-1.5e3, \"messageId\":\"m\","
	                         "\"e\":{\"x\":[1,\"}\\\"\"]},\"f\":\"\\u00e4\\ud83d\\ude00\\n\\/\"} "));
	ck_assert_uint_eq(decoded.header_count, 6);
	expect_header(0, "a", "15");
	expect_header(1, "b", "true");
	expect_header(2, "c", "null");
	expect_header(3, "d", "-1.5e3");
	expect_header(4, "e", "{\"x\":[1,\"}\\\"\"]}");
	expect_header(5, "f", "ä😀\n/");
	expect(decoded.id, "m");
	ck_assert(decode_headers("{}"));
	ck_assert_uint_eq(decoded.header_count, 0);
}
END_TEST

START_TEST(damaged_headers_are_refused_whole)
{
	static const char *const damaged[] = {"", "{", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":\"x}",
	    "{\"a\":\"\\x\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\u12\"}", "{\"a\":{\"b\":1}", "{\"a\":1,}",
	    "{a:1}"};

	for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
		ck_assert_msg(!decode_headers(damaged[i]), "%s", damaged[i]);
		ck_assert_uint_eq(decoded.header_count, 0);
	}
}
END_TEST

START_TEST(more_headers_than_there_is_room_for_are_left_out)
{
	struct rv__buffer json = RV__BUFFER_INIT(1 << 16);

	rv__buffer_add_text(&json, "{\"h\":1");
	for (int i = 0; i < 300; i++)
		rv__buffer_printf(&json, ",\"h%d\":%d", i, i);
	rv__buffer_add_text(&json, "}");
	ck_assert(decode_headers(rv__buffer_text(&json)));
	ck_assert_uint_eq(decoded.header_count, RV__REDIS_HEADERS_MAX);
	rv__buffer_finish(&json);
}
END_TEST

static void expect_typed(const char *name, enum rv_header_type type, const char *value, size_t length)
{
	for (size_t i = 0; i < decoded.header_count; i++) {
		const struct rv_header_span *header = &decoded.headers[i];

		if (header->name.length != strlen(name) ||
		    memcmp(header->name.bytes, name, strlen(name)) != 0)
			continue;
		ck_assert_msg(header->type == type, "%s has type %d", name, (int)header->type);
		ck_assert_uint_eq(header->value.length, length);
		ck_assert_mem_eq(header->value.bytes, value, length);
		return;
	}
	ck_abort_msg("%s is missing", name);
}

START_TEST(types_of_headers_come_back)
{
	static const struct {
		const char *name;
		enum rv_header_type type;
		const char *value;
		size_t length;
	} of[] = {{"text", RV_HEADER_TEXT, "5", 1}, {"quoted", RV_HEADER_TEXT, "\"q\\", 3},
	    {"int", RV_HEADER_INT, "-2147483648", 11}, {"zero", RV_HEADER_INT, "0", 1},
	    {"small long", RV_HEADER_LONG, "7", 1}, {"long", RV_HEADER_LONG, "-9223372036854775808", 20},
	    {"bool", RV_HEADER_BOOLEAN, "false", 5}, {"double", RV_HEADER_DOUBLE, "0.25", 4},
	    {"whole \"double", RV_HEADER_DOUBLE, "15", 2}, {"large", RV_HEADER_DOUBLE, "1e100", 5},
	    {"object", RV_HEADER_JSON, "{\"a\":[1]}", 9}, {"array", RV_HEADER_JSON, "[]", 2},
	    {"string", RV_HEADER_JSON, "\"a\\nb\"", 6}, {"number", RV_HEADER_JSON, "5", 1},
	    {"null", RV_HEADER_JSON, "null", 4}, {"like bytes", RV_HEADER_JSON, "{\"$b64\":\"AA==\"}", 15},
	    {"like json", RV_HEADER_JSON, "{\"$json\":1}", 11}, {"bytes", RV_HEADER_BYTES, "\0\xff\1", 3},
	    {"none", RV_HEADER_BYTES, "", 0}, {"redis_stream", RV_HEADER_TEXT, "never sent", 10}};
	enum { COUNT = sizeof of / sizeof *of };
	rv_message *message = rv_message_create_text("x");

	for (size_t i = 0; i < COUNT; i++)
		ck_assert_int_eq(
		    rv_message_set_header_typed(message, of[i].name, of[i].type, of[i].value, of[i].length),
		    RV_OK);
	pass(message, false);
	for (size_t i = 0; i + 1 < COUNT; i++)
		expect_typed(of[i].name, of[i].type, of[i].value, of[i].length);
	ck_assert_uint_eq(decoded.header_count, COUNT); /* the content type in place of the one not sent */
	rv_message_unref(message);
}
END_TEST

START_TEST(numbers_of_others_have_the_type_they_look_like)
{
	ck_assert(decode_headers(
	    "{\"a\":15,\"b\":2147483648,\"c\":1.5,\"d\":-0,\"e\":1E5,\"f\":99999999999999999999,"
	    "\"g\":1e999,\"h\":01,\"i\":null,\"j\":{\"$b64\":\"?\"},\"k\":{\"$b64\":\"AA==\",\"l\":1}}"));
	expect_typed("a", RV_HEADER_INT, "15", 2);
	expect_typed("b", RV_HEADER_LONG, "2147483648", 10);
	expect_typed("c", RV_HEADER_DOUBLE, "1.5", 3);
	expect_typed("d", RV_HEADER_DOUBLE, "-0", 2);
	expect_typed("e", RV_HEADER_DOUBLE, "1E5", 3);
	expect_typed("f", RV_HEADER_TEXT, "99999999999999999999", 20);
	expect_typed("g", RV_HEADER_TEXT, "1e999", 5);
	expect_typed("h", RV_HEADER_TEXT, "01", 2);
	expect_typed("i", RV_HEADER_TEXT, "null", 4);
	expect_typed("j", RV_HEADER_JSON, "{\"$b64\":\"?\"}", 12);
	expect_typed("k", RV_HEADER_JSON, "{\"$b64\":\"AA==\",\"l\":1}", 21);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_message_comes_back_as_it_went,
	    a_tombstone_has_no_payload_and_an_empty_one_has, a_bare_message_is_payload_and_key_alone,
	    headers_of_others_are_read_whatever_their_type, damaged_headers_are_refused_whole,
	    more_headers_than_there_is_room_for_are_left_out, types_of_headers_come_back,
	    numbers_of_others_have_the_type_they_look_like, NULL};

	return unit_run("redis_layout", cases, setup, teardown);
}
