/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of records: how Java's serializers of simple types write them. Functions without state; any thread.
 *
 *     StringSerializer, UUIDSerializer  UTF-8      IntegerSerializer  4 bytes, big-endian
 *     ByteArraySerializer (default)     as is      LongSerializer     8 bytes, big-endian
 */
#ifndef BINDER_KAFKA_KEY_H
#define BINDER_KAFKA_KEY_H

#include <rivulet/binder.h>

#include "base/expression.h"

enum rv__kafka_format {
	RV__KAFKA_FORMAT_BYTES, /* text or bytes, as they are */
	RV__KAFKA_FORMAT_STRING,
	RV__KAFKA_FORMAT_UUID,
	RV__KAFKA_FORMAT_SHORT,
	RV__KAFKA_FORMAT_INTEGER,
	RV__KAFKA_FORMAT_LONG
};

/* A key on its way; `bytes` points into `room` or to what it was made from. */
struct rv__kafka_record_key {
	const void *bytes;
	size_t length;
	char room[40];
};

/**
 * The format of a Java (de)serializer class, named with or without its package.
 *
 * @return false for a class that is not one of Kafka's for the types above
 */
bool rv__kafka_format_of(const char *class_name, enum rv__kafka_format *ret_format);

/** RV_OK, or RV_E_INVALID when the header's value is not of that type; err->text says which. */
rv_err rv__kafka_key_write(enum rv__kafka_format format, const struct rv_header *header,
    struct rv__kafka_record_key *ret_key, struct rv_error *err);

/**
 * The key of a message: what `expression` makes of it (NULL: none is configured), else what `header` says (name NULL:
 * there is none). ret_key->bytes NULL: no key. Borrowed from the message and the evaluation, which the caller finishes.
 *
 * @return RV_OK; RV_E_INVALID with a sentence: the key does not fit, or the message has not what the expression needs;
 *         RV_E_NOMEM
 */
rv_err rv__kafka_key_choose(const struct rv__expression *expression, enum rv__kafka_format format,
    const struct rv_header *header, struct rv__evaluation *evaluation, struct rv__kafka_record_key *ret_key,
    struct rv_error *err);

/**
 * RV_HEADER_KEY of a received key: text where it is one, else bytes. Borrowed from the key's bytes and from *room.
 */
void rv__kafka_key_read(enum rv__kafka_format format, const void *bytes, size_t length,
    struct rv__kafka_record_key *room, struct rv_header_span *ret_span);

#endif
