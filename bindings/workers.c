/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker threads of an input. A worker claims a slot with up to CLAIM_MAX of its deliveries, so
 * that the lock is taken once for many, and gives the slot back at the end of them, of its time slice, or
 * when one delivery must be tried again later. Acknowledgements are gathered meanwhile; see acks.h.
 */
#include "bindings/input.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "bindings/message.h"
#include "bindings/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLAIM_MAX = RV__ACKS_MAX, SLICE_NS = 5000000 };

/* One round of a worker, or of a poll, with one slot. */
struct round {
	struct rv__input *input;
	const struct rv__listener *poller; /* NULL: of a worker */
	struct rv__slot *slot;
	uint32_t epoch;
	struct rv__item items[CLAIM_MAX];
	size_t count;           /* claimed */
	size_t deferred;        /* of these, taken by a listener */
	struct rv__item *again; /* the one to try again; NULL: none */
	int64_t delay_ms;
	bool handled; /* of a poll: a delivery came as far as the listener */
};

static bool wants_to_stop(struct round *round)
{
	return atomic_load_explicit(&round->slot->halt, memory_order_relaxed) ||
	    atomic_load_explicit(&round->input->halted, memory_order_relaxed);
}

/* Waits for the back-off in place; false when the slot is to halt before. */
static bool wait_in_place(struct round *round)
{
	struct rv__input *input = round->input;
	int64_t due_ns = rv__monotonic_ns() + round->delay_ms * 1000000;
	bool in_time = true;

	pthread_mutex_lock(&input->lock);
	while (in_time && !wants_to_stop(round))
		in_time = rv__wait_until(&input->idle, &input->lock, due_ns);
	pthread_mutex_unlock(&input->lock);
	return !in_time;
}

/* One delivery. A poll makes all its attempts, a worker one: the others wait in the slot. */
static enum rv__outcome run_item(struct round *round, struct rv__item *item, bool gathers)
{
	enum rv__outcome outcome;

	round->handled = true;
	do
		outcome = rv__delivery_run(
		    round->input, round->slot, item, round->poller, gathers, &round->delay_ms);
	while (outcome == RV__AGAIN && round->poller && item->attempts > 0 && !item->pending &&
	    wait_in_place(round));
	return outcome;
}

/* What the next deliveries need, from the processor of the binder's thread. */
static void fetch_ahead(const struct round *round, size_t index)
{
	if (index + 2 < round->count)
		__builtin_prefetch(round->items[index + 2].message, 1);
	if (index + 1 < round->count)
		__builtin_prefetch(round->items[index + 1].message->payload);
}

/* One delivery; false: the round ends before it. `gathers`: whether acknowledgements wait for others. */
static bool run_one(struct round *round, size_t index, bool gathers)
{
	struct rv__input *input = round->input;
	struct rv__slot *slot = round->slot;
	struct rv__item *item = &round->items[index];
	enum rv__outcome outcome;

	fetch_ahead(round, index);
	/* One that was delivered before may be what ends the process: those before it shall be settled. */
	if (gathers && item->before > 0)
		(void)rv__acks_tell(input, slot);
	outcome = run_item(round, item, gathers && item->before == 0);
	if (outcome == RV__AGAIN) {
		round->again = item;
		return false;
	}
	if (outcome == RV__DEFERRED)
		round->deferred++;
	if (gathers)
		rv__acks_finished(&slot->acks, index + 1);
	return true;
}

/* Runs what was claimed, with no lock held. Items before the returned one have run, those before *ret_over are
 * finished. */
static size_t run_claimed(struct round *round, size_t *ret_over)
{
	bool gathers = round->input->ops->acknowledge && round->count >= RV__ACKS_LEAST;
	int64_t now_ns = rv__coarse_ns();
	int64_t slice_end_ns = now_ns + SLICE_NS;
	int64_t told_ns = now_ns;
	size_t next = 0;

	if (gathers)
		rv__acks_begin(&round->slot->acks, round->items);
	while (next < round->count && !wants_to_stop(round) && run_one(round, next, gathers)) {
		next++;
		now_ns = rv__coarse_ns();
		if (gathers && now_ns != told_ns) {
			(void)rv__acks_tell(round->input, round->slot); /* else at the end */
			told_ns = now_ns;
		}
		if (now_ns > slice_end_ns)
			break;
	}
	*ret_over = gathers ? rv__acks_end(round->input, round->slot) : next;
	return next;
}

/* Those from `over` on have run, and some could not be settled: these keep their order for another try. Returns the
 * first of them. Locks: input->lock held. */
