/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/embedded.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/utf8.h"
#include "bindings/message.h"

#include <stdlib.h>
#include <string.h>

enum { MARK = 0xff, COUNT_MAX = 255, NAME_MAX = 255, LEAST = 9 /* "longer than 8", says Java */ };

/* -- out --------------------------------------------------------------------------------------- */

/* One header on its way into a block; the text is owned when it was written for this. */
struct piece {
	const char *name;
	const char *value;
	size_t length;
	char *owned;
};

struct block {
	struct piece pieces[COUNT_MAX];
	size_t count;
	size_t size; /* of the whole block */
	bool failed;
};

static bool add_piece(struct block *block, const struct rv_header *header)
{
	struct piece *piece = &block->pieces[block->count];
	json_t *json;

	*piece = (struct piece){.name = header->name, .value = header->value, .length = header->length};
	if (header->type == RV_HEADER_TEXT || header->type == RV_HEADER_BYTES) {
		json = json_stringn(header->value, header->length);
		piece->owned = json ? json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
		json_decref(json);
		piece->value = piece->owned;
		piece->length = piece->owned ? strlen(piece->owned) : 0;
	}
	if (!piece->value)
		return false;
	block->count++;
	block->size += 1 + strlen(piece->name) + 4 + piece->length;
	return true;
}

static void add_name(struct block *block, const rv_message *message, const char *name)
{
	struct rv_header header;

	for (size_t i = 0; i < block->count; i++)
		if (strcmp(block->pieces[i].name, name) == 0)
			return;
	if (block->count < COUNT_MAX && strlen(name) <= NAME_MAX &&
	    rv_message_header_find(message, name, &header) && !add_piece(block, &header))
		block->failed = true;
}

static void collect(struct block *block, const rv_message *message, const struct rv_strings *const *lists)
{
	static const char *const names[] = {
	    "correlationId", "sequenceSize", "sequenceNumber", RV_HEADER_CONTENT_TYPE};

	block->size = 2;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		add_name(block, message, names[i]);
	for (; *lists; lists++)
		for (size_t i = 0; i < (*lists)->count; i++)
			add_name(block, message, (*lists)->items[i]);
}

static void write_block(const struct block *block, unsigned char *at)
{
	*at++ = MARK;
	*at++ = (unsigned char)block->count;
	for (size_t i = 0; i < block->count; i++) {
		const struct piece *piece = &block->pieces[i];
		size_t length = strlen(piece->name);

		*at++ = (unsigned char)length;
		memcpy(at, piece->name, length);
		at += length;
		for (int shift = 24; shift >= 0; shift -= 8)
			*at++ = (unsigned char)(piece->length >> shift);
		memcpy(at, piece->value, piece->length);
		at += piece->length;
	}
}

static size_t copy_headers(const rv_message *message, struct rv_header_span *to, size_t max)
{
	struct rv_header header;
	size_t count = 0;

	while (count < max && rv_message_header_entry(message, count, &header))
		to[count++] = (struct rv_header_span){.name = {header.name, strlen(header.name)},
		    .value = {header.value, header.length},
		    .type = header.type};
	return count;
}

/* The message around a block. It keeps its headers, which go nowhere but may steer the send. */
static rv_message *wrap_block(const rv_message *message, const struct block *block)
{
	struct rv_header_span headers[RV__RECEIVED_HEADERS_MAX];
	struct rv_received around = {.headers = headers,
	    .id = {rv_message_id(message), strlen(rv_message_id(message))},
	    .partition = -1,
	    .position = -1,
	    .timestamp_ms = rv_message_timestamp_ms(message)};
	size_t length;
	const void *payload = rv_message_payload(message, &length);
	rv_message *wrapped;

	if (block->size + length > RV__PAYLOAD_MAX)
		return rv__message_failed(RV_E_TOOBIG);
	around.header_count = copy_headers(message, headers, RV__RECEIVED_HEADERS_MAX);
	wrapped = rv__message_create_received_room(&around, block->size + length);
	if (!wrapped)
		return rv__message_failed(RV_E_NOMEM);
	write_block(block, (unsigned char *)wrapped->payload);
	memcpy((char *)wrapped->payload + block->size, payload, length);
	return wrapped;
}

rv_message *rv__embedded_encode(
    const rv_message *message, const struct rv_strings *more, const struct rv_strings *yet_more)
{
	const struct rv_strings *lists[3] = {NULL};
	size_t count = 0;
	struct block block;
	rv_message *wrapped;

	if (rv_message_is_null(message))
		return rv_message_ref(message);
	block.count = 0;
	block.failed = false;
	if (more)
		lists[count++] = more;
	if (yet_more)
		lists[count] = yet_more;
	collect(&block, message, lists);
	wrapped = block.failed ? rv__message_failed(RV_E_NOMEM) : wrap_block(message, &block);
	for (size_t i = 0; i < block.count; i++)
		free(block.pieces[i].owned);
	return wrapped;
}

