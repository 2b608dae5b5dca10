/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledgements of a running slot, gathered: a fast listener's messages are settled by one call of the binder and not
 * by one each. The worker tells of them when its round ends, with the first tick of the kernel's clock after the
 * oldest, and before a message that was delivered before. Whoever stops, pauses or takes the slot away tells of them
 * at once, so that a listener that does not return holds back no acknowledgement of those before it.
 *
 * Threads: begin, finished and end on the worker of the slot; tell from any.
 */
#ifndef BINDINGS_ACKS_H
#define BINDINGS_ACKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <rivulet/error.h>

struct rv__input;
struct rv__item;
struct rv__slot;

enum {
	RV__ACKS_MAX = 64,  /* items of a round */
	RV__ACKS_LEAST = 16 /* of fewer claimed ones each is settled at once: nothing to gain */
};

struct rv__acks {
	pthread_mutex_t lock;   /* protects what follows; the binder is called under it */
	struct rv__item *items; /* of the worker's round; NULL: none */
	size_t told;            /* of `items`, from the start */
	atomic_size_t
	    finished; /* likewise; written by the worker. One with a message is acknowledged, others are over */
};

void rv__acks_init(struct rv__acks *acks);
void rv__acks_finish(struct rv__acks *acks);

/** A round begins; at most RV__ACKS_MAX items will be finished. */
void rv__acks_begin(struct rv__acks *acks, struct rv__item *items);

/** The first `count` items are finished: those that still have their message wait for acknowledgement. */
static inline void rv__acks_finished(struct rv__acks *acks, size_t count)
{
	atomic_store_explicit(&acks->finished, count, memory_order_release);
}

/** Settles what is finished and gives its messages back. Locks: not input->lock.
 * @return RV_OK; another code when the binder could not: another call tries again */
rv_err rv__acks_tell(struct rv__input *input, struct rv__slot *slot);

/** Ends the round with a last rv__acks_tell(). Returns how many items are over; the finished ones behind could not be
 * settled. */
size_t rv__acks_end(struct rv__input *input, struct rv__slot *slot);

/** rv__acks_tell() for every slot. */
void rv__acks_tell_all(struct rv__input *input);

#endif
