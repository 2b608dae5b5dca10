/* SPDX-License-Identifier: Apache-2.0 */
/* From entries of a reply to messages in the core, and what waits because the core had no room. */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/consumer.h"

/* -- the backlog ------------------------------------------------------------------------------ */

static struct rv_inbound *backlog_at(struct rv__redis_backlog *backlog, size_t index)
{
	return &backlog->items[(backlog->head + index) & (backlog->room - 1)];
}

static bool backlog_reserve(struct rv__redis_backlog *backlog, size_t count)
{
	size_t room = backlog->room ? backlog->room : 64;
	struct rv_inbound *items;

	while (room < backlog->count + count)
		room *= 2;
	if (room == backlog->room)
		return true;
	items = malloc(room * sizeof *items);
	if (!items)
		return false;
	for (size_t i = 0; i < backlog->count; i++)
		items[i] = *backlog_at(backlog, i);
	free(backlog->items);
	backlog->items = items;
	backlog->head = 0;
	backlog->room = room;
	return true;
}

void rv__redis_backlog_drop(struct rv__redis_slot *slot)
{
	for (size_t i = 0; i < slot->backlog.count; i++)
		rv_message_unref(backlog_at(&slot->backlog, i)->message);
	slot->backlog.count = 0;
}

void rv__redis_backlog_give_back(struct rv__redis_slot *slot)
{
	pthread_mutex_lock(&slot->lock);
	for (size_t i = 0; i < slot->backlog.count; i++)
		rv__redis_held_free(slot, (uint32_t)backlog_at(&slot->backlog, i)->token.cookie);
	pthread_mutex_unlock(&slot->lock);
	rv__redis_backlog_drop(slot);
}

/* Offers a run of the backlog; how many the core took. */
static size_t offer(struct rv__redis_slot *slot)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_backlog *backlog = &slot->backlog;
	size_t straight = backlog->room - backlog->head;
	size_t n = backlog->count < straight ? backlog->count : straight, taken;

	if (n > RV__REDIS_DELIVER_MAX)
		n = RV__REDIS_DELIVER_MAX;
	taken = consumer->sink_ops->deliver(consumer->sink, backlog_at(backlog, 0), n);
	backlog->head = (backlog->head + taken) & (backlog->room - 1);
	backlog->count -= taken;
	if (slot->room > 0)
		slot->room = slot->room > (int64_t)taken ? slot->room - (int64_t)taken : 0;
	atomic_fetch_add_explicit(&consumer->received, taken, memory_order_relaxed);
	return n - taken;
}

void rv__redis_deliver_backlog(struct rv__redis_slot *slot)
{
	const struct rv__redis_consumer *consumer = slot->consumer;

	while (slot->backlog.count > 0 && !slot->refused && !slot->unsure) {
		if (!consumer->started || atomic_load(&consumer->paused) || atomic_load(&consumer->stopped))
			return;
		if (offer(slot) > 0)
			slot->refused = true;
	}
	if (slot->backlog.count > 0 && slot->keep_ms == INT64_MAX) {
		slot->keep_ms = consumer->client->now_ms + consumer->settings->claim_idle_ms / 3;
		rv__redis_client_tend_at(consumer->client, slot->keep_ms);
	}
}

/* -- entries ------------------------------------------------------------------------------------- */

/* A foreign or damaged entry: its text as it lies, so that nothing is lost without a word. */
static void say_odd(struct rv__redis_slot *slot, struct rv__redis_id id)
{
	char text[RV__REDIS_ID_ROOM];

	(void)rv__redis_id_print(id, text);
	slot->consumer->client->env->log(RV_LOG_WARN, RV__REDIS_TOPIC,
	    "RV%04d entry %s of '%s' has fields that cannot be read as a message; it is delivered as far as "
	    "it can",
	    RV__N_REDIS_FORMAT, text, slot->key);
}

static struct rv_header_span header_of(
    const char *name, const char *value, size_t length, enum rv_header_type type)
{
	return (struct rv_header_span){.name = {name, strlen(name)}, .value = {value, length}, .type = type};
}

/* Where it came from, behind the headers that it has. `room`: of three numbers. */
static size_t add_own_headers(const struct rv__redis_slot *slot, struct rv_header_span *headers,
    struct rv__redis_id id, int32_t deliveries, char (*room)[RV__REDIS_ID_ROOM])
{
	const struct rv__redis_consumer *consumer = slot->consumer;
	size_t n = 0;

	headers[n++] = header_of("redis_stream", slot->key, slot->route.length, RV_HEADER_TEXT);
	headers[n++] = header_of("redis_messageId", room[0], rv__redis_id_print(id, room[0]), RV_HEADER_TEXT);
	headers[n++] =
	    header_of("redis_receivedTimestamp", room[1], rv__resp_digits(room[1], id.ms), RV_HEADER_LONG);
	if (!consumer->group)
		return n;
	headers[n++] = header_of("redis_group", consumer->group, strlen(consumer->group), RV_HEADER_TEXT);
	headers[n++] = header_of("redis_consumer", consumer->name, strlen(consumer->name), RV_HEADER_TEXT);
	headers[n++] = header_of("redis_deliveryCount", room[2],
	    rv__resp_digits(room[2], (uint64_t)deliveries + 1), RV_HEADER_INT);
	return n;
}

