/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of a message and what the binding layer may do with it that others may not.
 *
 * One allocation holds the struct, room for a few headers, and the payload. A *body* carries
 * payload, headers and id; an *envelope* shares the body of another message and differs
 * only in the facts of one delivery. Static *error* messages stand for those that could not be made.
 *
 *     body:      [struct][rest of a body][payload][strings][header rows]
 *     envelope:  [struct][destination]  root -> the other
 *
 * Everything but the atomics is written by the creating thread before the first share.
 */
#ifndef BINDINGS_MESSAGE_H
#define BINDINGS_MESSAGE_H

#include <stdatomic.h>

#include <rivulet/binder.h>
#include <rivulet/message.h>

enum {
	RV__MESSAGE_FIRST_HEADERS = 4,   /* room for headers in the first block */
	RV__MESSAGE_FIRST_STRINGS = 128, /* … and for their bytes */
	RV__PAYLOAD_MAX = 64 << 20,
	RV__HEADERS_MAX = 128,
	RV__RECEIVED_HEADERS_MAX = 160, /* with those of dead letters behind them */
	RV__HEADER_NAME_MAX = 255,
	RV__HEADER_VALUE_MAX = 32 << 10,
	RV__HEADER_BYTES_MAX = 64 << 10,
	RV__MESSAGE_ID_SIZE = 33
};

struct rv__header {
	const char *name;
	const char *value;
	uint32_t name_length;
	uint32_t value_room; /* bytes at `value`, with the zero; 0: static */
	uint32_t length : 28;
	uint32_t type : 4; /* enum rv_header_type */
};

/* Strings that no longer fit into the first allocation. */
struct rv__message_chunk {
	struct rv__message_chunk *next;
	char bytes[];
};

/* What only a body has, behind its struct rv_message. */
struct rv__message_body {
	struct rv__header *headers;
	rv_release_fn release; /* of a foreign payload */
	_Atomic(char *) text;  /* rv_message_text(), made on first use */
	struct rv__message_chunk *chunks;
	uint16_t header_count;
	uint16_t header_room;
	bool headers_spilled; /* `headers` has an allocation of its own */
	bool has_partition;   /* one of them is scst_partition or scst_partitionOverride */
	bool binary_headers;  /* one of them is no text: RV_HEADER_BYTES with zeros or without UTF-8 */
	bool null;            /* a tombstone */
	char *strings;        /* next free byte, and how many are left */
	size_t strings_left;
	void *owner; /* for `release` */
	char own_id[RV__MESSAGE_ID_SIZE];
};

/*
 * Messages pass from processor to processor, and each line of one costs as much as a hundred instructions then. So the
 * first line has all that a binder, and the making of an envelope, look at.
 */
struct rv_message {
	atomic_uint refs;
	atomic_bool sent;              /* no more headers */
	atomic_bool laden;             /* of a body: something beside its block is to be freed with it */
	uint8_t size_class : 3;        /* of its block; see pool.h */
	uint8_t timestamp_type : 2;    /* enum rv_timestamp_type */
	bool content_type_assumed : 1; /* by the binding that received it; no sender said so */
	bool has_content_type : 1;     /* one of the headers is contentType */
	uint32_t length;               /* of the payload */
	uint32_t header_bytes;         /* of all names and values, against the limit */
	const void *payload;
	const char *id;
	_Atomic(const char *)
	    content_type; /* filled in from a binding; interned; NULL: by header or not at all */
	_Atomic(const char *)
	    placed; /* text of the partition that a binding chose: scst_partition; RV__UNPLACED; NULL: none */
	const struct rv_message
	    *root; /* itself, or that of which this is an envelope; its body is behind it */
	int64_t timestamp_ms;

	rv_message *holds;            /* a reference that keeps root or payload alive; NULL: none */
	const struct rv_error *error; /* error messages only */
	/* The delivery. */
	const char *source;
	const char *destination;
	int32_t partition;
	int32_t attempt;
	int64_t position;
};

/* That of its root: an envelope shares it. */
static inline struct rv__message_body *rv__message_body(const rv_message *message)
{
	return (struct rv__message_body *)(message->root + 1);
}

/** Writes the next id of this process: 32 digits and a zero. *ret_ms: the wall clock it used. */
void rv__message_id_next(char id[RV__MESSAGE_ID_SIZE], int64_t *ret_ms);

/** A static text equal to `text` that lives as long as the process; NULL: no memory. For content types of
 * bindings. */
const char *rv__intern(const char *text);

/**
 * The message as it goes out of a binding: no more changes, and with the binding's content type
 * (interned) unless it has one. Returns a reference, owned: mostly to `message` itself. NULL: no memory.
 */
rv_message *rv__message_seal(rv_message *message, const char *content_type);

/** Instead of a partition: hides one that another binding chose for this message. */
#define RV__UNPLACED ""

/**
 * The message as it goes to a partition: its header scst_partition reads `text` (static; RV__UNPLACED: as if no
 * output had chosen one). *slot is replaced when others see another choice. RV_E_NOMEM or RV_OK.
 */
rv_err rv__message_place(rv_message **slot, const char *text);

/** The partition that a binding chose for it, as text; NULL: none. */
const char *rv__message_placed(const rv_message *message);

/** Fills in the content type of a received message that has none. */
void rv__message_default_content_type(rv_message *message, const char *content_type);

/** Sets the attempt number of a delivery; *slot is replaced when others share the envelope. */
rv_err rv__message_set_attempt(rv_message **slot, int attempt);

/** Payload bytes plus headers, as bounds count them. */
size_t rv__message_size(const rv_message *message);

/** A body with room for headers, strings and payload, in one block. NULL: no memory. */
rv_message *rv__message_new_body(size_t headers, size_t strings, size_t payload, void **ret_payload);

/** As rv_message_create_received(), with room for `length` payload bytes that the caller writes before the first share. */
rv_message *rv__message_create_received_room(const struct rv_received *received, size_t length);

/** The row of a header; NULL when absent. */
struct rv__header *rv__message_find_header(const rv_message *message, const char *name);
bool rv__is_content_type(const char *name, size_t length);
/** Keeps what is asked of the headers of every message, of one that was added. */
void rv__message_note_header(rv_message *message, const struct rv__header *row);

/** Whether a text without zeros is what enum rv_header_type says of that type. */
bool rv__header_value_fits(enum rv_header_type type, const char *text, size_t length);

/** Copies a header of another message, whose value was judged when it was set. */
rv_err rv__message_copy_header(rv_message *message, const struct rv_header *header);

/** The content type that a binding filled in, on this message or on its body; NULL: none. */
const char *rv__message_filled_content_type(const rv_message *message);

/** Calls `release` (may be NULL) when the new message ends, for a payload that is not its own. */
void rv__message_keep_foreign(rv_message *message, rv_release_fn release, void *owner);

/** Room for `length` payload bytes (writable until the first share); an error message on failure. */
rv_message *rv__message_allocate(size_t length, void **ret_payload);

/** Sets a header whose name and value are static texts; the message is new and has room. */
void rv__message_set_static_header(rv_message *message, const char *name, const char *value);

/** The static message of an error class: INVALID, TOOBIG or NOMEM. */
rv_message *rv__message_failed(rv_err code);
/** The same for a bad JSON format and for a text that is not UTF-8. */
rv_message *rv__message_failed_format(void);
rv_message *rv__message_failed_utf8(void);

#endif
