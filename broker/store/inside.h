/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a store, shared by the files of this folder and by nobody else.
 *
 * Everything here belongs to the loop's thread, except struct rv__syncer and struct rv__keeper, which have
 * their own locks; neither lock is held while the other is taken.
 */
#ifndef BROKER_STORE_INSIDE_H
#define BROKER_STORE_INSIDE_H

#include "broker/store/batch.h"
#include "broker/store/files.h"
#include "broker/store/io.h"
#include "broker/store/keeper.h"
#include "broker/store/store.h"
#include "broker/store/syncer.h"

#define RV__STORE_TOPIC "store" /* of log lines and errors */

enum {
	RV__TAIL_MAX = 128,        /* entries that a queue keeps in memory before they go to its index file */
	RV__TAILS_MAX = 32768,     /* entries that all queues keep together */
	RV__PENDING_MAX = 1 << 18, /* messages added and not yet visible */
	RV__STAGED_MAX = 64 << 20, /* bytes of one write */
	RV__UNSYNCED_MAX = 256 << 20, /* bytes written and not yet synced at level synced */
	RV__SMALLEST_RECORD = RV__RECORD_FIXED + 1,
};

/* One file of the log: its bytes are [start, end) of the log. */
struct rv__segment {
	int64_t start;
	int64_t end;
	int64_t newest_ms; /* youngest message in it, 0: not known yet */
	struct rv__file file;
};

/* One message in the index. */
struct rv__entry {
	int64_t physical_offset; /* of a lost message: of the next one that is there */
	uint32_t size;           /* 0: lost */
	uint32_t proof;
	int64_t tags_code;
	int64_t store_timestamp;
};

struct rv__store_queue {
	rv__queue *next_in_bucket;
	rv__queue *next;       /* all queues of the store */
	rv__queue *next_dirty; /* those with entries in memory */
	struct rv__topic_name *topic;
	int32_t id;
	uint32_t seed;   /* starts the checksum of every index entry, so that a swapped file is noticed */
	int64_t base;    /* queue offset of the first entry of the index file */
	int64_t indexed; /* entries below are in the file; the tail goes on from here */
	int64_t max;     /* next to become visible */
	int64_t issued;  /* next to be assigned */
	int64_t cleared; /* minimum set by clearing the topic */
	int64_t min;     /* cached: first that is kept, for ... */
	int64_t min_for; /* ... this start of the log */
	int64_t punched; /* entries below gave their blocks back */
	struct rv__entry *tail; /* [indexed, indexed + tail_count) */
	uint32_t tail_count;
	uint32_t tail_capacity;
	bool dirty;    /* in the dirty list */
	bool unsynced; /* the file was written since the last checkpoint */
	bool exists;   /* the file has its header */
	struct rv__file file;
};

/* Name shared by the queues of one topic. */
struct rv__topic_name {
	struct rv__topic_name *next;
	size_t length;
	char name[];
};

/* A message that was added and is not visible yet. */
struct rv__pending {
	rv__queue *queue;
	int64_t queue_offset;
	struct rv__entry entry;
};

struct rv__store {
	/* Options with their defaults filled in. */
	struct rv__store_options options;
	const struct rv__io *io;
	char *directory; /* owned */
	uint64_t id;
	int lock_fd;
	char boot_id[RV__BOOT_ID_SIZE];
	bool newborn; /* identity or directories were written by this open and are not synced */

	/* The log. */
	struct rv__segment **segments; /* in order; the last is the active one */
	size_t segment_count;
	size_t segment_capacity;
	int active_fd;     /* of the last segment, -1 before the first write */
	int64_t end;       /* next byte to write */
	int64_t published; /* entries of everything below are in the index or its tails; a batch boundary */

	/* The batch under construction: sealed batches and an open one. */
	struct rv__buffer staged;
	size_t batch_start; /* of the open one in `staged` */
	uint8_t *rows;      /* of the open one */
	uint32_t row_count;

	/* Ring of messages on their way to be visible: [head, written) on disk, [written, tail) staged. */
	struct rv__pending *pending;
	size_t pending_capacity; /* power of two */
	size_t head, written, tail;

	/* Queues and their index. */
	rv__queue **buckets;
	size_t bucket_count; /* power of two */
	size_t queue_count;
	rv__queue *queues;
	rv__queue *dirty;
	struct rv__topic_name *topics;
	size_t tail_total;
	bool table_stale; /* a queue is not in the table on disk */
	bool index_stuck; /* an index file could not be written: no append until it can */

	struct rv__files files; /* open descriptors */
	struct rv__syncer syncer;
	struct rv__keeper keeper;
	int64_t acknowledged;

	struct rv__store_stats stats;
	bool sync_failed_seen; /* said so once */
	bool no_space;         /* the last write found none */
	bool pressure;         /* the oldest log file goes whatever its age */
	bool disk_warned;
	int64_t warnings_ns; /* when the second began in which so many damaged places were reported */
	unsigned warnings;
	int64_t last_checkpoint_ns, last_space_ns;
	int64_t checkpoint_end; /* log offset of the last checkpoint */
	bool checkpoint_due;    /* something outside the log changed (a clear) */
};

/* -- log.c: segments ---------------------------------------------------------- */

