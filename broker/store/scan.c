/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/store/scan.h"

#include "broker/store/crc32c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 1 << 20, RECORD_MAX = 80 << 20 };

/* One scan: a window on the segment and what is being told to whom. */
struct scan {
	rv__store *store;
	struct rv__segment *segment;
	int64_t end;
	const struct rv__scan_sink *sink;
	struct rv_error *err;
	rv_err failed; /* kept: reading or the sink */
	uint8_t *bytes;
	size_t capacity;
	int64_t at; /* log offset of bytes[0] */
	size_t have;
	uint32_t sizes[RV__BATCH_ROWS_MAX]; /* of the batch that walk() went along */
};

/* n bytes of the log at `offset`, borrowed until the next look; NULL beyond the end or on failure. */
static const uint8_t *look(struct scan *scan, int64_t offset, size_t n)
{
	size_t load = n > WINDOW ? n : WINDOW;

	if (scan->failed != RV_OK || offset < scan->segment->start || (int64_t)n > scan->end - offset)
		return NULL;
	if (offset >= scan->at && offset + (int64_t)n <= scan->at + (int64_t)scan->have)
		return scan->bytes + (offset - scan->at);
	if ((int64_t)load > scan->end - offset)
		load = (size_t)(scan->end - offset);
	if (load > scan->capacity) {
		uint8_t *grown = realloc(scan->bytes, load);

		if (!grown) {
			scan->failed = rv_error_set(scan->err, RV_E_NOMEM, 0, RV__STORE_TOPIC,
			    "no memory to read %zu bytes of the log", load);
			return NULL;
		}
		scan->bytes = grown;
		scan->capacity = load;
	}
	scan->have = 0;
	scan->failed = rv__log_read(scan->store, offset, scan->bytes, load, scan->err);
	if (scan->failed != RV_OK)
		return NULL;
	scan->at = offset;
	scan->have = load;
	return scan->bytes;
}

/* Goes along records by their own sizes; returns where it ended, their number in *ret_count. */
static int64_t walk(struct scan *scan, int64_t from, uint32_t *ret_count)
{
	int64_t at = from;
	uint32_t count = 0;

	while (count < RV__BATCH_ROWS_MAX) {
		const uint8_t *head = look(scan, at, 8);
		uint32_t magic = head ? rv__get_u32(head + 4) : 0;
		uint32_t size = head ? rv__get_u32(head) : 0;

		if (magic != RV__RECORD_MAGIC_V1 && magic != RV__RECORD_MAGIC_V2)
			break;
		if (size < RV__RECORD_FIXED || size > RECORD_MAX || size > scan->end - at)
			break;
		scan->sizes[count++] = size;
		at += size;
	}
	*ret_count = count;
	return at;
}

/* The trailer at `at`, if a sound one stands there whose place fits what it says. */
static bool trailer_at(struct scan *scan, int64_t at, struct rv__trailer *ret)
{
	const uint8_t *header = look(scan, at, RV__TRAILER_HEADER);

	return header && rv__trailer_get(header, scan->store->id, ret) &&
	    ret->batch_offset >= scan->segment->start && ret->batch_offset + ret->length == at &&
	    (int64_t)rv__trailer_size(ret->count) <= scan->end - at;
}

/*
 * The next trailer at or behind `from`; -1 when there is none. Batches that begin before `earliest` do not
 * count.
 */
static int64_t search(struct scan *scan, int64_t from, int64_t earliest, struct rv__trailer *ret)
{
	static const uint8_t magic[4] = {0x52, 0x56, 0x54, 0x31};

	while (scan->end - from >= RV__TRAILER_HEADER) {
		size_t n = scan->end - from < WINDOW ? (size_t)(scan->end - from) : WINDOW;
		const uint8_t *bytes = look(scan, from, n);
		const uint8_t *hit = bytes ? memmem(bytes, n, magic, sizeof magic) : NULL;
		int64_t at;

		if (!bytes)
			return -1;
		if (!hit) {
			from += (int64_t)n - 3; /* the magic may be cut by the window */
			continue;
		}
		at = from + (hit - bytes) - 4;
		if (trailer_at(scan, at, ret) && ret->batch_offset >= earliest)
			return at;
		from = at + 5;
	}
	return -1;
}

static void tell_bad(struct scan *scan, int64_t offset, int64_t length, uint32_t records)
{
	if (scan->sink->bad && length > 0)
		scan->sink->bad(scan->sink->arg, offset, length, records);
}

