/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a program takes from exec to ready, and what it then holds in memory.
 *
 *     bench-startup RUNS http PORT PATH -- PROGRAM [arguments]    ready: GET PATH answers 200 with "UP"
 *     bench-startup RUNS broker PORT BROKER_PORT -- PROGRAM …     ready: the name server at PORT knows the broker
 *                                                          and BROKER_PORT takes connections
 *
 * Prints the median, the least and the most of RUNS starts in milliseconds, then the resident size. The
 * clock starts just before fork and stops at the first good answer; the poller looks every 100 µs. `{run}` in an
 * argument becomes the number of the run, so that each can have an empty store.
 */
#include "bench/raw.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum { DEADLINE_MS = 10000, RUNS_MAX = 1000, ARGUMENTS_MAX = 64 };

struct probe {
	bool http;
	int port;
	int broker_port;
	const char *path;
};

/* One question on a connection of its own; the answer with a NUL behind it, or false. */
static bool ask(int port, const char *question, size_t length, char *answer, size_t size)
{
	int fd = raw_connect(port);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	size_t have = 0;
	ssize_t got;

	if (fd < 0)
		return false;
	if (raw_write(fd, question, length))
		while (have < size - 1 && poll(&wait, 1, 200) > 0) {
			got = recv(fd, answer + have, size - 1 - have, 0);
			if (got <= 0)
				break;
			have += (size_t)got;
			if (memmem(answer, have, "brokerName", 10) || memmem(answer, have, "\"UP\"", 4))
				break;
		}
	close(fd);
	answer[have] = 0;
	return have > 0;
}

static bool http_ready(const struct probe *probe)
{
	char question[256], answer[4096];
	int length = snprintf(question, sizeof(question),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", probe->path);

	return ask(probe->port, question, (size_t)length, answer, sizeof(answer)) &&
	    !strncmp(answer, "HTTP/1.1 200", 12) && strstr(answer, "\"UP\"");
}

static bool broker_ready(const struct probe *probe)
{
	static const char header[] =
	    "{\"code\":106,\"flag\":0,\"language\":\"CPP\",\"opaque\":1,\"version\":409}";
	char question[256], answer[8192];
	size_t length = raw_frame(question, header, NULL, 0), i;
	int fd;

	if (!ask(probe->port, question, length, answer, sizeof(answer)))
		return false;
	for (i = 0; i < sizeof(answer) - 10; i++)
		if (!memcmp(answer + i, "brokerName", 10))
			break;
	if (i == sizeof(answer) - 10)
		return false;
	fd = raw_connect(probe->broker_port);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static pid_t launch(char *const *arguments, int run)
{
	char numbered[ARGUMENTS_MAX][512];
	char *copy[ARGUMENTS_MAX + 1];
	int i, null;
	pid_t pid;

	for (i = 0; arguments[i] && i < ARGUMENTS_MAX; i++) {
		const char *mark = strstr(arguments[i], "{run}");

		copy[i] = arguments[i];
		if (mark) {
			snprintf(numbered[i], sizeof(numbered[i]), "%.*s%d%s", (int)(mark - arguments[i]),
			    arguments[i], run, mark + 5);
			copy[i] = numbered[i];
		}
	}
	copy[i] = NULL;
	pid = fork();
	if (pid)
		return pid;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	if (copy[0])
		execvp(copy[0], copy);
	_exit(127);
}

/* Stops by its process id; kills what does not end within the deadline. */
static void stop(pid_t pid)
{
	int64_t deadline = now_ns() + DEADLINE_MS * INT64_C(1000000);

	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (now_ns() > deadline)
			kill(pid, SIGKILL);
		pause_us(1000);
	}
}

/* One start: nanoseconds from before fork to ready, -1 when it never was. */
static int64_t one_start(const struct probe *probe, char *const *arguments, int run, long *resident)
{
	int64_t start = now_ns(), deadline = start + DEADLINE_MS * INT64_C(1000000), took = -1;
	pid_t pid = launch(arguments, run);

	if (pid < 0)
		return -1;
	while (now_ns() < deadline) {
		if (probe->http ? http_ready(probe) : broker_ready(probe)) {
			took = now_ns() - start;
			break;
		}
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return -1;
		pause_us(100);
	}
	*resident = resident_kib(pid);
	stop(pid);
	return took;
}

int main(int argc, char **argv)
{
	struct probe probe;
	int64_t took[RUNS_MAX];
	long runs, resident = 0;
	int run;

	if (argc < 7 || strcmp(argv[5], "--") != 0) {
		fprintf(stderr,
		    "usage: bench-startup RUNS http PORT PATH -- PROGRAM…\n"
		    "       bench-startup RUNS broker NAME_SERVER_PORT BROKER_PORT -- PROGRAM…\n");
		return 2;
	}
	runs = number(argv[1], 1, RUNS_MAX);
	probe = (struct probe){
	    .http = !strcmp(argv[2], "http"), .port = (int)number(argv[3], 1, 65535), .path = argv[4]};
	if (!probe.http)
		probe.broker_port = (int)number(argv[4], 1, 65535);
	for (run = 0; run < runs; run++) {
		took[run] = one_start(&probe, argv + 6, run, &resident);
		if (took[run] < 0) {
			fprintf(stderr, "%s was not ready in start %d\n", argv[6], run + 1);
			return 1;
		}
	}
	sort_ns(took, (size_t)runs);
	printf("median %.1f ms, least %.1f, most %.1f, of %ld starts; resident at ready %ld KiB\n",
	    quantile_us(took, (size_t)runs, 500) / 1000, (double)took[0] / 1e6, (double)took[runs - 1] / 1e6,
	    runs, resident);
	return 0;
}
