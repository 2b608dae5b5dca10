/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where reading of a queue begins. A stored position wins; without one, consume-from-where. A broker
 * answers 0 for a young queue in place of "none", so that a new group there always reads from the start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binder/rocketmq/consumer.h"
#include "remoting/codes.h"

enum { ASK_MS = 3000, AGAIN_MS = 200 };

static void again(struct rv__rmq_queue *queue)
{
	queue->not_before_ms = rv__rmq_now_ms(queue->consumer->client) + AGAIN_MS;
	rv__rmq_client_hurry(queue->consumer->client);
}

static void begin_at(struct rv__rmq_queue *queue, int64_t offset)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv_assignment assignment = {.slot = queue->slot, .epoch = queue->epoch};
	char name[300];

	uv_mutex_lock(&consumer->lock);
	rv__process_queue_reset(&queue->window, offset);
	uv_mutex_unlock(&consumer->lock);
	queue->next_offset = offset;
	queue->stage = RV__RMQ_READING;
	queue->not_before_ms = 0;
	queue->told = true;
	snprintf(name, sizeof name, "%s%.200s/%d", queue->source->retry ? "retry/" : "", queue->broker->name,
	    queue->id);
	assignment.name = name;
	consumer->sink_ops->assigned(consumer->sink, &assignment, 1);
	rv__rmq_queue_advance(queue);
}

static struct rv__rmq_queue *queue_of(struct rv__rmq_request *request)
{
	return RV__OWNER(request, struct rv__rmq_queue, request);
}

/* The offset that an answer names; false when it is no success or names none. */
static bool read_offset(const struct rv__command *answer, int64_t *ret_offset)
{
	return answer && answer->code == RV__RSP_SUCCESS && rv__command_i64(answer, "offset", ret_offset) &&
	    *ret_offset >= 0;
}

static void on_edge(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_queue *queue = queue_of(request);
	int64_t offset;

	(void)block;
	(void)why;
	queue->asking = false;
	if (read_offset(answer, &offset))
		begin_at(queue, offset);
	else
		again(queue);
}

/* Asks for one end of the queue, or for a time, as consume-from-where says. */
static void ask_edge(struct rv__rmq_queue *queue)
{
	const struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv__rmq_connection *connection = rv__rmq_queue_connection(queue);
	enum rv__rmq_from from = queue->source->retry && consumer->plan.from == RV__RMQ_FROM_LAST
	    ? RV__RMQ_FROM_FIRST
	    : consumer->plan.from;
	struct rv__rmq_ask ask;

	if (!connection) {
		again(queue);
		return;
	}
	queue->asking = true;
	rv__rmq_ask_begin(&ask, connection,
	    from == RV__RMQ_FROM_TIMESTAMP  ? RV__REQ_SEARCH_OFFSET_BY_TIMESTAMP
	        : from == RV__RMQ_FROM_LAST ? RV__REQ_GET_MAX_OFFSET
	                                    : RV__REQ_GET_MIN_OFFSET);
	rv__rmq_ask_text(&ask, "topic", queue->source->topic->name);
	rv__rmq_ask_number(&ask, "queueId", queue->id);
	if (from == RV__RMQ_FROM_TIMESTAMP)
		rv__rmq_ask_number(&ask, "timestamp", consumer->plan.from_timestamp_ms);
	rv__rmq_ask_end(&ask, &queue->request, ASK_MS, on_edge, NULL, 0);
}

static void on_stored(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_queue *queue = queue_of(request);
	int64_t offset;

	(void)block;
	(void)why;
	queue->asking = false;
	if (read_offset(answer, &offset)) {
		queue->stored = offset;
		begin_at(queue, offset);
	} else if (answer && answer->code == RV__RSP_QUERY_NOT_FOUND) {
		ask_edge(queue);
	} else {
		again(queue);
	}
}

/* An anonymous group begins where the queue ended when it bound; at the start of one made since. */
static int64_t end_of(const struct rv__rmq_queue *queue)
{
	const struct rv__rmq_consumer *consumer = queue->consumer;

	for (size_t i = 0; i < consumer->end_count && !queue->source->retry; i++)
		if (consumer->ends[i].place.broker == queue->broker &&
		    consumer->ends[i].place.queue == queue->id)
			return consumer->ends[i].offset;
	return 0;
}

