/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on their way back: the broker is asked to redeliver or to bury (CONSUMER_SEND_MSG_BACK); when
 * it refuses, a copy goes to %RETRY%<group>, as Java does. Until one of the two is confirmed the position
 * does not pass the message, and it is tried again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/rocketmq/consumer.h"
#include "binder/rocketmq/headers.h"
#include "remoting/codes.h"

enum { ASK_MS = 3000, AGAIN_MS = 1000, DEFAULT_RECONSUME = 16, FIRST_LEVEL = 3 };

static void ask(struct rv__rmq_move *move);

void rv__rmq_move_destroy(struct rv__rmq_move *move)
{
	rv__rmq_request_cancel(&move->request);
	rv_message_unref(move->message);
	free(move->reason);
	free(move);
}

static void unlink_move(struct rv__rmq_move *move)
{
	struct rv__rmq_move **slot = &move->consumer->moves;

	while (*slot != move)
		slot = &(*slot)->next;
	*slot = move->next;
	move->consumer->move_count--;
}

int rv__rmq_reconsume_limit(const struct rv__rmq_consumer *consumer)
{
	return consumer->plan.max_reconsume >= 0 ? consumer->plan.max_reconsume : DEFAULT_RECONSUME;
}

/* The queue that the message came from, while its assignment lasts. */
static struct rv__rmq_queue *queue_of(const struct rv__rmq_move *move)
{
	struct rv__rmq_queue *queue = move->consumer->queues;

	while (queue && !(queue->slot == move->slot && queue->epoch == move->epoch))
		queue = queue->next;
	return queue && !queue->lost ? queue : NULL;
}

static void confirm(struct rv__rmq_move *move)
{
	struct rv__rmq_consumer *consumer = move->consumer;
	struct rv__rmq_queue *queue = queue_of(move);
	struct rv__pq_entry *entry;

	if (queue) {
		uv_mutex_lock(&consumer->lock);
		entry = rv__process_queue_find(&queue->window, move->position);
		if (entry && entry->state == RV__PQ_MOVING)
			(void)rv__process_queue_settle(&queue->window, move->position);
		queue->blocked = false;
		uv_mutex_unlock(&consumer->lock);
	}
	atomic_fetch_add_explicit(
	    move->dead_letter ? &consumer->dead_lettered : &consumer->requeued, 1, memory_order_relaxed);
	unlink_move(move);
	rv__rmq_move_destroy(move);
	if (queue)
		rv__rmq_queue_advance(queue);
}

static void try_later(struct rv__rmq_move *move, const char *why)
{
	struct rv__rmq_consumer *consumer = move->consumer;

	consumer->client->env->log(move->tries <= 1 ? RV_LOG_WARN : RV_LOG_DEBUG, RV__RMQ_TOPIC,
	    "binding=%s: message %s could not be %s: %s; its position is held, trying again in %d ms",
	    consumer->binding, move->message ? rv_message_id(move->message) : "(unreadable)",
	    move->dead_letter ? "moved to the dead letters" : "sent back", why, AGAIN_MS);
	move->not_before_ms = rv__rmq_now_ms(consumer->client) + AGAIN_MS;
	rv__rmq_client_hurry(consumer->client);
}

static struct rv__rmq_move *move_of(struct rv__rmq_request *request)
{
	return RV__OWNER(request, struct rv__rmq_move, request);
}

static void on_answer(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_move *move = move_of(request);
	struct rv_error refusal;

	(void)block;
	move->asking = false;
	if (!answer) {
		try_later(move, why->text);
		return;
	}
	/* 10 to 12: stored, but not flushed or replicated in time. It is there. */
	if (answer->code == RV__RSP_SUCCESS || (answer->code >= 10 && answer->code <= 12)) {
		confirm(move);
		return;
	}
	rv__rmq_refusal(&refusal, "send-back", answer);
	if (!move->resend && move->message) {
		move->resend = true;
		ask(move);
	} else {
		move->resend = false;
		try_later(move, refusal.text);
	}
}

static void ask_send_back(
    struct rv__rmq_move *move, struct rv__rmq_queue *queue, struct rv__rmq_connection *connection)
{
	struct rv__rmq_consumer *consumer = move->consumer;
	struct rv__rmq_ask question;

	rv__rmq_ask_begin(&question, connection, RV__REQ_CONSUMER_SEND_MSG_BACK);
	rv__rmq_ask_number(&question, "offset", move->physical);
	rv__rmq_ask_text(&question, "group", consumer->group);
	rv__rmq_ask_number(&question, "delayLevel", move->dead_letter ? -1 : consumer->plan.delay_level);
	if (move->message)
		rv__rmq_ask_text(&question, "originMsgId", rv_message_id(move->message));
	rv__rmq_ask_text(&question, "originTopic", queue->source->topic->name);
	rv__rmq_ask_bool(&question, "unitMode", false);
	rv__rmq_ask_number(&question, "maxReconsumeTimes", rv__rmq_reconsume_limit(consumer));
	rv__rmq_ask_end(&question, &move->request, ASK_MS, on_answer, NULL, 0);
}

