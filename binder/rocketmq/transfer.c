/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/rocketmq/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "remoting/codes.h"
#include "remoting/record.h"

enum { ID_MAX = 64, DEFAULT_QUEUES = 4 };

static void on_answer(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why);

/* Body of SEND_BATCH_MESSAGE: size, 0, 0, flag, body length, body, properties length, properties. */
static void encode_batch(struct rv__buffer *body, const struct rv__rmq_send *first)
{
	for (const struct rv__rmq_send *send = first; send; send = send->next) {
		rv__buffer_add_u32(body, (uint32_t)(22 + send->body_length + send->properties_length));
		rv__buffer_add_u32(body, 0);
		rv__buffer_add_u32(body, 0);
		rv__buffer_add_u32(body, (uint32_t)send->flag);
		rv__buffer_add_u32(body, (uint32_t)send->body_length);
		rv__buffer_add(body, send->body, send->body_length);
		rv__buffer_add_u16(body, (uint16_t)send->properties_length);
		rv__buffer_add(body, send->properties, send->properties_length);
	}
}

static void add_fields(struct rv__rmq_ask *ask, const struct rv__rmq_send *first, int32_t queue)
{
	const struct rv__rmq_producer *producer = first->producer;
	int32_t wanted =
	    producer->partition_count > DEFAULT_QUEUES ? producer->partition_count : DEFAULT_QUEUES;

	rv__rmq_ask_text(ask, "a", producer->group);
	rv__rmq_ask_text(ask, "b", first->topic->name);
	rv__rmq_ask_text(ask, "c", RV__TOPIC_TEMPLATE);
	rv__rmq_ask_number(ask, "d", wanted);
	rv__rmq_ask_number(ask, "e", queue);
	rv__rmq_ask_number(ask, "f", first->packed ? RV__SYS_COMPRESSED | RV__SYS_COMPRESSION_ZLIB : 0);
	rv__rmq_ask_number(ask, "g",
	    rv_message_timestamp_ms(first->message) > 0 ? rv_message_timestamp_ms(first->message)
	                                                : producer->client->env->wall_ms());
	rv__rmq_ask_number(ask, "h", first->batch > 1 ? 0 : first->flag);
	if (first->batch > 1)
		rv__rmq_ask_text(ask, "i", "WAIT\x01true");
	else
		rv__rmq_ask_bytes(ask, "i", first->properties, first->properties_length);
	rv__rmq_ask_number(ask, "j", 0);
	rv__rmq_ask_bool(ask, "k", false);
	rv__rmq_ask_bool(ask, "m", first->batch > 1);
	rv__rmq_ask_text(ask, "n", first->last->name);
}

static void complete_all(
    struct rv__rmq_send *first, const struct rv_receipt *receipt, const struct rv_error *error)
{
	while (first) {
		struct rv__rmq_send *next = first->next;

		rv__rmq_send_complete(first, receipt, error);
		first = next;
	}
}

static void enter_list(struct rv__rmq_producer *producer, struct rv__rmq_send *first)
{
	first->next_under_way = producer->under_way;
	first->under_way_link = &producer->under_way;
	if (producer->under_way)
		producer->under_way->under_way_link = &first->next_under_way;
	producer->under_way = first;
}

static void leave_list(struct rv__rmq_send *first)
{
	*first->under_way_link = first->next_under_way;
	if (first->next_under_way)
		first->next_under_way->under_way_link = first->under_way_link;
}

void rv__rmq_transfers_abandon(struct rv__rmq_producer *producer, const struct rv_error *why)
{
	while (producer->under_way) {
		struct rv__rmq_send *first = producer->under_way;

		rv__rmq_request_cancel(&first->request);
		leave_list(first);
		complete_all(first, NULL, why);
	}
}

void rv__rmq_transfer(
    struct rv__rmq_send *first, struct rv__rmq_connection *connection, const struct rv__rmq_place *place)
{
	struct rv__rmq_producer *producer = first->producer;
	struct rv__buffer batch = RV__BUFFER_INIT(RV__FRAME_MAX);
	bool oneway = producer->plan.type == RV__RMQ_SEND_ONEWAY;
	int64_t left = first->deadline_ms - rv__rmq_now_ms(producer->client);
	struct rv__rmq_ask ask;

	for (struct rv__rmq_send *send = first; send; send = send->next) {
		send->last = place->broker;
		send->tries++;
	}
	rv__rmq_ask_begin(
	    &ask, connection, first->batch > 1 ? RV__REQ_SEND_BATCH_MESSAGE : RV__REQ_SEND_MESSAGE_V2);
	add_fields(&ask, first, place->queue);
	if (first->batch > 1)
		encode_batch(&batch, first);
	rv__rmq_ask_end(&ask, oneway ? NULL : &first->request, left > 1 ? left : 1, on_answer,
	    first->batch > 1 ? batch.bytes : first->body,
	    first->batch > 1 ? batch.length : first->body_length);
	rv__buffer_finish(&batch);
	if (!oneway)
		enter_list(producer, first);
	else
		complete_all(first, &(struct rv_receipt){place->queue, -1, NULL}, NULL);
}

