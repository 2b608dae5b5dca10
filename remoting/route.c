/* SPDX-License-Identifier: Apache-2.0 */
#include "remoting/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "remoting/json_dialect.h"

void rv__route_finish(struct rv__route *route)
{
	free(route->brokers);
	free(route->queues);
	free(route->addresses);
	json_decref(route->root);
	*route = (struct rv__route){.root = NULL};
}

static rv_err malformed(struct rv_error *err, const char *what)
{
	return rv_error_set(
	    err, RV_E_PROTOCOL, RV__N_BODY_MALFORMED, "remoting", "malformed route data: %s", what);
}

static rv_err decode_addresses(
    json_t *table, struct rv__route_address **next, struct rv__route_broker *broker, struct rv_error *err)
{
	const char *key;
	json_t *value;

	broker->addresses = *next;
	json_object_foreach(table, key, value)
	{
		char *end;
		long long id = strtoll(key, &end, 10);

		if (!*key || *end || !json_is_string(value))
			return malformed(err, "brokerAddrs is not a table of numbers to addresses");
		*(*next)++ = (struct rv__route_address){id, json_string_value(value)};
		broker->address_count++;
	}
	return RV_OK;
}

static rv_err decode_brokers(struct rv__route *route, const json_t *list, struct rv_error *err)
{
	struct rv__route_address *next = route->addresses;
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		struct rv__route_broker *broker = &route->brokers[i];

		broker->name = rv__json_text(item, "brokerName", NULL);
		broker->cluster = rv__json_text(item, "cluster", "");
		if (!broker->name)
			return malformed(err, "a broker without brokerName");
		if (decode_addresses(json_object_get(item, "brokerAddrs"), &next, broker, err) != RV_OK)
			return RV_E_PROTOCOL;
		route->broker_count++;
	}
	return RV_OK;
}

static rv_err decode_queues(struct rv__route *route, const json_t *list, struct rv_error *err)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		struct rv__route_queue *queue = &route->queues[i];

		*queue = (struct rv__route_queue){
		    .broker = rv__json_text(item, "brokerName", NULL),
		    .read_queues = (int32_t)rv__json_i64(item, "readQueueNums", 0),
		    .write_queues = (int32_t)rv__json_i64(item, "writeQueueNums", 0),
		    .perm = (int32_t)rv__json_i64(item, "perm", 0),
		    .sysflag = (int32_t)rv__json_i64(item, "topicSysFlag", 0),
		};
		if (!queue->broker || queue->read_queues < 0 || queue->write_queues < 0)
			return malformed(err, "queue data without brokerName or with negative numbers");
		route->queue_count++;
	}
	return RV_OK;
}

static rv_err decode_root(struct rv__route *route, struct rv_error *err)
{
	const json_t *brokers = json_object_get(route->root, "brokerDatas");
	const json_t *queues = json_object_get(route->root, "queueDatas");
	size_t addresses = 0, i;
	json_t *item;

	json_array_foreach(brokers, i, item) addresses +=
	    json_object_size(json_object_get(item, "brokerAddrs"));
	route->brokers = calloc(json_array_size(brokers) + 1, sizeof(*route->brokers));
	route->queues = calloc(json_array_size(queues) + 1, sizeof(*route->queues));
	route->addresses = calloc(addresses + 1, sizeof(*route->addresses));
	if (!route->brokers || !route->queues || !route->addresses)
		return rv_error_set(err, RV_E_NOMEM, 0, "remoting", "no memory for route data");
	route->order_conf = rv__json_text(route->root, "orderTopicConf", NULL);
	if (decode_brokers(route, brokers, err) != RV_OK)
		return RV_E_PROTOCOL;
	return decode_queues(route, queues, err);
}

rv_err rv__route_decode(const void *body, size_t length, struct rv__route *ret_route, struct rv_error *err)
{
	struct rv__route route = {.root = rv__json_parse(body, length, err)};
	rv_err code;

	if (!route.root)
		return RV_E_PROTOCOL;
	code = decode_root(&route, err);
	if (code != RV_OK)
		rv__route_finish(&route);
	else
		*ret_route = route;
	return code;
}

static void add_member(struct rv__buffer *out, const char *name, const char *value)
{
	rv__buffer_printf(out, "\"%s\":", name);
	rv__json_add_string(out, value, strlen(value));
}

void rv__route_broker_encode(struct rv__buffer *out, const struct rv__route_broker *broker, bool quoted)
{
	rv__buffer_add_text(out, "{\"brokerAddrs\":{");
	for (size_t i = 0; i < broker->address_count; i++) {
		const struct rv__route_address *address = &broker->addresses[i];

		rv__buffer_printf(
		    out, quoted ? "%s\"%lld\":" : "%s%lld:", i ? "," : "", (long long)address->id);
		rv__json_add_string(out, address->address, strlen(address->address));
	}
	rv__buffer_add_text(out, "},");
	add_member(out, "brokerName", broker->name);
	rv__buffer_add_text(out, ",");
	add_member(out, "cluster", broker->cluster);
	rv__buffer_add_text(out, "}");
}

void rv__route_encode(struct rv__buffer *out, const struct rv__route *route, bool quoted)
{
	rv__buffer_add_text(out, "{\"brokerDatas\":[");
	for (size_t i = 0; i < route->broker_count; i++) {
		if (i)
			rv__buffer_add_text(out, ",");
		rv__route_broker_encode(out, &route->brokers[i], quoted);
	}
	rv__buffer_add_text(out, "],\"filterServerTable\":{},");
	if (route->order_conf) {
		add_member(out, "orderTopicConf", route->order_conf);
		rv__buffer_add_text(out, ",");
	}
	rv__buffer_add_text(out, "\"queueDatas\":[");
	for (size_t i = 0; i < route->queue_count; i++) {
		const struct rv__route_queue *queue = &route->queues[i];

		rv__buffer_add_text(out, i ? ",{" : "{");
		add_member(out, "brokerName", queue->broker);
		rv__buffer_printf(out,
		    ",\"perm\":%d,\"readQueueNums\":%d,\"topicSysFlag\":%d,\"writeQueueNums\":%d}",
		    queue->perm, queue->read_queues, queue->sysflag, queue->write_queues);
	}
	rv__buffer_add_text(out, "]}");
}

const char *rv__route_find_address(const struct rv__route *route, const char *broker, int64_t id)
{
	for (size_t i = 0; i < route->broker_count; i++) {
		const struct rv__route_broker *one = &route->brokers[i];

		if (strcmp(one->name, broker) != 0)
			continue;
		for (size_t k = 0; k < one->address_count; k++)
			if (one->addresses[k].id == id)
				return one->addresses[k].address;
	}
	return NULL;
}
