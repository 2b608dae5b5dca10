/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a key lives: addresses that lead nowhere, Sentinels and Clusters that are set up badly or in the middle of a change,
 * and what is said of them.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/integration/redis_kit.h"
#include "tests/support/wait.h"

enum { PLACES = 3, WORDS_MAX = 16, PLACE_MS = 60000 };

/* A server of a Cluster, or a Sentinel. */
struct place {
	char port[8];
	pid_t pid;
	redisContext *raw;
};

static struct place places[PLACES];

/* -- places ------------------------------------------------------------------------------------------------- */

/* A place that answers, ends with the test, and keeps nothing. `more` ends with NULL. */
static struct place *start_place(int number, const char *const *more)
{
	struct place *place = &places[number];
	const char *words[WORDS_MAX + 12] = {"redis-server"};
	const char *const all[] = {
	    "--port", place->port, "--dir", home, "--logfile", "places", "--bind", "127.0.0.1"};
	size_t count = 1;
	redisReply *reply;

	snprintf(place->port, sizeof place->port, "%d", free_port());
	for (size_t i = 0; more[i]; i++) /* the file first, where there is one */
		words[count++] = more[i];
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		words[count++] = all[i];
	place->pid = fork();
	ck_assert_int_ge(place->pid, 0);
	if (place->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp("redis-server", (char *const *)words);
		_exit(127);
	}
	WAIT_UNTIL(PLACE_MS,
	    (place->raw = redisConnect("127.0.0.1", (int)strtol(place->port, NULL, 10))) &&
	        (place->raw->err == 0 || (redisFree(place->raw), false)));
	reply = redisCommand(place->raw, "PING");
	ck_assert_ptr_nonnull(reply);
	freeReplyObject(reply);
	return place;
}

static void end_places(void)
{
	for (int i = 0; i < PLACES; i++) {
		if (places[i].raw)
			redisFree(places[i].raw);
		if (places[i].pid > 0) {
			kill(places[i].pid, SIGKILL);
			(void)waitpid(places[i].pid, NULL, 0);
		}
	}
	memset(places, 0, sizeof places);
}

/* What a place answers, as text: an error or a status as it stands, a number in decimals, of an array its length. */
__attribute__((format(printf, 2, 3))) static const char *say(struct place *place, const char *format, ...)
{
	static char text[16384];
	redisReply *reply;
	va_list args;

	va_start(args, format);
	reply = redisvCommand(place->raw, format, args);
	va_end(args);
	ck_assert_ptr_nonnull(reply);
	if (reply->type == REDIS_REPLY_INTEGER)
		snprintf(text, sizeof text, "%lld", reply->integer);
	else if (reply->type == REDIS_REPLY_ARRAY)
		snprintf(text, sizeof text, "%zu", reply->elements);
	else
		snprintf(text, sizeof text, "%s", reply->str ? reply->str : "");
	freeReplyObject(reply);
	return text;
}

static struct place *start_cluster_node(int number)
{
	char config[32], bus[8];

	snprintf(config, sizeof config, "nodes-%d.conf", number);
	snprintf(bus, sizeof bus, "%d", free_port());
	return start_place(number,
	    (const char *const[]){"--save", "", "--cluster-enabled", "yes", "--cluster-config-file", config,
	        "--cluster-port", bus, "--cluster-node-timeout", "2000", NULL});
}

/* From now on nobody is missed whose machine stands still for a moment. */
static void calm(struct place *place)
{
	ck_assert_str_eq(say(place, "CONFIG SET cluster-node-timeout 20000"), "OK");
}

/* One that has all slots, and serves them. */
static struct place *start_owner(int number)
{
	struct place *place = start_cluster_node(number);

	ck_assert_str_eq(say(place, "CLUSTER ADDSLOTSRANGE 0 16383"), "OK");
	WAIT_UNTIL(PLACE_MS, strstr(say(place, "CLUSTER INFO"), "cluster_state:ok"));
	calm(place);
	return place;
}

