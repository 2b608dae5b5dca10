/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `memory` binder from the inside: brokers inside this process, found by name, shared by all
 * applications of the process.
 *
 *     sender --inbox--> pump --log of a partition--> pump --deliver--> core
 *     worker --inbox--> pump      (settlements, credit, released)
 *
 * One thread per broker, the pump, owns the traffic: it drains the inboxes, appends to the logs,
 * hands out deliveries and makes every upcall. So a lock is taken once for many messages,
 * and upcalls never meet each other.
 *
 * Locks, outermost first: brokers (the list), broker.lock (topics, groups, members), inbox locks.
 * Upcalls are made with none of them held.
 */
#ifndef BINDER_MEMORY_MEMORY_H
#define BINDER_MEMORY_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>

#include <rivulet/binder.h>

enum {
	RV__MEMORY_SLOTS = 1024,     /* partitions of one topic at most */
	RV__MEMORY_SEND_ROOM = 4096, /* accepted and not yet appended, per producer */
	RV__MEMORY_BATCH = 256       /* deliveries in one upcall */
};

/* -- settings ----------------------------------------------------------------------------- */

struct rv__memory_binder_settings {
	const char *broker;
	int64_t partitions;
	int64_t max_messages;
	int64_t max_bytes;
};

struct rv__memory_consumer_settings {
	bool redeliver;
	int64_t redelivery_delay_ms;
	int64_t max_redeliveries;
	bool dead_letter;
	const char *dead_letter_destination;
};

extern const struct rv_prop_desc rv__memory_binder_rows[];
extern const struct rv_prop_desc rv__memory_consumer_rows[];

/* -- the broker's things --------------------------------------------------------------------- */

/* The log of one partition; positions [first, first + count). A ring. */
struct rv__memory_partition {
	rv_message **messages; /* a reference each */
	size_t head, count, room;
	int64_t first;
	int64_t bytes;
};

struct rv__memory_topic {
	struct rv__memory_topic *next;
	char *name;
	struct rv__memory_partition *partitions;
	uint32_t partition_count;
	struct rv__memory_group *groups;
	int64_t max_messages, max_bytes; /* of a partition */
};

/* What a group knows of one position between `committed` and `high`. */
struct rv__memory_mark {
	uint16_t deliveries;
	bool settled;
	bool set_aside; /* waits for its redelivery */
};

struct rv__memory_aside {
	struct rv__memory_aside *next;
	int64_t position;
	int64_t due_ns;
};

enum rv__memory_share_state { RV__SHARE_FREE, RV__SHARE_OWNED, RV__SHARE_REVOKING };

/* A group's part in one partition. */
struct rv__memory_share {
	enum rv__memory_share_state state;
	struct rv__memory_consumer *owner; /* unless FREE */
	uint32_t epoch;
	bool refused;                  /* the core took fewer; waits for credit() */
	int64_t committed;             /* everything before is settled */
	int64_t cursor;                /* next to deliver in order */
	int64_t high;                  /* everything from here on was never delivered */
	struct rv__memory_mark *marks; /* a ring for [committed, high) */
	size_t head, room;
	struct rv__memory_aside *aside; /* by due time */
};

struct rv__memory_group {
	struct rv__memory_group *next;
	char *name;
	bool anonymous;
	struct rv__memory_topic *topic;
	struct rv__memory_share *shares;     /* one a partition */
	struct rv__memory_consumer *members; /* in order of joining */
	bool unbalanced;                     /* members or partitions changed */
};

struct rv__memory_broker {
	struct rv__memory_broker *next;
	char *name;
	unsigned refs; /* under the lock of the list */
	pthread_mutex_t lock;
	pthread_cond_t wake;    /* for the pump */
	pthread_cond_t settled; /* a round ended: for those who leave */
	pthread_t pump;
	atomic_bool sleeping; /* the pump waits on `wake` */
	atomic_bool work;     /* something was put into an inbox */
	bool closing;
	struct rv__memory_topic *topics;
	struct rv__memory_producer *producers;
	uint64_t anonymous_count;
	int64_t next_due_ns;      /* of what is set aside */
	struct rv_binder_env env; /* of the first binder: clocks and memory are the process's */
};

/* -- ends of the applications ------------------------------------------------------------------ */

struct rv__memory_instance {
	struct rv_binder_env env;
	const struct rv__memory_binder_settings *settings;
	struct rv__memory_broker *broker;
	atomic_bool stopped;
	atomic_ullong sent, received, settled, requeued;
};

struct rv__memory_sending {
	rv_message *message;
	void *arg;
	struct rv__memory_topic *topic;
	int32_t partition;
};

