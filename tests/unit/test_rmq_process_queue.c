/* SPDX-License-Identifier: Apache-2.0 */
/* The window of one queue: what is open, and how far a position may go. */
#include "binder/rocketmq/process_queue.h"

#include <stdlib.h>

#include "tests/support/unit.h"

static struct rv__process_queue window;

static void begin(void)
{
	rv__process_queue_reset(&window, 100);
}

static void end(void)
{
	rv__process_queue_finish(&window);
}

static bool add(int64_t offset)
{
	return rv__process_queue_add(&window, &(struct rv__pq_entry){.offset = offset, .size = 10});
}

START_TEST(an_empty_window_stands_at_its_beginning)
{
	ck_assert_int_eq(rv__process_queue_committable(&window), 100);
	ck_assert_int_eq(rv__process_queue_span(&window), 0);
}
END_TEST

START_TEST(the_position_stops_at_the_oldest_open_message)
{
	for (int64_t offset = 100; offset < 105; offset++)
		ck_assert(add(offset));
	ck_assert(rv__process_queue_settle(&window, 101));
	ck_assert(rv__process_queue_settle(&window, 104));
	ck_assert_int_eq(rv__process_queue_committable(&window), 100);
	ck_assert(rv__process_queue_settle(&window, 100));
	ck_assert_int_eq(rv__process_queue_committable(&window), 102);
	ck_assert(rv__process_queue_settle(&window, 102));
	ck_assert(rv__process_queue_settle(&window, 103));
	ck_assert_int_eq(rv__process_queue_committable(&window), 105);
	ck_assert_uint_eq(window.open, 0);
	ck_assert_int_eq(window.bytes, 0);
}
END_TEST

START_TEST(a_message_settles_once)
{
	ck_assert(add(100));
	ck_assert(add(101));
	ck_assert(rv__process_queue_settle(&window, 101));
	ck_assert(!rv__process_queue_settle(&window, 101));
	ck_assert(!rv__process_queue_settle(&window, 7));
	ck_assert_uint_eq(window.open, 1);
	ck_assert_int_eq(window.bytes, 10);
}
END_TEST

START_TEST(what_is_moving_holds_the_position)
{
	ck_assert(add(100));
	ck_assert(add(101));
	rv__process_queue_find(&window, 100)->state = RV__PQ_MOVING;
	ck_assert(rv__process_queue_settle(&window, 101));
	ck_assert_int_eq(rv__process_queue_committable(&window), 100);
	ck_assert(rv__process_queue_settle(&window, 100));
	ck_assert_int_eq(rv__process_queue_committable(&window), 102);
}
END_TEST

START_TEST(offsets_filtered_by_the_broker_are_passed)
{
	ck_assert(add(103));
	ck_assert(add(110));
	rv__process_queue_pass(&window, 120);
	rv__process_queue_pass(&window, 90);
	ck_assert_int_eq(rv__process_queue_committable(&window), 103);
	ck_assert_int_eq(rv__process_queue_span(&window), 7);
	ck_assert_ptr_null(rv__process_queue_find(&window, 104));
	ck_assert(rv__process_queue_settle(&window, 103));
	ck_assert_int_eq(rv__process_queue_committable(&window), 110);
	ck_assert(rv__process_queue_settle(&window, 110));
	ck_assert_int_eq(rv__process_queue_committable(&window), 120);
}
END_TEST

START_TEST(a_duplicate_is_refused)
{
	ck_assert(add(100));
	ck_assert(!add(100));
	ck_assert(!add(99));
	ck_assert_uint_eq(window.open, 1);
}
END_TEST

/* The same against a plain model, in random order, over growth and wrap-around. */
START_TEST(it_agrees_with_a_model_in_any_order)
{
	enum { MANY = 5000 };
	static bool open_model[MANY];
	int64_t added = 0, lowest = 0;
	size_t settled = 0;

	srandom(7);
	rv__process_queue_reset(&window, 0);
	while (settled < MANY) {
		if (added < MANY && random() % 3 != 0) {
			ck_assert(add(added));
			open_model[added++] = true;
		} else if (added > 0) {
			int64_t offset = random() % added;

			ck_assert_int_eq(rv__process_queue_settle(&window, offset), open_model[offset]);
			settled += open_model[offset];
			open_model[offset] = false;
		}
		while (lowest < added && !open_model[lowest])
			lowest++;
		ck_assert_int_eq(rv__process_queue_committable(&window), lowest);
		if (added == MANY)
			for (int64_t i = lowest; i < MANY && i < lowest + 3; i++)
				if (open_model[i]) {
					ck_assert(rv__process_queue_settle(&window, i));
					open_model[i] = false;
					settled++;
				}
	}
	ck_assert_uint_eq(window.count, 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {an_empty_window_stands_at_its_beginning,
	    the_position_stops_at_the_oldest_open_message, a_message_settles_once,
	    what_is_moving_holds_the_position, offsets_filtered_by_the_broker_are_passed,
	    a_duplicate_is_refused, it_agrees_with_a_model_in_any_order, NULL};

	return unit_run("rmq_process_queue", cases, begin, end);
}
