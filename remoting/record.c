/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding and encoding of stored messages. */
#include "remoting/record.h"

#include <string.h>
#include <zlib.h>

static void read_address(struct rv__reader *reader, bool v6, struct rv__address *ret)
{
	size_t length = v6 ? 16 : 4;
	const uint8_t *ip = rv__read_bytes(reader, length);

	memset(ret, 0, sizeof *ret);
	if (ip)
		memcpy(ret->ip, ip, length);
	ret->length = (uint8_t)length;
	ret->port = rv__read_u32(reader);
}

static void read_fixed(struct rv__reader *reader, struct rv__record *ret)
{
	ret->body_crc = rv__read_u32(reader);
	ret->queue_id = (int32_t)rv__read_u32(reader);
	ret->flag = (int32_t)rv__read_u32(reader);
	ret->queue_offset = (int64_t)rv__read_u64(reader);
	ret->physical_offset = (int64_t)rv__read_u64(reader);
	ret->sys_flag = (int32_t)rv__read_u32(reader);
	ret->born_timestamp = (int64_t)rv__read_u64(reader);
	read_address(reader, ret->sys_flag & RV__SYS_BORN_V6, &ret->born_host);
	ret->store_timestamp = (int64_t)rv__read_u64(reader);
	read_address(reader, ret->sys_flag & RV__SYS_STORE_V6, &ret->store_host);
	ret->reconsume_times = (int32_t)rv__read_u32(reader);
	ret->prepared_offset = (int64_t)rv__read_u64(reader);
}

rv_err rv__record_decode(
    const uint8_t *bytes, size_t length, struct rv__record *ret_record, struct rv_error *err)
{
	struct rv__reader reader = {.bytes = bytes, .length = length};
	struct rv__record record = {0};

	record.size = rv__read_u32(&reader);
	record.magic = rv__read_u32(&reader);
	if (reader.failed || record.size > length)
		return rv_error_set(err, RV_E_PROTOCOL, 0, "record",
		    "a stored message is cut short: %zu bytes of %u are there", length, record.size);
	if (record.magic != RV__RECORD_MAGIC_V1 && record.magic != RV__RECORD_MAGIC_V2)
		return rv_error_set(err, RV_E_PROTOCOL, 0, "record",
		    "a stored message has the unknown magic 0x%08x", record.magic);
	if (record.size < RV__RECORD_FIXED)
		return rv_error_set(err, RV_E_PROTOCOL, 0, "record",
		    "a stored message says that it has %u bytes", record.size);
	reader.length = record.size;
	read_fixed(&reader, &record);
	record.body_length = rv__read_u32(&reader);
	record.body = rv__read_bytes(&reader, record.body_length);
	record.topic_length =
	    record.magic == RV__RECORD_MAGIC_V2 ? rv__read_u16(&reader) : rv__read_u8(&reader);
	record.topic = (const char *)rv__read_bytes(&reader, record.topic_length);
	record.properties_length = rv__read_u16(&reader);
	record.properties = (const char *)rv__read_bytes(&reader, record.properties_length);
	if (reader.failed || reader.at != record.size)
		return rv_error_set(err, RV_E_PROTOCOL, 0, "record",
		    "the parts of a stored message of %u bytes do not fill it", record.size);
	*ret_record = record;
	return RV_OK;
}

uint32_t rv__record_crc(const uint8_t *body, size_t length)
{
	/* Java keeps the checksum in a signed int and clears the sign. */
	return (uint32_t)crc32_z(0, body, body ? length : 0) & UINT32_C(0x7FFFFFFF);
}

bool rv__record_body_ok(const struct rv__record *record)
{
	return rv__record_crc(record->body, record->body_length) == record->body_crc;
}

static size_t address_size(const struct rv__address *address)
{
	return (address->length == 16 ? 16 : 4) + 4;
}

