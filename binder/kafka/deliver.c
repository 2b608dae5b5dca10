/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the queue of a partition to the core, many at a time. Neither pausing nor seeking is used: a partition whose
 * messages the core refuses is just not read, its queue in librdkafka fills to its bound, and the fetching stops
 * by itself; so librdkafka's batch call is safe (its known faults need a pause or a seek).
 */
#include <stdlib.h>
#include <string.h>

#include "binder/kafka/consumer.h"

/* Payloads from here on are kept where librdkafka has them: below, a copy costs less than keeping its buffer. */
enum { KEEP_BYTES = 65536 };

/* -- messages ---------------------------------------------------------------------------------------- */

/* Keeps the client alive as long as one of its messages is. */
struct kept {
	rd_kafka_message_t *raw;
	struct rv__kafka_session *session;
};

static void release_kept(void *owner)
{
	struct kept *kept = owner;

	rd_kafka_message_destroy(kept->raw);
	rv__kafka_session_unref(kept->session);
	free(kept);
}

static enum rv_timestamp_type timestamp_type(rd_kafka_timestamp_type_t type)
{
	switch (type) {
	case RD_KAFKA_TIMESTAMP_CREATE_TIME:
		return RV_TIMESTAMP_CREATED;
	case RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME:
		return RV_TIMESTAMP_APPENDED;
	default:
		return RV_TIMESTAMP_NONE;
	}
}

/* Headers and key of the record; borrowed from the reader, the record, *room and *standard. */
static void read_headers(struct rv__kafka_consumer *consumer, const rd_kafka_message_t *raw,
    struct rv__kafka_record_key *room, struct rv__kafka_standard_room *standard, struct rv_received *received)
{
	struct rv__kafka_header_reader *reader = &consumer->reader;
	rd_kafka_headers_t *headers = NULL;

