/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: by queue and offset, by place in the log, by key. Nothing leaves without its checksum having
 * been right.
 */
#include "broker/store/inside.h"

#include "base/numbers.h"

#include <rivulet/log.h>

#include <inttypes.h>
#include <string.h>

enum {
	ENTRIES = 64,       /* looked at in one go */
	ENTRIES_MAX = 800,  /* of one read, as RocketMQ limits it */
	SPAN_MAX = 1 << 20, /* bytes of the log fetched with one call */
	GAP_MAX = 4096      /* bytes of others between two messages that are fetched along */
};

/* One read under way. */
struct reading {
	rv__store *store;
	rv__queue *queue;
	const struct rv__store_filter *filter;
	struct rv__buffer *out;
	struct rv__store_read *ret;
	uint32_t max_count;
	size_t max_bytes;
	size_t before; /* length of `out` when it began */
	struct {
		int64_t offset;
		struct rv__entry entry;
	} picked[ENTRIES];
	uint32_t picked_count;
};

/* Whether the bytes are the record that the entry speaks of; *ret_record when they are. */
static bool sound(
    rv__store *store, const uint8_t *bytes, const struct rv__entry *entry, struct rv__record *ret_record)
{
	struct rv_error err;

	if (rv__batch_proof(store->id, bytes, entry->size, entry->tags_code) == entry->proof &&
	    rv__record_decode(bytes, entry->size, ret_record, &err) == RV_OK)
		return true;
	store->stats.corrupt_records++;
	rv__report_corrupt(store, entry->physical_offset, entry->size, "its checksum is wrong");
	return false;
}

/*
 * Checks [first, last) of the picked messages, which lie in `span`, and moves the wanted ones together.
 * Tells whether to go on.
 */
static bool keep_wanted(
    struct reading *reading, uint32_t first, uint32_t last, uint8_t *span, int64_t span_start)
{
	const struct rv__store_filter *filter = reading->filter;

	for (uint32_t i = first; i < last; i++) {
		const struct rv__entry *entry = &reading->picked[i].entry;
		const uint8_t *bytes = span + (entry->physical_offset - span_start);
		size_t used = reading->out->length - reading->before;
		struct rv__record record;

		if (reading->ret->count == reading->max_count ||
		    (reading->ret->count > 0 && used + entry->size > reading->max_bytes)) {
			reading->ret->next_offset = reading->picked[i].offset;
			return false;
		}
		if (!sound(reading->store, bytes, entry, &record))
			continue;
		if (filter && filter->match_record && !filter->match_record(filter->arg, &record))
			continue;
		memmove(reading->out->bytes + reading->out->length, bytes, entry->size);
		reading->out->length += entry->size;
		reading->ret->count++;
		reading->ret->last_timestamp = entry->store_timestamp;
	}
	return true;
}

/* Fetches what was picked, in as few calls as the log allows. */
static rv_err fetch(struct reading *reading, bool *ret_go_on, struct rv_error *err)
{
	uint32_t first = 0;

	*ret_go_on = true;
	while (first < reading->picked_count && *ret_go_on) {
		int64_t start = reading->picked[first].entry.physical_offset;
		int64_t end = start + reading->picked[first].entry.size;
		struct rv__segment *segment = rv__log_segment(reading->store, start);
		uint32_t last = first + 1;
		uint8_t *span;
		rv_err code;

		while (last < reading->picked_count) {
			const struct rv__entry *next = &reading->picked[last].entry;

			if (next->physical_offset < end || next->physical_offset - end > GAP_MAX ||
			    !segment || next->physical_offset + next->size > segment->end ||
			    next->physical_offset + next->size - start > SPAN_MAX)
				break;
			end = next->physical_offset + next->size;
			last++;
		}
		span = rv__buffer_reserve(reading->out, (size_t)(end - start));
		if (!span)
			return rv_error_set(err, rv__buffer_error(reading->out), 0, RV__STORE_TOPIC,
			    "no room for %" PRId64 " bytes of messages", end - start);
		code = rv__log_read(reading->store, start, span, (size_t)(end - start), err);
		if (code == RV_E_CORRUPT) { /* the log does not have them any more */
			reading->store->stats.corrupt_records += last - first;
			rv__report_corrupt(reading->store, start, end - start, "the log does not hold it");
		} else if (code != RV_OK) {
			return code;
		} else {
			*ret_go_on = keep_wanted(reading, first, last, span, start);
		}
		first = last;
	}
	reading->picked_count = 0;
	return RV_OK;
}

