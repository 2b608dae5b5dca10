/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of a lane have of each other: its ring (lane.c), its inbox (inbox.c), what is under way (burst.c). Producers
 * see producer.h alone. I/O thread, unless another is named.
 */
#ifndef BINDER_REDIS_LANE_H
#define BINDER_REDIS_LANE_H

#include "binder/redis/producer.h"

enum { RV__REDIS_ENCODED_MAX = 1 << 30 /* bytes of one burst */ };

/* lane.c */
/** The place of the ring that is so far behind its head. */
static inline struct rv__redis_send *rv__redis_lane_at(struct rv__redis_lane *lane, size_t index)
{
	return &lane->ring[(lane->head_at + index) & (lane->room - 1)];
}
/** Adds the XADD of a message to `out`; any thread. False: no memory. */
bool rv__redis_lane_encode(
    const struct rv__redis_lane *lane, struct rv__buffer *out, const struct rv__redis_send *send);
/** Room in the ring for `count` in all; false: no memory. */
bool rv__redis_lane_grow(struct rv__redis_lane *lane, size_t count);
/** Takes what is completed off the head. */
void rv__redis_lane_trim(struct rv__redis_lane *lane);
/** Nothing is under way any more: what is left of the written goes back in front of the unsent, in order. */
void rv__redis_lane_take_back(struct rv__redis_lane *lane);
/** The link to write to now, or NULL. */
struct rv__redis_link *rv__redis_lane_way(struct rv__redis_lane *lane);

/* inbox.c */
/** The operation of a lane: its inbox is taken. */
void rv__redis_lane_run(struct rv__op *op);
/** Replies come: what senders left is taken once they are told. */
void rv__redis_lane_list_left(struct rv__redis_lane *lane);
/** No reply is due that would bring us back to the inbox. */
void rv__redis_lane_end_awaiting(struct rv__redis_lane *lane);

/* burst.c */
/**
 * Expects so many more replies of this lane: with those that end the row, if they are this lane's, too.
 * False: no memory, and nothing is expected.
 */
bool rv__redis_burst_expect(struct rv__redis_lane *lane, struct rv__redis_link *link, size_t replies);
/** Behind what was just written: WAIT answers when so many replicas have all of it, or the time is over. */
void rv__redis_burst_wait(struct rv__redis_lane *lane, struct rv__redis_link *link);
/** Forgets all that is under way; the ring is as it was. */
void rv__redis_bursts_cancel(struct rv__redis_lane *lane);

#endif
