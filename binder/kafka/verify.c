/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a partition is still the one that was read before. A topic that is deleted and made again between two looks is
 * nowhere called another: librdkafka 2.0 knows names alone (topic ids came with Metadata version 10), and goes on at
 * the old position, behind the first messages of the new topic. So one message that was read is remembered with its time
 * and a digest, and the watch looks now and then whether it is still where it was:
 *
 *  1. ListOffsets (API key 2) of its time names the first offset that is as young. In the same log that is the
 *     offset that it was last time. That is one request a broker, and mostly the end of it.
 *  2. Else the message itself is read again: another one in its place, or no such place any more, is another log.
 *
 * The same pass learns the end of each partition, so that the lag is known where nothing is fetched.
 *
 * Threads: the watch's. It meets the consumer's at partition->lock.
 */
#include "binder/kafka/consumer.h"

#include <stdlib.h>

#include "base/clock.h"

enum { ASK_MS = 1000, READ_MS = 1500, LEARN = -2 };

enum verdict { SAME, OTHER, UNKNOWN, NO_ANSWER };

/* -- digests ------------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < length && at; i++)
		hash = (hash ^ at[i]) * UINT64_C(1099511628211);
	return (hash ^ length) * UINT64_C(1099511628211);
}

/* The start of a large payload is telling enough. */
static uint64_t digest(const rd_kafka_message_t *raw)
{
	enum { ENOUGH = 1024 };
	uint64_t hash = mix(UINT64_C(14695981039346656037), raw->key, raw->key_len);

	hash = mix(hash, raw->payload, raw->len < ENOUGH ? raw->len : ENOUGH);
	return mix(hash, &raw->len, sizeof raw->len);
}

void rv__kafka_print_take(struct rv__kafka_partition *partition, const rd_kafka_message_t *raw)
{
	struct rv__kafka_print print = {.offset = raw->offset, .expected = raw->offset};

	print.timestamp_ms = rd_kafka_message_timestamp(raw, NULL);
	print.digest = digest(raw);
	pthread_mutex_lock(&partition->lock);
	partition->newest = print;
	pthread_mutex_unlock(&partition->lock);
	atomic_store_explicit(&partition->print_wanted, false, memory_order_relaxed);
}

/* -- looking closer ----------------------------------------------------------------------------------- */

/* Where there is no such offset: was it cut off at the front, or is the log shorter than it ever was? */
static enum verdict judge_ends(
    rd_kafka_t *rk, const struct rv__kafka_partition *partition, const struct rv__kafka_print *print)
{
	int64_t low, high;

	if (rd_kafka_query_watermark_offsets(rk, partition->topic, partition->number, &low, &high, ASK_MS) !=
	    RD_KAFKA_RESP_ERR_NO_ERROR)
		return NO_ANSWER;
	return high <= print->offset ? OTHER : UNKNOWN;
}

static enum verdict judge_message(struct rv__kafka_print *print, const rd_kafka_message_t *raw)
{
	if (raw->offset > print->offset)
		return UNKNOWN; /* compacted */
	if (print->expected == LEARN) {
		print->timestamp_ms = rd_kafka_message_timestamp(raw, NULL);
		print->digest = digest(raw);
		return print->timestamp_ms < 0 ? UNKNOWN : SAME;
	}
	return rd_kafka_message_timestamp(raw, NULL) == print->timestamp_ms && digest(raw) == print->digest
	    ? SAME
	    : OTHER;
}

