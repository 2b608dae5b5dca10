/* SPDX-License-Identifier: Apache-2.0 */
/* The table of queues, and what can be said of one without its messages. */
#include "broker/store/inside.h"

#include "broker/store/crc32c.h"

#include <rivulet/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 };

static size_t bucket_of(const rv__store *store, const char *topic, size_t length, int32_t id)
{
	/* FNV-1a: names come from clients, but a queue costs them a topic, so chains stay short enough. */
	uint64_t hash = UINT64_C(14695981039346656037) ^ store->id;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)topic[i]) * UINT64_C(1099511628211);
	hash = (hash ^ (uint32_t)id) * UINT64_C(1099511628211);
	return (size_t)(hash ^ hash >> 32) & (store->bucket_count - 1);
}

static bool grow_table(rv__store *store)
{
	size_t count = store->bucket_count ? 2 * store->bucket_count : FIRST_BUCKETS;
	rv__queue **buckets = calloc(count, sizeof(rv__queue *));

	if (!buckets)
		return store->bucket_count > 0; /* longer chains then */
	free(store->buckets);
	store->buckets = buckets;
	store->bucket_count = count;
	for (rv__queue *queue = store->queues; queue; queue = queue->next) {
		size_t at = bucket_of(store, queue->topic->name, queue->topic->length, queue->id);

		queue->next_in_bucket = buckets[at];
		buckets[at] = queue;
	}
	return true;
}

/* The name that queues of one topic share. A neighbour has it; a queue without one brings a copy of its own. */
static struct rv__topic_name *find_topic(rv__store *store, const char *name, size_t length, int32_t id)
{
	const int32_t neighbours[] = {id - 1, id < INT32_MAX ? id + 1 : 0, 0};
	struct rv__topic_name *topic;

	for (size_t i = 0; i < sizeof neighbours / sizeof neighbours[0]; i++) {
		const rv__queue *queue = rv__queue_find(store, name, length, neighbours[i], false);

		if (queue)
			return queue->topic;
	}
	topic = calloc(1, sizeof *topic + length + 1);
	if (!topic)
		return NULL;
	topic->length = length;
	memcpy(topic->name, name, length);
	topic->next = store->topics;
	store->topics = topic;
	return topic;
}

static uint32_t seed_of(const rv__store *store, const struct rv__topic_name *topic, int32_t id)
{
	uint8_t bytes[12];

	rv__put_u64(bytes, store->id);
	rv__put_u32(bytes + 8, (uint32_t)id);
	return rv__crc32c(rv__crc32c(0, bytes, sizeof bytes), topic->name, topic->length);
}

rv__queue *rv__queue_find(rv__store *store, const char *topic, size_t length, int32_t id, bool create)
{
	rv__queue *queue = NULL;
	char name[256];
	size_t at;

	if (store->bucket_count) {
		queue = store->buckets[bucket_of(store, topic, length, id)];
		while (queue &&
		    (queue->id != id || queue->topic->length != length ||
		        memcmp(queue->topic->name, topic, length) != 0))
			queue = queue->next_in_bucket;
	}
	if (queue || !create || id < 0 || !rv__index_name(topic, length, name))
		return queue;
	if (store->queue_count >= store->bucket_count && !grow_table(store))
		return NULL;
	queue = calloc(1, sizeof *queue);
	if (!queue || !(queue->topic = find_topic(store, topic, length, id))) {
		free(queue);
		return NULL;
	}
	queue->id = id;
	queue->seed = seed_of(store, queue->topic, id);
	at = bucket_of(store, topic, length, id);
	queue->next_in_bucket = store->buckets[at];
	store->buckets[at] = queue;
	queue->next = store->queues;
	store->queues = queue;
	store->queue_count++;
	store->table_stale = true;
	return queue;
}

void rv__queue_table_reset(rv__store *store)
{
	for (rv__queue *queue = store->queues; queue; queue = queue->next) {
		rv__files_close(&store->files, &queue->file);
		queue->base = queue->indexed = queue->min = queue->min_for = queue->punched = 0;
		queue->tail_count = 0;
		queue->dirty = queue->unsynced = queue->exists = false;
		queue->next_dirty = NULL;
	}
	store->dirty = NULL;
	store->tail_total = 0;
}

