/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/ticket.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PENDING, DONE, ABANDONED };

_Static_assert(sizeof(struct rv__ticket) == 64, "one line");

/*
 * A semaphore and not a condition: the completion may post without a lock that the sender, just woken, would
 * have to wait for, and after the post it touches nothing any more.
 */
struct rv__waiter {
	sem_t completed;
	atomic_int state; /* PENDING; DONE by the completion; ABANDONED by a sender that gave up */
	bool failed;
	struct rv_error error; /* valid when failed */
};

/*
 * Memory for tickets, kept for the life of the process. One by one they would stand between what clients allocate for
 * message after message, which processors follow ahead only where it lies at even distances.
 */
enum { SLAB_TICKETS = 63 };

struct slab {
	struct slab *next;
	_Alignas(64) struct rv__ticket tickets[SLAB_TICKETS];
};

/* All of them: whoever looks for leaks finds them in use. */
static _Atomic(struct slab *) slabs;

/* Given back, in no order. Only pushed and emptied, so that an address that comes back does no harm. */
static _Atomic(struct rv__ticket *) used;

/* What the thread keeps for itself. */
static __thread struct rv__ticket *own_tickets;
static __thread struct rv__waiter *own_waiter;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;

static void destroy_waiter(struct rv__waiter *waiter)
{
	sem_destroy(&waiter->completed);
	free(waiter);
}

static void leave_thread(void *unused)
{
	struct rv__ticket *last = own_tickets;

	(void)unused;
	while (last && last->next)
		last = last->next;
	if (last)
		rv__ticket_give_all(own_tickets, last);
	own_tickets = NULL;
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

/* One out of a new slab; the others are this thread's. NULL: no memory. */
static struct rv__ticket *cut_slab(void)
{
	struct slab *slab = aligned_alloc(sizeof(struct rv__ticket), sizeof *slab);

	if (!slab)
		return NULL;
	for (size_t i = 1; i < SLAB_TICKETS; i++) {
		slab->tickets[i].next = own_tickets;
		own_tickets = &slab->tickets[i];
	}
	slab->next = atomic_load_explicit(&slabs, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
	    &slabs, &slab->next, slab, memory_order_release, memory_order_relaxed))
		;
	return &slab->tickets[0];
}

struct rv__ticket *rv__ticket_take(void)
{
	struct rv__ticket *ticket = own_tickets;

	if (!ticket) {
		keep_for_thread();
		ticket = atomic_exchange_explicit(&used, NULL, memory_order_acquire);
	}
	if (ticket)
		own_tickets = ticket->next;
	else
		ticket = cut_slab();
	if (!ticket)
		return NULL;
	__builtin_prefetch(own_tickets, 1); /* completed on another processor */
	*ticket = (struct rv__ticket){0};
	return ticket;
}

void rv__ticket_give_all(struct rv__ticket *first, struct rv__ticket *last)
{
	last->next = atomic_load_explicit(&used, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
	    &used, &last->next, first, memory_order_release, memory_order_relaxed))
		;
}

void rv__ticket_give(struct rv__ticket *ticket)
{
	rv__ticket_give_all(ticket, ticket);
}

static struct rv__waiter *new_waiter(void)
{
	struct rv__waiter *waiter = calloc(1, sizeof *waiter);

	if (waiter && sem_init(&waiter->completed, 0, 0) != 0) {
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
		atomic_store_explicit(&waiter->state, PENDING, memory_order_relaxed);
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

/* Waits for the post; false at the deadline. */
static bool wait_for_post(struct rv__waiter *waiter, int64_t deadline_ns)
{
	struct timespec at = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
	int status;

	do
		status = sem_clockwait(&waiter->completed, CLOCK_MONOTONIC, &at);
	while (status != 0 && errno == EINTR);
	return status == 0;
}

bool rv__waiter_wait(struct rv__waiter *waiter, int64_t deadline_ns, rv_err *ret_code, struct rv_error *err)
{
	if (!wait_for_post(waiter, deadline_ns)) {
		/* Who comes second takes care of it: the completion frees it, or we take its post. */
		if (atomic_exchange(&waiter->state, ABANDONED) == PENDING)
			return false;
		(void)wait_for_post(waiter, INT64_MAX);
	}
	(void)atomic_load_explicit(&waiter->state, memory_order_acquire);
	*ret_code = waiter->failed ? waiter->error.code : RV_OK;
	if (waiter->failed && err)
		*err = waiter->error;
	keep_waiter(waiter);
	return true;
}

void rv__waiter_complete(struct rv__waiter *waiter, const struct rv_error *error)
{
	waiter->failed = error != NULL;
	if (error)
		waiter->error = *error;
	if (atomic_exchange(&waiter->state, DONE) == ABANDONED)
		destroy_waiter(waiter);
	else
		sem_post(&waiter->completed); /* from here on it is the sender's alone */
}
