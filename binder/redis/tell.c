/* SPDX-License-Identifier: Apache-2.0 */
/* What Redis is told of held entries: XACK, leases (XCLAIM … JUSTID), what is given back, who leaves. */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/consumer.h"

enum { KEEP_MAX = 256, TROUBLE_PAUSE_MS = 100 };

/* Some places of a slot of which a command under way tells. */
struct rv__redis_telling {
	struct rv__redis_request request;
	struct rv__redis_telling *next; /* of slot->tellings */
	struct rv__redis_slot *slot;
	bool requeues;
	size_t count;
	uint32_t indexes[];
};

static void forget(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	(void)answer;
	if (request->replies == 0)
		free(request);
}

bool rv__redis_ask_and_forget(struct rv__redis_link *link, size_t replies)
{
	struct rv__redis_request *request = malloc(sizeof *request);

	if (!request)
		return false;
	*request = (struct rv__redis_request){.done = forget, .replies = replies};
	rv__redis_link_ask(link, request);
	return true;
}

/* -- settlements ----------------------------------------------------------------------------------- */

/* Confirmed: the places are free. */
static void confirm(struct rv__redis_telling *telling)
{
	struct rv__redis_slot *slot = telling->slot;

	pthread_mutex_lock(&slot->lock);
	for (size_t i = 0; i < telling->count; i++)
		rv__redis_held_free(slot, telling->indexes[i]);
	pthread_mutex_unlock(&slot->lock);
}

/* Not told after all: back to the list, to be told again. */
static void take_back(struct rv__redis_telling *telling)
{
	struct rv__redis_slot *slot = telling->slot;
	struct rv__redis_indexes *list = telling->requeues ? &slot->requeued : &slot->settled;

	pthread_mutex_lock(&slot->lock);
	for (size_t i = 0; i < telling->count; i++)
		list->items[list->count++] = telling->indexes[i];
	pthread_mutex_unlock(&slot->lock);
	slot->ack_ms = slot->consumer->client->now_ms + TROUBLE_PAUSE_MS;
	rv__redis_client_tend_at(slot->consumer->client, slot->ack_ms);
}

static void list(struct rv__redis_telling *telling)
{
	telling->next = telling->slot->tellings;
	telling->slot->tellings = telling;
}

static void unlist(struct rv__redis_telling *telling)
{
	struct rv__redis_telling **at = &telling->slot->tellings;

	while (*at != telling)
		at = &(*at)->next;
	*at = telling->next;
}

size_t rv__redis_tell_cancel(struct rv__redis_slot *slot)
{
	size_t count = 0;

	while (slot->tellings) {
		struct rv__redis_telling *telling = slot->tellings;

		count += telling->count;
		rv__redis_request_cancel(&telling->request);
		if (slot->tellings == telling) { /* else its link was lost over it, and it is gone */
			slot->tellings = telling->next;
			free(telling);
		}
	}
	return count;
}

static void on_told(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_telling *telling = (struct rv__redis_telling *)request;
	struct rv__redis_slot *slot = telling->slot;

	unlist(telling);
	if (answer->trouble == RV__REDIS_FINE || answer->trouble == RV__REDIS_NO_GROUP) {
		confirm(telling);
	} else {
		/* ASK to a script is about either of its keys: it passes once both are on one node. */
		if (answer->trouble != RV__REDIS_LOST && !(answer->trouble == RV__REDIS_ASK && slot->lease))
			rv__redis_slot_refused(slot, answer);
		take_back(telling);
	}
	free(telling);
	/* To leave, to read the next one, or to claim it. */
	if (slot->consumer->close_call || slot->consumer->max_deliveries == 1 || slot->claim.alone_cookie)
		rv__redis_client_tend_at(slot->consumer->client, slot->consumer->client->now_ms);
}

/* Takes up to ack_batch places off a list. NULL: none, or no memory. */
static struct rv__redis_telling *take(
    struct rv__redis_slot *slot, struct rv__redis_indexes *list, bool requeues)
{
	enum { SCRIPT_MAX = 1000 }; /* arguments that Lua unpacks at once */
	size_t most = (size_t)slot->consumer->settings->ack_batch;
	struct rv__redis_telling *telling = malloc(sizeof *telling + most * sizeof *telling->indexes);

	if (!telling)
		return NULL;
	if (slot->lease && most > SCRIPT_MAX)
		most = SCRIPT_MAX;
	*telling =
	    (struct rv__redis_telling){.request = {.done = on_told}, .slot = slot, .requeues = requeues};
	pthread_mutex_lock(&slot->lock);
	telling->count = list->count < most ? list->count : most;
	/* The oldest first: they were settled in this order. */
	memcpy(telling->indexes, list->items, telling->count * sizeof *telling->indexes);
	list->count -= telling->count;
	memmove(list->items, list->items + telling->count, list->count * sizeof *list->items);
	pthread_mutex_unlock(&slot->lock);
	if (telling->count > 0)
		return telling;
	free(telling);
	return NULL;
}

