/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of a message: rows in its first block, strings behind them, both spilling when they grow. */
#include "bindings/message.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1024 };

struct rv__header *rv__message_find_header(const rv_message *root, const char *name)
{
	for (size_t i = 0; i < root->header_count; i++)
		if (root->headers[i].name == name || strcmp(root->headers[i].name, name) == 0)
			return &root->headers[i];
	return NULL;
}

/* Room for a string in the message: in its first block, else in a chunk. NULL: no memory. */
static char *string_room(rv_message *message, size_t size)
{
	char *at;

	if (size > message->strings_left) {
		size_t bytes = size > CHUNK_BYTES ? size : CHUNK_BYTES;
		struct rv__message_chunk *chunk = malloc(sizeof *chunk + bytes);

		if (!chunk)
			return NULL;
		chunk->next = message->chunks;
		message->chunks = chunk;
		message->strings = chunk->bytes;
		message->strings_left = bytes;
	}
	at = message->strings;
	message->strings += size;
	message->strings_left -= size;
	return at;
}

static bool grow_headers(rv_message *message)
{
	size_t room = message->header_room ? (size_t)message->header_room * 2 : RV__MESSAGE_FIRST_HEADERS;
	struct rv__header *rows = malloc(room * sizeof *rows);

	if (!rows)
		return false;
	memcpy(rows, message->headers, message->header_count * sizeof *rows);
	if (message->headers_spilled)
		free(message->headers);
	message->headers = rows;
	message->headers_spilled = true;
	message->header_room = (uint16_t)room;
	return true;
}

static bool valid_name(const char *name, size_t length)
{
	if (length == 0 || length > RV__HEADER_NAME_MAX || !rv__utf8_valid(name, length))
		return false;
	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return false;
	return strcmp(name, RV_HEADER_MESSAGE_ID) != 0;
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
	struct rv__header *row;
	char *copy;

	if (message->header_count >= RV__HEADERS_MAX)
		return RV_E_TOOBIG;
	if (message->header_count == message->header_room && !grow_headers(message))
		return RV_E_NOMEM;
	copy = string_room(message, name_length + 1 + value->length + 1);
	if (!copy)
		return RV_E_NOMEM;
	row = &message->headers[message->header_count++];
	row->name = memcpy(copy, name, name_length + 1);
	row->value_room = (uint32_t)value->length + 1;
	put_value(row, copy + name_length + 1, value);
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
static rv_err store(rv_message *message, const char *name, const struct value *value)
{
	size_t name_length = strlen(name);
	struct rv__header *row = rv__message_find_header(message, name);
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

rv_err rv_message_set_header_typed(
    rv_message *message, const char *name, enum rv_header_type type, const void *value, size_t length)
{
	struct value typed = {value, length, type};
	bool text;

	if (!message || !name || (!value && length > 0))
		return RV_E_INVALID;
	if (message->error)
		return message->error->code;
	if (!open_to_change(message) || !valid_name(name, strlen(name)))
		return RV_E_INVALID;
	if (length > RV__HEADER_VALUE_MAX)
		return RV_E_TOOBIG;
	if (type != RV_HEADER_TEXT && must_be_text(name))
		return RV_E_INVALID;
	text = length == 0 || (!memchr(value, 0, length) && rv__utf8_valid(value, length));
	if (!(type == RV_HEADER_BYTES || (text && rv__header_value_fits(type, value, length))))
		return RV_E_INVALID;
	message->binary_headers |= !text; /* for good: replacing it with text leaves the message suspect */
	return store(message, name, &typed);
}

rv_err rv_message_set_header(rv_message *message, const char *name, const char *value)
{
	if (!value)
		return RV_E_INVALID;
	return rv_message_set_header_typed(message, name, RV_HEADER_TEXT, value, strlen(value));
}

rv_err rv__message_copy_header(rv_message *message, const struct rv__header *header)
{
	struct value value = {header->value, header->length, header->type};

	if (header->type == RV_HEADER_BYTES)
		message->binary_headers |= memchr(header->value, 0, header->length) ||
		    !rv__utf8_valid(header->value, header->length);
	return store(message, header->name, &value);
}

const char *rv__message_filled_content_type(const rv_message *message)
{
	const char *filled = atomic_load_explicit(&message->content_type, memory_order_acquire);

	if (!filled && message->root != message)
		filled = atomic_load_explicit(&message->root->content_type, memory_order_acquire);
	return filled;
}

const char *rv_message_header(const rv_message *message, const char *name)
{
	const struct rv__header *row;

	if (!message || !name)
		return NULL;
	row = rv__message_find_header(message->root, name);
	if (row)
		return row->value;
	return strcmp(name, RV_HEADER_CONTENT_TYPE) == 0 ? rv__message_filled_content_type(message) : NULL;
}

bool rv_message_header_entry(const rv_message *message, size_t index, struct rv_header *ret)
{
	const rv_message *root = message ? message->root : NULL;
	const char *filled = NULL;

	if (root && index < root->header_count) {
		const struct rv__header *row = &root->headers[index];

		*ret = (struct rv_header){row->name, row->value, row->length, row->type};
		return true;
	}
	if (root && index == root->header_count && !rv__message_find_header(root, RV_HEADER_CONTENT_TYPE))
		filled = rv__message_filled_content_type(message);
	if (!filled)
		return false;
	*ret = (struct rv_header){RV_HEADER_CONTENT_TYPE, filled, strlen(filled), RV_HEADER_TEXT};
	return true;
}

bool rv_message_header_find(const rv_message *message, const char *name, struct rv_header *ret)
{
	const struct rv__header *row = message && name ? rv__message_find_header(message->root, name) : NULL;
	const char *filled = row ? row->value : rv_message_header(message, name);

	if (row)
		*ret = (struct rv_header){row->name, row->value, row->length, row->type};
	else if (filled)
		*ret = (struct rv_header){RV_HEADER_CONTENT_TYPE, filled, strlen(filled), RV_HEADER_TEXT};
	return filled;
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
