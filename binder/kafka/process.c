/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consume, process, produce: a delivery and what its listener sent wait at their place in the window of the partition
 * until all before them are settled or in the same transaction. So the position that a transaction stores (TxnOffsetCommit,
 * API key 28) never passes a message that could come again after others behind it had their effect. All positions of a
 * transactional consumer go that way: beside them an OffsetCommit could overtake one and set the group back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "binder/kafka/consumer.h"
#include "binder/kafka/lane.h"

enum { COMMITTED_MS = 2000 };

/* -- the client of the consumer ---------------------------------------------------------------------- */

static struct rv__kafka_session *borrow_session(struct rv__kafka_consumer *consumer)
{
	struct rv__kafka_session *session;

	pthread_mutex_lock(&consumer->lock);
	session = consumer->shared;
	if (session)
		rv__kafka_session_ref(session);
	pthread_mutex_unlock(&consumer->lock);
	return session;
}

/* NULL: it is in no group now. */
static rd_kafka_consumer_group_metadata_t *member_of(struct rv__kafka_consumer *consumer)
{
	struct rv__kafka_session *session = borrow_session(consumer);
	rd_kafka_consumer_group_metadata_t *member =
	    session ? rd_kafka_consumer_group_metadata(session->rk) : NULL;

	rv__kafka_session_unref(session);
	return member;
}

static rd_kafka_error_t *join(
    struct rv__kafka_lane *lane, const struct rv__kafka_positions *positions, int timeout_ms)
{
	return rd_kafka_send_offsets_to_transaction(lane->rk, positions->list, positions->member, timeout_ms);
}

