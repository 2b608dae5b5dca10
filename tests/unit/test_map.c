/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

static struct rv__map map;

static void setup(void)
{
	map = (struct rv__map){0};
}

static void teardown(void)
{
	rv__map_finish(&map);
}

/* Values that can be told apart; never dereferenced. */
static void *value_of(int number)
{
	return (void *)(intptr_t)(number + 1);
}

START_TEST(an_empty_map_has_nothing)
{
	size_t cursor = 0;

	ck_assert_ptr_null(rv__map_get(&map, "x"));
	ck_assert_ptr_null(rv__map_remove(&map, "x"));
	ck_assert(!rv__map_next(&map, &cursor, NULL, NULL));
}
END_TEST

START_TEST(a_second_put_replaces_and_tells_the_old_value)
{
	void *old = &map;

	ck_assert_int_eq(rv__map_put(&map, "topic", value_of(1), &old), RV_OK);
	ck_assert_ptr_null(old);
	ck_assert_int_eq(rv__map_put(&map, "topic", value_of(2), &old), RV_OK);
	ck_assert_ptr_eq(old, value_of(1));
	ck_assert_ptr_eq(rv__map_get(&map, "topic"), value_of(2));
	ck_assert_uint_eq(map.count, 1);
}
END_TEST

START_TEST(keys_are_copied)
{
	char key[] = "topic";

	ck_assert_int_eq(rv__map_put(&map, key, value_of(1), NULL), RV_OK);
	key[0] = 'x';
	ck_assert_ptr_eq(rv__map_get(&map, "topic"), value_of(1));
}
END_TEST

START_TEST(case_counts_unless_told_otherwise)
{
	ck_assert_int_eq(rv__map_put(&map, "Input", value_of(1), NULL), RV_OK);
	ck_assert_ptr_null(rv__map_get(&map, "input"));
	rv__map_finish(&map);
	map.flags = RV__MAP_NOCASE;
	ck_assert_int_eq(rv__map_put(&map, "Input", value_of(1), NULL), RV_OK);
	ck_assert_ptr_eq(rv__map_get(&map, "iNPUT"), value_of(1));
}
END_TEST

START_TEST(removed_keys_are_gone_and_all_others_stay)
{
	enum { N = 2000 };
	char key[16];

	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof key, "k%d", i);
		ck_assert_int_eq(rv__map_put(&map, key, value_of(i), NULL), RV_OK);
	}
	for (int i = 0; i < N; i += 3) {
		snprintf(key, sizeof key, "k%d", i);
		ck_assert_ptr_eq(rv__map_remove(&map, key), value_of(i));
	}
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof key, "k%d", i);
		ck_assert_ptr_eq(rv__map_get(&map, key), i % 3 == 0 ? NULL : value_of(i));
	}
	ck_assert_uint_eq(map.count, N - (N + 2) / 3);
}
END_TEST

START_TEST(a_walk_sees_every_entry_once)
{
	size_t cursor = 0;
	const char *key;
	void *value;
	int seen[50] = {0};

	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof name, "%d", i);
		ck_assert_int_eq(rv__map_put(&map, name, value_of(i), NULL), RV_OK);
	}
	while (rv__map_next(&map, &cursor, &key, &value)) {
		long number = strtol(key, NULL, 10);

		ck_assert_ptr_eq(value, value_of((int)number));
		seen[number]++;
	}
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(seen[i], 1);
}
END_TEST

START_TEST(a_walk_that_removes_what_it_meets_leaves_out_nobody_and_takes_no_longer)
{
	enum { N = 5000 };
	static bool seen[N];
	size_t cursor = 0, steps = 0;
	const char *key;
	void *value;

	for (int i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof name, "%d", i);
		ck_assert_int_eq(rv__map_put(&map, name, value_of(i), NULL), RV_OK);
	}
	for (; rv__map_next(&map, &cursor, &key, &value); steps++) {
		long number = strtol(key, NULL, 10);

		seen[number] = true;
		if (number % 2)
			continue;
		ck_assert_ptr_eq(rv__map_remove(&map, key), value_of((int)number));
		cursor--;
	}
	for (int i = 0; i < N; i++)
		ck_assert(seen[i]);
	ck_assert_uint_eq(map.count, N / 2);
	ck_assert_uint_lt(steps, N + 100);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {an_empty_map_has_nothing, a_second_put_replaces_and_tells_the_old_value,
	    keys_are_copied, case_counts_unless_told_otherwise, removed_keys_are_gone_and_all_others_stay,
	    a_walk_sees_every_entry_once,
	    a_walk_that_removes_what_it_meets_leaves_out_nobody_and_takes_no_longer, NULL};

	return unit_run("map", cases, setup, teardown);
}
