/* SPDX-License-Identifier: Apache-2.0 */
/* Pulling, holding, groups, offsets, locks, retries and delays. */
#include "tests/support/unit.h"
#include "tests/wire/wire_kit.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "remoting/heartbeat.h"
#include "remoting/queue.h"

static struct wire_client client, other;

static void setup(void)
{
	wire_setup();
	wire_settings.delay_levels = "1s 1m 1s 1s";
	wire_open();
	wire_connect(&client, wire_port());
	wire_connect(&other, wire_port());
}

static void teardown(void)
{
	wire_disconnect(&client);
	wire_disconnect(&other);
	wire_teardown();
}

/* -- pulls -------------------------------------------------------------------------------------------------- */

static void check_pull_fields(int64_t next, int64_t min, int64_t max)
{
	ck_assert_int_eq(wire_number(&client, "suggestWhichBrokerId"), 0);
	ck_assert_int_eq(wire_number(&client, "nextBeginOffset"), next);
	ck_assert_int_eq(wire_number(&client, "minOffset"), min);
	ck_assert_int_eq(wire_number(&client, "maxOffset"), max);
}

START_TEST(every_answer_to_a_pull_has_its_four_fields)
{
	for (int i = 0; i < 3; i++)
		wire_send_message(&client, "T", 0, "TAGS\x01TagA", "x");
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 0, 0, "*"), RV__RSP_SUCCESS);
	check_pull_fields(3, 0, 3);
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 0, 0, "TagB"), RV__RSP_PULL_RETRY_IMMEDIATELY);
	check_pull_fields(3, 0, 3);
	ck_assert_str_eq(wire_remark(&client), "NO_MATCHED_MESSAGE");
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 3, 0, "*"), RV__RSP_PULL_NOT_FOUND);
	check_pull_fields(3, 0, 3);
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 9, 0, "*"), RV__RSP_PULL_OFFSET_MOVED);
	check_pull_fields(3, 0, 3);
	ck_assert_int_eq(wire_pull(&client, "G", "T", 1, 5, 0, "*"), RV__RSP_PULL_OFFSET_MOVED);
	check_pull_fields(0, 0, 0);
	ck_assert_int_eq(wire_pull(&client, "G", "Nobody", 0, 0, 0, "*"), RV__RSP_TOPIC_NOT_EXIST);
	check_pull_fields(0, 0, 0);
	ck_assert_int_eq(wire_pull(&client, "G", "T", 99, 0, 0, "*"), RV__RSP_SYSTEM_ERROR);
	check_pull_fields(0, 0, 0);
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 1, 0, " || "), RV__RSP_SUBSCRIPTION_PARSE_FAILED);
	check_pull_fields(1, 0, 3);
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 1, 0, NULL), RV__RSP_SUBSCRIPTION_NOT_EXIST);
	check_pull_fields(1, 0, 3);
}
END_TEST

START_TEST(a_pull_takes_only_the_tags_it_asks_for)
{
	wire_send_message(&client, "T", 0, "TAGS\x01TagA", "a");
	wire_send_message(&client, "T", 0, "TAGS\x01TagB", "b");
	wire_send_message(&client, "T", 0, "", "none");
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 0, 0, "TagB || TagC"), RV__RSP_SUCCESS);
	ck_assert_uint_eq(wire_record_count(&client), 1);
	ck_assert_mem_eq(wire_record(&client, 0).body, "b", 1);
	check_pull_fields(3, 0, 3);
}
END_TEST

START_TEST(lite_pull_is_a_pull)
{
	wire_send_message(&client, "T", 0, "", "x");
	wire_begin(&client, RV__REQ_LITE_PULL_MESSAGE);
	rv__command_add_text(&client.writer, "consumerGroup", "G");
	rv__command_add_text(&client.writer, "topic", "T");
	rv__command_add_text(&client.writer, "queueId", "0");
	rv__command_add_text(&client.writer, "queueOffset", "0");
	rv__command_add_text(&client.writer, "maxMsgNums", "10");
	rv__command_add_text(&client.writer, "sysFlag", "22");
	rv__command_add_text(&client.writer, "commitOffset", "0");
	rv__command_add_text(&client.writer, "suspendTimeoutMillis", "20000");
	rv__command_add_text(&client.writer, "subscription", "*");
	rv__command_add_text(&client.writer, "subVersion", "0");
	rv__command_add_text(&client.writer, "maxMsgBytes", "2147483647");
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_SUCCESS);
	ck_assert_uint_eq(wire_record_count(&client), 1);
}
END_TEST

