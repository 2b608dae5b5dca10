/* SPDX-License-Identifier: Apache-2.0 */
#include <rivulet/error.h>

#include "base/utf8.h"
#include "tests/support/unit.h"

#include <string.h>

START_TEST(a_failure_carries_class_number_place_and_sentence)
{
	struct rv_error error = {.native = 7};

	ck_assert_int_eq(rv_error_set(&error, RV_E_CONFIG, 12, "config", "'%s' is wrong", "x"), RV_E_CONFIG);
	ck_assert_int_eq(error.code, RV_E_CONFIG);
	ck_assert_uint_eq(error.number, 12);
	ck_assert_int_eq(error.native, 0);
	ck_assert(!error.retriable);
	ck_assert_str_eq(error.where, "config");
	ck_assert_str_eq(error.text, "'x' is wrong");
}
END_TEST

START_TEST(classes_that_pass_by_themselves_are_retriable)
{
	struct rv_error error;

	rv_error_set(&error, RV_E_TIMEOUT, 0, NULL, "x");
	ck_assert(error.retriable);
	rv_error_set(&error, RV_E_UNAVAILABLE, 0, NULL, "x");
	ck_assert(error.retriable);
	rv_error_set(&error, RV_E_FULL, 0, NULL, "x");
	ck_assert(error.retriable);
	rv_error_set(&error, RV_E_DENIED, 0, NULL, "x");
	ck_assert(!error.retriable);
}
END_TEST

START_TEST(a_null_error_is_accepted)
{
	ck_assert_int_eq(rv_error_set(NULL, RV_E_IO, 0, "x", "y"), RV_E_IO);
}
END_TEST

START_TEST(a_long_sentence_is_cut_between_characters)
{
	char text[3 * 300 + 1] = "";
	struct rv_error error;

	for (int i = 0; i < 300; i++)
		memcpy(text + 3 * i, "粤", 4);
	rv_error_set(&error, RV_E_IO, 0, "x", "a%s", text);
	ck_assert_uint_eq(strlen(error.text), 511);
	ck_assert(rv__utf8_valid(error.text, strlen(error.text)));
}
END_TEST

START_TEST(a_sentence_is_one_line)
{
	struct rv_error error;

	rv_error_set(&error, RV_E_IO, 0, "x", "a\nb\rc");
	ck_assert_str_eq(error.text, "a b c");
}
END_TEST

START_TEST(every_class_has_word_and_text)
{
	ck_assert_str_eq(rv_err_word(RV_OK), "ok");
	ck_assert_str_eq(rv_err_word(RV_E_TIMEOUT), "timeout");
	for (int code = RV_OK; code <= RV_E_INTERNAL; code++) {
		ck_assert_str_ne(rv_err_word((rv_err)code), "unknown");
		ck_assert_uint_gt(strlen(rv_err_text((rv_err)code)), 0);
	}
	ck_assert_str_eq(rv_err_word((rv_err)(RV_E_INTERNAL + 1)), "unknown");
	ck_assert_str_eq(rv_err_word((rv_err)-1), "unknown");
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_failure_carries_class_number_place_and_sentence,
	    classes_that_pass_by_themselves_are_retriable, a_null_error_is_accepted,
	    a_long_sentence_is_cut_between_characters, a_sentence_is_one_line, every_class_has_word_and_text,
	    NULL};

	return unit_run("error", cases, NULL, NULL);
}
