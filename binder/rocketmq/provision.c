/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the topic of an output when it is bound, so that inputs have its queues before the first message. Java's
 * client leaves that to the first send; what is made here is what that send would have made.
 *
 * UPDATE_AND_CREATE_TOPIC overwrites a topic that is there. So it goes out only to a broker that makes topics by itself
 * (its configuration says so: the template may outlive the switch), and only right after the name server said once more
 * that there is none.
 */
#include "binder/rocketmq/producer.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "remoting/codes.h"

enum {
	ASK_MS = 3000,
	FRESH_MS = 50, /* how long it counts that there is no such topic */
	QUEUES = 4,    /* as many as a send asks for */
	TRIES = 2
};

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The topics of groups are the broker's to make. */
static bool is_wanted(const struct rv__rmq_producer *producer)
{
	const char *name = producer->topic->name;

	return producer->client->settings->auto_create_topics && !starts_with(name, RV__TOPIC_RETRY_PREFIX) &&
	    !starts_with(name, RV__TOPIC_DLQ_PREFIX);
}

/* One of the brokers, the same for every service that starts now, and another for the next topic. */
static struct rv__rmq_broker *choose_broker(struct rv__rmq_producer *producer)
{
	const struct rv__rmq_topic *route = producer->template_topic;
	struct rv__rmq_broker *chosen = NULL;
	uint32_t highest = 0;

	for (size_t i = 0; i < route->write_count; i++) {
		struct rv__rmq_broker *broker = route->writes[i].broker;
		struct rv__rmq_connection *connection =
		    rv__rmq_broker_connection(producer->client, &producer->client->self, broker, true);
		char both[512];
		uint32_t rank;

		if (!connection || connection->link != RV__RMQ_OPEN)
			continue;
		snprintf(both, sizeof both, "%.200s@%.200s", producer->topic->name, broker->name);
		rank = rv__hash_fnv1a(both, strlen(both));
		if (!chosen || rank > highest) {
			chosen = broker;
			highest = rank;
		}
	}
	return chosen;
}

static int32_t queue_count(const struct rv__rmq_producer *producer)
{
	const struct rv__rmq_topic *route = producer->template_topic;
	int32_t count = 0;

	if (producer->partitioned || producer->partition_count > 1)
		return producer->partition_count;
	for (size_t i = 0; i < route->write_count; i++)
		count += route->writes[i].broker == producer->maker;
	return count < 1 ? 1 : count < QUEUES ? count : QUEUES;
}

/* The first message makes it then, unless it was only the connection that failed. */
static void give_up(struct rv__rmq_producer *producer, const struct rv_error *why)
{
	bool again = why && ++producer->provision_tries < TRIES;

	producer->provision = again ? RV__RMQ_PROVISION_NONE : RV__RMQ_PROVISION_DONE;
	if (why)
		producer->trouble = *why;
	rv__rmq_producer_judge(producer);
}

static void on_made(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_producer *producer = RV__OWNER(request, struct rv__rmq_producer, provision_request);
	struct rv_error refusal;

	(void)block;
	if (!answer) {
		give_up(producer, why);
		return;
	}
	producer->provision = RV__RMQ_PROVISION_DONE;
	if (answer->code != RV__RSP_SUCCESS) {
		/* No right to administrate, for one: worth a word only where the number of queues matters. */
		rv__rmq_refusal(&refusal, "making the topic", answer);
		producer->client->env->log(
		    producer->partition_count > 1 || producer->partitioned ? RV_LOG_WARN : RV_LOG_DEBUG,
		    RV__RMQ_TOPIC,
		    "binding '%s': %s; the first message makes it, with the broker's number of queues",
		    producer->binding, refusal.text);
	}
	rv__rmq_topic_ask_anew(producer->topic);
}

static void make(struct rv__rmq_producer *producer, struct rv__rmq_connection *connection)
{
	int32_t queues = queue_count(producer);
	struct rv__rmq_ask ask;

	producer->provision = RV__RMQ_PROVISION_ASKED;
	rv__rmq_ask_begin(&ask, connection, RV__REQ_UPDATE_AND_CREATE_TOPIC);
	rv__rmq_ask_text(&ask, "topic", producer->topic->name);
	rv__rmq_ask_text(&ask, "defaultTopic", RV__TOPIC_TEMPLATE);
	rv__rmq_ask_number(&ask, "readQueueNums", queues);
	rv__rmq_ask_number(&ask, "writeQueueNums", queues);
	rv__rmq_ask_number(&ask, "perm", RV__PERM_READ | RV__PERM_WRITE);
	rv__rmq_ask_text(&ask, "topicFilterType", "SINGLE_TAG");
	rv__rmq_ask_number(&ask, "topicSysFlag", 0);
	rv__rmq_ask_bool(&ask, "order", false);
	rv__rmq_ask_end(&ask, &producer->provision_request, ASK_MS, on_made, NULL, 0);
}

/* Source: apache/rocketmq broker/…/processor/AdminBrokerProcessor.java, getBrokerConfig: lines key=value. */
static bool makes_none(const struct rv__command *config)
{
	static const char off[] = "autoCreateTopicEnable=false";

	return config->code == RV__RSP_SUCCESS && config->body &&
	    memmem(config->body, config->body_length, off, sizeof off - 1) != NULL;
}

static void on_config(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_producer *producer = RV__OWNER(request, struct rv__rmq_producer, provision_request);

	(void)block;
	if (!answer) {
		give_up(producer, why);
	} else if (makes_none(answer)) {
		give_up(producer, NULL);
	} else {
		producer->provision = RV__RMQ_PROVISION_ALLOWED;
		rv__rmq_topic_ask_anew(producer->topic); /* its answer brings us on */
	}
}

static bool ask_config(struct rv__rmq_producer *producer)
{
	struct rv__rmq_ask ask;

	producer->maker = choose_broker(producer);
	if (!producer->maker)
		return false;
	producer->provision = RV__RMQ_PROVISION_ASKED;
	rv__rmq_ask_begin(&ask,
	    rv__rmq_broker_connection(producer->client, &producer->client->self, producer->maker, true),
	    RV__REQ_GET_BROKER_CONFIG);
	rv__rmq_ask_end(&ask, &producer->provision_request, ASK_MS, on_config, NULL, 0);
	return true;
}

static bool make_if_still_missing(struct rv__rmq_producer *producer)
{
	struct rv__rmq_connection *connection =
	    rv__rmq_broker_connection(producer->client, &producer->client->self, producer->maker, true);

	if (!connection || connection->link != RV__RMQ_OPEN) {
		producer->provision = RV__RMQ_PROVISION_NONE;
		return ask_config(producer);
	}
	if (rv__rmq_now_ms(producer->client) - producer->topic->answered_ms > FRESH_MS)
		rv__rmq_topic_ask_anew(producer->topic);
	else
		make(producer, connection);
	return true;
}

bool rv__rmq_provision(struct rv__rmq_producer *producer)
{
	/* One that was there once is not made again: whoever deletes it means it. */
	if (producer->topic->known || !is_wanted(producer))
		producer->provision = RV__RMQ_PROVISION_DONE;
	switch (producer->provision) {
	case RV__RMQ_PROVISION_NONE:
		return ask_config(producer);
	case RV__RMQ_PROVISION_ALLOWED:
		return make_if_still_missing(producer);
	case RV__RMQ_PROVISION_ASKED:
		return true;
	default:
		return false;
	}
}
