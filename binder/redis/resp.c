/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/resp.h"

#include <stdarg.h>

/* -- writing ------------------------------------------------------------------------------ */

static const char pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243"
    "4445464748495051525354555657585960616263646566676869707172737475767778798081828384858687"
    "888990919293949596979899";

size_t rv__resp_digits(char *out, uint64_t value)
{
	char digits[RV__RESP_NUMBER_ROOM];
	size_t at = sizeof digits;

	while (value >= 100) {
		at -= 2;
		memcpy(digits + at, pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10) {
		at -= 2;
		memcpy(digits + at, pairs + value * 2, 2);
	} else {
		digits[--at] = (char)('0' + value);
	}
	memcpy(out, digits + at, sizeof digits - at);
	return sizeof digits - at;
}

void rv__resp_array(struct rv__buffer *out, size_t items)
{
	char *at = (char *)rv__buffer_reserve(out, RV__RESP_HEAD_ROOM);

	if (at)
		out->length += (size_t)(rv__resp_put_head(at, '*', items) - at);
}

void rv__resp_bulk(struct rv__buffer *out, const void *bytes, size_t length)
{
	char *at = (char *)rv__buffer_reserve(out, length + 2 * RV__RESP_HEAD_ROOM);

	if (at)
		out->length += (size_t)(rv__resp_put_bulk(at, bytes, length) - at);
}

void rv__resp_text(struct rv__buffer *out, const char *text)
{
	rv__resp_bulk(out, text, strlen(text));
}

void rv__resp_number(struct rv__buffer *out, int64_t number)
{
	char digits[RV__RESP_NUMBER_ROOM];
	size_t length = 0;

	if (number < 0)
		digits[length++] = '-';
	length += rv__resp_digits(digits + length, number < 0 ? -(uint64_t)number : (uint64_t)number);
	rv__resp_bulk(out, digits, length);
}

void rv__resp_words(struct rv__buffer *out, const char *first, ...)
{
	size_t count = 0;
	va_list args;

	va_start(args, first);
	for (const char *word = first; word; word = va_arg(args, const char *))
		count++;
	va_end(args);
	rv__resp_array(out, count);
	va_start(args, first);
	for (const char *word = first; word; word = va_arg(args, const char *))
		rv__resp_text(out, word);
	va_end(args);
}

/* -- framing ------------------------------------------------------------------------------ */

/* The number of a head line "<type><number>\r\n" that begins at `line`; false when it is none. */
static bool read_number(const char *line, const char *end, int64_t *ret_number)
{
	bool negative = line < end && *line == '-';
	uint64_t number = 0;

	line += negative;
	if (line == end)
		return false;
	for (; line < end; line++) {
		if (*line < '0' || *line > '9' || number > (uint64_t)INT64_MAX / 10 - 1)
			return false;
		number = number * 10 + (uint64_t)(*line - '0');
	}
	*ret_number = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

/* The '\r' of the line that begins at `line`; NULL when it is not there yet. */
static const char *line_end(const char *line, const char *end)
{
	const char *at = memchr(line, '\r', (size_t)(end - line));

	return at && at + 1 < end ? at : NULL;
}

enum rv__resp_framed rv__resp_frame(
    struct rv__resp_framer *framer, const char *bytes, size_t length, size_t *ret_length)
{
	const char *at = bytes + framer->at, *end = bytes + length;

	if (framer->at == 0)
		framer->left = 1;
	while (framer->left > 0) {
		const char *line = at < end ? line_end(at, end) : NULL;
		int64_t number = 0;

		framer->at = (size_t)(at - bytes);
		if (!line)
			return RV__RESP_MORE;
		if (line[1] != '\n')
			return RV__RESP_BROKEN;
		switch (*at) {
		case '+':
		case '-':
		case ':':
			break;
		case '$':
			if (!read_number(at + 1, line, &number) || number < -1 || number > RV__RESP_BULK_MAX)
				return RV__RESP_BROKEN;
			if (number >= 0 && end - (line + 2) < number + 2)
				return RV__RESP_MORE;
			if (number >= 0)
				line += 2 + number;
			break;
		case '*':
			if (!read_number(at + 1, line, &number) || number < -1 || number > RV__RESP_ITEMS_MAX)
				return RV__RESP_BROKEN;
			if (number > 0)
				framer->left += (uint64_t)number;
			break;
		default:
			return RV__RESP_BROKEN;
		}
		framer->left--;
		at = line + 2;
	}
	*ret_length = (size_t)(at - bytes);
	*framer = (struct rv__resp_framer){0};
	return RV__RESP_WHOLE;
}

/* -- reading ------------------------------------------------------------------------------ */

/* Takes the head line of the next value: its text without type and line end. */
static struct rv_span take_line(struct rv__resp_cursor *cursor)
{
	const char *start = cursor->at + 1;
	const char *line =
	    cursor->failed || cursor->at == cursor->end ? NULL : line_end(cursor->at, cursor->end);

	if (!line) {
		cursor->failed = true;
		return (struct rv_span){NULL, 0};
	}
	cursor->at = line + 2;
	return (struct rv_span){start, (size_t)(line - start)};
}

static int64_t take_number(struct rv__resp_cursor *cursor)
{
	struct rv_span line = take_line(cursor);
	int64_t number = 0;

	if (!cursor->failed && !read_number(line.bytes, line.bytes + line.length, &number))
		cursor->failed = true;
	return cursor->failed ? 0 : number;
}

int64_t rv__resp_get_array(struct rv__resp_cursor *cursor)
{
	if (rv__resp_peek(cursor) != '*')
		cursor->failed = true;
	return take_number(cursor);
}

int64_t rv__resp_get_integer(struct rv__resp_cursor *cursor)
{
	if (rv__resp_peek(cursor) != ':')
		cursor->failed = true;
	return take_number(cursor);
}

struct rv_span rv__resp_get_text(struct rv__resp_cursor *cursor)
{
	struct rv_span text = {NULL, 0};
	char type = rv__resp_peek(cursor);
	int64_t length;

	if (type == '+' || type == ':' || type == '-')
		return take_line(cursor);
	if (type == '*') { /* a nil where a string may stand */
		if (rv__resp_get_array(cursor) != -1)
			cursor->failed = true;
		return text;
	}
	if (type != '$')
		cursor->failed = true;
	length = take_number(cursor);
	if (cursor->failed || length < 0)
		return text;
	if (cursor->end - cursor->at < length + 2) {
		cursor->failed = true;
		return text;
	}
	text = (struct rv_span){cursor->at, (size_t)length};
	cursor->at += length + 2;
	return text;
}

void rv__resp_skip(struct rv__resp_cursor *cursor)
{
	struct rv__resp_framer framer = {0};
	size_t length = 0;

	if (cursor->failed ||
	    rv__resp_frame(&framer, cursor->at, (size_t)(cursor->end - cursor->at), &length) !=
	        RV__RESP_WHOLE)
		cursor->failed = true;
	else
		cursor->at += length;
}

/* -- ids ------------------------------------------------------------------------------------ */

static const char *parse_part(const char *at, const char *end, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *start = at;

	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return NULL;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return at == start ? NULL : at;
}

bool rv__redis_id_parse(struct rv_span text, struct rv__redis_id *ret_id)
{
	const char *end = text.bytes + text.length;
	struct rv__redis_id id;
	const char *at = text.bytes ? parse_part(text.bytes, end, &id.ms) : NULL;

	if (!at || at == end || *at != '-' || parse_part(at + 1, end, &id.seq) != end)
		return false;
	*ret_id = id;
	return true;
}

size_t rv__redis_id_print(struct rv__redis_id id, char out[static RV__REDIS_ID_ROOM])
{
	size_t length = rv__resp_digits(out, id.ms);

	out[length++] = '-';
	length += rv__resp_digits(out + length, id.seq);
	out[length] = '\0';
	return length;
}

void rv__resp_id(struct rv__buffer *out, struct rv__redis_id id)
{
	char text[RV__REDIS_ID_ROOM];

	rv__resp_bulk(out, text, rv__redis_id_print(id, text));
}
