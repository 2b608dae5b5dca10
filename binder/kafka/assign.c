/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions come and go: by the group's rebalances, or fixed by number (auto-rebalance-enabled=false, and
 * anonymous consumers, which need no group and so have their partitions at once).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "binder/kafka/consumer.h"
#include "binder/kafka/lane.h"

enum { COMMIT_MS = 5000, COMMITTED_MS = 2000, ENDS_MS = 1000, AGAIN_MS = 1000 };

static const uint64_t wake_word = 1;

/* -- slots ------------------------------------------------------------------------------------------- */

static struct rv__kafka_partition *find(
    const struct rv__kafka_consumer *consumer, const char *topic, int32_t number)
{
	struct rv__kafka_partition *partition = consumer->all;

	while (partition && (partition->number != number || strcmp(partition->topic, topic) != 0))
		partition = partition->next;
	return partition;
}

/* The partition of that name, made on first sight. NULL: no memory, or no slot is left. */
static struct rv__kafka_partition *get(struct rv__kafka_consumer *consumer, const char *topic, int32_t number)
{
	struct rv__kafka_partition *partition = find(consumer, topic, number);
	uint32_t slot = atomic_load(&consumer->slot_count);

	if (partition || slot == RV__KAFKA_SLOTS || !(partition = calloc(1, sizeof *partition)))
		return partition;
	partition->topic = strdup(topic);
	partition->held = calloc(RV__KAFKA_BATCH, sizeof *partition->held);
	if (!partition->topic || !partition->held) {
		free(partition->topic);
		free(partition->held);
		free(partition);
		return NULL;
	}
	partition->consumer = consumer;
	partition->number = number;
	partition->slot = slot;
	partition->requeued = -1;
	partition->carried = -1;
	partition->committed = -1;
	partition->sure.offset = partition->newest.offset = -1;
	snprintf(partition->name, sizeof partition->name, "%.50s/%d", topic, (int)number);
	pthread_mutex_init(&partition->lock, NULL);
	partition->key = rv__journal_key(topic, number);
	partition->next = consumer->all;
	consumer->all = partition;
	consumer->slots[slot] = partition;
	atomic_store_explicit(&consumer->slot_count, slot + 1, memory_order_release);
	return partition;
}

/* -- assigning ---------------------------------------------------------------------------------------- */

/* What is known of the log at the position from which it is read now; a logical one is negative. */
static void begin_prints(struct rv__kafka_partition *partition, int64_t position)
{
	partition->start = position >= 0 ? position : -1;
	/* From the start of a log, whichever it is, nothing is passed over. */
	if (position <= 0 || partition->from_start)
		partition->sure.offset = -1;
	partition->newest.offset = -1;
	partition->learnt = false;
	partition->replaced = false;
	partition->from_start = false;
	partition->last_offset = partition->youngest_ms = -1;
	atomic_store(&partition->print_wanted, true);
	atomic_store(&partition->end, -1);
}

/* Its messages come through a queue of its own from here on, so this stands before the assignment itself. */
static void begin(struct rv__kafka_partition *partition, int64_t position)
{
	struct rv__kafka_consumer *consumer = partition->consumer;

	partition->queue =
	    rd_kafka_queue_get_partition(consumer->session->rk, partition->topic, partition->number);
	if (partition->queue) {
		rd_kafka_queue_forward(partition->queue, NULL);
		rd_kafka_queue_io_event_enable(
		    partition->queue, consumer->wake_fd, &wake_word, sizeof wake_word);
	}
	rv__kafka_drop_held(partition);
	partition->slow_since_ms = 0;
	atomic_store(&partition->blocked, false);
	pthread_mutex_lock(&partition->lock);
	rv__kafka_window_reset(&partition->window);
	partition->window.position = partition->carried;
	partition->carried = -1;
	partition->epoch++;
	partition->stage = RV__KAFKA_ASSIGNED;
	partition->released = false;
	partition->fresh = true;
	partition->settled = 0;
	partition->requeued = -1;
	begin_prints(partition, position);
	pthread_mutex_unlock(&partition->lock);
	atomic_fetch_add(&consumer->assigned, 1);
}

/* Where reading begins: resetOffsets counts once for each partition and process. */
static int64_t start_of(
    const struct rv__kafka_consumer *consumer, const struct rv__kafka_partition *partition, int64_t otherwise)
{
	if (!consumer->resets || partition->was_assigned)
		return otherwise;
	return consumer->from_end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
}

