/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Java's .properties. Source of the rules: the class comment of java.util.Properties.load(Reader), and
 * for "#---" Spring Boot's reference, "Working With Multi-Document Files".
 *
 * Two steps: natural lines are joined to one logical line (continuations), and that is split into key and
 * value (escapes).
 */
#include "base/properties.h"

#include "base/buffer.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct reader {
	const char *at, *end;
	int line; /* of the natural line that begins at `at` */
	const struct rv__properties_sink *sink;
	struct rv__buffer logical; /* joined line, still escaped */
	struct rv__buffer key, value;
};

/* One natural line without its end. */
struct span {
	const char *bytes;
	size_t length;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

/* The line at the reading place; false at the end of the text. */
static bool peek_line(const struct reader *reader, struct span *ret_line)
{
	const char *at = reader->at;

	if (at == reader->end)
		return false;
	while (at < reader->end && *at != '\n' && *at != '\r')
		at++;
	*ret_line = (struct span){reader->at, (size_t)(at - reader->at)};
	return true;
}

static bool next_line(struct reader *reader, struct span *ret_line)
{
	if (!peek_line(reader, ret_line))
		return false;
	reader->at += ret_line->length;
	if (reader->at < reader->end)
		reader->at +=
		    *reader->at == '\r' && reader->end - reader->at > 1 && reader->at[1] == '\n' ? 2 : 1;
	reader->line++;
	return true;
}

static struct span strip_left(struct span line)
{
	while (line.length && is_blank(*line.bytes)) {
		line.bytes++;
		line.length--;
	}
	return line;
}

/* An odd number of backslashes at the end joins the next line. */
static bool continues(struct span line)
{
	size_t count = 0;

	while (count < line.length && line.bytes[line.length - 1 - count] == '\\')
		count++;
	return count % 2 == 1;
}

/* "#---" or "!---" alone, with no comment of the same sign right before or behind it. */
static bool is_separator(const struct reader *reader, struct span line, char sign_before)
{
	struct span next;

	if (line.length < 4 || memcmp(line.bytes + 1, "---", 3) != 0 || sign_before == line.bytes[0])
		return false;
	for (size_t i = 4; i < line.length; i++)
		if (!is_blank(line.bytes[i]))
			return false;
	return !peek_line(reader, &next) || next.length == 0 || next.bytes[0] != line.bytes[0];
}

static void fault(const struct reader *reader, int line, const char *text)
{
	reader->sink->fault(reader->sink->arg, line, text);
}

/* `at` stands behind "\u"; returns where reading goes on. Two surrogates are one character. */
static const char *add_unicode(
    const struct reader *reader, int line, struct rv__buffer *out, const char *at, const char *end)
{
	int32_t point = rv__utf16_unescape(&at, end);
	char bytes[4];

	if (point < 0)
		fault(reader, line, "\\u is not followed by four hexadecimal digits; write e.g. \\u00e9");
	else if (point == 0)
		fault(reader, line, "\\u0000 cannot stand in a value; remove it");
	else if (rv__is_surrogate(point))
		fault(
		    reader, line, "half of a surrogate pair; write both \\u escapes or the character itself");
	else
		rv__buffer_add(out, bytes, (size_t)(rv__utf8_put(bytes, (uint32_t)point) - bytes));
	return at;
}

/* Appends the character at `at`, which may be an escape; returns where reading goes on. */
static const char *add_character(
    const struct reader *reader, int line, struct rv__buffer *out, const char *at, const char *end)
{
	static const char from[] = "tnrf";
	static const char to[] = "\t\n\r\f";
	const char *known;

	if (*at != '\\') {
		rv__buffer_add(out, at, 1);
		return at + 1;
	}
	if (++at == end)
		return at;
	if (*at == 'u')
		return add_unicode(reader, line, out, at + 1, end);
	known = memchr(from, *at, sizeof from - 1);
	rv__buffer_add(out, known ? &to[known - from] : at, 1);
	return at + 1;
}

static void split(struct reader *reader, int line)
{
	const char *at = (const char *)reader->logical.bytes;
	const char *end = at + reader->logical.length;

	rv__buffer_clear(&reader->key);
	rv__buffer_clear(&reader->value);
	while (at < end && !is_blank(*at) && *at != '=' && *at != ':')
		at = add_character(reader, line, &reader->key, at, end);
	while (at < end && is_blank(*at))
		at++;
	if (at < end && (*at == '=' || *at == ':'))
		at++;
	while (at < end && is_blank(*at))
		at++;
	while (at < end)
		at = add_character(reader, line, &reader->value, at, end);
	if (reader->key.length == 0)
		fault(reader, line, "there is no key before the separator; write key=value");
	else
		reader->sink->property(
		    reader->sink->arg, line, rv__buffer_text(&reader->key), rv__buffer_text(&reader->value));
}

static void add_line(struct reader *reader, struct span line, int number)
{
	if (memchr(line.bytes, '\0', line.length) || !rv__utf8_valid(line.bytes, line.length))
		fault(reader, number, "the line is not UTF-8 text; save the file as UTF-8");
	else
		rv__buffer_add(&reader->logical, line.bytes, line.length);
}

/* `line` is the first natural line of a property. */
static void read_property(struct reader *reader, struct span line)
{
	int first = reader->line - 1;
	bool more = continues(line);

	rv__buffer_clear(&reader->logical);
	line.length -= more;
	add_line(reader, line, first);
	while (more && next_line(reader, &line)) {
		line = strip_left(line);
		more = continues(line);
		line.length -= more;
		add_line(reader, line, reader->line - 1);
	}
	if (reader->logical.length)
		split(reader, first);
}

void rv__properties_read(const char *bytes, size_t length, const struct rv__properties_sink *sink)
{
	struct reader reader = {.at = bytes, .end = bytes + length, .line = 1, .sink = sink};
	struct span line;
	char sign_before = '\0';

	if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		reader.at += 3;
	while (next_line(&reader, &line)) {
		struct span content = strip_left(line);
		bool comment = content.length && (*content.bytes == '#' || *content.bytes == '!');

		if (comment && content.bytes == line.bytes && is_separator(&reader, line, sign_before))
			sink->document(sink->arg, reader.line - 1);
		else if (content.length && !comment)
			read_property(&reader, content);
		sign_before = comment && content.bytes == line.bytes ? *line.bytes : '\0';
	}
	rv__buffer_finish(&reader.logical);
	rv__buffer_finish(&reader.key);
	rv__buffer_finish(&reader.value);
}
