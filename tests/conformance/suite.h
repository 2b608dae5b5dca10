/* SPDX-License-Identifier: Apache-2.0 */
/* The cases as a list: which are run, which are left out, and how both are told. */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include "tests/conformance/kit.h"

enum { KIT_CASES_MAX = 256 };

struct kit_case {
	const char *name;
	uint32_t needs; /* RV_CAP_* */
	const TTest *test;
};

/* All cases, in the order of the suite. */
extern struct kit_case kit_cases[KIT_CASES_MAX];
extern size_t kit_case_count;

/** Fills the list. */
void kit_collect(void);

/** Runs the cases that match `pattern` (of fnmatch(); NULL: all) on the binder of kit_caps; the exit code. */
int kit_run(const char *pattern);

/** The name of the first of these capabilities (RV_CAP_*), in the order of docs/binders.md. */
const char *kit_first_name(uint32_t caps);
/** The capability of that name in docs/binders.md; 0: none. */
uint32_t kit_cap(const char *name);

/** docs/binders.md, to standard output. */
void kit_print_capabilities(const struct rv_binder_ops *const *binders, size_t count);

#endif