static size_t settle_again(struct round *round, size_t over, size_t next)
{
	enum { SETTLE_AGAIN_MS = 100 };
	size_t first = next;

	for (size_t i = next; i > over; i--) {
		struct rv__item item = round->items[i - 1];

		if (!item.message) /* deferred, or settled alone */
			continue;
		item.pending = RV_ACK + 1;
		round->items[i - 1] = round->items[--first];
		round->items[first] = item;
	}
	if (first < next) {
		round->delay_ms =
		    round->again && round->delay_ms > SETTLE_AGAIN_MS ? round->delay_ms : SETTLE_AGAIN_MS;
		round->again = &round->items[first];
	}
	return first;
}

/*
 * The rest returns to the head of the slot, in order; or is dropped when the slot moved on meanwhile: its new
 * owner gets it. Locks: input->lock held.
 */
static void give_back(struct round *round, size_t next)
{
	struct rv__slot *slot = round->slot;
	bool stale = slot->epoch != round->epoch || slot->revoked || atomic_load(&round->input->halted);

	if (stale)
		round->again = NULL;
	for (size_t i = round->count; i > next; i--) {
		struct rv__item *item = &round->items[i - 1];

		if (stale) {
			rv__slot_forget(slot, item);
			rv_message_unref(item->message);
		} else {
			rv__slot_unclaim(slot, item);
			round->input->queued++;
		}
	}
}

/* Locks: input->lock held. */
static void finish_round(struct round *round, size_t next, struct rv__after *ret_after)
{
	struct rv__input *input = round->input;
	struct rv__slot *slot = round->slot;

	for (size_t i = 0; i < next; i++)
		if (round->items[i].bytes > 0) /* not deferred */
			rv__slot_forget(slot, &round->items[i]);
	give_back(round, next);
	slot->claimed = 0;
	slot->on_worker = NULL;
	slot->on_worker_count = 0;
	input->running--;
	slot->place = RV__SLOT_IDLE;
	atomic_store(&slot->halt, false);
	if (round->again)
		rv__slot_park(input, slot, rv__monotonic_ns() + round->delay_ms * 1000000);
	else
		rv__slot_rest(input, slot);
	rv__slot_check(input, slot, ret_after);
	if (atomic_load(&input->halted))
		pthread_cond_broadcast(&input->idle);
}

/*
 * Attempts of deferred deliveries come before the queue: they are older. Its node is kept for the
 * case that there is yet another. Locks: input->lock held; dropped meanwhile.
 */
static void run_again(struct round *round, struct rv__again *again, struct rv__after *ret_after)
{
	struct rv__input *input = round->input;
	struct rv__slot *slot = round->slot;
	enum rv__outcome outcome;
	bool stale;

	slot->on_worker = &again->item;
	slot->on_worker_count = 1;
	pthread_mutex_unlock(&input->lock);
	outcome = run_item(round, &again->item, false);
	pthread_mutex_lock(&input->lock);
	stale = slot->epoch != round->epoch || slot->revoked || atomic_load(&input->halted);
	if (outcome == RV__AGAIN && !stale) {
		again->due_ns = rv__monotonic_ns() + round->delay_ms * 1000000;
		rv__slot_add_again(slot, again);
	} else {
		if (outcome == RV__AGAIN)
			rv_message_unref(again->item.message);
		if (again->item.bytes > 0)
			rv__slot_forget(slot, &again->item);
		free(again);
	}
	finish_round(round, 0, ret_after);
}

/* Locks: input->lock held; dropped meanwhile. */
static void run_slot(struct round *round, struct rv__after *ret_after)
{
	struct rv__input *input = round->input;
	struct rv__slot *slot = round->slot;
	struct rv__again *again = slot->again;
	size_t next;
	size_t over;

	round->epoch = slot->epoch;
	round->again = NULL;
	round->count = 0;
	input->running++;
	if (again && again->due_ns <= rv__monotonic_ns()) {
		slot->again = again->next;
		run_again(round, again, ret_after);
		return;
	}
	round->count = rv__slot_claim(slot, round->items, round->poller ? 1 : CLAIM_MAX);
	slot->on_worker = round->items;
	slot->on_worker_count = round->count;
	input->queued -= round->count;
	pthread_mutex_unlock(&input->lock);
	next = run_claimed(round, &over);
	pthread_mutex_lock(&input->lock);
	finish_round(round, over < next ? settle_again(round, over, next) : next, ret_after);
}

/* Waits for something to do. Locks: input->lock held. */
static void wait_for_work(struct rv__input *input, int64_t due_ns)
{
	input->waiting_workers++;
	(void)rv__wait_until(&input->work, &input->lock, due_ns); /* looks again, signalled or not */
	input->waiting_workers--;
}

