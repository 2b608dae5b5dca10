/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a dead letter says. Names, order and encodings are those of Spring Cloud Stream's Kafka binder, so that
 * Java tools read our letters: x-original-* and x-exception-* stand behind all headers of the original, also
 * behind those of an earlier move. Numbers are big-endian bytes where that broker's tools expect it
 * (RV_CAP_BINARY_LETTERS), else decimal text. A binder may add where the original was in its own words.
 */
#include "bindings/letters.h"

#include "base/utf8.h"
#include "bindings/embedded.h"
#include "bindings/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OWN_HEADERS = 14, OF_BINDER = 4, SAID_SIZE = 2048, TRACE_SIZE = 4096 };

/* The letter being put together; values live here until it is made. */
struct draft {
	const struct rv__letter_facts *facts;
	bool binary;
	size_t count;
	struct rv_header_span headers[RV__RECEIVED_HEADERS_MAX];
	size_t number_count;
	char numbers[6][24];
	size_t described;
	char descriptions[OF_BINDER][600];
};

static struct rv_span span_of(const char *text)
{
	return (struct rv_span){text, strlen(text)};
}

static void add_text(struct draft *draft, const char *name, const char *value)
{
	draft->headers[draft->count++] =
	    (struct rv_header_span){.name = span_of(name), .value = span_of(value), .type = RV_HEADER_TEXT};
}

/* A number of `size` bytes, 4 or 8. */
static void add_number(struct draft *draft, const char *name, int64_t value, size_t size)
{
	char *at = draft->numbers[draft->number_count++];
	struct rv_header_span *header = &draft->headers[draft->count++];

	*header = (struct rv_header_span){.name = span_of(name)};
	if (draft->binary) {
		for (size_t i = 0; i < size; i++)
			at[i] = (char)((uint64_t)value >> (8 * (size - 1 - i)));
		header->value = (struct rv_span){at, size};
		header->type = RV_HEADER_BYTES;
	} else {
		snprintf(at, sizeof draft->numbers[0], "%" PRId64, value);
		header->value = span_of(at);
		header->type = RV_HEADER_TEXT;
	}
}

/* The sender's headers: a content type that only our binding filled in is none of them. */
static void copy_headers(struct draft *draft, const rv_message *message)
{
	struct rv_header header;

	for (size_t i = 0; draft->count < RV__RECEIVED_HEADERS_MAX - OWN_HEADERS &&
	     rv_message_header_entry(message, i, &header);
	     i++) {
		if (i >= rv__message_body(message)->header_count && message->content_type_assumed &&
		    rv__is_content_type(header.name, strlen(header.name)))
			continue;
		draft->headers[draft->count++] = (struct rv_header_span){
		    .name = span_of(header.name),
		    .value = {header.value, header.length},
		    .type = header.type,
		};
	}
}

static void add_origin(struct draft *draft)
{
	static const char *const types[] = {
	    [RV_TIMESTAMP_CREATED] = "CreateTime",
	    [RV_TIMESTAMP_APPENDED] = "LogAppendTime",
	    [RV_TIMESTAMP_NONE] = "NoTimestampType",
	};
	const struct rv__letter_facts *facts = draft->facts;
	const rv_message *message = facts->item->message;

	add_text(draft, "x-original-topic",
	    *rv_message_destination(message) ? rv_message_destination(message) : facts->source->destination);
	if (rv_message_partition(message) >= 0)
		add_number(draft, "x-original-partition", rv_message_partition(message), 4);
	if (rv_message_position(message) >= 0)
		add_number(draft, "x-original-offset", rv_message_position(message), 8);
	if (rv_message_timestamp_ms(message) > 0)
		add_number(draft, "x-original-timestamp", rv_message_timestamp_ms(message), 8);
	if (message->timestamp_type != RV_TIMESTAMP_UNKNOWN)
		add_text(draft, "x-original-timestamp-type", types[message->timestamp_type]);
}

static void take_description(void *arg, const char *name, const char *value)
{
	struct draft *draft = arg;
	char *at = draft->descriptions[draft->described < OF_BINDER ? draft->described : 0];
	size_t name_length = strlen(name), length = strlen(value);

	/* Name and value, each with its end; one that is too long is left out. */
	if (draft->described == OF_BINDER || name_length + length + 2 > sizeof draft->descriptions[0])
		return;
	draft->described++;
	memcpy(at, name, name_length + 1);
	memcpy(at + name_length + 1, value, length + 1);
	add_text(draft, at, at + name_length + 1);
}

