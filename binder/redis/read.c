/* SPDX-License-Identifier: Apache-2.0 */
/* Readers: connections that block in XREADGROUP (a group) or XREAD (anonymous) until something comes. */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/consumer.h"

enum { SILENCE_MARGIN_MS = 5000, UNNAMED_BLOCK_MS = 250, HOARD = 16, OWN_HOARD_BYTES = 1 << 20 };

/* -- asking ------------------------------------------------------------------------------------- */

static bool may_ask(const struct rv__redis_consumer *consumer)
{
	return consumer->started && !consumer->close_call && !atomic_load(&consumer->paused) &&
	    !atomic_load(&consumer->stopped) && !atomic_load(&consumer->client->stopping);
}

static bool is_once(const struct rv__redis_consumer *consumer)
{
	return consumer->group && consumer->max_deliveries == 1;
}

/*
 * How many entries a read may bring of a slot whose core told of its room. Those of a stream that is ours alone can wait here
 * as well as there, as far as they are small, and each read costs a look behind it (gap.c).
 */
static int64_t room_of(const struct rv__redis_slot *slot)
{
	int64_t here =
	    slot->lease && slot->entry_bytes > 0 ? OWN_HOARD_BYTES / (int64_t)slot->entry_bytes : 0;

	return slot->room > here ? slot->room : here;
}

/* Which slots the next read names, how many entries it may bring of each, and whether it must wait for less time. False:
 * there is none to read. */
static bool gather(struct rv__redis_reader *reader, int64_t *ret_count, int64_t *block_ms)
{
	struct rv__redis_consumer *consumer = reader->consumer;
	unsigned slot_count = atomic_load(&consumer->slot_count);
	/* With one delivery alone nothing may be read ahead: reading is what the server counts. */
	int64_t count = is_once(consumer) ? 1 : consumer->settings->batch_size;
	struct rv__redis_slots *asked = &reader->asked;

	asked->count = 0;
	if (asked->room < slot_count) {
		struct rv__redis_slot **items = realloc(asked->items, slot_count * sizeof *items);

		if (!items)
			return false;
		asked->items = items;
		asked->room = slot_count;
	}
	for (unsigned i = 0; i < slot_count; i++) {
		struct rv__redis_slot *slot = consumer->slots[i];

		if (slot->reader != reader || !rv__redis_slot_reads(slot))
			continue;
		asked->items[asked->count++] = slot;
		if (rv__redis_lease_left_ms(slot) < *block_ms)
			*block_ms = rv__redis_lease_left_ms(slot);
		if (slot->room >= 0 && room_of(slot) < count)
			count = room_of(slot);
	}
	*ret_count =
	    count > HOARD || count == consumer->settings->batch_size || is_once(consumer) ? count : HOARD;
	return asked->count > 0;
}

static void on_read(struct rv__redis_request *request, const struct rv__redis_answer *answer);

static void write_read(struct rv__redis_reader *reader, int64_t count, int64_t block_ms)
{
	const struct rv__redis_consumer *consumer = reader->consumer;
	struct rv__buffer *out = rv__redis_link_out(reader->link);

	rv__resp_array(out, (consumer->group ? 4u : 1u) + 5 + 2 * reader->asked.count);
	if (consumer->group) {
		rv__resp_text(out, "XREADGROUP");
		rv__resp_text(out, "GROUP");
		rv__resp_text(out, consumer->group);
		rv__resp_text(out, consumer->name);
	} else {
		rv__resp_text(out, "XREAD");
	}
	rv__resp_text(out, "COUNT");
	rv__resp_number(out, count);
	rv__resp_text(out, "BLOCK");
	rv__resp_number(out, block_ms);
	rv__resp_text(out, "STREAMS");
	for (size_t i = 0; i < reader->asked.count; i++)
		rv__resp_text(out, reader->asked.items[i]->key);
	for (size_t i = 0; i < reader->asked.count; i++) {
		if (consumer->group)
			rv__resp_text(out, ">");
		else
			rv__resp_id(out, reader->asked.items[i]->last);
	}
}

/* A read that leaves it out would have to be ended for it in a moment. */
static bool awaits_certainty(const struct rv__redis_reader *reader)
{
	for (unsigned i = 0; i < atomic_load(&reader->consumer->slot_count); i++)
		if (reader->consumer->slots[i]->reader == reader && reader->consumer->slots[i]->unsure)
			return true;
	return false;
}

static void ask(struct rv__redis_reader *reader)
{
	struct rv__redis_consumer *consumer = reader->consumer;
	int64_t block_ms = consumer->settings->block_ms, count;

	if (reader->reading || !rv__redis_link_is_open(reader->link) || !may_ask(consumer) ||
	    awaits_certainty(reader))
		return;
	if (!gather(reader, &count, &block_ms))
		return;
	/* Without CLIENT UNBLOCK a read can only be waited for. */
	if (reader->link->client_id == 0 && block_ms > UNNAMED_BLOCK_MS)
		block_ms = UNNAMED_BLOCK_MS;
	reader->link->silence_ms = block_ms + SILENCE_MARGIN_MS;
	write_read(reader, count, block_ms);
	reader->reading = true;
	reader->unblocking = false;
	reader->request = (struct rv__redis_request){.done = on_read};
	rv__redis_link_ask(reader->link, &reader->request);
}

