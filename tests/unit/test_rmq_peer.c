/* SPDX-License-Identifier: Apache-2.0 */
/* The rocketmq binder against a peer that answers late, wrongly or not at all. */
#include <string.h>

#include "binder/rocketmq/binder.h"
#include "remoting/codes.h"
#include "tests/support/binder_kit.h"
#include "tests/support/scripted_peer.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

static struct peer peer;
static struct kit kit;
static struct kit_producer producer;
static struct kit_consumer *consumer;

/* For those sends alone that no answer is to come to: of the others it would be a deadline. */
static const char *const quick[] = {"send-msg-timeout=600", NULL};
static const char *const steady[] = {"send-msg-timeout=15000", NULL};
/* No send ends by itself while a case prepares what it looks at. */
static const char *const patient[] = {"send-msg-timeout=60000", "retry-times-when-send-failed=0", NULL};

static void begin(void)
{
	char name_server[64];
	/* The first address is nobody's: every case begins with a fail-over. */
	const char *const settings[] = {name_server, "persist-consumer-offset-interval=20", NULL};

	peer_start(&peer);
	snprintf(name_server, sizeof name_server, "name-server=127.0.0.1:1;127.0.0.1:%d", peer.port);
	ck_assert_msg(kit_open(&kit, &rv__rocketmq_binder, settings), "%s", kit.error.text);
	producer = (struct kit_producer){0};
	consumer = NULL;
}

static void end(void)
{
	if (consumer) {
		(void)kit_consumer_close(consumer, 500);
		free(consumer);
	}
	if (producer.producer)
		(void)kit_producer_close(&producer, 500);
	kit_close(&kit);
	peer_stop(&peer);
}

static void produce_with(const char *const *settings)
{
	ck_assert_msg(kit_produce(&kit, &producer, "topic", settings), "%s", kit.error.text);
}

static void produce_again(const char *const *settings)
{
	(void)kit_producer_close(&producer, 500);
	producer = (struct kit_producer){0};
	produce_with(settings);
}

static void produce(void)
{
	produce_with(steady);
}

/* Bound, or soon after where the machine was too slow for the first look. */
static void await_up(void)
{
	WAIT_UNTIL(30000, !producer.info.waiting || kit_is_up(&producer));
}

static void consume(const char *const *settings)
{
	consumer = calloc(1, sizeof *consumer);
	ck_assert_msg(kit_consume(&kit, consumer, "topic", "group", settings), "%s", kit.error.text);
}

START_TEST(it_works_when_the_peer_behaves)
{
	produce();
	await_up();
	consume(NULL);
	ck_assert_int_eq(kit_send_text(&producer, "hello"), RV_OK);
	ck_assert(kit_wait_count(consumer, 1, 30000));
	ck_assert_str_eq(rv_message_text(consumer->messages[0]), "hello");
}
END_TEST

START_TEST(a_busy_broker_is_tried_again)
{
	produce();
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_CODE, RV__RSP_SYSTEM_BUSY, 2);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	ck_assert_int_eq(peer.seen[RV__REQ_SEND_MESSAGE_V2], 3);
}
END_TEST

START_TEST(a_refusal_is_told_in_the_broker_s_words)
{
	produce();
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_CODE, RV__RSP_MESSAGE_ILLEGAL, -1);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_E_TOOBIG);
	ck_assert_int_eq(kit_last(&producer).native, RV__RSP_MESSAGE_ILLEGAL);
	ck_assert(!kit_last(&producer).retriable);
	ck_assert_ptr_nonnull(strstr(kit_last(&producer).text, "as the script says"));
	ck_assert_int_eq(peer.seen[RV__REQ_SEND_MESSAGE_V2], 1);
}
END_TEST

START_TEST(tries_end_after_the_configured_number)
{
	produce();
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_CODE, RV__RSP_SYSTEM_ERROR, -1);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_E_PROTOCOL);
	ck_assert_int_eq(peer.seen[RV__REQ_SEND_MESSAGE_V2], 3);
}
END_TEST

/* As the binder says itself: a clock here would judge the machine too. */
static void expect_waited_at_most(int ms)
{
	struct rv_error last = kit_last(&producer);
	const char *within = strstr(last.text, "within ");

	ck_assert_msg(within && strtol(within + 7, NULL, 10) <= ms, "%s", last.text);
}

