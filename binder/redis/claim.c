/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: entries that were delivered and never acknowledged. In turns of two commands, XPENDING for a page of them
 * with their number of deliveries, then XCLAIM, whose idle time lets only one of several claimers win (Redis 6.2).
 *
 * Own ones first, whatever their age: after a start under a fixed name, and after a reader's connection broke with
 * entries on their way. Then, every claim-interval, those that are idle for claim-min-idle, of whomever.
 *
 * With a lease (orderly) the own ones are those of everybody: whoever had them is no longer the owner.
 *
 * An entry that was delivered for more than half of max-deliveries may be what kills its consumers: such ones are
 * claimed one at a time, so that the innocent beside it are not counted up with it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/consumer.h"

enum { PAGE = 64 };

static void on_page(struct rv__redis_request *request, const struct rv__redis_answer *answer);
static void on_claimed(struct rv__redis_request *request, const struct rv__redis_answer *answer);

static struct rv__redis_slot *slot_of(struct rv__redis_request *request)
{
	return (struct rv__redis_slot *)((char *)request - offsetof(struct rv__redis_slot, claim.request));
}

static void scan_is_over(struct rv__redis_slot *slot)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_claim *claim = &slot->claim;

	claim->begun = false;
	if (claim->own) {
		claim->own = false;
		claim->due_ms = consumer->client->now_ms; /* then what others left behind */
		if (slot->state == RV__REDIS_SLOT_DRAIN) {
			slot->state = RV__REDIS_SLOT_READY;
			rv__redis_read(consumer);
			rv__redis_consumer_judge(consumer);
		}
	} else if (claim->due_ms <= consumer->client->now_ms) {
		claim->due_ms = consumer->client->now_ms + consumer->settings->claim_interval_ms;
	}
	rv__redis_client_tend_at(consumer->client, claim->due_ms);
}

/* -- the page ------------------------------------------------------------------------------------- */

static void ask_page(struct rv__redis_slot *slot, struct rv__redis_link *link)
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_claim *claim = &slot->claim;
	struct rv__buffer *out = rv__redis_link_out(link);
	char from[RV__REDIS_ID_ROOM + 1] = "-";

	if (claim->begun) {
		from[0] = '(';
		(void)rv__redis_id_print(claim->at, from + 1);
	}
	bool all = claim->own && slot->lease; /* nobody else may have anything of it now */

	rv__resp_array(out, all ? 6 : claim->own ? 7 : 8);
	rv__resp_text(out, "XPENDING");
	rv__resp_text(out, slot->key);
	rv__resp_text(out, consumer->group);
	if (!claim->own) {
		rv__resp_text(out, "IDLE");
		rv__resp_number(out, consumer->settings->claim_idle_ms);
	}
	rv__resp_text(out, from);
	rv__resp_text(out, "+");
	rv__resp_number(out, PAGE);
	if (claim->own && !all)
		rv__resp_text(out, consumer->name);
	claim->request = (struct rv__redis_request){.done = on_page};
	claim->asked = true;
	rv__redis_link_ask(link, &claim->request);
}

static bool is_suspect(const struct rv__redis_slot *slot, int64_t deliveries)
{
	int64_t most = slot->consumer->settings->max_deliveries;

	return most > 0 && deliveries >= (most > 3 ? most / 2 : 1);
}

/* [[id, consumer, idle, deliveries] …]: which of them are to be claimed now. */
static size_t choose(struct rv__redis_slot *slot, struct rv__resp_cursor *cursor)
{
	struct rv__redis_claim *claim = &slot->claim;
	int64_t rows = rv__resp_get_array(cursor);
	bool suspected = false;

	claim->count = 0;
	claim->last = rows < PAGE;
	for (int64_t i = 0; i < rows && !cursor->failed; i++) {
		struct rv__redis_id id = {0};
		int64_t deliveries;
		bool is_id;

		if (rv__resp_get_array(cursor) < 4)
			break;
		is_id = rv__redis_id_parse(rv__resp_get_text(cursor), &id);
		(void)rv__resp_get_text(cursor);
		(void)rv__resp_get_integer(cursor);
		deliveries = rv__resp_get_integer(cursor);
		if (!is_id || cursor->failed || suspected)
			continue;
		if (is_suspect(slot, deliveries)) {
			/* Alone, and only when the one before was settled; the page is read again from here. */
			if (claim->count > 0 || claim->suspect_cookie) {
				claim->last = false;
				suspected = true;
				continue;
			}
			suspected = true;
		}
		claim->at = id;
		claim->begun = true;
		if (rv__redis_held_has(slot, id)) {
			suspected = false;
			continue;
		}
		claim->ids[claim->count] = id;
		claim->deliveries[claim->count++] = deliveries > INT32_MAX ? INT32_MAX : (int32_t)deliveries;
		if (suspected)
			claim->last = false;
	}
	return claim->count;
}

