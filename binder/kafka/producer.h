/* SPDX-License-Identifier: Apache-2.0 */
/* One bound output. */
#ifndef BINDER_KAFKA_PRODUCER_H
#define BINDER_KAFKA_PRODUCER_H

#include "binder/kafka/client.h"
#include "binder/kafka/headers.h"
#include "binder/kafka/key.h"

struct rv__kafka_producer {
	struct rv__kafka_client *client; /* NULL: it sends in transactions */
	struct rv__kafka_lane *lane;     /* NULL: without; what goes with deliveries has theirs */
	atomic_uint refs;                /* the binding's, and of messages that wait for a transaction */
	atomic_bool ending;              /* the binding waits for the lane's last words */
	struct rv__kafka_producer *next; /* of the client; under its lock */
	const struct rv_producer_sink *sink_ops;
	void *sink;
	char *binding, *topic; /* owned */
	rd_kafka_topic_t *rkt; /* exchanged with client->rk; NULL: the topic is not there yet */
	struct rv__kafka_mapping mapping;
	char **patterns; /* owned; of the mapping */
	enum rv__kafka_format key_format;
	struct rv__expression *key_expression; /* owned; NULL: the key is a header */
	bool use_topic_header;
	bool dead_letters;        /* its messages are those of a consumer, and keep headers and key */
	int64_t close_timeout_ms; /* 0: the caller's */
	int64_t message_timeout_ms;
	int64_t max_message_bytes; /* the client's own limit, headers included */

	struct rv__kafka_need need;
	pthread_mutex_t lock; /* protects the next four */
	bool bound;           /* what is judged goes to the sink */
	bool judged, up;
	int32_t partitions;
	struct rv_error trouble; /* why it is not up */

	unsigned pins;          /* under the client's lock: its thread is about to call the sink */
	bool leaving;           /* likewise */
	atomic_bool wants_room; /* send() took fewer than offered */
	_Alignas(64) _Atomic uint64_t accepted;  /* senders count here … */
	_Alignas(64) _Atomic uint64_t completed; /* … and completions here */
	_Atomic uint64_t sent, send_errors, failed_leaving;
};

/** Tries a place again that was refused, and keeps its message where that fails. The client's thread. */
rd_kafka_resp_err_t rv__kafka_send_refused(
    struct rv__kafka_producer *producer, struct rv__kafka_place *place);

/** Frees it with the last reference. */
void rv__kafka_producer_unref(struct rv__kafka_producer *producer);

/** What the keys of an output mean in Java's words, below what stands among the client's settings. */
void rv__kafka_put_settings(struct rv__kafka_config *config,
    const struct rv__kafka_producer_settings *settings, int64_t message_timeout_ms);

/**
 * Hands a message to a client of the lane. RD_KAFKA_RESP_ERR__QUEUE_FULL: nothing happened; any other code is the
 * message's own. Its payload is borrowed until the report, which has `opaque`.
 */
rd_kafka_resp_err_t rv__kafka_produce(
    struct rv__kafka_producer *producer, const struct rv_outbound *outbound, rd_kafka_t *rk, void *opaque);

/** Fills *err with what librdkafka's word means for a message of that producer, and how to cure it. */
void rv__kafka_send_error(const struct rv__kafka_producer *producer, rd_kafka_resp_err_t code,
    const rd_kafka_message_t *record, const rv_message *message, struct rv_error *err);

#endif
