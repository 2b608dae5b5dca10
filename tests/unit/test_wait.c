/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wait.h"

#include "base/clock.h"
#include "tests/support/unit.h"

enum { LATE_MS = 20 };

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
};

static void gate_init(struct gate *gate)
{
	*gate = (struct gate){.open = false};
	ck_assert(rv__wait_init(&gate->lock, &gate->changed));
}

static void gate_finish(struct gate *gate)
{
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->lock);
}

/* Whether it opened before the deadline. */
static bool wait_open(struct gate *gate, int64_t deadline_ns)
{
	bool open;

	pthread_mutex_lock(&gate->lock);
	while (!gate->open && rv__wait_until(&gate->changed, &gate->lock, deadline_ns))
		;
	open = gate->open;
	pthread_mutex_unlock(&gate->lock);
	return open;
}

static void *open_gate(void *arg)
{
	struct gate *gate = arg;

	pthread_mutex_lock(&gate->lock);
	gate->open = true;
	pthread_cond_signal(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
	return NULL;
}

START_TEST(a_wait_ends_at_its_deadline_and_not_before)
{
	int64_t deadline_ns = rv__monotonic_ns() + (int64_t)LATE_MS * 1000000;
	struct gate gate;

	gate_init(&gate);
	ck_assert(!wait_open(&gate, deadline_ns));
	ck_assert_int_ge(rv__monotonic_ns(), deadline_ns);
	gate_finish(&gate);
}
END_TEST

/* An hour on the monotonic clock; on another clock it would be over, or far away. */
START_TEST(a_signal_ends_a_wait_before_its_deadline)
{
	static const int64_t hour_ns = 3600 * INT64_C(1000000000);
	const int64_t deadlines_ns[] = {rv__monotonic_ns() + hour_ns, INT64_MAX};

	for (int i = 0; i < 2; i++) {
		struct gate gate;
		pthread_t opener;

		gate_init(&gate);
		ck_assert_int_eq(pthread_create(&opener, NULL, open_gate, &gate), 0);
		ck_assert(wait_open(&gate, deadlines_ns[i]));
		pthread_join(opener, NULL);
		gate_finish(&gate);
	}
}
END_TEST

START_TEST(a_deadline_that_has_passed_does_not_wait)
{
	struct gate gate;

	gate_init(&gate);
	ck_assert(!wait_open(&gate, 0));
	ck_assert(!wait_open(&gate, rv__monotonic_ns() - 1));
	gate_finish(&gate);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_wait_ends_at_its_deadline_and_not_before,
	    a_signal_ends_a_wait_before_its_deadline, a_deadline_that_has_passed_does_not_wait, NULL};

	return unit_run("wait", cases, NULL, NULL);
}
