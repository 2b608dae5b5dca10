/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which message of a partition is being worked on, and in how many lives of this process it was: Kafka counts no
 * deliveries, so a message that kills its listener's process would come again for ever. A file of fixed
 * places, mapped into memory: what was written survives the process (not the machine), and costs two stores.
 *
 * Only the oldest unsettled message of a partition is counted, since listeners take a partition in order; what
 * waits behind it is innocent.
 *
 * Layout, host byte order: 8 bytes "RVJRNL01", 8 bytes group (FNV-1a), then places of 32 bytes:
 * topic (FNV-1a) 8, partition 4, starts 4, offset 8, in use 8.
 */
#ifndef BINDER_KAFKA_JOURNAL_H
#define BINDER_KAFKA_JOURNAL_H

#include <rivulet/error.h>

struct rv__journal;

/* One partition's place in the file. */
struct rv__journal_mark {
	uint64_t topic;
	int32_t partition;
	uint32_t starts;
	int64_t offset;
	uint64_t used;
};

/** Opens or makes `<directory>/<group>.attempts`. RV_E_CONFIG with a sentence when that cannot be. */
rv_err rv__journal_open(
    const char *directory, const char *group, struct rv__journal **ret_journal, struct rv_error *err);
void rv__journal_close(struct rv__journal *journal);

/** The place of a partition, made on first use; NULL when the file is full (4096). One thread. */
struct rv__journal_mark *rv__journal_mark(struct rv__journal *journal, const char *topic, int32_t partition);

/** How often earlier lives of the process began with that message. */
int32_t rv__journal_starts(const struct rv__journal_mark *mark, int64_t offset);

/** That message is the oldest unsettled one now. */
void rv__journal_begin(struct rv__journal_mark *mark, int64_t offset);

/** The process outlived that message, though it was not settled: this start does not count. */
void rv__journal_forgive(struct rv__journal_mark *mark, int64_t offset);

#endif
