/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ids of a message, both upper-case hexadecimal.
 *
 *     offset message id:  ip (4|16)  port (4)  physical offset (8)
 *     UNIQ_KEY:           ip (4|16)  pid (2)  class loader (4)  ms since month start (4)  counter (2)
 *
 * Source: apache/rocketmq common/.../message/MessageDecoder.java createMessageId and
 * MessageClientIDSetter.java, release 4.9.
 */
#include "remoting/record.h"

#include <string.h>
#include <time.h>

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

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Reads an id of either kind into bytes and its leading address; false when it is none. */
static bool from_hex(const char *text, size_t length, uint8_t bytes[BYTES_MAX], struct rv__address *ret)
{
	if (length != 2 * (4 + TAIL) && length != 2 * (16 + TAIL))
		return false;
	for (size_t i = 0; i < length; i += 2) {
		int high = digit(text[i]);
		int low = digit(text[i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i / 2] = (uint8_t)(high << 4 | low);
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

bool rv__unique_id_parse(const char *text, size_t length, struct rv__unique_id *ret_id)
{
	uint8_t bytes[BYTES_MAX];
	const uint8_t *tail;

	if (!from_hex(text, length, bytes, &ret_id->host))
		return false;
	tail = bytes + ret_id->host.length;
	ret_id->pid = rv__get_u16(tail);
	ret_id->loader = rv__get_u32(tail + 2);
	ret_id->month_ms = rv__get_u32(tail + 6);
	ret_id->counter = rv__get_u16(tail + 10);
	return true;
}

size_t rv__unique_id_format(const struct rv__unique_id *id, char text[RV__OFFSET_ID_MAX + 1])
{
	size_t ip_length = id->host.length == 16 ? 16 : 4;
	uint8_t bytes[BYTES_MAX];

	memcpy(bytes, id->host.ip, ip_length);
	rv__put_u16(bytes + ip_length, id->pid);
	rv__put_u32(bytes + ip_length + 2, id->loader);
	rv__put_u32(bytes + ip_length + 6, id->month_ms);
	rv__put_u16(bytes + ip_length + 10, id->counter);
	return to_hex(bytes, ip_length + TAIL, text);
}

/* Start of the month of `now_ms`, local time as Java's Calendar has it, `back` months before. */
static int64_t month_start(int64_t now_ms, int back)
{
	time_t now = (time_t)(now_ms / 1000);
	struct tm local;
	struct tm first = {0};

	localtime_r(&now, &local);
	first.tm_year = local.tm_year;
	first.tm_mon = local.tm_mon - back;
	first.tm_mday = 1;
	first.tm_isdst = -1;
	return (int64_t)mktime(&first) * 1000;
}

int64_t rv__unique_id_time(const struct rv__unique_id *id, int64_t now_ms)
{
	int64_t made = month_start(now_ms, 0) + id->month_ms;

	/* An id from the future is one from last month. */
	return made <= now_ms ? made : month_start(now_ms, 1) + id->month_ms;
}