static void add_ids(
    struct rv__redis_slot *slot, struct rv__buffer *out, const uint32_t *indexes, size_t count)
{
	/* Places do not move or change while they are held; the array grows on this thread alone. */
	for (size_t i = 0; i < count; i++)
		rv__resp_id(out, slot->held[indexes[i]].id);
}

/* KEYS: lease, stream. ARGV: the lease's value, group, ids. What another owner has is his to acknowledge. */
static const char fenced_ack[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
                                 "return redis.call('XACK', KEYS[2], unpack(ARGV, 2))";

/* … deliveries, consumer, id after the group. */
static const char fenced_recount[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
                                     "redis.call('XCLAIM', KEYS[2], ARGV[2], ARGV[4], 0, ARGV[5], "
                                     "'RETRYCOUNT', ARGV[3], 'JUSTID') return 1";

static void acknowledge(struct rv__redis_telling *telling, struct rv__redis_link *link)
{
	struct rv__redis_slot *slot = telling->slot;
	struct rv__buffer *out = rv__redis_link_out(link);

	if (slot->lease) {
		rv__redis_lease_fence(slot, out, fenced_ack, 1 + telling->count);
	} else {
		rv__resp_array(out, 3 + telling->count);
		rv__resp_text(out, "XACK");
		rv__resp_text(out, slot->key);
	}
	rv__resp_text(out, slot->consumer->group);
	add_ids(slot, out, telling->indexes, telling->count);
	list(telling);
	rv__redis_link_ask(link, &telling->request);
}

/* Makes them look as idle as it takes for a claim when the delay is over. Redis 7.0: IDLE works with JUSTID. */
static void give_back(struct rv__redis_telling *telling, struct rv__redis_link *link)
{
	struct rv__redis_slot *slot = telling->slot;
	const struct rv__redis_consumer *consumer = slot->consumer;
	const struct rv__redis_consumer_settings *settings = consumer->settings;
	struct rv__buffer *out = rv__redis_link_out(link);
	int64_t due_ms = consumer->client->now_ms + settings->redelivery_delay_ms + 1;

	rv__resp_array(out, 8 + telling->count);
	rv__resp_text(out, "XCLAIM");
	rv__resp_text(out, slot->key);
	rv__resp_text(out, consumer->group);
	rv__resp_text(out, consumer->name);
	rv__resp_text(out, "0");
	add_ids(slot, out, telling->indexes, telling->count);
	rv__resp_text(out, "IDLE");
	rv__resp_number(out, settings->claim_idle_ms - settings->redelivery_delay_ms);
	rv__resp_text(out, "JUSTID");
	list(telling);
	rv__redis_link_ask(link, &telling->request);
	if (due_ms < slot->claim.due_ms)
		slot->claim.due_ms = due_ms;
	rv__redis_client_tend_at(consumer->client, due_ms);
}

/* How often those were delivered that are tried again in place: their owner may end before they are settled. */
static void tell_recounted(struct rv__redis_slot *slot, struct rv__redis_link *link)
{
	struct rv__redis_held held;
	uint32_t index;
	bool any = true;

	while (any) {
		pthread_mutex_lock(&slot->lock);
		any = slot->recounted.count > 0;
		index = any ? slot->recounted.items[--slot->recounted.count] : 0;
		held = any ? slot->held[index] : (struct rv__redis_held){0};
		pthread_mutex_unlock(&slot->lock);
		if (!any || held.state != RV__REDIS_OUT || !slot->lease || !rv__redis_ask_and_forget(link, 1))
			continue;
		rv__redis_lease_fence(slot, rv__redis_link_out(link), fenced_recount, 4);
		rv__resp_text(&link->out, slot->consumer->group);
		rv__resp_number(&link->out, held.deliveries);
		rv__resp_text(&link->out, slot->consumer->name);
		rv__resp_id(&link->out, held.id);
	}
}

static void tell_extended(struct rv__redis_slot *slot)
{
	uint32_t indexes[KEEP_MAX];
	size_t count;

	do {
		pthread_mutex_lock(&slot->lock);
		count = slot->extended.count < KEEP_MAX ? slot->extended.count : KEEP_MAX;
		slot->extended.count -= count;
		memcpy(indexes, slot->extended.items + slot->extended.count, count * sizeof *indexes);
		pthread_mutex_unlock(&slot->lock);
		rv__redis_keep(slot, indexes, count);
	} while (count == KEEP_MAX);
}

/* There is no way to the stream. Nothing else may come that would tell what waits: reads wait for it, too. */
static void try_again(struct rv__redis_slot *slot)
{
	bool waits;

	pthread_mutex_lock(&slot->lock);
	waits = slot->settled.count > 0 || slot->requeued.count > 0;
	pthread_mutex_unlock(&slot->lock);
	slot->ack_ms = INT64_MAX;
	if (waits) {
		slot->ack_ms = slot->consumer->client->now_ms + TROUBLE_PAUSE_MS;
		rv__redis_client_tend_at(slot->consumer->client, slot->ack_ms);
	}
}

void rv__redis_tell(struct rv__redis_slot *slot, bool all)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_link *link = rv__redis_route_link(consumer->client, &slot->route);
	struct rv__redis_telling *telling;
	size_t settled;

	tell_extended(slot);
	if (!link || !consumer->group) {
		try_again(slot);
		return;
	}
	tell_recounted(slot, link);
	while ((telling = take(slot, &slot->requeued, true)))
		give_back(telling, link);
	pthread_mutex_lock(&slot->lock);
	settled = slot->settled.count;
	pthread_mutex_unlock(&slot->lock);
	while (settled > 0 && (all || settled >= (size_t)consumer->settings->ack_batch) &&
	    (telling = take(slot, &slot->settled, false))) {
		acknowledge(telling, link);
		settled -= settled < telling->count ? settled : telling->count;
	}
	slot->ack_ms = INT64_MAX;
	if (settled > 0) {
		slot->ack_ms = consumer->client->now_ms + consumer->settings->ack_interval_ms;
		rv__redis_client_tend_at(consumer->client, slot->ack_ms);
	}
}

void rv__redis_keep(struct rv__redis_slot *slot, const uint32_t *indexes, size_t count)
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_link *link = count ? rv__redis_route_link(consumer->client, &slot->route) : NULL;
	struct rv__buffer *out;

	if (!link || !consumer->group || !rv__redis_lease_holds(slot) || !rv__redis_ask_and_forget(link, 1))
		return;
	out = rv__redis_link_out(link);
	rv__resp_array(out, 6 + count);
	rv__resp_text(out, "XCLAIM");
	rv__resp_text(out, slot->key);
	rv__resp_text(out, consumer->group);
	rv__resp_text(out, consumer->name);
	rv__resp_text(out, "0");
	add_ids(slot, out, indexes, count);
	rv__resp_text(out, "JUSTID");
}