/* Of itself and of another one, which serves them or not. */
static bool knows_slots(struct place *place)
{
	const char *info = say(place, "CLUSTER INFO");

	return strstr(info, "cluster_state:ok") && strstr(info, "cluster_known_nodes:2") &&
	    !strstr(say(place, "CLUSTER NODES"), "handshake");
}

/* One more, that has none and knows the owner. */
static struct place *start_other(int number, struct place *owner)
{
	struct place *place = start_cluster_node(number);
	char bus[8] = "";
	const char *at = strstr(say(owner, "CLUSTER NODES"), "@");

	ck_assert_ptr_nonnull(at);
	snprintf(bus, sizeof bus, "%ld", strtol(at + 1, NULL, 10));
	/* Nodes forget a meeting that took them too long. */
	for (int tries = 0; tries < 20 && !strstr(say(owner, "CLUSTER INFO"), "cluster_known_nodes:2");
	     tries++) {
		ck_assert_str_eq(say(place, "CLUSTER MEET 127.0.0.1 %s %s", owner->port, bus), "OK");
		(void)wait_until(3000, knows_slots(place) && knows_slots(owner));
	}
	WAIT_UNTIL(PLACE_MS, knows_slots(place) && knows_slots(owner));
	calm(place);
	return place;
}

static struct place *start_sentinel(int number, const char *master_port, const char *more)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof path, "%s/sentinel-%d.conf", home, number);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "sentinel monitor m 127.0.0.1 %s 1\n%s\n", master_port, more);
	ck_assert_int_eq(fclose(file), 0);
	return start_place(number, (const char *const[]){path, "--sentinel", NULL});
}

/* Opens the binder with the addresses of these places, in this order. */
static void open_at(const char *mode, const struct place *first, const struct place *second, const char *more)
{
	char nodes[64];
	const char *const settings[] = {mode, nodes, more, NULL};

	snprintf(nodes, sizeof nodes, "nodes=127.0.0.1:%s%s%s", first->port, second ? ",127.0.0.1:" : "",
	    second ? second->port : "");
	ck_assert_msg(kit_open(&kit, ops, settings), "%s", kit.error.text);
}

static void finish(void)
{
	close_all();
	end_places();
}

/* -- addresses ------------------------------------------------------------------------------------------------ */

static void add_address(struct addrinfo **list, const struct sockaddr *address, socklen_t length)
{
	struct addrinfo *one = calloc(1, sizeof *one + length); /* in one piece, as the system's */

	ck_assert_ptr_nonnull(one);
	one->ai_family = address->sa_family;
	one->ai_socktype = SOCK_STREAM;
	one->ai_addrlen = length;
	one->ai_addr = memcpy(one + 1, address, length);
	while (*list)
		list = &(*list)->ai_next;
	*list = one;
}

