/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's durable store: an append-only log of messages in RocketMQ's record layout, an index per
 * queue derived from it, and small named documents (topics, groups, offsets) replaced atomically.
 *
 * Use, from one thread (the broker's event loop), the only one that may call this header unless said
 * otherwise:
 *
 *     rv__store_open(&options, &store, err)          recovers; blocks
 *     each turn of the loop:
 *         rv__store_add(store, &message, &position)   any number; assigns offsets, copies
 *         rv__store_write(store, &end)                one write for all; answers wait for `end`
 *     when hooks.progress fires (any thread; wake the loop with uv_async_send):
 *         rv__store_poll(store)                       makes messages visible, runs completions
 *         answer every request whose `end` <= rv__store_acknowledged(store)
 *     once a second:
 *         rv__store_tick(store)                       index, checkpoint, retention
 *     rv__store_close(store)                          syncs and leaves a clean store
 *
 * At level `synced` a message is visible to reads, and the queue's maximum moves, after its fdatasync (in
 * rv__store_poll()); at `written` at the end of rv__store_write(). Hooks run on the loop's thread inside
 * write and poll, except `progress`.
 *
 * Threads of the store's own: `sync` (group commit of the log) and `keeper` (documents, checkpoints,
 * deletion of files). Hot paths share with them one mutex that is held for a few instructions.
 */
#ifndef BROKER_STORE_STORE_H
#define BROKER_STORE_STORE_H

#include "base/buffer.h"
#include "remoting/record.h"

#include <sys/types.h>

#include <rivulet/error.h>

struct rv__io;

typedef struct rv__store rv__store;
typedef struct rv__store_queue rv__queue; /* one queue of one topic; lives as long as the store */

enum rv__store_level {
	RV__STORE_SYNCED, /* survives power loss; flushDiskType=SYNC_FLUSH */
	RV__STORE_WRITTEN /* survives the process; flushDiskType=ASYNC_FLUSH */
};

/* All run on the loop's thread but `progress`; none may call the store's append or close. */
struct rv__store_hooks {
	/* A sync or a document was completed, or failed: rv__store_poll() is due. Any thread; must not block.
	 */
	void (*progress)(void *arg);
	/* One message became visible (the place to wake long polls). May be NULL. */
	void (*visible)(
	    void *arg, rv__queue *queue, int64_t queue_offset, int64_t tags_code, int64_t store_timestamp);
	void *arg;
};

/* Zeroed members mean the default. Strings are borrowed during open. */
struct rv__store_options {
	const char *directory;      /* created when missing (one level) */
	enum rv__store_level level; /* default: synced */
	uint64_t segment_bytes;     /* a new log file beyond this; default 1 GiB */
	int64_t retention_ms;       /* age at which a whole log file goes; default 72 h; -1 never */
	uint64_t retention_bytes;   /* of the log; default: no limit */
	double disk_warn_ratio;     /* diskMaxUsedSpaceRatio/100, default 0.75: warn */
	double disk_clean_ratio;    /* default 0.85: oldest files go regardless of age */
	double disk_full_ratio;     /* default 0.90: appends are refused */
	uint64_t
	    disk_free_enough;    /* the three ratios count only while less than this is free; default 8 GiB */
	size_t message_bytes;    /* largest body; default 4 MiB */
	struct rv__address host; /* storeHost of new records */
	struct rv__store_hooks hooks;
	const struct rv__io *io; /* NULL: the operating system's */
};

/* What recovery and running found; rv__store_stats(). Counters since open. */
struct rv__store_stats {
	int64_t log_start;        /* first byte that is kept */
	int64_t log_end;          /* next byte to be written */
	int64_t synced_end;       /* everything before it survives power loss */
	uint64_t appended;        /* messages */
	uint64_t appended_bytes;  /* their records */
	uint64_t syncs;           /* fdatasync calls on the log */
	uint64_t corrupt_records; /* records that were found bad and are not served */
	uint64_t corrupt_regions; /* places of the log where bytes were found bad */
	uint64_t mended;          /* entries of the index that were damaged and made again */
	uint64_t recovered;       /* messages read again from the log at open */
	uint64_t cut_bytes;       /* torn tail removed at open */
	int64_t recovery_ns;      /* what open took */
	size_t queues;
	size_t segments;
	bool read_only;   /* a sync failed: no append until the next start */
	bool disk_full;   /* above disk_full_ratio, or the last write found no space */
	double disk_used; /* ratio, 0..1, as of the last look */
};

/* -- lifecycle ------------------------------------------------------------------ */

/**
 * Opens (or creates) a store, locks it for this process and recovers it: reads the log from the last
 * checkpoint, cuts a torn tail, skips and reports damage, rebuilds what is missing of the index. Blocks.
 *
 * @return RV_OK; RV_E_DENIED when another process holds it (the text names pid and directory); RV_E_IO;
 *         RV_E_UNSUPPORTED for a newer format; RV_E_CORRUPT when the store's identity cannot be read;
 * RV_E_NOMEM
 */
