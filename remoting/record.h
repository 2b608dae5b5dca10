/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message as RocketMQ stores it in its commit log and sends it in answers to pulls: the two are
 * the same bytes, which is why the broker, its store and the client's binder share this file.
 *
 *     0       4       8       12      16      20      24      28      32      36      40
 *     | size  | magic |bodyCRC|queueId| flag  |  queueOffset  | physicalOffset|sysFlag|
 *     | bornTimestamp | born ip (4|16), port | storeTimestamp | store ip (4|16), port |
 *     | reconsume | preparedTransactionOffset | bodyLength, body | topicLength (1|2), topic |
 *     | propertiesLength (2), properties |                              all big-endian
 *
 * Source: apache/rocketmq common/src/main/java/org/apache/rocketmq/common/message/MessageDecoder.java and
 * store/src/main/java/org/apache/rocketmq/store/CommitLog.java, release 4.9.
 *
 * Threads: functions without state; any.
 */
#ifndef REMOTING_RECORD_H
#define REMOTING_RECORD_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#define RV__RECORD_MAGIC_V1 UINT32_C(0xDAA320A7)
#define RV__RECORD_MAGIC_V2 UINT32_C(0xDAA320AB) /* 16-bit topic length, for topics beyond 127 bytes */
#define RV__RECORD_MAGIC_BLANK UINT32_C(0xCBD43194)

enum {
	RV__RECORD_FIXED = 91, /* bytes of a V1 record with IPv4 hosts and nothing else */
	RV__TOPIC_MAX = 255,
	RV__PROPERTIES_MAX = 32767,
	RV__OFFSET_ID_MAX = 56 /* characters of an offset message id without the NUL */
};

/* sysFlag bits. */
enum {
	RV__SYS_COMPRESSED = 0x1,
	RV__SYS_MULTI_TAGS = 0x2,
	RV__SYS_TX_MASK = 0xC,
	RV__SYS_TX_NONE = 0x0,
	RV__SYS_TX_PREPARED = 0x4,
	RV__SYS_TX_COMMIT = 0x8,
	RV__SYS_TX_ROLLBACK = 0xC,
	RV__SYS_BORN_V6 = 0x10,
	RV__SYS_STORE_V6 = 0x20,
	RV__SYS_COMPRESSION_MASK = 0x700,
	RV__SYS_COMPRESSION_LZ4 = 0x100,
	RV__SYS_COMPRESSION_ZSTD = 0x200,
	RV__SYS_COMPRESSION_ZLIB = 0x300
};

/* An address as records carry it. */
struct rv__address {
	uint8_t ip[16]; /* network order; the first 4 or all 16 */
	uint8_t length; /* 4 or 16; 0 counts as 0.0.0.0 */
	uint32_t port;
};

/* A view of one record; pointers are borrowed from the bytes it was decoded from (or the caller's). */
struct rv__record {
	uint32_t size;  /* of the whole record; set by decoding */
	uint32_t magic; /* set by decoding; encoding chooses by the topic's length */
	uint32_t body_crc;
	int32_t queue_id;
	int32_t flag;
	int64_t queue_offset;
	int64_t physical_offset;
	int32_t sys_flag;       /* encoding sets the two IPv6 bits from the hosts */
	int64_t born_timestamp; /* ms since 1970 */
	struct rv__address born_host;
	int64_t store_timestamp;
	struct rv__address store_host;
	int32_t reconsume_times;
	int64_t prepared_offset;
	const uint8_t *body;
	size_t body_length;
	const char *topic; /* not NUL-terminated */
	size_t topic_length;
	const char *properties; /* raw string of section "properties" below; not NUL-terminated */
	size_t properties_length;
};

/**
 * Reads one record from the front of `bytes`, which may hold more behind it (record->size tells how much was
 * this one's). Checks magic, sizes and that the parts fill the record exactly; not the body's checksum.
 *
 * @return RV_OK; RV_E_PROTOCOL when the bytes are no record or are cut short (number 0)
 */
rv_err rv__record_decode(
    const uint8_t *bytes, size_t length, struct rv__record *ret_record, struct rv_error *err);

/** Whether the body matches its checksum. */
bool rv__record_body_ok(const struct rv__record *record);

/** CRC-32 (IEEE) of a body without the top bit, as records carry it. */
uint32_t rv__record_crc(const uint8_t *body, size_t length);

/** Bytes that encoding will take. */
size_t rv__record_size(const struct rv__record *record);

/**
 * Appends the record to `out`, with size, magic and body_crc computed here (the members of those names are
 * not read).
 *
 * @return RV_OK; RV_E_INVALID (empty topic); RV_E_TOOBIG (topic beyond 255, properties beyond 32767 bytes,
 * body beyond 2^31); RV_E_NOMEM / RV_E_TOOBIG from the buffer
 */
rv_err rv__record_encode(const struct rv__record *record, struct rv__buffer *out, struct rv_error *err);

/** Same, to memory that has rv__record_size() bytes and whose record is known to be within the limits. */
void rv__record_put(const struct rv__record *record, uint32_t body_crc, uint8_t *out);

/* Fixed places, to patch an encoded record. */
enum { RV__RECORD_AT_QUEUE_ID = 12, RV__RECORD_AT_QUEUE_OFFSET = 20, RV__RECORD_AT_PHYSICAL_OFFSET = 28 };

/* -- properties: k1 \x01 v1 \x02 k2 \x01 v2 [\x02] ---------------------------- */

/* One pair, borrowed from the string. */
struct rv__property {
	const char *name;
	size_t name_length;
	const char *value;
	size_t value_length;
};

/**
 * Walks the pairs: *position starts at 0; false at the end. Entries that Java's decoder drops (no \x01,
 * empty name or value) are skipped.
 */
bool rv__properties_next(
    const char *properties, size_t length, size_t *position, struct rv__property *ret_property);

/** Value of the last pair with that name (as a Java map would hold it), borrowed; NULL when there is none. */
const char *rv__properties_get(const char *properties, size_t length, const char *name, size_t *ret_length);

/** Appends one pair to a raw string in `out` that is nothing but properties; adds the separator when it
 * lacks. An empty value or a NULL one adds nothing. */
void rv__properties_append(struct rv__buffer *out, const char *name, const char *value, size_t value_length);

/** Appends all pairs of a raw string whose name is not among `drop` (NULL-terminated list, may be NULL). */
void rv__properties_copy(
    struct rv__buffer *out, const char *properties, size_t length, const char *const *drop);

/** The tags code of a property string: hash of TAGS, sign-extended; 0 when there is none. */
int64_t rv__tags_code(const char *properties, size_t length);

/* -- message ids ---------------------------------------------------------------- */

/** Writes the offset message id (32 or 56 upper-case hexadecimal digits and NUL); returns its length. */
size_t rv__offset_id_format(
    const struct rv__address *store_host, int64_t physical_offset, char text[RV__OFFSET_ID_MAX + 1]);

/** Reads one (either case); false when it is none. */
bool rv__offset_id_parse(
    const char *text, size_t length, struct rv__address *ret_host, int64_t *ret_physical_offset);

#endif