/* Hands over one record whose proof was found right; false when it is none after all. */
static bool tell_record(
    struct scan *scan, const uint8_t *bytes, int64_t offset, const struct rv__batch_row *row)
{
	struct rv__record record;
	struct rv__entry entry = {
	    .physical_offset = offset, .size = row->size, .proof = row->proof, .tags_code = row->tags_code};

	if (rv__record_decode(bytes, row->size, &record, NULL) != RV_OK || record.physical_offset != offset ||
	    record.size != row->size)
		return false;
	entry.store_timestamp = record.store_timestamp;
	if (record.store_timestamp > scan->segment->newest_ms)
		scan->segment->newest_ms = record.store_timestamp;
	scan->failed = scan->sink->record(scan->sink->arg, &record, &entry, scan->err);
	return true;
}

/* A batch whose trailer is sound: each row proves its record. */
static void take_batch(struct scan *scan, const struct rv__trailer *trailer, const uint8_t *array)
{
	int64_t at = trailer->batch_offset;
	struct rv__batch_row *rows = malloc(trailer->count * sizeof *rows + 1);

	if (!rows) {
		scan->failed =
		    rv_error_set(scan->err, RV_E_NOMEM, 0, RV__STORE_TOPIC, "no memory to check a batch");
		return;
	}
	for (uint32_t i = 0; i < trailer->count; i++)
		rows[i] = rv__batch_row_get(array + (size_t)i * RV__TRAILER_ROW);
	/* Fetched in one piece where that is small; the window may move on otherwise. */
	(void)look(scan, at, trailer->length < WINDOW ? trailer->length : 0);
	for (uint32_t i = 0; i < trailer->count && scan->failed == RV_OK; i++) {
		const uint8_t *bytes = look(scan, at, rows[i].size);

		if (scan->failed != RV_OK)
			break;
		if (!bytes ||
		    rv__batch_proof(scan->store->id, bytes, rows[i].size, rows[i].tags_code) !=
		        rows[i].proof ||
		    !tell_record(scan, bytes, at, &rows[i]))
			tell_bad(scan, at, rows[i].size, 1);
		at += rows[i].size;
	}
	free(rows);
}

/*
 * Whether a row proves its record, perhaps after the tags code in the row was made good (from the record's
 * own tag, or
 * by turning one bit back). Otherwise the row gets the proof that it should have.
 */
static bool prove_row(struct scan *scan, const uint8_t *bytes, struct rv__batch_row *row)
{
	uint64_t store_id = scan->store->id;
	int64_t stored = row->tags_code;
	struct rv__record record;
	int bit = -2;

	while (rv__batch_proof(store_id, bytes, row->size, row->tags_code) != row->proof && bit < 63) {
		bit++;
		if (bit >= 0)
			row->tags_code = stored ^ (int64_t)(UINT64_C(1) << bit);
		else if (rv__record_decode(bytes, row->size, &record, NULL) == RV_OK)
			row->tags_code = rv__tags_code(record.properties, record.properties_length);
	}
	if (rv__batch_proof(store_id, bytes, row->size, row->tags_code) == row->proof)
		return true;
	row->tags_code = stored;
	row->proof = rv__batch_proof(store_id, bytes, row->size, stored);
	return false;
}

/* What the rest of a damaged trailer still proves of the records that walk() found. */
static uint32_t prove(struct scan *scan, int64_t from, int64_t trailer, uint32_t count,
    struct rv__batch_row *rows, bool *proven)
{
	const uint8_t *stored = look(scan, trailer, rv__trailer_size(count));
	uint32_t array_crc = stored ? rv__get_u32(stored + 40) : 0;
	uint32_t computed = 0;
	uint32_t good = 0;

	if (!stored)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		rows[i] = rv__batch_row_get(stored + RV__TRAILER_HEADER + (size_t)i * RV__TRAILER_ROW);
	for (uint32_t i = 0; i < count; from += scan->sizes[i++]) {
		const uint8_t *bytes = look(scan, from, scan->sizes[i]);
		uint8_t row[RV__TRAILER_ROW];

		if (!bytes)
			return 0;
		rows[i].size = scan->sizes[i];
		proven[i] = prove_row(scan, bytes, &rows[i]);
		good += proven[i];
		rv__batch_row_put(row, &rows[i]);
		computed = rv__crc32c(computed, row, sizeof row);
	}
	if (good < count && computed == array_crc) {
		memset(proven, true, count);
		good = count;
	}
	return good;
}

