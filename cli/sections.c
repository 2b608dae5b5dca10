/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sections.h"

#include "base/arena.h"
#include "base/module.h"
#include "binder/registry.h"

#include <stdlib.h>

enum { SECTIONS_MAX = 256 };

struct collection {
	struct rv__arena arena;
	struct rv__sections *sections;
};

static void add(struct collection *all, const struct rv__section *section)
{
	if (all->sections->count < SECTIONS_MAX)
		all->sections->items[all->sections->count++] = section;
}

static void add_made(struct collection *all, const struct rv_binder_ops *ops, const char *below,
    const struct rv_prop_table *table, const char *title)
{
	struct rv__section *section = table->rows ? rv__arena_alloc(&all->arena, sizeof *section) : NULL;

	if (!section)
		return;
	section->prefix = rv__arena_printf(&all->arena, "spring.cloud.stream.%s.%s", ops->type, below);
	section->title = rv__arena_printf(&all->arena, "%s: %s", ops->label, title);
	section->table = table;
	section->module = ops->type;
	if (section->prefix && section->title)
		add(all, section);
}

static void add_binder(void *arg, const struct rv_binder_ops *ops)
{
	add_made(arg, ops, "binder", &ops->binder_props, "binder");
	add_made(arg, ops, "bindings.*.consumer", &ops->consumer_props, "inputs");
	add_made(arg, ops, "default.consumer", &ops->consumer_props, "defaults of inputs");
	add_made(arg, ops, "bindings.*.producer", &ops->producer_props, "outputs");
	add_made(arg, ops, "default.producer", &ops->producer_props, "defaults of outputs");
}

rv_err rv__collect_sections(struct rv__sections *ret_sections)
{
	struct collection *all = calloc(1, sizeof *all);

	*ret_sections =
	    (struct rv__sections){.items = calloc(SECTIONS_MAX, sizeof *ret_sections->items), .memory = all};
	if (!all || !ret_sections->items) {
		rv__sections_finish(ret_sections);
		return RV_E_NOMEM;
	}
	all->sections = ret_sections;
	for (const struct rv__section *section = rv__config_sections; section->prefix; section++)
		add(all, section);
	for (const struct rv__module *const *module = rv__builtin_modules; *module; module++)
		for (const struct rv__section *section = (*module)->sections; section && section->prefix;
		     section++)
			add(all, section);
	rv__binder_each(add_binder, all);
	return RV_OK;
}

void rv__sections_finish(struct rv__sections *sections)
{
	struct collection *all = sections->memory;

	if (all)
		rv__arena_finish(&all->arena);
	free(all);
	free(sections->items);
	*sections = (struct rv__sections){0};
}
