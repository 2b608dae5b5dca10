/* SPDX-License-Identifier: Apache-2.0 */
/* What goes in, what comes out, and a server that dies, forgets, fills up or says no. */
#include <string.h>

#include "tests/integration/redis_kit.h"
#include "tests/support/wait.h"

START_TEST(killing_the_server_under_traffic_loses_nothing_acknowledged)
{
	enum { KILLS = 5, EACH = 200 };

	start_server("");
	open_kit(NULL);
	consumer.settle_at_once = true;
	produce(NULL);
	consume(NULL);
	for (int i = 0; i < KILLS; i++) {
		send_texts(i * EACH, i * EACH + EACH / 2);
		kill_server();
		start_server("");
		/* The first of these waits for the way back; each is told as sent only when the server has it. */
		send_texts(i * EACH + EACH / 2, (i + 1) * EACH);
	}
	for (int i = 0; i < KILLS * EACH; i++) {
		char text[16];

		snprintf(text, sizeof text, "m%d", i);
		ck_assert_msg(wait_until(SOON_MS, has(text)), "%s is lost", text);
	}
	WAIT_UNTIL(SOON_MS, pending() == 0);
	close_all();
}
END_TEST

START_TEST(a_group_that_is_gone_is_made_again)
{
	start_server("");
	open_kit(NULL);
	consumer.settle_at_once = true;
	produce(NULL);
	consume(NULL);
	send_texts(0, 3);
	WAIT_UNTIL(SOON_MS, has("m2"));
	ck_assert_int_eq(ask("XGROUP DESTROY d g"), 1);
	send_texts(3, 6);
	WAIT_UNTIL(SOON_MS, has("m5"));
	/* … and the whole stream, which begins anew. */
	ck_assert_int_eq(ask("DEL d"), 1);
	send_texts(6, 9);
	WAIT_UNTIL(SOON_MS, has("m6") && has("m8"));
	close_all();
}
END_TEST

START_TEST(a_full_server_refuses_for_now_and_takes_again)
{
	struct rv_error why;

	open_line(NULL);
	send_texts(0, 1);
	ck_assert_int_eq(ask("CONFIG SET maxmemory 1"), 0);
	ck_assert_int_eq(kit_send_text(&producer, "no room"), RV_E_FULL);
	why = kit_last(&producer);
	ck_assert(why.retriable);
	ck_assert_ptr_nonnull(strstr(why.text, "maxmemory"));
	WAIT_UNTIL(SOON_MS, ops->health(kit.binder, NULL, NULL) == RV_HEALTH_DOWN);
	ck_assert_int_eq(ask("CONFIG SET maxmemory 0"), 0);
	send_texts(1, 2);
	WAIT_UNTIL(SOON_MS, ops->health(kit.binder, NULL, NULL) == RV_HEALTH_UP);
	ck_assert_int_eq(ask("XLEN d"), 2);
	close_all();
}
END_TEST

START_TEST(a_wrong_password_is_said_and_passes_when_it_is_right)
{
	start_server("right");
	open_kit("password=wrong");
	produce(NULL);
	ck_assert(producer.info.waiting);
	WAIT_UNTIL(SOON_MS, ops->health(kit.binder, NULL, NULL) == RV_HEALTH_DOWN);
	freeReplyObject(redisCommand(raw, "AUTH right"));
	ck_assert_int_eq(ask("CONFIG SET requirepass wrong"), 0);
	WAIT_UNTIL(SOON_MS, kit_is_up(&producer));
	send_texts(0, 1);
	close_all();
}
END_TEST

START_TEST(trimming_leaves_what_a_group_needs)
{
	static const char *const small[] = {"max-length=10", "trim-interval=50", NULL};

	start_server("");
	open_kit(NULL);
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	produce(small);
	send_texts(0, 1000);
	ck_assert(!wait_until(500, ask("XLEN d") < 1000));
	consumer.settle_at_once = true;
	consume(NULL);
	ck_assert(kit_wait_count(&consumer, 1000, SOON_MS));
	/* Whole nodes go: a hundred entries each. */
	WAIT_UNTIL(SOON_MS, ask("XLEN d") <= 110);
	close_all();
}
END_TEST

static void note_lag(void *arg, const char *name, const char *binding, double value)
{
	(void)binding;
	if (strcmp(name, "lag") == 0)
		*(double *)arg = value;
}

static double lag(void)
{
	double value = -1;

	ops->stats(kit.binder, note_lag, &value);
	return value;
}

