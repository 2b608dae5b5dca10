/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An idempotent producer that failed for good is replaced by a new one: shut the gate, gather what the old one gives
 * back, send again in the order of acceptance what the broker surely does not have, open the gate. What the broker
 * may have is reported as such: to send it again by ourselves would be to duplicate it in silence.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "binder/kafka/producer.h"

enum {
	PATIENCE_MS = 10000, /* for answers to requests that are on the wire */
	AGAIN_MS = 1000
};

struct rv__kafka_renewal {
	const rd_kafka_message_t **records; /* to be sent again; they live in `events` */
	size_t count, room;
	rd_kafka_event_t **events;
	size_t event_count, event_room;
	int64_t purge_at_ns; /* 0: was done */
	int64_t next_try_ns;
};

/* Room for one more in an array of pointers. */
static bool grow(void **array, size_t count, size_t *room)
{
	size_t more = *room ? *room * 2 : 64;
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*array, more * sizeof(void *));
	if (!grown)
		return false;
	*array = grown;
	*room = more;
	return true;
}

void rv__kafka_renewal_begin(struct rv__kafka_client *client)
{
	char why[256] = "";
	rd_kafka_resp_err_t code;

	if (client->renewal)
		return;
	code = rd_kafka_fatal_error(client->rk, why, sizeof why);
	client->renewal = calloc(1, sizeof *client->renewal);
	if (!client->renewal)
		return; /* the next report of a failure comes here again */
	client->renewal->purge_at_ns = rv__monotonic_ns() + (int64_t)PATIENCE_MS * 1000000;
	atomic_store(&client->open, false);
	rv__kafka_again_abort(client); /* their records are the old client's */
	client->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
	    "RV%04u the producer failed for good (%s: %s); a new one is made, and what the broker does not "
	    "have "
	    "is sent again",
	    (unsigned)RV__N_KAFKA_RENEWED, rd_kafka_err2name(code), why);
}

/* Errors with which librdkafka gives back what it no longer may send itself. */
static bool may_go_again(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR__FATAL:
	case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
	case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
	case RD_KAFKA_RESP_ERR__STATE:
	case RD_KAFKA_RESP_ERR__OUTDATED:
	case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
	case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
	case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
		return true;
	default:
		return false;
	}
}

