/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is freed all at once: many small pieces that live as long as their owner.
 * Zeroed memory is a valid empty arena. Threads: none of its own.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include <rivulet/export.h>

struct rv__arena {
	struct rv__arena_block *blocks; /* newest first */
	char *at, *end;                 /* free part of the newest */
};

/** Zeroed, aligned for any type; NULL without memory. */
void *rv__arena_alloc(struct rv__arena *arena, size_t size);
/** Copies of text; NULL without memory. */
char *rv__arena_text(struct rv__arena *arena, const char *text);
char *rv__arena_text_n(struct rv__arena *arena, const char *text, size_t length);
char *rv__arena_printf(struct rv__arena *arena, const char *format, ...) RV_PRINTF(2, 3);
void rv__arena_finish(struct rv__arena *arena);

#endif
