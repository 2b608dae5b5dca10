/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/message.h"

#include "tests/support/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int released;

static void release(void *owner)
{
	released++;
	free(owner);
}

static void setup(void)
{
	released = 0;
}

START_TEST(a_payload_is_copied_with_its_zeros)
{
	char bytes[] = "a\0b";
	rv_message *message = rv_message_create(bytes, 4);
	size_t length;

	bytes[0] = 'x';
	ck_assert_mem_eq(rv_message_payload(message, &length), "a\0b", 4);
	ck_assert_uint_eq(length, 4);
	rv_message_unref(message);
}
END_TEST

START_TEST(an_empty_message_is_a_message)
{
	rv_message *message = rv_message_create(NULL, 0);
	size_t length = 1;

	ck_assert_int_eq(rv_message_error(message, NULL), RV_OK);
	ck_assert_ptr_nonnull(rv_message_payload(message, &length));
	ck_assert_uint_eq(length, 0);
	ck_assert_str_eq(rv_message_text(message), "");
	rv_message_unref(message);
}
END_TEST

START_TEST(json_is_compact_and_in_order)
{
	rv_message *message = rv_message_create_json("{s:s, s:i, s:[b]}", "z", "a", "a", 1, "l", 1);
	struct rv_error error;
	json_t *json;

	ck_assert_str_eq(rv_message_text(message), "{\"z\":\"a\",\"a\":1,\"l\":[true]}");
	ck_assert_str_eq(rv_message_header(message, RV_HEADER_CONTENT_TYPE), "application/json");
	json = rv_message_json(message, &error);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "a")), 1);
	json_decref(json);
	rv_message_unref(message);
}
END_TEST

START_TEST(large_json_is_whole)
{
	char *text = malloc(100001);
	rv_message *message;
	size_t length;

	memset(text, 'y', 100000);
	text[100000] = '\0';
	message = rv_message_create_json("{s:s}", "k", text);
	rv_message_payload(message, &length);
	ck_assert_uint_eq(length, 100000 + 8);
	rv_message_unref(message);
	free(text);
}
END_TEST

START_TEST(what_cannot_be_made_carries_its_error)
{
	rv_message *const failed[] = {rv_message_create_text("\xc3\x28"), rv_message_create_text(NULL),
	    rv_message_create_json("{s:", "x"), rv_message_create_json("{s:s}", "k", "\xff"),
	    rv_message_create(NULL, 5), rv_message_create("", (size_t)65 << 20)};

	for (size_t i = 0; i < sizeof failed / sizeof *failed; i++) {
		struct rv_error error = {0};

		ck_assert_int_ne(rv_message_error(failed[i], &error), RV_OK);
		ck_assert_str_ne(error.text, "");
		ck_assert_int_ne(error.number, 0);
		ck_assert_int_eq(rv_message_set_header(failed[i], "a", "b"), error.code);
		ck_assert_str_eq(rv_message_id(failed[i]), "");
		ck_assert_ptr_eq(rv_message_ref(failed[i]), failed[i]);
		rv_message_unref(failed[i]);
		rv_message_unref(failed[i]);
		rv_message_unref(failed[i]);
	}
	ck_assert_int_eq(rv_message_error(failed[5], NULL), RV_E_TOOBIG);
}
END_TEST

START_TEST(foreign_bytes_are_released_with_the_last_reference)
{
	char *bytes = strdup("hello");
	rv_message *message = rv_message_wrap(bytes, 5, release, bytes);
	rv_message *copy = rv_message_dup(message);

	ck_assert_ptr_eq(rv_message_payload(copy, NULL), bytes);
	ck_assert_str_ne(rv_message_id(copy), rv_message_id(message));
	rv_message_unref(message);
	ck_assert_int_eq(released, 0);
	ck_assert_mem_eq(rv_message_payload(copy, NULL), "hello", 5);
	rv_message_unref(copy);
	ck_assert_int_eq(released, 1);
}
END_TEST

