/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/binder.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "binder/registry.h"
#include "bindings/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEY_SIZE = 256 };

#define BINDERS_PREFIX RV__STREAM_PREFIX ".binders"

static void *reallocate(void *block, size_t size)
{
	if (size == 0) {
		free(block);
		return NULL;
	}
	return realloc(block, size);
}

static struct rv__binder *find_open(rv_app *app, const char *name)
{
	struct rv__binder *at = app->binders;

	while (at && strcasecmp(at->name, name) != 0)
		at = at->next;
	return at;
}

static bool is_declared(const rv_app *app, const char *name)
{
	struct rv_strings names = rv__config_names(app->config, BINDERS_PREFIX);

	for (size_t i = 0; i < names.count; i++)
		if (strcasecmp(names.items[i], name) == 0)
			return true;
	return false;
}

/* The settings of the binder's own table, over the environment of its configuration. */
static bool fill_settings(rv_app *app, struct rv__binder *binder)
{
	char prefix[KEY_SIZE];
	const char *const prefixes[] = {prefix, NULL};

	snprintf(prefix, sizeof prefix, RV__STREAM_PREFIX ".%s.binder", binder->ops->type);
	binder->settings = calloc(1, binder->ops->binder_props.size ? binder->ops->binder_props.size : 1);
	if (!binder->settings)
		return false;
	if (binder->ops->binder_props.rows)
		rv__config_fill(
		    binder->config, &binder->ops->binder_props, prefixes, binder->settings, &app->problems);
	if (binder->ops->boot_prefix) {
		snprintf(prefix, sizeof prefix, "%s", binder->ops->boot_prefix);
		rv__config_fill(
		    binder->config, &binder->ops->boot_props, prefixes, binder->settings, &app->problems);
	}
	return true;
}

static rv_config *environment_of(
    rv_app *app, const char *name, bool declared, const struct rv__binder_settings *settings)
{
	char prefix[KEY_SIZE];

	if (!declared)
		return rv__config_ref(app->config);
	snprintf(prefix, sizeof prefix, BINDERS_PREFIX ".%s.environment", name);
	return rv__config_overlay(app->config, prefix, settings->inherit_environment);
}

static struct rv__binder *make(
    rv_app *app, const char *name, const struct rv_binder_ops *ops, rv_config *config)
{
	struct rv__binder *binder = calloc(1, sizeof *binder);

	if (!binder || !(binder->name = strdup(name))) {
		free(binder);
		rv__config_unref(config);
		return NULL;
	}
	binder->ops = ops;
	binder->config = config;
	binder->env = (struct rv_binder_env){
	    .abi = RV_BINDER_ABI,
	    .application = app->host.name,
	    .name = binder->name,
	    .monotonic_ns = rv__monotonic_ns,
	    .wall_ms = rv__wall_ms,
	    .random = rv__random,
	    .log = rv_log,
	    .reallocate = reallocate,
	};
	if (!config || !fill_settings(app, binder)) {
		rv__binder_free(binder);
		return NULL;
	}
	binder->next = app->binders;
	app->binders = binder;
	return binder;
}

struct rv__binder *rv__binder_resolve(
    struct rv_app *app, const char *name, const char *key, struct rv__problems *problems)
{
	struct rv__binder *binder = find_open(app, name);
	bool declared = is_declared(app, name);
	struct rv__binder_settings settings = {0};
	const struct rv_binder_ops *ops;
	struct rv_error error;
	char prefix[KEY_SIZE];
	const char *const prefixes[] = {prefix, NULL};

	if (binder)
		return binder;
	snprintf(prefix, sizeof prefix, BINDERS_PREFIX ".%s", name);
	if (declared)
		rv__config_fill(app->config, &rv__binder_table, prefixes, &settings, problems);
	ops = rv__binder_find(settings.type ? settings.type : name, &app->settings.binder_path, &error);
	if (!ops) {
		rv__problems_add(problems, true, RV__N_BINDER_UNKNOWN, key, "%s: %s: %s",
		    rv__config_origin(app->config, key), key, error.text);
		return NULL;
	}
	return make(app, name, ops, environment_of(app, name, declared, &settings));
}

/* -- the default ------------------------------------------------------------------------------------- */

struct candidates {
	char names[256]; /* "a, b" */
	char first[64];
	size_t count;
};

