/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `headers` field: one flat JSON object, written and read in one pass without a tree. Values are written as JSON by
 * their type, and read as text: a string without its quotes, all else as it stands.
 */
#include <string.h>

#include "base/utf8.h"
#include "binder/redis/layout.h"

/* -- writing ------------------------------------------------------------------------------ */

static bool plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Exact for the lowest byte that is below or equal, and so for whether there is one. */
static uint64_t below(uint64_t word, uint8_t limit)
{
	return (word - EACH_BYTE(limit)) & ~word & EACH_BYTE(0x80);
}

/* Copies plain bytes from the start, eight at a time; how many. */
static size_t copy_plain(char *to, const char *bytes, size_t length)
{
	size_t at = 0;
	uint64_t word;

	for (; length - at >= sizeof word; at += sizeof word) {
		memcpy(&word, bytes + at, sizeof word);
		if (below(word, 0x20) | below(word ^ EACH_BYTE('"'), 1) | below(word ^ EACH_BYTE('\\'), 1))
			break;
		memcpy(to + at, &word, sizeof word);
	}
	return at;
}

void rv__redis_json_string(struct rv__buffer *out, const char *bytes, size_t length)
{
	static const char hex[] = "0123456789abcdef";
	/* A character becomes six at most: \u001f. */
	char *start = (char *)rv__buffer_reserve(out, length * 6 + 2), *at = start;
	size_t copied;

	if (!at)
		return;
	*at++ = '"';
	copied = copy_plain(at, bytes, length);
	at += copied;
	for (size_t i = copied; i < length; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (plain(c)) {
			*at++ = (char)c;
			continue;
		}
		*at++ = '\\';
		if (c == '"' || c == '\\') {
			*at++ = (char)c;
			continue;
		}
		memcpy(at, "u00", 3);
		at[3] = hex[c >> 4];
		at[4] = hex[c & 15];
		at += 5;
	}
	*at++ = '"';
	out->length += (size_t)(at - start);
}

static void add_value(struct rv__buffer *out, const struct rv_header *header)
{
	switch (header->type) {
	case RV_HEADER_BOOLEAN:
	case RV_HEADER_INT:
	case RV_HEADER_LONG:
	case RV_HEADER_DOUBLE:
	case RV_HEADER_JSON:
		rv__buffer_add(out, header->value, header->length); /* checked when it was set */
		break;
	default: /* bytes never come here: the core refuses them without RV_CAP_BINARY_HEADERS */
		rv__redis_json_string(out, header->value, header->length);
		break;
	}
}

/* Those that have a field of their own. */
static bool stands_apart(const char *name)
{
	return strcmp(name, RV_HEADER_CONTENT_TYPE) == 0 || strcmp(name, RV_HEADER_KEY) == 0 ||
	    strcmp(name, RV_HEADER_MESSAGE_ID) == 0;
}

void rv__redis_headers_encode(struct rv__buffer *out, const rv_message *message)
{
	const char *id = rv_message_id(message);
	struct rv_header header;

	rv__buffer_add(out, "{\"" RV_HEADER_MESSAGE_ID "\":", sizeof RV_HEADER_MESSAGE_ID + 3);
	rv__redis_json_string(out, id, strlen(id));
	for (size_t i = 0; rv_message_header_entry(message, i, &header); i++) {
		if (stands_apart(header.name))
			continue;
		rv__buffer_add(out, ",", 1);
		rv__redis_json_string(out, header.name, strlen(header.name));
		rv__buffer_add(out, ":", 1);
		add_value(out, &header);
	}
	rv__buffer_add(out, "}", 1);
}

/* -- reading ------------------------------------------------------------------------------ */

struct reader {
	const char *at, *end;
	struct rv__buffer *scratch; /* as large as the whole object from the start: it does not move */
	bool failed;
};

