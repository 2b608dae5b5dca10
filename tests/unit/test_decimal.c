/* SPDX-License-Identifier: Apache-2.0 */
#include "base/decimal.h"

#include "tests/support/unit.h"

#include <string.h>

START_TEST(whole_numbers_up_to_both_ends_are_read)
{
	static const struct {
		const char *text;
		int64_t value;
	} cases[] = {{"0", 0}, {"-0", 0}, {"+7", 7}, {"007", 7}, {"-12", -12},
	    {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t value = 99;

		ck_assert_msg(
		    rv__decimal_read(cases[i].text, strlen(cases[i].text), &value), "%s", cases[i].text);
		ck_assert_int_eq(value, cases[i].value);
	}
}
END_TEST

START_TEST(anything_else_is_refused_and_changes_nothing)
{
	static const char *const cases[] = {"", "-", "+", "--1", " 1", "1 ", "1x", "0x1", "1.0", "1e3",
	    "9223372036854775808", "-9223372036854775809", "99999999999999999999", "18446744073709551617"};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t value = 99;

		ck_assert_msg(!rv__decimal_read(cases[i], strlen(cases[i]), &value), "%s", cases[i]);
		ck_assert_int_eq(value, 99);
	}
}
END_TEST

/* Bytes of a frame have no end of their own. */
START_TEST(nothing_behind_the_length_is_read)
{
	int64_t value;

	ck_assert(rv__decimal_read("123456", 3, &value));
	ck_assert_int_eq(value, 123);
	ck_assert(!rv__decimal_read("1\0002", 3, &value));
}
END_TEST

START_TEST(a_number_beyond_its_range_is_refused)
{
	int64_t value = 99;

	ck_assert(rv__decimal_within("1", 1, 1, 65535, &value));
	ck_assert_int_eq(value, 1);
	ck_assert(rv__decimal_within("65535", 5, 1, 65535, &value));
	ck_assert_int_eq(value, 65535);
	ck_assert(!rv__decimal_within("0", 1, 1, 65535, &value));
	ck_assert(!rv__decimal_within("65536", 5, 1, 65535, &value));
	ck_assert_int_eq(value, 65535);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {whole_numbers_up_to_both_ends_are_read,
	    anything_else_is_refused_and_changes_nothing, nothing_behind_the_length_is_read,
	    a_number_beyond_its_range_is_refused, NULL};

	return unit_run("decimal", cases, NULL, NULL);
}
