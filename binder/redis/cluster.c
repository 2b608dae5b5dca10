/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver of a Cluster: a key belongs to one of 16384 slots, a slot to one node. The map comes from CLUSTER SLOTS,
 * asked of any node that answers: at first, every few seconds, and soon after a node was lost or pointed elsewhere.
 * MOVED changes its slot at once. While a slot is being moved, ASK leads a key to where it already is, that key alone, and
 * every command for it carries ASKING (link.c), until the map names another owner.
 * Commands: redis.io cluster specification, redis 7.0 src/cluster.c clusterReplyMultiBulkSlots().
 */
#include "binder/redis/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/client.h"
#include "binder/redis/hash_slot.h"

enum {
	DEFAULT_PORT = 6379,
	NODES_MAX = 1000, /* of the Cluster specification */
	NOWHERE = 0xffff,
	ASK_EVERY_MS = 5000,
	ASK_AGAIN_MS = 100,
	ASKED_MAX = 64
};

/* A key that has gone ahead of its slot; the others of that are where they were. */
struct asked {
	char *key; /* owned */
	size_t length;
	uint16_t slot;
	struct rv__redis_endpoint from, to;
};

struct cluster_state {
	struct rv__redis_client *client;
	struct rv__redis_link *link; /* to the node that is asked for the map */
	struct rv__redis_request request;
	bool asking;
	struct rv_error tried; /* the last failure; RV_OK: none */
	bool known;            /* there is a map */
	bool rerouted;         /* MOVED or ASK changed it, and nobody was told yet */
	struct asked asked[ASKED_MAX];
	size_t asked_count;
	bool missed;       /* a key of ours is in a slot that the map leaves out */
	int64_t ask_ms;    /* when to ask again */
	size_t next_try;   /* of nodes, then seeds: whom to ask when this one is lost */
	unsigned failures; /* in a row, of whomever */
	struct rv__redis_endpoint *seeds;
	size_t seed_count;
	struct rv__redis_endpoint *nodes; /* masters that own slots, or that MOVED named */
	size_t node_count;
	uint16_t slots[RV__REDIS_SLOTS]; /* indices of nodes */
	/* Under client->view_lock, for describe(). */
	struct {
		bool known;
		size_t nodes, uncovered;
	} view;
};

static bool may_share(void *state, const char *a, size_t a_length, const char *b, size_t b_length)
{
	(void)state;
	return rv__redis_slot_of(a, a_length) == rv__redis_slot_of(b, b_length);
}

/* -- settings ------------------------------------------------------------------------------- */

static rv_err parse_seeds(struct cluster_state *state, const struct rv_strings *nodes, struct rv_error *err)
{
	state->seeds = calloc(nodes->count, sizeof *state->seeds);
	if (!state->seeds)
		return rv_error_set(
		    err, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC, "no memory for the Redis binder");
	for (size_t i = 0; i < nodes->count; i++) {
		const char *text = nodes->items[i];

		if (!rv__redis_endpoint_parse(
		        text, strlen(text), DEFAULT_PORT, &state->seeds[state->seed_count++]))
			return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_ADDRESS, RV__REDIS_TOPIC,
			    "'%s' is no address of a Redis server; write host:port in "
			    "spring.cloud.stream.redis.binder.nodes",
			    text);
	}
	return RV_OK;
}

static void close_cluster(void *state_)
{
	struct cluster_state *state = state_;

	if (!state)
		return;
	for (size_t i = 0; i < state->asked_count; i++)
		free(state->asked[i].key);
	free(state->seeds); /* links end with the loop */
	free(state->nodes);
	free(state);
}

