/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every Check program shares: the runner of its one suite.
 *
 *     int main(void)
 *     {
 *             const TTest *const cases[] = {a_case, another_case, NULL};
 *             return unit_run("buffer", cases, NULL, NULL);
 *     }
 */
#ifndef SUPPORT_UNIT_H
#define SUPPORT_UNIT_H

#include <check.h>

#include <stdlib.h>
#include <string.h>

/** Runs a suite and frees it; the exit code. */
static inline int unit_run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/** Runs the cases as one suite, or of them the one that UNIT_CASE names. setup and teardown (may be NULL) run around
 * each case, in its process. */
static inline int unit_run(const char *name, const TTest *const *cases, SFun setup, SFun teardown)
{
	Suite *suite = suite_create(name);
	TCase *group = tcase_create(name);
	const char *only = getenv("UNIT_CASE");

	tcase_set_timeout(group, 300); /* a guard against hanging, not a measure */
	tcase_add_checked_fixture(group, setup, teardown);
	for (; *cases; cases++)
		if (!only || strcmp(only, (*cases)->name) == 0)
			tcase_add_test(group, *cases);
	suite_add_tcase(suite, group);
	return unit_run_suite(suite);
}

#endif