START_TEST(a_held_pull_wakes_for_its_tag_and_for_no_other)
{
	wire_send_message(&client, "T", 0, "", "first");
	wire_start_pull(&client, "G", "T", 0, 1, 120000, "TagA");
	ck_assert_int_eq(wire_send_message(&other, "T", 0, "TAGS\x01TagB", "not this"), RV__RSP_SUCCESS);
	ck_assert(!wire_receive(&client, 200));
	ck_assert_int_eq(wire_send_message(&other, "T", 0, "TAGS\x01TagA", "this"), RV__RSP_SUCCESS);
	/* Long before the two minutes that it would be held. */
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	ck_assert_int_eq(client.command.code, RV__RSP_SUCCESS);
	ck_assert_mem_eq(wire_record(&client, 0).body, "this", 4);
	check_pull_fields(3, 0, 3);
	ck_assert(!wire_receive(&client, 100));
}
END_TEST

START_TEST(a_held_pull_is_answered_when_its_time_is_over)
{
	int64_t began_ms = rv__monotonic_ms();

	wire_send_message(&client, "T", 0, "", "x");
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 1, 500, "*"), RV__RSP_PULL_NOT_FOUND);
	ck_assert_int_ge(rv__monotonic_ms() - began_ms, 500);
	check_pull_fields(1, 0, 1);
}
END_TEST

START_TEST(a_client_that_leaves_takes_its_held_pulls_along)
{
	struct wire_client third;

	wire_send_message(&client, "T", 0, "", "x");
	wire_connect(&third, wire_port());
	wire_start_pull(&third, "G", "T", 0, 1, 15000, "*");
	wire_disconnect(&third);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(wire_send_message(&client, "T", 0, "", "y"), RV__RSP_SUCCESS);
}
END_TEST

START_TEST(held_pulls_survive_the_growth_of_their_topic)
{
	wire_send_message(&client, "T", 0, "", "x");
	wire_start_pull(&client, "G", "T", 0, 1, 120000, "*");
	for (int queue = 1; queue < 4; queue++)
		wire_send_message(&other, "T", queue, "", "elsewhere");
	ck_assert_int_eq(wire_send_message(&other, "T", 0, "", "here"), RV__RSP_SUCCESS);
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	ck_assert_mem_eq(wire_record(&client, 0).body, "here", 4);
}
END_TEST

/* -- groups --------------------------------------------------------------------------------------------------- */

static void expect_notice(struct wire_client *member)
{
	ck_assert(wire_receive(member, WIRE_WAIT_MS));
	ck_assert_int_eq(member->command.code, RV__REQ_NOTIFY_CONSUMER_IDS_CHANGED);
	ck_assert_int_eq(member->command.flag, RV__FLAG_ONEWAY);
	ck_assert(wire_field_is(member, "consumerGroup", "CG"));
}

START_TEST(members_come_and_go_and_all_are_told)
{
	struct rv__consumer_list list;

	/* The heartbeat's own answer follows the notice, which wire_call() skips: the second member's is seen by the first. */
	ck_assert_int_eq(wire_heartbeat(&client, "one", "CG", "T", "*", 1), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_heartbeat(&other, "two", "CG", "T", "*", 1), RV__RSP_SUCCESS);
	expect_notice(&client);
	wire_begin(&client, RV__REQ_GET_CONSUMER_LIST_BY_GROUP);
	rv__command_add_text(&client.writer, "consumerGroup", "CG");
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_SUCCESS);
	ck_assert_int_eq(
	    rv__consumer_list_decode(client.command.body, client.command.body_length, &list, NULL), RV_OK);
	ck_assert_uint_eq(list.count, 2);
	rv__consumer_list_finish(&list);
	wire_disconnect(&other);
	expect_notice(&client);
	wire_connect(&other, wire_port());
	wire_begin(&client, RV__REQ_UNREGISTER_CLIENT);
	rv__command_add_text(&client.writer, "clientID", "one");
	rv__command_add_text(&client.writer, "consumerGroup", "CG");
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_SUCCESS);
	wire_begin(&client, RV__REQ_GET_CONSUMER_LIST_BY_GROUP);
	rv__command_add_text(&client.writer, "consumerGroup", "CG");
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_SYSTEM_ERROR);
}
END_TEST

