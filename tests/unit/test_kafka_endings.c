/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the producing half of the Kafka binder ends, by a stop or by an error that librdkafka cannot get over: whatever
 * happens, every accepted message completes once, and a fatal error costs nothing that the broker does not have.
 */
#include "tests/support/kafka_half.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

/* -- the end ---------------------------------------------------------------------------------------------------- */

START_TEST(an_end_waits_for_what_lingers)
{
	static const char *const lines[] = {"batch-timeout=60000", NULL};
	struct kit_producer producer;
	struct reading reading;

	half_bind(&producer, "linger", lines);
	for (int i = 0; i < 100; i++)
		half_queue_number(&producer, i);
	ck_assert_uint_eq(kit_producer_close(&producer, HALF_SOON_MS), 0);
	ck_assert_uint_eq(producer.completed, 100);
	ck_assert_uint_eq(producer.failed, 0);
	reading = reading_begin("linger");
	reading_expect_numbers(&reading, 100);
	reading_end(&reading);
}
END_TEST

START_TEST(an_end_without_a_broker_completes_everything_with_closed)
{
	struct kit_producer producer;

	half_bind(&producer, "gone", NULL);
	half_queue_number(&producer, 0);
	ck_assert(kit_wait_completed(&producer, 1, HALF_SOON_MS));
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	for (int i = 0; i < 500; i++)
		half_queue_number(&producer, i);
	ck_assert_uint_eq(kit_producer_close(&producer, 200), 500);
	ck_assert_uint_eq(producer.completed, 501);
	ck_assert_uint_eq(producer.failed, 500);
	ck_assert_int_eq(producer.last.code, RV_E_CLOSED);
}
END_TEST

START_TEST(bindings_of_one_configuration_share_a_client_and_end_apart)
{
	static const char *const other_lines[] = {"compression-type=gzip", NULL};
	static char large[5000];
	RV_CLEANUP(rv_message_unrefp) rv_message *held = rv_message_create(large, sizeof large);
	struct kit_producer first, second, other;

	half_bind(&first, "first", NULL);
	half_bind(&second, "second", NULL);
	half_bind(&other, "other", other_lines);
	ck_assert_ptr_eq(half_client(&first), half_client(&second));
	ck_assert_ptr_ne(half_client(&first), half_client(&other));
	ck_assert_int_eq(kit_send_text(&first, "x"), RV_OK);
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	for (int i = 0; i < 10; i++) {
		half_queue_number(&first, i);
		ck_assert(kit_queue(&first, held, -1));
		half_queue_number(&second, i);
	}
	/* The second one's are on their way and stay there. */
	ck_assert_uint_eq(kit_producer_close(&first, 100), 20);
	ck_assert_uint_eq(first.completed, 21);
	ck_assert_int_eq(first.last.code, RV_E_CLOSED);
	ck_assert_uint_eq(second.completed, 0);
	rd_kafka_mock_broker_set_up(half.cluster, 1);
	ck_assert(kit_wait_completed(&second, 10, HALF_SOON_MS));
	ck_assert_uint_eq(second.failed, 0);
	ck_assert_uint_eq(kit_producer_close(&second, HALF_SOON_MS), 0);
	ck_assert_uint_eq(kit_producer_close(&other, HALF_SOON_MS), 0);
}
END_TEST

START_TEST(a_stop_ends_what_is_on_its_way)
{
	struct kit_producer producer;

	half_bind(&producer, "stopped", NULL);
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	for (int i = 0; i < 100; i++)
		half_queue_number(&producer, i);
	half.kit.ops->stop(half.kit.binder);
	ck_assert(kit_wait_completed(&producer, 100, HALF_SOON_MS));
	ck_assert_uint_eq(producer.failed, 100);
	ck_assert_int_eq(kit_last(&producer).code, RV_E_CLOSED);
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

/* -- fatal errors ------------------------------------------------------------------------------------------------ */

START_TEST(after_a_fatal_error_what_the_broker_lacks_is_sent_again_in_order)
{
	struct kit_producer producer;
	struct reading reading;

	half_bind(&producer, "fatal", NULL);
	for (int i = 0; i < 10; i++)
		half_queue_number(&producer, i);
	ck_assert(kit_wait_completed(&producer, 10, HALF_SOON_MS));
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	for (int i = 10; i < 500; i++)
		half_queue_number(&producer, i);
	ck_assert_int_eq(rd_kafka_test_fatal_error(half_client(&producer)->rk,
	                     RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test"),
	    0);
	WAIT_UNTIL(HALF_SOON_MS, atomic_load(&half_client(&producer)->renewals) == 1);
	rd_kafka_mock_broker_set_up(half.cluster, 1);
	for (int i = 500; i < 600; i++)
		half_queue_number(&producer, i);
	ck_assert(kit_wait_completed(&producer, 600, HALF_SOON_MS));
	ck_assert_uint_eq(producer.failed, 0);
	reading = reading_begin("fatal");
	reading_expect_numbers(&reading, 600);
	reading_end(&reading);
	ck_assert_uint_eq(kit_producer_close(&producer, HALF_SOON_MS), 0);
}
END_TEST

START_TEST(fatal_errors_under_traffic_lose_nothing)
{
	struct kit_producer producer;
	struct reading reading;
	size_t failed;

	half_bind(&producer, "again", NULL);
	for (int i = 0; i < 5000; i++) {
		half_queue_number(&producer, i);
		if (i % 1000 == 500) {
			uint64_t before = atomic_load(&half_client(&producer)->renewals);

			rd_kafka_test_fatal_error(
			    half_client(&producer)->rk, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, "a test");
			WAIT_UNTIL(
			    HALF_SOON_MS, atomic_load(&half_client(&producer)->renewals) == before + 1);
		}
	}
	ck_assert(kit_wait_completed(&producer, 5000, HALF_SOON_MS));
	ck_assert_uint_eq(producer.completed, 5000);
	failed = producer.failed;
	/* Answers on the wire still count, so nothing was in doubt. */
	ck_assert_uint_eq(failed, 0);
	reading = reading_begin("again");
	reading_expect_numbers(&reading, 5000);
	reading_end(&reading);
	kit_producer_close(&producer, HALF_SOON_MS);
}
END_TEST

START_TEST(an_end_during_a_renewal_completes_everything)
{
	struct kit_producer producer;

	half_bind(&producer, "torn", NULL);
	rd_kafka_mock_broker_set_down(half.cluster, 1);
	for (int i = 0; i < 200; i++)
		half_queue_number(&producer, i);
	rd_kafka_test_fatal_error(
	    half_client(&producer)->rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test");
	ck_assert_uint_eq(kit_producer_close(&producer, 0), 200);
	ck_assert_uint_eq(producer.completed, 200);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {an_end_waits_for_what_lingers,
	    an_end_without_a_broker_completes_everything_with_closed,
	    bindings_of_one_configuration_share_a_client_and_end_apart, a_stop_ends_what_is_on_its_way,
	    after_a_fatal_error_what_the_broker_lacks_is_sent_again_in_order,
	    fatal_errors_under_traffic_lose_nothing, an_end_during_a_renewal_completes_everything, NULL};

	return unit_run("kafka_endings", cases, half_setup, half_teardown);
}
