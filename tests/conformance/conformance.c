/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every binder does the same:
 *
 *     rivulet-conformance [--case=PATTERN] [--broker-pid=PID,…] [--with=CAPABILITY] [--without=CAPABILITY] TYPE [--key=value …]
 *                                                                 runs the suite, as TAP
 *     rivulet-conformance --list                                  names the cases
 *     rivulet-conformance --capabilities TYPE… [--key=value …]    writes what the binders claim, as Markdown
 *
 * The properties go to every service of every case: where the broker is, where the binder's module lies
 * (rivulet.binder.path), and the like. Cases that a binder cannot do, by its capabilities, are skipped; --with names one that it
 * has only under these properties, such as order, and --without one that it has not under them; both may be given again.
 */
#include "tests/conformance/suite.h"

#include "binder/registry.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES_MAX = 16 };

const char *kit_type;
const struct rv_binder_ops *kit_ops;
uint32_t kit_caps;
pid_t kit_brokers[KIT_BROKERS_MAX];
size_t kit_broker_count;
char **kit_arguments;
int kit_argument_count;

static struct command {
	bool lists, tells;
	const char *pattern;
	uint32_t also, lacks;
	const char *unknown; /* no capability's name */
	const char *types[TYPES_MAX];
	size_t type_count;
} command;

/* The value of --name=VALUE, or NULL. */
static char *value_of(char *argument, const char *name)
{
	size_t length = strlen(name);

	return strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : NULL;
}

/* PID,PID…: none may be 0 or negative, which would be whole groups of processes. */
static bool read_pids(char *text)
{
	for (char *item; (item = strsep(&text, ","));) {
		char *end;
		long pid = strtol(item, &end, 10);

		if (*end || pid <= 1 || pid > INT_MAX || kit_broker_count == KIT_BROKERS_MAX)
			return false;
		kit_brokers[kit_broker_count++] = (pid_t)pid;
	}
	return true;
}

static uint32_t read_cap(const char *name)
{
	uint32_t cap = kit_cap(name);

	if (!cap)
		command.unknown = name;
	return cap;
}

/* Our own options go; properties stay, in argv's place. */
static bool read_arguments(int argc, char **argv)
{
	kit_arguments = argv + 1;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0)
			command.lists = true;
		else if (strcmp(argv[i], "--capabilities") == 0)
			command.tells = true;
		else if (value_of(argv[i], "--case"))
			command.pattern = value_of(argv[i], "--case");
		else if (value_of(argv[i], "--with"))
			command.also |= read_cap(value_of(argv[i], "--with"));
		else if (value_of(argv[i], "--without"))
			command.lacks |= read_cap(value_of(argv[i], "--without"));
		else if (value_of(argv[i], "--broker-pid")) {
			if (!read_pids(value_of(argv[i], "--broker-pid")))
				return false;
		} else if (strncmp(argv[i], "--", 2) == 0 && strchr(argv[i], '='))
			kit_arguments[kit_argument_count++] = argv[i];
		else if (argv[i][0] != '-' && command.type_count < TYPES_MAX)
			command.types[command.type_count++] = argv[i];
		else
			return false;
	}
	return command.lists || (command.tells && command.type_count > 0) || command.type_count == 1;
}

/* Directories of modules from --rivulet.binder.path=a,b; they live as long as the program. */
static struct rv_strings binder_path(void)
{
	static const char *items[TYPES_MAX];
	struct rv_strings path = {.items = items};

	for (int i = 0; i < kit_argument_count; i++) {
		const char *value = value_of(kit_arguments[i], "--rivulet.binder.path");
		char *rest = value ? strdup(value) : NULL;

		while (rest && path.count < sizeof items / sizeof *items)
			items[path.count++] = strsep(&rest, ",");
	}
	return path;
}

static const struct rv_binder_ops *find(const char *type)
{
	struct rv_strings path = binder_path();
	struct rv_error error;
	const struct rv_binder_ops *ops = rv__binder_find(type, &path, &error);

	if (!ops)
		fprintf(stderr, "rivulet-conformance: %s\n", error.text);
	return ops;
}

static int tell_capabilities(void)
{
	const struct rv_binder_ops *binders[TYPES_MAX];

	for (size_t i = 0; i < command.type_count; i++)
		if (!(binders[i] = find(command.types[i])))
			return 2;
	kit_print_capabilities(binders, command.type_count);
	return 0;
}

static int list_cases(void)
{
	for (size_t i = 0; i < kit_case_count; i++)
		printf("%s\n", kit_cases[i].name);
	return 0;
}

int main(int argc, char **argv)
{
	if (!read_arguments(argc, argv)) {
		fprintf(stderr,
		    "usage: rivulet-conformance [--case=PATTERN] [--broker-pid=PID,…] [--with=CAPABILITY] "
		    "[--without=CAPABILITY] TYPE [--key=value ...]\n"
		    "       rivulet-conformance --list\n"
		    "       rivulet-conformance --capabilities TYPE... [--key=value ...]\n");
		return 2;
	}
	kit_collect();
	if (command.lists)
		return list_cases();
	if (command.tells)
		return tell_capabilities();
	kit_type = command.types[0];
	kit_ops = find(kit_type);
	if (!kit_ops)
		return 2;
	kit_caps = kit_ops->caps | (kit_broker_count > 0 ? KIT_NEEDS_PID : 0);
	if (command.unknown) {
		fprintf(stderr, "rivulet-conformance: '%s' is no name of a capability in docs/binders.md\n",
		    command.unknown);
		return 2;
	}
	kit_caps = (kit_caps | command.also) & ~command.lacks;
	return kit_run(command.pattern);
}
