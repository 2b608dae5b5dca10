/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of messages that nobody could handle: they move, whole, and say where they come from. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_line line;
static struct kit_service reader;
static struct kit_recorder letters;
static char place[256]; /* of the dead letters; "": the broker keeps them where only it knows */
static bool ours;       /* the core makes them */

static const char *const quick_retry[] = {KIT_CONSUMER "max-attempts=2",
    KIT_CONSUMER "back-off-initial-interval=5", KIT_CONSUMER "back-off-max-interval=20", NULL};
static const char *const once[] = {KIT_CONSUMER "max-attempts=1", NULL};

static void start(const char *const *more)
{
	kit_line_begin(&line, NULL);
	kit_recorder_init(&letters);
	kit_line_join(&line, kit_letters(true, more));
	ours = kit_letters_are_ours(&line.consumer, "input", place, sizeof place);
	if (*place)
		kit_consumer(&reader, place, "readers", &letters, NULL);
}

static void stop(void)
{
	kit_line_stop(&line);
	if (*place)
		ck_assert_int_eq(kit_service_stop(&reader), 0);
	kit_recorder_finish(&letters);
}

static uint64_t moved(void)
{
	return kit_counters(&line.consumer, "input").dead_lettered;
}

/* So many letters were moved, and can be read where that is known. */
static void wait_for_letters(size_t count)
{
	WAIT_UNTIL(KIT_SOON_MS, moved() >= count);
	if (*place)
		WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&letters) >= count);
}

/* A number of a dead letter: eight or four bytes, or decimal text. */
static long long number(const rv_message *letter, const char *name)
{
	struct rv_header header;
	unsigned long long value = 0;

	ck_assert_msg(rv_message_header_find(letter, name, &header), "%s is missing", name);
	if (!(kit_caps & RV_CAP_BINARY_LETTERS))
		return strtoll(header.value, NULL, 10);
	ck_assert(header.length == 4 || header.length == 8);
	for (size_t i = 0; i < header.length; i++)
		value = value << 8 | (unsigned char)header.value[i];
	return (long long)value;
}

START_TEST(a_dead_letter_is_the_whole_message)
{
	static const char bytes[] = "a\0b\xff";
	rv_message *message = rv_message_create(bytes, sizeof bytes);
	const void *payload;
	size_t length;

	ck_assert_int_eq(rv_message_set_header(message, RV_HEADER_CONTENT_TYPE, "text/csv"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, RV_HEADER_KEY, "粤B12345"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "correlationId", "c-17"), RV_OK);
	start(once);
	line.recorder.failure = RV_REJECT;
	atomic_store(&line.recorder.fail_first, 1);
	ck_assert_int_eq(rv_channel_send(line.output, message, NULL), RV_OK);
	wait_for_letters(1);
	if (*place) {
		payload = rv_message_payload(letters.kept, &length);
		ck_assert_uint_eq(length, sizeof bytes);
		ck_assert_mem_eq(payload, bytes, sizeof bytes);
		ck_assert_str_eq(rv_message_id(letters.kept), rv_message_id(message));
		ck_assert_str_eq(rv_message_header(letters.kept, RV_HEADER_KEY), "粤B12345");
	}
	if (*place && (kit_caps & RV_CAP_HEADERS)) {
		ck_assert_str_eq(rv_message_header(letters.kept, RV_HEADER_CONTENT_TYPE), "text/csv");
		ck_assert_str_eq(rv_message_header(letters.kept, "correlationId"), "c-17");
	}
	rv_message_unref(message);
	stop();
}
END_TEST

START_TEST(a_dead_letter_says_where_it_was_and_why_it_failed)
{
	start(once);
	line.recorder.failure = RV_REJECT;
	atomic_store(&line.recorder.fail_first, 1);
	kit_send(line.output, "m", 0, 1);
	wait_for_letters(1);
	if (ours && (kit_caps & RV_CAP_HEADERS)) {
		const rv_message *letter = letters.kept;

		ck_assert_str_eq(rv_message_header(letter, "x-original-topic"),
		    rv_message_destination(line.recorder.kept));
		if (kit_caps & RV_CAP_PARTITIONS) {
			ck_assert_int_eq(
			    number(letter, "x-original-partition"), rv_message_partition(line.recorder.kept));
			ck_assert_int_eq(
			    number(letter, "x-original-offset"), rv_message_position(line.recorder.kept));
		}
		ck_assert_int_gt(number(letter, "x-original-timestamp"), 1600000000000);
		ck_assert_str_eq(rv_message_header(letter, "x-exception-fqcn"), "rivulet.Reject");
		ck_assert_ptr_nonnull(strstr(rv_message_header(letter, "x-exception-message"), "rejected"));
		ck_assert_ptr_nonnull(
		    strstr(rv_message_header(letter, "x-exception-stacktrace"), "binding=input"));
	}
	stop();
}
END_TEST