rv_err rv__store_open(const struct rv__store_options *options, rv__store **ret_store, struct rv_error *err);

/** Writes and syncs everything, saves pending documents (their completions run), joins the threads, frees.
 * NULL is fine. */
void rv__store_close(rv__store *store);

/** The process that holds a store, for `rivulet shutdown`; RV_E_NOTFOUND when nobody does. Any thread, no
 * store needed. */
rv_err rv__store_holder(const char *directory, pid_t *ret_pid, struct rv_error *err);

void rv__store_stats(const rv__store *store, struct rv__store_stats *ret_stats);

/* -- appending --------------------------------------------------------------------- */

/* What to append. Views are borrowed during the call. */
struct rv__store_message {
	/*
	 * Read: flag, sys_flag, born_timestamp, born_host, reconsume_times, prepared_offset, body,
	 * properties. Topic and queue come from `queue`; offsets, checksum, store timestamp and store host
	 * are assigned.
	 */
	struct rv__record record;
	rv__queue *queue;
	int64_t tags_code; /* for the index; rv__tags_code() */
	int64_t delay_ms;  /* > 0: the index carries store timestamp + delay instead of tags_code */
};

struct rv__store_position {
	int64_t queue_offset;
	int64_t physical_offset; /* of the record in the log */
	int64_t store_timestamp; /* ms since 1970 */
	uint32_t size;           /* of the record */
};

/**
 * Takes one message into the current batch: copies it, assigns its offsets. Nothing is on disk and nothing
 * visible before rv__store_write().
 *
 * @return RV_OK; RV_E_FULL (number DISK_FULL, or too much unsynced: write, wait for progress; retriable);
 *         RV_E_TOOBIG; RV_E_INVALID (more than 255 bytes of topic, NULL queue); RV_E_IO once read-only;
 * RV_E_NOMEM. After a failure the batch is as it was before the call.
 */
rv_err rv__store_add(rv__store *store, const struct rv__store_message *message,
    struct rv__store_position *ret_position, struct rv_error *err) __attribute__((warn_unused_result));

/**
 * Writes the current batch with one system call. Nothing to write is RV_OK.
 *
 * @param ret_end  answers to these messages may go out once rv__store_acknowledged() >= *ret_end; may be NULL
 * @return RV_OK; RV_E_FULL (no space: retriable) or RV_E_IO: then every message added since the last
 *         write is taken back, its position is void, and the store is as before
 */
rv_err rv__store_write(rv__store *store, int64_t *ret_end, struct rv_error *err)
    __attribute__((warn_unused_result));

/** Log offset up to which answers may go out at the store's level. Never decreases. */
int64_t rv__store_acknowledged(const rv__store *store);

/** Log offset up to which the log survives power loss. */
int64_t rv__store_synced(const rv__store *store);

/**
 * After `progress`: publishes what was synced (hook `visible`), runs completions of documents.
 *
 * @return RV_OK; RV_E_IO once a sync has failed: acknowledged never moves again, every waiting request must
 *         be answered with the error, reads go on over what was visible
 */
rv_err rv__store_poll(rv__store *store, struct rv_error *err);

/** Housekeeping: once a second. */
void rv__store_tick(rv__store *store);

/* -- queues and reading ------------------------------------------------------------ */

/** The queue of a topic; NULL when `create` is false and there is none, or without memory, or the name cannot
 * be one. */
rv__queue *rv__store_queue(
    rv__store *store, const char *topic, size_t topic_length, int32_t queue_id, bool create);

const char *rv__queue_topic(const rv__queue *queue, size_t *ret_length); /* NUL-terminated too */
int32_t rv__queue_id(const rv__queue *queue);
int64_t rv__queue_min(rv__store *store, rv__queue *queue); /* first offset that is kept */
int64_t rv__queue_max(const rv__queue *queue);             /* next offset that will be visible */

/** Calls `visit` for every queue of the store; for totals and admin answers. */
void rv__store_each_queue(rv__store *store, void (*visit)(void *arg, rv__queue *queue), void *arg);

/**
 * Forgets every message of a topic: its queues' minimum becomes their maximum (offsets are never issued
 * again). Blocks until that is
 * durable, some milliseconds. On failure (logged) it counts for this process only.
 */
rv_err rv__store_topic_clear(rv__store *store, const char *topic, size_t topic_length);

/* Which messages a read wants. All members may be NULL. */
struct rv__store_filter {
	/* By what the index knows, before the log is touched. */
	bool (*match_code)(void *arg, int64_t tags_code);
	/* By the stored record, after match_code. */
	bool (*match_record)(void *arg, const struct rv__record *record);
	void *arg;
};

