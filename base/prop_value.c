/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prop_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- readers: the whole text or nothing ---------------------------------------- */

static bool read_bool(const char *text, bool *ret)
{
	static const char *const words[] = {"false", "true", "off", "on", "no", "yes", "0", "1"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasecmp(text, words[i]) == 0) {
			*ret = i % 2;
			return true;
		}
	return false;
}

/* Decimal digits with an optional sign; *end behind them. No blanks, no hexadecimal. */
static bool read_integer(const char *text, int64_t *ret, char **end)
{
	const char *digits = text + (*text == '-' || *text == '+');
	long long value;

	if (*digits < '0' || *digits > '9')
		return false;
	errno = 0;
	value = strtoll(text, end, 10);
	if (errno)
		return false;
	*ret = value;
	return true;
}

static bool read_real(const char *text, double *ret, char **end)
{
	const char *digits = text + (*text == '-' || *text == '+');

	if (*digits != '.' && (*digits < '0' || *digits > '9'))
		return false;
	errno = 0;
	*ret = strtod(text, end);
	return !errno && isfinite(*ret) && *end > digits;
}

struct unit {
	const char *name;
	double factor;
};

static const struct unit time_units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1000}, {"m", 60000},
    {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

static const struct unit size_units[] = {
    {"b", 1}, {"kb", 0x1p10}, {"mb", 0x1p20}, {"gb", 0x1p30}, {"tb", 0x1p40}, {NULL, 0}};

static double factor_of(const struct unit *units, const char *name)
{
	for (; units->name; units++)
		if (strcasecmp(units->name, name) == 0)
			return units->factor;
	return 0;
}

static bool scale(int64_t number, double factor, int64_t *ret)
{
	double value = (double)number * factor;

	if (factor == 0 || value > 9e18 || value < -9e18)
		return false;
	/* Whole units are exact; a part of a millisecond counts as one. */
	*ret = factor >= 1 ? number * (int64_t)factor : (int64_t)ceil(value);
	return true;
}

/* ISO 8601 as java.time.Duration reads it: P2DT3H4M5.5S. */
static bool read_iso_duration(const char *text, int64_t *ret)
{
	static const char letters[] = "DHMS";
	static const double factors[] = {86400000, 3600000, 60000, 1000};
	bool negative = *text == '-';
	bool in_time = false;
	size_t next = 0;
	double total = 0;

	text += negative;
	if (*text != 'P' && *text != 'p')
		return false;
	for (text++; *text;) {
		double number;
		const char *letter;
		char *end;

		if (!in_time && (*text == 'T' || *text == 't')) {
			in_time = true;
			text++;
			if (!*text)
				return false;
		}
		if (!read_real(text, &number, &end) || !*end)
			return false;
		letter = memchr(letters + next, *end & ~0x20, 4 - next);
		if (!letter || in_time == (*letter == 'D'))
			return false;
		total += number * factors[letter - letters];
		next = (size_t)(letter - letters) + 1;
		text = end + 1;
	}
	if (next == 0 || fabs(total) > 9e15)
		return false;
	*ret = (int64_t)ceil(negative ? -total : total);
	return true;
}

/* The factor of a bare number: of the row's unit. */
static double default_factor(const struct rv_prop_desc *row)
{
	double factor =
	    row->unit ? factor_of(row->type == RV_PROP_SIZE ? size_units : time_units, row->unit) : 0;

	return factor ? factor : 1;
}

static bool read_scaled(const struct rv_prop_desc *row, const char *text, int64_t *ret)
{
	const struct unit *units = row->type == RV_PROP_SIZE ? size_units : time_units;
	int64_t number;
	char *end;

	if (row->type == RV_PROP_DURATION && read_iso_duration(text, ret))
		return true;
	if (!read_integer(text, &number, &end))
		return false;
	return scale(number, *end ? factor_of(units, end) : default_factor(row), ret);
}

static bool same_word(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a == '-' || *a == '_')
			a++;
		while (*b == '-' || *b == '_')
			b++;
		if (!*a || strncasecmp(a, b, 1) != 0)
			return *a == *b;
	}
}

static bool read_choice(const struct rv_prop_desc *row, const char *text, int64_t *ret)
{
	for (int64_t i = 0; row->choices && row->choices[i]; i++)
		if (same_word(row->choices[i], text)) {
			*ret = i;
			return true;
		}
	return false;
}

bool rv__prop_take_address(const char **text, size_t *length)
{
	static const char scheme[] = "http://";
	const char *colon, *end = *text + *length;
	unsigned port = 0;

	if (*length > sizeof scheme - 1 && strncmp(*text, scheme, sizeof scheme - 1) == 0)
		*text += sizeof scheme - 1, *length -= sizeof scheme - 1;
	colon = memrchr(*text, ':', *length);
	if (!colon || colon == *text || colon + 1 == end)
		return false;
	for (const char *digit = colon + 1; digit < end; digit++) {
		if (*digit < '0' || *digit > '9' || port > UINT16_MAX)
			return false;
		port = port * 10 + (unsigned)(*digit - '0');
	}
	return port >= 1 && port <= UINT16_MAX;
}

