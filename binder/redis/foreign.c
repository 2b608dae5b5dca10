/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/foreign.h"

#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/utf8.h"

enum { SCRATCH_KEPT = 1 << 20 };
/* A payload made of an entry may be longer than what was read; 0, which is the buffer's own limit, on small machines. */
#define SCRATCH_MAX ((size_t)RV__RESP_BULK_MAX * 8)

static bool is(struct rv_span name, const char *word)
{
	return name.length == strlen(word) && memcmp(name.bytes, word, name.length) == 0;
}

static bool is_like(struct rv_span name, const char *word)
{
	return name.length == strlen(word) && strncasecmp(name.bytes, word, name.length) == 0;
}

/* -- headers ------------------------------------------------------------------------------ */

static void set_content_type(struct rv__redis_decoded *decoded, struct rv_span value)
{
	struct rv_header_span header = {
	    .name = {RV_HEADER_CONTENT_TYPE, strlen(RV_HEADER_CONTENT_TYPE)}, .value = value};

	for (size_t i = 0; i < decoded->header_count; i++)
		if (is(decoded->headers[i].name, RV_HEADER_CONTENT_TYPE)) {
			decoded->headers[i] = header;
			return;
		}
	if (decoded->header_count < RV__REDIS_HEADERS_MAX)
		decoded->headers[decoded->header_count++] = header;
}

void rv__redis_foreign_header(struct rv__redis_decoded *decoded, struct rv_span name, struct rv_span value)
{
	if (is_like(name, "content-type") || is(name, RV_HEADER_CONTENT_TYPE))
		set_content_type(decoded, value);
	else if (decoded->id.length == 0 && (is(name, RV_HEADER_MESSAGE_ID) || is(name, "message_id")))
		decoded->id = value;
	else if (decoded->header_count < RV__REDIS_HEADERS_MAX)
		decoded->headers[decoded->header_count++] =
		    (struct rv_header_span){.name = name, .value = value};
}

static void take_header(void *arg, const struct rv__redis_member *member)
{
	rv__redis_foreign_header(arg, member->name, member->value);
}

/* A JSON object of headers: all of them or none. Nothing and null are none. */
static bool read_headers(struct rv__redis_decoded *decoded, struct rv_span json)
{
	size_t before = decoded->header_count;
	struct rv_span id = decoded->id;

	if (json.length == 0 || is(json, "null"))
		return true;
	if (rv__redis_members(json, &decoded->scratch, take_header, decoded))
		return true;
	decoded->header_count = before;
	decoded->id = id;
	return false;
}

/* -- Watermill ---------------------------------------------------------------------------- */

static size_t msgpack_length(struct rv__reader *reader, uint8_t type)
{
	if (type >= 0xa0 && type <= 0xbf)
		return type & 0x1f;
	switch (type) {
	case 0xc4: /* bin, beside str: some writers know only bytes */
	case 0xd9:
		return rv__read_u8(reader);
	case 0xc5:
	case 0xda:
		return rv__read_u16(reader);
	case 0xc6:
	case 0xdb:
		return rv__read_u32(reader);
	default:
		reader->failed = true;
		return 0;
	}
}

static struct rv_span msgpack_text(struct rv__reader *reader)
{
	size_t length = msgpack_length(reader, rv__read_u8(reader));
	const uint8_t *bytes = rv__read_bytes(reader, length);

	return (struct rv_span){(const char *)bytes, bytes ? length : 0};
}

static size_t msgpack_map(struct rv__reader *reader)
{
	uint8_t type = rv__read_u8(reader);

	if ((type & 0xf0) == 0x80)
		return type & 0x0f;
	if (type == 0xde)
		return rv__read_u16(reader);
	if (type == 0xdf)
		return rv__read_u32(reader);
	reader->failed |= type != 0xc0; /* nil: a map that was never made */
	return 0;
}

static bool read_msgpack(struct rv__redis_decoded *decoded, struct rv_span metadata)
{
	struct rv__reader reader = {.bytes = (const uint8_t *)metadata.bytes, .length = metadata.length};
	size_t before = decoded->header_count, count;

	if (metadata.length == 0)
		return true;
	count = msgpack_map(&reader);
	/* An entry takes two bytes at least, so that a count that lies ends with the bytes. */
	for (size_t i = 0; i < count && !reader.failed; i++) {
		struct rv_span name = msgpack_text(&reader), value = msgpack_text(&reader);

		if (!reader.failed)
			rv__redis_foreign_header(decoded, name, value);
	}
	if (!reader.failed && reader.at == reader.length)
		return true;
	decoded->header_count = before;
	return false;
}

/* -- FastStream --------------------------------------------------------------------------- */

static const char envelope_magic[] = "\x89"
                                     "BIN\r\n\x1a\n";
enum { MAGIC_LENGTH = sizeof envelope_magic - 1, ENVELOPE_VERSION = 1 };

