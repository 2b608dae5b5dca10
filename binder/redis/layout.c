/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/layout.h"

#include <string.h>

#include "binder/redis/foreign.h"

/* -- writing ------------------------------------------------------------------------------ */

#define FIELD_PAYLOAD "$7\r\npayload\r\n"
#define FIELD_NULL "$4\r\nnull\r\n$1\r\n1\r\n"
#define FIELD_CONTENT_TYPE "$11\r\ncontentType\r\n"
#define FIELD_HEADERS "$7\r\nheaders\r\n"
#define FIELD_TYPES "$5\r\ntypes\r\n"
#define FIELD_KEY "$3\r\nkey\r\n"

enum { FIXED_ROOM = 256 };

static char *put(char *at, const void *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

#define PUT(at, literal) put(at, literal, sizeof literal - 1)

/* The object is as long as it turns out to be, and its length stands before it: it is written with a gap. */
static void add_object(struct rv__buffer *out, const rv_message *message,
    void (*encode)(struct rv__buffer *, const rv_message *))
{
	size_t start = out->length + RV__RESP_HEAD_ROOM, length, head;
	char *at;

	if (!rv__buffer_reserve(out, 2 * RV__RESP_HEAD_ROOM))
		return;
	out->length = start;
	encode(out, message);
	if (!rv__buffer_reserve(out, 2))
		return;
	length = out->length - start;
	at = (char *)out->bytes + start - RV__RESP_HEAD_ROOM;
	head = (size_t)(rv__resp_put_head(at, '$', length) - at);
	memmove(at + head, out->bytes + start, length);
	(void)PUT(at + head + length, "\r\n");
	out->length = start - RV__RESP_HEAD_ROOM + head + length + 2;
}

bool rv__redis_encode(
    struct rv__buffer *out, const struct rv__redis_head *head, const rv_message *message, bool bare)
{
	size_t length, before = out->length;
	const void *payload = rv_message_payload(message, &length);
	const char *type = bare ? NULL : rv_message_header(message, RV_HEADER_CONTENT_TYPE);
	const char *key = rv_message_header(message, RV_HEADER_KEY);
	size_t type_length = type ? strlen(type) : 0, key_length = key ? strlen(key) : 0;
	bool types = !bare && rv__redis_types_needed(message);
	size_t fields = 1u + (type != NULL) + !bare + types + (key != NULL);
	char *start, *at;

	start = at = (char *)rv__buffer_reserve(
	    out, head->words.length + length + type_length + key_length + FIXED_ROOM);
	if (!at)
		return false;
	at = rv__resp_put_head(at, '*', head->count + 2 * fields);
	at = put(at, head->words.bytes, head->words.length);
	if (rv_message_is_null(message))
		at = PUT(at, FIELD_NULL);
	else
		at = rv__resp_put_bulk(PUT(at, FIELD_PAYLOAD), payload, length);
	if (type)
		at = rv__resp_put_bulk(PUT(at, FIELD_CONTENT_TYPE), type, type_length);
	if (!bare)
		at = PUT(at, FIELD_HEADERS);
	out->length += (size_t)(at - start);
	if (!bare)
		add_object(out, message, rv__redis_headers_encode);
	if (types) {
		rv__buffer_add(out, FIELD_TYPES, sizeof FIELD_TYPES - 1);
		add_object(out, message, rv__redis_types_encode);
	}
	if (key && (at = start = (char *)rv__buffer_reserve(out, key_length + FIXED_ROOM))) {
		at = rv__resp_put_bulk(PUT(at, FIELD_KEY), key, key_length);
		out->length += (size_t)(at - start);
	}
	if (rv__buffer_error(out) == RV_OK)
		return true;
	out->length = before;
	return false;
}

/* -- reading ------------------------------------------------------------------------------ */

static bool is(struct rv_span name, const char *word, size_t length)
{
	return name.length == length && memcmp(name.bytes, word, length) == 0;
}

#define IS(name, literal) is(name, literal, sizeof literal - 1)

static void add_span(struct rv__redis_decoded *decoded, const char *name, struct rv_span value)
{
	if (decoded->header_count < RV__REDIS_HEADERS_MAX)
		decoded->headers[decoded->header_count++] =
		    (struct rv_header_span){.name = {name, strlen(name)}, .value = value};
}

static void forget(struct rv__redis_decoded *decoded)
{
	rv__buffer_clear(&decoded->scratch);
	decoded->payload = decoded->id = (struct rv_span){NULL, 0};
	decoded->null = decoded->odd = false;
	decoded->header_count = 0;
}

bool rv__redis_decode(struct rv__resp_cursor *fields, struct rv__redis_decoded *decoded)
{
	struct rv__resp_cursor start = *fields;
	int64_t count = rv__resp_get_array(fields);
	bool known = false, headed = false, strange = false;
	struct rv_span types = {NULL, 0};

	forget(decoded);
	for (int64_t i = 0; i + 1 < count && !fields->failed; i += 2) {
		struct rv_span name = rv__resp_get_text(fields);
		struct rv_span value = rv__resp_get_text(fields);

		if (IS(name, "payload")) {
			decoded->payload = value;
			known = true;
		} else if (IS(name, "contentType")) {
			add_span(decoded, RV_HEADER_CONTENT_TYPE, value);
		} else if (IS(name, "headers")) {
			headed = true;
			decoded->odd |= !rv__redis_headers_decode(value, decoded);
		} else if (IS(name, "types")) {
			types = value;
			strange = true; /* it is ours with headers alone */
		} else if (IS(name, "key")) {
			add_span(decoded, RV_HEADER_KEY, value);
		} else if (IS(name, "null")) {
			decoded->null = known = true;
		} else {
			strange = true;
		}
	}
	if (count > 1 && !fields->failed && (!known || (strange && !headed))) {
		forget(decoded);
		decoded->odd = !rv__redis_decode_foreign(start, decoded);
	} else {
		decoded->odd |= fields->failed || count < 0 || !known;
		if (types.bytes && headed)
			rv__redis_types_decode(types, decoded);
	}
	return !decoded->odd;
}
