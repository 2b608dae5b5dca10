/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal text from strangers into numbers: the whole of it, or nothing. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Digits behind an optional sign, no blanks, within 64 bits; else false, with *ret_value untouched. */
bool rv__decimal_read(const char *text, size_t length, int64_t *ret_value);

/** Likewise, and from `least` to `most`. */
bool rv__decimal_within(const char *text, size_t length, int64_t least, int64_t most, int64_t *ret_value);

#endif
