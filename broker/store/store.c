/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing and keeping house. */
#include "broker/store/inside.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "broker/store/crc32c.h"

#include <rivulet/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FORMAT = 1, WARNINGS_MAX = 5 };

/* Housekeeping intervals. */
#define CHECKPOINT_NS INT64_C(30000000000)
#define CHECKPOINT_BYTES (INT64_C(256) << 20) /* the next start reads no more than about this */
#define SPACE_NS INT64_C(10000000000)

rv_err rv__store_io_error(struct rv_error *err, const char *what, const char *path, int number)
{
	bool full = number == ENOSPC || number == EDQUOT;

	rv_error_set(err, full ? RV_E_FULL : RV_E_IO, full ? RV__N_STORE_FULL : RV__N_STORE_IO,
	    RV__STORE_TOPIC, "'%s' cannot %s: %s; %s", path, what, strerror(number),
	    full ? "free space or shorten the retention" : "check the disk and its permissions");
	if (err)
		err->native = number;
	return full ? RV_E_FULL : RV_E_IO;
}

/* The end of a second in which places were left out of the log. */
static void sum_warnings_up(rv__store *store, int64_t now)
{
	if (!store->warnings || now - store->warnings_ns < 1000000000)
		return;
	if (store->warnings > WARNINGS_MAX)
		rv_log(RV_LOG_ERROR, RV__STORE_TOPIC, "RV%04d %u more damaged places of '%s' were met",
		    RV__N_STORE_CORRUPT, store->warnings - WARNINGS_MAX, store->directory);
	store->warnings = 0;
}

void rv__report_corrupt(rv__store *store, int64_t offset, int64_t length, const char *why)
{
	struct rv__segment *segment = rv__log_segment(store, offset);
	int64_t now = rv__monotonic_ns();
	char path[RV__PATH_MAX];

	if (segment)
		rv__log_path(store, segment->start, path);
	else
		snprintf(path, sizeof path, "%s/log", store->directory);
	/* Readers are told each time; people of so many places a second, since a lost file has thousands. */
	sum_warnings_up(store, now);
	if (store->warnings == 0)
		store->warnings_ns = now;
	if (store->warnings++ >= WARNINGS_MAX)
		return;
	rv_log(RV_LOG_ERROR, RV__STORE_TOPIC,
	    "RV%04d %" PRId64 " bytes at %" PRId64 " of '%s' (log offset %" PRId64
	    ") are damaged: %s; they are not served and not deleted",
	    RV__N_STORE_CORRUPT, length, segment ? offset - segment->start : offset, path, offset, why);
}

/* -- the lock ------------------------------------------------------------------------- */

static pid_t read_pid(const struct rv__io *io, int fd)
{
	char text[24] = {0};
	char *end;
	long pid;

	if (rv__io_read(io, fd, text, sizeof text - 1, 0) <= 0)
		return 0;
	errno = 0;
	pid = strtol(text, &end, 10);
	return errno == 0 && pid > 0 && pid <= INT32_MAX && *end == '\n' ? (pid_t)pid : 0;
}

static rv_err take_lock(rv__store *store, struct rv_error *err)
{
	const struct rv__io *io = store->io;
	char path[RV__PATH_MAX];
	char text[24];
	int fd;

	snprintf(path, sizeof path, "%s/lock", store->directory);
	fd = io->open(io->arg, path, O_RDWR | O_CREAT);
	if (fd < 0)
		return rv__store_io_error(err, "be opened", path, errno);
	if (io->lock(io->arg, fd) != 0) {
		int saved = errno;
		pid_t pid = read_pid(io, fd);

		(void)io->close(io->arg, fd);
		if (saved != EWOULDBLOCK && saved != EACCES)
			return rv__store_io_error(err, "be locked", path, saved);
		return rv_error_set(err, RV_E_DENIED, RV__N_STORE_LOCKED, RV__STORE_TOPIC,
		    "the store '%s' is in use by process %d; stop it (rivulet shutdown broker) or choose "
		    "another "
		    "directory",
		    store->directory, (int)pid);
	}
	store->lock_fd = fd;
	snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (io->ftruncate(io->arg, fd, 0) != 0 || rv__io_write(io, fd, text, strlen(text), 0) != 0)
		return rv__store_io_error(err, "be written", path, errno);
	return RV_OK;
}

