/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/kafka/provision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"

enum { ANSWER_MS = 5000, REPLICAS_MAX = 64, WORDS = 512 };

rv_err rv__kafka_check_topic(const char *topic, const char *binding, struct rv_error *err)
{
	size_t length = strlen(topic);
	size_t allowed = strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (length > 0 && length <= 249 && allowed == length && strcmp(topic, ".") != 0 &&
	    strcmp(topic, "..") != 0)
		return RV_OK;
	return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_BAD_NAME, RV__KAFKA_TOPIC,
	    "binding '%s': '%s' cannot be the name of a topic; use letters, digits, '.', '_' and '-', at "
	    "most "
	    "249",
	    binding, topic);
}

/* -- calls and answers -------------------------------------------------------------------------------- */

struct call {
	rd_kafka_queue_t *queue;
	rd_kafka_AdminOptions_t *options;
};

static void begin(struct call *call, rd_kafka_t *rk, rd_kafka_admin_op_t operation)
{
	char why[WORDS];

	call->queue = rd_kafka_queue_new(rk);
	call->options = rd_kafka_AdminOptions_new(rk, operation);
	rd_kafka_AdminOptions_set_request_timeout(call->options, ANSWER_MS, why, sizeof why);
}

/* The answer, owned by the caller; NULL when there is none. */
static rd_kafka_event_t *end(struct call *call)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(call->queue, ANSWER_MS + 1000);

	rd_kafka_AdminOptions_destroy(call->options);
	rd_kafka_queue_destroy(call->queue);
	return event;
}

static rv_err refused(struct rv_error *err, const char *what, const char *topic, const char *words)
{
	return rv_error_set(err, RV_E_UNAVAILABLE, RV__N_KAFKA_NOT_MADE, RV__KAFKA_TOPIC,
	    "topic '%s' could not be %s: %s; do it by hand, or correct topic.properties and "
	    "topic.replication-factor",
	    topic, what, words);
}

