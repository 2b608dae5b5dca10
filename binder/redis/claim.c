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
 * max-deliveries counts what a listener was given, though the server counts what a consumer was sent. So:
 *
 * - What another one left behind may be what ended it. Such entries are claimed one at a time, each when the one before
 *   was settled and acknowledged, so that the innocent behind it are not counted up with it.
 * - The first read counts for all of a batch. When an entry that was claimed alone is left behind again, it is what ends
 *   its consumers, and those behind it that were read once were never begun: they are counted down (`forgive`).
 * - What was under way to us when a connection broke was never handed out: it is claimed without being counted.
 */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/consumer.h"

enum { ALONE_MS = 3000, AGAIN_MS = 20 };

/* How an entry is claimed. */
enum manner {
	TOGETHER,   /* with others; counted */
	UNSEEN,     /* likewise, without being counted: nobody was given it */
	ALONE,      /* by itself; the next one when it is settled, or takes its time */
	ALONE_LONG, /* by itself; the next one when it is settled */
};

static void on_page(struct rv__redis_request *request, const struct rv__redis_answer *answer);
static void on_claimed(struct rv__redis_request *request, const struct rv__redis_answer *answer);

static struct rv__redis_slot *slot_of(struct rv__redis_request *request)
{
	return RV__OWNER(request, struct rv__redis_slot, claim.request);
}

/* The next page is the first of a scan. */
static void forget_scan(struct rv__redis_claim *claim)
{
	claim->begun = claim->forgiven = claim->hurried = false;
	claim->patient_ms = 0;
}

static void scan_is_over(struct rv__redis_slot *slot)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_claim *claim = &slot->claim;

	forget_scan(claim);
	if (claim->own) {
		claim->own = false;
		slot->lived = true;
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
	rv__resp_number(out, RV__REDIS_CLAIM_PAGE);
	if (claim->own && !all)
		rv__resp_text(out, consumer->name);
	claim->request = (struct rv__redis_request){.done = on_page};
	claim->asked = true;
	rv__redis_link_ask(link, &claim->request);
}

static enum manner manner_of(const struct rv__redis_slot *slot, bool ours, int64_t deliveries)
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	const struct rv__redis_claim *claim = &slot->claim;
	int64_t most = consumer->max_deliveries;

	/* After the first look what is pending in our name, and not held, came over a connection that broke. */
	if (ours && claim->own && slot->lived && !slot->lease && !consumer->settings->redeliver &&
	    deliveries == 1)
		return UNSEEN;
	if (most > 0 && deliveries >= (most > 3 ? most / 2 : 1))
		return ALONE_LONG;
	/* What is pending in our name otherwise was requeued here: its listener came back from it. */
	return most == 0 || claim->hurried || (ours && !claim->own) ? TOGETHER : ALONE;
}

struct row {
	struct rv__redis_id id;
	bool ours, held;
	int64_t deliveries;
};

static int compare_to_row(const void *id, const void *row)
{
	return rv__redis_id_compare(*(const struct rv__redis_id *)id, ((const struct row *)row)->id);
}

/* [id, consumer, idle, deliveries]; false: not to be read. */
static bool get_row(const struct rv__redis_slot *slot, struct rv__resp_cursor *cursor, struct row *row)
{
	struct rv_span owner;
	bool is_id;

	if (rv__resp_get_array(cursor) < 4)
		return false;
	is_id = rv__redis_id_parse(rv__resp_get_text(cursor), &row->id);
	owner = rv__resp_get_text(cursor);
	row->ours = owner.length == strlen(slot->consumer->name) &&
	    memcmp(owner.bytes, slot->consumer->name, owner.length) == 0;
	(void)rv__resp_get_integer(cursor);
	row->deliveries = rv__resp_get_integer(cursor);
	return is_id && !cursor->failed;
}

/* The rows of a page in the order of their ids, with what is held here already; how many there are to look at. */
static size_t get_rows(
    struct rv__redis_slot *slot, struct rv__resp_cursor *cursor, struct row *rows, int64_t count)
{
	size_t n = 0;

