/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/message.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "base/utf8.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_HEADERS = 6, FIRST_STRINGS = 192, CHUNK_BYTES = 1024 };

/* -- messages that could not be made ------------------------------------------- */

#define FAILED(symbol, number_, sentence) \
	{ \
		.code = RV_E_##symbol, .number = (number_), .where = "message", .text = sentence \
	}

static const struct rv_error failures[] = {
    FAILED(NOMEM, RV__N_MESSAGE_NOMEM, "there was no memory for the message; lower the limits or add memory"),
    FAILED(TOOBIG, RV__N_MESSAGE_TOOBIG,
        "a message holds at most 64 MiB; send a reference to large data instead"),
    FAILED(INVALID, RV__N_MESSAGE_INVALID,
        "the message was made from a NULL payload with a length; pass the bytes and their length"),
    FAILED(INVALID, RV__N_MESSAGE_FORMAT,
        "the JSON format and its arguments do not fit, or the value cannot be written as JSON; see "
        "json_pack()"),
    FAILED(
        INVALID, RV__N_MESSAGE_UTF8, "the text is not valid UTF-8; use rv_message_create() for other bytes"),
};

#define FAILED_MESSAGE(n) \
	[n] = {.root = &failed_messages[n], \
	    .error = &failures[n], \
	    .sent = true, \
	    .payload = "", \
	    .id = "", \
	    .source = "", \
	    .destination = "", \
	    .partition = -1, \
	    .position = -1}

static rv_message failed_messages[] = {
    FAILED_MESSAGE(0), FAILED_MESSAGE(1), FAILED_MESSAGE(2), FAILED_MESSAGE(3), FAILED_MESSAGE(4)};

rv_message *rv__message_failed(rv_err code)
{
	return &failed_messages[code == RV_E_NOMEM ? 0 : code == RV_E_TOOBIG ? 1 : 2];
}

rv_message *rv__message_failed_format(void)
{
	return &failed_messages[3];
}

rv_message *rv__message_failed_utf8(void)
{
	return &failed_messages[4];
}

rv_err rv_message_error(const rv_message *message, struct rv_error *err)
{
	const struct rv_error *failed = message ? message->error : &failures[2];

	if (!failed)
		return RV_OK;
	if (err)
		*err = *failed;
	return failed->code;
}

/* -- making ---------------------------------------------------------------------- */