/* -- answers --------------------------------------------------------------------------------------- */

static struct rv__redis_slot *slot_of(const struct rv__redis_slots *slots, struct rv_span key)
{
	for (size_t i = 0; i < slots->count; i++)
		if (slots->items[i]->route.length == key.length &&
		    memcmp(slots->items[i]->key, key.bytes, key.length) == 0)
			return slots->items[i];
	return NULL;
}

/* [[key, [[id, [field, value …]] …]] …] */
static void take_streams(struct rv__redis_reader *reader, struct rv__resp_cursor *cursor)
{
	int64_t streams = rv__resp_get_array(cursor);

	for (int64_t i = 0; i < streams && !cursor->failed; i++) {
		struct rv__redis_slot *slot;

		if (rv__resp_get_array(cursor) != 2)
			return;
		slot = slot_of(&reader->answered, rv__resp_get_text(cursor));
		/* Of a stream that is no longer ours they stay pending: its next owner begins with those. */
		if (slot && rv__redis_lease_holds(slot))
			rv__redis_take_read(slot, reader->link, cursor);
		else
			rv__resp_skip(cursor);
	}
}

/* One refused key refuses the whole read: whichever slots it was about, each is looked at again. */
static void refused(struct rv__redis_reader *reader, const struct rv__redis_answer *answer)
{
	for (size_t i = 0; i < reader->answered.count; i++) {
		if (answer->trouble == RV__REDIS_NO_GROUP)
			rv__redis_slot_lost_group(reader->answered.items[i]);
		else
			rv__redis_slot_refused(reader->answered.items[i], answer);
	}
}

static bool runs_free(const struct rv__redis_reader *reader)
{
	for (size_t i = 0; i < reader->answered.count; i++)
		if (reader->answered.items[i]->room >= 0 || reader->answered.items[i]->backlog.count > 0)
			return false;
	/* What is to come in order is looked at before more is read; see gap.c. */
	return reader->consumer->group && !is_once(reader->consumer) && !reader->consumer->settings->orderly;
}

/* The next read may be about other slots, or about none: what came belongs to those that were asked for it. */
static void keep_asked(struct rv__redis_reader *reader)
{
	struct rv__redis_slots before = reader->answered;

	reader->answered = reader->asked;
	reader->asked = before;
	reader->asked.count = 0;
}

static void on_read(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_reader *reader = RV__OWNER(request, struct rv__redis_reader, request);
	struct rv__redis_consumer *consumer = reader->consumer;
	struct rv__resp_cursor cursor = answer->cursor;

	reader->reading = false;
	if (answer->trouble == RV__REDIS_LOST)
		return; /* `lost` follows */
	keep_asked(reader);
	if (answer->trouble != RV__REDIS_FINE) {
		refused(reader, answer);
	} else if (rv__resp_peek(&cursor) == '*' && cursor.at[1] != '-') {
		/* The core keeps up: while this is taken apart, the server gathers the next. */
		if (runs_free(reader)) {
			ask(reader);
			rv__redis_link_flush(reader->link);
		}
		take_streams(reader, &cursor);
	}
	if (consumer->close_call || consumer->settings->orderly) /* somebody may wait for its end */
		rv__redis_client_tend_at(consumer->client, consumer->client->now_ms);
	if (!consumer->close_call)
		ask(reader);
}

/* -- readers ----------------------------------------------------------------------------------------- */

/*
 * What the last read brought may have been on its way when its connection ended: it is pending in our name. That is
 * looked for before the next read, whose entries would be in the same list.
 */
static void drain_first(struct rv__redis_slot *slot)
{
	if (slot->state != RV__REDIS_SLOT_READY || !slot->consumer->group)
		return;
	slot->state = RV__REDIS_SLOT_DRAIN;
	rv__redis_claim_own(slot);
}

static void on_opened(struct rv__redis_link *link)
{
	struct rv__redis_reader *reader = link->owner;
	struct rv__redis_consumer *consumer = reader->consumer;

	for (unsigned i = 0; reader->opened && i < atomic_load(&consumer->slot_count); i++) {
		struct rv__redis_slot *slot = consumer->slots[i];

		if (slot->reader == reader)
			drain_first(slot);
	}
	reader->opened = true;
	rv__redis_consumer_judge(consumer);
	ask(reader);
}

static void on_lost(struct rv__redis_link *link, const struct rv_error *why)
{
	struct rv__redis_reader *reader = link->owner;
	struct rv__redis_client *client = link->client;

	client->env->log(link->failures == 1 ? RV_LOG_WARN : RV_LOG_DEBUG, RV__REDIS_TOPIC,
	    "channel=%s RV%04u %s; trying again by itself", reader->consumer->binding, (unsigned)why->number,
	    why->text);
	reader->reading = false;
	if (client->resolver->doubt)
		client->resolver->doubt(client->resolver_state, &link->endpoint);
	rv__redis_consumer_judge(reader->consumer);
}

