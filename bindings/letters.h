/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters that the core makes, where a binder says so (rv_consumer_info.core_dead_letters):
 *
 *     verdict -> letter made -> SENDING -> broker has it -> original acknowledged, counted, logged
 *                                  |  ^
 *                                  v  |  back-off, or the way opened
 *                                 WAITING
 *
 * The delivery leaves its worker, as a deferred one does, and counts as one: leases are extended, a revocation
 * and a stop wait for it. While a slot has a letter that could not be moved, its listeners rest: what comes
 * behind would only pile up unsettled. A letter that waits when the slot is revoked or the binding stops is
 * dropped with its delivery unsettled, so that it comes again; one that is on its way then may come twice.
 *
 * Lifecycle: open (after bind_consumer) -> bury … -> close (the input is detached, its consumer unbound) -> free.
 * Threads: bury from any; open, close and retry on that of the application; completions on binder threads.
 */
#ifndef BINDINGS_LETTERS_H
#define BINDINGS_LETTERS_H

#include "bindings/input.h"

enum { RV__LETTER_TIMEOUT_MS = 30000 };

/* Why a delivery became a dead letter. */
enum rv__cause {
	RV__CAUSE_REJECT,    /* the listener said RV_REJECT */
	RV__CAUSE_RETRIES,   /* … RV_RETRY, and no attempts are left */
	RV__CAUSE_DELIVERIES /* the broker delivered it too often */
};

/* The way of one source to its dead letters. */
struct rv__letters {
	struct rv__source *source;
	char *destination;          /* owned */
	void *settings;             /* owned; the binder's defaults */
	void *producer;             /* the binder's; NULL: closed */
	atomic_int partition_count; /* of the dead-letter destination; 0: not known yet */
};

/* What a letter is made of. */
struct rv__letter_facts {
	const struct rv__input *input;
	const struct rv__source *source;
	const struct rv__item *item;
	enum rv__cause cause;
	const char *reason; /* the listener's; NULL: none */
	bool trace;         /* with x-exception-stacktrace */
};

/** The dead letter of a delivery: its payload, key, id and headers, and where it came from. NULL: no memory. */
rv_message *rv__letter_make(const struct rv__letter_facts *facts);

/**
 * Binds the producer of the dead letters of a source whose consumer is bound, and sets source->letters.
 *
 * @return RV_OK; RV_E_CONFIG for an anonymous group; RV_E_NOMEM; what the binder says
 */
rv_err rv__letters_open(struct rv__binding *binding, struct rv__source *source, struct rv_error *err);

/** Unbinds it; what is on its way is waited for until the deadline. NULL is fine. */
void rv__letters_close(struct rv__letters *letters, int64_t deadline_ms);
void rv__letters_free(struct rv__letters *letters);

/**
 * Sends a delivery that is listed as taken to the dead letters; from here on it is not the caller's. `reason`
 * is borrowed until the return.
 */
void rv__delivery_bury(rv_delivery *delivery, enum rv__cause cause, const char *reason);

/** Sends the letters that are due again; when to call again, or INT64_MAX. Threads: the application's. */
int64_t rv__letters_retry(struct rv__input *input, int64_t now_ns);

/** Gives up the letters that wait, of one slot or (NULL) of all; their deliveries stay unsettled. Locks:
 * input->lock held. */
void rv__letters_drop_waiting(struct rv__input *input, const struct rv__slot *slot);

#endif
