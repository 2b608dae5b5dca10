/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving half. Each binding has one client of librdkafka and one thread, which does all that concerns
 * it: it answers rebalances, hands on what the partitions' queues hold, stores positions. Since deliver() only
 * enqueues, the thread never waits for a listener, and the group never misses it.
 *
 * A partition keeps its slot for the life of the consumer. Its states:
 *
 *     gone -> assigned -> draining (revoked; running listeners may still settle) -> gone
 *
 * Each assignment has an epoch of its own; what was delivered under an older one is stale.
 *
 * Threads: the consumer's thread owns everything that says nothing else. settle, acknowledge, credit and released
 * come from any thread and meet it at partition->lock. Order of locks: consumer->lock before none; partition->lock
 * before that of the journal alone; no call into the core or librdkafka is made under one.
 */
#ifndef BINDER_KAFKA_CONSUMER_H
#define BINDER_KAFKA_CONSUMER_H

#include "binder/kafka/headers.h"
#include "binder/kafka/journal.h"
#include "binder/kafka/kafka.h"
#include "binder/kafka/key.h"
#include "binder/kafka/window.h"

enum {
	RV__KAFKA_SLOTS = 65536,
	RV__KAFKA_BATCH = 256, /* handed to the core at once */
	RV__KAFKA_WINDOW_MAX =
	    65536, /* unsettled messages of one partition, the settled ones between them included */
};

enum rv__kafka_stage { RV__KAFKA_GONE, RV__KAFKA_ASSIGNED, RV__KAFKA_DRAINING };

/* One message that was read: by it a log is known again. verify.c. */
struct rv__kafka_print {
	int64_t offset; /* -1: none */
	int64_t timestamp_ms;
	int64_t expected; /* what ListOffsets says of that time */
	uint64_t digest;
};

struct rv__kafka_partition {
	struct rv__kafka_consumer *consumer;
	struct rv__kafka_partition *next; /* among all that were ever assigned */
	char *topic;                      /* owned */
	int32_t number;
	uint32_t slot;
	char name[64]; /* for logs */
	struct rv__journal_key key;

	/* The thread's own. */
	rd_kafka_queue_t *queue; /* NULL unless assigned */
	struct rv_inbound *held; /* owned, RV__KAFKA_BATCH of them: the core had no room */
	size_t held_at, held_count;
	size_t longest;            /* the queue since librdkafka was last told that it became shorter */
	bool was_assigned;         /* reset-offsets counts once */
	bool fresh;                /* nothing was read yet under this assignment */
	_Atomic int64_t committed; /* as the broker confirmed; -1: not known; the lane's too */
	int64_t
	    carried; /* settled under an assignment that was lost before it could be stored; -1: nothing */
	int64_t last_offset;    /* that came under this assignment; -1: none */
	int64_t youngest_ms;    /* of all messages that were read under this assignment */
	atomic_bool was_stored; /* the group had a position of it, ever */
	bool from_start;        /* its topic is another: the next assignment reads all of it */
	uint64_t slow_base;     /* number of the oldest entry when last looked at */
	int64_t slow_since_ms;

	atomic_bool print_wanted; /* `newest` is to be taken from a message */
	_Atomic int64_t end;      /* as the watch saw it; -1: not yet */

	atomic_bool blocked; /* the core waits to say credit() */

	pthread_mutex_t lock; /* protects what follows */
	enum rv__kafka_stage stage;
	uint32_t epoch;
	bool released;
	struct rv__kafka_window window;
	int64_t start;                 /* where reading began under this assignment; -1: not known */
	struct rv__kafka_print sure;   /* was in the log that is read */
	struct rv__kafka_print newest; /* was read since */
	struct rv__kafka_print before; /* `newest` as it was before the broker was asked; the watch's own */
	bool learnt;                   /* the message before `start` was looked for */
	bool replaced;                 /* it was found to be another log */
	unsigned settled;              /* since the last commit */
	int64_t requeued;              /* offset that was requeued last, … */
	int32_t requeues;              /* … and how often */
};

