/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text: hexadecimal digits and base64. */
#include "base/base64.h"
#include "base/hex.h"

#include "tests/support/unit.h"

#include <string.h>

START_TEST(digits_of_either_case_are_numbers_and_nothing_else_is)
{
	int digits = 0;

	for (int c = 0; c < 256; c++) {
		int value = rv__hex_digit((char)c);

		ck_assert_int_eq(value >= 0, c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL);
		digits += value >= 0;
	}
	ck_assert_int_eq(digits, 22);
	ck_assert_int_eq(rv__hex_digit('0'), 0);
	ck_assert_int_eq(rv__hex_digit('a'), 10);
	ck_assert_int_eq(rv__hex_digit('F'), 15);
}
END_TEST

START_TEST(two_digits_are_a_byte_and_an_end_between_them_is_none)
{
	ck_assert_int_eq(rv__hex_byte("00"), 0);
	ck_assert_int_eq(rv__hex_byte("e7"), 0xe7);
	ck_assert_int_eq(rv__hex_byte("Ff!"), 0xff);
	ck_assert_int_eq(rv__hex_byte(""), -1);
	ck_assert_int_eq(rv__hex_byte("4"), -1);
	ck_assert_int_eq(rv__hex_byte("4g"), -1);
	ck_assert_int_eq(rv__hex_byte("g4"), -1);
}
END_TEST

/* RFC 4648, section 10. */
START_TEST(base64_pads_to_four_characters)
{
	static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "+//+"}};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		char text[16] = {0};
		size_t length = strlen(pairs[i][0]);
		char *end = rv__base64_put(text, pairs[i][0], length);

		ck_assert_str_eq(text, pairs[i][1]);
		ck_assert_uint_eq((size_t)(end - text), rv__base64_length(length));
	}
}
END_TEST

START_TEST(base64_is_read_with_and_without_padding)
{
	static const char *const pairs[][2] = {{"", ""}, {"Zg==", "f"}, {"Zg", "f"}, {"Zm8=", "fo"},
	    {"Zm9vYmE", "fooba"}, {"+//+", "\xfb\xff\xfe"}};
	static const char *const none[] = {"Z", "Zm9vY", "Z-==", "Zm 9"};
	char bytes[16];
	size_t length;

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		ck_assert(rv__base64_read(pairs[i][0], strlen(pairs[i][0]), bytes, &length));
		ck_assert_uint_eq(length, strlen(pairs[i][1]));
		ck_assert_mem_eq(bytes, pairs[i][1], length);
	}
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		ck_assert_msg(
		    !rv__base64_read(none[i], strlen(none[i]), bytes, &length), "'%s' was read", none[i]);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {digits_of_either_case_are_numbers_and_nothing_else_is,
	    two_digits_are_a_byte_and_an_end_between_them_is_none, base64_pads_to_four_characters,
	    base64_is_read_with_and_without_padding, NULL};

	return unit_run("hex", cases, NULL, NULL);
}
