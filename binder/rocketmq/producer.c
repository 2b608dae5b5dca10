/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting messages (any thread), choosing their queue and putting them on the wire (loop). */
#include "binder/rocketmq/producer.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/rocketmq/compress.h"
#include "binder/rocketmq/headers.h"
#include "binder/rocketmq/transfer.h"
#include "remoting/codes.h"

enum {
	MAX_IN_FLIGHT = 10000,
	MAX_IN_FLIGHT_BYTES = 64 << 20,
	STACK_PROPERTIES = 2048, /* property strings up to that size cost no block of their own */
	HEAD_START_MS = 10,
	BATCH_MESSAGES = 64,
	BATCH_BYTES = 256 << 10,
	BATCH_BODY_MAX = 4096 /* larger ones gain nothing from sharing a request */
};

/* -- accepting, on the caller's thread ------------------------------------------------------ */

static bool take_room(struct rv__rmq_producer *producer, size_t bytes)
{
	if (atomic_load(&producer->in_flight) >= MAX_IN_FLIGHT ||
	    atomic_load(&producer->in_flight_bytes) >= MAX_IN_FLIGHT_BYTES)
		return false;
	atomic_fetch_add(&producer->in_flight, 1);
	atomic_fetch_add(&producer->in_flight_bytes, bytes);
	return true;
}

static void give_room(struct rv__rmq_producer *producer, size_t bytes)
{
	atomic_fetch_sub(&producer->in_flight_bytes, bytes);
	atomic_fetch_sub(&producer->in_flight, 1);
}

static size_t payload_length(const rv_message *message)
{
	size_t length;

	(void)rv_message_payload(message, &length);
	return length;
}

static void run_send(struct rv__op *op)
{
	struct rv__rmq_send *send = (struct rv__rmq_send *)op;
	struct rv__rmq_producer *producer = send->producer;

	send->next = NULL;
	*producer->pending_tail = send;
	producer->pending_tail = &send->next;
	producer->pending_count++;
	rv__rmq_producer_mark(producer);
}

static struct rv__rmq_send *build_send(struct rv__rmq_producer *producer, const struct rv_outbound *outbound,
    const struct rv__buffer *properties, const struct rv__rmq_outgoing *outgoing, rv_err refused)
{
	size_t destination_length = outbound->destination ? strlen(outbound->destination) + 1 : 0;
	size_t properties_length = refused == RV_OK ? properties->length : 0;
	struct rv__rmq_send *send = malloc(sizeof *send + properties_length + destination_length);

	if (!send)
		return NULL;
	memset(send, 0, sizeof *send);
	send->op.run = run_send;
	send->producer = producer;
	send->message = rv_message_ref(outbound->message);
	send->arg = outbound->arg;
	send->body = rv_message_payload(outbound->message, &send->body_length);
	send->partition = outbound->partition;
	send->flag = outgoing->flag;
	send->bare = outgoing->bare;
	send->delay_level = outgoing->delay_level;
	/* A moment before the sender gives up by itself: here it is known who did not answer. */
	send->deadline_ms = rv__rmq_now_ms(producer->client) + producer->plan.timeout_ms -
	    (producer->plan.timeout_ms >= 10 * HEAD_START_MS ? HEAD_START_MS : 0);
	send->refused = refused;
	send->properties_length = (uint32_t)properties_length;
	if (properties_length)
		memcpy(send->properties, properties->bytes, properties_length);
	if (destination_length) {
		memcpy(send->properties + properties_length, outbound->destination, destination_length);
		send->destination = send->properties + properties_length;
	}
	if (refused == RV_OK && (int64_t)send->body_length >= producer->plan.compress_threshold)
		send->packed = rv__rmq_pack(send->body, send->body_length, &send->body_length);
	if (send->packed)
		send->body = send->packed;
	return send;
}

static struct rv__rmq_send *prepare(struct rv__rmq_producer *producer, const struct rv_outbound *outbound)
{
	uint8_t stack[STACK_PROPERTIES];
	/* The limit keeps the buffer from growing, for its bytes are not from the heap. */
	struct rv__buffer properties = {.bytes = stack, .capacity = sizeof stack, .limit = sizeof stack - 1};
	struct rv__buffer larger = RV__BUFFER_INIT(1 << 20);
	struct rv__rmq_outgoing outgoing = {.bare = outbound->bare};
	struct rv__rmq_send *send;
	rv_err refused;

	refused =
	    rv__rmq_properties_encode(&properties, outbound->message, producer->instance, &outgoing, NULL);
	if (rv__buffer_error(&properties) != RV_OK) {
		refused = rv__rmq_properties_encode(
		    &larger, outbound->message, producer->instance, &outgoing, NULL);
		properties = larger;
	}
	if (refused == RV_OK && payload_length(outbound->message) > (size_t)producer->plan.max_message_size)
		refused = RV_E_TOOBIG;
	send = build_send(producer, outbound, &properties, &outgoing, refused);
	rv__buffer_finish(&larger);
	return send;
}