/* A client of librdkafka, alive as long as the consumer or a message that points into its buffers. */
struct rv__kafka_session {
	atomic_uint refs;
	rd_kafka_t *rk;
	bool cooperative;
	int64_t woken_ns; /* by rv__kafka_session_fetch(); the consumer's thread */
};

struct rv__kafka_consumer {
	struct rv__kafka *kafka;
	struct rv__kafka_consumer *next; /* under kafka->lock */
	const struct rv_consumer_sink *sink_ops;
	void *sink;
	const struct rv__kafka_consumer_settings *settings;
	char *binding, *destination, *group, *pattern, *dead_letters; /* owned */
	bool anonymous;
	bool fixed; /* partitions are shared out by number, or all are ours: no group protocol */
	int32_t instance_index, instance_count;
	const int32_t *instances; /* where it has several; the core's, until unbind */
	size_t instances_count;
	int32_t max_attempts;
	enum rv__kafka_ack_mode ack_mode;
	int64_t commit_interval_ms;
	int64_t commit_count;
	int64_t revoke_ms;
	enum rv__kafka_format key_format;
	struct rv__kafka_need need;
	struct rv__kafka_need dead_letter_need;
	struct rv__kafka_lane
	    *lane; /* commits what listeners send, and all positions; NULL: no transactions */

	pthread_t thread;
	int wake_fd;
	atomic_bool wake_pending;
	atomic_bool started, stopped, paused, closing;
	atomic_bool replaced;                       /* some partition is */
	int64_t close_deadline_ms;                  /* set before `closing` */
	struct rv__kafka_partition *_Atomic *slots; /* by slot; filled in by the thread, never emptied */
	_Atomic uint32_t slot_count;

	/* The thread's own. */
	struct rv__kafka_partition *all;   /* that were ever assigned */
	struct rv__kafka_session *session; /* NULL: not made yet */
	rd_kafka_queue_t *queue;           /* of the client: rebalances, errors, commits */
	bool subscribed;
	atomic_bool from_end; /* where there is no stored position: the end, else the start */
	bool resets;          /* reset-offsets, where the start is known */
	bool ends_known;      /* anonymous: where to begin was read */
	int64_t *ends;        /* owned */
	int32_t end_count;
	int32_t assigned_count;                    /* fixed: partitions assigned so far */
	rd_kafka_topic_partition_list_t *revoking; /* owned; NULL: no revocation under way */
	int64_t revoke_deadline_ms;
	bool committing;
	int64_t commit_due_ms, commit_since_ms;
	bool begin_anew;     /* the client failed for good */
	int64_t recreate_ms; /* not before */
	int64_t restart_ms;  /* of what was replaced: not before */
	bool placed;         /* anonymous, by a pattern: where to begin is fixed */
	int64_t joined_ms;
	int64_t tick_ms;
	int64_t idle_since_ms;
	struct rv__kafka_header_reader reader;
	rd_kafka_message_t *raw[RV__KAFKA_BATCH];
	struct rv_inbound batch[RV__KAFKA_BATCH];
	struct rv__journal *journal; /* of attempts; NULL: none */
	atomic_bool journal_full;    /* that was said */
	struct rv_error trouble;     /* of this client alone, its group or topic; code 0: none */
	int64_t trouble_ms;

	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t changed;
	struct rv__kafka_session *shared; /* the session, for the lane, which takes a reference */
	int32_t partitions;               /* of the topic, as watched; 0: not there */
	bool judged, missing;
	struct rv_error why;
	bool bound, told_up, told;
	int told_number;   /* of the reason */
	char slow[160];    /* "topic[3]@1234 for 75 s"; empty: none */
	char problem[256]; /* of the client alone */

	atomic_ullong received, settled, requeues, commits;
	atomic_llong lag;
	atomic_int assigned;
};

/* -- consumer.c --------------------------------------------------------------------------------- */