	while ((int64_t)n < count && n < RV__REDIS_CLAIM_PAGE && get_row(slot, cursor, &rows[n]))
		rows[n++].held = false;
	/* What is held may be thousands of entries, in no order: they are gone through once a page. */
	pthread_mutex_lock(&slot->lock);
	for (uint32_t i = 0; i < slot->held_room && n > 0; i++) {
		struct row *row;

		if (slot->held[i].state == RV__REDIS_FREE)
			continue;
		row = bsearch(&slot->held[i].id, rows, n, sizeof *rows, compare_to_row);
		if (row)
			row->held = true;
	}
	pthread_mutex_unlock(&slot->lock);
	return n;
}

/* Whether it has to wait for what becomes of one before it that is with a consumer now; but not for ever. */
static bool is_postponed(struct rv__redis_slot *slot, const struct row *row)
{
	const struct rv__redis_claim *claim = &slot->claim;
	const struct rv__redis_consumer *consumer = slot->consumer;
	int64_t wait_ms = consumer->settings->claim_idle_ms + consumer->settings->claim_interval_ms;

	return !claim->own && claim->open_ms > 0 && row->deliveries <= 1 &&
	    rv__redis_id_compare(row->id, claim->open) > 0 &&
	    consumer->client->now_ms - claim->open_ms < wait_ms &&
	    manner_of(slot, row->ours, row->deliveries) >= ALONE;
}

/* Whether the row joins those to be claimed now; false: the page is read again from here, later. */
static bool joins(struct rv__redis_slot *slot, const struct row *row)
{
	struct rv__redis_claim *claim = &slot->claim;
	enum manner manner = manner_of(slot, row->ours, row->deliveries);

	if (claim->count > 0 && (manner >= ALONE || manner != (enum manner)claim->manner))
		return false;
	if (manner >= ALONE && claim->alone_cookie)
		return false;
	claim->manner = manner;
	claim->ids[claim->count] = row->id;
	/* The lost read does not count. */
	claim->deliveries[claim->count++] = manner == UNSEEN ? 0
	    : row->deliveries > INT32_MAX                    ? INT32_MAX
	                                                     : (int32_t)row->deliveries;
	return true;
}

/* [row …]: which of them are to be claimed now. */
static size_t choose(struct rv__redis_slot *slot, struct rv__resp_cursor *cursor)
{
	struct rv__redis_claim *claim = &slot->claim;
	struct row rows[RV__REDIS_CLAIM_PAGE];
	int64_t length = rv__resp_get_array(cursor);
	size_t n = get_rows(slot, cursor, rows, length);

	claim->count = 0;
	claim->last = length < RV__REDIS_CLAIM_PAGE;
	for (size_t i = 0; i < n; i++) {
		if (!rows[i].held && !is_postponed(slot, &rows[i]) && !joins(slot, &rows[i])) {
			claim->last = false;
			break;
		}
		claim->at = rows[i].id;
		claim->begun = true;
		if (claim->count > 0 && claim->manner >= ALONE) {
			claim->last = claim->last && i + 1 == n;
			break;
		}
	}
	return claim->count;
}

static void ask_claim(struct rv__redis_slot *slot, struct rv__redis_link *link)
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_claim *claim = &slot->claim;
	struct rv__buffer *out = rv__redis_link_out(link);
	bool unseen = claim->manner == UNSEEN;

	rv__resp_array(out, 5 + claim->count + (unseen ? 2 : 0));
	rv__resp_text(out, "XCLAIM");
	rv__resp_text(out, slot->key);
	rv__resp_text(out, consumer->group);
	rv__resp_text(out, consumer->name);
	rv__resp_number(out, claim->own ? 0 : consumer->settings->claim_idle_ms);
	for (size_t i = 0; i < claim->count; i++)
		rv__resp_id(out, claim->ids[i]);
	if (unseen) {
		rv__resp_text(out, "RETRYCOUNT");
		rv__resp_text(out, "1");
	}
	claim->request = (struct rv__redis_request){.done = on_claimed};
	claim->asked = true;
	rv__redis_link_ask(link, &claim->request);
}

/* -- who is innocent ------------------------------------------------------------------------------------- */

