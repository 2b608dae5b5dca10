/* SPDX-License-Identifier: Apache-2.0 */
#include "base/keys.h"

#include "tests/support/unit.h"

#include <string.h>

static const char *uniform(const char *key)
{
	static char out[RV__KEY_MAX];

	return rv__key_uniform(key, out, sizeof out) ? out : "";
}

START_TEST(case_dashes_and_underscores_do_not_count)
{
	ck_assert(rv__key_equal("spring.cloud.stream.instanceIndex", "spring.cloud.stream.instance-index"));
	ck_assert(rv__key_equal("spring.cloud.stream.INSTANCE_INDEX", "spring.cloud.stream.instance-index"));
	ck_assert(rv__key_equal("bindings.INPUT.destination", "bindings.input.destination"));
	ck_assert(!rv__key_equal("a.bc", "ab.c"));
}
END_TEST

START_TEST(brackets_make_one_segment)
{
	ck_assert_str_eq(uniform("bindings.[my.Name].group"), "bindings.[my.name].group");
	ck_assert_str_eq(uniform("bindings.\"[my.name]\".group"), "bindings.[my.name].group");
	ck_assert_str_eq(uniform("bindings[my.name].group"), "bindings.[my.name].group");
	ck_assert(!rv__key_equal("bindings.[my.name].group", "bindings.my.name.group"));
}
END_TEST

START_TEST(plain_names_and_numbers_in_brackets_are_plain_segments)
{
	ck_assert_str_eq(uniform("list[0]"), "list.0");
	ck_assert_str_eq(uniform("list[0][1].x"), "list.0.1.x");
	ck_assert_str_eq(uniform("bindings.[my-name].group"), "bindings.myname.group");
}
END_TEST

START_TEST(malformed_keys_have_no_uniform_form)
{
	char small[8];
	char big[2 * RV__KEY_MAX];

	ck_assert_str_eq(uniform(""), "");
	ck_assert_str_eq(uniform("a[b"), "");
	ck_assert_uint_eq(rv__key_uniform("longer.than", small, sizeof small), 0);
	memset(big, 'a', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	ck_assert_str_eq(uniform(big), "");
}
END_TEST

START_TEST(an_environment_name_squashes_to_the_same_letters)
{
	char key[RV__KEY_MAX];
	char name[RV__KEY_MAX];

	rv__key_squash("spring.cloud.stream.rocketmq.binder.name-server", key, sizeof key);
	rv__key_squash("SPRING_CLOUD_STREAM_ROCKETMQ_BINDER_NAMESERVER", name, sizeof name);
	ck_assert_str_eq(key, name);
	rv__key_squash("SPRING_CLOUD_STREAM_ROCKETMQ_BINDER_NAME_SERVER", name, sizeof name);
	ck_assert_str_eq(key, name);
}
END_TEST

START_TEST(names_with_signs_are_joined_in_brackets)
{
	char key[64];

	ck_assert(rv__key_join(key, sizeof key, "bindings", "my-input", "consumer"));
	ck_assert_str_eq(key, "bindings.my-input.consumer");
	ck_assert(rv__key_join(key, sizeof key, "bindings", "my.name", NULL));
	ck_assert_str_eq(key, "bindings.[my.name]");
	ck_assert(!rv__key_join(key, 12, "bindings", "input", NULL));
	ck_assert_str_eq(key, "");
}
END_TEST

START_TEST(segments_are_measured_with_their_brackets)
{
	ck_assert_uint_eq(rv__key_segment("input.group"), 5);
	ck_assert_uint_eq(rv__key_segment("input"), 5);
	ck_assert_uint_eq(rv__key_segment("list[0]"), 4);
	ck_assert_uint_eq(rv__key_segment("[my.name].group"), 9);
	ck_assert_uint_eq(rv__key_segment("\"[my.name]\".group"), 11);
}
END_TEST

START_TEST(distance_counts_edits)
{
	ck_assert_uint_eq(rv__key_distance("destination", "destination"), 0);
	ck_assert_uint_eq(rv__key_distance("destinatoin", "destination"), 1);
	ck_assert_uint_eq(rv__key_distance("destnation", "destination"), 1);
	ck_assert_uint_eq(rv__key_distance("", "abc"), 3);
	ck_assert_uint_eq(rv__key_distance("kitten", "sitting"), 3);
}
END_TEST

START_TEST(the_nearest_word_is_found_or_none)
{
	static const char *const words[] = {"config", "broker", "send", "tail"};

	ck_assert_str_eq(rv__key_nearest("confg", words, 4), "config");
	ck_assert_str_eq(rv__key_nearest("brokr", words, 4), "broker");
	ck_assert_ptr_null(rv__key_nearest("xyz", words, 4));
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {case_dashes_and_underscores_do_not_count, brackets_make_one_segment,
	    plain_names_and_numbers_in_brackets_are_plain_segments, malformed_keys_have_no_uniform_form,
	    an_environment_name_squashes_to_the_same_letters, names_with_signs_are_joined_in_brackets,
	    segments_are_measured_with_their_brackets, distance_counts_edits,
	    the_nearest_word_is_found_or_none, NULL};

	return unit_run("keys", cases, NULL, NULL);
}
