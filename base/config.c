/* SPDX-License-Identifier: Apache-2.0 */
/* The store: every key that was set, with its source and origin; which one wins; views for binders. */
#include "base/config_store.h"

#include "base/placeholder.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

rv_config *rv__config_create(void)
{
	rv_config *config = calloc(1, sizeof *config);

	if (!config)
		return NULL;
	atomic_init(&config->refs, 1);
	pthread_mutex_init(&config->lock, NULL);
	config->winners.flags = RV__MAP_BORROWS;
	return config;
}

rv_config *rv__config_ref(const rv_config *config)
{
	/* Counting is the one thing that a reader changes. */
	rv_config *shared = (rv_config *)config;

	if (shared)
		atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
	return shared;
}

void rv__config_unref(rv_config *config)
{
	if (!config || atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) != 1)
		return;
	rv__config_unref(config->parent);
	rv__map_finish(&config->winners);
	free(config->entries);
	rv__arena_finish(&config->arena);
	pthread_mutex_destroy(&config->lock);
	free(config);
}

void rv__config_clear(rv_config *config)
{
	config->count = 0;
	config->environment_count = 0;
	rv__map_finish(&config->winners);
}

/* -- keys -------------------------------------------------------------------- */

size_t rv__key_segments(const char *uniform)
{
	size_t count = 0;

	while (*uniform) {
		uniform += rv__key_segment(uniform);
		uniform += *uniform == '.';
		count++;
	}
	return count;
}

const char *rv__key_skip(const char *key, size_t segments)
{
	while (segments-- && *key) {
		key += rv__key_segment(key);
		key += *key == '.';
	}
	return key;
}

const char *rv__key_below(const char *uniform, const char *prefix)
{
	size_t length = strlen(prefix);

	if (length == 0)
		return uniform;
	return strncmp(uniform, prefix, length) == 0 && uniform[length] == '.' ? uniform + length + 1 : NULL;
}

/* -- entries ----------------------------------------------------------------- */

static struct rv__entry *new_entry(rv_config *config)
{
	if (config->count == config->capacity) {
		size_t capacity = config->capacity ? config->capacity * 2 : 64;
		struct rv__entry *entries = realloc(config->entries, capacity * sizeof *entries);

		if (!entries)
			return NULL;
		config->entries = entries;
		config->capacity = capacity;
	}
	return &config->entries[config->count];
}

/* The map holds numbers, from 1, since entries move while the array grows. */
static struct rv__entry *winner(const rv_config *config, const char *uniform)
{
	size_t number = (size_t)(uintptr_t)rv__map_get(&config->winners, uniform);

	return number ? &config->entries[number - 1] : NULL;
}

const struct rv__entry *rv__config_add(
    rv_config *config, unsigned source, const char *key, const char *raw, const char *origin, bool variable)
{
	char text[RV__KEY_MAX];
	struct rv__entry *entry = new_entry(config);
	const struct rv__entry *before;
	const char *uniform;

	if (!entry || !key || !raw || !origin || !rv__key_uniform(key, text, sizeof text) ||
	    !(uniform = rv__arena_text(&config->arena, text)))
		return NULL;
	*entry = (struct rv__entry){
	    .key = key, .uniform = uniform, .raw = raw, .value = raw, .origin = origin, .source = source};
	if (variable) {
		rv__key_squash(key, text, sizeof text);
		entry->squashed = rv__arena_text(&config->arena, text);
		if (entry->squashed) {
			config->environment_count++;
			config->count++;
		}
		return NULL;
	}
	before = winner(config, uniform);
	if (rv__map_put(&config->winners, uniform, (void *)(uintptr_t)(config->count + 1), NULL) != RV_OK)
		return NULL;
	config->count++;
	return before && before->source == source ? before : NULL;
}

static struct rv__entry *find_variable(const rv_config *config, const char *uniform)
{
	char squashed[RV__KEY_MAX];

	if (!rv__key_squash(uniform, squashed, sizeof squashed))
		return NULL;
	for (size_t i = config->count; i-- > 0;)
		if (config->entries[i].squashed && strcmp(config->entries[i].squashed, squashed) == 0)
			return &config->entries[i];
	return NULL;
}

struct rv__entry *rv__config_find(const rv_config *config, const char *uniform)
{
	struct rv__entry *entry = winner(config, uniform);
	struct rv__entry *variable = config->environment_count ? find_variable(config, uniform) : NULL;

	return variable && (!entry || variable->source > entry->source) ? variable : entry;
}

bool rv__config_is_effective(const rv_config *config, const struct rv__entry *entry)
{
	return rv__config_find(config, entry->uniform) == entry;
}

/* -- placeholders ------------------------------------------------------------ */

/* ${HOME} by its own name, ${my.key} by MY_KEY. */
static const char *find_in_environment(const rv_config *config, const char *key)
{
	size_t length = strlen(key);

	for (char **variable = config->environment; variable && *variable; variable++) {
		const char *name = *variable;
		size_t i = 0;

		while (i < length && name[i] &&
		    (name[i] == key[i] ||
		        (name[i] == '_' ? !isalnum((unsigned char)key[i])
		                        : name[i] == toupper((unsigned char)key[i]))))
			i++;
		if (i == length && name[i] == '=')
			return name + i + 1;
	}
	return NULL;
}

