/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bound input. Each stream that it reads is a slot; readers block in XREADGROUP (anonymous: XREAD), one connection
 * for all slots of a binding on one node. What is delivered stays held until its XACK was answered: in the core's
 * queue, on a worker, or in the slot's backlog when the core had no room.
 *
 *     stream --reader--> held [ backlog -> core -> settled ] --XACK--> gone
 *                          ^------------------ claims: left behind by others, due again, own from before
 *
 * Locks: slot->lock alone, never with another. Upcalls are made without it.
 */
#ifndef BINDER_REDIS_CONSUMER_H
#define BINDER_REDIS_CONSUMER_H

#include "binder/redis/client.h"
#include "binder/redis/layout.h"

enum { RV__REDIS_SLOTS_MAX = 4097, RV__REDIS_DELIVER_MAX = 256 };

enum rv__redis_held_state {
	RV__REDIS_FREE,
	RV__REDIS_OUT,      /* with the core, or in the backlog */
	RV__REDIS_SETTLED,  /* its XACK is to be written, or under way */
	RV__REDIS_REQUEUED, /* to be given back for a later delivery, or under way */
};

/* One entry that is pending in our name. */
struct rv__redis_held {
	struct rv__redis_id id;
	uint32_t generation; /* of this place; names the entry in a token */
	uint32_t next_free;
	int32_t deliveries; /* as the server counts them, this one included */
	uint8_t state;
};

struct rv__redis_indexes {
	uint32_t *items;
	size_t count, room;
};

/* What came and the core had no room for, in order: a ring. */
struct rv__redis_backlog {
	struct rv_inbound *items;
	size_t head, count, room;
};

enum rv__redis_slot_state {
	RV__REDIS_SLOT_NEW,   /* the group, or the end of the stream, is still to be asked for */
	RV__REDIS_SLOT_ASKED, /* … under way */
	RV__REDIS_SLOT_DRAIN, /* what is pending in our own name comes first */
	RV__REDIS_SLOT_READY
};

enum { RV__REDIS_CLAIM_PAGE = 256 }; /* entries that are looked at, and claimed, in one command */

struct rv__redis_claim {
	struct rv__redis_request request;
	bool asked;             /* under way … */
	bool overtaken;         /* … for a scan that is no more */
	bool own;               /* in our own name, whatever its age; else what is idle for long enough */
	struct rv__redis_id at; /* looked at up to here, inclusive */
	bool begun;
	bool last;      /* the list was shorter than asked for */
	int64_t due_ms; /* the next scan */
	size_t count;   /* of what is being claimed: */
	struct rv__redis_id *ids;
	int32_t *deliveries;
	int manner;               /* how these are claimed; see claim.c */
	uint64_t alone_cookie;    /* the one that was claimed alone; 0: none out */
	int64_t alone_ms;         /* since then */
	int64_t patient_ms;       /* since the first of this scan; 0: none yet */
	bool hurried;             /* they took their time: no more waiting in this scan */
	bool forgiven;            /* the innocent were looked for in this scan */
	struct rv__redis_id open; /* one that was claimed and is with somebody, from that time on */
	int64_t open_ms;          /* … 0: none */
};

struct rv__redis_slot {
	struct rv__op op; /* posted while there is something for the I/O thread */
	struct rv__redis_consumer *consumer;
	uint32_t id;
	int32_t partition;
	char *key; /* owned */
	struct rv__redis_route route;

	pthread_mutex_t lock; /* protects the following */
	uint32_t epoch;       /* 0: not ours now */
	struct rv__redis_held *held;
	uint32_t held_room, free_head; /* UINT32_MAX: none free */
	size_t held_count;
	struct rv__redis_indexes settled, requeued, extended,
	    recounted;   /* to be told to Redis; room for all held */
	uint32_t credit; /* room that the core told since */
	bool credited, posted;

