/* SPDX-License-Identifier: Apache-2.0 */
/* What senders give to a lane: put into its inbox on their threads, taken by the I/O thread when they ring or replies come. */
#include <stdlib.h>

#include "base/numbers.h"
#include "binder/redis/lane.h"

enum {
	KEPT_BYTES = 1 << 20, /* of an encoding buffer between bursts */
	/* While a good number of replies is due, senders leave less than a burst for the thread that will see them: fewer
	 * and longer writes, which the server reads with fewer calls. */
	BURST_MESSAGES = 256,
	BURST_BYTES = 64 << 10
};

/* -- on the sender's thread --------------------------------------------------------------------- */

static bool grow_sends(struct rv__redis_sends *sends)
{
	size_t room = sends->room ? sends->room * 2 : 64;
	struct rv__redis_send *items = realloc(sends->items, room * sizeof *items);

	if (!items)
		return false;
	sends->items = items;
	sends->room = room;
	return true;
}

bool rv__redis_lane_put(struct rv__redis_lane *lane, const struct rv_outbound *outbound, int64_t deadline_ms)
{
	struct rv__redis_send *send;
	size_t length;

	if (lane->inbox.count == lane->inbox.room && !grow_sends(&lane->inbox))
		return false;
	(void)rv_message_payload(outbound->message, &length);
	send = &lane->inbox.items[lane->inbox.count++];
	*send = (struct rv__redis_send){.message = rv_message_ref(outbound->message),
	    .arg = outbound->arg,
	    .deadline_ms = deadline_ms,
	    .bytes = (uint32_t)length + 256,
	    .bare = outbound->bare,
	    .refused =
	        !outbound->destination && outbound->partition >= 0 && outbound->partition != lane->partition};
	/* Encoded where the message is warm; what cannot be written at once is encoded later, from the message. */
	if (!lane->skipped)
		lane->skipped = send->refused || !atomic_load_explicit(&lane->flows, memory_order_relaxed) ||
		    !rv__redis_lane_encode(lane, &lane->encoded, send);
	return true;
}

bool rv__redis_lane_rings(struct rv__redis_lane *lane)
{
	bool leaves = atomic_load_explicit(&lane->awaits, memory_order_relaxed) &&
	    lane->inbox.count < BURST_MESSAGES && lane->encoded.length < BURST_BYTES;

	if (lane->posted)
		return false;
	lane->posted = !leaves;
	atomic_store_explicit(&lane->left, leaves, memory_order_relaxed);
	return !leaves;
}

/* -- on the I/O thread ---------------------------------------------------------------------------- */

static void refuse(struct rv__redis_lane *lane, struct rv__redis_send *send)
{
	struct rv_error why;
	size_t count = atomic_load(&lane->producer->lanes)->count;

	rv_error_set(&why, RV_E_INVALID, RV__N_REDIS_PARTITION, RV__REDIS_TOPIC,
	    "destination '%s' has %zu partitions, and the message names another; raise "
	    "producer.partition-count or "
	    "correct the choice",
	    lane->producer->destination, count);
	rv__redis_complete(lane, send, (struct rv_span){0}, &why);
}

/* Everything into the ring but what is refused. */
static void enqueue(struct rv__redis_lane *lane, struct rv__redis_sends *sends)
{
	struct rv_error why;
	bool fits = rv__redis_lane_grow(lane, lane->count + sends->count);

	for (size_t i = 0; i < sends->count; i++) {
		struct rv__redis_send *send = &sends->items[i];

		if (!fits) {
			rv_error_set(&why, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC,
			    "no memory for what is being sent");
			rv__redis_complete(lane, send, (struct rv_span){0}, &why);
		} else if (send->refused) {
			refuse(lane, send);
		} else {
			lane->count++;
			*rv__redis_lane_at(lane, lane->count - 1) = *send;
		}
	}
	sends->count = 0;
}

/* What senders put into the inbox goes out. `posted`: by its operation, which alone does so while that is posted. */
static void take_inbox(struct rv__redis_lane *lane, bool posted)
{
	struct rv__redis_link *link;
	struct rv__redis_sends sends;
	struct rv__buffer encoded;
	size_t count;
	bool skipped;

	pthread_mutex_lock(&lane->lock);
	if (lane->posted != posted || lane->inbox.count == 0) {
		lane->posted &= !posted;
		pthread_mutex_unlock(&lane->lock);
		return;
	}
	sends = lane->inbox;
	encoded = lane->encoded;
	skipped = lane->skipped;
	lane->inbox = lane->spare;
	lane->encoded = lane->spare_encoded;
	lane->skipped = lane->posted = false;
	atomic_store_explicit(&lane->left, false, memory_order_relaxed);
	pthread_mutex_unlock(&lane->lock);

	count = sends.count;
	link = skipped || lane->written < lane->count ? NULL : rv__redis_lane_way(lane);
	if (link && rv__redis_lane_grow(lane, lane->count + count) &&
	    rv__redis_burst_expect(lane, link, count)) {
		rv__buffer_add(rv__redis_link_out(link), encoded.bytes, encoded.length);
		rv__redis_burst_wait(lane, link);
		enqueue(lane, &sends);
		lane->written += count;
	} else {
		enqueue(lane, &sends);
		rv__redis_lane_dispatch(lane);
		if (lane->written < lane->count) /* their deadlines */
			rv__redis_client_tend_at(lane->producer->client, lane->producer->client->now_ms);
	}
	lane->spare = sends;
	if (encoded.capacity > KEPT_BYTES)
		rv__buffer_finish(&encoded);
	rv__buffer_clear(&encoded);
	encoded.limit = RV__REDIS_ENCODED_MAX;
	lane->spare_encoded = encoded;
}

void rv__redis_lane_run(struct rv__op *op)
{
	take_inbox((struct rv__redis_lane *)op, true);
}

void rv__redis_lanes_take_left(struct rv__redis_client *client)
{
	while (client->left) {
		struct rv__redis_lane *lane = client->left;

		client->left = lane->next_left;
		lane->listed = false;
		take_inbox(lane, false);
	}
}

void rv__redis_lane_list_left(struct rv__redis_lane *lane)
{
	struct rv__redis_client *client = lane->producer->client;

	if (lane->listed || !atomic_load_explicit(&lane->left, memory_order_relaxed))
		return;
	lane->listed = true;
	lane->next_left = client->left;
	client->left = lane;
}

void rv__redis_lane_end_awaiting(struct rv__redis_lane *lane)
{
	bool ring;

	pthread_mutex_lock(&lane->lock);
	atomic_store_explicit(&lane->awaits, false, memory_order_relaxed);
	ring = atomic_load_explicit(&lane->left, memory_order_relaxed) && !lane->listed && !lane->posted;
	lane->posted |= ring;
	pthread_mutex_unlock(&lane->lock);
	if (ring)
		rv__inbox_post(&lane->producer->client->inbox, &lane->op);
}
