/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the name server, and what brokers say to it; questions of clients are in namesrv_query.c. */
#include "broker/namesrv.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "broker/document.h"
#include "broker/namesrv_tables.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"

enum { BROKER_LIVE_MS = 120000 };

/* -- tables ----------------------------------------------------------------------------------------- */

static struct rv__ns_broker *ensure_broker(struct rv__namesrv *ns, const char *name, const char *cluster)
{
	struct rv__ns_broker *broker = rv__map_get(&ns->brokers, name);

	if (broker)
		return broker;
	broker = calloc(1, sizeof(*broker));
	if (!broker)
		return NULL;
	broker->name = strdup(name);
	broker->cluster = strdup(cluster);
	if (broker->name && broker->cluster && rv__map_put(&ns->brokers, name, broker, NULL) == RV_OK)
		return broker;
	free(broker->name);
	free(broker->cluster);
	free(broker);
	return NULL;
}

static void remove_address_at(struct rv__ns_broker *broker, size_t i)
{
	free(broker->addresses[i].address);
	memmove(&broker->addresses[i], &broker->addresses[i + 1],
	    (broker->address_count - i - 1) * sizeof(*broker->addresses));
	broker->address_count--;
}

/* The entry of an id, after the address was taken off any other id. NULL: no memory. */
static struct rv__ns_address *ensure_address(struct rv__ns_broker *broker, int64_t id, const char *address)
{
	struct rv__ns_address *list;
	char *copy;

	for (size_t i = broker->address_count; i-- > 0;)
		if (broker->addresses[i].id != id && strcmp(broker->addresses[i].address, address) == 0)
			remove_address_at(broker, i);
	copy = strdup(address);
	for (size_t i = 0; copy && i < broker->address_count; i++) {
		if (broker->addresses[i].id != id)
			continue;
		free(broker->addresses[i].address);
		broker->addresses[i].address = copy;
		return &broker->addresses[i];
	}
	list = copy ? realloc(broker->addresses, (broker->address_count + 1) * sizeof(*list)) : NULL;
	if (!list) {
		free(copy);
		return NULL;
	}
	broker->addresses = list;
	list[broker->address_count] = (struct rv__ns_address){.id = id, .address = copy};
	return &list[broker->address_count++];
}

static struct rv__ns_topic *ensure_topic(struct rv__namesrv *ns, const char *name)
{
	struct rv__ns_topic *topic = rv__map_get(&ns->topics, name);

	if (topic)
		return topic;
	topic = calloc(1, sizeof(*topic));
	if (topic && (topic->name = strdup(name)) && rv__map_put(&ns->topics, name, topic, NULL) == RV_OK)
		return topic;
	if (topic)
		free(topic->name);
	free(topic);
	return NULL;
}

static void free_topic(struct rv__ns_topic *topic)
{
	free(topic->queues);
	free(topic->name);
	free(topic);
}

static void drop_topic(struct rv__namesrv *ns, const char *name)
{
	struct rv__ns_topic *topic = rv__map_remove(&ns->topics, name);

	if (topic)
		free_topic(topic);
}

/* Takes one broker out of a topic; true when nobody serves it any more. */
static bool leave_topic(struct rv__ns_topic *topic, const struct rv__ns_broker *broker)
{
	for (size_t i = 0; i < topic->queue_count; i++) {
		if (topic->queues[i].broker != broker)
			continue;
		memmove(&topic->queues[i], &topic->queues[i + 1],
		    (topic->queue_count - i - 1) * sizeof(*topic->queues));
		topic->queue_count--;
		break;
	}
	return topic->queue_count == 0;
}

/* Queue data of one broker, in the order of their names, so that routes compare equal. */
static bool set_queue(struct rv__ns_topic *topic, const struct rv__ns_queue *queue)
{
	struct rv__ns_queue *list;
	size_t at = 0;

	while (at < topic->queue_count && strcmp(topic->queues[at].broker->name, queue->broker->name) < 0)
		at++;
	if (at < topic->queue_count && topic->queues[at].broker == queue->broker) {
		topic->queues[at] = *queue;
		return true;
	}
	list = realloc(topic->queues, (topic->queue_count + 1) * sizeof(*list));
	if (!list)
		return false;
	topic->queues = list;
	memmove(&list[at + 1], &list[at], (topic->queue_count - at) * sizeof(*list));
	list[at] = *queue;
	topic->queue_count++;
	return true;
}

static void free_broker(struct rv__ns_broker *broker)
{
	for (size_t i = 0; i < broker->address_count; i++)
		free(broker->addresses[i].address);
	free(broker->addresses);
	free(broker->name);
	free(broker->cluster);
	free(broker);
}

