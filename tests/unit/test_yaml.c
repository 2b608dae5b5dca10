/* SPDX-License-Identifier: Apache-2.0 */
#include "base/properties.h"

#include "tests/support/unit.h"

#include <rivulet-config.h>

#include <stdio.h>
#include <string.h>

/* As in test_properties.c: "key=value@line;", "---;" and "!line;". */
static char seen[4096];

static void on_property(void *arg, int line, const char *key, const char *value)
{
	size_t length = strlen(seen);

	(void)arg;
	snprintf(seen + length, sizeof seen - length, "%s=%s@%d;", key, value, line);
}

static void on_document(void *arg, int line)
{
	(void)arg;
	(void)line;
	snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "---;");
}

static void on_fault(void *arg, int line, const char *text)
{
	size_t length = strlen(seen);

	(void)arg;
	ck_assert_uint_gt(strlen(text), 10);
	snprintf(seen + length, sizeof seen - length, "!%d;", line);
}

static const char *read_text(const char *text)
{
	const struct rv__properties_sink sink = {
	    .property = on_property, .document = on_document, .fault = on_fault};

	seen[0] = '\0';
	rv__yaml_read(text, strlen(text), &sink);
	return seen;
}

#if RV_HAVE_YAML
START_TEST(nested_keys_join_with_dots)
{
	ck_assert_str_eq(
	    read_text("spring:\n  application:\n    name: charging\n  cloud.stream:\n    x: 1\n"),
	    "spring.application.name=charging@3;spring.cloud.stream.x=1@5;");
}
END_TEST

START_TEST(list_items_are_numbered)
{
	ck_assert_str_eq(
	    read_text("a:\n  - x\n  - b: y\nc: [1, 2]\n"), "a[0]=x@2;a[1].b=y@3;c[0]=1@4;c[1]=2@4;");
}
END_TEST

START_TEST(bracketed_names_stay_one_segment)
{
	ck_assert_str_eq(
	    read_text("bindings:\n  \"[my.name]\":\n    group: g\n"), "bindings[my.name].group=g@3;");
}
END_TEST

START_TEST(scalars_keep_their_text)
{
	ck_assert_str_eq(
	    read_text("a: 007\nb: \"x: y\"\nc: true\nd: '~'\n"), "a=007@1;b=x: y@2;c=true@3;d=~@4;");
}
END_TEST

START_TEST(nothing_is_the_empty_value)
{
	ck_assert_str_eq(read_text("a:\nb: ~\nc: null\nd: []\ne: {}\n"), "a=@1;b=@2;c=@3;d=@4;e=@5;");
}
END_TEST

START_TEST(documents_are_told_apart)
{
	ck_assert_str_eq(read_text("a: 1\n---\nb: 2\n"), "a=1@1;---;b=2@3;");
	ck_assert_str_eq(read_text("---\na: 1\n"), "a=1@2;");
	ck_assert_str_eq(read_text(""), "");
}
END_TEST

START_TEST(aliases_repeat_their_anchor)
{
	ck_assert_str_eq(read_text("a: &x\n  k: 1\nb: *x\n"), "a.k=1@2;b.k=1@2;");
}
END_TEST

START_TEST(what_is_no_yaml_is_told_with_its_line)
{
	ck_assert_str_eq(read_text("a: 1\nb: [1\nc: 2\n"), "!3;");
	ck_assert_str_eq(read_text("just words"), "!1;");
	ck_assert_str_eq(read_text("- a\n- b\n"), "!1;");
	ck_assert_str_eq(read_text("a: 1\n<<: {b: 2}\n"), "a=1@1;!2;");
}
END_TEST

START_TEST(a_circle_of_aliases_ends_with_one_fault)
{
	read_text("a: &x\n  b: *x\n  c: *x\n");
	ck_assert_ptr_nonnull(strchr(seen, '!'));
	ck_assert_ptr_eq(strchr(seen, '!'), strrchr(seen, '!'));
}
END_TEST

START_TEST(a_bomb_of_aliases_is_capped)
{
	static char text[2048] = "a: &a [x,x,x,x,x,x,x,x,x]\n";

	for (int c = 'b'; c < 'k'; c++) {
		size_t length = strlen(text);

		snprintf(text + length, sizeof text - length, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n",
		    c, c, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
	}
	read_text(text); /* returns: the case's time limit is the check */
}
END_TEST
#else
START_TEST(a_build_without_yaml_says_so)
{
	ck_assert_str_eq(read_text("a: 1"), "!0;");
}
END_TEST
#endif

int main(void)
{
	const TTest *const cases[] = {
#if RV_HAVE_YAML
		nested_keys_join_with_dots,
		list_items_are_numbered,
		bracketed_names_stay_one_segment,
		scalars_keep_their_text,
		nothing_is_the_empty_value,
		documents_are_told_apart,
		aliases_repeat_their_anchor,
		what_is_no_yaml_is_told_with_its_line,
		a_circle_of_aliases_ends_with_one_fault,
		a_bomb_of_aliases_is_capped,
#else
		a_build_without_yaml_says_so,
#endif
		NULL
	};

	return unit_run("yaml", cases, NULL, NULL);
}
