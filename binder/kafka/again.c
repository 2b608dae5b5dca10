/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages whose topic or partition was away for a moment. librdkafka gives them back at once ("Unknown topic",
 * "Unknown partition") when its view of the cluster lacks it, as after a deletion; the broker does not have them. While
 * their sender's patience lasts they are kept here and sent again, in the order of acceptance.
 *
 * Not kept: what goes to another topic than the binding's, and partitions that the topic has not while it is there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "binder/kafka/producer.h"

enum { TRY_MS = 200, LOOK_MS = 500 };

struct parked {
	struct rv__kafka_place *place;
	const rd_kafka_message_t *record; /* lives in `events`; NULL: it never got into librdkafka's queue */
};

struct rv__kafka_again {
	struct parked *parked; /* by number of the place */
	size_t count, room;
	rd_kafka_event_t **events;
	size_t event_count, event_room;
	int64_t try_ns;
};

static bool grow(void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 64;
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*array, more * size);
	if (!grown)
		return false;
	*array = grown;
	*room = more;
	return true;
}

static bool is_away(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
	    code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* A partition that the topic has not, as the cluster says, is a mistake of the sender's. */
static bool is_mistake(struct rv__kafka_producer *producer, rd_kafka_resp_err_t code, int32_t partition)
{
	bool mistake;

	pthread_mutex_lock(&producer->lock);
	mistake = code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && partition >= producer->partitions;
	pthread_mutex_unlock(&producer->lock);
	return mistake;
}

static bool is_up(struct rv__kafka_producer *producer)
{
	bool up;

	pthread_mutex_lock(&producer->lock);
	up = producer->up;
	pthread_mutex_unlock(&producer->lock);
	return up;
}

/* -- keeping ------------------------------------------------------------------------------------------ */

static bool take(struct rv__kafka_client *client, struct rv__kafka_place *place,
    const rd_kafka_message_t *record, rd_kafka_resp_err_t code, int32_t partition, int64_t waited_us)
{
	struct rv__kafka_producer *producer = atomic_load_explicit(&place->owner, memory_order_acquire);
	struct rv__kafka_again *again = client->again;
	int64_t now_ns = rv__monotonic_ns();

	if (!is_away(code) || !producer || client->renewal || atomic_load(&client->quit) ||
	    is_mistake(producer, code, partition))
		return false;
	if (place->patience_ns == 0)
		place->patience_ns = now_ns - waited_us * 1000 + producer->message_timeout_ms * 1000000;
	if (now_ns >= place->patience_ns)
		return false;
	if (!again && !(again = client->again = calloc(1, sizeof *again)))
		return false;
	if (!grow((void **)&again->parked, again->count, &again->room, sizeof *again->parked) ||
	    !grow((void **)&again->events, again->event_count, &again->event_room, sizeof(void *)))
		return false;
	if (again->count == 0) {
		again->try_ns = now_ns + (int64_t)TRY_MS * 1000000;
		rv__kafka_watch_hurry(client->kafka->watch); /* what is wrong is said soon */
	}
	again->parked[again->count++] = (struct parked){place, record};
	return true;
}

bool rv__kafka_again_takes(struct rv__kafka_client *client, const rd_kafka_message_t *record)
{
	struct rv__kafka_place *place = record->_private;
	const struct rv__kafka_producer *producer;

	if (!is_away(record->err) || rd_kafka_message_status(record) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
		return false;
	producer = atomic_load_explicit(&place->owner, memory_order_acquire);
	if (!producer || strcmp(rd_kafka_topic_name(record->rkt), producer->topic) != 0)
		return false;
	return take(client, place, record, record->err, record->partition, rd_kafka_message_latency(record));
}

bool rv__kafka_again_takes_refused(struct rv__kafka_client *client, struct rv__kafka_place *place)
{
	return place->own_topic && take(client, place, NULL, place->refused, place->partition, 0);
}

void rv__kafka_again_keep(struct rv__kafka_client *client, rd_kafka_event_t *event)
{
	struct rv__kafka_again *again = client->again;

	/* Room was made when its first record was taken; they may all be failed by now. */
	if (again->count > 0)
		again->events[again->event_count++] = event;
	else
		rd_kafka_event_destroy(event);
}

/* -- sending again ------------------------------------------------------------------------------------------ */

/* What librdkafka knows of the topic is of the time when it was away: it looks by itself in minutes only. */
static void look(struct rv__kafka_client *client, struct rv__kafka_producer *producer)
{
	const struct rd_kafka_metadata *metadata = NULL;

	if (producer->rkt &&
	    rd_kafka_metadata(client->rk, 0, producer->rkt, &metadata, LOOK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_metadata_destroy(metadata);
}

static rd_kafka_resp_err_t send_record(struct rv__kafka_producer *producer, const struct parked *parked)
{
	const rd_kafka_message_t *record = parked->record;
	/* Of its own: the macro casts its first word alone. */
	const int flags = parked->place->message ? 0 : RD_KAFKA_MSG_F_COPY;
	rd_kafka_headers_t *had = NULL, *headers = NULL;
	rd_kafka_resp_err_t code;

	if (rd_kafka_message_headers(record, &had) == RD_KAFKA_RESP_ERR_NO_ERROR)
		headers = rd_kafka_headers_copy(had);
	code = rd_kafka_producev(producer->client->rk, RD_KAFKA_V_RKT(producer->rkt),
	    RD_KAFKA_V_PARTITION(record->partition), RD_KAFKA_V_MSGFLAGS(flags),
	    RD_KAFKA_V_VALUE(record->payload, record->len), RD_KAFKA_V_KEY(record->key, record->key_len),
	    RD_KAFKA_V_TIMESTAMP(rd_kafka_message_timestamp(record, NULL)), RD_KAFKA_V_HEADERS(headers),
	    RD_KAFKA_V_OPAQUE(parked->place), RD_KAFKA_V_END);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR && headers)
		rd_kafka_headers_destroy(headers);
	return code;
}

/* Whether it is over with it: sent, failed, or abandoned. */
static bool try_one(struct rv__kafka_client *client, const struct parked *parked, bool give_up,
    struct rv__kafka_returns *returns)
{
	struct rv__kafka_producer *producer =
	    atomic_load_explicit(&parked->place->owner, memory_order_acquire);
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;

	if (producer && !give_up) {
		if (producer->rkt && is_up(producer))
			code = parked->record ? send_record(producer, parked)
			                      : rv__kafka_send_refused(producer, parked->place);
		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			return true;
		if ((is_away(code) || code == RD_KAFKA_RESP_ERR__QUEUE_FULL) &&
		    rv__monotonic_ns() < parked->place->patience_ns)
			return false;
	}
	rv__kafka_complete(client, parked->place, parked->record, returns);
	return true;
}

static int by_number(const void *left, const void *right)
{
	uint64_t x = ((const struct parked *)left)->place->number;
	uint64_t y = ((const struct parked *)right)->place->number;

	return x < y ? -1 : x > y;
}

static void try_all(struct rv__kafka_client *client, bool give_up)
{
	struct rv__kafka_again *again = client->again;
	struct rv__kafka_returns returns = {NULL, NULL};
	size_t left = 0;

	qsort(again->parked, again->count, sizeof *again->parked, by_number);
	for (size_t i = 0; i < again->count; i++)
		if (!try_one(client, &again->parked[i], give_up, &returns))
			again->parked[left++] = again->parked[i];
	again->count = left;
	rv__kafka_pool_give(&client->pool, &returns);
	for (size_t i = 0; left == 0 && i < again->event_count; i++)
		rd_kafka_event_destroy(again->events[i]);
	if (left == 0)
		again->event_count = 0;
}

void rv__kafka_again_step(struct rv__kafka_client *client)
{
	struct rv__kafka_again *again = client->again;
	struct rv__kafka_producer *producer;
	int64_t now_ns = rv__monotonic_ns();

	if (!rv__kafka_again_waits(client) || now_ns < again->try_ns)
		return;
	producer = atomic_load_explicit(&again->parked[0].place->owner, memory_order_acquire);
	if (producer && is_up(producer))
		look(client, producer);
	try_all(client, false);
	again->try_ns = rv__monotonic_ns() + (int64_t)TRY_MS * 1000000;
}

bool rv__kafka_again_waits(const struct rv__kafka_client *client)
{
	return client->again && client->again->count > 0;
}

void rv__kafka_again_abort(struct rv__kafka_client *client)
{
	if (rv__kafka_again_waits(client))
		try_all(client, true);
}

void rv__kafka_again_end(struct rv__kafka_client *client)
{
	struct rv__kafka_again *again = client->again;

	if (!again)
		return;
	rv__kafka_again_abort(client);
	client->again = NULL;
	free(again->parked);
	free(again->events);
	free(again);
}
