/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include "base/clock.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

static struct rv__queue queue;

static void setup(void)
{
	ck_assert_int_eq(rv__queue_init(&queue, 4, 100), RV_OK);
}

static void teardown(void)
{
	rv__queue_finish(&queue);
}

static void *value_of(intptr_t number)
{
	return (void *)number;
}

static int64_t in_ms(int64_t ms)
{
	return rv__monotonic_ns() + ms * 1000000;
}

START_TEST(values_leave_in_the_order_they_came)
{
	void *values[8];

	for (intptr_t i = 1; i <= 4; i++)
		ck_assert_int_eq(rv__queue_push(&queue, value_of(i), 1, 0), RV_OK);
	ck_assert_uint_eq(rv__queue_pop(&queue, values, 3, 0), 3);
	ck_assert_int_eq(rv__queue_push(&queue, value_of(5), 1, 0), RV_OK);
	ck_assert_uint_eq(rv__queue_pop(&queue, values + 3, 5, 0), 2);
	for (intptr_t i = 0; i < 5; i++)
		ck_assert_ptr_eq(values[i], value_of(i + 1));
}
END_TEST

START_TEST(a_queue_full_by_count_refuses)
{
	for (intptr_t i = 1; i <= 4; i++)
		ck_assert_int_eq(rv__queue_push(&queue, value_of(i), 0, 0), RV_OK);
	ck_assert_int_eq(rv__queue_push(&queue, value_of(5), 0, 0), RV_E_FULL);
	ck_assert_uint_eq(rv__queue_count(&queue), 4);
}
END_TEST

START_TEST(a_queue_full_by_bytes_refuses)
{
	void *value;

	ck_assert_int_eq(rv__queue_push(&queue, value_of(1), 60, 0), RV_OK);
	ck_assert_int_eq(rv__queue_push(&queue, value_of(2), 41, 0), RV_E_FULL);
	ck_assert_int_eq(rv__queue_push(&queue, value_of(2), 40, 0), RV_OK);
	ck_assert_uint_eq(rv__queue_pop(&queue, &value, 1, 0), 1);
	ck_assert_int_eq(rv__queue_push(&queue, value_of(3), 60, 0), RV_OK);
}
END_TEST

START_TEST(one_value_above_the_byte_limit_passes_alone)
{
	ck_assert_int_eq(rv__queue_push(&queue, value_of(1), 1000, 0), RV_OK);
	ck_assert_int_eq(rv__queue_push(&queue, value_of(2), 1, 0), RV_E_FULL);
}
END_TEST

START_TEST(waiting_ends_at_the_deadline)
{
	int64_t start = rv__monotonic_ms();
	void *value;

	ck_assert_uint_eq(rv__queue_pop(&queue, &value, 1, in_ms(30)), 0);
	ck_assert_int_ge(rv__monotonic_ms() - start, 29);
	ck_assert_int_eq(rv__queue_push(&queue, value_of(1), 1000, 0), RV_OK);
	ck_assert_int_eq(rv__queue_push(&queue, value_of(2), 1, in_ms(30)), RV_E_TIMEOUT);
}
END_TEST

static void *push_one(void *arg)
{
	return value_of(rv__queue_push(&queue, arg, 1, -1));
}

START_TEST(a_waiting_sender_goes_on_when_there_is_room)
{
	pthread_t sender;
	void *result;
	void *value;

	ck_assert_int_eq(rv__queue_push(&queue, value_of(1), 1000, 0), RV_OK);
	pthread_create(&sender, NULL, push_one, value_of(2));
	ck_assert_uint_eq(rv__queue_pop(&queue, &value, 1, 0), 1);
	ck_assert_uint_eq(rv__queue_pop(&queue, &value, 1, in_ms(5000)), 1);
	ck_assert_ptr_eq(value, value_of(2));
	pthread_join(sender, &result);
	ck_assert_ptr_eq(result, value_of(RV_OK));
}
END_TEST

START_TEST(closing_wakes_everybody_and_keeps_what_is_inside)
{
	pthread_t sender;
	void *result;
	void *value;

	ck_assert_int_eq(rv__queue_push(&queue, value_of(1), 1000, 0), RV_OK);
	pthread_create(&sender, NULL, push_one, value_of(2));
	rv__queue_close(&queue);
	pthread_join(sender, &result);
	ck_assert_ptr_eq(result, value_of(RV_E_CLOSED));
	ck_assert(rv__queue_closed(&queue));
	ck_assert_uint_eq(rv__queue_pop(&queue, &value, 1, -1), 1);
	ck_assert_uint_eq(rv__queue_pop(&queue, &value, 1, -1), 0);
}
END_TEST

enum { SENDERS = 3, EACH = 5000 };

static void *push_many(void *arg)
{
	for (intptr_t i = 0; i < EACH; i++)
		if (rv__queue_push(&queue, value_of((intptr_t)arg * EACH + i + 1), 30, -1) != RV_OK)
			return arg;
	return NULL;
}

START_TEST(nothing_is_lost_or_doubled_between_threads)
{
	static unsigned char seen[SENDERS * EACH + 1];
	pthread_t senders[SENDERS];
	void *values[3];
	size_t got = 0;

	for (intptr_t i = 0; i < SENDERS; i++)
		pthread_create(&senders[i], NULL, push_many, (void *)i);
	while (got < SENDERS * EACH) {
		size_t n = rv__queue_pop(&queue, values, 3, in_ms(10000));

		ck_assert_uint_gt(n, 0);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(seen[(intptr_t)values[i]]++, 0);
		got += n;
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	ck_assert_uint_eq(rv__queue_count(&queue), 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {values_leave_in_the_order_they_came, a_queue_full_by_count_refuses,
	    a_queue_full_by_bytes_refuses, one_value_above_the_byte_limit_passes_alone,
	    waiting_ends_at_the_deadline, a_waiting_sender_goes_on_when_there_is_room,
	    closing_wakes_everybody_and_keeps_what_is_inside, nothing_is_lost_or_doubled_between_threads,
	    NULL};

	return unit_run("queue", cases, setup, teardown);
}