START_TEST(silence_ends_with_the_time_out)
{
	int64_t began;

	/* With the way known, silence is all that the send meets. */
	produce();
	await_up();
	produce_again(quick);
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_SILENT, 0, -1);
	began = rv__monotonic_ms();
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_E_TIMEOUT);
	ck_assert(kit_last(&producer).retriable);
	ck_assert_ptr_nonnull(strstr(kit_last(&producer).text, "127.0.0.1:"));
	ck_assert_ptr_nonnull(strstr(kit_last(&producer).text, "may have the message"));
	ck_assert_int_ge(rv__monotonic_ms() - began, 550);
	expect_waited_at_most(600);
}
END_TEST

START_TEST(the_time_out_of_the_core_holds_where_no_property_of_the_binder_says_another)
{
	int64_t began;

	producer.send_timeout_ms = 300;
	ck_assert_msg(kit_produce(&kit, &producer, "topic", NULL), "%s", kit.error.text);
	ck_assert_int_eq(producer.info.send_timeout_ms, 0);
	/* With the way known, silence is all that the next one meets. */
	WAIT_UNTIL(30000, kit_send_text(&producer, "way") == RV_OK);
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_SILENT, 0, -1);
	began = rv__monotonic_ms();
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_E_TIMEOUT);
	ck_assert_int_ge(rv__monotonic_ms() - began, 290);
	expect_waited_at_most(300);
}
END_TEST

START_TEST(a_refused_connection_is_told_at_once_and_with_its_address)
{
	enum { BINDINGS = 16 };
	static const char *const nobody[] = {"name-server=127.0.0.1:1", NULL};
	struct kit_producer producers[BINDINGS] = {0};
	int64_t quickest = INT64_MAX;
	struct kit away;

	ck_assert_msg(kit_open(&away, &rv__rocketmq_binder, nobody), "%s", away.error.text);
	for (int i = 0; i < BINDINGS; i++) {
		int64_t began = rv__monotonic_ms();
		int64_t took;

		ck_assert(kit_produce(&away, &producers[i], "topic", quick));
		took = rv__monotonic_ms() - began;
		/* The first opens the connection; the others ask for what is known by then. */
		quickest = i > 0 && took < quickest ? took : quickest;
		ck_assert(producers[i].info.waiting);
		ck_assert_ptr_nonnull(strstr(kit_why(&producers[i]).text, "127.0.0.1:1"));
		ck_assert_ptr_nonnull(strstr(kit_why(&producers[i]).text, "refused"));
	}
	/* One tick of the client, for which nobody has to wait, is 50 ms. */
	ck_assert_int_lt(quickest, 40);
	for (int i = 0; i < BINDINGS; i++)
		(void)kit_producer_close(&producers[i], 500);
	kit_close(&away);
}
END_TEST

START_TEST(a_connection_closed_under_a_send_is_opened_again)
{
	produce();
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_CLOSE, 0, 1);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_TRUNCATED, 0, 1);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_BROKEN, 0, 1);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
}
END_TEST

START_TEST(a_success_without_fields_is_a_success)
{
	produce();
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_BARE, 0, 1);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	ck_assert_int_eq(producer.receipt.partition, -1);
	ck_assert_int_eq(producer.receipt.position, -1);
}
END_TEST

START_TEST(a_name_server_that_talks_nonsense_is_waited_out)
{
	peer_script(&peer, RV__REQ_GET_ROUTEINFO_BY_TOPIC, PEER_GARBAGE, 0, -1);
	produce_with(quick);
	ck_assert(producer.info.waiting);
	ck_assert_int_ne(kit_send_text(&producer, "x"), RV_OK);
	produce_again(steady);
	peer_script(&peer, RV__REQ_GET_ROUTEINFO_BY_TOPIC, PEER_WELL, 0, 0);
	WAIT_UNTIL(30000, kit_is_up(&producer));
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
}
END_TEST

START_TEST(an_unknown_topic_without_template_is_named)
{
	peer_script(&peer, RV__REQ_GET_ROUTEINFO_BY_TOPIC, PEER_CODE, RV__RSP_TOPIC_NOT_EXIST, -1);
	produce_with(quick);
	ck_assert(producer.info.waiting);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_E_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(kit_last(&producer).text, "autoCreateTopicEnable"));
}
END_TEST

START_TEST(an_output_makes_its_missing_topic_before_the_first_message)
{
	peer.missing = -1;
	produce();
	await_up();
	ck_assert_int_eq(peer.made_queues, 1); /* as many as the template has, up to 4 */
	ck_assert_int_eq(peer.seen[RV__REQ_UPDATE_AND_CREATE_TOPIC], 1);
}
END_TEST

