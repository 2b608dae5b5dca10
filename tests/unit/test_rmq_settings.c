/* SPDX-License-Identifier: Apache-2.0 */
/* Old and new names of one setting: each works, both together agree or are named. */
#include "binder/rocketmq/settings.h"

#include <string.h>
#include <time.h>

#include "binder/rocketmq/binder.h"
#include "tests/support/binder_kit.h"
#include "tests/support/unit.h"

static struct rv_error why;

static rv_err consumer(struct rv__rmq_consumer_plan *plan, const char *const *lines)
{
	void *settings = kit_settings(&rv__rocketmq_binder.consumer_props, lines, &why);
	rv_err result = settings ? rv__rmq_consumer_plan(settings, "input", plan, &why) : why.code;

	free(settings);
	return result;
}

static rv_err producer(struct rv__rmq_producer_plan *plan, const char *const *lines)
{
	void *settings = kit_settings(&rv__rocketmq_binder.producer_props, lines, &why);
	rv_err result = settings ? rv__rmq_producer_plan(settings, "output", plan, &why) : why.code;

	free(settings);
	return result;
}

#define LINES(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

START_TEST(defaults_are_those_of_the_documentation)
{
	struct rv__rmq_consumer_plan in = {0};
	struct rv__rmq_producer_plan out = {0};

	ck_assert_int_eq(consumer(&in, NULL), RV_OK);
	ck_assert_str_eq(in.expression, "*");
	ck_assert(!in.orderly && !in.broadcasting && !in.sql);
	ck_assert_int_eq(in.suspend_ms, 1000);
	ck_assert_int_eq(in.max_reconsume, -1);
	ck_assert_int_eq(in.from, RV__RMQ_FROM_FIRST);
	ck_assert_int_eq(in.pull_batch, 32);
	ck_assert_int_eq(producer(&out, NULL), RV_OK);
	ck_assert_int_eq(out.type, RV__RMQ_SEND_SYNC);
	ck_assert(!out.queued_is_sent);
	ck_assert_int_eq(out.timeout_ms, 0); /* the core's */
	ck_assert_int_eq(out.compress_threshold, 4096);
	ck_assert_int_eq(out.retries, 2);
}
END_TEST

START_TEST(old_names_of_a_consumer_work)
{
	struct rv__rmq_consumer_plan plan = {0};

	ck_assert_int_eq(consumer(&plan,
	                     LINES("orderly=true", "tags=a || b", "broadcasting=true",
	                         "delayLevelWhenNextConsume=-1", "suspendCurrentQueueTimeMillis=50")),
	    RV_OK);
	ck_assert(plan.orderly && plan.broadcasting);
	ck_assert_int_eq(plan.delay_level, -1);
	ck_assert_int_eq(plan.suspend_ms, 50);
	ck_assert_int_eq(consumer(&plan, LINES("sql=a > 1")), RV_OK);
	ck_assert(plan.sql);
}
END_TEST

START_TEST(new_names_of_a_consumer_work)
{
	struct rv__rmq_consumer_plan plan = {0};

	ck_assert_int_eq(consumer(&plan,
	                     LINES("push.orderly=true", "messageModel=BROADCASTING",
	                         "push.delayLevelWhenNextConsume=4", "push.maxReconsumeTimes=3",
	                         "consumeFromWhere=CONSUME_FROM_LAST_OFFSET", "pullBatchSize=10")),
	    RV_OK);
	ck_assert(plan.orderly && plan.broadcasting);
	ck_assert_int_eq(plan.delay_level, 4);
	ck_assert_int_eq(plan.max_reconsume, 3);
	ck_assert_int_eq(plan.from, RV__RMQ_FROM_LAST);
	ck_assert_int_eq(plan.pull_batch, 10);
	ck_assert_int_eq(consumer(&plan, LINES("subscription=sql:a = 'x'")), RV_OK);
	ck_assert(plan.sql);
}
END_TEST

START_TEST(names_of_a_producer_work_in_both_styles)
{
	struct rv__rmq_producer_plan plan = {0};

	ck_assert_int_eq(producer(&plan,
	                     LINES("group=park-pay-group-user-ouput", "sync=true", "sendMessageTimeout=500",
	                         "compressMessageBodyThreshold=100", "retryNextServer=true")),
	    RV_OK);
	ck_assert(!plan.queued_is_sent && plan.retry_not_stored);
	ck_assert_int_eq(plan.timeout_ms, 500);
	ck_assert_int_eq(plan.compress_threshold, 100);
	ck_assert_int_eq(
	    producer(
	        &plan, LINES("sendType=oneway", "sendMsgTimeout=700", "retryTimesWhenSendAsyncFailed=5")),
	    RV_OK);
	ck_assert_int_eq(plan.type, RV__RMQ_SEND_ONEWAY);
	ck_assert(plan.queued_is_sent);
	ck_assert_int_eq(plan.timeout_ms, 700);
	ck_assert_int_eq(plan.retries, 5);
	ck_assert_int_eq(producer(&plan, LINES("sync=false")), RV_OK);
	ck_assert_int_eq(plan.type, RV__RMQ_SEND_ASYNC);
}
END_TEST

