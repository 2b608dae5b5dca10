/* SPDX-License-Identifier: Apache-2.0 */
/* The window of unsettled messages of one partition, and the journal of attempts beside it. */
#include "binder/kafka/journal.h"
#include "binder/kafka/window.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/unit.h"

static struct rv__kafka_window window;

static void set_up(void)
{
	window = (struct rv__kafka_window){.position = -1};
}

static void tear_down(void)
{
	rv__kafka_window_finish(&window);
}

static uint64_t push(int64_t offset)
{
	uint64_t number;

	ck_assert(rv__kafka_window_push(&window, offset, &number));
	return number;
}

START_TEST(the_position_follows_settlements_in_order)
{
	uint64_t a = push(10), b = push(11);

	ck_assert_int_eq(window.position, -1);
	ck_assert(rv__kafka_window_settle(&window, a, 10));
	ck_assert_int_eq(window.position, 11);
	ck_assert(rv__kafka_window_settle(&window, b, 11));
	ck_assert_int_eq(window.position, 12);
	ck_assert_uint_eq(rv__kafka_window_count(&window), 0);
}
END_TEST

START_TEST(a_gap_holds_the_position_until_it_closes)
{
	uint64_t a = push(10), b = push(11), c = push(12);

	ck_assert(rv__kafka_window_settle(&window, c, 12));
	ck_assert(rv__kafka_window_settle(&window, b, 11));
	ck_assert_int_eq(window.position, -1);
	ck_assert_int_eq(rv__kafka_window_head(&window), 10);
	ck_assert(rv__kafka_window_settle(&window, a, 10));
	ck_assert_int_eq(window.position, 13);
}
END_TEST

START_TEST(offsets_may_have_holes)
{
	uint64_t a = push(5), b = push(90);

	ck_assert(rv__kafka_window_settle(&window, a, 5));
	ck_assert_int_eq(window.position, 6);
	ck_assert_int_eq(rv__kafka_window_head(&window), 90);
	ck_assert(rv__kafka_window_settle(&window, b, 90));
	ck_assert_int_eq(window.position, 91);
	ck_assert_int_eq(rv__kafka_window_head(&window), -1);
}
END_TEST

START_TEST(a_message_is_settled_once)
{
	uint64_t a = push(10), b = push(11);

	ck_assert(rv__kafka_window_settle(&window, b, 11));
	ck_assert(!rv__kafka_window_settle(&window, b, 11));
	ck_assert(!rv__kafka_window_settle(&window, a, 11)); /* another message's number */
	ck_assert(!rv__kafka_window_settle(&window, 99, 10));
	ck_assert(rv__kafka_window_settle(&window, a, 10));
	ck_assert(!rv__kafka_window_settle(&window, a, 10));
}
END_TEST

START_TEST(what_was_before_a_new_assignment_is_never_met_again)
{
	uint64_t a = push(10), b;

	rv__kafka_window_reset(&window);
	b = push(10);
	ck_assert_uint_ne(a, b);
	ck_assert(!rv__kafka_window_settle(&window, a, 10));
	ck_assert_int_eq(window.position, -1);
	ck_assert(rv__kafka_window_settle(&window, b, 10));
}
END_TEST

START_TEST(many_in_any_order_come_to_the_end)
{
	enum { MANY = 5000, STRIDE = 7 }; /* STRIDE and MANY share no factor: each is met once */
	uint64_t *numbers = calloc(MANY, sizeof *numbers);

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++)
			numbers[i] = push(round * MANY + i);
		for (int i = 0; i < MANY; i++) {
			int at = (i + 1) * STRIDE % MANY;

			ck_assert(rv__kafka_window_settle(&window, numbers[at], round * MANY + at));
			/* Number 0 comes last. */
			ck_assert_int_eq(
			    window.position, i + 1 < MANY ? round * MANY - !round : (round + 1) * MANY);
		}
	}
	free(numbers);
}
END_TEST

/* -- the journal ---------------------------------------------------------------------------------- */

static char directory[32];

