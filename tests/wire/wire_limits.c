/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker does when it runs out of something, or somebody else has taken it: disk, descriptors, names, patience. */
#include "tests/support/unit.h"
#include "tests/support/wait.h"
#include "tests/wire/wire_kit.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/longpoll.h"

static struct wire_client client, bad;

static void open_both(void)
{
	wire_open();
	wire_connect(&client, wire_port());
	wire_connect(&bad, wire_port());
}

static void teardown(void)
{
	wire_disconnect(&client);
	wire_disconnect(&bad);
	wire_teardown();
}

static int send_one(struct wire_client *from, const char *topic)
{
	return wire_send_message(from, topic, 0, "", "x");
}

/* -- the disk ----------------------------------------------------------------------------------------------- */

START_TEST(a_topic_that_could_not_be_saved_takes_messages_once_it_can_be)
{
	char obstacle[256];

	open_both();
	ck_assert_int_eq(send_one(&client, "before"), RV__RSP_SUCCESS);
	snprintf(obstacle, sizeof(obstacle), "%s/config/topics.json.tmp", wire_directory());
	ck_assert_int_eq(mkdir(obstacle, 0700), 0);
	ck_assert_int_eq(send_one(&client, "T"), RV__RSP_SERVICE_NOT_AVAILABLE);
	ck_assert_ptr_nonnull(strstr(wire_remark(&client), "topics.json"));
	ck_assert_int_eq(send_one(&client, "before"), RV__RSP_SUCCESS);
	ck_assert_int_eq(rmdir(obstacle), 0);
	WAIT_UNTIL(WIRE_WAIT_MS, send_one(&client, "T") == RV__RSP_SUCCESS);
}
END_TEST

START_TEST(topics_are_made_again_from_the_log_when_their_document_is_gone)
{
	char path[256];

	open_both();
	ck_assert_int_eq(wire_send_message(&client, "T", 2, "", "kept"), RV__RSP_SUCCESS);
	wire_disconnect(&client);
	wire_close();
	snprintf(path, sizeof(path), "%s/config/topics.json", wire_directory());
	ck_assert_int_eq(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/config/topics.json.old", wire_directory());
	(void)unlink(path);
	wire_open();
	wire_connect(&client, wire_port());
	ck_assert_int_eq(wire_pull(&client, "g", "T", 2, 0, 0, "*"), RV__RSP_SUCCESS);
	ck_assert_mem_eq(wire_record(&client, 0).body, "kept", 4);
}
END_TEST

START_TEST(a_document_that_was_edited_badly_is_named)
{
	static const char *const names[] = {
	    "topics", "subscriptionGroup", "consumerOffset", "delayOffset", "transactionOffset", "kvConfig"};
	struct rv_error error;
	rv__broker *none = NULL;
	char path[256];

	open_both();
	wire_close();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s/config/%s.json", wire_directory(), names[i]);
		file = fopen(path, "we");
		ck_assert_ptr_nonnull(file);
		fputs("{\"x", file);
		ck_assert_int_eq(fclose(file), 0);
		ck_assert_int_eq(rv__broker_open(&wire_settings, &none, &error), RV_E_CORRUPT);
		ck_assert_msg(strstr(error.text, path) != NULL, "%s", error.text);
		ck_assert_int_eq(unlink(path), 0);
	}
}
END_TEST

/* Files of this process end at `bytes`; larger writes fail. */
static void limit_files_to(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_delayed_message_that_could_not_be_written_comes_when_it_can_be)
{
	struct stat info;
	char log[256];

	wire_settings.delay_levels = "2s";
	open_both();
	ck_assert_int_eq(wire_send_message(&client, "T", 0,
	                     "DELAY\001"
	                     "1",
	                     "late"),
	    RV__RSP_SUCCESS);
	snprintf(log, sizeof(log), "%s/log/%020d", wire_directory(), 0);
	ck_assert_int_eq(stat(log, &info), 0);
	limit_files_to((rlim_t)info.st_size + 10);
	/* Due in two seconds: its delivery fails meanwhile, as a send does. */
	ck_assert_int_eq(wire_pull(&client, "g", "T", 0, 0, 3500, "*"), RV__RSP_PULL_NOT_FOUND);
	ck_assert_int_eq(send_one(&client, "T"), RV__RSP_SERVICE_NOT_AVAILABLE);
	limit_files_to(RLIM_INFINITY);
	ck_assert_int_eq(wire_pull(&client, "g", "T", 0, 0, WIRE_WAIT_MS / 2, "*"), RV__RSP_SUCCESS);
	ck_assert_mem_eq(wire_record(&client, 0).body, "late", 4);
}
END_TEST

