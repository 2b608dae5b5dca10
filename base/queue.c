/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* Deadlines are of the monotonic clock, so that a set wall clock neither hurries nor delays them. */
static int init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	int failed;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	failed = pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
	return failed;
}

rv_err rv__queue_init(struct rv__queue *queue, size_t count_limit, size_t byte_limit)
{
	assert(count_limit > 0);
	*queue = (struct rv__queue){.count_limit = count_limit, .byte_limit = byte_limit};
	queue->items = calloc(count_limit, sizeof *queue->items);
	if (!queue->items)
		return RV_E_NOMEM;
	pthread_mutex_init(&queue->lock, NULL);
	init_condition(&queue->readable);
	init_condition(&queue->writable);
	return RV_OK;
}

void rv__queue_finish(struct rv__queue *queue)
{
	if (!queue->items)
		return;
	pthread_cond_destroy(&queue->writable);
	pthread_cond_destroy(&queue->readable);
	pthread_mutex_destroy(&queue->lock);
	free(queue->items);
	queue->items = NULL;
}

/* Locks: held. Whether the wait goes on: false once the deadline has passed. */
static bool wait_on(struct rv__queue *queue, pthread_cond_t *condition, size_t *waiting, int64_t deadline_ns)
{
	struct timespec until = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
	int result;

	if (deadline_ns == 0)
		return false;
	(*waiting)++;
	result = deadline_ns < 0 ? pthread_cond_wait(condition, &queue->lock)
	                         : pthread_cond_timedwait(condition, &queue->lock, &until);
	(*waiting)--;
	return result != ETIMEDOUT;
}

/* Locks: held. */
static bool has_room(const struct rv__queue *queue, size_t bytes)
{
	if (queue->count == 0)
		return true;
	if (queue->count == queue->count_limit)
		return false;
	return queue->byte_limit == 0 ||
	    (queue->bytes < queue->byte_limit && bytes <= queue->byte_limit - queue->bytes);
}

rv_err rv__queue_push(struct rv__queue *queue, void *value, size_t bytes, int64_t deadline_ns)
{
	rv_err result = RV_OK;

	pthread_mutex_lock(&queue->lock);
	while (!queue->closed && !has_room(queue, bytes))
		if (!wait_on(queue, &queue->writable, &queue->waiting_writers, deadline_ns))
			break;
	if (queue->closed) {
		result = RV_E_CLOSED;
	} else if (!has_room(queue, bytes)) {
		result = deadline_ns == 0 ? RV_E_FULL : RV_E_TIMEOUT;
	} else {
		size_t tail = (queue->head + queue->count++) % queue->count_limit;

		queue->items[tail] = (struct rv__queue_item){.value = value, .bytes = bytes};
		queue->bytes += bytes;
		if (queue->waiting_readers)
			pthread_cond_signal(&queue->readable);
	}
	pthread_mutex_unlock(&queue->lock);
	return result;
}

size_t rv__queue_pop(struct rv__queue *queue, void **values, size_t max, int64_t deadline_ns)
{
	size_t taken = 0;

	pthread_mutex_lock(&queue->lock);
	while (queue->count == 0 && !queue->closed)
		if (!wait_on(queue, &queue->readable, &queue->waiting_readers, deadline_ns))
			break;
	while (taken < max && queue->count > 0) {
		const struct rv__queue_item *item = &queue->items[queue->head];

		values[taken++] = item->value;
		queue->bytes -= item->bytes;
		queue->head = (queue->head + 1) % queue->count_limit;
		queue->count--;
	}
	/* All, since the room may be enough for several small ones or for none of the large ones. */
	if (taken && queue->waiting_writers)
		pthread_cond_broadcast(&queue->writable);
	/* A taker that left something behind passes the word on. */
	if (queue->count && queue->waiting_readers)
		pthread_cond_signal(&queue->readable);
	pthread_mutex_unlock(&queue->lock);
	return taken;
}

void rv__queue_close(struct rv__queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->readable);
	pthread_cond_broadcast(&queue->writable);
	pthread_mutex_unlock(&queue->lock);
}

size_t rv__queue_count(struct rv__queue *queue)
{
	size_t count;

	pthread_mutex_lock(&queue->lock);
	count = queue->count;
	pthread_mutex_unlock(&queue->lock);
	return count;
}

bool rv__queue_closed(struct rv__queue *queue)
{
	bool closed;

	pthread_mutex_lock(&queue->lock);
	closed = queue->closed;
	pthread_mutex_unlock(&queue->lock);
	return closed;
}