static void announce(
    struct rv__kafka_consumer *consumer, struct rv__kafka_partition *const *partitions, int n)
{
	for (int i = 0; i < n; i++) {
		struct rv_assignment assignment = {
		    .slot = partitions[i]->slot, .epoch = partitions[i]->epoch, .name = partitions[i]->name};

		consumer->sink_ops->assigned(consumer->sink, &assignment, 1);
	}
}

/* Begins with each partition of the list and sets where it is read from. Those without memory are taken out. */
static void begin_all(struct rv__kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
	struct rv__kafka_partition **begun = calloc((size_t)list->cnt + 1, sizeof *begun);
	int n = 0;

	for (int i = 0; begun && i < list->cnt; i++) {
		rd_kafka_topic_partition_t *named = &list->elems[i];
		struct rv__kafka_partition *partition = get(consumer, named->topic, named->partition);

		if (!partition)
			continue;
		named->offset = start_of(consumer, partition, named->offset);
		partition->was_assigned = true;
		begin(partition, named->offset);
		begun[n++] = partition;
	}
	if (n < list->cnt)
		consumer->begin_anew = true; /* no memory for one: it must not be left unread */
	announce(consumer, begun, begun ? n : 0);
	free(begun);
	rv__kafka_watch_hurry(consumer->kafka->watch); /* how far are they behind? */
}

static void complain(struct rv__kafka_consumer *consumer, const char *what, rd_kafka_resp_err_t code)
{
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		consumer->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC, "binding=%s group=%s: %s: %s",
		    consumer->binding, consumer->group, what, rd_kafka_err2str(code));
}

static void complain_of(struct rv__kafka_consumer *consumer, const char *what, rd_kafka_error_t *error)
{
	if (error) {
		complain(consumer, what, rd_kafka_error_code(error));
		rd_kafka_error_destroy(error);
	}
}

