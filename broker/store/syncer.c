/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/store/syncer.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/wait.h"
#include "broker/store/crc32c.h"
#include "broker/store/files.h"

#include <rivulet/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* reservation: magic (8), store id (8), reserved (8), boot id (64), CRC-32C (4) */
enum {
	LAZY_MS = 500,
	RESERVE_LEAST = 256 << 10,
	RESERVE_MOST = 64 << 20,
	URGENT_BYTES = 16 << 20, /* at level written: no more than this waits for the clock */
	RESERVATION_SIZE = 8 + 8 + 8 + RV__BOOT_ID_SIZE + 4
};

static const char reservation_magic[8] = "RVRESV01";

int rv__reservation_write(
    const struct rv__io *io, const char *directory, uint64_t store_id, const char *boot_id, int64_t reserved)
{
	uint8_t bytes[RESERVATION_SIZE] = {0};
	char path[RV__PATH_MAX];

	memcpy(bytes, reservation_magic, 8);
	rv__put_u64(bytes + 8, store_id);
	rv__put_u64(bytes + 16, (uint64_t)reserved);
	snprintf((char *)bytes + 24, RV__BOOT_ID_SIZE, "%s", boot_id);
	rv__put_u32(bytes + RESERVATION_SIZE - 4, rv__crc32c(0, bytes, RESERVATION_SIZE - 4));
	snprintf(path, sizeof path, "%s/reservation", directory);
	return rv__io_replace(io, directory, path, NULL, bytes, sizeof bytes);
}

bool rv__reservation_read(const struct rv__io *io, const char *directory, uint64_t store_id,
    char boot_id[RV__BOOT_ID_SIZE], int64_t *ret_reserved)
{
	uint8_t bytes[RESERVATION_SIZE];
	char path[RV__PATH_MAX];
	ssize_t length;
	int fd;

	snprintf(path, sizeof path, "%s/reservation", directory);
	fd = io->open(io->arg, path, O_RDONLY);
	if (fd < 0)
		return false;
	length = rv__io_read(io, fd, bytes, sizeof bytes, 0);
	(void)io->close(io->arg, fd);
	if (length != RESERVATION_SIZE || memcmp(bytes, reservation_magic, 8) != 0 ||
	    rv__get_u64(bytes + 8) != store_id ||
	    rv__get_u32(bytes + RESERVATION_SIZE - 4) != rv__crc32c(0, bytes, RESERVATION_SIZE - 4))
		return false;
	*ret_reserved = (int64_t)rv__get_u64(bytes + 16);
	memcpy(boot_id, bytes + 24, RV__BOOT_ID_SIZE);
	boot_id[RV__BOOT_ID_SIZE - 1] = '\0';
	return true;
}

/* Locks: held. Whether the thread has something to do now. */
static bool has_work(const struct rv__syncer *syncer)
{
	if (syncer->newborn || syncer->reserve_wanted > syncer->reserved)
		return true;
	return syncer->written > syncer->synced || syncer->retired_count > 0;
}

/* Locks: held. Level written: lets a half second of writes gather, unless somebody waits. */
static void gather(struct rv__syncer *syncer)
{
	int64_t until_ns = rv__monotonic_ns() + (int64_t)LAZY_MS * 1000000;

	while (!syncer->eager && !syncer->urgent && !syncer->stop &&
	    syncer->reserve_wanted <= syncer->reserved && syncer->written - syncer->synced < URGENT_BYTES)
		if (!rv__wait_until(&syncer->wake, &syncer->lock, until_ns))
			break;
}

/* Locks: not held. Syncs what a snapshot of the state names; errno code. */
static int sync_files(struct rv__syncer *syncer, const int *retired, int count, bool directory, int active)
{
	const struct rv__io *io = syncer->io;
	char path[RV__PATH_MAX];
	int failed = 0;

	for (int i = 0; i < count; i++) {
		if (!failed && io->fdatasync(io->arg, retired[i]) != 0)
			failed = errno ? errno : EIO;
		(void)io->close(io->arg, retired[i]);
	}
	snprintf(path, sizeof path, "%s/log", syncer->directory);
	if (!failed && directory && io->sync_directory(io->arg, path) != 0)
		failed = errno ? errno : EIO;
	if (!failed && active >= 0 && io->fdatasync(io->arg, active) != 0)
		failed = errno ? errno : EIO;
	return failed;
}