START_TEST(a_topic_that_is_there_is_never_made_again)
{
	produce();
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	ck_assert_int_eq(peer.seen[RV__REQ_UPDATE_AND_CREATE_TOPIC], 0);
	ck_assert_int_eq(peer.seen[RV__REQ_GET_BROKER_CONFIG], 0);
}
END_TEST

START_TEST(a_topic_that_somebody_makes_meanwhile_keeps_its_queues)
{
	peer.missing = 1; /* the first look finds none, the last one before making does */
	produce();
	await_up();
	ck_assert_int_eq(peer.missed, 1);
	ck_assert_int_eq(peer.seen[RV__REQ_UPDATE_AND_CREATE_TOPIC], 0);
}
END_TEST

START_TEST(a_broker_that_makes_no_topics_is_asked_for_none)
{
	peer.missing = -1;
	peer.config = "brokerName=scripted\nautoCreateTopicEnable=false\nlistenPort=1\n";
	produce();
	await_up();
	ck_assert_int_eq(peer.seen[RV__REQ_GET_BROKER_CONFIG], 1);
	ck_assert_int_eq(peer.seen[RV__REQ_UPDATE_AND_CREATE_TOPIC], 0);
}
END_TEST

START_TEST(a_refusal_to_make_a_topic_leaves_it_to_the_first_message)
{
	peer.missing = -1;
	peer_script(&peer, RV__REQ_UPDATE_AND_CREATE_TOPIC, PEER_CODE, RV__RSP_NO_PERMISSION, -1);
	produce();
	await_up();
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	ck_assert_int_eq(peer.seen[RV__REQ_UPDATE_AND_CREATE_TOPIC], 1);
}
END_TEST

START_TEST(a_broker_that_hangs_up_on_such_requests_is_still_sent_to)
{
	peer.missing = -1;
	peer_script(&peer, RV__REQ_GET_BROKER_CONFIG, PEER_CLOSE, 0, -1);
	produce();
	await_up();
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	ck_assert_int_eq(peer.seen[RV__REQ_UPDATE_AND_CREATE_TOPIC], 0);
}
END_TEST

START_TEST(no_topic_is_made_where_a_property_says_so)
{
	char name_server[64];
	const char *const settings[] = {name_server, "auto-create-topics=false", NULL};
	struct kit careful;

	peer.missing = -1;
	snprintf(name_server, sizeof name_server, "name-server=127.0.0.1:%d", peer.port);
	ck_assert_msg(kit_open(&careful, &rv__rocketmq_binder, settings), "%s", careful.error.text);
	ck_assert_msg(kit_produce(&careful, &producer, "topic", quick), "%s", careful.error.text);
	await_up();
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	(void)kit_producer_close(&producer, 500);
	producer.producer = NULL;
	kit_close(&careful);
	ck_assert_int_eq(peer.seen[RV__REQ_GET_BROKER_CONFIG], 0);
	ck_assert_int_eq(peer.seen[RV__REQ_UPDATE_AND_CREATE_TOPIC], 0);
}
END_TEST

START_TEST(a_missing_topic_is_looked_for_soon_and_then_each_second)
{
	int64_t began = rv__monotonic_ms(), looked_ms = began;
	int soon = 0;

	peer.missing = -1;
	consume(NULL);
	/* Twice at once, then after 50, 150, 350, 750 ms. Looking each second, not one would follow another within
	 * 900 ms; on a machine that hangs for a while, one or two do not. */
	for (int look = 1; look <= 6; look++) {
		WAIT_UNTIL(30000, peer.missed >= look);
		soon += look > 1 && rv__monotonic_ms() - looked_ms < 900;
		looked_ms = rv__monotonic_ms();
	}
	ck_assert_int_ge(soon, 3);
	/* After 1.55 and 2.55 s: never more often than that, however slow this machine. */
	WAIT_UNTIL(30000, peer.missed >= 8);
	ck_assert_int_ge(rv__monotonic_ms() - began, 2400);
}
END_TEST

START_TEST(a_consumer_survives_wrong_answers_to_all_its_questions)
{
	static const int questions[] = {RV__REQ_HEART_BEAT, RV__REQ_GET_CONSUMER_LIST_BY_GROUP,
	    RV__REQ_QUERY_CONSUMER_OFFSET, RV__REQ_PULL_MESSAGE, RV__REQ_LOCK_BATCH_MQ};
	static const enum peer_act acts[] = {
	    PEER_BARE, PEER_GARBAGE, PEER_CLOSE, PEER_BROKEN, PEER_TRUNCATED, PEER_CODE};
	size_t act = (size_t)_i % 6, question = (size_t)_i / 6;

	produce();
	ck_assert_int_eq(kit_send_text(&producer, "kept"), RV_OK);
	peer_script(&peer, questions[question], acts[act], RV__RSP_SYSTEM_ERROR, 2);
	consume(NULL);
	ck_assert(kit_wait_count(consumer, 1, 30000));
	ck_assert_str_eq(rv_message_text(consumer->messages[0]), "kept");
}
END_TEST

