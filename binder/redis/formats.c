/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries as others expect them, by the producer's message-format; what foreign.c reads, the other way round. A
 * message is seldom so sent by the million: what is put together apart is copied once more.
 */
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/utf8.h"
#include "binder/redis/foreign.h"

/* -- parts ------------------------------------------------------------------------------------- */

static void begin(struct rv__buffer *out, const struct rv__redis_head *head, size_t fields)
{
	rv__resp_array(out, head->count + 2 * fields);
	rv__buffer_add(out, head->words.bytes, head->words.length);
}

static void add_field(struct rv__buffer *out, const char *name, const void *bytes, size_t length)
{
	rv__resp_text(out, name);
	rv__resp_bulk(out, bytes, length);
}

static void add_part(struct rv__buffer *out, const char *name, const struct rv__buffer *part)
{
	add_field(out, name, part->bytes, part->length);
}

static struct rv__buffer part_of(const struct rv__buffer *out)
{
	return (struct rv__buffer)RV__BUFFER_INIT(out->limit);
}

/* Ends a part; one that had no memory takes the whole entry with it. */
static void finish_part(struct rv__buffer *part, bool *failed)
{
	*failed |= rv__buffer_error(part) != RV_OK;
	rv__buffer_finish(part);
}

static bool is_content_type(const struct rv_header *header)
{
	return strcmp(header->name, RV_HEADER_CONTENT_TYPE) == 0;
}

/* The n-th header that travels by its name: all but the id, which every format has a place for. */
static bool next_header(const rv_message *message, size_t *at, struct rv_header *header)
{
	while (rv_message_header_entry(message, (*at)++, header))
		if (is_content_type(header) || strcmp(header->name, RV_HEADER_KEY) == 0 ||
		    !rv__redis_stands_apart(header->name))
			return true;
	return false;
}

static size_t count_headers(const rv_message *message, bool bare)
{
	struct rv_header header;
	size_t count = 0, at = 0;

	while (!bare && next_header(message, &at, &header))
		count++;
	return count;
}

static void add_header_fields(struct rv__buffer *out, const rv_message *message)
{
	struct rv_header header;
	size_t at = 0;

	while (next_header(message, &at, &header))
		add_field(out, header.name, header.value, header.length);
}

static bool is_text(const char *bytes, size_t length)
{
	return length == 0 || rv__utf8_valid(bytes, length);
}

static void add_base64(struct rv__buffer *out, const char *bytes, size_t length)
{
	uint8_t *at = rv__buffer_reserve(out, rv__base64_length(length));

	if (!at)
		return;
	(void)rv__base64_put((char *)at, bytes, length);
	out->length += rv__base64_length(length);
}

/* A string of JSON, whose text is valid; of other bytes their base64. */
static void add_json_text(struct rv__buffer *out, const char *bytes, size_t length)
{
	if (is_text(bytes, length)) {
		rv__redis_json_string(out, bytes, length);
		return;
	}
	rv__buffer_add_text(out, "\"");
	add_base64(out, bytes, length);
	rv__buffer_add_text(out, "\"");
}

/* -- Watermill ------------------------------------------------------------------------------------ */

static void add_msgpack_text(struct rv__buffer *out, const char *bytes, size_t length)
{
	if (length < 32) {
		rv__buffer_add_u8(out, (uint8_t)(0xa0 | length));
	} else if (length <= UINT16_MAX) {
		rv__buffer_add_u8(out, 0xda);
		rv__buffer_add_u16(out, (uint16_t)length);
	} else {
		rv__buffer_add_u8(out, 0xdb);
		rv__buffer_add_u32(out, (uint32_t)length);
	}
	rv__buffer_add(out, bytes, length);
}

static bool write_watermill(
    struct rv__buffer *out, const struct rv__redis_head *head, const rv_message *message, bool bare)
{
	struct rv__buffer metadata = part_of(out);
	const char *id = rv_message_id(message);
	struct rv_header header;
	size_t at = 0, length;
	const void *payload = rv_message_payload(message, &length);
	bool failed = false;

	rv__buffer_add_u8(&metadata, 0xde);
	rv__buffer_add_u16(&metadata, (uint16_t)count_headers(message, bare));
	while (!bare && next_header(message, &at, &header)) {
		add_msgpack_text(&metadata, header.name, strlen(header.name));
		add_msgpack_text(&metadata, header.value, header.length);
	}
	begin(out, head, 3);
	add_field(out, "_watermill_message_uuid", id, strlen(id));
	add_part(out, "metadata", &metadata);
	add_field(out, "payload", payload, length);
	finish_part(&metadata, &failed);
	return !failed;
}

/* -- FastStream ----------------------------------------------------------------------------------- */

static void add_short(struct rv__buffer *out, const char *bytes, size_t length)
{
	size_t most = length < UINT16_MAX ? length : UINT16_MAX;

	rv__buffer_add_u16(out, (uint16_t)most);
	rv__buffer_add(out, bytes, most);
}

