/* SPDX-License-Identifier: Apache-2.0 */
/* What clients and admin tools ask of the name server, and its table of key-value pairs. */
#include "broker/namesrv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/namesrv_tables.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"
#include "remoting/route.h"

/* -- routes ------------------------------------------------------------------------------------------- */

/* Fills one broker of a route; its addresses go to `*next`. */
static void fill_broker(
    struct rv__route_broker *out, const struct rv__ns_broker *broker, struct rv__route_address **next)
{
	*out = (struct rv__route_broker){
	    .name = broker->name,
	    .cluster = broker->cluster,
	    .addresses = *next,
	    .address_count = broker->address_count,
	};
	for (size_t i = 0; i < broker->address_count; i++)
		*(*next)++ =
		    (struct rv__route_address){broker->addresses[i].id, broker->addresses[i].address};
}

/* A route out of borrowed names; false: no memory. Frees with rv__route_finish(). */
static bool make_route(const struct rv__ns_topic *topic, struct rv__route *route)
{
	struct rv__route_address *next;
	size_t addresses = 0;

	for (size_t i = 0; i < topic->queue_count; i++)
		addresses += topic->queues[i].broker->address_count;
	route->brokers = calloc(topic->queue_count + 1, sizeof(*route->brokers));
	route->queues = calloc(topic->queue_count + 1, sizeof(*route->queues));
	route->addresses = next = calloc(addresses + 1, sizeof(*route->addresses));
	if (!route->brokers || !route->queues || !route->addresses)
		return false;
	for (size_t i = 0; i < topic->queue_count; i++) {
		const struct rv__ns_queue *queue = &topic->queues[i];

		fill_broker(&route->brokers[route->broker_count++], queue->broker, &next);
		route->queues[route->queue_count++] = (struct rv__route_queue){
		    .broker = queue->broker->name,
		    .read_queues = queue->read_queues,
		    .write_queues = queue->write_queues,
		    .perm = queue->perm,
		    .sysflag = queue->sysflag,
		};
	}
	return true;
}

void rv__namesrv_route(struct rv__request *request)
{
	const struct rv__namesrv *ns = request->broker->namesrv;
	struct rv__buffer body = RV__BUFFER_INIT(0);
	struct rv__route route = {.root = NULL};
	const struct rv__ns_topic *topic;
	char name[RV__NAME_SIZE];
	bool quoted;

	if (!rv__need_text(request, "topic", name, sizeof(name)))
		return;
	topic = rv__map_get(&ns->topics, name);
	if (!topic) {
		rv__answer_format(request, RV__RSP_TOPIC_NOT_EXIST,
		    "No topic route info in name server for the topic: %s", name);
		return;
	}
	quoted = request->command->version >= RV__MQ_VERSION_STANDARD_JSON ||
	    rv__command_bool(request->command, "acceptStandardJsonOnly", false);
	if (make_route(topic, &route)) {
		route.order_conf = rv__json_text(json_object_get(ns->kv, "ORDER_TOPIC_CONFIG"), name, NULL);
		rv__route_encode(&body, &route, quoted);
	} else {
		body.failed = RV_E_NOMEM;
	}
	rv__answer_body(request, &body);
	rv__route_finish(&route);
	rv__buffer_finish(&body);
}

/* -- clusters --------------------------------------------------------------------------------------------- */

static void encode_broker_table(struct rv__buffer *body, const struct rv__namesrv *ns)
{
	size_t cursor = 0;
	const char *name;
	void *value;
	bool any = false;

	rv__buffer_add_text(body, "\"brokerAddrTable\":{");
	while (rv__map_next(&ns->brokers, &cursor, &name, &value)) {
		const struct rv__ns_broker *broker = value;
		struct rv__route_address *addresses = calloc(broker->address_count + 1, sizeof(*addresses));
		struct rv__route_address *next = addresses;
		struct rv__route_broker out;

		if (!addresses) {
			body->failed = RV_E_NOMEM;
			return;
		}
		fill_broker(&out, broker, &next);
		rv__buffer_add_text(body, any ? "," : "");
		any = true;
		rv__json_add_string(body, name, strlen(name));
		rv__buffer_add_text(body, ":");
		rv__route_broker_encode(body, &out, false);
		free(addresses);
	}
	rv__buffer_add_text(body, "}");
}

/* Brokers by cluster, as {"cluster":["broker",…]}; owned. */
static json_t *group_by_cluster(const struct rv__namesrv *ns)
{
	json_t *clusters = json_object();
	size_t cursor = 0;
	void *value;

	while (rv__map_next(&ns->brokers, &cursor, NULL, &value)) {
		const struct rv__ns_broker *broker = value;
		json_t *names = json_object_get(clusters, broker->cluster);

		if (!names) {
			names = json_array();
			json_object_set_new(clusters, broker->cluster, names);
		}
		json_array_append_new(names, json_string(broker->name));
	}
	return clusters;
}

