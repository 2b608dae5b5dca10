/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bound input: a member of a group, the queues that it has, and what is on its way back.
 *
 * The loop owns everything but what stands under `lock`: the slots and the windows of their queues, which
 * settle() touches from the workers of the binding layer.
 */
#ifndef BINDER_ROCKETMQ_CONSUMER_H
#define BINDER_ROCKETMQ_CONSUMER_H

#include "binder/rocketmq/connection.h"
#include "binder/rocketmq/process_queue.h"
#include "binder/rocketmq/route.h"
#include "remoting/record.h"
#include "remoting/tags.h"

enum { RV__RMQ_SLOTS_MAX = 65535 };

struct rv__rmq_consumer;

/* A topic that a consumer reads: its own, and %RETRY%<group>. */
struct rv__rmq_source {
	struct rv__rmq_consumer *consumer;
	struct rv__rmq_topic *topic;
	const char *expression;
	bool retry;
	bool asking; /* for the members of the group */
	bool again;  /* something changed since the question */
	struct rv__rmq_request request;
};

enum rv__rmq_stage {
	RV__RMQ_LOCKING,  /* orderly: waits for the broker's lock */
	RV__RMQ_LOCATING, /* asks where to begin */
	RV__RMQ_READING,
	RV__RMQ_DRAINING /* given up; the core settles what runs, then released() */
};

/* One queue of ours. */
struct rv__rmq_queue {
	struct rv__rmq_queue *next; /* of the consumer */
	struct rv__rmq_consumer *consumer;
	struct rv__rmq_source *source;
	struct rv__rmq_broker *broker;
	int32_t id;
	uint32_t slot, epoch;
	enum rv__rmq_stage stage;
	bool told;   /* the core knows of it */
	bool asking; /* `request` is under way */
	struct rv__rmq_request request;
	int64_t not_before_ms;   /* of the next request */
	int64_t next_offset;     /* to fetch */
	int64_t moved_to;        /* the broker told another beginning; -1: no */
	int64_t reset_to;        /* an operator chose another position; -1: no */
	int64_t stored;          /* position last told to the broker; -1: none */
	int64_t max_offset;      /* end of the queue as the last answer told */
	int64_t lock_ms;         /* last time the broker confirmed our lock */
	struct rv_inbound *held; /* fetched, not taken by the core yet */
	size_t held_at, held_count, held_capacity;
	struct rv__rmq_request store_request; /* the last store, at unbind */
	struct rv__rmq_request lock_request;  /* renewal */

	/* Under consumer->lock. */
	struct rv__process_queue window;
	bool releasing;
	struct rv__op release;
	bool lost;    /* settlements are stale */
	bool blocked; /* over a threshold: settle() must ring */
};

/* A message on its way back to the broker: redelivery or dead letter. */
struct rv__rmq_move {
	struct rv__op op;
	struct rv__rmq_move *next; /* of the consumer */
	struct rv__rmq_consumer *consumer;
	struct rv__rmq_request request;
	uint32_t slot, epoch;
	int64_t position, physical;
	int32_t reconsumed;
	bool dead_letter;
	bool resend; /* the broker refused the send-back: send a copy instead, as Java does */
	bool asking;
	int64_t not_before_ms;
	unsigned tries;
	char *reason; /* owned; NULL: none given */
	rv_message *message;
};

/* Where a queue ended when an anonymous group joined. */
struct rv__rmq_end {
	struct rv__rmq_consumer *consumer;
	struct rv__rmq_place place;
	struct rv__rmq_request request;
	int64_t offset; /* -1: not known yet */
	bool asking;
};

struct rv__rmq_consumer {
	struct rv__rmq_consumer *next;
	struct rv__rmq_client *client;
	struct rv__rmq_identity *identity;
	const struct rv_consumer_sink *sink_ops;
	void *sink;
	char *binding, *destination, *group, *space; /* owned; group and topic with their namespace */
	bool anonymous;
	struct rv__rmq_consumer_plan plan;
	int64_t persist_ms;
	struct rv__tags tags;
	int64_t sub_version;
	struct rv__rmq_source main, retry;
	struct rv__rmq_queue *queues;
	struct rv__rmq_move *moves;
	size_t move_count;
	struct rv__rmq_end *ends; /* anonymous: one a queue that was there when it bound */
	size_t end_count;
	enum { RV__RMQ_ENDS_UNKNOWN, RV__RMQ_ENDS_ASKED, RV__RMQ_ENDS_KNOWN } ends_state;
	bool started, leaving;
	bool up;
	struct rv_error trouble;
	int64_t next_rebalance_ms, next_persist_ms, next_lock_ms;
	struct rv__call *bind_call;
	int64_t bind_deadline_ms;
	struct rv__call *close_call;
	int64_t close_deadline_ms;
	unsigned closing_requests; /* outstanding answers of the last stores and goodbyes */
	int closing_step;