/* What the group has stored of each; offsets of `list` otherwise. NULL: not known. Owned by the caller. */
static rd_kafka_topic_partition_list_t *ask_stored(
    struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_topic_partition_list_t *stored;

	if (list->cnt == 0)
		return NULL;
	stored = rd_kafka_topic_partition_list_copy(list);
	if (rd_kafka_committed(consumer->session->rk, stored, COMMITTED_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
		return stored;
	rd_kafka_topic_partition_list_destroy(stored);
	return NULL;
}

/*
 * Where a group goes on. What was settled while no broker could be told, under an assignment that was lost for it, is
 * behind us all the same: reading goes on there unless the group is further already. Otherwise it would all come once
 * more. A group that had a position and has none any more lost it with its topic: what is there now is another topic,
 * all of which came later.
 */
static int64_t place_of(struct rv__kafka_partition *partition, const rd_kafka_topic_partition_t *stored)
{
	bool known = stored && !stored->err;
	int64_t position = known && stored->offset >= 0 ? stored->offset : RD_KAFKA_OFFSET_INVALID;
	bool is_new = partition->from_start || (known && position < 0 && partition->was_stored);

	if (is_new || !known || partition->carried < position)
		partition->carried = -1;
	partition->committed = is_new ? -1 : position >= 0 ? position : -1;
	if (position >= 0)
		partition->was_stored = true;
	if (is_new)
		return RD_KAFKA_OFFSET_BEGINNING;
	return partition->carried >= 0 ? partition->carried : position;
}

static void carry_on(struct rv__kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_topic_partition_list_t *stored = ask_stored(consumer, list);

	for (int i = 0; i < list->cnt; i++) {
		rd_kafka_topic_partition_t *named = &list->elems[i];
		struct rv__kafka_partition *partition = get(consumer, named->topic, named->partition);
		int64_t position;

		if (!partition)
			continue;
		position = place_of(partition,
		    stored ? rd_kafka_topic_partition_list_find(stored, named->topic, named->partition)
		           : NULL);
		if (position != RD_KAFKA_OFFSET_INVALID)
			named->offset = position;
	}
	if (stored)
		rd_kafka_topic_partition_list_destroy(stored);
}

/*
 * Where an anonymous consumer of a pattern begins: at the ends as they are now, which is the moment from which the
 * binding counts as running; what matches later is read from its start, and what was read before goes on.
 */
static void place_anonymous(struct rv__kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(list);

	for (int i = 0; i < ends->cnt; i++)
		ends->elems[i].offset = RD_KAFKA_OFFSET_END;
	/* Of what is not answered the offset stays negative. */
	if (ends->cnt > 0)
		(void)rd_kafka_offsets_for_times(consumer->session->rk, ends, COMMITTED_MS);
	for (int i = 0; i < list->cnt; i++) {
		rd_kafka_topic_partition_t *named = &list->elems[i];
		struct rv__kafka_partition *partition = get(consumer, named->topic, named->partition);
		const rd_kafka_topic_partition_t *end =
		    rd_kafka_topic_partition_list_find(ends, named->topic, named->partition);

		if (!partition)
			continue;
		if (partition->carried >= 0 && !partition->from_start)
			named->offset = partition->carried;
		else if (!consumer->from_end || partition->from_start || consumer->placed)
			named->offset = RD_KAFKA_OFFSET_BEGINNING;
		else
			named->offset =
			    end && !end->err && end->offset >= 0 ? end->offset : RD_KAFKA_OFFSET_END;
	}
	rd_kafka_topic_partition_list_destroy(ends);
	consumer->placed = true;
}

void rv__kafka_forget_carried(struct rv__kafka_consumer *consumer)
{
	for (struct rv__kafka_partition *partition = consumer->all; partition; partition = partition->next)
		partition->carried = -1;
}

static void on_assign(struct rv__kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_t *rk = consumer->session->rk;
	const char *protocol = rd_kafka_rebalance_protocol(rk);

	if (consumer->trouble.native == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
		consumer->trouble = (struct rv_error){0};
	/* Asked now: from the callback of a close it may hang. */
	consumer->session->cooperative = protocol && strcmp(protocol, "COOPERATIVE") == 0;
	if (consumer->anonymous)
		place_anonymous(consumer, list);
	else
		carry_on(consumer, list);
	begin_all(consumer, list);
	if (consumer->session->cooperative)
		complain_of(consumer, "assigning", rd_kafka_incremental_assign(rk, list));
	else
		complain(consumer, "assigning", rd_kafka_assign(rk, list));
}

/* -- revoking --------------------------------------------------------------------------------------------- */

/* What is done, and nobody else knows of. An anonymous consumer alone knows all of it. Locks: partition->lock held. */
static int64_t behind(const struct rv__kafka_partition *partition)
{
	if (partition->from_start)
		return -1;
	if (partition->window.position > partition->committed)
		return partition->window.position;
	return partition->consumer->anonymous ? partition->start : -1;
}

/* From here on settlements are stale. */
static void end(struct rv__kafka_partition *partition)
{
	struct rv__kafka_units stale = {0};

	rv__kafka_drop_held(partition);
	pthread_mutex_lock(&partition->lock);
	if (partition->stage != RV__KAFKA_GONE || partition->queue)
		partition->carried = behind(partition);
	partition->stage = RV__KAFKA_GONE;
	rv__kafka_deliveries_disown(partition, &stale);
	rv__kafka_window_reset(&partition->window);
	pthread_mutex_unlock(&partition->lock);
	/* We live: whatever is unsettled did not kill us. */
	if (partition->consumer->journal)
		rv__journal_outlive_all(partition->consumer->journal, partition->key);
	rv__kafka_deliveries_tell_stale(&stale);
	if (partition->queue) {
		rd_kafka_queue_destroy(partition->queue);
		partition->queue = NULL;
		atomic_fetch_sub(&partition->consumer->assigned, 1);
	}
}

static void end_all(struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
	for (int i = 0; i < list->cnt; i++) {
		struct rv__kafka_partition *partition =
		    find(consumer, list->elems[i].topic, list->elems[i].partition);

		if (partition)
			end(partition);
	}
}

static void unassign(struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_t *rk = consumer->session->rk;

	if (consumer->session->cooperative)
		complain_of(consumer, "giving partitions back", rd_kafka_incremental_unassign(rk, list));
	else
		complain(consumer, "giving partitions back", rd_kafka_assign(rk, NULL));
}

/* Tells the core, which stops handing out and drains; it may answer released() before this returns. */
static void revoke(
    struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list, bool lost)
{
	for (int i = 0; i < list->cnt; i++) {
		struct rv__kafka_partition *partition =
		    find(consumer, list->elems[i].topic, list->elems[i].partition);

		if (!partition || !partition->queue)
			continue;
		rv__kafka_drop_held(partition);
		pthread_mutex_lock(&partition->lock);
		partition->stage = lost ? RV__KAFKA_GONE : RV__KAFKA_DRAINING;
		pthread_mutex_unlock(&partition->lock);
		consumer->sink_ops->revoked(
		    consumer->sink, &partition->slot, 1, lost, lost ? 0 : consumer->revoke_ms);
	}
}

static bool is_drained(struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
	bool drained = true;

	for (int i = 0; i < list->cnt && drained; i++) {
		struct rv__kafka_partition *partition =
		    find(consumer, list->elems[i].topic, list->elems[i].partition);

		if (!partition)
			continue;
		pthread_mutex_lock(&partition->lock);
		drained = partition->released || partition->stage != RV__KAFKA_DRAINING ||
		    rv__kafka_window_count(&partition->window) == 0;
		pthread_mutex_unlock(&partition->lock);
	}
	return drained;
}

void rv__kafka_tend_revocation(struct rv__kafka_consumer *consumer, bool at_once)
{
	rd_kafka_topic_partition_list_t *list = consumer->revoking;

	if (!list ||
	    (!at_once && !is_drained(consumer, list) && rv__monotonic_ms() < consumer->revoke_deadline_ms))
		return;
	consumer->revoking = NULL;
	/* Whoever was thrown out meanwhile has nothing to say about positions any more. */
	if (!rd_kafka_assignment_lost(consumer->session->rk))
		(void)rv__kafka_commit_now(consumer, list, COMMIT_MS);
	end_all(consumer, list);
	unassign(consumer, list);
	rd_kafka_topic_partition_list_destroy(list);
}

static void on_revoke(struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
	bool lost = rd_kafka_assignment_lost(consumer->session->rk) != 0;

	rv__kafka_tend_revocation(consumer, true);
	revoke(consumer, list, lost);
	if (lost) {
		end_all(consumer, list);
		unassign(consumer, list);
		return;
	}
	consumer->revoking = rd_kafka_topic_partition_list_copy(list);
	consumer->revoke_deadline_ms = rv__monotonic_ms() + consumer->revoke_ms;
	rv__kafka_tend_revocation(consumer, atomic_load(&consumer->closing));
}

void rv__kafka_on_rebalance(struct rv__kafka_consumer *consumer, rd_kafka_event_t *event)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);

	switch (rd_kafka_event_error(event)) {
	case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
		on_assign(consumer, list);
		break;
	case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
		on_revoke(consumer, list);
		break;
	default:
		complain(consumer, "sharing out partitions failed", rd_kafka_event_error(event));
		rv__kafka_lose_all(consumer);
		rd_kafka_assign(consumer->session->rk, NULL);
	}
}

void rv__kafka_lose_all(struct rv__kafka_consumer *consumer)
{
	if (consumer->revoking) {
		rd_kafka_topic_partition_list_destroy(consumer->revoking);
		consumer->revoking = NULL;
	}
	for (struct rv__kafka_partition *partition = consumer->all; partition; partition = partition->next) {
		bool had = partition->queue != NULL;

		end(partition);
		if (had)
			consumer->sink_ops->revoked(consumer->sink, &partition->slot, 1, true, 0);
	}
	consumer->assigned_count = 0;
	consumer->committing = false;
}

/* -- topics that were made anew ------------------------------------------------------------------------------- */

/* Assigned partitions that the watch found to be others, at their start. */
static rd_kafka_topic_partition_list_t *list_replaced(struct rv__kafka_consumer *consumer)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);

	for (struct rv__kafka_partition *partition = consumer->all; partition; partition = partition->next) {
		bool replaced;

		pthread_mutex_lock(&partition->lock);
		replaced = partition->replaced;
		pthread_mutex_unlock(&partition->lock);
		if (replaced && partition->queue)
			rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)->offset =
			    0;
	}
	return list;
}

