/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

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

bool rv__utf8_valid(const char *bytes, size_t length)
{
	size_t at = 0;

	while (at < length) {
		size_t n = rv__utf8_length(bytes + at, length - at);

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
