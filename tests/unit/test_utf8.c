/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "tests/support/unit.h"

#include <string.h>

static bool valid(const char *text)
{
	return rv__utf8_valid(text, strlen(text));
}

START_TEST(well_formed_text_of_every_length_is_valid)
{
	ck_assert(valid(""));
	ck_assert(valid("plate"));
	ck_assert(valid("grün"));
	ck_assert(valid("粤B12345"));
	ck_assert(valid("\xf0\x9f\x9a\x97"));
	ck_assert(rv__utf8_valid("a\0b", 3));
}
END_TEST

START_TEST(malformed_bytes_are_refused)
{
	ck_assert(!valid("\x80"));             /* continuation alone */
	ck_assert(!valid("\xc3"));             /* cut */
	ck_assert(!valid("\xc0\xaf"));         /* overlong */
	ck_assert(!valid("\xe0\x80\xaf"));     /* overlong */
	ck_assert(!valid("\xed\xa0\x80"));     /* surrogate */
	ck_assert(!valid("\xf4\x90\x80\x80")); /* above U+10FFFF */
	ck_assert(!valid("\xff"));
}
END_TEST

/* Both look at eight bytes at a time. */
START_TEST(a_fault_is_found_at_every_place)
{
	char text[40];

	for (size_t length = 1; length < sizeof text; length++) {
		for (size_t at = 0; at < length; at++) {
			memset(text, 'x', sizeof text);
			ck_assert(rv__utf8_valid(text, length));
			ck_assert(rv__text_plain(text, length));
			text[at] = '\x80';
			ck_assert(!rv__utf8_valid(text, length));
			ck_assert(!rv__text_plain(text, length));
			text[at] = '\x1f';
			ck_assert(rv__utf8_valid(text, length));
			ck_assert(!rv__text_plain(text, length));
			text[at] = '\x7f';
			ck_assert(!rv__text_plain(text, length));
			text[at] = '\x7e';
			ck_assert(rv__text_plain(text, length));
			text[at] = ' ';
			ck_assert(rv__text_plain(text, length));
		}
	}
	ck_assert(rv__text_plain("", 0));
}
END_TEST

START_TEST(a_cut_never_splits_a_character)
{
	const char *text = "a粤b";

	ck_assert_uint_eq(rv__utf8_cut(text, 5, 5), 5);
	ck_assert_uint_eq(rv__utf8_cut(text, 5, 4), 4);
	ck_assert_uint_eq(rv__utf8_cut(text, 5, 3), 1);
	ck_assert_uint_eq(rv__utf8_cut(text, 5, 2), 1);
	ck_assert_uint_eq(rv__utf8_cut(text, 5, 0), 0);
}
END_TEST

START_TEST(control_characters_become_blanks)
{
	char text[] = "a\nb\tc\x7f粤";

	rv__text_flatten(text);
	ck_assert_str_eq(text, "a b c 粤");
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {well_formed_text_of_every_length_is_valid, malformed_bytes_are_refused,
	    a_fault_is_found_at_every_place, a_cut_never_splits_a_character, control_characters_become_blanks,
	    NULL};

	return unit_run("utf8", cases, NULL, NULL);
}
