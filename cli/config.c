/* SPDX-License-Identifier: Apache-2.0 */
/* `rivulet config`: judges and shows configuration; needs no broker. */
#include "cli/command.h"

#include "base/config.h"
#include "base/keys.h"
#include "base/numbers.h"
#include "binder/registry.h"
#include "bindings/properties.h"
#include "cli/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { BINDERS_MAX = 64 };

/* One configuration together with all that is known of its keys. */
struct subject {
	rv_config *config;
	struct rv__problems problems;
	struct rv__sections sections;
};

/* -- loading ------------------------------------------------------------------------- */

static bool is_word_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (rv__key_equal(word, *words))
			return true;
	return false;
}

static bool has_below(const rv_config *config, const char *type, const char *word)
{
	char prefix[RV__KEY_MAX];

	return rv__key_join(prefix, sizeof prefix, "spring.cloud.stream", type, word) &&
	    rv__config_names(config, prefix).count > 0;
}

/* Names below spring.cloud.stream that stand for a binder type: they have binder., bindings. or default. below. */
static bool is_binder_type(const rv_config *config, const char *name)
{
	static const char *const own[] = {"bindings", "binders", "default", "function", NULL};

	return !is_word_of(name, own) &&
	    (has_below(config, name, "binder") || has_below(config, name, "bindings") ||
	        has_below(config, name, "default"));
}

static struct rv_strings binder_path(const rv_config *config)
{
	static const struct rv_prop_desc rows[] = {{.name = "path", .type = RV_PROP_LIST}, {.name = NULL}};
	static const struct rv_prop_table table = {.rows = rows, .size = sizeof(struct rv_strings)};
	const char *const prefixes[] = {"rivulet.binder", NULL};
	struct rv__problems ignored = {0};
	struct rv_strings path;

	rv__config_fill(config, &table, prefixes, &path, &ignored);
	rv__problems_finish(&ignored);
	return path;
}

static void add_type(const char **types, size_t *count, const char *type)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(types[i], type) == 0)
			return;
	if (*count < BINDERS_MAX)
		types[(*count)++] = type;
}

/* Types that the keys stand for, used or not. */
static size_t find_types(const rv_config *config, const char **types)
{
	struct rv_strings names = rv__config_names(config, "spring.cloud.stream");
	size_t count = 0;

	for (size_t i = 0; i < names.count; i++)
		if (is_binder_type(config, names.items[i]))
			add_type(types, &count, names.items[i]);
	return count;
}

/* Loads the modules of all binder types that the keys name, so that their tables are known. */
static void load_binders(struct subject *subject)
{
	const char *types[BINDERS_MAX];
	size_t count = find_types(subject->config, types);
	struct rv_strings path = binder_path(subject->config);

	for (size_t i = 0; i < count; i++) {
		struct rv_error error;

		if (!rv__binder_find(types[i], &path, &error))
			rv__problems_add(&subject->problems, false, RV__N_CONFIG_NOT_JUDGED, types[i],
			    "keys of binder type '%s' are not judged: %s", types[i], error.text);
	}
}

/* -- which binder is meant -------------------------------------------------------------- */

/* What a user may have meant: a binder configuration of the file, or a type that we know of. */
static const char *nearest_binder(const char *word, const struct rv_strings *declared)
{
	static const char *const ours[] = {"rocketmq", "memory", "kafka", "redis"};
	const char *known[BINDERS_MAX];
	size_t count = sizeof ours / sizeof *ours;

	memcpy(known, ours, sizeof ours);
	for (size_t i = 0; i < declared->count && count < BINDERS_MAX; i++)
		known[count++] = declared->items[i];
	return rv__key_nearest(word, known, count);
}

/*
 * A key whose value is a type of binder, or a binder configuration. What is near to a known word is a mistake; what is
 * not may be a module that only this machine lacks.
 */
static void judge_binder(struct subject *subject, const char *key, const struct rv_strings *declared)
{
	const char *word = rv__config_get(subject->config, key);
	const char *origin = rv__config_origin(subject->config, key);
	struct rv_strings path = binder_path(subject->config);
	struct rv_error error;
	const char *near;

	for (size_t i = 0; word && i < declared->count; i++)
		if (strcasecmp(declared->items[i], word) == 0)
			return;
	if (!word || !*word || rv__binder_find(word, &path, &error))
		return;
	near = nearest_binder(word, declared);
	if (near && strcmp(near, word) != 0)
		rv__problems_add(&subject->problems, true, RV__N_BINDER_UNKNOWN, key,
		    "%s: %s: there is no binder '%s'; did you mean '%s'?", origin, key, word, near);
	else
		rv__problems_add(&subject->problems, false, RV__N_CONFIG_NOT_JUDGED, key,
		    "%s: %s: cannot be judged here: %s", origin, key, error.text);
}

