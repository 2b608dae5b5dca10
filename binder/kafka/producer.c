/* SPDX-License-Identifier: Apache-2.0 */
/* Handing messages to librdkafka, on the thread of whoever sends. */
#include "binder/kafka/producer.h"

#include "binder/kafka/lane.h"

/* Payloads up to here are copied, which costs less than to hold the message until the broker's answer. */
enum { COPIED_MAX = 1024 };

/* How one try ended. */
enum outcome {
	ACCEPTED, /* its completion will come */
	FULL      /* nothing happened; there may be room later */
};

static int32_t partition_of(const struct rv_outbound *outbound, const struct rv__kafka_outgoing *outgoing)
{
	return outbound->partition >= 0 ? outbound->partition
	    : outgoing->partition >= 0  ? outgoing->partition
	                                : RD_KAFKA_PARTITION_UA;
}

/* Where a message goes. */
struct target {
	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt; /* of the producer; NULL: made for this once */
	int flags;             /* RD_KAFKA_MSG_F_COPY, or 0: somebody holds the payload until the report */
	void *opaque;
};

/* The topic of this message: mostly the producer's own, else a handle for this once. */
static rd_kafka_topic_t *topic_of(const struct rv__kafka_producer *producer,
    const struct rv_outbound *outbound, const struct rv__kafka_outgoing *outgoing,
    const struct target *target)
{
	const char *name = outbound->destination ? outbound->destination
	    : producer->use_topic_header         ? outgoing->topic
	                                         : NULL;

	if (!name && target->rkt)
		return target->rkt;
	return rd_kafka_topic_new(target->rk, name ? name : producer->topic, NULL);
}

static rd_kafka_resp_err_t produce(const struct rv__kafka_producer *producer,
    const struct rv_outbound *outbound, const struct rv__kafka_outgoing *outgoing,
    const struct rv__kafka_record_key *key, const struct target *target)
{
	rd_kafka_topic_t *rkt = topic_of(producer, outbound, outgoing, target);
	rd_kafka_resp_err_t code;
	const void *payload;
	size_t length;

	if (!rkt)
		return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
	payload = rv_message_payload(outbound->message, &length);
	if (rv_message_is_null(outbound->message))
		payload = NULL;
	code = rd_kafka_producev(target->rk, RD_KAFKA_V_RKT(rkt),
	    RD_KAFKA_V_PARTITION(partition_of(outbound, outgoing)), RD_KAFKA_V_MSGFLAGS(target->flags),
	    RD_KAFKA_V_VALUE((void *)payload, length), RD_KAFKA_V_KEY(key->bytes, key->length),
	    RD_KAFKA_V_TIMESTAMP(outgoing->timestamp_ms), RD_KAFKA_V_HEADERS(outgoing->headers),
	    RD_KAFKA_V_OPAQUE(target->opaque), RD_KAFKA_V_END);
	if (rkt != target->rkt)
		rd_kafka_topic_destroy(rkt);
	return code;
}

/* Everything up to librdkafka's queue; an error of the message itself is a code too. */
static rd_kafka_resp_err_t try_message(
    struct rv__kafka_producer *producer, const struct rv_outbound *outbound, const struct target *target)
{
	struct rv__evaluation evaluation;
	struct rv__kafka_outgoing outgoing;
	struct rv__kafka_record_key key;
	rd_kafka_resp_err_t code;

	if (rv__kafka_headers_write(&producer->mapping, outbound->message, outbound->bare, &outgoing) !=
	    RV_OK)
		return RD_KAFKA_RESP_ERR__QUEUE_FULL; /* no memory now */
	if (producer->key_expression)
		evaluation = (struct rv__evaluation){.message = outbound->message};
	if (rv__kafka_key_choose(producer->key_expression, producer->key_format, &outgoing.key, &evaluation,
	        &key, NULL) != RV_OK)
		code = RD_KAFKA_RESP_ERR__INVALID_ARG;
	else
		code = produce(producer, outbound, &outgoing, &key, target);
	if (producer->key_expression)
		rv__evaluation_finish(&evaluation);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR && outgoing.headers)
		rd_kafka_headers_destroy(outgoing.headers);
	return code;
}

