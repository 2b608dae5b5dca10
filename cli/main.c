/* SPDX-License-Identifier: Apache-2.0 */
/* The `rivulet` command: finds the subcommand and hands over. */
#include "cli/command.h"

#include <rivulet/version.h>

#include "base/keys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int run_version(int argc, char **argv);
static int run_help(int argc, char **argv);

static const struct rv__command command_version = {
    .name = "version",
    .summary = "tell the version",
    .usage = "usage: rivulet version\n",
    .run = run_version,
};

static const struct rv__command command_help = {
    .name = "help",
    .summary = "explain a command: rivulet help broker",
    .usage = "usage: rivulet help [COMMAND]\n",
    .run = run_help,
};

/* In the order of `rivulet help`. */
static const struct rv__command *const commands[] = {
    &rv__command_broker,
    &rv__command_shutdown,
    &rv__command_send,
    &rv__command_tail,
    &rv__command_config,
    &command_version,
    &command_help,
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static const struct rv__command *find(const char *name)
{
	for (int i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

int rv__usage_error(const struct rv__command *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "rivulet %s: ", command->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see 'rivulet help %s'\n", command->name);
	return RV__EXIT_USAGE;
}

static void print_overview(FILE *to)
{
	fputs("Rivulet binds the named channels of services to message brokers by configuration.\n\n"
	      "usage: rivulet COMMAND [ARGUMENT…]\n\n",
	    to);
	for (int i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nExit codes: 0 done; 1 failed while running; 2 wrong usage or configuration.\n", to);
}

static int unknown(const char *word)
{
	const char *names[COMMAND_COUNT];
	const char *near;

	for (int i = 0; i < COMMAND_COUNT; i++)
		names[i] = commands[i]->name;
	near = rv__key_nearest(word, names, COMMAND_COUNT);
	fprintf(stderr, "rivulet: '%s' is not a command", word);
	if (near)
		fprintf(stderr, "; did you mean '%s'?", near);
	fputs(" 'rivulet help' lists them all.\n", stderr);
	return RV__EXIT_USAGE;
}

static int run_version(int argc, char **argv)
{
	if (argc > 1)
		return rv__usage_error(&command_version, "unexpected argument '%s'", argv[1]);
	puts("rivulet " RV_VERSION);
	return RV__EXIT_OK;
}

static int run_help(int argc, char **argv)
{
	const struct rv__command *command;

	if (argc < 2) {
		print_overview(stdout);
		return RV__EXIT_OK;
	}
	if (!(command = find(argv[1])))
		return unknown(argv[1]);
	fputs(command->usage, stdout);
	return RV__EXIT_OK;
}

static int asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return 1;
	return 0;
}

/* What was written may only fail now: an answer that did not arrive is none. Nobody reads on: no failure. */
static int finish_output(const char *name, int result)
{
	bool lost;

	errno = 0;
	lost = fflush(stdout) != 0 || ferror(stdout);
	if (!lost || errno == EPIPE)
		return result;
	fprintf(stderr, "rivulet %s: standard output cannot be written: %s\n", name,
	    errno ? strerror(errno) : "a part of it is lost");
	return result == RV__EXIT_OK ? RV__EXIT_FAILED : result;
}

int main(int argc, char **argv)
{
	const struct rv__command *command;

	if (argc < 2) {
		print_overview(stderr);
		return RV__EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		argv[1] = (char *)command_version.name;
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		argv[1] = (char *)command_help.name;
	if (!(command = find(argv[1])))
		return unknown(argv[1]);

	if (asks_for_help(argc - 1, argv + 1)) {
		fputs(command->usage, stdout);
		return finish_output(command->name, RV__EXIT_OK);
	}
	return finish_output(command->name, command->run(argc - 1, argv + 1));
}
