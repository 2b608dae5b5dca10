/* SPDX-License-Identifier: Apache-2.0 */
/* From the logs to the core: what is due again first, then what comes next in order. */
#include "binder/memory/round.h"

#include <stdio.h>
#include <stdlib.h>

static struct rv__round_turn *new_turn(
    struct rv__round *round, struct rv__memory_consumer *consumer, uint32_t slot)
{
	struct rv__round_turn *turn;

	if (round->turn_count == RV__ROUND_TURNS || round->inbound_count == RV__ROUND_DELIVERED) {
		round->more = true;
		return NULL;
	}
	turn = &round->turns[round->turn_count++];
	*turn = (struct rv__round_turn){.consumer = consumer,
	    .slot = slot,
	    .epoch = consumer->group->shares[slot].epoch,
	    .first = round->inbound_count};
	return turn;
}

/* Adds one message to the turn; false: no room or memory. */
static bool add(struct rv__round *round, struct rv__round_turn *turn, int64_t position)
{
	struct rv__memory_group *group = turn->consumer->group;
	const struct rv__memory_mark *mark = rv__memory_mark_at(&group->shares[turn->slot], position);
	rv_message *body = rv__memory_at(&group->topic->partitions[turn->slot], position);
	int32_t before = mark ? mark->deliveries : 0;
	struct rv_received envelope = {
	    .source = rv__memory_binder.label,
	    .destination = group->topic->name,
	    .partition = (int32_t)turn->slot,
	    .position = position,
	    .attempt = before + 1,
	};
	rv_message *message;

	if (round->inbound_count == RV__ROUND_DELIVERED || !body ||
	    !(message = rv_message_create_envelope(body, &envelope)))
		return false;
	round->inbound[round->inbound_count++] = (struct rv_inbound){
	    .message = message,
	    .token = {.slot = turn->slot,
	        .epoch = turn->epoch,
	        .position = position,
	        .cookie = (uint64_t)before},
	    .delivery_count = before,
	};
	turn->count++;
	return true;
}

/* One redelivery that is due. */
static void hand_aside(
    struct rv__round *round, struct rv__memory_consumer *consumer, uint32_t slot, int64_t now_ns)
{
	struct rv__memory_share *share = &consumer->group->shares[slot];

	for (struct rv__memory_aside *at = share->aside; at && at->due_ns <= now_ns; at = at->next) {
		struct rv__round_turn *turn = new_turn(round, consumer, slot);

		if (!turn)
			return;
		turn->aside = at;
		if (!add(round, turn, at->position))
			round->turn_count--;
	}
}

static void hand_next(struct rv__round *round, struct rv__memory_consumer *consumer, uint32_t slot)
{
	struct rv__memory_share *share = &consumer->group->shares[slot];
	const struct rv__memory_partition *partition = &consumer->group->topic->partitions[slot];
	int64_t before = share->cursor;
	int64_t position = rv__memory_next(share, partition);
	struct rv__round_turn *turn = position >= 0 ? new_turn(round, consumer, slot) : NULL;

	if (!turn)
		return;
	while (position >= 0 && turn->count < RV__MEMORY_BATCH && add(round, turn, position)) {
		share->cursor = position + 1;
		position = rv__memory_next(share, partition);
	}
	/* Moved on by what the core takes, in rv__round_record(). */
	share->cursor = before;
	if (turn->count == 0)
		round->turn_count--;
	if (turn->count == RV__MEMORY_BATCH)
		round->more = true;
}

static void note_due(struct rv__round *round, const struct rv__memory_share *share)
{
	const struct rv__memory_aside *at = share->aside;

	if (at && at->due_ns < round->broker->next_due_ns)
		round->broker->next_due_ns = at->due_ns;
}

static void hand_out_group(struct rv__round *round, struct rv__memory_group *group, int64_t now_ns)
{
	for (uint32_t i = 0; i < group->topic->partition_count; i++) {
		struct rv__memory_share *share = &group->shares[i];
		struct rv__memory_consumer *owner = share->owner;

		if (share->state != RV__SHARE_OWNED || share->refused || atomic_load(&owner->stopped) ||
		    atomic_load(&owner->paused))
			continue;
		hand_aside(round, owner, i, now_ns);
		hand_next(round, owner, i);
		note_due(round, share);
	}
}

void rv__round_hand_out(struct rv__round *round)
{
	int64_t now_ns = round->broker->env.monotonic_ns();

	round->broker->next_due_ns = INT64_MAX;
	for (struct rv__memory_topic *topic = round->broker->topics; topic; topic = topic->next)
		for (struct rv__memory_group *group = topic->groups; group; group = group->next)
			hand_out_group(round, group, now_ns);
}

/* -- recording ------------------------------------------------------------------------------- */

static void record_aside(struct rv__memory_share *share, struct rv__round_turn *turn)
{
	struct rv__memory_aside **at = &share->aside;
	struct rv__memory_mark *mark = rv__memory_mark_at(share, turn->aside->position);

	while (*at != turn->aside)
		at = &(*at)->next;
	*at = turn->aside->next;
	if (mark) {
		mark->set_aside = false;
		mark->deliveries += mark->deliveries < UINT16_MAX;
	}
	free(turn->aside);
}

static void record(struct rv__round *round, struct rv__round_turn *turn)
{
	struct rv__memory_share *share = &turn->consumer->group->shares[turn->slot];

	if (turn->taken < turn->count)
		share->refused = true;
	if (turn->aside) {
		if (turn->taken == 1)
			record_aside(share, turn);
		return;
	}
	for (size_t i = 0; i < turn->taken; i++) {
		int64_t position = round->inbound[turn->first + i].token.position;

		/* Without memory for its mark it is delivered again later: at least once. */
		if (!rv__memory_mark_deliver(share, position))
			return;
		share->cursor = position + 1;
	}
	atomic_fetch_add_explicit(&turn->consumer->binder->received, turn->taken, memory_order_relaxed);
}

void rv__round_record(struct rv__round *round)
{
	for (size_t i = 0; i < round->turn_count; i++)
		record(round, &round->turns[i]);
}
