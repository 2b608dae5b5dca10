/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/numbers.h"

#include <stdbool.h>

/* Brackets outside strings, counted before anything recurses over them. */
static bool nests_too_deep(const char *bytes, size_t length)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < length; i++) {
		char c = bytes[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '[' || c == '{') {
			if (++depth > RV__JSON_DEPTH_MAX)
				return true;
		} else if (c == ']' || c == '}') {
			depth--;
		}
	}
	return false;
}

json_t *rv__json_load(const void *bytes, size_t length, const char *where, struct rv_error *err)
{
	json_error_t error;
	json_t *value;

	if (nests_too_deep(bytes, length)) {
		rv_error_set(err, RV_E_TOOBIG, RV__N_JSON_DEPTH, where,
		    "the JSON nests deeper than %d levels; flatten it", RV__JSON_DEPTH_MAX);
		return NULL;
	}
	value = json_loadb(bytes, length, JSON_DECODE_ANY, &error);
	if (!value)
		rv_error_set(err, RV_E_INVALID, RV__N_JSON_SYNTAX, where,
		    "not valid JSON at line %d, column %d: %s", error.line, error.column, error.text);
	return value;
}
