/* SPDX-License-Identifier: Apache-2.0 */
/* Half messages, their end, and the questions about those whose producer is silent. */
#include "tests/support/unit.h"
#include "tests/wire/wire_kit.h"

#include <string.h>

#include "remoting/heartbeat.h"

static struct wire_client client;
static int64_t half_offset, half_physical;

static void setup(void)
{
	wire_setup();
	wire_settings.transaction_timeout_ms = 1;
	wire_settings.transaction_check_ms = 300;
	wire_settings.transaction_check_max = 2;
	wire_open();
	wire_connect(&client, wire_port());
}

static void teardown(void)
{
	wire_disconnect(&client);
	wire_teardown();
}

static void reopen(void)
{
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
}

static void send_half(const char *body)
{
	struct rv_span id;
	struct rv__address host;

	ck_assert_int_eq(wire_send_message(&client, "T", 1,
	                     "TRAN_MSG\x01true\x02PGROUP\x01PG1\x02TAGS\x01TagA\x02UNIQ_KEY\x01"
	                     "7F0000011F9000000000000000000000",
	                     body),
	    RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_number(&client, "queueId"), 1);
	half_offset = wire_number(&client, "queueOffset");
	id = rv__command_field(&client.command, "msgId");
	ck_assert(rv__offset_id_parse(id.bytes, id.length, &host, &half_physical));
}

static int end_transaction(const char *group, int outcome)
{
	wire_begin(&client, RV__REQ_END_TRANSACTION);
	rv__command_add_text(&client.writer, "producerGroup", group);
	rv__command_add_i64(&client.writer, "tranStateTableOffset", half_offset);
	rv__command_add_i64(&client.writer, "commitLogOffset", half_physical);
	rv__command_add_i64(&client.writer, "commitOrRollback", outcome);
	rv__command_add_text(&client.writer, "msgId", "7F0000011F9000000000000000000000");
	return wire_call(&client, NULL, 0);
}

static void expect_messages(size_t count)
{
	int code = wire_pull(&client, "G", "T", 1, 0, 0, "*");

	ck_assert_int_eq(code, count ? RV__RSP_SUCCESS : RV__RSP_PULL_NOT_FOUND);
	ck_assert_uint_eq(wire_record_count(&client), count);
}

START_TEST(a_half_message_is_not_seen_before_its_commit)
{
	struct rv__record record;
	size_t length;

	send_half("paid");
	expect_messages(0);
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_COMMIT), RV__RSP_SUCCESS);
	expect_messages(1);
	record = wire_record(&client, 0);
	ck_assert_mem_eq(record.body, "paid", 4);
	ck_assert_int_eq(record.sys_flag & RV__SYS_TX_MASK, RV__SYS_TX_COMMIT);
	ck_assert_int_eq(record.prepared_offset, half_physical);
	ck_assert_ptr_null(
	    rv__properties_get(record.properties, record.properties_length, "TRAN_MSG", &length));
	ck_assert_ptr_nonnull(
	    rv__properties_get(record.properties, record.properties_length, "TAGS", &length));
}
END_TEST

START_TEST(a_rolled_back_message_is_never_seen)
{
	send_half("not paid");
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_ROLLBACK), RV__RSP_SUCCESS);
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_COMMIT), RV__RSP_SUCCESS);
	expect_messages(0);
}
END_TEST

START_TEST(a_second_commit_changes_nothing)
{
	send_half("once");
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_COMMIT), RV__RSP_SUCCESS);
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_COMMIT), RV__RSP_SUCCESS);
	reopen();
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_COMMIT), RV__RSP_SUCCESS);
	expect_messages(1);
}
END_TEST

START_TEST(only_its_own_group_ends_a_transaction)
{
	send_half("mine");
	ck_assert_int_eq(end_transaction("PG2", RV__TRANSACTION_COMMIT), RV__RSP_SYSTEM_ERROR);
	half_offset++;
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_COMMIT), RV__RSP_SYSTEM_ERROR);
	half_offset--;
	half_physical += 3;
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_COMMIT), RV__RSP_SYSTEM_ERROR);
	expect_messages(0);
}
END_TEST

START_TEST(an_open_transaction_survives_a_restart)
{
	send_half("first");
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_COMMIT), RV__RSP_SUCCESS);
	send_half("kept");
	reopen();
	expect_messages(1);
	ck_assert_int_eq(end_transaction("PG1", RV__TRANSACTION_COMMIT), RV__RSP_SUCCESS);
	expect_messages(2);
}
END_TEST

static void become_producer(void)
{
	const char *producers[] = {"PG1"};
	struct rv__heartbeat heartbeat = {.client_id = "p", .producers = producers, .producer_count = 1};
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__heartbeat_encode(&body, &heartbeat);
	wire_begin(&client, RV__REQ_HEART_BEAT);
	ck_assert_int_eq(wire_call(&client, body.bytes, body.length), RV__RSP_SUCCESS);
	rv__buffer_finish(&body);
}

START_TEST(a_silent_producer_is_asked_with_the_message_as_it_was_meant)
{
	struct rv__record record;

	become_producer();
	send_half("asked");
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	ck_assert_int_eq(client.command.code, RV__REQ_CHECK_TRANSACTION_STATE);
	ck_assert_int_eq(client.command.flag, RV__FLAG_ONEWAY);
	ck_assert_int_eq(wire_number(&client, "tranStateTableOffset"), half_offset);
	ck_assert_int_eq(wire_number(&client, "commitLogOffset"), half_physical);
	ck_assert(wire_field_is(&client, "transactionId", "7F0000011F9000000000000000000000"));
	record = wire_record(&client, 0);
	ck_assert_uint_eq(record.topic_length, 1);
	ck_assert_int_eq(record.queue_id, 1);
	ck_assert_mem_eq(record.body, "asked", 5);
}
END_TEST

START_TEST(after_too_many_questions_the_message_is_put_aside)
{
	become_producer();
	send_half("aside");
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	ck_assert_int_eq(
	    wire_pull(&client, "G", "TRANS_CHECK_MAX_TIME_TOPIC", 0, 0, 20000, "*"), RV__RSP_SUCCESS);
	ck_assert_mem_eq(wire_record(&client, 0).body, "aside", 5);
	ck_assert(!wire_receive(&client, 700));
	expect_messages(0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_half_message_is_not_seen_before_its_commit,
	    a_rolled_back_message_is_never_seen, a_second_commit_changes_nothing,
	    only_its_own_group_ends_a_transaction, an_open_transaction_survives_a_restart,
	    a_silent_producer_is_asked_with_the_message_as_it_was_meant,
	    after_too_many_questions_the_message_is_put_aside, NULL};

	return unit_run("wire_transactions", cases, setup, teardown);
}
