/* SPDX-License-Identifier: Apache-2.0 */
/* How far a group is behind, from XINFO GROUPS now and then: entries that nobody of it has read, and those pending. */
#include <stdlib.h>
#include <string.h>

#include "binder/redis/consumer.h"

/* One question about one stream; the slot stays until the link has answered or was destroyed. */
static struct rv__redis_slot *slot_of(struct rv__redis_request *request)
{
	return RV__OWNER(request, struct rv__redis_slot, measure);
}

/* The value of a field of a flat list of names and values; NULL when it is not there. */
static const redisReply *field(const redisReply *list, const char *name)
{
	for (size_t i = 0; i + 1 < list->elements; i += 2)
		if (list->element[i]->str && strcmp(list->element[i]->str, name) == 0)
			return list->element[i + 1];
	return NULL;
}

static void sum_up(struct rv__redis_consumer *consumer)
{
	long long lag = 0;

	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++)
		lag += consumer->slots[i]->lag;
	atomic_store_explicit(&consumer->lag, lag, memory_order_relaxed);
}

static void on_groups(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	const char *group = slot->consumer->group;
	const redisReply *groups = answer->tree;

	for (size_t i = 0; groups && groups->type == REDIS_REPLY_ARRAY && i < groups->elements; i++) {
		const redisReply *row = groups->element[i], *name = field(row, "name"), *lag, *pending;

		if (!name || !name->str || strcmp(name->str, group) != 0)
			continue;
		lag = field(row, "lag"); /* since 7.0; nil when entries were deleted in between */
		pending = field(row, "pending");
		slot->lag = (lag && lag->type == REDIS_REPLY_INTEGER ? lag->integer : 0) +
		    (pending && pending->type == REDIS_REPLY_INTEGER ? pending->integer : 0);
	}
	sum_up(slot->consumer);
}

void rv__redis_measure(struct rv__redis_slot *slot)
{
	struct rv__redis_link *link = rv__redis_route_link(slot->consumer->client, &slot->route);

	if (!link || slot->measure.link || slot->state < RV__REDIS_SLOT_DRAIN || !slot->consumer->group)
		return;
	rv__resp_words(rv__redis_link_out(link), "XINFO", "GROUPS", slot->key, NULL);
	slot->measure = (struct rv__redis_request){.done = on_groups, .tree = true};
	rv__redis_link_ask(link, &slot->measure);
}
