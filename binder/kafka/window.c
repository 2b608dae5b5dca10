/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/kafka/window.h"

#include <stdlib.h>

enum { FIRST_ROOM = 64 };

static struct rv__kafka_mark *mark_at(const struct rv__kafka_window *window, uint64_t number)
{
	return &window->ring[number & (window->room - 1)];
}

void rv__kafka_window_finish(struct rv__kafka_window *window)
{
	free(window->ring);
	window->ring = NULL;
	window->room = 0;
	rv__kafka_window_reset(window);
}

void rv__kafka_window_reset(struct rv__kafka_window *window)
{
	window->base = window->next;
	window->position = -1;
}

static bool grow(struct rv__kafka_window *window)
{
	size_t room = window->room ? window->room * 2 : FIRST_ROOM;
	struct rv__kafka_mark *ring = malloc(room * sizeof *ring);

	if (!ring)
		return false;
	for (uint64_t number = window->base; number != window->next; number++)
		ring[number & (room - 1)] = *mark_at(window, number);
	free(window->ring);
	window->ring = ring;
	window->room = room;
	return true;
}

bool rv__kafka_window_push(struct rv__kafka_window *window, int64_t offset, uint64_t *ret_number)
{
	if (rv__kafka_window_count(window) == window->room && !grow(window))
		return false;
	*mark_at(window, window->next) = (struct rv__kafka_mark){.offset = offset};
	*ret_number = window->next++;
	return true;
}

void rv__kafka_window_cut(struct rv__kafka_window *window, uint64_t number)
{
	if (number - window->base < window->next - window->base)
		window->next = number;
}

bool rv__kafka_window_is_open(const struct rv__kafka_window *window, uint64_t number, int64_t offset)
{
	const struct rv__kafka_mark *mark;

	if (number < window->base || number >= window->next)
		return false;
	mark = mark_at(window, number);
	return mark->offset == offset && !mark->settled;
}

bool rv__kafka_window_attach(
    struct rv__kafka_window *window, uint64_t number, int64_t offset, struct rv__kafka_unit *unit)
{
	if (!rv__kafka_window_is_open(window, number, offset) || mark_at(window, number)->unit)
		return false;
	mark_at(window, number)->unit = unit;
	return true;
}

bool rv__kafka_window_settle(struct rv__kafka_window *window, uint64_t number, int64_t offset)
{
	if (!rv__kafka_window_is_open(window, number, offset))
		return false;
	mark_at(window, number)->settled = true;
	while (window->base != window->next && mark_at(window, window->base)->settled) {
		window->position = mark_at(window, window->base)->offset + 1;
		window->base++;
	}
	return true;
}
