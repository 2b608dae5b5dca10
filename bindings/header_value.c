/* SPDX-License-Identifier: Apache-2.0 */
/* Values of headers as the text of their type, and the setters for a value at hand. */
#include "bindings/message.h"

#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 400 }; /* the longest plain decimal of a double, and then some */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A decimal whole number between the bounds, in its shortest form or with leading zeros. */
static bool is_whole(const char *text, size_t length, bool wide)
{
	uint64_t limit = wide ? INT64_MAX : INT32_MAX;
	bool negative = length > 0 && text[0] == '-';
	uint64_t value = 0;
	size_t at = negative;

	if (at == length)
		return false;
	for (; at < length; at++) {
		if (!is_digit(text[at]) || value > (limit + negative) / 10)
			return false;
		value = value * 10 + (uint64_t)(text[at] - '0');
		if (value > limit + negative)
			return false;
	}
	return true;
}

static size_t skip_digits(const char *text, size_t length, size_t at)
{
	while (at < length && is_digit(text[at]))
		at++;
	return at;
}

/* -12, 0.5, 1e-7: JSON's grammar of numbers (RFC 8259 section 6), of any size. */
static bool is_number(const char *text, size_t length)
{
	size_t start = length > 0 && text[0] == '-';
	size_t at = skip_digits(text, length, start);

	if (at == start || (text[start] == '0' && at > start + 1) || length > NUMBER_MAX)
		return false;
	if (at < length && text[at] == '.') {
		start = at + 1;
		at = skip_digits(text, length, start);
		if (at == start)
			return false;
	}
	if (at < length && (text[at] == 'e' || text[at] == 'E')) {
		start = at + 1;
		start += start < length && (text[start] == '+' || text[start] == '-');
		at = skip_digits(text, length, start);
		if (at == start)
			return false;
	}
	return at == length;
}

static bool is_json(const char *text, size_t length)
{
	json_t *value = rv__json_load(text, length, "message", NULL);

	json_decref(value);
	return value;
}

bool rv__header_value_fits(enum rv_header_type type, const char *text, size_t length)
{
	switch (type) {
	case RV_HEADER_TEXT:
	case RV_HEADER_BYTES:
		return true;
	case RV_HEADER_BOOLEAN:
		return (length == 4 && memcmp(text, "true", 4) == 0) ||
		    (length == 5 && memcmp(text, "false", 5) == 0);
	case RV_HEADER_INT:
		return is_whole(text, length, false);
	case RV_HEADER_LONG:
		return is_whole(text, length, true);
	case RV_HEADER_DOUBLE:
		return is_number(text, length);
	case RV_HEADER_JSON:
		return is_json(text, length);
	}
	return false;
}

rv_err rv_message_set_header_bool(rv_message *message, const char *name, bool value)
{
	const char *text = value ? "true" : "false";

	return rv_message_set_header_typed(message, name, RV_HEADER_BOOLEAN, text, strlen(text));
}

rv_err rv_message_set_header_int(rv_message *message, const char *name, int32_t value)
{
	char text[16];
	int length = snprintf(text, sizeof text, "%" PRId32, value);

	return rv_message_set_header_typed(message, name, RV_HEADER_INT, text, (size_t)length);
}

rv_err rv_message_set_header_long(rv_message *message, const char *name, int64_t value)
{
	char text[24];
	int length = snprintf(text, sizeof text, "%" PRId64, value);

	return rv_message_set_header_typed(message, name, RV_HEADER_LONG, text, (size_t)length);
}

rv_err rv_message_set_header_double(rv_message *message, const char *name, double value)
{
	char text[40];
	int length = 0;
	char *point;

	if (!isfinite(value))
		return RV_E_INVALID;
	/* The shortest form that reads back as the same value; 17 digits always do. */
	for (int digits = 15; digits <= 17; digits++) {
		length = snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	/* A locale's comma is no decimal point to others. */
	point = strpbrk(text, ",");
	if (point)
		*point = '.';
	if (!strpbrk(text, ".e") && (size_t)length + 2 < sizeof text) /* 3 is an Integer, 3.0 a Double */
		memcpy(text + length, ".0", 3), length += 2;
	return rv_message_set_header_typed(message, name, RV_HEADER_DOUBLE, text, (size_t)length);
}
