/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EVERY_BLOCK_ALONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define EVERY_BLOCK_ALONE 1
#endif
#endif

/* An envelope; a small message with a few headers; a larger one. Above: from the allocator. */
static const size_t class_sizes[] = {192, 768, 1536};
enum { CLASSES = sizeof class_sizes / sizeof *class_sizes, ALONE = CLASSES };

#ifdef EVERY_BLOCK_ALONE

void *rv__pool_take(size_t size, uint8_t *ret_class)
{
	*ret_class = ALONE;
	return malloc(size);
}

void rv__pool_give(void *block, uint8_t size_class)
{
	(void)size_class;
	free(block);
}

#else

enum { MAGAZINE = 62, KEPT_MAX = 4 << 20, LINE = 64, AHEAD = 2, WARMED_MAX = 512 };

struct magazine {
	struct magazine *next; /* in the depot */
	size_t count;
	void *blocks[MAGAZINE];
};

/* Full and empty magazines of one class, for all threads. Lives as long as the process. */
static struct depot {
	pthread_mutex_t lock;
	struct magazine *full, *empty;
	size_t full_count;
} depots[CLASSES] = {{.lock = PTHREAD_MUTEX_INITIALIZER}, {.lock = PTHREAD_MUTEX_INITIALIZER},
    {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* Two of each, so that a thread that takes and gives in turn does not go to the depot each time. */
struct own {
	struct magazine *loaded, *other; /* NULL: none yet */
};

static __thread struct own own[CLASSES];
static __thread enum { NEW, KNOWN, LEFT } thread_state;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;

static void free_magazine(struct magazine *magazine)
{
	for (size_t i = 0; magazine && i < magazine->count; i++)
		free(magazine->blocks[i]);
	free(magazine);
}

/* Blocks that this thread gives from now on, in destructors of others, go to the allocator. */
static void leave_thread(void *unused)
{
	(void)unused;
	thread_state = LEFT;
	for (size_t i = 0; i < CLASSES; i++) {
		free_magazine(own[i].loaded);
		free_magazine(own[i].other);
		own[i] = (struct own){0};
	}
}

static void make_key(void)
{
	/* Without the key a thread leaks what it kept; nothing else depends on it. */
	(void)pthread_key_create(&at_exit, leave_thread);
}

/* Whether this thread keeps blocks; from its first one on. */
static bool keeps(void)
{
	if (thread_state == NEW) {
		thread_state = KNOWN;
		pthread_once(&once, make_key);
		pthread_setspecific(at_exit, &thread_state);
	}
	return thread_state == KNOWN;
}

static struct magazine *pop(struct magazine **list)
{
	struct magazine *first = *list;

	if (first)
		*list = first->next;
	return first;
}

static void push(struct magazine **list, struct magazine *magazine)
{
	magazine->next = *list;
	*list = magazine;
}

static void swap(struct own *mine)
{
	struct magazine *loaded = mine->loaded;

	mine->loaded = mine->other;
	mine->other = loaded;
}

/* A full magazine in `loaded`; false: there is none. */
static bool load_full(struct own *mine, struct depot *depot)
{
	struct magazine *full;

	if (mine->other && mine->other->count > 0) {
		swap(mine);
		return true;
	}
	pthread_mutex_lock(&depot->lock);
	full = pop(&depot->full);
	if (full) {
		depot->full_count--;
		if (mine->other)
			push(&depot->empty, mine->other);
	}
	pthread_mutex_unlock(&depot->lock);
	if (!full)
		return false;
	mine->other = mine->loaded;
	mine->loaded = full;
	return true;
}

/* Blocks come back from the processor that freed them: the one after the next is fetched meanwhile, since its start is
 * about to be written. */
static void *take_loaded(struct magazine *loaded, size_t size)
{
	size_t at = --loaded->count;
	size_t warmed = size < WARMED_MAX ? size : WARMED_MAX;

	for (size_t i = 0; at >= AHEAD && i < warmed; i += LINE)
		__builtin_prefetch((const char *)loaded->blocks[at - AHEAD] + i, 1);
	return loaded->blocks[at];
}

void *rv__pool_take(size_t size, uint8_t *ret_class)
{
	uint8_t which = 0;
	struct own *mine;

	while (which < CLASSES && size > class_sizes[which])
		which++;
	*ret_class = which;
	if (which == ALONE)
		return malloc(size);
	mine = &own[which];
	if ((mine->loaded && mine->loaded->count > 0) || (keeps() && load_full(mine, &depots[which])))
		return take_loaded(mine->loaded, class_sizes[which]);
	return aligned_alloc(LINE, class_sizes[which]);
}

/* A magazine with room in `loaded`; false: no memory. */
static bool load_empty(struct own *mine, uint8_t which)
{
	struct depot *depot = &depots[which];
	struct magazine *empty;
	struct magazine *surplus = NULL;

	if (mine->other && mine->other->count < MAGAZINE) {
		swap(mine);
		return true;
	}
	pthread_mutex_lock(&depot->lock);
	empty = pop(&depot->empty);
	if (mine->other && (depot->full_count + 1) * MAGAZINE * class_sizes[which] > KEPT_MAX) {
		surplus = mine->other;
	} else if (mine->other) {
		push(&depot->full, mine->other);
		depot->full_count++;
	}
	pthread_mutex_unlock(&depot->lock);
	mine->other = mine->loaded;
	free_magazine(surplus);
	mine->loaded = empty ? empty : malloc(sizeof *empty);
	if (mine->loaded)
		mine->loaded->count = 0;
	return mine->loaded != NULL;
}

void rv__pool_give(void *block, uint8_t size_class)
{
	struct own *mine;

	if (size_class == ALONE) {
		free(block);
		return;
	}
	mine = &own[size_class];
	if ((mine->loaded && mine->loaded->count < MAGAZINE) || (keeps() && load_empty(mine, size_class)))
		mine->loaded->blocks[mine->loaded->count++] = block;
	else
		free(block);
}

/* For leak checkers, and for a library that is unloaded. */
__attribute__((destructor)) static void finish_depots(void)
{
	for (size_t i = 0; i < CLASSES; i++) {
		struct depot *depot = &depots[i];
		struct magazine *magazine;

		pthread_mutex_lock(&depot->lock);
		while ((magazine = pop(&depot->full)) || (magazine = pop(&depot->empty)))
			free_magazine(magazine);
		depot->full_count = 0;
		pthread_mutex_unlock(&depot->lock);
	}
}

#endif
