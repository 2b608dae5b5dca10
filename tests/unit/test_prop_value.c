/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prop_value.h"

#include "tests/support/unit.h"

#include <string.h>

static char cure[256];

static bool fits(const struct rv_prop_desc *row, const char *text, union rv__prop_value *value)
{
	cure[0] = '\0';
	return rv__prop_parse(row, text, value, cure, sizeof cure);
}

static void expect_integer(const struct rv_prop_desc *row, const char *text, int64_t expected)
{
	union rv__prop_value value;

	ck_assert_msg(fits(row, text, &value), "'%s' refused: %s", text, cure);
	ck_assert_msg(value.integer == expected, "'%s' is %lld", text, (long long)value.integer);
}

static void expect_refused(const struct rv_prop_desc *row, const char *text)
{
	union rv__prop_value value;

	ck_assert_msg(!fits(row, text, &value), "'%s' accepted", text);
	ck_assert_msg(strncmp(cure, "write ", 6) == 0, "cure of '%s': %s", text, cure);
}

START_TEST(booleans_are_springs_words)
{
	static const struct rv_prop_desc row = {.type = RV_PROP_BOOL};
	union rv__prop_value value;

	for (const char *const *word = (const char *const[]){"true", "ON", "yes", "1", NULL}; *word; word++)
		ck_assert(fits(&row, *word, &value) && value.boolean);
	for (const char *const *word = (const char *const[]){"false", "Off", "no", "0", NULL}; *word; word++)
		ck_assert(fits(&row, *word, &value) && !value.boolean);
	expect_refused(&row, "ja");
	expect_refused(&row, "");
	expect_refused(&row, "true ");
}
END_TEST

START_TEST(addresses_have_a_host_and_a_port)
{
	static const struct rv_prop_desc row = {.type = RV_PROP_LIST, .unit = "host:port"};
	union rv__prop_value value;

	for (const char *const *text = (const char *const[]){"a:1", "127.0.0.1:9876;b:65535",
	         " [::1]:80 , x:2 ;", "http://mq.example:8080", "", NULL};
	     *text; text++)
		ck_assert_msg(fits(&row, *text, &value) && value.text == *text, "'%s': %s", *text, cure);
	for (const char *const *text = (const char *const[]){"a", "a:", ":1", "a:0", "a:65536", "a:1x",
	         "a:99999999999999999999", "a:1;b", "http://:1", NULL};
	     *text; text++)
		expect_refused(&row, *text);
}
END_TEST

START_TEST(whole_numbers_are_read_whole)
{
	static const struct rv_prop_desc row = {.type = RV_PROP_INT};

	expect_integer(&row, "0", 0);
	expect_integer(&row, "-12", -12);
	expect_integer(&row, "007", 7);
	expect_integer(&row, "9223372036854775807", INT64_MAX);
	expect_refused(&row, "9223372036854775808");
	expect_refused(&row, "12x");
	expect_refused(&row, " 12");
	expect_refused(&row, "0x10");
	expect_refused(&row, "1.5");
	expect_refused(&row, "");
	expect_refused(&row, "-");
}
END_TEST

START_TEST(ranges_include_both_ends_and_name_themselves)
{
	static const struct rv_prop_desc row = {
	    .type = RV_PROP_INT, .min = 1, .max = 65535, .unit = "threads"};

	expect_integer(&row, "1", 1);
	expect_integer(&row, "65535", 65535);
	expect_refused(&row, "0");
	expect_refused(&row, "65536");
	ck_assert_str_eq(cure, "write a whole number from 1 to 65535 threads");
}
END_TEST

START_TEST(numbers_with_a_point_are_finite)
{
	static const struct rv_prop_desc row = {.type = RV_PROP_DOUBLE, .min = 1, .max = 10};
	union rv__prop_value value;

	ck_assert(fits(&row, "2.5", &value));
	ck_assert_double_eq(value.real, 2.5);
	expect_refused(&row, "nan");
	expect_refused(&row, "inf");
	expect_refused(&row, "0.5");
	expect_refused(&row, "2,5");
}
END_TEST