/* -- leaving, and those who left ------------------------------------------------------------------------ */

/*
 * ARGV: group, consumer, idle time from which others may claim. What is pending becomes claimable now; a consumer
 * with nothing pending is removed, in one step with the look: XGROUP DELCONSUMER would throw pending entries away.
 */
static const char leave[] =
    "local at = '-' local left = 0 "
    "while true do "
    "local list = redis.call('XPENDING', KEYS[1], ARGV[1], at, '+', 100, ARGV[2]) "
    "if #list == 0 then break end "
    "for _, row in ipairs(list) do "
    "redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, row[1], 'IDLE', ARGV[3], 'JUSTID') end "
    "left = left + #list at = '(' .. list[#list][1] end "
    "local still = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) "
    "if #still == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end "
    "return left";

/* ARGV: group, idle time, our own name. */
static const char clean[] =
    "local gone = 0 "
    "for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do "
    "local c = {} for i = 1, #row, 2 do c[row[i]] = row[i + 1] end "
    "if c['pending'] == 0 and c['idle'] > tonumber(ARGV[2]) and c['name'] ~= ARGV[3] then "
    "redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c['name']) gone = gone + 1 end end "
    "return gone";

static void on_left(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = RV__OWNER(request, struct rv__redis_slot, request);

	if (answer->trouble != RV__REDIS_FINE)
		slot->consumer->client->env->log(RV_LOG_DEBUG, RV__REDIS_TOPIC,
		    "'%s' could not tell group '%s' that it leaves; what it held is claimed when it is old "
		    "enough",
		    slot->consumer->name, slot->consumer->group);
	slot->left = true;
	rv__redis_client_tend_at(slot->consumer->client, slot->consumer->client->now_ms);
}

void rv__redis_leave(struct rv__redis_slot *slot)
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_link *link = rv__redis_route_link(consumer->client, &slot->route);
	char idle[RV__RESP_NUMBER_ROOM];

	if (slot->request.link)
		return; /* under way */
	if (!link || slot->state < RV__REDIS_SLOT_DRAIN || !consumer->group) {
		slot->left = true;
		return;
	}
	idle[rv__resp_digits(idle, (uint64_t)consumer->settings->claim_idle_ms)] = '\0';
	rv__resp_words(rv__redis_link_out(link), "EVAL", leave, "1", slot->key, consumer->group,
	    consumer->name, idle, NULL);
	slot->request = (struct rv__redis_request){.done = on_left};
	rv__redis_link_ask(link, &slot->request);
}

void rv__redis_clean(struct rv__redis_slot *slot)
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_link *link = rv__redis_route_link(consumer->client, &slot->route);
	char idle[RV__RESP_NUMBER_ROOM];

	if (!link || slot->state != RV__REDIS_SLOT_READY || !rv__redis_ask_and_forget(link, 1))
		return;
	idle[rv__resp_digits(idle, (uint64_t)consumer->settings->cleanup_idle_ms)] = '\0';
	rv__resp_words(rv__redis_link_out(link), "EVAL", clean, "1", slot->key, consumer->group, idle,
	    consumer->name, NULL);
}