/* A broker without any address: its topics lose it too. */
static void drop_broker(struct rv__namesrv *ns, struct rv__ns_broker *broker)
{
	const char **empty = calloc(ns->topics.count + 1, sizeof(*empty));
	size_t cursor = 0, n = 0;
	void *value;

	while (rv__map_next(&ns->topics, &cursor, NULL, &value))
		if (leave_topic(value, broker) && empty)
			empty[n++] = ((struct rv__ns_topic *)value)->name;
	while (n)
		drop_topic(ns, empty[--n]);
	free(empty);
	rv__map_remove(&ns->brokers, broker->name);
	free_broker(broker);
}

/* -- the broker of this process ----------------------------------------------------------------------- */

static void enter_local_topic(
    struct rv__broker *broker, struct rv__ns_broker *self, const struct rv__topic *topic)
{
	struct rv__ns_topic *entry = ensure_topic(broker->namesrv, topic->name);

	if (entry)
		set_queue(entry,
		    &(struct rv__ns_queue){
		        .broker = self,
		        .read_queues = topic->read_queues,
		        .write_queues = topic->write_queues,
		        .perm = topic->perm & ((int)broker->settings.permission | RV__PERM_INHERIT),
		        .sysflag = topic->sysflag,
		    });
}

void rv__namesrv_local_changed(struct rv__broker *broker, const struct rv__topic *topic)
{
	struct rv__namesrv *ns = broker->namesrv;
	struct rv__ns_broker *self;
	struct rv__ns_address *address;
	size_t cursor = 0;

	if (!ns || !rv__broker_serves(broker))
		return;
	self = ensure_broker(ns, broker->settings.broker_name, broker->settings.cluster);
	address = self ? ensure_address(self, 0, broker->address) : NULL;
	if (!address)
		return;
	address->local = true;
	if (topic) {
		enter_local_topic(broker, self, topic);
		return;
	}
	while ((topic = rv__topics_next(broker, &cursor)))
		enter_local_topic(broker, self, topic);
}

void rv__namesrv_local_removed(struct rv__broker *broker, const char *name)
{
	struct rv__namesrv *ns = broker->namesrv;
	struct rv__ns_broker *self = ns ? rv__map_get(&ns->brokers, broker->settings.broker_name) : NULL;
	struct rv__ns_topic *topic = ns ? rv__map_get(&ns->topics, name) : NULL;

	if (self && topic && leave_topic(topic, self))
		drop_topic(ns, name);
}

/* -- registration over the network -------------------------------------------------------------------- */

static void take_topic(
    struct rv__namesrv *ns, struct rv__ns_broker *broker, const char *name, const json_t *config)
{
	struct rv__ns_topic *topic;
	struct rv__ns_queue queue = {
	    .broker = broker,
	    .read_queues = (int32_t)rv__json_i64(config, "readQueueNums", 0),
	    .write_queues = (int32_t)rv__json_i64(config, "writeQueueNums", 0),
	    .perm = (int32_t)rv__json_i64(config, "perm", 0),
	    .sysflag = (int32_t)rv__json_i64(config, "topicSysFlag", 0),
	};

	if (!rv__name_legal(name, RV__TOPIC_MAX) || queue.read_queues < 0 || queue.write_queues < 0)
		return;
	topic = ensure_topic(ns, name);
	if (topic)
		set_queue(topic, &queue);
}

/* Topics are taken from a master whose version is new to us, or that registers for the first time. */
static void take_topics(struct rv__namesrv *ns, struct rv__ns_broker *broker, struct rv__ns_address *address,
    const json_t *wrapper, bool first)
{
	const json_t *data_version = json_object_get(wrapper, "dataVersion");
	struct rv__ns_version version = {
	    .timestamp = rv__json_i64(data_version, "timestamp", 0),
	    .counter = rv__json_i64(data_version, "counter", 0),
	    .state = rv__json_i64(data_version, "stateVersion", 0),
	};
	const char *name;
	json_t *config;

	if (address->id == 0 && (first || memcmp(&version, &address->version, sizeof(version)) != 0))
		json_object_foreach(json_object_get(wrapper, "topicConfigTable"), name, config)
		    take_topic(ns, broker, name, config);
	address->version = version;
}

static void answer_registration(
    struct rv__request *request, const struct rv__ns_broker *broker, const struct rv__ns_address *address)
{
	const json_t *order = json_object_get(request->broker->namesrv->kv, "ORDER_TOPIC_CONFIG");
	struct rv__buffer body = RV__BUFFER_INIT(0);
	struct rv__command_writer writer;