	if (rd_kafka_message_headers(raw, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		headers = NULL;
	rv__kafka_headers_read(reader, headers);
	if (consumer->settings->standard_headers)
		rv__kafka_headers_standard(
		    reader, consumer->kafka->env, consumer->settings->standard_headers, standard);
	received->headers = reader->spans;
	received->header_count = reader->count;
	received->id = reader->id;
	if (raw->key) /* the reader leaves a place for it */
		rv__kafka_key_read(consumer->key_format, raw->key, raw->key_len, room,
		    &reader->spans[received->header_count++]);
}

/* Takes `raw` over. NULL: no memory. */
static rv_message *make_message(
    struct rv__kafka_consumer *consumer, struct rv__kafka_partition *partition, rd_kafka_message_t *raw)
{
	rd_kafka_timestamp_type_t type;
	struct rv__kafka_record_key room;
	struct rv__kafka_standard_room standard;
	struct rv_received received = {.payload = raw->payload,
	    .length = raw->len,
	    .source = "Kafka",
	    .destination = partition->topic,
	    .partition = partition->number,
	    .position = raw->offset,
	    .attempt = 1,
	    .null = raw->payload == NULL};
	struct kept *kept = raw->len >= KEEP_BYTES ? malloc(sizeof *kept) : NULL;
	rv_message *message;

	received.timestamp_ms = rd_kafka_message_timestamp(raw, &type);
	if (received.timestamp_ms < 0)
		received.timestamp_ms = 0;
	received.timestamp_type = timestamp_type(type);
	read_headers(consumer, raw, &room, &standard, &received);
	if (kept) {
		*kept = (struct kept){raw, consumer->session};
		rv__kafka_session_ref(kept->session);
		received.release = release_kept;
		received.owner = kept;
	}
	message = rv_message_create_received(&received);
	if (!kept)
		rd_kafka_message_destroy(raw);
	return message;
}

/* -- one partition ------------------------------------------------------------------------------------- */

void rv__kafka_drop_held(struct rv__kafka_partition *partition)
{
	for (size_t i = 0; i < partition->held_count; i++)
		rv_message_unref(partition->held[partition->held_at + i].message);
	partition->held_at = partition->held_count = 0;
}

/*
 * Hands on, and returns how many were taken. A credit() between the refusal and our return must not be lost, so the
 * partition counts as blocked before the core is asked.
 */
static size_t hand_on(struct rv__kafka_partition *partition, const struct rv_inbound *batch, size_t n)
{
	struct rv__kafka_consumer *consumer = partition->consumer;
	size_t taken;

	atomic_store(&partition->blocked, true);
	taken = consumer->sink_ops->deliver(consumer->sink, batch, n);
	if (taken == n)
		atomic_store(&partition->blocked, false);
	atomic_fetch_add_explicit(&consumer->received, taken, memory_order_relaxed);
	return taken;
}

/* What was refused before goes first. False: it was refused again. */
static bool hand_held(struct rv__kafka_partition *partition)
{
	size_t taken = hand_on(partition, &partition->held[partition->held_at], partition->held_count);

	partition->held_at += taken;
	partition->held_count -= taken;
	return partition->held_count == 0;
}

static void hold(struct rv__kafka_partition *partition, const struct rv_inbound *rest, size_t n)
{
	memcpy(partition->held, rest, n * sizeof *rest);
	partition->held_at = 0;
	partition->held_count = n;
}

/* An error in the place of a message. */
static void hear(struct rv__kafka_consumer *consumer, rd_kafka_message_t *raw)
{
	rv__kafka_consumer_trouble(consumer, raw->err, rd_kafka_message_errstr(raw));
	rd_kafka_message_destroy(raw);
}

/* Without memory what was taken from the queue would be skipped: the client is made anew, and reads it again. */
static void give_up(struct rv__kafka_consumer *consumer, size_t from, size_t n)
{
	for (size_t i = from; i < n; i++)
		rd_kafka_message_destroy(consumer->raw[i]);
	consumer->begin_anew = true;
}

/* The position is not in the log any more, and librdkafka began again before it: this is another log. */
static void go_back(struct rv__kafka_partition *partition)
{
	struct rv__journal *journal = partition->consumer->journal;

	partition->committed = -1; /* else nothing would be stored up to there */
	partition->youngest_ms = -1;
	if (journal)
		rv__journal_forget_before(journal, partition->key, INT64_MAX);
	pthread_mutex_lock(&partition->lock);
	partition->sure.offset = partition->newest.offset = -1;
	partition->learnt = true;
	pthread_mutex_unlock(&partition->lock);
}

/* What the watch knows the log by. */
static void remember(struct rv__kafka_partition *partition, const rd_kafka_message_t *raw)
{
	int64_t timestamp_ms = rd_kafka_message_timestamp(raw, NULL);

	if (raw->offset <= partition->last_offset)
		go_back(partition);
	partition->last_offset = raw->offset;
	if (timestamp_ms <= partition->youngest_ms)
		return;
	partition->youngest_ms = timestamp_ms;
	if (atomic_load_explicit(&partition->print_wanted, memory_order_relaxed))
		rv__kafka_print_take(partition, raw);
}

/* Messages to deliveries, in order; how many. */
static size_t convert(struct rv__kafka_consumer *consumer, struct rv__kafka_partition *partition, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		rd_kafka_message_t *raw = consumer->raw[i];
		struct rv_inbound *inbound = &consumer->batch[count];

		if (raw->err) {
			hear(consumer, raw);
			continue;
		}
		remember(partition, raw);
		*inbound = (struct rv_inbound){.token = {.slot = partition->slot, .position = raw->offset}};
		inbound->message = make_message(consumer, partition, raw);
		if (!inbound->message) {
			give_up(consumer, i + 1, n);
			break;
		}
		count++;
	}
	return count;
}

/* How often the process ended with each in work. */
static void count_deliveries(struct rv__kafka_partition *partition, struct rv_inbound *batch, size_t n)
{
	struct rv__journal *journal = partition->consumer->journal;

	if (!journal || n == 0)
		return;
	if (partition->fresh)
		rv__journal_forget_before(journal, partition->key, batch[0].token.position);
	partition->fresh = false;
	for (size_t i = 0; i < n; i++)
		batch[i].delivery_count =
		    rv__journal_starts(journal, partition->key, batch[i].token.position);
}

/* Opens an entry of the window for each; how many there was memory for. The others are dropped. */
static size_t open_entries(struct rv__kafka_partition *partition, struct rv_inbound *batch, size_t n)
{
	size_t i = 0;

	count_deliveries(partition, batch, n);
	pthread_mutex_lock(&partition->lock);
	while (i < n) {
		batch[i].token.epoch = partition->epoch;
		if (!rv__kafka_window_push(
		        &partition->window, batch[i].token.position, &batch[i].token.cookie))
			break;
		i++;
	}
	pthread_mutex_unlock(&partition->lock);
	for (size_t rest = i; rest < n; rest++) {
		rv_message_unref(batch[rest].message);
		partition->consumer->begin_anew = true;
	}
	return i;
}

static bool has_room(struct rv__kafka_partition *partition)
{
	size_t count;

	pthread_mutex_lock(&partition->lock);
	count = rv__kafka_window_count(&partition->window);
	pthread_mutex_unlock(&partition->lock);
	return count + RV__KAFKA_BATCH <= RV__KAFKA_WINDOW_MAX;
}

/* Asks for more as soon as half of what was there is gone. */
static void watch_length(struct rv__kafka_partition *partition)
{
	enum { WORTH = 8 };
	size_t length = rd_kafka_queue_length(partition->queue);

	if (length > partition->longest) {
		partition->longest = length;
	} else if (partition->longest >= WORTH && length <= partition->longest / 2) {
		partition->longest = length;
		rv__kafka_session_fetch(partition->consumer->session);
	}
}

static bool feed_partition(struct rv__kafka_consumer *consumer, struct rv__kafka_partition *partition)
{
	ssize_t got;
	size_t n, taken;

	if (!partition->queue || partition->stage != RV__KAFKA_ASSIGNED || atomic_load(&partition->blocked))
		return false;
	if (partition->held_count > 0 && !hand_held(partition))
		return false;
	if (!has_room(partition))
		return false;
	got = rd_kafka_consume_batch_queue(partition->queue, 0, consumer->raw, RV__KAFKA_BATCH);
	if (got <= 0)
		return false;
	watch_length(partition);
	n = convert(consumer, partition, (size_t)got);
	n = open_entries(partition, consumer->batch, n);
	if (n == 0)
		return true;
	taken = hand_on(partition, consumer->batch, n);
	if (taken < n)
		hold(partition, consumer->batch + taken, n - taken);
	return true;
}

bool rv__kafka_feed(struct rv__kafka_consumer *consumer)
{
	bool any = false;

	if (atomic_load_explicit(&consumer->paused, memory_order_relaxed) ||
	    atomic_load_explicit(&consumer->stopped, memory_order_relaxed) ||
	    !atomic_load_explicit(&consumer->started, memory_order_relaxed))
		return false;
	for (struct rv__kafka_partition *partition = consumer->all; partition; partition = partition->next)
		any |= feed_partition(consumer, partition);
	return any;
}
