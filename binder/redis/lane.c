/* SPDX-License-Identifier: Apache-2.0 */
/* One stream as a producer writes it: its ring, what goes out when, deadlines. */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/foreign.h"
#include "binder/redis/lane.h"

bool rv__redis_lane_encode(
    const struct rv__redis_lane *lane, struct rv__buffer *out, const struct rv__redis_send *send)
{
	int64_t format = lane->producer->settings->format;
	const char *source = lane->producer->client->env->application;

	if (format == RV__REDIS_FORMAT_NATIVE)
		return rv__redis_encode(out, &lane->head, send->message, send->bare);
	return rv__redis_encode_as(out, &lane->head, send->message, send->bare, (enum rv__redis_format)format,
	    source && *source ? source : "rivulet");
}

/* -- the ring ------------------------------------------------------------------------------------------ */

bool rv__redis_lane_grow(struct rv__redis_lane *lane, size_t count)
{
	size_t room = lane->room ? lane->room : 64;
	struct rv__redis_send *ring;

	while (room < count)
		room *= 2;
	if (room == lane->room)
		return true;
	ring = malloc(room * sizeof *ring);
	if (!ring)
		return false;
	for (size_t i = 0; i < lane->count; i++)
		ring[i] = *rv__redis_lane_at(lane, i);
	free(lane->ring);
	lane->ring = ring;
	lane->head_at = 0;
	lane->room = room;
	return true;
}

void rv__redis_lane_trim(struct rv__redis_lane *lane)
{
	while (lane->answered > 0 && !rv__redis_lane_at(lane, 0)->message) {
		lane->head_at = (lane->head_at + 1) & (lane->room - 1);
		lane->count--;
		lane->written--;
		lane->answered--;
	}
}

void rv__redis_lane_take_back(struct rv__redis_lane *lane)
{
	size_t kept = 0, dropped;

	/* From the back, so that the survivors end up right before the unsent. */
	for (size_t i = lane->written; i-- > 0;) {
		struct rv__redis_send send = *rv__redis_lane_at(lane, i);

		send.stored = false;
		if (send.message)
			*rv__redis_lane_at(lane, lane->written - ++kept) = send;
	}
	dropped = lane->written - kept;
	lane->head_at = (lane->head_at + dropped) & (lane->room - 1);
	lane->count -= dropped;
	lane->written = lane->answered = 0;
	lane->again = false;
	atomic_store_explicit(&lane->flows, false, memory_order_relaxed);
}

/* -- writing ------------------------------------------------------------------------------------------- */

static bool is_held(const struct rv__redis_lane *lane, const struct rv__redis_node *node)
{
	int64_t now_ms = lane->producer->client->now_ms;

	return lane->again || now_ms < lane->held_until_ms || (node->full && now_ms < node->full_until_ms);
}

struct rv__redis_link *rv__redis_lane_way(struct rv__redis_lane *lane)
{
	struct rv__redis_client *client = lane->producer->client;
	struct rv__redis_link *link =
	    lane->producer->provisioned ? rv__redis_route_link(client, &lane->route) : NULL;

	if (!link || is_held(lane, lane->route.node))
		return NULL;
	/* Replies come in the order of writing only from one link: the answers of the former come first. */
	return lane->bursts && lane->bursts->request.link != link ? NULL : link;
}

void rv__redis_lane_dispatch(struct rv__redis_lane *lane)
{
	struct rv__redis_link *link = rv__redis_lane_way(lane);
	struct rv__buffer *out;
	size_t before = lane->written, length;

	atomic_store_explicit(&lane->flows, link != NULL, memory_order_relaxed);
	if (!link || lane->written == lane->count)
		return;
	out = rv__redis_link_out(link);
	length = out->length;
	for (; lane->written < lane->count; lane->written++) {
		const struct rv__redis_send *send = rv__redis_lane_at(lane, lane->written);

		if (!rv__redis_lane_encode(lane, out, send))
			break;
	}
	if (lane->written == before)
		return;
	if (rv__redis_burst_expect(lane, link, lane->written - before)) {
		rv__redis_burst_wait(lane, link);
	} else {
		out->length = length; /* no memory: they stay unsent until something is answered */
		lane->written = before;
	}
}

/* -- time ------------------------------------------------------------------------------------------------ */

