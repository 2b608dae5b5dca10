/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orderly=true: each stream has one owner in the group, by a lease, so that its messages come in order. The lease is the
 * key "{<stream>}:owner:<group>" with the owner's name and a time to live; every script compares the name first.
 *
 *     not ours --take--> ours: what is pending of anybody, in the order of its ids, then what is new
 *         ^                |   renewed at a third of its time
 *         +---- lost ------+   not renewed in time, or somebody else's: settlements are stale from then on
 *         +---- given -----+   there are more members now: drained first
 *
 * Time is counted from before the command that took or renewed it left, so that we think it over before Redis does. No read
 * may wait at the server until then: what it brought there would be nobody's.
 *
 * A process that stood still (stopped, swapped, its machine suspended) wakes up in the middle of anything, and its lease
 * may be over. So the clock is looked at again before each call of a listener and by each settlement, and what is
 * acknowledged goes through a script that compares the lease's value, which is another one at each taking. What
 * remains is the call that was under way, or one that had passed the look and not begun. A read that had been decided upon
 * and not written takes entries that nobody is given by it; the owner finds them by gap.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/consumer.h"
#include "binder/redis/producer.h"

enum { TROUBLE_MS = 200, DENIED_MS = 1000, LOOK_MIN_MS = 50, LOOK_MAX_MS = 1000 };

struct rv__redis_lease {
	struct rv__redis_request request; /* first: it is the way back to the lease */
	struct rv__redis_slot *slot;
	char *key; /* owned */
	/* Its own: while their slot is being moved to another node of a Cluster, one of them is there before the other. */
	struct rv__redis_route route;
	char *value; /* owned: "<name> <number of this taking>" */
	bool owned;
	bool giving; /* … until it is drained */
	bool asked;  /* `request` is under way */
	uint32_t epoch;
	_Atomic uint32_t released; /* the epoch that the core has drained */
	int64_t asked_ms;
	_Atomic int64_t valid_ms; /* ours up to then; written by the I/O thread */
	_Atomic bool lapsed;      /* somebody found it over: a renewal that comes now comes too late */
	int64_t next_ms;          /* to be taken, or renewed */
	int64_t give_ms;          /* drained or not */
};

/*
 * ARGV: the value, its time in ms, the owner's name. An owner that asks twice had not heard of the first answer; one that
 * comes again under its fixed name need not wait for its own lease.
 */
static const char take[] = "local owner = redis.call('GET', KEYS[1]) "
                           "if owner and owner ~= ARGV[3] and "
                           "string.sub(owner, 1, #ARGV[3] + 1) ~= ARGV[3] .. ' ' then return 0 end "
                           "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1";

