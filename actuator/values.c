/* SPDX-License-Identifier: Apache-2.0 */
#include "actuator/values.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HIDDEN "******"

static json_t *list_json(const struct rv_strings *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_string(list->items[i]));
	return array;
}

static json_t *map_json(const struct rv_pairs *map, bool secret)
{
	json_t *object = json_object();

	for (size_t i = 0; i < map->count; i++)
		json_object_set_new(
		    object, map->items[i].name, json_string(secret ? HIDDEN : map->items[i].value));
	return object;
}

static json_t *choice_json(const char *const *choices, int64_t index)
{
	for (int64_t i = 0; choices && choices[i]; i++)
		if (i == index)
			return json_string(choices[i]);
	return json_null();
}

static json_t *value_json(const struct rv_prop_desc *row, const void *settings)
{
	const void *at = (const char *)settings + row->offset;
	bool secret = row->flags & RV_PROP_SECRET;

	switch (row->type) {
	case RV_PROP_STRING: {
		const char *text = *(const char *const *)at;

		return !text ? json_null() : json_string(secret ? HIDDEN : text);
	}
	case RV_PROP_BOOL:
		return json_boolean(*(const bool *)at);
	case RV_PROP_DOUBLE:
		return json_real(*(const double *)at);
	case RV_PROP_ENUM:
		return choice_json(row->choices, *(const int64_t *)at);
	case RV_PROP_LIST:
		return secret ? json_string(HIDDEN) : list_json(at);
	case RV_PROP_MAP:
		return map_json(at, secret);
	case RV_PROP_INT:
	case RV_PROP_DURATION:
	case RV_PROP_SIZE:
		break;
	}
	return secret ? json_string(HIDDEN) : json_integer(*(const int64_t *)at);
}

/* "back-off-max" of `length` bytes -> "backOffMax". */
static void camel(const char *name, size_t length, char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used + 1 < size; i++) {
		if (name[i] == '-' && i + 1 < length)
			text[used++] = (char)toupper((unsigned char)name[++i]);
		else
			text[used++] = name[i];
	}
	text[used] = '\0';
}

/* Takes `value`. */
static void set_nested(json_t *object, const char *name, json_t *value)
{
	char key[128];
	const char *dot;

	while ((dot = strchr(name, '.'))) {
		json_t *inner;

		camel(name, (size_t)(dot - name), key, sizeof key);
		inner = json_object_get(object, key);
		if (!json_is_object(inner)) {
			inner = json_object();
			json_object_set_new(object, key, inner);
		}
		object = inner;
		name = dot + 1;
	}
	camel(name, strlen(name), key, sizeof key);
	json_object_set_new(object, key, value);
}

json_t *rv__values_json(const struct rv_prop_table *table, const void *settings)
{
	const uint32_t absent = RV_PROP_NO_EFFECT | RV_PROP_REFUSED | RV_PROP_JAVA_ONLY;
	json_t *object = json_object();

	if (!table || !table->rows || !settings)
		return object;
	for (const struct rv_prop_desc *row = table->rows; row->name; row++)
		if (!(row->flags & absent))
			set_nested(object, row->name, value_json(row, settings));
	return object;
}
