/* SPDX-License-Identifier: Apache-2.0 */
/* A CloudEvent in its JSON format: cloudevents.io, spec 1.0, formats/json-format.md 2 and 3. */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "binder/redis/foreign.h"

struct event {
	struct rv__redis_decoded *decoded;
	struct rv_span version, source, type; /* these three and the id make it an event */
	struct rv_span id, content_type, text, raw, base64;
	struct rv_span pubsub; /* Dapr passed it on */
};

static bool is(struct rv_span name, const char *word)
{
	return name.length == strlen(word) && memcmp(name.bytes, word, name.length) == 0;
}

/* Room that the caller of rv__redis_decode_event() reserved; NULL when it is used up. */
static char *take_room(struct rv__buffer *scratch, size_t length)
{
	char *at = (char *)scratch->bytes + scratch->length;

	if (length > scratch->capacity - scratch->length)
		return NULL;
	scratch->length += length;
	return at;
}

/* W3C's: they keep their names, by which every binder passes them on. */
static bool is_of_a_trace(struct rv_span name)
{
	return is(name, "traceparent") || is(name, "tracestate");
}

static void keep_attribute(struct rv__redis_decoded *decoded, const struct rv__redis_member *member)
{
	static const char prefix[] = "ce-"; /* as Spring names the attributes of an event */
	size_t length = sizeof prefix - 1 + member->name.length;
	char *name =
	    decoded->header_count < RV__REDIS_HEADERS_MAX ? take_room(&decoded->scratch, length) : NULL;

	if (!name)
		return;
	memcpy(name, prefix, sizeof prefix - 1);
	if (member->name.length > 0)
		memcpy(name + sizeof prefix - 1, member->name.bytes, member->name.length);
	decoded->headers[decoded->header_count++] =
	    (struct rv_header_span){.name = {name, length}, .value = member->value};
}

/* Attributes that are looked at; `shown`: as headers too. */
static const struct {
	const char *name;
	size_t place;
	bool shown;
} known[] = {
    {"specversion", offsetof(struct event, version), true},
    {"source", offsetof(struct event, source), true},
    {"type", offsetof(struct event, type), true},
    {"id", offsetof(struct event, id), false},
    {"datacontenttype", offsetof(struct event, content_type), false},
    {"data_base64", offsetof(struct event, base64), false},
    {"pubsubname", offsetof(struct event, pubsub), true},
};
enum { KNOWN = sizeof known / sizeof *known };

static void take_member(void *arg, const struct rv__redis_member *member)
{
	struct event *event = arg;
	size_t i = 0;

	if (is(member->name, "data")) {
		event->text = member->value;
		event->raw = member->raw;
		return;
	}
	if (is(member->raw, "null"))
		return; /* an attribute that is not set */
	while (i < KNOWN && !is(member->name, known[i].name))
		i++;
	if (i < KNOWN)
		memcpy((char *)event + known[i].place, &member->value, sizeof member->value);
	if (is_of_a_trace(member->name)) {
		if (member->value.length > 0) /* Dapr has it empty when there is none */
			rv__redis_foreign_header(event->decoded, member->name, member->value);
	} else if (i == KNOWN || known[i].shown) {
		keep_attribute(event->decoded, member);
	}
}

/* application/json, text/json, application/vnd.x+json; what stands behind a semicolon does not count. Dapr knows only
 * the first of them, and makes a string of whatever text it is given as another. */
static bool is_json(struct rv_span type, bool of_dapr)
{
	static const char json[] = "application/json";
	const char *end = memchr(type.bytes, ';', type.length);
	size_t length = end ? (size_t)(end - type.bytes) : type.length;

	while (length > 0 && type.bytes[length - 1] == ' ')
		length--;
	if (of_dapr)
		return length == sizeof json - 1 && strncasecmp(type.bytes, json, length) == 0;
	return length > 5 &&
	    (strncasecmp(type.bytes + length - 5, "/json", 5) == 0 ||
	        strncasecmp(type.bytes + length - 5, "+json", 5) == 0);
}

bool rv__redis_base64(struct rv__buffer *scratch, struct rv_span text, struct rv_span *ret_bytes)
{
	char *bytes = take_room(scratch, text.length);
	size_t length;

	if (!bytes || !rv__base64_read(text.bytes, text.length, bytes, &length))
		return false;
	*ret_bytes = (struct rv_span){bytes, length};
	return true;
}

static bool is_event(const struct event *event)
{
	return event->id.length > 0 && event->version.length > 0 && event->source.length > 0 &&
	    event->type.length > 0;
}

/* What it carries. JSON stays JSON, with the quotes of a string; a string of any other type is the text itself. */
static bool unwrap(struct event *event)
{
	static const char json[] = "application/json", name[] = RV_HEADER_CONTENT_TYPE;
	struct rv__redis_decoded *decoded = event->decoded;

	if (event->base64.bytes) {
		if (!rv__redis_base64(&decoded->scratch, event->base64, &decoded->payload))
			return false;
	} else {
		if (!event->content_type.bytes)
			event->content_type = (struct rv_span){json, sizeof json - 1};
		decoded->payload =
		    is_json(event->content_type, event->pubsub.bytes != NULL) ? event->raw : event->text;
	}
	decoded->id = event->id;
	if (event->content_type.bytes)
		rv__redis_foreign_header(
		    decoded, (struct rv_span){name, sizeof name - 1}, event->content_type);
	return true;
}

bool rv__redis_decode_event(struct rv_span document, struct rv__redis_decoded *decoded)
{
	struct event event = {.decoded = decoded};
	size_t before = decoded->header_count;
	bool read = rv__redis_members(document, &decoded->scratch, take_member, &event) && is_event(&event);

	decoded->payload = document;
	if (read && unwrap(&event))
		return true;
	decoded->header_count = before;
	decoded->payload = document;
	return !read && rv__buffer_error(&decoded->scratch) == RV_OK;
}
