/* SPDX-License-Identifier: Apache-2.0 */
/* Keys to slots of a Redis Cluster; expected numbers are answers of CLUSTER KEYSLOT of redis 7.0.15. */
#include "binder/redis/hash_slot.h"

#include <string.h>

#include "tests/support/unit.h"

static unsigned slot_of(const char *key)
{
	return rv__redis_slot_of(key, strlen(key));
}

START_TEST(a_key_has_the_slot_that_the_server_says)
{
	ck_assert_uint_eq(slot_of("123456789"), 12739);
	ck_assert_uint_eq(slot_of("foo"), 12182);
	ck_assert_uint_eq(slot_of(""), 0);
	ck_assert_uint_eq(slot_of("\xe6\x94\xaf\xe4\xbb\x98"), 11130);
	ck_assert_uint_eq(rv__redis_slot_of("a\0b", 3), 8383);
}
END_TEST

START_TEST(a_helper_key_lives_beside_its_stream)
{
	ck_assert_uint_eq(slot_of("{orders-0}:delayed"), slot_of("orders-0"));
	ck_assert_uint_ne(slot_of("orders-0"), slot_of("orders-1"));
}
END_TEST

START_TEST(only_the_first_tag_counts_and_only_when_it_is_not_empty)
{
	ck_assert_uint_eq(slot_of("{user1000}.following"), slot_of("user1000"));
	ck_assert_uint_eq(slot_of("foo{}{bar}"), 8363);
	ck_assert_uint_eq(slot_of("foo{{bar}}zap"), slot_of("{bar"));
	ck_assert_uint_eq(slot_of("foo{bar}{zap}"), slot_of("bar"));
	ck_assert_uint_eq(slot_of("foo{bar"), 15278);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_key_has_the_slot_that_the_server_says,
	    a_helper_key_lives_beside_its_stream, only_the_first_tag_counts_and_only_when_it_is_not_empty,
	    NULL};

	return unit_run("redis_hash_slot", cases, NULL, NULL);
}
