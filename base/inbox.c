/* SPDX-License-Identifier: Apache-2.0 */
#include "base/inbox.h"

#include <stddef.h>

/* Links a chain the other way round; returns its new first. */
static struct rv__op *reverse(struct rv__op *op)
{
	struct rv__op *reversed = NULL;

	while (op) {
		struct rv__op *next = op->next;

		op->next = reversed;
		reversed = op;
		op = next;
	}
	return reversed;
}

void rv__inbox_post_chain(struct rv__inbox *inbox, struct rv__op *first, struct rv__op *last)
{
	struct rv__op *newest = atomic_load_explicit(&inbox->newest, memory_order_relaxed);

	/* The inbox is a stack; the chain goes in reversed, so that turning it round restores the order. */
	last->next = NULL;
	if (first != last)
		(void)reverse(first);
	do
		first->next = newest;
	while (!atomic_compare_exchange_weak_explicit(
	    &inbox->newest, &newest, last, memory_order_acq_rel, memory_order_relaxed));
	if (!newest)
		inbox->ring(inbox->loop); /* else whoever filled the empty inbox has rung already */
}

void rv__inbox_post(struct rv__inbox *inbox, struct rv__op *op)
{
	rv__inbox_post_chain(inbox, op, op);
}

void rv__inbox_run(struct rv__inbox *inbox)
{
	struct rv__op *op = reverse(atomic_exchange_explicit(&inbox->newest, NULL, memory_order_acq_rel));

	while (op) {
		struct rv__op *next = op->next;

		op->run(op);
		op = next;
	}
}

void rv__inbox_call(struct rv__inbox *inbox, struct rv__call *call, void (*run)(struct rv__op *op))
{
	call->op.run = run;
	call->done = false;
	pthread_mutex_init(&call->lock, NULL);
	pthread_cond_init(&call->over, NULL);
	rv__inbox_post(inbox, &call->op);
	pthread_mutex_lock(&call->lock);
	while (!call->done)
		pthread_cond_wait(&call->over, &call->lock);
	pthread_mutex_unlock(&call->lock);
	pthread_cond_destroy(&call->over);
	pthread_mutex_destroy(&call->lock);
}

void rv__call_done(struct rv__call *call)
{
	pthread_mutex_lock(&call->lock);
	call->done = true;
	pthread_cond_signal(&call->over);
	pthread_mutex_unlock(&call->lock);
}