/* Reads the message at the print's offset. */
static enum verdict read_again(
    rd_kafka_t *rk, const struct rv__kafka_partition *partition, struct rv__kafka_print *print)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, partition->topic, NULL);
	int64_t until_ms = rv__monotonic_ms() + READ_MS;
	enum verdict verdict = NO_ANSWER;
	bool out_of_range = false;

	if (!topic)
		return NO_ANSWER;
	if (rd_kafka_consume_start(topic, partition->number, print->offset) != 0) {
		rd_kafka_topic_destroy(topic);
		return NO_ANSWER;
	}
	while (verdict == NO_ANSWER && !out_of_range && rv__monotonic_ms() < until_ms &&
	    !atomic_load(&partition->consumer->stopped)) {
		rd_kafka_message_t *raw = rd_kafka_consume(topic, partition->number, 100);

		if (raw && raw->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			verdict = judge_message(print, raw);
		else if (raw)
			out_of_range = raw->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
			    raw->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
		if (raw)
			rd_kafka_message_destroy(raw);
	}
	(void)rd_kafka_consume_stop(topic, partition->number);
	rd_kafka_topic_destroy(topic);
	return out_of_range ? judge_ends(rk, partition, print) : verdict;
}

/* -- one partition ------------------------------------------------------------------------------------- */

/*
 * The print to be looked for, once a pass: what is known for sure, else what was read since, else the message before
 * the position, which is learnt as it is now. False: none.
 */
static bool choose(struct rv__kafka_partition *partition, struct rv__kafka_print *ret_print)
{
	bool assigned;

	pthread_mutex_lock(&partition->lock);
	assigned = partition->stage == RV__KAFKA_ASSIGNED && !partition->replaced;
	if (partition->sure.offset < 0 && partition->newest.offset >= 0) {
		partition->sure = partition->newest;
		partition->newest.offset = -1;
	} else if (assigned && partition->sure.offset < 0 && partition->start > 0 && !partition->learnt) {
		partition->learnt = true;
		partition->sure = (struct rv__kafka_print){.offset = partition->start - 1, .expected = LEARN};
	}
	*ret_print = partition->sure;
	partition->before = partition->newest;
	pthread_mutex_unlock(&partition->lock);
	return assigned && ret_print->offset >= 0;
}

/* What is found goes to the consumer. Whether it has to begin anew. */
static bool conclude(
    struct rv__kafka_partition *partition, enum verdict verdict, const struct rv__kafka_print *print)
{
	bool replaced = false;

	pthread_mutex_lock(&partition->lock);
	if (partition->sure.offset == print->offset) {
		bool newer =
		    partition->before.offset >= 0 && partition->before.offset == partition->newest.offset;

		partition->sure = *print;
		/* What had been read when a log was found to be the same is of that log too. */
		if (verdict == SAME && newer) {
			partition->sure = partition->newest;
			partition->newest.offset = -1;
		} else if (verdict != SAME && (verdict != NO_ANSWER || print->expected == LEARN)) {
			partition->sure.offset = -1;
		}
		replaced = verdict == OTHER && partition->stage == RV__KAFKA_ASSIGNED;
		partition->replaced |= replaced;
	}
	pthread_mutex_unlock(&partition->lock);
	atomic_store_explicit(&partition->print_wanted, true, memory_order_relaxed);
	return replaced;
}

/*
 * The time to ask for. The first message of a log is the first that is as young in any log that came later, too: there
 * the next younger is asked for.
 */
static int64_t time_of(const struct rv__kafka_print *print)
{
	return print->timestamp_ms + (print->offset == 0);
}

static bool is_suspect(const struct rv__kafka_print *print, int64_t found)
{
	return print->offset == 0 ? found == 0 : found != print->expected;
}

/* `found`: what ListOffsets said of the print's time, or LEARN when it was not asked. */
static bool verify(
    rd_kafka_t *rk, struct rv__kafka_partition *partition, struct rv__kafka_print *print, int64_t found)
{
	enum verdict verdict = SAME;

	if (found == LEARN || is_suspect(print, found)) {
		verdict = read_again(rk, partition, print);
		if (verdict == SAME)
			print->expected = found == LEARN || print->offset == 0 ? print->offset : found;
	}
	return conclude(partition, verdict, print);
}

/* -- all ------------------------------------------------------------------------------------------------ */