struct rv__memory_producer {
	struct rv__memory_producer *next;
	struct rv__memory_instance *binder;
	struct rv__memory_topic *topic;
	const struct rv_producer_sink *sink_ops;
	void *sink;
	uint32_t turn;            /* round robin; the pump's */
	uint32_t told_partitions; /* how many the core knows of; under broker.lock */
	bool leaving;             /* under broker.lock */
	bool expired;             /* …: its deadline is over, the rest fails */
	bool gone;                /* … */
	size_t failed;            /* … */

	struct rv__memory_sending *inbox;  /* a ring of RV__MEMORY_SEND_ROOM; [head, tail) is the pump's */
	_Alignas(64) pthread_mutex_t lock; /* among senders; the pump takes none */
	atomic_size_t tail;                /* under `lock` */
	bool closed;                       /* … send() accepts nothing more */
	_Alignas(64) atomic_size_t head;   /* the pump's */
	atomic_bool wants_room;            /* a sender found none */
};

enum rv__memory_word_kind { RV__WORD_SETTLE, RV__WORD_CREDIT, RV__WORD_RELEASED };

/* What the core says of a slot. */
struct rv__memory_word {
	enum rv__memory_word_kind kind;
	enum rv_settlement settlement;
	uint32_t slot;
	uint32_t epoch;
	uint32_t count; /* acknowledged from `position` on; 1 for every other settlement */
	int64_t position;
};

struct rv__memory_consumer {
	struct rv__memory_consumer *next;
	struct rv__memory_instance *binder;
	struct rv__memory_group *group;
	const struct rv__memory_consumer_settings *settings;
	const struct rv_consumer_sink *sink_ops;
	void *sink;
	char *dead_letters; /* destination; NULL: none */
	bool started;       /* under broker.lock */
	bool leaving;       /* … */
	bool gone;          /* … */
	atomic_bool stopped;
	atomic_bool paused;
	atomic_uint epochs[RV__MEMORY_SLOTS]; /* of the slots owned; 0: not owned */
	atomic_llong lag;

	pthread_mutex_t lock; /* protects the inbox, and epochs against it */
	struct rv__memory_words {
		struct rv__memory_word *items;
		size_t count, room;
	} inbox;
	struct rv__memory_words spare; /* the pump's */
};

/* broker.c */
struct rv__memory_broker *rv__memory_broker_open(const char *name, const struct rv_binder_env *env);
void rv__memory_broker_close(struct rv__memory_broker *broker);
/** Wakes the pump if it sleeps. Any thread, no lock held but an inbox's at most. */
void rv__memory_wake(struct rv__memory_broker *broker);
/** Locks: broker.lock held. The topic, made or widened to `partitions`; NULL: no memory. */
struct rv__memory_topic *rv__memory_topic_get(struct rv__memory_broker *broker,
    const struct rv__memory_binder_settings *settings, const char *name, int64_t partitions);
/** Locks: broker.lock held. The group, made at the first message (name) or at the end (NULL); NULL: no memory. */
struct rv__memory_group *rv__memory_group_get(
    struct rv__memory_broker *broker, struct rv__memory_topic *topic, const char *name);
/** Locks: broker.lock held. Removes an anonymous group without members. */
void rv__memory_group_remove(struct rv__memory_group *group);

/* log.c; Locks: broker.lock held. */
/** Takes the reference over; false, and does not: no room, some group has not settled the oldest message. */
bool rv__memory_append(struct rv__memory_topic *topic, uint32_t partition, rv_message *message);
rv_message *rv__memory_at(const struct rv__memory_partition *partition, int64_t position);
int64_t rv__memory_end(const struct rv__memory_partition *partition);

/* share.c; Locks: broker.lock held. */
struct rv__memory_mark *rv__memory_mark_at(struct rv__memory_share *share, int64_t position);
/** Extends the marks so that `position` has one; NULL: no memory. */
struct rv__memory_mark *rv__memory_mark_deliver(struct rv__memory_share *share, int64_t position);
void rv__memory_settle(struct rv__memory_share *share, int64_t position, uint32_t count);
bool rv__memory_set_aside(struct rv__memory_share *share, int64_t position, int64_t due_ns);
/** Nobody owns it any more. */
void rv__memory_share_release(struct rv__memory_share *share);
void rv__memory_share_finish(struct rv__memory_share *share);
/** The next position of the share that may be delivered in order, or -1. */
int64_t rv__memory_next(struct rv__memory_share *share, const struct rv__memory_partition *partition);

/* pump.c */
void *rv__memory_pump(void *broker);

extern const struct rv_binder_ops rv__memory_binder;

#endif
