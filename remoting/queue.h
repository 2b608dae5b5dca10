/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message queues as the protocol names them (topic, broker, number), sets of them with an offset each,
 * and the bodies that carry such sets: locks (41, 42) and the object-keyed offset tables (220, 222).
 */
#ifndef REMOTING_QUEUE_H
#define REMOTING_QUEUE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#include "base/buffer.h"

struct rv__message_queue {
	const char *topic;
	const char *broker;
	int32_t id;
	int64_t offset; /* in offset tables only */
};

/* Queues whose names point into `root`; zeroed is empty. */
struct rv__queues {
	struct rv__message_queue *items; /* owned */
	size_t count;
	json_t *root; /* owned */
};

void rv__queues_finish(struct rv__queues *queues);

/** {"brokerName":"broker-a","queueId":0,"topic":"T"}: a value, or with ':' behind it a key. */
void rv__queue_encode(struct rv__buffer *out, const struct rv__message_queue *queue);

/* Body of LOCK_BATCH_MQ and UNLOCK_BATCH_MQ. */
struct rv__lock_request {
	const char *client_id;
	const char *group;
	struct rv__queues queues; /* owns what the names point into */
};

void rv__lock_request_encode(struct rv__buffer *out, const char *client_id, const char *group,
    const struct rv__message_queue *queues, size_t count);
rv_err rv__lock_request_decode(
    const void *body, size_t length, struct rv__lock_request *ret_request, struct rv_error *err);
void rv__lock_request_finish(struct rv__lock_request *request);

/** Body of the answer to 41: {"lockOKMQSet":[…]}. */
void rv__lock_answer_encode(struct rv__buffer *out, const struct rv__message_queue *queues, size_t count);
rv_err rv__lock_answer_decode(
    const void *body, size_t length, struct rv__queues *ret_queues, struct rv_error *err);

/** {"offsetTable":{{queue}:n,…}}, the body of 220 and of the answer to 222; the list form for C clients is
 * read too. */
void rv__offset_table_encode(struct rv__buffer *out, const struct rv__message_queue *queues, size_t count);
rv_err rv__offset_table_decode(
    const void *body, size_t length, struct rv__queues *ret_queues, struct rv_error *err);

#endif
