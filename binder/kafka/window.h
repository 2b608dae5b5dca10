/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of one partition was delivered and is not settled yet. Kafka stores one position a partition, so a
 * settlement counts for it only once all before it are settled; this remembers the gaps.
 *
 *     base                                   next
 *     | 17 open | 18 settled | 21 settled | 22 open |        position: 17; once 17 is settled: 22
 *
 * Entries are found by their number in the order of delivery, not by offset: offsets may have holes.
 * Zeroed memory plus `position` is a valid empty window. Threads: the caller locks.
 */
#ifndef BINDER_KAFKA_WINDOW_H
#define BINDER_KAFKA_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rv__kafka_unit; /* lane.h */

struct rv__kafka_mark {
	int64_t offset;
	bool settled;
	struct rv__kafka_unit *unit; /* waits for its transaction; NULL: none */
};

struct rv__kafka_window {
	struct rv__kafka_mark *ring; /* owned */
	size_t room;                 /* a power of two, or 0 */
	uint64_t base, next;         /* numbers of the oldest entry and of the next one to come */
	int64_t position;            /* what may be stored: all before it are settled; -1: nothing yet */
};

/** Frees the entries; the window is empty again. */
void rv__kafka_window_finish(struct rv__kafka_window *window);

/** Forgets all entries; numbers go on, so that those of before are never met again. */
void rv__kafka_window_reset(struct rv__kafka_window *window);

/** Adds the next delivery. False without memory: nothing was added. */
bool rv__kafka_window_push(struct rv__kafka_window *window, int64_t offset, uint64_t *ret_number);

/** Takes the newest entries from `number` on out again: they were not delivered after all. */
void rv__kafka_window_cut(struct rv__kafka_window *window, uint64_t number);

/** Settles one entry, and advances the position if it can. False: no such entry is open. */
bool rv__kafka_window_settle(struct rv__kafka_window *window, uint64_t number, int64_t offset);

/** Gives an open entry the unit that it is committed with. False: no such entry is open, or it has one. */
bool rv__kafka_window_attach(
    struct rv__kafka_window *window, uint64_t number, int64_t offset, struct rv__kafka_unit *unit);

/** Whether the entry is open. */
bool rv__kafka_window_is_open(const struct rv__kafka_window *window, uint64_t number, int64_t offset);

static inline size_t rv__kafka_window_count(const struct rv__kafka_window *window)
{
	return (size_t)(window->next - window->base);
}

/** Whether the oldest entry waits for its transaction. */
static inline bool rv__kafka_window_head_waits(const struct rv__kafka_window *window)
{
	return window->base != window->next && window->ring[window->base & (window->room - 1)].unit;
}

/** Offset of the oldest open entry; -1: none. */
static inline int64_t rv__kafka_window_head(const struct rv__kafka_window *window)
{
	return window->base == window->next ? -1 : window->ring[window->base & (window->room - 1)].offset;
}

#endif
