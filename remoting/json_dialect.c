/* SPDX-License-Identifier: Apache-2.0 */
#include "remoting/json_dialect.h"

#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/numbers.h"

enum { DEPTH_MAX = 64, TEXT_MAX = 32 << 20 };

/* -- writing --------------------------------------------------------------------------------------- */

static void add_escaped(struct rv__buffer *out, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *found = c ? strchr(from, c) : NULL;
	char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

	if (found) {
		text[1] = to[found - from];
		rv__buffer_add(out, text, 2);
		return;
	}
	rv__buffer_add(out, text, 6);
}

void rv__json_add_string(struct rv__buffer *out, const char *text, size_t length)
{
	size_t plain = 0;

	if (length == 0) {
		rv__buffer_add(out, "\"\"", 2);
		return;
	}
	rv__buffer_add(out, "\"", 1);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		rv__buffer_add(out, text + plain, i - plain);
		add_escaped(out, c);
		plain = i + 1;
	}
	rv__buffer_add(out, text + plain, length - plain);
	rv__buffer_add(out, "\"", 1);
}

/* -- reading: the dialect becomes JSON ---------------------------------------------------------------- */

struct rewriter {
	const char *at;
	const char *end;
	struct rv__buffer out;
	const char *wrong;
	bool in_key; /* an object that is a key has no such keys itself: quoting would grow without bound */
};

static bool fail(struct rewriter *r, const char *what)
{
	if (!r->wrong)
		r->wrong = what;
	return false;
}

static bool at_char(struct rewriter *r, char c)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
	return r->at < r->end && *r->at == c;
}

static bool copy_char(struct rewriter *r, char c)
{
	if (!at_char(r, c))
		return false;
	r->at++;
	rv__buffer_add(&r->out, &c, 1);
	return true;
}

/* A string with its quotes, escapes left as they are: jansson judges them. */
static bool copy_string(struct rewriter *r)
{
	const char *start = r->at++;

	while (r->at < r->end && *r->at != '"') {
		if (*r->at == '\\' && r->end - r->at > 1)
			r->at++;
		r->at++;
	}
	if (r->at >= r->end)
		return fail(r, "a string does not end");
	r->at++;
	rv__buffer_add(&r->out, start, (size_t)(r->at - start));
	return true;
}

static bool copy_word(struct rewriter *r)
{
	const char *start = r->at;

	while (r->at < r->end && !memchr(",:{}[]\" \t\r\n", *r->at, 11))
		r->at++;
	if (r->at == start)
		return fail(r, "a value is missing");
	rv__buffer_add(&r->out, start, (size_t)(r->at - start));
	return true;
}

static bool copy_value(struct rewriter *r, int depth);

/* Turns what was written behind `from` into the content of one JSON string. */
static void quote_from(struct rewriter *r, size_t from)
{
	struct rv__buffer quoted = RV__BUFFER_INIT(TEXT_MAX);

	if (rv__buffer_error(&r->out) != RV_OK)
		return;
	rv__json_add_string(&quoted, (const char *)r->out.bytes + from, r->out.length - from);
	r->out.length = from;
	if (rv__buffer_error(&quoted) != RV_OK)
		r->out.failed = quoted.failed;
	else
		rv__buffer_add(&r->out, quoted.bytes, quoted.length);
	rv__buffer_finish(&quoted);
}

static bool copy_key(struct rewriter *r, int depth)
{
	size_t from = r->out.length;

	if (at_char(r, '"'))
		return copy_string(r);
	if (at_char(r, '{')) {
		if (r->in_key)
			return fail(r, "an object as a key within a key");
		r->in_key = true;
		if (!copy_value(r, depth + 1))
			return false;
		r->in_key = false;
	} else if (!copy_word(r)) {
		return false;
	}
	quote_from(r, from);
	return true;
}

static bool copy_members(struct rewriter *r, int depth)
{
	if (copy_char(r, '}'))
		return true;
	do
		if (!copy_key(r, depth) || !(copy_char(r, ':') || fail(r, "a colon is missing")) ||
		    !copy_value(r, depth))
			return false;
	while (copy_char(r, ','));
	return copy_char(r, '}') || fail(r, "an object does not end");
}

static bool copy_items(struct rewriter *r, int depth)
{
	if (copy_char(r, ']'))
		return true;
	do
		if (!copy_value(r, depth))
			return false;
	while (copy_char(r, ','));
	return copy_char(r, ']') || fail(r, "an array does not end");
}

static bool copy_value(struct rewriter *r, int depth)
{
	if (depth > DEPTH_MAX)
		return fail(r, "nested too deeply");
	if (copy_char(r, '{'))
		return copy_members(r, depth + 1);
	if (copy_char(r, '['))
		return copy_items(r, depth + 1);
	if (at_char(r, '"'))
		return copy_string(r);
	return copy_word(r);
}

json_t *rv__json_parse(const void *text, size_t length, struct rv_error *err)
{
	struct rewriter r = {.at = text, .out = RV__BUFFER_INIT(TEXT_MAX)};
	json_error_t detail;
	json_t *value = NULL;

	if (length == 0) {
		rv_error_set(
		    err, RV_E_PROTOCOL, RV__N_BODY_MALFORMED, "remoting", "malformed JSON body: it is empty");
		return NULL;
	}
	r.end = r.at + length;
	if (copy_value(&r, 0) && (at_char(&r, '\0'), r.at < r.end))
		fail(&r, "bytes behind the value");
	if (!r.wrong && rv__buffer_error(&r.out) == RV_OK) {
		value = json_loadb(
		    (const char *)r.out.bytes, r.out.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &detail);
		if (!value)
			r.wrong = detail.text;
	}
	if (!value)
		rv_error_set(err, r.wrong ? RV_E_PROTOCOL : r.out.failed, RV__N_BODY_MALFORMED, "remoting",
		    "malformed JSON body: %s", r.wrong ? r.wrong : rv_err_text(r.out.failed));
	rv__buffer_finish(&r.out);
	return value;
}

/* -- members ------------------------------------------------------------------------------------------ */

const char *rv__json_text(const json_t *object, const char *name, const char *fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? json_string_value(value) : fallback;
}

int64_t rv__json_i64(const json_t *object, const char *name, int64_t fallback)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);
	int64_t number;

	if (json_is_integer(value))
		return json_integer_value(value);
	return text && rv__decimal_read(text, strlen(text), &number) ? number : fallback;
}

bool rv__json_bool(const json_t *object, const char *name, bool fallback)
{
	const json_t *value = json_object_get(object, name);

	if (json_is_boolean(value))
		return json_is_true(value);
	return json_is_string(value) ? strcmp(json_string_value(value), "true") == 0 : fallback;
}
