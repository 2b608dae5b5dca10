/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of Dapr, Watermill, FastStream, Spring Data Redis and of nobody in particular, byte by byte. */
#include "binder/redis/foreign.h"

#include "tests/support/unit.h"

#define SPAN(literal) \
	(struct rv_span) \
	{ \
		literal, sizeof literal - 1 \
	}

static struct rv__redis_decoded decoded;
static char *entry; /* of its exact length, so that a checker sees what reads behind it */
static size_t entry_length;

static void teardown(void)
{
	free(entry);
	entry = NULL;
	rv__buffer_finish(&decoded.scratch);
}

static void expect(struct rv_span span, struct rv_span wanted)
{
	ck_assert_uint_eq(span.length, wanted.length);
	if (wanted.length > 0)
		ck_assert_mem_eq(span.bytes, wanted.bytes, wanted.length);
}

static void expect_header(size_t index, const char *name, const char *value)
{
	ck_assert_uint_lt(index, decoded.header_count);
	expect(decoded.headers[index].name, (struct rv_span){name, strlen(name)});
	expect(decoded.headers[index].value, (struct rv_span){value, strlen(value)});
}

/* Said of tens of thousands of entries: Check writes a line for each assertion of its own, also for those that hold. */
#define REQUIRE(what) \
	do { \
		if (!(what)) \
			ck_abort_msg("%s", #what); \
	} while (0)

/* Decodes an entry of these names and values. */
static bool decode(const struct rv_span *words, size_t count)
{
	struct rv__buffer out = RV__BUFFER_INIT(1 << 20);
	struct rv__resp_cursor cursor;
	bool read;

	rv__resp_array(&out, count);
	for (size_t i = 0; i < count; i++)
		rv__resp_bulk(&out, words[i].bytes, words[i].length);
	REQUIRE(rv__buffer_error(&out) == RV_OK);
	free(entry);
	entry_length = out.length;
	entry = malloc(entry_length);
	REQUIRE(entry);
	memcpy(entry, out.bytes, entry_length);
	rv__buffer_finish(&out);
	cursor = (struct rv__resp_cursor){.at = entry, .end = entry + entry_length};
	read = rv__redis_decode(&cursor, &decoded);
	REQUIRE(cursor.at == cursor.end);
	REQUIRE(read == !decoded.odd);
	return read;
}

#define DECODE(...) \
	decode((const struct rv_span[]){__VA_ARGS__}, \
	    sizeof((const struct rv_span[]){__VA_ARGS__}) / sizeof(struct rv_span))

static bool lies_in(struct rv_span span, const void *bytes, size_t length)
{
	uintptr_t from = (uintptr_t)span.bytes, start = (uintptr_t)bytes;

	return from >= start && from <= start + length && span.length <= start + length - from;
}

static bool is_sound(struct rv_span span)
{
	return span.length == 0 || lies_in(span, entry, entry_length) ||
	    lies_in(span, decoded.scratch.bytes, decoded.scratch.length) ||
	    (span.length == 16 && memcmp(span.bytes, "application/json", 16) == 0) ||
	    (span.length == 11 && memcmp(span.bytes, "contentType", 11) == 0);
}

static void expect_sound(void)
{
	REQUIRE(is_sound(decoded.payload));
	REQUIRE(is_sound(decoded.id));
	for (size_t i = 0; i < decoded.header_count; i++) {
		REQUIRE(is_sound(decoded.headers[i].name));
		REQUIRE(is_sound(decoded.headers[i].value));
	}
}

#define EVENT_HEAD "{\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"app\",\"type\":\"t\","
#define DAPR_EVENT \
	"{\"data\":{\"plate\":\"\\u7ca4B\"},\"datacontenttype\":\"application/json\",\"id\":\"e-1\"," \
	"\"pubsubname\":\"pub\",\"source\":\"app\",\"specversion\":\"1.0\",\"time\":null," \
	"\"traceparent\":\"00-1-2-01\",\"tracestate\":\"\",\"type\":\"t\"}"
#define MSGPACK \
	"\x82\xa3" \
	"fee" \
	"\xa2" \
	"15" \
	"\xd9\x04" \
	"city" \
	"\xda\x00\x02" \
	"SZ"
#define ENVELOPE \
	"\x89" \
	"BIN\r\n\x1a\n" \
	"\x00\x01" \
	"\x00\x00\x00\x12" \
	"\x00\x00\x00\x44" \
	"\x00\x02" \
	"\x00\x0c" \
	"content-type" \
	"\x00\x0a" \
	"text/plain" \
	"\x00\x0a" \
	"message_id" \
	"\x00\x08" \
	"m-000001" \
	"hello"

START_TEST(a_cloud_event_of_dapr_is_unwrapped)
{
	ck_assert(DECODE(SPAN("data"), SPAN(DAPR_EVENT), SPAN("metadata"), SPAN("{\"ttlInSeconds\":\"5\"}")));
	expect(decoded.payload, SPAN("{\"plate\":\"\\u7ca4B\"}"));
	expect(decoded.id, SPAN("e-1"));
	ck_assert_uint_eq(decoded.header_count, 7);
	expect_header(0, "ttlInSeconds", "5");
	expect_header(1, "ce-pubsubname", "pub");
	expect_header(2, "ce-source", "app");
	expect_header(3, "ce-specversion", "1.0");
	expect_header(4, "traceparent", "00-1-2-01");
	expect_header(5, "ce-type", "t");
	expect_header(6, "contentType", "application/json");
}
END_TEST

START_TEST(what_dapr_made_a_string_of_is_the_text_it_was_given)
{
	ck_assert(DECODE(SPAN("data"),
	    SPAN(EVENT_HEAD
	        "\"pubsubname\":\"p\",\"datacontenttype\":\"a/x+json\",\"data\":\"{\\\"a\\\":1}\"}")));
	expect(decoded.payload, SPAN("{\"a\":1}"));
	ck_assert(DECODE(SPAN("data"),
	    SPAN(EVENT_HEAD "\"pubsubname\":\"p\",\"datacontenttype\":\"a/x+json\",\"data\":{\"a\":1}}")));
	expect(decoded.payload, SPAN("{\"a\":1}"));
	ck_assert(DECODE(SPAN("data"),
	    SPAN(
	        EVENT_HEAD "\"pubsubname\":\"p\",\"datacontenttype\":\"application/json\",\"data\":\"a\"}")));
	expect(decoded.payload, SPAN("\"a\""));
}
END_TEST

START_TEST(data_of_an_event_is_read_by_its_type)
{
	static const struct {
		struct rv_span event, payload;
		const char *type;
	} rows[] = {
	    {{EVENT_HEAD "\"datacontenttype\":\"text/plain\",\"data\":\"a\\n\\u7ca4\"}", 0}, {"a\n粤", 5},
	        "text/plain"},
	    {{EVENT_HEAD "\"data\":\"a\"}", 0}, {"\"a\"", 3}, "application/json"},
	    {{EVENT_HEAD "\"datacontenttype\":\"application/x+json; v=1\",\"data\":\"a\"}", 0}, {"\"a\"", 3},
	        "application/x+json; v=1"},
	    {{EVENT_HEAD "\"data\": [1, 2] }", 0}, {"[1, 2]", 6}, "application/json"},
	    {{EVENT_HEAD "\"datacontenttype\":\"a/b\",\"data_base64\":\"AP8Q\"}", 0}, {"\x00\xff\x10", 3},
	        "a/b"},
	    {{EVENT_HEAD "\"datacontenttype\":\"a/b\",\"data_base64\":\"AP8QIA==\"}", 0},
	        {"\x00\xff\x10 ", 4}, "a/b"},
	    {{EVENT_HEAD "\"datacontenttype\":\"a/b\",\"data_base64\":\"\\u0041P8\"}", 0}, {"\x00\xff", 2},
	        "a/b"},
	    {{EVENT_HEAD "\"datacontenttype\":\"a/b\"}", 0}, {"", 0}, "a/b"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rv_span event = {rows[i].event.bytes, strlen(rows[i].event.bytes)};

		ck_assert(DECODE(SPAN("data"), event));
		expect(decoded.payload, rows[i].payload);
		expect(decoded.id, SPAN("e-1"));
		expect_header(3, "contentType", rows[i].type);
	}
}
END_TEST

START_TEST(what_is_no_event_stays_as_dapr_wrote_it)
{
	static const char *const documents[] = {"raw", "", "{}", "{\"specversion\":\"1.0\"}",
	    "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"s\",\"type\":\"t\"}", EVENT_HEAD "\"data\":1",
	    EVENT_HEAD "\"data\":1} x", "[\"specversion\"]"};

	for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
		struct rv_span data = {documents[i], strlen(documents[i])};

		ck_assert_msg(
		    DECODE(SPAN("metadata"), SPAN("{\"Content-Type\":\"a/b\"}"), SPAN("data"), data), "%s",
		    documents[i]);
		expect(decoded.payload, data);
		ck_assert_uint_eq(decoded.id.length, 0);
		ck_assert_uint_eq(decoded.header_count, 1);
		expect_header(0, "contentType", "a/b");
	}
}
END_TEST

START_TEST(damage_in_an_entry_of_dapr_is_told_and_its_data_kept)
{
	ck_assert(!DECODE(SPAN("data"), SPAN("x"), SPAN("metadata"), SPAN("{\"a\":\"b\"")));
	expect(decoded.payload, SPAN("x"));
	ck_assert_uint_eq(decoded.header_count, 0);
	ck_assert(!DECODE(SPAN("data"), SPAN(EVENT_HEAD "\"data_base64\":\"A-==\"}")));
	expect(decoded.payload, SPAN(EVENT_HEAD "\"data_base64\":\"A-==\"}"));
	ck_assert(!DECODE(SPAN("data"), SPAN(EVENT_HEAD "\"data_base64\":\"AAAAA\"}")));
	ck_assert_uint_eq(decoded.header_count, 0);
}
END_TEST

START_TEST(an_entry_of_watermill_is_read_in_any_order)
{
	ck_assert(DECODE(SPAN("payload"), SPAN("{}"), SPAN("_watermill_message_uuid"), SPAN("u-1"),
	    SPAN("metadata"), SPAN(MSGPACK)));
	expect(decoded.payload, SPAN("{}"));
	expect(decoded.id, SPAN("u-1"));
	ck_assert_uint_eq(decoded.header_count, 2);
	expect_header(0, "fee", "15");
	expect_header(1, "city", "SZ");
	for (int i = 0; i < 4; i++) { /* none, nil, an empty map in two ways */
		static const struct rv_span empty[] = {
		    {"", 0}, {"\xc0", 1}, {"\x80", 1}, {"\xde\x00\x00", 3}};

		ck_assert(DECODE(SPAN("_watermill_message_uuid"), SPAN("u-2"), SPAN("metadata"), empty[i],
		    SPAN("payload"), SPAN("p")));
		expect(decoded.payload, SPAN("p"));
		expect(decoded.id, SPAN("u-2"));
		ck_assert_uint_eq(decoded.header_count, 0);
	}
}
END_TEST

START_TEST(damaged_metadata_of_watermill_gives_no_headers)
{
	static const struct rv_span damaged[] = {{"\x81", 1}, {"\x81\xa1k", 3}, {"\x81\xa1k\xa2v", 5},
	    {"\x80x", 2}, {"\x81\xa1k\x05", 4}, {"\xdf\xff\xff\xff\xff", 5}, {"\x81\xdb\xff\xff\xff\xffk", 7},
	    {"\x82\xa1k\xa1v", 5}, {"{\"k\":1}", 7}};

	for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
		ck_assert_msg(!DECODE(SPAN("_watermill_message_uuid"), SPAN("u"), SPAN("metadata"),
		                  damaged[i], SPAN("payload"), SPAN("p")),
		    "%zu", i);
		expect(decoded.payload, SPAN("p"));
		expect(decoded.id, SPAN("u"));
		ck_assert_uint_eq(decoded.header_count, 0);
	}
}
END_TEST

