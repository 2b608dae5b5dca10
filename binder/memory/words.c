/* SPDX-License-Identifier: Apache-2.0 */
/* What the core says of deliveries: settlements, credit, released slots. */
#include "binder/memory/round.h"

static void requeue(struct rv__round *round, struct rv__memory_consumer *consumer,
    struct rv__memory_share *share, const struct rv__memory_word *word)
{
	int64_t due_ns =
	    round->broker->env.monotonic_ns() + consumer->settings->redelivery_delay_ms * 1000000;

	/* Without memory it is not set aside, and comes again with the next owner. */
	(void)rv__memory_set_aside(share, word->position, due_ns);
	atomic_fetch_add_explicit(&consumer->binder->requeued, 1, memory_order_relaxed);
}

static void settle(struct rv__round *round, struct rv__memory_consumer *consumer,
    struct rv__memory_share *share, const struct rv__memory_word *word)
{
	atomic_fetch_add_explicit(&consumer->binder->settled, word->count, memory_order_relaxed);
	switch (word->settlement) {
	case RV_SETTLE_ACK:
	case RV_SETTLE_DROP:
	case RV_SETTLE_DEAD_LETTER: /* never said: the core moves dead letters itself */
		rv__memory_settle(share, word->position, word->count);
		break;
	case RV_SETTLE_REQUEUE:
		requeue(round, consumer, share, word);
		break;
	}
}

static void take_word(
    struct rv__round *round, struct rv__memory_consumer *consumer, const struct rv__memory_word *word)
{
	struct rv__memory_share *share = &consumer->group->shares[word->slot];

	if (share->owner != consumer || share->epoch != word->epoch)
		return;
	if (word->kind == RV__WORD_SETTLE)
		settle(round, consumer, share, word);
	else if (word->kind == RV__WORD_CREDIT)
		share->refused = false;
	else {
		rv__memory_share_release(share);
		consumer->group->unbalanced = true;
	}
}

/* Drains the inbox of one member. */
static void listen_to(struct rv__round *round, struct rv__memory_consumer *consumer)
{
	struct rv__memory_words words;

	/* The member's array and the pump's change places: nothing is copied under the lock. */
	pthread_mutex_lock(&consumer->lock);
	words = consumer->inbox;
	consumer->inbox = consumer->spare;
	pthread_mutex_unlock(&consumer->lock);
	for (size_t i = 0; i < words.count; i++)
		take_word(round, consumer, &words.items[i]);
	words.count = 0;
	consumer->spare = words;
}

static void measure(struct rv__memory_consumer *consumer)
{
	const struct rv__memory_group *group = consumer->group;
	long long lag = 0;

	for (uint32_t i = 0; i < group->topic->partition_count; i++)
		if (group->shares[i].owner == consumer)
			lag += rv__memory_end(&group->topic->partitions[i]) - group->shares[i].committed;
	atomic_store_explicit(&consumer->lag, lag, memory_order_relaxed);
}

void rv__round_listen(struct rv__round *round)
{
	for (struct rv__memory_topic *topic = round->broker->topics; topic; topic = topic->next) {
		for (struct rv__memory_group *group = topic->groups; group; group = group->next) {
			for (struct rv__memory_consumer *at = group->members; at; at = at->next) {
				listen_to(round, at);
				measure(at);
			}
		}
	}
}
