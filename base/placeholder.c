/* SPDX-License-Identifier: Apache-2.0 */
#include "base/placeholder.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32, VALUE_MAX = 65536, NAME_MAX_ = 1024 };

struct expansion {
	rv__placeholder_fn look_up;
	void *arg;
	char *fault;
	size_t size;
};

static bool expand(struct expansion *job, const char *text, size_t length, struct rv__buffer *out, int depth);

static bool fail(struct expansion *job, const char *what, const char *name, const char *cure)
{
	snprintf(job->fault, job->size, "placeholder '${%s}' %s; %s", name, what, cure);
	return false;
}

/* `text` stands behind "${"; the place of the closing brace, or NULL. */
static const char *closing_brace(const char *text, const char *end)
{
	int open = 1;

	for (; text < end; text++) {
		if (*text == '{' && text[-1] == '$')
			open++;
		else if (*text == '}' && --open == 0)
			return text;
	}
	return NULL;
}

/* The colon that begins the default: the first one outside nested placeholders. */
static const char *default_colon(const char *text, const char *end)
{
	int open = 0;

	for (const char *c = text; c < end; c++) {
		if (*c == '{' && c > text && c[-1] == '$')
			open++;
		else if (*c == '}' && open)
			open--;
		else if (*c == ':' && open == 0)
			return c;
	}
	return NULL;
}

static bool read_number(const char **at, int64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoll(*at, &end, 10);
	if (errno || end == *at)
		return false;
	*at = end;
	return true;
}

/* Reads "(max)" or "[min,max]"; nothing at all leaves the full range. */
static bool read_range(const char *text, int64_t *low, int64_t *high)
{
	if (!*text)
		return true;
	if (*text == '(') {
		text++;
		*low = 0;
		return read_number(&text, high) && *text == ')' && *high > 0;
	}
	if (*text++ != '[' || !read_number(&text, low) || *text++ != ',')
		return false;
	return read_number(&text, high) && *text == ']' && *high > *low;
}

static bool add_uuid(struct rv__buffer *out)
{
	uint64_t high = (rv__random() & ~0xf000u) | 0x4000u;
	uint64_t low = (rv__random() & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;

	rv__buffer_printf(out, "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
	    high >> 32, (high >> 16) & 0xffff, high & 0xffff, low >> 48, low & 0xffffffffffff);
	return true;
}

/* Whether `name` is one of Spring Boot's random values; then it is appended. */
static bool add_random(const char *name, struct rv__buffer *out)
{
	int64_t low;
	int64_t high;

	if (strncmp(name, "random.", 7) != 0)
		return false;
	name += 7;
	if (strcmp(name, "uuid") == 0)
		return add_uuid(out);
	if (strcmp(name, "value") == 0) {
		rv__buffer_printf(out, "%016" PRIx64 "%016" PRIx64, rv__random(), rv__random());
		return true;
	}
	if (strncmp(name, "int", 3) == 0) {
		low = INT32_MIN;
		high = INT32_MAX;
		name += 3;
	} else if (strncmp(name, "long", 4) == 0) {
		low = INT64_MIN;
		high = INT64_MAX;
		name += 4;
	} else {
		return false;
	}
	if (!read_range(name, &low, &high))
		return false;
	rv__buffer_printf(
	    out, "%" PRId64, (int64_t)((uint64_t)low + rv__random() % ((uint64_t)high - (uint64_t)low)));
	return true;
}

/* text[length] is what stands between the braces. */
static bool expand_one(
    struct expansion *job, const char *text, size_t length, struct rv__buffer *out, int depth)
{
	const char *colon = default_colon(text, text + length);
	struct rv__buffer name = RV__BUFFER_INIT(NAME_MAX_);
	const char *fault = NULL;
	const char *value;
	bool done;

	done = expand(job, text, colon ? (size_t)(colon - text) : length, &name, depth + 1);
	if (done) {
		value = job->look_up(job->arg, rv__buffer_text(&name), &fault);
		if (fault)
			done = fail(job, fault, rv__buffer_text(&name), "break the circle or the chain");
		else if (value)
			rv__buffer_add_text(out, value);
		else if (add_random(rv__buffer_text(&name), out))
			done = true;
		else if (colon)
			done = expand(job, colon + 1, (size_t)(text + length - colon - 1), out, depth + 1);
		else
			done = fail(job, "has no value", rv__buffer_text(&name),
			    "set that key, or write a default as in ${key:default}");
	}
	rv__buffer_finish(&name);
	return done;
}

static bool expand(struct expansion *job, const char *text, size_t length, struct rv__buffer *out, int depth)
{
	const char *end = text + length;

	if (depth > DEPTH_MAX)
		return fail(job, "nests deeper than 32 levels", "…", "simplify the value");
	while (text < end) {
		const char *close;

		if (end - text >= 3 && memcmp(text, "\\${", 3) == 0) {
			rv__buffer_add_text(out, "${");
			text += 3;
		} else if (end - text >= 2 && text[0] == '$' && text[1] == '{' &&
		    (close = closing_brace(text + 2, end))) {
			if (!expand_one(job, text + 2, (size_t)(close - text - 2), out, depth))
				return false;
			text = close + 1;
		} else {
			rv__buffer_add(out, text++, 1);
		}
	}
	if (rv__buffer_error(out) != RV_OK)
		return fail(job, "makes the value longer than 64 KiB", "…", "shorten it");
	return true;
}

bool rv__placeholder_expand(
    const char *text, rv__placeholder_fn look_up, void *arg, struct rv__buffer *out, char *fault, size_t size)
{
	struct expansion job = {.look_up = look_up, .arg = arg, .fault = fault, .size = size};

	out->limit = VALUE_MAX;
	return expand(&job, text, strlen(text), out, 0);
}