/* A value of other bytes goes as their base64: a reader takes no headers at all when one of them is no text. */
static void add_short_value(struct rv__buffer *out, const char *bytes, size_t length)
{
	if (is_text(bytes, length)) {
		add_short(out, bytes, length);
		return;
	}
	rv__buffer_add_u16(out, (uint16_t)rv__base64_length(length)); /* of 32 KiB at most: it fits */
	add_base64(out, bytes, length);
}

/* magic, version 1, where the headers are, where the data is; count, and names and values. */
static bool write_fast_stream(
    struct rv__buffer *out, const struct rv__redis_head *head, const rv_message *message, bool bare)
{
	enum { HEADERS_AT = 18 };
	struct rv__buffer envelope = part_of(out);
	const char *id = rv_message_id(message);
	struct rv_header header;
	size_t at = 0, length;
	const void *payload = rv_message_payload(message, &length);
	bool failed = false;

	rv__buffer_add(&envelope,
	    "\x89"
	    "BIN\r\n\x1a\n",
	    8);
	rv__buffer_add_u16(&envelope, 1);
	rv__buffer_add_u32(&envelope, HEADERS_AT);
	rv__buffer_add_u32(&envelope, 0);
	rv__buffer_add_u16(&envelope, (uint16_t)(1 + count_headers(message, bare)));
	add_short(&envelope, "message_id", 10);
	add_short(&envelope, id, strlen(id));
	while (!bare && next_header(message, &at, &header)) {
		const char *name = is_content_type(&header) ? "content-type" : header.name;

		add_short(&envelope, name, strlen(name));
		add_short_value(&envelope, header.value, header.length);
	}
	if (rv__buffer_error(&envelope) == RV_OK && envelope.length <= UINT32_MAX)
		rv__put_u32(envelope.bytes + HEADERS_AT - 4, (uint32_t)envelope.length);
	rv__buffer_add(&envelope, payload, length);
	begin(out, head, 1);
	add_part(out, "__data__", &envelope);
	finish_part(&envelope, &failed);
	return !failed;
}

/* -- Dapr ------------------------------------------------------------------------------------------- */

static bool is_type(const char *type, const char *wanted)
{
	size_t length = strcspn(type, "; ");

	return length == strlen(wanted) && strncasecmp(type, wanted, length) == 0;
}

/* The types whose data Dapr opens as text; text/json is none of them, since to a reader of events that is JSON. */
static bool is_text_type(const char *type)
{
	return (strncasecmp(type, "text/", 5) == 0 && !is_type(type, "text/json")) ||
	    is_type(type, "application/xml");
}

/* As data what Dapr opens for its subscribers, JSON or text; all else in base64, which it opens whatever the type. */
static void add_event_data(struct rv__buffer *event, const rv_message *message, const char *type)
{
	size_t length;
	const char *payload = rv_message_payload(message, &length);
	struct rv_error ignored;
	json_t *json =
	    is_type(type, "application/json") ? rv__json_load(payload, length, "redis", &ignored) : NULL;

	if (json) {
		rv__buffer_add_text(event, ",\"data\":");
		rv__buffer_add(event, payload, length);
	} else if (is_text_type(type) && is_text(payload, length)) {
		rv__buffer_add_text(event, ",\"data\":");
		rv__redis_json_string(event, payload, length);
	} else {
		rv__buffer_add_text(event, ",\"data_base64\":\"");
		add_base64(event, payload, length);
		rv__buffer_add_text(event, "\"");
	}
	json_decref(json);
}

/* W3C's: attributes of the event, by which Dapr goes on with a trace. */
static const char *const trace_headers[] = {"traceparent", "tracestate"};
enum { TRACE_HEADERS = sizeof trace_headers / sizeof *trace_headers };

static bool is_of_the_event(const struct rv_header *header)
{
	for (size_t i = 0; i < TRACE_HEADERS; i++)
		if (strcmp(header->name, trace_headers[i]) == 0)
			return true;
	return is_content_type(header);
}

static void add_trace(struct rv__buffer *event, const rv_message *message)
{
	for (size_t i = 0; i < TRACE_HEADERS; i++) {
		const char *value = rv_message_header(message, trace_headers[i]);

		if (!value)
			continue;
		rv__buffer_printf(event, ",\"%s\":", trace_headers[i]);
		add_json_text(event, value, strlen(value));
	}
}