/* Everything that names a binder, whether a channel uses it or not. */
static void judge_binders(struct subject *subject)
{
	static const char bindings[] = "spring.cloud.stream.bindings",
	                  binders[] = "spring.cloud.stream.binders";
	const struct rv_strings declared = rv__config_names(subject->config, binders);
	const struct rv_strings bound = rv__config_names(subject->config, bindings);
	const struct rv_strings none = {0};
	char key[RV__KEY_MAX];

	for (size_t i = 0; i < declared.count; i++)
		if (rv__key_join(key, sizeof key, binders, declared.items[i], "type"))
			judge_binder(subject, key, &none);
	judge_binder(subject, "spring.cloud.stream.default-binder", &declared);
	judge_binder(subject, "spring.cloud.stream.default.binder", &declared);
	for (size_t i = 0; i < bound.count; i++)
		if (rv__key_join(key, sizeof key, bindings, bound.items[i], "binder"))
			judge_binder(subject, key, &declared);
}

static void finish(struct subject *subject)
{
	rv__sections_finish(&subject->sections);
	rv__config_unref(subject->config);
	rv__problems_finish(&subject->problems);
}

/* Reads and judges: one file with all its documents, or (NULL) as a service does. False without memory. */
static bool open_subject(struct subject *subject, int argc, char **argv, const char *file)
{
	struct rv__logging_settings logging;
	const struct rv__config_sources sources = {
	    .argc = argc, .argv = argv, .environment = environ, .file = file, .every_document = file != NULL};

	*subject = (struct subject){0};
	subject->config = rv__config_load(&sources, &subject->problems);
	if (subject->config) {
		load_binders(subject);
		judge_binders(subject);
	}
	if (!subject->config || rv__collect_sections(&subject->sections) != RV_OK) {
		fputs("rivulet config: there is no memory\n", stderr);
		finish(subject);
		return false;
	}
	rv__config_check(
	    subject->config, subject->sections.items, subject->sections.count, NULL, &subject->problems);
	rv__logging_read(subject->config, &logging, &subject->problems);
	return true;
}

/* -- check --------------------------------------------------------------------------- */

static void print_problems(FILE *to, const struct rv__problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		fprintf(to, "%s%s  [RV%04u]\n",
		    problems->items[i].fatal ? "" : "warning: ", problems->items[i].text,
		    problems->items[i].number);
}

static void count_value(void *arg, const struct rv__config_value *value)
{
	size_t *count = arg;

	*count +=
	    strncmp(value->origin, "environment", 11) != 0 && strncmp(value->origin, "argument", 8) != 0;
}

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

static int check_file(const char *file)
{
	struct subject subject;
	char location[4096];
	size_t keys = 0;
	size_t mistakes;
	size_t warnings;

	if (!*file || strncmp(file, "--", 2) == 0)
		return rv__usage_error(&rv__command_config, "'%s' is no file", file);
	if ((size_t)snprintf(location, sizeof location, "file:%s", file) >= sizeof location)
		return rv__usage_error(&rv__command_config, "the path of a file is too long");
	if (!open_subject(&subject, 0, NULL, location))
		return RV__EXIT_FAILED;
	rv__config_visit(subject.config, subject.sections.items, subject.sections.count, count_value, &keys);
	print_problems(stdout, &subject.problems);
	mistakes = subject.problems.fatal_count;
	warnings = subject.problems.count - mistakes;
	if (mistakes)
		printf("%s: %zu mistake%s, %zu warning%s\n", file, mistakes, plural(mistakes), warnings,
		    plural(warnings));
	else if (warnings)
		printf("%s: OK (%zu key%s, %zu warning%s)\n", file, keys, plural(keys), warnings,
		    plural(warnings));
	else
		printf("%s: OK (%zu key%s)\n", file, keys, plural(keys));
	finish(&subject);
	return mistakes ? RV__EXIT_USAGE : RV__EXIT_OK;
}

static int run_check(int argc, char **argv)
{
	int result = RV__EXIT_OK;

	if (argc < 2)
		return rv__usage_error(&rv__command_config, "check needs a file");
	for (int i = 1; i < argc; i++) {
		int one = check_file(argv[i]);

		if (one != RV__EXIT_OK)
			result = one;
	}
	return result;
}

/* -- show ---------------------------------------------------------------------------- */

static const char *remark(const struct rv_prop_desc *row)
{
	if (!row)
		return "; no key of ours";
	if (row->flags & RV_PROP_REFUSED)
		return "; not built yet";
	if (row->flags & RV_PROP_JAVA_ONLY)
		return "; Java only, no effect here";
	return row->flags & RV_PROP_NO_EFFECT ? "; no effect yet" : "";
}

static void print_value(void *arg, const struct rv__config_value *value)
{
	const char *text = value->secret ? "******" : value->value ? value->value : "(cannot be resolved)";

	(void)arg;
	printf("%s=%s  # %s%s\n", value->key, text, value->origin, remark(value->row));
}

