/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending. add() encodes messages behind each other into `staged`, closing a batch with its trailer when
 * it grew
 * large; write() puts all of it into the log with one call; publish() makes messages visible in order.
 */
#include "broker/store/inside.h"

#include "base/clock.h"
#include "base/numbers.h"

#include <rivulet/log.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static rv_err refuse(rv__store *store, const struct rv__store_message *message, struct rv_error *err)
{
	const struct rv__record *record = &message->record;

	if (store->syncer.broken)
		return rv_error_set(err, RV_E_IO, RV__N_STORE_READ_ONLY, RV__STORE_TOPIC,
		    "the store '%s' is read-only since a sync failed; repair the disk and start again",
		    store->directory);
	if (store->stats.disk_full || store->index_stuck)
		return rv_error_set(err, RV_E_FULL, RV__N_STORE_FULL, RV__STORE_TOPIC,
		    "the disk of '%s' is full; free space or shorten the retention", store->directory);
	if (store->tail - store->head >= RV__PENDING_MAX || store->staged.length > RV__STAGED_MAX / 2 ||
	    store->end - store->syncer.synced > RV__UNSYNCED_MAX)
		return rv_error_set(err, RV_E_FULL, RV__N_STORE_BUSY, RV__STORE_TOPIC,
		    "the disk of '%s' cannot keep up: too much waits to be synced", store->directory);
	if (!message->queue)
		return rv_error_set(err, RV_E_INVALID, 0, RV__STORE_TOPIC, "a message has no queue");
	if (record->body_length > store->options.message_bytes)
		return rv_error_set(err, RV_E_TOOBIG, RV__N_STORE_TOO_BIG, RV__STORE_TOPIC,
		    "a message body has %zu bytes, maxMessageSize is %zu", record->body_length,
		    store->options.message_bytes);
	if (record->properties_length > RV__PROPERTIES_MAX)
		return rv_error_set(err, RV_E_TOOBIG, RV__N_STORE_TOO_BIG, RV__STORE_TOPIC,
		    "the properties of a message have %zu bytes, at most %d are possible",
		    record->properties_length, RV__PROPERTIES_MAX);
	return RV_OK;
}

static bool grow_pending(rv__store *store)
{
	size_t capacity = store->pending_capacity ? 2 * store->pending_capacity : 64;
	struct rv__pending *grown = malloc(capacity * sizeof *grown);

	if (!grown)
		return false;
	for (size_t i = store->head; i != store->tail; i++)
		grown[i & (capacity - 1)] = store->pending[i & (store->pending_capacity - 1)];
	free(store->pending);
	store->pending = grown;
	store->pending_capacity = capacity;
	return true;
}

/* Everything that add() needs, so that nothing behind it can fail. */
static bool make_room(rv__store *store, rv__queue *queue, size_t size)
{
	if (!store->rows)
		store->rows = malloc((size_t)RV__BATCH_ROWS_MAX * RV__TRAILER_ROW);
	if (!store->rows)
		return false;
	if (store->tail - store->head == store->pending_capacity && !grow_pending(store))
		return false;
	if (!rv__buffer_reserve(&store->staged, size + 2 * rv__trailer_size(store->row_count + 1))) {
		store->staged.failed = RV_OK;
		return false;
	}
	return rv__index_reserve(queue, (uint32_t)(queue->issued - queue->max) + 1);
}

/* Closes the open batch with its trailer; make_room() left space for it. */
static void seal(rv__store *store)
{
	uint8_t *at = store->staged.bytes + store->staged.length;
	struct rv__trailer trailer = {
	    .store_id = store->id,
	    .batch_offset = store->end + (int64_t)store->batch_start,
	    .length = (uint32_t)(store->staged.length - store->batch_start),
	    .count = store->row_count,
	};

	if (store->row_count == 0)
		return;
	trailer.newest_ms =
	    store->pending[(store->tail - 1) & (store->pending_capacity - 1)].entry.store_timestamp;
	memcpy(at + RV__TRAILER_HEADER, store->rows, (size_t)store->row_count * RV__TRAILER_ROW);
	rv__trailer_put(at, &trailer);
	store->staged.length += rv__trailer_size(store->row_count);
	store->batch_start = store->staged.length;
	store->row_count = 0;
}