static bool is_addresses(const char *text)
{
	static const char between[] = ",; \t\n";

	while (*(text += strspn(text, between))) {
		size_t length = strcspn(text, between);

		if (!rv__prop_take_address(&text, &length))
			return false;
		text += length;
	}
	return true;
}

static bool has_addresses(const struct rv_prop_desc *row)
{
	return row->type == RV_PROP_LIST && row->unit && strcmp(row->unit, "host:port") == 0;
}

static bool read_value(const struct rv_prop_desc *row, const char *text, union rv__prop_value *ret)
{
	char *end;

	switch (row->type) {
	case RV_PROP_BOOL:
		return read_bool(text, &ret->boolean);
	case RV_PROP_INT:
		return read_integer(text, &ret->integer, &end) && !*end;
	case RV_PROP_DOUBLE:
		return read_real(text, &ret->real, &end) && !*end;
	case RV_PROP_DURATION:
	case RV_PROP_SIZE:
		return read_scaled(row, text, &ret->integer);
	case RV_PROP_ENUM:
		return read_choice(row, text, &ret->integer);
	case RV_PROP_LIST:
		if (has_addresses(row) && !is_addresses(text))
			return false;
		ret->text = text;
		return true;
	case RV_PROP_STRING:
	case RV_PROP_MAP:
		ret->text = text;
		return true;
	}
	return false;
}

/* -- ranges and cures ------------------------------------------------------------ */

static bool has_range(const struct rv_prop_desc *row)
{
	return row->min != 0 || row->max != 0;
}

/* Ranges count in the unit of the row. */
static bool in_range(const struct rv_prop_desc *row, const union rv__prop_value *value)
{
	double number;

	if (row->type == RV_PROP_DOUBLE)
		number = value->real;
	else if (row->type == RV_PROP_INT)
		number = (double)value->integer;
	else if (row->type == RV_PROP_DURATION || row->type == RV_PROP_SIZE)
		number = (double)value->integer / default_factor(row);
	else
		return true;
	return !has_range(row) || (number >= row->min && number <= row->max);
}

static void write_choices(const struct rv_prop_desc *row, char *cure, size_t size)
{
	size_t at = (size_t)snprintf(cure, size, "write ");

	for (size_t i = 0; row->choices && row->choices[i] && at < size; i++)
		at += (size_t)snprintf(cure + at, size - at, "%s%s",
		    i == 0                    ? ""
		        : row->choices[i + 1] ? ", "
		                              : " or ",
		    row->choices[i]);
}

static void write_cure(const struct rv_prop_desc *row, char *cure, size_t size)
{
	static const char *const what[] = {
	    [RV_PROP_STRING] = "text",
	    [RV_PROP_BOOL] = "true or false",
	    [RV_PROP_INT] = "a whole number",
	    [RV_PROP_DOUBLE] = "a number",
	    [RV_PROP_DURATION] = "a duration such as 500ms, 2s or 1m",
	    [RV_PROP_SIZE] = "a size such as 512, 64KB or 4MB",
	    [RV_PROP_ENUM] = "",
	    [RV_PROP_LIST] = "words with commas between",
	    [RV_PROP_MAP] = "keys below it",
	};
	size_t at;

	if (row->type == RV_PROP_ENUM) {
		write_choices(row, cure, size);
		return;
	}
	if (has_addresses(row)) {
		snprintf(cure, size,
		    "write host:port, for example 127.0.0.1:9876, several separated by ';' or ','");
		return;
	}
	at = (size_t)snprintf(cure, size, "write %s", what[row->type]);
	if (has_range(row) && at < size)
		snprintf(cure + at, size - at, " from %.15g to %.15g%s%s", row->min, row->max,
		    row->unit ? " " : "", row->unit ? row->unit : "");
}

bool rv__prop_parse(const struct rv_prop_desc *row, const char *text, union rv__prop_value *ret_value,
    char *cure, size_t size)
{
	union rv__prop_value value = {0};

	if (!read_value(row, text, &value) || !in_range(row, &value)) {
		write_cure(row, cure, size);
		return false;
	}
	*ret_value = value;
	return true;
}

bool rv__prop_same(const struct rv_prop_desc *row, const char *a, const char *b)
{
	union rv__prop_value left;
	union rv__prop_value right;

	if (!a || !b || !read_value(row, a, &left) || !read_value(row, b, &right))
		return a == b;
	switch (row->type) {
	case RV_PROP_BOOL:
		return left.boolean == right.boolean;
	case RV_PROP_DOUBLE:
		return left.real == right.real;
	case RV_PROP_INT:
	case RV_PROP_DURATION:
	case RV_PROP_SIZE:
	case RV_PROP_ENUM:
		return left.integer == right.integer;
	default:
		return strcmp(a, b) == 0;
	}
}
