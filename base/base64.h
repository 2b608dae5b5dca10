/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text: RFC 4648 section 4. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>

/** How many characters so many bytes become. */
static inline size_t rv__base64_length(size_t length)
{
	return (length + 2) / 3 * 4;
}

/** Writes rv__base64_length() characters, with padding and without a NUL; returns where the next goes. */
char *rv__base64_put(char *to, const void *bytes, size_t length);

#endif
