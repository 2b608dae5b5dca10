/* SPDX-License-Identifier: Apache-2.0 */
/* What mqadmin and dashboards ask of the broker. */
#include "tests/support/unit.h"
#include "tests/wire/wire_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remoting/json_dialect.h"

static struct wire_client client, member, names;

static void setup(void)
{
	wire_setup();
	wire_open();
	wire_connect(&client, wire_port());
	wire_connect(&member, wire_port());
	wire_connect(&names, wire_name_server_port());
}

static void teardown(void)
{
	wire_disconnect(&client);
	wire_disconnect(&member);
	wire_disconnect(&names);
	wire_teardown();
}

static int ask(struct wire_client *who, int code, const char *body, const char *const *fields)
{
	wire_begin(who, code);
	for (; *fields; fields += 2)
		rv__command_add_text(&who->writer, fields[0], fields[1]);
	return wire_call(who, body, body ? strlen(body) : 0);
}

#define ASK(code, ...) ask(&client, code, NULL, (const char *const[]){__VA_ARGS__, NULL})
#define ASK_NOTHING(code) ask(&client, code, NULL, (const char *const[]){NULL})

/* The body of the last answer, which must be JSON; owned. */
static json_t *body(void)
{
	struct rv_error error;
	json_t *root = rv__json_parse(client.command.body, client.command.body_length, &error);

	ck_assert_msg(root != NULL, "%s", error.text);
	return root;
}

static bool body_holds(const char *text)
{
	return memmem(client.command.body, client.command.body_length, text, strlen(text)) != NULL;
}

static int route_code(const char *topic)
{
	return ask(&names, RV__REQ_GET_ROUTEINFO_BY_TOPIC, NULL, (const char *const[]){"topic", topic, NULL});
}

static int update_topic(const char *topic, const char *queues, const char *perm)
{
	return ASK(RV__REQ_UPDATE_AND_CREATE_TOPIC, "topic", topic, "defaultTopic", RV__TOPIC_TEMPLATE,
	    "readQueueNums", queues, "writeQueueNums", queues, "perm", perm, "topicFilterType", "SINGLE_TAG",
	    "topicSysFlag", "0", "order", "false");
}

START_TEST(a_topic_is_made_changed_and_deleted)
{
	ck_assert_int_eq(update_topic("Made", "2", "6"), RV__RSP_SUCCESS);
	ck_assert_int_eq(route_code("Made"), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_send_message(&client, "Made", 1, "", "x"), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_send_message(&client, "Made", 2, "", "x"), RV__RSP_SYSTEM_ERROR);
	ck_assert_int_eq(update_topic("Made", "3", "4"), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_send_message(&client, "Made", 2, "", "x"), RV__RSP_NO_PERMISSION);
	ck_assert_int_eq(ASK(RV__REQ_GET_TOPIC_CONFIG, "topic", "Made"), RV__RSP_SUCCESS);
	ck_assert(body_holds("\"perm\":4,\"readQueueNums\":3"));
	ck_assert_int_eq(ASK(RV__REQ_DELETE_TOPIC_IN_BROKER, "topic", "Made"), RV__RSP_SUCCESS);
	ck_assert_int_eq(route_code("Made"), RV__RSP_TOPIC_NOT_EXIST);
	ck_assert_int_eq(ASK(RV__REQ_GET_TOPIC_CONFIG, "topic", "Made"), RV__RSP_TOPIC_NOT_EXIST);
}
END_TEST

START_TEST(a_deleted_topic_ends_held_pulls_and_never_issues_an_offset_again)
{
	wire_send_message(&client, "Gone", 0, "", "old");
	wire_start_pull(&member, "G", "Gone", 0, 1, 15000, "*");
	ck_assert_int_eq(ASK(RV__REQ_DELETE_TOPIC_IN_BROKER, "topic", "Gone"), RV__RSP_SUCCESS);
	ck_assert(wire_receive(&member, WIRE_WAIT_MS));
	ck_assert_int_eq(member.command.code, RV__RSP_TOPIC_NOT_EXIST);
	ck_assert_int_eq(wire_send_message(&client, "Gone", 0, "", "new"), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_number(&client, "queueOffset"), 1);
	ck_assert_int_eq(wire_pull(&client, "G", "Gone", 0, 0, 0, "*"), RV__RSP_PULL_OFFSET_MOVED);
	ck_assert_int_eq(wire_number(&client, "nextBeginOffset"), 1);
}
END_TEST

START_TEST(system_topics_are_not_changed)
{
	ck_assert_int_eq(update_topic(RV__TOPIC_TEMPLATE, "2", "6"), RV__RSP_SYSTEM_ERROR);
	ck_assert_int_eq(
	    ASK(RV__REQ_DELETE_TOPIC_IN_BROKER, "topic", RV__TOPIC_SCHEDULE), RV__RSP_SYSTEM_ERROR);
	ck_assert_int_eq(update_topic("bad name", "2", "6"), RV__RSP_SYSTEM_ERROR);
	ck_assert_int_eq(update_topic("Many", "999999999", "6"), RV__RSP_SYSTEM_ERROR);
}
END_TEST