START_TEST(foreign_bytes_are_released_when_the_message_fails)
{
	char *owner = strdup("x");

	ck_assert_int_eq(
	    rv_message_error(rv_message_wrap(owner, (size_t)65 << 20, release, owner), NULL), RV_E_TOOBIG);
	ck_assert_int_eq(released, 1);
}
END_TEST

START_TEST(headers_keep_their_order_and_can_be_replaced)
{
	rv_message *message = rv_message_create("x", 1);
	const char *name;
	const char *value;
	char text[32];

	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof text, "name%d", i);
		ck_assert_int_eq(rv_message_set_header(message, text, text + 4), RV_OK);
	}
	ck_assert_int_eq(rv_message_set_header(message, "name3", "a much longer value than before"), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "name4", ""), RV_OK);
	ck_assert_str_eq(rv_message_header(message, "name3"), "a much longer value than before");
	ck_assert_str_eq(rv_message_header(message, "name4"), "");
	ck_assert_ptr_null(rv_message_header(message, "NAME3"));
	for (size_t i = 0; i < 40; i++) {
		ck_assert(rv_message_header_at(message, i, &name, &value));
		snprintf(text, sizeof text, "name%zu", i);
		ck_assert_str_eq(name, text);
	}
	ck_assert(!rv_message_header_at(message, 40, &name, &value));
	rv_message_unref(message);
}
END_TEST

START_TEST(headers_have_limits)
{
	rv_message *message = rv_message_create("x", 1);
	char *value = malloc(32 * 1024 + 2);
	char name[300];
	int accepted = 0;

	memset(name, 'n', 299);
	name[299] = '\0';
	memset(value, 'v', 32 * 1024 + 1);
	value[32 * 1024 + 1] = '\0';
	ck_assert_int_eq(rv_message_set_header(message, name, "x"), RV_E_INVALID);
	ck_assert_int_eq(rv_message_set_header(message, "", "x"), RV_E_INVALID);
	ck_assert_int_eq(rv_message_set_header(message, "a\nb", "x"), RV_E_INVALID);
	ck_assert_int_eq(rv_message_set_header(message, "a", "\xff"), RV_E_INVALID);
	ck_assert_int_eq(rv_message_set_header(message, RV_HEADER_MESSAGE_ID, "x"), RV_E_INVALID);
	ck_assert_int_eq(rv_message_set_header(message, "a", value), RV_E_TOOBIG);
	value[32 * 1024] = '\0';
	ck_assert_int_eq(rv_message_set_header(message, "a", value), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "b", value), RV_E_TOOBIG);
	ck_assert_int_eq(rv_message_set_header(message, "a", "short"), RV_OK);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "n%d", i);
		accepted += rv_message_set_header(message, name, "v") == RV_OK;
	}
	ck_assert_int_eq(accepted, 127);
	free(value);
	rv_message_unref(message);
}
END_TEST

START_TEST(a_sent_message_does_not_change)
{
	rv_message *message = rv_message_create("x", 1);
	rv_message *sealed = rv__message_seal(message, rv__intern("text/csv"));
	rv_message *other;

	ck_assert_ptr_eq(sealed, message);
	ck_assert_int_eq(rv_message_set_header(message, "a", "b"), RV_E_INVALID);
	ck_assert_str_eq(rv_message_header(message, RV_HEADER_CONTENT_TYPE), "text/csv");
	/* Through another output it gets the content type of that one; the first keeps its own. */
	other = rv__message_seal(message, rv__intern("text/html"));
	ck_assert_str_eq(rv_message_header(other, RV_HEADER_CONTENT_TYPE), "text/html");
	ck_assert_str_eq(rv_message_header(sealed, RV_HEADER_CONTENT_TYPE), "text/csv");
	ck_assert_str_eq(rv_message_id(other), rv_message_id(message));
	rv_message_unref(other);
	rv_message_unref(sealed);
	rv_message_unref(message);
}
END_TEST