static bool ask(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
	return list->cnt > 0 && rd_kafka_offsets_for_times(rk, list, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_topic_partition_t *find(
    const rd_kafka_topic_partition_list_t *list, const struct rv__kafka_partition *partition)
{
	return rd_kafka_topic_partition_list_find(list, partition->topic, partition->number);
}

/* Whether the partition is read, and its beginning, where that is not known yet. */
static bool is_read(struct rv__kafka_partition *partition, bool *ret_lacks_start)
{
	bool assigned;

	pthread_mutex_lock(&partition->lock);
	assigned = partition->stage == RV__KAFKA_ASSIGNED;
	*ret_lacks_start = partition->start < 0 && partition->window.position < 0;
	pthread_mutex_unlock(&partition->lock);
	return assigned;
}

static void learn_start(struct rv__kafka_partition *partition, int64_t offset)
{
	pthread_mutex_lock(&partition->lock);
	if (partition->start < 0) {
		partition->start = offset;
		partition->learnt = true; /* nothing is before it */
	}
	pthread_mutex_unlock(&partition->lock);
}

/* The end of each assigned partition, and its start where a group has no position; false: nobody answered. */
static bool learn_ends(struct rv__kafka_consumer *consumer, rd_kafka_t *rk, uint32_t count)
{
	rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_new(16);
	rd_kafka_topic_partition_list_t *starts = rd_kafka_topic_partition_list_new(4);
	bool answered;

	for (uint32_t slot = 0; slot < count; slot++) {
		struct rv__kafka_partition *partition = consumer->slots[slot];
		bool lacks_start;

		if (!is_read(partition, &lacks_start))
			continue;
		rd_kafka_topic_partition_list_add(ends, partition->topic, partition->number)->offset =
		    RD_KAFKA_OFFSET_END;
		if (lacks_start)
			rd_kafka_topic_partition_list_add(starts, partition->topic, partition->number)
			    ->offset = consumer->from_end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
	}
	(void)ask(rk, starts); /* of what is not answered the offset stays negative */
	answered = ask(rk, ends);
	for (uint32_t slot = 0; slot < count && answered; slot++) {
		const rd_kafka_topic_partition_t *start = find(starts, consumer->slots[slot]);
		const rd_kafka_topic_partition_t *end = find(ends, consumer->slots[slot]);

		if (start && !start->err && start->offset >= 0)
			learn_start(consumer->slots[slot], start->offset);
		if (end && !end->err && end->offset >= 0)
			atomic_store(&consumer->slots[slot]->end, end->offset);
	}
	rd_kafka_topic_partition_list_destroy(starts);
	rd_kafka_topic_partition_list_destroy(ends);
	return answered;
}

void rv__kafka_verify(void *owner, rd_kafka_t *rk)
{
	struct rv__kafka_consumer *consumer = owner;
	uint32_t count = atomic_load_explicit(&consumer->slot_count, memory_order_acquire);
	struct rv__kafka_print *prints = calloc((size_t)count + 1, sizeof *prints);
	rd_kafka_topic_partition_list_t *list;
	bool replaced = false, answered;

	if (!prints || !learn_ends(consumer, rk, count)) {
		free(prints);
		return;
	}
	list = rd_kafka_topic_partition_list_new(16);
	for (uint32_t slot = 0; slot < count; slot++) {
		struct rv__kafka_partition *partition = consumer->slots[slot];

		if (!choose(partition, &prints[slot]))
			prints[slot].offset = -1;
		else if (prints[slot].expected != LEARN)
			rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)->offset =
			    time_of(&prints[slot]);
	}
	answered = ask(rk, list);
	for (uint32_t slot = 0; slot < count && !atomic_load(&consumer->stopped); slot++) {
		const rd_kafka_topic_partition_t *at = find(list, consumer->slots[slot]);

		if (prints[slot].offset < 0)
			continue;
		if (prints[slot].expected == LEARN)
			replaced |= verify(rk, consumer->slots[slot], &prints[slot], LEARN);
		else if (answered && at && !at->err)
			replaced |= verify(rk, consumer->slots[slot], &prints[slot], at->offset);
	}
	rd_kafka_topic_partition_list_destroy(list);
	free(prints);
	if (!replaced)
		return;
	atomic_store(&consumer->replaced, true);
	rv__kafka_consumer_wake(consumer);
}