/* Sends a message to a delay level under one list of levels and opens the broker again under another. */
static void delay_over_a_change(const char *levels, int level, const char *new_levels)
{
	char delay[32];

	snprintf(delay, sizeof delay, "DELAY\001%d", level);
	wire_settings.delay_levels = levels;
	open_both();
	ck_assert_int_eq(wire_send_message(&client, "T", 0, delay, "late"), RV__RSP_SUCCESS);
	wire_disconnect(&client);
	wire_settings.delay_levels = new_levels;
	wire_reopen();
	wire_connect(&client, wire_port());
}

START_TEST(what_was_sent_at_a_level_that_is_gone_still_comes)
{
	delay_over_a_change("1s 1s", 2, "1h");
	ck_assert_int_eq(wire_pull(&client, "g", "T", 0, 0, WIRE_WAIT_MS / 2, "*"), RV__RSP_SUCCESS);
	ck_assert_mem_eq(wire_record(&client, 0).body, "late", 4);
}
END_TEST

START_TEST(a_level_made_shorter_holds_nothing_for_its_old_time)
{
	delay_over_a_change("1h", 1, "1s");
	ck_assert_int_eq(wire_pull(&client, "g", "T", 0, 0, WIRE_WAIT_MS / 2, "*"), RV__RSP_SUCCESS);
}
END_TEST

/* -- descriptors -------------------------------------------------------------------------------------------- */

/* A process with descriptors of its own: connects `count` times, tells, and holds all until the pipe is closed. */
static pid_t crowd(int count, const int ready[2], const int leave[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)wire_port())};
	pid_t pid = fork();
	char byte = 0;

	ck_assert_int_ge(pid, 0);
	if (pid != 0)
		return pid;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < count; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0)
			(void)connect(fd, (struct sockaddr *)&address, sizeof(address));
	}
	(void)close(leave[1]);
	(void)!write(ready[1], &byte, 1);
	(void)!read(leave[0], &byte, 1);
	_exit(0);
}

START_TEST(clients_do_not_take_the_descriptors_of_the_store)
{
	const struct rlimit few = {256, 256};
	int ready[2], leave[2];
	pid_t crowds[2];
	char byte;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	open_both();
	ck_assert_int_eq(send_one(&client, "before"), RV__RSP_SUCCESS);
	ck_assert(pipe(ready) == 0 && pipe(leave) == 0);
	for (int i = 0; i < 2; i++)
		crowds[i] = crowd(180, ready, leave);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	/* A new topic needs a file. */
	ck_assert_int_eq(send_one(&client, "T"), RV__RSP_SUCCESS);
	(void)close(leave[1]);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(waitpid(crowds[i], NULL, 0), crowds[i]);
}
END_TEST

/* -- names -------------------------------------------------------------------------------------------------- */

static int register_broker(const char *name, const char *address)
{
	static const char body[] = "{\"filterServerList\":[],\"topicConfigSerializeWrapper\":{"
	                           "\"dataVersion\":{\"counter\":1,\"timestamp\":1},"
	                           "\"topicConfigTable\":{}}}";

	wire_begin(&bad, RV__REQ_REGISTER_BROKER);
	rv__command_add_text(&bad.writer, "brokerName", name);
	rv__command_add_text(&bad.writer, "brokerAddr", address);
	rv__command_add_text(&bad.writer, "clusterName", "DefaultCluster");
	rv__command_add_text(&bad.writer, "brokerId", "0");
	return wire_call(&bad, body, sizeof(body) - 1);
}

