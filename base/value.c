/* SPDX-License-Identifier: Apache-2.0 */
#include "base/value.h"

#include "base/hash.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *rv__value_word(const struct rv__value *value)
{
	static const char *const words[] = {"nothing (null)", "true or false", "a whole number",
	    "a whole number", "a number", "text", "bytes", "a JSON object or array"};

	return words[value->kind];
}

struct rv__value rv__value_text(const char *text)
{
	return (struct rv__value){.kind = RV__VALUE_TEXT, .bytes = text, .length = strlen(text)};
}

struct rv__value rv__value_from_json(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_STRING:
		return (struct rv__value){.kind = RV__VALUE_TEXT,
		    .bytes = json_string_value(json),
		    .length = json_string_length(json)};
	case JSON_INTEGER: {
		int64_t number = json_integer_value(json);
		bool fits = number >= INT32_MIN && number <= INT32_MAX;

		return (struct rv__value){.kind = fits ? RV__VALUE_INT : RV__VALUE_LONG, .number = number};
	}
	case JSON_REAL:
		return (struct rv__value){.kind = RV__VALUE_DOUBLE, .real = json_real_value(json)};
	case JSON_TRUE:
	case JSON_FALSE:
		return (struct rv__value){.kind = RV__VALUE_BOOL, .flag = json_is_true(json)};
	case JSON_OBJECT:
	case JSON_ARRAY:
		return (struct rv__value){.kind = RV__VALUE_JSON, .json = json};
	case JSON_NULL:
		break;
	}
	return (struct rv__value){.kind = RV__VALUE_NULL};
}

double rv__value_real(const struct rv__value *value)
{
	return value->kind == RV__VALUE_DOUBLE ? value->real : (double)value->number;
}

/* -- comparing -------------------------------------------------------------------------------- */

static int compare_bytes(const struct rv__value *a, const struct rv__value *b)
{
	size_t least = a->length < b->length ? a->length : b->length;
	int order = least > 0 ? memcmp(a->bytes, b->bytes, least) : 0;

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

bool rv__value_equal(const struct rv__value *a, const struct rv__value *b)
{
	if (rv__value_is_number(a) && rv__value_is_number(b))
		return a->kind == RV__VALUE_DOUBLE || b->kind == RV__VALUE_DOUBLE
		    ? rv__value_real(a) == rv__value_real(b)
		    : a->number == b->number;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case RV__VALUE_NULL:
		return true;
	case RV__VALUE_BOOL:
		return a->flag == b->flag;
	case RV__VALUE_JSON:
		return json_equal(a->json, b->json);
	default:
		return compare_bytes(a, b) == 0;
	}
}

bool rv__value_compare(const struct rv__value *a, const struct rv__value *b, int *ret_order)
{
	if (a->kind == RV__VALUE_TEXT && b->kind == RV__VALUE_TEXT) {
		*ret_order = compare_bytes(a, b);
		return true;
	}
	if (!rv__value_is_number(a) || !rv__value_is_number(b))
		return false;
	if (a->kind == RV__VALUE_DOUBLE || b->kind == RV__VALUE_DOUBLE) {
		double x = rv__value_real(a), y = rv__value_real(b);

		*ret_order = (x > y) - (x < y);
		return !isnan(x) && !isnan(y);
	}
	*ret_order = (a->number > b->number) - (a->number < b->number);
	return true;
}

/* -- hashing ------------------------------------------------------------------------------------ */

/* Long.hashCode(): both halves of 64 bits. */
static int32_t hash_halves(uint64_t bits)
{
	return (int32_t)(uint32_t)(bits ^ bits >> 32);
}

static int32_t hash_real(double real)
{
	uint64_t bits;

	if (isnan(real)) /* doubleToLongBits() knows one of them */
		return hash_halves(0x7ff8000000000000u);
	memcpy(&bits, &real, sizeof bits);
	return hash_halves(bits);
}

