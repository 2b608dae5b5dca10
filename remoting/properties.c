/* SPDX-License-Identifier: Apache-2.0 */
/* The property string of a message, and Java's hash of the tag in it. */
#include "remoting/record.h"

#include "base/hash.h"

#include <string.h>

enum { NAME_END = 1, PAIR_END = 2 };

bool rv__properties_next(
    const char *properties, size_t length, size_t *position, struct rv__property *ret_property)
{
	while (*position < length) {
		const char *pair = properties + *position;
		const char *end = memchr(pair, PAIR_END, length - *position);
		size_t pair_length = end ? (size_t)(end - pair) : length - *position;
		const char *split = memchr(pair, NAME_END, pair_length);
		size_t name_length = split ? (size_t)(split - pair) : 0;

		*position += pair_length + (end ? 1 : 0);
		/* What Java's decoder drops is not there for anybody. */
		if (name_length == 0 || name_length + 1 >= pair_length)
			continue;
		ret_property->name = pair;
		ret_property->name_length = name_length;
		ret_property->value = split + 1;
		ret_property->value_length = pair_length - name_length - 1;
		return true;
	}
	return false;
}

const char *rv__properties_get(const char *properties, size_t length, const char *name, size_t *ret_length)
{
	size_t name_length = strlen(name);
	const char *found = NULL;
	struct rv__property property;

	for (size_t at = 0; rv__properties_next(properties, length, &at, &property);)
		if (property.name_length == name_length && memcmp(property.name, name, name_length) == 0) {
			found = property.value;
			*ret_length = property.value_length;
		}
	return found;
}

static void append_pair(
    struct rv__buffer *out, const char *name, size_t name_length, const char *value, size_t value_length)
{
	if (out->length > 0 && out->bytes[out->length - 1] != PAIR_END)
		rv__buffer_add_u8(out, PAIR_END);
	rv__buffer_add(out, name, name_length);
	rv__buffer_add_u8(out, NAME_END);
	rv__buffer_add(out, value, value_length);
}

void rv__properties_append(struct rv__buffer *out, const char *name, const char *value, size_t value_length)
{
	if (value && value_length > 0)
		append_pair(out, name, strlen(name), value, value_length);
}

static bool listed(const struct rv__property *property, const char *const *names)
{
	for (; names && *names; names++)
		if (strlen(*names) == property->name_length &&
		    memcmp(*names, property->name, property->name_length) == 0)
			return true;
	return false;
}

void rv__properties_copy(
    struct rv__buffer *out, const char *properties, size_t length, const char *const *drop)
{
	struct rv__property property;

	for (size_t at = 0; rv__properties_next(properties, length, &at, &property);)
		if (!listed(&property, drop))
			append_pair(
			    out, property.name, property.name_length, property.value, property.value_length);
}

int64_t rv__tags_code(const char *properties, size_t length)
{
	size_t tag_length = 0;
	const char *tag = rv__properties_get(properties, length, "TAGS", &tag_length);

	return tag ? rv__hash_java_text(tag, tag_length) : 0;
}
