/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/store/keeper.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "broker/store/files.h"

#include <rivulet/log.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rv__checkpoint_free(struct rv__checkpoint *checkpoint)
{
	if (!checkpoint)
		return;
	for (size_t i = 0; i < checkpoint->file_count + checkpoint->directory_count; i++)
		free(checkpoint->paths[i]);
	for (size_t i = 0; i < checkpoint->doomed_count; i++)
		free(checkpoint->doomed[i]);
	free(checkpoint->paths);
	free(checkpoint->doomed);
	free(checkpoint->bytes);
	free(checkpoint);
}

static void free_document(struct rv__document *document)
{
	free(document->bytes);
	free(document);
}

/* Locks: not held. Writes one document; fills *err on failure. */
static rv_err save_document(
    struct rv__keeper *keeper, const struct rv__document *document, struct rv_error *err)
{
	char directory[RV__PATH_MAX];
	char path[RV__PATH_MAX + 96];
	char keep[RV__PATH_MAX + 96];
	int failed = rv__syncer_wait(keeper->syncer, document->after);

	snprintf(directory, sizeof directory, "%s/config", keeper->directory);
	snprintf(path, sizeof path, "%s/%s.json", directory, document->name);
	snprintf(keep, sizeof keep, "%s/%s.json.old", directory, document->name);
	if (!failed &&
	    rv__io_replace(keeper->io, directory, path, keep, document->bytes, document->length) != 0)
		failed = errno ? errno : EIO;
	if (!failed)
		return RV_OK;
	rv_error_set(err, failed == ENOSPC ? RV_E_FULL : RV_E_IO, RV__N_STORE_DOCUMENT_SAVE, "store",
	    "'%s' cannot be saved: %s; free space or repair the disk, the change is not durable", path,
	    strerror(failed));
	if (err)
		err->native = failed;
	rv_log(RV_LOG_ERROR, "store", "RV%04d %s", RV__N_STORE_DOCUMENT_SAVE, err->text);
	return err->code;
}

/* Locks: held on entry and exit, released in between. Takes the first document and completes it. */
static void run_document(struct rv__keeper *keeper)
{
	struct rv__document *document = keeper->documents;
	struct rv__waiter *last;
	struct rv_error err = {0};
	rv_err code;

	keeper->documents = document->next;
	pthread_mutex_unlock(&keeper->lock);
	code = save_document(keeper, document, &err);
	pthread_mutex_lock(&keeper->lock);
	last = document->waiters;
	for (struct rv__waiter *w = document->waiters; w; w = w->next) {
		w->code = code;
		w->err = err;
		last = w;
	}
	if (last) {
		/* Behind those that finished before. */
		struct rv__waiter **end = &keeper->finished;

		while (*end)
			end = &(*end)->next;
		*end = document->waiters;
	}
	free_document(document);
	if (last) {
		pthread_mutex_unlock(&keeper->lock);
		keeper->progress(keeper->arg);
		pthread_mutex_lock(&keeper->lock);
	}
}

static void run_documents(struct rv__keeper *keeper)
{
	pthread_mutex_lock(&keeper->lock);
	while (keeper->documents)
		run_document(keeper);
	pthread_mutex_unlock(&keeper->lock);
}

static int sync_file(const struct rv__io *io, const char *path)
{
	int fd = io->open(io->arg, path, O_RDWR);
	int failed = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : errno; /* a removed index is rebuilt */
	if (io->fdatasync(io->arg, fd) != 0)
		failed = errno ? errno : EIO;
	(void)io->close(io->arg, fd);
	return failed;
}

/* Removes old log files, oldest first, so that what remains has no hole. */
static void remove_doomed(struct rv__keeper *keeper, const struct rv__checkpoint *checkpoint)
{
	char path[RV__PATH_MAX];

	for (size_t i = 0; i < checkpoint->doomed_count; i++)
		if (keeper->io->unlink(keeper->io->arg, checkpoint->doomed[i]) != 0 && errno != ENOENT)
			rv_log(RV_LOG_WARN, "store", "the old log file '%s' cannot be removed: %s",
			    checkpoint->doomed[i], strerror(errno));
	snprintf(path, sizeof path, "%s/log", keeper->directory);
	if (checkpoint->doomed_count)
		(void)keeper->io->sync_directory(keeper->io->arg, path);
}

/* Locks: not held. */
static rv_err save_checkpoint(struct rv__keeper *keeper, const struct rv__checkpoint *checkpoint)
{
	const struct rv__io *io = keeper->io;
	char path[RV__PATH_MAX];
	int failed = rv__syncer_wait(keeper->syncer, checkpoint->after);

	for (size_t i = 0; i < checkpoint->file_count && !failed; i++) {
		failed = sync_file(io, checkpoint->paths[i]);
		run_documents(keeper); /* somebody waits for those, nobody for this */
	}
	for (size_t i = 0; i < checkpoint->directory_count && !failed; i++)
		if (io->sync_directory(io->arg, checkpoint->paths[checkpoint->file_count + i]) != 0 &&
		    errno != ENOENT)
			failed = errno ? errno : EIO;
	snprintf(path, sizeof path, "%s/%s", keeper->directory, checkpoint->name);
	if (!failed &&
	    rv__io_replace(io, keeper->directory, path, NULL, checkpoint->bytes, checkpoint->length) != 0)
		failed = errno ? errno : EIO;
	if (failed) {
		rv_log(RV_LOG_ERROR, "store",
		    "the checkpoint '%s' cannot be written: %s; the next start will take longer", path,
		    strerror(failed));
		return RV_E_IO;
	}
	remove_doomed(keeper, checkpoint);
	return RV_OK;
}

