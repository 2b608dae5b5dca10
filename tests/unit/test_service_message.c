/* SPDX-License-Identifier: Apache-2.0 */
/* parking-message: what arrives on its channels stands in its log, word for word. */
#include "message.h"

#include <rivulet/test.h>

#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static rv_test *test;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[64 * 1024]; /* all log lines */
static size_t used;

static void keep_line(rv_log_level level, const char *topic, const char *line, void *arg)
{
	(void)level;
	(void)topic;
	(void)arg;
	pthread_mutex_lock(&lock);
	used += (size_t)snprintf(seen + used, sizeof seen - used, "%s\n", line);
	ck_assert_uint_lt(used, sizeof seen);
	pthread_mutex_unlock(&lock);
}

static bool was_logged(const char *words)
{
	bool found;

	pthread_mutex_lock(&lock);
	found = strstr(seen, words) != NULL;
	pthread_mutex_unlock(&lock);
	return found;
}

static void setup(void)
{
	static const char *const properties[] = {
	    "spring.cloud.stream.bindings.input.destination=park-pay-topic",
	    "spring.cloud.stream.bindings.input.content-type=text/plain",
	    "spring.cloud.stream.bindings.input.group=park-pay-group", NULL};
	struct rv_error error;

	seen[0] = '\0';
	used = 0;
	rv_log_set_sink(keep_line, NULL);
	test = rv_test_start(message_declare, NULL, properties, &error);
	ck_assert_msg(test != NULL, "%s", error.text);
}

static void teardown(void)
{
	ck_assert_int_eq(rv_test_stop(test), 0);
	rv_log_set_sink(NULL, NULL);
}

static void put(const char *channel, rv_message *message)
{
	struct rv_error error;

	ck_assert_msg(rv_test_put(test, channel, message, &error) == RV_OK, "%s", error.text);
	rv_message_unref(message);
	ck_assert_int_eq(rv_test_settlement(test, channel, 30000), RV_SETTLED_ACK);
}

START_TEST(a_notice_is_logged_with_the_binder_in_use)
{
	put("input",
	    rv_message_create_json("{s:s, s:s}", "mcontent", "这是第一个消息测试.", "mtype", "支付消息"));
	WAIT_UNTIL(30000,
	    was_logged("Receive input msg = {\"mcontent\":\"这是第一个消息测试.\",\"mtype\":"
	               "\"支付消息\"} by Memory..."));
	ck_assert(was_logged("consume "));
	ck_assert(was_logged(" cost: "));
}
END_TEST

START_TEST(the_second_channel_is_heard_too)
{
	put("input1", rv_message_create_text("second"));
	WAIT_UNTIL(30000, was_logged("Receive input1 msg = second by Memory..."));
}
END_TEST

START_TEST(a_payload_cannot_forge_log_lines)
{
	put("input", rv_message_create("a\n2026-01-01 ERROR forged\0b", 27));
	WAIT_UNTIL(30000, was_logged("Receive input msg = a"));
	ck_assert(!was_logged("\n2026-01-01 ERROR forged"));
	ck_assert(was_logged("b by Memory..."));
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_notice_is_logged_with_the_binder_in_use,
	    the_second_channel_is_heard_too, a_payload_cannot_forge_log_lines, NULL};

	return unit_run("service_message", cases, setup, teardown);
}
