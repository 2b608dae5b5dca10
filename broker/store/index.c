/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of a queue: index/<topic>/<queue id>, one entry a message, derived from the log.
 *
 *     header (64):  "RVIX0001"  store id (8)  base (8)  seed (4)  CRC-32C (4)  zeros
 *     entry (40):   physical offset (8)  size (4)  proof (4)  tags code (8)  store timestamp (8)  0 (4)  CRC-32C (4)
 *
 * The entry of queue offset q stands at 64 + 40 * (q - base). Its checksum begins with the queue's seed
 * (store id, topic,
 * queue id) and q, so that neither a swapped file nor a shifted one passes. Size 0: the message was lost;
 * the tags code
 * is then the offset behind the row of lost ones.
 */
#include "broker/store/inside.h"

#include "base/numbers.h"
#include "broker/store/crc32c.h"

#include <rivulet/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_CRC = 36, CHUNK = 64 };

static const char magic[8] = "RVIX0001";

/* The directory of a topic: its name, with everything but [A-Za-z0-9_%|-] as =XX. */
bool rv__index_name(const char *topic, size_t length, char name[256])
{
	size_t at = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)topic[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '_' || c == '%' || c == '|' || c == '-';

		if (at + 4 > 251)
			return false;
		if (plain)
			name[at++] = (char)c;
		else
			at += (size_t)snprintf(name + at, 4, "=%02X", c);
	}
	name[at] = '\0';
	return length > 0;
}

void rv__index_path(const rv__store *store, const rv__queue *queue, char path[RV__PATH_MAX])
{
	char name[256];

	(void)rv__index_name(queue->topic->name, queue->topic->length, name);
	snprintf(path, RV__PATH_MAX, "%s/index/%s/%" PRId32, store->directory, name, queue->id);
}

static uint32_t entry_crc(const rv__queue *queue, int64_t offset, const uint8_t *bytes)
{
	uint8_t place[8];

	rv__put_u64(place, (uint64_t)offset);
	return rv__crc32c(rv__crc32c(queue->seed, place, sizeof place), bytes, AT_CRC);
}

static void put_entry(const rv__queue *queue, int64_t offset, const struct rv__entry *entry, uint8_t *at)
{
	rv__put_u64(at, (uint64_t)entry->physical_offset);
	rv__put_u32(at + 8, entry->size);
	rv__put_u32(at + 12, entry->proof);
	rv__put_u64(at + 16, (uint64_t)entry->tags_code);
	rv__put_u64(at + 24, (uint64_t)entry->store_timestamp);
	rv__put_u32(at + 32, 0);
	rv__put_u32(at + AT_CRC, entry_crc(queue, offset, at));
}

static bool get_entry(const rv__queue *queue, int64_t offset, const uint8_t *at, struct rv__entry *ret)
{
	*ret = (struct rv__entry){
	    .physical_offset = (int64_t)rv__get_u64(at),
	    .size = rv__get_u32(at + 8),
	    .proof = rv__get_u32(at + 12),
	    .tags_code = (int64_t)rv__get_u64(at + 16),
	    .store_timestamp = (int64_t)rv__get_u64(at + 24),
	};
	return rv__get_u32(at + AT_CRC) == entry_crc(queue, offset, at);
}

static int64_t place_of(const rv__queue *queue, int64_t offset)
{
	return RV__INDEX_HEADER + (offset - queue->base) * RV__INDEX_ENTRY;
}

static void put_header(const rv__store *store, const rv__queue *queue, uint8_t header[RV__INDEX_HEADER])
{
	memset(header, 0, RV__INDEX_HEADER);
	memcpy(header, magic, sizeof magic);
	rv__put_u64(header + 8, store->id);
	rv__put_u64(header + 16, (uint64_t)queue->base);
	rv__put_u32(header + 24, queue->seed);
	rv__put_u32(header + 28, rv__crc32c(0, header, 28));
}

