/* SPDX-License-Identifier: Apache-2.0 */
/* From the inboxes of producers to the logs. */
#include "binder/memory/round.h"

enum { AHEAD = 4 };

static uint32_t hash_key(const char *key)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *key; key++)
		hash = (hash ^ (uint8_t)*key) * 16777619u;
	return hash;
}

static uint32_t choose_partition(
    struct rv__memory_producer *producer, const struct rv__memory_sending *sending)
{
	uint32_t count = sending->topic->partition_count;
	const char *key;

	if (sending->partition >= 0)
		return (uint32_t)sending->partition % count;
	if (count == 1)
		return 0;
	key = rv_message_header(sending->message, RV_HEADER_KEY);
	return (key ? hash_key(key) : producer->turn++) % count;
}

static size_t accepted(const struct rv__memory_producer *producer)
{
	return atomic_load(&producer->tail) - atomic_load_explicit(&producer->head, memory_order_relaxed);
}

static struct rv__memory_sending *oldest(struct rv__memory_producer *producer, size_t index)
{
	size_t head = atomic_load_explicit(&producer->head, memory_order_relaxed);

	return &producer->inbox[(head + index) & (RV__MEMORY_SEND_ROOM - 1)];
}

static void pop(struct rv__round *round, struct rv__memory_producer *producer, size_t n)
{
	if (n == 0)
		return;
	atomic_store(&producer->head, atomic_load_explicit(&producer->head, memory_order_relaxed) + n);
	if (round->writable_count < RV__ROUND_TURNS && atomic_load(&producer->wants_room)) {
		atomic_store(&producer->wants_room, false);
		round->writable[round->writable_count++] = producer;
	}
}

static void note_sent(struct rv__round *round, struct rv__memory_producer *producer, void *arg,
    int32_t partition, int64_t position)
{
	round->sent_by[round->sent_count] = producer;
	round->sent[round->sent_count++] =
	    (struct rv_sent){.arg = arg, .receipt = {.partition = partition, .position = position}};
}

/* Appends one; false: no room in its partition. */
static bool append(
    struct rv__round *round, struct rv__memory_producer *producer, struct rv__memory_sending *sending)
{
	uint32_t partition = choose_partition(producer, sending);

	if (!rv__memory_append(sending->topic, partition, sending->message)) {
		/* The next try shall choose the same one: later messages must not overtake. */
		if (sending->partition < 0 && producer->turn > 0 &&
		    !rv_message_header(sending->message, RV_HEADER_KEY))
			producer->turn--;
		return false;
	}
	note_sent(round, producer, sending->arg, (int32_t)partition,
	    rv__memory_end(&sending->topic->partitions[partition]) - 1);
	return true;
}

static void drain(struct rv__round *round, struct rv__memory_producer *producer)
{
	size_t room = RV__ROUND_SENT - round->sent_count;
	size_t n = accepted(producer);
	size_t appended = 0;

	if (n > room) {
		n = room;
		round->more = true;
	}
	while (appended < n && append(round, producer, oldest(producer, appended))) {
		appended++;
		/* The sender's processor wrote them: fetched while others are worked on. */
		if (appended + AHEAD < n)
			__builtin_prefetch(oldest(producer, appended + AHEAD)->message, 1);
	}
	pop(round, producer, appended);
	atomic_fetch_add_explicit(&producer->binder->sent, appended, memory_order_relaxed);
}

/* A producer whose time is over: what could not be appended fails. */
static void fail_rest(struct rv__round *round, struct rv__memory_producer *producer)
{
	while (round->sent_count < RV__ROUND_SENT && accepted(producer) > 0) {
		const struct rv__memory_sending *sending = oldest(producer, 0);

		note_sent(round, producer, sending->arg, -1, -1);
		rv_message_unref(sending->message);
		producer->failed++;
		pop(round, producer, 1);
	}
}

/* Another application asked for more partitions of the same topic. */
static void note_width(struct rv__round *round, struct rv__memory_producer *producer)
{
	uint32_t width = producer->topic->partition_count;

	if (width == producer->told_partitions || round->widened_count == RV__ROUND_TURNS)
		return;
	producer->told_partitions = width;
	round->widened[round->widened_count] = producer;
	round->widths[round->widened_count++] = width;
}

void rv__round_append(struct rv__round *round)
{
	for (struct rv__memory_producer *at = round->broker->producers; at; at = at->next) {
		note_width(round, at);
		drain(round, at);
		if (at->expired)
			fail_rest(round, at);
	}
}