rv_err rv__store_holder(const char *directory, pid_t *ret_pid, struct rv_error *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[RV__PATH_MAX];
	pid_t pid = 0;
	int fd;

	snprintf(path, sizeof path, "%s/lock", directory);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return rv__store_io_error(err, "be opened", path, errno);
	/* Asked for, not taken: a broker that starts just now does not notice. */
	if (fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		pid = read_pid(&rv__io_system, fd);
	if (fd >= 0)
		close(fd);
	if (pid == 0)
		return rv_error_set(
		    err, RV_E_NOTFOUND, 0, RV__STORE_TOPIC, "no process uses the store '%s'", directory);
	*ret_pid = pid;
	return RV_OK;
}

/* -- identity: "rivulet-store <format> <id> <CRC-32C>\n", in two files, since everything hangs on it -- */

static const char *const identity_names[] = {"identity", "identity.copy"};

/* Not synced here: a new store's by the syncer, before it calls anything durable. */
static rv_err write_identity(rv__store *store, const char *name, struct rv_error *err)
{
	const struct rv__io *io = store->io;
	char path[RV__PATH_MAX];
	char text[80];
	int length;
	int failed = 0;
	int fd;

	snprintf(path, sizeof path, "%s/%s", store->directory, name);
	length = snprintf(text, sizeof text, "rivulet-store %d %016" PRIx64 " ", FORMAT, store->id);
	length += snprintf(text + length, sizeof text - (size_t)length, "%08" PRIx32 "\n",
	    rv__crc32c(0, text, (size_t)length));
	fd = io->open(io->arg, path, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0 || rv__io_write(io, fd, text, (size_t)length, 0) != 0)
		failed = errno;
	if (fd >= 0)
		(void)io->close(io->arg, fd);
	store->newborn = true;
	return failed ? rv__store_io_error(err, "be written", path, failed) : RV_OK;
}

/* RV_E_NOTFOUND, RV_E_CORRUPT, RV_E_UNSUPPORTED, RV_E_IO. */
static rv_err read_identity(rv__store *store, const char *name, struct rv_error *err)
{
	const struct rv__io *io = store->io;
	char path[RV__PATH_MAX];
	char text[80] = {0};
	char check[80];
	uint64_t id = 0;
	int format = 0;
	ssize_t length;
	int fd;

	snprintf(path, sizeof path, "%s/%s", store->directory, name);
	fd = io->open(io->arg, path, O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		return RV_E_NOTFOUND;
	length = fd < 0 ? -1 : rv__io_read(io, fd, text, sizeof text - 1, 0);
	if (length < 0)
		rv__store_io_error(err, "be read", path, errno);
	if (fd >= 0)
		(void)io->close(io->arg, fd);
	if (length < 0)
		return RV_E_IO;
	(void)sscanf(text, "rivulet-store %d %" SCNx64, &format, &id);
	length = snprintf(check, sizeof check, "rivulet-store %d %016" PRIx64 " ", format, id);
	snprintf(check + length, sizeof check - (size_t)length, "%08" PRIx32 "\n",
	    rv__crc32c(0, check, (size_t)length));
	if (strcmp(check, text) != 0)
		return RV_E_CORRUPT;
	if (format > FORMAT)
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_STORE_FORMAT, RV__STORE_TOPIC,
		    "'%s' names format %d, this release knows up to %d; use the newer release or another "
		    "directory",
		    path, format, FORMAT);
	store->id = id;
	return RV_OK;
}

static rv_err load_identity(rv__store *store, struct rv_error *err)
{
	rv_err codes[2];
	rv_err code = RV_OK;

	for (size_t i = 0; i < 2; i++) {
		codes[i] = read_identity(store, identity_names[i], err);
		if (codes[i] == RV_E_IO || codes[i] == RV_E_UNSUPPORTED)
			return codes[i];
	}
	if (codes[0] != RV_OK && codes[1] != RV_OK) {
		/* Without a log there is nothing to tell apart: the first start did not get to its end. */
		if (store->segment_count)
			return rv_error_set(err, RV_E_CORRUPT, RV__N_STORE_FORMAT, RV__STORE_TOPIC,
			    "'%s/identity' and its copy are missing or damaged, so that the log beside them "
			    "cannot be told from "
			    "a foreign one; restore them from a backup or choose another directory",
			    store->directory);
		store->id = rv__random();
	}
	for (size_t i = 0; i < 2 && code == RV_OK; i++) {
		if (codes[i] == RV_OK)
			continue;
		if (codes[i] == RV_E_CORRUPT)
			rv_log(RV_LOG_WARN, RV__STORE_TOPIC,
			    "RV%04d '%s/%s' was damaged and is made again from its copy", RV__N_STORE_FORMAT,
			    store->directory, identity_names[i]);
		code = write_identity(store, identity_names[i], err);
	}
	return code;
}

/* -- opening ------------------------------------------------------------------------------ */

static void set_defaults(struct rv__store_options *options)
{
	if (!options->segment_bytes)
		options->segment_bytes = UINT64_C(1) << 30;
	if (!options->retention_ms)
		options->retention_ms = INT64_C(72) * 3600 * 1000;
	if (options->disk_warn_ratio <= 0)
		options->disk_warn_ratio = 0.75;
	if (options->disk_clean_ratio <= 0)
		options->disk_clean_ratio = 0.85;
	if (options->disk_full_ratio <= 0)
		options->disk_full_ratio = 0.90;
	if (!options->disk_free_enough)
		options->disk_free_enough = UINT64_C(8) << 30;
	if (!options->message_bytes)
		options->message_bytes = 4 << 20;
	if (options->message_bytes > 64 << 20)
		options->message_bytes = 64 << 20;
}

static rv_err make_directories(rv__store *store, struct rv_error *err)
{
	static const char *const names[] = {"", "/log", "/config", "/index"};
	const struct rv__io *io = store->io;
	char path[RV__PATH_MAX];
	bool created = false;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s%s", store->directory, names[i]);
		if (io->mkdir(io->arg, path) == 0)
			created = true;
		else if (errno != EEXIST)
			return rv__store_io_error(err, "be created", path, errno);
	}
	/* The syncer makes them durable before it calls anything else so. */
	store->newborn = created;
	return RV_OK;
}