START_TEST(typed_headers_survive_the_move)
{
	rv_message *message = rv_message_create_text("x");
	struct rv_header header;

	ck_assert_int_eq(rv_message_set_header_long(message, "amount", 1234567890123), RV_OK);
	ck_assert_int_eq(rv_message_set_header_typed(message, "raw", RV_HEADER_BYTES, "\0\xff", 2), RV_OK);
	start(once);
	line.recorder.failure = RV_REJECT;
	atomic_store(&line.recorder.fail_first, 1);
	ck_assert_int_eq(rv_channel_send(line.output, message, NULL), RV_OK);
	wait_for_letters(1);
	if (*place) {
		ck_assert(rv_message_header_find(letters.kept, "amount", &header));
		ck_assert_int_eq(header.type, RV_HEADER_LONG);
		ck_assert_str_eq(header.value, "1234567890123");
		ck_assert(rv_message_header_find(letters.kept, "raw", &header));
		ck_assert_uint_eq(header.length, 2);
		ck_assert_mem_eq(header.value, "\0\xff", 2);
	}
	rv_message_unref(message);
	stop();
}
END_TEST

START_TEST(a_tombstone_stays_one_among_the_dead_letters)
{
	rv_message *message = rv_message_create_null();

	ck_assert_int_eq(rv_message_set_header(message, RV_HEADER_KEY, "k"), RV_OK);
	start(once);
	line.recorder.failure = RV_REJECT;
	atomic_store(&line.recorder.fail_first, 1);
	ck_assert_int_eq(rv_channel_send(line.output, message, NULL), RV_OK);
	wait_for_letters(1);
	if (*place)
		ck_assert(rv_message_is_null(letters.kept));
	rv_message_unref(message);
	stop();
}
END_TEST

START_TEST(dead_letters_of_embedded_headers_embed_theirs)
{
	static const char *const embedded[] = {
	    KIT_CONSUMER "max-attempts=1", KIT_CONSUMER "header-mode=embeddedHeaders", NULL};

	start(embedded);
	if (ours) {
		ck_assert_int_eq(kit_service_stop(&reader), 0);
		kit_consumer(&reader, place, "readers", &letters, embedded);
	}
	line.recorder.failure = RV_REJECT;
	atomic_store(&line.recorder.fail_first, 1);
	kit_send(line.output, "m", 0, 1);
	wait_for_letters(1);
	if (ours) {
		ck_assert_str_eq(rv_message_text(letters.kept), "m0");
		ck_assert_str_eq(rv_message_header(letters.kept, "x-exception-fqcn"), "rivulet.Reject");
	}
	stop();
}
END_TEST

START_TEST(attempts_come_before_the_dead_letter)
{
	struct rv__binding_counters counters;

	start(quick_retry);
	atomic_store(&line.recorder.fail_first, 1000);
	kit_send(line.output, "m", 0, 1);
	/* Brokers that redeliver do so with their own limits before; those have cases of their own. */
	WAIT_UNTIL(KIT_SOON_MS,
	    (counters = kit_counters(&line.consumer, "input"),
	        counters.dead_lettered + counters.requeued + counters.dropped >= 1));
	ck_assert_uint_eq(counters.retried, 1);
	if (ours && moved() == 1) {
		wait_for_letters(1);
		ck_assert_str_eq(
		    rv_message_header(letters.kept, "x-exception-fqcn"), "rivulet.RetriesExhausted");
	}
	stop();
}
END_TEST

START_TEST(the_messages_behind_a_dead_letter_arrive)
{
	start(once);
	line.recorder.failure = RV_REJECT;
	line.recorder.fail_text = "bad";
	kit_send(line.output, "good", 0, 5);
	kit_send(line.output, "bad", 0, 3);
	kit_send(line.output, "good", 5, 10);
	wait_for_letters(3);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&line.consumer, "input").acked == 10);
	ck_assert_uint_eq(moved(), 3);
	for (int i = 0; *place && i < 3; i++) {
		char text[16];

		snprintf(text, sizeof text, "bad%d", i);
		ck_assert_msg(kit_has(&letters, text), "%s is missing among the dead letters", text);
	}
	stop();
}
END_TEST

