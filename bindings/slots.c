/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: the ring of deliveries of one partition, and the lists in which slots wait. */
#include "bindings/slots.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 16 };

static struct rv__item *item_at(struct rv__slot *slot, size_t index)
{
	return &slot->items[(slot->head + index) & (slot->room - 1)];
}

static bool grow(struct rv__slot *slot)
{
	size_t room = slot->room ? slot->room * 2 : FIRST_ROOM;
	struct rv__item *items = malloc(room * sizeof *items);

	if (!items)
		return false;
	for (size_t i = 0; i < slot->count; i++)
		items[i] = *item_at(slot, i);
	free(slot->items);
	slot->items = items;
	slot->head = 0;
	slot->room = room;
	return true;
}

bool rv__slot_push(struct rv__slot *slot, const struct rv__item *item)
{
	/* What is claimed may come back to the head. */
	if (slot->count + slot->claimed == slot->room && !grow(slot))
		return false;
	slot->count++;
	*item_at(slot, slot->count - 1) = *item;
	return true;
}

size_t rv__slot_claim(struct rv__slot *slot, struct rv__item *items, size_t max)
{
	size_t n = slot->count < max ? slot->count : max;

	for (size_t i = 0; i < n; i++)
		items[i] = *item_at(slot, i);
	if (n > 0)
		slot->head = (slot->head + n) & (slot->room - 1);
	slot->count -= n;
	slot->claimed += n;
	return n;
}

void rv__slot_unclaim(struct rv__slot *slot, const struct rv__item *item)
{
	assert(slot->claimed > 0 && slot->count < slot->room);
	slot->claimed--;
	slot->head = (slot->head - 1) & (slot->room - 1);
	slot->items[slot->head] = *item;
	slot->count++;
}

void rv__slot_forget(struct rv__slot *slot, const struct rv__item *item)
{
	slot->unsettled--;
	slot->unsettled_bytes -= item->bytes;
}

void rv__slot_drop_queued(struct rv__input *input, struct rv__slot *slot)
{
	struct rv__item item;

	while (rv__slot_claim(slot, &item, 1) == 1) {
		slot->claimed--;
		rv__slot_forget(slot, &item);
		input->queued--;
		rv_message_unref(item.message);
	}
	while (slot->again) {
		struct rv__again *next = slot->again->next;

		rv__slot_forget(slot, &slot->again->item);
		rv_message_unref(slot->again->item.message);
		free(slot->again);
		slot->again = next;
	}
}

void rv__slot_add_again(struct rv__slot *slot, struct rv__again *again)
{
	struct rv__again **at = &slot->again;

	while (*at && (*at)->due_ns <= again->due_ns)
		at = &(*at)->next;
	again->next = *at;
	*at = again;
}

/* -- lists --------------------------------------------------------------------------------- */

static void unlink_parked(struct rv__input *input, struct rv__slot *slot)
{
	struct rv__slot **at = &input->parked;

	while (*at && *at != slot)
		at = &(*at)->next;
	if (*at)
		*at = slot->next;
	slot->next = NULL;
}

static void unlink_ready(struct rv__input *input, struct rv__slot *slot)
{
	struct rv__slot *before = NULL;
	struct rv__slot **at = &input->ready_head;

	while (*at && *at != slot) {
		before = *at;
		at = &(*at)->next;
	}
	if (*at)
		*at = slot->next;
	if (input->ready_tail == slot)
		input->ready_tail = before;
	slot->next = NULL;
}

void rv__slot_unlist(struct rv__input *input, struct rv__slot *slot)
{
	if (slot->place == RV__SLOT_READY)
		unlink_ready(input, slot);
	else if (slot->place == RV__SLOT_PARKED)
		unlink_parked(input, slot);
	if (slot->place != RV__SLOT_RUNNING)
		slot->place = RV__SLOT_IDLE;
}

void rv__slot_interrupt(struct rv__input *input, struct rv__slot *slot)
{
	atomic_store(&slot->halt, true);
	if (input->polled) /* a poll may wait for the next attempt */
		pthread_cond_broadcast(&input->idle);
}

