/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/registry.h"

#include "tests/support/fake_binder.h"
#include "tests/support/unit.h"

START_TEST(built_in_binders_are_found_without_loading)
{
	ck_assert_ptr_nonnull(rv__binder_lookup("memory"));
	ck_assert_ptr_nonnull(rv__binder_lookup("rocketmq"));
	ck_assert_ptr_null(rv__binder_lookup("kafkaesque"));
}
END_TEST

START_TEST(a_registered_binder_is_found_and_its_type_is_taken)
{
	struct rv_error error;

	ck_assert_int_eq(rv_binder_register(&fake_ops, &error), RV_OK);
	ck_assert_ptr_eq(rv__binder_find("fake", NULL, &error), &fake_ops);
	ck_assert_int_eq(rv_binder_register(&fake_ops, &error), RV_E_INVALID);
}
END_TEST

START_TEST(another_abi_is_refused_with_both_numbers)
{
	struct rv_binder_ops ops = fake_ops;
	struct rv_error error;

	ops.abi = 77;
	ck_assert_int_eq(rv_binder_register(&ops, &error), RV_E_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(error.text, "77"));
}
END_TEST

START_TEST(a_missing_member_is_named)
{
	struct rv_binder_ops ops = fake_ops;
	struct rv_error error;

	ops.settle = NULL;
	ck_assert_int_eq(rv_binder_register(&ops, &error), RV_E_INVALID);
	ck_assert_ptr_nonnull(strstr(error.text, "'settle'"));
	ops = fake_ops;
	ops.type = "Has Blanks";
	ck_assert_int_eq(rv_binder_register(&ops, &error), RV_E_INVALID);
}
END_TEST

START_TEST(an_unknown_type_says_what_is_there_and_where_it_looked)
{
	static const char *const directories[] = {"/nonexistent/binders"};
	const struct rv_strings path = {directories, 1};
	struct rv_error error;

	ck_assert_ptr_null(rv__binder_find("kafkaesque", &path, &error));
	ck_assert_int_eq(error.code, RV_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(error.text, "memory"));
	ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent/binders"));
	ck_assert_ptr_null(rv__binder_find("../../etc/passwd", &path, &error));
	ck_assert_int_eq(error.code, RV_E_CONFIG);
}
END_TEST

START_TEST(a_module_is_loaded_from_the_path)
{
	static const char *const directories[] = {RV_TEST_MODULE_DIR};
	const struct rv_strings path = {directories, 1};
	const struct rv_binder_ops *ops;
	struct rv_error error = {0};

	ops = rv__binder_find("sample", &path, &error);
	ck_assert_msg(ops != NULL, "%s", error.text);
	ck_assert_str_eq(ops->label, "Sample");
	ck_assert_ptr_eq(rv__binder_find("sample", NULL, &error), ops);
}
END_TEST

START_TEST(a_file_that_is_no_module_is_refused)
{
	static const char *const directories[] = {RV_TEST_MODULE_DIR};
	const struct rv_strings path = {directories, 1};
	struct rv_error error = {0};

	ck_assert_ptr_null(rv__binder_find("hollow", &path, &error));
	ck_assert_int_eq(error.code, RV_E_INVALID);
	ck_assert_ptr_nonnull(strstr(error.text, "rv_binder_module"));
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {built_in_binders_are_found_without_loading,
	    a_registered_binder_is_found_and_its_type_is_taken, another_abi_is_refused_with_both_numbers,
	    a_missing_member_is_named, an_unknown_type_says_what_is_there_and_where_it_looked,
	    a_module_is_loaded_from_the_path, a_file_that_is_no_module_is_refused, NULL};

	return unit_run("registry", cases, NULL, NULL);
}