/*
 * Whether nothing more may be picked before what was picked is fetched: the limits are reached with
 * `entry`.
 */
static bool at_limit(const struct reading *reading, size_t bytes, const struct rv__entry *entry)
{
	uint32_t count = reading->ret->count + reading->picked_count;

	/* Only the fetching knows what a filter on records leaves. */
	if (reading->filter && reading->filter->match_record)
		return false;
	return count == reading->max_count || (count > 0 && bytes + entry->size > reading->max_bytes);
}

/* Picks from the next entries; tells how many were looked at and where to go on. Stops at the limits. */
static rv_err pick(struct reading *reading, uint32_t limit, uint32_t *ret_seen, int64_t *ret_next,
    bool *ret_full, struct rv_error *err)
{
	const struct rv__store_filter *filter = reading->filter;
	int64_t offset = reading->ret->next_offset;
	struct rv__entry entries[ENTRIES];
	size_t bytes = reading->out->length - reading->before;
	uint32_t n;
	rv_err code = rv__index_read(
	    reading->store, reading->queue, offset, entries, limit < ENTRIES ? limit : ENTRIES, &n, err);

	*ret_full = false;
	*ret_seen = 0;
	for (uint32_t i = 0; i < n && code == RV_OK; i++) {
		const struct rv__entry *entry = &entries[i];

		*ret_seen = i + 1;
		*ret_next = offset + i + 1;
		if (entry->size == 0) {
			if (entry->tags_code <= offset + n)
				continue;
			*ret_next = entry->tags_code; /* a long row of lost ones names its end */
			break;
		}
		if (filter && filter->match_code && !filter->match_code(filter->arg, entry->tags_code))
			continue;
		if (at_limit(reading, bytes, entry)) {
			*ret_next = offset + i;
			*ret_full = true;
			break;
		}
		reading->picked[reading->picked_count].offset = offset + i;
		reading->picked[reading->picked_count].entry = *entry;
		reading->picked_count++;
		bytes += entry->size;
	}
	return code;
}

static rv_err collect(struct reading *reading, struct rv_error *err)
{
	struct rv__store_read *ret = reading->ret;
	int64_t indexed_end = reading->queue->indexed + reading->queue->tail_count;
	uint32_t looked = 0;
	bool full = false;
	bool go_on = true;

	while (!full && go_on && looked < ENTRIES_MAX && ret->count < reading->max_count) {
		int64_t next = 0;
		uint32_t seen;
		rv_err code;

		if (ret->next_offset >= indexed_end) { /* skipped offsets: nothing is there */
			ret->next_offset = ret->max_offset;
			break;
		}
		code = pick(reading, ENTRIES_MAX - looked, &seen, &next, &full, err);
		if (code != RV_OK)
			return code;
		looked += seen;
		ret->next_offset = next;
		code = fetch(reading, &go_on, err);
		if (code != RV_OK)
			return code;
	}
	return RV_OK;
}

rv_err rv__store_read(rv__store *store, rv__queue *queue, int64_t offset, uint32_t max_count,
    size_t max_bytes, const struct rv__store_filter *filter, struct rv__buffer *out,
    struct rv__store_read *ret, struct rv_error *err)
{
	struct reading reading = {.store = store,
	    .queue = queue,
	    .filter = filter,
	    .out = out,
	    .ret = ret,
	    .max_count = max_count ? max_count : 1,
	    .max_bytes = max_bytes,
	    .before = out->length};
	rv_err code;

	*ret = (struct rv__store_read){.next_offset = offset};
	ret->min_offset = rv__queue_min(store, queue);
	ret->max_offset = queue->max;
	if (ret->max_offset == 0) {
		ret->status = RV__READ_EMPTY;
		ret->next_offset = ret->max_offset;
	} else if (offset == ret->max_offset) {
		ret->status = RV__READ_OVERFLOW_ONE;
	} else if (offset > ret->max_offset) {
		ret->status = RV__READ_OVERFLOW_BADLY;
		ret->next_offset = ret->max_offset;
	} else if (offset < ret->min_offset) {
		ret->status = RV__READ_TOO_SMALL;
		ret->next_offset = ret->min_offset;
	} else {
		code = collect(&reading, err);
		if (code != RV_OK) {
			out->length = reading.before;
			return code;
		}
		ret->status = ret->count ? RV__READ_FOUND : RV__READ_NO_MATCHED;
	}
	return RV_OK;
}

