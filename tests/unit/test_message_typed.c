/* SPDX-License-Identifier: Apache-2.0 */
/* Headers with types, and tombstones. */
#include "bindings/message.h"

#include "tests/support/unit.h"

#include <math.h>
#include <string.h>

static rv_err set_typed(rv_message *message, enum rv_header_type type, const char *value)
{
	return rv_message_set_header_typed(message, "h", type, value, strlen(value));
}

START_TEST(a_header_keeps_its_type_and_bytes)
{
	rv_message *message = rv_message_create("x", 1);
	struct rv_header header;

	ck_assert_int_eq(rv_message_set_header_int(message, "int", -7), RV_OK);
	ck_assert_int_eq(rv_message_set_header_long(message, "long", INT64_MIN), RV_OK);
	ck_assert_int_eq(rv_message_set_header_bool(message, "bool", true), RV_OK);
	ck_assert_int_eq(rv_message_set_header_double(message, "double", 0.1), RV_OK);
	ck_assert_int_eq(
	    rv_message_set_header_typed(message, "bytes", RV_HEADER_BYTES, "\0\xff\0", 3), RV_OK);
	ck_assert_int_eq(rv_message_set_header(message, "text", "7"), RV_OK);
	ck_assert(rv_message_header_find(message, "int", &header));
	ck_assert_int_eq(header.type, RV_HEADER_INT);
	ck_assert_str_eq(header.value, "-7");
	ck_assert(rv_message_header_find(message, "long", &header));
	ck_assert_int_eq(header.type, RV_HEADER_LONG);
	ck_assert_str_eq(header.value, "-9223372036854775808");
	ck_assert(rv_message_header_entry(message, 2, &header));
	ck_assert_str_eq(header.name, "bool");
	ck_assert_int_eq(header.type, RV_HEADER_BOOLEAN);
	ck_assert_str_eq(rv_message_header(message, "double"), "0.1");
	ck_assert(rv_message_header_entry(message, 4, &header));
	ck_assert_int_eq(header.type, RV_HEADER_BYTES);
	ck_assert_uint_eq(header.length, 3);
	ck_assert_mem_eq(header.value, "\0\xff\0", 4); /* and a zero behind them */
	ck_assert(rv_message_header_entry(message, 5, &header));
	ck_assert_int_eq(header.type, RV_HEADER_TEXT);
	ck_assert(!rv_message_header_entry(message, 6, &header));
	ck_assert(!rv_message_header_find(message, "none", &header));
	rv_message_unref(message);
}
END_TEST

START_TEST(a_value_that_is_not_of_its_type_is_refused)
{
	static const struct {
		enum rv_header_type type;
		const char *value;
		rv_err code;
	} rows[] = {{RV_HEADER_BOOLEAN, "true", RV_OK}, {RV_HEADER_BOOLEAN, "True", RV_E_INVALID},
	    {RV_HEADER_INT, "2147483647", RV_OK}, {RV_HEADER_INT, "-2147483648", RV_OK},
	    {RV_HEADER_INT, "2147483648", RV_E_INVALID}, {RV_HEADER_INT, "-2147483649", RV_E_INVALID},
	    {RV_HEADER_INT, "", RV_E_INVALID}, {RV_HEADER_INT, "-", RV_E_INVALID},
	    {RV_HEADER_INT, "1.0", RV_E_INVALID}, {RV_HEADER_INT, " 1", RV_E_INVALID},
	    {RV_HEADER_LONG, "9223372036854775807", RV_OK}, {RV_HEADER_LONG, "-9223372036854775808", RV_OK},
	    {RV_HEADER_LONG, "9223372036854775808", RV_E_INVALID},
	    {RV_HEADER_LONG, "99999999999999999999999", RV_E_INVALID}, {RV_HEADER_DOUBLE, "-0.5e+10", RV_OK},
	    {RV_HEADER_DOUBLE, "3", RV_OK}, {RV_HEADER_DOUBLE, "03", RV_E_INVALID},
	    {RV_HEADER_DOUBLE, ".5", RV_E_INVALID}, {RV_HEADER_DOUBLE, "5.", RV_E_INVALID},
	    {RV_HEADER_DOUBLE, "1e", RV_E_INVALID}, {RV_HEADER_DOUBLE, "nan", RV_E_INVALID},
	    {RV_HEADER_DOUBLE, "0x1p3", RV_E_INVALID}, {RV_HEADER_JSON, "[1,{\"a\":null}]", RV_OK},
	    {RV_HEADER_JSON, "{", RV_E_INVALID}, {RV_HEADER_TEXT, "\xff", RV_E_INVALID},
	    {RV_HEADER_BYTES, "\xff", RV_OK}, {(enum rv_header_type)99, "x", RV_E_INVALID}};
	rv_message *message = rv_message_create("x", 1);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(
		    set_typed(message, rows[i].type, rows[i].value) == rows[i].code, "%s", rows[i].value);
	ck_assert_int_eq(rv_message_set_header_typed(message, "h", RV_HEADER_TEXT, "a\0b", 3), RV_E_INVALID);
	ck_assert_int_eq(rv_message_set_header_typed(message, "h", RV_HEADER_BYTES, NULL, 1), RV_E_INVALID);
	ck_assert_int_eq(rv_message_set_header_typed(message, "h", RV_HEADER_BYTES, NULL, 0), RV_OK);
	ck_assert_int_eq(
	    rv_message_set_header_typed(message, RV_HEADER_CONTENT_TYPE, RV_HEADER_BYTES, "a", 1),
	    RV_E_INVALID);
	ck_assert_int_eq(rv_message_set_header_double(message, "h", INFINITY), RV_E_INVALID);
	ck_assert_int_eq(rv_message_set_header_double(message, "h", NAN), RV_E_INVALID);
	rv_message_unref(message);
}
END_TEST