	/* The I/O thread. */
	enum rv__redis_slot_state state;
	struct rv__redis_request request;
	int64_t retry_ms;         /* NEW: not before */
	struct rv__redis_id last; /* anonymous: read up to here; else the newest seen */
	struct rv__redis_backlog backlog;
	bool refused;       /* the core waits to tell of room */
	int64_t room;       /* that the core told, less what it took since; -1: never refused */
	size_t entry_bytes; /* of one of the last read, on the average; 0: there was none */
	int64_t ack_ms;     /* what is settled is told at that time; INT64_MAX: nothing is */
	struct rv__redis_telling *tellings; /* commands under way that tell of settlements */
	int64_t keep_ms;                    /* the backlog's leases are extended next */
	struct rv__redis_claim claim;
	int64_t lag; /* as last measured */
	struct rv__redis_request measure;
	struct rv__redis_request gap; /* orderly: a look for what was passed over; see gap.c */
	bool unsure;                  /* its answer is due: what the last read brought waits in the backlog */
	bool announced;               /* assigned() was called */
	bool reset;                   /* reset-offsets was done */
	bool late;                    /* its stream came after the binding: read from its first entry */
	bool regroup;                 /* NEW: the group was there and is gone */
	bool left;                    /* the group knows that we go */
	bool lived;                   /* what was pending in our name from before was looked for once */
	struct rv__redis_lease *lease;     /* orderly; NULL: shared */
	struct rv__redis_mixture *mixture; /* signs of members of the other kind; NULL: not looked for yet */
	struct rv__redis_reader *reader;
};

struct rv__redis_slots {
	struct rv__redis_slot **items;
	size_t count, room;
};

/* One blocking connection. */
struct rv__redis_reader {
	struct rv__redis_reader *next;
	struct rv__redis_consumer *consumer;
	struct rv__redis_link *link;
	struct rv__redis_request request;
	bool reading;                    /* a read is under way … */
	bool opened;                     /* once at least */
	bool unblocking;                 /* … and was asked to end */
	struct rv__redis_slots asked;    /* … of these slots */
	struct rv__redis_slots answered; /* those of the read before, while its answer is taken apart */
};

struct rv__redis_consumer {
	struct rv__redis_consumer *next;
	struct rv__redis_client *client;
	const struct rv__redis_consumer_settings *settings;
	const struct rv_consumer_sink *sink_ops;
	void *sink;
	char *binding, *destination, *group, *name, *dead_letters; /* owned; group NULL: anonymous */
	int32_t instance_index, instance_count;
	const int32_t *instances; /* where it has several; the core's, until unbind */
	size_t instances_count;
	int32_t max_deliveries; /* 0: no limit */
	bool partitioned;

	atomic_uint slot_count;
	struct rv__redis_slot **slots; /* room for RV__REDIS_SLOTS_MAX */
	atomic_bool paused, stopped;
	_Atomic uint64_t received, settled, requeued, claimed;
	atomic_llong lag;
	atomic_uint mixed; /* streams that members read orderly and others not */

	/* The I/O thread. */
	struct rv__redis_reader *readers;
	struct rv__redis_discovery *discovery; /* of partitions */
	struct rv__redis_members *members;     /* orderly */
	bool discovered;
	bool started;
	bool up, told, tried;
	struct rv_error trouble, told_why;
	struct rv__call *bind_call; /* waits for the first judgement; what it was: */
	bool bound_up;
	struct rv_error bound_why;
	int64_t bind_deadline_ms;
	struct rv__call *close_call;
	int64_t close_deadline_ms;
	int64_t clean_ms, measure_ms;
	size_t left_over;
	struct rv__redis_decoded decoded; /* of the entry at hand */
};

/* bind_consumer.c: the control thread, or any where the contract says so */
rv_err rv__redis_bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err);
rv_err rv__redis_start_consumer(void *consumer, struct rv_error *err);
void rv__redis_pause(void *consumer);
void rv__redis_resume(void *consumer);
void rv__redis_stop_consumer(void *consumer);
size_t rv__redis_unbind_consumer(void *consumer, int64_t deadline_ms);

