/* SPDX-License-Identifier: Apache-2.0 */
/* A group's part in one partition: which positions are settled, delivered, or set aside. */
#include "binder/memory/memory.h"

#include <stdlib.h>

enum { FIRST_ROOM = 64 };

struct rv__memory_mark *rv__memory_mark_at(struct rv__memory_share *share, int64_t position)
{
	if (position < share->committed || position >= share->high)
		return NULL;
	return &share->marks[(share->head + (size_t)(position - share->committed)) & (share->room - 1)];
}

static bool grow(struct rv__memory_share *share)
{
	size_t count = (size_t)(share->high - share->committed);
	size_t room = share->room ? share->room * 2 : FIRST_ROOM;
	struct rv__memory_mark *marks = malloc(room * sizeof *marks);

	if (!marks)
		return false;
	for (size_t i = 0; i < count; i++)
		marks[i] = share->marks[(share->head + i) & (share->room - 1)];
	free(share->marks);
	share->marks = marks;
	share->head = 0;
	share->room = room;
	return true;
}

struct rv__memory_mark *rv__memory_mark_deliver(struct rv__memory_share *share, int64_t position)
{
	struct rv__memory_mark *mark;

	while (share->high <= position) {
		if ((size_t)(share->high - share->committed) == share->room && !grow(share))
			return NULL;
		share->high++;
		*rv__memory_mark_at(share, share->high - 1) = (struct rv__memory_mark){0};
	}
	mark = rv__memory_mark_at(share, position);
	if (mark && mark->deliveries < UINT16_MAX)
		mark->deliveries++;
	return mark;
}

void rv__memory_settle(struct rv__memory_share *share, int64_t position, uint32_t count)
{
	for (int64_t end = position + count; position < end; position++) {
		struct rv__memory_mark *mark = rv__memory_mark_at(share, position);

		if (!mark)
			continue;
		mark->settled = true;
		mark->set_aside = false;
	}
	while (share->marks && share->committed < share->high && share->marks[share->head].settled) {
		share->head = (share->head + 1) & (share->room - 1);
		share->committed++;
	}
	if (share->cursor < share->committed)
		share->cursor = share->committed;
}

bool rv__memory_set_aside(struct rv__memory_share *share, int64_t position, int64_t due_ns)
{
	struct rv__memory_mark *mark = rv__memory_mark_at(share, position);
	struct rv__memory_aside **at = &share->aside;
	struct rv__memory_aside *aside = mark ? calloc(1, sizeof *aside) : NULL;

	if (!aside)
		return false;
	mark->set_aside = true;
	aside->position = position;
	aside->due_ns = due_ns;
	while (*at && (*at)->due_ns <= due_ns)
		at = &(*at)->next;
	aside->next = *at;
	*at = aside;
	return true;
}

int64_t rv__memory_next(struct rv__memory_share *share, const struct rv__memory_partition *partition)
{
	int64_t end = rv__memory_end(partition);

	while (share->cursor < end) {
		const struct rv__memory_mark *mark = rv__memory_mark_at(share, share->cursor);

		if (!mark || (!mark->settled && !mark->set_aside))
			return share->cursor;
		share->cursor++;
	}
	return -1;
}

void rv__memory_share_release(struct rv__memory_share *share)
{
	share->state = RV__SHARE_FREE;
	share->owner = NULL;
	share->refused = false;
	share->cursor = share->committed; /* what is not settled goes to the next owner */
}

void rv__memory_share_finish(struct rv__memory_share *share)
{
	while (share->aside) {
		struct rv__memory_aside *next = share->aside->next;

		free(share->aside);
		share->aside = next;
	}
	free(share->marks);
	share->marks = NULL;
}
