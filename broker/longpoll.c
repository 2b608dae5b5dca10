/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/longpoll.h"

#include <stdlib.h>
#include <string.h>

#include "broker/server.h"
#include "broker/topics.h"

static void link_held(struct rv__held **list, struct rv__held *held)
{
	held->next = *list;
	if (held->next)
		held->next->link = &held->next;
	held->link = list;
	*list = held;
}

static void unlink_held(struct rv__held *held)
{
	*held->link = held->next;
	if (held->next)
		held->next->link = held->link;
}

static struct rv__held *take_first(struct rv__held **list)
{
	struct rv__held *held = *list;

	*list = held->next;
	if (held->next)
		held->next->link = list;
	return held;
}

static void free_held(struct rv__held *held)
{
	held->ticket.connection->held--;
	rv__ticket_drop(&held->ticket);
	rv__tags_finish(&held->pull.tags);
	free(held);
}

static bool copy_tags(struct rv__tags *to, const struct rv__tags *from)
{
	*to = (struct rv__tags){NULL, NULL, 0};
	if (from->count == 0)
		return true;
	/* Held pulls are matched by code; the names stay behind. */
	to->codes = malloc(from->count * sizeof(*to->codes));
	if (!to->codes)
		return false;
	memcpy(to->codes, from->codes, from->count * sizeof(*to->codes));
	to->names = calloc(from->count, sizeof(*to->names));
	to->count = to->names ? from->count : 0;
	return to->names != NULL;
}

bool rv__longpoll_hold(struct rv__request *request, struct rv__topic_queue *queue,
    const struct rv__pull *pull, int64_t suspend_ms)
{
	struct rv__connection *connection = request->connection;
	struct rv__held *held = connection->held < RV__HELD_MAX ? malloc(sizeof(*held)) : NULL;

	if (!held)
		return false;
	held->pull = *pull;
	if (!copy_tags(&held->pull.tags, &pull->tags)) {
		free(held->pull.tags.codes);
		free(held);
		return false;
	}
	held->ticket = rv__ticket_keep(request);
	connection->held++;
	held->deadline_ms = rv__broker_now(request->broker) + suspend_ms;
	held->ready = false;
	link_held(&queue->held, held);
	return true;
}

static void make_ready(struct rv__broker *broker, struct rv__held *held)
{
	unlink_held(held);
	held->ready = true;
	link_held(&broker->ready, held);
}

void rv__longpoll_arrived(
    struct rv__broker *broker, const rv__queue *queue, int64_t queue_offset, int64_t tags_code)
{
	struct rv__topic_queue *entry = rv__topic_queue_of(broker, queue);
	struct rv__held *next;

	if (!entry)
		return;
	for (struct rv__held *held = entry->held; held; held = next) {
		next = held->next;
		if (queue_offset >= held->pull.offset && rv__tags_match_code(&held->pull.tags, tags_code))
			make_ready(broker, held);
	}
}

void rv__longpoll_wake(struct rv__broker *broker)
{
	while (broker->ready) {
		struct rv__held *held = take_first(&broker->ready);

		if (rv__ticket_alive(&held->ticket))
			rv__pull_again(broker, &held->ticket, &held->pull);
		free_held(held);
	}
}

/* Calls `visit` for each held pull of each queue; it may take the pull out of the list. */
static void each_held(struct rv__broker *broker, void (*visit)(struct rv__broker *, struct rv__held *))
{
	struct rv__topic *topic;
	size_t cursor = 0;

	while ((topic = rv__topics_next(broker, &cursor))) {
		for (int32_t i = 0; i < topic->queue_count; i++) {
			struct rv__held *next;

			for (struct rv__held *held = topic->queues[i].held; held; held = next) {
				next = held->next;
				visit(broker, held);
			}
		}
	}
}

static void expire_one(struct rv__broker *broker, struct rv__held *held)
{
	if (!rv__ticket_alive(&held->ticket) || rv__broker_now(broker) >= held->deadline_ms)
		make_ready(broker, held);
}

void rv__longpoll_expire(struct rv__broker *broker)
{
	each_held(broker, expire_one);
}

void rv__longpoll_end(struct rv__broker *broker, struct rv__held **list, int code, const char *remark)
{
	(void)broker;
	while (*list) {
		struct rv__held *held = take_first(list);

		rv__ticket_answer(&held->ticket, code, remark);
		free_held(held);
	}
}

static void drop_one(struct rv__broker *broker, struct rv__held *held)
{
	(void)broker;
	unlink_held(held);
	free_held(held);
}

void rv__longpoll_close(struct rv__broker *broker)
{
	if (broker->topics)
		each_held(broker, drop_one);
	while (broker->ready)
		free_held(take_first(&broker->ready));
}