static void expire(struct rv__redis_lane *lane, struct rv__redis_send *send, const struct rv_error *why)
{
	const struct rv__redis_producer *producer = lane->producer;
	struct rv_error late;

	if (!why) {
		rv_error_set(&late, RV_E_TIMEOUT, RV__N_REDIS_SEND_TIMEOUT, RV__REDIS_TOPIC,
		    "a message for '%s' found no way to Redis within %lld ms%s%.300s; send it again where a "
		    "duplicate "
		    "does no harm",
		    lane->key, (long long)producer->send_timeout_ms,
		    producer->trouble.code != RV_OK ? ": " : "",
		    producer->trouble.code != RV_OK ? producer->trouble.text : "");
		why = &late;
	}
	rv__redis_complete(lane, send, (struct rv_span){0}, why);
}

int64_t rv__redis_lane_tend(struct rv__redis_lane *lane, int64_t now_ms, const struct rv_error *why)
{
	if (why) {
		rv__redis_bursts_cancel(lane);
		if (lane->count > 0)
			rv__redis_lane_take_back(lane);
	}
	/* Deadlines rise with the order of sending, but for what the caller's time-out changed. */
	while (lane->written == 0 && lane->count > 0 &&
	    (why || rv__redis_lane_at(lane, 0)->deadline_ms <= now_ms)) {
		struct rv__redis_send send = *rv__redis_lane_at(lane, 0);

		lane->head_at = (lane->head_at + 1) & (lane->room - 1);
		lane->count--;
		expire(lane, &send, why);
	}
	rv__redis_lane_dispatch(lane);
	if (lane->written > 0 || lane->count == 0)
		return INT64_MAX; /* the answers to what is written come first */
	if (lane->held_until_ms > now_ms)
		return lane->held_until_ms;
	if (lane->route.node && lane->route.node->full && lane->route.node->full_until_ms > now_ms)
		return lane->route.node->full_until_ms;
	return rv__redis_lane_at(lane, lane->written)->deadline_ms;
}

/* -- lifecycle --------------------------------------------------------------------------------------------- */

static void make_head(struct rv__redis_lane *lane)
{
	const struct rv__redis_producer_settings *settings = lane->producer->settings;
	struct rv__redis_head *head = &lane->head;

	rv__resp_text(&head->words, "XADD");
	rv__resp_text(&head->words, lane->key);
	head->count = 2;
	if (!lane->producer->client->settings->auto_create) {
		rv__resp_text(&head->words, "NOMKSTREAM");
		head->count++;
	}
	if (settings->trimming == RV__REDIS_TRIM_EAGER && settings->max_length > 0) {
		rv__resp_text(&head->words, "MAXLEN");
		rv__resp_text(&head->words, "~");
		rv__resp_number(&head->words, settings->max_length);
		head->count += 3;
	}
	rv__resp_text(&head->words, "*");
	head->count++;
}

struct rv__redis_lane *rv__redis_lane_create(
    struct rv__redis_producer *producer, int32_t partition, char *key)
{
	struct rv__redis_lane *lane = calloc(1, sizeof *lane);

	if (!lane) {
		free(key);
		return NULL;
	}
	lane->op.run = rv__redis_lane_run;
	lane->producer = producer;
	lane->partition = partition;
	lane->key = key;
	lane->route = (struct rv__redis_route){.key = key, .length = strlen(key)};
	lane->encoded.limit = lane->spare_encoded.limit = RV__REDIS_ENCODED_MAX;
	pthread_mutex_init(&lane->lock, NULL);
	make_head(lane);
	if (rv__buffer_error(&lane->head.words) == RV_OK)
		return lane;
	rv__redis_lane_destroy(lane);
	return NULL;
}

void rv__redis_lane_destroy(struct rv__redis_lane *lane)
{
	struct rv__redis_burst *burst = lane->spare_bursts;

	while (burst) {
		struct rv__redis_burst *next = burst->next;

		free(burst);
		burst = next;
	}
	rv__redis_route_clear(&lane->route);
	rv__buffer_finish(&lane->head.words);
	rv__buffer_finish(&lane->encoded);
	rv__buffer_finish(&lane->spare_encoded);
	free(lane->inbox.items);
	free(lane->spare.items);
	free(lane->ring);
	pthread_mutex_destroy(&lane->lock);
	free(lane->key);
	free(lane);
}