/* No deeper than what rv__json_load() lets in. */
static int32_t hash_json(const json_t *json)
{
	uint32_t hash = json_is_array(json);
	const char *name;
	json_t *member;
	size_t index;

	if (json_is_array(json)) {
		json_array_foreach(json, index, member)
		{
			struct rv__value value = rv__value_from_json(member);

			hash = hash * 31 + (uint32_t)rv__value_java_hash(&value);
		}
		return (int32_t)hash;
	}
	json_object_foreach((json_t *)json, name, member)
	{
		struct rv__value value = rv__value_from_json(member);

		hash +=
		    (uint32_t)rv__hash_java_text(name, strlen(name)) ^ (uint32_t)rv__value_java_hash(&value);
	}
	return (int32_t)hash;
}

int32_t rv__value_java_hash(const struct rv__value *value)
{
	switch (value->kind) {
	case RV__VALUE_NULL:
		return 0;
	case RV__VALUE_BOOL:
		return value->flag ? 1231 : 1237;
	case RV__VALUE_INT:
		return (int32_t)value->number;
	case RV__VALUE_LONG:
		return hash_halves((uint64_t)value->number);
	case RV__VALUE_DOUBLE:
		return hash_real(value->real);
	case RV__VALUE_TEXT:
		return rv__hash_java_text(value->bytes, value->length);
	case RV__VALUE_BYTES:
		return rv__hash_java_bytes(value->bytes, value->length);
	case RV__VALUE_JSON:
		return hash_json(value->json);
	}
	return 0;
}

/* -- text ----------------------------------------------------------------------------------------- */

/* The fewest digits (from two on, as Java has it) that read back as the same value; *ret_exponent: of d.ddd. */
static int shortest(double real, char digits[20], int *ret_exponent)
{
	char text[40];
	int count = 0;

	for (int precision = 1; precision <= 16; precision++) {
		snprintf(text, sizeof text, "%.*e", precision, real);
		if (strtod(text, NULL) == real)
			break;
	}
	for (const char *at = text; *at && *at != 'e'; at++)
		if (*at >= '0' && *at <= '9')
			digits[count++] = *at;
	*ret_exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	while (count > 1 && digits[count - 1] == '0')
		count--;
	digits[count] = '\0';
	return count;
}

/* Double.toString(): plain between 10^-3 and 10^7, else d.dddE±n; at least one digit behind the point. */
static void write_real(double real, char *text, size_t size)
{
	const char *sign = signbit(real) ? "-" : "";
	char digits[20];
	int exponent, count;

	if (isnan(real) || isinf(real) || real == 0) {
		snprintf(text, size, "%s%s", isnan(real) ? "" : sign,
		    isnan(real)     ? "NaN"
		        : real == 0 ? "0.0"
		                    : "Infinity");
		return;
	}
	count = shortest(fabs(real), digits, &exponent);
	if (exponent < -3 || exponent >= 7)
		snprintf(text, size, "%s%c.%sE%d", sign, digits[0], count > 1 ? digits + 1 : "0", exponent);
	else if (exponent < 0)
		snprintf(text, size, "%s0.%.*s%s", sign, -exponent - 1, "00", digits);
	else if (count <= exponent + 1)
		snprintf(text, size, "%s%s%.*s.0", sign, digits, exponent + 1 - count, "0000000");
	else
		snprintf(text, size, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
}

bool rv__value_to_text(const struct rv__value *value, struct rv__arena *arena, struct rv__value *ret)
{
	char text[48];
	const char *copy;

	switch (value->kind) {
	case RV__VALUE_TEXT:
		*ret = *value;
		return true;
	case RV__VALUE_NULL:
		*ret = rv__value_text("null");
		return true;
	case RV__VALUE_BOOL:
		*ret = rv__value_text(value->flag ? "true" : "false");
		return true;
	case RV__VALUE_INT:
	case RV__VALUE_LONG:
		snprintf(text, sizeof text, "%" PRId64, value->number);
		break;
	case RV__VALUE_DOUBLE:
		write_real(value->real, text, sizeof text);
		break;
	default:
		return false;
	}
	copy = rv__arena_text(arena, text);
	if (copy)
		*ret = rv__value_text(copy);
	return copy;
}