static void restart(struct rv__kafka_partition *partition)
{
	struct rv__kafka_consumer *consumer = partition->consumer;

	partition->from_start = true;
	if (consumer->journal)
		rv__journal_forget_before(consumer->journal, partition->key, INT64_MAX);
	consumer->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
	    "RV%04u binding=%s group=%s: topic '%s' was deleted and made again; partition %d is read from "
	    "its "
	    "start",
	    (unsigned)RV__N_KAFKA_REPLACED, consumer->binding, consumer->group, partition->topic,
	    (int)partition->number);
}

/*
 * The position is set back at the broker first: whoever has the partition next begins at its start. Then the client is
 * made anew, for what it has fetched ahead is of the wrong place.
 */
void rv__kafka_tend_replaced(struct rv__kafka_consumer *consumer)
{
	rd_kafka_topic_partition_list_t *list;

	if (!atomic_load(&consumer->replaced) || consumer->revoking ||
	    rv__monotonic_ms() < consumer->restart_ms)
		return;
	list = list_replaced(consumer);
	if (list->cnt > 0 && !consumer->anonymous && !rv__kafka_commit_list(consumer, list, COMMIT_MS)) {
		consumer->restart_ms = rv__monotonic_ms() + AGAIN_MS;
	} else {
		atomic_store(&consumer->replaced, false);
		consumer->begin_anew |= list->cnt > 0;
		for (int i = 0; i < list->cnt; i++)
			restart(find(consumer, list->elems[i].topic, list->elems[i].partition));
	}
	rd_kafka_topic_partition_list_destroy(list);
}

