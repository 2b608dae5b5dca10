/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include "base/utf8.h"

#include <zlib.h>

/* Moves on by one character; its one or two UTF-16 units, how many. */
static size_t next_units(const char *text, size_t length, size_t *at, uint32_t units[2])
{
	size_t width = rv__utf8_length(text + *at, length - *at);
	uint32_t point = width ? rv__utf8_decode(text + *at, width) : 0xfffd;

	*at += width ? width : 1;
	units[0] = point;
	if (point <= 0xffff)
		return 1;
	units[0] = 0xd800 + ((point - 0x10000) >> 10);
	units[1] = 0xdc00 + ((point - 0x10000) & 0x3ff);
	return 2;
}

int32_t rv__hash_java_text(const char *text, size_t length)
{
	uint32_t hash = 0;
	uint32_t units[2];

	for (size_t at = 0; at < length;) {
		if ((unsigned char)text[at] < 0x80) { /* most texts are nothing else */
			hash = hash * 31 + (unsigned char)text[at++];
		} else {
			size_t count = next_units(text, length, &at, units);

			hash = hash * 31 + units[0];
			if (count == 2)
				hash = hash * 31 + units[1];
		}
	}
	return (int32_t)hash;
}

int32_t rv__hash_java_bytes(const void *bytes, size_t length)
{
	const signed char *at = bytes;
	uint32_t hash = 1;

	for (size_t i = 0; i < length; i++)
		hash = hash * 31 + (uint32_t)(int32_t)at[i];
	return (int32_t)hash;
}

size_t rv__utf16_length(const char *text, size_t length)
{
	size_t result = 0;
	uint32_t units[2];

	for (size_t at = 0; at < length;)
		result += next_units(text, length, &at, units);
	return result;
}

uint32_t rv__hash_murmur2(const void *bytes, size_t length)
{
	const uint32_t m = 0x5bd1e995;
	const unsigned char *at = bytes;
	uint32_t hash = 0x9747b28c ^ (uint32_t)length;
	size_t rest = length & 3;

	for (const unsigned char *end = at + (length - rest); at < end; at += 4) {
		uint32_t k =
		    (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;

		k *= m;
		k ^= k >> 24;
		k *= m;
		hash *= m;
		hash ^= k;
	}
	if (rest > 2)
		hash ^= (uint32_t)at[2] << 16;
	if (rest > 1)
		hash ^= (uint32_t)at[1] << 8;
	if (rest > 0) {
		hash ^= at[0];
		hash *= m;
	}
	hash ^= hash >> 13;
	hash *= m;
	hash ^= hash >> 15;
	return hash;
}

uint32_t rv__hash_crc32(const void *bytes, size_t length)
{
	return (uint32_t)crc32_z(0, bytes, length);
}

uint32_t rv__hash_fnv1a(const void *bytes, size_t length)
{
	const unsigned char *at = bytes;
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * 16777619u;
	return hash;
}
