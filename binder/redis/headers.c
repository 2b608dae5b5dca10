/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `headers` field: one flat JSON object, written and read in one pass without a tree. Values are written as JSON by
 * their type and read back by their look: a string is text, a number an int where it fits one, else a long or a double.
 * What a look does not tell stands in the field `types`, which is there only then. Bytes are {"$b64":"…"}, and JSON that is no
 * object or array, or looks like one of these two, is {"$json":…}.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
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

static const char bytes_word[] = "{\"$b64\":", json_word[] = "{\"$json\":";

static bool starts(struct rv_span span, const char *word)
{
	size_t length = strlen(word);

	return span.length >= length && memcmp(span.bytes, word, length) == 0;
}

static void add_bytes(struct rv__buffer *out, const struct rv_header *header)
{
	size_t length = rv__base64_length(header->length);
	char *at = (char *)rv__buffer_reserve(out, sizeof bytes_word + length + 3), *start = at;

	if (!at)
		return;
	memcpy(at, bytes_word, sizeof bytes_word - 1);
	at += sizeof bytes_word - 1;
	*at++ = '"';
	at = rv__base64_put(at, header->value, header->length);
	*at++ = '"';
	*at++ = '}';
	out->length += (size_t)(at - start);
}

/* Checked when it was set. White space before it or inside our words is no matter: others would not write it so. */
static void add_json(struct rv__buffer *out, const struct rv_header *header)
{
	struct rv_span value = {header->value, header->length};
	bool plain_look = (starts(value, "{") || starts(value, "[")) && !starts(value, "{\"$b64\"") &&
	    !starts(value, "{\"$json\"");

	if (!plain_look)
		rv__buffer_add(out, json_word, sizeof json_word - 1);
	rv__buffer_add(out, header->value, header->length);
	if (!plain_look)
		rv__buffer_add(out, "}", 1);
}

static void add_value(struct rv__buffer *out, const struct rv_header *header)
{
	switch (header->type) {
	case RV_HEADER_BOOLEAN:
	case RV_HEADER_INT:
	case RV_HEADER_LONG:
	case RV_HEADER_DOUBLE:
		rv__buffer_add(out, header->value, header->length); /* checked when it was set */
		break;
	case RV_HEADER_JSON:
		add_json(out, header);
		break;
	case RV_HEADER_BYTES:
		add_bytes(out, header);
		break;
	default:
		rv__redis_json_string(out, header->value, header->length);
		break;
	}
}