static const char renew[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
                            "return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

static const char release[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
                              "return redis.call('DEL', KEYS[1])";

/* What is told to be over stays so: whoever heard it dropped a delivery, which comes again only to a new taking. */
bool rv__redis_lease_is_valid(const struct rv__redis_slot *slot)
{
	struct rv__redis_lease *lease = slot->lease;
	int64_t valid_ms;

	if (!lease)
		return true;
	if (atomic_load_explicit(&lease->lapsed, memory_order_relaxed))
		return false;
	valid_ms = atomic_load_explicit(&lease->valid_ms, memory_order_relaxed);
	if (slot->consumer->client->env->monotonic_ns() / 1000000 < valid_ms)
		return true;
	if (valid_ms != 0)
		atomic_store(&lease->lapsed, true);
	return false;
}

void rv__redis_lease_fence(
    const struct rv__redis_slot *slot, struct rv__buffer *out, const char *script, size_t args)
{
	rv__resp_array(out, 5 + 1 + args);
	rv__resp_text(out, "EVAL");
	rv__resp_text(out, script);
	rv__resp_text(out, "2");
	rv__resp_text(out, slot->lease->key);
	rv__resp_text(out, slot->key);
	rv__resp_text(out, slot->lease->value);
}

static int64_t look_ms(const struct rv__redis_consumer *consumer)
{
	int64_t ms = consumer->settings->lease_ms / 10;

	return ms < LOOK_MIN_MS ? LOOK_MIN_MS : ms > LOOK_MAX_MS ? LOOK_MAX_MS : ms;
}

int64_t rv__redis_lease_left_ms(const struct rv__redis_slot *slot)
{
	const struct rv__redis_lease *lease = slot->lease;

	if (!lease)
		return INT64_MAX;
	return slot->announced ? lease->valid_ms - slot->consumer->client->env->monotonic_ns() / 1000000 -
	        slot->consumer->settings->lease_ms / 6
	                       : 0;
}

bool rv__redis_lease_holds(const struct rv__redis_slot *slot)
{
	return !slot->lease || (slot->announced && rv__redis_lease_is_valid(slot));
}

/* -- ours, and no longer ----------------------------------------------------------------------------- */

static void gain(struct rv__redis_slot *slot)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_lease *lease = slot->lease;
	struct rv_assignment assignment = {.slot = slot->id, .epoch = ++lease->epoch, .name = slot->key};

	atomic_store(&lease->lapsed, false);
	lease->owned = true;
	lease->giving = false;
	atomic_store(&lease->released, 0);
	pthread_mutex_lock(&slot->lock);
	slot->epoch = assignment.epoch;
	slot->credited = false; /* room that was told of the last time */
	pthread_mutex_unlock(&slot->lock);
	slot->refused = false;
	slot->room = -1;
	slot->announced = true;
	consumer->sink_ops->assigned(consumer->sink, &assignment, 1);
	if (slot->state == RV__REDIS_SLOT_READY)
		slot->state = RV__REDIS_SLOT_DRAIN;
	rv__redis_claim_own(slot);
}

/* No settlement counts from here on; those that came before are still told. */
static void end_epoch(struct rv__redis_slot *slot)
{
	rv__redis_backlog_drop(slot);
	pthread_mutex_lock(&slot->lock);
	slot->epoch = 0;
	slot->extended.count = 0;
	for (uint32_t i = 0; i < slot->held_room; i++)
		if (slot->held[i].state == RV__REDIS_OUT)
			rv__redis_held_free(slot, i);
	pthread_mutex_unlock(&slot->lock);
}

static void lose(struct rv__redis_slot *slot)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_lease *lease = slot->lease;

	lease->owned = lease->giving = false;
	atomic_store(&lease->valid_ms, 0);
	lease->next_ms = consumer->client->now_ms + look_ms(consumer);
	slot->announced = false;
	end_epoch(slot);
	consumer->client->env->log(RV_LOG_WARN, RV__REDIS_TOPIC,
	    "channel=%s RV%04d the lease of stream '%s' is lost; what was under way there comes again, to "
	    "its "
	    "new owner: raise consumer.lease if the way to Redis is slow",
	    consumer->binding, RV__N_REDIS_LEASE, slot->key);
	consumer->sink_ops->revoked(consumer->sink, &slot->id, 1, true, 0);
	rv__redis_unblock(consumer);
}

static void give_way(struct rv__redis_slot *slot, int64_t now_ms)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_lease *lease = slot->lease;

	lease->giving = true;
	lease->give_ms = now_ms + consumer->settings->lease_ms;
	slot->announced = false;
	rv__redis_backlog_drop(slot);
	rv__redis_unblock(consumer);
	consumer->sink_ops->revoked(consumer->sink, &slot->id, 1, false, consumer->settings->lease_ms);
}

static bool is_anything_out(struct rv__redis_slot *slot)
{
	bool out = false;

	pthread_mutex_lock(&slot->lock);
	for (uint32_t i = 0; i < slot->held_room && !out; i++)
		out = slot->held[i].state == RV__REDIS_OUT;
	pthread_mutex_unlock(&slot->lock);
	return out;
}

/* Whether Redis knows all that the core said, and no command of ours can bring or claim an entry any more. */
static bool is_quiet(struct rv__redis_slot *slot)
{
	size_t settled;

	pthread_mutex_lock(&slot->lock);
	settled = slot->settled.count;
	pthread_mutex_unlock(&slot->lock);
	if (settled > 0)
		rv__redis_tell(slot, true);
	return settled == 0 && !slot->tellings && !slot->claim.asked && !slot->unsure &&
	    !rv__redis_slot_is_asked(slot);
}