/*
 * ARGV: group, idle time of what may be claimed, whose may be claimed at any time. Looks along the pending ones, in the order of their ids: behind one that
 * was claimed at least once, those that were read once and then left behind are set to no delivery at all. While that
 * one is not idle itself, they have to wait for what becomes of it: its id is the answer.
 */
static const char forgive[] =
    "local at = '-' local idle = tonumber(ARGV[2]) local first = false local open = '' "
    "for page = 1, 256 do "
    "local list = redis.call('XPENDING', KEYS[1], ARGV[1], at, '+', 256) "
    "for _, row in ipairs(list) do "
    "local left = row[3] >= idle or row[2] == ARGV[3] "
    "if row[4] >= 2 then "
    "if left then first = true elseif open == '' then open = row[1] end "
    "elseif row[4] == 1 and first and left then "
    "redis.call('XCLAIM', KEYS[1], ARGV[1], row[2], 0, row[1], 'IDLE', row[3], 'RETRYCOUNT', 0, 'JUSTID') "
    "end end "
    "if #list < 256 then break end "
    "at = '(' .. list[#list][1] end "
    "return open";

static void on_forgiven(struct rv__redis_request *request, const struct rv__redis_answer *answer);

/* Only where every delivery ends with its settlement, or with its consumer. */
static bool forgives(const struct rv__redis_slot *slot)
{
	const struct rv__redis_consumer *consumer = slot->consumer;

	if (slot->lease)
		return consumer->max_deliveries > 1;
	return consumer->max_deliveries > 1 && !consumer->settings->redeliver &&
	    !(slot->claim.own && slot->lived);
}

static void ask_forgive(struct rv__redis_slot *slot, struct rv__redis_link *link)
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_claim *claim = &slot->claim;
	bool all = claim->own && slot->lease;
	char idle[RV__RESP_NUMBER_ROOM];

	idle[rv__resp_digits(idle, all ? 0 : (uint64_t)consumer->settings->claim_idle_ms)] = '\0';
	rv__resp_words(rv__redis_link_out(link), "EVAL", forgive, "1", slot->key, consumer->group, idle,
	    claim->own ? consumer->name : "", NULL);
	claim->forgiven = true;
	claim->request = (struct rv__redis_request){.done = on_forgiven};
	claim->asked = true;
	rv__redis_link_ask(link, &claim->request);
}

static void pause_claims(struct rv__redis_slot *slot, const struct rv__redis_answer *answer)
{
	enum { PAUSE_MS = 200 };
	struct rv__redis_claim *claim = &slot->claim;

	claim->begun = claim->forgiven = false;
	claim->due_ms = slot->consumer->client->now_ms + PAUSE_MS;
	if (answer->trouble == RV__REDIS_NO_GROUP)
		rv__redis_slot_lost_group(slot);
	else if (answer->trouble != RV__REDIS_LOST && answer->trouble != RV__REDIS_FINE)
		rv__redis_slot_refused(slot, answer); /* fine: the stream went elsewhere meanwhile */
	rv__redis_client_tend_at(slot->consumer->client, claim->due_ms);
}

/* Whether the answer is one to go on with. */
static bool goes_on(struct rv__redis_slot *slot, const struct rv__redis_answer *answer)
{
	slot->claim.asked = false;
	if (slot->claim.overtaken) {
		/* It was asked for another scan. What it claimed is pending in our name, and the new one finds it. */
		slot->claim.overtaken = false;
		rv__redis_client_tend_at(slot->consumer->client, slot->consumer->client->now_ms);
		return false;
	}
	if (rv__redis_lease_holds(slot)) {
		if (answer->trouble == RV__REDIS_FINE)
			return true;
		pause_claims(slot, answer);
	} else {
		rv__redis_client_tend_at(slot->consumer->client, slot->consumer->client->now_ms);
	}
	return false;
}

static void on_forgiven(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	struct rv__redis_claim *claim = &slot->claim;
	struct rv__resp_cursor cursor = answer->cursor;

	if (answer->trouble == RV__REDIS_DENIED || answer->trouble == RV__REDIS_REFUSED) {
		/* Scripts are not allowed: then they count as they are. */
		claim->asked = claim->overtaken = false;
	} else if (!goes_on(slot, answer)) {
		return;
	} else if (!rv__redis_id_parse(rv__resp_get_text(&cursor), &claim->open)) {
		claim->open_ms = 0;
	} else if (claim->open_ms == 0) {
		claim->open_ms = slot->consumer->client->now_ms;
	}
	rv__redis_client_tend_at(slot->consumer->client, slot->consumer->client->now_ms);
}

