/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the log: <store>/log/<20-digit offset of their first byte>, back to back. */
#include "broker/store/inside.h"

#include "base/numbers.h"

#include <rivulet/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rv__log_path(const rv__store *store, int64_t start, char path[RV__PATH_MAX])
{
	snprintf(path, RV__PATH_MAX, "%s/log/%020" PRId64, store->directory, start);
}

int64_t rv__log_start(const rv__store *store)
{
	return store->segment_count ? store->segments[0]->start : store->end;
}

static struct rv__segment *add_segment(rv__store *store, int64_t start)
{
	struct rv__segment *segment;

	if (store->segment_count == store->segment_capacity) {
		size_t capacity = store->segment_capacity ? 2 * store->segment_capacity : 8;
		struct rv__segment **grown =
		    realloc(store->segments, capacity * sizeof(struct rv__segment *));

		if (!grown)
			return NULL;
		store->segments = grown;
		store->segment_capacity = capacity;
	}
	segment = calloc(1, sizeof *segment);
	if (!segment)
		return NULL;
	segment->start = segment->end = start;
	store->segments[store->segment_count++] = segment;
	return segment;
}

/* What listing a directory collects. */
struct listing {
	rv__store *store;
	bool nomem;
};

static void collect(void *arg, const char *name)
{
	struct listing *listing = arg;
	char *end;
	long long start;

	if (strlen(name) != 20 || strspn(name, "0123456789") != 20)
		return;
	errno = 0;
	start = strtoll(name, &end, 10);
	if (errno == 0 && !add_segment(listing->store, start))
		listing->nomem = true;
}

static int by_start(const void *left, const void *right)
{
	const struct rv__segment *a = *(struct rv__segment *const *)left;
	const struct rv__segment *b = *(struct rv__segment *const *)right;

	return a->start < b->start ? -1 : a->start > b->start;
}

static rv_err measure(rv__store *store, struct rv__segment *segment, struct rv_error *err)
{
	char path[RV__PATH_MAX];
	int64_t size;
	int fd;

	rv__log_path(store, segment->start, path);
	fd = rv__files_open(&store->files, &segment->file, path, O_RDONLY);
	size = fd < 0 ? -1 : store->io->size(store->io->arg, fd);
	if (size < 0)
		return rv__store_io_error(err, "be opened", path, errno);
	segment->end = segment->start + size;
	return RV_OK;
}

rv_err rv__log_load(rv__store *store, struct rv_error *err)
{
	struct listing listing = {.store = store};
	char path[RV__PATH_MAX];

	snprintf(path, sizeof path, "%s/log", store->directory);
	if (store->io->list(store->io->arg, path, collect, &listing) != 0)
		return rv__store_io_error(err, "be listed", path, errno);
	if (listing.nomem)
		return rv_error_set(
		    err, RV_E_NOMEM, 0, RV__STORE_TOPIC, "no memory for the list of log files");
	if (store->segment_count)
		qsort(store->segments, store->segment_count, sizeof(struct rv__segment *), by_start);
	for (size_t i = 0; i < store->segment_count; i++) {
		rv_err code = measure(store, store->segments[i], err);

		if (code != RV_OK)
			return code;
	}
	store->end = store->segment_count ? store->segments[store->segment_count - 1]->end : 0;
	return RV_OK;
}

struct rv__segment *rv__log_segment(rv__store *store, int64_t offset)
{
	size_t low = 0;
	size_t high = store->segment_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (store->segments[middle]->start <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || offset >= store->segments[low - 1]->end)
		return NULL;
	return store->segments[low - 1];
}

static int segment_fd(rv__store *store, struct rv__segment *segment)
{
	char path[RV__PATH_MAX];
	int fd;

	if (store->active_fd >= 0 && segment == store->segments[store->segment_count - 1])
		return store->active_fd;
	fd = rv__files_peek(&store->files, &segment->file);
	if (fd >= 0)
		return fd;
	rv__log_path(store, segment->start, path);
	return rv__files_open(&store->files, &segment->file, path, O_RDONLY);
}

rv_err rv__log_read(rv__store *store, int64_t offset, void *bytes, size_t length, struct rv_error *err)
{
	struct rv__segment *segment = rv__log_segment(store, offset);
	char path[RV__PATH_MAX];
	ssize_t n;
	int fd;

	if (!segment || (int64_t)length > segment->end - offset)
		return rv_error_set(err, RV_E_CORRUPT, RV__N_STORE_CORRUPT, RV__STORE_TOPIC,
		    "the log of '%s' has no %zu bytes at %" PRId64, store->directory, length, offset);
	rv__log_path(store, segment->start, path);
	fd = segment_fd(store, segment);
	n = fd < 0 ? -1 : rv__io_read(store->io, fd, bytes, length, offset - segment->start);
	if (n < 0)
		return rv__store_io_error(err, "be read", path, errno);
	if ((size_t)n < length)
		return rv_error_set(err, RV_E_CORRUPT, RV__N_STORE_CORRUPT, RV__STORE_TOPIC,
		    "the log file '%s' became shorter while it was in use", path);
	return RV_OK;
}