START_TEST(the_envelope_of_fast_stream_is_opened)
{
	ck_assert(DECODE(SPAN("__data__"), SPAN(ENVELOPE)));
	expect(decoded.payload, SPAN("hello"));
	expect(decoded.id, SPAN("m-000001"));
	ck_assert_uint_eq(decoded.header_count, 1);
	expect_header(0, "contentType", "text/plain");
}
END_TEST

START_TEST(lengths_that_fast_stream_counted_in_characters_are_understood)
{
	static const char head[] = "\x89"
	                           "BIN\r\n\x1a\n"
	                           "\x00\x01"
	                           "\x00\x00\x00\x12"
	                           "\x00\x00\x00";
	/* One header, `city` with two characters of three bytes; the place of the data, where they end and two behind. */
	static const char good[] = "\x22"
	                           "\x00\x01"
	                           "\x00\x04"
	                           "city"
	                           "\x00\x02"
	                           "深圳"
	                           "hello";
	char envelope[sizeof head + sizeof good - 2];

	memcpy(envelope, head, sizeof head - 1);
	memcpy(envelope + sizeof head - 1, good, sizeof good - 1);
	ck_assert(DECODE(SPAN("__data__"), (struct rv_span){envelope, sizeof envelope}));
	expect(decoded.payload, SPAN("hello"));
	ck_assert_uint_eq(decoded.header_count, 1);
	expect_header(0, "city", "深圳");
	/* More room before the data: neither count ends there, so that the bytes hold. */
	envelope[sizeof head - 1] = '\x24';
	ck_assert(DECODE(SPAN("__data__"), (struct rv_span){envelope, sizeof envelope}));
	expect(decoded.payload, SPAN("llo"));
	expect(decoded.headers[0].value, SPAN("\xe6\xb7"));
}
END_TEST

