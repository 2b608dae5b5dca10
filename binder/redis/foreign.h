/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries that others wrote, recognised by the names of their fields:
 *
 *     _watermill_message_uuid, metadata, payload   Watermill: id; msgpack map of strings; bytes
 *     __data__                                     FastStream: an envelope in one field, binary or the older JSON
 *     _raw                                         Spring Data Redis: a simple value
 *     data, metadata                               Dapr: mostly a CloudEvent; JSON object of strings, may be missing
 *     anything else                                one JSON object of all fields, contentType application/json
 *
 * Fields beside those of the first three become headers. The headers content-type and message_id of others take the
 * places of contentType and of the messageId. The I/O thread of the consumer.
 *
 * Sources: watermill-redisstream pkg/redisstream/marshaller.go; faststream/redis/parser/binary.py and
 * docs/en/redis/message_format.md; dapr components-contrib pubsub/redis; spring-data-redis MappingRedisConverter;
 * CloudEvents 1.0 and its JSON format; msgpack's spec.md.
 */
#ifndef BINDER_REDIS_FOREIGN_H
#define BINDER_REDIS_FOREIGN_H

#include "binder/redis/layout.h"

/**
 * Reads an entry that is not ours; *decoded is empty.
 *
 * @param fields  at the array of names and values
 * @return false when it is damaged, or there is no memory: then the payload is the field as it lies, so far as there
 *         is one
 */
bool rv__redis_decode_foreign(struct rv__resp_cursor fields, struct rv__redis_decoded *decoded);

/** Keeps a header of others; contentType and messageId go where they belong. What is too many is left out. */
void rv__redis_foreign_header(struct rv__redis_decoded *decoded, struct rv_span name, struct rv_span value);

/* What a producer writes; the words of its message-format are in this order. */
enum rv__redis_format {
	RV__REDIS_FORMAT_NATIVE,
	RV__REDIS_FORMAT_DAPR,
	RV__REDIS_FORMAT_WATERMILL,
	RV__REDIS_FORMAT_FASTSTREAM,
	RV__REDIS_FORMAT_SPRING,
	RV__REDIS_FORMAT_FLAT
};

/* formats.c */
/** As rv__redis_encode(), in another layout; a tombstone is always in ours. `source`: of events, not empty. */
bool rv__redis_encode_as(struct rv__buffer *out, const struct rv__redis_head *head, const rv_message *message,
    bool bare, enum rv__redis_format format, const char *source);

/* cloud_event.c */
/** Reads a JSON document, as payload when it is no CloudEvent, else what it carries: id, contentType, payload, and its
 * other attributes as headers ce-<name>. False when its data_base64 is damaged, or there is no memory: the payload is
 * the document then too. */
bool rv__redis_decode_event(struct rv_span document, struct rv__redis_decoded *decoded);

#endif