	if (order)
		rv__ns_encode_table(&body, order);
	if (rv__answer_begin(request, &writer, RV__RSP_SUCCESS, NULL)) {
		for (size_t i = 0; address->id != 0 && i < broker->address_count; i++)
			if (broker->addresses[i].id == 0)
				rv__command_add_text(&writer, "masterAddr", broker->addresses[i].address);
		rv__command_add_nothing(&writer);
		rv__answer_end(request, &writer, body.bytes, body.length);
	}
	rv__buffer_finish(&body);
}

/* The body as JSON, whichever way it was sent. NULL: answered. */
static json_t *read_registration(struct rv__request *request)
{
	const struct rv__command *command = request->command;
	struct rv_error error;
	int64_t crc = 0;
	json_t *root;

	(void)rv__command_i64(command, "bodyCrc32", &crc);
	if (crc && rv__record_crc(command->body, command->body_length) != (uint32_t)crc) {
		rv__answer(request, RV__RSP_SYSTEM_ERROR, "crc32 not match");
		return NULL;
	}
	if (rv__command_bool(command, "compressed", false))
		root = rv__ns_inflate_registration(command->body, command->body_length, &error);
	else
		root = rv__json_parse(command->body, command->body_length, &error);
	if (!root)
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	return root;
}

/* The broker of this process keeps its name: two of one name would share each topic's route, and messages with it. */
static bool is_taken(const struct rv__namesrv *ns, const char *name, int64_t id, const char *address)
{
	const struct rv__ns_broker *broker = rv__map_get(&ns->brokers, name);

	for (size_t i = 0; broker && i < broker->address_count; i++)
		if (broker->addresses[i].local && broker->addresses[i].id == id)
			return strcmp(broker->addresses[i].address, address) != 0;
	return false;
}

static void refuse_taken(struct rv__request *request, const char *name, const char *address)
{
	rv_log(RV_LOG_WARN, RV__TOPIC,
	    "RV%04d the broker at %s is not registered: it calls itself '%s', which is the broker of this "
	    "process; "
	    "give it another brokerName",
	    RV__N_BROKER_REGISTER, address, name);
	rv__answer_format(request, RV__RSP_SYSTEM_ERROR,
	    "the name '%s' is taken by the broker in the name server's process; choose another brokerName",
	    name);
}

void rv__namesrv_register(struct rv__request *request)
{
	struct rv__namesrv *ns = request->broker->namesrv;
	char name[RV__NAME_SIZE], address_text[RV__NAME_SIZE], cluster[RV__NAME_SIZE];
	struct rv__ns_broker *broker;
	struct rv__ns_address *address;
	int64_t id;
	bool first;
	json_t *root;

	if (!rv__need_text(request, "brokerName", name, sizeof(name)) ||
	    !rv__need_text(request, "brokerAddr", address_text, sizeof(address_text)) ||
	    !rv__need_text(request, "clusterName", cluster, sizeof(cluster)) ||
	    !rv__need_i64(request, "brokerId", &id))
		return;
	if (is_taken(ns, name, id, address_text)) {
		refuse_taken(request, name, address_text);
		return;
	}
	root = read_registration(request);
	if (!root)
		return;
	broker = ensure_broker(ns, name, cluster);
	address = broker ? ensure_address(broker, id, address_text) : NULL;
	if (!address) {
		json_decref(root);
		rv__answer(request, RV__RSP_SYSTEM_ERROR, "no memory for a registration");
		return;
	}
	first = address->last_ms == 0;
	if (first)
		rv_log(RV_LOG_INFO, RV__TOPIC, "new broker registered, %s[%lld] at %s", name, (long long)id,
		    address_text);
	address->connection = request->connection;
	address->last_ms = rv__broker_now(request->broker) + 1;
	take_topics(ns, broker, address, json_object_get(root, "topicConfigSerializeWrapper"), first);
	json_decref(root);
	answer_registration(request, broker, address);
}

void rv__namesrv_unregister(struct rv__request *request)
{
	struct rv__namesrv *ns = request->broker->namesrv;
	char name[RV__NAME_SIZE];
	struct rv__ns_broker *broker;
	int64_t id;

	if (!rv__need_text(request, "brokerName", name, sizeof(name)) ||
	    !rv__need_i64(request, "brokerId", &id))
		return;
	broker = rv__map_get(&ns->brokers, name);
	for (size_t i = 0; broker && i < broker->address_count; i++)
		if (broker->addresses[i].id == id && !broker->addresses[i].local) {
			remove_address_at(broker, i);
			break;
		}
	if (broker && broker->address_count == 0)
		drop_broker(ns, broker);
	rv__answer(request, RV__RSP_SUCCESS, NULL);
}