START_TEST(the_lag_counts_what_was_not_read_and_what_was_not_settled)
{
	open_line(NULL);
	consumer.capacity = 2; /* the core takes two; a batch lies behind them, the rest in the stream */
	consume(NULL);
	send_texts(0, 600);
	WAIT_UNTIL(SOON_MS, lag() == 600);
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	WAIT_UNTIL(SOON_MS, lag() == 599);
	close_all();
}
END_TEST

START_TEST(a_message_says_where_it_came_from_if_asked_to)
{
	static const char *const told[] = {"receive-headers=true", NULL};
	const rv_message *message;
	struct rv_header header;

	start_server("");
	open_kit(NULL);
	consumer.settle_at_once = true;
	produce(NULL);
	consume(told);
	send_texts(0, 1);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	message = consumer.messages[0];
	ck_assert_str_eq(rv_message_header(message, "redis_stream"), "d");
	ck_assert_str_eq(rv_message_header(message, "redis_group"), "g");
	ck_assert_str_eq(rv_message_header(message, "redis_deliveryCount"), "1");
	ck_assert_str_eq(rv_message_header(message, "redis_messageId"), producer.broker_id);
	ck_assert_ptr_nonnull(rv_message_header(message, "redis_consumer"));
	ck_assert(rv_message_header_find(message, "redis_receivedTimestamp", &header));
	ck_assert_int_eq(header.type, RV_HEADER_LONG);
	ck_assert_int_eq(strncmp(header.value, producer.broker_id, header.length), 0);
	close_all();
}
END_TEST

START_TEST(what_is_written_in_a_format_of_others_comes_back)
{
	static const char *const formats[] = {"dapr", "watermill", "faststream", "spring", "flat", "native"};
	enum { FORMATS = sizeof formats / sizeof *formats };

	start_server("");
	open_kit(NULL);
	consumer.settle_at_once = true;
	consume(NULL);
	for (size_t i = 0; i < FORMATS; i++) {
		char line[64];
		const char *const settings[] = {line, NULL};
		rv_message *message = rv_message_create_json("{s:s}", "plate", "B 1");

		snprintf(line, sizeof line, "message-format=%s", formats[i]);
		produce(settings);
		ck_assert_int_eq(rv_message_set_header(message, "fee", "15"), RV_OK);
		ck_assert_int_eq(kit_send(&producer, message, -1), RV_OK);
		rv_message_unref(message);
		(void)kit_producer_close(&producer, SOON_MS);
		producer.producer = NULL;
	}
	ck_assert(kit_wait_count(&consumer, FORMATS, SOON_MS));
	for (size_t i = 0; i < FORMATS; i++) {
		const rv_message *message = consumer.messages[i];
		bool flat = strcmp(formats[i], "flat") == 0; /* its headers are members, too */

		ck_assert_str_eq(rv_message_text(message),
		    flat ? "{\"fee\":\"15\",\"plate\":\"B 1\"}" : "{\"plate\":\"B 1\"}");
		ck_assert_str_eq(rv_message_header(message, RV_HEADER_CONTENT_TYPE), "application/json");
		if (!flat)
			ck_assert_str_eq(rv_message_header(message, "fee"), "15");
	}
	close_all();
}
END_TEST

START_TEST(a_key_of_another_type_is_a_mistake_of_the_configuration)
{
	start_server("");
	open_kit(NULL);
	freeReplyObject(redisCommand(raw, "SET d x"));
	ck_assert(!kit_consume(&kit, &consumer, "d", "g", NULL));
	ck_assert_int_eq(kit.error.code, RV_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(kit.error.text, "key-prefix"));
	kit_close(&kit);
}
END_TEST

START_TEST(without_auto_create_a_missing_stream_is_an_error_of_the_send)
{
	open_line("auto-create=false");
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_E_NOTFOUND);
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	send_texts(0, 1);
	close_all();
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const cases[] = {killing_the_server_under_traffic_loses_nothing_acknowledged,
	    a_group_that_is_gone_is_made_again, a_full_server_refuses_for_now_and_takes_again,
	    a_wrong_password_is_said_and_passes_when_it_is_right, trimming_leaves_what_a_group_needs,
	    the_lag_counts_what_was_not_read_and_what_was_not_settled,
	    a_message_says_where_it_came_from_if_asked_to, what_is_written_in_a_format_of_others_comes_back,
	    a_key_of_another_type_is_a_mistake_of_the_configuration,
	    without_auto_create_a_missing_stream_is_an_error_of_the_send, NULL};

	return run_cases("redis_binder", cases, argc, argv);
}
