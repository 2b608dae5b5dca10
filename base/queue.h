/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue between threads, bounded by a count and by bytes. A full queue refuses or makes the
 * sender wait; it never grows. One item larger than the byte limit passes when the queue is empty.
 *
 * Threads: any number of senders and takers. Nothing is called under its lock.
 * Lifecycle: init -> push, pop -> close (wakes everybody) -> finish, once no thread uses it.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

struct rv__queue {
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t readable, writable;
	struct rv__queue_item {
		void *value;
		size_t bytes;
	} * items; /* a ring of count_limit slots */
	size_t head, count, count_limit;
	size_t bytes, byte_limit;
	size_t waiting_readers, waiting_writers;
	bool closed;
};

/** count_limit: at least 1. byte_limit 0: any. RV_E_NOMEM leaves nothing to finish. */
rv_err rv__queue_init(struct rv__queue *queue, size_t count_limit, size_t byte_limit) RV_MUST_CHECK;
/** Items that are still inside must have been taken: they are the caller's. */
void rv__queue_finish(struct rv__queue *queue);

/**
 * Appends one value of `bytes` bytes.
 *
 * @param deadline_ns  of rv__monotonic_ns(); 0: do not wait, -1: wait without end
 * @return RV_OK; RV_E_FULL without waiting; RV_E_TIMEOUT at the deadline; RV_E_CLOSED
 */
rv_err rv__queue_push(struct rv__queue *queue, void *value, size_t bytes, int64_t deadline_ns) RV_MUST_CHECK;

/**
 * Takes up to `max` values in order into `values`, waiting for the first as push does.
 *
 * @return how many; 0 at the deadline, or when the queue is closed and empty
 */
size_t rv__queue_pop(struct rv__queue *queue, void **values, size_t max, int64_t deadline_ns);

/** No more pushes; what is inside can still be taken. */
void rv__queue_close(struct rv__queue *queue);

size_t rv__queue_count(struct rv__queue *queue);
bool rv__queue_closed(struct rv__queue *queue);

#endif
