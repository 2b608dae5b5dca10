/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending to the store, once per turn for all, and the queue of those who wait for the outcome:
 * until the store has acknowledged their message, and the definition of its topic is durable.
 */
#ifndef BROKER_APPEND_H
#define BROKER_APPEND_H

#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#include "broker/answer.h"
#include "broker/store/store.h"

struct rv__broker;
struct rv__waiting;

/** Runs exactly once: RV_OK when acknowledged; otherwise nothing was promised and *err says why. */
typedef void (*rv__appended_fn)(
    struct rv__broker *broker, struct rv__waiting *waiting, rv_err code, const struct rv_error *err);

/* Somebody who waits for the message that was appended last. */
struct rv__waiting {
	rv__appended_fn done;
	struct rv__ticket ticket; /* owned reference, or without connection */
	int64_t end;              /* log offset to wait for; -1: its batch is not written yet */
	uint64_t topics_change;   /* change of topics that must be durable; 0: none */
	struct rv__store_position position;
	int32_t queue_id;
	char *text;     /* owned: ids of a batch */
	void *arg;      /* of done */
	int64_t number; /* of done */
};

struct rv__append {
	struct rv__waiting *ring; /* in the order of their messages */
	size_t head, count, capacity;
	size_t unwritten; /* the last so many have no end yet */
	bool any;         /* the store holds a batch */
};

/**
 * Adds one message to this turn's batch. RV_E_FULL (retriable), RV_E_TOOBIG, RV_E_INVALID, RV_E_IO, RV_E_NOMEM.
 * A batch that is too large to take more is written first.
 */
rv_err rv__append(struct rv__broker *broker, const struct rv__store_message *message,
    struct rv__store_position *ret_position, struct rv_error *err);

/** `done` runs when everything appended so far is acknowledged. Copies *waiting. RV_E_NOMEM: it will not run. */
rv_err rv__append_wait(struct rv__broker *broker, const struct rv__waiting *waiting);

/** End of a turn: writes the batch, and tells those whose time has come. */
void rv__append_write(struct rv__broker *broker);

/** Tells all whose condition holds. */
void rv__append_complete(struct rv__broker *broker);

/** The store is gone for writing: tells everybody. */
void rv__append_fail(struct rv__broker *broker, rv_err code, const struct rv_error *err);

void rv__append_close(struct rv__broker *broker);

/** The protocol's code for an append that failed: 2 for a moment's overload, 13 for a message too big, 14
 * otherwise. */
int rv__append_response(rv_err code, const struct rv_error *err);

#endif
