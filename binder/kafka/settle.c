/* SPDX-License-Identifier: Apache-2.0 */
/* What the core says from its threads: settlements, room, the end of a drain. None of it waits for anything. */
#include "base/numbers.h"
#include "binder/kafka/consumer.h"
#include "binder/kafka/lane.h"

/* Java's container hands a message out ten times when nobody retries and nothing takes dead letters. */
enum { DELIVERIES_WITHOUT_RETRY = 10 };

/* So many were settled: whether a commit is due at once. Locks: partition->lock held. */
static bool note_settled(struct rv__kafka_partition *partition, unsigned n)
{
	const struct rv__kafka_consumer *consumer = partition->consumer;
	bool window_was_full =
	    rv__kafka_window_count(&partition->window) + n + RV__KAFKA_BATCH >= RV__KAFKA_WINDOW_MAX;

	partition->settled += n;
	switch (consumer->ack_mode) {
	case RV__KAFKA_ACK_RECORD:
	case RV__KAFKA_ACK_MANUAL_IMMEDIATE:
		return true;
	case RV__KAFKA_ACK_COUNT:
	case RV__KAFKA_ACK_COUNT_TIME:
		return partition->settled >= consumer->commit_count;
	default:
		return window_was_full;
	}
}

/* Locks: partition->lock held. */
static bool takes(const struct rv__kafka_partition *partition, uint32_t epoch)
{
	return partition->stage != RV__KAFKA_GONE && partition->epoch == epoch;
}

/* What follows a message that the core wants to have again: the same one, in its place; or the end of it. */
static rv_err requeue(
    struct rv__kafka_partition *partition, const struct rv_token *token, int64_t *ret_hold_ms)
{
	if (!rv__kafka_window_is_open(&partition->window, token->cookie, token->position))
		return RV_E_STALE;
	if (partition->requeued != token->position) {
		partition->requeued = token->position;
		partition->requeues = 0;
	}
	if (++partition->requeues < DELIVERIES_WITHOUT_RETRY) {
		*ret_hold_ms = 0;
		return RV_OK;
	}
	(void)rv__kafka_window_settle(&partition->window, token->cookie, token->position);
	*ret_hold_ms = RV_HOLD_DROP;
	return RV_OK;
}

rv_err rv__kafka_settle(void *consumer_pointer, const struct rv_settle *settle, int64_t *ret_hold_ms)
{
	struct rv__kafka_consumer *consumer = consumer_pointer;
	const struct rv_token *token = &settle->token;
	struct rv__kafka_partition *partition = rv__kafka_slot(consumer, token->slot);
	bool due = false, unblocks = false;
	rv_err code = RV_E_STALE;

	if (!partition)
		return RV_E_STALE;
	pthread_mutex_lock(&partition->lock);
	if (takes(partition, token->epoch)) {
		if (settle->settlement == RV_SETTLE_REQUEUE)
			code = requeue(partition, token, ret_hold_ms);
		else if (rv__kafka_window_settle(&partition->window, token->cookie, token->position))
			code = RV_OK;
		if (code == RV_OK)
			due = note_settled(partition, 1);
		unblocks = rv__kafka_window_head_waits(&partition->window);
	}
	pthread_mutex_unlock(&partition->lock);
	if (consumer->journal && code == RV_OK &&
	    (settle->settlement != RV_SETTLE_REQUEUE || *ret_hold_ms == RV_HOLD_DROP))
		rv__journal_settle(consumer->journal, partition->key, token->position);
	if (code == RV_OK && settle->settlement == RV_SETTLE_REQUEUE)
		atomic_fetch_add_explicit(&consumer->requeues, 1, memory_order_relaxed);
	else if (code == RV_OK)
		atomic_fetch_add_explicit(&consumer->settled, 1, memory_order_relaxed);
	if (due)
		rv__kafka_consumer_wake(consumer);
	if (unblocks)
		rv__kafka_lane_look(consumer->lane, false);
	return code;
}

rv_err rv__kafka_acknowledge(void *consumer_pointer, const struct rv_token *tokens, size_t n)
{
	struct rv__kafka_consumer *consumer = consumer_pointer;
	struct rv__kafka_partition *partition = rv__kafka_slot(consumer, tokens[0].slot);
	bool due = false, unblocks = false;
	unsigned done = 0;

	if (!partition)
		return RV_E_STALE;
	pthread_mutex_lock(&partition->lock);
	if (takes(partition, tokens[0].epoch)) {
		for (size_t i = 0; i < n; i++) {
			if (!rv__kafka_window_settle(
			        &partition->window, tokens[i].cookie, tokens[i].position))
				continue;
			done++;
			if (consumer->journal)
				rv__journal_settle(consumer->journal, partition->key, tokens[i].position);
		}
		due = done > 0 && note_settled(partition, done);
		unblocks = rv__kafka_window_head_waits(&partition->window);
	}
	pthread_mutex_unlock(&partition->lock);
	atomic_fetch_add_explicit(&consumer->settled, done, memory_order_relaxed);
	if (due)
		rv__kafka_consumer_wake(consumer);
	if (unblocks)
		rv__kafka_lane_look(consumer->lane, false);
	return done == n ? RV_OK : RV_E_STALE;
}

void rv__kafka_attempt(void *consumer_pointer, const struct rv_token *token, bool begins)
{
	struct rv__kafka_consumer *consumer = consumer_pointer;
	struct rv__kafka_partition *partition = rv__kafka_slot(consumer, token->slot);

	if (!partition || !consumer->journal)
		return;
	if (!begins)
		rv__journal_outlive(consumer->journal, partition->key, token->position);
	else if (!rv__journal_begin(consumer->journal, partition->key, token->position) &&
	    !atomic_exchange(&consumer->journal_full, true))
		consumer->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
		    "RV%04u binding=%s: the journal of attempts is full, further deliveries are not counted; "
		    "let listeners take over fewer messages at a time, or remove '%s' while the service is "
		    "stopped",
		    (unsigned)RV__N_KAFKA_JOURNAL, consumer->binding, consumer->settings->attempts_directory);
}

void rv__kafka_credit(void *consumer_pointer, uint32_t slot, uint32_t room)
{
	struct rv__kafka_consumer *consumer = consumer_pointer;
	struct rv__kafka_partition *partition = rv__kafka_slot(consumer, slot);

	(void)room;
	if (!partition)
		return;
	atomic_store(&partition->blocked, false);
	rv__kafka_consumer_wake(consumer);
}

void rv__kafka_released(void *consumer_pointer, uint32_t slot, uint32_t epoch)
{
	struct rv__kafka_consumer *consumer = consumer_pointer;
	struct rv__kafka_partition *partition = rv__kafka_slot(consumer, slot);

	if (!partition)
		return;
	pthread_mutex_lock(&partition->lock);
	if (partition->epoch == epoch)
		partition->released = true;
	pthread_mutex_unlock(&partition->lock);
	rv__kafka_consumer_wake(consumer);
}

void rv__kafka_pause(void *consumer)
{
	atomic_store(&((struct rv__kafka_consumer *)consumer)->paused, true);
}

void rv__kafka_resume(void *consumer)
{
	atomic_store(&((struct rv__kafka_consumer *)consumer)->paused, false);
	rv__kafka_consumer_wake(consumer);
}

void rv__kafka_stop_consumer(void *consumer)
{
	atomic_store(&((struct rv__kafka_consumer *)consumer)->stopped, true);
}
