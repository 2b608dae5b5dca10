/* SPDX-License-Identifier: Apache-2.0 */
/* Which queues of a topic a member of a group takes. Pure arithmetic; every member comes to the same share. */
#ifndef BINDER_ROCKETMQ_ALLOCATE_H
#define BINDER_ROCKETMQ_ALLOCATE_H

#include <stddef.h>

/* Part of a sorted list of queues. */
struct rv__rmq_share {
	size_t start;
	size_t count; /* 0: nothing */
};

/**
 * The share of member `index` of `members` in `queues` queues, both sorted the same way by everybody.
 * Source: org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely.
 */
struct rv__rmq_share rv__rmq_allocate(size_t queues, size_t members, size_t index);

/** Place of `name` in the list sorted as bytes (as Java does for ASCII); `count` when it is not in it. */
size_t rv__rmq_rank(const char *const *names, size_t count, const char *name);

#endif