rv_err rv__log_load(rv__store *store, struct rv_error *err);
rv_err rv__log_write(rv__store *store, const uint8_t *bytes, size_t length, struct rv_error *err);
/** Bytes [offset, offset + length), all in one segment. RV_E_CORRUPT when the log does not have them. */
rv_err rv__log_read(rv__store *store, int64_t offset, void *bytes, size_t length, struct rv_error *err);
struct rv__segment *rv__log_segment(rv__store *store, int64_t offset); /* NULL: in none */
int64_t rv__log_start(const rv__store *store);
/** Cuts the log at `end`, which lies in the last segment. */
rv_err rv__log_cut(rv__store *store, int64_t end, struct rv_error *err);
void rv__log_finish(rv__store *store);
void rv__log_path(const rv__store *store, int64_t start, char path[RV__PATH_MAX]);
rv_err rv__log_open_active(rv__store *store, struct rv_error *err);

/* -- queue.c -------------------------------------------------------------------- */

rv__queue *rv__queue_find(rv__store *store, const char *topic, size_t length, int32_t id, bool create);
void rv__queue_table_finish(rv__store *store);
/** Everything but the queues' names is forgotten; for a rebuild. */
void rv__queue_table_reset(rv__store *store);

/* -- index.c --------------------------------------------------------------------- */

enum { RV__INDEX_HEADER = 64, RV__INDEX_ENTRY = 40 };

/** Adds the next entry of a queue; those that are missing before it are entered as lost. */
rv_err rv__index_add(rv__store *store, rv__queue *queue, int64_t queue_offset, const struct rv__entry *entry,
    struct rv_error *err);
/**
 * Reads up to n entries from `offset`; *ret_count is at least 1. Damaged ones are mended. RV_E_NOTFOUND
 * outside the index.
 */
rv_err rv__index_read(rv__store *store, rv__queue *queue, int64_t offset, struct rv__entry *entries,
    uint32_t n, uint32_t *ret_count, struct rv_error *err);
/** Writes the tails of all queues to their files. */
rv_err rv__index_flush_all(rv__store *store, struct rv_error *err);
/** Room for `extra` more entries in the tail, so that publishing cannot fail. */
bool rv__index_reserve(rv__queue *queue, uint32_t extra);
/** Enters messages below `upto` that are missing as lost, just before `next`. */
rv_err rv__index_fill(
    rv__store *store, rv__queue *queue, int64_t upto, const struct rv__entry *next, struct rv_error *err);
/** The stretch of the log that must hold the message of a damaged entry, and what to enter if it does not. */
void rv__index_neighbours(rv__store *store, rv__queue *queue, int64_t offset, int64_t *ret_low,
    int64_t *ret_high, struct rv__entry *ret_lost);
/** Overwrites one entry that is in the file. */
rv_err rv__index_repair(
    rv__store *store, rv__queue *queue, int64_t offset, const struct rv__entry *entry, struct rv_error *err);
/** Whether the file of a queue holds [base, indexed) and is this queue's. */
bool rv__index_check(rv__store *store, rv__queue *queue);
void rv__index_path(const rv__store *store, const rv__queue *queue, char path[RV__PATH_MAX]);
/** Removes all index files. */
void rv__index_remove_all(rv__store *store);
/** Gives the blocks of entries below the queue's minimum back. */
void rv__index_trim(rv__store *store, rv__queue *queue);
bool rv__index_name(const char *topic, size_t length, char name[256]);

/* -- checkpoint.c ------------------------------------------------------------------- */

enum rv__checkpoint_mode {
	RV__CHECKPOINT_LATER, /* in the background; nothing while one is under way */
	RV__CHECKPOINT_NOW,   /* waits for it */
	RV__CHECKPOINT_LAST /* waits; does not sync many index files, which only counts until the next boot */
};

/** Loads the queue table; RV_E_NOTFOUND, RV_E_CORRUPT. *ret_end: log offset that it covers. */
rv_err rv__checkpoint_load(rv__store *store, int64_t *ret_end, struct rv_error *err);
/** Flushes the index and hands the table to the keeper. */
rv_err rv__checkpoint_save(rv__store *store, enum rv__checkpoint_mode mode, struct rv_error *err);

/* -- recover.c ------------------------------------------------------------------------ */

rv_err rv__recover(rv__store *store, struct rv_error *err);
/** Makes a damaged entry of the index again from the log; when the message is not there, a lost one. */
void rv__index_mend(rv__store *store, rv__queue *queue, int64_t offset, struct rv__entry *ret);

/* -- retention.c ------------------------------------------------------------------------ */

/** Names the log files that are to go with this checkpoint, and forgets them. */
void rv__retention_take(rv__store *store, struct rv__checkpoint *checkpoint);
/** Whether some log file is to go. */
bool rv__retention_due(rv__store *store);
/** Looks at the disk. */
void rv__retention_look(rv__store *store);

/* -- append.c ------------------------------------------------------------------ */

void rv__publish(rv__store *store, int64_t end);
void rv__append_finish(rv__store *store);
/** Completes documents: runs what waits for them. */
void rv__documents_complete(rv__store *store);
/** Fills an rv_error from errno. */
rv_err rv__store_io_error(struct rv_error *err, const char *what, const char *path, int number);
void rv__report_corrupt(rv__store *store, int64_t offset, int64_t length, const char *why);

#endif
