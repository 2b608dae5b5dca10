/* SPDX-License-Identifier: Apache-2.0 */
/* Headers with types, messages without a payload, and payloads that carry their headers inside or none at all. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_line line;

static void send(rv_message *message, size_t count)
{
	kit_line_send(&line, message);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == count);
	rv_message_unref(message);
}

/* A header of the last message; where the binder does not claim types it may be the same as text. */
static void expect_header(const char *name, enum rv_header_type type, const char *value, size_t length)
{
	struct rv_header header;

	ck_assert_msg(rv_message_header_find(line.recorder.kept, name, &header), "%s did not arrive", name);
	ck_assert_msg(header.length == length && memcmp(header.value, value, length) == 0, "%s is '%s'", name,
	    header.value);
	ck_assert_msg(
	    header.type == type || (header.type == RV_HEADER_TEXT && !(kit_caps & RV_CAP_BINARY_HEADERS)),
	    "%s has type %d", name, (int)header.type);
}
#define EXPECT_HEADER(name, type, value) expect_header(name, type, value, sizeof(value) - 1)

START_TEST(a_header_of_every_type_arrives)
{
	rv_message *message = rv_message_create_text("x");

	ck_assert_int_eq(rv_message_set_header(message, "aText", "5"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "quoted", "\"q\""), RV_OK);
	ck_assert_int_eq(rv_message_set_header_int(message, "anInt", -2147483647), RV_OK);
	ck_assert_int_eq(rv_message_set_header_long(message, "aLong", 9007199254740993), RV_OK);
	ck_assert_int_eq(rv_message_set_header_bool(message, "aBool", true), RV_OK);
	ck_assert_int_eq(rv_message_set_header_double(message, "aDouble", 0.25), RV_OK);
	ck_assert_int_eq(
	    rv_message_set_header_typed(message, "aMap", RV_HEADER_JSON, "{\"a\":[1,\"粤\"]}", 15), RV_OK);
	kit_line_start(&line, NULL, NULL);
	send(message, 1);
	EXPECT_HEADER("aText", RV_HEADER_TEXT, "5");
	EXPECT_HEADER("quoted", RV_HEADER_TEXT, "\"q\"");
	EXPECT_HEADER("anInt", RV_HEADER_INT, "-2147483647");
	EXPECT_HEADER("aLong", RV_HEADER_LONG, "9007199254740993");
	EXPECT_HEADER("aBool", RV_HEADER_BOOLEAN, "true");
	EXPECT_HEADER("aDouble", RV_HEADER_DOUBLE, "0.25");
	EXPECT_HEADER("aMap", RV_HEADER_JSON, "{\"a\":[1,\"粤\"]}");
	kit_line_stop(&line);
}
END_TEST

START_TEST(bytes_arrive_in_a_header_or_are_refused)
{
	rv_message *message = rv_message_create_text("x");
	struct rv_error error = {0};

	ck_assert_int_eq(
	    rv_message_set_header_typed(message, "raw", RV_HEADER_BYTES, "\0\xff\x01\0", 4), RV_OK);
	kit_line_start(&line, NULL, NULL);
	if (kit_caps & RV_CAP_BINARY_HEADERS) {
		send(message, 1);
		expect_header("raw", RV_HEADER_BYTES, "\0\xff\x01\0", 4);
	} else {
		ck_assert_int_eq(rv_channel_send(line.output, message, &error), RV_E_UNSUPPORTED);
		ck_assert_ptr_nonnull(strstr(error.text, "base64"));
		rv_message_unref(message);
		kit_send(line.output, "ok", 0, 1); /* nothing is broken by it */
		WAIT_UNTIL(KIT_SOON_MS, kit_has(&line.recorder, "ok0"));
	}
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_tombstone_arrives_or_is_refused)
{
	rv_message *null = rv_message_create_null(), *empty = rv_message_create("", 0);
	struct rv_error error = {0};
	size_t length;

	ck_assert_int_eq(rv_message_set_header(null, RV_HEADER_KEY, "k1"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(empty, RV_HEADER_KEY, "k2"), RV_OK);
	kit_line_start(&line, NULL, NULL);
	if (kit_caps & RV_CAP_TOMBSTONE) {
		send(null, 1);
		ck_assert(rv_message_is_null(line.recorder.kept));
		ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_KEY), "k1");
		send(empty, 2);
		ck_assert(!rv_message_is_null(line.recorder.kept));
		rv_message_payload(line.recorder.kept, &length);
		ck_assert_uint_eq(length, 0);
	} else {
		ck_assert_int_eq(rv_channel_send(line.output, null, &error), RV_E_UNSUPPORTED);
		ck_assert_ptr_nonnull(strstr(error.text, "tombstone"));
		rv_message_unref(null);
		rv_message_unref(empty);
	}
	kit_line_stop(&line);
}
END_TEST

