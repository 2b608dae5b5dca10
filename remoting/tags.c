/* SPDX-License-Identifier: Apache-2.0 */
#include "remoting/tags.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/numbers.h"
#include "remoting/record.h"

static bool add_tag(struct rv__tags *tags, const char *name, size_t length)
{
	char **names = realloc(tags->names, (tags->count + 1) * sizeof(*names));
	int32_t *codes = realloc(tags->codes, (tags->count + 1) * sizeof(*codes));

	if (names)
		tags->names = names;
	if (codes)
		tags->codes = codes;
	if (!names || !codes || !(names[tags->count] = strndup(name, length)))
		return false;
	codes[tags->count++] = rv__hash_java_text(name, length);
	return true;
}

static bool is_blank(char c)
{
	return (unsigned char)c <= ' ';
}

static const char *find_bars(const char *at, const char *end)
{
	for (; end - at >= 2; at++)
		if (at[0] == '|' && at[1] == '|')
			return at;
	return end;
}

rv_err rv__tags_parse(const char *expression, size_t length, struct rv__tags *ret_tags, struct rv_error *err)
{
	struct rv__tags tags = {NULL, NULL, 0};
	const char *at = expression, *end;

	if (length == 0 || (length == 1 && *expression == '*')) {
		*ret_tags = tags;
		return RV_OK;
	}
	end = expression + length;
	while (at < end) {
		const char *bars = find_bars(at, end);
		const char *from = at, *to = bars;

		while (from < to && is_blank(*from))
			from++;
		while (to > from && is_blank(to[-1]))
			to--;
		if (to > from && !add_tag(&tags, from, (size_t)(to - from))) {
			rv__tags_finish(&tags);
			return rv_error_set(err, RV_E_NOMEM, 0, "remoting", "no memory for a tag expression");
		}
		at = bars == end ? end : bars + 2;
	}
	if (tags.count == 0)
		return rv_error_set(err, RV_E_INVALID, RV__N_TAGS_MALFORMED, "remoting",
		    "'%.*s' is not a tag expression: write '*', 'A' or 'A || B'",
		    (int)(length > 200 ? 200 : length), expression);
	*ret_tags = tags;
	return RV_OK;
}

void rv__tags_finish(struct rv__tags *tags)
{
	for (size_t i = 0; i < tags->count; i++)
		free(tags->names[i]);
	free(tags->names);
	free(tags->codes);
	*tags = (struct rv__tags){NULL, NULL, 0};
}

bool rv__tags_match_code(const struct rv__tags *tags, int64_t code)
{
	for (size_t i = 0; i < tags->count; i++)
		if (tags->codes[i] == code)
			return true;
	return tags->count == 0;
}

bool rv__tags_match(const struct rv__tags *tags, const char *tag, size_t length)
{
	for (size_t i = 0; tag && i < tags->count; i++)
		if (strlen(tags->names[i]) == length && memcmp(tags->names[i], tag, length) == 0)
			return true;
	return tags->count == 0;
}
