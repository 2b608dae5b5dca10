/* SPDX-License-Identifier: Apache-2.0 */
/* Fills settings structs from the configuration, row by row. */
#include "base/prop_table.h"

#include "base/numbers.h"
#include "base/placeholder.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* -- one value ------------------------------------------------------------------ */

static bool is_refused(const struct rv_prop_desc *row, const char *value)
{
	if (!(row->flags & RV_PROP_REFUSED))
		return false;
	/* Without a default, only nothing at all is harmless. */
	return row->def ? !rv__prop_same(row, value, row->def) : *value != '\0';
}

static void warn_of_flags(
    const struct rv_prop_desc *row, const struct rv__entry *entry, struct rv__problems *problems)
{
	if (row->flags & RV_PROP_JAVA_ONLY)
		rv__problems_add(problems, false, RV__N_CONFIG_JAVA_ONLY, entry->key,
		    "%s: %s: belongs to Java alone and does nothing here; %s", entry->origin, entry->key,
		    row->instead ? row->instead : "it may stay for a Java sibling");
	else if (row->flags & RV_PROP_NO_EFFECT)
		rv__problems_add(problems, false, RV__N_CONFIG_NO_EFFECT, entry->key,
		    "%s: %s: is known but has no effect yet; %s", entry->origin, entry->key,
		    row->instead ? row->instead : "remove it, or leave it for a later version");
}

bool rv__prop_judge(const struct rv_prop_desc *row, const struct rv__entry *entry,
    union rv__prop_value *ret_value, struct rv__problems *problems)
{
	bool secret = row->flags & RV_PROP_SECRET;
	char cure[256];

	if (!entry->value) {
		rv__problems_add(problems, true, RV__N_CONFIG_PLACEHOLDER, entry->key, "%s: %s: %s",
		    entry->origin, entry->key,
		    entry->fault ? entry->fault : "there is no memory for its value");
		return false;
	}
	warn_of_flags(row, entry, problems);
	if (row->flags & RV_PROP_JAVA_ONLY)
		return false;
	if (!rv__prop_parse(row, entry->value, ret_value, cure, sizeof cure)) {
		rv__problems_add(problems, true, RV__N_CONFIG_VALUE, entry->key,
		    "%s: %s: %s%.80s%s is no fit value; %s", entry->origin, entry->key, secret ? "" : "'",
		    secret ? "the secret" : entry->value, secret ? "" : "'", cure);
		return false;
	}
	if (is_refused(row, entry->value)) {
		rv__problems_add(problems, true, RV__N_CONFIG_REFUSED, entry->key,
		    "%s: %s: is known but not built yet, and ignoring it would change delivery, order or "
		    "safety; %s%s",
		    entry->origin, entry->key, row->instead ? row->instead : "remove the line",
		    row->instead || !row->def ? "" : " or leave the default");
		return false;
	}
	return true;
}

/* -- a struct ------------------------------------------------------------------- */

struct fill {
	rv_config *config;
	struct rv__problems *problems;
	char *settings;
	/* "uniform.prefix" of each, most specific first. */
	char prefixes[8][RV__KEY_MAX];
	size_t prefix_count;
	const char *first_prefix; /* as the caller wrote it, for messages */
};

/* The uniform key of a row (and "suffix") below one prefix. */
static bool row_key(const struct fill *fill, size_t prefix, const char *name, char *out)
{
	char key[RV__KEY_MAX];
	const char *below = fill->prefixes[prefix];
	size_t length = strlen(below);

	if (!rv__key_uniform(name, key, sizeof key) || length + 1 + strlen(key) >= RV__KEY_MAX)
		return false;
	memcpy(out, below, length);
	if (length)
		out[length++] = '.';
	memcpy(out + length, key, strlen(key) + 1);
	return true;
}

static const struct rv__entry *find_row(const struct fill *fill, size_t prefix, const char *name)
{
	char key[RV__KEY_MAX];

	return fill->config && row_key(fill, prefix, name, key) ? rv__config_find(fill->config, key) : NULL;
}

static bool is_stored(const struct rv_prop_desc *row)
{
	return !(row->flags & RV_PROP_JAVA_ONLY) &&
	    !((row->flags & (RV_PROP_NO_EFFECT | RV_PROP_REFUSED)) && row->offset == 0);
}

static void store(const struct fill *fill, const struct rv_prop_desc *row, const union rv__prop_value *value)
{
	char *member = fill->settings + row->offset;

	switch (row->type) {
	case RV_PROP_BOOL:
		memcpy(member, &value->boolean, sizeof value->boolean);
		break;
	case RV_PROP_DOUBLE:
		memcpy(member, &value->real, sizeof value->real);
		break;
	case RV_PROP_STRING:
		memcpy(member, &value->text, sizeof value->text);
		break;
	default:
		memcpy(member, &value->integer, sizeof value->integer);
	}
}

