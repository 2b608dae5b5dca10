/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels with a message from send to completion: tickets, and the waiters of synchronous
 * sends. Both are used again: steady sending allocates neither.
 *
 * Threads: taken by senders, given back by completions on other threads. Used tickets go onto a
 * stack that senders empty in one step, so that nothing is popped and no lock is taken.
 */
#ifndef BINDINGS_TICKET_H
#define BINDINGS_TICKET_H

#include <rivulet/channel.h>

#include "bindings/partition.h"

/* Meets the sender that waits with the completion that comes, or does not come in time. */
struct rv__waiter;

/* One line of a processor's memory: it goes over to the one that completes, and back. */
struct rv__ticket {
	struct rv__ticket *next; /* in the pool */
	rv_message *message;     /* owned */
	rv_message *wire; /* what goes out in its place: with embedded headers; owned; NULL: message itself */
	struct rv__spot spot;
	long long bytes;
	struct rv__waiter *waiter; /* synchronous; NULL otherwise */
	rv_sent_fn done;           /* asynchronous; NULL: a failure is logged */
	void *context;
};

/** A zeroed ticket; NULL: no memory. */
struct rv__ticket *rv__ticket_take(void);
void rv__ticket_give(struct rv__ticket *ticket);
/** As many as hang together by `next`, in one step. */
void rv__ticket_give_all(struct rv__ticket *first, struct rv__ticket *last);

/** The calling thread's waiter, shared with one completion to come; NULL: no memory. */
struct rv__waiter *rv__waiter_take(void);
/** No completion will come after all. */
void rv__waiter_give_unused(struct rv__waiter *waiter);
/** Waits for the completion and gives the sender's share back. false at the deadline. */
bool rv__waiter_wait(struct rv__waiter *waiter, int64_t deadline_ns, rv_err *ret_code, struct rv_error *err);
/** Ends the wait and gives the completion's share back. `error` NULL: success. */
void rv__waiter_complete(struct rv__waiter *waiter, const struct rv_error *error);

#endif
