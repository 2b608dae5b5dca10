/* SPDX-License-Identifier: Apache-2.0 */
#include "remoting/heartbeat.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "remoting/json_dialect.h"
#include "remoting/tags.h"

/* -- writing ----------------------------------------------------------------------------------------- */

static void add_member(struct rv__buffer *out, const char *name, const char *value)
{
	rv__buffer_printf(out, "\"%s\":", name);
	rv__json_add_string(out, value, strlen(value));
}

static void encode_tags(struct rv__buffer *out, const struct rv__tags *tags)
{
	for (size_t i = 0; i < tags->count; i++) {
		if (i)
			rv__buffer_add_text(out, ",");
		rv__json_add_string(out, tags->names[i], strlen(tags->names[i]));
	}
}

void rv__subscription_encode(struct rv__buffer *out, const struct rv__subscription *subscription)
{
	const char *expression = subscription->expression ? subscription->expression : "*";
	const char *type = subscription->type ? subscription->type : "TAG";
	struct rv__tags tags = {NULL, NULL, 0};

	/* An expression that does not parse travels without tags, and the broker judges it. */
	if (strcmp(type, "TAG") == 0)
		(void)rv__tags_parse(expression, strlen(expression), &tags, NULL);
	rv__buffer_printf(
	    out, "{\"classFilterMode\":%s,\"codeSet\":[", subscription->class_filter ? "true" : "false");
	for (size_t i = 0; i < tags.count; i++)
		rv__buffer_printf(out, i ? ",%d" : "%d", tags.codes[i]);
	rv__buffer_add_text(out, "],");
	add_member(out, "expressionType", type);
	rv__buffer_add_text(out, ",");
	add_member(out, "subString", expression);
	rv__buffer_printf(out, ",\"subVersion\":%lld,\"tagsSet\":[", (long long)subscription->version);
	encode_tags(out, &tags);
	rv__buffer_add_text(out, "],");
	add_member(out, "topic", subscription->topic);
	rv__buffer_add_text(out, "}");
	rv__tags_finish(&tags);
}

static void encode_consumer(struct rv__buffer *out, const struct rv__heartbeat_consumer *consumer)
{
	rv__buffer_add_text(out, "{");
	add_member(out, "consumeFromWhere", consumer->consume_from_where);
	rv__buffer_add_text(out, ",");
	add_member(out, "consumeType", consumer->consume_type);
	rv__buffer_add_text(out, ",");
	add_member(out, "groupName", consumer->group);
	rv__buffer_add_text(out, ",");
	add_member(out, "messageModel", consumer->message_model);
	rv__buffer_add_text(out, ",\"subscriptionDataSet\":[");
	for (size_t i = 0; i < consumer->subscription_count; i++) {
		if (i)
			rv__buffer_add_text(out, ",");
		rv__subscription_encode(out, &consumer->subscriptions[i]);
	}
	rv__buffer_printf(out, "],\"unitMode\":%s}", consumer->unit_mode ? "true" : "false");
}

void rv__heartbeat_encode(struct rv__buffer *out, const struct rv__heartbeat *heartbeat)
{
	rv__buffer_add_text(out, "{");
	add_member(out, "clientID", heartbeat->client_id);
	rv__buffer_add_text(out, ",\"consumerDataSet\":[");
	for (size_t i = 0; i < heartbeat->consumer_count; i++) {
		if (i)
			rv__buffer_add_text(out, ",");
		encode_consumer(out, &heartbeat->consumers[i]);
	}
	rv__buffer_add_text(out, "],\"producerDataSet\":[");
	for (size_t i = 0; i < heartbeat->producer_count; i++) {
		rv__buffer_add_text(out, i ? ",{" : "{");
		add_member(out, "groupName", heartbeat->producers[i]);
		rv__buffer_add_text(out, "}");
	}
	rv__buffer_add_text(out, "]}");
}

/* -- reading ----------------------------------------------------------------------------------------- */

static rv_err malformed(struct rv_error *err, const char *what)
{
	return rv_error_set(
	    err, RV_E_PROTOCOL, RV__N_BODY_MALFORMED, "remoting", "malformed heartbeat: %s", what);
}

void rv__heartbeat_finish(struct rv__heartbeat *heartbeat)
{
	free(heartbeat->consumers);
	free(heartbeat->producers);
	free(heartbeat->subscriptions);
	json_decref(heartbeat->root);
	*heartbeat = (struct rv__heartbeat){.root = NULL};
}

static rv_err decode_subscriptions(const json_t *list, struct rv__heartbeat_consumer *consumer,
    struct rv__subscription **next, struct rv_error *err)
{
	size_t i;
	json_t *item;

	consumer->subscriptions = *next;
	json_array_foreach(list, i, item)
	{
		struct rv__subscription *one = (*next)++;

		one->topic = rv__json_text(item, "topic", NULL);
		one->expression = rv__json_text(item, "subString", "*");
		one->type = rv__json_text(item, "expressionType", "TAG");
		one->version = rv__json_i64(item, "subVersion", 0);
		one->class_filter = rv__json_bool(item, "classFilterMode", false);
		if (!one->topic || !*one->topic)
			return malformed(err, "a subscription without topic");
		consumer->subscription_count++;
	}
	return RV_OK;
}

