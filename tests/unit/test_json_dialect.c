/* SPDX-License-Identifier: Apache-2.0 */
#include "remoting/json_dialect.h"

#include "remoting/heartbeat.h"
#include "remoting/queue.h"
#include "remoting/route.h"
#include "remoting/tags.h"
#include "tests/support/unit.h"

#include <string.h>

static struct rv__buffer out;
static struct rv_error error;

static void setup(void)
{
	out = (struct rv__buffer)RV__BUFFER_INIT(0);
}

static void teardown(void)
{
	rv__buffer_finish(&out);
}

static json_t *parse(const char *text)
{
	return rv__json_parse(text, strlen(text), &error);
}

START_TEST(bare_numbers_may_be_keys)
{
	json_t *root = parse("{\"brokerAddrs\":{0:\"a:1\", 1 :\"b:2\",-3:\"c\"}}");
	const json_t *addresses = json_object_get(root, "brokerAddrs");

	ck_assert_str_eq(rv__json_text(addresses, "0", ""), "a:1");
	ck_assert_str_eq(rv__json_text(addresses, "1", ""), "b:2");
	ck_assert_str_eq(rv__json_text(addresses, "-3", ""), "c");
	json_decref(root);
}
END_TEST

START_TEST(objects_may_be_keys)
{
	json_t *root = parse("{\"offsetTable\":{{\"brokerName\":\"b\", \"queueId\":2,\"topic\":\"T\"}:7}}");
	json_t *value = json_object_get(
	    json_object_get(root, "offsetTable"), "{\"brokerName\":\"b\",\"queueId\":2,\"topic\":\"T\"}");

	ck_assert_int_eq(json_integer_value(value), 7);
	json_decref(root);
}
END_TEST

