/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of an output share: the way of a message through gate and bounds. Inline, since every message passes
 * here twice: output_send.c takes it in, output_completion.c lets it out. Nobody else includes this.
 */
#ifndef BINDINGS_OUTPUT_PATH_H
#define BINDINGS_OUTPUT_PATH_H

#include "bindings/output.h"
#include "bindings/ticket.h"

/** Another try of those who wait may succeed now. */
void rv__output_tell_progress(struct rv__output *output);

/* Enters the part that may use `producer`. Paired with rv__output_leave(). */
static inline bool rv__output_enter(struct rv__output *output)
{
	/* Both sequentially consistent: either we see the closed gate, or the closer sees us. */
	atomic_fetch_add(&output->users, 1);
	return atomic_load(&output->gate) == RV__GATE_OPEN;
}

static inline void rv__output_leave(struct rv__output *output)
{
	/* The last access: a closer that sees nobody inside may free the output. */
	atomic_fetch_sub(&output->users, 1);
}

static inline bool rv__output_reserve(struct rv__output *output, long long bytes)
{
	long long count = atomic_fetch_add(&output->in_flight, 1);
	long long before = atomic_fetch_add(&output->in_flight_bytes, bytes);

	/* One message alone always passes, however large. */
	if (count < output->max_in_flight && (before + bytes <= output->max_in_flight_bytes || count == 0))
		return true;
	atomic_fetch_sub(&output->in_flight, 1);
	atomic_fetch_sub(&output->in_flight_bytes, bytes);
	return false;
}

static inline void rv__output_release(struct rv__output *output, long long count, long long bytes)
{
	atomic_fetch_sub(&output->in_flight_bytes, bytes);
	atomic_fetch_sub(&output->in_flight, count);
	if (atomic_load(&output->waiters) > 0)
		rv__output_tell_progress(output);
}

static inline rv_err rv__output_gate_error(struct rv__output *output)
{
	return atomic_load(&output->gate) == RV__GATE_STOPPED ? RV_E_CLOSED : RV_E_UNAVAILABLE;
}

static inline void rv__output_drop_ticket(struct rv__ticket *ticket)
{
	rv_message_unref(ticket->message);
	rv_message_unref(ticket->wire);
	rv__ticket_give(ticket);
}

/* output_refusal.c */

/** Counts a send that was refused with `code`, and says in words why. Returns the code to answer with. */
rv_err rv__output_refuse(struct rv__output *output, rv_err code, struct rv_error *err);
/** Refuses what could not be made, is too large, or is nothing that the broker of this channel carries. */
rv_err rv__output_check(struct rv__output *output, rv_message *message, struct rv_error *err);
/** RV_E_TIMEOUT for a message that was handed over and not answered in time. */
rv_err rv__output_unanswered(struct rv__output *output, struct rv_error *err);

/* output_completion.c */

/** Whether this thread runs completions: waiting there would wait for itself. */
bool rv__output_in_completion(void);

#endif