/* Fills in what the store assigns, and encodes. Returns the proof. */
static uint32_t encode(
    rv__store *store, const struct rv__store_message *message, struct rv__record *record, int64_t *tags_code)
{
	uint8_t *at = store->staged.bytes + store->staged.length;
	size_t size = rv__record_size(record);

	record->physical_offset = store->end + (int64_t)store->staged.length;
	record->queue_offset = message->queue->issued;
	record->store_timestamp = rv__wall_ms();
	*tags_code = message->delay_ms > 0 ? record->store_timestamp + message->delay_ms : message->tags_code;
	rv__record_put(record, rv__record_crc(record->body, record->body_length), at);
	store->staged.length += size;
	return rv__batch_proof(store->id, at, size, *tags_code);
}

static void note(
    rv__store *store, rv__queue *queue, const struct rv__record *record, const struct rv__entry *entry)
{
	struct rv__batch_row row = {
	    .size = entry->size, .proof = entry->proof, .tags_code = entry->tags_code};

	rv__batch_row_put(store->rows + (size_t)store->row_count * RV__TRAILER_ROW, &row);
	store->row_count++;
	store->pending[store->tail & (store->pending_capacity - 1)] =
	    (struct rv__pending){.queue = queue, .queue_offset = record->queue_offset, .entry = *entry};
	store->tail++;
	queue->issued++;
}

/* After a skip of offsets the index has a gap in front of this queue's first new message. */
static rv_err fill_gap(rv__store *store, rv__queue *queue, struct rv_error *err)
{
	struct rv__entry next = {.physical_offset = store->end, .store_timestamp = rv__wall_ms()};
	rv_err code;

	if (queue->max == queue->indexed + queue->tail_count)
		return RV_OK;
	code = rv__index_fill(store, queue, queue->max, &next, err);
	if (code == RV_OK && store->index_stuck)
		code = rv_error_set(err, RV_E_FULL, RV__N_STORE_FULL, RV__STORE_TOPIC,
		    "the disk of '%s' is full; free space or shorten the retention", store->directory);
	return code;
}

rv_err rv__store_add(rv__store *store, const struct rv__store_message *message,
    struct rv__store_position *ret_position, struct rv_error *err)
{
	struct rv__record record = message->record;
	rv__queue *queue = message->queue;
	struct rv__entry entry;
	rv_err code = refuse(store, message, err);

	if (code == RV_OK)
		code = fill_gap(store, queue, err);
	if (code != RV_OK)
		return code;
	record.topic = queue->topic->name;
	record.topic_length = queue->topic->length;
	record.queue_id = queue->id;
	record.store_host = store->options.host;
	if (!make_room(store, queue, rv__record_size(&record)))
		return rv_error_set(err, RV_E_NOMEM, 0, RV__STORE_TOPIC,
		    "no memory to store a message of %zu bytes", record.body_length);
	if (store->row_count == RV__BATCH_ROWS_MAX ||
	    store->staged.length - store->batch_start >= RV__BATCH_BYTES)
		seal(store);
	entry.proof = encode(store, message, &record, &entry.tags_code);
	entry.physical_offset = record.physical_offset;
	entry.size = (uint32_t)rv__record_size(&record);
	entry.store_timestamp = record.store_timestamp;
	note(store, queue, &record, &entry);
	*ret_position = (struct rv__store_position){.queue_offset = record.queue_offset,
	    .physical_offset = record.physical_offset,
	    .store_timestamp = record.store_timestamp,
	    .size = entry.size};
	return RV_OK;
}

static void reset_batch(rv__store *store)
{
	rv__buffer_clear(&store->staged);
	/* One large message does not make the broker large for ever. */
	if (store->staged.capacity > 4 * RV__BATCH_BYTES)
		rv__buffer_finish(&store->staged);
	store->batch_start = 0;
	store->row_count = 0;
}

/* Takes everything back that was added since the last write. */
static void take_back(rv__store *store)
{
	while (store->tail != store->written) {
		const struct rv__pending *pending =
		    &store->pending[--store->tail & (store->pending_capacity - 1)];

		pending->queue->issued = pending->queue_offset;
	}
	reset_batch(store);
}

