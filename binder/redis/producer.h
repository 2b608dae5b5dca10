/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bound output. Each stream that it writes is a lane: senders put messages into its inbox, already encoded while the
 * stream flows; the I/O thread writes what came since the last turn in one burst and completes by the replies. What
 * was written and not answered when a link is lost is written again, in order, before anything newer.
 *
 *     sender: inbox --swap--> I/O: ring [ written, unanswered | unsent ]
 */
#ifndef BINDER_REDIS_PRODUCER_H
#define BINDER_REDIS_PRODUCER_H

#include "binder/redis/client.h"
#include "binder/redis/layout.h"

enum { RV__REDIS_PARTITIONS_MAX = 4096 };

/* One accepted message, until its completion. */
struct rv__redis_send {
	rv_message
	    *message; /* a reference of ours; NULL: completed already, its place waits for earlier ones */
	void *arg;
	int64_t deadline_ms;
	uint32_t bytes;
	bool bare;
	bool stored; /* the server has it as `id`; replicas are waited for */
	struct rv__redis_id id;
	bool refused; /* names a partition that does not exist: only its completion is left to do */
};

struct rv__redis_sends {
	struct rv__redis_send *items;
	size_t count, room;
};

/* So many XADD in a row of one lane, and the WAIT behind them if replicas shall have them, too. */
struct rv__redis_burst {
	struct rv__redis_request request, wait;
	bool waits;
	struct rv__redis_lane *lane;
	struct rv__redis_burst *next; /* of the lane */
};

struct rv__redis_lane {
	struct rv__op op; /* posted while the inbox has something new */
	struct rv__redis_producer *producer;
	int32_t partition;
	char *key; /* owned */
	struct rv__redis_head head;
	struct rv__redis_route route;

	/* Senders and the I/O thread. */
	pthread_mutex_t lock; /* protects inbox, encoded, skipped, posted */
	struct rv__redis_sends inbox;
	struct rv__buffer encoded; /* the XADD of all in the inbox, unless `skipped` */
	bool skipped;
	bool posted;
	atomic_bool flows; /* written at once: it pays to encode on the sender's thread */
	atomic_bool
	    awaits;       /* a good number of replies: the I/O thread will look at the inbox when they come */
	atomic_bool left; /* something in the inbox waits for that look; written under `lock` */

	/* The I/O thread. */
	struct rv__redis_sends spare; /* change places with the inbox */
	struct rv__buffer spare_encoded;
	struct rv__redis_send *ring;
	size_t head_at, count, room; /* room: a power of two */
	size_t written;              /* of these, under way or answered */
	size_t answered;             /* of these, answered while an earlier one is still here */
	bool listed;                 /* in client->left: its inbox is looked at when these replies are told */
	struct rv__redis_lane *next_left;
	bool again;            /* some of the answered want to be written again */
	int64_t held_until_ms; /* nothing is written before */
	struct rv__redis_burst *bursts, *spare_bursts;
};

/* The streams of the destination; replaced as a whole when it gets more partitions. */
struct rv__redis_lanes {
	struct rv__redis_lanes *older; /* kept until the end: a sender may still look at it */
	size_t count;
	struct rv__redis_lane *items[];
};

/* A lane to a destination that a message named itself. */
struct rv__redis_other {
	struct rv__redis_other *next;
	char *destination; /* owned */
	struct rv__redis_lane *lane;
};

struct rv__redis_producer {
	struct rv__redis_producer *next;
	struct rv__redis_client *client;
	const struct rv__redis_producer_settings *settings;
	const struct rv_producer_sink *sink_ops;
	void *sink;
	char *binding, *destination; /* owned */
	char **groups;               /* owned: those to be made */
	size_t group_count;
	int32_t wanted; /* partitions */
	int64_t send_timeout_ms;

	/* Any thread. */
	_Atomic(struct rv__redis_lanes *) lanes;
	pthread_mutex_t lock; /* protects others */
	struct rv__redis_other *others;
	atomic_uint turn;
	atomic_long in_flight, in_flight_bytes;
	atomic_bool wants_room; /* send() took fewer than offered */
	atomic_bool closed;
	_Atomic uint64_t sent, send_errors;