static rv_message *make_message(
    struct rv__redis_slot *slot, struct rv__redis_id id, struct rv__resp_cursor *fields, int32_t deliveries)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_decoded *decoded = &consumer->decoded;
	char room[3][RV__REDIS_ID_ROOM];
	struct rv_received received;

	if (!rv__redis_decode(fields, decoded))
		say_odd(slot, id);
	if (consumer->settings->receive_headers)
		decoded->header_count +=
		    add_own_headers(slot, decoded->headers + decoded->header_count, id, deliveries, room);
	received = (struct rv_received){.payload = decoded->payload.bytes,
	    .length = decoded->payload.length,
	    .headers = decoded->headers,
	    .header_count = decoded->header_count,
	    .id = decoded->id,
	    .source = "Redis",
	    .destination = consumer->destination,
	    .partition = slot->partition,
	    .position = rv__redis_id_position(id),
	    .attempt = deliveries + 1,
	    .timestamp_ms = (int64_t)id.ms,
	    .null = decoded->null};
	return rv_message_create_received(&received);
}

void rv__redis_settle_gone(struct rv__redis_slot *slot, struct rv__redis_id id)
{
	uint32_t index;

	pthread_mutex_lock(&slot->lock);
	index = rv__redis_held_take(slot, id, 0);
	slot->held[index].state = RV__REDIS_SETTLED;
	slot->settled.items[slot->settled.count++] = index;
	pthread_mutex_unlock(&slot->lock);
	slot->ack_ms = slot->consumer->client->now_ms;
}

static int32_t deliveries_of(struct rv__redis_id id, const struct rv__redis_id *ids,
    const int32_t *deliveries, size_t id_count, size_t *from)
{
	/* Replies keep the order of what was asked for, with gaps. */
	while (*from < id_count && rv__redis_id_compare(ids[*from], id) != 0)
		++*from;
	return *from < id_count ? deliveries[(*from)++] : 0;
}

static bool take_entry(
    struct rv__redis_slot *slot, struct rv__resp_cursor *cursor, struct rv__redis_id id, int32_t deliveries)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_backlog *backlog = &slot->backlog;
	rv_message *message;
	uint32_t index, generation;

	pthread_mutex_lock(&slot->lock);
	index = rv__redis_held_take(slot, id, deliveries < INT32_MAX ? deliveries + 1 : deliveries);
	generation = slot->held[index].generation;
	pthread_mutex_unlock(&slot->lock);
	message = make_message(slot, id, cursor, deliveries);
	if (!message) {
		pthread_mutex_lock(&slot->lock);
		rv__redis_held_free(
		    slot, index); /* it stays pending, and is claimed when its time has come */
		pthread_mutex_unlock(&slot->lock);
		return false;
	}
	*backlog_at(backlog, backlog->count++) = (struct rv_inbound){.message = message,
	    .token = {.slot = slot->id,
	        .epoch = slot->epoch,
	        .position = rv__redis_id_position(id),
	        .cookie = (uint64_t)generation << 32 | index},
	    .delivery_count = deliveries,
	    .lease_ms = consumer->group ? consumer->settings->claim_idle_ms : 0};
	return true;
}

size_t rv__redis_take_entries(struct rv__redis_slot *slot, struct rv__resp_cursor *cursor,
    const struct rv__redis_id *ids, const int32_t *deliveries, size_t id_count)
{
	int64_t count = rv__resp_get_array(cursor);
	size_t taken = 0, from = 0;

	if (count <= 0 || !rv__redis_held_reserve(slot, (size_t)count) ||
	    !backlog_reserve(&slot->backlog, (size_t)count))
		return 0;
	for (int64_t i = 0; i < count && !cursor->failed; i++) {
		struct rv__redis_id id;

		if (rv__resp_is_nil(cursor)) { /* before 7.0, for one that is gone from the stream */
			rv__resp_skip(cursor);
			continue;
		}
		if (rv__resp_get_array(cursor) != 2 || !rv__redis_id_parse(rv__resp_get_text(cursor), &id))
			break;
		if (rv__redis_id_compare(slot->last, id) < 0)
			slot->last = id;
		if (rv__resp_is_nil(cursor)) {
			rv__resp_skip(cursor);
			rv__redis_settle_gone(slot, id);
			continue;
		}
		taken += take_entry(
		    slot, cursor, id, ids ? deliveries_of(id, ids, deliveries, id_count, &from) : 0);
	}
	rv__redis_deliver_backlog(slot);
	return taken;
}
