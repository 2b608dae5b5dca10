/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The redis binder through its contract, against servers of its own that are killed, filled and emptied under it. The
 * argument is the folder of the module. Without redis-server, a skip.
 */
#include <arpa/inet.h>
#include <check.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "binder/registry.h"
#include "tests/support/binder_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

enum { SOON_MS = 30000 };

static const struct rv_binder_ops *ops;
static struct kit kit;
static struct kit_producer producer;
static struct kit_consumer consumer;
static char home[64], port[8], node[32];
static pid_t server;
static redisContext *raw;

/* -- the server --------------------------------------------------------------------------------- */

static void choose_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	snprintf(port, sizeof port, "%d", ntohs(address.sin_port));
	snprintf(node, sizeof node, "nodes=127.0.0.1:%s", port);
	close(fd);
}

static bool answers(void)
{
	redisReply *reply;
	bool fine;

	if (raw)
		redisFree(raw);
	raw = redisConnect("127.0.0.1", (int)strtol(port, NULL, 10));
	if (!raw || raw->err)
		return false;
	reply = redisCommand(raw, "PING");
	fine = reply && (reply->type == REDIS_REPLY_STATUS || strstr(reply->str, "NOAUTH"));
	if (reply)
		freeReplyObject(reply);
	return fine;
}

static void start_server(const char *password)
{
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0) {
		/* Every acknowledged write is on the disk: what a kill leaves is what was promised. */
		execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", home,
		    "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--logfile", "log",
		    "--requirepass", password, (char *)NULL);
		_exit(127);
	}
	WAIT_UNTIL(SOON_MS, answers());
}

static void kill_server(void)
{
	if (server <= 0)
		return;
	kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	server = 0;
}

/* The integer of a command's answer, or the length of its array; -1 for an error. */
__attribute__((format(printf, 1, 2))) static long long ask(const char *format, ...)
{
	redisReply *reply;
	long long number = -1;
	va_list args;

	va_start(args, format);
	reply = redisvCommand(raw, format, args);
	va_end(args);
	ck_assert_ptr_nonnull(reply);
	if (reply->type == REDIS_REPLY_INTEGER)
		number = reply->integer;
	else if (reply->type == REDIS_REPLY_ARRAY)
		number = (long long)reply->elements;
	else if (reply->type != REDIS_REPLY_ERROR)
		number = 0;
	freeReplyObject(reply);
	return number;
}

static long long pending(void)
{
	return ask("XPENDING d g - + 1000");
}

/* -- ends ------------------------------------------------------------------------------------------ */

static void open_kit(const char *more)
{
	const char *const settings[] = {node, "check-server=false", more, NULL};

	ck_assert_msg(kit_open(&kit, ops, settings), "%s", kit.error.text);
}

static void produce(const char *const *settings)
{
	producer.send_timeout_ms = 20000;
	ck_assert_msg(kit_produce(&kit, &producer, "d", settings), "%s", kit.error.text);
}

static void consume(const char *const *settings)
{
	ck_assert_msg(kit_consume(&kit, &consumer, "d", "g", settings), "%s", kit.error.text);
}

static void send_texts(int from, int to)
{
	for (int i = from; i < to; i++) {
		char text[16];

		snprintf(text, sizeof text, "m%d", i);
		ck_assert_msg(
		    kit_send_text(&producer, text) == RV_OK, "%s: %s", text, kit_last(&producer).text);
	}
}

static bool has(const char *text)
{
	bool found = false;

	pthread_mutex_lock(&consumer.lock);
	for (size_t i = 0; i < consumer.count && !found; i++)
		found = strcmp(rv_message_text(consumer.messages[i]), text) == 0;
	pthread_mutex_unlock(&consumer.lock);
	return found;
}

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	snprintf(home, sizeof home, "/tmp/rivulet-redis-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(home));
	choose_port();
	memset(&consumer, 0, sizeof consumer);
	memset(&producer, 0, sizeof producer);
}

