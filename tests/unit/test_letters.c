/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters that the core makes: what they say, and that nothing is lost on the way. The test plays the broker. */
#include "tests/support/fake_binder.h"
#include "tests/support/http_client.h"
#include "tests/support/unit.h"

#include <stdatomic.h>

#include "bindings/letters.h"
#include "bindings/message.h"

#define CONSUMER "--spring.cloud.stream.bindings.input.consumer."
#define GROUP "--spring.cloud.stream.bindings.input.group=g"

enum { SOON_MS = 30000, QUIET_MS = 50 };

static atomic_int verdict, calls;
static rv_delivery *_Atomic taken;
static atomic_bool takes;

static rv_verdict judge(const rv_message *message, void *context)
{
	(void)context;
	atomic_fetch_add(&calls, 1);
	if (!atomic_load(&takes))
		return (rv_verdict)atomic_load(&verdict);
	atomic_store(&taken, rv_delivery_take(message));
	return RV_DEFER;
}

static void prepare(const char *const *properties)
{
	atomic_store(&verdict, RV_REJECT);
	atomic_store(&calls, 0);
	atomic_store(&takes, false);
	atomic_store(&taken, NULL);
	fake_create(properties);
	fake.dead_letter = true;
	fake.core_dead_letters = true;
	rv_app_enable_binding(service.app, RV_SINK);
	rv_app_listen(service.app, RV_SINK_INPUT, judge, NULL);
}

static void start(void)
{
	static const char *const once[] = {GROUP, CONSUMER "max-attempts=1", NULL};

	prepare(once);
	fake_start();
}

static struct rv__binding_counters counters(void)
{
	return fake_view("input").counters;
}

