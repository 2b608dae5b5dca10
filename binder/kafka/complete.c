/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a message: from librdkafka's word to the sink. */
#include "binder/kafka/producer.h"

#include "base/numbers.h"

/* -- errors ----------------------------------------------------------------------------------- */

/* What a code of librdkafka or of the broker is to a sender. */
static const struct meaning {
	rd_kafka_resp_err_t code;
	rv_err error;
	bool retriable;
	const char *cure;
} meanings[] = {
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RV_E_TIMEOUT, true, "look whether the broker can be reached"},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RV_E_TIMEOUT, true, "look whether the broker's copies keep up"},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, RV_E_TIMEOUT, true, "look whether the broker can be reached"},
    {RD_KAFKA_RESP_ERR__TRANSPORT, RV_E_UNAVAILABLE, true, "look whether the broker can be reached"},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RV_E_UNAVAILABLE, true, "start a broker"},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RV_E_UNAVAILABLE, true,
        "start the brokers that hold the copies, or lower min.insync.replicas"},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, RV_E_UNAVAILABLE, true,
        "start the brokers that hold the copies, or lower min.insync.replicas"},
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RV_E_UNAVAILABLE, true, "wait until the partition has a leader"},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RV_E_UNAVAILABLE, true,
        "wait until the partition has a leader"},
    {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RV_E_UNAVAILABLE, true, "look at the broker's disk"},
    {RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, RV_E_UNAVAILABLE, true, "send slower, or raise the quota"},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, RV_E_CLOSED, false, "send it again after the next start"},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, RV_E_CLOSED, false, "send it again after the next start"},
    {RD_KAFKA_RESP_ERR__DESTROY, RV_E_CLOSED, false, "send it again after the next start"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RV_E_NOTFOUND, true, "create the topic"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RV_E_NOTFOUND, true, "create the topic"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RV_E_NOTFOUND, false,
        "choose a partition that the topic has, or enlarge it"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, RV_E_INVALID, false,
        "name a topic of letters, digits, '.', '_' and '-'"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RV_E_DENIED, false,
        "grant the user of this service write and describe on the topic"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RV_E_DENIED, false,
        "grant the user of this service IdempotentWrite on the cluster"},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, RV_E_DENIED, false,
        "grant the user of this service write on the transactional id"},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, RV_E_DENIED, false, "correct the log-in"},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, RV_E_INVALID, false,
        "send what the topic takes: a compacted one wants a key, " RV_HEADER_KEY},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, RV_E_INVALID, false,
        "send what the topic takes: a compacted one wants a key, " RV_HEADER_KEY},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, RV_E_INVALID, false, "leave out kafka_timestamp"},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, RV_E_INVALID, false, "send what the broker's policy allows"},
    {RD_KAFKA_RESP_ERR__FATAL, RV_E_UNAVAILABLE, true, "send it again"},
    {RD_KAFKA_RESP_ERR__FENCED, RV_E_CLOSED, false, "give each instance a transaction-id-prefix of its own"},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RV_E_UNAVAILABLE, true, "send it again"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, RV_E_UNAVAILABLE, true, "send it again"},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, RV_E_UNAVAILABLE, true, "send it again"},
};

static const struct meaning *meaning_of(rd_kafka_resp_err_t code)
{
	static const struct meaning other = {
	    .error = RV_E_UNAVAILABLE, .retriable = true, .cure = "look at the broker's log"};

	for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
		if (meanings[i].code == code)
			return &meanings[i];
	return &other;
}

static bool is_too_large(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
	    code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
}

static void too_large(const struct rv__kafka_producer *producer, rd_kafka_resp_err_t code,
    const rd_kafka_message_t *record, const rv_message *message, struct rv_error *err)
{
	size_t length = record ? record->len : 0;

	if (!record)
		(void)rv_message_payload(message, &length);
	if (record)
		rv_error_set(err, RV_E_TOOBIG, RV__N_KAFKA_TOO_LARGE, RV__KAFKA_TOPIC,
		    "the broker takes no message of %zu bytes on topic '%s' of binding '%s' (this client "
		    "would "
		    "send %lld); send less, or raise max.message.bytes of the topic",
		    length, producer->topic, producer->binding, (long long)producer->max_message_bytes);
	else
		rv_error_set(err, RV_E_TOOBIG, RV__N_KAFKA_TOO_LARGE, RV__KAFKA_TOPIC,
		    "a message with a payload of %zu bytes is, with key and headers, over max.request.size "
		    "(%lld) of "
		    "binding '%s'; send less, or raise it under configuration",
		    length, (long long)producer->max_message_bytes, producer->binding);
	err->native = code;
}

void rv__kafka_send_error(const struct rv__kafka_producer *producer, rd_kafka_resp_err_t code,
    const rd_kafka_message_t *record, const rv_message *message, struct rv_error *err)
{
	const struct meaning *meaning = meaning_of(code);
	bool maybe = record && rd_kafka_message_status(record) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED;

	if (is_too_large(code)) {
		too_large(producer, code, record, message, err);
		return;
	}
	rv_error_set(err, meaning->error, RV__N_KAFKA_NOT_SENT, RV__KAFKA_TOPIC,
	    "a message to topic '%s' of binding '%s' failed: %s; %s; %s",
	    record && record->rkt ? rd_kafka_topic_name(record->rkt) : producer->topic, producer->binding,
	    rd_kafka_err2str(code), maybe ? "the broker may have it or not" : "the broker does not have it",
	    meaning->cure);
	err->retriable = meaning->retriable;
	err->native = code;
}