START_TEST(a_refused_send_back_is_replaced_by_a_copy)
{
	produce();
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	peer_script(&peer, RV__REQ_CONSUMER_SEND_MSG_BACK, PEER_CODE, RV__RSP_SYSTEM_ERROR, -1);
	consume(NULL);
	ck_assert(kit_wait_count(consumer, 1, 30000));
	ck_assert_int_eq(kit_settle(consumer, 0, RV_SETTLE_REQUEUE, NULL), RV_OK);
	WAIT_UNTIL(30000, peer_got_retry(&peer, "%RETRY%group"));
}
END_TEST

START_TEST(a_requeue_that_buries_says_so)
{
	static const char *const at_once[] = {"delay-level-when-next-consume=-1", NULL};
	int64_t hold;

	produce();
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	consume(at_once);
	ck_assert(kit_wait_count(consumer, 1, 30000));
	ck_assert_int_eq(kit_settle(consumer, 0, RV_SETTLE_REQUEUE, &hold), RV_OK);
	ck_assert_int_eq(hold, RV_HOLD_DEAD_LETTER);
}
END_TEST

START_TEST(a_position_waits_for_the_confirmation_of_a_send_back)
{
	produce();
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	peer_script(&peer, RV__REQ_CONSUMER_SEND_MSG_BACK, PEER_SILENT, 0, 1);
	consume(NULL);
	ck_assert(kit_wait_count(consumer, 1, 30000));
	ck_assert_int_eq(kit_settle(consumer, 0, RV_SETTLE_DEAD_LETTER, NULL), RV_OK);
	WAIT_UNTIL(30000, peer.seen[RV__REQ_CONSUMER_SEND_MSG_BACK] == 1);
	/* Unbinding gives up on the deadline and says that one was left. */
	ck_assert_uint_eq(kit_consumer_close(consumer, 100), 1);
	ck_assert_int_eq(peer.stored, 0);
	free(consumer);
	consumer = NULL;
}
END_TEST

START_TEST(positions_are_stored_while_it_runs)
{
	produce();
	consume(NULL);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_OK);
	ck_assert(kit_wait_count(consumer, 1, 30000));
	ck_assert_int_eq(peer.stored, 0);
	ck_assert_int_eq(kit_settle(consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	WAIT_UNTIL(30000, peer.stored == 1);
}
END_TEST

START_TEST(a_change_of_members_is_looked_into_at_once)
{
	int before;

	consume(NULL);
	WAIT_UNTIL(30000, kit_is_assigned(consumer));
	before = peer.seen[RV__REQ_GET_CONSUMER_LIST_BY_GROUP];
	atomic_store(&peer.notify, true);
	/* By itself it looks every 20 s. */
	WAIT_UNTIL(15000, peer.seen[RV__REQ_GET_CONSUMER_LIST_BY_GROUP] > before);
}
END_TEST

START_TEST(every_accepted_send_completes_when_the_binding_ends)
{
	rv_message *message = rv_message_create_text("x");

	produce_with(patient);
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_SILENT, 0, -1);
	peer_script(&peer, RV__REQ_SEND_BATCH_MESSAGE, PEER_SILENT, 0, -1);
	for (int i = 0; i < 20; i++)
		ck_assert(kit_queue(&producer, message, -1));
	rv_message_unref(message);
	ck_assert_uint_eq(kit_producer_close(&producer, 50), 20);
	ck_assert_uint_eq(producer.completed, 20);
	ck_assert_int_eq(kit_last(&producer).code, RV_E_CLOSED);
	producer.producer = NULL;
}
END_TEST

START_TEST(a_stopped_binder_completes_what_it_has_and_what_comes)
{
	rv_message *message = rv_message_create_text("x");

	produce_with(patient);
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_SILENT, 0, -1);
	ck_assert(kit_queue(&producer, message, -1));
	WAIT_UNTIL(30000, peer.seen[RV__REQ_SEND_MESSAGE_V2] == 1);
	kit.ops->stop(kit.binder);
	ck_assert(kit_wait_completed(&producer, 1, 30000));
	ck_assert_int_eq(kit_last(&producer).code, RV_E_CLOSED);
	if (kit_queue(&producer, message, -1))
		ck_assert(kit_wait_completed(&producer, 2, 30000));
	ck_assert_int_eq(kit_last(&producer).code, RV_E_CLOSED);
	rv_message_unref(message);
}
END_TEST

