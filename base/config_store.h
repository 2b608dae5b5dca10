/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of rv_config; for the files of base/ that build, fill and judge it. */
#ifndef BASE_CONFIG_STORE_H
#define BASE_CONFIG_STORE_H

#include "base/arena.h"
#include "base/config.h"
#include "base/keys.h"
#include "base/map.h"

#include <pthread.h>
#include <stdatomic.h>

/* One key as it was set in one place. All text lives in the arena of the configuration. */
struct rv__entry {
	const char *key;      /* as written; of an environment variable: lower case with dots */
	const char *uniform;  /* rv__key_uniform() */
	const char *squashed; /* rv__key_squash() of an environment variable, else NULL */
	const char *raw;
	const char *value;  /* placeholders resolved; NULL: `fault` says why not */
	const char *fault;  /* "placeholder '${x}' …; cure" */
	const char *origin; /* "file:line" */
	unsigned source;    /* the larger one wins */
	bool resolving;     /* while loading: a placeholder came back to it */
};

struct rv_config {
	atomic_int refs;
	rv_config *parent; /* of an overlay, which shares its text; referenced */
	struct rv__arena arena;
	pthread_mutex_t lock;      /* protects the arena once loaded: filling allocates lists */
	struct rv__entry *entries; /* in ascending order of source */
	size_t count, capacity;
	size_t environment_count; /* how many entries have `squashed` */
	struct rv__map winners; /* uniform key -> entry with the highest source, without the environment's */
	char **environment;     /* borrowed, for placeholders; NULL: none */
};

rv_config *rv__config_create(void);

/* The layers above the files; `problems` NULL: mistakes will be told another time. */

/** Variables whose name begins with one of the roots that tables have, out of config->environment. */
void rv__config_add_environment(rv_config *config, unsigned source);
/** SPRING_APPLICATION_JSON. */
void rv__config_add_json(rv_config *config, unsigned source, struct rv__problems *problems);
/** --key=value; argv[0] is skipped. */
void rv__config_add_arguments(
    rv_config *config, unsigned source, int argc, char **argv, struct rv__problems *problems);

/** Forgets all entries, keeps the arena. */
void rv__config_clear(rv_config *config);

/**
 * Adds one key; sources must ascend. Text must live in the arena. `variable`: an environment variable.
 * Returns an entry of the same key and source that it replaces, if any.
 */
const struct rv__entry *rv__config_add(
    rv_config *config, unsigned source, const char *key, const char *raw, const char *origin, bool variable);

/** Resolves the placeholders of all entries. */
void rv__config_resolve(rv_config *config);

/** Resolves one entry that need not belong to the configuration (a default). Locks: the configuration's. */
void rv__config_resolve_entry(rv_config *config, struct rv__entry *entry);

/* rivulet.config.unknown-keys */
enum rv__unknown_keys { RV__UNKNOWN_FAIL, RV__UNKNOWN_WARN, RV__UNKNOWN_IGNORE };

enum rv__unknown_keys rv__config_unknown_keys(const rv_config *config);

/** The effective entry of a uniform key, or NULL. */
struct rv__entry *rv__config_find(const rv_config *config, const char *uniform);

/** Whether no other entry overrides this one. */
bool rv__config_is_effective(const rv_config *config, const struct rv__entry *entry);

/** The part of a written key behind its first `segments` segments; "" when there is none. */
const char *rv__key_skip(const char *key, size_t segments);

/** Number of segments of a uniform key. */
size_t rv__key_segments(const char *uniform);

/** The part of a uniform key behind "prefix.", or NULL; an empty prefix is before everything. */
const char *rv__key_below(const char *uniform, const char *prefix);

#endif