/* Locks: held on entry and exit, released in between. */
static void sync_once(struct rv__syncer *syncer)
{
	int retired[RV__RETIRED_MAX];
	int count = syncer->retired_count;
	int64_t end = syncer->written;
	bool directory = syncer->directory_changed;
	int active = syncer->active_fd;
	int failed;

	memcpy(retired, syncer->retired, sizeof retired);
	syncer->retired_count = 0;
	syncer->directory_changed = false;
	syncer->urgent = false;
	pthread_mutex_unlock(&syncer->lock);
	failed = sync_files(syncer, retired, count, directory, active);
	pthread_mutex_lock(&syncer->lock);
	syncer->syncs++;
	if (failed) {
		syncer->failed = failed;
		syncer->broken = true;
	} else {
		syncer->synced = end;
	}
}

/* Locks: held on entry and exit, released in between. */
static void reserve_once(struct rv__syncer *syncer)
{
	int64_t wanted = syncer->reserve_wanted;
	int failed;

	pthread_mutex_unlock(&syncer->lock);
	failed =
	    rv__reservation_write(syncer->io, syncer->directory, syncer->store_id, syncer->boot_id, wanted);
	failed = failed ? (errno ? errno : EIO) : 0;
	pthread_mutex_lock(&syncer->lock);
	if (failed) {
		/* Not written is not synced wrongly: whoever waits hears of it and may try again. */
		rv_log(RV_LOG_ERROR, "store", "the reservation in '%s' cannot be written: %s",
		    syncer->directory, strerror(failed));
		syncer->reserve_wanted = syncer->reserved;
	} else {
		syncer->reserved = wanted;
	}
}

static int sync_path(const struct rv__io *io, const char *path)
{
	int fd = io->open(io->arg, path, O_RDWR);
	int failed = fd < 0 || io->fdatasync(io->arg, fd) != 0;
	int saved = errno;

	if (fd >= 0)
		(void)io->close(io->arg, fd);
	return failed ? (saved ? saved : EIO) : 0;
}

/*
 * Locks: held on entry and exit, released in between. A new store becomes durable while its owner goes on
 * starting.
 */
static void settle(struct rv__syncer *syncer)
{
	static const char *const names[] = {"identity", "identity.copy"};
	const struct rv__io *io = syncer->io;
	char path[RV__PATH_MAX];
	int failed = 0;

	pthread_mutex_unlock(&syncer->lock);
	for (size_t i = 0; i < 2 && !failed; i++) {
		snprintf(path, sizeof path, "%s/%s", syncer->directory, names[i]);
		failed = sync_path(io, path);
	}
	rv__io_parent(syncer->directory, path, sizeof path);
	if (!failed &&
	    (io->sync_directory(io->arg, syncer->directory) != 0 || io->sync_directory(io->arg, path) != 0))
		failed = errno ? errno : EIO;
	pthread_mutex_lock(&syncer->lock);
	if (failed) {
		syncer->failed = failed;
		syncer->broken = true;
	}
	syncer->newborn = false;
}

static void *run(void *arg)
{
	struct rv__syncer *syncer = arg;

	pthread_mutex_lock(&syncer->lock);
	while (!syncer->broken) {
		if (!has_work(syncer)) {
			if (syncer->stop)
				break;
			syncer->asleep = true;
			pthread_cond_wait(&syncer->wake, &syncer->lock);
			syncer->asleep = false;
			continue;
		}
		gather(syncer);
		if (syncer->newborn)
			settle(syncer);
		if (!syncer->broken && syncer->reserve_wanted > syncer->reserved)
			reserve_once(syncer);
		if (!syncer->broken && (syncer->written > syncer->synced || syncer->retired_count > 0))
			sync_once(syncer);
		pthread_cond_broadcast(&syncer->done);
		pthread_mutex_unlock(&syncer->lock);
		syncer->progress(syncer->arg);
		pthread_mutex_lock(&syncer->lock);
	}
	pthread_cond_broadcast(&syncer->done);
	pthread_mutex_unlock(&syncer->lock);
	return NULL;
}

