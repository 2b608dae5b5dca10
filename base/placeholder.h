/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spring's placeholders in values: ${key}, ${key:default}, nested in both places; "\${" stands for
 * itself. ${random.value|uuid|int|long} and the ranges ${random.int(10)}, ${random.int[1,10]} as
 * Spring Boot has them.
 */
#ifndef BASE_PLACEHOLDER_H
#define BASE_PLACEHOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Finds the resolved value of a key: borrowed, NULL when unknown. A cycle is told through *ret_fault. */
typedef const char *(*rv__placeholder_fn)(void *arg, const char *key, const char **ret_fault);

/**
 * Appends `text` with all placeholders replaced to `out`.
 *
 * @param fault  receives, on failure, what is wrong and how to cure it; size bytes
 * @return false on failure
 */
bool rv__placeholder_expand(const char *text, rv__placeholder_fn look_up, void *arg, struct rv__buffer *out,
    char *fault, size_t size);

#endif
