/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map from strings to pointers. Zeroed memory (plus flags) is a valid empty map.
 * Keys are copied, values borrowed. Seeded per map, so that foreign names cannot be chosen to collide.
 *
 * Threads: none of its own; the caller locks.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

enum rv__map_flags {
	RV__MAP_NOCASE = 1u << 0,  /* ASCII letters match without case */
	RV__MAP_BORROWS = 1u << 1, /* keys are not copied: the caller's, valid while they are in the map */
};

struct rv__map {
	struct rv__map_slot {
		char *key; /* NULL: free */
		void *value;
		uint64_t hash;
	} * slots;
	size_t count;
	size_t capacity; /* a power of two, or 0 */
	uint64_t seed;
	unsigned flags;
};

/** Frees the map, not the values. The flags stay. */
void rv__map_finish(struct rv__map *map);

/** The value of a key; NULL when absent. */
void *rv__map_get(const struct rv__map *map, const char *key);

/** Sets or replaces. *ret_old (may be NULL) receives the replaced value or NULL. RV_E_NOMEM changes nothing. */
rv_err rv__map_put(struct rv__map *map, const char *key, void *value, void **ret_old) RV_MUST_CHECK;

/** Removes; the value that stood there, or NULL. */
void *rv__map_remove(struct rv__map *map, const char *key);

/**
 * Walks all entries in no order: start with *cursor = 0, ends with false. The map must not change meanwhile, but
 * the entry at hand may be removed, and then --*cursor: another may have moved into its place (and some may be met
 * twice). key and value may be NULL.
 */
bool rv__map_next(const struct rv__map *map, size_t *cursor, const char **ret_key, void **ret_value);

#endif
