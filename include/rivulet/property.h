/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties are described, not parsed by hand: one row a key. A table of rows
 * and the address of a settings struct are all that is needed for parsing,
 * relaxed names, validation, `rivulet config check|show` and docs/properties.md.
 *
 *     struct my_settings { const char *host; int64_t timeout_ms; };
 *     static const struct rv_prop_desc rows[] = {
 *             {.name = "host", .type = RV_PROP_STRING, .def = "localhost",
 *              .doc = "Host of the broker.", .offset = offsetof(struct my_settings, host)},
 *             {.name = "timeout", .type = RV_PROP_DURATION, .def = "3000", .min = 1, .max = 60000,
 *              .unit = "ms", .doc = "…", .offset = offsetof(struct my_settings, timeout_ms)},
 *             {.name = NULL}};
 */
#ifndef RIVULET_PROPERTY_H
#define RIVULET_PROPERTY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a value is, and the C type at `offset`. */
enum rv_prop_type {
	RV_PROP_STRING, /* const char *; NULL when absent and without default */
	RV_PROP_BOOL,   /* bool */
	RV_PROP_INT,    /* int64_t */
	RV_PROP_DOUBLE, /* double */
	RV_PROP_DURATION, /* int64_t milliseconds; "1500" (in the row's unit: "ms" or "s" …), "1500ms", "2s", "1m", "PT2S" */
	RV_PROP_SIZE, /* int64_t bytes; "512", "64KB", "4MB" (powers of 1024, as Spring's DataSize) */
	RV_PROP_ENUM, /* int64_t index into `choices`; matched without case */
	RV_PROP_LIST, /* struct rv_strings; comma separated or [0], [1] … */
	RV_PROP_MAP   /* struct rv_pairs; every key below name. */
};

struct rv_strings {
	const char *const *items;
	size_t count;
};

struct rv_pair {
	const char *name;
	const char *value;
};

struct rv_pairs {
	const struct rv_pair *items;
	size_t count;
};

enum rv_prop_flags {
	RV_PROP_SECRET = 1u << 0, /* never printed */
	/* Rows with one of the next three flags are not stored while their offset is 0. */
	RV_PROP_NO_EFFECT = 1u << 1, /* known, without effect yet: warns when set */
	RV_PROP_REFUSED = 1u << 2,   /* known, without effect yet, and it would change delivery, order
	                              * or safety: a value other than the default fails at bind time */
	RV_PROP_JAVA_ONLY = 1u << 3, /* belongs to Java alone; `instead` says what to use; warns */
	RV_PROP_REQUIRED = 1u << 4
};

/* One key. Strings live for ever (static); the table ends with a NULL name. */
struct rv_prop_desc {
	const char *name; /* below the section's prefix, kebab case: "max-attempts" */
	enum rv_prop_type type;
	const char *def; /* as it would stand in a file; NULL: absent = zeroed member */
	double min;      /* range of numbers, inclusive, in the row's unit; min == max == 0: any */
	double max;
	const char *const *choices; /* RV_PROP_ENUM: NULL-terminated words */
	const char *unit; /* "ms", "bytes"; of a list "host:port", which each item is then; NULL: none */
	const char *doc;  /* one line for docs/properties.md, a sentence */
	size_t offset;    /* in the settings struct */
	uint32_t flags;
	const char *since;   /* version in which the key took effect; NULL: 0.1.0 */
	const char *instead; /* RV_PROP_JAVA_ONLY, RV_PROP_NO_EFFECT: what to do instead */
};

/* A table together with the struct that it fills. */
struct rv_prop_table {
	const struct rv_prop_desc *rows; /* NULL: no properties */
	size_t size;                     /* sizeof the settings struct */
};

#ifdef __cplusplus
}
#endif
#endif