static void add_event(struct rv__buffer *event, const rv_message *message, bool bare, const char *source)
{
	const char *id = rv_message_id(message), *type = rv_message_header(message, RV_HEADER_CONTENT_TYPE);

	rv__buffer_add_text(event, "{\"specversion\":\"1.0\",\"type\":\"com.dapr.event.sent\",\"source\":");
	add_json_text(event, source, strlen(source));
	rv__buffer_add_text(event, ",\"id\":");
	add_json_text(event, id, strlen(id));
	rv__buffer_add_text(event, ",\"datacontenttype\":");
	type = type ? type : "application/octet-stream";
	add_json_text(event, type, strlen(type));
	add_event_data(event, message, type);
	if (!bare)
		add_trace(event, message);
	rv__buffer_add_text(event, "}");
}

static bool write_dapr(struct rv__buffer *out, const struct rv__redis_head *head, const rv_message *message,
    bool bare, const char *source)
{
	struct rv__buffer event = part_of(out), metadata = part_of(out);
	struct rv_header header;
	size_t at = 0, count = 0;
	bool failed = false;

	add_event(&event, message, bare, source);
	while (!bare && next_header(message, &at, &header)) {
		if (is_of_the_event(&header))
			continue;
		rv__buffer_add_text(&metadata, count++ == 0 ? "{" : ",");
		add_json_text(&metadata, header.name, strlen(header.name));
		rv__buffer_add_text(&metadata, ":");
		add_json_text(&metadata, header.value, header.length);
	}
	rv__buffer_add_text(&metadata, count > 0 ? "}" : "");
	begin(out, head, count > 0 ? 2 : 1);
	add_part(out, "data", &event);
	if (count > 0)
		add_part(out, "metadata", &metadata);
	finish_part(&event, &failed);
	finish_part(&metadata, &failed);
	return !failed;
}

/* -- Spring Data Redis, and plain fields ------------------------------------------------------------ */

static bool write_spring(
    struct rv__buffer *out, const struct rv__redis_head *head, const rv_message *message, bool bare)
{
	const char *id = rv_message_id(message);
	size_t length;
	const void *payload = rv_message_payload(message, &length);

	begin(out, head, 1 + (bare ? 0 : 1 + count_headers(message, bare)));
	add_field(out, "_raw", payload, length);
	if (!bare) {
		add_field(out, RV_HEADER_MESSAGE_ID, id, strlen(id));
		add_header_fields(out, message);
	}
	return true;
}

struct fields {
	struct rv__buffer *out; /* NULL: they are counted */
	size_t count;
};

static void take_member(void *arg, const struct rv__redis_member *member)
{
	struct fields *fields = arg;

	fields->count++;
	if (!fields->out)
		return;
	rv__resp_bulk(fields->out, member->name.bytes, member->name.length);
	rv__resp_bulk(fields->out, member->value.bytes, member->value.length);
}

/* The members of a JSON object as fields, or a payload that is none as one; the headers before them, so that a member
 * of the same name is the one that counts. */
static bool write_flat(
    struct rv__buffer *out, const struct rv__redis_head *head, const rv_message *message, bool bare)
{
	struct rv__buffer scratch = part_of(out);
	struct fields fields = {.out = NULL};
	struct rv_header header;
	size_t length, headers = 0, at = 0;
	struct rv_span payload = {rv_message_payload(message, &length), 0};
	bool failed = false, object;

	payload.length = length;
	object = rv__redis_members(payload, &scratch, take_member, &fields) && fields.count > 0;
	while (!bare && next_header(message, &at, &header))
		headers += !(object && is_content_type(&header));
	begin(out, head, headers + (object ? fields.count : 1));
	for (at = 0; !bare && next_header(message, &at, &header);)
		if (!(object && is_content_type(&header)))
			add_field(out, header.name, header.value, header.length);
	fields.out = out;
	scratch.length = 0;
	if (object)
		(void)rv__redis_members(payload, &scratch, take_member, &fields);
	else
		add_field(out, "payload", payload.bytes, payload.length);
	finish_part(&scratch, &failed);
	return !failed;
}

/* -- which ------------------------------------------------------------------------------------------ */

bool rv__redis_encode_as(struct rv__buffer *out, const struct rv__redis_head *head, const rv_message *message,
    bool bare, enum rv__redis_format format, const char *source)
{
	size_t before = out->length;
	bool written;

	/* None of the others has a word for a message without a payload. */
	if (format == RV__REDIS_FORMAT_NATIVE || rv_message_is_null(message))
		return rv__redis_encode(out, head, message, bare);
	if (format == RV__REDIS_FORMAT_DAPR)
		written = write_dapr(out, head, message, bare, source);
	else if (format == RV__REDIS_FORMAT_WATERMILL)
		written = write_watermill(out, head, message, bare);
	else if (format == RV__REDIS_FORMAT_FASTSTREAM)
		written = write_fast_stream(out, head, message, bare);
	else if (format == RV__REDIS_FORMAT_SPRING)
		written = write_spring(out, head, message, bare);
	else
		written = write_flat(out, head, message, bare);
	if (written && rv__buffer_error(out) == RV_OK)
		return true;
	out->length = before;
	return false;
}