/* The module's look-ups come here: names with two addresses, of which the first cannot even be tried, or does not answer. */
__attribute__((visibility("default"))) int getaddrinfo(const char *restrict name,
    const char *restrict service, const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
	struct sockaddr_in6 local = {.sin6_family = AF_INET6}; /* EINVAL: a link's address without the link */
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in full = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
	struct sockaddr *first = (struct sockaddr *)&local;

	if (strcmp(name, "slow.test") == 0)
		first = (struct sockaddr *)&full;
	else if (strcmp(name, "two.test") != 0)
		return ((int (*)(const char *, const char *, const struct addrinfo *,
		    struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, list);
	*list = NULL;
	ck_assert_int_eq(inet_pton(AF_INET6, "fe80::1", &local.sin6_addr), 1);
	local.sin6_port = full.sin_port = here.sin_port = htons((uint16_t)strtol(service, NULL, 10));
	add_address(list, first, first == (struct sockaddr *)&full ? sizeof full : sizeof local);
	add_address(list, (struct sockaddr *)&here, sizeof here);
	return 0;
}

START_TEST(a_name_is_reached_by_its_second_address_when_the_first_cannot_be_tried)
{
	struct place *place = start_place(0, (const char *const[]){"--save", "", NULL});
	char nodes[64];
	const char *const settings[] = {nodes, "check-server=false", NULL};

	snprintf(nodes, sizeof nodes, "nodes=two.test:%s", place->port);
	ck_assert_msg(kit_open(&kit, ops, settings), "%s", kit.error.text);
	produce(NULL);
	send_texts(0, 1);
	finish();
}
END_TEST

START_TEST(a_name_is_reached_by_its_second_address_when_the_first_does_not_answer)
{
	struct place *place = start_place(0, (const char *const[]){"--save", "", NULL});
	struct sockaddr_in full = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1),
	    .sin_port = htons((uint16_t)strtol(place->port, NULL, 10))};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting[4];
	char nodes[64];
	const char *const settings[] = {nodes, "check-server=false", "connect-timeout=200", NULL};

	/* Nobody takes its connections, and it has no room for more. */
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&full, sizeof full), 0);
	ck_assert_int_eq(listen(listener, 0), 0);
	for (int i = 0; i < 4; i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(waiting[i], (struct sockaddr *)&full, sizeof full);
	}
	snprintf(nodes, sizeof nodes, "nodes=slow.test:%s", place->port);
	ck_assert_msg(kit_open(&kit, ops, settings), "%s", kit.error.text);
	produce(NULL);
	send_texts(0, 1);
	for (int i = 0; i < 4; i++)
		close(waiting[i]);
	close(listener);
	finish();
}
END_TEST

/* How long it takes until so many connections came to one who closes each at once. */
static int64_t time_connections(int listener, int count)
{
	int64_t begun_ms = rv__monotonic_ms();

	for (; count > 0; count--) {
		struct pollfd one = {.fd = listener, .events = POLLIN};

		ck_assert_int_eq(poll(&one, 1, PLACE_MS), 1);
		close(accept(listener, NULL, NULL));
	}
	return rv__monotonic_ms() - begun_ms;
}

START_TEST(a_sentinel_that_hangs_up_at_once_is_tried_less_and_less_often)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t took_ms;
	struct place proxy;

	snprintf(proxy.port, sizeof proxy.port, "%d", free_port());
	address.sin_port = htons((uint16_t)strtol(proxy.port, NULL, 10));
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(listener, 64), 0);
	open_at("mode=sentinel", &proxy, NULL, "sentinel.master=m");
	took_ms = time_connections(listener, 8);
	/* 20 ms, 40 ms … 1 s, or half of it, between them. */
	ck_assert_msg(took_ms >= 900, "eight connections in %d ms", (int)took_ms);
	close_all();
	close(listener);
}
END_TEST

START_TEST(silence_is_noticed_in_time_where_nothing_else_happens)
{
	struct place *place = start_place(0, (const char *const[]){"--save", "", NULL});
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text("into the silence");

	open_at("check-server=false", place, NULL, "timeout=1000");
	produce(NULL);
	send_texts(0, 2);
	ck_assert(
	    !wait_until(300, kit_last(&producer).code != RV_OK)); /* whatever follows a beginning is over */
	kill(place->pid, SIGSTOP);
	ck_assert(kit_queue(&producer, message, -1));
	ck_assert_msg(wait_awake(2500, ops->health(kit.binder, NULL, NULL) == RV_HEALTH_DOWN),
	    "no word of a silence of a second after two and a half");
	kill(place->pid, SIGCONT);
	ck_assert(kit_wait_completed(&producer, 3, PLACE_MS));
	ck_assert_int_eq(kit_last(&producer).code, RV_OK);
	finish();
}
END_TEST

/* -- Sentinel --------------------------------------------------------------------------------------------------- */