START_TEST(the_older_envelope_of_fast_stream_is_opened)
{
	ck_assert(DECODE(SPAN("__data__"),
	    SPAN("{\"data\": \"{\\\"a\\\": 1}\", \"headers\": {\"correlation_id\": \"c\\u00e4\", "
	         "\"content-type\": \"application/json\"}}")));
	expect(decoded.payload, SPAN("{\"a\": 1}"));
	ck_assert_uint_eq(decoded.header_count, 2);
	expect_header(0, "correlation_id", "cä");
	expect_header(1, "contentType", "application/json");
	ck_assert(DECODE(SPAN("__data__"), SPAN("{\"data\": 1}")));
	expect(decoded.payload, SPAN("{\"data\": 1}"));
	ck_assert(DECODE(SPAN("__data__"), SPAN("plain")));
	expect(decoded.payload, SPAN("plain"));
}
END_TEST

START_TEST(a_damaged_envelope_is_delivered_as_it_lies)
{
	static const struct {
		size_t at;
		unsigned char byte;
	} spoiled[] = {{9, 2} /* version */, {13, 0x11} /* headers before their place */,
	    {10, 0x80} /* headers behind the end */, {14, 0xff} /* data behind the end */,
	    {17, 0x43} /* a header that reaches into the data */, {17, 0x10} /* data before the headers */,
	    {19, 0xff} /* more headers than there are */, {20, 0xff} /* a name longer than all */};
	char envelope[sizeof ENVELOPE - 1];

	for (size_t i = 0; i < sizeof spoiled / sizeof *spoiled; i++) {
		struct rv_span value = {envelope, sizeof envelope};

		memcpy(envelope, ENVELOPE, sizeof envelope);
		envelope[spoiled[i].at] = (char)spoiled[i].byte;
		ck_assert_msg(!DECODE(SPAN("__data__"), value), "%zu", i);
		expect(decoded.payload, value);
		ck_assert_uint_eq(decoded.header_count, 0);
		ck_assert_uint_eq(decoded.id.length, 0);
	}
}
END_TEST

