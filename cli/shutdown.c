/* SPDX-License-Identifier: Apache-2.0 */
/* `rivulet shutdown`: stops a broker or a name server that runs as a process of its own, and waits for it. */
#include "cli/command.h"

#include "base/clock.h"
#include "broker/broker.h"
#include "broker/store/store.h"
#include "cli/app_args.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int run_shutdown(int argc, char **argv);

const struct rv__command rv__command_shutdown = {
    .name = "shutdown",
    .summary = "stop a running broker or name server",
    .usage = "usage: rivulet shutdown broker|namesrv [--store DIR] [--timeout SECONDS]\n"
             "\n"
             "Sends SIGTERM to the process that holds the store, and waits until it is gone.\n"
             "'broker' also stops the name server that runs in the same process.\n"
             "\n"
             "  --store DIR         as given to 'rivulet broker'; default $XDG_STATE_HOME/rivulet,\n"
             "                      /var/lib/rivulet for root\n"
             "  --timeout SECONDS   how long to wait; default 30\n",
    .run = run_shutdown,
};

enum { LOOK_EVERY_MS = 10, DEFAULT_TIMEOUT_S = 30, DAY_S = 86400 };

struct wish {
	const char *what;
	const char *store;
	long timeout_s;
};

static int read_arguments(int argc, char **argv, struct wish *wish)
{
	for (int i = 1; i < argc && argv[i]; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--store") == 0 && value) {
			wish->store = argv[++i];
		} else if (strcmp(argv[i], "--timeout") == 0 && value) {
			wish->timeout_s = rv__positive_number(argv[++i], DAY_S);
			if (!wish->timeout_s)
				return rv__usage_error(
				    &rv__command_shutdown, "'%s' is not a number of seconds", argv[i]);
		} else if (!wish->what && argv[i][0] != '-') {
			wish->what = argv[i];
		} else {
			return rv__usage_error(&rv__command_shutdown, "unexpected argument '%s'", argv[i]);
		}
	}
	if (!wish->what || (strcmp(wish->what, "broker") != 0 && strcmp(wish->what, "namesrv") != 0))
		return rv__usage_error(&rv__command_shutdown, "say what to stop: broker or namesrv");
	return RV__EXIT_OK;
}

/* Whether the process still holds the directory. */
static bool is_held(const char *directory, pid_t pid)
{
	pid_t holder;

	return rv__store_holder(directory, &holder, NULL) == RV_OK && holder == pid && kill(pid, 0) == 0;
}

static bool wait_until_gone(const char *directory, pid_t pid, long timeout_s)
{
	const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
	int64_t deadline_ms = rv__monotonic_ms() + timeout_s * 1000;

	while (is_held(directory, pid)) {
		if (rv__monotonic_ms() >= deadline_ms)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static int stop(const struct wish *wish)
{
	bool namesrv = strcmp(wish->what, "namesrv") == 0;
	const char *noun = namesrv ? "name server" : "broker";
	char directory[4200];
	struct rv_error error;
	int64_t began_ms = rv__monotonic_ms();
	pid_t pid;

	rv__broker_lock_directory(
	    namesrv ? RV__ROLE_NAMESRV : RV__ROLE_BROKER, wish->store, directory, sizeof(directory));
	if (rv__store_holder(directory, &pid, &error) != RV_OK) {
		fprintf(stderr, "rivulet shutdown: no %s runs on '%s'%s\n", noun, directory,
		    namesrv ? "; one that runs together with a broker is stopped by 'rivulet shutdown broker'"
		            : "");
		return RV__EXIT_FAILED;
	}
	if (kill(pid, SIGTERM) != 0) {
		fprintf(stderr, "rivulet shutdown: the %s (process %ld) cannot be stopped: %s\n", noun,
		    (long)pid, strerror(errno));
		return RV__EXIT_FAILED;
	}
	printf("Send shutdown request to %s(%ld) OK\n", namesrv ? "mqnamesrv" : "mqbroker", (long)pid);
	fflush(stdout);
	if (!wait_until_gone(directory, pid, wish->timeout_s)) {
		fprintf(stderr, "rivulet shutdown: the %s (process %ld) still runs after %ld s\n", noun,
		    (long)pid, wish->timeout_s);
		return RV__EXIT_FAILED;
	}
	printf("the %s (process %ld) is gone after %lld ms\n", noun, (long)pid,
	    (long long)(rv__monotonic_ms() - began_ms));
	return RV__EXIT_OK;
}

static int run_shutdown(int argc, char **argv)
{
	struct wish wish = {.timeout_s = DEFAULT_TIMEOUT_S};
	int status = read_arguments(argc, argv, &wish);

	if (status != RV__EXIT_OK)
		return status;
	assert(wish.what);
	return stop(&wish);
}
