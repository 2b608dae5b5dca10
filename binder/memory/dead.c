/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: the same payload, headers and id, and where it came from, under Spring's header names. */
#include "binder/memory/memory.h"

#include <stdio.h>
#include <string.h>

enum { HEADERS = 128, OWN_HEADERS = 4 };

static void unref(void *owner)
{
	rv_message_unref(owner);
}

static struct rv_span span_of(const char *text)
{
	return (struct rv_span){text, strlen(text)};
}

static size_t copy_headers(const rv_message *message, struct rv_header_span *headers)
{
	struct rv_header header;
	size_t count = 0;

	while (count < HEADERS - OWN_HEADERS && rv_message_header_entry(message, count, &header)) {
		headers[count] =
		    (struct rv_header_span){span_of(header.name), {header.value, header.length}, header.type};
		count++;
	}
	return count;
}

static rv_message *dead_letter(
    const char *topic, uint32_t partition, int64_t position, rv_message *message, const char *reason)
{
	struct rv_header_span headers[HEADERS];
	size_t count = copy_headers(message, headers);
	struct rv_received received = {
	    .headers = headers, .id = span_of(rv_message_id(message)), .partition = -1, .position = -1};
	char partition_text[16];
	char position_text[24];

	snprintf(partition_text, sizeof partition_text, "%u", partition);
	snprintf(position_text, sizeof position_text, "%lld", (long long)position);
	headers[count++] =
	    (struct rv_header_span){.name = span_of("x-original-topic"), .value = span_of(topic)};
	headers[count++] = (struct rv_header_span){
	    .name = span_of("x-original-partition"), .value = span_of(partition_text)};
	headers[count++] =
	    (struct rv_header_span){.name = span_of("x-original-offset"), .value = span_of(position_text)};
	if (reason)
		headers[count++] =
		    (struct rv_header_span){.name = span_of("x-exception-message"), .value = span_of(reason)};
	received.header_count = count;
	received.null = rv_message_is_null(message);
	received.payload = rv_message_payload(message, &received.length);
	received.release = unref;
	received.owner = rv_message_ref(message);
	received.timestamp_ms = rv_message_timestamp_ms(message);
	return rv_message_create_received(&received);
}

bool rv__memory_bury(struct rv__memory_consumer *consumer, uint32_t partition, int64_t position,
    rv_message *message, const char *reason)
{
	struct rv__memory_topic *topic = rv__memory_topic_get(
	    consumer->binder->broker, consumer->binder->settings, consumer->dead_letters, 1);
	rv_message *letter =
	    topic ? dead_letter(consumer->group->topic->name, partition, position, message, reason) : NULL;
	bool buried = letter && rv__memory_append(topic, partition % topic->partition_count, letter);

	if (!buried)
		rv_message_unref(letter);
	return buried;
}
