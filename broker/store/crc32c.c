/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/store/crc32c.h"

#include <pthread.h>
#include <string.h>

static uint32_t tables[8][256];

static void fill_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ UINT32_C(0x82F63B78) : crc >> 1;
		tables[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
}

uint32_t rv__crc32c_table(uint32_t crc, const void *bytes, size_t length)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const uint8_t *at = bytes;

	pthread_once(&once, fill_tables);
	crc = ~crc;
	for (; length >= 8; at += 8, length -= 8) {
		uint32_t low = crc ^
		    ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);

		crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
		    tables[4][low >> 24] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^
		    tables[0][at[7]];
	}
	while (length-- > 0)
		crc = crc >> 8 ^ tables[0][(crc ^ *at++) & 255];
	return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t sum = ~crc;
	uint64_t word;

	for (; length >= 8; at += 8, length -= 8) {
		memcpy(&word, at, 8);
		sum = _mm_crc32_u64(sum, word);
	}
	while (length-- > 0)
		sum = _mm_crc32_u8((uint32_t)sum, *at++);
	return ~(uint32_t)sum;
}

uint32_t rv__crc32c(uint32_t crc, const void *bytes, size_t length)
{
	/* The builtin reads a table that the C library's start code filled. */
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, bytes, length);
	return rv__crc32c_table(crc, bytes, length);
}
#else
uint32_t rv__crc32c(uint32_t crc, const void *bytes, size_t length)
{
	return rv__crc32c_table(crc, bytes, length);
}
#endif