rd_kafka_resp_err_t rv__kafka_produce(
    struct rv__kafka_producer *producer, const struct rv_outbound *outbound, rd_kafka_t *rk, void *opaque)
{
	return try_message(producer, outbound, &(struct target){.rk = rk, .opaque = opaque});
}

/* Into the shared client. */
static rd_kafka_resp_err_t try_place(
    struct rv__kafka_producer *producer, const struct rv_outbound *outbound, struct rv__kafka_place *place)
{
	struct target target = {
	    .rk = producer->client->rk, .rkt = producer->rkt, .flags = RD_KAFKA_MSG_F_COPY, .opaque = place};
	rd_kafka_resp_err_t code;
	size_t length;

	place->message = NULL;
	if (!target.rkt)
		return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
	(void)rv_message_payload(outbound->message, &length);
	if (length > COPIED_MAX) {
		/* Before the call: the report may come before it returns. */
		place->message = rv_message_ref(outbound->message);
		target.flags = 0;
	}
	code = try_message(producer, outbound, &target);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR && length > COPIED_MAX) {
		rv_message_unref(place->message);
		place->message = NULL;
	}
	return code;
}

rd_kafka_resp_err_t rv__kafka_send_refused(struct rv__kafka_producer *producer, struct rv__kafka_place *place)
{
	rv_message *message = place->message;
	struct rv_outbound outbound = {
	    .message = message, .partition = place->partition, .bare = place->bare, .arg = place->arg};
	rd_kafka_resp_err_t code = try_place(producer, &outbound, place);

	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		rv_message_unref(message); /* it has one of its own, where it needs one */
	else
		place->message = message;
	return code;
}

static void give_back(struct rv__kafka_producer *producer, struct rv__kafka_place *place)
{
	struct rv__kafka_returns returns = {NULL, NULL};

	atomic_store_explicit(&place->owner, NULL, memory_order_relaxed);
	rv__kafka_pool_gather(&producer->client->pool, &returns, place);
	rv__kafka_pool_give(&producer->client->pool, &returns);
}

static enum outcome offer(struct rv__kafka_producer *producer, const struct rv_outbound *outbound)
{
	struct rv__kafka_client *client = producer->client;
	struct rv__kafka_place *place = rv__kafka_pool_take(&client->pool);
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__QUEUE_FULL;
	uint64_t number;

	if (!place)
		return FULL;
	/* Sequentially consistent with the gate: either it is seen shut, or the renewal sees this count. */
	atomic_fetch_add(&producer->accepted, 1);
	place->arg = outbound->arg;
	place->patience_ns = 0;
	number = place->number = atomic_fetch_add_explicit(&client->count, 1, memory_order_relaxed);
	atomic_store_explicit(&place->owner, producer, memory_order_release);
	if (atomic_load(&client->open)) {
		rv__kafka_client_tidy(client, number);
		code = try_place(producer, outbound, place);
	}
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return ACCEPTED;
	if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL || code == RD_KAFKA_RESP_ERR__FATAL ||
	    code == RD_KAFKA_RESP_ERR__STATE) {
		give_back(producer, place);
		atomic_fetch_sub(&producer->accepted, 1);
		return FULL;
	}
	place->message = rv_message_ref(outbound->message); /* for the sentence, or another try */
	place->partition = outbound->partition;
	place->bare = outbound->bare;
	place->own_topic = !outbound->destination && !producer->use_topic_header;
	place->refused = code;
	rv__kafka_client_refuse(client, place);
	return ACCEPTED;
}

size_t rv__kafka_send(void *producer_pointer, const struct rv_outbound *batch, size_t n)
{
	struct rv__kafka_producer *producer = producer_pointer;
	size_t accepted = 0;

	if (producer->lane)
		return rv__kafka_lane_send(producer->lane, batch, n);
	while (accepted < n) {
		if (offer(producer, &batch[accepted]) == ACCEPTED) {
			accepted++;
			continue;
		}
		atomic_store(&producer->wants_room, true);
		atomic_store(&producer->client->wants_room, true);
		/* All may have completed in between: then nobody would tell that there is room. */
		if (offer(producer, &batch[accepted]) != ACCEPTED)
			break;
		accepted++;
	}
	return accepted;
}
