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

/* An envelope; small messages with a few headers; larger ones. Above: from the allocator. */
static const size_t class_sizes[] = {192, 576, 832, 1536};
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

enum {
	LINE = 64, /* of a processor's cache */
	MAGAZINE = 62,
	SLABS_MAX = 64 << 20, /* bytes of one class; above it each block is an allocation of its own */
	AHEAD = 2,
	WARMED_MAX = 512
};

struct magazine {
	struct magazine *next; /* in the depot */
	size_t count;          /* in the full list: at least one */
	void *blocks[MAGAZINE];
};

/* Memory for as many blocks as a magazine has. The C library's arenas of threads grow by a system call a page otherwise. */
struct slab {
	struct slab *next;
	_Alignas(LINE) char blocks[];
};

/* Full and empty magazines of one class, for all threads. Lives as long as the process. */
static struct depot {
	pthread_mutex_t lock;
	struct magazine *full, *empty;
	struct slab *slabs;
	size_t slab_count;
} depots[CLASSES] = {{.lock = PTHREAD_MUTEX_INITIALIZER}, {.lock = PTHREAD_MUTEX_INITIALIZER},
    {.lock = PTHREAD_MUTEX_INITIALIZER}, {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* Two of each, so that a thread that takes and gives in turn does not go to the depot each time. */
struct own {
	struct magazine *loaded, *other; /* NULL: none yet */
};

static __thread struct own own[CLASSES];
static __thread enum { NEW, KNOWN, LEFT } thread_state;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;

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

/* To the depot, with what is in it. */
static void hand_back(struct depot *depot, struct magazine *magazine)
{
	if (!magazine)
		return;
	pthread_mutex_lock(&depot->lock);
	push(magazine->count > 0 ? &depot->full : &depot->empty, magazine);
	pthread_mutex_unlock(&depot->lock);
}

static void leave_thread(void *unused)
{
	(void)unused;
	thread_state = LEFT;
	for (size_t i = 0; i < CLASSES; i++) {
		hand_back(&depots[i], own[i].loaded);
		hand_back(&depots[i], own[i].other);
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

static void swap(struct own *mine)
{
	struct magazine *loaded = mine->loaded;

	mine->loaded = mine->other;
	mine->other = loaded;
}

/* Cuts a slab into an empty magazine. False: no memory, or there are enough slabs. */
static bool fill(struct depot *depot, struct magazine *magazine, size_t size)
{
	size_t bytes = MAGAZINE * size;
	struct slab *slab = NULL;

	pthread_mutex_lock(&depot->lock);
	if ((depot->slab_count + 1) * bytes <= SLABS_MAX &&
	    (slab = aligned_alloc(LINE, sizeof *slab + bytes))) {
		slab->next = depot->slabs;
		depot->slabs = slab;
		depot->slab_count++;
	}
	pthread_mutex_unlock(&depot->lock);
	for (; slab && magazine->count < MAGAZINE; magazine->count++) /* the first is taken first */
		magazine->blocks[magazine->count] = slab->blocks + (MAGAZINE - 1 - magazine->count) * size;
	return slab != NULL;
}

/* A magazine with blocks in `loaded`; false: there is none. */
static bool load_full(struct own *mine, uint8_t which)
{
	struct depot *depot = &depots[which];
	struct magazine *full;

	if (mine->other && mine->other->count > 0) {
		swap(mine);
		return true;
	}
	pthread_mutex_lock(&depot->lock);
	full = pop(&depot->full);
	if (full && mine->other)
		push(&depot->empty, mine->other);
	pthread_mutex_unlock(&depot->lock);
	if (full) {
		mine->other = mine->loaded;
		mine->loaded = full;
		return true;
	}
	if (!mine->loaded && (mine->loaded = malloc(sizeof *mine->loaded)))
		mine->loaded->count = 0;
	return mine->loaded && fill(depot, mine->loaded, class_sizes[which]);
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
	if (which < CLASSES) {
		mine = &own[which];
		if ((mine->loaded && mine->loaded->count > 0) || (keeps() && load_full(mine, which)))
			return take_loaded(mine->loaded, class_sizes[which]);
		*ret_class = ALONE;
	}
	return malloc(size);
}

/* A magazine with room in `loaded`; false: no memory. */
static bool load_empty(struct own *mine, uint8_t which)
{
	struct depot *depot = &depots[which];
	struct magazine *empty;

	if (mine->other && mine->other->count < MAGAZINE) {
		swap(mine);
		return true;
	}
	pthread_mutex_lock(&depot->lock);
	empty = pop(&depot->empty);
	if (mine->other)
		push(&depot->full, mine->other);
	pthread_mutex_unlock(&depot->lock);
	mine->other = mine->loaded;
	mine->loaded = empty ? empty : malloc(sizeof *empty);
	if (mine->loaded)
		mine->loaded->count = 0;
	return mine->loaded != NULL;
}

/* By a thread that ends, or without memory for a magazine. */
static void give_to_depot(struct depot *depot, void *block)
{
	struct magazine *magazine;

	pthread_mutex_lock(&depot->lock);
	magazine = depot->full && depot->full->count < MAGAZINE ? depot->full : pop(&depot->empty);
	if (!magazine && (magazine = malloc(sizeof *magazine)))
		magazine->count = 0;
	if (magazine) { /* else it is lost until the end of the process */
		magazine->blocks[magazine->count++] = block;
		if (magazine != depot->full)
			push(&depot->full, magazine);
	}
	pthread_mutex_unlock(&depot->lock);
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
		give_to_depot(&depots[size_class], block);
}

/* Locks: depot->lock held. Returns how many blocks were in them. */
static size_t free_magazines(struct magazine **list)
{
	struct magazine *magazine;
	size_t blocks = 0;

	while ((magazine = pop(list))) {
		blocks += magazine->count;
		free(magazine);
	}
	return blocks;
}

/* For leak checkers, and for a library that is unloaded. Slabs of which something is still in use stay. */
__attribute__((destructor)) static void finish_depots(void)
{
	leave_thread(NULL);
	for (size_t i = 0; i < CLASSES; i++) {
		struct depot *depot = &depots[i];
		bool unused;

		pthread_mutex_lock(&depot->lock);
		(void)free_magazines(&depot->empty);
		unused = free_magazines(&depot->full) == depot->slab_count * MAGAZINE;
		while (unused && depot->slabs) {
			struct slab *next = depot->slabs->next;

			free(depot->slabs);
			depot->slabs = next;
		}
		pthread_mutex_unlock(&depot->lock);
	}
}

#endif
