/* SPDX-License-Identifier: Apache-2.0 */
/* Sharing out the queues of a topic among the members of a group, and taking or giving up the difference. */
#include <stdlib.h>
#include <string.h>

#include "binder/rocketmq/allocate.h"
#include "binder/rocketmq/consumer.h"
#include "remoting/codes.h"
#include "remoting/heartbeat.h"

enum { REBALANCE_MS = 20000, SOON_MS = 200, ASK_MS = 3000, DRAIN_MS = 5000 };

/* -- queues ---------------------------------------------------------------------------------- */

static bool take_slot(struct rv__rmq_consumer *consumer, struct rv__rmq_queue *queue)
{
	uint32_t slot = 0;
	bool taken = false;

	uv_mutex_lock(&consumer->lock);
	while (slot < consumer->slot_count && consumer->slots[slot])
		slot++;
	if (slot == consumer->slot_count && slot < RV__RMQ_SLOTS_MAX) {
		uint32_t count = consumer->slot_count ? consumer->slot_count * 2 : 16;
		struct rv__rmq_queue **slots = realloc(consumer->slots, count * sizeof *slots);

		if (slots) {
			memset(
			    slots + consumer->slot_count, 0, (count - consumer->slot_count) * sizeof *slots);
			consumer->slots = slots;
			consumer->slot_count = count;
		}
	}
	if (slot < consumer->slot_count) {
		consumer->slots[slot] = queue;
		queue->slot = slot;
		queue->epoch = ++consumer->next_epoch;
		taken = true;
	}
	uv_mutex_unlock(&consumer->lock);
	return taken;
}

static struct rv__rmq_queue *queue_create(struct rv__rmq_source *source, const struct rv__rmq_place *place)
{
	struct rv__rmq_consumer *consumer = source->consumer;
	struct rv__rmq_queue *queue = calloc(1, sizeof *queue);

	if (!queue)
		return NULL;
	queue->consumer = consumer;
	queue->source = source;
	queue->broker = place->broker;
	queue->id = place->queue;
	queue->moved_to = queue->reset_to = queue->stored = queue->max_offset = -1;
	if (!take_slot(consumer, queue)) {
		free(queue);
		return NULL;
	}
	queue->next = consumer->queues;
	consumer->queues = queue;
	return queue;
}

void rv__rmq_queue_destroy(struct rv__rmq_queue *queue)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv__rmq_queue **slot = &consumer->queues;

	rv__rmq_request_cancel(&queue->request);
	rv__rmq_request_cancel(&queue->store_request);
	rv__rmq_request_cancel(&queue->lock_request);
	rv__rmq_queue_drop_held(queue);
	while (*slot != queue)
		slot = &(*slot)->next;
	*slot = queue->next;
	uv_mutex_lock(&consumer->lock);
	consumer->slots[queue->slot] = NULL;
	uv_mutex_unlock(&consumer->lock);
	rv__process_queue_finish(&queue->window);
	free(queue->held);
	free(queue);
}

static void give_back(struct rv__rmq_queue *queue)
{
	if (!queue->lost || queue->reset_to >= 0)
		rv__rmq_offset_store(queue);
	if (queue->consumer->plan.orderly)
		rv__rmq_unlock_queue(queue);
	rv__rmq_queue_destroy(queue);
}

void rv__rmq_queue_revoke(struct rv__rmq_queue *queue, bool lost)
{
	struct rv__rmq_consumer *consumer = queue->consumer;

	rv__rmq_request_cancel(&queue->request);
	queue->asking = false;
	rv__rmq_queue_drop_held(queue);
	consumer->client->env->log(RV_LOG_DEBUG, RV__RMQ_TOPIC, "binding=%s: gives up %s/%s/%d%s",
	    consumer->binding, queue->source->topic->name, queue->broker->name, queue->id,
	    lost ? " (lost)" : "");
	uv_mutex_lock(&consumer->lock);
	queue->lost = lost;
	uv_mutex_unlock(&consumer->lock);
	queue->stage = RV__RMQ_DRAINING;
	if (queue->told)
		consumer->sink_ops->revoked(consumer->sink, &queue->slot, 1, lost, DRAIN_MS);
	else
		give_back(queue);
}

static void run_release(struct rv__op *op)
{
	struct rv__rmq_queue *queue = RV__OWNER(op, struct rv__rmq_queue, release);
	struct rv__rmq_consumer *consumer = queue->consumer;

	give_back(queue);
	rv__rmq_rebalance(consumer); /* it may be ours again by now */
}

void rv__rmq_released(void *consumer_pointer, uint32_t slot, uint32_t epoch)
{
	struct rv__rmq_consumer *consumer = consumer_pointer;
	struct rv__rmq_queue *queue = NULL;

	uv_mutex_lock(&consumer->lock);
	if (slot < consumer->slot_count && consumer->slots[slot] && consumer->slots[slot]->epoch == epoch)
		queue = consumer->slots[slot];
	if (queue && queue->releasing)
		queue = NULL;
	if (queue)
		queue->releasing = true;
	uv_mutex_unlock(&consumer->lock);
	if (!queue)
		return;
	queue->release.run = run_release;
	rv__inbox_post(&consumer->client->inbox, &queue->release);
}

