/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/rocketmq/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/rocketmq/producer.h"
#include "remoting/codes.h"
#include "remoting/route.h"

enum {
	MISSED_FIRST_MS = 50, /* services that start together: the topic comes with the next one's output */
	MISSED_MAX_MS = 1000, /* and a name server must bear any number that waits for long */
	ASK_MS = 3000,
	QUEUES_MAX = 65535
};

static void on_answer(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why);

struct rv__rmq_topic *rv__rmq_topic_get(struct rv__rmq_client *client, const char *name)
{
	struct rv__rmq_topic *topic;

	for (topic = client->topics; topic; topic = topic->next)
		if (strcmp(topic->name, name) == 0)
			return topic;
	topic = calloc(1, sizeof *topic);
	if (!topic)
		return NULL;
	topic->name = strdup(name);
	if (!topic->name) {
		free(topic);
		return NULL;
	}
	topic->client = client;
	topic->pause_ms = MISSED_FIRST_MS;
	topic->is_template = strcmp(name, RV__TOPIC_TEMPLATE) == 0;
	topic->next = client->topics;
	client->topics = topic;
	rv__rmq_topic_ask(topic);
	return topic;
}

void rv__rmq_topic_destroy(struct rv__rmq_topic *topic)
{
	rv__rmq_request_cancel(&topic->request);
	free(topic->writes);
	free(topic->reads);
	free(topic->name);
	free(topic);
}

void rv__rmq_broker_destroy(struct rv__rmq_broker *broker)
{
	free(broker->name);
	free(broker->master);
	free(broker->any);
	free(broker);
}

static void ask(struct rv__rmq_topic *topic)
{
	struct rv__rmq_connection *connection = rv__rmq_nameserver(topic->client);
	struct rv__rmq_ask question;

	if (!connection) {
		struct rv_error why = topic->client->names.why;

		topic->asking = false;
		topic->next_query_ms = rv__rmq_now_ms(topic->client);
		if (why.code == RV_OK)
			rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_RMQ_LOST, RV__RMQ_TOPIC,
			    "no name server can be reached (%s%s)", topic->client->names.addresses[0],
			    topic->client->names.count > 1 ? ", …" : "");
		rv__rmq_on_no_nameserver(topic->client, &why);
		return;
	}
	topic->asking = true;
	rv__rmq_ask_begin(&question, connection, RV__REQ_GET_ROUTEINFO_BY_TOPIC);
	rv__rmq_ask_text(&question, "topic", topic->name);
	rv__rmq_ask_bool(&question, "acceptStandardJsonOnly", true);
	rv__rmq_ask_end(&question, &topic->request, ASK_MS, on_answer, NULL, 0);
}

void rv__rmq_topic_ask(struct rv__rmq_topic *topic)
{
	if (topic->asking || topic->client->closing)
		return;
	topic->tries = 1;
	ask(topic);
}

void rv__rmq_topic_ask_anew(struct rv__rmq_topic *topic)
{
	rv__rmq_request_cancel(&topic->request);
	topic->asking = topic->answered = false;
	rv__rmq_topic_ask(topic);
}

/* -- understanding the answer --------------------------------------------------------------- */

static bool replace_text(char **slot, const char *text)
{
	char *copy;

	if (*slot && text && strcmp(*slot, text) == 0)
		return true;
	copy = text ? strdup(text) : NULL;
	if (text && !copy)
		return false;
	free(*slot);
	*slot = copy;
	return true;
}

static struct rv__rmq_broker *broker_get(struct rv__rmq_client *client, const char *name)
{
	struct rv__rmq_broker *broker;

	for (broker = client->brokers; broker; broker = broker->next)
		if (strcmp(broker->name, name) == 0)
			return broker;
	broker = calloc(1, sizeof *broker);
	if (!broker || !(broker->name = strdup(name))) {
		free(broker);
		return NULL;
	}
	broker->next = client->brokers;
	client->brokers = broker;
	return broker;
}

