/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of properties, and when two of them mean the same. Spring's relaxed rules: case, `-` and `_`
 * do not count within a segment, so `instanceIndex`, `instance-index` and `INSTANCE_INDEX` are one. A
 * segment in brackets, `[0]` or `[my.name]`, is a segment like any other whose dots do not
 * separate; quotes around brackets, as YAML needs them, are dropped.
 *
 * The uniform form of a key is what look-ups compare: "spring.cloud.stream.bindings.input.maxattempts".
 * Environment variables know no dots: their squashed form has letters and digits alone.
 */
#ifndef BASE_KEYS_H
#define BASE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum { RV__KEY_MAX = 512 }; /* longest key, with its terminating zero */

/**
 * Writes the uniform form of `key` into out[size]. A bracketed segment keeps its brackets only if its content
 * has dots or other signs.
 *
 * @return its length, or 0 when the key is empty, malformed (an unclosed bracket) or does not fit
 */
size_t rv__key_uniform(const char *key, char *out, size_t size);

/** Writes letters and digits of `key`, lower case; its length, 0 when nothing is left or it does not fit. */
size_t rv__key_squash(const char *key, char *out, size_t size);

/** Whether both keys mean the same property. */
bool rv__key_equal(const char *a, const char *b);

/**
 * Joins "prefix.name.suffix"; the name is put in brackets where it has to be, suffix may be NULL.
 * E.g. ("spring.cloud.stream.bindings", "my.name", "consumer").
 *
 * @return false when it does not fit; out is then ""
 */
bool rv__key_join(char *out, size_t size, const char *prefix, const char *name, const char *suffix);

/** Length of the first segment of a key or uniform key, brackets and quotes included. */
size_t rv__key_segment(const char *key);

/** The first segment of a key without its brackets and quotes: where it begins, and its length. */
const char *rv__key_plain(const char *key, size_t *ret_length);

/** Smallest number of inserted, dropped, changed or swapped characters between two short words. */
size_t rv__key_distance(const char *a, const char *b);

/** The word of `words` that `word` was most likely meant to be, or NULL when none is near. */
const char *rv__key_nearest(const char *word, const char *const *words, size_t count);

#endif