bool rv__slot_list_ready(struct rv__input *input, struct rv__slot *slot)
{
	assert(slot->place != RV__SLOT_READY);
	if (slot->place == RV__SLOT_PARKED)
		unlink_parked(input, slot);
	slot->next = NULL;
	if (slot->held > 0) { /* goes on when its dead letters have moved */
		slot->place = RV__SLOT_IDLE;
		return false;
	}
	slot->place = RV__SLOT_READY;
	if (input->ready_tail)
		input->ready_tail->next = slot;
	else
		input->ready_head = slot;
	input->ready_tail = slot;
	return input->waiting_workers > 0;
}

void rv__slot_make_ready(struct rv__input *input, struct rv__slot *slot)
{
	if (rv__slot_list_ready(input, slot))
		pthread_cond_signal(&input->work);
}

struct rv__slot *rv__slots_take_ready(struct rv__input *input)
{
	struct rv__slot *slot = input->ready_head;

	if (slot) {
		input->ready_head = slot->next;
		if (!input->ready_head)
			input->ready_tail = NULL;
		slot->next = NULL;
		slot->place = RV__SLOT_RUNNING;
	}
	return slot;
}

void rv__slot_park(struct rv__input *input, struct rv__slot *slot, int64_t due_ns)
{
	struct rv__slot **at = &input->parked;

	if (slot->place == RV__SLOT_PARKED)
		unlink_parked(input, slot);
	while (*at && (*at)->due_ns <= due_ns)
		at = &(*at)->next;
	slot->place = RV__SLOT_PARKED;
	slot->due_ns = due_ns;
	slot->next = *at;
	*at = slot;
	/* Somebody must wait for the new first one. */
	if (input->parked == slot && input->waiting_workers > 0)
		pthread_cond_signal(&input->work);
}

int64_t rv__slots_unpark(struct rv__input *input, int64_t now_ns)
{
	while (input->parked && input->parked->due_ns <= now_ns)
		rv__slot_make_ready(input, input->parked);
	return input->parked ? input->parked->due_ns : INT64_MAX;
}

void rv__slot_rest(struct rv__input *input, struct rv__slot *slot)
{
	if (slot->count > 0)
		rv__slot_make_ready(input, slot);
	else if (slot->again)
		rv__slot_park(input, slot, slot->again->due_ns);
	else
		slot->place = RV__SLOT_IDLE;
}

/* -- telling the binder -------------------------------------------------------------------------- */

/* Messages that still fit. */
static size_t room_of(const struct rv__input *input, const struct rv__slot *slot)
{
	if (slot->unsettled >= input->queue_messages || slot->unsettled_bytes >= input->queue_bytes)
		return 0;
	return input->queue_messages - slot->unsettled;
}

void rv__slot_check(struct rv__input *input, struct rv__slot *slot, struct rv__after *ret_after)
{
	size_t room = room_of(input, slot);

	*ret_after = (struct rv__after){.slot = slot};
	/* Half of the bounds free: telling of every single place would cost a call a message. */
	if (slot->refused && !slot->revoked && slot->unsettled <= input->queue_messages / 2 &&
	    slot->unsettled_bytes <= input->queue_bytes / 2 && room > 0) {
		slot->refused = false;
		ret_after->room = (uint32_t)room;
	}
	if (slot->revoked && slot->place != RV__SLOT_RUNNING && slot->deferred == 0) {
		slot->revoked = false;
		ret_after->released = true;
		ret_after->epoch = slot->epoch;
	}
}

void rv__after_run(struct rv__input *input, const struct rv__after *after)
{
	void *consumer;

	if ((after->room == 0 && !after->released) || !rv__input_enter(input))
		return;
	consumer = after->slot->source->consumer; /* an unbind clears it once nobody is inside */
	if (after->released)
		input->ops->released(consumer, after->slot->id, after->epoch);
	else
		input->ops->credit(consumer, after->slot->id, after->room);
	rv__input_leave(input);
}