	/* Any thread. */
	atomic_bool paused, stopped;
	atomic_bool wake_posted;
	struct rv__op wake; /* looks again at every queue */
	_Atomic uint64_t received, settled, requeued, dead_lettered;
	_Atomic int64_t lag;

	/* Any thread, under `lock`. */
	uv_mutex_t lock;
	struct rv__rmq_queue **slots;
	uint32_t slot_count, next_epoch;
};

/* bind_consumer.c: operations of the contract, and what the loop's events mean for a consumer */
rv_err rv__rmq_bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err);
rv_err rv__rmq_start_consumer(void *consumer, struct rv_error *err);
void rv__rmq_stop_consumer(void *consumer);
size_t rv__rmq_unbind_consumer(void *consumer, int64_t deadline_ms);
void rv__rmq_pause(void *consumer);
void rv__rmq_resume(void *consumer);
void rv__rmq_consumer_judge(struct rv__rmq_consumer *consumer);
void rv__rmq_consumer_tend(struct rv__rmq_consumer *consumer, int64_t now_ms);
bool rv__rmq_consumer_restless(const struct rv__rmq_consumer *consumer);
void rv__rmq_consumer_on_open(struct rv__rmq_consumer *consumer, struct rv__rmq_connection *connection);
void rv__rmq_consumer_on_route(struct rv__rmq_consumer *consumer, struct rv__rmq_topic *topic);

/* rebalance.c */
/** Asks who is in the group and takes the own share of queues. */
void rv__rmq_rebalance(struct rv__rmq_consumer *consumer);
/** Gives a queue up; with lost=true at once. */
void rv__rmq_queue_revoke(struct rv__rmq_queue *queue, bool lost);
void rv__rmq_released(void *consumer, uint32_t slot, uint32_t epoch);
/** Frees a queue that nobody looks at any more. */
void rv__rmq_queue_destroy(struct rv__rmq_queue *queue);

/* locate.c */
/** Asks where reading begins, then reads. */
void rv__rmq_locate(struct rv__rmq_queue *queue);
/** Asks for the present ends of all queues, for an anonymous group. */
void rv__rmq_ends_ask(struct rv__rmq_consumer *consumer);

/* pull.c */
/** Hands out what is held and fetches more, as far as both are allowed now. */
void rv__rmq_queue_advance(struct rv__rmq_queue *queue);
void rv__rmq_queue_drop_held(struct rv__rmq_queue *queue);

/* settle.c */
rv_err rv__rmq_settle(void *consumer, const struct rv_settle *settle, int64_t *ret_hold_ms);
void rv__rmq_credit(void *consumer, uint32_t slot, uint32_t room);
/** Rings for the loop to look at the queues again; any thread. */
void rv__rmq_consumer_wake(struct rv__rmq_consumer *consumer);
void rv__rmq_consumer_run_wake(struct rv__op *op);

/* move.c */
/** The move is the loop's from here. */
void rv__rmq_move_run(struct rv__op *op);
/** How often a message may come back before the broker buries it. */
int rv__rmq_reconsume_limit(const struct rv__rmq_consumer *consumer);
void rv__rmq_moves_tend(struct rv__rmq_consumer *consumer, int64_t now_ms);
void rv__rmq_move_destroy(struct rv__rmq_move *move);

/* lock.c */
void rv__rmq_lock_queue(struct rv__rmq_queue *queue);
void rv__rmq_locks_renew(struct rv__rmq_consumer *consumer, int64_t now_ms);
void rv__rmq_unlock_queue(struct rv__rmq_queue *queue);

/* offsets.c */
/** Begins the request that stores `position` as the group's in a queue; the caller ends it, with or without an answer. */
void rv__rmq_offset_ask(struct rv__rmq_ask *ask, struct rv__rmq_connection *connection,
    const struct rv__rmq_queue *queue, int64_t position);

/** Tells the broker the position of a queue, if it moved. One-way. */
void rv__rmq_offset_store(struct rv__rmq_queue *queue);
void rv__rmq_offsets_store(struct rv__rmq_consumer *consumer);
/** The position that may be stored. */
int64_t rv__rmq_committable(struct rv__rmq_queue *queue);
/** The position that a broadcasting member stored in its file; -1: none. */
int64_t rv__rmq_local_offset(const struct rv__rmq_queue *queue);
/** Writes the file of a broadcasting member. */
void rv__rmq_local_offsets_store(struct rv__rmq_consumer *consumer);
/** An operator moves positions (RESET_CONSUMER_CLIENT_OFFSET). */
void rv__rmq_offsets_reset(struct rv__rmq_client *client, const struct rv__command *command);

/* serve.c */
/** The connection of a queue's broker under the consumer's identity; NULL: not open now. */
struct rv__rmq_connection *rv__rmq_queue_connection(struct rv__rmq_queue *queue);
/** Any open connection to a broker of the topic; NULL: none. Starts connecting. */
struct rv__rmq_connection *rv__rmq_topic_connection(
    struct rv__rmq_consumer *consumer, struct rv__rmq_topic *topic);

#endif
