/* SPDX-License-Identifier: Apache-2.0 */
/* The name server: routes in both dialects, registration of brokers, key-value pairs; and a split pair of processes. */
#include "tests/support/unit.h"
#include "tests/wire/wire_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "remoting/json_dialect.h"
#include "remoting/route.h"
#include "tests/support/wait.h"

#include <zlib.h>

static struct wire_client client, far;

static void setup(void)
{
	wire_setup();
	wire_open();
	wire_connect(&client, wire_name_server_port());
	wire_connect(&far, wire_name_server_port());
}

static void teardown(void)
{
	wire_disconnect(&client);
	wire_disconnect(&far);
	wire_teardown();
}

static int ask_route(const char *topic, int version)
{
	wire_begin_as(&client,
	    &(struct rv__command_head){.code = RV__REQ_GET_ROUTEINFO_BY_TOPIC,
	        .opaque = ++client.opaque,
	        .language = RV__LANGUAGE_JAVA,
	        .version = version});
	rv__command_add_text(&client.writer, "topic", topic);
	return wire_call(&client, NULL, 0);
}

static void get_route(const char *topic, struct rv__route *route)
{
	ck_assert_int_eq(ask_route(topic, 409), RV__RSP_SUCCESS);
	ck_assert_int_eq(
	    rv__route_decode(client.command.body, client.command.body_length, route, NULL), RV_OK);
}

START_TEST(a_route_is_told_in_the_dialect_of_the_client)
{
	char expected[512];
	int length;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(ask_route(RV__TOPIC_TEMPLATE, i ? 409 : 317), RV__RSP_SUCCESS);
		length = snprintf(expected, sizeof(expected),
		    "{\"brokerDatas\":[{\"brokerAddrs\":{%s:\"127.0.0.1:%d\"},\"brokerName\":\"broker-a\","
		    "\"cluster\":"
		    "\"DefaultCluster\"}],\"filterServerTable\":{},\"queueDatas\":[{\"brokerName\":\"broker-"
		    "a\",\"perm\":7,"
		    "\"readQueueNums\":8,\"topicSysFlag\":0,\"writeQueueNums\":8}]}",
		    i ? "\"0\"" : "0", wire_port());
		ck_assert_uint_eq(client.command.body_length, (size_t)length);
		ck_assert_mem_eq(client.command.body, expected, (size_t)length);
	}
}
END_TEST

START_TEST(an_unknown_topic_is_17_until_somebody_sends_to_it)
{
	struct wire_client sender;
	struct rv__route route;

	ck_assert_int_eq(ask_route("New", 409), RV__RSP_TOPIC_NOT_EXIST);
	ck_assert_str_eq(wire_remark(&client), "No topic route info in name server for the topic: New");
	wire_connect(&sender, wire_port());
	ck_assert_int_eq(wire_send_message(&sender, "New", 0, "", "x"), RV__RSP_SUCCESS);
	wire_disconnect(&sender);
	get_route("New", &route);
	ck_assert_int_eq(route.queues[0].perm, 6);
	ck_assert_int_eq(route.queues[0].write_queues, 4);
	rv__route_finish(&route);
}
END_TEST

static const char registration[] =
    "{\"filterServerList\":[],\"topicConfigSerializeWrapper\":{\"dataVersion\":{\"counter\":0,\"timestamp\":"
    "1795351411475},\"topicConfigTable\":{\"TopicTest\":{\"order\":false,\"perm\":6,\"readQueueNums\":4,"
    "\"topicFilterType\":\"SINGLE_TAG\",\"topicName\":\"TopicTest\",\"topicSysFlag\":0,\"writeQueueNums\":4}}"
    "}}";

static int register_far(const void *body, size_t length, uint32_t crc, bool compressed)
{
	wire_begin(&far, RV__REQ_REGISTER_BROKER);
	rv__command_add_text(&far.writer, "brokerName", "broker-z");
	rv__command_add_text(&far.writer, "brokerAddr", "127.0.0.1:20911");
	rv__command_add_text(&far.writer, "clusterName", "FarCluster");
	rv__command_add_text(&far.writer, "haServerAddr", "127.0.0.1:20912");
	rv__command_add_text(&far.writer, "brokerId", "0");
	rv__command_add_bool(&far.writer, "compressed", compressed);
	rv__command_add_i64(&far.writer, "bodyCrc32", crc);
	return wire_call(&far, body, length);
}

