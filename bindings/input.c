/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/input.h"

#include "base/clock.h"
#include "base/wait.h"
#include "bindings/app.h"
#include "bindings/delivery.h"
#include "bindings/letters.h"
#include "bindings/message.h"
#include "bindings/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- making and freeing ------------------------------------------------------------------ */

static size_t count_parts(const char *list)
{
	size_t n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

/* Splits "a, b" into sources; empty parts are left out. */
static bool make_sources(struct rv__input *input, const char *list)
{
	size_t parts = count_parts(list);

	if (parts > RV__SOURCES_MAX)
		parts = RV__SOURCES_MAX;
	input->sources = calloc(parts, sizeof *input->sources);
	while (input->sources && input->source_count < parts) {
		size_t skipped = strspn(list, " ,");
		size_t length = strcspn(list + skipped, ",");
		struct rv__source *source = &input->sources[input->source_count];

		list += skipped;
		if (length == 0)
			break;
		source->input = input;
		source->destination = strndup(list, length);
		if (!source->destination)
			return false;
		input->source_count++;
		list += length;
		while (length > 0 && source->destination[length - 1] == ' ')
			source->destination[--length] = '\0';
	}
	return input->sources != NULL;
}

static bool copy_listeners(struct rv__input *input, const struct rv__listener *listeners, size_t count)
{
	input->listeners = malloc((count ? count : 1) * sizeof *listeners);
	if (!input->listeners)
		return false;
	if (count > 0)
		memcpy(input->listeners, listeners, count * sizeof *listeners);
	input->listener_count = count;
	return true;
}

struct rv__input *rv__input_create(
    struct rv__binding *binding, const struct rv__listener *listeners, size_t listener_count)
{
	struct rv__input *input = calloc(1, sizeof *input);

	if (!input || !rv__wait_init(&input->lock, &input->work)) {
		free(input);
		return NULL;
	}
	if (!rv__condition_init(&input->idle)) {
		pthread_cond_destroy(&input->work);
		pthread_mutex_destroy(&input->lock);
		free(input);
		return NULL;
	}
	atomic_init(&input->refs, 1);
	input->binding = binding;
	input->observer = binding->app->observer;
	input->ops = binding->binder->ops;
	input->binder_used = binding->binder;
	input->content_type = binding->content_type;
	input->max_attempts =
	    binding->consumer.default_retryable ? (int32_t)binding->consumer.max_attempts : 1;
	input->back_off_initial_ms = binding->consumer.back_off_initial_ms;
	input->back_off_max_ms = binding->consumer.back_off_max_ms;
	input->back_off_multiplier = binding->consumer.back_off_multiplier;
	input->queue_messages = (size_t)binding->own_consumer.queue_messages;
	input->queue_bytes = (size_t)binding->own_consumer.queue_bytes;
	input->worker_count = binding->polled ? 0 : (size_t)binding->consumer.concurrency;
	input->channel = strdup(binding->channel);
	input->binder = strdup(binding->binder->name);
	input->group = binding->group ? strdup(binding->group) : NULL;
	input->letter_headers = binding->consumer.header_mode != RV__HEADERS_NONE;
	input->embedded = binding->consumer.header_mode == RV__HEADERS_EMBEDDED;
	input->polled = binding->polled;
	if (!input->channel || !input->binder || (binding->group && !input->group) ||
	    !copy_listeners(input, listeners, listener_count) || !make_sources(input, binding->destination)) {
		rv__input_unref(input);
		return NULL;
	}
	return input;
}

void rv__input_ref(struct rv__input *input)
{
	atomic_fetch_add_explicit(&input->refs, 1, memory_order_relaxed);
}

static void free_source(struct rv__input *input, struct rv__source *source)
{
	for (size_t i = 0; i < source->slot_room; i++) {
		if (!source->slots[i])
			continue;
		rv__slot_drop_queued(input, source->slots[i]);
		rv__acks_finish(&source->slots[i]->acks);
		free(source->slots[i]->items);
		free(source->slots[i]);
	}
	free(source->slots);
	free(source->destination);
	rv__letters_free(source->letters);
	free(source->dead_letters);
}

void rv__input_unref(struct rv__input *input)
{
	if (!input || atomic_fetch_sub_explicit(&input->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < input->source_count; i++)
		free_source(input, &input->sources[i]);
	free(input->sources);
	free(input->listeners);
	free((char *)input->channel);
	free((char *)input->binder);
	free((char *)input->group);
	free(input->threads);
	pthread_cond_destroy(&input->work);
	pthread_cond_destroy(&input->idle);
	pthread_mutex_destroy(&input->lock);
	free(input);
}

/* -- calls into the binder ------------------------------------------------------------------ */

bool rv__input_enter(struct rv__input *input)
{
	/* Both sequentially consistent: either we see `detached`, or the detacher sees us. */
	atomic_fetch_add(&input->calling, 1);
	if (!atomic_load(&input->detached))
		return true;
	rv__input_leave(input);
	return false;
}

void rv__input_leave(struct rv__input *input)
{
	if (atomic_fetch_sub(&input->calling, 1) == 1 && atomic_load(&input->detached)) {
		pthread_mutex_lock(&input->lock);
		pthread_cond_broadcast(&input->idle);
		pthread_mutex_unlock(&input->lock);
	}
}

/* Deliveries in the hands of a service may outlive the outputs that their messages are for. */
static void discard_joints(struct rv__input *input)
{
	bool any;

	do {
		struct rv__joints joints = {0};

		pthread_mutex_lock(&input->lock);
		for (rv_delivery *at = input->taken; at && !joints.first; at = at->next) {
			if (atomic_load(&at->committing) || !at->joints.first)
				continue;
			joints = at->joints;
			at->joints = (struct rv__joints){0};
		}
		pthread_mutex_unlock(&input->lock);
		any = joints.first != NULL;
		rv__joints_discard(&joints);
	} while (any);
}

void rv__input_detach(struct rv__input *input)
{
	atomic_store(&input->detached, true);
	pthread_mutex_lock(&input->lock);
	while (atomic_load(&input->calling) > 0)
		pthread_cond_wait(&input->idle, &input->lock);
	pthread_mutex_unlock(&input->lock);
	discard_joints(input);
}

/* -- halting and draining ----------------------------------------------------------------------- */

void rv__input_halt(struct rv__input *input)
{
	pthread_mutex_lock(&input->lock);
	atomic_store(&input->halted, true);
	rv__letters_drop_waiting(input, NULL);
	for (size_t i = 0; i < input->source_count; i++)
		for (size_t k = 0; k < input->sources[i].slot_room; k++)
			if (input->sources[i].slots[k])
				rv__slot_drop_queued(input, input->sources[i].slots[k]);
	pthread_cond_broadcast(&input->work);
	pthread_cond_broadcast(&input->idle);
	pthread_mutex_unlock(&input->lock);
	rv__acks_tell_all(input);
}

size_t rv__input_busy(struct rv__input *input)
{
	size_t busy;

	pthread_mutex_lock(&input->lock);
	busy = input->running + input->deferred;
	pthread_mutex_unlock(&input->lock);
	return busy;
}

size_t rv__input_drain(struct rv__input *input, int64_t deadline_ns)
{
	bool in_time = true;
	size_t busy;

	pthread_mutex_lock(&input->lock);
	while (input->running + input->deferred > 0 && in_time)
		in_time = rv__wait_until(&input->idle, &input->lock, deadline_ns);
	busy = input->running + input->deferred;
	pthread_mutex_unlock(&input->lock);
	return busy;
}

void rv__input_set_paused(struct rv__input *input, bool paused)
{
	pthread_mutex_lock(&input->lock);
	input->paused = paused;
	for (size_t i = 0; paused && i < input->source_count; i++)
		for (size_t k = 0; k < input->sources[i].slot_room; k++)
			if (input->sources[i].slots[k] &&
			    input->sources[i].slots[k]->place == RV__SLOT_RUNNING)
				rv__slot_interrupt(input, input->sources[i].slots[k]);
	pthread_cond_broadcast(&input->work);
	pthread_mutex_unlock(&input->lock);
	if (paused)
		rv__acks_tell_all(input);
}

/* -- upcalls ------------------------------------------------------------------------------------------ */

static bool grow_slots(struct rv__source *source, uint32_t id)
{
	size_t room = source->slot_room ? source->slot_room : 16;
	struct rv__slot **slots;

	while (room <= id)
		room *= 2;
	slots = realloc(source->slots, room * sizeof *slots);
	if (!slots)
		return false;
	memset(slots + source->slot_room, 0, (room - source->slot_room) * sizeof *slots);
	source->slots = slots;
	source->slot_room = room;
	return true;
}

/* The slot of an id, made on first use; NULL: no memory, or an id beyond all bounds. Locks: input->lock held. */
static struct rv__slot *get_slot(struct rv__source *source, uint32_t id)
{
	struct rv__slot *slot;

	if (id >= RV__SLOTS_MAX || (id >= source->slot_room && !grow_slots(source, id)))
		return NULL;
	slot = source->slots[id];
	if (!slot && (slot = calloc(1, sizeof *slot))) {
		slot->source = source;
		slot->id = id;
		rv__acks_init(&slot->acks);
		source->slots[id] = slot;
	}
	return slot;
}

static bool fits(const struct rv__input *input, const struct rv__slot *slot, size_t bytes)
{
	/* One message alone always fits, however large. */
	return slot->unsettled == 0 ||
	    (slot->unsettled < input->queue_messages && slot->unsettled_bytes + bytes <= input->queue_bytes);
}

/* *workers: one more for each slot that some worker is to be told of. Locks: input->lock held. */
static bool take_delivery(
    struct rv__input *input, struct rv__source *source, const struct rv_inbound *inbound, size_t *workers)
{
	struct rv__slot *slot = get_slot(source, inbound->token.slot);
	struct rv__item item = {.message = inbound->message,
	    .token = inbound->token,
	    .bytes = (uint32_t)rv__message_size(inbound->message),
	    .before = inbound->delivery_count,
	    .deliveries = inbound->delivery_count,
	    .lease_ms = (int32_t)inbound->lease_ms};

	if (!slot)
		return false;
	/* A binder that never announced the assignment starts it with its first delivery. */
	if (slot->epoch != inbound->token.epoch)
		slot->epoch = inbound->token.epoch;
	if (slot->refused || slot->revoked || !fits(input, slot, item.bytes) || !rv__slot_push(slot, &item)) {
		slot->refused = true;
		return false;
	}
	if (item.lease_ms > 0) {
		int before = atomic_load_explicit(&input->lease_ms, memory_order_relaxed);

		if (before == 0 || item.lease_ms < before) {
			atomic_store_explicit(&input->lease_ms, item.lease_ms, memory_order_relaxed);
			rv__binding_wake(input->binding);
		}
	}
	if (!input->embedded) /* else once its own was looked for, in the payload */
		rv__message_default_content_type(item.message, input->content_type);
	slot->unsettled++;
	slot->unsettled_bytes += item.bytes;
	input->queued++;
	if (slot->place == RV__SLOT_IDLE)
		*workers += rv__slot_list_ready(input, slot);
	return true;
}

static size_t on_deliver(void *sink, const struct rv_inbound *batch, size_t n)
{
	struct rv__source *source = sink;
	struct rv__input *input = source->input;
	size_t taken = 0, workers = 0;

	pthread_mutex_lock(&input->lock);
	if (!atomic_load(&input->halted))
		while (taken < n && take_delivery(input, source, &batch[taken], &workers))
			taken++;
	pthread_mutex_unlock(&input->lock);
	/* Not under the lock: a worker that wakes up wants it, and would sleep again for the rest of the batch. */
	for (; workers > 0; workers--)
		pthread_cond_signal(&input->work);
	if (taken > 0)
		atomic_fetch_add_explicit(&input->received, taken, memory_order_relaxed);
	return taken;
}

static void on_assigned(void *sink, const struct rv_assignment *assignments, size_t n)
{
	struct rv__source *source = sink;
	struct rv__input *input = source->input;

	for (size_t i = 0; i < n; i++) {
		struct rv__slot *slot;

		pthread_mutex_lock(&input->lock);
		slot = get_slot(source, assignments[i].slot);
		if (slot) {
			slot->epoch = assignments[i].epoch;
			slot->revoked = false;
			slot->refused = false;
			snprintf(slot->name, sizeof slot->name, "%s",
			    assignments[i].name ? assignments[i].name : "");
		}
		pthread_mutex_unlock(&input->lock);
		rv_log(RV_LOG_DEBUG, "binding", "channel=%s destination=%s partition=%s epoch=%u: assigned",
		    input->channel, source->destination, assignments[i].name ? assignments[i].name : "?",
		    assignments[i].epoch);
	}
}

/* Locks: input->lock held. */
static void revoke_slot(struct rv__input *input, struct rv__slot *slot, bool lost, int64_t deadline_ns)
{
	slot->revoked = true;
	slot->refused = false;
	slot->revoke_deadline_ns = lost ? 0 : deadline_ns;
	rv__letters_drop_waiting(input, slot);
	rv__slot_drop_queued(input, slot);
	if (slot->place == RV__SLOT_RUNNING)
		rv__slot_interrupt(input, slot);
	else
		rv__slot_unlist(input, slot);
}

static void on_revoked(void *sink, const uint32_t *slots, size_t n, bool lost, int64_t deadline_ms)
{
	struct rv__source *source = sink;
	struct rv__input *input = source->input;
	int64_t deadline_ns = rv__monotonic_ns() + deadline_ms * 1000000;

	for (size_t i = 0; i < n; i++) {
		struct rv__after after;
		struct rv__slot *slot;

		pthread_mutex_lock(&input->lock);
		slot = get_slot(source, slots[i]);
		if (slot) {
			revoke_slot(input, slot, lost, deadline_ns);
			rv__slot_check(input, slot, &after);
		}
		pthread_mutex_unlock(&input->lock);
		if (slot)
			(void)rv__acks_tell(input, slot); /* else the worker tries again */
		if (slot)
			rv__after_run(input, &after);
	}
	/* The deadlines are kept by the thread of the application. */
	rv__binding_wake(input->binding);
}

/* Locks: input->lock held. The next slot whose time for draining is over, or NULL. */
static struct rv__slot *next_expired(struct rv__input *input, int64_t now_ns, int64_t *ret_next_ns)
{
	*ret_next_ns = INT64_MAX;
	for (size_t i = 0; i < input->source_count; i++) {
		for (size_t k = 0; k < input->sources[i].slot_room; k++) {
			struct rv__slot *slot = input->sources[i].slots[k];

			if (!slot || !slot->revoked)
				continue;
			if (slot->revoke_deadline_ns <= now_ns)
				return slot;
			if (slot->revoke_deadline_ns < *ret_next_ns)
				*ret_next_ns = slot->revoke_deadline_ns;
		}
	}
	return NULL;
}

int64_t rv__input_expire(struct rv__input *input, int64_t now_ns)
{
	int64_t next_ns;
	struct rv__slot *slot;

	do {
		struct rv__after after = {0};

		pthread_mutex_lock(&input->lock);
		slot = next_expired(input, now_ns, &next_ns);
		if (slot) {
			slot->revoked = false;
			after = (struct rv__after){.slot = slot, .released = true, .epoch = slot->epoch};
		}
		pthread_mutex_unlock(&input->lock);
		if (slot)
			rv__after_run(input, &after);
	} while (slot);
	return next_ns;
}

static void on_state(void *sink, const struct rv_error *why)
{
	struct rv__source *source = sink;

	rv__binding_tell_way(source->input->binding, source, why);
}

const struct rv_consumer_sink rv__input_sink = {
    .deliver = on_deliver,
    .assigned = on_assigned,
    .revoked = on_revoked,
    .state = on_state,
};
