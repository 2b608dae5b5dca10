/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/rocketmq/process_queue.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

static struct rv__pq_entry *at(const struct rv__process_queue *window, size_t index)
{
	return &window->entries[(window->head + index) & (window->capacity - 1)];
}

void rv__process_queue_reset(struct rv__process_queue *window, int64_t next)
{
	window->head = 0;
	window->count = 0;
	window->open = 0;
	window->bytes = 0;
	window->next = next;
}

void rv__process_queue_finish(struct rv__process_queue *window)
{
	free(window->entries);
	*window = (struct rv__process_queue){0};
}

static bool grow(struct rv__process_queue *window)
{
	size_t capacity = window->capacity ? window->capacity * 2 : FIRST_CAPACITY;
	struct rv__pq_entry *entries = calloc(capacity, sizeof *entries);

	if (!entries)
		return false;
	for (size_t i = 0; i < window->count; i++)
		entries[i] = *at(window, i);
	free(window->entries);
	window->entries = entries;
	window->capacity = capacity;
	window->head = 0;
	return true;
}

bool rv__process_queue_add(struct rv__process_queue *window, const struct rv__pq_entry *entry)
{
	if (entry->offset < window->next)
		return false;
	if (window->count == window->capacity && !grow(window))
		return false;
	window->count++;
	*at(window, window->count - 1) = *entry;
	at(window, window->count - 1)->state = RV__PQ_OPEN;
	window->open++;
	window->bytes += entry->size;
	window->next = entry->offset + 1;
	return true;
}

void rv__process_queue_pass(struct rv__process_queue *window, int64_t next)
{
	if (next > window->next)
		window->next = next;
}

struct rv__pq_entry *rv__process_queue_find(struct rv__process_queue *window, int64_t offset)
{
	size_t low = 0, high = window->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (at(window, middle)->offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < window->count && at(window, low)->offset == offset ? at(window, low) : NULL;
}

bool rv__process_queue_settle(struct rv__process_queue *window, int64_t offset)
{
	struct rv__pq_entry *entry = rv__process_queue_find(window, offset);

	if (!entry || entry->state == RV__PQ_SETTLED)
		return false;
	entry->state = RV__PQ_SETTLED;
	window->open--;
	window->bytes -= entry->size;
	while (window->count > 0 && at(window, 0)->state == RV__PQ_SETTLED) {
		window->head = (window->head + 1) & (window->capacity - 1);
		window->count--;
	}
	return true;
}

int64_t rv__process_queue_committable(const struct rv__process_queue *window)
{
	return window->count > 0 ? at(window, 0)->offset : window->next;
}

int64_t rv__process_queue_span(const struct rv__process_queue *window)
{
	return window->count > 0 ? at(window, window->count - 1)->offset - at(window, 0)->offset : 0;
}
