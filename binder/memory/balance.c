/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns which partition of a group. Members get equal parts, one more for the first ones;
 * a partition stays where it is unless its owner has too many. It changes its owner only after
 * the old one has released it.
 */
#include "binder/memory/round.h"

#include <stdio.h>

/* -- leaving ------------------------------------------------------------------------------- */

static void release_all(struct rv__memory_consumer *consumer)
{
	struct rv__memory_group *group = consumer->group;

	for (uint32_t i = 0; i < group->topic->partition_count; i++) {
		struct rv__memory_share *share = &group->shares[i];

		if (share->owner != consumer)
			continue;
		rv__memory_share_release(share);
	}
	group->unbalanced = true;
}

static void remove_leaving(struct rv__memory_group *group)
{
	struct rv__memory_consumer **at = &group->members;

	while (*at) {
		struct rv__memory_consumer *consumer = *at;

		if (!consumer->leaving) {
			at = &consumer->next;
			continue;
		}
		release_all(consumer);
		*at = consumer->next;
		consumer->gone = true;
	}
}

/* Their completions were told in the round before. */
void rv__round_dismiss(struct rv__round *round)
{
	struct rv__memory_producer **at = &round->broker->producers;

	while (*at) {
		struct rv__memory_producer *producer = *at;

		/* Closed before it leaves, so that what is empty then stays empty. */
		if (!producer->leaving || atomic_load(&producer->head) != atomic_load(&producer->tail)) {
			at = &producer->next;
			continue;
		}
		*at = producer->next;
		producer->gone = true;
	}
}

/* -- balancing --------------------------------------------------------------------------------- */

static size_t count_members(const struct rv__memory_group *group)
{
	size_t n = 0;

	for (const struct rv__memory_consumer *at = group->members; at; at = at->next)
		n += at->started;
	return n;
}

static size_t owned_by(const struct rv__memory_group *group, const struct rv__memory_consumer *consumer)
{
	size_t n = 0;

	for (uint32_t i = 0; i < group->topic->partition_count; i++)
		n += group->shares[i].owner == consumer && group->shares[i].state == RV__SHARE_OWNED;
	return n;
}

static bool note(
    struct rv__round *round, struct rv__memory_consumer *consumer, uint32_t slot, uint32_t epoch, bool revoke)
{
	if (round->change_count == RV__ROUND_TURNS) {
		round->more = true;
		return false;
	}
	round->changes[round->change_count++] = (struct rv__round_change){consumer, slot, epoch, revoke};
	return true;
}

/* Takes from a member what is above its part. */
static bool take_surplus(struct rv__round *round, struct rv__memory_consumer *consumer, size_t part)
{
	struct rv__memory_group *group = consumer->group;
	size_t owned = owned_by(group, consumer);

	for (uint32_t i = group->topic->partition_count; i > 0 && owned > part; i--) {
		struct rv__memory_share *share = &group->shares[i - 1];

		if (share->owner != consumer || share->state != RV__SHARE_OWNED)
			continue;
		if (!note(round, consumer, i - 1, share->epoch, true))
			return false;
		share->state = RV__SHARE_REVOKING;
		owned--;
	}
	return true;
}

/* Gives a member free partitions up to its part. */
static bool give(struct rv__round *round, struct rv__memory_consumer *consumer, size_t part)
{
	struct rv__memory_group *group = consumer->group;
	size_t owned = owned_by(group, consumer);

	for (uint32_t i = 0; i < group->topic->partition_count && owned < part; i++) {
		struct rv__memory_share *share = &group->shares[i];

		if (share->state != RV__SHARE_FREE)
			continue;
		if (!note(round, consumer, i, share->epoch + 1, false))
			return false;
		share->state = RV__SHARE_OWNED;
		share->owner = consumer;
		share->epoch++;
		share->refused = false;
		atomic_store(&consumer->epochs[i], share->epoch);
		owned++;
	}
	return true;
}

static void balance(struct rv__round *round, struct rv__memory_group *group)
{
	size_t members = count_members(group);
	size_t index = 0;
	bool done = true;

	for (struct rv__memory_consumer *at = group->members; at && members > 0; at = at->next) {
		size_t part = group->topic->partition_count / members;

		if (!at->started)
			continue;
		part += index++ < group->topic->partition_count % members;
		done = take_surplus(round, at, part) && done;
		done = give(round, at, part) && done;
	}
	group->unbalanced = !done;
}

void rv__round_balance(struct rv__round *round)
{
	for (struct rv__memory_topic *topic = round->broker->topics; topic; topic = topic->next) {
		struct rv__memory_group *group = topic->groups;

		while (group) {
			struct rv__memory_group *next = group->next;

			remove_leaving(group);
			if (group->anonymous && !group->members)
				rv__memory_group_remove(group);
			else if (group->unbalanced)
				balance(round, group);
			group = next;
		}
	}
	pthread_cond_broadcast(&round->broker->settled);
}
