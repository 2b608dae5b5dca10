/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread of a broker. A round: under the lock drain the inboxes, move the state on and note what
 * to tell; without it make the upcalls; under it again record what the core took. With
 * nothing to do it sleeps until an inbox is filled or something set aside is due.
 */
#include "binder/memory/round.h"

#include "base/wait.h"

#include <stdio.h>
#include <stdlib.h>

/* Completions of one producer. */
static void tell_sent_by(struct rv__memory_producer *producer, struct rv_sent *sent, size_t n)
{
	struct rv_error closed = {0};

	for (size_t i = 0; i < n; i++) {
		if (sent[i].receipt.position >= 0)
			continue;
		if (closed.code == RV_OK)
			rv_error_set(&closed, RV_E_CLOSED, 0, "memory",
			    "the producer was unbound before there was room for the message");
		sent[i].error = &closed;
	}
	if (producer->sink_ops->sent_batch) {
		producer->sink_ops->sent_batch(producer->sink, sent, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		producer->sink_ops->sent(producer->sink, sent[i].arg, &sent[i].receipt, sent[i].error);
}

static void tell_sent(struct rv__round *round)
{
	size_t from = 0;

	while (from < round->sent_count) {
		size_t to = from + 1;

		while (to < round->sent_count && round->sent_by[to] == round->sent_by[from])
			to++;
		tell_sent_by(round->sent_by[from], &round->sent[from], to - from);
		from = to;
	}
	for (size_t i = 0; i < round->writable_count; i++)
		round->writable[i]->sink_ops->writable(round->writable[i]->sink);
}

static void tell_partitions(struct rv__round *round)
{
	for (size_t i = 0; i < round->widened_count; i++) {
		struct rv__memory_producer *producer = round->widened[i];

		if (producer->sink_ops->partitions)
			producer->sink_ops->partitions(producer->sink, (int32_t)round->widths[i]);
	}
}

static void tell_changes(struct rv__round *round)
{
	enum { DRAIN_MS = 5000 };

	for (size_t i = 0; i < round->change_count; i++) {
		const struct rv__round_change *change = &round->changes[i];
		const struct rv_consumer_sink *ops = change->consumer->sink_ops;

		if (change->revoke) {
			ops->revoked(change->consumer->sink, &change->slot, 1, false, DRAIN_MS);
		} else {
			char name[16];
			struct rv_assignment assignment = {
			    .slot = change->slot, .epoch = change->epoch, .name = name};

			snprintf(name, sizeof name, "%u", change->slot);
			ops->assigned(change->consumer->sink, &assignment, 1);
		}
	}
}

static void tell_deliveries(struct rv__round *round)
{
	for (size_t i = 0; i < round->turn_count; i++) {
		struct rv__round_turn *turn = &round->turns[i];
		struct rv_inbound *inbound = &round->inbound[turn->first];

		if (!atomic_load(&turn->consumer->stopped))
			turn->taken =
			    turn->consumer->sink_ops->deliver(turn->consumer->sink, inbound, turn->count);
		for (size_t k = turn->taken; k < turn->count; k++)
			rv_message_unref(inbound[k].message);
	}
}

static void begin(struct rv__round *round)
{
	round->sent_count = 0;
	round->writable_count = 0;
	round->widened_count = 0;
	round->change_count = 0;
	round->inbound_count = 0;
	round->turn_count = 0;
	round->more = false;
}

/* Locks: broker.lock held. */
static void sleep_until_work(struct rv__memory_broker *broker)
{
	atomic_store(&broker->sleeping, true);
	while (!atomic_load(&broker->work) && !broker->closing &&
	    rv__wait_until(&broker->wake, &broker->lock, broker->next_due_ns))
		;
	atomic_store(&broker->sleeping, false);
}

/* Locks: broker.lock held; dropped for the upcalls. */
static void turn(struct rv__round *round)
{
	begin(round);
	rv__round_dismiss(round);
	rv__round_listen(round);
	rv__round_append(round);
	rv__round_balance(round);
	rv__round_hand_out(round);
	pthread_mutex_unlock(&round->broker->lock);
	tell_partitions(round);
	tell_changes(round);
	tell_deliveries(round);
	tell_sent(round);
	pthread_mutex_lock(&round->broker->lock);
	rv__round_record(round);
}

/* Messages that came during the round. Locks: broker.lock held. */
static size_t count_new(const struct rv__memory_broker *broker)
{
	size_t n = 0;

	for (struct rv__memory_producer *at = broker->producers; at; at = at->next)
		n += atomic_load_explicit(&at->tail, memory_order_relaxed) -
		    atomic_load_explicit(&at->head, memory_order_relaxed);
	return n;
}

/*
 * A pump on the heels of a sender that does not wait costs both half of their time: each line of memory changes
 * processors for one message. A short rest makes rounds long. Who sends one by one never has so many under way.
 */
static void let_gather(struct rv__round *round)
{
	enum { ON_HEELS_LEAST = 16, ON_HEELS_MOST = 256, REST_NS = 20000 };
	const struct timespec rest = {.tv_nsec = REST_NS};
	size_t n = count_new(round->broker);

	if (n < ON_HEELS_LEAST || n > ON_HEELS_MOST)
		return;
	pthread_mutex_unlock(&round->broker->lock);
	nanosleep(&rest, NULL);
	pthread_mutex_lock(&round->broker->lock);
}

static bool is_idle(const struct rv__round *round)
{
	return !round->more && round->sent_count == 0 && round->widened_count == 0 &&
	    round->change_count == 0 && round->turn_count == 0;
}

void *rv__memory_pump(void *arg)
{
	struct rv__memory_broker *broker = arg;
	struct rv__round *round = calloc(1, sizeof *round);

	pthread_mutex_lock(&broker->lock);
	if (!round)
		broker->closing = true;
	while (!broker->closing) {
		round->broker = broker;
		atomic_store(&broker->work, false);
		turn(round);
		if (is_idle(round))
			sleep_until_work(broker);
		else
			let_gather(round);
	}
	pthread_mutex_unlock(&broker->lock);
	free(round);
	return NULL;
}
