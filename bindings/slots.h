/* SPDX-License-Identifier: Apache-2.0 */
/* Slots and the lists in which they wait; see input.h. Everything here needs input->lock, but rv__after_run(). */
#ifndef BINDINGS_SLOTS_H
#define BINDINGS_SLOTS_H

#include "bindings/input.h"

/** Appends to the ring; false: no memory. */
bool rv__slot_push(struct rv__slot *slot, const struct rv__item *item);
/** Takes up to `max` from the head; they count as claimed until the slot is given back. */
size_t rv__slot_claim(struct rv__slot *slot, struct rv__item *items, size_t max);
/** Puts a claimed one back to the head. */
void rv__slot_unclaim(struct rv__slot *slot, const struct rv__item *item);
/** Bookkeeping of one settled item. */
void rv__slot_forget(struct rv__slot *slot, const struct rv__item *item);
/** Gives up what nobody runs: the ring and the deferred ones that wait for another attempt. */
void rv__slot_drop_queued(struct rv__input *input, struct rv__slot *slot);
/** Inserts by due time. */
void rv__slot_add_again(struct rv__slot *slot, struct rv__again *again);

/** Lists a slot for the workers. True: one of them is to be told, by input->work. */
bool rv__slot_list_ready(struct rv__input *input, struct rv__slot *slot);
/** Lists a slot for the workers and wakes one. */
void rv__slot_make_ready(struct rv__input *input, struct rv__slot *slot);
struct rv__slot *rv__slots_take_ready(struct rv__input *input);
void rv__slot_park(struct rv__input *input, struct rv__slot *slot, int64_t due_ns);
/** Moves parked slots that are due to the ready list; the next due time or INT64_MAX. */
int64_t rv__slots_unpark(struct rv__input *input, int64_t now_ns);
/** Where an idle slot goes: ready, parked for a deferred retry, or nowhere. */
void rv__slot_rest(struct rv__input *input, struct rv__slot *slot);
/** Tells whoever runs the slot to stop after the current delivery. */
void rv__slot_interrupt(struct rv__input *input, struct rv__slot *slot);
/** Takes a slot out of whatever list it is in. */
void rv__slot_unlist(struct rv__input *input, struct rv__slot *slot);

/* What to tell the binder once the lock is off. */
struct rv__after {
	struct rv__slot *slot;
	uint32_t room;  /* credit() with it; 0: none */
	uint32_t epoch; /* of released() */
	bool released;
};

/** Whether the binder is to be told of room, or of a drained slot. */
void rv__slot_check(struct rv__input *input, struct rv__slot *slot, struct rv__after *ret_after);
/** Locks: none held. */
void rv__after_run(struct rv__input *input, const struct rv__after *after);

#endif