int rv__syncer_start(struct rv__syncer *syncer)
{
	int failed;

	if (!rv__wait_init(&syncer->lock, &syncer->wake))
		return ENOMEM;
	pthread_cond_init(&syncer->done, NULL);
	syncer->reserve_wanted = syncer->reserved;
	failed = pthread_create(&syncer->thread, NULL, run, syncer);
	syncer->started = failed == 0;
	return failed;
}

void rv__syncer_stop(struct rv__syncer *syncer)
{
	if (!syncer->started)
		return;
	pthread_mutex_lock(&syncer->lock);
	syncer->stop = true;
	pthread_cond_signal(&syncer->wake);
	pthread_mutex_unlock(&syncer->lock);
	pthread_join(syncer->thread, NULL);
	for (int i = 0; i < syncer->retired_count; i++)
		(void)syncer->io->close(syncer->io->arg, syncer->retired[i]);
	syncer->retired_count = 0;
	pthread_cond_destroy(&syncer->wake);
	pthread_cond_destroy(&syncer->done);
	pthread_mutex_destroy(&syncer->lock);
	syncer->started = false;
}

void rv__syncer_written(struct rv__syncer *syncer, int64_t end)
{
	bool wake;

	pthread_mutex_lock(&syncer->lock);
	syncer->written = end;
	/* While it works or gathers it looks again by itself. */
	wake = syncer->asleep || (!syncer->eager && end - syncer->synced >= URGENT_BYTES);
	if (wake)
		pthread_cond_signal(&syncer->wake);
	pthread_mutex_unlock(&syncer->lock);
}

void rv__syncer_roll(struct rv__syncer *syncer, int old, int fresh)
{
	pthread_mutex_lock(&syncer->lock);
	while (syncer->retired_count == RV__RETIRED_MAX && !syncer->broken) {
		syncer->urgent = true;
		pthread_cond_signal(&syncer->wake);
		pthread_cond_wait(&syncer->done, &syncer->lock);
	}
	if (old >= 0 && syncer->retired_count < RV__RETIRED_MAX)
		syncer->retired[syncer->retired_count++] = old;
	else if (old >= 0)
		(void)syncer->io->close(syncer->io->arg, old);
	syncer->active_fd = fresh;
	syncer->directory_changed = true;
	pthread_mutex_unlock(&syncer->lock);
}

int rv__syncer_wait(struct rv__syncer *syncer, int64_t end)
{
	int failed;

	pthread_mutex_lock(&syncer->lock);
	while ((syncer->synced < end || syncer->newborn) && !syncer->broken) {
		syncer->urgent = true;
		pthread_cond_signal(&syncer->wake);
		pthread_cond_wait(&syncer->done, &syncer->lock);
	}
	failed = syncer->synced >= end && !syncer->newborn ? 0 : syncer->failed;
	pthread_mutex_unlock(&syncer->lock);
	return failed;
}

/*
 * Locks: held. What is reserved and not used costs skipped offsets after a power loss, what is not reserved
 * costs waiting: so a slow log reserves little, and each request within a second of the last one doubles
 * that.
 */
static void want_more(struct rv__syncer *syncer, int64_t end)
{
	int64_t now = rv__monotonic_ns();

	if (syncer->reserve_step && syncer->reserve_wanted - end >= syncer->reserve_step / 2)
		return;
	if (now - syncer->reserve_ns > 1000000000 || !syncer->reserve_step)
		syncer->reserve_step = RESERVE_LEAST;
	else if (syncer->reserve_step < RESERVE_MOST)
		syncer->reserve_step *= 2;
	syncer->reserve_ns = now;
	syncer->reserve_wanted = end + syncer->reserve_step;
	pthread_cond_signal(&syncer->wake);
}

int rv__syncer_reserve(struct rv__syncer *syncer, int64_t end)
{
	int failed = 0;

	pthread_mutex_lock(&syncer->lock);
	want_more(syncer, end);
	/* Normally there is room ahead, and nobody waits. */
	while (syncer->reserved < end && !failed) {
		if (syncer->broken)
			failed = syncer->failed;
		else if (syncer->reserve_wanted <= syncer->reserved)
			failed = ENOSPC;
		else
			pthread_cond_wait(&syncer->done, &syncer->lock);
	}
	pthread_mutex_unlock(&syncer->lock);
	return failed;
}
