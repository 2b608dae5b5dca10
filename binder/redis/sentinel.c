/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver of a master that Sentinels watch. All of them are asked, each second and whenever the master is in
 * doubt; the word with the highest configuration epoch counts, so that a Sentinel which was cut off from the others
 * cannot lead back to a master that was replaced. The node itself must confirm its role (checks_role).
 *
 *     SENTINEL GET-MASTER-ADDR-BY-NAME name   the address, the promoted replica's as soon as there is one
 *     SENTINEL MASTER name                    config-epoch among others
 *
 * Commands: redis 7.0 src/sentinel.c sentinelCommand().
 */
#include "binder/redis/sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/numbers.h"
#include "binder/redis/client.h"

enum { DEFAULT_PORT = 26379, ASK_EVERY_MS = 1000, ASK_AGAIN_MS = 100 };

struct sentinel_state;

struct sentinel {
	struct sentinel_state *state;
	struct rv__redis_endpoint endpoint;
	struct rv__redis_link *link; /* made by the first tend() */
	struct rv__redis_request account, address, details;
	bool asking;
	bool answered; /* since its link opened it answered, though perhaps that it knows no such master */
	bool told;     /* since its link opened it named a master */
	struct rv_error refused; /* why it answers nothing of use; RV_OK: it knows no such master */
	struct rv__redis_endpoint master;
	int64_t epoch;
};

struct sentinel_state {
	struct rv__redis_client *client;
	int64_t ask_ms; /* when to ask again */
	bool known;
	struct rv__redis_endpoint master;
	int64_t epoch;
	bool doubted; /* the master could not be reached since it became known */
	/* Under client->view_lock, for describe(). */
	struct {
		size_t answering;
		bool known;
		struct rv__redis_endpoint master;
	} view;
	size_t count;
	struct sentinel sentinels[];
};

/* -- settings ------------------------------------------------------------------------------- */

static rv_err check(const struct rv__redis_binder_settings *settings, struct rv_error *err)
{
	if (!settings->sentinel_master || !*settings->sentinel_master)
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_SENTINEL, RV__REDIS_TOPIC,
		    "mode=sentinel needs the name of the master as the Sentinels know it; set "
		    "spring.cloud.stream.redis.binder.sentinel.master");
	if (settings->nodes.count == 0)
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_SENTINEL, RV__REDIS_TOPIC,
		    "mode=sentinel needs the addresses of the Sentinels; list them, host:port each, in "
		    "spring.cloud.stream.redis.binder.nodes");
	return RV_OK;
}

static rv_err open_sentinel(struct rv__redis_client *client, void **ret_state, struct rv_error *err)
{
	const struct rv_strings *nodes = &client->settings->nodes;
	struct sentinel_state *state;
	rv_err result = check(client->settings, err);

	if (result != RV_OK)
		return result;
	state = calloc(1, sizeof *state + nodes->count * sizeof *state->sentinels);
	if (!state)
		return rv_error_set(
		    err, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC, "no memory for the Redis binder");
	state->client = client;
	state->epoch = -1;
	for (size_t i = 0; i < nodes->count; i++) {
		struct sentinel *sentinel = &state->sentinels[state->count++];
		const char *text = nodes->items[i];

		sentinel->state = state;
		if (rv__redis_endpoint_parse(text, strlen(text), DEFAULT_PORT, &sentinel->endpoint))
			continue;
		free(state);
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_ADDRESS, RV__REDIS_TOPIC,
		    "'%s' is no address of a Sentinel; write host:port in "
		    "spring.cloud.stream.redis.binder.nodes",
		    text);
	}
	*ret_state = state;
	return RV_OK;
}

/* -- what they say -------------------------------------------------------------------------- */

/* For describe(), which runs on any thread. */
static void publish(struct sentinel_state *state)
{
	size_t answering = 0;

	for (size_t i = 0; i < state->count; i++)
		answering += state->sentinels[i].told;
	pthread_mutex_lock(&state->client->view_lock);
	state->view.answering = answering;
	state->view.known = state->known;
	state->view.master = state->master;
	pthread_mutex_unlock(&state->client->view_lock);
}