START_TEST(text_escapes_what_does_not_print)
{
	rv_message *message = rv_message_create("a\0\n\x7f\xff中\xe4\xb8\xc2\x85z", 13);

	ck_assert_str_eq(rv_message_text(message), "a\\x00\\x0a\\x7f\\xff中\\xe4\\xb8\\xc2\\x85z");
	ck_assert_ptr_eq(rv_message_text(message), rv_message_text(message));
	rv_message_unref(message);
	ck_assert_str_eq(rv_message_text(NULL), "");
}
END_TEST

START_TEST(deep_json_is_refused)
{
	char text[200];
	rv_message *message;
	struct rv_error error;

	memset(text, '[', 100);
	memset(text + 100, ']', 100);
	message = rv_message_create(text, 200);
	ck_assert_ptr_null(rv_message_json(message, &error));
	rv_message_unref(message);
	message = rv_message_create(text + 50, 100);
	json_t *json = rv_message_json(message, &error);
	ck_assert_ptr_nonnull(json);
	json_decref(json);
	rv_message_unref(message);
}
END_TEST

/* -- ids ----------------------------------------------------------------------------------------- */

enum { IDS = 200000, THREADS = 4 };

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, RV__MESSAGE_ID_SIZE);
}

static void *make_ids(void *arg)
{
	char(*ids)[RV__MESSAGE_ID_SIZE] = arg;
	int64_t ms;

	for (int i = 0; i < IDS / THREADS; i++)
		rv__message_id_next(ids[i], &ms);
	return NULL;
}

START_TEST(ids_of_all_threads_differ)
{
	char(*ids)[RV__MESSAGE_ID_SIZE] = malloc(IDS * sizeof *ids);
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, make_ids, ids[i * (IDS / THREADS)]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	qsort(ids, IDS, sizeof *ids, compare_ids);
	for (int i = 0; i < IDS; i++) {
		ck_assert_uint_eq(strspn(ids[i], "0123456789ABCDEF"), 32);
		if (i > 0)
			ck_assert_str_ne(ids[i], ids[i - 1]);
	}
	free(ids);
}
END_TEST

START_TEST(a_forked_child_does_not_repeat_its_parent)
{
	char parent[RV__MESSAGE_ID_SIZE], child[RV__MESSAGE_ID_SIZE];
	int64_t ms;
	int ends[2];
	pid_t pid;

	rv__message_id_next(parent, &ms);
	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		rv__message_id_next(child, &ms);
		_exit(write(ends[1], child, sizeof child) == sizeof child ? 0 : 1);
	}
	ck_assert_int_eq(read(ends[0], child, sizeof child), sizeof child);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(memcmp(parent + 12, child + 12, 8) != 0);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(an_id_has_the_layout_of_rocketmq)
{
	rv_message *message = rv_message_create("x", 1);
	char pid[5];

	snprintf(pid, sizeof pid, "%04X", (unsigned)getpid() & 0xffff);
	ck_assert_mem_eq(rv_message_id(message) + 8, pid, 4);
	/* Milliseconds since the start of the month: less than 31 days. */
	ck_assert_uint_lt(strtoul((char[9]){rv_message_id(message)[20], rv_message_id(message)[21],
	                              rv_message_id(message)[22], rv_message_id(message)[23],
	                              rv_message_id(message)[24], rv_message_id(message)[25],
	                              rv_message_id(message)[26], rv_message_id(message)[27], 0},
	                      NULL, 16),
	    31u * 86400 * 1000);
	rv_message_unref(message);
}
END_TEST

/* -- received ---------------------------------------------------------------------------------------- */

#define SPAN(text) \
	{ \
		text, sizeof(text) - 1 \
	}