static void make_directory(void)
{
	snprintf(directory, sizeof directory, "/tmp/rv-journal-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void)
{
	DIR *list = opendir(directory);
	struct dirent *entry;

	while (list && (entry = readdir(list)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(list), entry->d_name, 0);
	if (list)
		closedir(list);
	rmdir(directory);
}

static struct rv__journal *open_journal(void)
{
	struct rv__journal *journal = NULL;
	struct rv_error error;

	ck_assert_msg(rv__journal_open(directory, "a/group", &journal, &error) == RV_OK, "%s", error.text);
	return journal;
}

START_TEST(what_was_in_work_when_the_process_ended_is_counted)
{
	struct rv__journal_key key = rv__journal_key("orders", 3), other = rv__journal_key("orders", 4);
	struct rv__journal *journal;

	make_directory();
	for (int life = 0; life < 3; life++) {
		journal = open_journal();
		ck_assert_int_eq(rv__journal_starts(journal, key, 41), 0);
		ck_assert_int_eq(rv__journal_starts(journal, key, 42), life);
		ck_assert_int_eq(rv__journal_starts(journal, key, 43), life);
		ck_assert_int_eq(rv__journal_starts(journal, other, 42), 0);
		/* 41 is finished in each life, and not stored: it comes again, and is innocent. */
		ck_assert(rv__journal_begin(journal, key, 41));
		rv__journal_outlive(journal, key, 41);
		ck_assert(rv__journal_begin(journal, key, 42));
		ck_assert(rv__journal_begin(journal, key, 43)); /* a listener took 42 over */
		ck_assert(
		    rv__journal_begin(journal, key, 43)); /* another attempt in place is no other life */
		ck_assert_int_eq(rv__journal_starts(journal, key, 43), life);
		rv__journal_close(journal);
	}
	remove_directory();
}
END_TEST

START_TEST(what_a_process_outlives_does_not_count)
{
	struct rv__journal_key key = rv__journal_key("orders", 0), other = rv__journal_key("orders", 1);
	struct rv__journal *journal;

	make_directory();
	journal = open_journal();
	rv__journal_begin(journal, key, 7);
	rv__journal_begin(journal, key, 8);
	rv__journal_begin(journal, other, 7);
	rv__journal_close(journal); /* as if it was killed */
	journal = open_journal();
	ck_assert_int_eq(rv__journal_starts(journal, key, 7), 1);
	rv__journal_begin(journal, key, 7);
	rv__journal_begin(journal, other, 7);
	rv__journal_outlive_all(journal, key); /* an orderly end */
	rv__journal_close(journal);
	journal = open_journal();
	ck_assert_int_eq(rv__journal_starts(journal, key, 7), 1);
	ck_assert_int_eq(rv__journal_starts(journal, other, 7), 2);
	rv__journal_settle(journal, key, 7);
	ck_assert_int_eq(rv__journal_starts(journal, key, 7), 0);
	rv__journal_forget_before(journal, key, 9); /* another instance had 8 */
	ck_assert_int_eq(rv__journal_starts(journal, key, 8), 0);
	ck_assert_int_eq(rv__journal_starts(journal, other, 7), 2);
	rv__journal_close(journal);
	remove_directory();
}
END_TEST

START_TEST(a_journal_gives_places_back)
{
	enum { PLACES = 4096 };
	struct rv__journal_key key = rv__journal_key("orders", 0);
	struct rv__journal *journal;

	make_directory();
	journal = open_journal();
	for (int round = 0; round < 2; round++) {
		for (int64_t offset = 0; offset < PLACES; offset++)
			ck_assert(rv__journal_begin(journal, key, offset));
		ck_assert(!rv__journal_begin(journal, key, PLACES));
		rv__journal_settle(journal, key, 17);
		ck_assert(rv__journal_begin(journal, key, PLACES));
		rv__journal_outlive_all(journal, key);
	}
	rv__journal_close(journal);
	remove_directory();
}
END_TEST

START_TEST(one_journal_has_one_user)
{
	struct rv__journal *journal, *second = NULL;
	struct rv_error error;

	make_directory();
	journal = open_journal();
	ck_assert_int_eq(rv__journal_open(directory, "a/group", &second, &error), RV_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(error.text, "another process"));
	ck_assert_int_eq(rv__journal_open("/nonexistent/journal", "g", &second, &error), RV_E_CONFIG);
	rv__journal_close(journal);
	rv__journal_close(open_journal());
	remove_directory();
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {the_position_follows_settlements_in_order,
	    a_gap_holds_the_position_until_it_closes, offsets_may_have_holes, a_message_is_settled_once,
	    what_was_before_a_new_assignment_is_never_met_again, many_in_any_order_come_to_the_end,
	    what_was_in_work_when_the_process_ended_is_counted, what_a_process_outlives_does_not_count,
	    a_journal_gives_places_back, one_journal_has_one_user, NULL};

	return unit_run("kafka_window", cases, set_up, tear_down);
}
