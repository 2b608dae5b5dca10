/* SPDX-License-Identifier: Apache-2.0 */
/* Completions, told to the binding layer many at a time. */
#include "binder/redis/producer.h"

#include <string.h>

static void tell(struct rv__redis_producer *producer, const struct rv_sent *sent, size_t count)
{
	if (producer->sink_ops->sent_batch) {
		producer->sink_ops->sent_batch(producer->sink, sent, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		producer->sink_ops->sent(producer->sink, sent[i].arg, &sent[i].receipt, sent[i].error);
}

static void give_room(struct rv__redis_producer *producer, long count, long bytes)
{
	long left = atomic_fetch_sub(&producer->in_flight, count) - count;

	atomic_fetch_sub(&producer->in_flight_bytes, bytes);
	if (left <= producer->settings->max_in_flight / 2 && atomic_load(&producer->wants_room) &&
	    atomic_exchange(&producer->wants_room, false))
		producer->sink_ops->writable(producer->sink);
}

void rv__redis_complete_flush(struct rv__redis_client *client)
{
	struct rv__redis_completing *completing = &client->completing;
	struct rv__redis_producer *producer = completing->producer;
	size_t count = completing->count;
	long bytes = completing->bytes;

	if (count == 0)
		return;
	completing->count = 0;
	completing->bytes = 0;
	tell(producer, completing->sent, count);
	for (size_t i = 0; i < count; i++)
		rv_message_unref(completing->messages[i]);
	atomic_fetch_add_explicit(&producer->sent, count, memory_order_relaxed);
	give_room(producer, (long)count, bytes);
}

static void complete_failed(
    struct rv__redis_producer *producer, struct rv__redis_send *send, const struct rv_error *why)
{
	rv_message *message = send->message;
	long bytes = send->bytes;

	rv__redis_complete_flush(producer->client);
	send->message = NULL;
	atomic_fetch_add_explicit(&producer->send_errors, 1, memory_order_relaxed);
	producer->failed_at_close += producer->close_call != NULL;
	producer->sink_ops->sent(producer->sink, send->arg, NULL, why);
	rv_message_unref(message);
	give_room(producer, 1, bytes);
}

/*
 * The id of a good one stands in the link's buffer, with "\r\n" behind it that nobody needs any more: there the zero goes.
 * It is told before that buffer is touched again.
 */
void rv__redis_complete(
    struct rv__redis_lane *lane, struct rv__redis_send *send, struct rv_span id, const struct rv_error *why)
{
	struct rv__redis_producer *producer = lane->producer;
	struct rv__redis_completing *completing = &producer->client->completing;
	struct rv__redis_id number = {0};

	if (why) {
		complete_failed(producer, send, why);
		return;
	}
	if (completing->producer != producer || completing->count == RV__REDIS_COMPLETING)
		rv__redis_complete_flush(producer->client);
	((char *)id.bytes)[id.length] = '\0';
	completing->producer = producer;
	completing->messages[completing->count] = send->message;
	completing->bytes += send->bytes;
	completing->sent[completing->count++] = (struct rv_sent){.arg = send->arg,
	    .receipt = {.partition = lane->partition,
	        .position = rv__redis_id_parse(id, &number) ? rv__redis_id_position(number) : -1,
	        .broker_id = id.bytes}};
	send->message = NULL;
}
