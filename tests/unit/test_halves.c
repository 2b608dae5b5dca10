/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/halves.h"

#include "tests/support/unit.h"

static struct rv__halves halves;

static void enter(int64_t offset)
{
	struct rv__half half = {.offset = offset, .stored_ms = 10 * offset};

	ck_assert(rv__halves_reserve(&halves));
	rv__halves_enter(&halves, &half);
}

static void finish(void)
{
	rv__halves_finish(&halves);
}

START_TEST(each_is_found_by_its_offset_and_others_are_not)
{
	ck_assert_ptr_null(rv__halves_find(&halves, 0));
	for (int64_t offset = 0; offset < 400; offset += 2)
		enter(offset);
	for (int64_t offset = -1; offset <= 400; offset++) {
		const struct rv__half *half = rv__halves_find(&halves, offset);
		bool there = offset >= 0 && offset < 400 && offset % 2 == 0;

		ck_assert_int_eq(half != NULL, there);
		if (half)
			ck_assert_int_eq(half->stored_ms, 10 * offset);
	}
}
END_TEST

START_TEST(only_a_front_that_is_decided_goes)
{
	for (int64_t offset = 0; offset < 5; offset++)
		enter(offset);
	rv__halves_find(&halves, 1)->state = RV__HALF_DECIDED;
	ck_assert_uint_eq(rv__halves_drop_decided(&halves), 0);
	rv__halves_find(&halves, 0)->state = RV__HALF_DECIDED;
	rv__halves_find(&halves, 2)->state = RV__HALF_DECIDING;
	ck_assert_uint_eq(rv__halves_drop_decided(&halves), 2);
	ck_assert_ptr_null(rv__halves_find(&halves, 1));
	ck_assert_ptr_nonnull(rv__halves_find(&halves, 2));
	ck_assert_uint_eq(halves.count, 3);
}
END_TEST

/* A write that failed gives its offsets back, and others get them. */
START_TEST(an_offset_that_is_given_again_replaces_what_stood_there_and_behind)
{
	for (int64_t offset = 0; offset < 5; offset++)
		enter(offset);
	rv__halves_find(&halves, 3)->checks = 7;
	enter(3);
	ck_assert_uint_eq(halves.count, 4);
	ck_assert_int_eq(rv__halves_find(&halves, 3)->checks, 0);
	ck_assert_ptr_null(rv__halves_find(&halves, 4));
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {each_is_found_by_its_offset_and_others_are_not,
	    only_a_front_that_is_decided_goes,
	    an_offset_that_is_given_again_replaces_what_stood_there_and_behind, NULL};

	return unit_run("halves", cases, NULL, finish);
}
