/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <store>/queues: how far the index goes, and the next offset of every queue.
 *
 *     "RVQS0001"  store id (8)  log offset covered (8)  count (4)
 *     count times:  topic length (1)  topic  queue id (4)  base (8)  indexed (8)  next (8)  cleared (8)  has file (1)
 *     CRC-32C (4)
 *
 * It is replaced only after the index files that it speaks of are synced. The next offsets are the one thing here
 * that the log may not know any more (retention), hence it is written before old log files go.
 */
#include "broker/store/inside.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "broker/store/crc32c.h"

#include <rivulet/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 28, TABLE_MAX = 256 << 20 };

static const char magic[8] = "RVQS0001";

static rv_err read_table(rv__store *store, struct rv__buffer *out, struct rv_error *err)
{
	const struct rv__io *io = store->io;
	char path[RV__PATH_MAX];
	int64_t size;
	int fd;

	snprintf(path, sizeof path, "%s/queues", store->directory);
	fd = io->open(io->arg, path, O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		return rv_error_set(err, RV_E_NOTFOUND, 0, RV__STORE_TOPIC, "there is no '%s'", path);
	size = fd < 0 ? -1 : io->size(io->arg, fd);
	if (size < 0 || size > TABLE_MAX || !rv__buffer_reserve(out, (size_t)size) ||
	    rv__io_read(io, fd, out->bytes, (size_t)size, 0) != size) {
		int saved = errno;

		if (fd >= 0)
			(void)io->close(io->arg, fd);
		return rv__store_io_error(err, "be read", path, saved);
	}
	(void)io->close(io->arg, fd);
	out->length = (size_t)size;
	if (size < HEAD + 4 || memcmp(out->bytes, magic, 8) != 0 ||
	    rv__get_u64(out->bytes + 8) != store->id ||
	    rv__get_u32(out->bytes + size - 4) != rv__crc32c(0, out->bytes, (size_t)size - 4))
		return rv_error_set(err, RV_E_CORRUPT, RV__N_STORE_CORRUPT, RV__STORE_TOPIC,
		    "'%s' is damaged or another store's; the index is built again from the log", path);
	return RV_OK;
}

static rv_err load_row(rv__store *store, struct rv__reader *reader)
{
	size_t length = rv__read_u8(reader);
	const char *topic = (const char *)rv__read_bytes(reader, length);
	int32_t id = (int32_t)rv__read_u32(reader);
	int64_t base = (int64_t)rv__read_u64(reader);
	int64_t indexed = (int64_t)rv__read_u64(reader);
	int64_t next = (int64_t)rv__read_u64(reader);
	int64_t cleared = (int64_t)rv__read_u64(reader);
	bool exists = rv__read_u8(reader) != 0;
	rv__queue *queue;

	if (reader->failed)
		return RV_E_CORRUPT;
	queue = rv__queue_find(store, topic, length, id, true);
	if (!queue)
		return RV_E_NOMEM;
	queue->base = base;
	queue->indexed = indexed;
	queue->max = next;
	queue->cleared = cleared;
	queue->exists = exists;
	return RV_OK;
}

rv_err rv__checkpoint_load(rv__store *store, int64_t *ret_end, struct rv_error *err)
{
	struct rv__buffer table = RV__BUFFER_INIT(TABLE_MAX + 1);
	struct rv__reader reader;
	rv_err code = read_table(store, &table, err);

	if (code == RV_OK) {
		reader = (struct rv__reader){.bytes = table.bytes, .length = table.length - 4, .at = 16};
		*ret_end = (int64_t)rv__read_u64(&reader);
		for (uint32_t count = rv__read_u32(&reader); count > 0 && code == RV_OK; count--)
			code = load_row(store, &reader);
		if (code != RV_OK)
			rv_error_set(err, code, 0, RV__STORE_TOPIC, "the table of queues cannot be loaded");
	}
	rv__buffer_finish(&table);
	return code;
}

static rv_err serialise(rv__store *store, struct rv__checkpoint *checkpoint)
{
	struct rv__buffer out = RV__BUFFER_INIT(TABLE_MAX);

	rv__buffer_add(&out, magic, sizeof magic);
	rv__buffer_add_u64(&out, store->id);
	rv__buffer_add_u64(&out, (uint64_t)store->published);
	rv__buffer_add_u32(&out, (uint32_t)store->queue_count);
	for (rv__queue *queue = store->queues; queue; queue = queue->next) {
		rv__buffer_add_u8(&out, (uint8_t)queue->topic->length);
		rv__buffer_add(&out, queue->topic->name, queue->topic->length);
		rv__buffer_add_u32(&out, (uint32_t)queue->id);
		rv__buffer_add_u64(&out, (uint64_t)queue->base);
		rv__buffer_add_u64(&out, (uint64_t)queue->indexed);
		rv__buffer_add_u64(&out, (uint64_t)queue->max);
		rv__buffer_add_u64(&out, (uint64_t)queue->cleared);
		rv__buffer_add_u8(&out, queue->exists);
	}
	rv__buffer_add_u32(&out, rv__crc32c(0, out.bytes, out.length));
	checkpoint->length = out.length;
	checkpoint->bytes = rv__buffer_take(&out, NULL);
	if (!checkpoint->bytes)
		rv__buffer_finish(&out);
	return checkpoint->bytes ? RV_OK : RV_E_NOMEM;
}

/* The index files that were written since the last checkpoint, then their directories. */
static rv_err name_files(rv__store *store, struct rv__checkpoint *checkpoint)
{
	size_t count = 0;
	char path[RV__PATH_MAX];

	for (rv__queue *queue = store->queues; queue; queue = queue->next)
		count += queue->unsynced;
	if (count == 0)
		return RV_OK;
	checkpoint->paths = calloc(2 * count + 1, sizeof(char *));
	if (!checkpoint->paths)
		return RV_E_NOMEM;
	for (rv__queue *queue = store->queues; queue; queue = queue->next) {
		if (!queue->unsynced)
			continue;
		rv__index_path(store, queue, path);
		if (!(checkpoint->paths[checkpoint->file_count] = strdup(path)))
			return RV_E_NOMEM;
		checkpoint->file_count++;
	}
	for (size_t i = 0; i < checkpoint->file_count; i++) {
		char *copy = strndup(checkpoint->paths[i],
		    (size_t)(strrchr(checkpoint->paths[i], '/') - checkpoint->paths[i]));

		if (!copy)
			return RV_E_NOMEM;
		/* Queues of one topic mostly stand together. */
		if (checkpoint->directory_count &&
		    strcmp(copy,
		        checkpoint->paths[checkpoint->file_count + checkpoint->directory_count - 1]) == 0)
			free(copy);
		else
			checkpoint->paths[checkpoint->file_count + checkpoint->directory_count++] = copy;
	}
	snprintf(path, sizeof path, "%s/index", store->directory);
	if (!(checkpoint->paths[checkpoint->file_count + checkpoint->directory_count] = strdup(path)))
		return RV_E_NOMEM;
	checkpoint->directory_count++;
	return RV_OK;
}

rv_err rv__checkpoint_save(rv__store *store, bool now, struct rv_error *err)
{
	struct rv__checkpoint *checkpoint;
	rv_err code;

	if (now)
		(void)rv__keeper_wait(&store->keeper);
	else if (rv__keeper_checkpointing(&store->keeper))
		return RV_OK; /* the next tick tries again */
	code = rv__index_flush_all(store, err);
	if (code != RV_OK)
		return code;
	if (rv__keeper_result(&store->keeper) != RV_OK)
		for (rv__queue *queue = store->queues; queue; queue = queue->next)
			queue->unsynced = queue->exists; /* nobody knows which of them were synced */
	checkpoint = calloc(1, sizeof *checkpoint);
	code = checkpoint ? name_files(store, checkpoint) : RV_E_NOMEM;
	if (code == RV_OK)
		code = serialise(store, checkpoint);
	if (code != RV_OK) {
		rv__checkpoint_free(checkpoint);
		return rv_error_set(err, code, 0, RV__STORE_TOPIC, "no memory for the table of queues");
	}
	checkpoint->after = store->published;
	rv__retention_take(store, checkpoint);
	rv__keeper_checkpoint(&store->keeper, checkpoint);
	for (rv__queue *queue = store->queues; queue; queue = queue->next)
		queue->unsynced = false;
	store->checkpoint_end = store->published;
	store->checkpoint_due = false;
	store->table_stale = false;
	store->last_checkpoint_ns = rv__monotonic_ns();
	if (now && rv__keeper_wait(&store->keeper) != RV_OK) {
		store->table_stale = store->checkpoint_due = true;
		return rv_error_set(err, RV_E_IO, RV__N_STORE_IO, RV__STORE_TOPIC,
		    "the checkpoint of '%s' could not be written", store->directory);
	}
	return RV_OK;
}