/* -- without a group's protocol ------------------------------------------------------------------------------ */

bool rv__kafka_read_ends(struct rv__kafka_consumer *consumer, int32_t count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
	int64_t *ends = calloc((size_t)count + 1, sizeof *ends);
	bool known = ends != NULL;

	for (int32_t i = 0; i < count;
	     i++) /* ListOffsets (API key 2) with the timestamp that means "latest" */
		rd_kafka_topic_partition_list_add(list, consumer->destination, i)->offset =
		    RD_KAFKA_OFFSET_END;
	known = known &&
	    rd_kafka_offsets_for_times(consumer->session->rk, list, ENDS_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
	for (int32_t i = 0; i < count && known; i++) {
		known = !list->elems[i].err && list->elems[i].offset >= 0;
		ends[list->elems[i].partition] = list->elems[i].offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	if (!known) {
		free(ends);
		return false;
	}
	free(consumer->ends);
	consumer->ends = ends;
	consumer->end_count = count;
	return true;
}

/* A partition that came after the binding has only messages that came after it. */
static int64_t fixed_start(const struct rv__kafka_consumer *consumer, int32_t number)
{
	const struct rv__kafka_partition *partition = find(consumer, consumer->destination, number);

	if (!consumer->anonymous)
		return RD_KAFKA_OFFSET_STORED;
	if (partition && partition->from_start)
		return RD_KAFKA_OFFSET_BEGINNING;
	if (partition && partition->carried >= 0)
		return partition->carried;
	if (!consumer->from_end)
		return RD_KAFKA_OFFSET_BEGINNING;
	return number < consumer->end_count ? consumer->ends[number] : RD_KAFKA_OFFSET_BEGINNING;
}

static bool is_ours(const struct rv__kafka_consumer *consumer, int32_t number)
{
	return consumer->anonymous ||
	    rv_is_own_partition(number, consumer->instance_count, consumer->instance_index,
	        consumer->instances, consumer->instances_count);
}

void rv__kafka_refresh_fixed(struct rv__kafka_consumer *consumer, int32_t count)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_t *rk = consumer->session->rk;

	if (count <= consumer->assigned_count)
		return;
	list = rd_kafka_topic_partition_list_new(count);
	for (int32_t number = consumer->assigned_count; number < count; number++)
		if (is_ours(consumer, number))
			rd_kafka_topic_partition_list_add(list, consumer->destination, number)->offset =
			    fixed_start(consumer, number);
	if (!consumer->anonymous)
		carry_on(consumer, list);
	begin_all(consumer, list);
	if (consumer->assigned_count == 0)
		complain(consumer, "assigning", rd_kafka_assign(rk, list));
	else
		complain_of(consumer, "assigning", rd_kafka_incremental_assign(rk, list));
	consumer->assigned_count = count;
	rd_kafka_topic_partition_list_destroy(list);
}

void rv__kafka_join(struct rv__kafka_consumer *consumer)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(
	    list, consumer->pattern ? consumer->pattern : consumer->destination, RD_KAFKA_PARTITION_UA);
	complain(consumer, "subscribing", rd_kafka_subscribe(consumer->session->rk, list));
	rd_kafka_topic_partition_list_destroy(list);
	consumer->subscribed = true;
}
