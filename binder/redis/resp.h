/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RESP2, the protocol of Redis: commands written into a buffer, replies framed and read where they lie.
 *
 *     *2\r\n $4\r\nXLEN\r\n $6\r\norders\r\n         a command: an array of bulk strings
 *     +OK\r\n  -ERR …\r\n  :7\r\n  $3\r\nabc\r\n  *-1\r\n   replies: status, error, integer, bulk, nil array
 *
 * Nothing is copied and nothing is allocated here; hiredis makes trees of the rare replies that are read by name
 * (link.h). Protocol: redis.io/docs/reference/protocol-spec, RESP2.
 */
#ifndef BINDER_REDIS_RESP_H
#define BINDER_REDIS_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rivulet/binder.h>

#include "base/buffer.h"

enum {
	RV__RESP_BULK_MAX = 512 << 20, /* Redis' own limit of one string */
	RV__RESP_ITEMS_MAX = 1 << 20,  /* of one array; more is no answer to any of our commands */
	RV__RESP_NUMBER_ROOM = 21,     /* decimal digits of 64 bits with a sign */
	RV__RESP_HEAD_ROOM = 24,       /* "$<length>\r\n" and a trailing "\r\n" */
	RV__REDIS_ID_ROOM = 2 * 20 + 2 /* "<ms>-<seq>" with its zero */
};

/* -- writing ------------------------------------------------------------------------------ */

/** Writes decimal digits; how many. Nothing behind them. */
size_t rv__resp_digits(char *out, uint64_t value);

/* Into memory that is known to be large enough; where the next byte goes. */
static inline char *rv__resp_put_head(char *at, char type, uint64_t number)
{
	*at++ = type;
	at += rv__resp_digits(at, number);
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

static inline char *rv__resp_put_bulk(char *at, const void *bytes, size_t length)
{
	at = rv__resp_put_head(at, '$', length);
	if (length > 0)
		memcpy(at, bytes, length);
	at += length;
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

/* Into a buffer, which keeps a failure. */
void rv__resp_array(struct rv__buffer *out, size_t items);
void rv__resp_bulk(struct rv__buffer *out, const void *bytes, size_t length);
void rv__resp_text(struct rv__buffer *out, const char *text);
void rv__resp_number(struct rv__buffer *out, int64_t number);
/** A whole command of NUL-terminated words, the last followed by NULL. */
void rv__resp_words(struct rv__buffer *out, const char *first, ...) __attribute__((sentinel));

/* -- framing ------------------------------------------------------------------------------ */

/* How far a reply was looked at. Zeroed: a new one begins. */
struct rv__resp_framer {
	size_t at;     /* bytes of it that were looked at */
	uint64_t left; /* values that are still to come */
};

enum rv__resp_framed { RV__RESP_MORE, RV__RESP_WHOLE, RV__RESP_BROKEN };

/** Looks whether bytes[0, length) begin with a whole reply; its length, and the framer is ready for the next. */
enum rv__resp_framed rv__resp_frame(
    struct rv__resp_framer *framer, const char *bytes, size_t length, size_t *ret_length);

/* -- reading a framed reply ----------------------------------------------------------------- */

/* Walks the values of a framed reply. What does not fit sets `failed` and reads as nothing from then on. */
struct rv__resp_cursor {
	const char *at, *end;
	bool failed;
};

/** The type byte of the next value; 0 at the end. */
static inline char rv__resp_peek(const struct rv__resp_cursor *cursor)
{
	return cursor->failed || cursor->at == cursor->end ? 0 : *cursor->at;
}

/** Whether the next value is nil, of whichever type. */
static inline bool rv__resp_is_nil(const struct rv__resp_cursor *cursor)
{
	char type = rv__resp_peek(cursor);

	return (type == '*' || type == '$') && cursor->end - cursor->at >= 3 && cursor->at[1] == '-';
}

/** Items of an array; -1 for a nil one. */
int64_t rv__resp_get_array(struct rv__resp_cursor *cursor);
/** Bytes of a bulk string, status or integer; bytes NULL for nil. */
struct rv_span rv__resp_get_text(struct rv__resp_cursor *cursor);
int64_t rv__resp_get_integer(struct rv__resp_cursor *cursor);
/** Passes over one value with all that is in it. */
void rv__resp_skip(struct rv__resp_cursor *cursor);

/* -- ids of entries --------------------------------------------------------------------------- */

/* "<ms>-<seq>"; ordered by ms, then seq. */
struct rv__redis_id {
	uint64_t ms, seq;
};

static inline int rv__redis_id_compare(struct rv__redis_id a, struct rv__redis_id b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

bool rv__redis_id_parse(struct rv_span text, struct rv__redis_id *ret_id);
/** Writes with a zero behind it; the length without. */
size_t rv__redis_id_print(struct rv__redis_id id, char out[static RV__REDIS_ID_ROOM]);
void rv__resp_id(struct rv__buffer *out, struct rv__redis_id id);

/* An id as one rising number, for people and logs: exact while ms < 2^43 and seq < 2^20, which own ids of a server are. */
static inline int64_t rv__redis_id_position(struct rv__redis_id id)
{
	uint64_t ms = id.ms < (1ull << 43) ? id.ms : (1ull << 43) - 1;
	uint64_t seq = id.seq < (1u << 20) ? id.seq : (1u << 20) - 1;

	return (int64_t)(ms << 20 | seq);
}

#endif
