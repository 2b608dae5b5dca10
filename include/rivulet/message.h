/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message: payload bytes and headers, shared by reference and immutable once
 * it was sent or delivered. What a listener gets is the envelope of one delivery
 * over that body: destination, partition, position and attempt belong to it.
 *
 * Lifecycle: create (one reference) -> set headers, by one thread -> send any
 * number of times -> unref. Threads: set_* only by the creating thread before the
 * first send; everything else from any thread.
 *
 *     RV_CLEANUP(rv_message_unrefp) rv_message *message =
 *         rv_message_create_json("{s:s}", "plate", "粤B12345");
 *     rv_message_set_header(message, RV_HEADER_KEY, "粤B12345");
 *     rv_channel_send(output, message, &error);
 *
 * A message that could not be made is a static message that carries its error: every
 * call accepts it, sending it reports that error, unref does nothing. Constructors
 * never return NULL. The error is RV_E_INVALID (a NULL where bytes must be, a bad
 * format, text or JSON that is none), RV_E_TOOBIG (over 64 MiB) or RV_E_NOMEM.
 */
#ifndef RIVULET_MESSAGE_H
#define RIVULET_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <rivulet/error.h>
#include <rivulet/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_message rv_message;

/* What the value of a header is, where the broker carries types (Kafka, Redis); elsewhere all travel as text. */
enum rv_header_type {
	RV_HEADER_TEXT,    /* UTF-8; Java's String */
	RV_HEADER_BOOLEAN, /* "true" or "false" */
	RV_HEADER_INT,     /* decimal, 32 bits; Java's Integer */
	RV_HEADER_LONG,    /* decimal, 64 bits; Java's Long */
	RV_HEADER_DOUBLE,  /* decimal, as JSON writes it */
	RV_HEADER_JSON,    /* a JSON value */
	RV_HEADER_BYTES    /* any bytes */
};

/* One header of a message; pointers borrowed until the message's last unref. */
struct rv_header {
	const char *name;
	const char *value; /* `length` bytes and a NUL behind them */
	size_t length;
	enum rv_header_type type;
};

/* Header names with a meaning of their own, the same on every binder. Names are compared exactly. */
#define RV_HEADER_CONTENT_TYPE "contentType" /* MIME type of the payload */
#define RV_HEADER_MESSAGE_ID "messageId"     /* 32 hexadecimal digits; read with rv_message_id() */
#define RV_HEADER_KEY "rivulet_key"          /* routing and record key; Kafka key, RocketMQ KEYS */
#define RV_HEADER_TAGS "TAGS"                /* RocketMQ's tag; Redis and Kafka carry it as a header */
#define RV_HEADER_PARTITION "scst_partition" /* partition that a partitioned output chose, an int */
/* Set it to name the partition yourself; a partitioned output takes it and sends RV_HEADER_PARTITION in its place. */
#define RV_HEADER_PARTITION_OVERRIDE "scst_partitionOverride"

/** Copies `length` bytes (NULL only with 0). At most 64 MiB; a binder may allow less. */
RV_API rv_message *rv_message_create(const void *payload, size_t length);

/** Copies a NUL-terminated UTF-8 text and sets contentType text/plain. */
RV_API rv_message *rv_message_create_text(const char *text);

/** Packs with jansson's json_pack format; compact, insertion order; contentType application/json. */
RV_API rv_message *rv_message_create_json(const char *format, ...);

/** Serialises `value` (borrowed) likewise. */
RV_API rv_message *rv_message_create_from_json(const json_t *value);

/**
 * A tombstone: no payload at all, which is not an empty one; with a key it tells a compacted Kafka topic to
 * forget that key. Where a broker cannot carry it (RocketMQ) its send is refused with RV_E_UNSUPPORTED.
 * The payload reads as "" with length 0.
 */
RV_API rv_message *rv_message_create_null(void);

/** Whether the message is a tombstone. */
RV_API bool rv_message_is_null(const rv_message *message);

/** Runs when the last reference of a wrapping message is gone, on any thread. */
typedef void (*rv_release_fn)(void *owner);

/**
 * A message over foreign bytes, without a copy: `payload` stays valid and unchanged
 * until `release(owner)` ran. On failure release has run before the return.
 */
RV_API rv_message *rv_message_wrap(const void *payload, size_t length, rv_release_fn release, void *owner);

/** Takes another reference; returns `message`. NULL stays NULL. */
RV_API rv_message *rv_message_ref(const rv_message *message);

/** Drops a reference; NULL and error messages are fine. */
RV_API void rv_message_unref(rv_message *message);

static inline void rv_message_unrefp(rv_message **slot)
{
	rv_message_unref(*slot);
	*slot = NULL;
}

