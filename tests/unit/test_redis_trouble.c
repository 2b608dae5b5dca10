/* SPDX-License-Identifier: Apache-2.0 */
/* What an error reply of Redis asks for, and that whoever reads of it learns what to do. */
#include "binder/redis/client.h"

#include "base/numbers.h"
#include "tests/support/unit.h"

/* In place of choose.c, and of all that it needs: no reply here leads elsewhere. */
bool rv__redis_endpoint_parse(
    const char *text, size_t length, uint16_t default_port, struct rv__redis_endpoint *endpoint)
{
	(void)text;
	(void)length;
	(void)default_port;
	(void)endpoint;
	return false;
}

static const struct {
	const char *reply;
	enum rv__redis_trouble trouble;
	const char *cure;
} replies[] = {
    {"NOPERM this user has no permissions to run the 'xadd' command", RV__REDIS_DENIED, "allow the ACL user"},
    {"ERR The user executing the script can't run this command or subcommand script: 1", RV__REDIS_DENIED,
        "allow the ACL user"},
    {"ERR DB index is out of range", RV__REDIS_REFUSED, "redis.binder.database"},
    {"UNBLOCKED the stream key no longer exists", RV__REDIS_ELSEWHERE, "the stream was deleted"},
    {"ERR AUTH <password> called without any password configured", RV__REDIS_DENIED, "redis.binder.password"},
};

START_TEST(an_error_reply_comes_with_its_cure)
{
	struct rv_error why;
	struct rv_span text = {replies[_i].reply, strlen(replies[_i].reply)};

	ck_assert_int_eq(rv__redis_trouble_of(text, "127.0.0.1:1", &why), replies[_i].trouble);
	ck_assert_msg(strstr(why.text, replies[_i].cure) != NULL, "%s", why.text);
	ck_assert_int_gt(why.number, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("redis_trouble");
	TCase *group = tcase_create("redis_trouble");

	tcase_add_loop_test(group, an_error_reply_comes_with_its_cure, 0, sizeof replies / sizeof *replies);
	suite_add_tcase(suite, group);
	return unit_run_suite(suite);
}
