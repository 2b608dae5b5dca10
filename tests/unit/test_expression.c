/* SPDX-License-Identifier: Apache-2.0 */
#include "base/expression.h"

#include "base/pattern.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

static rv_message *message;

static void setup(void)
{
	message =
	    rv_message_create_json("{s:s, s:{s:i, s:[i,s]}, s:n, s:I, s:f, s:b}", "plate", "粤B12345", "car",
	        "wheels", 4, "list", 7, "x", "nothing", "big", (json_int_t)5000000000, "real", 2.5, "yes", 1);
	rv_message_set_header(message, "k", "north");
	rv_message_set_header(message, "a-b", "dash");
	rv_message_set_header_int(message, "n", -7);
	rv_message_set_header_long(message, "l", 5000000000);
	rv_message_set_header_bool(message, "flag", true);
	rv_message_set_header_double(message, "d", 0.5);
	rv_message_set_header_typed(message, "json", RV_HEADER_JSON, "{\"a\":[1,2]}", 11);
	rv_message_set_header_typed(message, "raw", RV_HEADER_BYTES, "\0\xff", 2);
}

static void teardown(void)
{
	rv_message_unref(message);
}

/* A value as these tests write it down: 5, 5L, 0.5, 'text', true, null, [bytes], {json}. */
static void show(const struct rv__value *value, char *text, size_t size)
{
	struct rv__arena arena = {0};
	struct rv__value shown;

	if (value->kind == RV__VALUE_BYTES || value->kind == RV__VALUE_JSON)
		snprintf(text, size, "%s", value->kind == RV__VALUE_JSON ? "{json}" : "[bytes]");
	else if (rv__value_to_text(value, &arena, &shown))
		snprintf(text, size, "%s%.*s%s", value->kind == RV__VALUE_TEXT ? "'" : "", (int)shown.length,
		    shown.bytes,
		    value->kind == RV__VALUE_TEXT       ? "'"
		        : value->kind == RV__VALUE_LONG ? "L"
		                                        : "");
	rv__arena_finish(&arena);
}

/* What an expression gives, or "error: …". */
static const char *evaluate(const char *text, const struct rv__value *root)
{
	static char shown[1024];
	struct rv__expression *expression;
	struct rv__evaluation evaluation = {.message = message, .root = root};
	struct rv_error error = {0};
	struct rv__value value;

	if (rv__expression_create(text, root ? RV__ROOT_VALUE : RV__ROOT_MESSAGE, &expression, &error) !=
	    RV_OK) {
		snprintf(shown, sizeof shown, "wrong: %s", error.text);
		return shown;
	}
	if (rv__expression_evaluate(expression, &evaluation, &value, &error) == RV_OK)
		show(&value, shown, sizeof shown);
	else
		snprintf(shown, sizeof shown, "error: %s", error.text);
	rv__evaluation_finish(&evaluation);
	rv__expression_destroy(expression);
	return shown;
}

struct row {
	const char *expression, *value;
};

static void expect_all(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *value = evaluate(rows[i].expression, NULL);

		ck_assert_msg(strcmp(value, rows[i].value) == 0, "%s is %s", rows[i].expression, value);
	}
}
#define EXPECT(rows) expect_all(rows, sizeof(rows) / sizeof *(rows))

START_TEST(names_reach_payload_and_headers)
{
	static const struct row rows[] = {{"payload.plate", "'粤B12345'"}, {"payload['plate']", "'粤B12345'"},
	    {"payload.car.wheels", "4"}, {"payload.car['list'][1]", "'x'"}, {"payload.big", "5000000000L"},
	    {"payload.real", "2.5"}, {"payload.yes", "true"}, {"payload.nothing", "null"},
	    {"payload.absent", "null"}, {"payload.absent?.deeper", "null"}, {"payload.car", "{json}"},
	    {"headers['k']", "'north'"}, {"headers.k", "'north'"}, {"headers['a-b']", "'dash'"},
	    {"headers[\"k\"]", "'north'"}, {"headers.n", "-7"}, {"headers.l", "5000000000L"},
	    {"headers.flag", "true"}, {"headers.d", "0.5"}, {"headers.json.a[1]", "2"},
	    {"headers['raw']", "[bytes]"}, {"headers['absent']", "null"},
	    {"headers.contentType", "'application/json'"}, {" payload . plate ", "'粤B12345'"},
	    {"headers['ab'.length() == 2 ? 'k' : 'n']", "'north'"}};

	EXPECT(rows);
}
END_TEST

START_TEST(a_payload_is_text_bytes_or_nothing)
{
	rv_message_unref(message);
	message = rv_message_create_text("plain");
	ck_assert_str_eq(evaluate("payload", NULL), "'plain'");
	rv_message_unref(message);
	message = rv_message_create("\xff\xfe", 2);
	ck_assert_str_eq(evaluate("payload", NULL), "[bytes]");
	rv_message_unref(message);
	message = rv_message_create_null();
	ck_assert_str_eq(evaluate("payload", NULL), "null");
	ck_assert_str_eq(evaluate("payload?.a", NULL), "null");
}
END_TEST