/* A key that did not fit: its sentence is made here, since send() has nowhere to put it. */
static void refused_error(
    const struct rv__kafka_producer *producer, const struct rv__kafka_place *place, struct rv_error *err)
{
	struct rv__evaluation evaluation = {.message = place->message};
	struct rv__kafka_outgoing outgoing;
	struct rv__kafka_record_key key;
	bool told = false;

	if (place->refused == RD_KAFKA_RESP_ERR__INVALID_ARG &&
	    rv__kafka_headers_write(&producer->mapping, place->message, true, &outgoing) == RV_OK)
		told = rv__kafka_key_choose(producer->key_expression, producer->key_format, &outgoing.key,
		           &evaluation, &key, err) != RV_OK;
	rv__evaluation_finish(&evaluation);
	if (told)
		return;
	rv__kafka_send_error(producer, place->refused, NULL, place->message, err);
}

/* -- completing --------------------------------------------------------------------------------- */

static void tell(
    struct rv__kafka_producer *producer, struct rv__kafka_place *place, const rd_kafka_message_t *record)
{
	struct rv_receipt receipt = {.partition = -1, .position = -1};
	struct rv_error error;
	bool failed = !record || record->err;

	if (!failed) {
		receipt.partition = record->partition;
		receipt.position = record->offset >= 0 ? record->offset : -1;
	} else if (record) {
		rv__kafka_send_error(producer, record->err, record, NULL, &error);
	} else {
		refused_error(producer, place, &error);
	}
	if (failed && place->patience_ns) /* it was away, and may be back by then */
		error.retriable = true;
	atomic_fetch_add_explicit(failed ? &producer->send_errors : &producer->sent, 1, memory_order_relaxed);
	if (failed && producer->leaving)
		atomic_fetch_add_explicit(&producer->failed_leaving, 1, memory_order_relaxed);
	producer->sink_ops->sent(
	    producer->sink, place->arg, failed ? NULL : &receipt, failed ? &error : NULL);
}

void rv__kafka_complete(struct rv__kafka_client *client, struct rv__kafka_place *place,
    const rd_kafka_message_t *record, struct rv__kafka_returns *returns)
{
	struct rv__kafka_producer *producer =
	    atomic_exchange_explicit(&place->owner, NULL, memory_order_acquire);

	if (producer)
		tell(producer, place, record);
	else
		atomic_fetch_sub(&client->abandoned, 1);
	if (place->message) {
		rv_message_unref(place->message);
		place->message = NULL;
	}
	rv__kafka_pool_gather(&client->pool, returns, place);
	/* Last: a producer that has nothing on its way may be freed. */
	if (producer)
		atomic_fetch_add_explicit(&producer->completed, 1, memory_order_release);
}

/* -- many at a time ----------------------------------------------------------------------------- */

void rv__kafka_successes_tell(struct rv__kafka_successes *successes)
{
	struct rv__kafka_producer *producer = successes->producer;
	size_t n = successes->count;

	if (n == 0)
		return;
	atomic_fetch_add_explicit(&producer->sent, n, memory_order_relaxed);
	if (producer->sink_ops->sent_batch)
		producer->sink_ops->sent_batch(producer->sink, successes->sent, n);
	else
		for (size_t i = 0; i < n; i++)
			producer->sink_ops->sent(
			    producer->sink, successes->sent[i].arg, &successes->sent[i].receipt, NULL);
	successes->count = 0;
	/* Last: a producer that has nothing on its way may be freed. */
	atomic_fetch_add_explicit(&producer->completed, n, memory_order_release);
}

void rv__kafka_successes_add(struct rv__kafka_client *client, struct rv__kafka_successes *successes,
    const rd_kafka_message_t *record, struct rv__kafka_returns *returns)
{
	struct rv__kafka_place *place = record->_private;
	struct rv__kafka_producer *producer = atomic_load_explicit(&place->owner, memory_order_acquire);

	if (successes->count == RV__KAFKA_SUCCESSES ||
	    (successes->count > 0 && successes->producer != producer))
		rv__kafka_successes_tell(successes);
	/* Whoever abandons it takes it out of the same place. */
	if (!producer || !(producer = atomic_exchange_explicit(&place->owner, NULL, memory_order_acquire))) {
		rv__kafka_complete(client, place, record, returns);
		return;
	}
	successes->producer = producer;
	successes->sent[successes->count++] = (struct rv_sent){.arg = place->arg,
	    .receipt = {
	        .partition = record->partition, .position = record->offset >= 0 ? record->offset : -1}};
	if (place->message) {
		rv_message_unref(place->message);
		place->message = NULL;
	}
	rv__kafka_pool_gather(&client->pool, returns, place);
}
