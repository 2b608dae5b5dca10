/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store on a simulated disk, and what it has promised so far: one history of sends, reads and saves is driven until
 * something strikes; then the store is opened again and the promises are compared with what is there.
 */
#ifndef SUPPORT_STORE_LIFE_H
#define SUPPORT_STORE_LIFE_H

#include "tests/support/sim_disk.h"
#include "tests/support/store_kit.h"

#include <rivulet/log.h>

enum { STORE_LIFE_QUEUES = 3, STORE_LIFE_NUMBERS = 400 };

/* What the store promised so far. */
struct store_history {
	int next;                      /* number of the next message */
	int queue[STORE_LIFE_NUMBERS]; /* of each message sent */
	int64_t offset[STORE_LIFE_NUMBERS];
	bool acked[STORE_LIFE_NUMBERS];
	bool failed[STORE_LIFE_NUMBERS];   /* told that it was not taken */
	int64_t ends[STORE_LIFE_NUMBERS];  /* log offset that its acknowledgement waits for */
	int64_t served[STORE_LIFE_QUEUES]; /* largest maximum that a reader saw */
	int saves;                         /* documents asked for; document n is "n" */
	int saved;                         /* newest that completed well */
	int64_t noted[STORE_LIFE_NUMBERS]; /* maximum of queue 0 that document n holds */
};

struct store_life {
	struct sim_disk disk;
	struct store_kit kit;
	struct store_history history;
};

/* The one of the running case. */
extern struct store_life life;

/** Fixtures of a case. */
void store_life_setup(void);
void store_life_teardown(void);
void store_life_ignore_log(rv_log_level level, const char *topic, const char *line, void *arg);

/** A new disk and a new history; open the store with store_kit_open(&life.kit). */
void store_life_begin(enum rv__store_level level);
void store_life_end(void);

rv__queue *store_life_queue(int i);
/** Adds up to `count` messages in one write. Whether all went well. */
bool store_life_send(int count);
/** Takes down what is acknowledged and served by now. */
void store_life_note(void);
/** Waits until everything is acknowledged, or never will be. */
void store_life_drain(void);
/** Some seconds of a broker's life. Ends early when the disk has failed for good. */
void store_life_run(unsigned turns, unsigned seed);

/** What is there against what was promised. lossy: acknowledged messages may be missing (level written, power loss). */
void store_life_compare(bool lossy);
/** Opens the store again, compares, documents included, and lets it live on. */
void store_life_check_again(bool lossy);

#endif