size_t rv__rmq_producer_send(void *producer_pointer, const struct rv_outbound *batch, size_t n)
{
	struct rv__rmq_producer *producer = producer_pointer;
	struct rv__op *first = NULL, *last = NULL;
	size_t accepted = 0;

	while (accepted < n) {
		size_t length = payload_length(batch[accepted].message);
		struct rv__rmq_send *send;

		if (!take_room(producer, length)) {
			atomic_store(&producer->wants_room, true);
			/* All may have completed in between: then nobody would tell that there is room. */
			if (!take_room(producer, length))
				break;
		}
		send = prepare(producer, &batch[accepted]);
		if (!send) {
			give_room(producer, length);
			atomic_store(&producer->wants_room, true);
			break;
		}
		if (last)
			last->next = &send->op;
		else
			first = &send->op;
		last = &send->op;
		accepted++;
	}
	if (first)
		rv__inbox_post_chain(&producer->client->inbox, first, last);
	return accepted;
}

/* -- completing ----------------------------------------------------------------------------- */

void rv__rmq_send_complete(
    struct rv__rmq_send *send, const struct rv_receipt *receipt, const struct rv_error *error)
{
	struct rv__rmq_producer *producer = send->producer;
	size_t length = payload_length(send->message);

	atomic_fetch_add_explicit(error ? &producer->send_errors : &producer->sent, 1, memory_order_relaxed);
	if (error && producer->close_call)
		producer->failed_at_close++;
	producer->sink_ops->sent(producer->sink, send->arg, receipt, error);
	rv_message_unref(send->message);
	free(send->packed);
	free(send);
	give_room(producer, length);
	if (atomic_load(&producer->wants_room) && atomic_load(&producer->in_flight) < MAX_IN_FLIGHT / 2 &&
	    atomic_exchange(&producer->wants_room, false))
		producer->sink_ops->writable(producer->sink);
}

static void complete_refused(struct rv__rmq_send *send)
{
	struct rv__rmq_producer *producer = send->producer;
	struct rv__buffer again = RV__BUFFER_INIT(1 << 20);
	struct rv__rmq_outgoing outgoing = {.bare = send->bare};
	struct rv_error why;

	/* The sentence is made here: send() has nowhere to put it. */
	if (rv__rmq_properties_encode(&again, send->message, producer->instance, &outgoing, &why) == RV_OK)
		rv_error_set(&why, RV_E_TOOBIG, RV__N_RMQ_TOO_BIG, RV__RMQ_TOPIC,
		    "a payload of %zu bytes is over max-message-size (%lld) of binding '%s'; send less or "
		    "raise it",
		    payload_length(send->message), (long long)producer->plan.max_message_size,
		    producer->binding);
	rv__buffer_finish(&again);
	rv__rmq_send_complete(send, NULL, &why);
}

/* -- choosing a queue ----------------------------------------------------------------------- */

/* The queues that a topic's messages may go to: its own, or those that it will have once it is made. */
static struct rv__rmq_topic *usable_route(struct rv__rmq_producer *producer, struct rv__rmq_topic *topic)
{
	if (topic->known && topic->write_count > 0)
		return topic;
	if (topic->answered && !topic->known && producer->template_topic->known &&
	    producer->template_topic->write_count > 0)
		return producer->template_topic;
	return NULL;
}

static struct rv__rmq_connection *open_connection(
    struct rv__rmq_producer *producer, struct rv__rmq_broker *broker)
{
	struct rv__rmq_connection *connection =
	    rv__rmq_broker_connection(producer->client, &producer->client->self, broker, true);

	if (!connection || !rv__rmq_connection_usable(connection))
		return NULL;
	return connection->link == RV__RMQ_OPEN ? connection : NULL;
}

/* Round robin over the queues whose broker is connected, avoiding the one where the last try failed. */
static bool choose(struct rv__rmq_producer *producer, struct rv__rmq_topic *route, struct rv__rmq_send *send,
    struct rv__rmq_place *ret_place, struct rv__rmq_connection **ret_connection)
{
	struct rv__rmq_connection *connection;

	if (send->partition >= 0) {
		*ret_place = route->writes[(size_t)send->partition % route->write_count];
		*ret_connection = open_connection(producer, ret_place->broker);
		return *ret_connection != NULL;
	}
	for (int avoid = send->last ? 1 : 0; avoid >= 0; avoid--) {
		for (size_t i = 0; i < route->write_count; i++) {
			struct rv__rmq_place *place = &route->writes[producer->turn++ % route->write_count];

			if (avoid && place->broker == send->last)
				continue;
			connection = open_connection(producer, place->broker);
			if (connection) {
				*ret_place = *place;
				*ret_connection = connection;
				return true;
			}
		}
	}
	return false;
}

/* -- batching ------------------------------------------------------------------------------- */

