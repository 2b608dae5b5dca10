/* SPDX-License-Identifier: Apache-2.0 */
/* The text of one value into its C type, as a row of a property table describes it. */
#ifndef BASE_PROP_VALUE_H
#define BASE_PROP_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include <rivulet/property.h>

/* Any scalar value. */
union rv__prop_value {
	bool boolean;
	int64_t integer; /* RV_PROP_INT, DURATION in ms, SIZE in bytes, ENUM */
	double real;
	const char *text;
};

/**
 * Parses the whole text, and checks range and choices. Maps pass as text, and lists unless their unit is "host:port".
 *
 * @param cure  receives, on failure, what to write instead: "write a number from 1 to 10"; size bytes
 * @return whether the text fits the row
 */
bool rv__prop_parse(const struct rv_prop_desc *row, const char *text, union rv__prop_value *ret_value,
    char *cure, size_t size);

/** Whether *text[*length] is host:port with a port from 1 to 65535; "http://" before it is taken off first. */
bool rv__prop_take_address(const char **text, size_t *length);

/** Whether both texts mean the same value of that row. */
bool rv__prop_same(const struct rv_prop_desc *row, const char *a, const char *b);

#endif
