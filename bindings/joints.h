/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a listener sends to outputs of its input's own binder, where that is transactional (rv_consumer_info): the
 * messages join the delivery, wait in its list for the verdict, and go to the binder with the acknowledgement, as
 * one. Any other verdict throws them away.
 *
 *     send in the listener -> joined -> RV_ACK: commit() -> all seen, and settled
 *                                |                    -> refused: as if the listener had said RV_RETRY
 *                                -> any other verdict: completed with an error
 *
 * From the commit to its answer the delivery is listed as taken, so that a revocation and a stop wait for it.
 * Threads: added by the listener's; completed by its, or by one of the binder.
 */
#ifndef BINDINGS_JOINTS_H
#define BINDINGS_JOINTS_H

#include <stdbool.h>
#include <stddef.h>

#include <rivulet/binder.h>

struct rv__binder;
struct rv__joint;
struct rv__output;

struct rv__joints {
	struct rv__joint *first, *last;
	size_t count;
	const struct rv__binder *binder; /* whose outputs join */
};

/* Of the delivery that the listener of this thread is handling; NULL: sends join nothing. */
extern __thread struct rv__joints *rv__joints_open;

/** The list that a send by `binder` joins now; NULL: none. */
static inline struct rv__joints *rv__joints_here(const struct rv__binder *binder)
{
	struct rv__joints *joints = rv__joints_open;

	return joints && joints->binder == binder ? joints : NULL;
}

/** Takes over outbound->arg, a ticket. False: no memory, nothing happened. */
bool rv__joints_add(struct rv__joints *joints, struct rv__output *output, const struct rv_outbound *outbound);

/** Completes all of them. `error` NULL: they are sent. Locks: none held. The list is empty then. */
void rv__joints_complete(struct rv__joints *joints, const struct rv_error *error);

/** Likewise, since the listener did not acknowledge. */
void rv__joints_discard(struct rv__joints *joints);

#endif