START_TEST(what_is_no_json_of_either_kind_is_refused)
{
	static const char *const bad[] = {"", "{", "}", "{\"a\"}", "{\"a\":}", "[1,", "{\"a\":1} x",
	    "{{{\"a\":1}:2}:3}", "{\"a\":tru}", "\"abc", "{1:2,}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse(bad[i]) == NULL, "%s", bad[i]);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	char text[4000];

	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_ptr_null(parse(text));
	ck_assert_int_eq(error.code, RV_E_PROTOCOL);
}
END_TEST

static void check_route(const struct rv__route *route)
{
	ck_assert_uint_eq(route->broker_count, 1);
	ck_assert_str_eq(route->brokers[0].name, "broker-a");
	ck_assert_str_eq(route->brokers[0].cluster, "DefaultCluster");
	ck_assert_uint_eq(route->queue_count, 1);
	ck_assert_int_eq(route->queues[0].perm, 6);
	ck_assert_int_eq(route->queues[0].read_queues, 4);
	ck_assert_int_eq(route->queues[0].write_queues, 4);
	ck_assert_str_eq(rv__route_find_address(route, "broker-a", 0), "127.0.0.1:10911");
	ck_assert_ptr_null(rv__route_find_address(route, "broker-a", 1));
	ck_assert_ptr_null(rv__route_find_address(route, "broker-b", 0));
}

/* As captured from a name server of 4.9.8, for a new and for an old client. */
static const char *const routes[] = {
    "{\"brokerDatas\":[{\"brokerAddrs\":{\"0\":\"127.0.0.1:10911\"},\"brokerName\":\"broker-a\",\"cluster\":"
    "\"DefaultCluster\"}],\"filterServerTable\":{},\"queueDatas\":[{\"brokerName\":\"broker-a\",\"perm\":6,"
    "\"readQueueNums\":4,\"topicSysFlag\":0,\"writeQueueNums\":4}]}",
    "{\"brokerDatas\":[{\"brokerAddrs\":{0:\"127.0.0.1:10911\"},\"brokerName\":\"broker-a\",\"cluster\":"
    "\"DefaultCluster\"}],\"filterServerTable\":{},\"queueDatas\":[{\"brokerName\":\"broker-a\",\"perm\":6,"
    "\"readQueueNums\":4,\"topicSysFlag\":0,\"writeQueueNums\":4}]}"};

START_TEST(routes_are_read_and_written_in_both_dialects)
{
	for (int i = 0; i < 2; i++) {
		struct rv__route route;

		ck_assert_int_eq(rv__route_decode(routes[i], strlen(routes[i]), &route, &error), RV_OK);
		check_route(&route);
		rv__buffer_clear(&out);
		rv__route_encode(&out, &route, i == 0);
		ck_assert_str_eq(rv__buffer_text(&out), routes[i]);
		rv__route_finish(&route);
	}
}
END_TEST

START_TEST(a_heartbeat_is_written_as_java_writes_it)
{
	static const char expected[] =
	    "{\"clientID\":\"10.0.0.5@19583\",\"consumerDataSet\":[{\"consumeFromWhere\":"
	    "\"CONSUME_FROM_FIRST_OFFSET\",\"consumeType\":\"CONSUME_PASSIVELY\",\"groupName\":\"CG1\","
	    "\"messageModel\":"
	    "\"CLUSTERING\",\"subscriptionDataSet\":[{\"classFilterMode\":false,\"codeSet\":[2598919,2598921]"
	    ","
	    "\"expressionType\":\"TAG\",\"subString\":\"TagA || "
	    "TagC\",\"subVersion\":1795350959364,\"tagsSet\":[\"TagA\","
	    "\"TagC\"],\"topic\":\"TopicTest\"}],\"unitMode\":false}],\"producerDataSet\":[{\"groupName\":"
	    "\"PG1\"}]}";
	struct rv__subscription subscription = {
	    .topic = "TopicTest", .expression = "TagA || TagC", .version = 1795350959364};
	struct rv__heartbeat_consumer consumer = {.group = "CG1",
	    .consume_type = "CONSUME_PASSIVELY",
	    .message_model = "CLUSTERING",
	    .consume_from_where = "CONSUME_FROM_FIRST_OFFSET",
	    .subscriptions = &subscription,
	    .subscription_count = 1};
	const char *producers[] = {"PG1"};
	struct rv__heartbeat heartbeat = {.client_id = "10.0.0.5@19583",
	                         .consumers = &consumer,
	                         .consumer_count = 1,
	                         .producers = producers,
	                         .producer_count = 1},
	                     read;

	rv__heartbeat_encode(&out, &heartbeat);
	ck_assert_str_eq(rv__buffer_text(&out), expected);
	ck_assert_int_eq(rv__heartbeat_decode(out.bytes, out.length, &read, &error), RV_OK);
	ck_assert_str_eq(read.consumers[0].subscriptions[0].expression, "TagA || TagC");
	ck_assert_int_eq(read.consumers[0].subscriptions[0].version, 1795350959364);
	ck_assert_str_eq(read.producers[0], "PG1");
	rv__heartbeat_finish(&read);
}
END_TEST

START_TEST(offset_tables_are_read_in_both_of_their_forms)
{
	static const char *const tables[] = {"{\"offsetTable\":{{\"brokerName\":\"b\",\"queueId\":0,"
	                                     "\"topic\":\"T\"}:5,{\"brokerName\":\"b\",\"queueId\":1,"
	                                     "\"topic\":\"T\"}:6}}",
	    "{\"offsetTable\":[{\"topic\":\"T\",\"brokerName\":\"b\",\"queueId\":0,\"offset\":5},{\"topic\":"
	    "\"T\","
	    "\"brokerName\":\"b\",\"queueId\":1,\"offset\":6}]}"};

	for (int i = 0; i < 2; i++) {
		struct rv__queues queues;

		ck_assert_int_eq(
		    rv__offset_table_decode(tables[i], strlen(tables[i]), &queues, &error), RV_OK);
		ck_assert_uint_eq(queues.count, 2);
		for (size_t k = 0; k < 2; k++) {
			ck_assert_str_eq(queues.items[k].topic, "T");
			ck_assert_str_eq(queues.items[k].broker, "b");
			ck_assert_int_eq(queues.items[k].offset, 5 + queues.items[k].id);
		}
		rv__buffer_clear(&out);
		rv__offset_table_encode(&out, queues.items, queues.count);
		if (i == 0)
			ck_assert_str_eq(rv__buffer_text(&out), tables[0]);
		rv__queues_finish(&queues);
	}
}
END_TEST

START_TEST(lock_bodies_are_read_back)
{
	struct rv__message_queue queue = {.topic = "T", .broker = "b", .id = 3};
	struct rv__lock_request request;
	struct rv__queues queues;

	rv__lock_request_encode(&out, "cid", "G", &queue, 1);
	ck_assert_str_eq(rv__buffer_text(&out),
	    "{\"clientId\":\"cid\",\"consumerGroup\":\"G\",\"mqSet\":[{\"brokerName\":\"b\",\"queueId\":3,"
	    "\"topic\":\"T\"}]}");
	ck_assert_int_eq(rv__lock_request_decode(out.bytes, out.length, &request, &error), RV_OK);
	ck_assert_str_eq(request.client_id, "cid");
	ck_assert_int_eq(request.queues.items[0].id, 3);
	rv__lock_request_finish(&request);
	rv__buffer_clear(&out);
	rv__lock_answer_encode(&out, &queue, 1);
	ck_assert_int_eq(rv__lock_answer_decode(out.bytes, out.length, &queues, &error), RV_OK);
	ck_assert_uint_eq(queues.count, 1);
	rv__queues_finish(&queues);
}
END_TEST

START_TEST(tag_expressions_choose_by_name_and_by_code)
{
	struct rv__tags tags;

	ck_assert_int_eq(rv__tags_parse(" TagA ||TagB|| ", 15, &tags, &error), RV_OK);
	ck_assert_uint_eq(tags.count, 2);
	ck_assert(rv__tags_match(&tags, "TagA", 4));
	ck_assert(rv__tags_match(&tags, "TagB", 4));
	ck_assert(!rv__tags_match(&tags, "TagC", 4));
	ck_assert(!rv__tags_match(&tags, NULL, 0));
	ck_assert(rv__tags_match_code(&tags, 2598919));
	ck_assert(!rv__tags_match_code(&tags, 2598921));
	rv__tags_finish(&tags);
	ck_assert_int_eq(rv__tags_parse("*", 1, &tags, &error), RV_OK);
	ck_assert(rv__tags_match(&tags, NULL, 0));
	ck_assert(rv__tags_match_code(&tags, 0));
	ck_assert_int_eq(rv__tags_parse(" || ", 4, &tags, &error), RV_E_INVALID);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {bare_numbers_may_be_keys, objects_may_be_keys,
	    what_is_no_json_of_either_kind_is_refused, deep_nesting_is_refused,
	    routes_are_read_and_written_in_both_dialects, a_heartbeat_is_written_as_java_writes_it,
	    offset_tables_are_read_in_both_of_their_forms, lock_bodies_are_read_back,
	    tag_expressions_choose_by_name_and_by_code, NULL};

	return unit_run("json_dialect", cases, setup, teardown);
}