/* settle.c: any thread */
rv_err rv__redis_settle(void *consumer, const struct rv_settle *settle, int64_t *ret_hold_ms);
rv_err rv__redis_acknowledge(void *consumer, const struct rv_token *tokens, size_t n);
bool rv__redis_holds(void *consumer, const struct rv_token *token);
void rv__redis_describe(void *consumer, const struct rv_token *token, rv_detail_fn header, void *arg);
void rv__redis_extend(void *consumer, const struct rv_token *tokens, size_t n);
void rv__redis_credit(void *consumer, uint32_t slot, uint32_t room);
void rv__redis_released(void *consumer, uint32_t slot, uint32_t epoch);

/* From here on: the I/O thread. */

int64_t rv__redis_consumer_tend(struct rv__redis_consumer *consumer, int64_t now_ms);
void rv__redis_consumer_judge(struct rv__redis_consumer *consumer);
/** An answer stands in the way of the binding, as long as the next one is no better. */
void rv__redis_consumer_troubled(struct rv__redis_consumer *consumer, const struct rv_error *why);

/* discover.c */
/** Asks how many partitions there are, now and then; makes slots for the new ones. */
int64_t rv__redis_discover(struct rv__redis_consumer *consumer, int64_t now_ms);
void rv__redis_discovery_destroy(struct rv__redis_consumer *consumer);

/* stream.c */
/** A slot for a stream; takes `key` over, also on failure. NULL: no memory. */
struct rv__redis_slot *rv__redis_slot_create(
    struct rv__redis_consumer *consumer, uint32_t id, int32_t partition, char *key);
void rv__redis_slot_destroy(struct rv__redis_slot *slot);
/** What the slot needs at this time: its group, its claims, its leases. */
int64_t rv__redis_slot_tend(struct rv__redis_slot *slot, int64_t now_ms);
/** NOGROUP: the group is made again, and said so. */
void rv__redis_slot_lost_group(struct rv__redis_slot *slot);
/** Whether new messages may be asked for. */
bool rv__redis_slot_reads(const struct rv__redis_slot *slot);
/** An answer that stands in the way; the slot begins anew when it is about the route. */
void rv__redis_slot_refused(struct rv__redis_slot *slot, const struct rv__redis_answer *answer);

/* deliver.c */
/** Acknowledges one that is gone from the stream: only its place among the pending ones is left. Room must have been
 * reserved. Takes slot->lock. */
void rv__redis_settle_gone(struct rv__redis_slot *slot, struct rv__redis_id id);
/** Takes an array of entries of a reply. `deliveries` (NULL: all 0) are those before, by id as in `ids`. Returns how many
 * had fields. */
size_t rv__redis_take_entries(struct rv__redis_slot *slot, struct rv__resp_cursor *cursor,
    const struct rv__redis_id *ids, const int32_t *deliveries, size_t id_count);
/** Offers the backlog to the core. */
void rv__redis_deliver_backlog(struct rv__redis_slot *slot);
void rv__redis_backlog_drop(struct rv__redis_slot *slot);
/** Drops it and frees its places: what is pending is for the next scan. */
void rv__redis_backlog_give_back(struct rv__redis_slot *slot);

/* held.c */
/** Room for so many more; false: no memory. Takes slot->lock. */
bool rv__redis_held_reserve(struct rv__redis_slot *slot, size_t count);
/** Locks: slot->lock held. One place; room must have been reserved. */
uint32_t rv__redis_held_take(struct rv__redis_slot *slot, struct rv__redis_id id, int32_t deliveries);
/** Locks: slot->lock held. */
void rv__redis_held_free(struct rv__redis_slot *slot, uint32_t index);
/** Locks: slot->lock held. The place that a token names, if it is still out; else NULL. */
struct rv__redis_held *rv__redis_held_find(struct rv__redis_slot *slot, const struct rv_token *token);
bool rv__redis_held_has(struct rv__redis_slot *slot, struct rv__redis_id id);