static void ask_claim(struct rv__redis_slot *slot, struct rv__redis_link *link)
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_claim *claim = &slot->claim;
	struct rv__buffer *out = rv__redis_link_out(link);

	rv__resp_array(out, 5 + claim->count);
	rv__resp_text(out, "XCLAIM");
	rv__resp_text(out, slot->key);
	rv__resp_text(out, consumer->group);
	rv__resp_text(out, consumer->name);
	rv__resp_number(out, claim->own ? 0 : consumer->settings->claim_idle_ms);
	for (size_t i = 0; i < claim->count; i++)
		rv__resp_id(out, claim->ids[i]);
	claim->request = (struct rv__redis_request){.done = on_claimed};
	claim->asked = true;
	rv__redis_link_ask(link, &claim->request);
}

static void pause_claims(struct rv__redis_slot *slot, const struct rv__redis_answer *answer)
{
	enum { PAUSE_MS = 200 };
	struct rv__redis_claim *claim = &slot->claim;

	claim->begun = false;
	claim->due_ms = slot->consumer->client->now_ms + PAUSE_MS;
	if (answer->trouble == RV__REDIS_NO_GROUP)
		rv__redis_slot_lost_group(slot);
	else if (answer->trouble != RV__REDIS_LOST && answer->trouble != RV__REDIS_FINE)
		rv__redis_slot_refused(slot, answer); /* fine: the stream went elsewhere meanwhile */
	rv__redis_client_tend_at(slot->consumer->client, claim->due_ms);
}

static void on_page(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	struct rv__redis_link *link = rv__redis_route_link(slot->consumer->client, &slot->route);
	struct rv__resp_cursor cursor = answer->cursor;

	slot->claim.asked = false;
	if (!rv__redis_lease_holds(slot)) {
		rv__redis_client_tend_at(slot->consumer->client, slot->consumer->client->now_ms);
		return;
	}
	if (answer->trouble != RV__REDIS_FINE || !link) {
		pause_claims(slot, answer);
		return;
	}
	if (choose(slot, &cursor) > 0 && !slot->consumer->close_call)
		ask_claim(slot, link);
	else if (slot->claim.last || slot->consumer->close_call)
		scan_is_over(slot);
	else
		rv__redis_client_tend_at(slot->consumer->client, slot->consumer->client->now_ms + 20);
}

/* -- the claim ----------------------------------------------------------------------------------------- */

static void note_suspect(struct rv__redis_slot *slot)
{
	const struct rv__redis_claim *claim = &slot->claim;

	if (claim->count != 1 || !is_suspect(slot, claim->deliveries[0]))
		return;
	for (uint32_t i = 0; i < slot->held_room; i++)
		if (rv__redis_id_compare(slot->held[i].id, claim->ids[0]) == 0 &&
		    slot->held[i].state != RV__REDIS_FREE)
			slot->claim.suspect_cookie = (uint64_t)slot->held[i].generation << 32 | i;
}

static bool suspect_is_out(struct rv__redis_slot *slot)
{
	uint32_t index = (uint32_t)slot->claim.suspect_cookie;
	bool out = false;

	if (!slot->claim.suspect_cookie)
		return false;
	pthread_mutex_lock(&slot->lock);
	out = slot->held[index].state != RV__REDIS_FREE &&
	    slot->held[index].generation == (uint32_t)(slot->claim.suspect_cookie >> 32);
	pthread_mutex_unlock(&slot->lock);
	if (!out)
		slot->claim.suspect_cookie = 0;
	return out;
}