static void quiet(void *arg)
{
}

static rv_err start_threads(rv__store *store, struct rv_error *err)
{
	struct rv__syncer *syncer = &store->syncer;
	struct rv__keeper *keeper = &store->keeper;
	const struct rv__store_hooks *hooks = &store->options.hooks;
	int failed;

	syncer->io = keeper->io = store->io;
	syncer->directory = keeper->directory = store->directory;
	syncer->boot_id = store->boot_id;
	syncer->store_id = store->id;
	syncer->eager = store->options.level == RV__STORE_SYNCED;
	syncer->progress = keeper->progress = hooks->progress ? hooks->progress : quiet;
	syncer->arg = keeper->arg = hooks->arg;
	syncer->active_fd = store->active_fd;
	syncer->newborn = store->newborn;
	syncer->written = store->end;
	syncer->synced = store->end;
	syncer->reserved = store->end;
	keeper->syncer = syncer;
	failed = rv__syncer_start(syncer);
	if (!failed)
		failed = rv__keeper_start(keeper);
	return failed ? rv_error_set(err, RV_E_NOMEM, 0, RV__STORE_TOPIC,
	                    "a thread of the store cannot be started: %s", strerror(failed))
	              : RV_OK;
}

/* What recovery read must survive from now on, whoever wrote it: it may only have been in memory. */
static rv_err sync_recovered(rv__store *store, struct rv_error *err)
{
	const struct rv__io *io = store->io;
	char path[RV__PATH_MAX];

	if (store->segment_count == 0)
		return RV_OK;
	for (size_t i = 0; i < store->segment_count; i++) {
		struct rv__segment *segment = store->segments[i];
		int fd;

		/* Everything before the checkpoint was synced before the checkpoint was written. */
		if (i + 1 < store->segment_count && segment->end <= store->checkpoint_end)
			continue;
		rv__log_path(store, segment->start, path);
		fd = i + 1 == store->segment_count ? store->active_fd : io->open(io->arg, path, O_RDWR);
		if (fd < 0 || io->fdatasync(io->arg, fd) != 0)
			return rv__store_io_error(err, "be synced", path, errno);
		if (fd != store->active_fd)
			(void)io->close(io->arg, fd);
	}
	snprintf(path, sizeof path, "%s/log", store->directory);
	if (io->sync_directory(io->arg, path) != 0)
		return rv__store_io_error(err, "be synced", path, errno);
	return RV_OK;
}

static rv_err open_parts(rv__store *store, struct rv_error *err)
{
	rv_err code = make_directories(store, err);

	if (code == RV_OK)
		code = take_lock(store, err);
	if (code == RV_OK)
		code = rv__log_load(store, err);
	if (code == RV_OK)
		code = load_identity(store, err);
	if (code == RV_OK)
		code = rv__recover(store, err);
	if (code == RV_OK && store->segment_count)
		code = rv__log_open_active(store, err);
	if (code == RV_OK && store->checkpoint_due)
		code = sync_recovered(store, err);
	if (code == RV_OK)
		code = start_threads(store, err);
	/* The floors of a recovery are durable before anything is served. */
	if (code == RV_OK && store->checkpoint_due)
		code = rv__checkpoint_save(store, RV__CHECKPOINT_NOW, err);
	if (code == RV_OK && store->options.level == RV__STORE_WRITTEN)
		(void)rv__syncer_reserve(
		    &store->syncer, store->end); /* begins; the first write waits for it */
	store->acknowledged = store->end;
	store->last_checkpoint_ns = rv__monotonic_ns();
	return code;
}