START_TEST(a_sentinel_that_wants_a_password_is_not_told_to_know_no_master)
{
	struct place *place = start_sentinel(0, "1", "requirepass secret");

	open_at("mode=sentinel", place, NULL, "sentinel.master=m");
	produce(NULL);
	ck_assert(producer.info.waiting);
	WAIT_UNTIL(PLACE_MS, strstr(kit_why(&producer).text, "redis.binder.sentinel.password"));
	ck_assert_int_eq(kit_why(&producer).code, RV_E_DENIED);
	finish();
}
END_TEST

START_TEST(a_wrong_password_of_sentinel_names_the_sentinels_keys)
{
	struct place *place = start_sentinel(0, "1", "requirepass secret");
	char nodes[64];
	const char *const settings[] = {
	    "mode=sentinel", nodes, "sentinel.master=m", "sentinel.password=wrong", NULL};

	snprintf(nodes, sizeof nodes, "nodes=127.0.0.1:%s", place->port);
	ck_assert_msg(kit_open(&kit, ops, settings), "%s", kit.error.text);
	produce(NULL);
	WAIT_UNTIL(PLACE_MS, strstr(kit_why(&producer).text, "redis.binder.sentinel.password"));
	ck_assert_int_eq(kit_why(&producer).code, RV_E_DENIED);
	finish();
}
END_TEST

START_TEST(a_server_that_is_no_sentinel_is_called_so)
{
	struct place *place = start_place(0, (const char *const[]){"--save", "", NULL});

	open_at("mode=sentinel", place, NULL, "sentinel.master=m");
	produce(NULL);
	WAIT_UNTIL(PLACE_MS, strstr(kit_why(&producer).text, "is no Sentinel"));
	ck_assert_ptr_nonnull(strstr(kit_why(&producer).text, "redis.binder.nodes"));
	finish();
}
END_TEST

START_TEST(a_master_that_sentinel_does_not_know_is_named)
{
	struct place *place = start_sentinel(0, "1", "");

	open_at("mode=sentinel", place, NULL, "sentinel.master=another");
	produce(NULL);
	WAIT_UNTIL(PLACE_MS, strstr(kit_why(&producer).text, "knows no master 'another'"));
	ck_assert_ptr_nonnull(strstr(kit_why(&producer).text, "sentinel.master"));
	finish();
}
END_TEST

START_TEST(a_master_that_stands_still_is_not_called_unknown)
{
	struct place *master = start_place(1, (const char *const[]){"--save", "", NULL});
	struct place *place = start_sentinel(0, master->port, "sentinel down-after-milliseconds m 60000");

	kill(master->pid, SIGSTOP);
	open_at("mode=sentinel", place, NULL, "sentinel.master=m");
	consume(NULL);
	ck_assert(consumer.info.waiting);
	ck_assert_msg(!strstr(kit_consumer_why(&consumer).text, "knows no master"), "%s",
	    kit_consumer_why(&consumer).text);
	kill(master->pid, SIGCONT);
	WAIT_UNTIL(PLACE_MS, kit_consumer_is_up(&consumer));
	finish();
}
END_TEST

/* -- Cluster ----------------------------------------------------------------------------------------------------- */

START_TEST(a_node_that_knows_no_slots_is_not_the_only_one_asked)
{
	struct place *lone = start_cluster_node(0), *owner = start_owner(1);

	open_at("mode=cluster", lone, owner, NULL);
	produce(NULL);
	send_texts(0, 1);
	finish();
}
END_TEST

START_TEST(a_server_that_is_no_part_of_a_cluster_is_not_the_only_one_asked)
{
	struct place *plain = start_place(0, (const char *const[]){"--save", "", NULL});
	struct place *owner = start_owner(1);

	open_at("mode=cluster", plain, owner, NULL);
	produce(NULL);
	send_texts(0, 1);
	finish();
}
END_TEST

