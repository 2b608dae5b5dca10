/* SPDX-License-Identifier: Apache-2.0 */
/* Java's rules for .properties; each case names what java.util.Properties does with the same text. */
#include "base/properties.h"

#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

/* What was read, as one text: "key=value@line;" for a property, "---@line;" for a document, "!line;" for a fault. */
static char seen[4096];

static void on_property(void *arg, int line, const char *key, const char *value)
{
	size_t length = strlen(seen);

	(void)arg;
	snprintf(seen + length, sizeof seen - length, "%s=%s@%d;", key, value, line);
}

static void on_document(void *arg, int line)
{
	size_t length = strlen(seen);

	(void)arg;
	snprintf(seen + length, sizeof seen - length, "---@%d;", line);
}

static void on_fault(void *arg, int line, const char *text)
{
	size_t length = strlen(seen);

	(void)arg;
	ck_assert_uint_gt(strlen(text), 10);
	snprintf(seen + length, sizeof seen - length, "!%d;", line);
}

static const char *read_bytes(const char *bytes, size_t length)
{
	const struct rv__properties_sink sink = {
	    .property = on_property, .document = on_document, .fault = on_fault};

	seen[0] = '\0';
	rv__properties_read(bytes, length, &sink);
	return seen;
}

static const char *read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

START_TEST(the_three_separators_mean_the_same)
{
	ck_assert_str_eq(read_text("a=1\nb:2\nc 3\nd\t4\n"), "a=1@1;b=2@2;c=3@3;d=4@4;");
	ck_assert_str_eq(read_text("a = 1\nb : 2\nc =: 3\nd  e=4"), "a=1@1;b=2@2;c=: 3@3;d=e=4@4;");
}
END_TEST

START_TEST(a_key_alone_has_the_empty_value)
{
	ck_assert_str_eq(read_text("a\nb=\nc:\n  d  "), "a=@1;b=@2;c=@3;d=@4;");
}
END_TEST

START_TEST(blanks_behind_a_value_belong_to_it)
{
	ck_assert_str_eq(read_text("a=  1 \t\n"), "a=1 \t@1;");
}
END_TEST

START_TEST(comments_and_blank_lines_are_skipped_and_counted)
{
	ck_assert_str_eq(read_text("# x=1\n\n  ! y=2\n \t\nz=3#4\n"), "z=3#4@5;");
}
END_TEST

START_TEST(a_comment_does_not_continue)
{
	ck_assert_str_eq(read_text("# x \\\na=1"), "a=1@2;");
}
END_TEST

START_TEST(a_backslash_joins_lines_and_drops_leading_blanks)
{
	ck_assert_str_eq(read_text("fruits=apple, \\\n    banana, \\\n\t pear\nb=1"),
	    "fruits=apple, banana, pear@1;b=1@4;");
	ck_assert_str_eq(read_text("a=1\\\n# no comment\nb=2"), "a=1# no comment@1;b=2@3;");
	ck_assert_str_eq(read_text("ke\\\n  y=1"), "key=1@1;");
}
END_TEST

START_TEST(only_an_odd_number_of_backslashes_joins)
{
	ck_assert_str_eq(read_text("a=1\\\\\nb=2"), "a=1\\@1;b=2@2;");
	ck_assert_str_eq(read_text("a=1\\\\\\\nb=2"), "a=1\\b=2@1;");
}
END_TEST

START_TEST(a_backslash_at_the_end_of_the_text_is_dropped)
{
	ck_assert_str_eq(read_text("a=1\\"), "a=1@1;");
	ck_assert_str_eq(read_text("a=1\\\n"), "a=1@1;");
}
END_TEST

START_TEST(all_line_ends_count_once)
{
	ck_assert_str_eq(read_text("a=1\r\nb=2\rc=3\n\r\nd=4"), "a=1@1;b=2@2;c=3@3;d=4@5;");
}
END_TEST

START_TEST(escapes_are_undone_in_keys_and_values)
{
	ck_assert_str_eq(read_text("a\\ b\\=c\\:d=1\\t2\\n3\\q"), "a b=c:d=1\t2\n3q@1;");
	ck_assert_str_eq(read_text("\\#a=1"), "#a=1@1;");
}
END_TEST

START_TEST(unicode_escapes_become_utf8)
{
	ck_assert_str_eq(read_text("a=\\u7ca4B\\u00e9\\u0041"), "a=粤BéA@1;");
	ck_assert_str_eq(read_text("a=\\uD83D\\uDE97!"), "a=\xf0\x9f\x9a\x97!@1;");
}
END_TEST

START_TEST(bad_unicode_escapes_are_told_with_their_line)
{
	ck_assert_str_eq(read_text("\na=\\u12x4"), "!2;a=12x4@2;");
	ck_assert_str_eq(read_text("a=\\u12"), "!1;a=12@1;");
	ck_assert_str_eq(read_text("a=\\uD83D"), "!1;a=@1;");
	ck_assert_str_eq(read_text("a=\\uDE97"), "!1;a=@1;");
	ck_assert_str_eq(read_text("a=\\u0000b"), "!1;a=b@1;");
}
END_TEST

START_TEST(text_is_utf8_and_anything_else_is_told)
{
	ck_assert_str_eq(read_text("车牌=粤B12345"), "车牌=粤B12345@1;");
	ck_assert_str_eq(read_text("\xef\xbb\xbf"
	                           "a=1"),
	    "a=1@1;");
	ck_assert_str_eq(read_text("a=1\nb=gr\xfcn\nc=3"), "a=1@1;!2;c=3@3;");
	ck_assert_str_eq(read_bytes("a=\0b\nc=1", 8), "!1;c=1@2;");
}
END_TEST

START_TEST(a_line_without_key_is_told)
{
	ck_assert_str_eq(read_text("=1\na=2"), "!1;a=2@2;");
}
END_TEST

START_TEST(documents_are_separated_by_three_dashes_in_a_comment)
{
	ck_assert_str_eq(read_text("a=1\n#---\nb=2\n!---  \nc=3"), "a=1@1;---@2;b=2@3;---@4;c=3@5;");
}
END_TEST

START_TEST(dashes_in_a_comment_block_or_indented_separate_nothing)
{
	ck_assert_str_eq(read_text("#\n#---\na=1"), "a=1@3;");
	ck_assert_str_eq(read_text("#---\n# x\na=1"), "a=1@3;");
	ck_assert_str_eq(read_text(" #---\na=1\n#----\n#--\nb=1"), "a=1@2;b=1@5;");
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {the_three_separators_mean_the_same, a_key_alone_has_the_empty_value,
	    blanks_behind_a_value_belong_to_it, comments_and_blank_lines_are_skipped_and_counted,
	    a_comment_does_not_continue, a_backslash_joins_lines_and_drops_leading_blanks,
	    only_an_odd_number_of_backslashes_joins, a_backslash_at_the_end_of_the_text_is_dropped,
	    all_line_ends_count_once, escapes_are_undone_in_keys_and_values, unicode_escapes_become_utf8,
	    bad_unicode_escapes_are_told_with_their_line, text_is_utf8_and_anything_else_is_told,
	    a_line_without_key_is_told, documents_are_separated_by_three_dashes_in_a_comment,
	    dashes_in_a_comment_block_or_indented_separate_nothing, NULL};

	return unit_run("properties", cases, NULL, NULL);
}