/* Locks: held on entry and exit, released in between. */
static void run_checkpoint(struct rv__keeper *keeper)
{
	struct rv__checkpoint *checkpoint = keeper->checkpoint;
	int64_t began = rv__monotonic_ns();
	rv_err result;

	pthread_mutex_unlock(&keeper->lock);
	result = save_checkpoint(keeper, checkpoint);
	pthread_mutex_lock(&keeper->lock);
	keeper->checkpoint_result = result;
	keeper->checkpoint_ns = rv__monotonic_ns() - began;
	keeper->checkpoint = NULL;
	rv__checkpoint_free(checkpoint);
}

static void *run(void *arg)
{
	struct rv__keeper *keeper = arg;

	pthread_mutex_lock(&keeper->lock);
	for (;;) {
		if (!keeper->documents && !keeper->checkpoint) {
			if (keeper->stop)
				break;
			keeper->busy = false;
			pthread_cond_broadcast(&keeper->done);
			pthread_cond_wait(&keeper->wake, &keeper->lock);
			continue;
		}
		keeper->busy = true;
		if (keeper->documents)
			run_document(keeper);
		else
			run_checkpoint(keeper);
	}
	keeper->busy = false;
	pthread_cond_broadcast(&keeper->done);
	pthread_mutex_unlock(&keeper->lock);
	return NULL;
}

int rv__keeper_start(struct rv__keeper *keeper)
{
	int failed;

	pthread_mutex_init(&keeper->lock, NULL);
	pthread_cond_init(&keeper->wake, NULL);
	pthread_cond_init(&keeper->done, NULL);
	failed = pthread_create(&keeper->thread, NULL, run, keeper);
	keeper->started = failed == 0;
	return failed;
}

void rv__keeper_stop(struct rv__keeper *keeper)
{
	if (!keeper->started)
		return;
	pthread_mutex_lock(&keeper->lock);
	keeper->stop = true;
	pthread_cond_signal(&keeper->wake);
	pthread_mutex_unlock(&keeper->lock);
	pthread_join(keeper->thread, NULL);
	pthread_cond_destroy(&keeper->wake);
	pthread_cond_destroy(&keeper->done);
	pthread_mutex_destroy(&keeper->lock);
	keeper->started = false;
}

static void append_waiter(struct rv__document *document, struct rv__waiter *waiter)
{
	struct rv__waiter **end = &document->waiters;

	while (*end)
		end = &(*end)->next;
	*end = waiter;
}

rv_err rv__keeper_save(struct rv__keeper *keeper, const char *name, uint8_t *bytes, size_t length,
    int64_t after, struct rv__waiter *waiter)
{
	struct rv__document *document;
	struct rv__document **slot;

	pthread_mutex_lock(&keeper->lock);
	for (slot = &keeper->documents; *slot && strcmp((*slot)->name, name) != 0;)
		slot = &(*slot)->next;
	document = *slot;
	if (!document) {
		document = calloc(1, sizeof *document);
		if (!document) {
			pthread_mutex_unlock(&keeper->lock);
			return RV_E_NOMEM;
		}
		snprintf(document->name, sizeof document->name, "%s", name);
		*slot = document;
	}
	free(document->bytes);
	document->bytes = bytes;
	document->length = length;
	document->after = after;
	append_waiter(document, waiter);
	pthread_cond_signal(&keeper->wake);
	pthread_mutex_unlock(&keeper->lock);
	return RV_OK;
}

void rv__keeper_checkpoint(struct rv__keeper *keeper, struct rv__checkpoint *checkpoint)
{
	pthread_mutex_lock(&keeper->lock);
	assert(!keeper->checkpoint);
	keeper->checkpoint = checkpoint;
	pthread_cond_signal(&keeper->wake);
	pthread_mutex_unlock(&keeper->lock);
}

rv_err rv__keeper_result(struct rv__keeper *keeper)
{
	rv_err result;

	pthread_mutex_lock(&keeper->lock);
	result = keeper->checkpoint_result;
	pthread_mutex_unlock(&keeper->lock);
	return result;
}

bool rv__keeper_checkpointing(struct rv__keeper *keeper)
{
	bool result;

	pthread_mutex_lock(&keeper->lock);
	result = keeper->checkpoint != NULL;
	pthread_mutex_unlock(&keeper->lock);
	return result;
}

rv_err rv__keeper_wait(struct rv__keeper *keeper)
{
	rv_err result;

	pthread_mutex_lock(&keeper->lock);
	while (keeper->documents || keeper->checkpoint || keeper->busy)
		pthread_cond_wait(&keeper->done, &keeper->lock);
	result = keeper->checkpoint_result;
	pthread_mutex_unlock(&keeper->lock);
	return result;
}

struct rv__waiter *rv__keeper_finished(struct rv__keeper *keeper)
{
	struct rv__waiter *finished;
	bool shared = keeper->started; /* a stopped keeper has neither a thread nor a lock */

	if (shared)
		pthread_mutex_lock(&keeper->lock);
	finished = keeper->finished;
	keeper->finished = NULL;
	if (shared)
		pthread_mutex_unlock(&keeper->lock);
	return finished;
}