static void teardown(void)
{
	char command[128];

	kill_server();
	if (raw)
		redisFree(raw);
	raw = NULL;
	snprintf(command, sizeof command, "rm -rf '%s'", home);
	ck_assert_int_eq(system(command), 0);
}

static void close_all(void)
{
	if (producer.producer)
		(void)kit_producer_close(&producer, 5000);
	if (consumer.consumer)
		(void)kit_consumer_close(&consumer, 5000);
	kit_close(&kit);
}

/* -- cases --------------------------------------------------------------------------------------------- */

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

	start_server("");
	open_kit(NULL);
	produce(NULL);
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

START_TEST(what_a_dead_consumer_held_comes_to_a_living_one)
{
	static const char *const quick[] = {"claim-min-idle=300", "claim-interval=50", NULL};

	start_server("");
	open_kit(NULL);
	produce(NULL);
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	send_texts(0, 5);
	ck_assert_int_eq(ask("XREADGROUP GROUP g dead COUNT 5 STREAMS d >"), 1);
	consumer.settle_at_once = true;
	consume(quick);
	ck_assert(kit_wait_count(&consumer, 5, SOON_MS));
	ck_assert_int_eq(rv_message_attempt(consumer.messages[0]), 2);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	close_all();
}
END_TEST

START_TEST(what_was_delivered_too_often_comes_alone_with_its_count)
{
	static const char *const quick[] = {
	    "claim-min-idle=300", "claim-interval=50", "max-deliveries=4", NULL};

	start_server("");
	open_kit(NULL);
	produce(NULL);
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	send_texts(0, 3);
	for (int i = 0; i < 3; i++)
		(void)ask("XREADGROUP GROUP g dead COUNT 3 STREAMS d %s", i == 0 ? ">" : "0");
	consume(quick);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	ck_assert_int_eq(consumer.info.max_deliveries, 4);
	ck_assert_int_eq(rv_message_attempt(consumer.messages[0]), 4);
	/* The two beside it wait until it is settled. */
	ck_assert(!wait_until(500, kit_count(&consumer) > 1));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	close_all();
}
END_TEST

START_TEST(what_was_lost_on_the_way_to_us_is_no_delivery)
{
	static const char *const named[] = {"consumer-name=we", NULL};

	start_server("");
	open_kit(NULL);
	produce(NULL);
	consume(named);
	send_texts(0, 1);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	ops->pause(consumer.consumer);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	/* As the answer of a read over a connection that broke under it. */
	send_texts(1, 3);
	WAIT_UNTIL(SOON_MS, ask("XREADGROUP GROUP g we COUNT 9 STREAMS d >") == 1 || pending() == 2);
	ck_assert_int_gt(ask("CLIENT KILL TYPE normal SKIPME yes"), 0);
	ops->resume(consumer.consumer);
	ck_assert(kit_wait_count(&consumer, 3, SOON_MS));
	ck_assert_str_eq(rv_message_text(consumer.messages[1]), "m1");
	ck_assert_int_eq(rv_message_attempt(consumer.messages[1]), 1);
	close_all();
}
END_TEST

START_TEST(those_behind_a_message_that_ends_its_consumers_are_set_back)
{
	static const char *const quick[] = {"claim-min-idle=300", "claim-interval=50", NULL};

	start_server("");
	open_kit(NULL);
	produce(NULL);
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	send_texts(0, 4);
	/* Read together, and the first once more alone. */
	ck_assert_int_eq(ask("XREADGROUP GROUP g dead COUNT 4 STREAMS d >"), 1);
	ck_assert_int_eq(ask("XREADGROUP GROUP g dead COUNT 1 STREAMS d 0"), 1);
	consume(quick);
	for (int i = 0; i < 4; i++) {
		ck_assert(kit_wait_count(&consumer, (size_t)i + 1, SOON_MS));
		ck_assert(!wait_until(100, kit_count(&consumer) > (size_t)i + 1));
		ck_assert_int_eq(rv_message_attempt(consumer.messages[i]), i == 0 ? 3 : 1);
		ck_assert_int_eq(kit_settle(&consumer, (size_t)i, RV_SETTLE_ACK, NULL), RV_OK);
	}
	WAIT_UNTIL(SOON_MS, pending() == 0);
	close_all();
}
END_TEST

