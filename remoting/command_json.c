/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader for the one JSON shape of a command header: a flat object with extFields inside. It walks
 * the text once, unescapes in place and allocates nothing, since every request passes through it.
 */
#include "remoting/command_json.h"

#include "base/utf8.h"

#include <string.h>

enum { DEPTH_MAX = 32 };

struct scanner {
	char *at;
	char *end;
	const char *wrong; /* first mistake */
};

static bool fail(struct scanner *s, const char *what)
{
	if (!s->wrong)
		s->wrong = what;
	return false;
}

static void skip_blanks(struct scanner *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static bool next_is(struct scanner *s, char c)
{
	skip_blanks(s);
	return s->at < s->end && *s->at == c;
}

static bool accept(struct scanner *s, char c)
{
	if (!next_is(s, c))
		return false;
	s->at++;
	return true;
}

/* The digits behind \u, with the second half of a surrogate pair; a half alone becomes U+FFFD. */
static char *unescape_unit(struct scanner *s, char *out)
{
	const char *at = s->at;
	int32_t point = rv__utf16_unescape(&at, s->end);

	if (point < 0) {
		fail(s, "bad \\u escape");
		return out;
	}
	s->at += at - s->at;
	return rv__utf8_put(out, rv__is_surrogate(point) ? 0xfffd : (uint32_t)point);
}

static char *unescape(struct scanner *s, char *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c;

	if (s->at == s->end) {
		fail(s, "a string does not end");
		return out;
	}
	c = *s->at++;
	if (c == 'u')
		return unescape_unit(s, out);
	found = c ? strchr(from, c) : NULL;
	if (!found)
		fail(s, "unknown escape");
	else
		*out++ = to[found - from];
	return out;
}

/* The cursor stands behind the opening quote. What is unescaped is never longer than its escape. */
static bool read_string(struct scanner *s, struct rv_span *ret_span)
{
	char *start = s->at;
	char *out;

	while (s->at < s->end && *s->at != '"' && *s->at != '\\')
		s->at++;
	out = s->at;
	while (s->at < s->end && *s->at != '"' && !s->wrong) {
		if (*s->at != '\\') {
			*out++ = *s->at++;
		} else {
			s->at++;
			out = unescape(s, out);
		}
	}
	if (s->wrong)
		return false;
	if (s->at == s->end)
		return fail(s, "a string does not end");
	s->at++;
	*ret_span = (struct rv_span){start, (size_t)(out - start)};
	return true;
}

/* A number, true, false or null, as it stands. */
static bool read_word(struct scanner *s, struct rv_span *ret_span)
{
	char *start = s->at;

	while (s->at < s->end &&
	    ((*s->at >= '0' && *s->at <= '9') || (*s->at >= 'a' && *s->at <= 'z') ||
	        (*s->at >= 'A' && *s->at <= 'Z') || *s->at == '-' || *s->at == '+' || *s->at == '.'))
		s->at++;
	if (s->at == start)
		return fail(s, "a value is missing");
	*ret_span = (struct rv_span){start, (size_t)(s->at - start)};
	return true;
}

/* Skips an object or array, strings inside respected. */
static bool skip_nested(struct scanner *s)
{
	struct rv_span ignored;
	int depth = 0;

	do {
		char c;

		if (s->at == s->end)
			return fail(s, "an object does not end");
		c = *s->at++;
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		else if (c == '"' && !read_string(s, &ignored))
			return false;
		if (depth > DEPTH_MAX)
			return fail(s, "nested too deeply");
	} while (depth > 0);
	return true;
}

/* One scalar; an object or array counts as absent, like null. */
static bool read_scalar(struct scanner *s, struct rv_span *ret_span)
{
	*ret_span = (struct rv_span){NULL, 0};
	if (accept(s, '"'))
		return read_string(s, ret_span);
	if (next_is(s, '{') || next_is(s, '['))
		return skip_nested(s);
	if (!read_word(s, ret_span))
		return false;
	if (rv__span_is(*ret_span, "null"))
		*ret_span = (struct rv_span){NULL, 0};
	return true;
}

static bool read_key(struct scanner *s, struct rv_span *ret_key)
{
	if (!accept(s, '"'))
		return fail(s, "a key is missing");
	return read_string(s, ret_key) && (accept(s, ':') || fail(s, "a colon is missing"));
}

/* Behind a member: true when another follows, false at the end of the object or on a mistake. */
static bool another_member(struct scanner *s)
{
	if (accept(s, ','))
		return true;
	if (!accept(s, '}'))
		fail(s, "an object does not end");
	return false;
}

static void read_fields(struct scanner *s, struct rv__command *command)
{
	if (accept(s, '}'))
		return;
	do {
		struct rv__field field;

		if (!read_key(s, &field.name) || !read_scalar(s, &field.value))
			return;
		if (!field.value.bytes)
			continue;
		if (command->field_count == RV__FIELDS_MAX) {
			fail(s, "too many extFields");
			return;
		}
		command->fields[command->field_count++] = field;
	} while (another_member(s));
}

static void store_number(struct scanner *s, struct rv_span value, int32_t *ret_number)
{
	int64_t number;

	if (!value.bytes)
		return;
	if (!rv__span_i64(value, &number) || number < INT32_MIN || number > INT32_MAX)
		fail(s, "a number is malformed");
	else
		*ret_number = (int32_t)number;
}

static void store_member(
    struct scanner *s, struct rv__command *command, struct rv_span key, struct rv_span value)
{
	if (rv__span_is(key, "code"))
		store_number(s, value, &command->code);
	else if (rv__span_is(key, "opaque"))
		store_number(s, value, &command->opaque);
	else if (rv__span_is(key, "flag"))
		store_number(s, value, &command->flag);
	else if (rv__span_is(key, "version"))
		store_number(s, value, &command->version);
	else if (rv__span_is(key, "language"))
		command->language = rv__language_find(value);
	else if (rv__span_is(key, "remark"))
		command->remark = value;
}

rv_err rv__command_decode_json(char *text, size_t length, struct rv__command *command, struct rv_error *err)
{
	struct scanner s = {.at = text, .end = text + length};
	struct rv_span key, value;

	if (!accept(&s, '{'))
		return rv__command_malformed(err, "it is not a JSON object");
	if (!accept(&s, '}')) {
		do {
			if (!read_key(&s, &key))
				break;
			if (rv__span_is(key, "extFields") && accept(&s, '{'))
				read_fields(&s, command);
			else if (read_scalar(&s, &value))
				store_member(&s, command, key, value);
		} while (!s.wrong && another_member(&s));
	}
	skip_blanks(&s);
	if (!s.wrong && s.at != s.end)
		fail(&s, "bytes behind the object");
	return s.wrong ? rv__command_malformed(err, s.wrong) : RV_OK;
}
