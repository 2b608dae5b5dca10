/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every binder does the same:
 *
 *     rivulet-conformance TYPE [--key=value …]
 *
 * The properties go to every service of every case: where the broker is, and the like. Cases that
 * a binder cannot do, by its capabilities, are left out, and the output says so.
 */
#include "tests/conformance/kit.h"

#include "binder/registry.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Directories of modules from --rivulet.binder.path=a,b; they live as long as the program. */
static struct rv_strings binder_path(int argc, char **argv)
{
	static const char option[] = "--rivulet.binder.path=";
	static const char *items[16];
	struct rv_strings path = {.items = items};

	for (int i = 2; i < argc; i++) {
		char *rest = strncmp(argv[i], option, sizeof option - 1) == 0
		    ? strdup(argv[i] + sizeof option - 1)
		    : NULL;

		while (rest && path.count < sizeof items / sizeof *items)
			items[path.count++] = strsep(&rest, ",");
	}
	return path;
}

int main(int argc, char **argv)
{
	struct rv_strings path = binder_path(argc, argv);
	const struct rv_binder_ops *ops;
	struct rv_error error;
	Suite *suite;
	TCase *group;

	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: rivulet-conformance TYPE [--key=value ...]\n");
		return 2;
	}
	kit_type = argv[1];
	kit_arguments = argv + 2;
	kit_argument_count = argc - 2;
	ops = rv__binder_find(kit_type, &path, &error);
	if (!ops) {
		fprintf(stderr, "rivulet-conformance: %s\n", error.text);
		return 2;
	}
	kit_ops = ops;
	kit_caps = ops->caps;
	suite = suite_create(kit_type);
	group = tcase_create(kit_type);
	tcase_set_timeout(group, 120);
	kit_add_messages(group);
	kit_add_headers(group);
	kit_add_partitions(group);
	kit_add_groups(group);
	kit_add_delivery(group);
	kit_add_dead_letters(group);
	kit_add_errors(group);
	kit_add_late(group);
	kit_add_lifecycle(group);
	kit_add_polled(group);
	suite_add_tcase(suite, group);
	return unit_run_suite(suite);
}