static const struct rv__redis_link_events reader_events = {.opened = on_opened, .lost = on_lost};

static bool serves(const struct rv__redis_reader *reader, const struct rv__redis_slot *slot)
{
	const struct rv__redis_client *client = slot->consumer->client;

	if (!rv__redis_endpoint_equal(&reader->link->endpoint, &slot->route.node->link->endpoint))
		return false;
	for (unsigned i = 0; i < atomic_load(&slot->consumer->slot_count); i++) {
		const struct rv__redis_slot *other = slot->consumer->slots[i];

		if (other->reader == reader && other != slot)
			return !client->resolver->may_share ||
			    client->resolver->may_share(client->resolver_state, slot->key, slot->route.length,
			        other->key, other->route.length);
	}
	return true; /* nobody's */
}

/* The reader of a slot, found or made; it leaves one that is at the wrong node. */
static void assign(struct rv__redis_slot *slot)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_node *node = rv__redis_route_node(consumer->client, &slot->route);
	struct rv__redis_reader *reader = slot->reader;

	if (!node || (reader && rv__redis_endpoint_equal(&reader->link->endpoint, &node->link->endpoint)))
		return;
	if (reader)
		drain_first(slot); /* its last read may have been under way at the old node */
	slot->reader = NULL;
	for (reader = consumer->readers; reader && !serves(reader, slot);)
		reader = reader->next;
	if (!reader && (reader = calloc(1, sizeof *reader))) {
		reader->consumer = consumer;
		reader->link = rv__redis_link_create(
		    consumer->client, &node->link->endpoint, "reads", &reader_events, reader);
		if (!reader->link) {
			free(reader);
			return;
		}
		reader->next = consumer->readers;
		consumer->readers = reader;
	}
	slot->reader = reader;
}

static void drop_unused(struct rv__redis_consumer *consumer)
{
	struct rv__redis_reader **at = &consumer->readers;

	while (*at) {
		struct rv__redis_reader *reader = *at;
		bool used = false;

		for (unsigned i = 0; i < atomic_load(&consumer->slot_count) && !used; i++)
			used = consumer->slots[i]->reader == reader;
		if (used) {
			at = &reader->next;
			continue;
		}
		*at = reader->next;
		rv__redis_link_destroy(reader->link);
		free(reader->asked.items);
		free(reader->answered.items);
		free(reader);
	}
}

/* Somebody waits for a read that does not name him yet. */
static bool wants_unblock(const struct rv__redis_reader *reader)
{
	const struct rv__redis_consumer *consumer = reader->consumer;

	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++) {
		const struct rv__redis_slot *slot = consumer->slots[i];
		bool named = false;

		if (slot->reader != reader || !rv__redis_slot_reads(slot))
			continue;
		for (size_t k = 0; k < reader->asked.count && !named; k++)
			named = reader->asked.items[k] == slot;
		if (!named)
			return true;
	}
	return false;
}

static void unblock(struct rv__redis_reader *reader)
{
	struct rv__redis_client *client = reader->consumer->client;
	struct rv__redis_node *node = reader->link->state == RV__REDIS_LINK_OPEN
	    ? rv__redis_node_get(client, &reader->link->endpoint)
	    : NULL;
	char id[RV__RESP_NUMBER_ROOM];

	if (!reader->reading || reader->unblocking || !node || !rv__redis_link_is_open(node->link) ||
	    reader->link->client_id <= 0 || !rv__redis_ask_and_forget(node->link, 1))
		return;
	id[rv__resp_digits(id, (uint64_t)reader->link->client_id)] = '\0';
	rv__resp_words(rv__redis_link_out(node->link), "CLIENT", "UNBLOCK", id, NULL);
	reader->unblocking = true;
}

void rv__redis_read(struct rv__redis_consumer *consumer)
{
	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++)
		assign(consumer->slots[i]);
	drop_unused(consumer);
	for (struct rv__redis_reader *reader = consumer->readers; reader; reader = reader->next) {
		ask(reader);
		if (reader->reading && wants_unblock(reader))
			unblock(reader);
	}
}

void rv__redis_unblock(struct rv__redis_consumer *consumer)
{
	for (struct rv__redis_reader *reader = consumer->readers; reader; reader = reader->next)
		unblock(reader);
}

bool rv__redis_slot_is_asked(const struct rv__redis_slot *slot)
{
	const struct rv__redis_reader *reader;

	for (reader = slot->consumer->readers; reader; reader = reader->next)
		for (size_t i = 0; reader->reading && i < reader->asked.count; i++)
			if (reader->asked.items[i] == slot)
				return true;
	return false;
}

bool rv__redis_is_reading(const struct rv__redis_consumer *consumer)
{
	for (const struct rv__redis_reader *reader = consumer->readers; reader; reader = reader->next)
		if (reader->reading)
			return true;
	return false;
}

void rv__redis_readers_destroy(struct rv__redis_consumer *consumer)
{
	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++)
		consumer->slots[i]->reader = NULL;
	drop_unused(consumer);
}
