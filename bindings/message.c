/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/message.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "base/utf8.h"
#include "bindings/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	[n] = {.message = {.root = &failed[n].message, \
	           .error = &failures[n], \
	           .sent = true, \
	           .payload = "", \
	           .id = "", \
	           .source = "", \
	           .destination = "", \
	           .partition = -1, \
	           .position = -1}}

static struct {
	rv_message message;
	struct rv__message_body body;
} failed[] = {FAILED_MESSAGE(0), FAILED_MESSAGE(1), FAILED_MESSAGE(2), FAILED_MESSAGE(3), FAILED_MESSAGE(4)};

rv_message *rv__message_failed(rv_err code)
{
	return &failed[code == RV_E_NOMEM ? 0 : code == RV_E_TOOBIG ? 1 : 2].message;
}

rv_message *rv__message_failed_format(void)
{
	return &failed[3].message;
}

rv_message *rv__message_failed_utf8(void)
{
	return &failed[4].message;
}

rv_err rv_message_error(const rv_message *message, struct rv_error *err)
{
	const struct rv_error *why = message ? message->error : &failures[2];

	if (!why)
		return RV_OK;
	if (err)
		*err = *why;
	return why->code;
}

/* -- making ---------------------------------------------------------------------- */

static size_t align_up(size_t value)
{
	return (value + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

rv_message *rv__message_new_body(size_t headers, size_t strings, size_t payload, void **ret_payload)
{
	size_t at_payload = align_up(sizeof(rv_message) + sizeof(struct rv__message_body));
	size_t at_strings = at_payload + payload;
	size_t at_headers = align_up(at_strings + strings);
	uint8_t size_class;
	rv_message *message;
	struct rv__message_body *body;
	char *block;

	if (payload > UINT32_MAX)
		return NULL;
	message = rv__pool_take(at_headers + headers * sizeof(struct rv__header), &size_class);
	if (!message)
		return NULL;
	body = (struct rv__message_body *)(message + 1);
	block = (char *)message;
	*message = (struct rv_message){.size_class = size_class,
	    .root = message,
	    .payload = block + at_payload,
	    .length = (uint32_t)payload,
	    .id = body->own_id,
	    .source = "",
	    .destination = "",
	    .partition = -1,
	    .position = -1};
	atomic_init(&message->refs, 1);
	memset(body, 0, offsetof(struct rv__message_body, own_id));
	body->headers = (struct rv__header *)(block + at_headers);
	body->header_room = (uint16_t)headers;
	body->strings = block + at_strings;
	body->strings_left = strings;
	body->own_id[0] = '\0';
	if (ret_payload)
		*ret_payload = block + at_payload;
	return message;
}

rv_message *rv__message_allocate(size_t length, void **ret_payload)
{
	rv_message *message;

	if (length > RV__PAYLOAD_MAX)
		return rv__message_failed(RV_E_TOOBIG);
	message =
	    rv__message_new_body(RV__MESSAGE_FIRST_HEADERS, RV__MESSAGE_FIRST_STRINGS, length, ret_payload);
	if (!message)
		return rv__message_failed(RV_E_NOMEM);
	rv__message_id_next(rv__message_body(message)->own_id, &message->timestamp_ms);
	return message;
}

void rv__message_set_static_header(rv_message *message, const char *name, const char *value)
{
	struct rv__message_body *body = rv__message_body(message);
	size_t name_length = strlen(name);
	size_t length = strlen(value);

	assert(body->header_count < body->header_room);
	body->headers[body->header_count++] = (struct rv__header){
	    .name = name, .value = value, .name_length = (uint32_t)name_length, .length = (uint32_t)length};
	rv__message_note_header(message, &body->headers[body->header_count - 1]);
	message->header_bytes += (uint32_t)(name_length + length);
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

rv_message *rv_message_create_null(void)
{
	rv_message *message = rv__message_allocate(0, NULL);

	if (!message->error)
		rv__message_body(message)->null = true;
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

void rv__message_keep_foreign(rv_message *message, rv_release_fn release, void *owner)
{
	struct rv__message_body *body = rv__message_body(message);

	body->release = release;
	body->owner = owner;
	atomic_store_explicit(&message->laden, release != NULL, memory_order_relaxed);
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
	message->length = (uint32_t)length;
	rv__message_keep_foreign(message, release, owner);
	return message;
}

/* What a binding of ours filled in on the way out belongs to that way; of a received message it is what its sender
 * said, and goes on, but for a content type that only we assumed. */
static rv_err copy_headers(rv_message *copy, const rv_message *message)
{
	size_t own = rv__message_body(message)->header_count;
	bool received = *message->source;
	struct rv_header header;
	rv_err code = RV_OK;

	for (size_t i = 0;
	     code == RV_OK && (received || i < own) && rv_message_header_entry(message, i, &header); i++) {
		if (i >= own && message->content_type_assumed &&
		    rv__is_content_type(header.name, strlen(header.name)))
			continue;
		code = rv__message_copy_header(copy, &header);
	}
	return code;
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
	rv__message_body(copy)->null = rv__message_body(root)->null;
	if (copy_headers(copy, message) == RV_OK)
		return copy;
	rv_message_unref(copy);
	return rv__message_failed(RV_E_NOMEM);
}

/* -- sharing ------------------------------------------------------------------------- */

rv_message *rv_message_ref(const rv_message *message)
{
	rv_message *shared = (rv_message *)message;

	if (shared && !shared->error)
		atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
	return shared;
}

static void finish_body(struct rv__message_body *body)
{
	if (body->release)
		body->release(body->owner);
	free(atomic_load_explicit(&body->text, memory_order_relaxed));
	while (body->chunks) {
		struct rv__message_chunk *next = body->chunks->next;

		free(body->chunks);
		body->chunks = next;
	}
	if (body->headers_spilled)
		free(body->headers);
}

void rv_message_unref(rv_message *message)
{
	while (message && !message->error) {
		rv_message *holds = message->holds;

		/* The last one needs no exchange: nobody is left who could take another. */
		if (atomic_load_explicit(&message->refs, memory_order_acquire) != 1 &&
		    atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) != 1)
			return;
		if (atomic_load_explicit(&message->laden, memory_order_relaxed))
			finish_body(rv__message_body(message));
		rv__pool_give(message, message->size_class);
		message = holds;
	}
}

/* -- reading ---------------------------------------------------------------------------- */

const void *rv_message_payload(const rv_message *message, size_t *ret_length)
{
	if (ret_length)
		*ret_length = message ? message->length : 0;
	return message ? message->payload : "";
}

bool rv_message_is_null(const rv_message *message)
{
	return message && rv__message_body(message)->null;
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
	if (message->has_content_type || take_content_type(message, content_type))
		return rv_message_ref(message);
	/* It went through a binding of another content type before: that one keeps its word. */
	same = (struct rv_received){.partition = -1, .position = -1};
	envelope = rv_message_create_envelope(message, &same);
	if (envelope)
		atomic_store_explicit(&envelope->content_type, content_type, memory_order_release);
	return envelope;
}

const char *rv__message_placed(const rv_message *message)
{
	const char *placed = atomic_load_explicit(&message->placed, memory_order_acquire);

	if (!placed && message->root != message)
		placed = atomic_load_explicit(&message->root->placed, memory_order_acquire);
	return placed && *placed ? placed : NULL;
}

rv_err rv__message_place(rv_message **slot, const char *text)
{
	rv_message *message = *slot;
	const char *before = NULL;
	struct rv_received same = {.partition = -1, .position = -1};
	rv_message *envelope;

	if (atomic_compare_exchange_strong_explicit(
	        &message->placed, &before, text, memory_order_acq_rel, memory_order_acquire) ||
	    before == text)
		return RV_OK;
	/* It went through another partitioned output before, and whoever has it from there shall not see it change. */
	envelope = rv_message_create_envelope(message, &same);
	if (!envelope)
		return RV_E_NOMEM;
	atomic_store_explicit(&envelope->placed, text, memory_order_release);
	rv_message_unref(message);
	*slot = envelope;
	return RV_OK;
}

void rv__message_default_content_type(rv_message *message, const char *content_type)
{
	if (!message->has_content_type && !rv__message_filled_content_type(message)) {
		take_content_type(message, content_type);
		message->content_type_assumed = true;
	}
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

/* What the structs of a delivered message take, roughly. */
enum { SIZE_OF_ONE = 2 * sizeof(rv_message) };

size_t rv__message_size(const rv_message *message)
{
	return message->length + message->header_bytes + SIZE_OF_ONE;
}
