/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 8192 };

struct rv__arena_block {
	struct rv__arena_block *next;
	alignas(max_align_t) char bytes[];
};

static bool add_block(struct rv__arena *arena, size_t needed)
{
	size_t size = needed > BLOCK_SIZE / 4 ? needed : BLOCK_SIZE - sizeof(struct rv__arena_block);
	struct rv__arena_block *block = calloc(1, sizeof *block + size);

	if (!block)
		return false;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->at = block->bytes;
	arena->end = block->bytes + size;
	return true;
}

static char *take(struct rv__arena *arena, size_t size, size_t alignment)
{
	size_t gap = -(uintptr_t)arena->at & (alignment - 1);
	char *piece;

	if (size > SIZE_MAX / 2)
		return NULL;
	if (gap + size > (size_t)(arena->end - arena->at)) {
		if (!add_block(arena, size))
			return NULL;
		gap = 0;
	}
	piece = arena->at + gap;
	arena->at = piece + size;
	return piece;
}

void *rv__arena_alloc(struct rv__arena *arena, size_t size)
{
	return take(arena, size, alignof(max_align_t));
}

char *rv__arena_text_n(struct rv__arena *arena, const char *text, size_t length)
{
	char *copy = take(arena, length + 1, 1);

	if (copy) {
		memcpy(copy, text, length);
		copy[length] = '\0';
	}
	return copy;
}

char *rv__arena_text(struct rv__arena *arena, const char *text)
{
	return rv__arena_text_n(arena, text, strlen(text));
}

char *rv__arena_printf(struct rv__arena *arena, const char *format, ...)
{
	va_list args;
	va_list again;
	int length;
	char *text = NULL;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length >= 0 && (text = take(arena, (size_t)length + 1, 1)))
		vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	return text;
}

void rv__arena_finish(struct rv__arena *arena)
{
	while (arena->blocks) {
		struct rv__arena_block *next = arena->blocks->next;

		free(arena->blocks);
		arena->blocks = next;
	}
	*arena = (struct rv__arena){0};
}