static rv_err open_cluster(struct rv__redis_client *client, void **ret_state, struct rv_error *err)
{
	const struct rv__redis_binder_settings *settings = client->settings;
	struct cluster_state *state;
	rv_err result;

	if (settings->nodes.count == 0)
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_CLUSTER, RV__REDIS_TOPIC,
		    "mode=cluster needs some nodes to begin with; list them, host:port each, in "
		    "spring.cloud.stream.redis.binder.nodes");
	if (settings->database != 0)
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_CLUSTER, RV__REDIS_TOPIC,
		    "a Redis Cluster has database 0 alone; remove "
		    "spring.cloud.stream.redis.binder.database=%lld",
		    (long long)settings->database);
	state = calloc(1, sizeof *state);
	if (!state)
		return rv_error_set(
		    err, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC, "no memory for the Redis binder");
	state->client = client;
	memset(state->slots, 0xff, sizeof state->slots);
	result = parse_seeds(state, &settings->nodes, err);
	if (result != RV_OK)
		close_cluster(state);
	else
		*ret_state = state;
	return result;
}

/* -- reading the map ------------------------------------------------------------------------ */

/* The index of a node, added when it is new; NOWHERE: no room or memory. */
static uint16_t find_node(
    struct rv__redis_endpoint **nodes, size_t *count, const struct rv__redis_endpoint *node)
{
	struct rv__redis_endpoint *grown;

	for (size_t i = 0; i < *count; i++)
		if (rv__redis_endpoint_equal(&(*nodes)[i], node))
			return (uint16_t)i;
	if (*count >= NODES_MAX)
		return NOWHERE;
	if (*count % 16 == 0) {
		grown = realloc(*nodes, (*count + 16) * sizeof *grown);
		if (!grown)
			return NOWHERE;
		*nodes = grown;
	}
	(*nodes)[*count] = *node;
	return (uint16_t)(*count)++;
}

/* [host, port, …]; an empty or missing host is the one that answers. */
static bool read_node(
    const redisReply *reply, const struct rv__redis_endpoint *from, struct rv__redis_endpoint *ret_node)
{
	const redisReply *host;
	struct rv__redis_endpoint node = {.port = 0};

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 ||
	    reply->element[1]->type != REDIS_REPLY_INTEGER || reply->element[1]->integer <= 0 ||
	    reply->element[1]->integer > 65535)
		return false;
	host = reply->element[0];
	if (host->type == REDIS_REPLY_STRING && host->len > 0 && host->len < sizeof node.host)
		memcpy(node.host, host->str, host->len);
	else
		memcpy(node.host, from->host, sizeof node.host);
	node.port = (uint16_t)reply->element[1]->integer;
	*ret_node = node;
	return true;
}

struct map {
	struct rv__redis_endpoint *nodes;
	size_t node_count;
	uint16_t slots[RV__REDIS_SLOTS];
};

/* [first, last, master, replica, …] */
static void read_range(struct map *map, const redisReply *range, const struct rv__redis_endpoint *from)
{
	struct rv__redis_endpoint master;
	uint16_t index;

	if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
	    range->element[0]->type != REDIS_REPLY_INTEGER ||
	    range->element[1]->type != REDIS_REPLY_INTEGER || range->element[0]->integer < 0 ||
	    range->element[1]->integer >= RV__REDIS_SLOTS || !read_node(range->element[2], from, &master))
		return;
	index = find_node(&map->nodes, &map->node_count, &master);
	for (long long slot = range->element[0]->integer; slot <= range->element[1]->integer; slot++)
		map->slots[slot] = index;
}

static size_t count_uncovered(const struct cluster_state *state)
{
	size_t uncovered = 0;

	for (size_t slot = 0; slot < RV__REDIS_SLOTS; slot++)
		uncovered += state->slots[slot] == NOWHERE;
	return uncovered;
}

/* Called when something changed, or at first. */
static void publish(struct cluster_state *state)
{
	size_t uncovered = count_uncovered(state);

	pthread_mutex_lock(&state->client->view_lock);
	state->view.known = state->known;
	state->view.nodes = state->node_count;
	state->view.uncovered = uncovered;
	pthread_mutex_unlock(&state->client->view_lock);
}

static bool is_same(const struct cluster_state *state, const struct map *map)
{
	bool same = state->known && state->node_count == map->node_count &&
	    memcmp(state->slots, map->slots, sizeof map->slots) == 0;

	for (size_t i = 0; same && i < map->node_count; i++)
		same = rv__redis_endpoint_equal(&state->nodes[i], &map->nodes[i]);
	return same;
}