static int create_file(rv__store *store, rv__queue *queue, const char *path)
{
	const struct rv__io *io = store->io;
	uint8_t header[RV__INDEX_HEADER];
	char directory[RV__PATH_MAX];
	int fd;

	snprintf(directory, sizeof directory, "%s/index", store->directory);
	if (io->mkdir(io->arg, directory) != 0 && errno != EEXIST)
		return -1;
	snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
	if (io->mkdir(io->arg, directory) != 0 && errno != EEXIST)
		return -1;
	fd = rv__files_open(&store->files, &queue->file, path, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0)
		return -1;
	put_header(store, queue, header);
	if (rv__io_write(io, fd, header, sizeof header, 0) != 0)
		return -1;
	queue->exists = true;
	return fd;
}

static int open_file(rv__store *store, rv__queue *queue)
{
	char path[RV__PATH_MAX];
	int fd = rv__files_peek(&store->files, &queue->file);

	if (fd >= 0 && queue->exists)
		return fd;
	rv__index_path(store, queue, path);
	return queue->exists ? rv__files_open(&store->files, &queue->file, path, O_RDWR)
	                     : create_file(store, queue, path);
}

static rv_err index_error(rv__store *store, rv__queue *queue, const char *what, struct rv_error *err)
{
	char path[RV__PATH_MAX];
	int saved = errno;

	rv__index_path(store, queue, path);
	return rv__store_io_error(err, what, path, saved);
}

static rv_err write_entries(rv__store *store, rv__queue *queue, int64_t first,
    const struct rv__entry *entries, uint32_t count, struct rv_error *err)
{
	uint8_t bytes[CHUNK * RV__INDEX_ENTRY];
	int fd = open_file(store, queue);

	if (fd < 0)
		return index_error(store, queue, "be opened", err);
	for (uint32_t at = 0; at < count; at += CHUNK) {
		uint32_t n = count - at < CHUNK ? count - at : CHUNK;

		for (uint32_t i = 0; i < n; i++)
			put_entry(
			    queue, first + at + i, &entries[at + i], bytes + (size_t)i * RV__INDEX_ENTRY);
		if (rv__io_write(
		        store->io, fd, bytes, (size_t)n * RV__INDEX_ENTRY, place_of(queue, first + at)) != 0)
			return index_error(store, queue, "be written", err);
	}
	queue->unsynced = true;
	return RV_OK;
}

static void undirty(rv__store *store, rv__queue *queue)
{
	rv__queue **slot = &store->dirty;

	while (*slot && *slot != queue)
		slot = &(*slot)->next_dirty;
	if (*slot)
		*slot = queue->next_dirty;
	queue->dirty = false;
}

/* Writes a queue's tail to its file. */
static rv_err flush_tail(rv__store *store, rv__queue *queue, struct rv_error *err)
{
	rv_err code;

	if (queue->tail_count == 0)
		return RV_OK;
	code = write_entries(store, queue, queue->indexed, queue->tail, queue->tail_count, err);
	if (code != RV_OK) {
		store->index_stuck = true;
		return code;
	}
	queue->indexed += queue->tail_count;
	store->tail_total -= queue->tail_count;
	queue->tail_count = 0;
	undirty(store, queue);
	return RV_OK;
}

rv_err rv__index_flush_all(rv__store *store, struct rv_error *err)
{
	while (store->dirty) {
		rv__queue *queue = store->dirty;
		rv_err code = flush_tail(store, queue, err);

		if (code != RV_OK)
			return code;
		/* A queue at rest keeps nothing but its numbers. */
		if (queue->max == queue->issued) {
			free(queue->tail);
			queue->tail = NULL;
			queue->tail_capacity = 0;
		}
	}
	store->index_stuck = false;
	return RV_OK;
}

bool rv__index_reserve(rv__queue *queue, uint32_t extra)
{
	uint32_t needed = queue->tail_count + extra;
	uint32_t capacity = queue->tail_capacity ? queue->tail_capacity : 16;
	struct rv__entry *grown;

	if (needed <= queue->tail_capacity)
		return true;
	while (capacity < needed)
		capacity *= 2;
	grown = realloc(queue->tail, capacity * sizeof *grown);
	if (!grown)
		return false;
	queue->tail = grown;
	queue->tail_capacity = capacity;
	return true;
}