/* What no source sets, of sections without a name of the user's choice. */
static void print_defaults(const struct subject *subject)
{
	for (size_t i = 0; i < subject->sections.count; i++) {
		const struct rv__section *section = subject->sections.items[i];

		for (const struct rv_prop_desc *row = section->table->rows; row && row->name; row++) {
			char key[RV__KEY_MAX];

			snprintf(key, sizeof key, "%s%s%s", section->prefix, *section->prefix ? "." : "",
			    row->name);
			if (row->def && !strchr(section->prefix, '*') && !(row->flags & RV_PROP_JAVA_ONLY) &&
			    !rv__config_get(subject->config, key))
				printf("%s=%s  # default%s\n", key,
				    row->flags & RV_PROP_SECRET ? "******" : row->def, remark(row));
		}
	}
}

/* Files become one spring.config.location, the last one wins; NULL without memory. */
static char *location_argument(int argc, char **argv)
{
	char *argument = strdup("--spring.config.location=");

	for (int i = 1, files = 0; argument && i < argc; i++) {
		char *longer = NULL;

		if (strncmp(argv[i], "--", 2) == 0)
			continue;
		if (asprintf(&longer, "%s%sfile:%s", argument, files++ ? "," : "", argv[i]) < 0)
			longer = NULL;
		free(argument);
		argument = longer;
	}
	return argument;
}

static int show(int argc, char **argv, bool defaults)
{
	struct subject subject;

	if (!open_subject(&subject, argc, argv, NULL))
		return RV__EXIT_FAILED;
	rv__config_visit(subject.config, subject.sections.items, subject.sections.count, print_value, NULL);
	if (defaults)
		print_defaults(&subject);
	print_problems(stderr, &subject.problems);
	argc = subject.problems.fatal_count ? RV__EXIT_USAGE : RV__EXIT_OK;
	finish(&subject);
	return argc;
}

static int run_show(int argc, char **argv)
{
	char **words = calloc((size_t)argc + 2, sizeof *words);
	char *location = location_argument(argc, argv);
	bool defaults = false;
	int count = 1;
	int result = RV__EXIT_FAILED;

	if (words && location) {
		words[0] = argv[0];
		if (location[strlen(location) - 1] != '=')
			words[count++] = location;
		for (int i = 1; i < argc; i++) {
			if (strcmp(argv[i], "--defaults") == 0)
				defaults = true;
			else if (strncmp(argv[i], "--", 2) == 0)
				words[count++] = argv[i];
		}
		result = show(count, words, defaults);
	}
	free(location);
	free(words);
	return result;
}

/* -- reference ------------------------------------------------------------------------ */

/* Directories of --rivulet.binder.path=…; cut out of the argument itself. */
static void take_path(char *argument, const char **items, size_t room, struct rv_strings *path)
{
	while (argument && path->count < room)
		items[path->count++] = strsep(&argument, ",");
	path->items = items;
}

/* Binders that are modules are loaded when their types are named. */
static int run_reference(int argc, char **argv)
{
	static const char option[] = "--rivulet.binder.path=";
	const char *items[16];
	struct rv_strings path = {0};
	struct rv__sections sections;
	struct rv_error error;

	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], option, sizeof option - 1) == 0)
			take_path(argv[i] + sizeof option - 1, items, sizeof items / sizeof *items, &path);
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], option, sizeof option - 1) == 0)
			continue;
		if (argv[i][0] == '-')
			return rv__usage_error(&rv__command_config, "unexpected argument '%s'", argv[i]);
		if (!rv__binder_find(argv[i], &path, &error)) {
			fprintf(stderr, "rivulet config reference: %s\n", error.text);
			return RV__EXIT_FAILED;
		}
	}
	if (rv__collect_sections(&sections) != RV_OK)
		return RV__EXIT_FAILED;
	rv__reference_print(stdout, sections.items, sections.count);
	rv__sections_finish(&sections);
	return RV__EXIT_OK;
}

static int run_config(int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*run)(int argc, char **argv);
	} words[] = {{"check", run_check}, {"show", run_show}, {"reference", run_reference}};

	if (argc < 2)
		return rv__usage_error(&rv__command_config, "check, show or reference?");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(argv[1], words[i].word) == 0)
			return words[i].run(argc - 1, argv + 1);
	return rv__usage_error(&rv__command_config, "'%s' is none of check, show and reference", argv[1]);
}

const struct rv__command rv__command_config = {
    .name = "config",
    .summary = "check, show and explain configuration files",
    .usage = "usage: rivulet config check FILE…\n"
             "       rivulet config show [FILE…] [--defaults] [--key=value…]\n"
             "       rivulet config reference [TYPE…] [--rivulet.binder.path=DIRECTORY,…]\n"
             "\n"
             "check      judges each file as the configuration of one service, with all its profiles; needs\n"
             "           no broker. Prints every mistake as FILE:LINE: KEY: what; cure  [number].\n"
             "           Keys of all binder types are judged; it says which are not installed here.\n"
             "show       prints the values in force and where each one comes from: the files together (the\n"
             "           last one wins), or ./ and ./config/ as a service reads them; then environment and\n"
             "           arguments. --defaults adds what nobody set. Secrets show as ******.\n"
             "reference  prints docs/properties.md, with the keys of the binders of these types where they "
             "are modules.\n"
             "\n"
             "Exit codes: 0 all is well; 2 there are mistakes; 1 out of memory.\n",
    .run = run_config,
};