static void add_description(struct draft *draft)
{
	const struct rv__letter_facts *facts = draft->facts;
	struct rv__input *input = (struct rv__input *)facts->input; /* counted while we are in the binder */

	if (!input->ops->describe || !rv__input_enter(input))
		return;
	facts->input->ops->describe(facts->source->consumer, &facts->item->token, take_description, draft);
	rv__input_leave(input);
}

static const char *symbol_of(enum rv__cause cause)
{
	static const char *const symbols[] = {
	    [RV__CAUSE_REJECT] = "rivulet.Reject",
	    [RV__CAUSE_RETRIES] = "rivulet.RetriesExhausted",
	    [RV__CAUSE_DELIVERIES] = "rivulet.DeliveriesExhausted",
	};

	return symbols[cause];
}

static void describe(const struct rv__letter_facts *facts, char *text, size_t size)
{
	const struct rv__input *input = facts->input;

	if (facts->reason)
		snprintf(text, size, "%.*s",
		    (int)rv__utf8_cut(facts->reason, strlen(facts->reason), size - 1), facts->reason);
	else if (facts->cause == RV__CAUSE_REJECT)
		snprintf(text, size, "the listener of '%s' rejected the message", input->channel);
	else if (facts->cause == RV__CAUSE_RETRIES)
		snprintf(text, size, "the listener of '%s' gave up after %d attempt%s", input->channel,
		    (int)facts->item->attempts, facts->item->attempts == 1 ? "" : "s");
	else
		snprintf(text, size, "the broker delivered the message to '%s' more than %d times",
		    input->channel, (int)facts->source->max_deliveries);
}

/* What a C service can say in place of a stack. */
static void trace(const struct rv__letter_facts *facts, const char *said, char *text, size_t size)
{
	const struct rv__input *input = facts->input;

	snprintf(text, size,
	    "%s: %s\n\tat binding=%s binder=%s destination=%s group=%s\n\tattempts=%d deliveries=%d",
	    symbol_of(facts->cause), said, input->channel, input->binder, facts->source->destination,
	    input->group ? input->group : "", (int)facts->item->attempts, (int)facts->item->deliveries + 1);
}

static void unref(void *owner)
{
	rv_message_unref(owner);
}

/* With all headers inside the payload, as the original had them. Takes the letter's reference; NULL: no memory. */
static rv_message *embed(rv_message *letter)
{
	const char *names[RV__RECEIVED_HEADERS_MAX];
	struct rv_strings all = {names, 0};
	struct rv_header header;
	rv_message *wire;

	while (all.count < RV__RECEIVED_HEADERS_MAX && rv_message_header_entry(letter, all.count, &header))
		names[all.count++] = header.name;
	wire = rv__embedded_encode(letter, &all, NULL);
	rv_message_unref(letter);
	return rv_message_error(wire, NULL) == RV_OK ? wire : NULL;
}

rv_message *rv__letter_make(const struct rv__letter_facts *facts)
{
	struct draft draft = {.facts = facts,
	    .binary = (facts->input->ops->caps & RV_CAP_BINARY_LETTERS) && !facts->input->embedded};
	const rv_message *message = facts->item->message;
	char said[SAID_SIZE];
	char traced[TRACE_SIZE];
	rv_message *made;
	struct rv_received letter = {
	    .headers = draft.headers,
	    .id = span_of(rv_message_id(message)),
	    .partition = -1,
	    .position = -1,
	    .null = rv_message_is_null(message),
	    .release = unref,
	};

	copy_headers(&draft, message);
	if (facts->input->letter_headers) {
		describe(facts, said, sizeof said);
		add_origin(&draft);
		add_description(&draft);
		add_text(&draft, "x-exception-fqcn", symbol_of(facts->cause));
		add_text(&draft, "x-exception-message", said);
		if (facts->trace) {
			trace(facts, said, traced, sizeof traced);
			add_text(&draft, "x-exception-stacktrace", traced);
		}
	}
	letter.header_count = draft.count;
	letter.payload = rv_message_payload(message, &letter.length);
	letter.owner = rv_message_ref(message);
	made = rv_message_create_received(&letter);
	return made && facts->input->embedded ? embed(made) : made;
}
