/* SPDX-License-Identifier: Apache-2.0 */
/* Servers, what they say of themselves, and the routes of keys to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/producer.h"

enum { UNUSED_MS = 5000 };

/* -- what a server says of itself --------------------------------------------------------------- */

/* The value of "name:value\r\n" in INFO; NULL when it is not there. */
static const char *info_field(const redisReply *info, const char *name, size_t *ret_length)
{
	size_t length = strlen(name);
	const char *at = info->str, *end = info->str + info->len;

	while (at && at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));
		const char *next = line ? line + 1 : end;

		if ((size_t)(next - at) > length && memcmp(at, name, length) == 0 && at[length] == ':') {
			*ret_length = strcspn(at + length + 1, "\r\n");
			return at + length + 1;
		}
		at = next;
	}
	return NULL;
}

static unsigned parse_version(const char *text)
{
	unsigned major = 0, minor = 0, patch = 0;

	if (!text || sscanf(text, "%u.%u.%u", &major, &minor, &patch) < 2)
		return 0;
	return major * 10000 + minor * 100 + patch;
}

static void warn_of_eviction(struct rv__redis_node *node, const char *maxmemory)
{
	struct rv__redis_client *client = node->client;

	if (strncmp(node->server.policy, "allkeys-", 8) != 0 || !maxmemory || *maxmemory == '0')
		return;
	client->env->log(RV_LOG_WARN, RV__REDIS_TOPIC,
	    "RV%04d redis %s:%u may evict whole streams (maxmemory-policy %s); set it to noeviction",
	    RV__N_REDIS_EVICTS, node->link->endpoint.host, (unsigned)node->link->endpoint.port,
	    node->server.policy);
	pthread_mutex_lock(&client->view_lock);
	snprintf(client->view.warning, sizeof client->view.warning,
	    "maxmemory-policy %.31s may evict whole streams", node->server.policy);
	pthread_mutex_unlock(&client->view_lock);
}

static void on_config(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_node *node = RV__OWNER(request, struct rv__redis_node, config);
	struct rv__redis_client *client = node->client;
	const redisReply *pair = answer->tree;

	node->asked_config = false;
	if (!pair || pair->type != REDIS_REPLY_ARRAY || pair->elements != 2)
		return; /* we may not look: then nothing is said */
	node->server.told_persistence = true;
	node->server.persists = pair->element[1]->len > 0;
	if (node->server.persists)
		return;
	client->env->log(RV_LOG_WARN, RV__REDIS_TOPIC,
	    "RV%04d redis %s:%u does not persist (appendonly no, no save points): a restart loses every "
	    "message; "
	    "set appendonly yes",
	    RV__N_REDIS_NOT_PERSISTENT, node->link->endpoint.host, (unsigned)node->link->endpoint.port);
	pthread_mutex_lock(&client->view_lock);
	snprintf(client->view.warning, sizeof client->view.warning,
	    "the server does not persist (appendonly no, no save points)");
	pthread_mutex_unlock(&client->view_lock);
}

static void ask_save_points(struct rv__redis_node *node)
{
	if (node->asked_config)
		return;
	node->asked_config = true;
	node->config = (struct rv__redis_request){.done = on_config, .tree = true};
	rv__resp_words(rv__redis_link_out(node->link), "CONFIG", "GET", "save", NULL);
	rv__redis_link_ask(node->link, &node->config);
}

static void on_info(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_node *node = RV__OWNER(request, struct rv__redis_node, info);
	const redisReply *info = answer->tree;
	const char *value;
	size_t length = 0;

	node->asked_info = false;
	if (!info || info->type != REDIS_REPLY_STRING)
		return;
	node->server.version = parse_version(info_field(info, "redis_version", &length));
	value = info_field(info, "maxmemory_policy", &length);
	if (value)
		snprintf(node->server.policy, sizeof node->server.policy, "%.*s", (int)length, value);
	if (!node->client->settings->check_server)
		return;
	warn_of_eviction(node, info_field(info, "maxmemory", &length));
	value = info_field(info, "aof_enabled", &length);
	if (value && *value == '1')
		node->server.told_persistence = node->server.persists = true;
	else if (value)
		ask_save_points(node);
}

static void ask_info(struct rv__redis_node *node)
{
	if (node->asked_info)
		return;
	node->asked_info = true;
	node->info = (struct rv__redis_request){.done = on_info, .tree = true};
	rv__resp_words(rv__redis_link_out(node->link), "INFO", NULL);
	rv__redis_link_ask(node->link, &node->info);
}

/* -- nodes ----------------------------------------------------------------------------------------- */

static void on_opened(struct rv__redis_link *link)
{
	struct rv__redis_node *node = link->owner;

	link->client->env->log(RV_LOG_DEBUG, RV__REDIS_TOPIC, "connected to %s:%u", link->endpoint.host,
	    (unsigned)link->endpoint.port);
	node->full = false;
	ask_info(node);
	rv__redis_client_judge(link->client);
}

static void on_lost(struct rv__redis_link *link, const struct rv_error *why)
{
	struct rv__redis_client *client = link->client;

	client->env->log(link->failures == 1 ? RV_LOG_WARN : RV_LOG_DEBUG, RV__REDIS_TOPIC,
	    "RV%04u %s; trying again by itself", (unsigned)why->number, why->text);
	if (client->resolver->doubt)
		client->resolver->doubt(client->resolver_state, &link->endpoint);
	rv__redis_client_judge(client);
}

static void on_answered(struct rv__redis_link *link)
{
	rv__redis_complete_flush(link->client);
	rv__redis_lanes_take_left(link->client);
}

static const struct rv__redis_link_events node_events = {
    .opened = on_opened, .lost = on_lost, .answered = on_answered};

