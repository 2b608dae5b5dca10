/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/redis_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binder/registry.h"
#include "tests/support/wait.h"

const struct rv_binder_ops *ops;
struct kit kit;
struct kit_producer producer;
struct kit_consumer consumer;
redisContext *raw;
char home[64];
static char port[8], node[32];
static pid_t server;

/* -- the server --------------------------------------------------------------------------------- */

static bool is_free(int number)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)number)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	bool bound = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    bind(fd, (struct sockaddr *)&address, sizeof address) == 0;

	close(fd);
	return bound;
}

/* A block of ports under the lock that tests/peers/ports.py takes, too, until this process ends. */
static bool lock_block(int first)
{
	const char *folder = getenv("TMPDIR");
	char path[256];
	int fd;

	snprintf(path, sizeof path, "%s/rivulet-ports-%u", folder && *folder ? folder : "/tmp",
	    (unsigned)getuid());
	(void)mkdir(path, 0777);
	snprintf(path + strlen(path), sizeof path - strlen(path), "/%d", first);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	close(fd);
	return false;
}

/* Below those that the kernel gives to clients: one of them would have the port while its server is dead. */
int free_port(void)
{
	enum { FIRST = 20000, LAST = 32000, BLOCK = 8 };
	static int next, left;

	for (int tries = 0; tries < 1000; tries++) {
		if (left == 0) {
			int first = FIRST + (int)(rv__random() % ((LAST - FIRST) / BLOCK)) * BLOCK;

			if (!lock_block(first))
				continue;
			next = first;
			left = BLOCK;
		}
		left--;
		if (is_free(next++))
			return next - 1;
	}
	ck_abort_msg("no port between %d and %d is free", FIRST, LAST);
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

void start_server(const char *password)
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

void kill_server(void)
{
	if (server <= 0)
		return;
	kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	server = 0;
}

/* The integer of a command's answer, or the length of its array; -1 for an error. */
long long ask(const char *format, ...)
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

long long pending(void)
{
	return ask("XPENDING d g - + 1000");
}

/* -- ends ------------------------------------------------------------------------------------------ */

void open_kit(const char *more)
{
	const char *const settings[] = {node, "check-server=false", "timeout=60000", more, NULL};

	ck_assert_msg(kit_open(&kit, ops, settings), "%s", kit.error.text);
}

void produce(const char *const *settings)
{
	producer.send_timeout_ms = SOON_MS;
	ck_assert_msg(kit_produce(&kit, &producer, "d", settings), "%s", kit.error.text);
}

void open_line(const char *more)
{
	start_server("");
	open_kit(more);
	produce(NULL);
}

void consume(const char *const *settings)
{
	ck_assert_msg(kit_consume(&kit, &consumer, "d", "g", settings), "%s", kit.error.text);
}

void send_texts(int from, int to)
{
	for (int i = from; i < to; i++) {
		char text[16];

		snprintf(text, sizeof text, "m%d", i);
		ck_assert_msg(
		    kit_send_text(&producer, text) == RV_OK, "%s: %s", text, kit_last(&producer).text);
	}
}

void leave_read(int sent, int read)
{
	ck_assert_int_eq(ask("XGROUP CREATE d g 0 MKSTREAM"), 0);
	send_texts(0, sent);
	ck_assert_int_eq(ask("XREADGROUP GROUP g dead COUNT %d STREAMS d >", read), 1);
}

bool has(const char *text)
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
	snprintf(port, sizeof port, "%d", free_port());
	snprintf(node, sizeof node, "nodes=127.0.0.1:%s", port);
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

void close_all(void)
{
	if (producer.producer)
		(void)kit_producer_close(&producer, SOON_MS);
	if (consumer.consumer)
		(void)kit_consumer_close(&consumer, SOON_MS);
	kit_close(&kit);
}

int run_cases(const char *name, const TTest *const *cases, int argc, char **argv)
{
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
	return unit_run(name, cases, setup, teardown);
}