/* XRANGE of one that could not be claimed: there, and another consumer was faster; or gone from the stream. */
static void on_look(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot =
	    (struct rv__redis_slot *)((char *)request - offsetof(struct rv__redis_slot, look));
	const struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__resp_cursor cursor = answer->cursor;

	if (answer->trouble != RV__REDIS_FINE || rv__resp_get_array(&cursor) != 0)
		return;
	consumer->client->env->log(RV_LOG_WARN, RV__REDIS_TOPIC,
	    "channel=%s RV%04d up to %zu messages of '%s' were trimmed before group '%s' had settled them; "
	    "let the stream "
	    "keep more, or trim with trimming=safe",
	    consumer->binding, RV__N_REDIS_TRIMMED, slot->looked_for, slot->key, consumer->group);
}

/* Redis 7.0 drops trimmed entries from the list of pending ones without a word when they are claimed. */
static void look_for_missing(struct rv__redis_slot *slot, size_t missing)
{
	const struct rv__redis_claim *claim = &slot->claim;
	struct rv__redis_link *link = rv__redis_route_link(slot->consumer->client, &slot->route);
	size_t i = 0;

	while (i < claim->count && rv__redis_held_has(slot, claim->ids[i]))
		i++;
	if (!link || slot->look.link || i == claim->count)
		return;
	rv__resp_array(rv__redis_link_out(link), 4);
	rv__resp_text(&link->out, "XRANGE");
	rv__resp_text(&link->out, slot->key);
	rv__resp_id(&link->out, claim->ids[i]);
	rv__resp_id(&link->out, claim->ids[i]);
	slot->looked_for = missing;
	slot->look = (struct rv__redis_request){.done = on_look};
	rv__redis_link_ask(link, &slot->look);
}

static void on_claimed(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_claim *claim = &slot->claim;
	struct rv__resp_cursor cursor = answer->cursor;
	size_t taken;

	claim->asked = false;
	if (!rv__redis_lease_holds(slot)) {
		rv__redis_client_tend_at(consumer->client, consumer->client->now_ms);
		return;
	}
	if (answer->trouble != RV__REDIS_FINE) {
		pause_claims(slot, answer);
		return;
	}
	taken = rv__redis_take_entries(slot, &cursor, claim->ids, claim->deliveries, claim->count);
	atomic_fetch_add_explicit(&consumer->claimed, taken, memory_order_relaxed);
	if (taken < claim->count)
		look_for_missing(slot, claim->count - taken);
	if (taken > 0) {
		note_suspect(slot);
		consumer->client->env->log(RV_LOG_DEBUG, RV__REDIS_TOPIC,
		    "channel=%s stream=%s: %zu pending entries claimed", consumer->binding, slot->key, taken);
	}
	if (claim->last)
		scan_is_over(slot);
	else
		rv__redis_client_tend_at(consumer->client, consumer->client->now_ms);
}

/* -- time ------------------------------------------------------------------------------------------------ */

void rv__redis_claim_own(struct rv__redis_slot *slot)
{
	slot->claim.own = true;
	slot->claim.begun = false;
	slot->claim.due_ms = slot->consumer->client->now_ms;
	rv__redis_client_tend_at(slot->consumer->client, slot->claim.due_ms);
}

int64_t rv__redis_claim_tend(struct rv__redis_slot *slot, int64_t now_ms)
{
	enum { SUSPECT_LOOK_MS = 20 };
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_claim *claim = &slot->claim;
	struct rv__redis_link *link;

	if (!consumer->group || claim->asked || slot->state < RV__REDIS_SLOT_DRAIN || consumer->close_call)
		return INT64_MAX;
	if (!rv__redis_lease_holds(slot) || (slot->lease && rv__redis_slot_is_asked(slot) && claim->own))
		return INT64_MAX;
	if (!consumer->started || slot->refused || slot->backlog.count > 0 ||
	    atomic_load(&consumer->paused) || atomic_load(&consumer->stopped))
		return INT64_MAX; /* whoever ends that looks again */
	if (now_ms < claim->due_ms)
		return claim->due_ms;
	if (suspect_is_out(slot))
		return now_ms + SUSPECT_LOOK_MS;
	link = rv__redis_route_link(consumer->client, &slot->route);
	if (link)
		ask_page(slot, link);
	return INT64_MAX;
}