static bool stored(struct rv__kafka_lane *lane, rd_kafka_topic_partition_list_t *offsets)
{
	struct rv__kafka_session *session = borrow_session(lane->consumer);
	bool known =
	    session && rd_kafka_committed(session->rk, offsets, COMMITTED_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;

	for (int i = 0; known && i < offsets->cnt; i++)
		known = offsets->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;
	rv__kafka_session_unref(session);
	return known;
}

/* -- taking ---------------------------------------------------------------------------------------------- */

/* Those that may go, from the head of the window on. Returns the position behind them; -1: nothing to store. */
static int64_t take_from(struct rv__kafka_partition *partition, struct rv__kafka_units *units, size_t most)
{
	struct rv__kafka_window *window = &partition->window;
	int64_t position = -1;

	pthread_mutex_lock(&partition->lock);
	if (partition->stage != RV__KAFKA_GONE) {
		position = window->position;
		for (uint64_t number = window->base; number != window->next && units->count < most;
		     number++) {
			struct rv__kafka_mark *mark = &window->ring[number & (window->room - 1)];

			if (!mark->settled && !mark->unit)
				break;
			if (mark->unit)
				rv__kafka_units_add(units, mark->unit);
			mark->unit = NULL;
			position = mark->offset + 1;
		}
		if (position <= partition->committed)
			position = -1;
	}
	pthread_mutex_unlock(&partition->lock);
	return position;
}

/* Whether some partition begins with a unit. */
static bool has_unit(struct rv__kafka_consumer *consumer, uint32_t count)
{
	bool has = false;

	for (uint32_t slot = 0; slot < count && !has; slot++) {
		struct rv__kafka_partition *partition = rv__kafka_slot(consumer, slot);

		pthread_mutex_lock(&partition->lock);
		has = rv__kafka_window_head_waits(&partition->window);
		pthread_mutex_unlock(&partition->lock);
	}
	return has;
}

static bool take_store(struct rv__kafka_lane *lane)
{
	bool store;

	pthread_mutex_lock(&lane->lock);
	store = lane->store;
	lane->store = false;
	pthread_mutex_unlock(&lane->lock);
	return store;
}

static void take(
    struct rv__kafka_lane *lane, struct rv__kafka_units *units, struct rv__kafka_positions *ret_positions)
{
	struct rv__kafka_consumer *consumer = lane->consumer;
	uint32_t count = atomic_load_explicit(&consumer->slot_count, memory_order_acquire);
	rd_kafka_topic_partition_list_t *offsets;
	bool store = take_store(lane);

	if (!store && !has_unit(consumer, count))
		return;
	/* Before any unit: one that is taken after a rebalance then comes with too old a generation, and goes again. */
	if (!consumer->anonymous && !(ret_positions->member = member_of(consumer)))
		return;
	offsets = rd_kafka_topic_partition_list_new(8);
	for (uint32_t slot = 0; slot < count; slot++) {
		struct rv__kafka_partition *partition = rv__kafka_slot(consumer, slot);
		int64_t position = take_from(partition, units, lane->most);

		if (position >= 0)
			rd_kafka_topic_partition_list_add(offsets, partition->topic, partition->number)
			    ->offset = position;
	}
	if (offsets->cnt > 0 && !consumer->anonymous && (units->first || store))
		ret_positions->list = offsets;
	else
		rd_kafka_topic_partition_list_destroy(offsets);
}

/* -- afterwards -------------------------------------------------------------------------------------------- */

/* Locks: partition->lock held. */
static bool is_current(const struct rv__kafka_unit *unit)
{
	return unit->partition->stage != RV__KAFKA_GONE && unit->partition->epoch == unit->token.epoch;
}

static struct rv__kafka_partition *find(
    struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_t *named)
{
	uint32_t count = atomic_load_explicit(&consumer->slot_count, memory_order_acquire);

	for (uint32_t slot = 0; slot < count; slot++) {
		struct rv__kafka_partition *partition = rv__kafka_slot(consumer, slot);

		if (partition->number == named->partition && strcmp(partition->topic, named->topic) == 0)
			return partition;
	}
	return NULL;
}

static void note_stored(struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *offsets)
{
	for (int i = 0; i < offsets->cnt; i++) {
		struct rv__kafka_partition *partition = find(consumer, &offsets->elems[i]);

		if (!partition)
			continue;
		pthread_mutex_lock(&partition->lock);
		if (offsets->elems[i].offset > partition->committed)
			partition->committed = offsets->elems[i].offset;
		partition->was_stored = true;
		pthread_mutex_unlock(&partition->lock);
	}
	atomic_fetch_add_explicit(&consumer->commits, 1, memory_order_relaxed);
}

static void settle(struct rv__kafka_lane *lane, const struct rv__kafka_units *units,
    const rd_kafka_topic_partition_list_t *offsets)
{
	for (const struct rv__kafka_unit *unit = units->first; unit; unit = unit->next) {
		struct rv__kafka_partition *partition = unit->partition;

		pthread_mutex_lock(&partition->lock);
		if (is_current(unit) &&
		    rv__kafka_window_settle(&partition->window, unit->token.cookie, unit->token.position))
			atomic_fetch_add_explicit(&lane->consumer->settled, 1, memory_order_relaxed);
		pthread_mutex_unlock(&partition->lock);
		if (lane->consumer->journal)
			rv__journal_settle(lane->consumer->journal, partition->key, unit->token.position);
	}
	if (offsets)
		note_stored(lane->consumer, offsets);
	rv__kafka_consumer_wake(lane->consumer);
}

static bool is_behind(const struct rv__kafka_unit *unit, const rd_kafka_topic_partition_list_t *offsets)
{
	const rd_kafka_topic_partition_t *at =
	    rd_kafka_topic_partition_list_find(offsets, unit->partition->topic, unit->partition->number);

	return at && at->offset > unit->token.position;
}

static void restore(struct rv__kafka_unit *unit)
{
	struct rv__kafka_units stale = {0};
	bool restored;

	for (size_t i = 0; i < unit->count; i++)
		unit->records[i].code = RD_KAFKA_RESP_ERR_NO_ERROR;
	pthread_mutex_lock(&unit->partition->lock);
	restored = is_current(unit) &&
	    rv__kafka_window_attach(&unit->partition->window, unit->token.cookie, unit->token.position, unit);
	pthread_mutex_unlock(&unit->partition->lock);
	if (restored)
		return;
	rv__kafka_units_add(&stale, unit);
	rv__kafka_deliveries_tell_stale(&stale);
}

const struct rv__kafka_deliveries rv__kafka_deliveries = {.take = take,
    .settle = settle,
    .restore = restore,
    .join = join,
    .stored = stored,
    .is_behind = is_behind};

void rv__kafka_deliveries_disown(struct rv__kafka_partition *partition, struct rv__kafka_units *units)
{
	struct rv__kafka_window *window = &partition->window;

	for (uint64_t number = window->base; number != window->next; number++) {
		struct rv__kafka_mark *mark = &window->ring[number & (window->room - 1)];

		if (mark->unit)
			rv__kafka_units_add(units, mark->unit);
		mark->unit = NULL;
	}
}

void rv__kafka_deliveries_tell_stale(struct rv__kafka_units *units)
{
	struct rv__kafka_unit *unit;
	struct rv_error stale;

	while ((unit = rv__kafka_units_take(units))) {
		rv_error_set(&stale, RV_E_STALE, 0, RV__KAFKA_TOPIC,
		    "partition %s moved on before the transaction; its new owner gets the message",
		    unit->partition->name);
		rv__kafka_unit_tell(unit, &stale);
	}
}

/* -- the core's word ------------------------------------------------------------------------------------------ */

rv_err rv__kafka_commit(void *consumer_pointer, const struct rv_commit *commit)
{
	struct rv__kafka_consumer *consumer = consumer_pointer;
	struct rv__kafka_partition *partition = rv__kafka_slot(consumer, commit->token.slot);
	struct rv__kafka_unit *unit;
	bool attached;

	if (!partition)
		return RV_E_STALE;
	unit = rv__kafka_unit_create(consumer->lane, commit->joints, commit->count);
	if (!unit)
		return RV_E_NOMEM;
	unit->partition = partition;
	unit->token = commit->token;
	unit->done = commit->done;
	unit->arg = commit->arg;
	pthread_mutex_lock(&partition->lock);
	attached = is_current(unit) &&
	    rv__kafka_window_attach(&partition->window, unit->token.cookie, unit->token.position, unit);
	pthread_mutex_unlock(&partition->lock);
	if (!attached) {
		rv__kafka_unit_drop(unit);
		return RV_E_STALE;
	}
	rv__kafka_lane_look(consumer->lane, false);
	return RV_OK;
}