START_TEST(a_raw_value_of_spring_is_the_payload)
{
	ck_assert(DECODE(SPAN("_class"), SPAN("java.lang.String"), SPAN("_raw"), SPAN("\x00\x01")));
	expect(decoded.payload, SPAN("\x00\x01"));
	ck_assert_uint_eq(decoded.header_count, 1);
	expect_header(0, "_class", "java.lang.String");
}
END_TEST

START_TEST(other_fields_become_a_json_object)
{
	ck_assert(DECODE(SPAN("plate"), SPAN("粤B \"1\"\\\n"), SPAN("fee"), SPAN("15"), SPAN("b"),
	    SPAN("\xff\x00\x10\x20"), SPAN("n\xff"), SPAN("")));
	expect(decoded.payload,
	    SPAN("{\"plate\":\"粤B \\u00221\\u0022\\u005c\\u000a\",\"fee\":\"15\","
	         "\"b\":{\"$b64\":\"/wAQIA==\"},\"n\\ufffd\":\"\"}"));
	ck_assert_uint_eq(decoded.header_count, 1);
	expect_header(0, "contentType", "application/json");
	ck_assert_uint_eq(decoded.id.length, 0);
}
END_TEST

/* Words of ours or of others do not make an entry theirs when it has more to tell: nothing may be lost. */
START_TEST(fields_that_only_look_like_a_layout_are_kept_all)
{
	ck_assert(DECODE(SPAN("key"), SPAN("k"), SPAN("value"), SPAN("v")));
	expect(decoded.payload, SPAN("{\"key\":\"k\",\"value\":\"v\"}"));
	ck_assert(DECODE(SPAN("data"), SPAN("d"), SPAN("at"), SPAN("7")));
	expect(decoded.payload, SPAN("{\"data\":\"d\",\"at\":\"7\"}"));
	ck_assert(DECODE(SPAN("payload"), SPAN("p"), SPAN("at"), SPAN("7")));
	expect(decoded.payload, SPAN("{\"payload\":\"p\",\"at\":\"7\"}"));
	ck_assert(DECODE(SPAN("headers"), SPAN("{")));
	expect(decoded.payload, SPAN("{\"headers\":\"{\"}"));
	ck_assert(DECODE(SPAN("null"), SPAN("1"), SPAN("at"), SPAN("7")));
	ck_assert(!decoded.null);
	ck_assert_uint_eq(decoded.header_count, 1);
}
END_TEST