size_t rv__record_size(const struct rv__record *record)
{
	return RV__RECORD_FIXED - 16 + address_size(&record->born_host) + address_size(&record->store_host) +
	    record->body_length + record->topic_length + (record->topic_length > 127 ? 1 : 0) +
	    record->properties_length;
}

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
	rv__put_u32(at, value);
	return at + 4;
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
	rv__put_u64(at, value);
	return at + 8;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t length)
{
	if (length)
		memcpy(at, bytes, length);
	return at + length;
}

static uint8_t *put_address(uint8_t *at, const struct rv__address *address)
{
	at = put_bytes(at, address->ip, address_size(address) - 4);
	return put_u32(at, address->port);
}

void rv__record_put(const struct rv__record *record, uint32_t body_crc, uint8_t *out)
{
	bool long_topic = record->topic_length > 127;
	uint32_t sys_flag = (uint32_t)record->sys_flag & ~(uint32_t)(RV__SYS_BORN_V6 | RV__SYS_STORE_V6);
	uint8_t *at = out;

	if (record->born_host.length == 16)
		sys_flag |= RV__SYS_BORN_V6;
	if (record->store_host.length == 16)
		sys_flag |= RV__SYS_STORE_V6;
	at = put_u32(at, (uint32_t)rv__record_size(record));
	at = put_u32(at, long_topic ? RV__RECORD_MAGIC_V2 : RV__RECORD_MAGIC_V1);
	at = put_u32(at, body_crc);
	at = put_u32(at, (uint32_t)record->queue_id);
	at = put_u32(at, (uint32_t)record->flag);
	at = put_u64(at, (uint64_t)record->queue_offset);
	at = put_u64(at, (uint64_t)record->physical_offset);
	at = put_u32(at, sys_flag);
	at = put_u64(at, (uint64_t)record->born_timestamp);
	at = put_address(at, &record->born_host);
	at = put_u64(at, (uint64_t)record->store_timestamp);
	at = put_address(at, &record->store_host);
	at = put_u32(at, (uint32_t)record->reconsume_times);
	at = put_u64(at, (uint64_t)record->prepared_offset);
	at = put_u32(at, (uint32_t)record->body_length);
	at = put_bytes(at, record->body, record->body_length);
	if (long_topic)
		*at++ = (uint8_t)(record->topic_length >> 8);
	*at++ = (uint8_t)record->topic_length;
	at = put_bytes(at, record->topic, record->topic_length);
	rv__put_u16(at, (uint16_t)record->properties_length);
	put_bytes(at + 2, record->properties, record->properties_length);
}

rv_err rv__record_encode(const struct rv__record *record, struct rv__buffer *out, struct rv_error *err)
{
	size_t size;
	uint8_t *at;

	if (record->topic_length == 0)
		return rv_error_set(err, RV_E_INVALID, 0, "record", "a message has no topic");
	if (record->topic_length > RV__TOPIC_MAX)
		return rv_error_set(err, RV_E_TOOBIG, 0, "record",
		    "a topic has %zu bytes, at most %d are possible", record->topic_length, RV__TOPIC_MAX);
	if (record->properties_length > RV__PROPERTIES_MAX)
		return rv_error_set(err, RV_E_TOOBIG, 0, "record",
		    "the properties of a message take %zu bytes, at most %d are possible",
		    record->properties_length, RV__PROPERTIES_MAX);
	if (record->body_length > INT32_MAX - UINT16_MAX)
		return rv_error_set(err, RV_E_TOOBIG, 0, "record", "a message body of %zu bytes is too large",
		    record->body_length);
	size = rv__record_size(record);
	at = rv__buffer_reserve(out, size);
	if (!at)
		return rv_error_set(
		    err, rv__buffer_error(out), 0, "record", "no room for a message of %zu bytes", size);
	rv__record_put(record, rv__record_crc(record->body, record->body_length), at);
	out->length += size;
	return RV_OK;
}