/* Where a broker has a limit, the sentence says both sizes; elsewhere what is large arrives. */
START_TEST(a_message_above_the_limit_is_refused_with_both_sizes)
{
	enum { LENGTH = 20 << 20 };
	char *bytes = calloc(1, LENGTH);
	rv_message *message = rv_message_create(bytes, LENGTH);
	struct rv_error error = {0};
	size_t length;
	rv_err code;

	kit_line_start(&line, NULL, NULL);
	code = rv_channel_send(line.output, message, &error);
	if (code == RV_OK) {
		WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
		rv_message_payload(line.recorder.kept, &length);
		ck_assert_uint_eq(length, LENGTH);
	} else {
		const char *other;

		ck_assert_msg(code == RV_E_TOOBIG, "%s", error.text);
		ck_assert_msg(strstr(error.text, "20971520") != NULL, "%s", error.text);
		other = strpbrk(strstr(error.text, "20971520") + 8, "0123456789");
		ck_assert_msg(other && strtoll(other, NULL, 10) > 1000, "%s", error.text);
		ck_assert(!error.retriable);
		kit_send(line.output, "ok", 0, 1);
		WAIT_UNTIL(KIT_SOON_MS, kit_has(&line.recorder, "ok0"));
	}
	rv_message_unref(message);
	free(bytes);
	kit_line_stop(&line);
}
END_TEST

START_TEST(header_mode_none_sends_payload_and_key_alone)
{
	static const char *const more[] = {KIT_PRODUCER "header-mode=none", NULL};
	static const char *const fallback[] = {
	    "spring.cloud.stream.bindings.input.content-type=text/csv", NULL};
	rv_message *message = rv_message_create_text("alone");

	rv_message_set_header(message, "correlationId", "c-17");
	rv_message_set_header(message, RV_HEADER_KEY, "k");
	rv_message_set_header_typed(message, "raw", RV_HEADER_BYTES, "\xff", 1);
	kit_line_start(&line, fallback, more);
	send(message, 1);
	ck_assert_str_eq(rv_message_text(line.recorder.kept), "alone");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_KEY), "k");
	ck_assert_ptr_null(rv_message_header(line.recorder.kept, "correlationId"));
	ck_assert_ptr_null(rv_message_header(line.recorder.kept, "raw"));
	/* No contentType came with it, so that of the input holds. */
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_CONTENT_TYPE), "text/csv");
	kit_line_stop(&line);
}
END_TEST

static const char *const embedding[] = {KIT_PRODUCER "header-mode=embeddedHeaders",
    "rivulet.bindings.output.producer.embedded-headers=level", NULL};

static rv_message *with_embedded_headers(void)
{
	rv_message *message = rv_message_create_text("inside");

	rv_message_set_header(message, "correlationId", "c-17");
	rv_message_set_header_int(message, "level", 3);
	rv_message_set_header(message, "other", "stays");
	return message;
}

START_TEST(embedded_headers_go_into_the_payload)
{
	static const char block[] = "\xff\x03"
	                            "\x0d"
	                            "correlationId\0\0\0\x06\"c-17\""
	                            "\x0b"
	                            "contentType\0\0\0\x0c\"text/plain\""
	                            "\x05level\0\0\0\x01"
	                            "3inside";
	size_t length;
	const void *payload;

	kit_line_start(&line, NULL, embedding);
	send(with_embedded_headers(), 1);
	payload = rv_message_payload(line.recorder.kept, &length);
	ck_assert_uint_eq(length, sizeof block - 1);
	ck_assert_mem_eq(payload, block, length);
	ck_assert_ptr_null(rv_message_header(line.recorder.kept, "correlationId"));
	kit_line_stop(&line);
}
END_TEST

START_TEST(embedded_headers_come_out_of_the_payload)
{
	static const char *const embedded[] = {KIT_CONSUMER "header-mode=embeddedHeaders", NULL};
	struct rv_header level;

	kit_line_start(&line, embedded, embedding);
	send(with_embedded_headers(), 1);
	ck_assert_str_eq(rv_message_text(line.recorder.kept), "inside");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, "correlationId"), "c-17");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_CONTENT_TYPE), "text/plain");
	ck_assert(rv_message_header_find(line.recorder.kept, "level", &level));
	ck_assert_int_eq(level.type, RV_HEADER_INT);
	ck_assert_str_eq(level.value, "3");
	ck_assert_ptr_null(rv_message_header(line.recorder.kept, "other"));
	kit_line_stop(&line);
}
END_TEST

void kit_add_headers(void)
{
	KIT_ADD(RV_CAP_HEADERS, a_header_of_every_type_arrives);
	KIT_ADD(RV_CAP_HEADERS, bytes_arrive_in_a_header_or_are_refused);
	KIT_ADD(0, a_tombstone_arrives_or_is_refused);
	KIT_ADD(0, a_message_above_the_limit_is_refused_with_both_sizes);
	KIT_ADD(RV_CAP_HEADERS, header_mode_none_sends_payload_and_key_alone);
	KIT_ADD(0, embedded_headers_go_into_the_payload);
	KIT_ADD(0, embedded_headers_come_out_of_the_payload);
}
