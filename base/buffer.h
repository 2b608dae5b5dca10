/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with a ceiling. Zeroed memory plus a limit is a valid
 * empty buffer; the first failure (no memory, over the limit) is kept, later
 * writes do nothing, and rv__buffer_error() tells it: callers check once.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

struct rv__buffer {
	uint8_t *bytes;  /* owned */
	size_t length;   /* used */
	size_t capacity; /* allocated */
	size_t limit;    /* length never passes it; 0 counts as 64 MiB */
	rv_err failed;   /* RV_OK, RV_E_NOMEM or RV_E_TOOBIG */
};

#define RV__BUFFER_INIT(max) \
	{ \
		.limit = (max) \
	}

void rv__buffer_finish(struct rv__buffer *buffer);
/** Empties, keeps the memory, forgets a failure. */
void rv__buffer_clear(struct rv__buffer *buffer);
/** Room for `extra` more bytes: where to write them (length is not moved), or NULL. */
uint8_t *rv__buffer_reserve(struct rv__buffer *buffer, size_t extra);
void rv__buffer_add(struct rv__buffer *buffer, const void *bytes, size_t length);
void rv__buffer_add_text(struct rv__buffer *buffer, const char *text);
void rv__buffer_printf(struct rv__buffer *buffer, const char *format, ...) RV_PRINTF(2, 3);
/* Big-endian integers. */
void rv__buffer_add_u8(struct rv__buffer *buffer, uint8_t value);
void rv__buffer_add_u16(struct rv__buffer *buffer, uint16_t value);
void rv__buffer_add_u32(struct rv__buffer *buffer, uint32_t value);
void rv__buffer_add_u64(struct rv__buffer *buffer, uint64_t value);
/** Appends a zero behind the text without counting it; the text, or "" after a failure. */
const char *rv__buffer_text(struct rv__buffer *buffer);
/** The bytes become the caller's (free()); the buffer is empty afterwards. NULL after a failure. */
void *rv__buffer_take(struct rv__buffer *buffer, size_t *ret_length);
static inline rv_err rv__buffer_error(const struct rv__buffer *buffer)
{
	return buffer->failed;
}

/* Bounds-checked reading of foreign bytes: over-reading sets `failed` and yields zeros. */
struct rv__reader {
	const uint8_t *bytes; /* borrowed */
	size_t length;
	size_t at;
	bool failed;
};

uint8_t rv__read_u8(struct rv__reader *reader);
uint16_t rv__read_u16(struct rv__reader *reader);
uint32_t rv__read_u32(struct rv__reader *reader);
uint64_t rv__read_u64(struct rv__reader *reader);
/** The next n bytes, borrowed; NULL (and failed) when there are fewer. */
const uint8_t *rv__read_bytes(struct rv__reader *reader, size_t n);

/* Big-endian at a fixed place. */
static inline uint32_t rv__get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t rv__get_u64(const uint8_t *p)
{
	return (uint64_t)rv__get_u32(p) << 32 | rv__get_u32(p + 4);
}
static inline uint16_t rv__get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline void rv__put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void rv__put_u32(uint8_t *p, uint32_t v)
{
	rv__put_u16(p, (uint16_t)(v >> 16));
	rv__put_u16(p + 2, (uint16_t)v);
}
static inline void rv__put_u64(uint8_t *p, uint64_t v)
{
	rv__put_u32(p, (uint32_t)(v >> 32));
	rv__put_u32(p + 4, (uint32_t)v);
}

#endif
