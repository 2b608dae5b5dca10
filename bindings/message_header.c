/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of a message: rows in its first block, strings behind them, both spilling when they grow. */
#include "bindings/message.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1024 };

static struct rv__header *find(struct rv__message_body *body, const char *name, size_t name_length)
{
	for (size_t i = 0; i < body->header_count; i++) {
		struct rv__header *row = &body->headers[i];

		if (row->name_length == name_length && memcmp(row->name, name, name_length) == 0)
			return row;
	}
	return NULL;
}

struct rv__header *rv__message_find_header(const rv_message *message, const char *name)
{
	struct rv__message_body *body = rv__message_body(message);

	return body->header_count > 0 ? find(body, name, strlen(name)) : NULL;
}

static bool is(const char *name, size_t length, const char *word, size_t word_length)
{
	return length == word_length && memcmp(name, word, length) == 0;
}

bool rv__is_content_type(const char *name, size_t length)
{
	return is(name, length, RV_HEADER_CONTENT_TYPE, sizeof RV_HEADER_CONTENT_TYPE - 1);
}

static bool is_partition(const char *name, size_t length)
{
	return is(name, length, RV_HEADER_PARTITION, sizeof RV_HEADER_PARTITION - 1);
}

static bool is_override(const char *name, size_t length)
{
	return is(name, length, RV_HEADER_PARTITION_OVERRIDE, sizeof RV_HEADER_PARTITION_OVERRIDE - 1);
}

void rv__message_note_header(rv_message *message, const struct rv__header *row)
{
	message->has_content_type |= rv__is_content_type(row->name, row->name_length);
	rv__message_body(message)->has_partition |=
	    is_partition(row->name, row->name_length) || is_override(row->name, row->name_length);
}

/* Room for a string in the message: in its first block, else in a chunk. NULL: no memory. */
static char *string_room(rv_message *message, size_t size)
{
	struct rv__message_body *body = rv__message_body(message);
	char *at;

	if (size > body->strings_left) {
		size_t bytes = size > CHUNK_BYTES ? size : CHUNK_BYTES;
		struct rv__message_chunk *chunk = malloc(sizeof *chunk + bytes);

		if (!chunk)
			return NULL;
		chunk->next = body->chunks;
		body->chunks = chunk;
		atomic_store_explicit(&message->laden, true, memory_order_relaxed);
		body->strings = chunk->bytes;
		body->strings_left = bytes;
	}
	at = body->strings;
	body->strings += size;
	body->strings_left -= size;
	return at;
}

static bool grow_headers(rv_message *message)
{
	struct rv__message_body *body = rv__message_body(message);
	size_t room = body->header_room ? (size_t)body->header_room * 2 : RV__MESSAGE_FIRST_HEADERS;
	struct rv__header *rows = malloc(room * sizeof *rows);

	if (!rows)
		return false;
	memcpy(rows, body->headers, body->header_count * sizeof *rows);
	if (body->headers_spilled)
		free(body->headers);
	body->headers = rows;
	body->headers_spilled = true;
	atomic_store_explicit(&message->laden, true, memory_order_relaxed);
	body->header_room = (uint16_t)room;
	return true;
}

static bool has_control(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}

static bool valid_name(const char *name, size_t length)
{
	if (length == 0 || length > RV__HEADER_NAME_MAX)
		return false;
	if (!rv__text_plain(name, length) && (!rv__utf8_valid(name, length) || has_control(name, length)))
		return false;
	return !is(name, length, RV_HEADER_MESSAGE_ID, sizeof RV_HEADER_MESSAGE_ID - 1);
}

/* A value and all that is known of it. */
struct value {
	const void *bytes;
	size_t length;
	enum rv_header_type type;
};

static void put_value(struct rv__header *row, char *at, const struct value *value)
{
	if (value->length > 0)
		memcpy(at, value->bytes, value->length);
	at[value->length] = '\0';
	row->value = at;
	row->length = (uint32_t)value->length;
	row->type = value->type;
}

