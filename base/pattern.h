/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions for the operator `matches`: the whole text against a pattern of the configuration.
 *
 * Known, with Java's meaning: characters, `.`, [classes], \d \D \w \W \s \S \t \n \r \f, \ before a sign, groups,
 * |, * + ? {m} {m,} {m,n}, the same followed by ? (lazy), (?:…), and (?i) at the beginning (ASCII). Everything
 * that looks around or back is refused. Time is linear in the text, whatever the pattern: no text that
 * a stranger sends can make it slow.
 *
 * Threads: a compiled pattern is constant; any.
 */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct rv__pattern;

/** Compiles; NULL with *ret_why, a static text ("…"), when it is no pattern of this kind, too large, or without memory. */
struct rv__pattern *rv__pattern_create(const char *text, size_t length, const char **ret_why);
void rv__pattern_destroy(struct rv__pattern *pattern);

/** Whether all of a UTF-8 text matches. A byte that is no UTF-8 matches nothing but a negated class and `.`. */
bool rv__pattern_matches(const struct rv__pattern *pattern, const char *text, size_t length);

#endif
