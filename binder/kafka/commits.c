/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storing positions: of each partition the one below which all is settled (OffsetCommit, API key 8). One request is
 * on its way at a time; the next carries whatever was settled meanwhile. An anonymous consumer stores nothing.
 */
#include <string.h>

#include "binder/kafka/consumer.h"
#include "binder/kafka/lane.h"

enum { ANSWER_MS = 30000 };

/* The position that may be stored and is not yet; -1: none, or fewer than `count` were settled since the last. */
static int64_t due_position(struct rv__kafka_partition *partition, int64_t count)
{
	int64_t position = -1;

	pthread_mutex_lock(&partition->lock);
	if (partition->settled >= count) {
		position = partition->stage == RV__KAFKA_GONE ? -1 : partition->window.position;
		partition->settled = 0;
	}
	pthread_mutex_unlock(&partition->lock);
	return position > partition->committed ? position : -1;
}

static rd_kafka_topic_partition_list_t *collect(
    struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *only, int64_t count)
{
	rd_kafka_topic_partition_list_t *list = NULL;

	for (struct rv__kafka_partition *partition = consumer->all; partition; partition = partition->next) {
		int64_t position;

		if (only && !rd_kafka_topic_partition_list_find(only, partition->topic, partition->number))
			continue;
		position = due_position(partition, count);
		if (position < 0)
			continue;
		if (!list)
			list = rd_kafka_topic_partition_list_new(8);
		rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)->offset =
		    position;
	}
	return list;
}

static struct rv__kafka_partition *find(
    struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_t *named)
{
	for (struct rv__kafka_partition *partition = consumer->all; partition; partition = partition->next)
		if (partition->number == named->partition && strcmp(partition->topic, named->topic) == 0)
			return partition;
	return NULL;
}

/* Takes note of what the broker stored; whether that was all. */
static bool note(struct rv__kafka_consumer *consumer, rd_kafka_event_t *event)
{
	const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
	rd_kafka_resp_err_t code = rd_kafka_event_error(event);
	bool all = code == RD_KAFKA_RESP_ERR_NO_ERROR;

	for (int i = 0; list && i < list->cnt; i++) {
		struct rv__kafka_partition *partition = find(consumer, &list->elems[i]);

		if (list->elems[i].err || code)
			all = false;
		else if (partition && list->elems[i].offset > partition->committed) {
			partition->committed = list->elems[i].offset;
			partition->was_stored = true;
		}
	}
	if (all)
		atomic_fetch_add_explicit(&consumer->commits, 1, memory_order_relaxed);
	else
		consumer->kafka->env->log(RV_LOG_DEBUG, RV__KAFKA_TOPIC,
		    "binding=%s group=%s: positions were not stored (%s), they go with the next",
		    consumer->binding, consumer->group, rd_kafka_err2str(code));
	return all;
}

void rv__kafka_on_committed(struct rv__kafka_consumer *consumer, rd_kafka_event_t *event)
{
	consumer->committing = false;
	(void)note(consumer, event);
}

bool rv__kafka_commit_list(
    struct rv__kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list, int64_t timeout_ms)
{
	rd_kafka_queue_t *answers;
	rd_kafka_event_t *event = NULL;
	bool stored = false;

	answers = rd_kafka_queue_new(consumer->session->rk);
	if (rd_kafka_commit_queue(consumer->session->rk, list, answers, NULL, NULL) ==
	    RD_KAFKA_RESP_ERR_NO_ERROR)
		event = rd_kafka_queue_poll(answers, (int)timeout_ms);
	if (event) {
		stored = note(consumer, event);
		rd_kafka_event_destroy(event);
	}
	rd_kafka_queue_destroy(answers);
	return stored;
}

bool rv__kafka_commit_now(
    struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *only, int64_t timeout_ms)
{
	rd_kafka_topic_partition_list_t *list;
	bool stored;

	if (consumer->anonymous || !(list = collect(consumer, only, 0)))
		return true;
	if (consumer->lane)
		stored = rv__kafka_lane_store(consumer->lane, timeout_ms);
	else
		stored = rv__kafka_commit_list(consumer, list, timeout_ms);
	rd_kafka_topic_partition_list_destroy(list);
	return stored;
}

/* How many settlements of a partition make its position due now; -1: none of them does. */
static int64_t due_count(const struct rv__kafka_consumer *consumer, bool time_is_up)
{
	switch (consumer->ack_mode) {
	case RV__KAFKA_ACK_RECORD:
	case RV__KAFKA_ACK_MANUAL_IMMEDIATE:
		return 0;
	case RV__KAFKA_ACK_COUNT:
		return consumer->commit_count;
	case RV__KAFKA_ACK_COUNT_TIME:
		return time_is_up ? 0 : consumer->commit_count;
	default:
		return time_is_up ? 0 : -1;
	}
}

int64_t rv__kafka_tend_commits(struct rv__kafka_consumer *consumer, int64_t now_ms)
{
	rd_kafka_topic_partition_list_t *list;
	bool time_is_up = now_ms >= consumer->commit_due_ms;
	int64_t count = due_count(consumer, time_is_up);

	if (consumer->committing && now_ms - consumer->commit_since_ms < ANSWER_MS)
		return consumer->commit_since_ms + ANSWER_MS;
	if (consumer->anonymous || consumer->revoking || count < 0)
		return consumer->commit_due_ms;
	if (time_is_up || count == 0)
		consumer->commit_due_ms = now_ms + consumer->commit_interval_ms;
	list = collect(consumer, NULL, count);
	if (!list)
		return consumer->commit_due_ms;
	if (consumer->lane)
		rv__kafka_lane_look(consumer->lane, true);
	else if (rd_kafka_commit_queue(consumer->session->rk, list, consumer->queue, NULL, NULL) ==
	    RD_KAFKA_RESP_ERR_NO_ERROR) {
		consumer->committing = true;
		consumer->commit_since_ms = now_ms;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return consumer->commit_due_ms;
}