START_TEST(a_requeued_message_comes_again_after_its_delay)
{
	static const char *const again[] = {"redeliver=true", "redelivery-delay=200", NULL};
	int64_t hold_ms = -1, at_ms;

	start_server("");
	open_kit(NULL);
	produce(NULL);
	consume(again);
	ck_assert(consumer.info.redelivers);
	send_texts(0, 1);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	at_ms = rv__monotonic_ms();
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_REQUEUE, &hold_ms), RV_OK);
	ck_assert_int_eq(hold_ms, -1);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	ck_assert_int_ge(rv__monotonic_ms() - at_ms, 190);
	ck_assert_int_eq(rv_message_attempt(consumer.messages[1]), 2);
	/* The first token is no longer good. */
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_E_STALE);
	close_all();
}
END_TEST

START_TEST(entries_that_were_trimmed_while_pending_stop_nobody)
{
	static const char *const quick[] = {"claim-min-idle=200", "claim-interval=50", NULL};

	start_server("");
	open_kit(NULL);
	produce(NULL);
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	send_texts(0, 5);
	ck_assert_int_eq(ask("XREADGROUP GROUP g dead COUNT 5 STREAMS d >"), 1);
	ck_assert_int_eq(ask("XTRIM d MAXLEN 1"), 4);
	consumer.settle_at_once = true;
	consume(quick);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	WAIT_UNTIL(SOON_MS, pending() == 0);
	ck_assert(has("m4"));
	close_all();
}
END_TEST