START_TEST(offsets_of_a_topic_are_told_by_queue)
{
	wire_send_message(&client, "T", 0, "", "x");
	wire_send_message(&client, "T", 0, "", "x");
	ck_assert_int_eq(ASK(RV__REQ_GET_TOPIC_STATS_INFO, "topic", "T"), RV__RSP_SUCCESS);
	ck_assert(body_holds("{\"offsetTable\":{{\"brokerName\":\"broker-a\",\"queueId\":0,\"topic\":\"T\"}:"
	                     "{\"lastUpdateTimestamp\":"));
	ck_assert(body_holds("\"maxOffset\":2,\"minOffset\":0}"));
	ck_assert_int_eq(ASK(RV__REQ_GET_TOPIC_STATS_INFO, "topic", "Nobody"), RV__RSP_TOPIC_NOT_EXIST);
}
END_TEST

START_TEST(a_message_is_found_by_id_and_by_key)
{
	char offset[32];

	wire_send_message(&client, "T", 0, "KEYS\x01order-1 order-2", "x");
	wire_send_message(&client, "T", 1, "KEYS\x01order-3", "found");
	snprintf(offset, sizeof(offset), "%lld",
	    strtoll(rv__command_field(&client.command, "msgId").bytes + 16, NULL, 16));
	ck_assert_int_eq(ASK(RV__REQ_VIEW_MESSAGE_BY_ID, "offset", offset), RV__RSP_SUCCESS);
	ck_assert_mem_eq(wire_record(&client, 0).body, "found", 5);
	ck_assert_int_eq(ASK(RV__REQ_VIEW_MESSAGE_BY_ID, "offset", "7"), RV__RSP_SYSTEM_ERROR);
	ck_assert_int_eq(
	    ASK(RV__REQ_QUERY_MESSAGE, "topic", "T", "key", "order-2", "maxNum", "8", "beginTimestamp", "0",
	        "endTimestamp", "9999999999999", "_UNIQUE_KEY_QUERY", "false"),
	    RV__RSP_SUCCESS);
	ck_assert_uint_eq(wire_record_count(&client), 1);
	ck_assert_int_gt(wire_number(&client, "indexLastUpdateTimestamp"), 0);
	ck_assert_int_eq(ASK(RV__REQ_QUERY_MESSAGE, "topic", "T", "key", "nobody", "maxNum", "8",
	                     "beginTimestamp", "0", "endTimestamp", "9999999999999"),
	    RV__RSP_QUERY_NOT_FOUND);
}
END_TEST

START_TEST(a_groups_progress_and_members_are_told)
{
	json_t *root;

	wire_send_message(&client, "T", 0, "", "x");
	wire_heartbeat(&member, "one", "CG", "T", "*", 1);
	ASK(RV__REQ_UPDATE_CONSUMER_OFFSET, "consumerGroup", "CG", "topic", "T", "queueId", "0",
	    "commitOffset", "1");
	ck_assert_int_eq(ASK(RV__REQ_GET_CONSUME_STATS, "consumerGroup", "CG"), RV__RSP_SUCCESS);
	ck_assert(body_holds("\"topic\":\"T\"}:{\"brokerOffset\":1,\"consumerOffset\":1,\"lastTimestamp\":"));
	ck_assert_int_eq(ASK(RV__REQ_GET_CONSUMER_CONNECTION_LIST, "consumerGroup", "CG"), RV__RSP_SUCCESS);
	root = body();
	ck_assert_str_eq(
	    rv__json_text(json_array_get(json_object_get(root, "connectionSet"), 0), "clientId", ""), "one");
	ck_assert_ptr_nonnull(json_object_get(json_object_get(root, "subscriptionTable"), "T"));
	json_decref(root);
	ck_assert_int_eq(
	    ASK(RV__REQ_GET_CONSUMER_CONNECTION_LIST, "consumerGroup", "No"), RV__RSP_CONSUMER_NOT_ONLINE);
	ck_assert_int_eq(ASK(RV__REQ_QUERY_TOPIC_CONSUME_BY_WHO, "topic", "T"), RV__RSP_SUCCESS);
	ck_assert(body_holds("{\"groupList\":[\"CG\"]}"));
	ck_assert_int_eq(route_code("%RETRY%CG"), RV__RSP_SUCCESS);
}
END_TEST

