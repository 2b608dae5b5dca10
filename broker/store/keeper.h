/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread for slow work on small files: documents, checkpoints of the index, deletion of log files. Log
 * first: a document or checkpoint is written only after the log is synced up to what was written before it
 * was handed over.
 */
#ifndef BROKER_STORE_KEEPER_H
#define BROKER_STORE_KEEPER_H

#include "broker/store/syncer.h"

#include <rivulet/error.h>

#include <pthread.h>

enum { RV__DOCUMENT_NAME_MAX = 64 };

typedef void (*rv__keeper_saved_fn)(void *arg, rv_err code, const struct rv_error *err);

/* Somebody who wants to hear that a document is durable. */
struct rv__waiter {
	struct rv__waiter *next;
	rv__keeper_saved_fn saved;
	void *arg;
	rv_err code;
	struct rv_error err;
};

/* A document on its way to disk. */
struct rv__document {
	struct rv__document *next;
	char name[RV__DOCUMENT_NAME_MAX];
	uint8_t *bytes; /* owned; with its last line */
	size_t length;
	int64_t after;
	struct rv__waiter *waiters;
};

/* A checkpoint: index files to sync, then the table to replace. */
struct rv__checkpoint {
	const char *name; /* of the table's file; static */
	char **paths;     /* owned; index files, then directories */
	size_t file_count, directory_count;
	uint8_t *bytes; /* owned */
	size_t length;
	int64_t after;
	/* Log files to delete once the table is durable. */
	char **doomed;
	size_t doomed_count;
};

struct rv__keeper {
	const struct rv__io *io;
	const char *directory; /* of the store; borrowed */
	struct rv__syncer *syncer;
	void (*progress)(void *arg);
	void *arg;

	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t wake;
	pthread_cond_t done;
	struct rv__document *documents;    /* in order */
	struct rv__checkpoint *checkpoint; /* at most one waits */
	bool busy;                         /* the thread works on something */
	bool stop;
	struct rv__waiter *finished; /* for the loop's thread */
	rv_err checkpoint_result;    /* of the last one */
	int64_t checkpoint_ns;       /* what it took */
};

int rv__keeper_start(struct rv__keeper *keeper);
/** Finishes what is queued, joins. Completions stay in `finished`. */
void rv__keeper_stop(struct rv__keeper *keeper);
/** Hands a document over; takes bytes and waiter (may be NULL). RV_E_NOMEM: nothing is taken. */
rv_err rv__keeper_save(struct rv__keeper *keeper, const char *name, uint8_t *bytes, size_t length,
    int64_t after, struct rv__waiter *waiter);
/** Hands a checkpoint over (owned by the keeper afterwards). Only while none is under way. */
void rv__keeper_checkpoint(struct rv__keeper *keeper, struct rv__checkpoint *checkpoint);
bool rv__keeper_checkpointing(struct rv__keeper *keeper);
/** Waits until nothing is queued or under way; the result of the last checkpoint. */
rv_err rv__keeper_wait(struct rv__keeper *keeper);
/** Result of the last checkpoint. */
rv_err rv__keeper_result(struct rv__keeper *keeper);
/** Takes the list of finished waiters. */
struct rv__waiter *rv__keeper_finished(struct rv__keeper *keeper);
void rv__checkpoint_free(struct rv__checkpoint *checkpoint);

#endif
