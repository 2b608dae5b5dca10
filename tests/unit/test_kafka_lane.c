/* SPDX-License-Identifier: Apache-2.0 */
/* Sending in transactions, on a cluster that can be made to fail: what is tried again, what is told, what is renewed. */
#include "binder/kafka/lane.h"
#include "tests/support/kafka_half.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <string.h>

enum { API_PRODUCE = 0, API_INIT = 22, API_ADD_PARTITIONS = 24, API_END = 26, MANY = 40, RTT_MS = 1000 };

static struct rv__kafka_lane *lane_of(const struct kit_producer *producer)
{
	return ((struct rv__kafka_producer *)producer->producer)->lane;
}

static bool is_well(const struct kit_producer *producer)
{
	return rv__kafka_lane_health(lane_of(producer), NULL, NULL);
}

static bool has_waiting(const struct kit_producer *producer)
{
	struct rv__kafka_lane *lane = lane_of(producer);
	bool has;

	pthread_mutex_lock(&lane->lock);
	has = lane->waiting.first != NULL;
	pthread_mutex_unlock(&lane->lock);
	return has;
}

/* -- what arrives ----------------------------------------------------------------------------------- */

START_TEST(messages_arrive_in_their_order_and_are_told_once)
{
	struct kit_producer producer;
	struct reading reading;

	half_bind(&producer, "order", NULL);
	for (int i = 0; i < MANY; i++)
		half_queue_number(&producer, i);
	ck_assert(kit_wait_completed(&producer, MANY, HALF_SOON_MS));
	ck_assert_uint_eq(producer.failed, 0);
	reading = reading_begin("order");
	reading_expect_numbers(&reading, MANY);
	reading_end(&reading);
	ck_assert_uint_eq(kit_producer_close(&producer, HALF_SOON_MS), 0);
	ck_assert_uint_eq(producer.completed, MANY);
}
END_TEST

START_TEST(an_end_commits_what_was_queued)
{
	struct kit_producer producer;
	struct reading reading;

	half_bind(&producer, "end", NULL);
	for (int i = 0; i < MANY; i++)
		half_queue_number(&producer, i);
	ck_assert_uint_eq(kit_producer_close(&producer, HALF_SOON_MS), 0);
	ck_assert_uint_eq(producer.completed, MANY);
	ck_assert_uint_eq(producer.failed, 0);
	reading = reading_begin("end");
	reading_expect_numbers(&reading, MANY);
	reading_end(&reading);
}
END_TEST

/* -- what fails --------------------------------------------------------------------------------------- */