START_TEST(the_newest_member_is_told_too_and_a_repeated_heartbeat_tells_nobody)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	struct rv__subscription subscription = {.topic = "T", .version = 1};
	struct rv__heartbeat_consumer consumer = {.group = "CG",
	    .consume_type = "CONSUME_PASSIVELY",
	    .message_model = "CLUSTERING",
	    .consume_from_where = "CONSUME_FROM_LAST_OFFSET",
	    .subscriptions = &subscription,
	    .subscription_count = 1};
	struct rv__heartbeat heartbeat = {.client_id = "one", .consumers = &consumer, .consumer_count = 1};

	rv__heartbeat_encode(&body, &heartbeat);
	wire_begin(&client, RV__REQ_HEART_BEAT);
	wire_send(&client, body.bytes, body.length);
	expect_notice(&client);
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	ck_assert(rv__command_is_response(&client.command));
	wire_begin(&client, RV__REQ_HEART_BEAT);
	ck_assert_int_eq(wire_call(&client, body.bytes, body.length), RV__RSP_SUCCESS);
	ck_assert(!wire_receive(&client, 100));
	rv__buffer_finish(&body);
}
END_TEST

START_TEST(a_pull_with_a_newer_subscription_than_the_heartbeat_is_25)
{
	wire_send_message(&client, "T", 0, "TAGS\x01TagA", "x");
	wire_heartbeat(&client, "one", "CG", "T", "TagA", 4);
	ck_assert_int_eq(wire_pull(&client, "CG", "T", 0, 0, 0, NULL), RV__RSP_SUBSCRIPTION_NOT_LATEST);
	wire_heartbeat(&client, "one", "CG", "T", "TagA", 5);
	ck_assert_int_eq(wire_pull(&client, "CG", "T", 0, 0, 0, NULL), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "CG", "Other", 0, 0, 0, NULL), RV__RSP_TOPIC_NOT_EXIST);
}
END_TEST

/* -- offsets ---------------------------------------------------------------------------------------------------- */

static int query_offset(const char *group, int queue)
{
	wire_begin(&client, RV__REQ_QUERY_CONSUMER_OFFSET);
	rv__command_add_text(&client.writer, "consumerGroup", group);
	rv__command_add_text(&client.writer, "topic", "T");
	rv__command_add_i64(&client.writer, "queueId", queue);
	return wire_call(&client, NULL, 0);
}

static void commit_offset(const char *group, int queue, int64_t offset)
{
	wire_begin(&client, RV__REQ_UPDATE_CONSUMER_OFFSET);
	rv__command_add_text(&client.writer, "consumerGroup", group);
	rv__command_add_text(&client.writer, "topic", "T");
	rv__command_add_i64(&client.writer, "queueId", queue);
	rv__command_add_i64(&client.writer, "commitOffset", offset);
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_SUCCESS);
}

static void expect_offset(const char *group, int64_t offset)
{
	ck_assert_int_eq(query_offset(group, 0), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_number(&client, "offset"), offset);
}

START_TEST(a_new_group_on_a_young_queue_starts_at_the_first_message)
{
	for (int i = 0; i < 3; i++)
		wire_send_message(&client, "T", 0, "", "x");
	expect_offset("New", 0);
}
END_TEST