static void add_candidate(struct candidates *candidates, const char *name)
{
	size_t length = strlen(candidates->names);

	if (candidates->count++ == 0)
		snprintf(candidates->first, sizeof candidates->first, "%s", name);
	snprintf(
	    candidates->names + length, sizeof candidates->names - length, "%s%s", length ? ", " : "", name);
}

/* Declared binder configurations that may be the default switch off everything else. */
static void find_declared(rv_app *app, struct candidates *candidates)
{
	struct rv_strings names = rv__config_names(app->config, BINDERS_PREFIX);

	for (size_t i = 0; i < names.count; i++) {
		struct rv__binder_settings settings = {0};
		struct rv__problems told_elsewhere = {0};
		char prefix[KEY_SIZE];
		const char *const prefixes[] = {prefix, NULL};

		snprintf(prefix, sizeof prefix, BINDERS_PREFIX ".%s", names.items[i]);
		rv__config_fill(app->config, &rv__binder_table, prefixes, &settings, &told_elsewhere);
		rv__problems_finish(&told_elsewhere);
		if (settings.default_candidate)
			add_candidate(candidates, names.items[i]);
	}
}

/* Segments below spring.cloud.stream that belong to the binding layer, and to no binder type. */
static bool is_own_segment(const char *segment)
{
	static const char *const own[] = {"bindings", "binders", "default", "poller", "function",
	    "integration", "internal", "metrics", "schema", "schema-registry-client", "schemaRegistryClient",
	    "sendto", NULL};

	for (size_t i = 0; own[i]; i++)
		if (strcasecmp(own[i], segment) == 0)
			return true;
	return false;
}

/* Binder types that have keys of their own: spring.cloud.stream.<type>.{binder,bindings,default}. */
static void find_configured(rv_app *app, struct candidates *candidates)
{
	struct rv_strings segments = rv__config_names(app->config, RV__STREAM_PREFIX);

	for (size_t i = 0; i < segments.count; i++) {
		char prefix[KEY_SIZE];
		struct rv_strings below;
		bool is_type = false;

		if (is_own_segment(segments.items[i]))
			continue;
		snprintf(prefix, sizeof prefix, RV__STREAM_PREFIX ".%s", segments.items[i]);
		below = rv__config_names(app->config, prefix);
		for (size_t k = 0; k < below.count; k++)
			is_type = is_type || strcasecmp(below.items[k], "binder") == 0 ||
			    strcasecmp(below.items[k], "bindings") == 0 ||
			    strcasecmp(below.items[k], "default") == 0;
		if (is_type)
			add_candidate(candidates, segments.items[i]);
	}
}

struct rv__binder *rv__binder_default(struct rv_app *app, const char *channel, struct rv__problems *problems)
{
	static const char key[] = RV__STREAM_PREFIX ".default-binder";
	struct candidates candidates = {0};

	if (app->stream.default_binder)
		return rv__binder_resolve(app, app->stream.default_binder, key, problems);
	find_declared(app, &candidates);
	if (candidates.count == 0)
		find_configured(app, &candidates);
	if (candidates.count > 1) {
		rv__problems_add(problems, true, RV__N_DEFAULT_BINDER, key,
		    "%s: channel '%s' names no binder, and there are %zu to choose from (%s); set %s, "
		    "or " RV__STREAM_PREFIX ".bindings.%s.binder",
		    key, channel, candidates.count, candidates.names, key, channel);
		return NULL;
	}
	return rv__binder_resolve(
	    app, candidates.count == 1 ? candidates.first : rv__builtin_binders[0]->type, key, problems);
}

/* -- opening ------------------------------------------------------------------------------------------- */

rv_err rv__binder_open(struct rv__binder *binder, struct rv_error *err)
{
	void *instance = NULL;
	rv_err code;

	if (binder->instance)
		return RV_OK;
	code = binder->ops->open(&binder->env, binder->settings, &instance, err);
	if (code == RV_OK)
		__atomic_store_n(&binder->instance, instance, __ATOMIC_RELEASE);
	return code;
}

void rv__binder_close(struct rv__binder *binder)
{
	if (!binder->instance)
		return;
	binder->ops->stop(binder->instance);
	binder->ops->close(binder->instance);
	binder->instance = NULL;
}

void rv__binder_free(struct rv__binder *binder)
{
	free(binder->name);
	free(binder->settings);
	rv__config_unref(binder->config);
	free(binder);
}
