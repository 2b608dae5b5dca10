/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orderly=true: what a read brings is delivered when nothing between it and the newest entry before is pending. There is
 * something when entries went to a reader that nobody hears any more: a read that an owner before had at the server when it
 * stood still, the server or the process, or one of our own whose connection ended on our side alone. Only such a read takes
 * new entries, and what it took stays pending, since none but the owner acknowledges. So one look behind each read finds all
 * that was passed over:
 *
 *     newest so far     taken by somebody      first … last of this read
 *     -----------|----- pending: s, t -----|-----------------------------
 *
 * If there is something, or no answer, what the read brought goes back, and all that is pending is claimed in the order of its
 * ids, as by a new owner. In a group that others read without a lease there always is, and no order to be kept.
 */
#include "binder/redis/consumer.h"

static struct rv__redis_slot *slot_of(struct rv__redis_request *request)
{
	return RV__OWNER(request, struct rv__redis_slot, gap);
}

static void claim_all(struct rv__redis_slot *slot)
{
	const struct rv__redis_consumer *consumer = slot->consumer;

	consumer->client->env->log(RV_LOG_DEBUG, RV__REDIS_TOPIC,
	    "channel=%s stream=%s: entries may have been passed over; what is pending is claimed in order",
	    consumer->binding, slot->key);
	rv__redis_backlog_give_back(slot);
	if (slot->state == RV__REDIS_SLOT_READY)
		slot->state = RV__REDIS_SLOT_DRAIN;
	rv__redis_claim_own(slot); /* also where the slot is made anew, which ends with the same */
}

static void on_looked(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__resp_cursor cursor = answer->cursor;

	slot->unsure = false;
	if (consumer->close_call)
		return;
	rv__redis_client_tend_at(consumer->client, consumer->client->now_ms);
	if (!rv__redis_lease_holds(slot))
		return; /* the end of the epoch drops it */
	if (answer->trouble != RV__REDIS_FINE || rv__resp_get_array(&cursor) != 0) {
		claim_all(slot);
		return;
	}
	rv__redis_deliver_backlog(slot);
	rv__redis_read(consumer);
}

static void print_bound(char *text, struct rv__redis_id id)
{
	text[0] = '(';
	(void)rv__redis_id_print(id, text + 1);
}

static void look(struct rv__redis_slot *slot, struct rv__redis_link *link, struct rv__redis_id after,
    struct rv__redis_id before)
{
	char from[RV__REDIS_ID_ROOM + 1], to[RV__REDIS_ID_ROOM + 1];

	print_bound(from, after);
	print_bound(to, before);
	rv__resp_words(
	    rv__redis_link_out(link), "XPENDING", slot->key, slot->consumer->group, from, to, "1", NULL);
	slot->gap = (struct rv__redis_request){.done = on_looked};
	rv__redis_link_ask(link, &slot->gap);
}

static bool get_first(struct rv__resp_cursor cursor, struct rv__redis_id *ret_first)
{
	/* [[id, [field, value …]] …] */
	if (rv__resp_get_array(&cursor) <= 0)
		return false;
	return rv__resp_get_array(&cursor) == 2 && rv__redis_id_parse(rv__resp_get_text(&cursor), ret_first);
}

void rv__redis_take_read(
    struct rv__redis_slot *slot, struct rv__redis_link *link, struct rv__resp_cursor *cursor)
{
	struct rv__redis_id newest = slot->last, first = {0};
	const char *start = cursor->at;
	size_t taken;

	if (slot->unsure) {
		rv__resp_skip(cursor); /* the look behind the next read finds these */
		return;
	}
	slot->unsure = slot->lease && atomic_load(&slot->consumer->mixed) == 0 &&
	    rv__redis_link_is_open(link) && get_first(*cursor, &first) &&
	    rv__redis_id_compare(newest, first) < 0;
	taken = rv__redis_take_entries(slot, cursor, NULL, NULL, 0);
	if (taken > 0)
		slot->entry_bytes = (size_t)(cursor->at - start) / taken;
	if (slot->unsure)
		look(slot, link, newest, first);
}