/* How many bytes the next `count` characters take; more than there are when those are too few or no UTF-8. */
static size_t length_of_characters(const struct rv__reader *reader, size_t count)
{
	const char *bytes = (const char *)reader->bytes + reader->at;
	size_t left = reader->length - reader->at, at = 0, n = 1;

	for (; count > 0 && at < left && n > 0; count--) {
		n = rv__utf8_length(bytes + at, left - at);
		at += n;
	}
	return count > 0 || n == 0 ? left + 1 : at;
}

static struct rv_span short_text(struct rv__reader *reader, bool characters)
{
	size_t length = rv__read_u16(reader);
	const uint8_t *bytes;

	if (characters && !reader->failed)
		length = length_of_characters(reader, length);
	bytes = rv__read_bytes(reader, length);
	return (struct rv_span){(const char *)bytes, bytes ? length : 0};
}

/* Whether the headers, so counted, end where *reader does. */
static bool headers_fit(struct rv__reader reader, bool characters)
{
	size_t texts = 2 * (size_t)rv__read_u16(&reader);

	for (; texts > 0 && !reader.failed; texts--)
		(void)short_text(&reader, characters);
	return !reader.failed && reader.at == reader.length;
}

/*
 * magic, u16 version, u32 where the headers are, u32 where the data is; u16 count and names and values at the former.
 * Their lengths are bytes; FastStream itself writes (but does not read) them in characters.
 */
static bool read_binary(struct rv__redis_decoded *decoded, struct rv_span value)
{
	struct rv__reader reader = {
	    .bytes = (const uint8_t *)value.bytes, .length = value.length, .at = MAGIC_LENGTH};
	uint16_t version = rv__read_u16(&reader);
	size_t headers = rv__read_u32(&reader), data = rv__read_u32(&reader), count;
	bool characters;

	if (reader.failed || version != ENVELOPE_VERSION || headers < reader.at || headers > data ||
	    data > value.length)
		return false;
	reader.at = headers;
	reader.length = data; /* no header reaches into the data */
	characters = !headers_fit(reader, false) && headers_fit(reader, true);
	count = rv__read_u16(&reader);
	for (size_t i = 0; i < count && !reader.failed; i++) {
		struct rv_span name = short_text(&reader, characters);
		struct rv_span text = short_text(&reader, characters);

		if (!reader.failed)
			rv__redis_foreign_header(decoded, name, text);
	}
	if (!reader.failed)
		decoded->payload = (struct rv_span){value.bytes + data, value.length - data};
	return !reader.failed;
}

struct older {
	struct rv_span data, headers;
};

static void take_older(void *arg, const struct rv__redis_member *member)
{
	struct older *older = arg;

	if (is(member->name, "data"))
		older->data = member->value;
	else if (is(member->name, "headers"))
		older->headers = member->raw;
}

static bool read_older(struct rv__redis_decoded *decoded, struct rv_span value)
{
	struct older older = {{NULL, 0}, {NULL, 0}};

	/* For the data and, behind it, the headers: nothing may move. */
	if (!rv__buffer_reserve(&decoded->scratch, 2 * (value.length + 1)))
		return false;
	if (!rv__redis_members(value, &decoded->scratch, take_older, &older) || !older.data.bytes ||
	    !older.headers.bytes)
		return true; /* JSON that somebody put there himself, or text that begins like it */
	if (!read_headers(decoded, older.headers))
		return false;
	decoded->payload = older.data;
	return true;
}

static bool read_fast_stream(struct rv__redis_decoded *decoded, struct rv_span value)
{
	size_t before = decoded->header_count;

	decoded->payload = value;
	if (value.length > 0 && value.bytes[0] == '{')
		return read_older(decoded, value);
	if (value.length < MAGIC_LENGTH || memcmp(value.bytes, envelope_magic, MAGIC_LENGTH) != 0)
		return true; /* sent without an envelope */
	if (read_binary(decoded, value))
		return true;
	decoded->header_count = before;
	decoded->id = (struct rv_span){NULL, 0};
	return false;
}

/* -- Dapr --------------------------------------------------------------------------------- */

static bool read_dapr(struct rv__redis_decoded *decoded, struct rv_span data, struct rv_span metadata)
{
	bool event = data.length > 0 && memmem(data.bytes, data.length, "\"specversion\"", 13) != NULL;
	bool read;

	decoded->payload = data;
	/* What is unescaped of both, the names of attributes anew, and bytes out of base64: nothing may move. */
	if (!rv__buffer_reserve(&decoded->scratch,
	        2 * metadata.length + (event ? 4 * data.length : 0) + 4 * RV__REDIS_HEADERS_MAX + 16))
		return false;
	read = read_headers(decoded, metadata);
	return event ? rv__redis_decode_event(data, decoded) && read : read;
}

/* -- flat --------------------------------------------------------------------------------- */