/* ${…} in the default of a row, e.g. ${INSTANCE_INDEX:0}. */
static const char *default_text(const struct fill *fill, const struct rv_prop_desc *row)
{
	struct rv__entry entry;

	if (!row->def || !fill->config || !strstr(row->def, "${"))
		return row->def;
	entry = (struct rv__entry){.key = row->name, .raw = row->def, .value = row->def};
	pthread_mutex_lock(&fill->config->lock);
	rv__config_resolve_entry(fill->config, &entry);
	pthread_mutex_unlock(&fill->config->lock);
	return entry.value;
}

static void fill_default(const struct fill *fill, const struct rv_prop_desc *row)
{
	union rv__prop_value value = {0};
	const char *text = default_text(fill, row);
	char cure[256];

	if (!text || !is_stored(row))
		return;
	if (rv__prop_parse(row, text, &value, cure, sizeof cure)) {
		store(fill, row, &value);
	} else {
		/* A default of ours always parses (a test walks all rows); one from the environment may not. */
		assert(text != row->def);
		rv__problems_add(fill->problems, true, RV__N_CONFIG_VALUE, row->name,
		    "%s: '%.80s' is no fit value; %s", row->name, text, cure);
	}
}

static void complain_of_missing(const struct fill *fill, const struct rv_prop_desc *row)
{
	rv__problems_add(fill->problems, true, RV__N_CONFIG_REQUIRED, row->name,
	    "%s.%s: is required and not set; set it: %s", fill->prefix_count ? fill->prefixes[0] : "",
	    row->name, row->doc);
}

static void fill_scalar(const struct fill *fill, const struct rv_prop_desc *row)
{
	union rv__prop_value value = {0};
	const struct rv__entry *entry = NULL;

	for (size_t i = 0; !entry && i < fill->prefix_count; i++)
		entry = find_row(fill, i, row->name);
	if (!entry && row->flags & RV_PROP_REQUIRED)
		complain_of_missing(fill, row);
	if (entry && rv__prop_judge(row, entry, &value, fill->problems)) {
		if (is_stored(row))
			store(fill, row, &value);
		return;
	}
	fill_default(fill, row);
}

/* -- lists ---------------------------------------------------------------------- */

enum { LIST_MAX = 4096 };

/* Splits at commas and drops blanks around; Locks: the configuration's. */
static struct rv_strings split_list(rv_config *config, const char *text)
{
	struct rv_strings list = {0};
	const char **items;
	size_t most = 1;

	for (const char *c = text; *c; c++)
		most += *c == ',';
	items = rv__arena_alloc(&config->arena, most * sizeof *items);
	while (items) {
		size_t length;

		text += strspn(text, " \t\n");
		length = strcspn(text, ",");
		if (length || text[length] == ',') {
			size_t end = length;

			while (end && strchr(" \t\n", text[end - 1]))
				end--;
			if (end && (items[list.count] = rv__arena_text_n(&config->arena, text, end)))
				list.count++;
		}
		if (!text[length])
			break;
		text += length + 1;
	}
	list.items = items;
	return list;
}

/* The items name[0], name[1] … of one source; Locks: the configuration's. */
static struct rv_strings indexed_list(
    const struct fill *fill, size_t prefix, const struct rv_prop_desc *row, unsigned source)
{
	const char *found[LIST_MAX];
	struct rv_strings list = {0};
	const char **items;
	char name[RV__KEY_MAX];

	while (list.count < LIST_MAX) {
		const struct rv__entry *entry;
		union rv__prop_value value;

		snprintf(name, sizeof name, "%s[%zu]", row->name, list.count);
		entry = find_row(fill, prefix, name);
		if (!entry || entry->source != source || !rv__prop_judge(row, entry, &value, fill->problems))
			break;
		found[list.count++] = entry->value;
	}
	items = rv__arena_alloc(&fill->config->arena, (list.count + 1) * sizeof *items);
	if (!items)
		return (struct rv_strings){0};
	memcpy(items, found, list.count * sizeof *items);
	list.items = items;
	return list;
}

