/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: some brokers give a delivery for a time only. While it waits, runs, backs off or is
 * deferred, the thread of the application asks for more time, at half of the shortest lease.
 */
#include "base/buffer.h"
#include "bindings/delivery.h"

/* Tokens, one behind the other in a buffer. */
static void add_token(struct rv__buffer *tokens, const struct rv__item *item)
{
	if (item->lease_ms > 0)
		rv__buffer_add(tokens, &item->token, sizeof item->token);
}

/* Locks: input->lock held. */
static void collect_slot(const struct rv__slot *slot, struct rv__buffer *tokens)
{
	for (size_t i = 0; i < slot->count; i++)
		add_token(tokens, &slot->items[(slot->head + i) & (slot->room - 1)]);
	for (const struct rv__again *at = slot->again; at; at = at->next)
		add_token(tokens, &at->item);
	/* Some of these may be settled by now: for the binder a stale token, which it ignores. */
	for (size_t i = 0; i < slot->on_worker_count; i++)
		add_token(tokens, &slot->on_worker[i]);
}

static void collect(struct rv__input *input, const struct rv__source *source, struct rv__buffer *tokens)
{
	pthread_mutex_lock(&input->lock);
	for (size_t i = 0; i < source->slot_room; i++)
		if (source->slots[i])
			collect_slot(source->slots[i], tokens);
	for (const struct rv_delivery *at = input->taken; at; at = at->next)
		if (at->slot->source == source)
			add_token(tokens, &at->line.item);
	pthread_mutex_unlock(&input->lock);
}

int64_t rv__input_extend(struct rv__input *input, int64_t now_ns)
{
	int lease_ms = atomic_load_explicit(&input->lease_ms, memory_order_relaxed);

	if (lease_ms == 0 || !input->ops->extend)
		return INT64_MAX;
	if (now_ns < input->extend_ns)
		return input->extend_ns;
	for (size_t i = 0; i < input->source_count; i++) {
		struct rv__buffer tokens = {0};

		collect(input, &input->sources[i], &tokens);
		if (tokens.length > 0 && rv__input_enter(input)) {
			input->ops->extend(input->sources[i].consumer,
			    (const struct rv_token *)(const void *)tokens.bytes,
			    tokens.length / sizeof(struct rv_token));
			rv__input_leave(input);
		}
		rv__buffer_finish(&tokens);
	}
	input->extend_ns = now_ns + (int64_t)lease_ms * 1000000 / 2;
	return input->extend_ns;
}