/* A move is over when the map names another owner than it began with. */
static void forget_moves(struct cluster_state *state, unsigned of_slot)
{
	size_t kept = 0;

	for (size_t i = 0; i < state->asked_count; i++) {
		unsigned slot = state->asked[i].slot;
		uint16_t owner = state->slots[slot];

		if (slot != of_slot && owner != NOWHERE &&
		    rv__redis_endpoint_equal(&state->nodes[owner], &state->asked[i].from))
			state->asked[kept++] = state->asked[i];
		else
			free(state->asked[i].key);
	}
	state->asked_count = kept;
}

/* False: there is nothing in it. */
static bool take_map(struct cluster_state *state, const redisReply *reply)
{
	struct map map = {.nodes = NULL};

	memset(map.slots, 0xff, sizeof map.slots);
	for (size_t i = 0; i < reply->elements; i++)
		read_range(&map, reply->element[i], &state->link->endpoint);
	if (map.node_count == 0 || is_same(state, &map)) {
		free(map.nodes);
		return map.node_count > 0;
	}
	free(state->nodes);
	state->nodes = map.nodes;
	state->node_count = map.node_count;
	memcpy(state->slots, map.slots, sizeof state->slots);
	state->known = true;
	forget_moves(state, RV__REDIS_SLOTS);
	publish(state);
	state->client->env->log(RV_LOG_DEBUG, RV__REDIS_TOPIC,
	    "the Cluster's slots are spread over %zu nodes", state->node_count);
	rv__redis_client_rerouted(state->client);
	return true;
}

/* -- asking for it ---------------------------------------------------------------------------- */

static void ask_at(struct cluster_state *state, int64_t at_ms)
{
	if (state->ask_ms <= at_ms)
		return;
	state->ask_ms = at_ms;
	rv__redis_client_tend_at(state->client, at_ms);
}

static bool has_others(const struct cluster_state *state)
{
	bool others = false;

	for (size_t i = 0; i < state->node_count && !others; i++)
		others = !rv__redis_endpoint_equal(&state->nodes[i], &state->link->endpoint);
	for (size_t i = 0; i < state->seed_count && !others; i++)
		others = !rv__redis_endpoint_equal(&state->seeds[i], &state->link->endpoint);
	return others;
}

/* Whoever was asked is of no use: another one is asked, or the only one again later. */
static void leave(struct cluster_state *state, const struct rv_error *why)
{
	struct rv_error kept = *why;

	state->client->env->log(state->failures == 0 ? RV_LOG_WARN : RV_LOG_DEBUG, RV__REDIS_TOPIC,
	    "RV%04u %s; trying again by itself", (unsigned)kept.number, kept.text);
	if (has_others(state)) {
		rv__redis_link_drop(state->link, &kept); /* on_lost() chooses */
		return;
	}
	state->tried = kept;
	state->failures++;
	ask_at(state, state->client->now_ms + ASK_EVERY_MS / 5);
	if (!state->known)
		rv__redis_client_judge(state->client);
}

static void leave_since(struct cluster_state *state, const char *what)
{
	struct rv_error why;

	rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_REDIS_CLUSTER, RV__REDIS_TOPIC,
	    "redis %s:%u %s; correct spring.cloud.stream.redis.binder.nodes, or remove mode=cluster",
	    state->link->endpoint.host, state->link->endpoint.port, what);
	leave(state, &why);
}

static void on_map(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct cluster_state *state = RV__OWNER(request, struct cluster_state, request);

	state->asking = false;
	if (answer->trouble == RV__REDIS_LOST)
		return; /* on_lost() sees to it */
	if (answer->trouble == RV__REDIS_REFUSED)
		leave_since(state, "is no part of a Cluster");
	else if (answer->trouble != RV__REDIS_FINE)
		leave(state, answer->why);
	else if (!answer->tree || answer->tree->type != REDIS_REPLY_ARRAY || !take_map(state, answer->tree))
		leave_since(state, "knows no slots of a Cluster");
	else if (state->missed && count_uncovered(state) > 0)
		leave_since(state, "knows of no node for a slot that is needed");
	else
		state->failures = 0;
	state->missed = false; /* whoever still needs it asks again */
}

