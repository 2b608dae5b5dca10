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

/* Both look at several bytes at a time. */
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

/* What is written reads back, at both ends of every length. */
START_TEST(a_code_point_is_written_in_its_shortest_form)
{
	static const uint32_t points[] = {
	    0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};

	for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
		char bytes[4];
		size_t length = (size_t)(rv__utf8_put(bytes, points[i]) - bytes);

		ck_assert_uint_eq(rv__utf8_length(bytes, length), length);
		ck_assert_uint_eq(rv__utf8_decode(bytes, length), points[i]);
	}
}
END_TEST

START_TEST(an_escape_is_read_with_the_other_half_of_its_pair)
{
	static const struct {
		const char *text;
		int32_t point;
		size_t length; /* how far reading goes */
	} cases[] = {{"7ca4B", 0x7ca4, 4}, {"00E9", 0xe9, 4}, {"d83d\\uDE97!", 0x1f697, 10},
	    {"d83d\\u0041", 0xd83d, 4}, {"d83d\\n1234", 0xd83d, 4}, {"d83d\\ude9", 0xd83d, 4},
	    {"d83d", 0xd83d, 4}, {"de97\\ud83d", 0xde97, 4}, {"00e", -1, 0}, {"00eg", -1, 0}, {"", -1, 0}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *at = cases[i].text;

		ck_assert_int_eq(rv__utf16_unescape(&at, at + strlen(at)), cases[i].point);
		ck_assert_uint_eq((size_t)(at - cases[i].text), cases[i].length);
		ck_assert(rv__is_surrogate(cases[i].point) == (cases[i].point >> 11 == 27));
	}
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {well_formed_text_of_every_length_is_valid, malformed_bytes_are_refused,
	    a_fault_is_found_at_every_place, a_cut_never_splits_a_character, control_characters_become_blanks,
	    a_code_point_is_written_in_its_shortest_form, an_escape_is_read_with_the_other_half_of_its_pair,
	    NULL};

	return unit_run("utf8", cases, NULL, NULL);
}
