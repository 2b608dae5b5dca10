/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal digits of either case, into numbers. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

/** 0 to 15; -1: no digit. */
static inline int rv__hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/** The byte of two digits; -1: they are none. Reads the second only behind a first, so a NUL ends it. */
static inline int rv__hex_byte(const char *at)
{
	int high = rv__hex_digit(at[0]);
	int low = high < 0 ? -1 : rv__hex_digit(at[1]);

	return low < 0 ? -1 : high << 4 | low;
}

#endif