/* Outcome of a read, as the table of PULL_MESSAGE answers has it. */
enum rv__read_status {
	RV__READ_FOUND,
	RV__READ_NO_MATCHED,     /* scanned, nothing matched (or only damaged ones): go on at next */
	RV__READ_OVERFLOW_ONE,   /* offset == max: nothing new yet */
	RV__READ_OVERFLOW_BADLY, /* offset > max; next = max */
	RV__READ_TOO_SMALL,      /* offset < min; next = min */
	RV__READ_EMPTY           /* the queue never had a message; next = 0 */
};

struct rv__store_read {
	enum rv__read_status status;
	int64_t next_offset; /* nextBeginOffset */
	int64_t min_offset;
	int64_t max_offset;
	uint32_t count;         /* records added to the buffer */
	int64_t last_timestamp; /* store timestamp of the last one added; 0 when none */
};

/**
 * Appends stored records, back to back and unchanged, to `out`, each checked against its checksum. At least
 * one (if any matches), at most max_count and about max_bytes, and at most about 800 index entries are looked
 * at. Damaged ones are skipped, counted and reported.
 *
 * @param filter  NULL takes all
 * @return RV_OK with *ret filled, whatever the status; RV_E_IO; RV_E_NOMEM / RV_E_TOOBIG of the buffer
 */
rv_err rv__store_read(rv__store *store, rv__queue *queue, int64_t offset, uint32_t max_count,
    size_t max_bytes, const struct rv__store_filter *filter, struct rv__buffer *out,
    struct rv__store_read *ret, struct rv_error *err);

/** What the index knows of one message, without touching the log. */
struct rv__store_entry {
	int64_t physical_offset;
	uint32_t size;
	int64_t tags_code;
	int64_t store_timestamp;
};

/** The entry of one offset; RV_E_NOTFOUND outside [min, max) and where a message was lost. */
rv_err rv__queue_entry(
    rv__store *store, rv__queue *queue, int64_t offset, struct rv__store_entry *ret, struct rv_error *err);

/**
 * First visible offset whose store timestamp is >= timestamp_ms; max when there is none, min when all are
 * younger.
 */
rv_err rv__queue_offset_at(
    rv__store *store, rv__queue *queue, int64_t timestamp_ms, int64_t *ret_offset, struct rv_error *err);

/**
 * The record at a place of the log, as offset message ids name it; appended to `out`. The number may come
 * from anybody.
 *
 * @return RV_OK; RV_E_NOTFOUND when no visible message begins there; RV_E_CORRUPT; RV_E_IO
 */
rv_err rv__store_read_at(
    rv__store *store, int64_t physical_offset, struct rv__buffer *out, struct rv_error *err);

/** Receives one match; false ends the search. The record is borrowed until return. */
typedef bool (*rv__store_match_fn)(void *arg, const struct rv__record *record, const uint8_t *bytes);

/**
 * Searches messages of a topic by UNIQ_KEY or one of KEYS, newest first, stored within [begin_ms, end_ms].
 * Bounded: it looks at the newest messages of the topic only, as many as *budget allows (records read;
 * reduced by what was used).
 */
rv_err rv__store_find_key(rv__store *store, const char *topic, size_t topic_length, const char *key,
    size_t key_length, int64_t begin_ms, int64_t end_ms, uint32_t *budget, rv__store_match_fn match,
    void *arg, struct rv_error *err);

/* -- documents: <store>/config/<name>.json --------------------------------------- */

/* Runs in rv__store_poll() (or close), exactly once, when the document is durable or could not be made so. */
typedef void (*rv__state_saved_fn)(void *arg, rv_err code, const struct rv_error *err);

/**
 * Replaces a document, durably, in the background. Log first: it is stored only after the log is synced up
 * to everything written before this call. A newer save of the same name that comes before this one began
 * replaces its bytes; both complete.
 *
 * @param bytes  copied; JSON text
 * @param saved  may be NULL
 * @return RV_OK; RV_E_NOMEM; RV_E_INVALID (name other than [A-Za-z0-9_-]); on failure `saved` does not run
 */
rv_err rv__state_file_save(rv__store *store, const char *name, const void *bytes, size_t length,
    rv__state_saved_fn saved, void *arg, struct rv_error *err);

/** Same, waiting for it. For start and stop. */
rv_err rv__state_file_save_now(
    rv__store *store, const char *name, const void *bytes, size_t length, struct rv_error *err);

/**
 * Reads a document that was saved, appended to `out`. A damaged one is reported and the one before it taken.
 *
 * @return RV_OK; RV_E_NOTFOUND; RV_E_CORRUPT when neither can be trusted; RV_E_IO; RV_E_NOMEM
 */
rv_err rv__state_file_load(rv__store *store, const char *name, struct rv__buffer *out, struct rv_error *err);

#endif
