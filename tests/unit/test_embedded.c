/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/embedded.h"

#include "bindings/message.h"
#include "tests/support/unit.h"

#include <string.h>

/* Received as a broker without headers would hand it on. */
static rv_message *received(const void *payload, size_t length)
{
	struct rv_received facts = {.payload = payload,
	    .length = length,
	    .source = "Memory",
	    .destination = "d",
	    .partition = 2,
	    .position = 9,
	    .attempt = 1,
	    .timestamp_ms = 5};

	return rv_message_create_received(&facts);
}

/* Byte for byte what EmbeddedHeaderUtils.embedHeaders() makes of these two headers and this payload. */
START_TEST(the_block_has_the_bytes_of_java)
{
	static const char expected[] = "\xff\x02"
	                               "\x0d"
	                               "correlationId"
	                               "\0\0\0\x06"
	                               "\"c-17\""
	                               "\x0b"
	                               "contentType"
	                               "\0\0\0\x12"
	                               "\"application/json\""
	                               "{}";
	rv_message *message = rv_message_create_json("{}");
	rv_message *wrapped;
	size_t length;
	const void *payload;

	rv_message_set_header(message, "other", "stays behind");
	rv_message_set_header(message, "correlationId", "c-17");
	rv_message_set_header(message, RV_HEADER_KEY, "k");
	wrapped = rv__embedded_encode(message, NULL, NULL);
	payload = rv_message_payload(wrapped, &length);
	ck_assert_uint_eq(length, sizeof expected - 1);
	ck_assert_mem_eq(payload, expected, length);
	ck_assert_str_eq(rv_message_id(wrapped), rv_message_id(message));
	ck_assert_str_eq(rv_message_header(wrapped, RV_HEADER_KEY), "k");
	ck_assert_str_eq(rv_message_header(wrapped, "other"), "stays behind"); /* for what steers a send */
	rv_message_unref(wrapped);
	rv_message_unref(message);
}
END_TEST

START_TEST(headers_and_their_types_come_back)
{
	static const char *const names[] = {
	    "text", "n", "big", "yes", "real", "json", "absent", "contentType"};
	struct rv_strings more = {names, 5}, yet_more = {names + 5, 3};
	rv_message *message = rv_message_create_text("payload");
	rv_message *wrapped, *back;
	struct rv_header header;
	size_t length;

	rv_message_set_header(message, "text", "say \"粤\"");
	rv_message_set_header_int(message, "n", -5);
	rv_message_set_header_long(message, "big", 5000000000);
	rv_message_set_header_bool(message, "yes", true);
	rv_message_set_header_double(message, "real", 1.0);
	rv_message_set_header_typed(message, "json", RV_HEADER_JSON, "[1,2]", 5);
	wrapped = rv__embedded_encode(message, &more, &yet_more);
	back = received(rv_message_payload(wrapped, &length), wrapped->length);
	ck_assert_int_eq(rv__embedded_decode(&back), RV_OK);
	rv_message_unref(wrapped);
	ck_assert_str_eq(rv_message_text(back), "payload");
	ck_assert_str_eq(rv_message_header(back, RV_HEADER_CONTENT_TYPE), "text/plain");
	ck_assert_str_eq(rv_message_header(back, "text"), "say \"粤\"");
	ck_assert(rv_message_header_find(back, "n", &header) && header.type == RV_HEADER_INT);
	ck_assert_str_eq(header.value, "-5");
	ck_assert(rv_message_header_find(back, "big", &header) && header.type == RV_HEADER_LONG);
	ck_assert(rv_message_header_find(back, "yes", &header) && header.type == RV_HEADER_BOOLEAN);
	ck_assert(rv_message_header_find(back, "real", &header) && header.type == RV_HEADER_DOUBLE);
	ck_assert_str_eq(header.value, "1.0");
	ck_assert(rv_message_header_find(back, "json", &header) && header.type == RV_HEADER_JSON);
	ck_assert_str_eq(header.value, "[1,2]");
	/* The delivery is the same. */
	ck_assert_int_eq(rv_message_partition(back), 2);
	ck_assert_int_eq(rv_message_position(back), 9);
	ck_assert_str_eq(rv_message_id(back), "d-2-9");
	ck_assert_str_eq(rv_message_source(back), "Memory");
	rv_message_unref(back);
	rv_message_unref(message);
}
END_TEST

START_TEST(what_is_no_block_stays_a_payload)
{
	static const struct {
		const char *bytes;
		size_t length;
	} rows[] = {{"", 0}, {"\xff\0\0\0\0\0\0\0", 8}, {"plain text", 10}, {"\xff\x01\x05nam", 6},
	    {"\xff\x01\x04name\0\0\0\x09\"a\"", 14}, {"\xff\x01\x04name\xff\xff\xff\xff\"a\"", 14},
	    {"\xff\x01\x04name\0\0\0\x03{a}", 14},
	    {"\xff\x01\x02\xff\xfe\0\0\0\x01"
	     "1",
	        10},
	    {"\xff\x02\x01"
	     "a\0\0\0\x01"
	     "1",
	        9},
	    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		rv_message *message = received(rows[i].bytes, rows[i].length);
		rv_message *before = message;

		ck_assert_int_eq(rv__embedded_decode(&message), RV_E_INVALID);
		ck_assert_ptr_eq(message, before);
		rv_message_unref(message);
	}
}
END_TEST

START_TEST(a_block_without_headers_is_taken_off)
{
	rv_message *message = received("\xff\0payload", 9);

	ck_assert_int_eq(rv__embedded_decode(&message), RV_OK);
	ck_assert_str_eq(rv_message_text(message), "payload");
	rv_message_unref(message);
}
END_TEST

START_TEST(who_has_native_headers_has_no_block)
{
	struct rv_header_span header = {.name = {"contentType", 11}, .value = {"text/plain", 10}};
	struct rv_received facts = {
	    .payload = "\xff\0payload", .length = 9, .headers = &header, .header_count = 1};
	rv_message *message = rv_message_create_received(&facts);

	ck_assert_int_eq(rv__embedded_decode(&message), RV_E_INVALID);
	rv_message_unref(message);
}
END_TEST

START_TEST(a_tombstone_gets_no_block)
{
	rv_message *message = rv_message_create_null();
	rv_message *wrapped = rv__embedded_encode(message, NULL, NULL);

	ck_assert(rv_message_is_null(wrapped));
	ck_assert_uint_eq(wrapped->length, 0);
	rv_message_unref(wrapped);
	rv_message_unref(message);
}
END_TEST

START_TEST(a_content_type_of_old_java_is_left_to_the_binding)
{
	static const char bytes[] = "\xff\x01\x0b"
	                            "contentType"
	                            "\0\0\0\x14"
	                            "{\"type\":\"a\",\"s\":\"b\"}"
	                            "x";
	rv_message *message = received(bytes, sizeof bytes - 1);

	ck_assert_int_eq(rv__embedded_decode(&message), RV_OK);
	ck_assert_ptr_null(rv_message_header(message, RV_HEADER_CONTENT_TYPE));
	ck_assert_str_eq(rv_message_text(message), "x");
	rv_message_unref(message);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {the_block_has_the_bytes_of_java, headers_and_their_types_come_back,
	    what_is_no_block_stays_a_payload, a_block_without_headers_is_taken_off,
	    who_has_native_headers_has_no_block, a_tombstone_gets_no_block,
	    a_content_type_of_old_java_is_left_to_the_binding, NULL};

	return unit_run("embedded", cases, NULL, NULL);
}
