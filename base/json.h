/* SPDX-License-Identifier: Apache-2.0 */
/* JSON from strangers: what jansson parses, after a look at how deep it nests. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stddef.h>

#include <jansson.h>

#include <rivulet/error.h>

/* Deeper nesting is refused: jansson recurses, and its own limit does not fit a small stack. */
enum { RV__JSON_DEPTH_MAX = 64 };

/**
 * Parses `length` bytes as one JSON value of any kind, nested at most RV__JSON_DEPTH_MAX deep.
 *
 * @param where  topic of *err, "http"
 * @return a new reference, owned; NULL with *err (RV_E_INVALID, or RV_E_TOOBIG for the depth), whose
 *         sentence names line and column
 */
json_t *rv__json_load(const void *bytes, size_t length, const char *where, struct rv_error *err);

#endif