void rv__redis_lease_release(struct rv__redis_slot *slot)
{
	struct rv__redis_lease *lease = slot->lease;
	struct rv__redis_link *link;

	if (!lease || !lease->owned)
		return;
	lease->owned = lease->giving = slot->announced = false;
	lease->next_ms = slot->consumer->client->now_ms + slot->consumer->settings->lease_ms / 3;
	link = rv__redis_route_link(slot->consumer->client, &lease->route);
	if (link && rv__redis_ask_and_forget(link, 1))
		rv__resp_words(
		    rv__redis_link_out(link), "EVAL", release, "1", lease->key, lease->value, NULL);
}

static void go_on_giving(struct rv__redis_slot *slot, int64_t now_ms)
{
	struct rv__redis_lease *lease = slot->lease;

	if (slot->epoch != 0) {
		if (atomic_load(&lease->released) != lease->epoch && now_ms < lease->give_ms &&
		    is_anything_out(slot))
			return;
		end_epoch(slot);
	}
	if (is_quiet(slot))
		rv__redis_lease_release(slot);
}

/* -- asking ------------------------------------------------------------------------------------------ */

static void ask(struct rv__redis_slot *slot, struct rv__redis_link *link, const char *script,
    void (*done)(struct rv__redis_request *, const struct rv__redis_answer *))
{
	struct rv__redis_lease *lease = slot->lease;
	char time[RV__RESP_NUMBER_ROOM];

	time[rv__resp_digits(time, (uint64_t)slot->consumer->settings->lease_ms)] = '\0';
	rv__resp_words(rv__redis_link_out(link), "EVAL", script, "1", lease->key, lease->value, time,
	    slot->consumer->name, NULL);
	lease->request = (struct rv__redis_request){.done = done};
	lease->asked = true;
	lease->asked_ms = slot->consumer->client->now_ms;
	lease->next_ms = lease->asked_ms + look_ms(slot->consumer); /* unless the answer says otherwise */
	rv__redis_link_ask(link, &lease->request);
}

/* 1: granted; 0: not; -1: no word on it, and it is asked for again soon. */
static int heard(struct rv__redis_lease *lease, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = lease->slot;
	struct rv__redis_client *client = slot->consumer->client;
	struct rv__resp_cursor cursor = answer->cursor;
	int said = -1;

	lease->asked = false;
	if (answer->trouble == RV__REDIS_FINE) {
		said = rv__resp_get_integer(&cursor) == 1;
		lease->next_ms = client->now_ms + look_ms(slot->consumer);
	} else {
		lease->next_ms =
		    client->now_ms + (answer->trouble == RV__REDIS_DENIED ? DENIED_MS : TROUBLE_MS);
		if (answer->trouble == RV__REDIS_ASK)
			rv__redis_route_refused(client, &lease->route, answer);
		else if (answer->trouble != RV__REDIS_LOST)
			rv__redis_slot_refused(slot, answer);
	}
	if (said == 1) {
		lease->valid_ms = lease->asked_ms + slot->consumer->settings->lease_ms;
		lease->next_ms = lease->asked_ms + slot->consumer->settings->lease_ms / 3;
	}
	/* Not from here: giving up the link may be what answers. */
	rv__redis_client_tend_at(client, client->now_ms);
	return said;
}

static void on_taken(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_lease *lease = (struct rv__redis_lease *)request;
	struct rv__redis_consumer *consumer = lease->slot->consumer;

	if (heard(lease, answer) != 1)
		return;
	if (!consumer->close_call && !atomic_load(&consumer->stopped)) {
		gain(lease->slot);
		return;
	}
	lease->owned = true;
	rv__redis_lease_release(lease->slot);
}

static void on_renewed(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_lease *lease = (struct rv__redis_lease *)request;

	if (heard(lease, answer) == 0 && lease->owned && !lease->slot->consumer->close_call)
		lose(lease->slot);
}

/* -- sharing out --------------------------------------------------------------------------------------- */

