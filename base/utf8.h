/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8: validation, cutting at a character, and what may stand in a log line. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Whether all `length` bytes are well-formed UTF-8 (no surrogates, nothing overlong). */
bool rv__utf8_valid(const char *bytes, size_t length);

/** Whether all bytes are printable ASCII; true for none. */
bool rv__text_plain(const char *bytes, size_t length);

/** The largest n <= limit at which `bytes` may be cut without splitting a character. */
size_t rv__utf8_cut(const char *bytes, size_t length, size_t limit);

/** Length of the well-formed character at `bytes`, 0 when there is none. */
size_t rv__utf8_length(const char *bytes, size_t length);

/** The code point of the well-formed character of `length` (1 to 4) bytes. */
uint32_t rv__utf8_decode(const char *bytes, size_t length);

/** Writes the code point (below 0x110000, no surrogate) in 1 to 4 bytes; returns where the next goes. */
char *rv__utf8_put(char *at, uint32_t point);

/** Whether it is half of a pair of UTF-16, and so no character. */
static inline bool rv__is_surrogate(int32_t point)
{
	return point >= 0xd800 && point <= 0xdfff;
}

/**
 * The code point of an escape of JSON or of a properties file: *at stands at the four hexadecimal digits behind "\u"
 * and moves behind them, and behind a second escape that completes a surrogate pair.
 *
 * @return -1 when there are no four digits, *at unmoved; a surrogate when half of a pair stands alone
 */
int32_t rv__utf16_unescape(const char **at, const char *end);

/** Turns control characters of a NUL-terminated text into blanks, in place. */
void rv__text_flatten(char *text);

#endif