START_TEST(an_entry_of_ours_with_a_field_more_is_still_ours)
{
	ck_assert(DECODE(SPAN("payload"), SPAN("p"), SPAN("headers"), SPAN("{\"messageId\":\"m\"}"),
	    SPAN("newer"), SPAN("x")));
	expect(decoded.payload, SPAN("p"));
	expect(decoded.id, SPAN("m"));
	ck_assert_uint_eq(decoded.header_count, 0);
}
END_TEST

START_TEST(headers_beyond_the_room_are_left_out)
{
	struct rv__buffer metadata = RV__BUFFER_INIT(1 << 16), event = RV__BUFFER_INIT(1 << 16);

	rv__buffer_add(&metadata, "\xde\x01\x2c", 3); /* 300 */
	rv__buffer_add_text(&event, EVENT_HEAD "\"data\":1");
	for (int i = 0; i < 300; i++) {
		rv__buffer_add(&metadata, "\xa1k\xa1v", 4);
		rv__buffer_printf(&event, ",\"a%d\":\"\\u00e4\"", i);
	}
	rv__buffer_add_text(&event, "}");
	ck_assert(DECODE(SPAN("_watermill_message_uuid"), SPAN("u"), SPAN("metadata"),
	    ((struct rv_span){(const char *)metadata.bytes, metadata.length})));
	ck_assert_uint_eq(decoded.header_count, RV__REDIS_HEADERS_MAX);
	ck_assert(DECODE(SPAN("data"), ((struct rv_span){(const char *)event.bytes, event.length})));
	ck_assert_uint_eq(decoded.header_count, RV__REDIS_HEADERS_MAX);
	expect(decoded.payload, SPAN("1"));
	expect_header(3, "ce-a0", "ä");
	expect_sound();
	rv__buffer_finish(&metadata);
	rv__buffer_finish(&event);
}
END_TEST

#define SPAN_OF(literal) \
	{ \
		literal, sizeof literal - 1 \
	}