static size_t align_up(size_t value)
{
	return (value + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

/* A body with room for headers, strings and payload, in one block. NULL: no memory. */
static rv_message *new_body(size_t headers, size_t strings, size_t payload, void **ret_payload)
{
	size_t at_headers = align_up(sizeof(rv_message));
	size_t at_strings = at_headers + headers * sizeof(struct rv__header);
	size_t at_payload = align_up(at_strings + strings);
	rv_message *message = malloc(at_payload + payload);
	char *block = (char *)message;

	if (!message)
		return NULL;
	memset(message, 0, sizeof *message);
	atomic_init(&message->refs, 1);
	message->root = message;
	message->headers = (struct rv__header *)(block + at_headers);
	message->header_room = (uint16_t)headers;
	message->strings = block + at_strings;
	message->strings_left = strings;
	message->payload = block + at_payload;
	message->length = payload;
	message->id = message->own_id;
	message->source = "";
	message->destination = "";
	message->partition = -1;
	message->position = -1;
	if (ret_payload)
		*ret_payload = block + at_payload;
	return message;
}

rv_message *rv__message_allocate(size_t length, void **ret_payload)
{
	rv_message *message;

	if (length > RV__PAYLOAD_MAX)
		return rv__message_failed(RV_E_TOOBIG);
	message = new_body(FIRST_HEADERS, FIRST_STRINGS, length, ret_payload);
	if (!message)
		return rv__message_failed(RV_E_NOMEM);
	rv__message_id_next(message->own_id, &message->timestamp_ms);
	return message;
}

void rv__message_set_static_header(rv_message *message, const char *name, const char *value)
{
	assert(message->header_count < message->header_room);
	message->headers[message->header_count++] = (struct rv__header){name, value, 0};
	message->header_bytes += (uint32_t)(strlen(name) + strlen(value));
}

rv_message *rv_message_create(const void *payload, size_t length)
{
	rv_message *message;
	void *to = NULL;

	if (!payload && length > 0)
		return rv__message_failed(RV_E_INVALID);
	message = rv__message_allocate(length, &to);
	if (to && length > 0)
		memcpy(to, payload, length);
	return message;
}

rv_message *rv_message_create_text(const char *text)
{
	size_t length = text ? strlen(text) : 0;
	rv_message *message;

	if (!text)
		return rv__message_failed(RV_E_INVALID);
	if (!rv__utf8_valid(text, length))
		return rv__message_failed_utf8();
	message = rv_message_create(text, length);
	if (!message->error)
		rv__message_set_static_header(message, RV_HEADER_CONTENT_TYPE, "text/plain");
	return message;
}

rv_message *rv_message_wrap(const void *payload, size_t length, rv_release_fn release, void *owner)
{
	rv_message *message = (!payload && length > 0) ? rv__message_failed(RV_E_INVALID)
	    : length > RV__PAYLOAD_MAX                 ? rv__message_failed(RV_E_TOOBIG)
	                                               : rv__message_allocate(0, NULL);

	if (message->error) {
		if (release)
			release(owner);
		return message;
	}
	message->payload = payload ? payload : "";
	message->length = length;
	message->release = release;
	message->owner = owner;
	return message;
}

rv_message *rv_message_dup(const rv_message *message)
{
	const rv_message *root;
	rv_message *copy;

	if (!message || message->error)
		return message ? (rv_message *)message : rv__message_failed(RV_E_INVALID);
	root = message->root;
	copy = rv__message_allocate(0, NULL);
	if (copy->error)
		return copy;
	copy->payload = root->payload;
	copy->length = root->length;
	copy->holds = rv_message_ref(root);
	for (size_t i = 0; i < root->header_count; i++) {
		if (rv_message_set_header(copy, root->headers[i].name, root->headers[i].value) != RV_OK) {
			rv_message_unref(copy);
			return rv__message_failed(RV_E_NOMEM);
		}
	}
	return copy;
}

/* -- received ones ------------------------------------------------------------------ */

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

/* A name or value with a zero inside could not be read back; such a header is left out. */
static bool usable(const struct rv_header_span *header)
{
	return header->name.length > 0 && !memchr(header->name.bytes, 0, header->name.length) &&
	    !(header->value.length && memchr(header->value.bytes, 0, header->value.length));
}

static void fill_delivery(rv_message *message, const struct rv_received *received)
{
	message->source = received->source ? received->source : "";
	message->partition = received->partition;
	message->position = received->position;
	message->attempt = received->attempt;
	if (received->timestamp_ms)
		message->timestamp_ms = received->timestamp_ms;
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
	for (size_t i = 0; i < count; i++) {
		const struct rv_header_span *from = &received->headers[i];
		struct rv__header *to = &message->headers[message->header_count];

		if (is_id(&from->name) || !usable(from))
			continue;
		to->name = put_string(at, from->name.bytes, from->name.length);
		to->value = put_string(at, from->value.bytes, from->value.length);
		to->value_room = 0;
		message->header_bytes += (uint32_t)(from->name.length + from->value.length);
		message->header_count++;
	}
}

static void put_id(rv_message *message, const struct rv_received *received, size_t count, char **at)
{
	struct rv_span id = received->id;
	const char *destination = received->destination ? received->destination : "";

	for (size_t i = 0; i < count && !is_usable_id(&id); i++)
		if (is_id(&received->headers[i].name) && usable(&received->headers[i]))
			id = received->headers[i].value;
	if (is_usable_id(&id)) {
		message->id = put_string(at, id.bytes, id.length);
		return;
	}
	message->id = *at;
	*at += 1 +
	    snprintf(*at, strlen(destination) + MADE_ID_ROOM, "%s-%d-%lld", destination,
	        (int)received->partition, (long long)received->position);
}

rv_message *rv_message_create_received(const struct rv_received *received)
{
	size_t headers = received->header_count < RV__HEADERS_MAX ? received->header_count : RV__HEADERS_MAX;
	const char *destination = received->destination ? received->destination : "";
	size_t room = received_room(received, headers, strlen(destination));
	rv_message *message = new_body(headers, room, received->release ? 0 : received->length, NULL);
	char *at;

	if (!message) {
		if (received->release)
			received->release(received->owner);
		return NULL;
	}
	at = message->strings;
	message->destination = put_string(&at, destination, strlen(destination));
	put_id(message, received, headers, &at);
	put_headers(message, received, headers, &at);
	message->strings_left = 0;
	atomic_store_explicit(&message->sent, true, memory_order_relaxed);
	fill_delivery(message, received);
	if (received->release) {
		message->payload = received->payload;
		message->length = received->length;
		message->release = received->release;
		message->owner = received->owner;
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
	rv_message *message = malloc(sizeof *message + length + 1);

	if (!message)
		return NULL;
	memset(message, 0, sizeof *message);
	atomic_init(&message->refs, 1);
	atomic_init(&message->sent, true);
	message->root = root;
	message->holds = rv_message_ref(root);
	message->payload = root->payload;
	message->length = root->length;
	message->id = root->id;
	message->destination = memcpy(message + 1, destination, length + 1);
	message->timestamp_ms = root->timestamp_ms;
	fill_delivery(message, envelope);
	/* What a binding filled in on the way out belongs to this message, not only to the body. */
	atomic_init(&message->content_type, atomic_load_explicit(&body->content_type, memory_order_acquire));
	return message;
}

/* -- sharing ------------------------------------------------------------------------- */

rv_message *rv_message_ref(const rv_message *message)
{
	rv_message *shared = (rv_message *)message;

	if (shared && !shared->error)
		atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
	return shared;
}

static void destroy(rv_message *message)
{
	if (message->release)
		message->release(message->owner);
	free(atomic_load_explicit(&message->text, memory_order_relaxed));
	while (message->chunks) {
		struct rv__message_chunk *next = message->chunks->next;

		free(message->chunks);
		message->chunks = next;
	}
	if (message->headers_spilled)
		free(message->headers);
	free(message);
}

void rv_message_unref(rv_message *message)
{
	while (message && !message->error) {
		rv_message *holds = message->holds;

		if (atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) != 1)
			return;
		destroy(message);
		message = holds;
	}
}

/* -- headers -------------------------------------------------------------------------- */

static struct rv__header *find_header(const rv_message *root, const char *name)
{
	for (size_t i = 0; i < root->header_count; i++)
		if (root->headers[i].name == name || strcmp(root->headers[i].name, name) == 0)
			return &root->headers[i];
	return NULL;
}

/* Room for a string in the message: in its first block, else in a chunk. NULL: no memory. */
static char *string_room(rv_message *message, size_t size)
{
	char *at;

	if (size > message->strings_left) {
		size_t bytes = size > CHUNK_BYTES ? size : CHUNK_BYTES;
		struct rv__message_chunk *chunk = malloc(sizeof *chunk + bytes);

		if (!chunk)
			return NULL;
		chunk->next = message->chunks;
		message->chunks = chunk;
		message->strings = chunk->bytes;
		message->strings_left = bytes;
	}
	at = message->strings;
	message->strings += size;
	message->strings_left -= size;
	return at;
}

static bool grow_headers(rv_message *message)
{
	size_t room = message->header_room ? (size_t)message->header_room * 2 : FIRST_HEADERS;
	struct rv__header *rows = malloc(room * sizeof *rows);

	if (!rows)
		return false;
	memcpy(rows, message->headers, message->header_count * sizeof *rows);
	if (message->headers_spilled)
		free(message->headers);
	message->headers = rows;
	message->headers_spilled = true;
	message->header_room = (uint16_t)room;
	return true;
}

static bool valid_name(const char *name, size_t length)
{
	if (length == 0 || length > RV__HEADER_NAME_MAX || !rv__utf8_valid(name, length))
		return false;
	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return false;
	return strcmp(name, RV_HEADER_MESSAGE_ID) != 0;
}

static rv_err add_header(
    rv_message *message, const char *name, size_t name_length, const char *value, size_t length)
{
	char *copy;

	if (message->header_count >= RV__HEADERS_MAX)
		return RV_E_TOOBIG;
	if (message->header_count == message->header_room && !grow_headers(message))
		return RV_E_NOMEM;
	copy = string_room(message, name_length + 1 + length + 1);
	if (!copy)
		return RV_E_NOMEM;
	memcpy(copy, name, name_length + 1);
	memcpy(copy + name_length + 1, value, length + 1);
	message->headers[message->header_count++] =
	    (struct rv__header){copy, copy + name_length + 1, (uint32_t)length + 1};
	return RV_OK;
}

static rv_err replace_header(rv_message *message, struct rv__header *row, const char *value, size_t length)
{
	/* At least twice the room of before, so that replacing for ever cannot grow for ever. */
	size_t room = length + 1 > 2 * (size_t)row->value_room ? length + 1 : 2 * (size_t)row->value_room;
	char *copy;

	if (length < row->value_room) {
		memcpy((char *)row->value, value, length + 1);
		return RV_OK;
	}
	copy = string_room(message, room);
	if (!copy)
		return RV_E_NOMEM;
	memcpy(copy, value, length + 1);
	row->value = copy;
	row->value_room = (uint32_t)room;
	return RV_OK;
}

rv_err rv_message_set_header(rv_message *message, const char *name, const char *value)
{
	struct rv__header *row;
	size_t name_length;
	size_t length;
	size_t total;
	rv_err code;

	if (!message || !name || !value)
		return RV_E_INVALID;
	if (message->error)
		return message->error->code;
	if (message->root != message || atomic_load_explicit(&message->sent, memory_order_relaxed))
		return RV_E_INVALID;
	name_length = strlen(name);
	length = strlen(value);
	if (!valid_name(name, name_length) || !rv__utf8_valid(value, length))
		return RV_E_INVALID;
	row = find_header(message, name);
	total = message->header_bytes + length + (row ? 0 : name_length) - (row ? strlen(row->value) : 0);
	if (length > RV__HEADER_VALUE_MAX || total > RV__HEADER_BYTES_MAX)
		return RV_E_TOOBIG;
	code = row ? replace_header(message, row, value, length)
	           : add_header(message, name, name_length, value, length);
	if (code == RV_OK)
		message->header_bytes = (uint32_t)total;
	return code;
}

/* The content type that a binding filled in, on this message or on its body. */
static const char *filled_content_type(const rv_message *message)
{
	const char *filled = atomic_load_explicit(&message->content_type, memory_order_acquire);

	if (!filled && message->root != message)
		filled = atomic_load_explicit(&message->root->content_type, memory_order_acquire);
	return filled;
}

const char *rv_message_header(const rv_message *message, const char *name)
{
	const struct rv__header *row;

	if (!message || !name)
		return NULL;
	row = find_header(message->root, name);
	if (row)
		return row->value;
	return strcmp(name, RV_HEADER_CONTENT_TYPE) == 0 ? filled_content_type(message) : NULL;
}

bool rv_message_header_at(
    const rv_message *message, size_t index, const char **ret_name, const char **ret_value)
{
	const rv_message *root = message ? message->root : NULL;
	const char *name = RV_HEADER_CONTENT_TYPE;
	const char *value = NULL;

	if (root && index < root->header_count) {
		name = root->headers[index].name;
		value = root->headers[index].value;
	} else if (root && index == root->header_count && !find_header(root, name)) {
		value = filled_content_type(message);
	}
	if (!value)
		return false;
	if (ret_name)
		*ret_name = name;
	if (ret_value)
		*ret_value = value;
	return true;
}

/* -- reading ---------------------------------------------------------------------------- */

const void *rv_message_payload(const rv_message *message, size_t *ret_length)
{
	if (ret_length)
		*ret_length = message ? message->length : 0;
	return message ? message->payload : "";
}

const char *rv_message_id(const rv_message *message)
{
	return message ? message->id : "";
}

const char *rv_message_source(const rv_message *message)
{
	return message ? message->source : "";
}

const char *rv_message_destination(const rv_message *message)
{
	return message ? message->destination : "";
}

int32_t rv_message_partition(const rv_message *message)
{
	return message ? message->partition : -1;
}

int64_t rv_message_position(const rv_message *message)
{
	return message ? message->position : -1;
}

int rv_message_attempt(const rv_message *message)
{
	return message ? message->attempt : 0;
}

int64_t rv_message_timestamp_ms(const rv_message *message)
{
	return message ? message->timestamp_ms : 0;
}

/* -- for the binding layer ----------------------------------------------------------------- */

const char *rv__intern(const char *text)
{
	/* Grows with the distinct content types of the configuration and is never freed. */
	static struct word {
		struct word *next;
		char text[];
	} * words;
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	size_t size = strlen(text) + 1;
	struct word *at;

	pthread_mutex_lock(&lock);
	for (at = words; at; at = at->next)
		if (strcmp(at->text, text) == 0)
			break;
	if (!at && (at = malloc(sizeof *at + size))) {
		memcpy(at->text, text, size);
		at->next = words;
		words = at;
	}
	pthread_mutex_unlock(&lock);
	return at ? at->text : NULL;
}

static bool take_content_type(rv_message *message, const char *content_type)
{
	const char *before = NULL;

	return atomic_compare_exchange_strong_explicit(&message->content_type, &before, content_type,
	           memory_order_acq_rel, memory_order_acquire) ||
	    before == content_type;
}

rv_message *rv__message_seal(rv_message *message, const char *content_type)
{
	struct rv_received same;
	rv_message *envelope;

	if (!atomic_load_explicit(&message->sent, memory_order_relaxed))
		atomic_store_explicit(&message->sent, true, memory_order_relaxed);
	if (find_header(message->root, RV_HEADER_CONTENT_TYPE) || take_content_type(message, content_type))
		return rv_message_ref(message);
	/* It went through a binding of another content type before: that one keeps its word. */
	same = (struct rv_received){.partition = -1, .position = -1};
	envelope = rv_message_create_envelope(message, &same);
	if (envelope)
		atomic_store_explicit(&envelope->content_type, content_type, memory_order_release);
	return envelope;
}

void rv__message_default_content_type(rv_message *message, const char *content_type)
{
	if (!find_header(message->root, RV_HEADER_CONTENT_TYPE) && !filled_content_type(message))
		take_content_type(message, content_type);
}

rv_err rv__message_set_attempt(rv_message **slot, int attempt)
{
	const rv_message *old = *slot;
	struct rv_received same;
	rv_message *envelope;

	/* Nobody else can see it, so nobody can see it change. */
	if (atomic_load_explicit(&old->refs, memory_order_acquire) == 1) {
		(*slot)->attempt = attempt;
		return RV_OK;
	}
	same = (struct rv_received){.source = old->source,
	    .destination = old->destination,
	    .partition = old->partition,
	    .position = old->position,
	    .attempt = attempt,
	    .timestamp_ms = old->timestamp_ms};
	envelope = rv_message_create_envelope(old, &same);
	if (!envelope)
		return RV_E_NOMEM;
	rv_message_unref(*slot);
	*slot = envelope;
	return RV_OK;
}

size_t rv__message_size(const rv_message *message)
{
	return message->length + message->root->header_bytes + sizeof *message;
}
