/* SPDX-License-Identifier: Apache-2.0 */
#include "base/back_off.h"

#include "tests/support/unit.h"

START_TEST(the_wait_doubles_from_the_first_to_the_most)
{
	static const int64_t expected_ms[] = {20, 20, 40, 80, 160, 320, 640, 1000, 1000};

	for (unsigned failures = 0; failures < 9; failures++)
		ck_assert_int_eq(rv__back_off_ms(20, 1000, failures), expected_ms[failures]);
	ck_assert_int_eq(rv__back_off_ms(20, 1000, UINT32_MAX), 1000);
	ck_assert_int_eq(rv__back_off_ms(50, 10, 1), 10);
}
END_TEST

START_TEST(jitter_stays_between_half_and_all_and_reaches_both)
{
	static const int64_t waits_ms[] = {1, 2, 3, 20, 1000};

	for (int i = 0; i < 5; i++) {
		int64_t least = INT64_MAX, most = 0;

		for (uint64_t random = 0; random < 2000; random++) {
			int64_t wait_ms = rv__jitter_ms(waits_ms[i], random);

			least = wait_ms < least ? wait_ms : least;
			most = wait_ms > most ? wait_ms : most;
		}
		ck_assert_int_eq(least, waits_ms[i] / 2);
		ck_assert_int_eq(most, waits_ms[i] / 2 * 2);
	}
	ck_assert_int_eq(rv__jitter_ms(0, UINT64_MAX), 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {the_wait_doubles_from_the_first_to_the_most,
	    jitter_stays_between_half_and_all_and_reaches_both, NULL};

	return unit_run("back_off", cases, NULL, NULL);
}