START_TEST(a_double_reads_back_as_itself)
{
	static const double values[] = {0, 3, -2.5, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789012345678.0};
	rv_message *message = rv_message_create("x", 1);

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		const char *text;

		ck_assert_int_eq(rv_message_set_header_double(message, "h", values[i]), RV_OK);
		text = rv_message_header(message, "h");
		ck_assert_double_eq(strtod(text, NULL), values[i]);
		ck_assert_ptr_nonnull(strpbrk(text, ".e")); /* or a reader would take it for a whole number */
	}
	rv_message_unref(message);
}
END_TEST

START_TEST(replacing_a_header_replaces_its_type)
{
	rv_message *message = rv_message_create("x", 1);
	struct rv_header header;

	rv_message_set_header_typed(message, "h", RV_HEADER_BYTES, "\0\0\0\0", 4);
	ck_assert_int_eq(rv_message_set_header_int(message, "h", 5), RV_OK);
	ck_assert(rv_message_header_find(message, "h", &header));
	ck_assert_int_eq(header.type, RV_HEADER_INT);
	ck_assert_uint_eq(header.length, 1);
	ck_assert_str_eq(header.value, "5");
	rv_message_unref(message);
}
END_TEST

START_TEST(a_copy_keeps_types_and_stays_a_tombstone)
{
	rv_message *message = rv_message_create_null();
	rv_message *copy;
	struct rv_header header;

	rv_message_set_header_typed(message, "bytes", RV_HEADER_BYTES, "\0\xff", 2);
	rv_message_set_header(message, RV_HEADER_KEY, "k");
	copy = rv_message_dup(message);
	ck_assert(rv_message_is_null(copy));
	ck_assert(rv__message_body(copy)->binary_headers);
	ck_assert(rv_message_header_find(copy, "bytes", &header));
	ck_assert_int_eq(header.type, RV_HEADER_BYTES);
	ck_assert_mem_eq(header.value, "\0\xff", 2);
	ck_assert_str_eq(rv_message_header(copy, RV_HEADER_KEY), "k");
	rv_message_unref(message);
	rv_message_unref(copy);
}
END_TEST

START_TEST(a_tombstone_is_not_an_empty_message)
{
	rv_message *null = rv_message_create_null();
	rv_message *empty = rv_message_create("", 0);
	struct rv_received delivery = {.source = "Memory", .destination = "d"};
	rv_message *envelope = rv_message_create_envelope(null, &delivery);
	size_t length = 1;

	ck_assert(rv_message_is_null(null));
	ck_assert(rv_message_is_null(envelope));
	ck_assert(!rv_message_is_null(empty));
	ck_assert(!rv_message_is_null(NULL));
	ck_assert_ptr_nonnull(rv_message_payload(null, &length));
	ck_assert_uint_eq(length, 0);
	ck_assert_str_eq(rv_message_text(null), "");
	rv_message_unref(envelope);
	rv_message_unref(null);
	rv_message_unref(empty);
}
END_TEST

START_TEST(a_received_message_has_the_types_of_its_headers)
{
	struct rv_header_span headers[] = {{{"n", 1}, {"5", 1}, RV_HEADER_INT},
	    {{"b", 1}, {"\0\xff", 2}, RV_HEADER_BYTES}, {{"zero", 4}, {"a\0b", 3}, RV_HEADER_TEXT},
	    {{RV_HEADER_MESSAGE_ID, 9}, {"an\0id", 5}, RV_HEADER_BYTES}};
	struct rv_received received = {
	    .headers = headers, .header_count = 4, .destination = "d", .position = 3, .null = true};
	rv_message *message = rv_message_create_received(&received);
	struct rv_header header;

	ck_assert(rv_message_is_null(message));
	ck_assert(rv_message_header_entry(message, 0, &header));
	ck_assert_int_eq(header.type, RV_HEADER_INT);
	ck_assert(rv_message_header_entry(message, 1, &header));
	ck_assert_int_eq(header.type, RV_HEADER_BYTES);
	ck_assert_mem_eq(header.value, "\0\xff", 3);
	ck_assert(!rv_message_header_entry(message, 2, &header)); /* text with a zero cannot be read back */
	ck_assert_str_eq(rv_message_id(message), "d-0-3");
	rv_message_unref(message);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_header_keeps_its_type_and_bytes,
	    a_value_that_is_not_of_its_type_is_refused, a_double_reads_back_as_itself,
	    replacing_a_header_replaces_its_type, a_copy_keeps_types_and_stays_a_tombstone,
	    a_tombstone_is_not_an_empty_message, a_received_message_has_the_types_of_its_headers, NULL};

	return unit_run("message_typed", cases, NULL, NULL);
}