static void on_page(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	struct rv__redis_claim *claim = &slot->claim;
	struct rv__redis_link *link = rv__redis_route_link(slot->consumer->client, &slot->route);
	struct rv__resp_cursor cursor = answer->cursor;
	bool begun = claim->begun;
	struct rv__redis_id at = claim->at;

	if (!goes_on(slot, answer))
		return;
	if (!link) {
		pause_claims(slot, answer);
		return;
	}
	if (choose(slot, &cursor) > 0 && !slot->consumer->close_call) {
		if (claim->manner < ALONE || claim->forgiven || !forgives(slot)) {
			ask_claim(slot, link);
			return;
		}
		claim->begun = begun; /* the page is read again */
		claim->at = at;
		ask_forgive(slot, link);
	} else if (claim->last || slot->consumer->close_call) {
		scan_is_over(slot);
	} else {
		/* A page of what is held is followed by the next at once, one that waits for somebody by itself. */
		bool moved = claim->begun && (!begun || rv__redis_id_compare(claim->at, at) != 0);

		rv__redis_client_tend_at(
		    slot->consumer->client, slot->consumer->client->now_ms + (moved ? 0 : AGAIN_MS));
	}
}

/* -- the claim ----------------------------------------------------------------------------------------- */

static void note_alone(struct rv__redis_slot *slot)
{
	struct rv__redis_claim *claim = &slot->claim;

	if (claim->manner < ALONE)
		return;
	claim->alone_ms = slot->consumer->client->now_ms;
	if (claim->patient_ms == 0 && claim->manner == ALONE)
		claim->patient_ms = claim->alone_ms;
	/* It was delivered already: a worker may be settling it. */
	pthread_mutex_lock(&slot->lock);
	for (uint32_t i = 0; i < slot->held_room; i++)
		if (slot->held[i].state != RV__REDIS_FREE &&
		    rv__redis_id_compare(slot->held[i].id, claim->ids[0]) == 0)
			claim->alone_cookie = (uint64_t)slot->held[i].generation << 32 | i;
	pthread_mutex_unlock(&slot->lock);
}

/*
 * Whether what was claimed alone is not acknowledged yet. One that takes its time, and many that take theirs together,
 * end the patience of this scan: nothing new is read meanwhile.
 */
static bool alone_is_out(struct rv__redis_slot *slot)
{
	struct rv__redis_claim *claim = &slot->claim;
	uint32_t index = (uint32_t)claim->alone_cookie;
	int64_t since_ms;
	bool out = false;

	if (!claim->alone_cookie)
		return false;
	pthread_mutex_lock(&slot->lock);
	out = slot->held[index].state != RV__REDIS_FREE &&
	    slot->held[index].generation == (uint32_t)(claim->alone_cookie >> 32);
	pthread_mutex_unlock(&slot->lock);
	since_ms = claim->patient_ms > 0 ? claim->patient_ms : claim->alone_ms;
	if (claim->manner == ALONE && slot->consumer->client->now_ms - since_ms >= ALONE_MS) {
		claim->hurried = true;
		out = false;
	}
	if (!out)
		claim->alone_cookie = 0;
	return out;
}

static void page_is_done(struct rv__redis_slot *slot)
{
	if (slot->claim.last)
		scan_is_over(slot);
	else
		rv__redis_client_tend_at(slot->consumer->client, slot->consumer->client->now_ms);
}

static size_t next_missing(struct rv__redis_slot *slot, size_t i)
{
	while (i < slot->claim.count && rv__redis_held_has(slot, slot->claim.ids[i]))
		i++;
	return i;
}

/*
 * What could not be claimed is there, and another consumer was faster, or gone from the stream, as all is that lies
 * before `found`, the first entry from there on. Redis 7.0 took these from the pending ones when they were claimed.
 */