static rv_err push(rv__store *store, rv__queue *queue, const struct rv__entry *entry, struct rv_error *err)
{
	/* A failed flush is kept in index_stuck, which stops appends; the entry stays in memory. */
	if (queue->tail_count >= RV__TAIL_MAX)
		(void)flush_tail(store, queue, NULL);
	if (!rv__index_reserve(queue, 1))
		return rv_error_set(err, RV_E_NOMEM, 0, RV__STORE_TOPIC,
		    "no memory for the index of topic '%s'", queue->topic->name);
	queue->tail[queue->tail_count++] = *entry;
	if (!queue->dirty) {
		queue->dirty = true;
		queue->next_dirty = store->dirty;
		store->dirty = queue;
	}
	if (++store->tail_total > RV__TAILS_MAX && !store->index_stuck)
		(void)rv__index_flush_all(store, NULL);
	return RV_OK;
}

rv_err rv__index_fill(
    rv__store *store, rv__queue *queue, int64_t upto, const struct rv__entry *next, struct rv_error *err)
{
	struct rv__entry lost = {.physical_offset = next->physical_offset,
	    .tags_code = upto,
	    .store_timestamp = next->store_timestamp};

	if (!queue->exists && queue->tail_count == 0) {
		queue->base = queue->indexed = upto;
		return RV_OK;
	}
	while (queue->indexed + queue->tail_count < upto) {
		rv_err code = push(store, queue, &lost, err);

		if (code != RV_OK)
			return code;
	}
	return RV_OK;
}

rv_err rv__index_add(rv__store *store, rv__queue *queue, int64_t queue_offset, const struct rv__entry *entry,
    struct rv_error *err)
{
	rv_err code = RV_OK;

	if (queue_offset < queue->indexed + queue->tail_count && (queue->exists || queue->tail_count))
		return RV_OK; /* known already */
	if (queue_offset != queue->indexed + queue->tail_count)
		code = rv__index_fill(store, queue, queue_offset, entry, err);
	return code == RV_OK ? push(store, queue, entry, err) : code;
}

rv_err rv__index_repair(
    rv__store *store, rv__queue *queue, int64_t offset, const struct rv__entry *entry, struct rv_error *err)
{
	return write_entries(store, queue, offset, entry, 1, err);
}

/* Nearest sound entry of a message from `from` in steps of `step`, at most 4096 away; false: none. */
static bool neighbour(rv__store *store, rv__queue *queue, int64_t from, int step, struct rv__entry *ret)
{
	int fd = open_file(store, queue);
	uint8_t bytes[RV__INDEX_ENTRY];

	for (int n = 0; n < 4096 && fd >= 0 && from >= queue->base && from < queue->indexed;
	     n++, from += step)
		if (rv__io_read(store->io, fd, bytes, sizeof bytes, place_of(queue, from)) == sizeof bytes &&
		    get_entry(queue, from, bytes, ret))
			return true;
	return false;
}

void rv__index_neighbours(rv__store *store, rv__queue *queue, int64_t offset, int64_t *ret_low,
    int64_t *ret_high, struct rv__entry *ret_lost)
{
	struct rv__entry entry = {0};

	*ret_low = rv__log_start(store);
	*ret_high = store->end;
	if (neighbour(store, queue, offset - 1, -1, &entry) && entry.physical_offset > *ret_low)
		*ret_low = entry.physical_offset;
	if (neighbour(store, queue, offset + 1, 1, &entry))
		*ret_high = entry.physical_offset;
	else if (queue->tail_count)
		*ret_high = queue->tail[0].physical_offset;
	/* A lost message carries the place and time of the next one, so that searches stay in order. */
	*ret_lost = (struct rv__entry){
	    .physical_offset = *ret_high, .tags_code = offset + 1, .store_timestamp = entry.store_timestamp};
}