static rv_err add_header(rv_message *message, const char *name, size_t name_length, const struct value *value)
{
	struct rv__message_body *body = rv__message_body(message);
	struct rv__header *row;
	char *copy;

	if (body->header_count >= RV__HEADERS_MAX)
		return RV_E_TOOBIG;
	if (body->header_count == body->header_room && !grow_headers(message))
		return RV_E_NOMEM;
	copy = string_room(message, name_length + 1 + value->length + 1);
	if (!copy)
		return RV_E_NOMEM;
	row = &body->headers[body->header_count++];
	row->name = memcpy(copy, name, name_length + 1);
	row->name_length = (uint32_t)name_length;
	row->value_room = (uint32_t)value->length + 1;
	put_value(row, copy + name_length + 1, value);
	rv__message_note_header(message, row);
	return RV_OK;
}

static rv_err replace_header(rv_message *message, struct rv__header *row, const struct value *value)
{
	/* At least twice the room of before, so that replacing for ever cannot grow for ever. */
	size_t least = value->length + 1;
	size_t room = least > 2 * (size_t)row->value_room ? least : 2 * (size_t)row->value_room;
	char *copy = (char *)row->value;

	if (value->length >= row->value_room) {
		copy = string_room(message, room);
		if (!copy)
			return RV_E_NOMEM;
		row->value_room = (uint32_t)room;
	}
	put_value(row, copy, value);
	return RV_OK;
}

/* Adds or replaces within the limits. */
static rv_err store(rv_message *message, const char *name, size_t name_length, const struct value *value)
{
	struct rv__header *row = find(rv__message_body(message), name, name_length);
	size_t total = message->header_bytes + value->length;
	rv_err code;

	total = row ? total - row->length : total + name_length;
	if (value->length > RV__HEADER_VALUE_MAX || total > RV__HEADER_BYTES_MAX)
		return RV_E_TOOBIG;
	code = row ? replace_header(message, row, value) : add_header(message, name, name_length, value);
	if (code == RV_OK)
		message->header_bytes = (uint32_t)total;
	return code;
}

static bool open_to_change(const rv_message *message)
{
	return message->root == message && !atomic_load_explicit(&message->sent, memory_order_relaxed);
}

static bool must_be_text(const char *name)
{
	return strcmp(name, RV_HEADER_CONTENT_TYPE) == 0 || strcmp(name, RV_HEADER_TAGS) == 0;
}

/* Whether the message takes a header of that name now. */
static rv_err judge_name(const rv_message *message, const char *name, size_t length)
{
	if (message->error)
		return message->error->code;
	return open_to_change(message) && valid_name(name, length) ? RV_OK : RV_E_INVALID;
}

rv_err rv_message_set_header_typed(
    rv_message *message, const char *name, enum rv_header_type type, const void *value, size_t length)
{
	struct value typed = {value, length, type};
	size_t name_length = name ? strlen(name) : 0;
	rv_err code;
	bool text;

	if (!message || !name || (!value && length > 0))
		return RV_E_INVALID;
	code = judge_name(message, name, name_length);
	if (code != RV_OK)
		return code;
	if (length > RV__HEADER_VALUE_MAX)
		return RV_E_TOOBIG;
	if (type != RV_HEADER_TEXT && must_be_text(name))
		return RV_E_INVALID;
	text = length == 0 || (!memchr(value, 0, length) && rv__utf8_valid(value, length));
	if (!(type == RV_HEADER_BYTES || (text && rv__header_value_fits(type, value, length))))
		return RV_E_INVALID;
	/* For good: replacing it with text leaves the message suspect. */
	rv__message_body(message)->binary_headers |= !text;
	return store(message, name, name_length, &typed);
}

rv_err rv_message_set_header(rv_message *message, const char *name, const char *value)
{
	struct value text = {value, value ? strlen(value) : 0, RV_HEADER_TEXT};
	size_t name_length = name ? strlen(name) : 0;
	rv_err code;

	if (!message || !name || !value)
		return RV_E_INVALID;
	code = judge_name(message, name, name_length);
	if (code != RV_OK)
		return code;
	if (text.length > RV__HEADER_VALUE_MAX)
		return RV_E_TOOBIG;
	if (!rv__utf8_valid(value, text.length))
		return RV_E_INVALID;
	return store(message, name, name_length, &text);
}