/* -- the answer ------------------------------------------------------------------------------- */

static void tell_success(struct rv__rmq_send *first, const struct rv__command *answer)
{
	struct rv_receipt receipt = {.partition = -1, .position = -1};
	struct rv_span ids = rv__command_field(answer, "msgId");
	int32_t queue;
	int64_t offset = -1;

	if (rv__command_i32(answer, "queueId", &queue))
		receipt.partition = queue;
	(void)rv__command_i64(answer, "queueOffset", &offset);
	while (first) {
		struct rv__rmq_send *next = first->next;
		const char *comma = ids.bytes ? memchr(ids.bytes, ',', ids.length) : NULL;
		size_t length = comma ? (size_t)(comma - ids.bytes) : ids.bytes ? ids.length : 0;
		char id[ID_MAX];

		receipt.broker_id = NULL;
		if (length > 0 && length < sizeof id) {
			memcpy(id, ids.bytes, length);
			id[length] = '\0';
			receipt.broker_id = id;
		}
		receipt.position = offset;
		rv__rmq_send_complete(first, &receipt, NULL);
		if (offset >= 0)
			offset++;
		if (comma)
			ids = (struct rv_span){comma + 1, ids.length - length - 1};
		else
			ids.length = 0;
		first = next;
	}
}

/* As Java: what another broker, or the same one a moment later, may take. */
static bool worth_another_try(int code)
{
	switch (code) {
	case RV__RSP_TOPIC_NOT_EXIST:
	case RV__RSP_SERVICE_NOT_AVAILABLE:
	case RV__RSP_SYSTEM_ERROR:
	case RV__RSP_SYSTEM_BUSY:
	case RV__RSP_NO_PERMISSION:
	case RV__RSP_NO_BUYER_ID:
	case RV__RSP_NOT_IN_CURRENT_UNIT:
	case RV__RSP_FLOW_CONTROL:
		return true;
	default:
		return false;
	}
}

/* Puts what has tries and time left back to the front, each on its own; the rest fails with *why. */
static void try_again(struct rv__rmq_send *first, bool retriable, const struct rv_error *why)
{
	struct rv__rmq_producer *producer = first->producer;
	struct rv__rmq_send *again = NULL, **tail = &again;
	int64_t now = rv__rmq_now_ms(producer->client);
	bool stopping = atomic_load(&producer->client->stopping);
	size_t count = 0;

	while (first) {
		struct rv__rmq_send *next = first->next;

		if (!retriable || stopping || first->tries > producer->plan.retries ||
		    now >= first->deadline_ms) {
			rv__rmq_send_complete(first, NULL, why);
		} else {
			first->alone = first->batch > 1 || first->alone;
			first->next = NULL;
			*tail = first;
			tail = &first->next;
			count++;
		}
		first = next;
	}
	if (!again)
		return;
	*tail = producer->pending;
	if (!producer->pending)
		producer->pending_tail = tail;
	producer->pending = again;
	producer->pending_count += count;
	rv__rmq_producer_mark(producer);
}

/* A request went out and no answer came back. */
static void describe_doubt(struct rv_error *ret_doubt, const struct rv_error *why)
{
	rv_error_set(ret_doubt, why->code, why->number, why->where,
	    "%s; it may have the message or not: send it again where a duplicate does no harm, or raise the "
	    "send time-out where the broker is only slow",
	    why->text);
	ret_doubt->retriable = why->retriable;
}

static void on_answer(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_send *first = RV__OWNER(request, struct rv__rmq_send, request);
	struct rv__rmq_producer *producer = first->producer;
	struct rv__rmq_topic *topic = first->topic;
	struct rv_error refusal;

	(void)block;
	leave_list(first);
	if (!answer) {
		describe_doubt(&refusal, why);
		try_again(first, true, &refusal);
		return;
	}
	if (answer->code == RV__RSP_SUCCESS) {
		/* The first message made the topic: its own queues are known by now. */
		if (!topic->known)
			rv__rmq_topic_ask(topic);
		tell_success(first, answer);
		return;
	}
	rv__rmq_refusal(&refusal, topic->name, answer);
	if (answer->code == RV__RSP_FLUSH_DISK_TIMEOUT || answer->code == RV__RSP_SLAVE_NOT_AVAILABLE ||
	    answer->code == RV__RSP_FLUSH_SLAVE_TIMEOUT) {
		refusal.code = RV_E_TIMEOUT;
		refusal.number = RV__N_RMQ_NOT_STORED;
		refusal.retriable = true;
		try_again(first, producer->plan.retry_not_stored, &refusal);
		return;
	}
	if (answer->code == RV__RSP_TOPIC_NOT_EXIST)
		rv__rmq_topic_ask(topic);
	try_again(first, worth_another_try(answer->code), &refusal);
}