static const struct {
	struct rv_span other, other_value, name, value;
} samples[] = {
    {SPAN_OF("metadata"), SPAN_OF("{\"a\":\"\\u00e4\"}"), SPAN_OF("data"), SPAN_OF(DAPR_EVENT)},
    {SPAN_OF("data"), SPAN_OF("d"), SPAN_OF("metadata"), SPAN_OF("{\"a\":\"\\u00e4\",\"b\":{\"c\":[1]}}")},
    {SPAN_OF("metadata"), SPAN_OF(""), SPAN_OF("data"), SPAN_OF(EVENT_HEAD "\"data_base64\":\"AP8QIA==\"}")},
    {SPAN_OF("_watermill_message_uuid"), SPAN_OF("u"), SPAN_OF("metadata"), SPAN_OF(MSGPACK)},
    {SPAN_OF("x"), SPAN_OF("y"), SPAN_OF("__data__"), SPAN_OF(ENVELOPE)},
    {SPAN_OF("x"), SPAN_OF("y"), SPAN_OF("__data__"),
        SPAN_OF("{\"data\":\"\\u00e4\",\"headers\":{\"a\":\"\\n\"}}")},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

START_TEST(whatever_is_cut_off_nothing_is_read_behind_it)
{
	for (size_t i = 0; i < SAMPLES; i++)
		for (size_t length = 0; length <= samples[i].value.length; length++) {
			struct rv_span value = {samples[i].value.bytes, length};
			bool read = DECODE(samples[i].other, samples[i].other_value, samples[i].name, value);

			expect_sound();
			REQUIRE(read || length < samples[i].value.length);
		}
}
END_TEST

START_TEST(whatever_byte_is_spoiled_nothing_is_read_behind_it)
{
	char value[512];
	uint32_t random = 1;

	for (int round = 0; round < 30000; round++) {
		size_t i = (size_t)round % SAMPLES, length = samples[i].value.length;

		REQUIRE(length <= sizeof value);
		memcpy(value, samples[i].value.bytes, length);
		for (int n = 0; n <= round % 3; n++) {
			random = random * 1664525u + 1013904223u;
			value[(random >> 16) % length] = (char)(random >> 8);
		}
		(void)DECODE(samples[i].other, samples[i].other_value, samples[i].name,
		    ((struct rv_span){value, length}));
		expect_sound();
	}
}
END_TEST

/* Writes a message in a format, and reads it back. */
static void pass(const rv_message *message, enum rv__redis_format format, bool bare)
{
	struct rv__redis_head head = {.words = RV__BUFFER_INIT(100), .count = 3};
	struct rv__buffer out = RV__BUFFER_INIT(1 << 20);
	struct rv__resp_cursor cursor;
	struct rv_span words[64] = {{NULL, 0}};
	size_t count;

	rv__resp_text(&head.words, "XADD");
	rv__resp_text(&head.words, "k");
	rv__resp_text(&head.words, "*");
	ck_assert(rv__redis_encode_as(&out, &head, message, bare, format, "cars"));
	cursor = (struct rv__resp_cursor){
	    .at = (const char *)out.bytes, .end = (const char *)out.bytes + out.length};
	count = (size_t)rv__resp_get_array(&cursor);
	ck_assert_uint_lt(count, sizeof words / sizeof *words);
	for (size_t i = 0; i < count; i++)
		words[i] = rv__resp_get_text(&cursor);
	ck_assert_ptr_eq(cursor.at, cursor.end);
	ck_assert(!cursor.failed);
	ck_assert(decode(words + 3, count - 3));
	rv__buffer_finish(&head.words);
	rv__buffer_finish(&out);
}

static struct rv_span header(const char *name)
{
	for (size_t i = 0; i < decoded.header_count; i++)
		if (decoded.headers[i].name.length == strlen(name) &&
		    memcmp(decoded.headers[i].name.bytes, name, strlen(name)) == 0)
			return decoded.headers[i].value;
	return (struct rv_span){"(none)", 6};
}

static size_t count_of(const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < decoded.header_count; i++)
		count += decoded.headers[i].name.length == strlen(name) &&
		    memcmp(decoded.headers[i].name.bytes, name, strlen(name)) == 0;
	return count;
}

static rv_message *make(const char *type, const void *payload, size_t length)
{
	rv_message *message = rv_message_create(payload, length);

	(void)rv_message_set_header(message, RV_HEADER_CONTENT_TYPE, type);
	(void)rv_message_set_header(message, "plate",
	    "\xe7\xb2\xa4"
	    "B \"1\"");
	(void)rv_message_set_header(message, "traceparent", "00-1-2-01");
	(void)rv_message_set_header_int(message, "fee", 15);
	return message;
}

START_TEST(what_is_written_for_others_comes_back)
{
	static const enum rv__redis_format formats[] = {RV__REDIS_FORMAT_DAPR, RV__REDIS_FORMAT_WATERMILL,
	    RV__REDIS_FORMAT_FASTSTREAM, RV__REDIS_FORMAT_SPRING};
	static const struct {
		const char *type;
		struct rv_span payload;
	} of[] = {{"application/json", SPAN("{\"a\":[1,\"x\"]}")}, {"application/json", SPAN("\"text\"")},
	    {"text/plain", SPAN("a \"line\"\n")}, {"application/octet-stream", SPAN("\0\1\xff")},
	    {"application/json", SPAN("{broken")}, {"text/plain", SPAN("")},
	    {"application/x+json", SPAN("{\"a\":1}")}, {"text/json", SPAN("{\"a\":1}")},
	    {"a/yaml", SPAN("a: 1")}, {"text/plain;charset=latin1", SPAN("\xe9")}};

	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		rv_message *message = make(of[i].type, of[i].payload.bytes, of[i].payload.length);

		for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
			pass(message, formats[k], false);
			expect(decoded.payload, of[i].payload);
			expect(decoded.id, (struct rv_span){rv_message_id(message), 32});
			expect(
			    header(RV_HEADER_CONTENT_TYPE), (struct rv_span){of[i].type, strlen(of[i].type)});
			expect(header("plate"),
			    SPAN("\xe7\xb2\xa4"
			         "B \"1\""));
			expect(header("fee"), SPAN("15"));
			expect(header("traceparent"), SPAN("00-1-2-01"));
			ck_assert_uint_eq(count_of("traceparent"), 1);
			pass(message, formats[k], true);
			expect(decoded.payload, of[i].payload);
			expect(header("fee"), SPAN("(none)"));
		}
		rv_message_unref(message);
	}
}
END_TEST