rv_err rv__message_copy_header(rv_message *message, const struct rv_header *header)
{
	struct value value = {header->value, header->length, header->type};

	if (header->type == RV_HEADER_BYTES)
		rv__message_body(message)->binary_headers |= memchr(header->value, 0, header->length) ||
		    !rv__utf8_valid(header->value, header->length);
	return store(message, header->name, strlen(header->name), &value);
}

const char *rv__message_filled_content_type(const rv_message *message)
{
	const char *filled = atomic_load_explicit(&message->content_type, memory_order_acquire);

	if (!filled && message->root != message)
		filled = atomic_load_explicit(&message->root->content_type, memory_order_acquire);
	return filled;
}

static struct rv_header partition_header(const char *text)
{
	return (struct rv_header){RV_HEADER_PARTITION, text, strlen(text), RV_HEADER_INT};
}

/* The override did its work when the message was sent, and is gone from what arrived. */
static bool is_past(const rv_message *message)
{
	return *message->source && rv__message_placed(message);
}

bool rv_message_header_find(const rv_message *message, const char *name, struct rv_header *ret)
{
	size_t length = name ? strlen(name) : 0;
	const char *filled = NULL;
	const struct rv__header *row;

	if (!message || !name)
		return false;
	if (is_partition(name, length) && (filled = rv__message_placed(message))) {
		*ret = partition_header(filled);
		return true;
	}
	if (is_override(name, length) && is_past(message))
		return false;
	row = rv__message_body(message)->header_count > 0 ? find(rv__message_body(message), name, length)
	                                                  : NULL;
	if (row)
		*ret = (struct rv_header){row->name, row->value, row->length, row->type};
	else if (rv__is_content_type(name, length) && (filled = rv__message_filled_content_type(message)))
		*ret = (struct rv_header){RV_HEADER_CONTENT_TYPE, filled, strlen(filled), RV_HEADER_TEXT};
	return row || filled;
}

const char *rv_message_header(const rv_message *message, const char *name)
{
	struct rv_header header;

	return rv_message_header_find(message, name, &header) ? header.value : NULL;
}

/* Number `index` of what bindings filled in, behind the headers that somebody set. */
static bool filled_entry(const rv_message *message, size_t index, struct rv_header *ret)
{
	const char *content_type =
	    message->has_content_type ? NULL : rv__message_filled_content_type(message);
	const char *placed = rv__message_placed(message);

	if (content_type && index == 0)
		*ret = (struct rv_header){
		    RV_HEADER_CONTENT_TYPE, content_type, strlen(content_type), RV_HEADER_TEXT};
	else if (placed && !rv__message_body(message)->has_partition && index == (content_type != NULL))
		*ret = partition_header(placed);
	else
		return false;
	return true;
}

bool rv_message_header_entry(const rv_message *message, size_t index, struct rv_header *ret)
{
	const struct rv__message_body *body = message ? rv__message_body(message) : NULL;
	const struct rv__header *row;
	const char *placed;

	if (!body)
		return false;
	if (index >= body->header_count)
		return filled_entry(message, index - body->header_count, ret);
	row = &body->headers[index];
	*ret = (struct rv_header){row->name, row->value, row->length, row->type};
	/* The choice of a binding stands in the place of an older one, or of the override that made it. */
	if (body->has_partition && (placed = rv__message_placed(message)) &&
	    (is_partition(row->name, row->name_length) || is_override(row->name, row->name_length)))
		*ret = partition_header(placed);
	return true;
}

bool rv_message_header_at(
    const rv_message *message, size_t index, const char **ret_name, const char **ret_value)
{
	struct rv_header header;

	if (!rv_message_header_entry(message, index, &header))
		return false;
	if (ret_name)
		*ret_name = header.name;
	if (ret_value)
		*ret_value = header.value;
	return true;
}