START_TEST(a_broker_of_another_process_registers_and_goes_with_its_connection)
{
	struct rv__route route;

	/* The checksum that Java's broker makes of this body. */
	ck_assert_int_eq(
	    register_far(registration, sizeof(registration) - 1, 1367895287, false), RV__RSP_SUCCESS);
	get_route("TopicTest", &route);
	ck_assert_str_eq(route.brokers[0].name, "broker-z");
	ck_assert_str_eq(rv__route_find_address(&route, "broker-z", 0), "127.0.0.1:20911");
	rv__route_finish(&route);
	wire_disconnect(&far);
	WAIT_UNTIL(WIRE_WAIT_MS, ask_route("TopicTest", 409) == RV__RSP_TOPIC_NOT_EXIST);
	ck_assert_int_eq(ask_route(RV__TOPIC_TEMPLATE, 409), RV__RSP_SUCCESS);
	wire_connect(&far, wire_name_server_port());
}
END_TEST

START_TEST(a_damaged_registration_is_refused)
{
	ck_assert_int_eq(
	    register_far(registration, sizeof(registration) - 1, 12345, false), RV__RSP_SYSTEM_ERROR);
	ck_assert_str_eq(wire_remark(&far), "crc32 not match");
	ck_assert_int_eq(register_far("{\"x\":", 5, 0, false), RV__RSP_SYSTEM_ERROR);
	ck_assert_int_eq(register_far("not zlib", 8, 0, true), RV__RSP_SYSTEM_ERROR);
	ck_assert_int_eq(ask_route("TopicTest", 409), RV__RSP_TOPIC_NOT_EXIST);
}
END_TEST

static void add_block(struct rv__buffer *out, const char *text)
{
	rv__buffer_add_u32(out, (uint32_t)strlen(text));
	rv__buffer_add_text(out, text);
}

START_TEST(a_compressed_registration_is_read)
{
	struct rv__buffer plain = RV__BUFFER_INIT(0);
	unsigned char packed[1024];
	uLongf length = sizeof(packed);
	struct rv__route route;

	add_block(&plain, "{\"counter\":1,\"timestamp\":5}");
	rv__buffer_add_u32(&plain, 1);
	add_block(&plain, "Packed 3 2 6 SINGLE_TAG");
	add_block(&plain, "[]");
	ck_assert_int_eq(compress(packed, &length, plain.bytes, plain.length), Z_OK);
	rv__buffer_finish(&plain);
	ck_assert_int_eq(register_far(packed, length, 0, true), RV__RSP_SUCCESS);
	get_route("Packed", &route);
	ck_assert_int_eq(route.queues[0].read_queues, 3);
	ck_assert_int_eq(route.queues[0].write_queues, 2);
	rv__route_finish(&route);
}
END_TEST

static int ask(int code, const char *const *fields)
{
	wire_begin(&client, code);
	for (; fields && *fields; fields += 2)
		rv__command_add_text(&client.writer, fields[0], fields[1]);
	return wire_call(&client, NULL, 0);
}

#define ASK(code, ...) ask(code, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(the_cluster_is_told_with_bare_ids_to_everybody)
{
	char expected[64];
	json_t *root;

	register_far(registration, sizeof(registration) - 1, 0, false);
	ck_assert_int_eq(ask(RV__REQ_GET_BROKER_CLUSTER_INFO, NULL), RV__RSP_SUCCESS);
	snprintf(expected, sizeof(expected), "{0:\"127.0.0.1:%d\"}", wire_port());
	ck_assert_ptr_nonnull(
	    memmem(client.command.body, client.command.body_length, expected, strlen(expected)));
	root = rv__json_parse(client.command.body, client.command.body_length, NULL);
	ck_assert_uint_eq(json_object_size(json_object_get(root, "brokerAddrTable")), 2);
	ck_assert_uint_eq(json_object_size(json_object_get(root, "clusterAddrTable")), 2);
	json_decref(root);
}
END_TEST

