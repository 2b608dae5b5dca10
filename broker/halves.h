/* SPDX-License-Identifier: Apache-2.0 */
/* The half messages that are not decided, by their offsets; see transactions.h. Knows nothing of store and network. */
#ifndef BROKER_HALVES_H
#define BROKER_HALVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rv__half {
	int64_t offset; /* in its queue */
	int64_t physical_offset;
	int64_t stored_ms;
	int64_t immunity_ms; /* so long its producer is left alone at first */
	int64_t notes_at;    /* end of the queue of notes when it was stored: its own note lies behind */
	int32_t checks;      /* times that its producer was asked */
	enum rv__half_state { RV__HALF_OPEN, RV__HALF_DECIDING, RV__HALF_DECIDED } state;
	/* DECIDING: its note is not acknowledged yet */
};

/* Zeroed: empty. */
struct rv__halves {
	struct rv__half *items; /* by offset, rising */
	size_t count, capacity;
};

void rv__halves_finish(struct rv__halves *halves);

/** Borrowed until the next change; NULL: decided long ago, or never there. */
struct rv__half *rv__halves_find(const struct rv__halves *halves, int64_t offset);

/** Makes room for one more, so that rv__halves_enter() cannot fail. false: no memory. */
bool rv__halves_reserve(struct rv__halves *halves);

/** Enters the newest. What stands at its offset or behind was taken back by a write that failed. */
void rv__halves_enter(struct rv__halves *halves, const struct rv__half *half);

/** Those at the front that are decided are done with; how many. */
size_t rv__halves_drop_decided(struct rv__halves *halves);

#endif