START_TEST(a_too_large_payload_is_refused_with_both_sizes)
{
	const char *const small[] = {"max-message-size=10", NULL};

	ck_assert(kit_produce(&kit, &producer, "topic", small));
	ck_assert_int_eq(kit_send_text(&producer, "more than ten bytes"), RV_E_TOOBIG);
	ck_assert_ptr_nonnull(strstr(kit_last(&producer).text, "max-message-size"));
	ck_assert_int_eq(kit_send_text(&producer, "not more"), RV_OK);
}
END_TEST

START_TEST(a_full_producer_tells_when_there_is_room)
{
	rv_message *message = rv_message_create_text("x");
	size_t accepted = 0;

	produce_with(patient);
	peer_script(&peer, RV__REQ_SEND_BATCH_MESSAGE, PEER_SILENT, 0, -1);
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_SILENT, 0, -1);
	while (kit_queue(&producer, message, -1))
		ck_assert_uint_lt(accepted++, 100000);
	ck_assert_uint_gt(accepted, 1000);
	rv_message_unref(message);
	ck_assert_uint_eq(kit_writable(&producer), 0);
	/* What was not under way yet is answered; the rest fails with its connection. */
	peer_script(&peer, RV__REQ_SEND_BATCH_MESSAGE, PEER_WELL, 0, 0);
	peer_script(&peer, RV__REQ_SEND_MESSAGE_V2, PEER_WELL, 0, 0);
	atomic_store(&peer.hang_up, true);
	ck_assert(kit_wait_completed(&producer, accepted, 30000));
	WAIT_UNTIL(30000, kit_writable(&producer) >= 1);
}
END_TEST

START_TEST(names_that_rocketmq_does_not_allow_are_refused)
{
	struct kit_consumer bad = {0};

	ck_assert(!kit_bind_consumer(&kit, &bad, "no spaces", "group", NULL));
	ck_assert_int_eq(kit.error.code, RV_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(kit.error.text, "no spaces"));
	(void)kit_consumer_close(&bad, 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {it_works_when_the_peer_behaves, a_busy_broker_is_tried_again,
	    a_refusal_is_told_in_the_broker_s_words, tries_end_after_the_configured_number,
	    silence_ends_with_the_time_out,
	    the_time_out_of_the_core_holds_where_no_property_of_the_binder_says_another,
	    a_refused_connection_is_told_at_once_and_with_its_address,
	    a_connection_closed_under_a_send_is_opened_again, a_success_without_fields_is_a_success,
	    a_name_server_that_talks_nonsense_is_waited_out, an_unknown_topic_without_template_is_named,
	    an_output_makes_its_missing_topic_before_the_first_message,
	    a_topic_that_is_there_is_never_made_again, a_topic_that_somebody_makes_meanwhile_keeps_its_queues,
	    a_broker_that_makes_no_topics_is_asked_for_none,
	    a_refusal_to_make_a_topic_leaves_it_to_the_first_message,
	    a_broker_that_hangs_up_on_such_requests_is_still_sent_to,
	    no_topic_is_made_where_a_property_says_so,
	    a_missing_topic_is_looked_for_soon_and_then_each_second,
	    a_refused_send_back_is_replaced_by_a_copy, a_requeue_that_buries_says_so,
	    a_position_waits_for_the_confirmation_of_a_send_back, positions_are_stored_while_it_runs,
	    a_change_of_members_is_looked_into_at_once, every_accepted_send_completes_when_the_binding_ends,
	    a_stopped_binder_completes_what_it_has_and_what_comes,
	    a_too_large_payload_is_refused_with_both_sizes, a_full_producer_tells_when_there_is_room,
	    names_that_rocketmq_does_not_allow_are_refused, NULL};
	Suite *suite = suite_create("rmq_peer");
	TCase *single = tcase_create("one"), *loop = tcase_create("answers");

	tcase_add_checked_fixture(single, begin, end);
	tcase_add_checked_fixture(loop, begin, end);
	tcase_set_timeout(single, 100);
	tcase_set_timeout(loop, 100);
	for (const TTest *const *each = cases; *each; each++)
		tcase_add_test(single, *each);
	tcase_add_loop_test(loop, a_consumer_survives_wrong_answers_to_all_its_questions, 0, 30);
	suite_add_tcase(suite, single);
	suite_add_tcase(suite, loop);
	return unit_run_suite(suite);
}