START_TEST(offsets_of_a_live_group_only_grow_and_never_pass_the_end)
{
	for (int i = 0; i < 10; i++)
		wire_send_message(&client, "T", 0, "", "x");
	wire_heartbeat(&client, "one", "CG", "T", "*", 1);
	commit_offset("CG", 0, 7);
	expect_offset("CG", 7);
	commit_offset("CG", 0, 3);
	expect_offset("CG", 7);
	commit_offset("CG", 0, 11);
	expect_offset("CG", 7);
	commit_offset("CG", 0, 10);
	expect_offset("CG", 10);
}
END_TEST

START_TEST(a_group_without_members_may_be_set_back)
{
	for (int i = 0; i < 10; i++)
		wire_send_message(&client, "T", 0, "", "x");
	commit_offset("Idle", 0, 7);
	commit_offset("Idle", 0, 2);
	expect_offset("Idle", 2);
}
END_TEST

START_TEST(a_reset_is_told_to_the_members_and_sets_back)
{
	struct rv__queues queues;

	for (int i = 0; i < 10; i++)
		wire_send_message(&client, "T", 0, "", "x");
	wire_heartbeat(&other, "two", "CG", "T", "*", 1);
	commit_offset("CG", 0, 9);
	wire_begin(&client, RV__REQ_INVOKE_BROKER_TO_RESET_OFFSET);
	rv__command_add_text(&client.writer, "topic", "T");
	rv__command_add_text(&client.writer, "group", "CG");
	rv__command_add_text(&client.writer, "timestamp", "0");
	rv__command_add_text(&client.writer, "isForce", "true");
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_SUCCESS);
	expect_offset("CG", 0);
	ck_assert(wire_receive(&other, WIRE_WAIT_MS));
	ck_assert_int_eq(other.command.code, RV__REQ_RESET_CONSUMER_CLIENT_OFFSET);
	ck_assert_int_eq(
	    rv__offset_table_decode(other.command.body, other.command.body_length, &queues, NULL), RV_OK);
	ck_assert_uint_eq(queues.count, 4);
	rv__queues_finish(&queues);
	/* What a member had on its way is not lost in the other direction. */
	commit_offset("CG", 0, 9);
	commit_offset("CG", 0, 1);
	expect_offset("CG", 1);
}
END_TEST

START_TEST(offsets_are_there_after_a_restart)
{
	for (int i = 0; i < 10; i++)
		wire_send_message(&client, "T", 0, "", "x");
	commit_offset("CG", 0, 6);
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	expect_offset("CG", 6);
}
END_TEST

/* -- locks --------------------------------------------------------------------------------------------------------- */

static size_t lock_queues(struct wire_client *who, const char *client_id, int from, int to)
{
	struct rv__message_queue queues[16];
	struct rv__buffer body = RV__BUFFER_INIT(0);
	struct rv__queues locked;
	size_t count = 0;

	for (int i = from; i < to; i++)
		queues[count++] = (struct rv__message_queue){.topic = "T", .broker = "broker-a", .id = i};
	rv__lock_request_encode(&body, client_id, "CG", queues, count);
	wire_begin(who, RV__REQ_LOCK_BATCH_MQ);
	ck_assert_int_eq(wire_call(who, body.bytes, body.length), RV__RSP_SUCCESS);
	rv__buffer_finish(&body);
	ck_assert_int_eq(
	    rv__lock_answer_decode(who->command.body, who->command.body_length, &locked, NULL), RV_OK);
	count = locked.count;
	rv__queues_finish(&locked);
	return count;
}

START_TEST(a_queue_is_locked_by_one_client_until_it_lets_go)
{
	struct rv__message_queue queue = {.topic = "T", .broker = "broker-a", .id = 0};
	struct rv__buffer body = RV__BUFFER_INIT(0);

	wire_heartbeat(&client, "one", "CG", "T", "*", 1);
	wire_heartbeat(&other, "two", "CG", "T", "*", 1);
	ck_assert_uint_eq(lock_queues(&client, "one", 0, 2), 2);
	ck_assert_uint_eq(lock_queues(&client, "one", 0, 2), 2);
	ck_assert_uint_eq(lock_queues(&other, "two", 0, 3), 1);
	rv__lock_request_encode(&body, "one", "CG", &queue, 1);
	wire_begin(&client, RV__REQ_UNLOCK_BATCH_MQ);
	ck_assert_int_eq(wire_call(&client, body.bytes, body.length), RV__RSP_SUCCESS);
	rv__buffer_finish(&body);
	ck_assert_uint_eq(lock_queues(&other, "two", 0, 3), 2);
}
END_TEST