/* A JSON string; bytes that are no UTF-8 become U+FFFD. In pieces, since a byte may become six. */
static void add_text(struct rv__buffer *out, struct rv_span text)
{
	size_t at = 0;

	rv__buffer_add(out, "\"", 1);
	while (at < text.length && rv__buffer_error(out) == RV_OK) {
		size_t start = at, n;
		unsigned char c;

		while (at < text.length && (c = (unsigned char)text.bytes[at]) >= 0x20 && c != '"' &&
		    c != '\\' && (n = rv__utf8_length(text.bytes + at, text.length - at)) > 0)
			at += n;
		rv__buffer_add(out, text.bytes + start, at - start);
		if (at == text.length)
			break;
		c = (unsigned char)text.bytes[at++];
		rv__buffer_printf(out, "\\u%04x", c < 0x80 ? c : 0xfffdu);
	}
	rv__buffer_add(out, "\"", 1);
}

/* {"$b64":"…"}: bytes that JSON cannot hold otherwise. */
static void add_bytes(struct rv__buffer *out, struct rv_span value)
{
	size_t length = rv__base64_length(value.length);
	uint8_t *at;

	rv__buffer_add_text(out, "{\"$b64\":\"");
	at = rv__buffer_reserve(out, length);
	if (!at)
		return;
	rv__base64_put((char *)at, value.bytes, value.length);
	out->length += length;
	rv__buffer_add_text(out, "\"}");
}

static bool read_flat(struct rv__redis_decoded *decoded, struct rv__resp_cursor fields)
{
	static const char json[] = "application/json";
	struct rv__buffer *out = &decoded->scratch;
	int64_t count = rv__resp_get_array(&fields);

	for (int64_t i = 0; i + 1 < count && !fields.failed; i += 2) {
		struct rv_span name = rv__resp_get_text(&fields), value = rv__resp_get_text(&fields);

		rv__buffer_add(out, i == 0 ? "{" : ",", 1);
		add_text(out, name);
		rv__buffer_add(out, ":", 1);
		if (value.length == 0 || rv__utf8_valid(value.bytes, value.length))
			add_text(out, value);
		else
			add_bytes(out, value);
	}
	rv__buffer_add(out, "}", 1);
	if (rv__buffer_error(out) != RV_OK)
		return false;
	decoded->payload = (struct rv_span){(const char *)out->bytes, out->length};
	set_content_type(decoded, (struct rv_span){json, sizeof json - 1});
	return true;
}

/* -- which -------------------------------------------------------------------------------- */

enum mark { MARK_DATA, MARK_METADATA, MARK_PAYLOAD, MARK_UUID, MARK_ENVELOPE, MARK_RAW, MARKS };

static const char *const mark_names[MARKS] = {
    "data", "metadata", "payload", "_watermill_message_uuid", "__data__", "_raw"};

static enum mark mark_of(struct rv_span name)
{
	enum mark mark = MARK_DATA;

	while (mark < MARKS && !is(name, mark_names[mark]))
		mark++;
	return mark;
}

/* Fields that the layout does not know are headers. */
static void add_others(struct rv__redis_decoded *decoded, struct rv__resp_cursor fields, unsigned own)
{
	int64_t count = rv__resp_get_array(&fields);

	for (int64_t i = 0; i + 1 < count && !fields.failed; i += 2) {
		struct rv_span name = rv__resp_get_text(&fields), value = rv__resp_get_text(&fields);

		if (!(own & 1u << mark_of(name)))
			rv__redis_foreign_header(decoded, name, value);
	}
}

bool rv__redis_decode_foreign(struct rv__resp_cursor fields, struct rv__redis_decoded *decoded)
{
	struct rv_span found[MARKS + 1] = {{NULL, 0}};
	struct rv__resp_cursor cursor = fields;
	int64_t count = rv__resp_get_array(&cursor);
	unsigned seen = 0;

	if (decoded->scratch.capacity > SCRATCH_KEPT)
		rv__buffer_finish(&decoded->scratch);
	decoded->scratch.limit = SCRATCH_MAX;
	for (int64_t i = 0; i + 1 < count && !cursor.failed; i += 2) {
		enum mark mark = mark_of(rv__resp_get_text(&cursor));

		found[mark] = rv__resp_get_text(&cursor);
		seen |= 1u << mark;
	}
	if (cursor.failed || count < 2)
		return false;
	if (seen & 1u << MARK_UUID) {
		decoded->id = found[MARK_UUID];
		decoded->payload = found[MARK_PAYLOAD];
		add_others(decoded, fields, 1u << MARK_UUID | 1u << MARK_PAYLOAD | 1u << MARK_METADATA);
		return read_msgpack(decoded, found[MARK_METADATA]);
	}
	if (seen & 1u << MARK_ENVELOPE) {
		add_others(decoded, fields, 1u << MARK_ENVELOPE);
		return read_fast_stream(decoded, found[MARK_ENVELOPE]);
	}
	if (seen & 1u << MARK_RAW) {
		decoded->payload = found[MARK_RAW];
		add_others(decoded, fields, 1u << MARK_RAW);
		return true;
	}
	/* `data` is a word that anybody may use: Dapr has nothing beside it but metadata. */
	if ((seen & ~(1u << MARK_METADATA)) == 1u << MARK_DATA)
		return read_dapr(decoded, found[MARK_DATA], found[MARK_METADATA]);
	return read_flat(decoded, fields);
}