void rv__queue_table_finish(rv__store *store)
{
	while (store->queues) {
		rv__queue *queue = store->queues;

		store->queues = queue->next;
		rv__files_close(&store->files, &queue->file);
		free(queue->tail);
		free(queue);
	}
	while (store->topics) {
		struct rv__topic_name *topic = store->topics;

		store->topics = topic->next;
		free(topic);
	}
	free(store->buckets);
	store->buckets = NULL;
}

rv__queue *rv__store_queue(
    rv__store *store, const char *topic, size_t topic_length, int32_t queue_id, bool create)
{
	return rv__queue_find(store, topic, topic_length, queue_id, create);
}

const char *rv__queue_topic(const rv__queue *queue, size_t *ret_length)
{
	if (ret_length)
		*ret_length = queue->topic->length;
	return queue->topic->name;
}

int32_t rv__queue_id(const rv__queue *queue)
{
	return queue->id;
}

int64_t rv__queue_max(const rv__queue *queue)
{
	return queue->max;
}

void rv__store_each_queue(rv__store *store, void (*visit)(void *arg, rv__queue *queue), void *arg)
{
	for (rv__queue *queue = store->queues; queue; queue = queue->next)
		visit(arg, queue);
}

/*
 * First offset in [low, high) whose entry fulfils key >= bound; high when none. Entries are in order by
 * either key.
 */
static int64_t lower_bound(rv__store *store, rv__queue *queue, int64_t low, int64_t high, int64_t bound,
    bool by_time, struct rv_error *err, rv_err *ret_code)
{
	*ret_code = RV_OK;
	while (low < high && *ret_code == RV_OK) {
		int64_t middle = low + (high - low) / 2;
		struct rv__entry entry;
		uint32_t n;

		*ret_code = rv__index_read(store, queue, middle, &entry, 1, &n, err);
		if (*ret_code != RV_OK)
			break;
		if ((by_time ? entry.store_timestamp : entry.physical_offset) < bound)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int64_t rv__queue_min(rv__store *store, rv__queue *queue)
{
	int64_t start = rv__log_start(store);
	int64_t high = queue->indexed + queue->tail_count;
	int64_t low = queue->base > queue->cleared ? queue->base : queue->cleared;
	rv_err code = RV_OK;

	if (queue->min_for == start && queue->min < high && queue->min >= low)
		return queue->min;
	if (queue->min > low && queue->min <= high)
		low = queue->min; /* it only grows */
	low = low < high ? lower_bound(store, queue, low, high, start, false, NULL, &code) : high;
	if (code != RV_OK)
		return low; /* as far as could be seen; looked at again next time */
	if (low >= high)
		low = queue->max; /* nothing is left, or never was */
	queue->min = low;
	queue->min_for = start;
	return low;
}

rv_err rv__queue_offset_at(
    rv__store *store, rv__queue *queue, int64_t timestamp_ms, int64_t *ret_offset, struct rv_error *err)
{
	int64_t high = queue->indexed + queue->tail_count;
	int64_t low = rv__queue_min(store, queue);
	rv_err code = RV_OK;

	if (low < high)
		low = lower_bound(store, queue, low, high, timestamp_ms, true, err, &code);
	if (code == RV_OK)
		*ret_offset = low >= high ? queue->max : low;
	return code;
}

rv_err rv__store_topic_clear(rv__store *store, const char *topic, size_t topic_length)
{
	struct rv_error err = {0};

	for (rv__queue *queue = store->queues; queue; queue = queue->next)
		if (queue->topic->length == topic_length &&
		    memcmp(queue->topic->name, topic, topic_length) == 0) {
			/* What is on its way to be visible is older than the clearing, too. */
			queue->cleared = queue->issued;
			store->checkpoint_due = true;
		}
	if (rv__checkpoint_save(store, RV__CHECKPOINT_NOW, &err) != RV_OK)
		rv_log(RV_LOG_ERROR, RV__STORE_TOPIC, "the clearing of topic '%.*s' is not durable: %s",
		    (int)topic_length, topic, err.text);
	return err.code;
}