static void add_property(struct rv__buffer *out, const char *name, const char *value)
{
	rv__properties_append(out, name, value, strlen(value));
}

static void add_number(struct rv__buffer *out, const char *name, int value)
{
	char text[16];

	snprintf(text, sizeof text, "%d", value);
	add_property(out, name, text);
}

/* Below %RETRY% the broker itself buries what came back too often, so a dead letter comes as one that did. */
static bool ask_resend(struct rv__rmq_move *move, struct rv__rmq_connection *connection)
{
	struct rv__rmq_consumer *consumer = move->consumer;
	struct rv__buffer properties = RV__BUFFER_INIT(1 << 20);
	struct rv__rmq_outgoing outgoing = {0};
	int limit = move->dead_letter ? 1 : rv__rmq_reconsume_limit(consumer), times = move->reconsumed + 1;
	int level =
	    consumer->plan.delay_level > 0 ? consumer->plan.delay_level : FIRST_LEVEL + move->reconsumed;
	struct rv__rmq_ask question;
	struct rv_error why;
	const void *body;
	size_t length;

	if (rv__rmq_properties_encode(&properties, move->message, NULL, &outgoing, &why) != RV_OK) {
		rv__buffer_finish(&properties);
		return false;
	}
	add_property(&properties, "RETRY_TOPIC", consumer->main.topic->name);
	add_number(&properties, "RECONSUME_TIME", times);
	add_number(&properties, "MAX_RECONSUME_TIMES", limit);
	if (!move->dead_letter)
		add_number(&properties, "DELAY", level);
	rv__rmq_ask_begin(&question, connection, RV__REQ_SEND_MESSAGE_V2);
	rv__rmq_ask_text(&question, "a", RV__GROUP_INNER_PRODUCER);
	rv__rmq_ask_text(&question, "b", consumer->retry.topic->name);
	rv__rmq_ask_text(&question, "c", RV__TOPIC_TEMPLATE);
	rv__rmq_ask_number(&question, "d", 1);
	rv__rmq_ask_number(&question, "e", 0);
	rv__rmq_ask_number(&question, "f", 0);
	rv__rmq_ask_number(&question, "g", rv_message_timestamp_ms(move->message));
	rv__rmq_ask_number(&question, "h", outgoing.flag);
	rv__rmq_ask_bytes(&question, "i", (const char *)properties.bytes, properties.length);
	rv__rmq_ask_number(&question, "j", times);
	rv__rmq_ask_bool(&question, "k", false);
	rv__rmq_ask_number(&question, "l", limit);
	rv__rmq_ask_bool(&question, "m", false);
	body = rv_message_payload(move->message, &length);
	rv__rmq_ask_end(&question, &move->request, ASK_MS, on_answer, body, length);
	rv__buffer_finish(&properties);
	return true;
}

static void ask(struct rv__rmq_move *move)
{
	struct rv__rmq_queue *queue = queue_of(move);
	struct rv__rmq_connection *connection;

	if (!queue) { /* another member has the queue, and delivers the message again */
		unlink_move(move);
		rv__rmq_move_destroy(move);
		return;
	}
	connection = rv__rmq_queue_connection(queue);
	move->tries++;
	if (!connection) {
		try_later(move, "the broker is not connected");
		return;
	}
	move->asking = true;
	if (!move->resend) {
		ask_send_back(move, queue, connection);
	} else if (!ask_resend(move, connection)) {
		move->asking = move->resend = false;
		try_later(move, "no memory");
	}
}

void rv__rmq_move_run(struct rv__op *op)
{
	struct rv__rmq_move *move = (struct rv__rmq_move *)op;
	struct rv__rmq_consumer *consumer = move->consumer;

	move->next = consumer->moves;
	consumer->moves = move;
	consumer->move_count++;
	if (move->reason && move->dead_letter)
		consumer->client->env->log(RV_LOG_DEBUG, RV__RMQ_TOPIC,
		    "binding=%s: message %s is a dead letter: %s", consumer->binding,
		    move->message ? rv_message_id(move->message) : "", move->reason);
	ask(move);
}

void rv__rmq_moves_tend(struct rv__rmq_consumer *consumer, int64_t now_ms)
{
	for (struct rv__rmq_move *move = consumer->moves, *next; move; move = next) {
		next = move->next;
		if (!move->asking && now_ms >= move->not_before_ms)
			ask(move);
	}
}