START_TEST(write_permission_is_wiped_and_given_back)
{
	struct rv__route route;

	register_far(registration, sizeof(registration) - 1, 0, false);
	ck_assert_int_eq(ASK(RV__REQ_WIPE_WRITE_PERM_OF_BROKER, "brokerName", "broker-z"), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_number(&client, "wipeTopicCount"), 1);
	get_route("TopicTest", &route);
	ck_assert_int_eq(route.queues[0].perm, RV__PERM_READ);
	rv__route_finish(&route);
	ck_assert_int_eq(ASK(RV__REQ_ADD_WRITE_PERM_OF_BROKER, "brokerName", "broker-z"), RV__RSP_SUCCESS);
	get_route("TopicTest", &route);
	ck_assert_int_eq(route.queues[0].perm, RV__PERM_READ | RV__PERM_WRITE);
	rv__route_finish(&route);
}
END_TEST

START_TEST(key_value_pairs_survive_a_restart_and_order_topics)
{
	struct rv__route route;

	ck_assert_int_eq(ASK(RV__REQ_PUT_KV_CONFIG, "namespace", "ORDER_TOPIC_CONFIG", "key",
	                     RV__TOPIC_TEMPLATE, "value", "broker-a:4"),
	    RV__RSP_SUCCESS);
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_name_server_port());
	ck_assert_int_eq(
	    ASK(RV__REQ_GET_KV_CONFIG, "namespace", "ORDER_TOPIC_CONFIG", "key", RV__TOPIC_TEMPLATE),
	    RV__RSP_SUCCESS);
	ck_assert(wire_field_is(&client, "value", "broker-a:4"));
	get_route(RV__TOPIC_TEMPLATE, &route);
	ck_assert_str_eq(route.order_conf, "broker-a:4");
	rv__route_finish(&route);
	ck_assert_int_eq(
	    ASK(RV__REQ_DELETE_KV_CONFIG, "namespace", "ORDER_TOPIC_CONFIG", "key", RV__TOPIC_TEMPLATE),
	    RV__RSP_SUCCESS);
	ck_assert_int_eq(
	    ASK(RV__REQ_GET_KV_CONFIG, "namespace", "ORDER_TOPIC_CONFIG", "key", RV__TOPIC_TEMPLATE),
	    RV__RSP_QUERY_NOT_FOUND);
}
END_TEST

START_TEST(a_broker_in_role_broker_registers_here_with_each_new_topic)
{
	char address[64], directory[128];
	struct rv__broker_settings settings = wire_settings;
	rv__broker *broker = NULL;
	struct wire_client sender;
	struct rv_error error;

	snprintf(address, sizeof(address), "127.0.0.1:%d", wire_name_server_port());
	snprintf(directory, sizeof(directory), "%s/other", wire_directory());
	settings.role = RV__ROLE_BROKER;
	settings.broker_name = "broker-b";
	settings.name_servers = address;
	settings.store = directory;
	ck_assert_msg(rv__broker_open(&settings, &broker, &error) == RV_OK, "%s", error.text);
	WAIT_UNTIL(WIRE_WAIT_MS, ask_route("broker-b", 409) == RV__RSP_SUCCESS);
	wire_connect(&sender, rv__broker_port(broker));
	ck_assert_int_eq(wire_send_message(&sender, "Far", 0, "", "x"), RV__RSP_SUCCESS);
	wire_disconnect(&sender);
	WAIT_UNTIL(WIRE_WAIT_MS, ask_route("Far", 409) == RV__RSP_SUCCESS);
	rv__broker_close(broker);
	WAIT_UNTIL(WIRE_WAIT_MS, ask_route("Far", 409) == RV__RSP_TOPIC_NOT_EXIST);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_route_is_told_in_the_dialect_of_the_client,
	    an_unknown_topic_is_17_until_somebody_sends_to_it,
	    a_broker_of_another_process_registers_and_goes_with_its_connection,
	    a_damaged_registration_is_refused, a_compressed_registration_is_read,
	    the_cluster_is_told_with_bare_ids_to_everybody, write_permission_is_wiped_and_given_back,
	    key_value_pairs_survive_a_restart_and_order_topics,
	    a_broker_in_role_broker_registers_here_with_each_new_topic, NULL};

	return unit_run("wire_namesrv", cases, setup, teardown);
}