static bool may_batch(const struct rv__rmq_producer *producer, const struct rv__rmq_send *send)
{
	return !send->alone && !send->packed && send->delay_level == 0 &&
	    send->body_length <= BATCH_BODY_MAX && producer->plan.type != RV__RMQ_SEND_ONEWAY &&
	    strncmp(send->topic->name, RV__TOPIC_RETRY_PREFIX, sizeof RV__TOPIC_RETRY_PREFIX - 1) != 0;
}

/* Cuts the messages off the front of `pending` that may share one request with the first. */
static struct rv__rmq_send *cut_batch(struct rv__rmq_producer *producer)
{
	struct rv__rmq_send *first = producer->pending, *last = first;
	size_t bytes = first->body_length;
	int32_t count = 1;
	bool batch = may_batch(producer, first);

	while (batch && last->next && count < BATCH_MESSAGES) {
		struct rv__rmq_send *send = last->next;

		bytes += send->body_length;
		if (send->refused != RV_OK || send->topic != first->topic ||
		    send->partition != first->partition || bytes > BATCH_BYTES || !may_batch(producer, send))
			break;
		last = send;
		count++;
	}
	producer->pending = last->next;
	if (!producer->pending)
		producer->pending_tail = &producer->pending;
	producer->pending_count -= (size_t)count;
	last->next = NULL;
	first->batch = count;
	return first;
}

static bool resolve_topics(struct rv__rmq_producer *producer)
{
	for (struct rv__rmq_send *send = producer->pending; send; send = send->next) {
		if (send->topic)
			continue;
		if (!send->destination) {
			send->topic = producer->topic;
			continue;
		}
		char *name = rv__rmq_qualify(producer->instance, send->destination);

		send->topic = name ? rv__rmq_topic_get(producer->client, name) : NULL;
		free(name);
		if (!send->topic)
			return false;
		if (!send->topic->wanted)
			rv__rmq_topic_want(send->topic);
	}
	return true;
}

void rv__rmq_producer_dispatch(struct rv__rmq_producer *producer)
{
	struct rv__rmq_send *kept = NULL, **kept_tail = &kept, *first;
	size_t kept_count = 0;

	if (!resolve_topics(producer))
		return;
	while ((first = producer->pending)) {
		struct rv__rmq_topic *route =
		    first->refused == RV_OK ? usable_route(producer, first->topic) : NULL;
		struct rv__rmq_connection *connection = NULL;
		struct rv__rmq_place place = {0};

		if (first->refused == RV_OK &&
		    (!route || !choose(producer, route, first, &place, &connection))) {
			producer->pending = first->next;
			producer->pending_count--;
			first->next = NULL;
			*kept_tail = first;
			kept_tail = &first->next;
			kept_count++;
			/* Without another destination in play, the rest fares the same. */
			if (!first->destination && first->partition < 0)
				break;
			continue;
		}
		first = cut_batch(producer);
		if (first->refused != RV_OK)
			complete_refused(first);
		else
			rv__rmq_transfer(first, connection, &place);
	}
	*kept_tail = producer->pending;
	if (!producer->pending)
		producer->pending_tail = kept ? kept_tail : &producer->pending;
	if (kept)
		producer->pending = kept;
	producer->pending_count += kept_count;
	if (producer->pending)
		rv__rmq_client_hurry(producer->client);
	else
		producer->pending_tail = &producer->pending;
}

void rv__rmq_producer_mark(struct rv__rmq_producer *producer)
{
	if (producer->dirty)
		return;
	producer->dirty = true;
	producer->next_dirty = producer->client->dirty;
	producer->client->dirty = producer;
}

void rv__rmq_producer_tend(struct rv__rmq_producer *producer, int64_t now_ms)
{
	bool stopping = atomic_load(&producer->client->stopping);
	bool over = producer->close_call && now_ms >= producer->close_deadline_ms;
	struct rv__rmq_send **slot = &producer->pending;

	while (*slot) {
		struct rv__rmq_send *send = *slot;
		struct rv_error why = producer->trouble;

		if (!stopping && !over && now_ms < send->deadline_ms) {
			slot = &send->next;
			continue;
		}
		*slot = send->next;
		producer->pending_count--;
		if (stopping || over)
			rv_error_set(&why, RV_E_CLOSED, 0, RV__RMQ_TOPIC, "binding '%s' is stopping",
			    producer->binding);
		else if (why.code == RV_OK)
			rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_RMQ_LOST, RV__RMQ_TOPIC,
			    "no connected broker took a message for '%s' within %lld ms",
			    producer->topic->name, (long long)producer->plan.timeout_ms);
		rv__rmq_send_complete(send, NULL, &why);
	}
	producer->pending_tail = slot;
	if (stopping || over) {
		struct rv_error why;

		rv_error_set(&why, RV_E_CLOSED, 0, RV__RMQ_TOPIC,
		    "binding '%s' is stopping; whether the broker took the message is not known",
		    producer->binding);
		rv__rmq_transfers_abandon(producer, &why);
	}
}
