/* SPDX-License-Identifier: Apache-2.0 */
/* What a message carries from one end to the other. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_line line;

static void send(rv_message *message)
{
	kit_line_send(&line, message);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
}

START_TEST(zeros_in_a_payload_arrive)
{
	static const char bytes[] = "a\0b\0\0c\xff\x01";
	rv_message *message = rv_message_create(bytes, sizeof bytes);
	const void *payload;
	size_t length;

	kit_line_start(&line, NULL, NULL);
	send(message);
	payload = rv_message_payload(line.recorder.kept, &length);
	ck_assert_uint_eq(length, sizeof bytes);
	ck_assert_mem_eq(payload, bytes, sizeof bytes);
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(headers_arrive_as_they_were_sent)
{
	rv_message *message = rv_message_create_json("{s:s, s:i}", "plate", "粤B12345", "fee", 15);

	ck_assert_int_eq(rv_message_set_header(message, "correlationId", "c-17"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "牌", "京A·88888 = x&y"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, RV_HEADER_KEY, "key1"), RV_OK);
	kit_line_start(&line, NULL, NULL);
	send(message);
	ck_assert_str_eq(rv_message_header(line.recorder.kept, "correlationId"), "c-17");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, "牌"), "京A·88888 = x&y");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_KEY), "key1");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_CONTENT_TYPE), "application/json");
	ck_assert_str_eq(rv_message_text(line.recorder.kept), "{\"plate\":\"粤B12345\",\"fee\":15}");
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_message_keeps_its_id_and_knows_its_delivery)
{
	rv_message *message = rv_message_create_text("x");
	kit_line_start(&line, NULL, NULL);
	send(message);
	ck_assert_str_eq(rv_message_id(line.recorder.kept), rv_message_id(message));
	ck_assert_uint_eq(strlen(rv_message_id(message)), 32);
	ck_assert_int_eq(rv_message_attempt(line.recorder.kept), 1);
	ck_assert_str_ne(rv_message_source(line.recorder.kept), "");
	ck_assert_str_ne(rv_message_destination(line.recorder.kept), "");
	if (kit_caps & RV_CAP_PARTITIONS) {
		ck_assert_int_ge(rv_message_partition(line.recorder.kept), 0);
		ck_assert_int_ge(rv_message_position(line.recorder.kept), 0);
	}
	ck_assert_int_gt(rv_message_timestamp_ms(line.recorder.kept), 1600000000000);
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(the_content_type_of_the_output_fills_a_missing_header)
{
	static const char *const more[] = {"spring.cloud.stream.bindings.output.content-type=text/csv", NULL};
	rv_message *message = rv_message_create("1;2", 3);

	kit_line_start(&line, NULL, more);
	send(message);
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_CONTENT_TYPE), "text/csv");
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(headers_inside_the_payload_arrive_as_headers)
{
	static const char *const out[] = {KIT_PRODUCER "header-mode=embeddedHeaders", NULL};
	static const char *const in[] = {KIT_CONSUMER "header-mode=embeddedHeaders", NULL};
	rv_message *message = rv_message_create_text("粤B12345");

	ck_assert_int_eq(rv_message_set_header(message, "correlationId", "c-17"), RV_OK);
	kit_line_start(&line, in, out);
	send(message);
	ck_assert_str_eq(rv_message_text(line.recorder.kept), "粤B12345");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, "correlationId"), "c-17");
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_CONTENT_TYPE), "text/plain");
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_payload_without_headers_inside_stays_as_it_is)
{
	static const char *const out[] = {KIT_PRODUCER "header-mode=none", NULL};
	static const char *const in[] = {KIT_CONSUMER "header-mode=embeddedHeaders", NULL};
	static const char bytes[] = "\xff\x07 this is no block";
	rv_message *message = rv_message_create(bytes, sizeof bytes);
	const void *payload;
	size_t length;

	kit_line_start(&line, in, out);
	send(message);
	payload = rv_message_payload(line.recorder.kept, &length);
	ck_assert_uint_eq(length, sizeof bytes);
	ck_assert_mem_eq(payload, bytes, sizeof bytes);
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_large_message_arrives_whole)
{
	enum { LENGTH = 1000000 }; /* below what brokers take unless they are told */
	char *bytes = malloc(LENGTH);
	rv_message *message;
	const void *payload;
	size_t length;

	for (size_t i = 0; i < LENGTH; i++)
		bytes[i] = (char)(i * 2654435761u >> 13);
	message = rv_message_create(bytes, LENGTH);
	kit_line_start(&line, NULL, NULL);
	send(message);
	payload = rv_message_payload(line.recorder.kept, &length);
	ck_assert_uint_eq(length, LENGTH);
	ck_assert(memcmp(payload, bytes, LENGTH) == 0);
	rv_message_unref(message);
	free(bytes);
	kit_line_stop(&line);
}
END_TEST

START_TEST(what_waited_for_its_group_is_what_was_sent)
{
	rv_message *message = rv_message_create("1;2", 3);

	ck_assert_int_eq(rv_message_set_header(message, RV_HEADER_CONTENT_TYPE, "text/csv"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "correlationId", "c-17"), RV_OK);
	kit_line_begin(&line, NULL);
	kit_line_send(&line, message);
	kit_line_join(&line, NULL);
	for (size_t i = 1; i <= 2; i++) {
		WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == i);
		ck_assert_str_eq(rv_message_text(line.recorder.kept), "1;2");
		ck_assert_str_eq(rv_message_id(line.recorder.kept), rv_message_id(message));
		ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_CONTENT_TYPE), "text/csv");
		ck_assert_str_eq(rv_message_header(line.recorder.kept, "correlationId"), "c-17");
		/* And the second one, who was awaited. */
		if (i == 1)
			kit_line_send(&line, message);
	}
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(the_same_message_may_be_sent_again)
{
	rv_message *message = rv_message_create_text("twice");

	kit_line_start(&line, NULL, NULL);
	ck_assert_int_eq(rv_channel_send(line.output, message, NULL), RV_OK);
	ck_assert_int_eq(rv_channel_send(line.output, message, NULL), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "late", "x"), RV_E_INVALID);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 2);
	rv_message_unref(message);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_message_that_could_not_be_made_is_refused)
{
	struct rv_error error = {0};

	kit_line_start(&line, NULL, NULL);
	ck_assert_int_eq(
	    rv_channel_send(line.output, rv_message_create_text("\xff\xfe"), &error), RV_E_INVALID);
	ck_assert_str_ne(error.text, "");
	kit_send(line.output, "ok", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) == 1);
	ck_assert(kit_has(&line.recorder, "ok0"));
	kit_line_stop(&line);
}
END_TEST

void kit_add_messages(void)
{
	KIT_ADD(0, zeros_in_a_payload_arrive);
	KIT_ADD(RV_CAP_HEADERS, headers_arrive_as_they_were_sent);
	KIT_ADD(0, a_message_keeps_its_id_and_knows_its_delivery);
	KIT_ADD(RV_CAP_HEADERS, the_content_type_of_the_output_fills_a_missing_header);
	KIT_ADD(0, headers_inside_the_payload_arrive_as_headers);
	KIT_ADD(0, a_payload_without_headers_inside_stays_as_it_is);
	KIT_ADD(0, a_large_message_arrives_whole);
	KIT_ADD(RV_CAP_HEADERS, what_waited_for_its_group_is_what_was_sent);
	KIT_ADD(0, the_same_message_may_be_sent_again);
	KIT_ADD(0, a_message_that_could_not_be_made_is_refused);
}