static bool route_names(const char *topic, const char *address)
{
	wire_begin(&bad, RV__REQ_GET_ROUTEINFO_BY_TOPIC);
	rv__command_add_text(&bad.writer, "topic", topic);
	return wire_call(&bad, NULL, 0) == RV__RSP_SUCCESS &&
	    memmem(bad.command.body, bad.command.body_length, address, strlen(address));
}

START_TEST(nobody_registers_under_the_name_of_the_broker_beside_the_name_server)
{
	open_both();
	ck_assert_int_eq(send_one(&client, "T"), RV__RSP_SUCCESS);
	wire_disconnect(&bad);
	wire_connect(&bad, wire_name_server_port());
	ck_assert_int_eq(register_broker("broker-a", "127.0.0.1:1"), RV__RSP_SYSTEM_ERROR);
	ck_assert_ptr_nonnull(strstr(wire_remark(&bad), "brokerName"));
	ck_assert(!route_names("T", "127.0.0.1:1\""));
	ck_assert_int_eq(register_broker("broker-b", "127.0.0.1:1"), RV__RSP_SUCCESS);
}
END_TEST

/* -- memory ------------------------------------------------------------------------------------------------- */

static size_t allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

START_TEST(unread_answers_take_little_memory_long_before_they_close_the_connection)
{
	static char body[100000];
	size_t before;

	open_both();
	memset(body, 'b', sizeof(body) - 1);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(wire_send_message(&client, "T", 0, "", body), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "g", "T", 0, 0, 0, "*"), RV__RSP_SUCCESS);
	before = allocated();
	/* 40 MB of answers, of which the kernel takes some. */
	for (int i = 0; i < 200; i++)
		wire_start_pull(&bad, "g", "T", 0, 0, 0, "*");
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(send_one(&client, "other"), RV__RSP_SUCCESS);
	ck_assert_uint_lt(allocated(), before + (3 << 20));
	/* And nothing is lost on the way. */
	for (int i = 0; i < 200; i++)
		ck_assert(wire_receive(&bad, WIRE_WAIT_MS));
}
END_TEST

START_TEST(a_client_has_so_many_pulls_waiting_and_no_more)
{
	open_both();
	ck_assert_int_eq(send_one(&client, "T"), RV__RSP_SUCCESS);
	for (int i = 0; i < RV__HELD_MAX; i++)
		wire_start_pull(&bad, "g", "T", 0, 1, 100000, "*");
	ck_assert(!wire_receive(&bad, 100));
	wire_start_pull(&bad, "g", "T", 0, 1, 100000, "*");
	ck_assert(wire_receive(&bad, WIRE_WAIT_MS));
	ck_assert_int_eq(bad.command.code, RV__RSP_SYSTEM_BUSY);
	ck_assert_int_eq(wire_number(&bad, "nextBeginOffset"), 1);
	/* What is answered makes room again. */
	ck_assert_int_eq(send_one(&client, "T"), RV__RSP_SUCCESS);
	for (int i = 0; i < RV__HELD_MAX; i++)
		ck_assert(wire_receive(&bad, WIRE_WAIT_MS) && bad.command.code == RV__RSP_SUCCESS);
	wire_start_pull(&bad, "g", "T", 0, 2, 100000, "*");
	ck_assert(!wire_receive(&bad, 100));
}
END_TEST

START_TEST(whoever_fills_the_room_for_unfinished_requests_gives_way)
{
	static char half[700000], whole[600000];

	wire_settings.max_partial = 1 << 20;
	open_both();
	memcpy(half, "\x00\x20\x00\x00\x00\x00\x00\x10", 8);
	wire_write(&bad, half, sizeof(half));
	ck_assert_int_eq(send_one(&client, "T"), RV__RSP_SUCCESS);
	memset(whole, 'w', sizeof(whole) - 1);
	ck_assert_int_eq(wire_send_message(&client, "T", 0, "", whole), RV__RSP_SUCCESS);
}
END_TEST