/*
 * The newest word of all. An older one replaces what a newer one said only where most Sentinels say so of a master
 * that cannot be reached: they were set up anew then, and count from the beginning.
 */
static const struct sentinel *find_best(const struct sentinel_state *state)
{
	const struct sentinel *best = NULL;
	size_t told = 0;

	for (size_t i = 0; i < state->count; i++) {
		told += state->sentinels[i].told;
		if (state->sentinels[i].told && (!best || state->sentinels[i].epoch > best->epoch))
			best = &state->sentinels[i];
	}
	if (best && best->epoch < state->epoch && (!state->doubted || told <= state->count / 2))
		return NULL;
	return best;
}

static void settle(struct sentinel_state *state)
{
	const struct sentinel *best = find_best(state);

	if (best && !state->client->ending &&
	    (!state->known || !rv__redis_endpoint_equal(&best->master, &state->master))) {
		state->client->env->log(RV_LOG_INFO, RV__REDIS_TOPIC,
		    "Sentinel %s:%u names %s:%u as master '%s'%s", best->endpoint.host, best->endpoint.port,
		    best->master.host, best->master.port, state->client->settings->sentinel_master,
		    state->known ? ", another one than before" : "");
		state->master = best->master;
		state->epoch = best->epoch;
		state->known = true;
		state->doubted = false;
		publish(state);
		rv__redis_client_rerouted(state->client);
		return;
	}
	publish(state);
}

static struct sentinel *sentinel_of(struct rv__redis_request *request, size_t offset)
{
	return (struct sentinel *)((char *)request - offset);
}

static bool read_port(const char *text, size_t length, uint16_t *ret_port)
{
	int64_t port;

	if (!rv__decimal_within(text, length, 1, 65535, &port))
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

static bool read_address(const redisReply *reply, struct rv__redis_endpoint *ret_master)
{
	struct rv__redis_endpoint master = {.port = 0};

	if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING || reply->element[1]->type != REDIS_REPLY_STRING ||
	    reply->element[0]->len == 0 || reply->element[0]->len >= sizeof master.host ||
	    !read_port(reply->element[1]->str, reply->element[1]->len, &master.port))
		return false;
	memcpy(master.host, reply->element[0]->str, reply->element[0]->len);
	*ret_master = master;
	return true;
}

static void complain(struct sentinel *sentinel, const char *what)
{
	struct rv__redis_client *client = sentinel->state->client;

	sentinel->told = false;
	client->env->log(RV_LOG_DEBUG, RV__REDIS_TOPIC, "Sentinel %s:%u: %s", sentinel->endpoint.host,
	    sentinel->endpoint.port, what);
}

/* The binder's account and addresses are others than the Sentinels': what to correct is theirs. */
static void explain_refusal(
    const struct sentinel *sentinel, const struct rv__redis_answer *answer, struct rv_error *ret_why)
{
	const struct rv__resp_cursor *reply = &answer->cursor;
	int shown = reply->end - reply->at > 3 ? (int)(reply->end - reply->at) - 3 : 0;
	bool denied = answer->trouble == RV__REDIS_DENIED;

	if (!denied && answer->trouble != RV__REDIS_REFUSED) {
		*ret_why = *answer->why;
		return;
	}
	rv_error_set(ret_why, denied ? RV_E_DENIED : RV_E_UNAVAILABLE,
	    denied ? RV__N_REDIS_DENIED : RV__N_REDIS_SENTINEL, RV__REDIS_TOPIC,
	    "%s:%u %s '%.*s'; correct spring.cloud.stream.redis.binder.%s", sentinel->endpoint.host,
	    sentinel->endpoint.port, denied ? "is a Sentinel that answers" : "is no Sentinel, it answers",
	    shown < 200 ? shown : 200, reply->at + 1,
	    denied ? "sentinel.username and spring.cloud.stream.redis.binder.sentinel.password" : "nodes");
}