static rv_err read_file(rv__store *store, rv__queue *queue, int64_t offset, struct rv__entry *entries,
    uint32_t n, struct rv_error *err)
{
	uint8_t bytes[CHUNK * RV__INDEX_ENTRY];
	int fd = open_file(store, queue);
	ssize_t got;

	if (fd < 0)
		return index_error(store, queue, "be opened", err);
	got = rv__io_read(store->io, fd, bytes, (size_t)n * RV__INDEX_ENTRY, place_of(queue, offset));
	if (got < 0)
		return index_error(store, queue, "be read", err);
	memset(bytes + got, 0, (size_t)n * RV__INDEX_ENTRY - (size_t)got);
	for (uint32_t i = 0; i < n; i++)
		if (!get_entry(queue, offset + i, bytes + (size_t)i * RV__INDEX_ENTRY, &entries[i]))
			rv__index_mend(store, queue, offset + i, &entries[i]);
	return RV_OK;
}

rv_err rv__index_read(rv__store *store, rv__queue *queue, int64_t offset, struct rv__entry *entries,
    uint32_t n, uint32_t *ret_count, struct rv_error *err)
{
	int64_t end = queue->indexed + queue->tail_count;
	uint32_t count = 0;

	if (offset < queue->base || offset >= end)
		return rv_error_set(err, RV_E_NOTFOUND, 0, RV__STORE_TOPIC,
		    "queue %" PRId32 " of topic '%s' has no message %" PRId64, queue->id, queue->topic->name,
		    offset);
	if (offset < queue->indexed) {
		int64_t there = queue->indexed - offset;

		count = n < CHUNK ? n : CHUNK;
		if (count > there)
			count = (uint32_t)there;
		*ret_count = count;
		return read_file(store, queue, offset, entries, count, err);
	}
	while (count < n && offset + count < end) {
		entries[count] = queue->tail[offset + count - queue->indexed];
		count++;
	}
	*ret_count = count;
	return RV_OK;
}

bool rv__index_check(rv__store *store, rv__queue *queue)
{
	uint8_t expected[RV__INDEX_HEADER];
	uint8_t header[RV__INDEX_HEADER];
	uint8_t last[RV__INDEX_ENTRY];
	struct rv__entry entry;
	int fd;

	if (!queue->exists)
		return queue->indexed == queue->base;
	fd = open_file(store, queue);
	if (fd < 0 || rv__io_read(store->io, fd, header, sizeof header, 0) != sizeof header)
		return false;
	put_header(store, queue, expected);
	if (memcmp(header, expected, sizeof header) != 0)
		return false;
	if (queue->indexed == queue->base)
		return true;
	return rv__io_read(store->io, fd, last, sizeof last, place_of(queue, queue->indexed - 1)) ==
	    sizeof last &&
	    get_entry(queue, queue->indexed - 1, last, &entry);
}

/* One directory level of the index being removed. */
struct removal {
	rv__store *store;
	char directory[RV__PATH_MAX];
};

static void remove_file(void *arg, const char *name)
{
	struct removal *removal = arg;
	char path[RV__PATH_MAX + 260];

	snprintf(path, sizeof path, "%s/%s", removal->directory, name);
	(void)removal->store->io->unlink(removal->store->io->arg, path);
}

static void remove_topic(void *arg, const char *name)
{
	struct removal *removal = arg;
	struct removal inner = {.store = removal->store};
	const struct rv__io *io = removal->store->io;

	if (snprintf(inner.directory, sizeof inner.directory, "%s/%s", removal->directory, name) >=
	    (int)sizeof inner.directory)
		return;
	(void)io->list(io->arg, inner.directory, remove_file, &inner);
	(void)io->rmdir(io->arg, inner.directory);
}

void rv__index_remove_all(rv__store *store)
{
	struct removal removal = {.store = store};

	snprintf(removal.directory, sizeof removal.directory, "%s/index", store->directory);
	(void)store->io->list(store->io->arg, removal.directory, remove_topic, &removal);
}

void rv__index_trim(rv__store *store, rv__queue *queue)
{
	int64_t min = rv__queue_min(store, queue);
	int64_t upto = min < queue->indexed ? min : queue->indexed;
	int64_t from = queue->punched > queue->base ? queue->punched : queue->base;
	int fd;

	if (!queue->exists || (upto - from) * RV__INDEX_ENTRY < 64 << 10)
		return;
	fd = open_file(store, queue);
	if (fd >= 0)
		(void)store->io->punch(
		    store->io->arg, fd, place_of(queue, from), (upto - from) * RV__INDEX_ENTRY);
	queue->punched = upto;
}