/*
 * A batch whose trailer is damaged, at the place that the records point to. Returns whether anything was
 * proven.
 */
static bool salvage(struct scan *scan, int64_t from, int64_t trailer, uint32_t count)
{
	struct rv__batch_row *rows = calloc(count + (size_t)1, sizeof *rows);
	bool *proven = calloc(count + (size_t)1, sizeof *proven);
	uint32_t good = 0;

	if (rows && proven)
		good = prove(scan, from, trailer, count, rows, proven);
	for (uint32_t i = 0; i < count && good > 0 && scan->failed == RV_OK; from += scan->sizes[i++]) {
		const uint8_t *bytes = look(scan, from, scan->sizes[i]);

		if (!bytes || !proven[i] || !tell_record(scan, bytes, from, &rows[i]))
			tell_bad(scan, from, scan->sizes[i], 1);
	}
	if (good > 0)
		tell_bad(scan, trailer, (int64_t)rv__trailer_size(count), 0);
	free(rows);
	free(proven);
	return good > 0;
}

/* A batch in perfect order but for, perhaps, damage inside records. Moves *at behind it. */
static bool take_regular(struct scan *scan, int64_t *at, int64_t place, uint32_t count)
{
	struct rv__trailer trailer;
	const uint8_t *bytes;
	size_t size;

	if (!trailer_at(scan, place, &trailer) || trailer.batch_offset != *at)
		return false;
	size = rv__trailer_size(trailer.count);
	bytes = look(scan, place, size);
	if (!bytes)
		return false;
	if (rv__crc32c(0, bytes + RV__TRAILER_HEADER, size - RV__TRAILER_HEADER) == trailer.array_crc)
		take_batch(scan, &trailer, bytes + RV__TRAILER_HEADER);
	else if (trailer.count != count || !salvage(scan, *at, place, count))
		tell_bad(scan, *at, place + (int64_t)size - *at, trailer.count);
	*at = place + (int64_t)size;
	return true;
}

/* Something is wrong at *at. Gets behind it; false when nothing good follows. */
static bool resynchronise(struct scan *scan, int64_t *at, int64_t walked, uint32_t count)
{
	struct rv__trailer next;
	int64_t found = search(scan, *at, *at, &next);
	int64_t limit = found >= 0 ? next.batch_offset : scan->end;

	if (scan->failed != RV_OK)
		return false;
	if (count > 0 && (int64_t)rv__trailer_size(count) <= limit - walked &&
	    salvage(scan, *at, walked, count)) {
		*at = walked + (int64_t)rv__trailer_size(count);
		return true;
	}
	if (found < 0)
		return false;
	if (next.batch_offset > *at) {
		tell_bad(scan, *at, next.batch_offset - *at, count ? count : 1);
		*at = next.batch_offset;
		return true;
	}
	return take_regular(scan, at, found, 0);
}

rv_err rv__scan(rv__store *store, struct rv__segment *segment, int64_t from, int64_t end,
    const struct rv__scan_sink *sink, int64_t *ret_tail, struct rv_error *err)
{
	struct scan *scan = calloc(1, sizeof *scan);
	rv_err failed;

	if (!scan)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__STORE_TOPIC, "no memory to read the log");
	*scan = (struct scan){.store = store, .segment = segment, .end = end, .sink = sink, .err = err};
	while (from < end && scan->failed == RV_OK) {
		uint32_t count;
		int64_t walked = walk(scan, from, &count);

		if (take_regular(scan, &from, walked, count))
			continue;
		if (!resynchronise(scan, &from, walked, count))
			break;
	}
	*ret_tail = from;
	failed = scan->failed;
	free(scan->bytes);
	free(scan);
	return failed;
}

int64_t rv__scan_boundary(rv__store *store, struct rv__segment *segment, int64_t offset)
{
	struct scan *scan = calloc(1, sizeof *scan);
	int64_t result = segment->start;
	struct rv__trailer trailer;

	if (!scan)
		return result;
	*scan = (struct scan){.store = store, .segment = segment, .end = segment->end};
	if (search(scan, offset, segment->start, &trailer) >= 0 && trailer.batch_offset <= offset)
		result = trailer.batch_offset;
	free(scan->bytes);
	free(scan);
	return result;
}
