/* SPDX-License-Identifier: Apache-2.0 */
/* The entries that are pending in our name, by place; a token names place and generation. */
#include <stdlib.h>

#include "binder/redis/consumer.h"

static bool grow_indexes(struct rv__redis_indexes *indexes, size_t room)
{
	uint32_t *items = realloc(indexes->items, room * sizeof *items);

	if (!items)
		return false;
	indexes->items = items;
	indexes->room = room;
	return true;
}

/* Locks: slot->lock held. The lists of what is to be told have room for every place: telling cannot fail. */
static bool grow(struct rv__redis_slot *slot, size_t room)
{
	struct rv__redis_held *held;

	if (!grow_indexes(&slot->settled, room) || !grow_indexes(&slot->requeued, room) ||
	    !grow_indexes(&slot->extended, room) || !grow_indexes(&slot->recounted, room))
		return false;
	held = realloc(slot->held, room * sizeof *held);
	if (!held)
		return false;
	for (uint32_t i = (uint32_t)room; i-- > slot->held_room;) {
		held[i] = (struct rv__redis_held){.generation = 1, .next_free = slot->free_head};
		slot->free_head = i;
	}
	slot->held = held;
	slot->held_room = (uint32_t)room;
	return true;
}

bool rv__redis_held_reserve(struct rv__redis_slot *slot, size_t count)
{
	size_t room;
	bool fits = true;

	pthread_mutex_lock(&slot->lock);
	room = slot->held_room ? slot->held_room : 256;
	while (room < slot->held_count + count)
		room *= 2;
	if (room > slot->held_room)
		fits = room < UINT32_MAX / 2 && grow(slot, room);
	pthread_mutex_unlock(&slot->lock);
	return fits;
}

uint32_t rv__redis_held_take(struct rv__redis_slot *slot, struct rv__redis_id id, int32_t deliveries)
{
	uint32_t index = slot->free_head;
	struct rv__redis_held *held = &slot->held[index];

	slot->free_head = held->next_free;
	slot->held_count++;
	held->id = id;
	held->deliveries = deliveries;
	held->state = RV__REDIS_OUT;
	return index;
}

void rv__redis_held_free(struct rv__redis_slot *slot, uint32_t index)
{
	struct rv__redis_held *held = &slot->held[index];

	held->state = RV__REDIS_FREE;
	held->generation++;
	held->next_free = slot->free_head;
	slot->free_head = index;
	slot->held_count--;
}

struct rv__redis_held *rv__redis_held_find(struct rv__redis_slot *slot, const struct rv_token *token)
{
	uint32_t index = (uint32_t)token->cookie;
	struct rv__redis_held *held;

	if (slot->epoch == 0 || token->epoch != slot->epoch || index >= slot->held_room)
		return NULL;
	held = &slot->held[index];
	return held->state == RV__REDIS_OUT && held->generation == (uint32_t)(token->cookie >> 32) ? held
	                                                                                           : NULL;
}

bool rv__redis_held_has(struct rv__redis_slot *slot, struct rv__redis_id id)
{
	bool has = false;

	pthread_mutex_lock(&slot->lock);
	for (uint32_t i = 0; i < slot->held_room && !has; i++)
		has =
		    slot->held[i].state != RV__REDIS_FREE && rv__redis_id_compare(slot->held[i].id, id) == 0;
	pthread_mutex_unlock(&slot->lock);
	return has;
}
