/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a message lies in a stream. An entry has these fields, in this order, so that Redis keeps their names once a node:
 *
 *     payload      the bytes                                   (a tombstone has the field `null` with "1" instead)
 *     contentType  as text                                     (absent when the message has none)
 *     headers      {"messageId":"…","fee":15}   one JSON object, values by their type; bytes are {"$b64":"…"}
 *     types        {"fee":"long"}               (only where a value does not tell: a long that an int would hold, a
 *                                               double without a fraction)
 *     key          RV_HEADER_KEY                               (absent when the message has none)
 *
 * A bare message is payload and key alone. What others write is recognised by its fields (foreign.h).
 */
#ifndef BINDER_REDIS_LAYOUT_H
#define BINDER_REDIS_LAYOUT_H

#include "base/buffer.h"
#include "binder/redis/resp.h"

/* What stands before the fields in each XADD to one key: "XADD", key, options, "*". */
struct rv__redis_head {
	struct rv__buffer words; /* owned */
	size_t count;            /* words in it */
};

/** Appends one XADD; false with out->failed when there is no memory. */
bool rv__redis_encode(
    struct rv__buffer *out, const struct rv__redis_head *head, const rv_message *message, bool bare);

/* … and those that the consumer adds. */
enum { RV__REDIS_HEADERS_MAX = 128, RV__REDIS_OWN_HEADERS = 6 };

/* Of one entry, for rv_message_create_received(). Everything points into the entry, or into scratch. */
struct rv__redis_decoded {
	struct rv_span payload;
	bool null;
	struct rv_span id; /* the messageId; empty: none */
	struct rv_header_span headers[RV__REDIS_HEADERS_MAX + RV__REDIS_OWN_HEADERS];
	size_t header_count;
	struct rv__buffer scratch; /* of what had to be unescaped; kept from entry to entry */
	bool odd;                  /* something in it could not be read */
};

/** Reads the fields of an entry, an array of names and values, in our layout or a foreign one (foreign.h). False with
 * decoded->odd when something in it is damaged. */
bool rv__redis_decode(struct rv__resp_cursor *fields, struct rv__redis_decoded *decoded);

/* headers.c */
/** Whether a header has a field of its own, or is none to be sent. */
bool rv__redis_stands_apart(const char *name);
/** Appends the headers of a message (but contentType and key) as a JSON object. */
void rv__redis_headers_encode(struct rv__buffer *out, const rv_message *message);
/** Whether the type of some header cannot be seen by its value; then its names are told by what follows. */
bool rv__redis_types_needed(const rv_message *message);
void rv__redis_types_encode(struct rv__buffer *out, const rv_message *message);
/** Reads them, behind the headers. */
void rv__redis_types_decode(struct rv_span json, struct rv__redis_decoded *decoded);
/** Reads such an object into decoded->headers and ->id; false when it is none. */
bool rv__redis_headers_decode(struct rv_span json, struct rv__redis_decoded *decoded);

/* One member of a JSON object. */
struct rv__redis_member {
	struct rv_span name;
	struct rv_span value; /* as text: a string without its quotes, all else as it stands */
	struct rv_span raw;   /* as it stands */
};
typedef void (*rv__redis_member_fn)(void *arg, const struct rv__redis_member *member);
/** Tells the members of a JSON object in their order; false when it is none, or damaged: then some may have been told.
 * What is unescaped goes behind scratch; reserve json.length + 1 before, where it must not move. */
bool rv__redis_members(struct rv_span json, struct rv__buffer *scratch, rv__redis_member_fn found, void *arg);
/** Reads RFC 4648 text, with or without padding, into scratch, which must have text.length bytes to spare. */
bool rv__redis_base64(struct rv__buffer *scratch, struct rv_span text, struct rv_span *ret_bytes);
/** Appends `length` bytes as a JSON string. */
void rv__redis_json_string(struct rv__buffer *out, const char *bytes, size_t length);

#endif
