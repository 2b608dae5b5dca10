/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's locks of orderly queues. The broker forgets one 60 s after its last renewal; we renew
 * every 20 s and trust it for 30 s. One that was lost makes what runs under it stale.
 */
#include <stdlib.h>
#include <string.h>

#include "binder/rocketmq/consumer.h"
#include "remoting/codes.h"
#include "remoting/queue.h"

enum { ASK_MS = 3000, RENEW_MS = 20000, AGAIN_MS = 100, FORGOTTEN_MS = 60000 };

static void later(struct rv__rmq_queue *queue)
{
	queue->not_before_ms = rv__rmq_now_ms(queue->consumer->client) + AGAIN_MS;
	rv__rmq_client_hurry(queue->consumer->client);
}

static bool names(const struct rv__queues *queues, const struct rv__rmq_queue *queue)
{
	for (size_t i = 0; i < queues->count; i++)
		if (queues->items[i].id == queue->id &&
		    strcmp(queues->items[i].broker, queue->broker->name) == 0 &&
		    strcmp(queues->items[i].topic, queue->source->topic->name) == 0)
			return true;
	return false;
}

static void on_locked(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_queue *queue = RV__OWNER(request, struct rv__rmq_queue, request);
	struct rv__queues locked = {0};
	bool ours = false;

	(void)block;
	(void)why;
	queue->asking = false;
	if (answer && answer->code == RV__RSP_SUCCESS &&
	    rv__lock_answer_decode(answer->body, answer->body_length, &locked, NULL) == RV_OK)
		ours = names(&locked, queue);
	rv__queues_finish(&locked);
	if (!ours) {
		later(queue);
		return;
	}
	queue->lock_ms = request->asked_ms;
	rv__rmq_locate(queue);
}

static void ask_lock(struct rv__rmq_queue *queue, struct rv__rmq_connection *connection,
    struct rv__rmq_request *request, rv__rmq_done_fn done)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv__message_queue name = {queue->source->topic->name, queue->broker->name, queue->id, 0};
	struct rv__buffer body = RV__BUFFER_INIT(1 << 20);
	struct rv__rmq_ask ask;

	rv__lock_request_encode(&body, consumer->identity->client_id, consumer->group, &name, 1);
	rv__rmq_ask_begin(&ask, connection, request ? RV__REQ_LOCK_BATCH_MQ : RV__REQ_UNLOCK_BATCH_MQ);
	rv__rmq_ask_end(&ask, request, ASK_MS, done, body.bytes, body.length);
	rv__buffer_finish(&body);
}

void rv__rmq_lock_queue(struct rv__rmq_queue *queue)
{
	struct rv__rmq_connection *connection = rv__rmq_queue_connection(queue);

	queue->stage = RV__RMQ_LOCKING;
	if (!connection) {
		later(queue);
		return;
	}
	queue->asking = true;
	ask_lock(queue, connection, &queue->request, on_locked);
}

void rv__rmq_unlock_queue(struct rv__rmq_queue *queue)
{
	struct rv__rmq_connection *connection = rv__rmq_queue_connection(queue);

	if (connection && queue->lock_ms != 0)
		ask_lock(queue, connection, NULL, NULL);
}

/* -- renewal ------------------------------------------------------------------------------------ */

static void on_renewed(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_queue *queue = RV__OWNER(request, struct rv__rmq_queue, lock_request);
	struct rv__queues locked = {0};
	bool ours;

	(void)block;
	(void)why;
	if (!answer || answer->code != RV__RSP_SUCCESS ||
	    rv__lock_answer_decode(answer->body, answer->body_length, &locked, NULL) != RV_OK)
		return; /* asked again with the next round */
	ours = names(&locked, queue);
	rv__queues_finish(&locked);
	if (ours) {
		queue->lock_ms = request->asked_ms;
		rv__rmq_queue_advance(queue);
	} else if (queue->stage == RV__RMQ_READING) {
		rv__rmq_queue_revoke(queue, true);
	}
}

static void renew(struct rv__rmq_queue *queue)
{
	struct rv__rmq_connection *connection = rv__rmq_queue_connection(queue);

	if (connection && !queue->lock_request.connection)
		ask_lock(queue, connection, &queue->lock_request, on_renewed);
}

void rv__rmq_locks_renew(struct rv__rmq_consumer *consumer, int64_t now_ms)
{
	if (!consumer->plan.orderly)
		return;
	consumer->next_lock_ms = now_ms + RENEW_MS;
	for (struct rv__rmq_queue *queue = consumer->queues, *next; queue; queue = next) {
		next = queue->next;
		if (queue->stage == RV__RMQ_LOCKING || queue->stage == RV__RMQ_LOCATING)
			continue;
		/* The broker has forgotten it by now, and may have given it to another. */
		if (queue->stage == RV__RMQ_READING && now_ms - queue->lock_ms >= FORGOTTEN_MS)
			rv__rmq_queue_revoke(queue, true);
		else
			renew(queue);
	}
}
