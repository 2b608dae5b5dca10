/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the cases and tells them as TAP: one line each, also for those that are left out. Check runs in a
 * process of its own and writes its TAP into a pipe, since it knows of no cases that were skipped.
 */
#include "tests/conformance/suite.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CASE_SECONDS = 180 };

struct kit_case kit_cases[KIT_CASES_MAX];
size_t kit_case_count;

void kit_add(uint32_t needs, const TTest *test, const char *name)
{
	assert(kit_case_count < KIT_CASES_MAX);
	kit_cases[kit_case_count++] = (struct kit_case){.name = name, .needs = needs, .test = test};
}

void kit_collect(void)
{
	kit_add_messages();
	kit_add_headers();
	kit_add_partitions();
	kit_add_groups();
	kit_add_delivery();
	kit_add_dead_letters();
	kit_add_errors();
	kit_add_transactions();
	kit_add_redelivery();
	kit_add_late();
	kit_add_lifecycle();
	kit_add_polled();
	kit_add_figures();
	kit_add_outages();
}

static bool is_wanted(const struct kit_case *at, const char *pattern)
{
	return !pattern || fnmatch(pattern, at->name, 0) == 0;
}

static bool is_possible(const struct kit_case *at)
{
	return (kit_caps & at->needs) == at->needs;
}

bool kit_signal_broker(int signal)
{
	bool sent = true;

	for (size_t i = 0; i < kit_broker_count; i++)
		sent = kill(kit_brokers[i], signal) == 0 && sent;
	return sent;
}

/* A case that failed half-way may have left it stopped. */
static void wake_broker(void)
{
	kit_signal_broker(SIGCONT);
}

/* The process of Check. */
static int run_cases(const char *pattern, int fd)
{
	Suite *suite = suite_create(kit_type);
	TCase *group = tcase_create(kit_type);
	SRunner *runner;
	char path[32];
	int failed;

	tcase_set_timeout(group, CASE_SECONDS);
	tcase_add_checked_fixture(group, wake_broker, NULL);
	for (size_t i = 0; i < kit_case_count; i++)
		if (is_wanted(&kit_cases[i], pattern) && is_possible(&kit_cases[i]))
			tcase_add_test(group, kit_cases[i].test);
	suite_add_tcase(suite, group);
	runner = srunner_create(suite);
	snprintf(path, sizeof path, "/dev/fd/%d", fd);
	srunner_set_tap(runner, path);
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* "ok 3 - FILE:GROUP:NAME: WORDS" becomes "ok 3 - NAME", with file and words as diagnostics of a failure. */
static void pass_on(char *line, int number)
{
	bool ok = strncmp(line, "ok ", 3) == 0;
	char *file = strstr(line, " - ");
	char *group = file ? strchr(file, ':') : NULL;
	char *name = group ? strchr(group + 1, ':') : NULL;
	char *words = name ? strchr(name + 1, ':') : NULL;

	if (!words)
		return;
	*group = *name = *words = '\0';
	printf("%s %d - %s\n", ok ? "ok" : "not ok", number, name + 1);
	if (!ok)
		printf("# %s:%s", file + 3, words + 1);
	fflush(stdout);
}

/* Passes the lines of Check on until its end; how many cases it told. */
static int report_run(FILE *from)
{
	size_t room = 0;
	char *line = NULL;
	int number = 0;

	while (getline(&line, &room, from) > 0)
		if (strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0)
			pass_on(line, ++number);
		else if (strncmp(line, "1..", 3) != 0)
			printf("# %s", line);
	free(line);
	return number;
}

static void explain(const struct kit_case *at, char *why, size_t size)
{
	uint32_t missing = at->needs & ~kit_caps;

	if (missing == KIT_NEEDS_PID)
		snprintf(why, size, "no --broker-pid was given");
	else
		snprintf(why, size, "%s does not claim: %s", kit_ops->label, kit_first_name(missing));
}

static int report_left_out(const char *pattern, int number)
{
	for (size_t i = 0; i < kit_case_count; i++) {
		char why[128];

		if (!is_wanted(&kit_cases[i], pattern) || is_possible(&kit_cases[i]))
			continue;
		explain(&kit_cases[i], why, sizeof why);
		printf("ok %d - %s # SKIP %s\n", ++number, kit_cases[i].name, why);
	}
	return number;
}

static int wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

int kit_run(const char *pattern)
{
	int ends[2];
	pid_t child;
	FILE *from;
	int number;
	int status;

	if (pipe(ends) != 0 || (child = fork()) < 0) {
		printf("Bail out! no pipe or process: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	if (child == 0) {
		close(ends[0]);
		_exit(run_cases(pattern, ends[1]));
	}
	close(ends[1]);
	from = fdopen(ends[0], "r");
	number = from ? report_run(from) : 0;
	status = wait_for(child);
	if (from)
		fclose(from);
	wake_broker();
	number = report_left_out(pattern, number);
	printf("1..%d\n", number);
	return status;
}
