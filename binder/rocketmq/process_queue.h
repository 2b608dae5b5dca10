/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one queue has fetched and not settled: a window of offsets, in order, with gaps where the
 * broker filtered. From it comes the position that may be stored: the oldest unsettled offset, or the
 * next one to fetch when nothing is open. Not thread-safe; the consumer's lock guards it.
 */
#ifndef BINDER_ROCKETMQ_PROCESS_QUEUE_H
#define BINDER_ROCKETMQ_PROCESS_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rv__pq_state {
	RV__PQ_OPEN, /* delivered or waiting for delivery */
	RV__PQ_MOVING, /* a send-back or dead letter is on its way; the position is held until it is confirmed */
	RV__PQ_SETTLED
};

struct rv__pq_entry {
	int64_t offset;
	int64_t physical; /* commit log offset: what a send-back names */
	uint32_t size;    /* stored bytes, for flow control */
	int32_t reconsumed;
	uint8_t state; /* enum rv__pq_state */
};

/* Zeroed memory is an empty window that starts at offset 0. */
struct rv__process_queue {
	struct rv__pq_entry *entries; /* ring, owned */
	size_t capacity;              /* power of two */
	size_t head, count;
	size_t open;   /* entries not settled */
	int64_t bytes; /* of those */
	int64_t next;  /* everything below was seen */
};

/** Forgets all entries; the window starts at `next`. */
void rv__process_queue_reset(struct rv__process_queue *window, int64_t next);
void rv__process_queue_finish(struct rv__process_queue *window);

/** Adds one fetched message; offsets must ascend. False when it is not new (a duplicate) or without memory. */
bool rv__process_queue_add(struct rv__process_queue *window, const struct rv__pq_entry *entry);

/** Everything below `next` has been seen (the tail may have been filtered away). Never moves back. */
void rv__process_queue_pass(struct rv__process_queue *window, int64_t next);

/** The entry of an offset, borrowed until the next add or settle; NULL when unknown. */
struct rv__pq_entry *rv__process_queue_find(struct rv__process_queue *window, int64_t offset);

/** Marks one offset settled. False when it is unknown or was settled before. */
bool rv__process_queue_settle(struct rv__process_queue *window, int64_t offset);

/** The position that may be stored: nothing below it is open. */
int64_t rv__process_queue_committable(const struct rv__process_queue *window);

/** Distance from the oldest unsettled offset to the newest fetched one; 0 when nothing is open. */
int64_t rv__process_queue_span(const struct rv__process_queue *window);

#endif
