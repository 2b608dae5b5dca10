/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of one application: every layer read, placeholders resolved, each value
 * with its origin. Immutable after loading and shared by reference; everything that it hands
 * out (values, lists, names) is owned by it and lives until the last unref.
 *
 * Layers, lowest first, as Spring Boot has them: built-in defaults; application.properties or
 * application.yml (and what spring.config.location / spring.config.import name); the same for each
 * active profile; environment variables; --key=value arguments.
 *
 * Lifecycle: load -> fill settings structs through property tables -> check -> unref.
 * Threads: load and overlay on one thread; reading from any.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <rivulet/error.h>
#include <rivulet/property.h>

typedef struct rv_config rv_config;

/* -- mistakes, collected ----------------------------------------------------- */

/* Every mistake of a configuration, in the order of discovery. Zeroed is empty. */
struct rv__problems {
	struct rv__problem {
		bool fatal; /* false: a warning */
		uint16_t number;
		char *key; /* canonical; may be "" */
		char *text; /* "config/x.properties:12: spring.…: 'abc' is not a number; …" without the number
		             */
	} * items;
	size_t count;
	size_t fatal_count;
};

void rv__problems_add(struct rv__problems *problems, bool fatal, uint16_t number, const char *key,
    const char *format, ...) RV_PRINTF(5, 6);
void rv__problems_finish(struct rv__problems *problems);
/** One log line each: "RV0012 config/x.properties:12: …". */
void rv__problems_log(const struct rv__problems *problems);

/* -- loading ------------------------------------------------------------------ */

/* Where an application's configuration comes from. All members may be NULL or 0. */
struct rv__config_sources {
	int argc;                    /* --key=value; other words are mistakes */
	char **argv;                 /* argv[0] is skipped */
	char **environment;          /* NULL-terminated "NAME=value"; NULL: none */
	const char *directory;       /* searched for application.properties, .yml, and config/ below, unless
	                        * spring.config.location says where to look; NULL: "." */
	const char *const *defaults; /* "key=value", NULL-terminated: the built-in layer */
	const char *file;    /* a location that stands for spring.config.location, with any signs in it */
	bool every_document; /* documents of one file count whatever their profile; for judging a file */
	bool no_files;       /* nothing is read unless spring.config.location names it */
};

/** Reads all layers. Always returns a configuration (NULL only without memory); mistakes go to *problems. */
rv_config *rv__config_load(const struct rv__config_sources *sources, struct rv__problems *problems);

/** The view of spring.cloud.stream.binders.<name>.environment: its keys over (inherit) or instead of those of
 * `config`. */
rv_config *rv__config_overlay(const rv_config *config, const char *prefix, bool inherit);

rv_config *rv__config_ref(const rv_config *config);
void rv__config_unref(rv_config *config);

/* -- reading ------------------------------------------------------------------ */

/** Resolved value of a canonical key (relaxed match), or NULL. For the few keys that steer the loading
 * itself. */
const char *rv__config_get(const rv_config *config, const char *key);

/** "config/charging/application.properties:12", "environment variable X", "argument --x", "default"; never
 * NULL. */
const char *rv__config_origin(const rv_config *config, const char *key);

/** Distinct first segments of the keys below `prefix`, without case, as first written. E.g. the names of all
 * bindings. */
struct rv_strings rv__config_names(const rv_config *config, const char *prefix);

/**
 * Fills `settings` from the keys below the given prefixes (most specific first, NULL-terminated), else
 * from the rows' defaults. At most 8 prefixes. Values out of range, of the wrong type, refused or without effect become
 * problems with file, line, key and cure. Zero prefixes: defaults only; then `config` may be NULL, and
 * lists stay empty. Text, lists and maps in the struct belong to `config`: keep a reference as long as it lives.
 * Ranges of durations and sizes count in the row's unit, as bare numbers do; the struct gets ms and bytes.
 */
void rv__config_fill(const rv_config *config, const struct rv_prop_table *table, const char *const *prefixes,
    void *settings, struct rv__problems *problems);

/* -- judging unknown keys, documentation --------------------------------------- */

/* A table and where its keys stand. `*` in the prefix is one segment of the user's choice. */
struct rv__section {
	const char *prefix; /* "spring.cloud.stream.bindings.*.consumer" */
	const struct rv_prop_table *table;
	const char *title;  /* for docs/properties.md */
	const char *module; /* binder type whose keys these are, NULL: always judged */
};

/**
 * Judges every key of the configuration against the sections: unknown ones under `rivulet.` and
 * `spring.cloud.stream.` are mistakes (rivulet.config.unknown-keys), under other known roots warnings,
 * with the nearest known key; values of known keys are judged too, also where nothing was filled from them.
 * Sections of a module that no binding uses (not in `modules`, NULL-terminated; NULL: all used) are not
 * judged, nor are keys of binder types that no section names. `sections`: count pointers to one each.
 */
void rv__config_check(const rv_config *config, const struct rv__section *const *sections, size_t count,
    const char *const *modules, struct rv__problems *problems);

/** The keys that steer the configuration itself; ends with a NULL prefix. */
extern const struct rv__section rv__config_sections[];

/* One effective value for `config show`. */
struct rv__config_value {
	const char *key;   /* as written */
	const char *value; /* NULL: a secret, or a placeholder that cannot be resolved */
	const char *origin;
	const struct rv_prop_desc *row; /* NULL: no table knows it */
	bool secret;                    /* by its row, or because its name sounds like one */
};

/** Receives one value, borrowed until return. */
typedef void (*rv__config_visit_fn)(void *arg, const struct rv__config_value *value);

/** Visits every key that was set and is in force, sorted. */
void rv__config_visit(const rv_config *config, const struct rv__section *const *sections, size_t count,
    rv__config_visit_fn visit, void *arg);

#endif
