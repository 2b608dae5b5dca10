/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that came from a broker: one block for what it told, or an envelope over a body that is here already. */
#include "bindings/message.h"

#include "base/utf8.h"
#include "bindings/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *put_string(char **at, const char *bytes, size_t length)
{
	char *start = *at;

	if (length > 0)
		memcpy(start, bytes, length);
	start[length] = '\0';
	*at += length + 1;
	return start;
}

static bool is_id(const struct rv_span *name)
{
	return name->length == sizeof RV_HEADER_MESSAGE_ID - 1 &&
	    memcmp(name->bytes, RV_HEADER_MESSAGE_ID, name->length) == 0;
}

static bool has_zero(const struct rv_span *span)
{
	return span->length > 0 && memchr(span->bytes, 0, span->length);
}

/* A name or text with a zero inside could not be read back; such a header is left out. */
static bool usable(const struct rv_header_span *header)
{
	return header->name.length > 0 && header->value.length <= RV__PAYLOAD_MAX &&
	    !has_zero(&header->name) && (header->type == RV_HEADER_BYTES || !has_zero(&header->value));
}

/* Whether a foreign header is more than text could carry. */
static bool is_binary(const struct rv_header_span *header)
{
	return header->type == RV_HEADER_BYTES &&
	    (has_zero(&header->value) || !rv__utf8_valid(header->value.bytes, header->value.length));
}

static void fill_delivery(rv_message *message, const struct rv_received *received)
{
	message->source = received->source ? received->source : "";
	message->partition = received->partition;
	message->position = received->position;
	message->attempt = received->attempt;
	if (received->timestamp_ms)
		message->timestamp_ms = received->timestamp_ms;
	if (received->timestamp_type)
		message->timestamp_type = received->timestamp_type & 3u;
}

/* An id that can stand as text; foreign bytes may hold zeros. */
static bool is_usable_id(const struct rv_span *id)
{
	return id->length > 0 && !memchr(id->bytes, 0, id->length);
}

enum { MADE_ID_ROOM = 44 }; /* two numbers, separators and the end, behind the destination */

/* Strings of a received message: how much room they need at most. */
static size_t received_room(const struct rv_received *received, size_t headers, size_t destination)
{
	size_t id = is_usable_id(&received->id) ? received->id.length + 1 : destination + MADE_ID_ROOM;
	size_t room = destination + 1 + id;

	for (size_t i = 0; i < headers; i++)
		room += received->headers[i].name.length + received->headers[i].value.length + 2;
	return room;
}

static void put_headers(rv_message *message, const struct rv_received *received, size_t count, char **at)
{
	struct rv__message_body *body = rv__message_body(message);

	for (size_t i = 0; i < count; i++) {
		const struct rv_header_span *from = &received->headers[i];
		struct rv__header *to = &body->headers[body->header_count];

		if (is_id(&from->name) || !usable(from))
			continue;
		to->name = put_string(at, from->name.bytes, from->name.length);
		to->name_length = (uint32_t)from->name.length;
		to->value = put_string(at, from->value.bytes, from->value.length);
		to->value_room = 0;
		to->length = (uint32_t)from->value.length;
		to->type = from->type;
		rv__message_note_header(message, to);
		body->binary_headers |= is_binary(from);
		message->header_bytes += (uint32_t)(from->name.length + from->value.length);
		body->header_count++;
	}
}

static void put_id(rv_message *message, const struct rv_received *received, size_t count, char **at)
{
	struct rv_span id = received->id;
	const char *destination = received->destination ? received->destination : "";
	bool found = is_usable_id(&id);

	for (size_t i = 0; i < count && !found; i++) {
		if (is_id(&received->headers[i].name) && usable(&received->headers[i]))
			id = received->headers[i].value;
		found = is_usable_id(&id);
	}
	if (found) {
		message->id = put_string(at, id.bytes, id.length);
		return;
	}
	message->id = *at;
	*at += 1 +
	    snprintf(*at, strlen(destination) + MADE_ID_ROOM, "%s-%d-%lld", destination,
	        (int)received->partition, (long long)received->position);
}

rv_message *rv__message_create_received_room(const struct rv_received *received, size_t length)
{
	size_t headers = received->header_count < RV__RECEIVED_HEADERS_MAX ? received->header_count
	                                                                   : RV__RECEIVED_HEADERS_MAX;
	const char *destination = received->destination ? received->destination : "";
	size_t room = received_room(received, headers, strlen(destination));
	rv_message *message = rv__message_new_body(headers, room, length, NULL);
	char *at;

	if (!message)
		return NULL;
	at = rv__message_body(message)->strings;
	message->destination = put_string(&at, destination, strlen(destination));
	put_id(message, received, headers, &at);
	put_headers(message, received, headers, &at);
	rv__message_body(message)->strings_left = 0;
	atomic_store_explicit(&message->sent, true, memory_order_relaxed);
	fill_delivery(message, received);
	rv__message_body(message)->null = received->null;
	return message;
}

rv_message *rv_message_create_received(const struct rv_received *received)
{
	rv_message *message = received->length > UINT32_MAX
	    ? NULL
	    : rv__message_create_received_room(received, received->release ? 0 : received->length);

	if (!message) {
		if (received->release)
			received->release(received->owner);
		return NULL;
	}
	if (received->release) {
		message->payload = received->payload ? received->payload : "";
		message->length = (uint32_t)received->length;
		rv__message_keep_foreign(message, received->release, received->owner);
	} else if (received->length > 0) {
		memcpy((void *)message->payload, received->payload, received->length);
	}
	return message;
}

rv_message *rv_message_create_envelope(const rv_message *body, const struct rv_received *envelope)
{
	const rv_message *root = body->root;
	const char *destination = envelope->destination ? envelope->destination : "";
	size_t length = strlen(destination);
	uint8_t size_class;
	rv_message *message = rv__pool_take(sizeof *message + length + 1, &size_class);

	if (!message)
		return NULL;
	*message = (struct rv_message){.size_class = size_class,
	    .root = root,
	    .holds = rv_message_ref(root),
	    .payload = root->payload,
	    .length = root->length,
	    .header_bytes = root->header_bytes,
	    .has_content_type = root->has_content_type,
	    .id = root->id,
	    .destination = memcpy(message + 1, destination, length + 1),
	    .timestamp_ms = root->timestamp_ms,
	    .timestamp_type = root->timestamp_type,
	    .content_type_assumed = body->content_type_assumed};
	atomic_init(&message->refs, 1);
	atomic_init(&message->sent, true);
	fill_delivery(message, envelope);
	/* What a binding filled in on the way out belongs to this message, not only to the body. */
	atomic_init(&message->content_type, atomic_load_explicit(&body->content_type, memory_order_acquire));
	atomic_init(&message->placed, atomic_load_explicit(&body->placed, memory_order_acquire));
	return message;
}
