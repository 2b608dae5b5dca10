/* SPDX-License-Identifier: Apache-2.0 */
/* From the inboxes of producers to the logs. */
#include "binder/memory/round.h"

enum { CHUNK = 256 };

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

/* Looks at the oldest accepted messages without taking them: one lock for many. */
static size_t peek(struct rv__memory_producer *producer, struct rv__memory_sending *sendings, size_t max)
{
	size_t n;

	pthread_mutex_lock(&producer->lock);
	n = producer->count < max ? producer->count : max;
	for (size_t i = 0; i < n; i++)
		sendings[i] = producer->inbox[(producer->head + i) & (RV__MEMORY_SEND_ROOM - 1)];
	pthread_mutex_unlock(&producer->lock);
	return n;
}

static void pop(struct rv__round *round, struct rv__memory_producer *producer, size_t n)
{
	bool tell;

	pthread_mutex_lock(&producer->lock);
	producer->head = (producer->head + n) & (RV__MEMORY_SEND_ROOM - 1);
	producer->count -= n;
	tell = n > 0 && producer->wants_room && round->writable_count < RV__ROUND_TURNS;
	if (tell)
		producer->wants_room = false;
	pthread_mutex_unlock(&producer->lock);
	if (tell)
		round->writable[round->writable_count++] = producer;
}

static void note_sent(struct rv__round *round, struct rv__memory_producer *producer, void *arg,
    int32_t partition, int64_t position)
{
	round->sent[round->sent_count++] = (struct rv__round_sent){producer, arg, partition, position};
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
	rv_message_unref(sending->message);
	return true;
}

static void drain(struct rv__round *round, struct rv__memory_producer *producer)
{
	struct rv__memory_sending sendings[CHUNK];
	size_t appended;
	size_t n;

	do {
		size_t room = RV__ROUND_SENT - round->sent_count;

		n = peek(producer, sendings, room < CHUNK ? room : CHUNK);
		appended = 0;
		while (appended < n && append(round, producer, &sendings[appended]))
			appended++;
		pop(round, producer, appended);
	} while (n == CHUNK && appended == n);
	if (round->sent_count == RV__ROUND_SENT)
		round->more = true;
	atomic_fetch_add_explicit(&producer->binder->sent, appended, memory_order_relaxed);
}

/* A producer whose time is over: what could not be appended fails. */
static void fail_rest(struct rv__round *round, struct rv__memory_producer *producer)
{
	struct rv__memory_sending sending;

	while (round->sent_count < RV__ROUND_SENT && peek(producer, &sending, 1) == 1) {
		note_sent(round, producer, sending.arg, -1, -1);
		rv_message_unref(sending.message);
		producer->failed++;
		pop(round, producer, 1);
	}
}

void rv__round_append(struct rv__round *round)
{
	for (struct rv__memory_producer *at = round->broker->producers; at; at = at->next) {
		drain(round, at);
		if (at->expired)
			fail_rest(round, at);
	}
}