START_TEST(both_names_may_say_the_same)
{
	struct rv__rmq_consumer_plan in = {0};
	struct rv__rmq_producer_plan out = {0};

	ck_assert_int_eq(consumer(&in,
	                     LINES("orderly=true", "push.orderly=true", "tags=a", "subscription=a",
	                         "broadcasting=false", "message-model=clustering")),
	    RV_OK);
	ck_assert_int_eq(
	    producer(&out, LINES("sync=true", "sendType=Sync", "sendMessageTimeout=9", "sendMsgTimeout=9")),
	    RV_OK);
}
END_TEST

static void expect_contradiction(rv_err result, const char *one, const char *other)
{
	ck_assert_int_eq(result, RV_E_CONFIG);
	ck_assert_msg(strstr(why.text, one) && strstr(why.text, other), "%s", why.text);
}

START_TEST(contradictions_name_both_keys)
{
	struct rv__rmq_consumer_plan in = {0};
	struct rv__rmq_producer_plan out = {0};

	expect_contradiction(
	    consumer(&in, LINES("orderly=true", "push.orderly=false")), "orderly", "push.orderly");
	expect_contradiction(consumer(&in, LINES("tags=a", "subscription=b")), "tags", "subscription");
	expect_contradiction(consumer(&in, LINES("sql=a", "tags=b")), "sql", "tags");
	expect_contradiction(consumer(&in, LINES("broadcasting=true", "message-model=CLUSTERING")),
	    "broadcasting", "message-model");
	expect_contradiction(producer(&out, LINES("sync=true", "sendType=Async")), "sync", "send-type");
	expect_contradiction(producer(&out, LINES("sync=false", "sendType=Sync")), "sync", "send-type");
	expect_contradiction(producer(&out, LINES("sendMessageTimeout=1", "sendMsgTimeout=2")),
	    "send-message-timeout", "send-msg-timeout");
}
END_TEST

START_TEST(what_is_not_offered_is_refused)
{
	struct rv__rmq_producer_plan out = {0};
	struct rv__rmq_consumer_plan in = {0};

	ck_assert_int_eq(producer(&out, LINES("transactional=true")), RV_E_CONFIG);
	ck_assert_int_eq(producer(&out, LINES("producerType=Trans")), RV_E_CONFIG);
	ck_assert_int_eq(producer(&out, LINES("useTLS=true")), RV_E_CONFIG);
	ck_assert_int_eq(producer(&out, LINES("sendType=Sometimes")), RV_E_CONFIG);
	ck_assert_int_eq(consumer(&in, LINES("consumeTimestamp=yesterday")), RV_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(why.text, "yyyyMMddHHmmss"));
}
END_TEST

START_TEST(a_timestamp_is_local_time)
{
	struct tm parts = {
	    .tm_year = 126, .tm_mon = 10, .tm_mday = 22, .tm_hour = 13, .tm_min = 45, .tm_isdst = -1};
	int64_t ms;

	ck_assert(rv__rmq_parse_timestamp("20261122134500", &ms));
	ck_assert_int_eq(ms, (int64_t)mktime(&parts) * 1000);
	ck_assert(!rv__rmq_parse_timestamp("20261322134500", &ms));
	ck_assert(!rv__rmq_parse_timestamp("2026112213450", &ms));
}
END_TEST

START_TEST(a_binding_may_only_repeat_the_binder_s_connection)
{
	const char *const here[] = {"a:1"}, *const there[] = {"b:1"};
	struct rv__rmq_common binder = {.name_server = {here, 1}}, same = {.name_server = {here, 1}},
	                      other = {.name_server = {there, 1}}, silent = {.access_key = NULL};

	ck_assert_int_eq(rv__rmq_check_common(&binder, &same, "input", "consumer", &why), RV_OK);
	ck_assert_int_eq(rv__rmq_check_common(&binder, &silent, "input", "consumer", &why), RV_OK);
	ck_assert_int_eq(rv__rmq_check_common(&binder, &other, "input", "consumer", &why), RV_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(why.text, "name-server"));
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {defaults_are_those_of_the_documentation, old_names_of_a_consumer_work,
	    new_names_of_a_consumer_work, names_of_a_producer_work_in_both_styles,
	    both_names_may_say_the_same, contradictions_name_both_keys, what_is_not_offered_is_refused,
	    a_timestamp_is_local_time, a_binding_may_only_repeat_the_binder_s_connection, NULL};

	return unit_run("rmq_settings", cases, NULL, NULL);
}