START_TEST(a_received_message_knows_its_delivery)
{
	static const struct rv_header_span headers[] = {{SPAN("a"), SPAN("1")},
	    {SPAN(RV_HEADER_MESSAGE_ID), SPAN("0123")}, {SPAN("bad\0name"), SPAN("x")},
	    {SPAN("b"), SPAN("")}};
	struct rv_received received = {.payload = "pay",
	    .length = 3,
	    .headers = headers,
	    .header_count = 4,
	    .source = "Memory",
	    .destination = "topic",
	    .partition = 3,
	    .position = 17,
	    .attempt = 2,
	    .timestamp_ms = 99};
	rv_message *message = rv_message_create_received(&received);
	const char *name;

	ck_assert_str_eq(rv_message_id(message), "0123");
	ck_assert_str_eq(rv_message_header(message, "a"), "1");
	ck_assert(rv_message_header_at(message, 1, &name, NULL));
	ck_assert_str_eq(name, "b");
	ck_assert(!rv_message_header_at(message, 2, NULL, NULL));
	ck_assert_str_eq(rv_message_destination(message), "topic");
	ck_assert_int_eq(rv_message_partition(message), 3);
	ck_assert_int_eq(rv_message_position(message), 17);
	ck_assert_int_eq(rv_message_attempt(message), 2);
	ck_assert_int_eq(rv_message_timestamp_ms(message), 99);
	rv_message_unref(message);
}
END_TEST

START_TEST(a_foreign_message_without_id_is_named_by_its_position)
{
	struct rv_received received = {.destination = "orders", .partition = 2, .position = 9000000000};
	rv_message *message = rv_message_create_received(&received);

	ck_assert_str_eq(rv_message_id(message), "orders-2-9000000000");
	rv_message_unref(message);
}
END_TEST

START_TEST(an_attempt_number_changes_only_for_who_comes_after)
{
	struct rv_received received = {.destination = "d", .attempt = 1, .payload = "x", .length = 1};
	rv_message *message = rv_message_create_received(&received);
	rv_message *kept = rv_message_ref(message);

	ck_assert_int_eq(rv__message_set_attempt(&message, 2), RV_OK);
	ck_assert_int_eq(rv_message_attempt(message), 2);
	ck_assert_int_eq(rv_message_attempt(kept), 1);
	ck_assert_str_eq(rv_message_id(kept), rv_message_id(message));
	rv_message_unref(kept);
	rv_message_unref(message);
}
END_TEST

START_TEST(an_envelope_keeps_its_body_alive)
{
	rv_message *body = rv_message_create_text("body");
	struct rv_received delivery = {
	    .source = "Memory", .destination = "d", .partition = 1, .position = 5, .attempt = 1};
	rv_message *envelope = rv_message_create_envelope(body, &delivery);
	char id[RV__MESSAGE_ID_SIZE];

	snprintf(id, sizeof id, "%s", rv_message_id(body));
	rv_message_unref(body);
	ck_assert_str_eq(rv_message_text(envelope), "body");
	ck_assert_str_eq(rv_message_id(envelope), id);
	ck_assert_str_eq(rv_message_header(envelope, RV_HEADER_CONTENT_TYPE), "text/plain");
	ck_assert_int_eq(rv_message_position(envelope), 5);
	ck_assert_int_eq(rv_message_set_header(envelope, "a", "b"), RV_E_INVALID);
	rv_message_unref(envelope);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_payload_is_copied_with_its_zeros, an_empty_message_is_a_message,
	    json_is_compact_and_in_order, large_json_is_whole, what_cannot_be_made_carries_its_error,
	    foreign_bytes_are_released_with_the_last_reference,
	    foreign_bytes_are_released_when_the_message_fails, headers_keep_their_order_and_can_be_replaced,
	    headers_have_limits, a_sent_message_does_not_change, text_escapes_what_does_not_print,
	    deep_json_is_refused, ids_of_all_threads_differ, a_forked_child_does_not_repeat_its_parent,
	    an_id_has_the_layout_of_rocketmq, a_received_message_knows_its_delivery,
	    a_foreign_message_without_id_is_named_by_its_position,
	    an_attempt_number_changes_only_for_who_comes_after, an_envelope_keeps_its_body_alive, NULL};

	return unit_run("message", cases, setup, NULL);
}
