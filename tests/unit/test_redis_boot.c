/* SPDX-License-Identifier: Apache-2.0 */
/* spring.data.redis.* beneath the keys of the binder. */
#include <string.h>

#include "binder/redis/settings.h"
#include "tests/support/unit.h"

static const char *const standard_nodes[] = {"127.0.0.1:6379"};
static const char *const two_nodes[] = {"one:7000", "two:7001"};
static struct rv__redis_binder_settings given;
static struct rv__redis_merged merged;
static struct rv_error error;

/* As the tables fill them when nobody says anything. */
static void setup(void)
{
	given = (struct rv__redis_binder_settings){.port = 6379,
	    .connect_timeout_ms = 2000,
	    .command_timeout_ms = 5000,
	    .nodes = {.items = standard_nodes, .count = 1},
	    .boot = {.port = -1, .database = -1}};
	merged = (struct rv__redis_merged){.url = ""};
	error = (struct rv_error){0};
}

static const struct rv__redis_binder_settings *merge(void)
{
	ck_assert_msg(rv__redis_settings_merge(&given, &merged, &error) == RV_OK, "%s", error.text);
	return &merged.settings;
}

START_TEST(without_a_word_of_boot_nothing_changes)
{
	ck_assert_ptr_null(merge()->host);
	ck_assert_int_eq(merge()->port, 6379);
	ck_assert_int_eq(merge()->mode, RV__REDIS_SINGLE);
	ck_assert_ptr_eq(merge()->nodes.items, standard_nodes);
}
END_TEST

START_TEST(host_port_user_and_database_come_from_boot)
{
	given.boot.host = "redis.example";
	given.boot.port = 7777;
	given.boot.username = "parking";
	given.boot.password = "secret";
	given.boot.database = 3;
	given.boot.command_timeout_ms = 900;
	ck_assert_str_eq(merge()->host, "redis.example");
	ck_assert_int_eq(merge()->port, 7777);
	ck_assert_str_eq(merge()->username, "parking");
	ck_assert_str_eq(merge()->password, "secret");
	ck_assert_int_eq(merge()->database, 3);
	ck_assert_int_eq(merge()->command_timeout_ms, 900);
	ck_assert_int_eq(merge()->connect_timeout_ms, 2000);
}
END_TEST

START_TEST(a_port_alone_means_this_machine)
{
	given.boot.port = 7777;
	ck_assert_str_eq(merge()->host, "127.0.0.1");
	ck_assert_int_eq(merge()->port, 7777);
}
END_TEST

START_TEST(the_binder_s_own_place_wins_as_a_whole)
{
	given.host = "own";
	given.password = "own secret";
	given.boot.host = "boot";
	given.boot.port = 7777;
	given.boot.username = "boot";
	given.boot.password = "boot secret";
	given.boot.sentinel_master = "mymaster";
	ck_assert_str_eq(merge()->host, "own");
	ck_assert_int_eq(merge()->port, 6379);
	ck_assert_int_eq(merge()->mode, RV__REDIS_SINGLE);
	ck_assert_str_eq(merge()->password, "own secret");
	ck_assert_ptr_null(merge()->username);
}
END_TEST

START_TEST(sentinels_and_cluster_choose_the_mode)
{
	given.boot.cluster_nodes = (struct rv_strings){.items = two_nodes, .count = 2};
	ck_assert_int_eq(merge()->mode, RV__REDIS_CLUSTER);
	ck_assert_uint_eq(merge()->nodes.count, 2);
	given.boot.sentinel_nodes = given.boot.cluster_nodes;
	given.boot.sentinel_master = "mymaster";
	ck_assert_int_eq(merge()->mode, RV__REDIS_SENTINEL);
	ck_assert_str_eq(merge()->sentinel_master, "mymaster");
}
END_TEST

START_TEST(a_url_says_all_of_it)
{
	given.boot.host = "not this one";
	given.boot.url = "rediss://park%40ing:se%3Acret@redis.example:7000/2?timeout=1s";
	ck_assert(merge()->tls);
	ck_assert_str_eq(merge()->host, "redis.example");
	ck_assert_int_eq(merge()->port, 7000);
	ck_assert_int_eq(merge()->database, 2);
	ck_assert_str_eq(merge()->username, "park@ing");
	ck_assert_str_eq(merge()->password, "se:cret");
	given.boot.url = "redis://only-a-password@[::1]";
	ck_assert(!merge()->tls);
	ck_assert_str_eq(merge()->host, "::1");
	ck_assert_int_eq(merge()->port, 6379);
	ck_assert_ptr_null(merge()->username);
	ck_assert_str_eq(merge()->password, "only-a-password");
}
END_TEST

START_TEST(a_url_that_is_none_is_refused_with_its_form)
{
	static const char *const bad[] = {"http://host", "redis://host:port", "redis://host:70000",
	    "redis://host/x", "redis://", "redis://user:word@", NULL};
	char long_one[RV__REDIS_URL_MAX + 16];

	memset(long_one, 'x', sizeof long_one - 1);
	long_one[sizeof long_one - 1] = '\0';
	for (const char *const *url = bad; *url; url++) {
		given.boot.url = *url;
		ck_assert_msg(rv__redis_settings_merge(&given, &merged, &error) == RV_E_CONFIG, "%s", *url);
		ck_assert_ptr_nonnull(strstr(error.text, "redis://user:password@host:port/database"));
		ck_assert_ptr_null(strstr(error.text, "user:word"));
	}
	given.boot.url = long_one;
	ck_assert_int_eq(rv__redis_settings_merge(&given, &merged, &error), RV_E_CONFIG);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {without_a_word_of_boot_nothing_changes,
	    host_port_user_and_database_come_from_boot, a_port_alone_means_this_machine,
	    the_binder_s_own_place_wins_as_a_whole, sentinels_and_cluster_choose_the_mode,
	    a_url_says_all_of_it, a_url_that_is_none_is_refused_with_its_form, NULL};

	return unit_run("redis_boot", cases, setup, NULL);
}