START_TEST(the_lock_of_a_client_that_left_is_free)
{
	wire_heartbeat(&client, "one", "CG", "T", "*", 1);
	wire_heartbeat(&other, "two", "CG", "T", "*", 1);
	ck_assert_uint_eq(lock_queues(&client, "one", 0, 1), 1);
	ck_assert_uint_eq(lock_queues(&other, "two", 0, 1), 0);
	wire_disconnect(&client);
	ck_assert(wire_receive(&other, WIRE_WAIT_MS)); /* the notice that the group has changed */
	ck_assert_uint_eq(lock_queues(&other, "two", 0, 1), 1);
	wire_connect(&client, wire_port());
}
END_TEST

START_TEST(a_lock_that_is_not_renewed_expires)
{
	int64_t began_ms;
	size_t others;
	int queue = -1;

	wire_settings.lock_live_ms = 1000;
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	wire_heartbeat(&client, "one", "CG", "T", "*", 1);
	/* That it holds can be seen within its time only: where the machine hangs meanwhile, another queue is asked. */
	do {
		queue++;
		began_ms = rv__monotonic_ms();
		ck_assert_uint_eq(lock_queues(&client, "one", queue, queue + 1), 1);
		others = lock_queues(&client, "two", queue, queue + 1);
	} while (rv__monotonic_ms() - began_ms >= wire_settings.lock_live_ms);
	ck_assert_uint_eq(others, 0);
	ck_assert(!wire_receive(&client, 1100));
	ck_assert_uint_eq(lock_queues(&client, "two", queue, queue + 1), 1);
}
END_TEST

/* -- retries, dead letters, delays ------------------------------------------------------------------------------------ */

static int send_back(int64_t offset, int level, int most)
{
	wire_begin(&client, RV__REQ_CONSUMER_SEND_MSG_BACK);
	rv__command_add_i64(&client.writer, "offset", offset);
	rv__command_add_text(&client.writer, "group", "CG");
	rv__command_add_i64(&client.writer, "delayLevel", level);
	rv__command_add_text(&client.writer, "originTopic", "T");
	rv__command_add_i64(&client.writer, "maxReconsumeTimes", most);
	return wire_call(&client, NULL, 0);
}

static void expect_property(const struct rv__record *record, const char *name, const char *expected)
{
	size_t length = 0;
	const char *value = rv__properties_get(record->properties, record->properties_length, name, &length);

	ck_assert_msg(value && length == strlen(expected) && memcmp(value, expected, length) == 0, "%s=%.*s",
	    name, (int)length, value ? value : "");
}

START_TEST(a_message_sent_back_comes_again_after_its_delay)
{
	int64_t began_ms = rv__monotonic_ms(), offset;
	struct rv__record record;

	wire_send_message(&client, "T", 0, "TAGS\x01TagA", "again");
	wire_pull(&client, "CG", "T", 0, 0, 0, "*");
	offset = wire_record(&client, 0).physical_offset;
	ck_assert_int_eq(send_back(offset, 1, 16), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "CG", "%RETRY%CG", 0, 0, 20000, "*"), RV__RSP_SUCCESS);
	ck_assert_int_ge(rv__monotonic_ms() - began_ms, 1000);
	record = wire_record(&client, 0);
	ck_assert_int_eq(record.reconsume_times, 1);
	ck_assert_mem_eq(record.body, "again", 5);
	expect_property(&record, "RETRY_TOPIC", "T");
	expect_property(&record, "TAGS", "TagA");
	expect_property(&record, "REAL_TOPIC", "%RETRY%CG");
	expect_property(&record, "DELAY", "1");
	/* Once more: the properties stay, the count goes on. */
	ck_assert_int_eq(send_back(record.physical_offset, 1, 16), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "CG", "%RETRY%CG", 0, 1, 20000, "*"), RV__RSP_SUCCESS);
	record = wire_record(&client, 0);
	ck_assert_int_eq(record.reconsume_times, 2);
	expect_property(&record, "RETRY_TOPIC", "T");
}
END_TEST

