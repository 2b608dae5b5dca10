/* SPDX-License-Identifier: Apache-2.0 */
#include "base/decimal.h"

bool rv__decimal_read(const char *text, size_t length, int64_t *ret_value)
{
	bool negative = length > 0 && text[0] == '-';
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	size_t at = negative || (length > 0 && text[0] == '+') ? 1 : 0;
	uint64_t value = 0;

	if (at >= length)
		return false;
	for (; at < length; at++) {
		unsigned digit = (unsigned)(unsigned char)text[at] - '0';

		if (digit > 9 || value > limit / 10 || value * 10 > limit - digit)
			return false;
		value = value * 10 + digit;
	}
	*ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

bool rv__decimal_within(const char *text, size_t length, int64_t least, int64_t most, int64_t *ret_value)
{
	int64_t value;

	if (!rv__decimal_read(text, length, &value) || value < least || value > most)
		return false;
	*ret_value = value;
	return true;
}