static void on_address(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct sentinel *sentinel = sentinel_of(request, offsetof(struct sentinel, address));
	struct rv__redis_endpoint master;

	sentinel->refused = (struct rv_error){0};
	if (answer->trouble != RV__REDIS_FINE) {
		if (answer->trouble != RV__REDIS_LOST)
			explain_refusal(sentinel, answer, &sentinel->refused);
		complain(sentinel, answer->why->text);
	} else if (!read_address(answer->tree, &master)) {
		complain(sentinel, "it knows no master of that name");
	} else {
		sentinel->master = master;
		sentinel->told = true;
	}
}

/* A flat array: name, value, name, value … */
static int64_t find_epoch(const redisReply *reply)
{
	static const char name[] = "config-epoch";

	if (!reply || reply->type != REDIS_REPLY_ARRAY)
		return 0;
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const redisReply *field = reply->element[i], *value = reply->element[i + 1];

		if (field->type == REDIS_REPLY_STRING && field->len == sizeof name - 1 &&
		    memcmp(field->str, name, field->len) == 0 && value->type == REDIS_REPLY_STRING)
			return strtoll(value->str, NULL, 10);
	}
	return 0;
}

static void on_details(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct sentinel *sentinel = sentinel_of(request, offsetof(struct sentinel, details));

	sentinel->asking = false;
	if (answer->trouble == RV__REDIS_LOST)
		return; /* on_lost() sees to it */
	sentinel->answered = true;
	if (answer->trouble != RV__REDIS_FINE)
		sentinel->told = false;
	else
		sentinel->epoch = find_epoch(answer->tree);
	settle(sentinel->state);
	if (!sentinel->state->known)
		rv__redis_client_judge(sentinel->state->client);
}

/* -- asking --------------------------------------------------------------------------------- */

static void ask(struct sentinel *sentinel)
{
	const char *name = sentinel->state->client->settings->sentinel_master;

	if (sentinel->asking || !rv__redis_link_is_open(sentinel->link))
		return;
	sentinel->asking = true;
	sentinel->address = (struct rv__redis_request){.tree = true, .done = on_address};
	sentinel->details = (struct rv__redis_request){.tree = true, .done = on_details};
	rv__resp_words(rv__redis_link_out(sentinel->link), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name, NULL);
	rv__redis_link_ask(sentinel->link, &sentinel->address);
	rv__resp_words(rv__redis_link_out(sentinel->link), "SENTINEL", "MASTER", name, NULL);
	rv__redis_link_ask(sentinel->link, &sentinel->details);
}

static void on_account(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct sentinel *sentinel = sentinel_of(request, offsetof(struct sentinel, account));

	struct rv_error why;

	if (answer->trouble == RV__REDIS_FINE || answer->trouble == RV__REDIS_LOST)
		return;
	explain_refusal(sentinel, answer, &why);
	rv__redis_link_drop(sentinel->link, &why);
}

/* Sentinels have accounts of their own, and no databases. */
static void on_opened(struct rv__redis_link *link)
{
	struct sentinel *sentinel = link->owner;
	const struct rv__redis_binder_settings *settings = link->client->settings;

	if (settings->sentinel_password && *settings->sentinel_password) {
		struct rv__buffer *out = rv__redis_link_out(link);

		if (settings->sentinel_username && *settings->sentinel_username)
			rv__resp_words(
			    out, "AUTH", settings->sentinel_username, settings->sentinel_password, NULL);
		else
			rv__resp_words(out, "AUTH", settings->sentinel_password, NULL);
		sentinel->account = (struct rv__redis_request){.done = on_account};
		rv__redis_link_ask(link, &sentinel->account);
	}
	ask(sentinel);
}

static void on_lost(struct rv__redis_link *link, const struct rv_error *why)
{
	struct sentinel *sentinel = link->owner;

	sentinel->asking = sentinel->answered = false;
	complain(sentinel, why->text);
	publish(sentinel->state);
	if (!sentinel->state->known)
		rv__redis_client_judge(sentinel->state->client);
}