START_TEST(operators_are_those_of_java)
{
	static const struct row rows[] = {{"1 + 2 * 3", "7"}, {"(1 + 2) * 3", "9"}, {"7 / 2", "3"},
	    {"-7 / 2", "-3"}, {"-7 % 3", "-1"}, {"7 div 2 + 7 mod 2", "4"}, {"7 / 2.0", "3.5"},
	    {"2147483647 + 1", "-2147483648"}, {"2147483647L + 1", "2147483648L"},
	    {"-2147483647 - 1", "-2147483648"}, {"(-2147483647 - 1) / -1", "-2147483648"},
	    {"(-2147483647 - 1) % -1", "0"}, {"9223372036854775807L + 1", "-9223372036854775808L"},
	    {"0xFF", "255"}, {"1.5e1", "15.0"}, {"2d", "2.0"}, {"10 - 2 - 3", "5"}, {"- - 3", "3"},
	    {"+3", "3"}, {"'a' + 1", "'a1'"}, {"1 + 'a' + null + 2.50 + true", "'1anull2.5true'"},
	    {"'it''s'", "'it's'"}, {"1 == 1L", "true"}, {"1 == 1.0", "true"}, {"'1' == 1", "false"},
	    {"null == null", "true"}, {"'a' != 'b'", "true"}, {"1 < 2", "true"}, {"'a' >= 'b'", "false"},
	    {"2 ge 2 and 1 lt 2", "true"}, {"true && !false", "true"}, {"false or not true", "false"},
	    {"true || payload.absent.x", "true"}, {"false && 1 / 0 == 1", "false"},
	    {"1 > 2 ? 'a' : 'b'", "'b'"}, {"true ? 1 : 1 / 0", "1"}, {"true ? false ? 1 : 2 : 3", "2"},
	    {"headers.absent ?: 'none'", "'none'"}, {"'' ?: 'none'", "'none'"},
	    {"headers.k ?: 'none'", "'north'"}, {"'粤B'.length()", "2"}, {"'😀'.length()", "2"},
	    {"'a'.hashCode()", "97"}, {"(12).toString()", "'12'"}, {"payload.plate.hashCode() % 5", "0"},
	    {"payload.car.wheels * 2 == 8 && headers.k matches 'n.*'", "true"}};

	EXPECT(rows);
}
END_TEST

START_TEST(a_root_value_answers_for_itself)
{
	struct rv__value text = rv__value_text("ab");
	struct rv__value number = {.kind = RV__VALUE_INT, .number = -8};
	json_t *json = json_loads("{\"region\":3}", 0, NULL);
	struct rv__value object = rv__value_from_json(json);

	ck_assert_str_eq(evaluate("hashCode()", &text), "3105");
	ck_assert_str_eq(evaluate("length()", &text), "2");
	ck_assert_str_eq(evaluate("#root + #this", &text), "'abab'");
	ck_assert_str_eq(evaluate("#root % 3", &number), "-2");
	ck_assert_str_eq(evaluate("region * 2", &object), "6");
	ck_assert_ptr_nonnull(strstr(evaluate("payload.x", &number), "error: "));
	json_decref(json);
}
END_TEST

