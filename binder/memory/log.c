/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a partition: a ring of message references, bounded, the oldest given up once nobody needs it. */
#include "binder/memory/memory.h"

#include <stdlib.h>

enum { FIRST_ROOM = 64, AHEAD = 4 };

int64_t rv__memory_end(const struct rv__memory_partition *partition)
{
	return partition->first + (int64_t)partition->count;
}

rv_message *rv__memory_at(const struct rv__memory_partition *partition, int64_t position)
{
	size_t index = (size_t)(position - partition->first);

	if (position < partition->first || index >= partition->count)
		return NULL;
	return partition->messages[(partition->head + index) & (partition->room - 1)];
}

static bool grow(struct rv__memory_partition *partition)
{
	size_t room = partition->room ? partition->room * 2 : FIRST_ROOM;
	rv_message **messages = malloc(room * sizeof *messages);

	if (!messages)
		return false;
	for (size_t i = 0; i < partition->count; i++)
		messages[i] = partition->messages[(partition->head + i) & (partition->room - 1)];
	free(partition->messages);
	partition->messages = messages;
	partition->head = 0;
	partition->room = room;
	return true;
}

static int64_t size_of(const rv_message *message)
{
	size_t length;

	rv_message_payload(message, &length);
	return (int64_t)length;
}

/* Whether every group has settled the oldest message. */
static bool oldest_is_settled(const struct rv__memory_topic *topic, uint32_t index)
{
	int64_t first = topic->partitions[index].first;

	for (const struct rv__memory_group *group = topic->groups; group; group = group->next)
		if (group->shares[index].committed <= first)
			return false;
	return true;
}

static void drop_oldest(struct rv__memory_partition *partition)
{
	rv_message *oldest = partition->messages[partition->head];
	size_t soon = (partition->head + AHEAD) & (partition->room - 1);

	/* Nobody has looked at them for as many messages as the partition keeps. */
	if (partition->count > AHEAD)
		__builtin_prefetch(partition->messages[soon], 1);
	partition->bytes -= size_of(oldest);
	partition->head = (partition->head + 1) & (partition->room - 1);
	partition->first++;
	partition->count--;
	rv_message_unref(oldest);
}

bool rv__memory_append(struct rv__memory_topic *topic, uint32_t index, rv_message *message)
{
	struct rv__memory_partition *partition = &topic->partitions[index];
	int64_t bytes = size_of(message);

	while (partition->count > 0 &&
	    ((int64_t)partition->count >= topic->max_messages ||
	        partition->bytes + bytes > topic->max_bytes)) {
		if (!oldest_is_settled(topic, index))
			return false;
		drop_oldest(partition);
	}
	if (partition->count == partition->room && !grow(partition))
		return false;
	partition->messages[(partition->head + partition->count) & (partition->room - 1)] = message;
	partition->count++;
	partition->bytes += bytes;
	return true;
}