/* tell.c */
/** Writes XACK and the like for what is due. */
void rv__redis_tell(struct rv__redis_slot *slot, bool all);
/** Forgets what is under way; how many places it was about. */
size_t rv__redis_tell_cancel(struct rv__redis_slot *slot);
/** Resets the idle time of these held entries (XCLAIM … JUSTID). */
void rv__redis_keep(struct rv__redis_slot *slot, const uint32_t *indexes, size_t count);
/** Gives back what is pending in our name, and removes the consumer when nothing is; sets slot->left in the end. */
void rv__redis_leave(struct rv__redis_slot *slot);
/** Removes consumers that are gone for long and have nothing pending. */
void rv__redis_clean(struct rv__redis_slot *slot);

/* measure.c */
/** Asks how far the group is behind. */
void rv__redis_measure(struct rv__redis_slot *slot);

/* mixed.c */
/** Looks whether others of the group differ in `orderly`. */
void rv__redis_mixture_look(struct rv__redis_slot *slot);
void rv__redis_mixture_destroy(struct rv__redis_slot *slot);

/* claim.c */
/** Goes on with a scan of the pending entries when its time has come; when to look again. */
int64_t rv__redis_claim_tend(struct rv__redis_slot *slot, int64_t now_ms);
/** What is pending in our own name is looked for (again). */
void rv__redis_claim_own(struct rv__redis_slot *slot);

/* read.c */
/** Begins reads where there is something to ask for and no read under way. */
void rv__redis_read(struct rv__redis_consumer *consumer);
/** Ends blocking reads early. */
void rv__redis_unblock(struct rv__redis_consumer *consumer);
bool rv__redis_is_reading(const struct rv__redis_consumer *consumer);
void rv__redis_readers_destroy(struct rv__redis_consumer *consumer);

/** Whether a read under way names the slot. */
bool rv__redis_slot_is_asked(const struct rv__redis_slot *slot);

/* lease.c; slots without a lease are shared, and may do everything at all times */
bool rv__redis_lease_create(struct rv__redis_slot *slot);
void rv__redis_lease_cancel(struct rv__redis_slot *slot);
void rv__redis_lease_destroy(struct rv__redis_slot *slot);
int64_t rv__redis_lease_tend(struct rv__redis_slot *slot, int64_t now_ms);
/** Whether what comes from the stream now is ours to deliver. */
bool rv__redis_lease_holds(const struct rv__redis_slot *slot);
/** The same by the clock of this moment; any thread. */
bool rv__redis_lease_is_valid(const struct rv__redis_slot *slot);
/** The start of a script's command that does nothing unless the lease is ours; `args` follow those two: its key, its
 * value. */
void rv__redis_lease_fence(
    const struct rv__redis_slot *slot, struct rv__buffer *out, const char *script, size_t args);
/** How long a read may wait at the server; 0 or less: none may begin. */
int64_t rv__redis_lease_left_ms(const struct rv__redis_slot *slot);
void rv__redis_lease_release(struct rv__redis_slot *slot);
/** The core has drained it; any thread. */
void rv__redis_lease_released(struct rv__redis_slot *slot, uint32_t epoch);

/* gap.c */
/** Takes what a read brought, an array of entries; with a lease it is delivered once nothing before it was passed over. */
void rv__redis_take_read(
    struct rv__redis_slot *slot, struct rv__redis_link *link, struct rv__resp_cursor *cursor);

/* members.c */
int64_t rv__redis_members_tend(struct rv__redis_consumer *consumer, int64_t now_ms);
/** How many streams we may own. */
unsigned rv__redis_members_share(const struct rv__redis_consumer *consumer);
void rv__redis_members_leave(struct rv__redis_consumer *consumer);
void rv__redis_members_destroy(struct rv__redis_consumer *consumer);

/* tell.c */
/** A request whose replies nobody needs; false: no memory, and nothing is asked. Write the command afterwards. */
bool rv__redis_ask_and_forget(struct rv__redis_link *link, size_t replies);

#endif