static rv_err decode_consumers(struct rv__heartbeat *heartbeat, const json_t *list, struct rv_error *err)
{
	struct rv__subscription *next = heartbeat->subscriptions;
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		struct rv__heartbeat_consumer *one = &heartbeat->consumers[i];

		one->group = rv__json_text(item, "groupName", NULL);
		one->consume_type = rv__json_text(item, "consumeType", "CONSUME_PASSIVELY");
		one->message_model = rv__json_text(item, "messageModel", "CLUSTERING");
		one->consume_from_where = rv__json_text(item, "consumeFromWhere", "CONSUME_FROM_LAST_OFFSET");
		one->unit_mode = rv__json_bool(item, "unitMode", false);
		if (!one->group || !*one->group)
			return malformed(err, "a consumer group without name");
		if (decode_subscriptions(json_object_get(item, "subscriptionDataSet"), one, &next, err) !=
		    RV_OK)
			return RV_E_PROTOCOL;
		heartbeat->consumer_count++;
	}
	return RV_OK;
}

static rv_err decode_producers(struct rv__heartbeat *heartbeat, const json_t *list, struct rv_error *err)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		const char *group = rv__json_text(item, "groupName", NULL);

		if (!group || !*group)
			return malformed(err, "a producer group without name");
		heartbeat->producers[heartbeat->producer_count++] = group;
	}
	return RV_OK;
}

static rv_err decode_root(struct rv__heartbeat *heartbeat, struct rv_error *err)
{
	const json_t *consumers = json_object_get(heartbeat->root, "consumerDataSet");
	const json_t *producers = json_object_get(heartbeat->root, "producerDataSet");
	size_t subscriptions = 0, i;
	json_t *item;

	json_array_foreach(consumers, i, item) subscriptions +=
	    json_array_size(json_object_get(item, "subscriptionDataSet"));
	heartbeat->consumers = calloc(json_array_size(consumers) + 1, sizeof(*heartbeat->consumers));
	heartbeat->producers = calloc(json_array_size(producers) + 1, sizeof(*heartbeat->producers));
	heartbeat->subscriptions = calloc(subscriptions + 1, sizeof(*heartbeat->subscriptions));
	if (!heartbeat->consumers || !heartbeat->producers || !heartbeat->subscriptions)
		return rv_error_set(err, RV_E_NOMEM, 0, "remoting", "no memory for a heartbeat");
	heartbeat->client_id = rv__json_text(heartbeat->root, "clientID", NULL);
	if (!heartbeat->client_id || !*heartbeat->client_id)
		return malformed(err, "no clientID");
	if (decode_consumers(heartbeat, consumers, err) != RV_OK)
		return RV_E_PROTOCOL;
	return decode_producers(heartbeat, producers, err);
}

rv_err rv__heartbeat_decode(
    const void *body, size_t length, struct rv__heartbeat *ret_heartbeat, struct rv_error *err)
{
	struct rv__heartbeat heartbeat = {.root = rv__json_parse(body, length, err)};
	rv_err code;

	if (!heartbeat.root)
		return RV_E_PROTOCOL;
	code = decode_root(&heartbeat, err);
	if (code != RV_OK)
		rv__heartbeat_finish(&heartbeat);
	else
		*ret_heartbeat = heartbeat;
	return code;
}

/* -- members of a group -------------------------------------------------------------------------------- */

void rv__consumer_list_encode(struct rv__buffer *out, const char *const *ids, size_t count)
{
	rv__buffer_add_text(out, "{\"consumerIdList\":[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			rv__buffer_add_text(out, ",");
		rv__json_add_string(out, ids[i], strlen(ids[i]));
	}
	rv__buffer_add_text(out, "]}");
}

rv_err rv__consumer_list_decode(
    const void *body, size_t length, struct rv__consumer_list *ret_list, struct rv_error *err)
{
	struct rv__consumer_list list = {.root = rv__json_parse(body, length, err)};
	const json_t *ids = json_object_get(list.root, "consumerIdList");
	size_t i;
	json_t *item;

	if (!list.root)
		return RV_E_PROTOCOL;
	list.ids = calloc(json_array_size(ids) + 1, sizeof(*list.ids));
	if (!list.ids) {
		rv__consumer_list_finish(&list);
		return rv_error_set(err, RV_E_NOMEM, 0, "remoting", "no memory for a list of consumers");
	}
	json_array_foreach(ids, i, item) if (json_is_string(item)) list.ids[list.count++] =
	    json_string_value(item);
	*ret_list = list;
	return RV_OK;
}

void rv__consumer_list_finish(struct rv__consumer_list *list)
{
	free(list->ids);
	json_decref(list->root);
	*list = (struct rv__consumer_list){NULL, 0, NULL};
}
