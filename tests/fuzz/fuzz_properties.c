/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile .properties, YAML, keys, placeholders and values: the whole way from bytes to settings. */
#include "tests/fuzz/target.h"

#include "base/config_store.h"
#include "base/placeholder.h"
#include "base/profile.h"
#include "base/prop_value.h"
#include "base/properties.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"one", "two", NULL};

static const struct rv_prop_desc rows[] = {{.name = "a", .type = RV_PROP_BOOL},
    {.name = "b", .type = RV_PROP_INT}, {.name = "c", .type = RV_PROP_DOUBLE},
    {.name = "d", .type = RV_PROP_DURATION}, {.name = "e", .type = RV_PROP_SIZE},
    {.name = "f", .type = RV_PROP_ENUM, .choices = words}};

struct reading {
	rv_config *config;
	unsigned source;
};

static void on_property(void *arg, int line, const char *key, const char *value)
{
	struct reading *reading = arg;
	struct rv__arena *arena = &reading->config->arena;
	union rv__prop_value parsed;
	struct rv_strings profiles = {.items = words, .count = 2};
	char cure[256];
	bool valid;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		(void)rv__prop_parse(&rows[i], value, &parsed, cure, sizeof cure);
	(void)rv__profile_matches(value, &profiles, &valid);
	rv__config_add(reading->config, reading->source, rv__arena_text(arena, key),
	    rv__arena_text(arena, value), rv__arena_printf(arena, "fuzz:%d", line), line % 7 == 3);
}

static void on_document(void *arg, int line)
{
	struct reading *reading = arg;

	(void)line;
	reading->source++;
}

static void on_fault(void *arg, int line, const char *text)
{
	(void)arg;
	(void)line;
	(void)text;
}

static void read_settings(const rv_config *config)
{
	static const struct rv_prop_desc kinds[] = {{.name = "list", .type = RV_PROP_LIST, .offset = 0},
	    {.name = "map", .type = RV_PROP_MAP, .offset = sizeof(struct rv_strings)}, {.name = NULL}};
	static const struct rv_prop_table table = {
	    .rows = kinds, .size = sizeof(struct rv_strings) + sizeof(struct rv_pairs)};
	static const struct rv__section section = {.prefix = "x.*", .table = &table};
	const struct rv__section *sections[] = {&section};
	const char *const prefixes[] = {"x.y", "", NULL};
	struct rv__problems problems = {0};
	char settings[sizeof(struct rv_strings) + sizeof(struct rv_pairs)];

	rv__config_fill(config, &table, prefixes, settings, &problems);
	rv__config_check(config, sections, 1, NULL, &problems);
	(void)rv__config_names(config, "x");
	rv__problems_finish(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct reading reading = {.config = rv__config_create()};
	const struct rv__properties_sink sink = {
	    .property = on_property, .document = on_document, .fault = on_fault, .arg = &reading};
	rv_config *view;

	if (!reading.config)
		abort();
	/* The first byte chooses the reader. */
	if (length && *bytes == '%')
		rv__yaml_read((const char *)bytes + 1, length - 1, &sink);
	else
		rv__properties_read((const char *)bytes, length, &sink);
	rv__config_resolve(reading.config);
	read_settings(reading.config);
	view = rv__config_overlay(reading.config, "x.y", true);
	rv__config_unref(view);
	rv__config_unref(reading.config);
	return 0;
}