START_TEST(held_entries_are_kept_from_others)
{
	static const char *const quick[] = {"claim-min-idle=400", "claim-interval=50", NULL};
	struct rv_token token;

	start_server("");
	open_kit(NULL);
	produce(NULL);
	consume(quick);
	send_texts(0, 1);
	ck_assert(kit_wait_count(&consumer, 1, SOON_MS));
	token = consumer.tokens[0];
	/* As the core does at half of the lease. */
	for (int i = 0; i < 10; i++) {
		ops->extend(consumer.consumer, &token, 1);
		ck_assert(!wait_until(150, kit_count(&consumer) > 1));
	}
	ck_assert_int_eq(ask("XPENDING d g IDLE 400 - + 10"), 0);
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

START_TEST(a_consumer_that_leaves_gives_back_and_is_removed_when_it_held_nothing)
{
	struct kit_consumer second = {0};

	start_server("");
	open_kit(NULL);
	produce(NULL);
	consume(NULL);
	send_texts(0, 2);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	(void)kit_consumer_close(&consumer, 5000);
	consumer.consumer = NULL;
	ck_assert_int_eq(pending(), 1);
	/* The default time of a claim is a minute; what was given back does not wait for it. */
	second.settle_at_once = true;
	ck_assert(kit_consume(&kit, &second, "d", "g", NULL));
	ck_assert(kit_wait_count(&second, 1, SOON_MS));
	WAIT_UNTIL(SOON_MS, pending() == 0);
	(void)kit_consumer_close(&second, 5000);
	ck_assert_int_eq(
	    ask("XINFO CONSUMERS d g"), 1); /* the first, which had something pending when it left */
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
	start_server("");
	open_kit(NULL);
	produce(NULL);
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
		(void)kit_producer_close(&producer, 5000);
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
	start_server("");
	open_kit("auto-create=false");
	produce(NULL);
	ck_assert_int_eq(kit_send_text(&producer, "x"), RV_E_NOTFOUND);
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	send_texts(0, 1);
	close_all();
}
END_TEST

/* -- order by a lease ----------------------------------------------------------------------------------- */

static const char *const orderly[] = {
    "orderly=true", "lease=1000", "redeliver=true", "redelivery-delay=70", NULL};

/* The messages from `first` on are m<from>, m<from + 1> … of one stream. */
static void expect_row(struct kit_consumer *of, size_t first, int from, int to)
{
	for (int i = from; i < to; i++) {
		char text[16];

		snprintf(text, sizeof text, "m%d", i);
		ck_assert_str_eq(rv_message_text(of->messages[first + (size_t)(i - from)]), text);
	}
}

START_TEST(an_orderly_consumer_waits_for_the_lease_of_a_dead_one_and_begins_with_what_it_left)
{
	start_server("");
	open_kit(NULL);
	produce(NULL);
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	send_texts(0, 300);
	ck_assert_int_eq(ask("XREADGROUP GROUP g dead COUNT 150 STREAMS d >"), 1);
	ck_assert_int_eq(ask("SET {d}:owner:g dead PX 1500"), 0);
	consumer.settle_at_once = true;
	consume(orderly);
	WAIT_UNTIL(SOON_MS, kit_count(&consumer) > 0 || ask("EXISTS {d}:owner:g") == 0);
	ck_assert(kit_wait_count(&consumer, 300, SOON_MS));
	expect_row(&consumer, 0, 0, 300);
	ck_assert_int_eq(rv_message_attempt(consumer.messages[149]), 2);
	ck_assert_int_eq(rv_message_attempt(consumer.messages[150]), 1);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	close_all();
	ck_assert_int_eq(ask("EXISTS {d}:owner:g"), 0);
}
END_TEST

START_TEST(a_lost_lease_ends_the_epoch_and_what_was_under_way_comes_again_in_order)
{
	start_server("");
	open_kit(NULL);
	produce(NULL);
	consume(orderly);
	send_texts(0, 5);
	ck_assert(kit_wait_count(&consumer, 5, SOON_MS));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	WAIT_UNTIL(SOON_MS, pending() == 4);
	ck_assert_int_eq(ask("SET {d}:owner:g other"), 0);
	WAIT_UNTIL(SOON_MS, kit_lost(&consumer) == 1);
	ck_assert_int_eq(kit_settle(&consumer, 1, RV_SETTLE_ACK, NULL), RV_E_STALE);
	send_texts(5, 8);
	ck_assert(!wait_until(500, kit_count(&consumer) > 5));
	ck_assert_int_eq(pending(), 4);
	ck_assert_int_eq(ask("DEL {d}:owner:g"), 1);
	ck_assert(kit_wait_count(&consumer, 12, SOON_MS));
	expect_row(&consumer, 5, 1, 8);
	for (size_t i = 5; i < 12; i++)
		ck_assert_int_eq(kit_settle(&consumer, i, RV_SETTLE_ACK, NULL), RV_OK);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	close_all();
}
END_TEST

static long long deliveries_of_first(void)
{
	return ask("EVAL %s 0", "return redis.call('XPENDING', 'd', 'g', '-', '+', 1)[1][4]");
}

static void note_mixed(void *arg, const char *name, const char *value)
{
	if (strcmp(name, "mixed-group") == 0 && strstr(value, "'g'"))
		++*(int *)arg;
}

/* How many bindings say that the members of their group differ. */
static int mixed(void)
{
	int count = 0;

	ck_assert_int_eq(ops->health(kit.binder, note_mixed, &count), RV_HEALTH_UP);
	return count;
}

START_TEST(members_that_differ_in_orderly_are_named_and_lose_nothing)
{
	struct kit_consumer *shared = calloc(1, sizeof *shared);
	bool seen[200] = {false};

	ck_assert_ptr_nonnull(shared);
	start_server("");
	open_kit(NULL);
	produce(NULL);
	consumer.settle_at_once = shared->settle_at_once = true;
	consume(orderly);
	ck_assert(!wait_until(200, mixed() > 0));
	ck_assert(kit_consume(&kit, shared, "d", "g", NULL));
	WAIT_UNTIL(SOON_MS, mixed() == 2);
	send_texts(0, 200);
	WAIT_UNTIL(SOON_MS, kit_count(&consumer) + kit_count(shared) >= 200);
	WAIT_UNTIL(SOON_MS, pending() == 0);
	for (size_t i = 0; i < kit_count(&consumer); i++)
		seen[strtol(rv_message_text(consumer.messages[i]) + 1, NULL, 10)] = true;
	for (size_t i = 0; i < kit_count(shared); i++)
		seen[strtol(rv_message_text(shared->messages[i]) + 1, NULL, 10)] = true;
	for (int i = 0; i < 200; i++)
		ck_assert_msg(seen[i], "m%d is lost", i);
	/* The one without leaves, and they agree again. */
	(void)kit_consumer_close(shared, 5000);
	WAIT_UNTIL(SOON_MS, mixed() == 0);
	free(shared);
	close_all();
}
END_TEST

START_TEST(what_another_owner_has_by_now_is_not_acknowledged)
{
	static const char *const slow[] = {"orderly=true", "lease=3000", "ack-interval=1000", NULL};

	start_server("");
	open_kit(NULL);
	produce(NULL);
	consume(slow);
	ck_assert(consumer.info.fenced);
	send_texts(0, 2);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	ck_assert(ops->holds(consumer.consumer, &consumer.tokens[0]));
	/* Settled in time, and told after somebody else took the stream, as by a process that stood still between the two. */
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	ck_assert_int_eq(ask("SET {d}:owner:g other"), 0);
	WAIT_UNTIL(SOON_MS, kit_lost(&consumer) == 1);
	ck_assert(!ops->holds(consumer.consumer, &consumer.tokens[1]));
	ck_assert_int_eq(kit_settle(&consumer, 1, RV_SETTLE_ACK, NULL), RV_E_STALE);
	close_all();
	ck_assert_int_eq(pending(), 2);
	ck_assert_int_eq(ask("STRLEN {d}:owner:g"), 5);
}
END_TEST

START_TEST(an_orderly_consumer_holds_a_failed_message_at_the_head_of_its_stream)
{
	int64_t hold_ms = -1;

	start_server("");
	open_kit(NULL);
	produce(NULL);
	consume(orderly);
	send_texts(0, 2);
	ck_assert(kit_wait_count(&consumer, 2, SOON_MS));
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_REQUEUE, &hold_ms), RV_OK);
	ck_assert_int_eq(hold_ms, 70);
	/* The server counts the next attempt too, in case the owner does not outlive it. */
	WAIT_UNTIL(SOON_MS, ask("XPENDING d g - + 1") == 1 && deliveries_of_first() == 2);
	/* The token stays good: it is settled after the next attempt. */
	ck_assert_int_eq(kit_settle(&consumer, 0, RV_SETTLE_ACK, NULL), RV_OK);
	WAIT_UNTIL(SOON_MS, pending() == 1);
	close_all();
}
END_TEST