void rv__namesrv_query_version(struct rv__request *request)
{
	struct rv__namesrv *ns = request->broker->namesrv;
	char name[RV__NAME_SIZE];
	struct rv__ns_version theirs = {0, 0, 0}, *ours = NULL;
	struct rv__ns_broker *broker;
	struct rv__command_writer writer;
	struct rv__buffer body = RV__BUFFER_INIT(0);
	json_t *root;
	int64_t id;

	if (!rv__need_text(request, "brokerName", name, sizeof(name)) ||
	    !rv__need_i64(request, "brokerId", &id))
		return;
	root = rv__json_parse(request->command->body, request->command->body_length, NULL);
	theirs.timestamp = rv__json_i64(root, "timestamp", 0);
	theirs.counter = rv__json_i64(root, "counter", 0);
	theirs.state = rv__json_i64(root, "stateVersion", 0);
	json_decref(root);
	broker = rv__map_get(&ns->brokers, name);
	for (size_t i = 0; broker && i < broker->address_count; i++)
		if (broker->addresses[i].id == id) {
			ours = &broker->addresses[i].version;
			broker->addresses[i].last_ms = rv__broker_now(request->broker) + 1;
		}
	if (ours)
		rv__buffer_printf(&body, "{\"counter\":%lld,\"timestamp\":%lld}", (long long)ours->counter,
		    (long long)ours->timestamp);
	if (rv__answer_begin(request, &writer, RV__RSP_SUCCESS, NULL)) {
		rv__command_add_bool(&writer, "changed", !ours || memcmp(ours, &theirs, sizeof(theirs)) != 0);
		rv__answer_end(request, &writer, body.bytes, body.length);
	}
	rv__buffer_finish(&body);
}

/* -- leaving -------------------------------------------------------------------------------------------- */

/* Removes the addresses that `gone` names; brokers that have none left go too. */
static void drop_addresses(struct rv__broker *broker,
    bool (*gone)(struct rv__broker *broker, const struct rv__ns_address *address, const void *arg),
    const void *arg)
{
	struct rv__namesrv *ns = broker->namesrv;
	struct rv__ns_broker *empty;
	size_t cursor;
	void *value;

	do {
		empty = NULL;
		for (cursor = 0; !empty && rv__map_next(&ns->brokers, &cursor, NULL, &value);) {
			struct rv__ns_broker *one = value;

			for (size_t i = one->address_count; i-- > 0;) {
				if (!gone(broker, &one->addresses[i], arg))
					continue;
				rv_log(RV_LOG_INFO, RV__TOPIC, "broker %s[%lld] at %s is gone", one->name,
				    (long long)one->addresses[i].id, one->addresses[i].address);
				remove_address_at(one, i);
			}
			if (one->address_count == 0)
				empty = one;
		}
		if (empty)
			drop_broker(ns, empty);
	} while (empty);
}

static bool is_on(struct rv__broker *broker, const struct rv__ns_address *address, const void *connection)
{
	(void)broker;
	return address->connection == connection && !address->local;
}

void rv__namesrv_connection_closed(struct rv__broker *broker, struct rv__connection *connection)
{
	if (broker->namesrv && connection->door == RV__DOOR_NAMESRV)
		drop_addresses(broker, is_on, connection);
}

static bool is_silent(struct rv__broker *broker, const struct rv__ns_address *address, const void *arg)
{
	(void)arg;
	return !address->local && rv__broker_now(broker) - address->last_ms > BROKER_LIVE_MS;
}

void rv__namesrv_expire(struct rv__broker *broker)
{
	if (broker->namesrv)
		drop_addresses(broker, is_silent, NULL);
}

/* -- life ------------------------------------------------------------------------------------------------- */

rv_err rv__namesrv_open(struct rv__broker *broker, struct rv_error *err)
{
	struct rv__namesrv *ns = calloc(1, sizeof(*ns));
	json_t *root;
	rv_err code;

	broker->namesrv = ns;
	if (!ns)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for the name server");
	code = rv__document_load(broker, RV__NS_DOCUMENT, &root, err);
	ns->kv = json_incref(json_object_get(root, "configTable"));
	json_decref(root);
	if (!ns->kv)
		ns->kv = json_object();
	return code;
}

void rv__namesrv_close(struct rv__broker *broker)
{
	struct rv__namesrv *ns = broker->namesrv;
	size_t cursor = 0;
	void *value;

	if (!ns)
		return;
	while (rv__map_next(&ns->topics, &cursor, NULL, &value))
		free_topic(value);
	for (cursor = 0; rv__map_next(&ns->brokers, &cursor, NULL, &value);)
		free_broker(value);
	rv__map_finish(&ns->topics);
	rv__map_finish(&ns->brokers);
	json_decref(ns->kv);
	free(ns);
	broker->namesrv = NULL;
}