static void free_store(rv__store *store)
{
	rv__keeper_stop(&store->keeper);
	rv__syncer_stop(&store->syncer);
	rv__documents_complete(store);
	rv__append_finish(store);
	rv__queue_table_finish(store);
	rv__log_finish(store);
	rv__files_finish(&store->files);
	if (store->lock_fd >= 0)
		(void)store->io->close(store->io->arg, store->lock_fd);
	free(store->directory);
	free(store);
}

rv_err rv__store_open(const struct rv__store_options *options, rv__store **ret_store, struct rv_error *err)
{
	rv__store *store = calloc(1, sizeof *store);
	rv_err code;

	if (store)
		store->directory = strdup(options->directory);
	if (!store || !store->directory) {
		free(store);
		return rv_error_set(err, RV_E_NOMEM, 0, RV__STORE_TOPIC, "no memory for a store");
	}
	if (strlen(store->directory) > RV__PATH_MAX - 400) {
		free(store->directory);
		free(store);
		return rv_error_set(
		    err, RV_E_INVALID, 0, RV__STORE_TOPIC, "the path of the store is too long");
	}
	store->options = *options;
	store->options.directory = store->directory;
	set_defaults(&store->options);
	store->io = options->io ? options->io : &rv__io_system;
	store->files.io = store->io;
	store->lock_fd = store->active_fd = -1;
	store->staged = (struct rv__buffer)RV__BUFFER_INIT(2 * RV__STAGED_MAX);
	(void)store->io->boot_id(store->io->arg, store->boot_id);
	code = open_parts(store, err);
	if (code != RV_OK) {
		free_store(store);
		return code;
	}
	rv__retention_look(store);
	*ret_store = store;
	return RV_OK;
}

void rv__store_close(rv__store *store)
{
	struct rv_error err = {0};
	int failed;

	if (!store)
		return;
	if (rv__store_write(store, NULL, &err) != RV_OK)
		rv_log(RV_LOG_ERROR, RV__STORE_TOPIC, "at the end of '%s': %s", store->directory, err.text);
	failed = rv__syncer_wait(&store->syncer, store->end);
	if (!failed) {
		rv__publish(store, store->end);
		(void)rv__keeper_wait(&store->keeper);
		if (rv__checkpoint_save(store, RV__CHECKPOINT_LAST, &err) != RV_OK)
			rv_log(RV_LOG_WARN, RV__STORE_TOPIC, "the next start of '%s' will take longer: %s",
			    store->directory, err.text);
		if (store->options.level == RV__STORE_WRITTEN)
			(void)rv__reservation_write(
			    store->io, store->directory, store->id, store->boot_id, store->end);
	} else {
		rv_log(RV_LOG_ERROR, RV__STORE_TOPIC, "the end of the log of '%s' could not be synced: %s",
		    store->directory, strerror(failed));
	}
	free_store(store);
}

/* -- keeping house ---------------------------------------------------------------------------- */

void rv__store_tick(rv__store *store)
{
	int64_t now = rv__monotonic_ns();
	struct rv_error err = {0};
	bool due;

	sum_warnings_up(store, now);
	if (store->index_stuck && rv__index_flush_all(store, NULL) == RV_OK)
		rv_log(
		    RV_LOG_INFO, RV__STORE_TOPIC, "the index of '%s' can be written again", store->directory);
	if (now - store->last_space_ns > SPACE_NS || store->stats.disk_full || store->no_space) {
		store->last_space_ns = now;
		rv__retention_look(store);
	}
	due = store->checkpoint_due || store->published - store->checkpoint_end > CHECKPOINT_BYTES ||
	    (store->published > store->checkpoint_end && now - store->last_checkpoint_ns > CHECKPOINT_NS) ||
	    rv__retention_due(store);
	if (due && !store->syncer.broken && rv__checkpoint_save(store, RV__CHECKPOINT_LATER, &err) != RV_OK)
		rv_log(RV_LOG_WARN, RV__STORE_TOPIC, "no checkpoint of '%s' now: %s", store->directory,
		    err.text);
}

void rv__store_stats(const rv__store *store, struct rv__store_stats *ret_stats)
{
	*ret_stats = store->stats;
	ret_stats->log_start = rv__log_start(store);
	ret_stats->log_end = store->end;
	ret_stats->synced_end = store->syncer.synced;
	ret_stats->syncs = store->syncer.syncs;
	ret_stats->queues = store->queue_count;
	ret_stats->segments = store->segment_count;
	ret_stats->read_only = store->syncer.broken;
}
