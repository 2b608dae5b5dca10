/* SPDX-License-Identifier: Apache-2.0 */
/* What one round of the pump has to tell, gathered under the lock and told without it. */
#ifndef BINDER_MEMORY_ROUND_H
#define BINDER_MEMORY_ROUND_H

#include "binder/memory/memory.h"

/* What a round touches shall still be in the processor's cache when it is told. */
enum {
	RV__ROUND_SENT = 4096,      /* completions */
	RV__ROUND_DELIVERED = 4096, /* messages */
	RV__ROUND_TURNS = 64        /* deliver() calls, revocations, assignments: of each */
};

/* One deliver() call: messages of one slot. */
struct rv__round_turn {
	struct rv__memory_consumer *consumer;
	uint32_t slot;
	uint32_t epoch;
	struct rv__memory_aside *aside; /* a redelivery; NULL: in order */
	size_t first, count;            /* in `inbound` */
	size_t taken;
};

struct rv__round_change {
	struct rv__memory_consumer *consumer;
	uint32_t slot;
	uint32_t epoch;
	bool revoke;
};

/* Owned by the pump, used again in every round. */
struct rv__round {
	struct rv__memory_broker *broker;
	struct rv_sent sent[RV__ROUND_SENT]; /* a position below 0: failed */
	struct rv__memory_producer *sent_by[RV__ROUND_SENT];
	size_t sent_count;
	struct rv__memory_producer *writable[RV__ROUND_TURNS];
	size_t writable_count;
	struct rv__memory_producer *widened[RV__ROUND_TURNS]; /* whose topic has more partitions now */
	uint32_t widths[RV__ROUND_TURNS];
	size_t widened_count;
	struct rv__round_change changes[RV__ROUND_TURNS];
	size_t change_count;
	struct rv_inbound inbound[RV__ROUND_DELIVERED];
	size_t inbound_count;
	struct rv__round_turn turns[RV__ROUND_TURNS];
	size_t turn_count;
	bool more; /* something did not fit, or came to be: another round at once */
};

/* balance.c; Locks: broker.lock held. Producers that leave and have nothing under way. First of all. */
void rv__round_dismiss(struct rv__round *round);

/* send.c; Locks: broker.lock held. Appends what was accepted and notes the completions. */
void rv__round_append(struct rv__round *round);

/* words.c; Locks: broker.lock held. Settlements, credit and released slots. */
void rv__round_listen(struct rv__round *round);

/* balance.c; Locks: broker.lock held. Members that leave, and who owns which partition. */
void rv__round_balance(struct rv__round *round);

/* hand.c; Locks: broker.lock held. What is to be delivered, and what of it was taken. */
void rv__round_hand_out(struct rv__round *round);
void rv__round_record(struct rv__round *round);

#endif