static const char *look_up(void *arg, const char *key, const char **ret_fault)
{
	rv_config *config = arg;
	char uniform[RV__KEY_MAX];
	struct rv__entry *entry = NULL;

	if (rv__key_uniform(key, uniform, sizeof uniform))
		entry = rv__config_find(config, uniform);
	if (!entry)
		return find_in_environment(config, key);
	if (entry->resolving) {
		*ret_fault = "refers to itself, directly or through others";
		return NULL;
	}
	rv__config_resolve_entry(config, entry);
	if (!entry->value)
		*ret_fault = "refers to a value that cannot be resolved";
	return entry->value;
}

void rv__config_resolve_entry(rv_config *config, struct rv__entry *entry)
{
	struct rv__buffer out = {0};
	char fault[512];

	/* `value` is the raw text until the entry had its turn. */
	if (entry->value != entry->raw || !strstr(entry->raw, "${"))
		return;
	entry->resolving = true;
	if (rv__placeholder_expand(entry->raw, look_up, config, &out, fault, sizeof fault)) {
		entry->value = rv__arena_text(&config->arena, rv__buffer_text(&out));
	} else {
		entry->value = NULL;
		entry->fault = rv__arena_text(&config->arena, fault);
	}
	entry->resolving = false;
	rv__buffer_finish(&out);
}

void rv__config_resolve(rv_config *config)
{
	for (size_t i = 0; i < config->count; i++)
		rv__config_resolve_entry(config, &config->entries[i]);
}

/* -- reading ----------------------------------------------------------------- */

static struct rv__entry *find_key(const rv_config *config, const char *key)
{
	char uniform[RV__KEY_MAX];

	return config && rv__key_uniform(key, uniform, sizeof uniform) ? rv__config_find(config, uniform)
	                                                               : NULL;
}

const char *rv__config_get(const rv_config *config, const char *key)
{
	const struct rv__entry *entry = find_key(config, key);

	return entry ? entry->value : NULL;
}

const char *rv__config_origin(const rv_config *config, const char *key)
{
	const struct rv__entry *entry = find_key(config, key);

	return entry ? entry->origin : "default";
}

/* The segment of the user's choice. */
static const char *plain_segment(struct rv__arena *arena, const char *key)
{
	size_t length;
	const char *plain = rv__key_plain(key, &length);

	return rv__arena_text_n(arena, plain, length);
}

static bool contains(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(names[i], name) == 0 || rv__key_equal(names[i], name))
			return true;
	return false;
}

struct rv_strings rv__config_names(const rv_config *config, const char *prefix)
{
	rv_config *shared = (rv_config *)config;
	char uniform[RV__KEY_MAX];
	size_t segments;
	const char **names;
	size_t count = 0;

	if (!config || !rv__key_uniform(prefix, uniform, sizeof uniform))
		return (struct rv_strings){0};
	segments = rv__key_segments(uniform);
	pthread_mutex_lock(&shared->lock);
	names = rv__arena_alloc(&shared->arena, (config->count + 1) * sizeof *names);
	/* Files before the environment, which knows no spelling. */
	for (int variables = 0; names && variables <= 1; variables++)
		for (size_t i = 0; i < config->count; i++) {
			const struct rv__entry *entry = &config->entries[i];
			const char *name;

			if ((entry->squashed != NULL) != variables || !rv__key_below(entry->uniform, uniform))
				continue;
			name = plain_segment(&shared->arena, rv__key_skip(entry->key, segments));
			if (name && *name && !contains(names, count, name))
				names[count++] = name;
		}
	pthread_mutex_unlock(&shared->lock);
	return (struct rv_strings){.items = names, .count = names ? count : 0};
}

/* -- overlay ----------------------------------------------------------------- */

static void add_copy(rv_config *view, const struct rv__entry *from, const char *key, unsigned source)
{
	size_t before = view->count;

	rv__config_add(view, source, key, from->raw, from->origin, from->squashed != NULL);
	if (view->count > before) {
		view->entries[before].value = from->value;
		view->entries[before].fault = from->fault;
	}
}

rv_config *rv__config_overlay(const rv_config *config, const char *prefix, bool inherit)
{
	rv_config *view = rv__config_create();
	char uniform[RV__KEY_MAX];
	unsigned top = config->count ? config->entries[config->count - 1].source + 1 : 1;
	size_t segments;

	if (!view)
		return NULL;
	view->parent = rv__config_ref(config);
	view->environment = config->environment;
	for (size_t i = 0; inherit && i < config->count; i++)
		add_copy(view, &config->entries[i], config->entries[i].key, config->entries[i].source);
	if (!rv__key_uniform(prefix, uniform, sizeof uniform))
		return view;
	segments = rv__key_segments(uniform);
	for (size_t i = 0; i < config->count; i++) {
		const struct rv__entry *entry = &config->entries[i];

		if (rv__key_below(entry->uniform, uniform))
			add_copy(view, entry, rv__key_skip(entry->key, segments), top + entry->source);
	}
	return view;
}