/* How often the settings of groups were written. */
static long group_version(void)
{
	char text[64] = {0};
	const char *counter;

	wire_begin(&client, RV__REQ_GET_ALL_SUBSCRIPTIONGROUP_CONFIG);
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_SUCCESS);
	memcpy(text, client.command.body, client.command.body_length < 63 ? client.command.body_length : 63);
	counter = strstr(text, "\"counter\":");
	ck_assert_ptr_nonnull(counter);
	return strtol(counter + 10, NULL, 10);
}

/* Written once for each of some thousand groups, this would hold everybody up for half a minute. */
START_TEST(a_heartbeat_of_many_groups_is_saved_once)
{
	static char body[40000];
	size_t length;
	long before;

	open_both();
	before = group_version();
	length = (size_t)snprintf(
	    body, sizeof(body), "{\"clientID\":\"c\",\"producerDataSet\":[],\"consumerDataSet\":[");
	for (int i = 0; i < 200; i++)
		length += (size_t)snprintf(body + length, sizeof(body) - length,
		    "%s{\"groupName\":\"g%d\",\"consumeType\":\"CONSUME_PASSIVELY\",\"messageModel\":"
		    "\"CLUSTERING\","
		    "\"consumeFromWhere\":\"CONSUME_FROM_LAST_OFFSET\",\"subscriptionDataSet\":[]}",
		    i ? "," : "", i);
	length += (size_t)snprintf(body + length, sizeof(body) - length, "]}");
	wire_begin(&bad, RV__REQ_HEART_BEAT);
	ck_assert_int_eq(wire_call(&bad, body, length), RV__RSP_SUCCESS);
	ck_assert_int_eq(group_version(), before + 1);
	wire_reopen();
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	wire_begin(&client, RV__REQ_GET_ALL_SUBSCRIPTIONGROUP_CONFIG);
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_SUCCESS);
	ck_assert_ptr_nonnull(
	    memmem(client.command.body, client.command.body_length, "\"g199\"", strlen("\"g199\"")));
}
END_TEST

/* A name server that takes the connection and then nothing more; its port. */
static int listen_deaf(int *ret_fd)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int small = 4096, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*ret_fd = fd;
	return ntohs(address.sin_port);
}

START_TEST(a_name_server_that_hangs_costs_no_memory)
{
	char servers[32], topic[128];
	size_t before;
	int fd;

	snprintf(servers, sizeof(servers), "127.0.0.1:%d", listen_deaf(&fd));
	wire_settings.role = RV__ROLE_BROKER;
	wire_settings.name_servers = servers;
	wire_open();
	wire_connect(&client, wire_port());
	ck_assert_int_eq(send_one(&client, "T"), RV__RSP_SUCCESS);
	before = allocated();
	/* Each is a registration of all; together some 20 MB. */
	for (int i = 0; i < 300; i++) {
		snprintf(topic, sizeof(topic), "%0120d", i);
		ck_assert_int_eq(send_one(&client, topic), RV__RSP_SUCCESS);
	}
	ck_assert_uint_lt(allocated(), before + (4 << 20));
	(void)close(fd);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_topic_that_could_not_be_saved_takes_messages_once_it_can_be,
	    topics_are_made_again_from_the_log_when_their_document_is_gone,
	    a_document_that_was_edited_badly_is_named,
	    a_delayed_message_that_could_not_be_written_comes_when_it_can_be,
	    what_was_sent_at_a_level_that_is_gone_still_comes,
	    a_level_made_shorter_holds_nothing_for_its_old_time,
	    clients_do_not_take_the_descriptors_of_the_store,
	    nobody_registers_under_the_name_of_the_broker_beside_the_name_server,
	    unread_answers_take_little_memory_long_before_they_close_the_connection,
	    a_client_has_so_many_pulls_waiting_and_no_more,
	    whoever_fills_the_room_for_unfinished_requests_gives_way,
	    a_heartbeat_of_many_groups_is_saved_once, a_name_server_that_hangs_costs_no_memory, NULL};

	return unit_run("wire_limits", cases, wire_setup, teardown);
}