START_TEST(a_question_to_a_member_is_passed_on_and_its_answer_back)
{
	static const char answer[] = "{\"properties\":{}}";

	wire_heartbeat(&member, "one", "CG", "T", "*", 1);
	while (wire_receive(&member, 100))
		continue;
	wire_begin(&client, RV__REQ_GET_CONSUMER_RUNNING_INFO);
	rv__command_add_text(&client.writer, "consumerGroup", "CG");
	rv__command_add_text(&client.writer, "clientId", "one");
	rv__command_add_text(&client.writer, "jstackEnable", "false");
	wire_send(&client, NULL, 0);
	ck_assert(wire_receive(&member, WIRE_WAIT_MS));
	ck_assert_int_eq(member.command.code, RV__REQ_GET_CONSUMER_RUNNING_INFO);
	ck_assert(wire_field_is(&member, "clientId", "one"));
	wire_begin_as(&member,
	    &(struct rv__command_head){
	        .code = 0, .opaque = member.command.opaque, .flag = RV__FLAG_RESPONSE});
	wire_send(&member, answer, strlen(answer));
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	ck_assert_int_eq(client.command.code, RV__RSP_SUCCESS);
	ck_assert_int_eq(client.command.opaque, client.opaque);
	ck_assert(body_holds(answer));
}
END_TEST

START_TEST(a_question_to_a_member_that_leaves_is_answered)
{
	wire_heartbeat(&member, "one", "CG", "T", "*", 1);
	wire_begin(&client, RV__REQ_GET_CONSUMER_RUNNING_INFO);
	rv__command_add_text(&client.writer, "consumerGroup", "CG");
	rv__command_add_text(&client.writer, "clientId", "one");
	wire_send(&client, NULL, 0);
	wire_disconnect(&member);
	wire_connect(&member, wire_port());
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	ck_assert_int_ne(client.command.code, RV__RSP_SUCCESS);
}
END_TEST

START_TEST(settings_of_a_group_are_changed_kept_and_forgotten)
{
	ck_assert_int_eq(ask(&client, RV__REQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
	                     "{\"groupName\":\"Few\",\"retryMaxTimes\":2,\"consumeEnable\":false}",
	                     (const char *const[]){NULL}),
	    RV__RSP_SUCCESS);
	wire_send_message(&client, "T", 0, "", "x");
	ck_assert_int_eq(wire_pull(&client, "Few", "T", 0, 0, 0, "*"), RV__RSP_NO_PERMISSION);
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	ck_assert_int_eq(ASK(RV__REQ_GET_SUBSCRIPTIONGROUP_CONFIG, "group", "Few"), RV__RSP_SUCCESS);
	ck_assert(body_holds("\"retryMaxTimes\":2"));
	ck_assert_int_eq(ASK(RV__REQ_DELETE_SUBSCRIPTIONGROUP, "groupName", "Few"), RV__RSP_SUCCESS);
	ck_assert_int_eq(
	    ASK(RV__REQ_GET_SUBSCRIPTIONGROUP_CONFIG, "group", "Few"), RV__RSP_SUBSCRIPTION_GROUP_NOT_EXIST);
}
END_TEST

START_TEST(runtime_information_has_what_cluster_list_prints)
{
	static const char *const keys[] = {"brokerVersionDesc", "putTps", "getTransferedTps",
	    "sendThreadPoolQueueHeadWaitTimeMills", "pullThreadPoolQueueHeadWaitTimeMills",
	    "pageCacheLockTimeMills", "earliestMessageTimeStamp", "commitLogDiskRatio", "msgPutTotalTodayNow",
	    "msgPutTotalTodayMorning", "msgPutTotalYesterdayMorning", "msgGetTotalTodayNow",
	    "msgGetTotalTodayMorning", "msgGetTotalYesterdayMorning"};
	json_t *root;

	ck_assert_int_eq(ASK_NOTHING(RV__REQ_GET_BROKER_RUNTIME_INFO), RV__RSP_SUCCESS);
	root = body();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ck_assert_msg(*rv__json_text(json_object_get(root, "table"), keys[i], ""), "%s", keys[i]);
	json_decref(root);
	ck_assert_int_eq(ASK_NOTHING(RV__REQ_GET_BROKER_CONFIG), RV__RSP_SUCCESS);
	ck_assert(body_holds("flushDiskType=ASYNC_FLUSH\n"));
}
END_TEST

START_TEST(the_vip_port_serves_everything_but_pulls)
{
	struct wire_client vip;

	wire_connect(&vip, wire_port() - 2);
	ck_assert_int_eq(wire_send_message(&vip, "T", 0, "", "x"), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&vip, "G", "T", 0, 0, 0, "*"), RV__RSP_REQUEST_CODE_NOT_SUPPORTED);
	wire_disconnect(&vip);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_topic_is_made_changed_and_deleted,
	    a_deleted_topic_ends_held_pulls_and_never_issues_an_offset_again, system_topics_are_not_changed,
	    offsets_of_a_topic_are_told_by_queue, a_message_is_found_by_id_and_by_key,
	    a_groups_progress_and_members_are_told, a_question_to_a_member_is_passed_on_and_its_answer_back,
	    a_question_to_a_member_that_leaves_is_answered,
	    settings_of_a_group_are_changed_kept_and_forgotten,
	    runtime_information_has_what_cluster_list_prints, the_vip_port_serves_everything_but_pulls, NULL};

	return unit_run("wire_admin", cases, setup, teardown);
}
