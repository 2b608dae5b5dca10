/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text: RFC 4648 section 4. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/** How many characters so many bytes become. */
static inline size_t rv__base64_length(size_t length)
{
	return (length + 2) / 3 * 4;
}

/** Writes rv__base64_length() characters, with padding and without a NUL; returns where the next goes. */
char *rv__base64_put(char *to, const void *bytes, size_t length);

/** Reads text with or without padding into `bytes`, which has room for as many as the text is long. False: another
 * character, or a length that no text has. */
bool rv__base64_read(const char *text, size_t length, char *bytes, size_t *ret_length);

#endif
