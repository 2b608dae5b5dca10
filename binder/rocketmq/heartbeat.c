/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the brokers who is here, and saying goodbye. */
#include <stdlib.h>
#include <string.h>

#include "binder/rocketmq/consumer.h"
#include "binder/rocketmq/producer.h"
#include "remoting/codes.h"
#include "remoting/heartbeat.h"

enum { GROUPS_MAX = 64, SUBSCRIPTIONS_MAX = 256, ASK_MS = 3000 };

/* Room to gather one identity's groups in; too large for a stack, short-lived. */
struct roll {
	struct rv__heartbeat heartbeat;
	struct rv__heartbeat_consumer consumers[GROUPS_MAX];
	const char *producers[GROUPS_MAX];
	struct rv__subscription subscriptions[SUBSCRIPTIONS_MAX];
	size_t subscription_count;
};

static void add_subscription(struct roll *roll, struct rv__heartbeat_consumer *entry,
    const struct rv__rmq_consumer *consumer, const struct rv__rmq_source *source)
{
	for (size_t i = 0; i < entry->subscription_count; i++)
		if (strcmp(entry->subscriptions[i].topic, source->topic->name) == 0)
			return;
	if (roll->subscription_count == SUBSCRIPTIONS_MAX)
		return;
	roll->subscriptions[roll->subscription_count++] =
	    (struct rv__subscription){.topic = source->topic->name,
	        .expression = source->expression,
	        .type = consumer->plan.sql && !source->retry ? "SQL92" : "TAG",
	        .version = consumer->sub_version};
	entry->subscription_count++;
}

static const char *from_word(enum rv__rmq_from from)
{
	switch (from) {
	case RV__RMQ_FROM_LAST:
		return "CONSUME_FROM_LAST_OFFSET";
	case RV__RMQ_FROM_TIMESTAMP:
		return "CONSUME_FROM_TIMESTAMP";
	default:
		return "CONSUME_FROM_FIRST_OFFSET";
	}
}

/* One entry a group, with the topics of all its bindings here: a broker forgets what is left out. */
static void add_group(
    struct roll *roll, struct rv__rmq_identity *identity, const struct rv__rmq_consumer *first)
{
	struct rv__heartbeat_consumer *entry = &roll->consumers[roll->heartbeat.consumer_count];

	for (size_t i = 0; i < roll->heartbeat.consumer_count; i++)
		if (strcmp(roll->consumers[i].group, first->group) == 0)
			return;
	if (roll->heartbeat.consumer_count == GROUPS_MAX)
		return;
	roll->heartbeat.consumer_count++;
	*entry = (struct rv__heartbeat_consumer){.group = first->group,
	    .consume_type = "CONSUME_PASSIVELY",
	    .message_model = first->plan.broadcasting ? "BROADCASTING" : "CLUSTERING",
	    .consume_from_where = from_word(first->plan.from),
	    .subscriptions = &roll->subscriptions[roll->subscription_count]};
	for (const struct rv__rmq_consumer *c = first; c; c = c->next) {
		if (c->identity != identity || !c->started || c->leaving ||
		    strcmp(c->group, first->group) != 0)
			continue;
		add_subscription(roll, entry, c, &c->main);
		if (c->retry.topic)
			add_subscription(roll, entry, c, &c->retry);
	}
}

static void gather(struct roll *roll, struct rv__rmq_client *client, struct rv__rmq_identity *identity)
{
	memset(roll, 0, sizeof *roll);
	roll->heartbeat.client_id = identity->client_id;
	roll->heartbeat.consumers = roll->consumers;
	roll->heartbeat.producers = roll->producers;
	for (const struct rv__rmq_consumer *c = client->consumers; c; c = c->next)
		if (c->identity == identity && c->started && !c->leaving)
			add_group(roll, identity, c);
	if (identity != &client->self)
		return;
	for (const struct rv__rmq_producer *p = client->producers; p; p = p->next) {
		bool known = false;

		for (size_t i = 0; i < roll->heartbeat.producer_count; i++)
			known |= strcmp(roll->producers[i], p->group) == 0;
		if (!known && roll->heartbeat.producer_count < GROUPS_MAX)
			roll->producers[roll->heartbeat.producer_count++] = p->group;
	}
}