static char look(struct reader *reader)
{
	while (reader->at < reader->end &&
	    (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r'))
		reader->at++;
	return reader->at < reader->end && !reader->failed ? *reader->at : 0;
}

static bool pass(struct reader *reader, char c)
{
	if (look(reader) != c)
		return false;
	reader->at++;
	return true;
}

/* One escape, the backslash passed; where the next byte goes, NULL when it is none. */
static char *read_escape(struct reader *reader, char *at)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = reader->at < reader->end ? *reader->at++ : 0;
	const char *simple = c ? strchr(from, c) : NULL;
	int32_t point;

	if (simple) {
		*at++ = to[simple - from];
		return at;
	}
	point = c == 'u' ? rv__utf16_unescape(&reader->at, reader->end) : -1;
	return point < 0 || rv__is_surrogate(point) ? NULL : rv__utf8_put(at, (uint32_t)point);
}

/* A string: where it lies, or unescaped in scratch. */
static struct rv_span read_string(struct reader *reader)
{
	const char *start, *quote;
	char *copy, *at;

	if (!pass(reader, '"')) {
		reader->failed = true;
		return (struct rv_span){NULL, 0};
	}
	start = reader->at;
	quote = memchr(start, '"', (size_t)(reader->end - start));
	if (quote && !memchr(start, '\\', (size_t)(quote - start))) {
		reader->at = quote + 1;
		return (struct rv_span){start, (size_t)(quote - start)};
	}
	copy = at = (char *)reader->scratch->bytes + reader->scratch->length;
	while (at && reader->at < reader->end && *reader->at != '"') {
		if (*reader->at != '\\') {
			*at++ = *reader->at++;
			continue;
		}
		reader->at++;
		at = read_escape(reader, at);
	}
	if (!at || !pass(reader, '"')) {
		reader->failed = true;
		return (struct rv_span){NULL, 0};
	}
	reader->scratch->length += (size_t)(at - copy);
	return (struct rv_span){copy, (size_t)(at - copy)};
}

/* Passes over an object or array. */
static struct rv_span read_nested(struct reader *reader)
{
	const char *start = reader->at;
	int depth = 0;

	do {
		char c = look(reader);

		if (c == '"') {
			size_t kept = reader->scratch->length;

			(void)read_string(reader);
			reader->scratch->length = kept;
			continue;
		}
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		if (!c)
			reader->failed = true;
		else
			reader->at++;
	} while (depth > 0 && !reader->failed);
	return (struct rv_span){start, (size_t)(reader->at - start)};
}

/* A number or a word. */
static struct rv_span read_bare(struct reader *reader)
{
	const char *start = reader->at;

	while (reader->at < reader->end &&
	    ((*reader->at >= '0' && *reader->at <= '9') || (*reader->at >= 'a' && *reader->at <= 'z') ||
	        *reader->at == '-' || *reader->at == '+' || *reader->at == '.' || *reader->at == 'E'))
		reader->at++;
	if (reader->at == start)
		reader->failed = true;
	return (struct rv_span){start, (size_t)(reader->at - start)};
}

/* Whatever it is, its text: types do not travel (RV_CAP_BINARY_HEADERS). */
static struct rv_span read_value(struct reader *reader)
{
	char c = look(reader);

	if (c == '"')
		return read_string(reader);
	return c == '{' || c == '[' ? read_nested(reader) : read_bare(reader);
}

static void keep(struct rv__redis_decoded *decoded, const struct rv_header_span *header)
{
	static const char id[] = RV_HEADER_MESSAGE_ID;

	if (header->name.length == sizeof id - 1 && memcmp(header->name.bytes, id, sizeof id - 1) == 0)
		decoded->id = header->value;
	else if (decoded->header_count < RV__REDIS_HEADERS_MAX)
		decoded->headers[decoded->header_count++] = *header;
}

bool rv__redis_headers_decode(struct rv_span json, struct rv__redis_decoded *decoded)
{
	struct reader reader = {
	    .at = json.bytes, .end = json.bytes + json.length, .scratch = &decoded->scratch};
	size_t before = decoded->header_count;

	if (!json.bytes || !rv__buffer_reserve(&decoded->scratch, json.length + 1) || !pass(&reader, '{'))
		return false;
	if (pass(&reader, '}'))
		return true;
	do {
		struct rv_header_span header = {.name = read_string(&reader)};

		if (!pass(&reader, ':'))
			reader.failed = true;
		header.value = read_value(&reader);
		if (!reader.failed)
			keep(decoded, &header);
	} while (!reader.failed && pass(&reader, ','));
	if (!reader.failed && pass(&reader, '}'))
		return true;
	decoded->header_count = before;
	return false;
}

bool rv__redis_members(struct rv_span json, struct rv__buffer *scratch, rv__redis_member_fn found, void *arg)
{
	struct reader reader = {.at = json.bytes, .end = json.bytes + json.length, .scratch = scratch};

	if (!json.bytes || !rv__buffer_reserve(scratch, json.length + 1) || !pass(&reader, '{'))
		return false;
	if (!pass(&reader, '}')) {
		do {
			struct rv__redis_member member = {.name = read_string(&reader)};

			if (!pass(&reader, ':'))
				reader.failed = true;
			(void)look(&reader);
			member.raw.bytes = reader.at;
			member.value = read_value(&reader);
			member.raw.length = (size_t)(reader.at - (const char *)member.raw.bytes);
			if (!reader.failed)
				found(arg, &member);
		} while (!reader.failed && pass(&reader, ','));
		if (reader.failed || !pass(&reader, '}'))
			return false;
	}
	(void)look(&reader);
	return reader.at == reader.end;
}