void rv__rmq_locate(struct rv__rmq_queue *queue)
{
	const struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv__rmq_connection *connection = rv__rmq_queue_connection(queue);
	struct rv__rmq_ask ask;
	int64_t local;

	queue->stage = RV__RMQ_LOCATING;
	if (consumer->anonymous) {
		begin_at(queue, end_of(queue));
		return;
	}
	if (consumer->plan.broadcasting) {
		local = rv__rmq_local_offset(queue);
		if (local >= 0)
			begin_at(queue, local);
		else
			ask_edge(queue);
		return;
	}
	if (!connection) {
		again(queue);
		return;
	}
	queue->asking = true;
	rv__rmq_ask_begin(&ask, connection, RV__REQ_QUERY_CONSUMER_OFFSET);
	rv__rmq_ask_text(&ask, "consumerGroup", consumer->group);
	rv__rmq_ask_text(&ask, "topic", queue->source->topic->name);
	rv__rmq_ask_number(&ask, "queueId", queue->id);
	rv__rmq_ask_end(&ask, &queue->request, ASK_MS, on_stored, NULL, 0);
}

/* -- the ends that an anonymous group starts from -------------------------------------------------- */

static void ends_done(struct rv__rmq_consumer *consumer)
{
	consumer->ends_state = RV__RMQ_ENDS_KNOWN;
	rv__rmq_consumer_judge(consumer);
	rv__rmq_rebalance(consumer);
}

static void on_end(struct rv__rmq_request *request, const struct rv__command *answer, struct rv__block *block,
    const struct rv_error *why)
{
	struct rv__rmq_end *end = RV__OWNER(request, struct rv__rmq_end, request);
	struct rv__rmq_consumer *consumer = end->consumer;
	int64_t offset;

	(void)block;
	(void)why;
	end->asking = false;
	if (read_offset(answer, &offset))
		end->offset = offset;
	for (size_t i = 0; i < consumer->end_count; i++)
		if (consumer->ends[i].offset < 0)
			return; /* asked again by the tick where need be */
	ends_done(consumer);
}

static void ask_end(struct rv__rmq_end *end)
{
	struct rv__rmq_consumer *consumer = end->consumer;
	struct rv__rmq_connection *connection =
	    rv__rmq_broker_connection(consumer->client, consumer->identity, end->place.broker, false);
	struct rv__rmq_ask ask;

	if (!connection || !rv__rmq_connection_usable(connection))
		return;
	end->asking = true;
	rv__rmq_ask_begin(&ask, connection, RV__REQ_GET_MAX_OFFSET);
	rv__rmq_ask_text(&ask, "topic", consumer->main.topic->name);
	rv__rmq_ask_number(&ask, "queueId", end->place.queue);
	rv__rmq_ask_end(&ask, &end->request, ASK_MS, on_end, NULL, 0);
}

void rv__rmq_ends_ask(struct rv__rmq_consumer *consumer)
{
	struct rv__rmq_topic *topic = consumer->main.topic;

	if (!consumer->anonymous || consumer->ends_state == RV__RMQ_ENDS_KNOWN || !topic->answered)
		return;
	if (consumer->ends_state == RV__RMQ_ENDS_UNKNOWN) {
		if (!topic->known || topic->read_count == 0) {
			ends_done(consumer); /* whatever comes is later than our binding */
			return;
		}
		consumer->ends = calloc(topic->read_count, sizeof *consumer->ends);
		if (!consumer->ends)
			return;
		consumer->end_count = topic->read_count;
		for (size_t i = 0; i < topic->read_count; i++)
			consumer->ends[i] = (struct rv__rmq_end){
			    .consumer = consumer, .place = topic->reads[i], .offset = -1};
		consumer->ends_state = RV__RMQ_ENDS_ASKED;
	}
	for (size_t i = 0; i < consumer->end_count; i++)
		if (consumer->ends[i].offset < 0 && !consumer->ends[i].asking)
			ask_end(&consumer->ends[i]);
}