START_TEST(durations_come_in_units_and_in_iso_form)
{
	static const struct rv_prop_desc row = {.type = RV_PROP_DURATION, .unit = "ms"};

	expect_integer(&row, "1500", 1500);
	expect_integer(&row, "1500ms", 1500);
	expect_integer(&row, "2s", 2000);
	expect_integer(&row, "3m", 180000);
	expect_integer(&row, "1H", 3600000);
	expect_integer(&row, "2d", 172800000);
	expect_integer(&row, "1us", 1);
	expect_integer(&row, "-1", -1);
	expect_integer(&row, "PT2S", 2000);
	expect_integer(&row, "pt1h2m3.5s", 3723500);
	expect_integer(&row, "P1DT1S", 86401000);
	expect_integer(&row, "-PT1S", -1000);
	expect_refused(&row, "2 s");
	expect_refused(&row, "2w");
	expect_refused(&row, "PT");
	expect_refused(&row, "P1S");
	expect_refused(&row, "PT1D");
	expect_refused(&row, "PT1S2M");
	expect_refused(&row, "P");
	expect_refused(&row, "PT1 ");
	expect_refused(&row, "9223372036854775807d");
}
END_TEST

START_TEST(bare_durations_and_their_range_count_in_the_unit_of_the_row)
{
	static const struct rv_prop_desc row = {.type = RV_PROP_DURATION, .unit = "s", .min = 1, .max = 60};

	expect_integer(&row, "30", 30000);
	expect_integer(&row, "1500ms", 1500);
	expect_refused(&row, "500ms");
	expect_refused(&row, "61");
}
END_TEST

START_TEST(sizes_are_powers_of_1024)
{
	static const struct rv_prop_desc row = {
	    .type = RV_PROP_SIZE, .unit = "bytes", .min = 0, .max = 0x1p40};

	expect_integer(&row, "512", 512);
	expect_integer(&row, "64KB", 65536);
	expect_integer(&row, "4mb", 4194304);
	expect_integer(&row, "1TB", 1099511627776);
	expect_refused(&row, "2TB");
	expect_refused(&row, "-1");
	expect_refused(&row, "4 MB");
	expect_refused(&row, "4m");
}
END_TEST

START_TEST(choices_match_without_case_and_dashes)
{
	static const char *const words[] = {"Sync", "OneWay", "embedded-headers", NULL};
	static const struct rv_prop_desc row = {.type = RV_PROP_ENUM, .choices = words};

	expect_integer(&row, "sync", 0);
	expect_integer(&row, "ONE_WAY", 1);
	expect_integer(&row, "embeddedHeaders", 2);
	expect_refused(&row, "async");
	ck_assert_str_eq(cure, "write Sync, OneWay or embedded-headers");
	expect_refused(&row, "");
}
END_TEST

START_TEST(the_same_value_may_be_written_in_two_ways)
{
	static const struct rv_prop_desc duration = {.type = RV_PROP_DURATION};
	static const struct rv_prop_desc boolean = {.type = RV_PROP_BOOL};
	static const struct rv_prop_desc text = {.type = RV_PROP_STRING};

	ck_assert(rv__prop_same(&duration, "1s", "1000"));
	ck_assert(!rv__prop_same(&duration, "1s", "1001"));
	ck_assert(rv__prop_same(&boolean, "yes", "true"));
	ck_assert(rv__prop_same(&text, "a", "a"));
	ck_assert(!rv__prop_same(&text, "a", "A"));
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {booleans_are_springs_words, addresses_have_a_host_and_a_port,
	    whole_numbers_are_read_whole, ranges_include_both_ends_and_name_themselves,
	    numbers_with_a_point_are_finite, durations_come_in_units_and_in_iso_form,
	    bare_durations_and_their_range_count_in_the_unit_of_the_row, sizes_are_powers_of_1024,
	    choices_match_without_case_and_dashes, the_same_value_may_be_written_in_two_ways, NULL};

	return unit_run("prop_value", cases, NULL, NULL);
}