static void *work(void *arg)
{
	struct round round = {.input = arg};
	struct rv__input *input = arg;

	pthread_mutex_lock(&input->lock);
	while (!input->closed) {
		bool may_run = !input->paused && !atomic_load(&input->halted);
		int64_t due_ns = input->parked ? rv__slots_unpark(input, rv__monotonic_ns()) : INT64_MAX;
		struct rv__after after;

		round.slot = may_run ? rv__slots_take_ready(input) : NULL;
		if (!round.slot) {
			wait_for_work(input, due_ns);
			continue;
		}
		run_slot(&round, &after);
		pthread_mutex_unlock(&input->lock);
		rv__after_run(input, &after);
		pthread_mutex_lock(&input->lock);
	}
	input->workers--;
	pthread_cond_broadcast(&input->idle);
	pthread_mutex_unlock(&input->lock);
	rv__input_unref(input);
	return NULL;
}

/* One round, or none: RV_E_TIMEOUT, RV_E_CLOSED. */
static rv_err poll_round(struct round *round, int64_t deadline_ns)
{
	struct rv__input *input = round->input;
	struct rv__after after;
	bool in_time = true;
	bool open;

	pthread_mutex_lock(&input->lock);
	for (;;) {
		int64_t due_ns = input->parked ? rv__slots_unpark(input, rv__monotonic_ns()) : INT64_MAX;

		open = !input->closed && !atomic_load(&input->halted);
		round->slot = open && !input->paused ? rv__slots_take_ready(input) : NULL;
		if (round->slot || !open || !in_time)
			break;
		in_time = rv__monotonic_ns() < deadline_ns;
		if (in_time)
			wait_for_work(input, due_ns < deadline_ns ? due_ns : deadline_ns);
	}
	if (!round->slot) {
		pthread_mutex_unlock(&input->lock);
		return open ? RV_E_TIMEOUT : RV_E_CLOSED;
	}
	run_slot(round, &after);
	pthread_mutex_unlock(&input->lock);
	rv__after_run(input, &after);
	return RV_OK;
}

rv_err rv__input_poll(struct rv__input *input, const struct rv__listener *poller, int64_t deadline_ns)
{
	struct round round = {.input = input, .poller = poller};
	rv_err result;

	do /* what was claimed goes back when a stop or the loss of the partition comes before the listener */
		result = poll_round(&round, deadline_ns);
	while (result == RV_OK && !round.handled);
	return result;
}

static bool start_worker(struct rv__input *input)
{
	rv__input_ref(input);
	pthread_mutex_lock(&input->lock);
	input->workers++;
	pthread_mutex_unlock(&input->lock);
	if (pthread_create(&input->threads[input->thread_count], NULL, work, input) == 0) {
		input->thread_count++;
		return true;
	}
	pthread_mutex_lock(&input->lock);
	input->workers--;
	pthread_mutex_unlock(&input->lock);
	rv__input_unref(input);
	return false;
}

rv_err rv__input_start(struct rv__input *input, struct rv_error *err)
{
	if (input->polled)
		return RV_OK;
	input->threads = calloc(input->worker_count, sizeof *input->threads);
	if (!input->threads)
		return rv_error_set(err, RV_E_NOMEM, RV__N_WORKERS, "workers",
		    "no memory for the %zu workers of '%s'; lower its concurrency", input->worker_count,
		    input->channel);
	while (input->thread_count < input->worker_count)
		if (!start_worker(input))
			return rv_error_set(err, RV_E_NOMEM, RV__N_WORKERS, "workers",
			    "only %zu of %zu workers of '%s' could be started; lower its concurrency or "
			    "raise the "
			    "limit of threads",
			    input->thread_count, input->worker_count, input->channel);
	return RV_OK;
}

size_t rv__input_stop(struct rv__input *input, int64_t deadline_ns)
{
	bool in_time = true;
	size_t left;

	pthread_mutex_lock(&input->lock);
	input->closed = true;
	pthread_cond_broadcast(&input->work);
	while (input->workers > 0 && in_time)
		in_time = rv__wait_until(&input->idle, &input->lock, deadline_ns);
	left = input->workers;
	pthread_mutex_unlock(&input->lock);
	/* One that is stuck in its listener cannot be joined; it holds a reference of its own. */
	for (size_t i = 0; i < input->thread_count; i++)
		if (left > 0)
			pthread_detach(input->threads[i]);
		else
			pthread_join(input->threads[i], NULL);
	free(input->threads);
	input->threads = NULL;
	input->thread_count = 0;
	return left;
}
