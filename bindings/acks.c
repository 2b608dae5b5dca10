/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/acks.h"

#include "bindings/delivery.h"
#include "bindings/input.h"

void rv__acks_init(struct rv__acks *acks)
{
	pthread_mutex_init(&acks->lock, NULL);
	atomic_init(&acks->finished, 0);
}

void rv__acks_finish(struct rv__acks *acks)
{
	pthread_mutex_destroy(&acks->lock);
}

void rv__acks_begin(struct rv__acks *acks, struct rv__item *items)
{
	pthread_mutex_lock(&acks->lock);
	acks->items = items;
	acks->told = 0;
	atomic_store_explicit(&acks->finished, 0, memory_order_relaxed);
	pthread_mutex_unlock(&acks->lock);
}

/* What one call settles: copies, so that their messages can be given back without the lock. */
struct batch {
	struct rv__item items[RV__ACKS_MAX];
	size_t count;
	bool stale;
};

/* Settles what is finished. RV_OK: *ret_settled is to be concluded. Locks: acks->lock held. */
static rv_err settle(struct rv__input *input, struct rv__slot *slot, struct batch *ret_settled)
{
	struct rv__acks *acks = &slot->acks;
	size_t end = atomic_load_explicit(&acks->finished, memory_order_acquire);
	rv_err code = RV_OK;

	ret_settled->count = 0;
	for (size_t i = acks->told; acks->items && i < end; i++)
		if (acks->items[i].message)
			ret_settled->items[ret_settled->count++] = acks->items[i];
	if (ret_settled->count > 0)
		code = rv__delivery_acknowledge(input, slot, ret_settled->items, ret_settled->count);
	ret_settled->stale = code == RV_E_STALE;
	if (code != RV_OK && code != RV_E_STALE) {
		ret_settled->count = 0;
		return code;
	}
	for (; acks->items && acks->told < end; acks->told++)
		acks->items[acks->told].message = NULL;
	return RV_OK;
}

rv_err rv__acks_tell(struct rv__input *input, struct rv__slot *slot)
{
	struct batch settled;
	rv_err code;

	pthread_mutex_lock(&slot->acks.lock);
	code = settle(input, slot, &settled);
	pthread_mutex_unlock(&slot->acks.lock);
	rv__delivery_conclude(input, slot, settled.items, settled.count, settled.stale);
	return code;
}

size_t rv__acks_end(struct rv__input *input, struct rv__slot *slot)
{
	struct batch settled;
	size_t over;

	pthread_mutex_lock(&slot->acks.lock);
	(void)settle(input, slot, &settled); /* what it cannot settle is told by the count */
	over = slot->acks.told;
	slot->acks.items = NULL;
	pthread_mutex_unlock(&slot->acks.lock);
	rv__delivery_conclude(input, slot, settled.items, settled.count, settled.stale);
	return over;
}

/* The next running slot of the input behind *source and *index; NULL: none. Slots live as long as the input. */
static struct rv__slot *next_running(struct rv__input *input, size_t *source, size_t *index)
{
	struct rv__slot *found = NULL;

	pthread_mutex_lock(&input->lock);
	for (; *source < input->source_count && !found; ++*source, *index = 0) {
		struct rv__source *at = &input->sources[*source];

		while (*index < at->slot_room && !found) {
			struct rv__slot *slot = at->slots[(*index)++];

			if (slot && slot->place == RV__SLOT_RUNNING)
				found = slot;
		}
		if (found)
			break;
	}
	pthread_mutex_unlock(&input->lock);
	return found;
}

void rv__acks_tell_all(struct rv__input *input)
{
	size_t source = 0;
	size_t index = 0;
	struct rv__slot *slot;

	while ((slot = next_running(input, &source, &index)))
		(void)rv__acks_tell(input, slot); /* else the worker tries again */
}
