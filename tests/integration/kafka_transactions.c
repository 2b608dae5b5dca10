/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of the kafka binder through its contract, against the cluster in RV_TEST_ADDRESS. Without it, a skip.
 */
#include <rivulet/rivulet.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/numbers.h"
#include "binder/kafka/consumer.h"
#include "binder/kafka/kafka.h"
#include "binder/kafka/lane.h"
#include "tests/integration/kafka_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

enum { FLOOD = 5000, LARGE = 4000 };

static char prefix[128], other[64], readers[64];

static void open_case(void)
{
	unsigned long long salt = rv__random();

	snprintf(prefix, sizeof prefix, "transaction.transaction-id-prefix=tx-%llx-", salt);
	snprintf(topic, sizeof topic, "tx-%d-%llx", (int)getpid(), salt);
	snprintf(other, sizeof other, "tx-%d-%llx-out", (int)getpid(), salt);
	snprintf(readers, sizeof readers, "readers-%llx", salt);
	open_with(&kit, prefix, "transaction.producer.buffer-size=2500");
}

static struct kit_producer *send_by(struct kit *which, const char *to)
{
	return bind_producer(which, to, LINES("topic.properties.max.message.bytes=3000"), SOON_MS);
}

static void finish_producer(struct kit_producer *producer)
{
	ck_assert_uint_eq(kit_producer_close(producer, SOON_MS), 0);
	free(producer);
}

static struct kit_consumer *receive_by(
    struct kit *which, const char *from, const char *group, const char *level)
{
	struct kit_consumer *consumer = calloc(1, sizeof *consumer);
	char line[64];

	snprintf(line, sizeof line, "configuration.isolation.level=%s", level);
	consumer->settle_at_once = true;
	ck_assert_msg(kit_consume(which, consumer, from, group, LINES(line)), "%s", which->error.text);
	return consumer;
}

static void finish_consumer(struct kit_consumer *consumer)
{
	(void)kit_consumer_close(consumer, 5000);
	free(consumer);
}

static rv_message *numbered(int number, size_t length)
{
	char text[LARGE + 1];

	memset(text, '.', sizeof text);
	text[snprintf(text, sizeof text, "%d", number)] = ' ';
	return rv_message_create(text, length);
}

/* -- deliveries ------------------------------------------------------------------------------------------ */

/* What became of a commit. */
struct answer {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool over;
	rv_err code;
};

static void on_done(void *arg, const struct rv_error *error)
{
	struct answer *answer = arg;

	pthread_mutex_lock(&answer->lock);
	answer->over = true;
	answer->code = error ? error->code : RV_OK;
	pthread_cond_broadcast(&answer->changed);
	pthread_mutex_unlock(&answer->lock);
}

static bool is_over(struct answer *answer)
{
	bool over;

	pthread_mutex_lock(&answer->lock);
	over = answer->over;
	pthread_mutex_unlock(&answer->lock);
	return over;
}

