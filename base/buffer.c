/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256, DEFAULT_LIMIT = 64 << 20 };

static size_t limit_of(const struct rv__buffer *buffer)
{
	return buffer->limit ? buffer->limit : DEFAULT_LIMIT;
}

void rv__buffer_finish(struct rv__buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct rv__buffer){.limit = buffer->limit};
}

void rv__buffer_clear(struct rv__buffer *buffer)
{
	buffer->length = 0;
	buffer->failed = RV_OK;
}

static bool grow(struct rv__buffer *buffer, size_t needed)
{
	size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
	uint8_t *bytes;

	while (capacity < needed)
		capacity *= 2;
	bytes = realloc(buffer->bytes, capacity);
	if (!bytes) {
		buffer->failed = RV_E_NOMEM;
		return false;
	}
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return true;
}

uint8_t *rv__buffer_reserve(struct rv__buffer *buffer, size_t extra)
{
	if (buffer->failed != RV_OK)
		return NULL;
	if (extra > limit_of(buffer) || buffer->length > limit_of(buffer) - extra) {
		buffer->failed = RV_E_TOOBIG;
		return NULL;
	}
	/* One byte more than asked for, so that rv__buffer_text() never grows. */
	if (buffer->capacity < buffer->length + extra + 1 && !grow(buffer, buffer->length + extra + 1))
		return NULL;
	return buffer->bytes + buffer->length;
}

void rv__buffer_add(struct rv__buffer *buffer, const void *bytes, size_t length)
{
	uint8_t *at = rv__buffer_reserve(buffer, length);

	if (!at)
		return;
	if (length)
		memcpy(at, bytes, length);
	buffer->length += length;
}

void rv__buffer_add_text(struct rv__buffer *buffer, const char *text)
{
	rv__buffer_add(buffer, text, strlen(text));
}

void rv__buffer_printf(struct rv__buffer *buffer, const char *format, ...)
{
	va_list args;
	uint8_t *at;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0 || !(at = rv__buffer_reserve(buffer, (size_t)length)))
		return;
	va_start(args, format);
	vsnprintf((char *)at, (size_t)length + 1, format, args);
	va_end(args);
	buffer->length += (size_t)length;
}

void rv__buffer_add_u8(struct rv__buffer *buffer, uint8_t value)
{
	rv__buffer_add(buffer, &value, 1);
}

void rv__buffer_add_u16(struct rv__buffer *buffer, uint16_t value)
{
	uint8_t wire[2];

	rv__put_u16(wire, value);
	rv__buffer_add(buffer, wire, sizeof wire);
}

void rv__buffer_add_u32(struct rv__buffer *buffer, uint32_t value)
{
	uint8_t wire[4];

	rv__put_u32(wire, value);
	rv__buffer_add(buffer, wire, sizeof wire);
}

void rv__buffer_add_u64(struct rv__buffer *buffer, uint64_t value)
{
	uint8_t wire[8];

	rv__put_u64(wire, value);
	rv__buffer_add(buffer, wire, sizeof wire);
}

const char *rv__buffer_text(struct rv__buffer *buffer)
{
	uint8_t *end = rv__buffer_reserve(buffer, 0);

	if (!end)
		return "";
	*end = 0;
	return (const char *)buffer->bytes;
}

void *rv__buffer_take(struct rv__buffer *buffer, size_t *ret_length)
{
	void *bytes = NULL;

	if (rv__buffer_text(buffer)[0] != '\0' || buffer->failed == RV_OK) {
		bytes = buffer->bytes;
		if (ret_length)
			*ret_length = buffer->length;
		*buffer = (struct rv__buffer){.limit = buffer->limit};
	}
	return bytes;
}

const uint8_t *rv__read_bytes(struct rv__reader *reader, size_t n)
{
	const uint8_t *at = reader->bytes + reader->at;

	if (reader->failed || n > reader->length - reader->at) {
		reader->failed = true;
		return NULL;
	}
	reader->at += n;
	return at;
}

uint8_t rv__read_u8(struct rv__reader *reader)
{
	const uint8_t *p = rv__read_bytes(reader, 1);

	return p ? *p : 0;
}

uint16_t rv__read_u16(struct rv__reader *reader)
{
	const uint8_t *p = rv__read_bytes(reader, 2);

	return p ? rv__get_u16(p) : 0;
}

uint32_t rv__read_u32(struct rv__reader *reader)
{
	const uint8_t *p = rv__read_bytes(reader, 4);

	return p ? rv__get_u32(p) : 0;
}

uint64_t rv__read_u64(struct rv__reader *reader)
{
	const uint8_t *p = rv__read_bytes(reader, 8);

	return p ? rv__get_u64(p) : 0;
}
