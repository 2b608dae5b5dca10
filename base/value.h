/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value of an expression: what Java would have in its place. Bytes and JSON are borrowed from whoever
 * made the value. Functions without state; any thread.
 */
#ifndef BASE_VALUE_H
#define BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/arena.h"

enum rv__value_kind {
	RV__VALUE_NULL,
	RV__VALUE_BOOL,
	RV__VALUE_INT,  /* 32 bits, Integer */
	RV__VALUE_LONG, /* 64 bits, Long */
	RV__VALUE_DOUBLE,
	RV__VALUE_TEXT,  /* UTF-8, String */
	RV__VALUE_BYTES, /* byte[] */
	RV__VALUE_JSON   /* an object or array: Map or List */
};

struct rv__value {
	enum rv__value_kind kind;
	union {
		bool flag;
		int64_t number; /* INT and LONG */
		double real;
		struct {
			const char *bytes;
			size_t length;
		};
		const json_t *json;
	};
};

/** Its word in sentences: "text", "a whole number" … */
const char *rv__value_word(const struct rv__value *value);

/** A JSON value as Jackson gives it to a Map: whole numbers that fit become INT, the others LONG. */
struct rv__value rv__value_from_json(const json_t *json);

static inline bool rv__value_is_number(const struct rv__value *value)
{
	return value->kind >= RV__VALUE_INT && value->kind <= RV__VALUE_DOUBLE;
}

/** A number as double. */
double rv__value_real(const struct rv__value *value);

/** Equal as SpEL's == has it: numbers by value whatever their kind; different kinds never. */
bool rv__value_equal(const struct rv__value *a, const struct rv__value *b);

/** Orders two numbers or two texts. false: they have no order. */
bool rv__value_compare(const struct rv__value *a, const struct rv__value *b, int *ret_order);

/**
 * Object.hashCode(). Bytes are hashed by content (Arrays.hashCode), since an identity is worth nothing; a Map and a
 * List as AbstractMap and AbstractList do. 0 for NULL.
 */
int32_t rv__value_java_hash(const struct rv__value *value);

/**
 * String.valueOf() of anything but BYTES and JSON: *ret is a TEXT, borrowed from `value` or in the arena.
 * false: no text, or no memory.
 */
bool rv__value_to_text(const struct rv__value *value, struct rv__arena *arena, struct rv__value *ret);

/** A text of the arena or static, as value. */
struct rv__value rv__value_text(const char *text);

#endif