rv_err rv__log_open_active(rv__store *store, struct rv_error *err)
{
	struct rv__segment *last = store->segments[store->segment_count - 1];
	char path[RV__PATH_MAX];
	int fd;

	rv__log_path(store, last->start, path);
	fd = store->io->open(store->io->arg, path, O_RDWR);
	if (fd < 0)
		return rv__store_io_error(err, "be opened for writing", path, errno);
	rv__files_close(&store->files, &last->file);
	store->active_fd = fd;
	return RV_OK;
}

/* Begins a new file at the end of the log. */
static rv_err roll(rv__store *store, struct rv_error *err)
{
	char path[RV__PATH_MAX];
	int old = store->active_fd;
	int failed;
	int fd;

	/* A log whose store may lose its identity would be nobody's. */
	failed = store->newborn ? rv__syncer_wait(&store->syncer, 0) : 0;
	if (failed)
		return rv__store_io_error(err, "be synced", store->directory, failed);
	store->newborn = false;
	rv__log_path(store, store->end, path);
	fd = store->io->open(store->io->arg, path, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0)
		return rv__store_io_error(err, "be created", path, errno);
	if (!add_segment(store, store->end)) {
		(void)store->io->close(store->io->arg, fd);
		(void)store->io->unlink(store->io->arg, path);
		return rv_error_set(err, RV_E_NOMEM, 0, RV__STORE_TOPIC, "no memory for a new log file");
	}
	store->active_fd = fd;
	rv__syncer_roll(&store->syncer, old, fd);
	return RV_OK;
}

rv_err rv__log_write(rv__store *store, const uint8_t *bytes, size_t length, struct rv_error *err)
{
	struct rv__segment *active = store->segment_count ? store->segments[store->segment_count - 1] : NULL;
	char path[RV__PATH_MAX];
	int saved;

	if (!active || store->active_fd < 0 ||
	    (active->end > active->start &&
	        (uint64_t)(active->end - active->start) + length > store->options.segment_bytes)) {
		rv_err code = roll(store, err);

		if (code != RV_OK)
			return code;
		active = store->segments[store->segment_count - 1];
	}
	if (rv__io_write(store->io, store->active_fd, bytes, length, active->end - active->start) == 0) {
		active->end += (int64_t)length;
		store->end = active->end;
		return RV_OK;
	}
	saved = errno;
	rv__log_path(store, active->start, path);
	/*
	 * What of it was written goes; should that fail too, the next write covers it and recovery knows a
	 * torn tail.
	 */
	if (store->io->ftruncate(store->io->arg, store->active_fd, active->end - active->start) != 0)
		rv_log(RV_LOG_WARN, RV__STORE_TOPIC, "the rest of a failed write stays in '%s': %s", path,
		    strerror(errno));
	return rv__store_io_error(err, "be written", path, saved);
}

rv_err rv__log_cut(rv__store *store, int64_t end, struct rv_error *err)
{
	struct rv__segment *last = store->segments[store->segment_count - 1];
	char path[RV__PATH_MAX];
	int fd;
	int failed;

	rv__log_path(store, last->start, path);
	fd = store->io->open(store->io->arg, path, O_RDWR);
	if (fd < 0)
		return rv__store_io_error(err, "be opened for writing", path, errno);
	failed = store->io->ftruncate(store->io->arg, fd, end - last->start);
	if (failed == 0)
		failed = store->io->fdatasync(store->io->arg, fd);
	if (failed)
		failed = errno ? errno : EIO;
	(void)store->io->close(store->io->arg, fd);
	if (failed)
		return rv__store_io_error(err, "be cut to its good part", path, failed);
	last->end = end;
	store->end = end;
	return RV_OK;
}

void rv__log_finish(rv__store *store)
{
	if (store->active_fd >= 0)
		(void)store->io->close(store->io->arg, store->active_fd);
	store->active_fd = -1;
	for (size_t i = 0; i < store->segment_count; i++) {
		rv__files_close(&store->files, &store->segments[i]->file);
		free(store->segments[i]);
	}
	free(store->segments);
	store->segments = NULL;
	store->segment_count = 0;
}
