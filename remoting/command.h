/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a remoting command, in both of its forms (JSON and ROCKETMQ binary): decoding into
 * spans over the frame, and encoding into a buffer exactly as Java's classes write it.
 *
 *     struct rv__command_writer writer;
 *     rv__command_begin(&writer, &out, &(struct rv__command_head){.code = 105, .opaque = 7, …});
 *     rv__command_add_text(&writer, "topic", topic);
 *     rv__command_end(&writer, body_length);       -> the caller sends `out`, then the body
 *
 * Source: apache/rocketmq,
 * remoting/…/protocol/{RemotingCommand,RocketMQSerializable,RemotingSerializable}.java. Threads: any, one per
 * object.
 */
#ifndef REMOTING_COMMAND_H
#define REMOTING_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/binder.h> /* struct rv_span */

#include "base/buffer.h"
#include "base/decimal.h"
#include "remoting/frame.h"

enum { RV__SERIALIZE_JSON = 0, RV__SERIALIZE_ROCKETMQ = 1 };
enum { RV__FLAG_RESPONSE = 1, RV__FLAG_ONEWAY = 2 };
enum { RV__LANGUAGE_JAVA = 0, RV__LANGUAGE_CPP = 1, RV__LANGUAGE_OTHER = 7, RV__LANGUAGE_GO = 9 };

enum {
	RV__MQ_VERSION = 409,               /* V4_9_8: what we announce */
	RV__MQ_VERSION_STANDARD_JSON = 401, /* V4_9_4: from here on route data has quoted broker ids */
	RV__MQ_VERSION_MAX_RECONSUME = 121  /* V3_4_9: from here on requests carry maxReconsumeTimes */
};

enum { RV__FIELDS_MAX = 64 };

struct rv__field {
	struct rv_span name;
	struct rv_span value;
};

/* A decoded header. All spans point into the frame's header bytes (see struct rv__frame). */
struct rv__command {
	int32_t code;
	int32_t version;
	int32_t opaque;
	int32_t flag;
	uint8_t language; /* RV__LANGUAGE_*; unknown names count as OTHER */
	uint8_t serialize;
	struct rv_span remark; /* bytes NULL: absent */
	size_t field_count;
	struct rv__field fields[RV__FIELDS_MAX];
	const uint8_t *body; /* of the frame; NULL when empty */
	size_t body_length;
};

/**
 * Decodes the header of a frame. Tolerates any key order, unknown keys, numbers and booleans as
 * values of extFields; unescapes in place, so a frame is decoded once.
 *
 * @return RV_OK; RV_E_PROTOCOL: malformed, or more than RV__FIELDS_MAX extFields
 */
rv_err rv__command_decode(struct rv__frame *frame, struct rv__command *ret_command, struct rv_error *err);

static inline bool rv__command_is_response(const struct rv__command *command)
{
	return (command->flag & RV__FLAG_RESPONSE) != 0;
}
static inline bool rv__command_is_oneway(const struct rv__command *command)
{
	return (command->flag & RV__FLAG_ONEWAY) != 0;
}

/* Reading extFields. Borrowed spans, not terminated. */

/** The value of an extField; bytes NULL when absent. */
struct rv_span rv__command_field(const struct rv__command *command, const char *name);
/** Whole-string decimal; false when absent or malformed, *ret_value untouched then. */
bool rv__command_i64(const struct rv__command *command, const char *name, int64_t *ret_value);
bool rv__command_i32(const struct rv__command *command, const char *name, int32_t *ret_value);
/** "true" in any case is true; absent or else is `fallback` or false. */
bool rv__command_bool(const struct rv__command *command, const char *name, bool fallback);
/** Copies with a terminating zero; false when absent, empty, longer than size-1, or with a zero inside. */
bool rv__command_text(const struct rv__command *command, const char *name, char *text, size_t size);

/* The same for a span that is at hand. */
static inline bool rv__span_i64(struct rv_span span, int64_t *ret_value)
{
	return rv__decimal_read(span.bytes, span.length, ret_value);
}
bool rv__span_is(struct rv_span span, const char *text);

/** "JAVA"; "OTHER" for a number outside the list. */
const char *rv__language_name(uint8_t language);

/* Encoding. */

struct rv__command_head {
	int32_t code;
	int32_t opaque;
	int32_t flag;
	uint8_t language;   /* RV__LANGUAGE_*; programs of this project announce CPP */
	uint8_t serialize;  /* a response uses the request's */
	int32_t version;    /* 0 counts as RV__MQ_VERSION */
	const char *remark; /* borrowed until end; NULL: none */
};

struct rv__command_writer {
	struct rv__buffer *out;
	struct rv__command_head head;
	size_t start;  /* of the frame in out */
	size_t fields; /* where the length of the binary extFields stands */
	bool any_field;
};

void rv__command_begin(
    struct rv__command_writer *writer, struct rv__buffer *out, const struct rv__command_head *head);
/** A response to `request`: its serialization, its opaque, flag 1, language CPP. */
void rv__command_begin_response(struct rv__command_writer *writer, struct rv__buffer *out,
    const struct rv__command *request, int32_t code, const char *remark);
void rv__command_add(struct rv__command_writer *writer, const char *name, const char *value, size_t length);
void rv__command_add_text(struct rv__command_writer *writer, const char *name, const char *value);
void rv__command_add_i64(struct rv__command_writer *writer, const char *name, int64_t value);
void rv__command_add_bool(struct rv__command_writer *writer, const char *name, bool value);
/** Makes JSON carry an empty `"extFields":{}` when no field was added, as Java does for a set but empty
 * header. */
void rv__command_add_nothing(struct rv__command_writer *writer);
/** Closes the frame around a body of `body_length` bytes, which the caller sends right behind. Failures stand
 * in rv__buffer_error(out). */
void rv__command_end(struct rv__command_writer *writer, size_t body_length);

#endif