START_TEST(what_may_be_tried_again_is)
{
	struct kit_producer producer;

	half_bind(&producer, "again", NULL);
	rd_kafka_mock_push_request_errors(half.cluster, API_ADD_PARTITIONS, 2,
	    RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
	rd_kafka_mock_push_request_errors(
	    half.cluster, API_END, 1, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
	ck_assert_msg(kit_send_text(&producer, "x") == RV_OK, "%s", producer.last.text);
	ck_assert(is_well(&producer));
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

START_TEST(a_message_alone_that_is_refused_is_told_why)
{
	struct kit_producer producer;

	half_bind(&producer, "refused", NULL);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	rd_kafka_mock_push_request_errors(half.cluster, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
	ck_assert_int_eq(kit_send_text(&producer, "y"), RV_E_INVALID);
	ck_assert_int_eq(producer.last.native, RD_KAFKA_RESP_ERR_INVALID_RECORD);
	ck_assert_msg(kit_send_text(&producer, "z") == RV_OK, "%s", producer.last.text);
	ck_assert(is_well(&producer));
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

/*
 * While a transaction of one message is on its way the others are queued behind it, and the broker is told to refuse the
 * second batch. Whether that was done before the first one's answer to AddPartitionsToTxn: else there may be no batch.
 */
static bool queue_a_batch_to_refuse(struct kit_producer *producer)
{
	int64_t began_ms = rv__monotonic_ms();

	rd_kafka_mock_broker_set_rtt(half.cluster, 1, RTT_MS);
	half_queue_number(producer, 0);
	WAIT_UNTIL(HALF_SOON_MS, !has_waiting(producer));
	rd_kafka_mock_push_request_errors(
	    half.cluster, API_PRODUCE, 2, RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
	for (int i = 1; i < MANY; i++)
		half_queue_number(producer, i);
	rd_kafka_mock_broker_set_rtt(half.cluster, 1, 0);
	return rv__monotonic_ms() - began_ms < RTT_MS;
}

/* A broker refuses batches; with others in them nobody is blamed for it. */
START_TEST(a_batch_that_was_refused_is_tried_again_in_parts)
{
	struct kit_producer producer;
	size_t completed, failed;

	half_bind(&producer, "parts", NULL);
	for (bool in_time = false; !in_time;) {
		ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
		completed = producer.completed;
		failed = producer.failed;
		in_time = queue_a_batch_to_refuse(&producer);
		ck_assert(kit_wait_completed(&producer, completed + MANY, HALF_SOON_MS));
		rd_kafka_mock_clear_request_errors(half.cluster, API_PRODUCE);
	}
	ck_assert_msg(
	    producer.failed == failed, "%zu failed: %s", producer.failed - failed, kit_last(&producer).text);
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

static bool is_unwell_when_fenced(struct kit_producer *producer)
{
	ck_assert_int_eq(kit_send_text(producer, "x"), RV_OK);
	rd_kafka_mock_push_request_errors(
	    half.cluster, API_ADD_PARTITIONS, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
	ck_assert_int_eq(kit_send_text(producer, "y"), RV_E_CLOSED);
	ck_assert_msg(
	    strstr(producer->last.text, "transaction-id-prefix of its own"), "%s", producer->last.text);
	return !is_well(producer);
}

START_TEST(who_is_fenced_is_told_how_to_cure_it_and_goes_on)
{
	struct kit_producer producer;

	half_bind(&producer, "fenced", NULL);
	/* Its health is down for three seconds; a machine that stands still for so long has missed it. */
	WAIT_UNTIL(HALF_SOON_MS, is_unwell_when_fenced(&producer));
	ck_assert_msg(kit_send_text(&producer, "z") == RV_OK, "%s", producer.last.text);
	ck_assert(is_well(&producer));
	ck_assert_uint_ge(atomic_load(&lane_of(&producer)->renewals), 1);
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

START_TEST(an_id_that_is_not_allowed_shows_in_health_until_it_is)
{
	struct kit_producer producer;

	for (int i = 0; i < 3; i++)
		rd_kafka_mock_push_request_errors(
		    half.cluster, API_INIT, 1, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
	half_bind(&producer, "denied", NULL);
	WAIT_UNTIL(HALF_SOON_MS, !is_well(&producer));
	WAIT_UNTIL(HALF_SOON_MS, is_well(&producer)); /* nobody need send for it */
	ck_assert_msg(kit_send_text(&producer, "x") == RV_OK, "%s", producer.last.text);
	ck_assert(is_well(&producer));
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

START_TEST(without_a_broker_a_message_ends_with_its_time)
{
	struct kit_producer producer = {.send_timeout_ms = 1500};

	rd_kafka_mock_topic_create(half.cluster, "late", 1, 1);
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	ck_assert(kit_produce(&half.kit, &producer, "late", NULL));
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_E_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(producer.last.text, "does not have it"));
	kit_producer_close(&producer, 0);
}
END_TEST

/* A service that is taken out of use for its health sends nothing, and is to come back all the same. */
START_TEST(health_is_well_again_without_another_message)
{
	struct kit_producer producer = {.send_timeout_ms = 500};

	rd_kafka_mock_topic_create(half.cluster, "idle", 1, 1);
	ck_assert(kit_produce(&half.kit, &producer, "idle", NULL));
	WAIT_UNTIL(HALF_SOON_MS, kit_send_text(&producer, "x") == RV_OK);
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	ck_assert_int_ne(kit_send_text(&producer, "y"), RV_OK);
	WAIT_UNTIL(HALF_SOON_MS, !is_well(&producer));
	rd_kafka_mock_broker_set_up(half.cluster, 1);
	WAIT_UNTIL(HALF_SOON_MS, is_well(&producer));
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

/* A machine that stands still makes a sender of little patience send more than once. */
static void expect_others_until(struct reading *reading, const char *others, const char *last)
{
	bool is_last = false;

	while (!is_last) {
		rd_kafka_message_t *record = reading_next(reading);

		is_last = record->len == strlen(last) && memcmp(record->payload, last, record->len) == 0;
		ck_assert_msg(is_last ||
		        (record->len == strlen(others) && memcmp(record->payload, others, record->len) == 0),
		    "'%.*s' came", (int)record->len, (const char *)record->payload);
		rd_kafka_message_destroy(record);
	}
}

START_TEST(what_waited_for_too_long_is_not_sent_any_more)
{
	struct kit_producer producer = {.send_timeout_ms = 700};
	struct reading reading;
	size_t completed, failed;
	int64_t late_ms;

	rd_kafka_mock_topic_create(half.cluster, "waited", 1, 1);
	ck_assert(kit_produce(&half.kit, &producer, "waited", NULL));
	WAIT_UNTIL(HALF_SOON_MS, kit_send_text(&producer, "first") == RV_OK);
	completed = producer.completed;
	failed = producer.failed;
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	half_queue_number(&producer, 1);
	WAIT_UNTIL(HALF_SOON_MS, !has_waiting(&producer)); /* its transaction has begun */
	half_queue_number(&producer, 2);
	late_ms = rv__monotonic_ms() + 1000;
	WAIT_UNTIL(HALF_SOON_MS, rv__monotonic_ms() > late_ms);
	rd_kafka_mock_broker_set_up(half.cluster, 1);
	ck_assert(kit_wait_completed(&producer, completed + 2, HALF_SOON_MS));
	ck_assert_uint_eq(producer.failed, failed + 2);
	WAIT_UNTIL(HALF_SOON_MS, kit_send_text(&producer, "last") == RV_OK);
	reading = reading_begin("waited");
	expect_others_until(&reading, "first", "last");
	reading_end(&reading);
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

START_TEST(an_end_in_the_middle_fails_what_is_left)
{
	struct kit_producer producer;

	half_bind(&producer, "middle", NULL);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	half_queue_number(&producer, 1);
	half_queue_number(&producer, 2);
	ck_assert_uint_eq(kit_producer_close(&producer, 300), 2);
	ck_assert_uint_eq(producer.completed, 3);
	ck_assert_uint_eq(producer.failed, 2);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {messages_arrive_in_their_order_and_are_told_once,
	    an_end_commits_what_was_queued, what_may_be_tried_again_is,
	    a_message_alone_that_is_refused_is_told_why, a_batch_that_was_refused_is_tried_again_in_parts,
	    who_is_fenced_is_told_how_to_cure_it_and_goes_on,
	    an_id_that_is_not_allowed_shows_in_health_until_it_is,
	    without_a_broker_a_message_ends_with_its_time, health_is_well_again_without_another_message,
	    what_waited_for_too_long_is_not_sent_any_more, an_end_in_the_middle_fails_what_is_left, NULL};

	return unit_run("kafka lane", cases, half_setup_transactions, half_teardown);
}
