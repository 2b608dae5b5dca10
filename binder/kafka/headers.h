/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of a message and of a Kafka record, byte for byte as the header mapper of Spring Cloud Stream's Kafka
 * binder writes and reads them (BinderHeaderMapper): texts as raw UTF-8, other values as JSON, and one last header
 * that names the Java type of each. Captured bytes are in tests/unit/test_kafka_headers.c.
 *
 *     contentType = application/json      messageId = 7F0000…      retries = 3
 *     spring_json_header_types = {"contentType":"java.lang.String",…,"retries":"java.lang.Integer"}
 *
 * Bytes, and what tracing tools write, go raw and are not listed. What a list does not name arrives as bytes.
 */
#ifndef BINDER_KAFKA_HEADERS_H
#define BINDER_KAFKA_HEADERS_H

#include <rivulet/binder.h>

#include <librdkafka/rdkafka.h>

/* Spring's header with the types of the others. */
#define RV__KAFKA_TYPES "spring_json_header_types"

/* -- out ------------------------------------------------------------------------------------ */

/* How a binding maps its headers. */
struct rv__kafka_mapping {
	/* producer.header-patterns: the first that matches decides, `!` negates, `*` at either end; borrowed.
	 * Without any, all go. */
	struct rv_strings patterns;
	bool bare; /* none goes, whatever the message says */
};

/* What a message asks for beside its headers. Pointers borrowed from the message. */
struct rv__kafka_outgoing {
	rd_kafka_headers_t *headers; /* owned; NULL: none */
	struct rv_header key;        /* RV_HEADER_KEY, else kafka_messageKey; name NULL: none */
	const char *topic;           /* kafka_topic; NULL: none */
	int64_t timestamp_ms;        /* kafka_timestamp; 0: none */
	int32_t partition;           /* kafka_partitionId; -1: none */
};

/**
 * Collects what goes out with a message. Any thread.
 *
 * @param bare  no headers, only what steers the send
 * @return RV_OK; RV_E_NOMEM, with nothing left to free
 */
rv_err rv__kafka_headers_write(const struct rv__kafka_mapping *mapping, const rv_message *message, bool bare,
    struct rv__kafka_outgoing *ret_outgoing);

/* -- in ------------------------------------------------------------------------------------- */

enum {
	RV__KAFKA_HEADERS_MAX = 128, /* what a message takes */
	RV__KAFKA_TYPE_LISTS = 4     /* lists of types that a reader remembers */
};

struct rv__kafka_type_list;

/* Reads headers for one thread: it remembers the lists of types it met, since most records repeat one. Zeroed
 * memory is a valid reader. */
struct rv__kafka_header_reader {
	struct rv__kafka_type_list *lists[RV__KAFKA_TYPE_LISTS]; /* owned; the last used first */
	/* Of the last record; with places for the key and the standard headers. */
	struct rv_header_span spans[RV__KAFKA_HEADERS_MAX + 3];
	size_t count;
	struct rv_span id; /* messageId; empty: none */
	char *scratch;     /* owned; values that had to be decoded */
	size_t scratch_used, scratch_capacity;
};

void rv__kafka_header_reader_finish(struct rv__kafka_header_reader *reader);

/**
 * Reads the headers of a record into reader->spans, count and id: of equal names the last counts, the list of types
 * is left out. Borrowed from the record and the reader until the next call. `headers` NULL: none.
 */
void rv__kafka_headers_read(struct rv__kafka_header_reader *reader, const rd_kafka_headers_t *headers);

/* The texts of `id` and `timestamp`. */
struct rv__kafka_standard_room {
	char id[37], timestamp[24];
};

/**
 * Adds what consumer.standard-headers asks for, in place of headers of those names: a new UUID and the time now.
 * Borrowed from *room.
 *
 * @param which  bits of enum rv__kafka_standard
 */
void rv__kafka_headers_standard(struct rv__kafka_header_reader *reader, const struct rv_binder_env *env,
    int64_t which, struct rv__kafka_standard_room *room);

/** A UUID of version 4, as Java writes one. */
void rv__kafka_uuid(const struct rv_binder_env *env, char text[37]);

#endif