/* -- in ------------------------------------------------------------------------------------------ */

struct reader {
	const unsigned char *at, *end;
	struct rv_header_span headers[RV__RECEIVED_HEADERS_MAX];
	size_t count;
	json_t *held; /* an array of the values of texts */
	rv_err code;
};

static const unsigned char *take(struct reader *in, size_t length)
{
	const unsigned char *at = in->at;

	if (length > (size_t)(in->end - in->at)) {
		in->code = RV_E_INVALID;
		return NULL;
	}
	in->at += length;
	return at;
}

static bool take_length(struct reader *in, size_t *ret)
{
	const unsigned char *at = take(in, 4);

	if (at)
		*ret = rv__get_u32(at);
	return at;
}

static enum rv_header_type type_of(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_STRING:
		return RV_HEADER_TEXT;
	case JSON_INTEGER:
		return json_integer_value(json) >= INT32_MIN && json_integer_value(json) <= INT32_MAX
		    ? RV_HEADER_INT
		    : RV_HEADER_LONG;
	case JSON_REAL:
		return RV_HEADER_DOUBLE;
	case JSON_TRUE:
	case JSON_FALSE:
		return RV_HEADER_BOOLEAN;
	default:
		return RV_HEADER_JSON;
	}
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A JSON value, which is not empty, without what may stand around it. */
static struct rv_span trimmed(const char *bytes, size_t length)
{
	while (length > 0 && is_space(bytes[length - 1]))
		length--;
	while (length > 0 && is_space(*bytes)) {
		bytes++;
		length--;
	}
	return (struct rv_span){bytes, length};
}

/* Numbers and the like stay as they were written; a text is what stands between its quotes. */
static void take_value(struct reader *in, struct rv_header_span *header, size_t length)
{
	const char *bytes = (const char *)take(in, length);
	json_t *json = bytes ? rv__json_load(bytes, length, "message", NULL) : NULL;

	if (!json) {
		in->code = RV_E_INVALID;
		return;
	}
	header->type = type_of(json);
	header->value = header->type == RV_HEADER_TEXT
	    ? (struct rv_span){json_string_value(json), json_string_length(json)}
	    : trimmed(bytes, length);
	if (json_array_append_new(in->held, json) != 0)
		in->code = RV_E_NOMEM;
}

static void take_header(struct reader *in)
{
	struct rv_header_span header = {.type = RV_HEADER_TEXT};
	const unsigned char *name_length = take(in, 1);
	const unsigned char *name = name_length ? take(in, *name_length) : NULL;
	size_t length;

	if (!name || !rv__utf8_valid((const char *)name, *name_length)) {
		in->code = RV_E_INVALID;
		return;
	}
	header.name = (struct rv_span){(const char *)name, *name_length};
	if (take_length(in, &length))
		take_value(in, &header, length);
	/* Java's content type may be an object of old; without one the binding's own holds. */
	if (in->code == RV_OK && in->count < RV__RECEIVED_HEADERS_MAX &&
	    (header.type == RV_HEADER_TEXT || !rv__is_content_type(header.name.bytes, header.name.length)))
		in->headers[in->count++] = header;
}

static void unref(void *owner)
{
	rv_message_unref(owner);
}

/* The message behind the block; it keeps the other one, in which its payload lies. */
static rv_message *unwrap(rv_message *message, const struct reader *in)
{
	struct rv_received behind = {.payload = in->at,
	    .length = (size_t)(in->end - in->at),
	    .release = unref,
	    .owner = rv_message_ref(message),
	    .headers = in->headers,
	    .header_count = in->count,
	    .id = {message->id, strlen(message->id)},
	    .source = message->source,
	    .destination = message->destination,
	    .partition = message->partition,
	    .position = message->position,
	    .attempt = message->attempt,
	    .timestamp_ms = message->timestamp_ms,
	    .timestamp_type = message->timestamp_type};

	return rv_message_create_received(&behind);
}

rv_err rv__embedded_decode(rv_message **slot)
{
	rv_message *message = *slot;
	const unsigned char *payload = message->payload;
	struct reader in = {.at = payload + 2, .end = payload + message->length};
	rv_message *behind = NULL;

	if (message->has_content_type || message->length < LEAST || payload[0] != MARK)
		return RV_E_INVALID;
	in.held = json_array();
	in.code = in.held ? RV_OK : RV_E_NOMEM;
	if (in.code == RV_OK)
		in.count = copy_headers(message, in.headers, RV__RECEIVED_HEADERS_MAX);
	for (unsigned i = 0; i < payload[1] && in.code == RV_OK; i++)
		take_header(&in);
	if (in.code == RV_OK)
		behind = unwrap(message, &in);
	if (in.code == RV_OK && !behind)
		in.code = RV_E_NOMEM;
	json_decref(in.held);
	if (behind) {
		rv_message_unref(message);
		*slot = behind;
	}
	return in.code;
}