/* Judges the answer to a call that named one topic. */
static rv_err judge(rd_kafka_event_t *event, const rd_kafka_topic_result_t **results, size_t count,
    const char *what, const char *topic, struct rv_error *err)
{
	rv_err code = RV_OK;

	if (!event)
		return refused(err, what, topic, "no answer in time");
	if (rd_kafka_event_error(event)) {
		code = refused(err, what, topic, rd_kafka_event_error_string(event));
	} else if (count == 1) {
		rd_kafka_resp_err_t result = rd_kafka_topic_result_error(results[0]);

		if (result != RD_KAFKA_RESP_ERR_NO_ERROR && result != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			code = refused(err, what, topic,
			    rd_kafka_topic_result_error_string(results[0])
			        ? rd_kafka_topic_result_error_string(results[0])
			        : rd_kafka_err2str(result));
	}
	return code;
}

/* -- creating ------------------------------------------------------------------------------------------- */

static int wanted(const struct rv__kafka *kafka, const struct rv__kafka_need *need)
{
	int64_t least = kafka->settings->min_partition_count;

	return (int)(need->make > least ? need->make : least);
}

static int replication(const struct rv__kafka *kafka, const struct rv__kafka_need *need)
{
	if (need->settings && need->settings->replicas_assignment.count > 0)
		return -1;
	if (need->settings && need->settings->replication_factor != 0)
		return (int)need->settings->replication_factor;
	return (int)kafka->settings->replication_factor;
}

static size_t parse_ids(const char *text, int32_t *ids, size_t max)
{
	size_t count = 0;

	while (*text && count < max) {
		char *end;
		long id = strtol(text, &end, 10);

		if (end == text)
			break;
		ids[count++] = (int32_t)id;
		text = end + strspn(end, " ,");
	}
	return count;
}

static rv_err assign_replicas(
    rd_kafka_NewTopic_t *topic, const struct rv__kafka_need *need, struct rv_error *err)
{
	const struct rv_pairs *map = &need->settings->replicas_assignment;
	char why[WORDS];

	/* librdkafka takes them in the order of the partitions. */
	for (size_t partition = 0; partition < map->count; partition++) {
		int32_t ids[REPLICAS_MAX];
		size_t i = 0, count;

		while (i < map->count && strtoul(map->items[i].name, NULL, 10) != partition)
			i++;
		if (i == map->count)
			return refused(
			    err, "made", need->topic, "topic.replicas-assignment leaves out a partition");
		count = parse_ids(map->items[i].value, ids, REPLICAS_MAX);
		if (rd_kafka_NewTopic_set_replica_assignment(
		        topic, (int32_t)partition, ids, count, why, sizeof why))
			return refused(err, "made", need->topic, why);
	}
	return RV_OK;
}

static rv_err describe(rd_kafka_NewTopic_t *topic, const struct rv__kafka_need *need, struct rv_error *err)
{
	const struct rv_pairs *properties = &need->settings->properties;

	for (size_t i = 0; i < properties->count; i++)
		rd_kafka_NewTopic_set_config(topic, properties->items[i].name, properties->items[i].value);
	return need->settings->replicas_assignment.count > 0 ? assign_replicas(topic, need, err) : RV_OK;
}

rv_err rv__kafka_create_topic(
    rd_kafka_t *rk, const struct rv__kafka *kafka, const struct rv__kafka_need *need, struct rv_error *err)
{
	bool placed = need->settings && need->settings->replicas_assignment.count > 0;
	int partitions = placed ? (int)need->settings->replicas_assignment.count : wanted(kafka, need);
	const rd_kafka_topic_result_t **results = NULL;
	rd_kafka_NewTopic_t *topic;
	rd_kafka_event_t *event;
	struct call call;
	char why[WORDS];
	size_t count = 0;
	rv_err code;

	topic = rd_kafka_NewTopic_new(need->topic, partitions, replication(kafka, need), why, sizeof why);
	if (!topic)
		return refused(err, "made", need->topic, why);
	code = need->settings ? describe(topic, need, err) : RV_OK;
	if (code == RV_OK) {
		begin(&call, rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
		rd_kafka_CreateTopics(rk, &topic, 1, call.options, call.queue);
		event = end(&call);
		if (event && !rd_kafka_event_error(event))
			results = rd_kafka_CreateTopics_result_topics(
			    rd_kafka_event_CreateTopics_result(event), &count);
		code = judge(event, results, count, "made", need->topic, err);
		if (event)
			rd_kafka_event_destroy(event);
	}
	rd_kafka_NewTopic_destroy(topic);
	if (code == RV_OK)
		kafka->env->log(RV_LOG_INFO, RV__KAFKA_TOPIC,
		    "binding=%s: made topic '%s' with %d partitions", need->binding, need->topic, partitions);
	return code;
}

rv_err rv__kafka_add_partitions(
    rd_kafka_t *rk, const struct rv__kafka *kafka, const struct rv__kafka_need *need, struct rv_error *err)
{
	const rd_kafka_topic_result_t **results = NULL;
	rd_kafka_NewPartitions_t *partitions;
	rd_kafka_event_t *event;
	struct call call;
	char why[WORDS];
	size_t count = 0;
	rv_err code;

	partitions = rd_kafka_NewPartitions_new(need->topic, (size_t)wanted(kafka, need), why, sizeof why);
	if (!partitions)
		return refused(err, "enlarged", need->topic, why);
	begin(&call, rk, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
	rd_kafka_CreatePartitions(rk, &partitions, 1, call.options, call.queue);
	event = end(&call);
	if (event && !rd_kafka_event_error(event))
		results = rd_kafka_CreatePartitions_result_topics(
		    rd_kafka_event_CreatePartitions_result(event), &count);
	code = judge(event, results, count, "enlarged", need->topic, err);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_NewPartitions_destroy(partitions);
	return code;
}

/* -- altering ----------------------------------------------------------------------------------------------- */

static const char *wanted_value(const struct rv__kafka_need *need, const char *name)
{
	const struct rv_pairs *properties = &need->settings->properties;

	for (size_t i = 0; i < properties->count; i++)
		if (strcmp(properties->items[i].name, name) == 0)
			return properties->items[i].value;
	return NULL;
}

/* Copies what the topic has of its own, and adds what is wanted. Whether anything differs. */
static bool merge(
    const rd_kafka_ConfigResource_t *had, rd_kafka_ConfigResource_t *to, const struct rv__kafka_need *need)
{
	const struct rv_pairs *properties = &need->settings->properties;
	const rd_kafka_ConfigEntry_t **entries;
	bool differs = false;
	size_t count;

	entries = rd_kafka_ConfigResource_configs(had, &count);
	for (size_t i = 0; i < count; i++) {
		const char *name = rd_kafka_ConfigEntry_name(entries[i]);
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);
		const char *other = wanted_value(need, name);

		differs |= other && (!value || strcmp(other, value) != 0);
		if (!other && value &&
		    rd_kafka_ConfigEntry_source(entries[i]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG)
			rd_kafka_ConfigResource_set_config(to, name, value);
	}
	for (size_t i = 0; i < properties->count; i++)
		rd_kafka_ConfigResource_set_config(to, properties->items[i].name, properties->items[i].value);
	return differs;
}

static rv_err alter(
    rd_kafka_t *rk, rd_kafka_ConfigResource_t *to, const struct rv__kafka_need *need, struct rv_error *err)
{
	const rd_kafka_ConfigResource_t **results = NULL;
	rd_kafka_event_t *event;
	struct call call;
	size_t count = 0;
	rv_err code;

	begin(&call, rk, RD_KAFKA_ADMIN_OP_ALTERCONFIGS);
	rd_kafka_AlterConfigs(rk, &to, 1, call.options, call.queue);
	event = end(&call);
	code = judge(event, NULL, 0, "altered", need->topic, err);
	if (code == RV_OK) {
		results =
		    rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count);
		if (count == 1 && rd_kafka_ConfigResource_error(results[0]))
			code = refused(
			    err, "altered", need->topic, rd_kafka_ConfigResource_error_string(results[0]));
	}
	if (event)
		rd_kafka_event_destroy(event);
	return code;
}

rv_err rv__kafka_alter_topic(
    rd_kafka_t *rk, const struct rv__kafka *kafka, const struct rv__kafka_need *need, struct rv_error *err)
{
	rd_kafka_ConfigResource_t *to = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, need->topic);
	const rd_kafka_ConfigResource_t **had = NULL;
	rd_kafka_ConfigResource_t *asked;
	rd_kafka_event_t *event;
	struct call call;
	size_t count = 0;
	rv_err code;

	(void)kafka;
	if (!to)
		return refused(err, "altered", need->topic, "no memory");
	asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, need->topic);
	begin(&call, rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_DescribeConfigs(rk, &asked, 1, call.options, call.queue);
	event = end(&call);
	rd_kafka_ConfigResource_destroy(asked);
	code = judge(event, NULL, 0, "altered", need->topic, err);
	if (code == RV_OK)
		had = rd_kafka_DescribeConfigs_result_resources(
		    rd_kafka_event_DescribeConfigs_result(event), &count);
	if (count == 1 && merge(had[0], to, need))
		code = alter(rk, to, need, err);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy(to);
	return code;
}