static void on_answer(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_connection *connection = RV__OWNER(request, struct rv__rmq_connection, heartbeat);
	struct rv__rmq_client *client = connection->client;

	(void)block;
	(void)why; /* a lost connection is told where it is lost; a slow broker gets the next one */
	if (!answer || connection->heartbeat_answered)
		return;
	connection->heartbeat_answered = true;
	for (struct rv__rmq_consumer *c = client->consumers; c; c = c->next)
		if (c->identity == connection->identity)
			rv__rmq_rebalance(c);
}

static void tell(struct rv__rmq_connection *connection, const struct roll *roll)
{
	struct rv__buffer body = RV__BUFFER_INIT(1 << 20);
	struct rv__rmq_ask ask;

	rv__heartbeat_encode(&body, &roll->heartbeat);
	if (rv__buffer_error(&body) == RV_OK) {
		rv__rmq_request_cancel(&connection->heartbeat);
		rv__rmq_ask_begin(&ask, connection, RV__REQ_HEART_BEAT);
		rv__rmq_ask_end(&ask, &connection->heartbeat, ASK_MS, on_answer, body.bytes, body.length);
	}
	rv__buffer_finish(&body);
}

void rv__rmq_heartbeat(struct rv__rmq_client *client, struct rv__rmq_connection *only)
{
	struct roll *roll = malloc(sizeof *roll);

	if (!roll)
		return; /* the next one is due in seconds */
	for (struct rv__rmq_identity *identity = client->identities; identity; identity = identity->next) {
		gather(roll, client, identity);
		if (roll->heartbeat.consumer_count == 0 && roll->heartbeat.producer_count == 0)
			continue;
		for (struct rv__rmq_connection *c = client->connections; c; c = c->next)
			if (c->broker && c->identity == identity && c->link == RV__RMQ_OPEN &&
			    (!only || c == only))
				tell(c, roll);
	}
	free(roll);
}

void rv__rmq_leave(struct rv__rmq_client *client, struct rv__rmq_identity *identity,
    const char *producer_group, const char *consumer_group)
{
	for (struct rv__rmq_connection *c = client->connections; c; c = c->next) {
		struct rv__rmq_ask ask;

		if (!c->broker || c->identity != identity || c->link != RV__RMQ_OPEN)
			continue;
		rv__rmq_ask_begin(&ask, c, RV__REQ_UNREGISTER_CLIENT);
		rv__rmq_ask_text(&ask, "clientID", identity->client_id);
		if (producer_group)
			rv__rmq_ask_text(&ask, "producerGroup", producer_group);
		if (consumer_group)
			rv__rmq_ask_text(&ask, "consumerGroup", consumer_group);
		rv__rmq_ask_end(&ask, NULL, 0, NULL, NULL, 0);
	}
}

static bool reads(struct rv__rmq_client *client, const struct rv__rmq_identity *identity, const char *group,
    const char *topic)
{
	for (const struct rv__rmq_consumer *c = client->consumers; c; c = c->next)
		if (c->identity == identity && strcmp(c->group, group) == 0 &&
		    strcmp(c->main.topic->name, topic) == 0)
			return true;
	return false;
}

struct rv__rmq_identity *rv__rmq_identity_for(
    struct rv__rmq_client *client, const char *group, const char *topic)
{
	struct rv__rmq_identity *identity;

	if (!reads(client, &client->self, group, topic))
		return &client->self;
	for (identity = client->identities; identity; identity = identity->next)
		if (!reads(client, identity, group, topic))
			return identity;
	identity = calloc(1, sizeof *identity);
	if (!identity)
		return NULL;
	rv__rmq_identity_name(client, identity);
	identity->next = client->identities;
	client->identities = identity;
	return identity;
}