static void settle_missing(struct rv__redis_slot *slot, const struct rv__redis_id *found)
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	const struct rv__redis_claim *claim = &slot->claim;
	size_t gone = 0;

	if (!rv__redis_held_reserve(slot, claim->count))
		return; /* the next scan finds them again */
	for (size_t i = next_missing(slot, 0); i < claim->count; i = next_missing(slot, i + 1), gone++) {
		if (found && rv__redis_id_compare(claim->ids[i], *found) >= 0)
			break;
		rv__redis_settle_gone(slot, claim->ids[i]);
	}
	if (gone == 0)
		return;
	consumer->client->env->log(RV_LOG_WARN, RV__REDIS_TOPIC,
	    "channel=%s RV%04d up to %zu messages of '%s' were trimmed before group '%s' had settled them; "
	    "let the stream "
	    "keep more, or trim with trimming=safe",
	    consumer->binding, RV__N_REDIS_TRIMMED, gone, slot->key, consumer->group);
}

/* [] or [[id, fields]] */
static void on_look(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	struct rv__redis_claim *claim = &slot->claim;
	struct rv__resp_cursor cursor = answer->cursor;
	struct rv__redis_id found;

	if (answer->trouble == RV__REDIS_DENIED || answer->trouble == RV__REDIS_REFUSED)
		claim->asked = claim->overtaken = false; /* we may not look: then nothing is said */
	else if (!goes_on(slot, answer))
		return;
	else if (rv__resp_get_array(&cursor) == 0)
		settle_missing(slot, NULL);
	else if (rv__resp_get_array(&cursor) == 2 && rv__redis_id_parse(rv__resp_get_text(&cursor), &found))
		settle_missing(slot, &found);
	page_is_done(slot);
}

static void ask_look(struct rv__redis_slot *slot, struct rv__redis_link *link, struct rv__redis_id from)
{
	struct rv__buffer *out = rv__redis_link_out(link);

	rv__resp_array(out, 6);
	rv__resp_text(out, "XRANGE");
	rv__resp_text(out, slot->key);
	rv__resp_id(out, from);
	rv__resp_text(out, "+");
	rv__resp_text(out, "COUNT");
	rv__resp_text(out, "1");
	slot->claim.request = (struct rv__redis_request){.done = on_look};
	slot->claim.asked = true;
	rv__redis_link_ask(link, &slot->claim.request);
}

static void on_claimed(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_claim *claim = &slot->claim;
	struct rv__resp_cursor cursor = answer->cursor;
	struct rv__redis_link *link = rv__redis_route_link(consumer->client, &slot->route);
	size_t taken, missing;

	if (!goes_on(slot, answer))
		return;
	taken = rv__redis_take_entries(slot, &cursor, claim->ids, claim->deliveries, claim->count);
	atomic_fetch_add_explicit(&consumer->claimed, taken, memory_order_relaxed);
	if (taken > 0) {
		note_alone(slot);
		consumer->client->env->log(RV_LOG_DEBUG, RV__REDIS_TOPIC,
		    "channel=%s stream=%s: %zu pending entries claimed", consumer->binding, slot->key, taken);
	}
	missing = taken < claim->count ? next_missing(slot, 0) : claim->count;
	if (link && missing < claim->count)
		ask_look(slot, link, claim->ids[missing]);
	else
		page_is_done(slot);
}

/* -- time ------------------------------------------------------------------------------------------------ */

void rv__redis_claim_own(struct rv__redis_slot *slot)
{
	slot->claim.own = true;
	slot->claim.overtaken = slot->claim.asked;
	forget_scan(&slot->claim);
	slot->claim.due_ms = slot->consumer->client->now_ms;
	rv__redis_client_tend_at(slot->consumer->client, slot->claim.due_ms);
}

int64_t rv__redis_claim_tend(struct rv__redis_slot *slot, int64_t now_ms)
{
	enum { QUICK_MS = 50, QUICK_LOOK_MS = 1, ALONE_LOOK_MS = 20 };
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
	if (alone_is_out(slot))
		return now_ms + (now_ms - claim->alone_ms < QUICK_MS ? QUICK_LOOK_MS : ALONE_LOOK_MS);
	link = rv__redis_route_link(consumer->client, &slot->route);
	if (link)
		ask_page(slot, link);
	return INT64_MAX;
}
