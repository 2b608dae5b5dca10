/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offset message id, by which brokers name a stored message, in upper-case hexadecimal:
 *
 *     ip (4|16)  port (4)  physical offset (8)
 *
 * The other id of a message, its UNIQ_KEY, is made by whoever sends it (bindings/message_id.c).
 *
 * Source: apache/rocketmq common/.../message/MessageDecoder.java createMessageId, release 4.9.
 */
#include "remoting/record.h"

#include "base/hex.h"

#include <string.h>

enum { TAIL = 12, BYTES_MAX = 28 };

static size_t to_hex(const uint8_t *bytes, size_t length, char *text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < length; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * length] = '\0';
	return 2 * length;
}

/* Reads an id into bytes and its leading address; false when it is none. */
static bool from_hex(const char *text, size_t length, uint8_t bytes[BYTES_MAX], struct rv__address *ret)
{
	if (length != 2 * (4 + TAIL) && length != 2 * (16 + TAIL))
		return false;
	for (size_t i = 0; i < length; i += 2) {
		int byte = rv__hex_byte(text + i);

		if (byte < 0)
			return false;
		bytes[i / 2] = (uint8_t)byte;
	}
	memset(ret, 0, sizeof *ret);
	ret->length = (uint8_t)(length / 2 - TAIL);
	memcpy(ret->ip, bytes, ret->length);
	return true;
}

size_t rv__offset_id_format(
    const struct rv__address *store_host, int64_t physical_offset, char text[RV__OFFSET_ID_MAX + 1])
{
	size_t ip_length = store_host->length == 16 ? 16 : 4;
	uint8_t bytes[BYTES_MAX];

	memcpy(bytes, store_host->ip, ip_length);
	rv__put_u32(bytes + ip_length, store_host->port);
	rv__put_u64(bytes + ip_length + 4, (uint64_t)physical_offset);
	return to_hex(bytes, ip_length + TAIL, text);
}

bool rv__offset_id_parse(
    const char *text, size_t length, struct rv__address *ret_host, int64_t *ret_physical_offset)
{
	uint8_t bytes[BYTES_MAX];

	if (!from_hex(text, length, bytes, ret_host))
		return false;
	ret_host->port = rv__get_u32(bytes + ret_host->length);
	*ret_physical_offset = (int64_t)rv__get_u64(bytes + ret_host->length + 4);
	return true;
}