static void add_json(struct rv__buffer *body, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text)
		rv__buffer_add_text(body, text);
	else
		body->failed = RV_E_NOMEM;
	free(text);
}

/* Broker ids stand bare here for every client, as in Apache's name server. */
void rv__namesrv_cluster(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	json_t *clusters = group_by_cluster(request->broker->namesrv);

	rv__buffer_add_text(&body, "{");
	encode_broker_table(&body, request->broker->namesrv);
	rv__buffer_add_text(&body, ",\"clusterAddrTable\":");
	add_json(&body, clusters);
	rv__buffer_add_text(&body, "}");
	rv__answer_body(request, &body);
	json_decref(clusters);
	rv__buffer_finish(&body);
}

/* -- lists of topics -------------------------------------------------------------------------------------- */

static bool is_served_by(const struct rv__ns_topic *topic, const char *cluster)
{
	for (size_t i = 0; i < topic->queue_count; i++)
		if (strcmp(topic->queues[i].broker->cluster, cluster) == 0)
			return true;
	return false;
}

/* {"topicList":[…]} of all topics, or of those that a cluster serves. */
static void answer_topics(struct rv__request *request, const char *cluster)
{
	const struct rv__namesrv *ns = request->broker->namesrv;
	struct rv__buffer body = RV__BUFFER_INIT(0);
	size_t cursor = 0;
	const char *name;
	void *value;
	bool any = false;

	rv__buffer_add_text(&body, "{\"topicList\":[");
	while (rv__map_next(&ns->topics, &cursor, &name, &value)) {
		if (cluster && !is_served_by(value, cluster))
			continue;
		rv__buffer_add_text(&body, any ? "," : "");
		any = true;
		rv__json_add_string(&body, name, strlen(name));
	}
	rv__buffer_add_text(&body, "]}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

void rv__namesrv_topics(struct rv__request *request)
{
	answer_topics(request, NULL);
}

void rv__namesrv_topics_by_cluster(struct rv__request *request)
{
	char cluster[RV__NAME_SIZE];

	if (rv__need_text(request, "cluster", cluster, sizeof(cluster)))
		answer_topics(request, cluster);
}

/* Names of clusters and brokers are topics too, and one address is told for each of them. */
void rv__namesrv_system_topics(struct rv__request *request)
{
	const struct rv__namesrv *ns = request->broker->namesrv;
	struct rv__buffer body = RV__BUFFER_INIT(0);
	json_t *names = json_array(), *clusters = group_by_cluster(ns), *answer;
	const char *address = NULL, *cluster;
	json_t *brokers;
	size_t cursor = 0;
	void *value;

	json_object_foreach(clusters, cluster, brokers)
	{
		json_array_append_new(names, json_string(cluster));
		json_array_extend(names, brokers);
	}
	while (!address && rv__map_next(&ns->brokers, &cursor, NULL, &value)) {
		const struct rv__ns_broker *broker = value;

		address = broker->address_count ? broker->addresses[0].address : NULL;
	}
	answer = json_pack("{s:s*, s:o}", "brokerAddr", address, "topicList", names);
	add_json(&body, answer);
	rv__answer_body(request, &body);
	json_decref(answer);
	json_decref(clusters);
	rv__buffer_finish(&body);
}

void rv__namesrv_unit_topics(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__buffer_add_text(&body, "{\"topicList\":[]}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

void rv__namesrv_delete_topic(struct rv__request *request)
{
	struct rv__namesrv *ns = request->broker->namesrv;
	char name[RV__NAME_SIZE], cluster[RV__NAME_SIZE];
	struct rv__ns_topic *topic;
	size_t kept = 0;
	bool everywhere;

	if (!rv__need_text(request, "topic", name, sizeof(name)))
		return;
	everywhere = !rv__command_text(request->command, "clusterName", cluster, sizeof(cluster));
	topic = rv__map_get(&ns->topics, name);
	for (size_t i = 0; topic && i < topic->queue_count; i++)
		if (!everywhere && strcmp(topic->queues[i].broker->cluster, cluster) != 0)
			topic->queues[kept++] = topic->queues[i];
	if (topic) {
		topic->queue_count = kept;
		if (kept == 0) {
			rv__map_remove(&ns->topics, name);
			free(topic->queues);
			free(topic->name);
			free(topic);
		}
	}
	rv__answer(request, RV__RSP_SUCCESS, NULL);
}

/* -- permissions ------------------------------------------------------------------------------------------ */

static void change_write_perm(struct rv__request *request, bool allow, const char *count_name)
{
	struct rv__namesrv *ns = request->broker->namesrv;
	char name[RV__NAME_SIZE];
	struct rv__command_writer writer;
	int64_t count = 0;
	size_t cursor = 0;
	void *value;

	if (!rv__need_text(request, "brokerName", name, sizeof(name)))
		return;
	while (rv__map_next(&ns->topics, &cursor, NULL, &value)) {
		struct rv__ns_topic *topic = value;

		for (size_t i = 0; i < topic->queue_count; i++) {
			if (strcmp(topic->queues[i].broker->name, name) != 0)
				continue;
			if (allow)
				topic->queues[i].perm |= RV__PERM_WRITE;
			else
				topic->queues[i].perm &= ~RV__PERM_WRITE;
			count++;
		}
	}
	if (rv__answer_begin(request, &writer, RV__RSP_SUCCESS, NULL)) {
		rv__command_add_i64(&writer, count_name, count);
		rv__answer_end(request, &writer, NULL, 0);
	}
}

void rv__namesrv_wipe_write_perm(struct rv__request *request)
{
	change_write_perm(request, false, "wipeTopicCount");
}

void rv__namesrv_add_write_perm(struct rv__request *request)
{
	change_write_perm(request, true, "addTopicCount");
}

/* -- key-value pairs --------------------------------------------------------------------------------------- */

void rv__ns_encode_table(struct rv__buffer *out, const json_t *table)
{
	rv__buffer_add_text(out, "{\"table\":");
	add_json(out, table);
	rv__buffer_add_text(out, "}");
}

static bool need_kv(struct rv__request *request, char *space, char *key)
{
	return rv__need_text(request, "namespace", space, RV__NAME_SIZE) &&
	    rv__need_text(request, "key", key, RV__NAME_SIZE);
}

/* The answer follows when the table is on disk. */
static void save_and_answer(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	struct rv__buffer text = RV__BUFFER_INIT(0);
	struct rv__ticket *ticket = malloc(sizeof(*ticket));
	struct rv_error error = {.text = "no memory to save the table"};
	rv_err code = RV_E_NOMEM;

	rv__buffer_add_text(&text, "{\"configTable\":");
	add_json(&text, broker->namesrv->kv);
	rv__buffer_add_text(&text, "}");
	if (ticket && rv__buffer_error(&text) == RV_OK) {
		*ticket = rv__ticket_keep(request);
		code = rv__state_file_save(broker->store, RV__NS_DOCUMENT, text.bytes, text.length,
		    rv__ticket_saved, ticket, &error);
		if (code != RV_OK)
			rv__ticket_drop(ticket);
	}
	if (code != RV_OK) {
		free(ticket);
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	}
	rv__buffer_finish(&text);
}

void rv__namesrv_put_kv(struct rv__request *request)
{
	json_t *kv = request->broker->namesrv->kv;
	char space[RV__NAME_SIZE], key[RV__NAME_SIZE];
	struct rv_span value = rv__command_field(request->command, "value");
	json_t *table;

	if (!need_kv(request, space, key))
		return;
	table = json_object_get(kv, space);
	if (!table) {
		table = json_object();
		json_object_set_new(kv, space, table);
	}
	if (!value.bytes || json_object_set_new(table, key, json_stringn(value.bytes, value.length)) != 0) {
		rv__answer(request, RV__RSP_SYSTEM_ERROR, "the field 'value' is missing or not UTF-8");
		return;
	}
	save_and_answer(request);
}

void rv__namesrv_get_kv(struct rv__request *request)
{
	char space[RV__NAME_SIZE], key[RV__NAME_SIZE];
	struct rv__command_writer writer;
	const char *value;

	if (!need_kv(request, space, key))
		return;
	value = rv__json_text(json_object_get(request->broker->namesrv->kv, space), key, NULL);
	if (!value) {
		rv__answer_format(
		    request, RV__RSP_QUERY_NOT_FOUND, "No config item, Namespace: %s Key: %s", space, key);
		return;
	}
	if (rv__answer_begin(request, &writer, RV__RSP_SUCCESS, NULL)) {
		rv__command_add_text(&writer, "value", value);
		rv__answer_end(request, &writer, NULL, 0);
	}
}

void rv__namesrv_delete_kv(struct rv__request *request)
{
	char space[RV__NAME_SIZE], key[RV__NAME_SIZE];

	if (!need_kv(request, space, key))
		return;
	json_object_del(json_object_get(request->broker->namesrv->kv, space), key);
	save_and_answer(request);
}

void rv__namesrv_list_kv(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	char space[RV__NAME_SIZE];
	const json_t *table;

	if (!rv__need_text(request, "namespace", space, sizeof(space)))
		return;
	table = json_object_get(request->broker->namesrv->kv, space);
	if (!table) {
		rv__answer_format(request, RV__RSP_QUERY_NOT_FOUND, "No config item, Namespace: %s", space);
		return;
	}
	rv__ns_encode_table(&body, table);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

/* -- configuration ------------------------------------------------------------------------------------------ */

void rv__namesrv_get_config(struct rv__request *request)
{
	const struct rv__broker *broker = request->broker;
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__buffer_printf(&body, "listenPort=%d\norderMessageEnable=true\nclusterTest=false\n",
	    broker->listeners[RV__DOOR_NAMESRV].port);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

void rv__namesrv_update_config(struct rv__request *request)
{
	rv__answer(request, RV__RSP_NO_PERMISSION,
	    "the configuration is not changed over the network; change the properties file and start again");
}
