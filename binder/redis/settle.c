/* SPDX-License-Identifier: Apache-2.0 */
/* What the core says of deliveries, from any thread: noted under the slot's lock, told to Redis by the I/O thread. */
#include "binder/redis/consumer.h"

static struct rv__redis_slot *slot_at(struct rv__redis_consumer *consumer, uint32_t id)
{
	return id < atomic_load_explicit(&consumer->slot_count, memory_order_acquire) ? consumer->slots[id]
	                                                                              : NULL;
}

/* Locks: slot->lock held. True: the caller posts slot->op once the lock is off. */
static bool wants_post(struct rv__redis_slot *slot)
{
	if (slot->posted)
		return false;
	slot->posted = true;
	return true;
}

/* Locks: slot->lock held. The next attempt is another delivery, which the server does not see by itself. */
static bool count_again(struct rv__redis_slot *slot, uint32_t index)
{
	if (slot->held[index].deliveries < INT32_MAX)
		slot->held[index].deliveries++;
	if (slot->recounted.count == slot->recounted.room)
		return false;
	slot->recounted.items[slot->recounted.count++] = index;
	return wants_post(slot);
}

bool rv__redis_holds(void *arg, const struct rv_token *token)
{
	const struct rv__redis_slot *slot = slot_at(arg, token->slot);

	return slot && rv__redis_lease_is_valid(slot);
}

void rv__redis_describe(void *arg, const struct rv_token *token, rv_detail_fn header, void *header_arg)
{
	const struct rv__redis_consumer *consumer = arg;
	struct rv__redis_slot *slot = slot_at(arg, token->slot);
	const struct rv__redis_held *found;
	struct rv__redis_held held = {0};
	char text[RV__REDIS_ID_ROOM];

	if (!slot || !consumer->group)
		return;
	pthread_mutex_lock(&slot->lock);
	found = rv__redis_held_find(slot, token);
	if (found)
		held = *found;
	pthread_mutex_unlock(&slot->lock);
	header(header_arg, "x-original-stream", slot->key);
	if (found) {
		(void)rv__redis_id_print(held.id, text);
		header(header_arg, "x-original-id", text);
	}
	header(header_arg, "x-original-group", consumer->group);
	/* The one that brought it here saw no listener. */
	held.deliveries -= consumer->max_deliveries > 0 && held.deliveries > consumer->max_deliveries;
	if (held.deliveries > 0) {
		text[rv__resp_digits(text, (uint64_t)held.deliveries)] = '\0';
		header(header_arg, "x-delivery-count", text);
	}
}

rv_err rv__redis_settle(void *arg, const struct rv_settle *settle, int64_t *ret_hold_ms)
{
	struct rv__redis_consumer *consumer = arg;
	struct rv__redis_slot *slot = slot_at(consumer, settle->token.slot);
	struct rv__redis_held *held;
	bool post = false;

	if (!slot || !rv__redis_lease_is_valid(slot))
		return RV_E_STALE;
	pthread_mutex_lock(&slot->lock);
	held = rv__redis_held_find(slot, &settle->token);
	if (held && settle->settlement == RV_SETTLE_REQUEUE && slot->lease) {
		*ret_hold_ms =
		    consumer->settings->redelivery_delay_ms; /* it stays at the head of its stream */
		post = count_again(slot, (uint32_t)settle->token.cookie);
	} else if (held && settle->settlement == RV_SETTLE_REQUEUE) {
		held->state = RV__REDIS_REQUEUED;
		slot->requeued.items[slot->requeued.count++] = (uint32_t)settle->token.cookie;
		post = wants_post(slot);
	} else if (held && !consumer->group) {
		rv__redis_held_free(slot, (uint32_t)settle->token.cookie);
	} else if (held) {
		held->state = RV__REDIS_SETTLED;
		slot->settled.items[slot->settled.count++] = (uint32_t)settle->token.cookie;
		/* The first begins the time to the next XACK; the one that fills it ends it. */
		if (slot->settled.count == 1 || slot->settled.count == (size_t)consumer->settings->ack_batch)
			post = wants_post(slot);
	}
	pthread_mutex_unlock(&slot->lock);
	if (!held)
		return RV_E_STALE;
	if (post)
		rv__inbox_post(&consumer->client->inbox, &slot->op);
	atomic_fetch_add_explicit(
	    settle->settlement == RV_SETTLE_REQUEUE ? &consumer->requeued : &consumer->settled, 1,
	    memory_order_relaxed);
	return RV_OK;
}

rv_err rv__redis_acknowledge(void *arg, const struct rv_token *tokens, size_t n)
{
	struct rv__redis_consumer *consumer = arg;
	struct rv__redis_slot *slot = slot_at(consumer, tokens[0].slot);
	bool post = false;
	size_t done = 0;

	if (!slot || !rv__redis_lease_is_valid(slot))
		return RV_E_STALE;
	pthread_mutex_lock(&slot->lock);
	for (size_t i = 0; i < n; i++) {
		struct rv__redis_held *held = rv__redis_held_find(slot, &tokens[i]);

		if (!held)
			continue;
		done++;
		if (!consumer->group) {
			rv__redis_held_free(slot, (uint32_t)tokens[i].cookie);
			continue;
		}
		held->state = RV__REDIS_SETTLED;
		slot->settled.items[slot->settled.count++] = (uint32_t)tokens[i].cookie;
		if (slot->settled.count == 1 || slot->settled.count == (size_t)consumer->settings->ack_batch)
			post |= wants_post(slot);
	}
	pthread_mutex_unlock(&slot->lock);
	if (post)
		rv__inbox_post(&consumer->client->inbox, &slot->op);
	atomic_fetch_add_explicit(&consumer->settled, done, memory_order_relaxed);
	return done == n ? RV_OK : RV_E_STALE;
}

void rv__redis_extend(void *arg, const struct rv_token *tokens, size_t n)
{
	struct rv__redis_consumer *consumer = arg;

	for (size_t i = 0; i < n; i++) {
		struct rv__redis_slot *slot = slot_at(consumer, tokens[i].slot);
		bool post = false;

		if (!slot || !consumer->group)
			continue;
		pthread_mutex_lock(&slot->lock);
		if (rv__redis_held_find(slot, &tokens[i]) && slot->extended.count < slot->extended.room) {
			slot->extended.items[slot->extended.count++] = (uint32_t)tokens[i].cookie;
			post = wants_post(slot);
		}
		pthread_mutex_unlock(&slot->lock);
		if (post)
			rv__inbox_post(&consumer->client->inbox, &slot->op);
	}
}

void rv__redis_credit(void *arg, uint32_t id, uint32_t room)
{
	struct rv__redis_consumer *consumer = arg;
	struct rv__redis_slot *slot = slot_at(consumer, id);
	bool post;

	if (!slot)
		return;
	pthread_mutex_lock(&slot->lock);
	slot->credit = room;
	slot->credited = true;
	post = wants_post(slot);
	pthread_mutex_unlock(&slot->lock);
	if (post)
		rv__inbox_post(&consumer->client->inbox, &slot->op);
}

void rv__redis_released(void *arg, uint32_t id, uint32_t epoch)
{
	struct rv__redis_consumer *consumer = arg;
	struct rv__redis_slot *slot = slot_at(consumer, id);
	bool post;

	if (!slot || !slot->lease)
		return;
	rv__redis_lease_released(slot, epoch);
	pthread_mutex_lock(&slot->lock);
	post = wants_post(slot);
	pthread_mutex_unlock(&slot->lock);
	if (post)
		rv__inbox_post(&consumer->client->inbox, &slot->op);
}