struct rv__redis_node *rv__redis_node_get(
    struct rv__redis_client *client, const struct rv__redis_endpoint *endpoint)
{
	struct rv__redis_node *node = client->nodes;

	while (node && (node->doomed || !rv__redis_endpoint_equal(&node->link->endpoint, endpoint)))
		node = node->next;
	if (node || !(node = calloc(1, sizeof *node)))
		return node;
	node->client = client;
	node->link = rv__redis_link_create(client, endpoint, "commands", &node_events, node);
	if (!node->link) {
		free(node);
		return NULL;
	}
	node->next = client->nodes;
	client->nodes = node;
	return node;
}

void rv__redis_node_destroy(struct rv__redis_node *node)
{
	node->doomed = true;
	rv__redis_link_destroy(node->link);
	node->client->has_doomed = true;
}

void rv__redis_nodes_view(struct rv__redis_client *client)
{
	struct rv__redis_view *view = &client->view;

	pthread_mutex_lock(&client->view_lock);
	view->nodes = view->nodes_open = view->links_open = 0;
	view->problem[0] = '\0';
	for (const struct rv__redis_node *node = client->nodes; node; node = node->next) {
		const struct rv__redis_link *link = node->link;

		if (node->doomed)
			continue;
		view->nodes++;
		view->nodes_open += rv__redis_link_is_open(link);
		view->known |= link->seen || link->failures > 0;
		snprintf(view->server, sizeof view->server, "%s:%u", link->endpoint.host,
		    (unsigned)link->endpoint.port);
		if (!rv__redis_link_is_open(link))
			snprintf(view->problem, sizeof view->problem, "%.255s",
			    link->why.code != RV_OK ? link->why.text : "not connected yet");
		else if (node->full && !view->problem[0])
			snprintf(view->problem, sizeof view->problem,
			    "the server has no memory for another message (OOM)");
	}
	if (view->nodes == 0) {
		struct rv_error why;

		view->known |= rv__redis_client_explain(client, &why);
		snprintf(view->problem, sizeof view->problem, "%.255s", why.text);
	}
	for (const struct rv__redis_link *link = client->links; link; link = link->next)
		view->links_open += rv__redis_link_is_open(link) && !link->doomed;
	pthread_mutex_unlock(&client->view_lock);
}

/* -- routes ------------------------------------------------------------------------------------------ */

void rv__redis_route_clear(struct rv__redis_route *route)
{
	if (route->node)
		route->node->users--;
	route->node = NULL;
	route->generation = 0;
}

struct rv__redis_node *rv__redis_route_node(struct rv__redis_client *client, struct rv__redis_route *route)
{
	struct rv__redis_endpoint endpoint;
	struct rv__redis_node *node;

	if (route->node && route->generation == client->generation)
		return route->node;
	if (!client->resolver->locate(client->resolver_state, route->key, route->length, &endpoint))
		return NULL; /* not even an old answer counts: it is in doubt */
	node = rv__redis_node_get(client, &endpoint);
	if (!node)
		return NULL;
	node->users++;
	rv__redis_route_clear(route);
	route->node = node;
	route->generation = client->generation;
	return node;
}

struct rv__redis_link *rv__redis_route_link(struct rv__redis_client *client, struct rv__redis_route *route)
{
	struct rv__redis_node *node = rv__redis_route_node(client, route);

	return node && rv__redis_link_is_open(node->link) ? node->link : NULL;
}

void rv__redis_route_refused(
    struct rv__redis_client *client, struct rv__redis_route *route, const struct rv__redis_answer *answer)
{
	struct rv__redis_endpoint from = {0}, to;
	struct rv_span text = {0};

	if (!route->node)
		return;
	from = route->node->link->endpoint;
	if (answer->cursor.at && answer->cursor.end - answer->cursor.at > 3)
		text = (struct rv_span){
		    answer->cursor.at + 1, (size_t)(answer->cursor.end - answer->cursor.at) - 3};
	if (client->resolver->moved && rv__redis_redirection(text, &from, &to)) {
		to.asks = answer->trouble == RV__REDIS_ASK;
		client->resolver->moved(client->resolver_state, route->key, route->length, &to);
	} else if (client->resolver->doubt) {
		client->resolver->doubt(client->resolver_state, &from);
	}
}

bool rv__redis_client_explain(struct rv__redis_client *client, struct rv_error *ret_why)
{
	if (client->resolver->explain && client->resolver->explain(client->resolver_state, ret_why))
		return true;
	rv_error_set(ret_why, RV_E_UNAVAILABLE, RV__N_REDIS_LOST, RV__REDIS_TOPIC,
	    "no connection to Redis is open yet");
	return false;
}

void rv__redis_client_rerouted(struct rv__redis_client *client)
{
	client->generation++;
	rv__redis_client_judge(client);
	rv__redis_client_tend_at(client, client->now_ms);
}

/* Whoever asked a node that was not open yet comes again, and finds it open; one in trouble goes at once. */
static bool is_left(struct rv__redis_node *node)
{
	struct rv__redis_client *client = node->client;

	if (node->users > 0 || node->doomed || node->link->first) {
		node->unused_ms = 0;
		return false;
	}
	if (node->link->why.code != RV_OK)
		return true;
	if (node->unused_ms == 0)
		node->unused_ms = client->now_ms;
	rv__redis_client_tend_at(client, node->unused_ms + UNUSED_MS);
	return client->now_ms >= node->unused_ms + UNUSED_MS;
}

void rv__redis_nodes_tend(struct rv__redis_client *client)
{
	if (client->resolver == &rv__redis_single)
		return;
	for (struct rv__redis_node *node = client->nodes; node; node = node->next)
		if (is_left(node))
			rv__redis_node_destroy(node);
}