static struct rv__rmq_broker *learn_broker(
    struct rv__rmq_client *client, const struct rv__route *route, const char *name)
{
	struct rv__rmq_broker *broker = broker_get(client, name);
	const char *any = NULL;

	if (!broker)
		return NULL;
	for (size_t i = 0; i < route->broker_count && !any; i++)
		if (strcmp(route->brokers[i].name, name) == 0 && route->brokers[i].address_count > 0)
			any = route->brokers[i].addresses[0].address;
	if (!replace_text(&broker->master, rv__route_find_address(route, name, 0)) ||
	    !replace_text(&broker->any, any))
		return NULL;
	return broker;
}

static int by_place(const void *one, const void *other)
{
	const struct rv__rmq_place *a = one, *b = other;
	int order = strcmp(a->broker->name, b->broker->name);

	return order ? order : (a->queue > b->queue) - (a->queue < b->queue);
}

/* All queues that may be read (or written), sorted as every member of a group sorts them. */
static bool list_places(struct rv__rmq_client *client, const struct rv__route *route, bool write,
    int32_t at_most, struct rv__rmq_place **ret_places, size_t *ret_count)
{
	struct rv__rmq_place *places;
	size_t total = 0, count = 0;

	for (size_t i = 0; i < route->queue_count; i++) {
		int32_t n = write ? route->queues[i].write_queues : route->queues[i].read_queues;

		total += n > 0 && n <= QUEUES_MAX ? (size_t)n : 0;
	}
	places = calloc(total ? total : 1, sizeof *places);
	if (!places)
		return false;
	for (size_t i = 0; i < route->queue_count; i++) {
		const struct rv__route_queue *queue = &route->queues[i];
		int32_t n = write ? queue->write_queues : queue->read_queues;
		struct rv__rmq_broker *broker;

		if (!(queue->perm & (write ? RV__PERM_WRITE : RV__PERM_READ)) || n <= 0 || n > QUEUES_MAX)
			continue;
		broker = learn_broker(client, route, queue->broker);
		if (!broker || (write && !broker->master) || (!write && !broker->any))
			continue;
		for (int32_t k = 0; k < n && (at_most == 0 || k < at_most); k++)
			places[count++] = (struct rv__rmq_place){broker, k};
	}
	qsort(places, count, sizeof *places, by_place);
	*ret_places = places;
	*ret_count = count;
	return true;
}

static bool same_places(const struct rv__rmq_place *a, size_t n, const struct rv__rmq_place *b, size_t m)
{
	if (n != m)
		return false;
	for (size_t i = 0; i < n; i++)
		if (a[i].broker != b[i].broker || a[i].queue != b[i].queue)
			return false;
	return true;
}

/* Takes the queues of a route over; whether anything differs from before. */
static bool take_route(struct rv__rmq_topic *topic, const struct rv__route *route)
{
	struct rv__rmq_place *writes = NULL, *reads = NULL;
	size_t write_count = 0, read_count = 0;
	/* A topic made from the template gets min(what we ask for, the template's) queues: 4. */
	int32_t at_most = topic->is_template ? 4 : 0;
	bool changed;

	if (!list_places(topic->client, route, true, at_most, &writes, &write_count) ||
	    !list_places(topic->client, route, false, at_most, &reads, &read_count)) {
		free(writes);
		return false;
	}
	changed = !topic->known || !same_places(topic->writes, topic->write_count, writes, write_count) ||
	    !same_places(topic->reads, topic->read_count, reads, read_count);
	free(topic->writes);
	free(topic->reads);
	topic->writes = writes;
	topic->write_count = write_count;
	topic->reads = reads;
	topic->read_count = read_count;
	topic->known = true;
	return changed;
}

static bool lose_route(struct rv__rmq_topic *topic)
{
	bool changed = topic->known;

	topic->known = false;
	topic->write_count = topic->read_count = 0;
	return changed;
}