static void ask(struct cluster_state *state)
{
	if (state->asking || !rv__redis_link_is_open(state->link))
		return;
	state->asking = true;
	state->request = (struct rv__redis_request){.tree = true, .done = on_map};
	rv__resp_words(rv__redis_link_out(state->link), "CLUSTER", "SLOTS", NULL);
	rv__redis_link_ask(state->link, &state->request);
}

static void on_opened(struct rv__redis_link *link)
{
	ask(link->owner);
}

/* The next of those in the map, then of those in the properties, round and round; not the one that was lost. */
static const struct rv__redis_endpoint *choose_other(struct cluster_state *state)
{
	size_t all = state->node_count + state->seed_count;

	for (size_t tries = 0; tries < all; tries++) {
		size_t at = state->next_try++ % all;
		const struct rv__redis_endpoint *one =
		    at < state->node_count ? &state->nodes[at] : &state->seeds[at - state->node_count];

		if (!state->link || !rv__redis_endpoint_equal(one, &state->link->endpoint))
			return one;
	}
	return &state->seeds[0];
}

static void on_lost(struct rv__redis_link *link, const struct rv_error *why)
{
	struct cluster_state *state = link->owner;

	state->tried = *why;
	state->asking = false;
	rv__redis_link_redirect(link, choose_other(state));
	link->retry_ms = state->client->now_ms + rv__redis_back_off_ms(state->client, state->failures++);
	rv__redis_client_tend_at(state->client, link->retry_ms);
	if (!state->known)
		rv__redis_client_judge(state->client);
}

static const struct rv__redis_link_events events = {.opened = on_opened, .lost = on_lost};

static int64_t tend(void *state_, int64_t now_ms)
{
	struct cluster_state *state = state_;

	if (!state->link)
		state->link =
		    rv__redis_link_create(state->client, choose_other(state), "cluster", &events, state);
	if (state->rerouted) {
		state->rerouted = false;
		rv__redis_client_rerouted(state->client);
	}
	if (now_ms < state->ask_ms)
		return state->ask_ms;
	state->ask_ms = now_ms + (state->asked_count > 0 ? ASK_EVERY_MS / 10 : ASK_EVERY_MS);
	if (state->link)
		ask(state);
	return state->ask_ms;
}

/* -- answering ------------------------------------------------------------------------------ */

static struct asked *find_asked(struct cluster_state *state, const char *key, size_t length)
{
	for (size_t i = 0; i < state->asked_count; i++)
		if (state->asked[i].length == length && memcmp(state->asked[i].key, key, length) == 0)
			return &state->asked[i];
	return NULL;
}

static bool locate(void *state_, const char *key, size_t length, struct rv__redis_endpoint *ret_endpoint)
{
	struct cluster_state *state = state_;
	const struct asked *asked;
	unsigned slot;

	if (!state->known)
		return false;
	if (!key) {
		*ret_endpoint = state->nodes[0];
		return true;
	}
	slot = rv__redis_slot_of(key, length);
	asked = find_asked(state, key, length);
	if (asked) {
		*ret_endpoint = asked->to;
		return true;
	}
	if (state->slots[slot] == NOWHERE) {
		state->missed = true;
		ask_at(state, state->client->now_ms + ASK_AGAIN_MS);
		return false;
	}
	*ret_endpoint = state->nodes[state->slots[slot]];
	return true;
}

/* The key is at `to` already, its slot is not. */
static void note_move(struct cluster_state *state, const char *key, size_t length, unsigned slot,
    const struct rv__redis_endpoint *to)
{
	struct asked *asked = find_asked(state, key, length);
	char *copy;

	if (asked) {
		asked->to = *to;
		return;
	}
	/* Without room it answers the same to the next try, which may find the move over. */
	if (state->asked_count == ASKED_MAX || state->slots[slot] == NOWHERE ||
	    !(copy = strndup(key, length)))
		return;
	state->asked[state->asked_count++] = (struct asked){.key = copy,
	    .length = length,
	    .slot = (uint16_t)slot,
	    .from = state->nodes[state->slots[slot]],
	    .to = *to};
}

