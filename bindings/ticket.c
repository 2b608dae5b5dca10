/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/ticket.h"

#include "bindings/wait.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct rv__waiter {
	pthread_mutex_t lock;
	pthread_cond_t completed;
	unsigned shares; /* under the lock: sender and completion; who drops the last one frees */
	bool done;
	bool failed;
	struct rv_error error; /* valid when failed */
};

/* Given back, in no order. Only pushed and emptied, so that an address that comes back does no harm. */
static _Atomic(struct rv__ticket *) used;

/* What the thread keeps for itself. */
static __thread struct rv__ticket *own_tickets;
static __thread struct rv__waiter *own_waiter;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;

static void destroy_waiter(struct rv__waiter *waiter)
{
	pthread_cond_destroy(&waiter->completed);
	pthread_mutex_destroy(&waiter->lock);
	free(waiter);
}

static void leave_thread(void *unused)
{
	(void)unused;
	while (own_tickets) {
		struct rv__ticket *next = own_tickets->next;

		free(own_tickets);
		own_tickets = next;
	}
	if (own_waiter)
		destroy_waiter(own_waiter);
	own_waiter = NULL;
}

static void make_key(void)
{
	/* Without the key a thread leaks what it kept; nothing else depends on it. */
	(void)pthread_key_create(&at_exit, leave_thread);
}

/* Asks for leave_thread() at the end of this thread. */
static void keep_for_thread(void)
{
	static __thread bool asked;

	if (asked)
		return;
	asked = true;
	pthread_once(&once, make_key);
	pthread_setspecific(at_exit, &asked);
}

struct rv__ticket *rv__ticket_take(void)
{
	struct rv__ticket *ticket = own_tickets;

	if (!ticket) {
		keep_for_thread();
		ticket = atomic_exchange_explicit(&used, NULL, memory_order_acquire);
	}
	if (!ticket)
		ticket = malloc(sizeof *ticket);
	else
		own_tickets = ticket->next;
	if (ticket)
		memset(ticket, 0, sizeof *ticket);
	return ticket;
}

void rv__ticket_give(struct rv__ticket *ticket)
{
	ticket->next = atomic_load_explicit(&used, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
	    &used, &ticket->next, ticket, memory_order_release, memory_order_relaxed))
		;
}

static struct rv__waiter *new_waiter(void)
{
	struct rv__waiter *waiter = calloc(1, sizeof *waiter);

	if (waiter && !rv__wait_init(&waiter->lock, &waiter->completed)) {
		free(waiter);
		return NULL;
	}
	return waiter;
}

struct rv__waiter *rv__waiter_take(void)
{
	struct rv__waiter *waiter = own_waiter;

	own_waiter = NULL;
	if (!waiter) {
		keep_for_thread();
		waiter = new_waiter();
	}
	if (waiter) {
		waiter->shares = 2;
		waiter->done = false;
		waiter->failed = false;
	}
	return waiter;
}

static void keep_waiter(struct rv__waiter *waiter)
{
	if (own_waiter)
		destroy_waiter(waiter);
	else
		own_waiter = waiter;
}

void rv__waiter_give_unused(struct rv__waiter *waiter)
{
	keep_waiter(waiter);
}

bool rv__waiter_wait(struct rv__waiter *waiter, int64_t deadline_ns, rv_err *ret_code, struct rv_error *err)
{
	bool in_time = true;
	bool done;
	bool last;

	pthread_mutex_lock(&waiter->lock);
	while (!waiter->done && in_time)
		in_time = rv__wait_until(&waiter->completed, &waiter->lock, deadline_ns);
	done = waiter->done;
	if (done) {
		*ret_code = waiter->failed ? waiter->error.code : RV_OK;
		if (waiter->failed && err)
			*err = waiter->error;
	}
	last = --waiter->shares == 0;
	pthread_mutex_unlock(&waiter->lock);
	if (last)
		keep_waiter(waiter);
	return done;
}

void rv__waiter_complete(struct rv__waiter *waiter, const struct rv_error *error)
{
	bool last;

	pthread_mutex_lock(&waiter->lock);
	waiter->done = true;
	waiter->failed = error != NULL;
	if (error)
		waiter->error = *error;
	last = --waiter->shares == 0;
	/* Under the lock: the sender may destroy the condition as soon as it has the lock. */
	pthread_cond_signal(&waiter->completed);
	pthread_mutex_unlock(&waiter->lock);
	if (last)
		destroy_waiter(waiter);
}
