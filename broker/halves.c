/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/halves.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

void rv__halves_finish(struct rv__halves *halves)
{
	free(halves->items);
	*halves = (struct rv__halves){0};
}

struct rv__half *rv__halves_find(const struct rv__halves *halves, int64_t offset)
{
	size_t from = 0, to = halves->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (halves->items[middle].offset < offset)
			from = middle + 1;
		else
			to = middle;
	}
	return from < halves->count && halves->items[from].offset == offset ? &halves->items[from] : NULL;
}

bool rv__halves_reserve(struct rv__halves *halves)
{
	size_t capacity = halves->capacity ? halves->capacity * 2 : FIRST_CAPACITY;
	struct rv__half *items;

	if (halves->count < halves->capacity)
		return true;
	items = realloc(halves->items, capacity * sizeof *items);
	if (!items)
		return false;
	halves->items = items;
	halves->capacity = capacity;
	return true;
}

void rv__halves_enter(struct rv__halves *halves, const struct rv__half *half)
{
	while (halves->count && halves->items[halves->count - 1].offset >= half->offset)
		halves->count--;
	halves->items[halves->count++] = *half;
}

size_t rv__halves_drop_decided(struct rv__halves *halves)
{
	size_t n = 0;

	while (n < halves->count && halves->items[n].state == RV__HALF_DECIDED)
		n++;
	if (n == 0)
		return 0;
	halves->count -= n;
	memmove(halves->items, halves->items + n, halves->count * sizeof *halves->items);
	return n;
}