static void begin_commit(struct kit_consumer *from, size_t index, struct kit_producer *to,
    rv_message *const *messages, size_t n, struct answer *answer)
{
	struct rv_joint joints[4];
	struct rv_commit commit = {
	    .token = from->tokens[index], .joints = joints, .count = n, .done = on_done, .arg = answer};

	*answer = (struct answer){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	for (size_t i = 0; i < n; i++)
		joints[i] = (struct rv_joint){to->producer, {.message = messages[i], .partition = -1}};
	ck_assert_int_eq(kit.ops->commit(from->consumer, &commit), RV_OK);
}

static rv_err end_commit(struct answer *answer)
{
	WAIT_UNTIL(SOON_MS, is_over(answer));
	return answer->code;
}

static struct kit_consumer *consume_to_commit(size_t count)
{
	struct kit_consumer *consumer = calloc(1, sizeof *consumer);

	ck_assert_msg(kit_consume(&kit, consumer, topic, "workers", NULL), "%s", kit.error.text);
	ck_assert(consumer->info.transactional);
	ck_assert(kit_wait_count(consumer, count, SOON_MS));
	return consumer;
}

static bool has_problem(void)
{
	return kit.ops->health(kit.binder, NULL, NULL) == RV_HEALTH_DOWN;
}

/* -- messages alone ------------------------------------------------------------------------------------ */

START_TEST(what_was_sent_is_seen_once_it_is_committed)
{
	struct kit_producer *producer = send_by(&kit, topic);
	struct kit_consumer *reader = receive_by(&kit, topic, readers, "read_committed");

	ck_assert_msg(kit_send_text(producer, "first") == RV_OK, "%s", producer->last.text);
	ck_assert_int_ge(producer->receipt.position, 0);
	ck_assert_int_eq(kit_send_text(producer, "second"), RV_OK);
	ck_assert(kit_wait_count(reader, 2, SOON_MS));
	ck_assert_str_eq(rv_message_text(reader->messages[0]), "first");
	ck_assert_str_eq(rv_message_text(reader->messages[1]), "second");
	finish_producer(producer);
	finish_consumer(reader);
}
END_TEST

START_TEST(one_that_is_refused_fails_and_the_others_arrive_once)
{
	struct kit_producer *producer = send_by(&kit, topic);
	struct kit_consumer *reader = receive_by(&kit, topic, readers, "read_committed");
	bool seen[FLOOD] = {false};

	for (int i = 0; i < FLOOD; i++) {
		RV_CLEANUP(rv_message_unrefp) rv_message *message = numbered(i, i == FLOOD / 2 ? LARGE : 20);

		WAIT_UNTIL(SOON_MS, kit_queue(producer, message, -1));
	}
	ck_assert(kit_wait_completed(producer, FLOOD, 60000));
	ck_assert_uint_eq(producer->failed, 1);
	ck_assert(kit_wait_count(reader, FLOOD - 1, SOON_MS));
	ck_assert_int_eq(kit_send_text(producer, "99999 last"), RV_OK);
	ck_assert(kit_wait_count(reader, FLOOD, SOON_MS));
	for (int i = 0; i < FLOOD - 1; i++) {
		long number = strtol(rv_message_text(reader->messages[i]), NULL, 10);

		ck_assert_msg(number >= 0 && number < FLOOD && number != FLOOD / 2 && !seen[number],
		    "%ld came twice, or should not", number);
		seen[number] = true;
	}
	finish_producer(producer);
	finish_consumer(reader);
}
END_TEST

/* `second` takes the id, and `first` learns of it; whether its health shows it. */
static bool shows_that_it_was_fenced(
    struct kit_producer *first, struct kit_producer *second, struct rv_error *ret_why)
{
	WAIT_UNTIL(SOON_MS, kit_send_text(second, "second") == RV_OK);
	ck_assert_int_eq(kit_send_text(first, "fenced"), RV_E_CLOSED);
	*ret_why = kit_last(first);
	return has_problem();
}

START_TEST(another_process_with_the_same_id_is_told_and_outlived)
{
	struct kit_producer *first = send_by(&kit, topic), *second;
	struct kit same;
	struct rv_error error;

	ck_assert_int_eq(kit_send_text(first, "first"), RV_OK);
	open_with(&same, prefix, NULL);
	second = send_by(&same, topic);
	/* Its health is down for three seconds at least; a machine that stands still for so long has missed it. */
	WAIT_UNTIL(SOON_MS, shows_that_it_was_fenced(first, second, &error));
	ck_assert_msg(
	    strstr(error.text, "give each instance a transaction-id-prefix of its own"), "%s", error.text);
	WAIT_UNTIL(SOON_MS, kit_send_text(first, "again") == RV_OK);
	WAIT_UNTIL(SOON_MS, !has_problem());
	finish_producer(first);
	finish_producer(second);
	kit_close(&same);
}
END_TEST

START_TEST(an_id_of_kafkas_own_name_says_what_to_set)
{
	struct kit_producer producer = {0};
	struct kit plain;

	open_with(&plain, NULL, NULL);
	ck_assert(!kit_produce(&plain, &producer, topic, LINES("configuration.transactional.id=mine")));
	ck_assert_int_eq(plain.error.code, RV_E_UNSUPPORTED);
	ck_assert_msg(strstr(plain.error.text, "transaction.transaction-id-prefix"), "%s", plain.error.text);
	kit_close(&plain);
}
END_TEST

START_TEST(what_came_of_a_delivery_is_seen_with_its_position)
{
	struct kit_producer *in = send_by(&kit, topic), *out = send_by(&kit, other);
	struct kit_consumer *reader = receive_by(&kit, other, readers, "read_committed"), *worker;
	RV_CLEANUP(rv_message_unrefp) rv_message *one = rv_message_create_text("one");
	RV_CLEANUP(rv_message_unrefp) rv_message *two = rv_message_create_text("two");
	struct answer answer;

	ck_assert_int_eq(kit_send_text(in, "first"), RV_OK);
	ck_assert_int_eq(kit_send_text(in, "second"), RV_OK);
	worker = consume_to_commit(2);
	begin_commit(worker, 0, out, (rv_message *[]){one, two}, 2, &answer);
	ck_assert_int_eq(end_commit(&answer), RV_OK);
	ck_assert(kit_wait_count(reader, 2, SOON_MS));
	ck_assert_str_eq(rv_message_text(reader->messages[0]), "one");
	ck_assert_str_eq(rv_message_text(reader->messages[1]), "two");
	finish_consumer(worker);
	worker = consume_to_commit(1); /* goes on behind the first */
	ck_assert_str_eq(rv_message_text(worker->messages[0]), "second");
	finish_consumer(worker);
	finish_consumer(reader);
	finish_producer(in);
	finish_producer(out);
}
END_TEST

START_TEST(what_is_refused_leaves_nothing_and_the_delivery_open)
{
	struct kit_producer *in = send_by(&kit, topic), *out = send_by(&kit, other);
	struct kit_consumer *reader = receive_by(&kit, other, readers, "read_committed"), *worker;
	RV_CLEANUP(rv_message_unrefp) rv_message *small = rv_message_create_text("small");
	RV_CLEANUP(rv_message_unrefp) rv_message *large = numbered(0, LARGE);
	struct answer answer;
	int64_t hold_ms;

	ck_assert_int_eq(kit_send_text(in, "first"), RV_OK);
	worker = consume_to_commit(1);
	begin_commit(worker, 0, out, (rv_message *[]){small, large}, 2, &answer);
	ck_assert_int_eq(end_commit(&answer), RV_E_TOOBIG);
	begin_commit(worker, 0, out, (rv_message *[]){small}, 1, &answer); /* the next attempt */
	ck_assert_int_eq(end_commit(&answer), RV_OK);
	ck_assert(kit_wait_count(reader, 1, SOON_MS));
	ck_assert_int_eq(kit_send_text(out, "last"), RV_OK);
	ck_assert(kit_wait_count(reader, 2, SOON_MS));
	ck_assert_str_eq(rv_message_text(reader->messages[0]), "small");
	ck_assert_str_eq(rv_message_text(reader->messages[1]), "last");
	ck_assert_int_eq(kit_settle(worker, 0, RV_SETTLE_ACK, &hold_ms), RV_E_STALE); /* it is */
	finish_consumer(worker);
	finish_consumer(reader);
	finish_producer(in);
	finish_producer(out);
}
END_TEST

START_TEST(a_delivery_waits_for_those_before_it)
{
	struct kit_producer *in = send_by(&kit, topic), *out = send_by(&kit, other);
	struct kit_consumer *reader = receive_by(&kit, other, readers, "read_committed"), *worker;
	RV_CLEANUP(rv_message_unrefp) rv_message *second = rv_message_create_text("second");
	RV_CLEANUP(rv_message_unrefp) rv_message *third = rv_message_create_text("third");
	struct answer of_second, of_third;
	int64_t hold_ms;

	ck_assert_int_eq(kit_send_text(in, "1"), RV_OK);
	ck_assert_int_eq(kit_send_text(in, "2"), RV_OK);
	ck_assert_int_eq(kit_send_text(in, "3"), RV_OK);
	worker = consume_to_commit(3);
	begin_commit(worker, 2, out, (rv_message *[]){third}, 1, &of_third);
	begin_commit(worker, 1, out, (rv_message *[]){second}, 1, &of_second);
	ck_assert_int_eq(kit_send_text(out, "meanwhile"), RV_OK);
	ck_assert(kit_wait_count(reader, 1, SOON_MS));
	ck_assert(!is_over(&of_second) && !is_over(&of_third));
	ck_assert_int_eq(kit_settle(worker, 0, RV_SETTLE_ACK, &hold_ms), RV_OK);
	ck_assert_int_eq(end_commit(&of_second), RV_OK);
	ck_assert_int_eq(end_commit(&of_third), RV_OK);
	ck_assert(kit_wait_count(reader, 3, SOON_MS));
	ck_assert_str_eq(rv_message_text(reader->messages[1]), "second");
	ck_assert_str_eq(rv_message_text(reader->messages[2]), "third");
	finish_consumer(worker);
	finish_consumer(reader);
	finish_producer(in);
	finish_producer(out);
}
END_TEST

START_TEST(what_waits_at_the_end_is_told_as_stale)
{
	struct kit_producer *in = send_by(&kit, topic), *out = send_by(&kit, other);
	struct kit_consumer *worker;
	RV_CLEANUP(rv_message_unrefp) rv_message *second = rv_message_create_text("second");
	struct answer answer;

	ck_assert_int_eq(kit_send_text(in, "1"), RV_OK);
	ck_assert_int_eq(kit_send_text(in, "2"), RV_OK);
	worker = consume_to_commit(2);
	begin_commit(worker, 1, out, (rv_message *[]){second}, 1, &answer);
	finish_producer(out); /* before its message went, which keeps it */
	finish_consumer(worker);
	ck_assert_int_eq(end_commit(&answer), RV_E_STALE);
	finish_producer(in);
}
END_TEST

static struct kit_producer *send_plainly(const char *to)
{
	return bind_producer(&kit, to, LINES("allow-non-transactional=true"), SOON_MS);
}

/* The end of a transaction takes a position of its own in the log. */
START_TEST(an_output_may_do_without_transactions_outside_of_deliveries)
{
	struct kit_producer *in = send_by(&kit, topic), *out = send_plainly(other);
	struct kit_consumer *reader = receive_by(&kit, other, readers, "read_committed"), *worker;
	RV_CLEANUP(rv_message_unrefp) rv_message *third = rv_message_create_text("third");
	struct answer answer;
	int64_t first;

	ck_assert_msg(kit_send_text(out, "first") == RV_OK, "%s", out->last.text);
	first = out->receipt.position;
	ck_assert_int_eq(kit_send_text(out, "second"), RV_OK);
	ck_assert_int_eq(out->receipt.position, first + 1);
	ck_assert_int_eq(kit_send_text(in, "1"), RV_OK);
	worker = consume_to_commit(1);
	begin_commit(worker, 0, out, (rv_message *[]){third}, 1, &answer);
	ck_assert_int_eq(end_commit(&answer), RV_OK);
	/* The broker answers before it has written that end; whoever reads what is committed sees the message behind it. */
	ck_assert(kit_wait_count(reader, 3, SOON_MS));
	ck_assert_str_eq(rv_message_text(reader->messages[2]), "third");
	ck_assert_int_eq(kit_send_text(out, "fourth"), RV_OK);
	ck_assert(kit_wait_count(reader, 4, SOON_MS));
	ck_assert_int_eq(out->receipt.position, rv_message_position(reader->messages[2]) + 2);
	finish_consumer(worker);
	finish_consumer(reader);
	finish_producer(in);
	finish_producer(out);
}
END_TEST

START_TEST(an_output_that_ends_does_not_wait_for_what_goes_with_deliveries)
{
	struct kit_producer *in = send_by(&kit, topic), *out = send_plainly(other);
	struct kit_consumer *reader = receive_by(&kit, other, readers, "read_committed"), *worker;
	RV_CLEANUP(rv_message_unrefp) rv_message *second = rv_message_create_text("second");
	struct answer answer;
	int64_t hold_ms, begun_ms;

	ck_assert_int_eq(kit_send_text(in, "1"), RV_OK);
	ck_assert_int_eq(kit_send_text(in, "2"), RV_OK);
	worker = consume_to_commit(2);
	begin_commit(worker, 1, out, (rv_message *[]){second}, 1, &answer);
	begun_ms = rv__monotonic_ms();
	finish_producer(out);
	ck_assert_int_lt(rv__monotonic_ms() - begun_ms, SOON_MS / 2); /* it was given SOON_MS */
	ck_assert_int_eq(kit_settle(worker, 0, RV_SETTLE_ACK, &hold_ms), RV_OK);
	ck_assert_int_eq(end_commit(&answer), RV_OK);
	ck_assert(kit_wait_count(reader, 1, SOON_MS));
	ck_assert_str_eq(rv_message_text(reader->messages[0]), "second");
	finish_consumer(worker);
	finish_consumer(reader);
	finish_producer(in);
}
END_TEST

/* -- generations --------------------------------------------------------------------------------------- */

/* A transaction of the test's own on behalf of a consumer, for its lane has a thread. */
static void begin_by_hand(struct rv__kafka_lane *lane, struct rv__kafka_consumer *consumer)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	rd_kafka_conf_set(conf, "bootstrap.servers", getenv("RV_TEST_ADDRESS"), NULL, 0);
	rd_kafka_conf_set(conf, "transactional.id", topic, NULL, 0);
	*lane = (struct rv__kafka_lane){.consumer = consumer, .most = 10, .store = true};
	pthread_mutex_init(&lane->lock, NULL);
	lane->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
	ck_assert_ptr_null(rd_kafka_init_transactions(lane->rk, SOON_MS));
	ck_assert_ptr_null(rd_kafka_begin_transaction(lane->rk));
}