bool rv__kafka_renewal_takes(struct rv__kafka_client *client, const rd_kafka_message_t *record)
{
	const struct rv__kafka_place *place = record->_private;
	struct rv__kafka_renewal *renewal;

	if (!may_go_again(record->err))
		return false;
	/* The report may come before the event that tells of the failure. */
	if (!client->renewal && rd_kafka_fatal_error(client->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
		rv__kafka_renewal_begin(client);
	renewal = client->renewal;
	if (!renewal || atomic_load(&client->quit) || !atomic_load(&place->owner) ||
	    rd_kafka_message_status(record) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
		return false;
	if (!grow((void **)&renewal->records, renewal->count, &renewal->room) ||
	    !grow((void **)&renewal->events, renewal->event_count, &renewal->event_room))
		return false;
	renewal->records[renewal->count++] = record;
	return true;
}

void rv__kafka_renewal_keep(struct rv__kafka_client *client, rd_kafka_event_t *event)
{
	/* Room was made when its first record was taken. */
	client->renewal->events[client->renewal->event_count++] = event;
}

static void forget_records(struct rv__kafka_renewal *renewal)
{
	for (size_t i = 0; i < renewal->event_count; i++)
		rd_kafka_event_destroy(renewal->events[i]);
	renewal->event_count = 0;
	renewal->count = 0;
}

void rv__kafka_renewal_abort(struct rv__kafka_client *client)
{
	struct rv__kafka_renewal *renewal = client->renewal;
	struct rv__kafka_returns returns = {NULL, NULL};

	if (!renewal)
		return;
	for (size_t i = 0; i < renewal->count; i++)
		rv__kafka_complete(client, renewal->records[i]->_private, renewal->records[i], &returns);
	rv__kafka_pool_give(&client->pool, &returns);
	forget_records(renewal);
}

void rv__kafka_renewal_end(struct rv__kafka_client *client)
{
	struct rv__kafka_renewal *renewal = client->renewal;

	if (!renewal)
		return;
	rv__kafka_renewal_abort(client);
	client->renewal = NULL;
	free(renewal->records);
	free(renewal->events);
	free(renewal);
}

/* Handles of the topics with the new client. False: not now. */
static bool exchange(struct rv__kafka_client *client, rd_kafka_t *rk, rd_kafka_t **ret_old)
{
	rd_kafka_queue_t *old_queue;

	pthread_mutex_lock(&client->lock);
	if (client->flushing > 0) {
		pthread_mutex_unlock(&client->lock);
		return false;
	}
	for (struct rv__kafka_producer *producer = client->producers; producer; producer = producer->next) {
		if (!producer->rkt)
			continue;
		rd_kafka_topic_destroy(producer->rkt);
		producer->rkt = rd_kafka_topic_new(rk, producer->topic, NULL);
	}
	*ret_old = client->rk;
	old_queue = client->queue;
	client->rk = rk;
	client->queue = rd_kafka_queue_get_main(rk);
	pthread_mutex_unlock(&client->lock);
	rd_kafka_queue_destroy(old_queue);
	return true;
}

static int by_number(const void *left, const void *right)
{
	const rd_kafka_message_t *const *a = left, *const *b = right;
	uint64_t x = ((const struct rv__kafka_place *)(*a)->_private)->number;
	uint64_t y = ((const struct rv__kafka_place *)(*b)->_private)->number;

	return x < y ? -1 : x > y;
}

static void send_again(
    struct rv__kafka_client *client, const rd_kafka_message_t *record, struct rv__kafka_returns *returns)
{
	struct rv__kafka_place *place = record->_private;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(client->rk, rd_kafka_topic_name(record->rkt), NULL);
	rd_kafka_headers_t *headers = NULL;
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	int flags = place->message ? 0 : RD_KAFKA_MSG_F_COPY;

	(void)rd_kafka_message_detach_headers((rd_kafka_message_t *)record, &headers);
	if (rkt)
		code = rd_kafka_producev(client->rk, RD_KAFKA_V_RKT(rkt),
		    RD_KAFKA_V_PARTITION(record->partition), RD_KAFKA_V_MSGFLAGS(flags),
		    RD_KAFKA_V_VALUE(record->payload, record->len),
		    RD_KAFKA_V_KEY(record->key, record->key_len),
		    RD_KAFKA_V_TIMESTAMP(rd_kafka_message_timestamp(record, NULL)),
		    RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(place), RD_KAFKA_V_END);
	if (rkt)
		rd_kafka_topic_destroy(rkt);
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	if (headers)
		rd_kafka_headers_destroy(headers);
	place->refused = code;
	rv__kafka_complete(client, place, NULL, returns);
}

static void finish(struct rv__kafka_client *client, rd_kafka_t *rk)
{
	struct rv__kafka_renewal *renewal = client->renewal;
	struct rv__kafka_returns returns = {NULL, NULL};
	size_t count = renewal->count;
	rd_kafka_t *old;

	/* They are the old one's; nobody is inside the gate, who could have one. */
	rv__kafka_client_tidy_all(client);
	if (!exchange(client, rk, &old)) {
		rd_kafka_destroy(rk);
		return;
	}
	if (renewal->count > 0)
		qsort(renewal->records, renewal->count, sizeof *renewal->records, by_number);
	for (size_t i = 0; i < renewal->count; i++)
		send_again(client, renewal->records[i], &returns);
	rv__kafka_pool_give(&client->pool, &returns);
	forget_records(renewal);
	rv__kafka_renewal_end(client);
	atomic_fetch_add(&client->renewals, 1);
	atomic_store(&client->open, true);
	client->kafka->env->log(
	    RV_LOG_INFO, RV__KAFKA_TOPIC, "a new producer is there; %zu messages were sent again", count);
	rd_kafka_destroy(old);
}

void rv__kafka_renewal_step(struct rv__kafka_client *client)
{
	struct rv__kafka_renewal *renewal = client->renewal;
	int64_t now_ns = rv__monotonic_ns();
	char why[256];
	rd_kafka_t *rk;

	if (rv__kafka_client_on_the_way(client) > renewal->count) {
		if (renewal->purge_at_ns && now_ns >= renewal->purge_at_ns) {
			renewal->purge_at_ns = 0;
			rd_kafka_purge(client->rk,
			    RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
			        RD_KAFKA_PURGE_F_NON_BLOCKING);
		}
		return;
	}
	if (now_ns < renewal->next_try_ns)
		return;
	rk = rv__kafka_client_make(client, why, sizeof why);
	if (rk) {
		finish(client, rk);
		return;
	}
	renewal->next_try_ns = now_ns + (int64_t)AGAIN_MS * 1000000;
	client->kafka->env->log(RV_LOG_ERROR, RV__KAFKA_TOPIC,
	    "RV%04u a new producer cannot be made: %s; trying again in %d ms", (unsigned)RV__N_KAFKA_CLIENT,
	    why, AGAIN_MS);
}
