/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What other threads want done on a loop's own thread: a lock-free list of operations, and a call that waits until its
 * operation is over. The loop sleeps as it likes; it gives the inbox a bell that wakes it.
 *
 *     struct visit { struct rv__call call; … };             loop:  rv__inbox_run(&inbox);  when the bell rang
 *     static void run_visit(struct rv__op *op) { … rv__call_done((struct rv__call *)op); }
 *     rv__inbox_call(&inbox, &visit.call, run_visit);       elsewhere: returns after rv__call_done()
 */
#ifndef BASE_INBOX_H
#define BASE_INBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/owner.h" /* from an operation to what it is about */

/* One thing to do on the loop. Embedded in what it is about; `run` may free it or post it again. */
struct rv__op {
	struct rv__op *next; /* the inbox's from rv__inbox_post() until `run` */
	void (*run)(struct rv__op *op);
};

/* Zeroed with its bell set it is ready; it owns nothing. */
struct rv__inbox {
	_Atomic(struct rv__op *) newest; /* a stack */
	void (*ring)(void *loop);        /* wakes the loop; called from any thread, once a burst */
	void *loop;
};

/** Hands an operation to the loop; any thread. Operations of one thread run in their order. */
void rv__inbox_post(struct rv__inbox *inbox, struct rv__op *op);

/** The same for a chain linked by `next` from first (oldest) to last; costs one exchange. */
void rv__inbox_post_chain(struct rv__inbox *inbox, struct rv__op *first, struct rv__op *last);

/** Runs what has come so far, oldest first. The loop's thread only; what a `run` posts comes with the next turn. */
void rv__inbox_run(struct rv__inbox *inbox);

/* An operation that somebody waits for: embed it first, and end it with rv__call_done(). */
struct rv__call {
	struct rv__op op;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool done; /* under lock */
};

/** Posts `run` and waits for rv__call_done(). Not from the loop, which would wait for itself. */
void rv__inbox_call(struct rv__inbox *inbox, struct rv__call *call, void (*run)(struct rv__op *op));

/** Lets the caller go on, who may free the call at once: the last that touches it. Once a call, from any thread. */
void rv__call_done(struct rv__call *call);

#endif