/* -- taking a share ------------------------------------------------------------------------------ */

static struct rv__rmq_queue *find_queue(struct rv__rmq_source *source, const struct rv__rmq_place *place)
{
	struct rv__rmq_queue *queue = source->consumer->queues;

	while (queue &&
	    !(queue->source == source && queue->broker == place->broker && queue->id == place->queue))
		queue = queue->next;
	return queue;
}

static bool is_among(const struct rv__rmq_queue *queue, const struct rv__rmq_place *places, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (places[i].broker == queue->broker && places[i].queue == queue->id)
			return true;
	return false;
}

static void take_share(struct rv__rmq_source *source, const struct rv__rmq_place *places, size_t count)
{
	struct rv__rmq_consumer *consumer = source->consumer;

	for (struct rv__rmq_queue *queue = consumer->queues, *next; queue; queue = next) {
		next = queue->next;
		if (queue->source == source && queue->stage != RV__RMQ_DRAINING &&
		    !is_among(queue, places, count))
			rv__rmq_queue_revoke(queue, false);
	}
	for (size_t i = 0; i < count; i++) {
		struct rv__rmq_queue *queue;

		if (find_queue(source, &places[i]))
			continue; /* ours, or still draining: its release looks again */
		queue = queue_create(source, &places[i]);
		if (!queue) {
			consumer->next_rebalance_ms = rv__rmq_now_ms(consumer->client) + SOON_MS;
			return;
		}
		consumer->client->env->log(RV_LOG_DEBUG, RV__RMQ_TOPIC, "binding=%s: takes %s/%s/%d",
		    consumer->binding, source->topic->name, queue->broker->name, queue->id);
		if (consumer->plan.orderly)
			rv__rmq_lock_queue(queue);
		else
			rv__rmq_locate(queue);
	}
}

static void again_soon(struct rv__rmq_consumer *consumer)
{
	consumer->next_rebalance_ms = rv__rmq_now_ms(consumer->client) + SOON_MS;
	rv__rmq_client_announce(consumer->client);
	rv__rmq_client_hurry(consumer->client);
}

static void on_members(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_source *source = RV__OWNER(request, struct rv__rmq_source, request);
	struct rv__rmq_consumer *consumer = source->consumer;
	struct rv__consumer_list list = {0};
	struct rv__rmq_share share;
	size_t rank;

	(void)block;
	(void)why;
	source->asking = false;
	if (!answer || answer->code != RV__RSP_SUCCESS ||
	    rv__consumer_list_decode(answer->body, answer->body_length, &list, NULL) != RV_OK) {
		again_soon(consumer);
		return;
	}
	rank = rv__rmq_rank(list.ids, list.count, consumer->identity->client_id);
	if (rank == list.count) {
		again_soon(consumer); /* the broker does not know us (again) */
	} else if (!consumer->leaving && source->topic->known) {
		share = rv__rmq_allocate(source->topic->read_count, list.count, rank);
		take_share(source, source->topic->reads + share.start, share.count);
	}
	rv__consumer_list_finish(&list);
	if (source->again) {
		source->again = false;
		rv__rmq_rebalance(consumer);
	}
}

static void rebalance_source(struct rv__rmq_source *source)
{
	struct rv__rmq_consumer *consumer = source->consumer;
	struct rv__rmq_connection *connection;
	struct rv__rmq_ask ask;

	if (!source->topic || !source->topic->answered)
		return;
	connection = rv__rmq_topic_connection(consumer, source->topic);
	if (!source->topic->known) {
		take_share(source, NULL, 0);
		return;
	}
	if (consumer->plan.broadcasting || consumer->anonymous) {
		take_share(source, source->topic->reads, source->topic->read_count);
		return;
	}
	if (source->asking) {
		source->again = true;
		return;
	}
	/* Without the answer to our heartbeat, the broker would leave us out of the list. */
	if (!connection || !connection->heartbeat_answered)
		return;
	source->asking = true;
	rv__rmq_ask_begin(&ask, connection, RV__REQ_GET_CONSUMER_LIST_BY_GROUP);
	rv__rmq_ask_text(&ask, "consumerGroup", consumer->group);
	rv__rmq_ask_end(&ask, &source->request, ASK_MS, on_members, NULL, 0);
}

void rv__rmq_rebalance(struct rv__rmq_consumer *consumer)
{
	consumer->next_rebalance_ms = rv__rmq_now_ms(consumer->client) + REBALANCE_MS;
	if (!consumer->started || consumer->leaving || atomic_load(&consumer->stopped))
		return;
	if (consumer->anonymous && consumer->ends_state != RV__RMQ_ENDS_KNOWN)
		return;
	rebalance_source(&consumer->main);
	rebalance_source(&consumer->retry);
}
