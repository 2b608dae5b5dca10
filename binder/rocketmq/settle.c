/* SPDX-License-Identifier: Apache-2.0 */
/* Settlements: from any thread, under the consumer's lock and never waiting for the loop. */
#include <stdlib.h>
#include <string.h>

#include "binder/rocketmq/consumer.h"

enum { NEVER = -1 };

void rv__rmq_consumer_run_wake(struct rv__op *op)
{
	struct rv__rmq_consumer *consumer = RV__OWNER(op, struct rv__rmq_consumer, wake);

	atomic_store(&consumer->wake_posted, false);
	for (struct rv__rmq_queue *queue = consumer->queues, *next; queue; queue = next) {
		next = queue->next;
		rv__rmq_queue_advance(queue);
	}
}

void rv__rmq_consumer_wake(struct rv__rmq_consumer *consumer)
{
	if (!atomic_exchange(&consumer->wake_posted, true))
		rv__inbox_post(&consumer->client->inbox, &consumer->wake);
}

void rv__rmq_credit(void *consumer_pointer, uint32_t slot, uint32_t room)
{
	(void)slot;
	(void)room;
	rv__rmq_consumer_wake(consumer_pointer);
}

/* What is to become of one open message. */
enum fate { FATE_DONE, FATE_HELD, FATE_REDELIVER, FATE_DEAD };

static enum fate judge(
    struct rv__rmq_consumer *consumer, struct rv__pq_entry *entry, enum rv_settlement settlement)
{
	const struct rv__rmq_consumer_plan *plan = &consumer->plan;

	if (settlement == RV_SETTLE_ACK || settlement == RV_SETTLE_DROP || !consumer->retry.topic)
		return FATE_DONE;
	if (settlement == RV_SETTLE_DEAD_LETTER)
		return FATE_DEAD;
	if (!plan->orderly)
		return plan->delay_level < 0 || entry->reconsumed >= rv__rmq_reconsume_limit(consumer)
		    ? FATE_DEAD /* as the broker would decide */
		    : FATE_REDELIVER;
	/* An orderly queue waits for its message; only a limit lets it pass. */
	if (plan->max_reconsume != NEVER && entry->reconsumed >= plan->max_reconsume)
		return FATE_DEAD;
	entry->reconsumed++;
	return FATE_HELD;
}

static struct rv__rmq_move *move_create(struct rv__rmq_consumer *consumer, const struct rv_settle *settle,
    const struct rv__pq_entry *entry, bool dead_letter)
{
	struct rv__rmq_move *move = calloc(1, sizeof *move);

	if (!move)
		return NULL;
	move->op.run = rv__rmq_move_run;
	move->consumer = consumer;
	move->slot = settle->token.slot;
	move->epoch = settle->token.epoch;
	move->position = entry->offset;
	move->physical = entry->physical;
	move->reconsumed = entry->reconsumed;
	move->dead_letter = dead_letter;
	move->reason = settle->reason ? strdup(settle->reason) : NULL;
	move->message = rv_message_ref(settle->message);
	return move;
}

static rv_err settle_locked(struct rv__rmq_consumer *consumer, const struct rv_settle *settle,
    int64_t *ret_hold_ms, struct rv__rmq_move **ret_move, bool *ret_wake)
{
	const struct rv_token *token = &settle->token;
	struct rv__rmq_queue *queue =
	    token->slot < consumer->slot_count ? consumer->slots[token->slot] : NULL;
	struct rv__pq_entry *entry;
	enum fate fate;

	if (!queue || queue->epoch != token->epoch || queue->lost)
		return RV_E_STALE;
	entry = rv__process_queue_find(&queue->window, token->position);
	if (!entry || entry->state != RV__PQ_OPEN)
		return RV_E_STALE;
	fate = judge(consumer, entry, settle->settlement);
	if (fate == FATE_HELD) {
		*ret_hold_ms = consumer->plan.suspend_ms;
		atomic_fetch_add_explicit(&consumer->requeued, 1, memory_order_relaxed);
		return RV_OK;
	}
	if (fate == FATE_REDELIVER || fate == FATE_DEAD) {
		*ret_move = move_create(consumer, settle, entry, fate == FATE_DEAD);
		if (!*ret_move)
			return RV_E_NOMEM;
		entry->state = RV__PQ_MOVING;
		if (fate == FATE_DEAD)
			*ret_hold_ms = RV_HOLD_DEAD_LETTER;
		return RV_OK;
	}
	(void)rv__process_queue_settle(&queue->window, token->position);
	atomic_fetch_add_explicit(&consumer->settled, 1, memory_order_relaxed);
	*ret_wake = queue->blocked;
	queue->blocked = false;
	return RV_OK;
}

rv_err rv__rmq_settle(void *consumer_pointer, const struct rv_settle *settle, int64_t *ret_hold_ms)
{
	struct rv__rmq_consumer *consumer = consumer_pointer;
	struct rv__rmq_move *move = NULL;
	bool wake = false;
	rv_err result;

	uv_mutex_lock(&consumer->lock);
	result = settle_locked(consumer, settle, ret_hold_ms, &move, &wake);
	uv_mutex_unlock(&consumer->lock);
	if (move)
		rv__inbox_post(&consumer->client->inbox, &move->op);
	if (wake)
		rv__rmq_consumer_wake(consumer);
	return result;
}
