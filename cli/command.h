/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of `rivulet`. A subcommand is one file cli/<name>.c with one constant
 * struct rv__command; a row in cli/main.c makes it known.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/* Exit codes of every subcommand. */
enum { RV__EXIT_OK = 0, RV__EXIT_FAILED = 1, RV__EXIT_USAGE = 2 };

struct rv__command {
	const char *name;    /* "config" */
	const char *summary; /* one line for `rivulet help` */
	const char *usage;   /* one screen for `rivulet help <name>` and --help: ends with a newline */
	/* argv[0] is the command's own name. Prints to standard output; complaints to standard error. */
	int (*run)(int argc, char **argv);
};

extern const struct rv__command rv__command_broker;
extern const struct rv__command rv__command_config;
extern const struct rv__command rv__command_send;
extern const struct rv__command rv__command_shutdown;
extern const struct rv__command rv__command_tail;

/** Says on standard error what is wrong and where help stands; RV__EXIT_USAGE. */
int rv__usage_error(const struct rv__command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
