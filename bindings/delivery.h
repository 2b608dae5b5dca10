/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A delivery outside its slot: taken by a listener, or on its way to the dead letters. It is listed with the
 * input, has a reference of it, and is settled once.
 */
#ifndef BINDINGS_DELIVERY_H
#define BINDINGS_DELIVERY_H

#include "bindings/input.h"
#include "bindings/joints.h"
#include "bindings/letters.h"

enum rv__burial {
	RV__BURIAL_NONE,    /* the listener has it */
	RV__BURIAL_SENDING, /* one thread, or the binder, has it */
	RV__BURIAL_WAITING  /* for line.due_ns */
};

struct rv_delivery {
	struct rv__again line;    /* the item; first, so that a slot's line can take over the whole */
	struct rv_delivery *next; /* in the input's list, under its lock */
	struct rv__input *input;  /* a reference */
	struct rv__slot *slot;
	struct rv__joints joints; /* what its listener sent; see joints.h */
	atomic_bool committing;   /* … is with the binder, which answers */
	bool settled;             /* … with the dead letter, and the original too */

	/* On its way to the dead letters. */
	_Atomic(enum rv__burial) burial; /* changes to and from WAITING under the input's lock */
	enum rv__cause cause;
	char *reason;       /* owned; NULL: none */
	rv_message *letter; /* owned; NULL: not made yet */
	unsigned tries;     /* that failed */
	bool without_trace; /* the letter was too large with it */
	bool confirmed;     /* the broker has the letter; only the original is to be settled */
	bool holds;         /* counted in slot->held; under the input's lock */
};

/** Acknowledges the original of a moved letter, counts and logs it. RV_E_STALE is a normal result; another failure
 * may pass. */
rv_err rv__delivery_settle_moved(rv_delivery *delivery);

/** What its listener sent is not sent. Locks: none held. */
void rv__delivery_discard_joints(rv_delivery *delivery);
/** Commits what its listener sent, and acknowledges it; it is listed as taken, and not the caller's any more. */
void rv__delivery_commit(rv_delivery *delivery);
/** That came to its end: counts, and forgets the delivery. */
void rv__delivery_committed(rv_delivery *delivery, bool stale);

/** Takes it out of the list and the books of its slot. Locks: input->lock held. */
void rv__delivery_forget(rv_delivery *delivery);

/** Frees what was forgotten, and gives its reference of the input back. */
void rv__delivery_free(rv_delivery *delivery);

/** Forgets and frees, and tells the binder what follows for the slot. Locks: none held. */
void rv__delivery_end(rv_delivery *delivery);

#endif