START_TEST(the_original_is_acknowledged_once_the_broker_has_the_letter)
{
	start();
	ck_assert(fake_deliver(3, 1, 7));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	ck_assert(!wait_until(QUIET_MS, fake_settled() > 0));
	ck_assert_int_eq(fake.sent_partition, 3);
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, fake_settled() == 1);
	ck_assert_int_eq(fake.settled[0].settlement, RV_SETTLE_ACK);
	ck_assert_int_eq(fake.settled[0].token.position, 7);
	WAIT_UNTIL(SOON_MS, counters().dead_lettered == 1);
	ck_assert_uint_eq(counters().acked, 0);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_letter_that_cannot_be_moved_holds_its_partition_and_no_other)
{
	start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	fake_complete(RV_E_UNAVAILABLE);
	WAIT_UNTIL(SOON_MS, strstr(fake_view("input").why, "cannot be moved to 'letters'") != NULL);
	atomic_store(&verdict, RV_ACK);
	ck_assert(fake_deliver(0, 1, 1));
	ck_assert(fake_deliver(1, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_settled() == 1);
	ck_assert_int_eq(fake.settled[0].token.slot, 1);
	ck_assert_int_eq(atomic_load(&calls), 2);
	/* It is tried again by itself, and then the partition goes on. */
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, fake_settled() == 3);
	ck_assert_int_eq(fake.settled[1].token.position, 0);
	ck_assert_int_eq(fake.settled[2].token.position, 1);
	ck_assert_str_eq(fake_view("input").why, "");
	ck_assert_uint_eq(counters().dead_lettered, 1);
	WAIT_UNTIL(SOON_MS, counters().acked == 2);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_way_that_is_shut_is_told_before_a_letter_fails_on_it)
{
	struct rv_error shut;

	start();
	ck_assert_str_eq(fake_view("input").why, "");
	rv_error_set(&shut, RV_E_DENIED, 0, "fake", "grant it");
	fake.producer_sink->state(fake.producer, &shut);
	ck_assert_ptr_nonnull(strstr(fake_view("input").why, "have no way to 'letters'"));
	ck_assert_ptr_nonnull(strstr(fake_view("input").why, "grant it"));
	fake.producer_sink->state(fake.producer, NULL);
	ck_assert_str_eq(fake_view("input").why, "");
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

static int http_port(void)
{
	const struct rv__host *host = (const struct rv__host *)service.app;
	int port = 0;

	for (size_t i = 0; rv__builtin_modules[i]; i++)
		if (strcmp(rv__builtin_modules[i]->name, "http") == 0)
			port = host->ports[i];
	return port;
}

START_TEST(health_and_state_say_what_holds_a_partition)
{
	static const char *const served[] = {GROUP, (CONSUMER "max-attempts=1"), "--server.port=0",
	    "--management.endpoint.health.show-details=always", NULL};
	struct answer answer;

	prepare(served);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	fake_complete(RV_E_DENIED);
	WAIT_UNTIL(SOON_MS, *fake_view("input").why != '\0');
	ask(http_port(), "GET", "/actuator/health", NULL, &answer);
	ck_assert_ptr_nonnull(
	    strstr(answer.body, "\"binding.input\":\"a dead letter of 'input' cannot be moved"));
	ask(http_port(), "GET", "/actuator/bindings/input", NULL, &answer);
	ck_assert_ptr_nonnull(strstr(answer.body, "cannot be moved to 'letters'"));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, *fake_view("input").why == '\0');
	ck_assert_uint_eq(counters().dead_lettered, 1);
	ask(http_port(), "GET", "/actuator/health", NULL, &answer);
	ck_assert_ptr_null(strstr(answer.body, "binding.input"));
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_binder_without_room_gets_the_letter_when_it_has_some)
{
	start();
	fake.room = 0;
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, atomic_load(&calls) == 1);
	pthread_mutex_lock(&fake.lock);
	fake.room = 10;
	pthread_mutex_unlock(&fake.lock);
	fake.producer_sink->writable(fake.producer);
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, counters().dead_lettered == 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_letter_that_is_too_large_goes_without_its_trace)
{
	start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	ck_assert_ptr_nonnull(rv_message_header(fake.sent, "x-exception-stacktrace"));
	fake_complete(RV_E_TOOBIG);
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	ck_assert_ptr_null(rv_message_header(fake.sent, "x-exception-stacktrace"));
	ck_assert_str_eq(rv_message_header(fake.sent, "x-exception-fqcn"), "rivulet.Reject");
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, counters().dead_lettered == 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_settlement_that_fails_is_tried_again_and_the_letter_sent_once)
{
	start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	fake.settle_code = RV_E_NOMEM;
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, fake_settled() >= 1);
	pthread_mutex_lock(&fake.lock);
	fake.settle_code = RV_OK;
	pthread_mutex_unlock(&fake.lock);
	WAIT_UNTIL(SOON_MS, counters().dead_lettered == 1);
	ck_assert_uint_eq(fake_pending(), 0);
	ck_assert_uint_eq(counters().stale, 0);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(an_acknowledgement_that_fails_is_tried_again_without_the_listener)
{
	start();
	atomic_store(&verdict, RV_ACK);
	fake.settle_code = RV_E_NOMEM;
	ck_assert(fake_deliver(0, 1, 0));
	ck_assert(fake_deliver(0, 1, 1));
	WAIT_UNTIL(SOON_MS, fake_settled() >= 2);
	ck_assert_int_eq(fake.settled[1].token.position, 0);
	pthread_mutex_lock(&fake.lock);
	fake.settle_code = RV_OK;
	pthread_mutex_unlock(&fake.lock);
	WAIT_UNTIL(SOON_MS, counters().acked == 2);
	ck_assert_int_eq(atomic_load(&calls), 2);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_revocation_waits_for_the_letter_on_its_way)
{
	static const uint32_t slots[] = {0};

	start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	fake.consumer_sink->revoked(fake.consumer, slots, 1, false, 60000);
	ck_assert(!wait_until(QUIET_MS, fake_released_count() > 0));
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, fake_released_count() == 1);
	ck_assert_uint_eq(fake_settled(), 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_revocation_gives_up_the_letter_that_waits)
{
	static const uint32_t slots[] = {0};

	start();
	fake.room = 0;
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, atomic_load(&calls) == 1);
	fake.consumer_sink->revoked(fake.consumer, slots, 1, false, 60000);
	WAIT_UNTIL(SOON_MS, fake_released_count() == 1);
	ck_assert_uint_eq(fake_settled(), 0);
	ck_assert_uint_eq(counters().dead_lettered, 0);
	/* The next assignment gets it again, and is not held by what was before. */
	fake.room = 10;
	ck_assert(fake_deliver(0, 2, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, counters().dead_lettered == 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_stop_waits_for_the_letter_on_its_way)
{
	start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	rv_app_request_stop(service.app);
	WAIT_UNTIL(SOON_MS, fake_is("input", "draining"));
	fake_complete(RV_OK);
	ck_assert_int_eq(fake_finish(), 0);
	ck_assert_uint_eq(fake.settled_count, 1);
}
END_TEST

START_TEST(a_stop_at_its_deadline_leaves_the_original_with_the_broker)
{
	static const char *const hasty[] = {
	    GROUP, CONSUMER "max-attempts=1", "--rivulet.stop-deadline=500ms", NULL};

	prepare(hasty);
	fake_start();
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	ck_assert_int_eq(fake_finish(), 1);
	ck_assert_uint_eq(fake.settled_count, 0);
}
END_TEST

START_TEST(leases_are_extended_while_the_letter_is_on_its_way)
{
	start();
	fake.lease_ms = 20;
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	WAIT_UNTIL(SOON_MS, fake_extended() > 3);
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, counters().dead_lettered == 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_deferred_delivery_becomes_a_letter_with_its_reason)
{
	start();
	atomic_store(&takes, true);
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, atomic_load(&taken) != NULL);
	ck_assert_int_eq(rv_delivery_settle(atomic_load(&taken), RV_REJECT, "no such plate"), RV_OK);
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	ck_assert_str_eq(rv_message_header(fake.sent, "x-exception-message"), "no such plate");
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, counters().dead_lettered == 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(what_was_delivered_too_often_never_reaches_the_listener)
{
	static const char *const limited[] = {
	    GROUP, "--rivulet.bindings.input.consumer.max-deliveries=3", NULL};

	prepare(limited);
	fake_start();
	fake.delivery_count = 3;
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	ck_assert_int_eq(atomic_load(&calls), 0);
	ck_assert_str_eq(rv_message_header(fake.sent, "x-exception-fqcn"), "rivulet.DeliveriesExhausted");
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, counters().dead_lettered == 1);
	fake.delivery_count = 2;
	atomic_store(&verdict, RV_ACK);
	ck_assert(fake_deliver(0, 1, 1));
	WAIT_UNTIL(SOON_MS, counters().acked == 1);
	ck_assert_int_eq(atomic_load(&calls), 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(without_dead_letters_it_is_dropped_and_counted)
{
	static const char *const limited[] = {
	    GROUP, "--rivulet.bindings.input.consumer.max-deliveries=3", NULL};

	prepare(limited);
	fake.dead_letter = false;
	fake_start();
	fake.delivery_count = 5;
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, counters().dropped == 1);
	ck_assert_int_eq(fake.settled[0].settlement, RV_SETTLE_DROP);
	ck_assert_int_eq(atomic_load(&calls), 0);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(the_last_counted_delivery_is_not_requeued)
{
	static const char *const once[] = {GROUP, CONSUMER "max-attempts=1", NULL};

	prepare(once);
	fake.redelivers = true;
	fake.max_deliveries = 2;
	fake_start();
	atomic_store(&verdict, RV_RETRY);
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, counters().requeued == 1);
	fake.delivery_count = 1;
	ck_assert(fake_deliver(0, 1, 0));
	WAIT_UNTIL(SOON_MS, fake_pending() == 1);
	ck_assert_str_eq(rv_message_header(fake.sent, "x-exception-fqcn"), "rivulet.RetriesExhausted");
	fake_complete(RV_OK);
	WAIT_UNTIL(SOON_MS, counters().dead_lettered == 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(the_binder_says_which_partition)
{
	static const char *const once[] = {GROUP, CONSUMER "max-attempts=1", NULL};
	static const int32_t wanted[] = {0, 1, -1};
	static const int32_t expected[] = {3, 0, -1};

	for (int i = 0; i < 3; i++) {
		prepare(once);
		fake.dead_letter_partitions = wanted[i];
		fake_start();
		ck_assert(fake_deliver(3, 1, 7));
		WAIT_UNTIL(SOON_MS, fake_pending() == 1);
		ck_assert_int_eq(fake.sent_partition, expected[i]);
		fake_complete(RV_OK);
		ck_assert_int_eq(fake_finish(), 0);
	}
}
END_TEST

START_TEST(dead_letters_without_a_group_are_a_mistake)
{
	prepare(NULL);
	fake_start();
	ck_assert_int_eq(fake_finish(), 2);
}
END_TEST

/* -- what they say ------------------------------------------------------------------------------- */

/* The letter of a message with everything, for a binder with these capabilities. */
static rv_message *make(uint32_t caps, bool null)
{
	static struct rv_binder_ops ops;
	static const struct rv_header_span headers[] = {
	    {.name = {"kind", 4}, .value = {"a\0b", 3}, .type = RV_HEADER_BYTES},
	    {.name = {"n", 1}, .value = {"17", 2}, .type = RV_HEADER_INT},
	    {.name = {RV_HEADER_KEY, sizeof RV_HEADER_KEY - 1}, .value = {"key", 3}},
	};
	struct rv_received received = {.payload = "p\0q",
	    .length = null ? 0 : 3,
	    .headers = headers,
	    .header_count = 3,
	    .id = {"id-1", 4},
	    .source = "Fake",
	    .destination = "orders",
	    .partition = 2,
	    .position = 258,
	    .attempt = 1,
	    .timestamp_ms = 1700000000000,
	    .null = null,
	    .timestamp_type = RV_TIMESTAMP_APPENDED};
	struct rv__source source = {.destination = (char *)"orders"};
	struct rv__input input = {
	    .ops = &ops, .channel = "input", .binder = "fake", .group = "g", .letter_headers = true};
	struct rv__item item = {.message = rv_message_create_received(&received), .attempts = 3};
	struct rv__letter_facts facts = {
	    .input = &input, .source = &source, .item = &item, .cause = RV__CAUSE_RETRIES, .trace = true};
	rv_message *letter;

	ops.caps = caps;
	rv__message_default_content_type(item.message, rv__intern("application/json"));
	letter = rv__letter_make(&facts);
	rv_message_unref(item.message);
	ck_assert_ptr_nonnull(letter);
	return letter;
}

static void check_header(const rv_message *letter, const char *name, const void *value, size_t length)
{
	struct rv_header header;

	ck_assert_msg(rv_message_header_find(letter, name, &header), "%s is missing", name);
	ck_assert_uint_eq(header.length, length);
	ck_assert_mem_eq(header.value, value, length);
}

START_TEST(a_letter_says_what_the_message_said_and_where_it_was)
{
	rv_message *letter = make(RV_CAP_BINARY_HEADERS | RV_CAP_BINARY_LETTERS, false);
	struct rv_header header;
	size_t length;
	const void *payload = rv_message_payload(letter, &length);

	ck_assert_uint_eq(length, 3);
	ck_assert_mem_eq(payload, "p\0q", 3);
	ck_assert_str_eq(rv_message_id(letter), "id-1");
	check_header(letter, "kind", "a\0b", 3);
	check_header(letter, RV_HEADER_KEY, "key", 3);
	ck_assert(rv_message_header_find(letter, "n", &header));
	ck_assert_int_eq(header.type, RV_HEADER_INT);
	/* The content type that our own binding assumed was never sent. */
	ck_assert_ptr_null(rv_message_header(letter, RV_HEADER_CONTENT_TYPE));
	check_header(letter, "x-original-topic", "orders", 6);
	check_header(letter, "x-original-partition", "\0\0\0\2", 4);
	check_header(letter, "x-original-offset", "\0\0\0\0\0\0\1\2", 8);
	check_header(letter, "x-original-timestamp", "\0\0\1\x8b\xcf\xe5\x68\0", 8);
	check_header(letter, "x-original-timestamp-type", "LogAppendTime", 13);
	check_header(letter, "x-exception-fqcn", "rivulet.RetriesExhausted", 24);
	ck_assert_ptr_nonnull(strstr(rv_message_header(letter, "x-exception-message"), "after 3 attempts"));
	ck_assert_ptr_nonnull(strstr(rv_message_header(letter, "x-exception-stacktrace"), "binding=input"));
	rv_message_unref(letter);
}
END_TEST

START_TEST(numbers_are_decimal_where_nobody_expects_bytes)
{
	rv_message *letter = make(RV_CAP_HEADERS | RV_CAP_BINARY_HEADERS, false);

	check_header(letter, "x-original-partition", "2", 1);
	check_header(letter, "x-original-offset", "258", 3);
	check_header(letter, "x-original-timestamp", "1700000000000", 13);
	rv_message_unref(letter);
}
END_TEST

START_TEST(a_tombstone_stays_one)
{
	rv_message *letter = make(RV_CAP_BINARY_HEADERS, true);

	ck_assert(rv_message_is_null(letter));
	rv_message_unref(letter);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {the_original_is_acknowledged_once_the_broker_has_the_letter,
	    a_letter_that_cannot_be_moved_holds_its_partition_and_no_other,
	    a_way_that_is_shut_is_told_before_a_letter_fails_on_it,
	    health_and_state_say_what_holds_a_partition,
	    a_binder_without_room_gets_the_letter_when_it_has_some,
	    a_letter_that_is_too_large_goes_without_its_trace,
	    a_settlement_that_fails_is_tried_again_and_the_letter_sent_once,
	    an_acknowledgement_that_fails_is_tried_again_without_the_listener,
	    a_revocation_waits_for_the_letter_on_its_way, a_revocation_gives_up_the_letter_that_waits,
	    a_stop_waits_for_the_letter_on_its_way,
	    a_stop_at_its_deadline_leaves_the_original_with_the_broker,
	    leases_are_extended_while_the_letter_is_on_its_way,
	    a_deferred_delivery_becomes_a_letter_with_its_reason,
	    what_was_delivered_too_often_never_reaches_the_listener,
	    without_dead_letters_it_is_dropped_and_counted, the_last_counted_delivery_is_not_requeued,
	    the_binder_says_which_partition, dead_letters_without_a_group_are_a_mistake,
	    a_letter_says_what_the_message_said_and_where_it_was,
	    numbers_are_decimal_where_nobody_expects_bytes, a_tombstone_stays_one, NULL};

	return unit_run("letters", cases, NULL, NULL);
}