START_TEST(a_json_object_becomes_plain_fields)
{
	static const char object[] = "{\"fee\":20,\"n\":{\"x\":null},\"s\":\"a\\tb\"}";
	rv_message *message = make("application/json", object, sizeof object - 1);

	pass(message, RV__REDIS_FORMAT_FLAT, false);
	expect(decoded.payload,
	    SPAN("{\"plate\":\"\xe7\xb2\xa4"
	         "B \\u00221\\u0022\",\"traceparent\":\"00-1-2-01\",\"fee\":\"15\",\"fee\":\"20\","
	         "\"n\":\"{\\u0022x\\u0022:null}\",\"s\":\"a\\u0009b\"}"));
	pass(message, RV__REDIS_FORMAT_FLAT, true);
	expect(
	    decoded.payload, SPAN("{\"fee\":\"20\",\"n\":\"{\\u0022x\\u0022:null}\",\"s\":\"a\\u0009b\"}"));
	rv_message_unref(message);
	message = rv_message_create("no object", 9);
	pass(message, RV__REDIS_FORMAT_FLAT, true);
	expect(decoded.payload, SPAN("no object"));
	rv_message_unref(message);
}
END_TEST

START_TEST(a_header_of_bytes_is_text_where_others_take_only_that)
{
	static const enum rv__redis_format formats[] = {RV__REDIS_FORMAT_DAPR, RV__REDIS_FORMAT_FASTSTREAM};
	rv_message *message = rv_message_create("x", 1);

	ck_assert_int_eq(
	    rv_message_set_header_typed(message, "mac", RV_HEADER_BYTES, "\xff\x00\xfe", 3), RV_OK);
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		pass(message, formats[i], false);
		expect(header("mac"), SPAN("/wD+"));
	}
	rv_message_unref(message);
}
END_TEST

START_TEST(a_tombstone_is_one_in_every_format)
{
	rv_message *message = rv_message_create_null();

	for (int format = RV__REDIS_FORMAT_NATIVE; format <= RV__REDIS_FORMAT_FLAT; format++) {
		pass(message, (enum rv__redis_format)format, false);
		ck_assert(decoded.null);
	}
	rv_message_unref(message);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_cloud_event_of_dapr_is_unwrapped,
	    what_dapr_made_a_string_of_is_the_text_it_was_given,
	    lengths_that_fast_stream_counted_in_characters_are_understood,
	    data_of_an_event_is_read_by_its_type, what_is_no_event_stays_as_dapr_wrote_it,
	    damage_in_an_entry_of_dapr_is_told_and_its_data_kept, an_entry_of_watermill_is_read_in_any_order,
	    damaged_metadata_of_watermill_gives_no_headers, the_envelope_of_fast_stream_is_opened,
	    the_older_envelope_of_fast_stream_is_opened, a_damaged_envelope_is_delivered_as_it_lies,
	    a_raw_value_of_spring_is_the_payload, other_fields_become_a_json_object,
	    fields_that_only_look_like_a_layout_are_kept_all,
	    an_entry_of_ours_with_a_field_more_is_still_ours, headers_beyond_the_room_are_left_out,
	    whatever_is_cut_off_nothing_is_read_behind_it, whatever_byte_is_spoiled_nothing_is_read_behind_it,
	    what_is_written_for_others_comes_back, a_json_object_becomes_plain_fields,
	    a_header_of_bytes_is_text_where_others_take_only_that, a_tombstone_is_one_in_every_format, NULL};

	return unit_run("redis_foreign", cases, NULL, teardown);
}
