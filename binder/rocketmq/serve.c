/* SPDX-License-Identifier: Apache-2.0 */
/* What brokers ask of a client, and finding the connection for what a consumer asks of them. */
#include <string.h>

#include "binder/rocketmq/consumer.h"
#include "remoting/codes.h"
#include "remoting/heartbeat.h"
#include "remoting/json_dialect.h"
#include "remoting/queue.h"

struct rv__rmq_connection *rv__rmq_queue_connection(struct rv__rmq_queue *queue)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv__rmq_connection *connection =
	    rv__rmq_broker_connection(consumer->client, consumer->identity, queue->broker, false);

	if (!connection || !rv__rmq_connection_usable(connection) || connection->link != RV__RMQ_OPEN)
		return NULL;
	return connection;
}

struct rv__rmq_connection *rv__rmq_topic_connection(
    struct rv__rmq_consumer *consumer, struct rv__rmq_topic *topic)
{
	struct rv__rmq_connection *found = NULL;
	struct rv__rmq_broker *last = NULL;

	for (size_t i = 0; i < topic->read_count; i++) {
		struct rv__rmq_connection *connection;

		if (topic->reads[i].broker == last)
			continue;
		last = topic->reads[i].broker;
		connection = rv__rmq_broker_connection(consumer->client, consumer->identity, last, false);
		if (connection && rv__rmq_connection_usable(connection) && connection->link == RV__RMQ_OPEN)
			found = connection;
	}
	return found;
}

/* -- 40: somebody joined or left ---------------------------------------------------------------- */

static void on_members_changed(struct rv__rmq_connection *connection, const struct rv__command *command)
{
	struct rv_span group = rv__command_field(command, "consumerGroup");

	for (struct rv__rmq_consumer *c = connection->client->consumers; c; c = c->next)
		if (c->identity == connection->identity && rv__span_is(group, c->group))
			rv__rmq_rebalance(c);
}

/* -- 307: what `mqadmin consumerStatus` shows ------------------------------------------------------ */

static void add_queues(struct rv__buffer *out, const struct rv__rmq_consumer *consumer, bool *first)
{
	for (struct rv__rmq_queue *queue = consumer->queues; queue; queue = queue->next) {
		struct rv__message_queue name = {
		    queue->source->topic->name, queue->broker->name, queue->id, 0};

		if (!*first)
			rv__buffer_add_text(out, ",");
		*first = false;
		rv__queue_encode(out, &name);
		rv__buffer_printf(out,
		    ":{\"cachedMsgCount\":%zu,\"cachedMsgMaxOffset\":%lld,\"cachedMsgMinOffset\":%lld,"
		    "\"cachedMsgSizeInMiB\":%lld,\"commitOffset\":%lld,\"droped\":%s,"
		    "\"lastConsumeTimestamp\":0,"
		    "\"lastLockTimestamp\":%lld,\"lastPullTimestamp\":0,\"locked\":%s,"
		    "\"transactionMsgCount\":0,"
		    "\"transactionMsgMaxOffset\":0,\"transactionMsgMinOffset\":0,\"tryUnlockTimes\":0}",
		    queue->window.open, (long long)queue->window.next,
		    (long long)rv__process_queue_committable(&queue->window),
		    (long long)(queue->window.bytes >> 20),
		    (long long)(queue->stored < 0 ? 0 : queue->stored),
		    queue->stage == RV__RMQ_DRAINING ? "true" : "false", (long long)queue->lock_ms,
		    queue->lock_ms ? "true" : "false");
	}
}

static void encode_status(struct rv__buffer *out, struct rv__rmq_consumer *consumer)
{
	bool first = true;
	const struct rv__rmq_source *sources[] = {&consumer->main, &consumer->retry};

	rv__buffer_add_text(out, "{\"mqTable\":{");
	uv_mutex_lock(&consumer->lock);
	add_queues(out, consumer, &first);
	uv_mutex_unlock(&consumer->lock);
	rv__buffer_printf(out,
	    "},\"properties\":{\"PROP_CLIENT_VERSION\":\"V4_9_8\",\"PROP_CONSUME_TYPE\":\"CONSUME_"
	    "PASSIVELY\","
	    "\"PROP_CONSUMEORDERLY\":\"%s\",\"PROP_CONSUMER_START_TIMESTAMP\":\"%lld\","
	    "\"PROP_NAMESERVER_ADDR\":",
	    consumer->plan.orderly ? "true" : "false", (long long)consumer->sub_version);
	rv__json_add_string(
	    out, consumer->client->names.addresses[0], strlen(consumer->client->names.addresses[0]));
	rv__buffer_add_text(
	    out, ",\"PROP_THREADPOOL_CORE_SIZE\":\"1\"},\"statusTable\":{},\"subscriptionSet\":[");
	for (size_t i = 0; i < 2; i++) {
		struct rv__subscription subscription = {.version = consumer->sub_version};

		if (!sources[i]->topic)
			continue;
		subscription.topic = sources[i]->topic->name;
		subscription.expression = sources[i]->expression;
		subscription.type = consumer->plan.sql && i == 0 ? "SQL92" : "TAG";
		if (i > 0)
			rv__buffer_add_text(out, ",");
		rv__subscription_encode(out, &subscription);
	}
	rv__buffer_add_text(out, "]}");
}

static void on_status(struct rv__rmq_connection *connection, const struct rv__command *command)
{
	struct rv_span group = rv__command_field(command, "consumerGroup");
	struct rv__buffer body = RV__BUFFER_INIT(4 << 20);

	for (struct rv__rmq_consumer *c = connection->client->consumers; c; c = c->next) {
		if (c->identity != connection->identity || !rv__span_is(group, c->group))
			continue;
		encode_status(&body, c);
		rv__rmq_answer(connection, command, RV__RSP_SUCCESS, NULL, body.bytes, body.length);
		rv__buffer_finish(&body);
		return;
	}
	rv__rmq_answer(connection, command, RV__RSP_SYSTEM_ERROR, "the group is not consumed here", NULL, 0);
}

void rv__rmq_on_command(
    struct rv__rmq_connection *connection, const struct rv__command *command, struct rv__block *block)
{
	(void)block;
	switch (command->code) {
	case RV__REQ_NOTIFY_CONSUMER_IDS_CHANGED:
		on_members_changed(connection, command);
		break;
	case RV__REQ_RESET_CONSUMER_CLIENT_OFFSET:
		rv__rmq_offsets_reset(connection->client, command);
		break;
	case RV__REQ_GET_CONSUMER_RUNNING_INFO:
		on_status(connection, command);
		break;
	default:
		rv__rmq_answer(connection, command, RV__RSP_REQUEST_CODE_NOT_SUPPORTED,
		    " request type not supported by this client", NULL, 0);
	}
}