START_TEST(a_cluster_of_nodes_without_slots_is_said_to_be_one)
{
	struct place *lone = start_cluster_node(0);

	open_at("mode=cluster", lone, NULL, NULL);
	produce(NULL);
	ck_assert(producer.info.waiting);
	WAIT_UNTIL(PLACE_MS, strstr(kit_why(&producer).text, "knows no slots"));
	ck_assert_ptr_nonnull(strstr(kit_why(&producer).text, "redis.binder.nodes"));
	finish();
}
END_TEST

/* How often it was asked for the slots. */
static long questions(struct place *place)
{
	const char *at = strstr(say(place, "INFO commandstats"), "cluster|slots:calls=");

	return at ? strtol(at + strlen("cluster|slots:calls="), NULL, 10) : 0;
}

START_TEST(who_is_in_doubt_is_not_asked_who_replaces_it)
{
	long before;
	struct place *owner = start_owner(0), *other = start_other(1, owner);
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text("into the silence");
	char nodes[64];
	const char *const settings[] = {"mode=cluster", nodes, "timeout=1000", "connect-timeout=60000", NULL};

	snprintf(nodes, sizeof nodes, "nodes=127.0.0.1:%s,127.0.0.1:%s", owner->port, other->port);
	ck_assert_msg(kit_open(&kit, ops, settings), "%s", kit.error.text);
	produce(NULL);
	send_texts(0, 1);
	before = questions(other);
	kill(owner->pid, SIGSTOP);
	ck_assert(kit_queue(&producer, message, -1));
	/* A third of what a question to the one in doubt would take. */
	WAIT_UNTIL(20000, questions(other) > before);
	kill(owner->pid, SIGCONT);
	ck_assert(kit_wait_completed(&producer, 2, PLACE_MS));
	finish();
}
END_TEST

/* -- slots on their way ------------------------------------------------------------------------------------------- */

/* From now on what the owner has not of d's slot is asked for at the other one. */
static void begin_move(struct place *from, struct place *to, char *slot, size_t size)
{
	char from_id[64], to_id[64];

	snprintf(from_id, sizeof from_id, "%s", say(from, "CLUSTER MYID"));
	snprintf(to_id, sizeof to_id, "%s", say(to, "CLUSTER MYID"));
	snprintf(slot, size, "%s", say(from, "CLUSTER KEYSLOT d"));
	ck_assert_str_eq(say(to, "CLUSTER SETSLOT %s IMPORTING %s", slot, from_id), "OK");
	ck_assert_str_eq(say(from, "CLUSTER SETSLOT %s MIGRATING %s", slot, to_id), "OK");
}

static void move_key(struct place *from, struct place *to, const char *key)
{
	ck_assert_str_eq(say(from, "MIGRATE 127.0.0.1 %s %s 0 5000", to->port, key), "OK");
}

/* What is left of the slot, too. */
static void end_move(struct place *from, struct place *to, const char *slot)
{
	redisReply *keys = redisCommand(from->raw, "CLUSTER GETKEYSINSLOT %s 100", slot);
	char to_id[64];

	ck_assert_ptr_nonnull(keys);
	for (size_t i = 0; i < keys->elements; i++)
		move_key(from, to, keys->element[i]->str);
	freeReplyObject(keys);
	snprintf(to_id, sizeof to_id, "%s", say(to, "CLUSTER MYID"));
	ck_assert_str_eq(say(to, "CLUSTER SETSLOT %s NODE %s", slot, to_id), "OK");
	ck_assert_str_eq(say(from, "CLUSTER SETSLOT %s NODE %s", slot, to_id), "OK");
}

/* So many commands of that name were answered there, be it by an error. */
static bool got(struct place *place, const char *command)
{
	char name[32];

	snprintf(name, sizeof name, "cmdstat_%s:", command);
	return strstr(say(place, "INFO commandstats"), name);
}