/* Those that tell of a delivery (receive-headers). */
static bool is_of_delivery(const char *name)
{
	static const char *const names[] = {"redis_stream", "redis_messageId", "redis_group",
	    "redis_consumer", "redis_deliveryCount", "redis_receivedTimestamp"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

bool rv__redis_stands_apart(const char *name)
{
	return strcmp(name, RV_HEADER_CONTENT_TYPE) == 0 || strcmp(name, RV_HEADER_KEY) == 0 ||
	    strcmp(name, RV_HEADER_MESSAGE_ID) == 0 || (*name == 'r' && is_of_delivery(name));
}

void rv__redis_headers_encode(struct rv__buffer *out, const rv_message *message)
{
	const char *id = rv_message_id(message);
	struct rv_header header;

	rv__buffer_add(out, "{\"" RV_HEADER_MESSAGE_ID "\":", sizeof RV_HEADER_MESSAGE_ID + 3);
	rv__redis_json_string(out, id, strlen(id));
	for (size_t i = 0; rv_message_header_entry(message, i, &header); i++) {
		if (rv__redis_stands_apart(header.name))
			continue;
		rv__buffer_add(out, ",", 1);
		rv__redis_json_string(out, header.name, strlen(header.name));
		rv__buffer_add(out, ":", 1);
		add_value(out, &header);
	}
	rv__buffer_add(out, "}", 1);
}

/* -- types ---------------------------------------------------------------------------------- */

static size_t digits(const char **at, const char *end)
{
	const char *start = *at;

	while (*at < end && **at >= '0' && **at <= '9')
		++*at;
	return (size_t)(*at - start);
}

/* An int where it fits one, else a long; text where neither holds it. */
static enum rv_header_type look_of_whole(struct rv_span value)
{
	char text[24];
	intmax_t number;

	if (value.length > 20)
		return RV_HEADER_TEXT;
	memcpy(text, value.bytes, value.length);
	text[value.length] = '\0';
	errno = 0;
	number = strtoimax(text, NULL, 10);
	if (errno != 0)
		return RV_HEADER_TEXT;
	return number >= INT32_MIN && number <= INT32_MAX ? RV_HEADER_INT : RV_HEADER_LONG;
}

/* What a number of JSON looks like; text where it is none, or one that may be too large for a double. */
static enum rv_header_type look_of_number(struct rv_span value)
{
	const char *at = value.bytes, *end = at + value.length, *start;
	bool whole = true;
	size_t n;

	at += at < end && *at == '-';
	start = at;
	n = digits(&at, end);
	if (n == 0 || (n > 1 && *start == '0') || n > 300)
		return RV_HEADER_TEXT;
	if (at < end && *at == '.') {
		whole = false;
		at++;
		if (digits(&at, end) == 0)
			return RV_HEADER_TEXT;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		bool small;

		whole = false;
		at++;
		small = at < end && *at == '-';
		at += at < end && (*at == '-' || *at == '+');
		start = at;
		n = digits(&at, end);
		if (n == 0 || (!small && (n > 3 || (n == 3 && *start > '2') || value.length > 40)))
			return RV_HEADER_TEXT;
	}
	if (at != end)
		return RV_HEADER_TEXT;
	/* No whole number is written -0. */
	return whole && !(value.bytes[0] == '-' && *start == '0') ? look_of_whole(value) : RV_HEADER_DOUBLE;
}

/* The word for a type that its value does not show; NULL: it does. */
static const char *hidden_type(const struct rv_header *header)
{
	if (header->type != RV_HEADER_LONG && header->type != RV_HEADER_DOUBLE)
		return NULL;
	if (look_of_number((struct rv_span){header->value, header->length}) == header->type)
		return NULL;
	return header->type == RV_HEADER_LONG ? "long" : "double";
}

bool rv__redis_types_needed(const rv_message *message)
{
	struct rv_header header;

	for (size_t i = 0; rv_message_header_entry(message, i, &header); i++)
		if (header.type != RV_HEADER_TEXT && hidden_type(&header) &&
		    !rv__redis_stands_apart(header.name))
			return true;
	return false;
}

void rv__redis_types_encode(struct rv__buffer *out, const rv_message *message)
{
	struct rv_header header;
	bool first = true;

	for (size_t i = 0; rv_message_header_entry(message, i, &header); i++) {
		const char *type = hidden_type(&header);

		if (!type || rv__redis_stands_apart(header.name))
			continue;
		rv__buffer_add(out, first ? "{" : ",", 1);
		first = false;
		rv__redis_json_string(out, header.name, strlen(header.name));
		rv__buffer_add(out, ":", 1);
		rv__redis_json_string(out, type, strlen(type));
	}
	rv__buffer_add(out, "}", 1);
}

static void take_type(void *arg, const struct rv__redis_member *member)
{
	struct rv__redis_decoded *decoded = arg;
	bool is_long = member->value.length == 4 && memcmp(member->value.bytes, "long", 4) == 0;
	bool is_double = member->value.length == 6 && memcmp(member->value.bytes, "double", 6) == 0;

	for (size_t i = 0; i < decoded->header_count; i++) {
		struct rv_header_span *header = &decoded->headers[i];

		if (header->name.length != member->name.length || !member->name.bytes ||
		    memcmp(header->name.bytes, member->name.bytes, member->name.length) != 0)
			continue;
		if (header->type == RV_HEADER_INT && is_long)
			header->type = RV_HEADER_LONG;
		else if ((header->type == RV_HEADER_INT || header->type == RV_HEADER_LONG) && is_double)
			header->type = RV_HEADER_DOUBLE;
	}
}

/* -- reading ------------------------------------------------------------------------------ */

struct reader {
	const char *at, *end;
	struct rv__buffer *scratch; /* as large as the whole object from the start: it does not move */
	enum rv_header_type type;   /* of the value that was read last */
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

/* The one value inside {"$b64":"…"} and {"$json":…}; false: it is an object like any other. */
static bool unwrap(struct reader *reader, struct rv_span *value)
{
	bool is_bytes = starts(*value, bytes_word);
	struct reader inner = {.scratch = reader->scratch};
	struct rv_span raw, text;
	size_t kept = reader->scratch->length;

	if (!is_bytes && !starts(*value, json_word))
		return false;
	inner.at = value->bytes + (is_bytes ? sizeof bytes_word : sizeof json_word) - 1;
	inner.end = value->bytes + value->length;
	(void)look(&inner);
	raw.bytes = inner.at;
	if (is_bytes || look(&inner) == '"')
		text = read_string(&inner);
	else
		text = look(&inner) == '{' || look(&inner) == '[' ? read_nested(&inner) : read_bare(&inner);
	raw.length = (size_t)(inner.at - raw.bytes);
	if (inner.failed || !pass(&inner, '}') || inner.at != inner.end ||
	    (is_bytes && !rv__redis_base64(reader->scratch, text, &text))) {
		reader->scratch->length = kept;
		return false;
	}
	*value = is_bytes ? text : raw;
	reader->type = is_bytes ? RV_HEADER_BYTES : RV_HEADER_JSON;
	return true;
}

static bool is_word(struct rv_span span, const char *word)
{
	return span.length == strlen(word) && memcmp(span.bytes, word, span.length) == 0;
}

/* A value and the type that it shows. */
static struct rv_span read_value(struct reader *reader)
{
	char c = look(reader);
	struct rv_span value;

	reader->type = RV_HEADER_TEXT;
	if (c == '"')
		return read_string(reader);
	value = c == '{' || c == '[' ? read_nested(reader) : read_bare(reader);
	if (reader->failed)
		return value;
	if (c == '{' || c == '[')
		reader->type = RV_HEADER_JSON;
	else if (is_word(value, "true") || is_word(value, "false"))
		reader->type = RV_HEADER_BOOLEAN;
	else
		reader->type = look_of_number(value);
	return value;
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

	if (!json.bytes || !rv__buffer_reserve(&decoded->scratch, 2 * json.length + 1) || !pass(&reader, '{'))
		return false; /* bytes may be unescaped and then taken out of base64 */
	if (pass(&reader, '}'))
		return true;
	do {
		struct rv_header_span header = {.name = read_string(&reader)};

		if (!pass(&reader, ':'))
			reader.failed = true;
		header.value = read_value(&reader);
		if (!reader.failed && reader.type == RV_HEADER_JSON)
			(void)unwrap(&reader, &header.value);
		header.type = reader.type;
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

void rv__redis_types_decode(struct rv_span json, struct rv__redis_decoded *decoded)
{
	/* The headers point into scratch, which must not move: those few that need no unescaping are read in place. */
	struct rv__buffer own = RV__BUFFER_INIT(RV__RESP_BULK_MAX);

	(void)rv__redis_members(json, &own, take_type, decoded);
	rv__buffer_finish(&own);
}
