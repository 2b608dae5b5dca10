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

static rv_err add_header(
    rv_message *message, const char *name, size_t name_length, const char *value, size_t length)
{
	char *copy;

	if (message->header_count >= RV__HEADERS_MAX)
		return RV_E_TOOBIG;
	if (message->header_count == message->header_room && !grow_headers(message))
		return RV_E_NOMEM;
	copy = string_room(message, name_length + 1 + length + 1);
	if (!copy)
		return RV_E_NOMEM;
	memcpy(copy, name, name_length + 1);
	memcpy(copy + name_length + 1, value, length + 1);
	message->headers[message->header_count++] =
	    (struct rv__header){copy, copy + name_length + 1, (uint32_t)length + 1};
	return RV_OK;
}

static rv_err replace_header(rv_message *message, struct rv__header *row, const char *value, size_t length)
{
	/* At least twice the room of before, so that replacing for ever cannot grow for ever. */
	size_t room = length + 1 > 2 * (size_t)row->value_room ? length + 1 : 2 * (size_t)row->value_room;
	char *copy;

	if (length < row->value_room) {
		memcpy((char *)row->value, value, length + 1);
		return RV_OK;
	}
	copy = string_room(message, room);
	if (!copy)
		return RV_E_NOMEM;
	memcpy(copy, value, length + 1);
	row->value = copy;
	row->value_room = (uint32_t)room;
	return RV_OK;
}

rv_err rv_message_set_header(rv_message *message, const char *name, const char *value)
{
	struct rv__header *row;
	size_t name_length;
	size_t length;
	size_t total;
	rv_err code;

	if (!message || !name || !value)
		return RV_E_INVALID;
	if (message->error)
		return message->error->code;
	if (message->root != message || atomic_load_explicit(&message->sent, memory_order_relaxed))
		return RV_E_INVALID;
	name_length = strlen(name);
	length = strlen(value);
	if (!valid_name(name, name_length) || !rv__utf8_valid(value, length))
		return RV_E_INVALID;
	row = rv__message_find_header(message, name);
	total = message->header_bytes + length + (row ? 0 : name_length) - (row ? strlen(row->value) : 0);
	if (length > RV__HEADER_VALUE_MAX || total > RV__HEADER_BYTES_MAX)
		return RV_E_TOOBIG;
	code = row ? replace_header(message, row, value, length)
	           : add_header(message, name, name_length, value, length);
	if (code == RV_OK)
		message->header_bytes = (uint32_t)total;
	return code;
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

bool rv_message_header_at(
    const rv_message *message, size_t index, const char **ret_name, const char **ret_value)
{
	const rv_message *root = message ? message->root : NULL;
	const char *name = RV_HEADER_CONTENT_TYPE;
	const char *value = NULL;

	if (root && index < root->header_count) {
		name = root->headers[index].name;
		value = root->headers[index].value;
	} else if (root && index == root->header_count && !rv__message_find_header(root, name)) {
		value = rv__message_filled_content_type(message);
	}
	if (!value)
		return false;
	if (ret_name)
		*ret_name = name;
	if (ret_value)
		*ret_value = value;
	return true;
}
