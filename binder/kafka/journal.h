/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which messages are in work, and in how many lives of this process they were when it ended without a word: Kafka counts
 * no deliveries, so a message that kills its listener's process would come again for ever. A file of fixed places,
 * mapped into memory: what was written survives the process (not the machine), and costs a few stores.
 *
 * A message has a place from the moment a listener is about to see it until the process outlived that: only what was in
 * a listener's hands when the process ended is blamed, whatever was fetched ahead, waited for a worker or was finished
 * and not stored yet. Its count stays until it is settled, or reading begins behind it.
 *
 * Layout, host byte order: 8 bytes "RVJRNL02", 8 bytes group (FNV-1a), then places of 32 bytes:
 * topic (FNV-1a) 8, partition 4, starts 4 (0: the place is free), offset 8, unused 8.
 *
 * Threads: any.
 */
#ifndef BINDER_KAFKA_JOURNAL_H
#define BINDER_KAFKA_JOURNAL_H

#include <stdbool.h>

#include <rivulet/error.h>

struct rv__journal;

/* A partition, as the journal names it. */
struct rv__journal_key {
	uint64_t topic;
	int32_t partition;
};

/** Opens or makes `<directory>/<group>.attempts`. RV_E_CONFIG with a sentence when that cannot be. */
rv_err rv__journal_open(
    const char *directory, const char *group, struct rv__journal **ret_journal, struct rv_error *err);
/** What is in work still counts as if the process had ended: rv__journal_outlive_all() before, if it has not. */
void rv__journal_close(struct rv__journal *journal);

struct rv__journal_key rv__journal_key(const char *topic, int32_t partition);

/** In how many earlier lives the process ended with that message in work. */
int32_t rv__journal_starts(struct rv__journal *journal, struct rv__journal_key key, int64_t offset);

/** A listener is about to see it. False: all 4096 places are taken, it is not counted. */
bool rv__journal_begin(struct rv__journal *journal, struct rv__journal_key key, int64_t offset);

/** The listener returned: this start does not count. */
void rv__journal_outlive(struct rv__journal *journal, struct rv__journal_key key, int64_t offset);

/** Likewise for all of the partition that are in work; their listeners are left to themselves. */
void rv__journal_outlive_all(struct rv__journal *journal, struct rv__journal_key key);

/** It is settled: it never comes again. */
void rv__journal_settle(struct rv__journal *journal, struct rv__journal_key key, int64_t offset);

/** Reading begins at that offset: what is before it never comes again. */
void rv__journal_forget_before(struct rv__journal *journal, struct rv__journal_key key, int64_t offset);

#endif
