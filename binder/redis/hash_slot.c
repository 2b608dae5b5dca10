/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/hash_slot.h"

#include <stdint.h>
#include <string.h>

static uint16_t crc16(const char *bytes, size_t length)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < length; i++) {
		crc = (uint16_t)(crc ^ (uint16_t)((uint8_t)bytes[i] << 8));
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

unsigned rv__redis_slot_of(const char *key, size_t length)
{
	const char *open = memchr(key, '{', length);
	const char *close = open ? memchr(open, '}', length - (size_t)(open - key)) : NULL;

	if (close && close > open + 1)
		return crc16(open + 1, (size_t)(close - open - 1)) % RV__REDIS_SLOTS;
	return crc16(key, length) % RV__REDIS_SLOTS;
}