	/* The I/O thread. */
	struct rv__redis_provision *provision; /* under way; NULL: none */
	bool provisioned;
	int64_t next_look_ms; /* at the number of partitions */
	bool up, told;        /* last word given to sink->state() */
	struct rv_error trouble, told_why;
	bool tried;                 /* there was an answer, or a failure to connect */
	struct rv__call *bind_call; /* waits for the first judgement; what it was: */
	bool bound_up;
	int32_t bound_partitions;
	struct rv_error bound_why;
	int64_t bind_deadline_ms;
	struct rv__call *close_call; /* waits for the last completion */
	int64_t close_deadline_ms;
	size_t failed_at_close;
	struct rv__redis_trimmer *trimmer;
};

/* producer.c: any thread */
size_t rv__redis_producer_send(void *producer, const struct rv_outbound *batch, size_t n);

/* bind_producer.c: the control thread */
rv_err rv__redis_bind_producer(void *binder, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err);
size_t rv__redis_unbind_producer(void *producer, int64_t deadline_ms);

/* lane.c, inbox.c */
/** A lane to a stream; takes `key` over, also on failure. NULL: no memory. */
struct rv__redis_lane *rv__redis_lane_create(
    struct rv__redis_producer *producer, int32_t partition, char *key);
void rv__redis_lane_destroy(struct rv__redis_lane *lane);
/** Locks: lane->lock held; any thread. Takes a reference; false: no memory. */
bool rv__redis_lane_put(struct rv__redis_lane *lane, const struct rv_outbound *outbound, int64_t deadline_ms);
/** Locks: lane->lock held; any thread. Whether the I/O thread is to be told of the inbox now. */
bool rv__redis_lane_rings(struct rv__redis_lane *lane);
/** I/O thread: takes what senders left for it while it awaited replies. */
void rv__redis_lanes_take_left(struct rv__redis_client *client);
/** I/O thread: writes what can be written now. */
void rv__redis_lane_dispatch(struct rv__redis_lane *lane);
/** Fails what is past its deadline, or all when `why` is given; when to look again. */
int64_t rv__redis_lane_tend(struct rv__redis_lane *lane, int64_t now_ms, const struct rv_error *why);

/* complete.c: I/O thread */
/** Counts and tells one completion; the item is given up. Told at the latest by the next rv__redis_complete_flush(). */
void rv__redis_complete(
    struct rv__redis_lane *lane, struct rv__redis_send *send, struct rv_span id, const struct rv_error *why);
void rv__redis_complete_flush(struct rv__redis_client *client);

/* provision.c: I/O thread */
/** Makes or widens the destination, and the required groups; ends in rv__redis_producer_provisioned(). */
void rv__redis_producer_provision(struct rv__redis_producer *producer);
void rv__redis_producer_provision_cancel(struct rv__redis_producer *producer);
/** why NULL: the destination has so many partitions. */
void rv__redis_producer_provisioned(
    struct rv__redis_producer *producer, int32_t partitions, const struct rv_error *why);

/* I/O thread, from client.c */
int64_t rv__redis_producer_tend(struct rv__redis_producer *producer, int64_t now_ms);
/** Looks whether the way to the broker is open, and tells the sink when that changed. */
void rv__redis_producer_judge(struct rv__redis_producer *producer);

/* trim.c: I/O thread */
/** Begins to trim the streams of a producer by its settings; NULL when they ask for none. */
struct rv__redis_trimmer *rv__redis_trimmer_create(struct rv__redis_producer *producer);
int64_t rv__redis_trimmer_tend(struct rv__redis_trimmer *trimmer, int64_t now_ms);
void rv__redis_trimmer_destroy(struct rv__redis_trimmer *trimmer);

/* names.c */
/** The key of a partition: prefix + destination, and "-<partition>" when there are several. Owned; NULL: no memory. */
char *rv__redis_key(const struct rv__redis_binder_settings *settings, const char *destination,
    int32_t partition, int32_t count);
/** The key of a helper of a stream, in the same slot of a Cluster: "{key}:suffix". Owned; NULL: no memory. */
char *rv__redis_helper_key(const char *key, const char *suffix);
/** "<what>:<group>", for such a key; owned. NULL: no memory. */
char *rv__redis_suffix(const char *what, const char *group);
rv_err rv__redis_check_name(const char *what, const char *name, struct rv_error *err);

#endif
