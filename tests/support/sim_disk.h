/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory behind struct rv__io that fails on demand and forgets like a real one: what was not synced
 * (file contents by fdatasync, names by sync_directory) is at risk when the power goes.
 *
 * Threads: any.
 */
#ifndef SUPPORT_SIM_DISK_H
#define SUPPORT_SIM_DISK_H

#include "broker/store/io.h"

#include <pthread.h>

enum { SIM_NAMES_MAX = 512, SIM_FDS_MAX = 512 };

struct sim_inode;

/* A directory entry; `durable` ones come back after a power loss. */
struct sim_name {
	char path[200];
	struct sim_inode *now;     /* NULL: not there */
	struct sim_inode *durable; /* NULL: not there after a power loss */
};

struct sim_disk {
	struct rv__io io; /* hand this to the store */
	pthread_mutex_t lock;
	struct sim_name names[SIM_NAMES_MAX];
	size_t name_count;
	struct sim_inode *fds[SIM_FDS_MAX];
	struct sim_inode *inodes; /* all that were ever made */
	unsigned boots;

	/* Faults. */
	uint64_t calls;   /* that change something or sync, so far */
	uint64_t fail_at; /* this call fails (1 is the first); 0: none */
	bool fail_on;     /* and all later ones */
	int fail_errno;
	uint64_t reads; /* pread calls so far */
	uint64_t fail_read_at;
	int64_t space; /* bytes that files may have together; -1: no limit */
	bool failed;   /* a fault struck */
};

void sim_disk_init(struct sim_disk *disk);
void sim_disk_finish(struct sim_disk *disk);

/** The n-th changing call from now on fails (1: the next one); for good: so do all after it. */
void sim_disk_fail_after(struct sim_disk *disk, uint64_t n, bool for_good, int number);

/**
 * What a power failure leaves. strict: nothing that was not synced; otherwise each unsynced sector of 512
 * bytes
 * and each unsynced name is kept or lost by chance of `seed`. Clears faults; open descriptors are void.
 */
void sim_disk_power_loss(struct sim_disk *disk, bool strict, uint64_t seed);
/** What the death of the process leaves: everything. Clears faults; open descriptors are void. */
void sim_disk_process_death(struct sim_disk *disk);

/** Bytes of a file to look at or damage in place, borrowed; NULL when there is none. */
uint8_t *sim_disk_bytes(struct sim_disk *disk, const char *path, size_t *ret_length);
void sim_disk_truncate(struct sim_disk *disk, const char *path, size_t length);
/** Replaces or creates a file (parents must exist). */
void sim_disk_put(struct sim_disk *disk, const char *path, const uint8_t *bytes, size_t length);
/** Removes every file whose path begins so. */
void sim_disk_remove(struct sim_disk *disk, const char *prefix);
/** A copy to come back to: everything is taken as durable. */
void sim_disk_copy(struct sim_disk *to, struct sim_disk *from);

#endif