START_TEST(a_message_tried_often_enough_or_rejected_is_a_dead_letter)
{
	struct rv__record record;
	int64_t offset;

	wire_send_message(&client, "T", 0, "", "dead");
	wire_pull(&client, "CG", "T", 0, 0, 0, "*");
	offset = wire_record(&client, 0).physical_offset;
	ck_assert_int_eq(send_back(offset, -1, 16), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "Reader", "%DLQ%CG", 0, 0, 20000, "*"), RV__RSP_SUCCESS);
	ck_assert_int_eq(send_back(offset, 0, 0), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "Reader", "%DLQ%CG", 0, 1, 20000, "*"), RV__RSP_SUCCESS);
	record = wire_record(&client, 0);
	ck_assert_mem_eq(record.body, "dead", 4);
	expect_property(&record, "RETRY_TOPIC", "T");
	ck_assert_int_eq(send_back(123456, 1, 16), RV__RSP_SYSTEM_ERROR);
}
END_TEST

START_TEST(a_delayed_message_comes_when_it_is_due_and_not_before)
{
	int64_t began_ms = rv__monotonic_ms();
	struct rv__record record;

	ck_assert_int_eq(wire_send_message(&client, "T", 2,
	                     "DELAY\x01"
	                     "1\x02TAGS\x01TagA",
	                     "later"),
	    RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "G", "T", 2, 0, 20000, "TagA"), RV__RSP_SUCCESS);
	ck_assert_int_ge(rv__monotonic_ms() - began_ms, 1000);
	record = wire_record(&client, 0);
	ck_assert_mem_eq(record.body, "later", 5);
	ck_assert_int_eq(record.queue_id, 2);
	expect_property(&record, "REAL_TOPIC", "T");
	/* And once only. */
	ck_assert_int_eq(wire_pull(&client, "G", "T", 2, 1, 1500, "*"), RV__RSP_PULL_NOT_FOUND);
}
END_TEST

START_TEST(a_delayed_message_survives_a_restart)
{
	ck_assert_int_eq(wire_send_message(&client, "T", 0,
	                     "DELAY\x01"
	                     "1",
	                     "later"),
	    RV__RSP_SUCCESS);
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 0, 20000, "*"), RV__RSP_SUCCESS);
	ck_assert_mem_eq(wire_record(&client, 0).body, "later", 5);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {every_answer_to_a_pull_has_its_four_fields,
	    a_pull_takes_only_the_tags_it_asks_for, lite_pull_is_a_pull,
	    a_held_pull_wakes_for_its_tag_and_for_no_other, a_held_pull_is_answered_when_its_time_is_over,
	    a_client_that_leaves_takes_its_held_pulls_along, held_pulls_survive_the_growth_of_their_topic,
	    members_come_and_go_and_all_are_told,
	    the_newest_member_is_told_too_and_a_repeated_heartbeat_tells_nobody,
	    a_pull_with_a_newer_subscription_than_the_heartbeat_is_25,
	    a_new_group_on_a_young_queue_starts_at_the_first_message,
	    offsets_of_a_live_group_only_grow_and_never_pass_the_end, a_group_without_members_may_be_set_back,
	    a_reset_is_told_to_the_members_and_sets_back, offsets_are_there_after_a_restart,
	    a_queue_is_locked_by_one_client_until_it_lets_go, the_lock_of_a_client_that_left_is_free,
	    a_lock_that_is_not_renewed_expires, a_message_sent_back_comes_again_after_its_delay,
	    a_message_tried_often_enough_or_rejected_is_a_dead_letter,
	    a_delayed_message_comes_when_it_is_due_and_not_before, a_delayed_message_survives_a_restart,
	    NULL};

	return unit_run("wire_consume", cases, setup, teardown);
}
