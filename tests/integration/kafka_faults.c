/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving half of the Kafka binder on librdkafka's mock cluster, which can be made to fail: whatever brokers,
 * leaders and coordinators do, every message is delivered, and no position passes one that is unsettled.
 */
#include <check.h>
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h> /* wants rdkafka.h before it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "binder/kafka/kafka.h"
#include "tests/support/binder_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

enum {
	SOON_MS = 30000,
	BROKERS = 3,
	PARTITIONS = 2,
	STEP = 10,
	FETCH = 1,
	COMMIT = 8,
	JOIN = 11,
	HEARTBEAT = 12
};

static rd_kafka_t *owner, *sender, *looker;
static rd_kafka_mock_cluster_t *cluster;
static struct kit kit;
static int sent;

static void open_cluster(void)
{
	static char brokers[256];
	const char *const lines[] = {brokers, NULL};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	owner = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
	cluster = rd_kafka_mock_cluster_new(owner, BROKERS);
	rd_kafka_mock_topic_create(cluster, "t", PARTITIONS, BROKERS);
	rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0);
	sender = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_dup(conf), NULL, 0);
	rd_kafka_conf_set(conf, "group.id", "g", NULL, 0);
	looker = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
	snprintf(brokers, sizeof brokers, "brokers=%s", rd_kafka_mock_cluster_bootstraps(cluster));
	ck_assert_msg(kit_open(&kit, &rv__kafka_binder, lines), "%s", kit.error.text);
	sent = 0;
}

static void close_cluster(void)
{
	kit_close(&kit);
	rd_kafka_destroy(looker);
	rd_kafka_destroy(sender);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(owner);
}

/* The next numbers, in turn to the partitions. */
static void send_step(void)
{
	for (int i = 0; i < STEP; i++, sent++) {
		char text[16];

		snprintf(text, sizeof text, "%d", sent);
		ck_assert_int_eq(
		    rd_kafka_producev(sender, RD_KAFKA_V_TOPIC("t"), RD_KAFKA_V_PARTITION(sent % PARTITIONS),
		        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(text, strlen(text)),
		        RD_KAFKA_V_END),
		    RD_KAFKA_RESP_ERR_NO_ERROR);
	}
	ck_assert_int_eq(rd_kafka_flush(sender, SOON_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static struct kit_consumer *consume(bool settles)
{
	static const char *const quick[] = {"configuration.heartbeat.interval.ms=200",
	    "configuration.session.timeout.ms=3000",
	    "configuration.librdkafka.coordinator.query.interval.ms=500", NULL};
	struct kit_consumer *consumer = calloc(1, sizeof *consumer);

	consumer->settle_at_once = settles;
	ck_assert_msg(kit_consume(&kit, consumer, "t", "g", quick), "%s", kit.error.text);
	return consumer;
}

static void end_consumer(struct kit_consumer *consumer)
{
	ck_assert_uint_eq(kit_consumer_close(consumer, SOON_MS), 0);
	free(consumer);
}

/* Whether all from `first` on arrived, at least once. */
static bool has_all(struct kit_consumer *consumer, int first)
{
	bool seen[1024] = {false}, all = true;

	pthread_mutex_lock(&consumer->lock);
	for (size_t i = 0; i < consumer->count; i++)
		seen[strtol(rv_message_text(consumer->messages[i]), NULL, 10)] = true;
	pthread_mutex_unlock(&consumer->lock);
	for (int i = first; i < sent; i++)
		all &= seen[i];
	return all;
}

/* Whether the group's positions are behind all that was sent. */
static bool is_all_stored(void)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
	int64_t stored = 0;

	for (int32_t partition = 0; partition < PARTITIONS; partition++)
		rd_kafka_topic_partition_list_add(list, "t", partition);
	if (rd_kafka_committed(looker, list, SOON_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
		for (int i = 0; i < PARTITIONS; i++)
			stored += list->elems[i].offset > 0 ? list->elems[i].offset : 0;
	rd_kafka_topic_partition_list_destroy(list);
	return stored == sent;
}

/* -- faults --------------------------------------------------------------------------------------------- */

static void fetches_fail(void)
{
	rd_kafka_mock_push_request_errors(cluster, FETCH, 5, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
	    RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
	    RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
}

static void commits_fail(void)
{
	rd_kafka_mock_push_request_errors(cluster, COMMIT, 5, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
	    RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
	    RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR__TRANSPORT);
}

static void the_group_shares_out_anew_while_commits_fail(void)
{
	rd_kafka_mock_push_request_errors(cluster, COMMIT, 2, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
	    RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
	rd_kafka_mock_push_request_errors(cluster, HEARTBEAT, 1, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
}

static void a_commit_is_of_another_generation(void)
{
	rd_kafka_mock_push_request_errors(cluster, COMMIT, 1, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
}

static void the_member_is_forgotten(void)
{
	rd_kafka_mock_push_request_errors(cluster, HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
	rd_kafka_mock_push_request_errors(cluster, JOIN, 1, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
}

static void the_coordinator_moves(void)
{
	for (int32_t broker = 1; broker <= BROKERS; broker++)
		rd_kafka_mock_coordinator_set(cluster, "group", "g", broker);
}

static void leaders_change(void)
{
	for (int32_t partition = 0; partition < PARTITIONS; partition++)
		rd_kafka_mock_partition_set_leader(cluster, "t", partition, 2 + partition);
}

static void a_broker_goes_and_comes(void)
{
	rd_kafka_mock_broker_set_down(cluster, 1);
	leaders_change();
	rd_kafka_mock_coordinator_set(cluster, "group", "g", 3);
}

static void the_broker_is_back(void)
{
	rd_kafka_mock_broker_set_up(cluster, 1);
	for (int32_t partition = 0; partition < PARTITIONS; partition++)
		rd_kafka_mock_partition_set_leader(cluster, "t", partition, 1);
}

/*
 * One is over before the next begins: the mock cluster ends the process when a member that waits for the answer to its
 * JoinGroup asks again, as it does when the coordinator moves meanwhile.
 */
static const struct {
	void (*begin)(void);
	bool rebalances;
} faults[] = {
    {fetches_fail, false},
    {commits_fail, false},
    {the_group_shares_out_anew_while_commits_fail, true},
    {a_commit_is_of_another_generation, true},
    {the_member_is_forgotten, true},
    {the_coordinator_moves, false},
    {leaders_change, false},
    {a_broker_goes_and_comes, false},
    {the_broker_is_back, false},
};

enum { FAULTS = sizeof faults / sizeof *faults };

START_TEST(no_fault_costs_a_message_and_all_is_stored_at_the_end)
{
	struct kit_consumer *consumer = consume(true);
	int before;

	send_step();
	WAIT_UNTIL(SOON_MS, has_all(consumer, 0));
	for (int i = 0; i < FAULTS; i++) {
		int64_t began_ms = rv__monotonic_ms();
		size_t assigned = kit_assigned(consumer);

		faults[i].begin();
		send_step();
		WAIT_UNTIL(SOON_MS, has_all(consumer, 0));
		printf(
		    "# fault %d: all of it %lld ms later\n", i, (long long)(rv__monotonic_ms() - began_ms));
		WAIT_UNTIL(SOON_MS, !faults[i].rebalances || kit_assigned(consumer) > assigned);
		WAIT_UNTIL(SOON_MS, is_all_stored());
	}
	WAIT_UNTIL(SOON_MS, kit_consumer_is_up(consumer));
	end_consumer(consumer);
	before = sent;
	consumer = consume(true);
	send_step();
	WAIT_UNTIL(SOON_MS, has_all(consumer, before));
	ck_assert_int_ge(strtol(rv_message_text(consumer->messages[0]), NULL, 10), before);
	end_consumer(consumer);
}
END_TEST

/* 0 and 1 stay open at the heads of both partitions: nothing behind them may count, whatever happens. */
START_TEST(no_fault_stores_a_position_early)
{
	struct kit_consumer *consumer = consume(false);
	size_t assigned;

	send_step();
	WAIT_UNTIL(SOON_MS, has_all(consumer, 0));
	for (size_t i = 0; i < kit_count(consumer); i++)
		if (rv_message_position(consumer->messages[i]) > 0)
			ck_assert_int_eq(kit_settle(consumer, i, RV_SETTLE_ACK, NULL), RV_OK);
	assigned = kit_assigned(consumer);
	commits_fail();
	the_group_shares_out_anew_while_commits_fail();
	WAIT_UNTIL(SOON_MS, kit_assigned(consumer) > assigned);
	the_coordinator_moves();
	send_step();
	WAIT_UNTIL(SOON_MS, has_all(consumer, 0));
	end_consumer(consumer);
	consumer = consume(true);
	WAIT_UNTIL(SOON_MS, has_all(consumer, 0));
	end_consumer(consumer);
}
END_TEST

START_TEST(what_is_refused_is_said_and_passes)
{
	struct kit_consumer *consumer;

	rd_kafka_mock_push_request_errors(cluster, JOIN, 2, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
	    RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
	consumer = consume(true);
	WAIT_UNTIL(SOON_MS, !kit_consumer_is_up(consumer) && strstr(kit_consumer_why(consumer).text, "'g'"));
	ck_assert_ptr_nonnull(strstr(kit_consumer_why(consumer).text, "grant"));
	send_step();
	WAIT_UNTIL(SOON_MS, has_all(consumer, 0));
	WAIT_UNTIL(SOON_MS, kit_consumer_is_up(consumer));
	WAIT_UNTIL(SOON_MS, kit.ops->health(kit.binder, NULL, NULL) == RV_HEALTH_UP);
	end_consumer(consumer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kafka_faults");
	TCase *tests = tcase_create("kafka_faults");

	tcase_set_timeout(tests, 250); /* a guard against hanging, not a measure */
	tcase_add_checked_fixture(tests, open_cluster, close_cluster);
	tcase_add_test(tests, no_fault_costs_a_message_and_all_is_stored_at_the_end);
	tcase_add_test(tests, no_fault_stores_a_position_early);
	tcase_add_test(tests, what_is_refused_is_said_and_passes);
	suite_add_tcase(suite, tests);
	return unit_run_suite(suite);
}
