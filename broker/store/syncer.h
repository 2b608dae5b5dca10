/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that makes the log durable: one fdatasync for everything that was written before it began (group
 * commit). Its first failure is final, since the kernel may have dropped the pages that it could not write:
 * a later success would prove nothing.
 *
 * At level written it also keeps the reservation: a file that says how far the log may have been
 * written (and served) at most, so that after power loss no queue offset is issued a second time.
 */
#ifndef BROKER_STORE_SYNCER_H
#define BROKER_STORE_SYNCER_H

#include "broker/store/io.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { RV__RETIRED_MAX = 64 };

struct rv__syncer {
	const struct rv__io *io;
	const char *directory; /* of the store; borrowed */
	const char *boot_id;   /* borrowed */
	uint64_t store_id;
	bool eager; /* level synced: as soon as something was written; else twice a second */
	void (*progress)(void *arg);
	void *arg;

	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t wake;  /* for the thread */
	pthread_cond_t done;  /* for those who wait for a sync or a reservation */
	int active_fd;
	int retired[RV__RETIRED_MAX]; /* full files: to be synced and closed by the thread */
	int retired_count;
	bool directory_changed; /* a file was created */
	bool
	    newborn; /* identity and directories of a new store are not synced yet; nothing is, before they are */
	bool urgent; /* somebody waits: no delay */
	bool asleep;
	bool stop;
	int64_t written;  /* end of the log */
	int64_t reserved; /* durable; 0 at level synced */
	int64_t reserve_wanted;
	int64_t reserve_step; /* how far it goes ahead: more, the faster the log grows */
	int64_t reserve_ns;   /* when it was last wanted to go on */
	int failed;           /* errno of the sync that failed, 0: none */
	/* Written under the lock, read by anybody. */
	_Atomic int64_t synced;
	_Atomic uint64_t syncs;
	_Atomic bool broken; /* failed != 0 */
};

/**
 * Prepares the members above from what the caller filled in (io .. arg, active_fd, newborn, written,
 * synced, reserved) and starts the thread; errno code.
 */
int rv__syncer_start(struct rv__syncer *syncer);
/** Syncs what is left, ends and joins the thread, closes the retired files. */
void rv__syncer_stop(struct rv__syncer *syncer);
/** The log has grown to `end`. */
void rv__syncer_written(struct rv__syncer *syncer, int64_t end);
/** A new active file; `old` (-1: none) is closed by the thread once it is synced. */
void rv__syncer_roll(struct rv__syncer *syncer, int old, int fresh);
/**
 * Waits until everything below `end` is synced; 0 or the errno of the failure. Not from the thread itself.
 */
int rv__syncer_wait(struct rv__syncer *syncer, int64_t end);
/** Waits until the reservation covers `end`; 0 or errno. */
int rv__syncer_reserve(struct rv__syncer *syncer, int64_t end);

/** Writes the reservation file at once (open uses it before the thread runs). */
int rv__reservation_write(
    const struct rv__io *io, const char *directory, uint64_t store_id, const char *boot_id, int64_t reserved);
/** Reads it; false: there is none that can be trusted. */
bool rv__reservation_read(const struct rv__io *io, const char *directory, uint64_t store_id,
    char boot_id[RV__BOOT_ID_SIZE], int64_t *ret_reserved);

#endif