START_TEST(a_stream_stays_where_it_is_while_other_keys_of_its_slot_are_asked_for_elsewhere)
{
	struct place *from = start_owner(0), *to = start_other(1, from);
	char slot[16];

	open_at("mode=cluster", from, to, NULL);
	consumer.settle_at_once = true;
	produce(NULL);
	consume(NULL);
	send_texts(0, 3);
	WAIT_UNTIL(PLACE_MS, has("m2"));
	begin_move(from, to, slot, sizeof slot);
	/* The number of partitions of a destination with one is written nowhere: it is looked for at the other node. */
	WAIT_UNTIL(PLACE_MS, got(to, "hget"));
	send_texts(3, 6);
	WAIT_UNTIL(PLACE_MS, has("m5"));
	ck_assert_str_eq(say(from, "XLEN d"), "6");
	move_key(from, to, "d"); /* BUSYKEY when there is one already */
	send_texts(6, 9);
	WAIT_UNTIL(PLACE_MS, has("m8"));
	end_move(from, to, slot);
	send_texts(9, 12);
	WAIT_UNTIL(PLACE_MS, has("m11"));
	ck_assert_str_eq(say(to, "XLEN d"), "12");
	finish();
}
END_TEST

static long lease_left_ms(struct place *place)
{
	say(place, "ASKING");
	return strtol(say(place, "PTTL {d}:owner:g"), NULL, 10);
}

START_TEST(a_lease_is_renewed_while_its_stream_has_not_moved_yet)
{
	static const char *const orderly[] = {"orderly=true", "lease=15000", NULL};
	struct place *from = start_owner(0), *to = start_other(1, from);
	char slot[16];

	open_at("mode=cluster", from, to, NULL);
	consumer.settle_at_once = true;
	produce(NULL);
	consume(orderly);
	send_texts(0, 3);
	WAIT_UNTIL(PLACE_MS, has("m2"));
	begin_move(from, to, slot, sizeof slot);
	move_key(from, to, "{d}:owner:g");
	/* It is renewed where it is, the stream read and written where that is. */
	kit_advance_ms(6000);
	WAIT_UNTIL(PLACE_MS, lease_left_ms(to) < 14000);
	kit_advance_ms(6000);
	WAIT_UNTIL(PLACE_MS, lease_left_ms(to) > 14000);
	send_texts(3, 6);
	WAIT_UNTIL(PLACE_MS, has("m5"));
	move_key(from, to, "d");
	send_texts(6, 9);
	WAIT_UNTIL(PLACE_MS, has("m8"));
	end_move(from, to, slot);
	WAIT_UNTIL(PLACE_MS, strcmp(say(to, "XPENDING d g - + 10"), "0") == 0);
	ck_assert_str_eq(say(to, "XLEN d"), "9");
	ck_assert_uint_eq(kit_lost(&consumer), 0);
	finish();
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const cases[] = {a_name_is_reached_by_its_second_address_when_the_first_cannot_be_tried,
	    a_name_is_reached_by_its_second_address_when_the_first_does_not_answer,
	    a_sentinel_that_hangs_up_at_once_is_tried_less_and_less_often,
	    silence_is_noticed_in_time_where_nothing_else_happens,
	    a_sentinel_that_wants_a_password_is_not_told_to_know_no_master,
	    a_wrong_password_of_sentinel_names_the_sentinels_keys, a_server_that_is_no_sentinel_is_called_so,
	    a_master_that_sentinel_does_not_know_is_named, a_master_that_stands_still_is_not_called_unknown,
	    a_node_that_knows_no_slots_is_not_the_only_one_asked,
	    a_server_that_is_no_part_of_a_cluster_is_not_the_only_one_asked,
	    a_cluster_of_nodes_without_slots_is_said_to_be_one, who_is_in_doubt_is_not_asked_who_replaces_it,
	    a_stream_stays_where_it_is_while_other_keys_of_its_slot_are_asked_for_elsewhere,
	    a_lease_is_renewed_while_its_stream_has_not_moved_yet, NULL};

	return run_cases("redis_places", cases, argc, argv);
}