/* Streams that are ours, or may be in a moment. */
static unsigned count_ours(const struct rv__redis_consumer *consumer)
{
	unsigned count = 0;

	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++) {
		const struct rv__redis_lease *lease = consumer->slots[i]->lease;

		count += lease && (lease->owned ? !lease->giving : lease->asked);
	}
	return count;
}

static bool may_take(struct rv__redis_slot *slot)
{
	const struct rv__redis_consumer *consumer = slot->consumer;

	return consumer->started && !consumer->close_call && !atomic_load(&consumer->stopped) &&
	    slot->state >= RV__REDIS_SLOT_DRAIN && !slot->claim.asked && !slot->unsure &&
	    !rv__redis_slot_is_asked(slot) && count_ours(consumer) < rv__redis_members_share(consumer);
}

/* A value that no taking before had, of this process or another one of the same name. False: no memory. */
static bool name_taking(struct rv__redis_lease *lease)
{
	const struct rv__redis_consumer *consumer = lease->slot->consumer;
	unsigned long long number = consumer->client->env->random();
	char *value;

	if (asprintf(&value, "%s %016llx", consumer->name, number) < 0)
		return false;
	free(lease->value);
	lease->value = value;
	return true;
}

/* To keep what is ours, or to have what may become so; if there is a way to ask, and anything to ask for yet. */
static void ask_now(struct rv__redis_slot *slot)
{
	struct rv__redis_lease *lease = slot->lease;
	struct rv__redis_link *link = rv__redis_route_link(slot->consumer->client, &lease->route);

	if (link && lease->owned)
		ask(slot, link, renew, on_renewed);
	else if (link && may_take(slot) && name_taking(lease))
		ask(slot, link, take, on_taken);
}

int64_t rv__redis_lease_tend(struct rv__redis_slot *slot, int64_t now_ms)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_lease *lease = slot->lease;
	int64_t next_ms;

	if (!lease)
		return INT64_MAX;
	if (lease->owned && (now_ms >= lease->valid_ms || atomic_load(&lease->lapsed)))
		lose(slot);
	if (lease->owned && !lease->giving && !atomic_load(&consumer->stopped) &&
	    count_ours(consumer) > rv__redis_members_share(consumer))
		give_way(slot, now_ms);
	if (lease->owned && lease->giving)
		go_on_giving(slot, now_ms);
	if (!lease->asked && now_ms >= lease->next_ms)
		ask_now(slot);
	/* What keeps it from asking ends with another look at everything. */
	next_ms = lease->next_ms > now_ms ? lease->next_ms : now_ms + look_ms(consumer);
	if (lease->owned && lease->valid_ms < next_ms)
		return lease->valid_ms;
	return lease->giving && lease->give_ms < next_ms && now_ms < lease->give_ms ? lease->give_ms
	                                                                            : next_ms;
}

/* -- lifecycle ------------------------------------------------------------------------------------------- */

bool rv__redis_lease_create(struct rv__redis_slot *slot)
{
	struct rv__redis_lease *lease = calloc(1, sizeof *lease);
	char *suffix = rv__redis_suffix("owner", slot->consumer->group);

	if (lease && suffix)
		lease->key = rv__redis_helper_key(slot->key, suffix);
	free(suffix);
	if (!lease || !lease->key) {
		free(lease);
		return false;
	}
	lease->slot = slot;
	lease->route = (struct rv__redis_route){.key = lease->key, .length = strlen(lease->key)};
	slot->lease = lease;
	return true;
}

void rv__redis_lease_cancel(struct rv__redis_slot *slot)
{
	if (!slot->lease)
		return;
	rv__redis_request_cancel(&slot->lease->request);
	rv__redis_route_clear(&slot->lease->route);
}

void rv__redis_lease_destroy(struct rv__redis_slot *slot)
{
	if (slot->lease) {
		free(slot->lease->key);
		free(slot->lease->value);
	}
	free(slot->lease);
	slot->lease = NULL;
}

void rv__redis_lease_released(struct rv__redis_slot *slot, uint32_t epoch)
{
	atomic_store(&slot->lease->released, epoch);
}