START_TEST(mistakes_name_their_place)
{
	static const struct {
		const char *expression, *place, *word;
	} rows[] = {{"", "character 1:", "missing"}, {"payload.", "character 9:", "name"},
	    {"payload +", "character 10:", "missing"}, {"headers", "character 8:", "headers['name']"},
	    {"headers.hashCode()", "character 19:", "headers"}, {"plate", "character 1:", "quotes"},
	    {"'open", "character 6:", "quote"}, {"(1", "character 3:", ")"},
	    {"payload['a'", "character 12:", "]"}, {"1 2", "character 3:", "follow"},
	    {"1 < 2 < 3", "character 7:", "follow"}, {"3000000000", "character 11:", "L"},
	    {"12ab", "character 3:", "letter"}, {"T(java.lang.Math).abs(1)", "character 1:", "Java"},
	    {"@bean.key(payload)", "character 1:", "Java"},
	    {"payload.substring(0, 1)", "character 19:", "hashCode()"},
	    {"payload = 1", "character 9:", "follow"}, {"#root", "character 6:", "payload"},
	    {"true ? 1", "character 9:", ":"}, {"'a' matches headers.k", "character 22:", "quotes"},
	    {"'a' matches '('", "character 16:", ")"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *answer = evaluate(rows[i].expression, NULL);

		ck_assert_msg(strncmp(answer, "wrong: ", 7) == 0 && strstr(answer, rows[i].place) &&
		        strstr(answer, rows[i].word),
		    "%s: %s", rows[i].expression, answer);
	}
}
END_TEST

START_TEST(what_a_message_lacks_is_an_error_with_a_sentence)
{
	static const struct {
		const char *expression, *word;
	} rows[] = {{"payload.absent.deeper", "null"}, {"payload.plate.deeper", "text"}, {"1 / 0", "zero"},
	    {"1 % 0", "zero"}, {"payload.plate * 2", "text"}, {"payload.plate < 3", "text"},
	    {"payload.car.list[2]", "outside"}, {"payload.car.list[-1]", "outside"},
	    {"payload[payload.car]", "[ ]"}, {"headers.k && true", "true or false"},
	    {"headers.raw + ''", "bytes"}, {"-headers.k", "number"}, {"payload.absent.hashCode()", "null"},
	    {"headers.n matches '7'", "whole number"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *answer = evaluate(rows[i].expression, NULL);

		ck_assert_msg(strncmp(answer, "error: ", 7) == 0 && strstr(answer, rows[i].word), "%s: %s",
		    rows[i].expression, answer);
	}
	rv_message_unref(message);
	message = rv_message_create_text("no json");
	ck_assert_ptr_nonnull(strstr(evaluate("payload.a", NULL), "not valid JSON"));
}
END_TEST

START_TEST(expressions_have_limits)
{
	char text[RV__EXPRESSION_TEXT_MAX + 2];

	memset(text, '(', 200);
	snprintf(text + 200, sizeof text - 200, "1");
	ck_assert_ptr_nonnull(strstr(evaluate(text, NULL), "too deep"));
	memset(text, '!', 200);
	snprintf(text + 200, sizeof text - 200, "true");
	ck_assert_ptr_nonnull(strstr(evaluate(text, NULL), "too deep"));
	for (size_t i = 0; i < 400; i += 2)
		memcpy(text + i, "1+", 2);
	snprintf(text + 400, sizeof text - 400, "1");
	ck_assert_ptr_nonnull(strstr(evaluate(text, NULL), "too long"));
	memset(text, ' ', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(evaluate(text, NULL), "1024"));
	ck_assert_ptr_nonnull(strstr(evaluate("'\xff'", NULL), "UTF-8"));
}
END_TEST

static bool matches(const char *pattern, const char *text)
{
	const char *why;
	struct rv__pattern *compiled = rv__pattern_create(pattern, strlen(pattern), &why);
	bool result;

	ck_assert_msg(compiled != NULL, "%s: %s", pattern, why);
	result = rv__pattern_matches(compiled, text, strlen(text));
	rv__pattern_destroy(compiled);
	return result;
}

START_TEST(patterns_match_the_whole_text)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} rows[] = {{"abc", "abc", true}, {"abc", "abcd", false}, {"abc", "xabc", false},
	    {"^abc$", "abc", true}, {"", "", true}, {"", "a", false}, {"a*", "", true}, {"a+", "", false},
	    {"a?b", "b", true}, {"a.c", "a粤c", true}, {"a.c", "a\nc", false}, {".{2}", "粤B", true},
	    {".{2}", "粤", false}, {"[粤京]B\\d{5}", "粤B12345", true}, {"[粤京]B\\d{5}", "粤B1234", false},
	    {"[^0-9]+", "abc", true}, {"[^0-9]+", "ab1", false},
	    {"(north|south)-(\\w+)", "south-gate_7", true}, {"(north|south)-(\\w+)", "east-gate", false},
	    {"(?i)NoRth", "nORTH", true}, {"(?i)[a-c]+", "ABC", true}, {"a{2,3}", "aa", true},
	    {"a{2,3}", "aaaa", false}, {"a{2,}", "aaaaa", true}, {"(ab){2}", "abab", true},
	    {"(?:a|b)*?c", "ababc", true}, {"(a*)*", "aaa", true},
	    {"(a|a)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false}, {"\\.\\*\\\\", ".*\\", true},
	    {"[\\w.-]+@[a-z]+", "a.b-c@host", true}, {"\\S+\\s\\D", "ab x", true}, {"[\\]a-]+", "]-a", true},
	    {"x|", "", true}, {"\\t", "\t", true}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(matches(rows[i].pattern, rows[i].text) == rows[i].matches, "'%s' and '%s'",
		    rows[i].pattern, rows[i].text);
}
END_TEST

START_TEST(what_is_no_pattern_is_refused)
{
	static const char *const patterns[] = {"(", ")", "a)", "[a", "*a", "a{", "a{2", "a{3,2}", "a{999}",
	    "(?=a)", "(?<n>a)", "\\1", "\\p{L}", "a++", "[z-a]", "[[a]]", "\\", "a^b",
	    "((((((a{255}){255}){255}){255}){255}){255})", "((((()){255}){255}){255}){255}"};
	const char *why;

	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		why = NULL;
		ck_assert_msg(
		    !rv__pattern_create(patterns[i], strlen(patterns[i]), &why), "'%s'", patterns[i]);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {names_reach_payload_and_headers, a_payload_is_text_bytes_or_nothing,
	    operators_are_those_of_java, a_root_value_answers_for_itself, mistakes_name_their_place,
	    what_a_message_lacks_is_an_error_with_a_sentence, expressions_have_limits,
	    patterns_match_the_whole_text, what_is_no_pattern_is_refused, NULL};

	return unit_run("expression", cases, setup, teardown);
}
