/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <store>/queues: how far the index goes, and the next offset of every queue.
 *
 *     "RVQS0001"  store id (8)  boot (8)  log offset covered (8)  count (4)
 *     count times:  topic length (1)  topic  queue id (4)  base (8)  indexed (8)  next (8)  cleared (8)  has file (1)
 *     CRC-32C (4)
 *
 * It is replaced only after the index files that it speaks of are synced. A store with many of them leaves
 * a second
 * table when it closes, <store>/queues.boot, for which they are not: it counts until the machine is booted
 * again (boot: checksum of the boot id; 0 in the other table). The next offsets are the one thing here
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

enum { HEAD = 36, TABLE_MAX = 256 << 20, LAST_SYNCS_MAX = 16 };

static const char synced_name[] = "queues";
static const char boot_name[] = "queues.boot";

static const char magic[8] = "RVQS0001";

/* Never 0. */
static uint64_t boot_mark(const rv__store *store)
{
	return UINT64_C(1) << 32 | rv__crc32c(0, store->boot_id, strlen(store->boot_id));
}

static rv_err read_table(
    rv__store *store, const char *name, uint64_t boot, struct rv__buffer *out, struct rv_error *err)
{
	const struct rv__io *io = store->io;
	char path[RV__PATH_MAX];
	int64_t size;
	int fd;

	snprintf(path, sizeof path, "%s/%s", store->directory, name);
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

static rv_err load_table(
    rv__store *store, const struct rv__buffer *table, int64_t *ret_end, struct rv_error *err)
{
	struct rv__reader reader = {.bytes = table->bytes, .length = table->length - 4, .at = HEAD - 12};
	rv_err code = RV_OK;

	*ret_end = (int64_t)rv__read_u64(&reader);
	for (uint32_t count = rv__read_u32(&reader); count > 0 && code == RV_OK; count--)
		code = load_row(store, &reader);
	return code == RV_OK
	    ? RV_OK
	    : rv_error_set(err, code, 0, RV__STORE_TOPIC, "the table of queues cannot be loaded");
}

rv_err rv__checkpoint_load(rv__store *store, int64_t *ret_end, struct rv_error *err)
{
	struct rv__buffer table = RV__BUFFER_INIT(TABLE_MAX + 1);
	struct rv__buffer quick = RV__BUFFER_INIT(TABLE_MAX + 1);
	rv_err code = read_table(store, synced_name, 0, &table, err);
	rv_err other =
	    store->boot_id[0] ? read_table(store, boot_name, boot_mark(store), &quick, NULL) : RV_E_NOTFOUND;

	if (code == RV_OK || other == RV_OK) {
		bool newer = other == RV_OK &&
		    (code != RV_OK ||
		        rv__get_u64(quick.bytes + HEAD - 12) > rv__get_u64(table.bytes + HEAD - 12));

		code = load_table(store, newer ? &quick : &table, ret_end, err);
	}
	rv__buffer_finish(&table);
	rv__buffer_finish(&quick);
	return code;
}

static rv_err serialise(rv__store *store, struct rv__checkpoint *checkpoint, uint64_t boot)
{
	struct rv__buffer out = RV__BUFFER_INIT(TABLE_MAX);

	rv__buffer_add(&out, magic, sizeof magic);
	rv__buffer_add_u64(&out, store->id);
	rv__buffer_add_u64(&out, boot);
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

/* Everything that the keeper needs for one; NULL without memory. */
static struct rv__checkpoint *make(rv__store *store, bool quick)
{
	struct rv__checkpoint *checkpoint = calloc(1, sizeof *checkpoint);

	if (!checkpoint)
		return NULL;
	checkpoint->name = quick ? boot_name : synced_name;
	checkpoint->after = store->published;
	if ((!quick && name_files(store, checkpoint) != RV_OK) ||
	    serialise(store, checkpoint, quick ? boot_mark(store) : 0) != RV_OK) {
		rv__checkpoint_free(checkpoint);
		return NULL;
	}
	return checkpoint;
}

static size_t count_unsynced(rv__store *store)
{
	/* After a failure nobody knows which of them were synced. */
	bool all = rv__keeper_result(&store->keeper) != RV_OK;
	size_t count = 0;

	for (rv__queue *queue = store->queues; queue; queue = queue->next) {
		queue->unsynced |= all && queue->exists;
		count += queue->unsynced;
	}
	return count;
}

rv_err rv__checkpoint_save(rv__store *store, enum rv__checkpoint_mode mode, struct rv_error *err)
{
	struct rv__checkpoint *checkpoint;
	bool quick;
	rv_err code;

	if (mode != RV__CHECKPOINT_LATER)
		(void)rv__keeper_wait(&store->keeper);
	else if (rv__keeper_checkpointing(&store->keeper))
		return RV_OK; /* the next tick tries again */
	code = rv__index_flush_all(store, err);
	if (code != RV_OK)
		return code;
	quick = count_unsynced(store) > LAST_SYNCS_MAX && mode == RV__CHECKPOINT_LAST && store->boot_id[0];
	checkpoint = make(store, quick);
	if (!checkpoint)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__STORE_TOPIC, "no memory for the table of queues");
	if (!quick) {
		rv__retention_take(store, checkpoint);
		for (rv__queue *queue = store->queues; queue; queue = queue->next)
			queue->unsynced = false;
	}
	rv__keeper_checkpoint(&store->keeper, checkpoint);
	store->checkpoint_end = store->published;
	store->checkpoint_due = store->table_stale = false;
	store->last_checkpoint_ns = rv__monotonic_ns();
	if (mode != RV__CHECKPOINT_LATER && rv__keeper_wait(&store->keeper) != RV_OK) {
		store->table_stale = store->checkpoint_due = true;
		return rv_error_set(err, RV_E_IO, RV__N_STORE_IO, RV__STORE_TOPIC,
		    "the checkpoint of '%s' could not be written", store->directory);
	}
	return RV_OK;
}