START_TEST(many_dead_letters_all_arrive)
{
	enum { MANY = 300 };
	static const char *const four[] = {KIT_CONSUMER "max-attempts=1", KIT_CONSUMER "concurrency=4", NULL};

	start(four);
	line.recorder.failure = RV_REJECT;
	line.recorder.fail_text = "m";
	kit_send(line.output, "m", 0, MANY);
	wait_for_letters(MANY);
	ck_assert_uint_eq(kit_counters(&line.consumer, "input").dropped, 0);
	stop();
}
END_TEST

START_TEST(a_deferred_delivery_becomes_a_dead_letter)
{
	rv_delivery *delivery = NULL;

	start(once);
	line.recorder.defer = true;
	kit_send(line.output, "m", 0, 1);
	WAIT_UNTIL(KIT_SOON_MS, (delivery = kit_taken(&line.recorder)) != NULL);
	ck_assert_int_eq(rv_delivery_settle(delivery, RV_REJECT, "no such plate"), RV_OK);
	wait_for_letters(1);
	if (ours && (kit_caps & RV_CAP_HEADERS))
		ck_assert_str_eq(rv_message_header(letters.kept, "x-exception-message"), "no such plate");
	stop();
}
END_TEST

START_TEST(a_stop_among_dead_letters_loses_none)
{
	enum { MANY = 200 };

	start(once);
	line.recorder.failure = RV_REJECT;
	line.recorder.fail_text = "m";
	kit_send(line.output, "m", 0, MANY);
	WAIT_UNTIL(KIT_SOON_MS, kit_count(&line.recorder) >= 20);
	ck_assert_int_eq(kit_service_stop(&line.consumer), 0);
	kit_line_join(&line, kit_letters(true, once));
	if (*place)
		WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&letters) == MANY);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == MANY);
	stop();
}
END_TEST

START_TEST(each_group_has_dead_letters_of_its_own)
{
	struct kit_service other;
	struct kit_recorder others;

	start(once);
	kit_recorder_init(&others);
	kit_consumer(&other, line.destination, "other", &others, kit_letters(true, once));
	line.recorder.failure = RV_REJECT;
	line.recorder.fail_text = "bad";
	kit_send(line.output, "bad", 0, 1);
	wait_for_letters(1);
	WAIT_UNTIL(KIT_SOON_MS, kit_counters(&other, "input").acked == 1);
	ck_assert_uint_eq(kit_counters(&other, "input").dead_lettered, 0);
	ck_assert_int_eq(kit_service_stop(&other), 0);
	kit_recorder_finish(&others);
	stop();
}
END_TEST

void kit_add_dead_letters(void)
{
	KIT_ADD(RV_CAP_DEAD_LETTER, a_dead_letter_is_the_whole_message);
	KIT_ADD(RV_CAP_DEAD_LETTER, a_dead_letter_says_where_it_was_and_why_it_failed);
	KIT_ADD(RV_CAP_DEAD_LETTER | RV_CAP_BINARY_HEADERS, typed_headers_survive_the_move);
	KIT_ADD(RV_CAP_DEAD_LETTER | RV_CAP_TOMBSTONE, a_tombstone_stays_one_among_the_dead_letters);
	KIT_ADD(RV_CAP_DEAD_LETTER, dead_letters_of_embedded_headers_embed_theirs);
	KIT_ADD(RV_CAP_DEAD_LETTER, attempts_come_before_the_dead_letter);
	KIT_ADD(RV_CAP_DEAD_LETTER, the_messages_behind_a_dead_letter_arrive);
	KIT_ADD(RV_CAP_DEAD_LETTER, many_dead_letters_all_arrive);
	KIT_ADD(RV_CAP_DEAD_LETTER, a_deferred_delivery_becomes_a_dead_letter);
	KIT_ADD(RV_CAP_DEAD_LETTER | RV_CAP_GROUP_RESUME, a_stop_among_dead_letters_loses_none);
	KIT_ADD(RV_CAP_DEAD_LETTER, each_group_has_dead_letters_of_its_own);
}
