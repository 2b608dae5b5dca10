/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a store usable after whatever happened: the index is brought up to the end of the log, a torn tail
 * is
 * cut, damage is reported, and no queue offset that may have been served is issued again.
 */
#include "broker/store/scan.h"

#include "base/clock.h"
#include "base/numbers.h"

#include <rivulet/log.h>

#include <inttypes.h>
#include <string.h>

/* What the scan of a recovery counts. */
struct recovery {
	rv__store *store;
	uint64_t lost_bytes; /* that may have held messages which were served */
	bool rebuilt;        /* the index was begun anew */
};

static rv_err take_record(
    void *arg, const struct rv__record *record, const struct rv__entry *entry, struct rv_error *err)
{
	struct recovery *recovery = arg;
	rv__store *store = recovery->store;
	rv__queue *queue = rv__queue_find(store, record->topic, record->topic_length, record->queue_id, true);
	rv_err code;

	if (!queue)
		return rv_error_set(
		    err, RV_E_NOMEM, 0, RV__STORE_TOPIC, "no memory for the queues of the store");
	code = rv__index_add(store, queue, record->queue_offset, entry, err);
	if (code == RV_OK && store->index_stuck)
		code = rv__index_flush_all(store, err);
	if (code == RV_OK && record->queue_offset >= queue->max)
		queue->max = record->queue_offset + 1;
	store->stats.recovered++;
	return code;
}

static void take_bad(void *arg, int64_t offset, int64_t length, uint32_t records)
{
	struct recovery *recovery = arg;

	recovery->store->stats.corrupt_regions++;
	recovery->store->stats.corrupt_records += records;
	recovery->lost_bytes += (uint64_t)length;
	rv__report_corrupt(recovery->store, offset, length, "its checksum is wrong");
}

/* Bytes of the tail up to its last one that is not zero: what a file system fills in was never a message. */
static rv_err measure_tail(
    rv__store *store, int64_t from, int64_t end, int64_t *ret_used, struct rv_error *err)
{
	uint8_t bytes[16384];

	*ret_used = 0;
	while (from < end) {
		size_t n = end - from < (int64_t)sizeof bytes ? (size_t)(end - from) : sizeof bytes;
		int64_t start = end - (int64_t)n;
		rv_err code = rv__log_read(store, start, bytes, n, err);

		if (code != RV_OK)
			return code;
		while (n > 0 && bytes[n - 1] == 0)
			n--;
		if (n > 0) {
			*ret_used = start + (int64_t)n - from;
			return RV_OK;
		}
		end = start;
	}
	return RV_OK;
}

static rv_err cut_tail(rv__store *store, struct recovery *recovery, int64_t tail, struct rv_error *err)
{
	int64_t cut = store->end - tail;
	int64_t used;
	rv_err code = measure_tail(store, tail, store->end, &used, err);

	if (code != RV_OK)
		return code;
	rv_log(RV_LOG_WARN, RV__STORE_TOPIC,
	    "RV%04d the log of '%s' ends in an unfinished write: %" PRId64 " bytes at %" PRId64
	    " are cut; a message acknowledged at level synced is not among them",
	    RV__N_STORE_TORN, store->directory, cut, tail);
	store->stats.cut_bytes = (uint64_t)cut;
	recovery->lost_bytes += (uint64_t)used;
	return rv__log_cut(store, tail, err);
}

/* Scans one segment from `from`; the last one may end in a torn tail. */
static rv_err scan_segment(
    rv__store *store, struct recovery *recovery, size_t i, int64_t from, struct rv_error *err)
{
	const struct rv__scan_sink sink = {.record = take_record, .bad = take_bad, .arg = recovery};
	struct rv__segment *segment = store->segments[i];
	int64_t end = segment->end;
	int64_t tail;
	rv_err code;

	if (i + 1 < store->segment_count) {
		int64_t next = store->segments[i + 1]->start;

		if (next > end) {
			take_bad(recovery, end, next - end, 1);
		} else if (next < end) {
			rv__report_corrupt(
			    store, next, end - next, "two log files hold it; the later one counts");
			end = next;
		}
	}
	code = rv__scan(store, segment, from, end, &sink, &tail, err);
	if (code != RV_OK || tail == end)
		return code;
	if (i + 1 < store->segment_count) {
		take_bad(recovery, tail, end - tail, 1);
		return RV_OK;
	}
	return cut_tail(store, recovery, tail, err);
}

/* Files that somebody removed from the middle of the log. What the index knows of them is found out by reading. */
static void report_holes(rv__store *store, int64_t before)
{
	for (size_t i = 1; i < store->segment_count; i++) {
		int64_t end = store->segments[i - 1]->end;
		int64_t next = store->segments[i]->start;

		if (next > end && store->segments[i - 1]->end <= before)
			rv__report_corrupt(
			    store, end, next - end, "a file of the log is missing or too short");
	}
}

static rv_err scan_log(rv__store *store, struct recovery *recovery, int64_t from, struct rv_error *err)
{
	for (size_t i = 0; i < store->segment_count; i++) {
		struct rv__segment *segment = store->segments[i];
		rv_err code;

		/* What lies before the checkpoint is known, damage and holes included. */
		if (segment->end < from)
			continue;
		code = scan_segment(store, recovery, i, from > segment->start ? from : segment->start, err);
		if (code != RV_OK)
			return code;
	}
	return RV_OK;
}

static bool index_sound(rv__store *store)
{
	for (rv__queue *queue = store->queues; queue; queue = queue->next)
		if (queue->indexed < queue->base || queue->max < queue->indexed ||
		    !rv__index_check(store, queue))
			return false;
	return true;
}

