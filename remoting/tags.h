/* SPDX-License-Identifier: Apache-2.0 */
/* Tag expressions ("*", "A || B"); codes of tags are rv__hash_java_text() of base/hash.h. */
#ifndef REMOTING_TAGS_H
#define REMOTING_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

/* A parsed tag expression; zeroed (count 0) matches every message. */
struct rv__tags {
	char **names;   /* owned, in the order of the expression */
	int32_t *codes; /* owned, beside names */
	size_t count;
};

/** NULL, "", "*" mean all. RV_E_INVALID for an expression with nothing but separators; RV_E_NOMEM. */
rv_err rv__tags_parse(const char *expression, size_t length, struct rv__tags *ret_tags, struct rv_error *err);
void rv__tags_finish(struct rv__tags *tags);

/** As a broker filters: by code. A code of 0 is a message without tag. */
bool rv__tags_match_code(const struct rv__tags *tags, int64_t code);
/** As a client filters: by name; `tag` NULL: a message without tag. */
bool rv__tags_match(const struct rv__tags *tags, const char *tag, size_t length);

#endif