/* Whether somebody waits for the route: of a topic itself, or of the template while a topic is not there. */
static bool is_missed(const struct rv__rmq_topic *topic)
{
	if (topic->known || !topic->is_template)
		return !topic->known && topic->wanted;
	for (const struct rv__rmq_producer *p = topic->client->producers; p; p = p->next)
		if (!p->topic->known)
			return true;
	return false;
}

static void schedule(struct rv__rmq_topic *topic)
{
	struct rv__rmq_client *client = topic->client;
	int64_t pause_ms = client->settings->common.poll_name_server_ms;

	if (is_missed(topic)) {
		pause_ms = topic->pause_ms;
		topic->pause_ms = pause_ms * 2 < MISSED_MAX_MS ? pause_ms * 2 : MISSED_MAX_MS;
		rv__rmq_client_look_in(client, pause_ms);
	} else {
		topic->pause_ms = MISSED_FIRST_MS;
	}
	topic->next_query_ms = topic->answered_ms + pause_ms;
}

void rv__rmq_topic_want(struct rv__rmq_topic *topic)
{
	topic->wanted = true;
	topic->pause_ms = MISSED_FIRST_MS;
}

static void on_failure(struct rv__rmq_topic *topic, const struct rv_error *why)
{
	struct rv__rmq_client *client = topic->client;

	rv__rmq_nameserver_failed(client);
	if (topic->tries < client->names.count && !client->closing) {
		topic->tries++;
		ask(topic);
		return;
	}
	topic->asking = false;
	topic->next_query_ms = rv__rmq_now_ms(client);
	rv__rmq_on_no_nameserver(client, why);
}

static void on_answer(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_topic *topic = RV__OWNER(request, struct rv__rmq_topic, request);
	struct rv__route route = {0};
	struct rv_error bad;
	bool first = !topic->answered, changed = false;

	(void)block;
	if (!answer) {
		on_failure(topic, why);
		return;
	}
	if (answer->code == RV__RSP_SUCCESS) {
		if (rv__route_decode(answer->body, answer->body_length, &route, &bad) != RV_OK) {
			on_failure(topic, &bad);
			return;
		}
		changed = take_route(topic, &route);
		rv__route_finish(&route);
	} else if (answer->code == RV__RSP_TOPIC_NOT_EXIST) {
		changed = lose_route(topic);
	} else {
		rv__rmq_refusal(&bad, topic->name, answer);
		on_failure(topic, &bad);
		return;
	}
	topic->asking = false;
	topic->answered = true;
	topic->answered_ms = rv__rmq_now_ms(topic->client);
	topic->client->names.seen = topic->client->names.up = true;
	topic->client->names.why.code = RV_OK;
	schedule(topic);
	rv__rmq_on_route(topic, changed || first);
}

int64_t rv__rmq_routes_wait_ms(const struct rv__rmq_client *client, int64_t now_ms, int64_t longest_ms)
{
	int64_t wait_ms = longest_ms;

	for (const struct rv__rmq_topic *topic = client->topics; topic; topic = topic->next) {
		int64_t due_ms = topic->next_query_ms - now_ms;

		if (!topic->asking && due_ms < wait_ms && is_missed(topic))
			wait_ms = due_ms > 1 ? due_ms : 1;
	}
	return wait_ms;
}

void rv__rmq_routes_tend(struct rv__rmq_client *client, int64_t now_ms)
{
	for (struct rv__rmq_topic *topic = client->topics; topic; topic = topic->next)
		if (!topic->asking && now_ms >= topic->next_query_ms)
			rv__rmq_topic_ask(topic);
}

struct rv__rmq_connection *rv__rmq_broker_connection(struct rv__rmq_client *client,
    struct rv__rmq_identity *identity, struct rv__rmq_broker *broker, bool write)
{
	const char *address = broker->master ? broker->master : write ? NULL : broker->any;

	return address ? rv__rmq_connection_get(client, identity, address, true) : NULL;
}