/* Where to scan from: the checkpoint, or the start of the log with the index begun anew. */
static int64_t begin(rv__store *store, bool *ret_rebuilt)
{
	struct rv_error err = {0};
	int64_t covered = 0;
	rv_err code = rv__checkpoint_load(store, &covered, &err);
	const char *why = NULL;

	if (code == RV_E_NOTFOUND && store->segment_count == 0)
		return 0;
	if (code != RV_OK)
		why = err.text;
	else if (covered > store->end)
		why = "the index knows more than the log holds";
	else if (covered < rv__log_start(store))
		why = "the index ends before the log begins";
	else if (!index_sound(store))
		why = "a file of the index is missing, stale or damaged";
	if (!why)
		return covered;
	rv_log(RV_LOG_WARN, RV__STORE_TOPIC, "RV%04d the index of '%s' is built again from the log: %s",
	    RV__N_STORE_INDEX, store->directory, why);
	*ret_rebuilt = true;
	/* The next offsets stay: they are floors, however wrong the rest may be. */
	rv__queue_table_reset(store);
	rv__index_remove_all(store);
	return rv__log_start(store);
}

/*
 * Messages that may have been served and are gone make every queue skip as many offsets as they can have
 * had.
 */
static void skip_offsets(rv__store *store, uint64_t lost_bytes)
{
	char boot_id[RV__BOOT_ID_SIZE];
	int64_t reserved = 0;
	int64_t skip;

	if (rv__reservation_read(store->io, store->directory, store->id, boot_id, &reserved) &&
	    reserved > store->end && (strcmp(boot_id, store->boot_id) != 0 || !boot_id[0]))
		lost_bytes += (uint64_t)(reserved - store->end);
	if (lost_bytes == 0)
		return;
	skip = (int64_t)(lost_bytes / RV__SMALLEST_RECORD) + 1;
	for (rv__queue *queue = store->queues; queue; queue = queue->next)
		queue->max += skip;
	rv_log(RV_LOG_WARN, RV__STORE_TOPIC,
	    "messages of '%s' may have been lost with the machine; queue offsets go on %" PRId64
	    " further, so that none is issued twice",
	    store->directory, skip);
}

rv_err rv__recover(rv__store *store, struct rv_error *err)
{
	struct recovery recovery = {.store = store};
	int64_t began = rv__monotonic_ns();
	int64_t from = begin(store, &recovery.rebuilt);
	rv_err code;

	report_holes(store, from);
	code = scan_log(store, &recovery, from, err);
	if (code != RV_OK)
		return code;
	skip_offsets(store, recovery.lost_bytes);
	for (rv__queue *queue = store->queues; queue; queue = queue->next) {
		if (queue->max < queue->indexed + queue->tail_count)
			queue->max = queue->indexed + queue->tail_count;
		if (queue->max < queue->cleared)
			queue->max = queue->cleared; /* the last ones before a clearing were never synced */
		queue->issued = queue->max;
	}
	store->published = store->end;
	store->checkpoint_end = from;
	/* What opening does not write again is on disk as it was loaded. */
	store->checkpoint_due = recovery.lost_bytes > 0 || recovery.rebuilt || from != store->end;
	store->table_stale = store->checkpoint_due;
	store->stats.recovery_ns = rv__monotonic_ns() - began;
	return RV_OK;
}

/* -- mending one entry of the index ----------------------------------------------------- */

/* The message that an index entry should name. */
struct wanted {
	const rv__queue *queue;
	int64_t offset;
	struct rv__entry *entry;
	bool found;
};

static rv_err match_wanted(
    void *arg, const struct rv__record *record, const struct rv__entry *entry, struct rv_error *err)
{
	struct wanted *wanted = arg;

	if (record->queue_id == wanted->queue->id && record->queue_offset == wanted->offset &&
	    record->topic_length == wanted->queue->topic->length &&
	    memcmp(record->topic, wanted->queue->topic->name, record->topic_length) == 0) {
		*wanted->entry = *entry;
		wanted->found = true;
	}
	return RV_OK;
}

void rv__index_mend(rv__store *store, rv__queue *queue, int64_t offset, struct rv__entry *ret)
{
	struct wanted wanted = {.queue = queue, .offset = offset, .entry = ret};
	const struct rv__scan_sink sink = {.record = match_wanted, .arg = &wanted};
	int64_t low, high;
	struct rv__entry next;
	rv_err code = RV_OK;

	*ret = (struct rv__entry){0};
	rv__index_neighbours(store, queue, offset, &low, &high, &next);
	for (size_t i = 0; i < store->segment_count && !wanted.found && code == RV_OK; i++) {
		struct rv__segment *segment = store->segments[i];
		/* The batch that begins at `high` may reach this far beyond. */
		int64_t end = high + (int64_t)store->options.message_bytes + (1 << 20);
		int64_t tail;

		if (segment->end <= low || segment->start > high)
			continue;
		code = rv__scan(store, segment,
		    low > segment->start ? rv__scan_boundary(store, segment, low) : segment->start,
		    end < segment->end ? end : segment->end, &sink, &tail, NULL);
	}
	if (!wanted.found)
		*ret = next;
	store->stats.mended++;
	rv_log(RV_LOG_WARN, RV__STORE_TOPIC,
	    "RV%04d the index entry %" PRId64 " of queue %" PRId32 " of topic '%s' was damaged: %s",
	    RV__N_STORE_INDEX, offset, queue->id, queue->topic->name,
	    wanted.found ? "made again from the log" : "its message is not in the log");
	/* After a failure to read nothing is known, and nothing is written. */
	if (code == RV_OK)
		(void)rv__index_repair(store, queue, offset, ret, NULL);
}