static rv_err not_found(rv__queue *queue, int64_t offset, struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOTFOUND, 0, RV__STORE_TOPIC,
	    "queue %" PRId32 " of topic '%s' has no message %" PRId64, queue->id, queue->topic->name, offset);
}

rv_err rv__queue_entry(
    rv__store *store, rv__queue *queue, int64_t offset, struct rv__store_entry *ret, struct rv_error *err)
{
	struct rv__entry entry;
	uint32_t n;
	rv_err code;

	if (offset < rv__queue_min(store, queue) || offset >= queue->indexed + queue->tail_count)
		return not_found(queue, offset, err);
	code = rv__index_read(store, queue, offset, &entry, 1, &n, err);
	if (code != RV_OK)
		return code;
	if (entry.size == 0)
		return not_found(queue, offset, err);
	*ret = (struct rv__store_entry){.physical_offset = entry.physical_offset,
	    .size = entry.size,
	    .tags_code = entry.tags_code,
	    .store_timestamp = entry.store_timestamp};
	return RV_OK;
}

/*
 * Reads the record that says it begins here to the end of `out`, which does not grow; RV_E_CORRUPT: none
 * does.
 */
static rv_err read_record(rv__store *store, int64_t physical_offset, struct rv__buffer *out,
    struct rv__record *ret_record, uint32_t *ret_size, struct rv_error *err)
{
	uint8_t head[RV__RECORD_AT_PHYSICAL_OFFSET + 8];
	rv_err code = rv__log_read(store, physical_offset, head, sizeof head, err);
	uint8_t *at;

	if (code != RV_OK)
		return code;
	*ret_size = rv__get_u32(head);
	if (rv__get_u64(head + RV__RECORD_AT_PHYSICAL_OFFSET) != (uint64_t)physical_offset ||
	    *ret_size > store->options.message_bytes + 128 * 1024)
		return RV_E_CORRUPT;
	at = rv__buffer_reserve(out, *ret_size);
	if (!at)
		return rv_error_set(err, rv__buffer_error(out), 0, RV__STORE_TOPIC, "no room for a message");
	code = rv__log_read(store, physical_offset, at, *ret_size, err);
	return code == RV_OK && rv__record_decode(at, *ret_size, ret_record, NULL) != RV_OK ? RV_E_CORRUPT
	                                                                                    : code;
}

/* The entry that must lead back to the place; RV_E_CORRUPT: no visible message begins there. */
static rv_err find_entry(rv__store *store, int64_t physical_offset, struct rv__buffer *out,
    struct rv__entry *ret, struct rv_error *err)
{
	struct rv__record record = {0};
	rv__queue *queue;
	uint32_t size;
	uint32_t n;
	rv_err code = read_record(store, physical_offset, out, &record, &size, err);

	if (code != RV_OK)
		return code;
	queue = rv__queue_find(store, record.topic, record.topic_length, record.queue_id, false);
	if (!queue || record.queue_offset < rv__queue_min(store, queue) || record.queue_offset >= queue->max)
		return RV_E_CORRUPT;
	code = rv__index_read(store, queue, record.queue_offset, ret, 1, &n, err);
	return code == RV_OK && (ret->physical_offset != physical_offset || ret->size != size) ? RV_E_CORRUPT
	                                                                                       : code;
}

rv_err rv__store_read_at(
    rv__store *store, int64_t physical_offset, struct rv__buffer *out, struct rv_error *err)
{
	struct rv__entry entry;
	struct rv__record record;
	rv_err code = find_entry(store, physical_offset, out, &entry, err);

	if (code == RV_E_CORRUPT)
		return rv_error_set(err, RV_E_NOTFOUND, 0, RV__STORE_TOPIC,
		    "no message begins at %" PRId64 " of the log", physical_offset);
	if (code != RV_OK)
		return code;
	if (!sound(store, out->bytes + out->length, &entry, &record))
		return rv_error_set(err, RV_E_CORRUPT, RV__N_STORE_CORRUPT, RV__STORE_TOPIC,
		    "the message at %" PRId64 " of the log is damaged", physical_offset);
	out->length += entry.size;
	return RV_OK;
}