/** A new, unsent message with the same payload (shared) and a copy of the headers, and an id of its own; owned. A
 * message that carries an error comes back as it is; NULL becomes one with RV_E_INVALID. */
RV_API rv_message *rv_message_dup(const rv_message *message);

/**
 * Sets or replaces one header, as text. Name 1-255 bytes, value up to 32 KiB of UTF-8, both copied;
 * at most 128 headers and 64 KiB together.
 *
 * @return RV_OK; RV_E_INVALID for a bad name, value or a message that was sent already;
 *         RV_E_TOOBIG over a limit; RV_E_NOMEM; the message's own error if it could not be made
 */
RV_API rv_err rv_message_set_header(rv_message *message, const char *name, const char *value);

/**
 * Likewise, with the type that travels along where the broker carries types (RV_CAP_BINARY_HEADERS: Kafka,
 * Redis, memory); elsewhere the value travels as text.
 *
 * @param value   `length` bytes, copied: what stands at the type in enum rv_header_type; NULL only with 0
 * @return as rv_message_set_header(); RV_E_INVALID too when the value is not of that type: a number that does
 *         not fit, text or JSON that is none, a zero byte in anything but RV_HEADER_BYTES, and for contentType
 *         and TAGS any type but RV_HEADER_TEXT
 */
RV_API rv_err rv_message_set_header_typed(
    rv_message *message, const char *name, enum rv_header_type type, const void *value, size_t length);

/* The same for a value at hand; a double must be finite. */
RV_API rv_err rv_message_set_header_bool(rv_message *message, const char *name, bool value);
RV_API rv_err rv_message_set_header_int(rv_message *message, const char *name, int32_t value);
RV_API rv_err rv_message_set_header_long(rv_message *message, const char *name, int64_t value);
RV_API rv_err rv_message_set_header_double(rv_message *message, const char *name, double value);

/** Borrowed until the last unref; `*ret_length` may be NULL. Never NULL, nothing is promised behind it. */
RV_API const void *rv_message_payload(const rv_message *message, size_t *ret_length);

/** Value of a header, NUL-terminated, borrowed until the last unref; NULL when absent. One of type
 * RV_HEADER_BYTES may hold zeros: see rv_message_header_entry(). */
RV_API const char *rv_message_header(const rv_message *message, const char *name);

/** Header number `index` in order; false behind the last. Either result pointer may be NULL. */
RV_API bool rv_message_header_at(
    const rv_message *message, size_t index, const char **ret_name, const char **ret_value);

/** Header number `index` in order with its type and length, borrowed as above; false behind the last, with
 * *ret untouched. */
RV_API bool rv_message_header_entry(const rv_message *message, size_t index, struct rv_header *ret);

/** The header of that name with its type and length; false when absent, with *ret untouched. */
RV_API bool rv_message_header_find(const rv_message *message, const char *name, struct rv_header *ret);

/**
 * Payload as printable NUL-terminated text: a copy made on first use, valid until the last
 * unref; zeros, control characters and invalid UTF-8 escaped as \xHH. Never NULL.
 */
RV_API const char *rv_message_text(const rv_message *message);

/** Parses the payload as JSON: a new reference, owned. NULL with *err on failure: RV_E_INVALID when it is none;
 * RV_E_TOOBIG when it nests deeper than 64 levels; the message's own error if it could not be made. */
RV_API json_t *rv_message_json(const rv_message *message, struct rv_error *err);

/** The message's id: 32 upper-case hexadecimal digits, or a foreign message's position. Never NULL. */
RV_API const char *rv_message_id(const rv_message *message);

/** RV_OK, or why this message could not be made; *err (may be NULL) filled then. */
RV_API rv_err rv_message_error(const rv_message *message, struct rv_error *err);

/* The delivery that a message belongs to; "" / -1 / 0 on a message that was not received. */

/** Label of the binder that delivered it ("RocketMQ", "Memory"); "" otherwise. */
RV_API const char *rv_message_source(const rv_message *message);
/** Destination (topic, stream) it came from. */
RV_API const char *rv_message_destination(const rv_message *message);
/** Partition (RocketMQ: queue id), -1 when none. */
RV_API int32_t rv_message_partition(const rv_message *message);
/** Position in the partition (offset), -1 when the binder has none. */
RV_API int64_t rv_message_position(const rv_message *message);
/** Attempt number, from 1: in-place attempts, added to those that the broker counted before. */
RV_API int rv_message_attempt(const rv_message *message);
/** Milliseconds since 1970 when the producer made it; 0 when unknown. */
RV_API int64_t rv_message_timestamp_ms(const rv_message *message);

#ifdef __cplusplus
}
#endif
#endif