static void moved(void *state_, const char *key, size_t length, const struct rv__redis_endpoint *to)
{
	struct cluster_state *state = state_;
	unsigned slot = key ? rv__redis_slot_of(key, length) : 0;

	if (!key || !state->known)
		return;
	if (to->asks) {
		note_move(state, key, length, slot, to);
	} else {
		uint16_t index = find_node(&state->nodes, &state->node_count, to);

		if (index != NOWHERE)
			state->slots[slot] = index;
		forget_moves(state, slot);
		publish(state);
	}
	/* Whoever got that answer is in the middle of it: the others hear of it in the next turn. */
	state->rerouted = true;
	rv__redis_client_tend_at(state->client, state->client->now_ms);
	ask_at(state, state->client->now_ms + (state->asked_count > 0 ? ASK_EVERY_MS / 10 : ASK_AGAIN_MS));
}

/* To another one, at once. */
static void turn_away(struct cluster_state *state)
{
	struct rv_error why;

	if (state->link->state == RV__REDIS_LINK_DOWN) {
		rv__redis_link_redirect(state->link, choose_other(state));
		return;
	}
	rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_REDIS_LOST, RV__REDIS_TOPIC,
	    "redis %s:%u may be replaced; another node is asked", state->link->endpoint.host,
	    state->link->endpoint.port);
	rv__redis_link_drop(state->link, &why); /* on_lost() chooses */
	state->link->retry_ms = state->client->now_ms;
	rv__redis_client_tend_at(state->client, state->client->now_ms);
}

static void doubt(void *state_, const struct rv__redis_endpoint *endpoint)
{
	struct cluster_state *state = state_;

	/* Who is in doubt knows least of who replaces it. */
	if (state->link && rv__redis_endpoint_equal(endpoint, &state->link->endpoint) && has_others(state))
		turn_away(state);
	ask_at(state, state->client->now_ms + ASK_AGAIN_MS);
}

static bool explain(void *state_, struct rv_error *ret_why)
{
	const struct cluster_state *state = state_;

	if (state->known)
		rv_error_set(ret_why, RV_E_UNAVAILABLE, RV__N_REDIS_LATER, RV__REDIS_TOPIC,
		    "no node of the Cluster serves the slot now; see CLUSTER INFO there");
	else if (state->tried.code != RV_OK)
		rv_error_set(ret_why, state->tried.code, RV__N_REDIS_LOST, RV__REDIS_TOPIC,
		    "no node of the Cluster tells its slots: %.300s", state->tried.text);
	return state->known || state->tried.code != RV_OK;
}

static void describe(void *state_, rv_detail_fn detail, void *arg)
{
	struct cluster_state *state = state_;
	size_t nodes, uncovered;
	char text[64];
	bool known;

	pthread_mutex_lock(&state->client->view_lock);
	known = state->view.known;
	nodes = state->view.nodes;
	uncovered = state->view.uncovered;
	pthread_mutex_unlock(&state->client->view_lock);
	if (!known) {
		detail(arg, "cluster", "no node has told the slots yet");
		return;
	}
	snprintf(text, sizeof text, "%zu nodes with slots", nodes);
	detail(arg, "cluster", text);
	if (uncovered == 0)
		return;
	snprintf(text, sizeof text, "%zu of %d", uncovered, RV__REDIS_SLOTS);
	detail(arg, "uncoveredSlots", text);
}

const struct rv__redis_resolver rv__redis_cluster = {
    .name = "cluster",
    .open = open_cluster,
    .close = close_cluster,
    .locate = locate,
    .may_share = may_share,
    .moved = moved,
    .doubt = doubt,
    .explain = explain,
    .tend = tend,
    .describe = describe,
};