static const struct rv__redis_link_events events = {.opened = on_opened, .lost = on_lost};

static void connect_to(struct sentinel *sentinel)
{
	sentinel->link = rv__redis_link_create(
	    sentinel->state->client, &sentinel->endpoint, "sentinel", &events, sentinel);
	if (sentinel->link)
		sentinel->link->greets = false;
}

static int64_t tend(void *state_, int64_t now_ms)
{
	struct sentinel_state *state = state_;

	if (now_ms < state->ask_ms)
		return state->ask_ms;
	state->ask_ms = now_ms + ASK_EVERY_MS;
	for (size_t i = 0; i < state->count; i++) {
		struct sentinel *sentinel = &state->sentinels[i];

		if (!sentinel->link)
			connect_to(sentinel);
		ask(sentinel);
	}
	return state->ask_ms;
}

static bool locate(void *state_, const char *key, size_t length, struct rv__redis_endpoint *ret_endpoint)
{
	const struct sentinel_state *state = state_;

	(void)key;
	(void)length;
	if (state->known)
		*ret_endpoint = state->master;
	return state->known;
}

static void doubt(void *state_, const struct rv__redis_endpoint *endpoint)
{
	struct sentinel_state *state = state_;
	int64_t soon = state->client->now_ms + ASK_AGAIN_MS;

	if (!state->known || !rv__redis_endpoint_equal(endpoint, &state->master))
		return;
	state->doubted = true;
	if (state->ask_ms <= soon)
		return;
	state->ask_ms = soon;
	rv__redis_client_tend_at(state->client, soon);
}

static bool explain(void *state_, struct rv_error *ret_why)
{
	const struct sentinel_state *state = state_;
	const char *name = state->client->settings->sentinel_master;

	for (size_t i = 0; i < state->count; i++) {
		const struct sentinel *sentinel = &state->sentinels[i];

		if (!rv__redis_link_is_open(sentinel->link) || !sentinel->answered || sentinel->told)
			continue;
		if (sentinel->refused.code != RV_OK) {
			*ret_why = sentinel->refused;
			return true;
		}
		rv_error_set(ret_why, RV_E_UNAVAILABLE, RV__N_REDIS_SENTINEL, RV__REDIS_TOPIC,
		    "Sentinel %s:%u knows no master '%s'; correct "
		    "spring.cloud.stream.redis.binder.sentinel.master",
		    sentinel->endpoint.host, sentinel->endpoint.port, name);
		return true;
	}
	for (size_t i = 0; i < state->count; i++) {
		if (!state->sentinels[i].link || state->sentinels[i].link->why.code == RV_OK)
			continue;
		rv_error_set(ret_why, RV_E_UNAVAILABLE, RV__N_REDIS_LOST, RV__REDIS_TOPIC,
		    "none of %zu Sentinels answers: %.300s", state->count,
		    state->sentinels[i].link->why.text);
		ret_why->code = state->sentinels[i].link->why.code;
		return true;
	}
	return false;
}

static void describe(void *state_, rv_detail_fn detail, void *arg)
{
	struct sentinel_state *state = state_;
	char text[RV__REDIS_HOST_MAX + 64];
	struct rv__redis_endpoint master;
	size_t answering;
	bool known;

	pthread_mutex_lock(&state->client->view_lock);
	answering = state->view.answering;
	known = state->view.known;
	master = state->view.master;
	pthread_mutex_unlock(&state->client->view_lock);
	snprintf(text, sizeof text, "%zu of %zu", answering, state->count);
	detail(arg, "sentinels", text);
	if (known)
		snprintf(text, sizeof text, "%s:%u", master.host, master.port);
	else
		snprintf(text, sizeof text, "no Sentinel names one");
	detail(arg, "master", text);
}

const struct rv__redis_resolver rv__redis_sentinel = {
    .name = "sentinel",
    .open = open_sentinel,
    .close = free, /* links end with the loop */
    .locate = locate,
    .doubt = doubt,
    .explain = explain,
    .tend = tend,
    .describe = describe,
    .checks_role = true,
};
