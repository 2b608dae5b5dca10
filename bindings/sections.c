/* SPDX-License-Identifier: Apache-2.0 */
/* All sections of this program in one list. */
#include "base/module.h"
#include "binder/registry.h"
#include "bindings/properties.h"

#include <stdio.h>
#include <stdlib.h>

static const struct rv__section own_sections[] = {
    {.prefix = RV__STREAM_PREFIX, .table = &rv__stream_table, .title = "All bindings"},
    {.prefix = RV__STREAM_PREFIX ".bindings.*", .table = &rv__binding_table, .title = "One binding"},
    {.prefix = RV__STREAM_PREFIX ".default",
        .table = &rv__binding_table,
        .title = "Defaults of all bindings"},
    {.prefix = RV__STREAM_PREFIX ".bindings.*.consumer", .table = &rv__consumer_table, .title = "Inputs"},
    {.prefix = RV__STREAM_PREFIX ".default.consumer",
        .table = &rv__consumer_table,
        .title = "Defaults of all inputs"},
    {.prefix = RV__STREAM_PREFIX ".bindings.*.producer", .table = &rv__producer_table, .title = "Outputs"},
    {.prefix = RV__STREAM_PREFIX ".default.producer",
        .table = &rv__producer_table,
        .title = "Defaults of all outputs"},
    {.prefix = RV__STREAM_PREFIX ".binders.*", .table = &rv__binder_table, .title = "Binder configurations"},
    {.prefix = "rivulet", .table = &rv__app_table, .title = "The service"},
    {.prefix = "rivulet.bindings.*", .table = &rv__own_table, .title = "One binding, further keys"},
    {.prefix = "rivulet.default", .table = &rv__own_table, .title = "Defaults of all bindings, further keys"},
    {.prefix = "rivulet.bindings.*.consumer",
        .table = &rv__own_consumer_table,
        .title = "Inputs, further keys"},
    {.prefix = "rivulet.default.consumer",
        .table = &rv__own_consumer_table,
        .title = "Defaults of all inputs, further keys"},
    {.prefix = "rivulet.bindings.*.producer",
        .table = &rv__own_producer_table,
        .title = "Outputs, further keys"},
    {.prefix = "rivulet.default.producer",
        .table = &rv__own_producer_table,
        .title = "Defaults of all outputs, further keys"},
    {.prefix = "spring.application", .table = &rv__application_table, .title = "Application"},
    {.prefix = "logging", .table = &rv__logging_table, .title = "Logging"},
};

enum { OWN_COUNT = sizeof own_sections / sizeof *own_sections, PREFIX_SIZE = 96, TITLE_SIZE = 96 };

/* One section of a binder, with the texts it points at. */
struct made_section {
	struct rv__section section;
	char prefix[PREFIX_SIZE];
	char title[TITLE_SIZE];
};

struct collector {
	struct made_section *made; /* NULL: only counting */
	size_t count;
	size_t limit; /* one registered between the two walks is left out */
};

/* `prefix` whole, or NULL for `part` below the binder's own. */
static void add_at(struct collector *collector, const struct rv_binder_ops *ops, const char *prefix,
    const char *part, const char *title, const struct rv_prop_table *table)
{
	struct made_section *made;

	if (!collector->made) {
		collector->limit++;
		return;
	}
	if (collector->count == collector->limit)
		return;
	made = &collector->made[collector->count++];
	if (prefix)
		snprintf(made->prefix, sizeof made->prefix, "%s", prefix);
	else
		snprintf(made->prefix, sizeof made->prefix, RV__STREAM_PREFIX ".%s.%s", ops->type, part);
	snprintf(made->title, sizeof made->title, "%s: %s", ops->label, title);
	made->section = (struct rv__section){
	    .prefix = made->prefix, .table = table, .title = made->title, .module = ops->type};
}

static void add(struct collector *collector, const struct rv_binder_ops *ops, const char *part,
    const char *title, const struct rv_prop_table *table)
{
	add_at(collector, ops, NULL, part, title, table);
}

static void add_binder(void *arg, const struct rv_binder_ops *ops)
{
	struct collector *collector = arg;

	add(collector, ops, "binder", "the binder", &ops->binder_props);
	if (ops->boot_prefix)
		add_at(collector, ops, ops->boot_prefix, NULL, "Spring Boot's keys", &ops->boot_props);
	add(collector, ops, "bindings.*.consumer", "inputs", &ops->consumer_props);
	add(collector, ops, "default.consumer", "defaults of all inputs", &ops->consumer_props);
	add(collector, ops, "bindings.*.producer", "outputs", &ops->producer_props);
	add(collector, ops, "default.producer", "defaults of all outputs", &ops->producer_props);
}

static size_t count_of(const struct rv__section *sections)
{
	size_t n = 0;

	while (sections && sections[n].prefix)
		n++;
	return n;
}

static size_t append(
    const struct rv__section **items, size_t at, const struct rv__section *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		items[at + i] = &from[i];
	return at + count;
}

rv_err rv__collect_sections(struct rv__sections *ret_sections)
{
	struct collector collector = {0};
	size_t total = OWN_COUNT + count_of(rv__config_sections);
	const struct rv__section **items;
	size_t at = 0;

	rv__binder_each(add_binder, &collector);
	for (size_t i = 0; rv__builtin_modules[i]; i++)
		total += count_of(rv__builtin_modules[i]->sections);
	items = calloc(total + collector.limit, sizeof *items);
	collector.made = calloc(collector.limit + 1, sizeof *collector.made);
	if (!items || !collector.made) {
		free(items);
		free(collector.made);
		return RV_E_NOMEM;
	}
	at = append(items, at, own_sections, OWN_COUNT);
	at = append(items, at, rv__config_sections, count_of(rv__config_sections));
	for (size_t i = 0; rv__builtin_modules[i]; i++)
		at = append(
		    items, at, rv__builtin_modules[i]->sections, count_of(rv__builtin_modules[i]->sections));
	rv__binder_each(add_binder, &collector);
	for (size_t i = 0; i < collector.count; i++)
		items[at++] = &collector.made[i].section;
	*ret_sections = (struct rv__sections){.items = items, .count = at, .memory = collector.made};
	return RV_OK;
}

void rv__sections_finish(struct rv__sections *sections)
{
	free(sections->items);
	free(sections->memory);
	*sections = (struct rv__sections){0};
}