/*
 * Level written: nothing may be served beyond what the reservation covers, nor from a queue that the table
 * on disk does
 * not know: after a power loss only what stands there keeps its offsets from being issued again.
 */
static rv_err reserve(rv__store *store, struct rv_error *err)
{
	int failed;

	if (store->options.level != RV__STORE_WRITTEN)
		return RV_OK;
	if (store->table_stale) {
		rv_err code = rv__checkpoint_save(store, RV__CHECKPOINT_NOW, err);

		if (code != RV_OK)
			return code;
	}
	failed = rv__syncer_reserve(&store->syncer, store->end + (int64_t)store->staged.length);
	return failed ? rv__store_io_error(err, "be extended in its reservation", store->directory, failed)
	              : RV_OK;
}

rv_err rv__store_write(rv__store *store, int64_t *ret_end, struct rv_error *err)
{
	rv_err code = RV_OK;

	if (store->tail != store->written) {
		seal(store);
		if (store->syncer.broken)
			code = rv_error_set(err, RV_E_IO, RV__N_STORE_READ_ONLY, RV__STORE_TOPIC,
			    "the store '%s' is read-only since a sync failed; repair the disk and start "
			    "again",
			    store->directory);
		if (code == RV_OK)
			code = reserve(store, err);
		if (code == RV_OK)
			code = rv__log_write(store, store->staged.bytes, store->staged.length, err);
		if (code != RV_OK) {
			store->no_space = code == RV_E_FULL;
			take_back(store);
			return code;
		}
		store->stats.appended += store->tail - store->written;
		store->stats.appended_bytes += store->staged.length;
		store->written = store->tail;
		reset_batch(store);
		rv__syncer_written(&store->syncer, store->end);
		if (store->options.level == RV__STORE_WRITTEN)
			rv__publish(store, store->end);
	}
	if (ret_end)
		*ret_end = store->end;
	return RV_OK;
}

void rv__publish(rv__store *store, int64_t end)
{
	const struct rv__store_hooks *hooks = &store->options.hooks;

	while (store->head != store->written) {
		struct rv__pending pending = store->pending[store->head & (store->pending_capacity - 1)];
		rv__queue *queue = pending.queue;

		if (pending.entry.physical_offset >= end)
			break;
		store->head++;
		/* Room was made when the message was added. */
		(void)rv__index_add(store, queue, pending.queue_offset, &pending.entry, NULL);
		queue->max = pending.queue_offset + 1;
		if (hooks->visible)
			hooks->visible(hooks->arg, queue, pending.queue_offset, pending.entry.tags_code,
			    pending.entry.store_timestamp);
	}
	if (end > store->published)
		store->published = end;
	store->acknowledged = store->published;
	/* A burst does not make the broker large for ever. */
	if (store->head == store->tail && store->pending_capacity > 4096) {
		free(store->pending);
		store->pending = NULL;
		store->pending_capacity = 0;
	}
}

int64_t rv__store_acknowledged(const rv__store *store)
{
	return store->acknowledged;
}

int64_t rv__store_synced(const rv__store *store)
{
	return store->syncer.synced;
}

rv_err rv__store_poll(rv__store *store, struct rv_error *err)
{
	rv__publish(store, store->options.level == RV__STORE_WRITTEN ? store->end : store->syncer.synced);
	rv__documents_complete(store);
	if (!store->syncer.broken)
		return RV_OK;
	if (!store->sync_failed_seen)
		rv_log(RV_LOG_ERROR, RV__STORE_TOPIC,
		    "RV%04d a sync of the log of '%s' failed: %s; the store is read-only from now on and "
		    "acknowledges "
		    "nothing more; repair the disk and start again",
		    RV__N_STORE_READ_ONLY, store->directory, strerror(store->syncer.failed));
	store->sync_failed_seen = true;
	rv_error_set(err, RV_E_IO, RV__N_STORE_READ_ONLY, RV__STORE_TOPIC,
	    "the store '%s' is read-only since a sync failed (%s); repair the disk and start again",
	    store->directory, strerror(store->syncer.failed));
	if (err)
		err->native = store->syncer.failed;
	return RV_E_IO;
}

void rv__append_finish(rv__store *store)
{
	rv__buffer_finish(&store->staged);
	free(store->rows);
	free(store->pending);
}
