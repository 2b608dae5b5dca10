/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "base/hex.h"

#include <stdint.h>
#include <string.h>

static bool tail(const unsigned char *p, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t rv__utf8_length(const char *bytes, size_t length)
{
	const unsigned char *p = (const unsigned char *)bytes;
	size_t n;

	if (length == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > length || !tail(p, n))
		return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

enum { WORD = sizeof(uint64_t) };

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

static uint64_t load(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	return word;
}

/* All of fewer bytes than a word, some of them twice, filled up with blanks. */
static uint64_t load_few(const char *bytes, size_t length)
{
	uint32_t first, last;

	if (length == 0)
		return EACH_BYTE(0x20);
	if (length < sizeof first)
		return (EACH_BYTE(0x20) << 24) | (uint64_t)(unsigned char)bytes[0] << 16 |
		    (uint64_t)(unsigned char)bytes[length / 2] << 8 | (unsigned char)bytes[length - 1];
	memcpy(&first, bytes, sizeof first);
	memcpy(&last, bytes + length - sizeof last, sizeof last);
	return (uint64_t)first << 32 | last;
}

/* Bytes from the start that are surely ASCII, looked at eight at a time. */
static size_t ascii_words(const char *bytes, size_t length)
{
	size_t at = 0;

	while (length - at >= WORD && !(load(bytes + at) & EACH_BYTE(0x80)))
		at += WORD;
	if (at < length && length - at < WORD &&
	    !((length >= WORD ? load(bytes + length - WORD) : load_few(bytes, length)) & EACH_BYTE(0x80)))
		at = length;
	return at;
}

/* For bytes below 0x80: whether all are from 0x20 to 0x7e. */
static bool plain_word(uint64_t word)
{
	uint64_t low = EACH_BYTE(0x80) + word - EACH_BYTE(0x20); /* no byte borrows from its neighbour */
	uint64_t high = word + EACH_BYTE(0x01);

	return ((word | ~low | high) & EACH_BYTE(0x80)) == 0;
}

/* 16 bytes, which every processor compares at once. */
typedef uint8_t block __attribute__((vector_size(16)));

/* All bits of each byte that is not from 0x20 to 0x7e. */
static block unplain_bytes(const char *bytes)
{
	block loaded;

	memcpy(&loaded, bytes, sizeof loaded);
	return (block)(loaded - 0x20 > 0x7e - 0x20);
}

static bool plain_blocks(const char *bytes, size_t length)
{
	block found = unplain_bytes(bytes + length - sizeof(block));
	uint64_t words[2];

	for (size_t at = 0; at + sizeof(block) < length; at += sizeof(block))
		found |= unplain_bytes(bytes + at);
	memcpy(words, &found, sizeof words);
	return (words[0] | words[1]) == 0;
}

bool rv__text_plain(const char *bytes, size_t length)
{
	if (length >= sizeof(block))
		return plain_blocks(bytes, length);
	if (length >= WORD)
		return plain_word(load(bytes)) && plain_word(load(bytes + length - WORD));
	return plain_word(load_few(bytes, length));
}

bool rv__utf8_valid(const char *bytes, size_t length)
{
	size_t at = 0;

	while (at < length) {
		size_t n = ascii_words(bytes + at, length - at);

		at += n;
		if (at == length)
			return true;
		n = rv__utf8_length(bytes + at, length - at);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

size_t rv__utf8_cut(const char *bytes, size_t length, size_t limit)
{
	size_t at = limit;

	if (length <= limit)
		return length;
	while (at > 0 && ((unsigned char)bytes[at] & 0xc0) == 0x80)
		at--;
	return at;
}

void rv__text_flatten(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

uint32_t rv__utf8_decode(const char *bytes, size_t length)
{
	static const uint8_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t point = (uint8_t)bytes[0] & first_mask[length];

	for (size_t i = 1; i < length; i++)
		point = point << 6 | ((uint8_t)bytes[i] & 0x3f);
	return point;
}

char *rv__utf8_put(char *at, uint32_t point)
{
	if (point < 0x80) {
		*at++ = (char)point;
	} else if (point < 0x800) {
		*at++ = (char)(0xc0 | point >> 6);
		*at++ = (char)(0x80 | (point & 63));
	} else if (point < 0x10000) {
		*at++ = (char)(0xe0 | point >> 12);
		*at++ = (char)(0x80 | (point >> 6 & 63));
		*at++ = (char)(0x80 | (point & 63));
	} else {
		*at++ = (char)(0xf0 | point >> 18);
		*at++ = (char)(0x80 | (point >> 12 & 63));
		*at++ = (char)(0x80 | (point >> 6 & 63));
		*at++ = (char)(0x80 | (point & 63));
	}
	return at;
}

/* Four hexadecimal digits; -1 when they are not there. */
static int32_t read_unit(const char *at, const char *end)
{
	int32_t unit = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = rv__hex_digit(at[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

int32_t rv__utf16_unescape(const char **at, const char *end)
{
	int32_t high = read_unit(*at, end), low;

	if (high < 0)
		return -1;
	*at += 4;
	if (high < 0xd800 || high > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
		return high;
	low = read_unit(*at + 2, end);
	if (low < 0xdc00 || low > 0xdfff)
		return high;
	*at += 6;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}
