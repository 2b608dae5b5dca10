/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/kafka/pool.h"

#include <stdlib.h>

enum {
	WIDENED_FOR = 32,   /* so many small messages with their headers … */
	LARGE_BYTES = 60000 /* … and less than is trimmed */
};

bool rv__kafka_pool_init(struct rv__kafka_pool *pool, uint32_t capacity)
{
	/* calloc() of that size touches no page. */
	pool->places = calloc(capacity, sizeof *pool->places);
	pool->capacity = capacity;
	atomic_init(&pool->free, 0);
	atomic_init(&pool->fresh, 0);
	return pool->places != NULL;
}

void rv__kafka_pool_finish(struct rv__kafka_pool *pool)
{
	free(pool->places);
	pool->places = NULL;
}

/* One larger piece of this thread's heap, given back at once. */
static void ask_large(void)
{
	void *piece = malloc(LARGE_BYTES);

	__asm__ volatile("" : : "r"(piece) : "memory"); /* else the compiler leaves both out */
	free(piece);
}

void rv__kafka_pool_join_freed(void)
{
	ask_large();
}

static struct rv__kafka_place *take_fresh(struct rv__kafka_pool *pool)
{
	uint32_t fresh = atomic_load_explicit(&pool->fresh, memory_order_relaxed);

	while (fresh < pool->capacity)
		if (atomic_compare_exchange_weak(&pool->fresh, &fresh, fresh + 1)) {
			/* More is on its way than ever before, so librdkafka will ask this heap for more than it ever
			 * had. Heaps of threads grow by the page, a system call each; now it is one for many. */
			if (fresh % WIDENED_FOR == WIDENED_FOR - 1)
				ask_large();
			return &pool->places[fresh];
		}
	return NULL;
}

struct rv__kafka_place *rv__kafka_pool_take(struct rv__kafka_pool *pool)
{
	uint64_t head = atomic_load_explicit(&pool->free, memory_order_acquire);

	while ((uint32_t)head != 0) {
		struct rv__kafka_place *place = &pool->places[(uint32_t)head - 1];
		/* May be of a later use already; the exchange fails then, for the count moved. */
		uint32_t next = atomic_load_explicit(&place->next, memory_order_relaxed);
		uint64_t after = ((head >> 32) + 1) << 32 | next;

		if (atomic_compare_exchange_weak_explicit(
		        &pool->free, &head, after, memory_order_acquire, memory_order_acquire))
			return place;
	}
	return take_fresh(pool);
}

void rv__kafka_pool_gather(
    struct rv__kafka_pool *pool, struct rv__kafka_returns *returns, struct rv__kafka_place *place)
{
	atomic_store_explicit(&place->next, returns->first ? rv__kafka_place_number(pool, returns->first) : 0,
	    memory_order_relaxed);
	if (!returns->last)
		returns->last = place;
	returns->first = place;
}

void rv__kafka_pool_give(struct rv__kafka_pool *pool, struct rv__kafka_returns *returns)
{
	uint64_t head, after;

	if (!returns->first)
		return;
	head = atomic_load_explicit(&pool->free, memory_order_relaxed);
	do {
		atomic_store_explicit(&returns->last->next, (uint32_t)head, memory_order_relaxed);
		after = ((head >> 32) + 1) << 32 | rv__kafka_place_number(pool, returns->first);
	} while (!atomic_compare_exchange_weak_explicit(
	    &pool->free, &head, after, memory_order_release, memory_order_relaxed));
	returns->first = returns->last = NULL;
}