static void add_to_partitions(int from, int to)
{
	for (int i = from; i < to; i++)
		for (int k = 0; k < 4; k++)
			ck_assert_int_eq(ask("XADD d-%d * payload %d", k, i), 0);
}

/* Each partition's numbers, looked at by their order; how many different ones were seen of it in all. */
static void expect_order(struct kit_consumer *of)
{
	long next[4] = {0};

	pthread_mutex_lock(&of->lock);
	for (size_t i = 0; i < of->count; i++) {
		long number = strtol(rv_message_text(of->messages[i]), NULL, 10);
		int32_t k = rv_message_partition(of->messages[i]);

		ck_assert_msg(number >= next[k], "%ld of partition %d after %ld", number, k, next[k]);
		next[k] = number + 1;
	}
	pthread_mutex_unlock(&of->lock);
}

static long long owners(void)
{
	return ask("EXISTS {d-0}:owner:g {d-1}:owner:g {d-2}:owner:g {d-3}:owner:g");
}

START_TEST(orderly_members_share_the_streams_out_and_take_over_from_each_other_in_order)
{
	struct kit_consumer *second = calloc(1, sizeof *second);
	size_t before;

	ck_assert_ptr_nonnull(second);
	start_server("");
	open_kit(NULL);
	ck_assert_int_eq(ask("HSET {d}:rivulet partitions 4"), 1);
	consumer.settle_at_once = second->settle_at_once = true;
	consume(orderly);
	WAIT_UNTIL(SOON_MS, owners() == 4);
	add_to_partitions(0, 100);
	/* The first gives way: two of four for each. */
	ck_assert(kit_consume(&kit, second, "d", "g", orderly));
	WAIT_UNTIL(SOON_MS, kit_assigned(second) == 2);
	ck_assert_int_eq(kit_lost(&consumer), 0);
	add_to_partitions(100, 200);
	WAIT_UNTIL(SOON_MS, kit_count(&consumer) + kit_count(second) >= 800);
	ck_assert_uint_ge(kit_count(second), 200);
	expect_order(&consumer);
	/* One leaves, and the other has it all. */
	(void)kit_consumer_close(&consumer, 5000);
	before = kit_count(second);
	add_to_partitions(200, 300);
	ck_assert(kit_wait_count(second, before + 400, SOON_MS));
	for (int k = 0; k < 4; k++)
		WAIT_UNTIL(SOON_MS, ask("XPENDING d-%d g - + 1000", k) == 0);
	/* Nobody died, so nothing comes twice. */
	ck_assert_uint_eq(kit_count(&consumer) + kit_count(second), 1200);
	expect_order(second);
	consumer.consumer = NULL;
	(void)kit_consumer_close(second, 5000);
	free(second);
	close_all();
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const cases[] = {killing_the_server_under_traffic_loses_nothing_acknowledged,
	    a_group_that_is_gone_is_made_again, a_full_server_refuses_for_now_and_takes_again,
	    a_wrong_password_is_said_and_passes_when_it_is_right,
	    what_a_dead_consumer_held_comes_to_a_living_one,
	    what_was_delivered_too_often_comes_alone_with_its_count,
	    what_was_lost_on_the_way_to_us_is_no_delivery,
	    those_behind_a_message_that_ends_its_consumers_are_set_back,
	    a_requeued_message_comes_again_after_its_delay,
	    entries_that_were_trimmed_while_pending_stop_nobody, held_entries_are_kept_from_others,
	    trimming_leaves_what_a_group_needs,
	    a_consumer_that_leaves_gives_back_and_is_removed_when_it_held_nothing,
	    the_lag_counts_what_was_not_read_and_what_was_not_settled,
	    a_message_says_where_it_came_from_if_asked_to, what_is_written_in_a_format_of_others_comes_back,
	    a_key_of_another_type_is_a_mistake_of_the_configuration,
	    without_auto_create_a_missing_stream_is_an_error_of_the_send,
	    an_orderly_consumer_waits_for_the_lease_of_a_dead_one_and_begins_with_what_it_left,
	    a_lost_lease_ends_the_epoch_and_what_was_under_way_comes_again_in_order,
	    members_that_differ_in_orderly_are_named_and_lose_nothing,
	    what_another_owner_has_by_now_is_not_acknowledged,
	    an_orderly_consumer_holds_a_failed_message_at_the_head_of_its_stream,
	    orderly_members_share_the_streams_out_and_take_over_from_each_other_in_order, NULL};
	const char *path[] = {argc > 1 ? argv[1] : ""};
	struct rv_strings paths = {path, 1};
	struct rv_error error;

	if (access("/usr/bin/redis-server", X_OK) != 0) {
		printf("1..0 # SKIP redis-server is not installed\n");
		return 0;
	}
	ops = rv__binder_find("redis", &paths, &error);
	if (!ops) {
		printf("Bail out! %s\n", error.text);
		return 1;
	}
	return unit_run("redis_binder", cases, setup, teardown);
}