void rv__kafka_consumer_wake(struct rv__kafka_consumer *consumer);
/** Says why the way is not open, or that it is (NULL), if that is news. The consumer's thread. */
void rv__kafka_consumer_tell(struct rv__kafka_consumer *consumer, const struct rv_error *why);
/** Remembers trouble of this client alone; it passes when nothing is heard of it for some seconds. */
void rv__kafka_consumer_trouble(struct rv__kafka_consumer *consumer, int code, const char *words);
/** What pthread_create() runs: serves events and feeds the core until `closing`. */
void *rv__kafka_consumer_run(void *consumer);
/** What the watch says of the topics, and of those of the dead letters; from its thread. */
void rv__kafka_consumer_judged(void *consumer, int32_t partitions, const struct rv_error *why);
void rv__kafka_consumer_dead_letters_judged(void *consumer, int32_t partitions, const struct rv_error *why);

/* -- session.c ----------------------------------------------------------------------------------- */

rv_err rv__kafka_session_create(struct rv__kafka_consumer *consumer, struct rv_error *err);
/** Leaves the group as well as that goes in the time, and gives the client back. */
void rv__kafka_session_close(struct rv__kafka_consumer *consumer, int64_t deadline_ms);
/** Lets librdkafka look whether it may fetch again: it does so by itself only once a second when a queue was full. */
void rv__kafka_session_fetch(struct rv__kafka_session *session);
void rv__kafka_session_ref(struct rv__kafka_session *session);
void rv__kafka_session_unref(struct rv__kafka_session *session);

/* -- assign.c ------------------------------------------------------------------------------------ */

/** Joins the group, or takes the partitions that are this instance's. */
void rv__kafka_join(struct rv__kafka_consumer *consumer);
/** Partitions that came meanwhile; or all of them gone with their topic. Only with consumer->fixed. */
void rv__kafka_refresh_fixed(struct rv__kafka_consumer *consumer, int32_t count);
void rv__kafka_on_rebalance(struct rv__kafka_consumer *consumer, rd_kafka_event_t *event);
/** Ends a revocation whose slots are released or whose time is over. */
void rv__kafka_tend_revocation(struct rv__kafka_consumer *consumer, bool at_once);
/** All assigned partitions are gone, without a commit. */
void rv__kafka_lose_all(struct rv__kafka_consumer *consumer);
/** The topic is another from now on: positions of before mean nothing in it. */
void rv__kafka_forget_carried(struct rv__kafka_consumer *consumer);
/** Reads partitions that are others by now from their start. */
void rv__kafka_tend_replaced(struct rv__kafka_consumer *consumer);
/** Where an anonymous consumer begins; false: not known yet. Blocks for a second at most. */
bool rv__kafka_read_ends(struct rv__kafka_consumer *consumer, int32_t count);

/* -- verify.c ------------------------------------------------------------------------------------- */

/** Remembers the message, which is the first of its millisecond. The consumer's thread. */
void rv__kafka_print_take(struct rv__kafka_partition *partition, const rd_kafka_message_t *raw);
/** Looks whether the partitions are what they were, and for their ends; blocks. The watch's thread. */
void rv__kafka_verify(void *consumer, rd_kafka_t *rk);

/* -- deliver.c ------------------------------------------------------------------------------------ */

/** Hands on what is there; whether there was anything. */
bool rv__kafka_feed(struct rv__kafka_consumer *consumer);
/** Drops what the core had no room for. */
void rv__kafka_drop_held(struct rv__kafka_partition *partition);

/* -- commits.c ------------------------------------------------------------------------------------ */

/** Stores positions when it is time; returns when to look again. */
int64_t rv__kafka_tend_commits(struct rv__kafka_consumer *consumer, int64_t now_ms);
/** Stores those of the partitions in `only` (NULL: all assigned) and waits; whether the broker has them. */
bool rv__kafka_commit_now(
    struct rv__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *only, int64_t timeout_ms);
/** Stores just these and waits; whether the broker has them. */
bool rv__kafka_commit_list(
    struct rv__kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list, int64_t timeout_ms);
void rv__kafka_on_committed(struct rv__kafka_consumer *consumer, rd_kafka_event_t *event);

/* -- shared ---------------------------------------------------------------------------------------- */

static inline struct rv__kafka_partition *rv__kafka_slot(struct rv__kafka_consumer *consumer, uint32_t slot)
{
	return slot < atomic_load_explicit(&consumer->slot_count, memory_order_acquire)
	    ? consumer->slots[slot]
	    : NULL;
}

#endif
