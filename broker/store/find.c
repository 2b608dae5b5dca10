/* SPDX-License-Identifier: Apache-2.0 */
/* Search by key: the newest messages of a topic, from the youngest back, within a budget. */
#include "broker/store/inside.h"

#include <stdlib.h>
#include <string.h>

/* Where the search stands in one queue. */
struct cursor {
	rv__queue *queue;
	int64_t min;
	int64_t offset; /* of `entry`; below min: done */
	struct rv__entry entry;
};

/* One search. */
struct search {
	rv__store *store;
	struct cursor *cursors;
	size_t count;
	int64_t begin_ms, end_ms;
};

/* Moves a cursor to the next older message that is there and young enough. */
static rv_err step(struct search *search, struct cursor *cursor, struct rv_error *err)
{
	while (--cursor->offset >= cursor->min) {
		uint32_t n;
		rv_err code =
		    rv__index_read(search->store, cursor->queue, cursor->offset, &cursor->entry, 1, &n, err);

		if (code != RV_OK)
			return code;
		if (cursor->entry.size > 0 && cursor->entry.store_timestamp >= search->begin_ms)
			return RV_OK;
		if (cursor->entry.store_timestamp < search->begin_ms)
			cursor->offset = cursor->min; /* all others are older */
	}
	return RV_OK;
}

static bool one_of(const char *list, size_t length, const char *key, size_t key_length)
{
	while (length >= key_length) {
		const char *blank = memchr(list, ' ', length);
		size_t n = blank ? (size_t)(blank - list) : length;

		if (n == key_length && memcmp(list, key, n) == 0)
			return true;
		if (!blank)
			return false;
		list = blank + 1;
		length -= n + 1;
	}
	return false;
}

static bool has_key(const struct rv__record *record, const char *key, size_t key_length)
{
	static const char *const names[] = {"UNIQ_KEY", "KEYS"};

	for (size_t i = 0; i < 2; i++) {
		size_t n = 0;
		const char *value =
		    rv__properties_get(record->properties, record->properties_length, names[i], &n);

		if (value && one_of(value, n, key, key_length))
			return true;
	}
	return false;
}

static struct cursor *youngest(struct search *search)
{
	struct cursor *best = NULL;

	for (size_t i = 0; i < search->count; i++) {
		struct cursor *cursor = &search->cursors[i];

		if (cursor->offset >= cursor->min &&
		    (!best || cursor->entry.store_timestamp > best->entry.store_timestamp))
			best = cursor;
	}
	return best;
}

static rv_err start(struct search *search, const char *topic, size_t length, struct rv_error *err)
{
	size_t capacity = search->store->queue_count;

	search->cursors = calloc(capacity ? capacity : 1, sizeof *search->cursors);
	if (!search->cursors)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__STORE_TOPIC, "no memory for a search");
	for (rv__queue *queue = search->store->queues; queue; queue = queue->next) {
		struct cursor *cursor = &search->cursors[search->count];
		rv_err code;

		if (queue->topic->length != length || memcmp(queue->topic->name, topic, length) != 0)
			continue;
		cursor->queue = queue;
		cursor->min = rv__queue_min(search->store, queue);
		cursor->offset = queue->indexed + queue->tail_count;
		if (search->end_ms < INT64_MAX) {
			code = rv__queue_offset_at(
			    search->store, queue, search->end_ms + 1, &cursor->offset, err);
			if (code != RV_OK)
				return code;
			if (cursor->offset > queue->indexed + queue->tail_count)
				cursor->offset = queue->indexed + queue->tail_count;
		}
		search->count++;
		code = step(search, cursor, err);
		if (code != RV_OK)
			return code;
	}
	return RV_OK;
}

rv_err rv__store_find_key(rv__store *store, const char *topic, size_t topic_length, const char *key,
    size_t key_length, int64_t begin_ms, int64_t end_ms, uint32_t *budget, rv__store_match_fn match,
    void *arg, struct rv_error *err)
{
	struct search search = {.store = store, .begin_ms = begin_ms, .end_ms = end_ms};
	struct rv__buffer bytes = RV__BUFFER_INIT(store->options.message_bytes + (1 << 20));
	rv_err code = start(&search, topic, topic_length, err);
	struct cursor *cursor;
	bool more = true;

	while (code == RV_OK && more && *budget > 0 && (cursor = youngest(&search))) {
		struct rv__record record;

		(*budget)--;
		rv__buffer_clear(&bytes);
		/* A damaged one is reported there and passed over here. */
		if (rv__store_read_at(store, cursor->entry.physical_offset, &bytes, NULL) == RV_OK &&
		    rv__record_decode(bytes.bytes, bytes.length, &record, NULL) == RV_OK &&
		    has_key(&record, key, key_length))
			more = match(arg, &record, bytes.bytes);
		code = step(&search, cursor, err);
	}
	free(search.cursors);
	rv__buffer_finish(&bytes);
	return code;
}