static void end_by_hand(struct rv__kafka_lane *lane)
{
	rd_kafka_error_t *error = rd_kafka_abort_transaction(lane->rk, SOON_MS);

	ck_assert_ptr_null(error);
	rd_kafka_destroy(lane->rk);
	pthread_mutex_destroy(&lane->lock);
}

/* Its deliveries may be another member's by then, and what came of them would be seen twice. */
START_TEST(a_transaction_that_outlived_its_generation_is_refused)
{
	struct kit_producer *in = send_by(&kit, topic);
	struct kit_consumer *first = calloc(1, sizeof *first), *second = calloc(1, sizeof *second);
	struct rv__kafka_positions positions = {NULL, NULL};
	struct rv__kafka_units units = {0};
	struct rv__kafka_lane lane;
	rd_kafka_error_t *error;
	struct kit member;
	char apart[160];

	ck_assert_int_eq(kit_send_text(in, "1"), RV_OK);
	ck_assert_msg(kit_consume(&kit, first, topic, "workers",
	                  LINES("configuration.auto.commit.interval.ms=3600000")),
	    "%s", kit.error.text);
	ck_assert(kit_wait_count(first, 1, SOON_MS));
	ck_assert_int_eq(kit_settle(first, 0, RV_SETTLE_ACK, NULL), RV_OK);
	begin_by_hand(&lane, first->consumer);
	rv__kafka_deliveries.take(&lane, &units, &positions);
	ck_assert_ptr_nonnull(positions.list);
	snprintf(apart, sizeof apart, "%sapart-", prefix);
	open_with(&member, apart, NULL);
	ck_assert_msg(kit_consume(&member, second, topic, "workers", NULL), "%s", member.error.text);
	WAIT_UNTIL(SOON_MS, kit_assigned(first) + kit_assigned(second) >= 2);
	error = rv__kafka_deliveries.join(&lane, &positions, SOON_MS);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(rd_kafka_error_code(error), RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
	ck_assert(rd_kafka_error_txn_requires_abort(error));
	rd_kafka_error_destroy(error);
	rv__kafka_positions_finish(&positions);
	end_by_hand(&lane);
	finish_consumer(second);
	kit_close(&member);
	finish_consumer(first);
	finish_producer(in);
}
END_TEST

/* -- a service ---------------------------------------------------------------------------------------- */

/* Its input defers "held" and rejects the rest. */
struct service {
	rv_app *app;
	pthread_t thread;
	rv_delivery *_Atomic held;
	atomic_int rejected;
};

static rv_verdict hold_or_reject(const rv_message *message, void *context)
{
	struct service *service = context;

	if (strcmp(rv_message_text(message), "held") != 0) {
		atomic_fetch_add(&service->rejected, 1);
		return RV_REJECT;
	}
	atomic_store(&service->held, rv_delivery_take(message));
	return RV_DEFER;
}

static void *run_service(void *context)
{
	return (void *)(intptr_t)rv_app_run(((struct service *)context)->app);
}

/* It reads `topic`, and its dead letters go to `other`. */
static void begin_service(struct service *service, const char *recovered)
{
	static const char form[] =
	    "--spring.cloud.stream.default-binder=kafka\n--server.port=-1\n--rivulet.stop-deadline=60s\n"
	    "--spring.cloud.stream.kafka.binder.brokers=%s\n"
	    "--spring.cloud.stream.kafka.binder.%s\n"
	    "--spring.cloud.stream.bindings.input.destination=%s\n"
	    "--spring.cloud.stream.bindings.input.group=workers\n"
	    "--spring.cloud.stream.bindings.input.consumer.max-attempts=1\n"
	    "--spring.cloud.stream.kafka.bindings.input.consumer.enable-dlq=true\n"
	    "--spring.cloud.stream.kafka.bindings.input.consumer.dlq-name=%s\n"
	    "--spring.cloud.stream.kafka.bindings.input.consumer.tx-commit-recovered=%s";
	static char name[] = "service";
	char *words[16] = {name}, *text, *rest;
	int count = 1;

	(void)rv_binder_register(&rv__kafka_binder, NULL); /* once a process */
	ck_assert_int_ge(
	    asprintf(&text, form, getenv("RV_TEST_ADDRESS"), prefix, topic, other, recovered), 0);
	for (rest = text; rest;)
		words[count++] = strsep(&rest, "\n");
	*service = (struct service){.app = rv_app_create("service", count, words)};
	free(text);
	rv_app_enable_binding(service->app, RV_SINK);
	rv_app_listen(service->app, RV_SINK_INPUT, hold_or_reject, service);
	ck_assert_int_eq(pthread_create(&service->thread, NULL, run_service, service), 0);
}

static void end_service(struct service *service)
{
	void *status;

	rv_app_request_stop(service->app);
	pthread_join(service->thread, &status);
	ck_assert_int_eq((intptr_t)status, 0);
}

static void release_held(struct service *service)
{
	ck_assert_int_eq(rv_delivery_settle(atomic_load(&service->held), RV_ACK, NULL), RV_OK);
}

/* A message is rejected while the one before it is open. `apart`: its dead letter need not wait for that. */
static void reject_behind_an_open_one(bool apart)
{
	struct kit_producer *in = send_by(&kit, topic), *marks = send_by(&kit, other);
	struct kit_consumer *reader = receive_by(&kit, other, readers, "read_committed"), *worker;
	struct service service;

	ck_assert_int_eq(kit_send_text(in, "held"), RV_OK);
	ck_assert_int_eq(kit_send_text(in, "bad"), RV_OK);
	begin_service(&service, apart ? "false" : "true");
	WAIT_UNTIL(SOON_MS, atomic_load(&service.held) && atomic_load(&service.rejected) == 1);
	if (apart)
		ck_assert(kit_wait_count(reader, 1, SOON_MS));
	ck_assert_int_eq(kit_send_text(marks, "mark"), RV_OK);
	ck_assert(kit_wait_count(reader, apart ? 2 : 1, SOON_MS));
	release_held(&service);
	ck_assert(kit_wait_count(reader, 2, SOON_MS));
	ck_assert_str_eq(rv_message_text(reader->messages[apart]), "mark");
	ck_assert_str_eq(rv_message_text(reader->messages[!apart]), "bad");
	end_service(&service);
	ck_assert_int_eq(kit_send_text(in, "next"), RV_OK);
	worker = consume_to_commit(1); /* either way the position is behind the dead letter at the end */
	ck_assert_str_eq(rv_message_text(worker->messages[0]), "next");
	finish_consumer(worker);
	finish_consumer(reader);
	finish_producer(in);
	finish_producer(marks);
}

START_TEST(a_dead_letter_waits_for_those_before_it)
{
	reject_behind_an_open_one(false);
}
END_TEST

START_TEST(a_dead_letter_apart_from_its_position_does_not_wait)
{
	reject_behind_an_open_one(true);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {what_came_of_a_delivery_is_seen_with_its_position,
	    what_is_refused_leaves_nothing_and_the_delivery_open, a_delivery_waits_for_those_before_it,
	    what_waits_at_the_end_is_told_as_stale, what_was_sent_is_seen_once_it_is_committed,
	    one_that_is_refused_fails_and_the_others_arrive_once,
	    another_process_with_the_same_id_is_told_and_outlived, an_id_of_kafkas_own_name_says_what_to_set,
	    an_output_may_do_without_transactions_outside_of_deliveries,
	    an_output_that_ends_does_not_wait_for_what_goes_with_deliveries,
	    a_transaction_that_outlived_its_generation_is_refused, a_dead_letter_waits_for_those_before_it,
	    a_dead_letter_apart_from_its_position_does_not_wait, NULL};

	if (!getenv("RV_TEST_ADDRESS")) {
		printf("1..0 # SKIP RV_TEST_ADDRESS names no cluster; see tests/peers/beside.py\n");
		return 0;
	}
	return unit_run("kafka transactions", cases, open_case, close_kit);
}
