/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting messages, on the sender's thread: which stream, whether there is room, into the inbox. */
#include "binder/redis/producer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/numbers.h"

enum { MESSAGE_OVERHEAD = 256 };

static long bytes_of(const rv_message *message)
{
	size_t length;

	(void)rv_message_payload(message, &length);
	return (long)length + MESSAGE_OVERHEAD;
}

static bool take_room(struct rv__redis_producer *producer, long bytes)
{
	long before = atomic_fetch_add(&producer->in_flight, 1);
	long bytes_before = atomic_fetch_add(&producer->in_flight_bytes, bytes);

	/* One message alone always fits, however large. */
	if (before == 0 ||
	    (before < producer->settings->max_in_flight &&
	        bytes_before + bytes <= producer->settings->max_in_flight_bytes))
		return true;
	atomic_fetch_sub(&producer->in_flight_bytes, bytes);
	atomic_fetch_sub(&producer->in_flight, 1);
	return false;
}

/* FNV-1a; the rule for messages with a key that nobody chose a partition for. */
static uint32_t hash(const char *key)
{
	uint32_t value = 2166136261u;

	for (; *key; key++)
		value = (value ^ (unsigned char)*key) * 16777619u;
	return value;
}

/* The lane to a destination that a message names itself, made on first use. NULL: no memory. */
static struct rv__redis_lane *other_lane(struct rv__redis_producer *producer, const char *destination)
{
	struct rv__redis_other *other;

	pthread_mutex_lock(&producer->lock);
	for (other = producer->others; other && strcmp(other->destination, destination) != 0;)
		other = other->next;
	if (!other && (other = calloc(1, sizeof *other))) {
		char *key = rv__redis_key(producer->client->settings, destination, 0, 1);

		other->destination = strdup(destination);
		other->lane = key ? rv__redis_lane_create(producer, 0, key) : NULL;
		if (other->destination && other->lane) {
			other->next = producer->others;
			producer->others = other;
		} else {
			if (other->lane)
				rv__redis_lane_destroy(other->lane);
			free(other->destination);
			free(other);
			other = NULL;
		}
	}
	pthread_mutex_unlock(&producer->lock);
	return other ? other->lane : NULL;
}

/* NULL: no memory. A partition that does not exist goes to the last lane, which refuses it. */
static struct rv__redis_lane *choose(struct rv__redis_producer *producer, const struct rv_outbound *outbound)
{
	const struct rv__redis_lanes *lanes = atomic_load_explicit(&producer->lanes, memory_order_acquire);
	const char *key;

	if (outbound->destination && strcmp(outbound->destination, producer->destination) != 0)
		return other_lane(producer, outbound->destination);
	if (outbound->partition >= 0)
		return lanes->items[(size_t)outbound->partition < lanes->count ? (size_t)outbound->partition
		                                                               : lanes->count - 1];
	if (lanes->count == 1)
		return lanes->items[0];
	key = rv_message_header(outbound->message, RV_HEADER_KEY);
	if (key)
		return lanes->items[hash(key) % lanes->count];
	return lanes
	    ->items[atomic_fetch_add_explicit(&producer->turn, 1, memory_order_relaxed) % lanes->count];
}

/* Puts the first of the batch, and those behind it that go to the same lane, into its inbox; how many. */
static size_t put_run(
    struct rv__redis_producer *producer, const struct rv_outbound *batch, size_t n, int64_t deadline_ms)
{
	struct rv__redis_lane *lane = choose(producer, &batch[0]);
	size_t taken = 0;
	bool ring = false;

	if (!lane)
		return 0;
	pthread_mutex_lock(&lane->lock);
	do {
		long bytes = bytes_of(batch[taken].message);

		if (!take_room(producer, bytes)) {
			atomic_store(&producer->wants_room, true);
			/* All may have completed in between: then nobody would tell that there is room. */
			if (!take_room(producer, bytes))
				break;
		}
		if (!rv__redis_lane_put(lane, &batch[taken], deadline_ms)) {
			atomic_fetch_sub(&producer->in_flight_bytes, bytes);
			atomic_fetch_sub(&producer->in_flight, 1);
			atomic_store(&producer->wants_room, true);
			break;
		}
		taken++;
	} while (taken < n && choose(producer, &batch[taken]) == lane);
	if (taken > 0)
		ring = rv__redis_lane_rings(lane);
	pthread_mutex_unlock(&lane->lock);
	if (ring)
		rv__inbox_post(&producer->client->inbox, &lane->op);
	return taken;
}

size_t rv__redis_producer_send(void *arg, const struct rv_outbound *batch, size_t n)
{
	struct rv__redis_producer *producer = arg;
	int64_t deadline_ms = rv__coarse_ns() / 1000000 + producer->send_timeout_ms;
	size_t accepted = 0;

	if (atomic_load_explicit(&producer->closed, memory_order_relaxed))
		return 0;
	while (accepted < n) {
		size_t taken = put_run(producer, batch + accepted, n - accepted, deadline_ms);

		if (taken == 0)
			break;
		accepted += taken;
	}
	return accepted;
}