/* A list comes whole from the highest source that has any of it. Whether this prefix has one. */
static bool list_below(
    const struct fill *fill, size_t prefix, const struct rv_prop_desc *row, struct rv_strings *ret_list)
{
	const struct rv__entry *whole = find_row(fill, prefix, row->name);
	const struct rv__entry *first;
	union rv__prop_value value;
	char name[RV__KEY_MAX];

	snprintf(name, sizeof name, "%s[0]", row->name);
	first = find_row(fill, prefix, name);
	if (!whole && !first)
		return false;
	pthread_mutex_lock(&fill->config->lock);
	if (first && (!whole || first->source > whole->source))
		*ret_list = indexed_list(fill, prefix, row, first->source);
	else if (rv__prop_judge(row, whole, &value, fill->problems))
		*ret_list = split_list(fill->config, whole->value);
	pthread_mutex_unlock(&fill->config->lock);
	return true;
}

static void fill_list(const struct fill *fill, const struct rv_prop_desc *row)
{
	struct rv_strings list = {0};
	const char *text;
	bool found = false;

	for (size_t i = 0; !found && i < fill->prefix_count; i++)
		found = list_below(fill, i, row, &list);
	if (!found && row->flags & RV_PROP_REQUIRED)
		complain_of_missing(fill, row);
	if (!found && fill->config && (text = default_text(fill, row))) {
		pthread_mutex_lock(&fill->config->lock);
		list = split_list(fill->config, text);
		pthread_mutex_unlock(&fill->config->lock);
	}
	if (is_stored(row))
		memcpy(fill->settings + row->offset, &list, sizeof list);
}

/* -- maps ----------------------------------------------------------------------- */

static void put_pair(struct rv_pair *pairs, size_t *count, const char *name, const char *value)
{
	size_t i = 0;

	while (i < *count && strcmp(pairs[i].name, name) != 0)
		i++;
	pairs[i] = (struct rv_pair){.name = name, .value = value};
	*count += i == *count;
}

/* The name of a map's key as the user wrote it, without brackets around the whole. */
static const char *pair_name(rv_config *config, const char *written)
{
	size_t length;
	const char *plain = rv__key_plain(written, &length);

	if (plain == written || written[rv__key_segment(written)])
		return written;
	return rv__arena_text_n(&config->arena, plain, length);
}

/* Locks: the configuration's. */
static void add_pairs(const struct fill *fill, size_t prefix, const struct rv_prop_desc *row,
    struct rv_pair *pairs, size_t *count)
{
	char below[RV__KEY_MAX];
	size_t segments;

	if (!row_key(fill, prefix, row->name, below))
		return;
	segments = rv__key_segments(below);
	for (size_t i = 0; i < fill->config->count; i++) {
		const struct rv__entry *entry = &fill->config->entries[i];
		union rv__prop_value value;
		const char *name;

		if (!rv__key_below(entry->uniform, below) || !rv__config_is_effective(fill->config, entry) ||
		    !rv__prop_judge(row, entry, &value, fill->problems))
			continue;
		name = pair_name(fill->config, rv__key_skip(entry->key, segments));
		if (name)
			put_pair(pairs, count, name, entry->value);
	}
}

static void fill_map(const struct fill *fill, const struct rv_prop_desc *row)
{
	struct rv_pairs map = {0};
	struct rv_pair *pairs;

	if (fill->config && fill->config->count && fill->prefix_count) {
		pthread_mutex_lock(&fill->config->lock);
		pairs = rv__arena_alloc(&fill->config->arena, fill->config->count * sizeof *pairs);
		for (size_t prefix = fill->prefix_count; pairs && prefix-- > 0;)
			add_pairs(fill, prefix, row, pairs, &map.count);
		pthread_mutex_unlock(&fill->config->lock);
		map.items = pairs;
	}
	if (is_stored(row))
		memcpy(fill->settings + row->offset, &map, sizeof map);
}

/* -- all rows ------------------------------------------------------------------- */

void rv__config_fill(const rv_config *config, const struct rv_prop_table *table, const char *const *prefixes,
    void *settings, struct rv__problems *problems)
{
	struct fill fill = {.config = (rv_config *)config,
	    .problems = problems,
	    .settings = settings,
	    .first_prefix = prefixes && *prefixes ? *prefixes : ""};

	for (; prefixes && *prefixes; prefixes++) {
		assert(fill.prefix_count < sizeof fill.prefixes / sizeof *fill.prefixes);
		if (!**prefixes || rv__key_uniform(*prefixes, fill.prefixes[fill.prefix_count], RV__KEY_MAX))
			fill.prefix_count++;
	}
	if (table->size)
		memset(settings, 0, table->size);
	for (const struct rv_prop_desc *row = table->rows; row && row->name; row++) {
		if (row->type == RV_PROP_LIST)
			fill_list(&fill, row);
		else if (row->type == RV_PROP_MAP)
			fill_map(&fill, row);
		else
			fill_scalar(&fill, row);
	}
}
