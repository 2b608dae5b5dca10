/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving side of one input binding: deliveries queue up in slots (one a partition, in
 * order), `concurrency` workers take slots in turn and call the listeners.
 *
 * A slot is at one place at a time:
 *
 *     idle -> ready (listed) -> running (on one worker) -> ready | parked (backs off) | idle
 *
 * so listeners never run twice at once for one partition, and a slot that backs off occupies
 * no worker. A slot is bounded by count and bytes of what the binder delivered and nobody settled yet; beyond
 * that deliver() refuses and credit() says when there is room again.
 *
 * Lifecycle: create -> (bind) -> start -> … -> halt -> drain -> detach -> (unbind) -> stop -> unref, once for each
 * time that the binding binds. Shared by reference: workers and deferred deliveries keep it alive,
 * even beyond the application, where their settlements are stale.
 * Threads: deliver, assigned, revoked from binder threads; settle from any.
 */
#ifndef BINDINGS_INPUT_H
#define BINDINGS_INPUT_H

#include <pthread.h>
#include <stdatomic.h>

#include <rivulet/app.h>
#include <rivulet/binder.h>

#include "bindings/acks.h"

struct rv__binder;
struct rv__binding;
struct rv__input;
struct rv__letters;
struct rv__observer;

enum { RV__SLOTS_MAX = 65536, RV__SOURCES_MAX = 64 };

/* The way to the broker, as its binder tells. */
struct rv__way {
	bool told;  /* since it bound */
	bool waits; /* there is none */
};

struct rv__listener {
	rv_listener_fn call;
	void *context;
};

/* One delivery on its way through the binding layer. */
struct rv__item {
	rv_message *message; /* owned */
	struct rv_token token;
	uint32_t bytes;
	int32_t before;     /* attempts before this delivery: counted by the broker, or before a hold */
	int32_t attempts;   /* in-place attempts of this delivery so far */
	int32_t lease_ms;   /* 0: none */
	int32_t deliveries; /* earlier ones, as the broker counted them */
	int16_t pending;    /* the verdict + 1 whose settlement failed and is tried again; 0: none */
	bool unwrapped;     /* embedded headers were looked for */
};

enum rv__slot_place { RV__SLOT_IDLE, RV__SLOT_READY, RV__SLOT_RUNNING, RV__SLOT_PARKED };

/* A deferred delivery whose next attempt is due; it left the order. */
struct rv__again {
	struct rv__again *next;
	struct rv__item item;
	int64_t due_ns;
};

struct rv__slot {
	struct rv__source *source;
	uint32_t id;
	uint32_t epoch;
	char name[64];

	/* Everything below: the input's lock. */
	enum rv__slot_place place;
	struct rv__slot *next;  /* in the ready or the parked list */
	int64_t due_ns;         /* PARKED */
	struct rv__item *items; /* a ring of `room` */
	size_t head, count, room;
	size_t claimed;   /* taken by the running worker, and may return to the head */
	size_t unsettled; /* queued, on a worker, or deferred */
	size_t unsettled_bytes;
	size_t deferred;         /* of these, taken by listeners or becoming dead letters */
	size_t held;             /* dead letters that could not be moved: the slot rests until then */
	struct rv__again *again; /* deferred ones that want another attempt, by due time */
	const struct rv__item *on_worker; /* what the running worker has, some of it settled already */
	size_t on_worker_count;
	bool refused; /* the binder waits for credit */
	bool revoked; /* drains; then released() is called */
	int64_t revoke_deadline_ns;
	atomic_bool halt; /* the running worker stops after the current delivery */

	struct rv__acks acks; /* has a lock of its own */
};

/* One destination of the input, as the binder knows it. */
struct rv__source {
	struct rv__input *input;
	char *destination; /* owned */
	void *consumer;    /* the binder's; NULL: not bound */
	struct rv_consumer_info info;
	struct rv__letters *letters; /* NULL: none that the core makes */
	char *dead_letters;      /* owned copy of info.dead_letter_destination, from bind on; NULL: none */
	int32_t max_deliveries;  /* 0: no limit */
	struct rv__way way;      /* under the binding's lock */
	struct rv__slot **slots; /* by id */
	size_t slot_room;
};

struct rv__input {
	atomic_uint refs;
	struct rv__binding *binding; /* for upcalls, which end with unbind; not for workers */
	const struct rv_binder_ops *ops;
	const struct rv__binder *binder_used; /* for comparison alone */
	struct rv__listener *listeners;       /* owned copy */
	size_t listener_count;
	const struct rv__observer *observer; /* NULL: none */
	const char *channel;                 /* owned copies, for logs */
	const char *binder;
	const char *group;        /* NULL: anonymous */
	const char *content_type; /* interned */
	bool polled;              /* no workers, but callers of rv__input_poll() */
	bool embedded;            /* headers come inside the payload */
	bool letter_headers;      /* dead letters say where they come from, and why */
	int32_t max_attempts;
	int64_t back_off_initial_ms, back_off_max_ms;
	double back_off_multiplier;
	size_t queue_messages, queue_bytes;
	size_t worker_count;

	struct rv__source *sources; /* constant after create */
	size_t source_count;

	pthread_mutex_t lock;
	pthread_cond_t work; /* ready, due, closed */
	pthread_cond_t idle; /* running, settling, deferred became less; a slot is to halt */
	struct rv__slot *ready_head, *ready_tail;
	struct rv__slot *parked; /* by due time */
	size_t running;          /* slots on workers */
	size_t waiting_workers;
	size_t workers;  /* threads alive */
	size_t deferred; /* taken deliveries, all slots */
	size_t queued;   /* in rings, all slots */
	pthread_t *threads;
	size_t thread_count;
	bool paused;
	bool closed;                              /* workers leave */
	struct rv_delivery *taken;                /* deferred ones, linked */
	size_t held;                              /* dead letters that could not be moved, all slots */
	struct rv_error held_why;                 /* … the last reason */
	const struct rv__letters *closed_letters; /* whose way to the broker is shut; NULL: none */
	struct rv_error closed_why;
	atomic_uint letters_waiting; /* of these, for another try */
	int64_t extend_ns;           /* when leases are extended next; the application's thread only */
	atomic_int lease_ms;         /* the shortest that was given; 0: none */
	atomic_bool halted;          /* nothing more is handed out; rings are dropped */
	atomic_bool detached;        /* the consumer is gone: settlements are stale */
	atomic_uint calling;         /* calls into the binder under way */

	atomic_ullong received, acked, requeued, dead_lettered, dropped, retried, stale;
};

/** Fills in from the binding's settings; destinations split at commas. NULL: no memory. */
struct rv__input *rv__input_create(
    struct rv__binding *binding, const struct rv__listener *listeners, size_t listener_count);
void rv__input_ref(struct rv__input *input);
void rv__input_unref(struct rv__input *input);

/**
 * Waits for a delivery until the deadline and handles it on this thread.
 *
 * @return RV_OK when one was handled; RV_E_TIMEOUT; RV_E_CLOSED once halted
 */
rv_err rv__input_poll(struct rv__input *input, const struct rv__listener *poller, int64_t deadline_ns);

/** Starts the workers, once. A polled input has none. */
rv_err rv__input_start(struct rv__input *input, struct rv_error *err);

/** No further listener calls; queued deliveries are dropped unsettled (they stay at the broker). */
void rv__input_halt(struct rv__input *input);

/** Waits for running listeners and deferred deliveries until the deadline; returns how many are left. */
size_t rv__input_drain(struct rv__input *input, int64_t deadline_ns);

/** What is running or deferred now. */
size_t rv__input_busy(struct rv__input *input);

/** From now on settlements are stale; returns once no call into the binder is under way. The consumers may go. */
void rv__input_detach(struct rv__input *input);

void rv__input_set_paused(struct rv__input *input, bool paused);

/** Ends the workers; those in a listener beyond the deadline are left behind: how many. */
size_t rv__input_stop(struct rv__input *input, int64_t deadline_ns);

/** Tells that the revocations whose deadline has passed are over. Returns the next deadline or INT64_MAX. */
int64_t rv__input_expire(struct rv__input *input, int64_t now_ns);

/** Extends the leases of all unsettled deliveries at half of their time; when to call again, or INT64_MAX. */
int64_t rv__input_extend(struct rv__input *input, int64_t now_ns);

/* Upcalls of the binder; `sink` is the source. */
extern const struct rv_consumer_sink rv__input_sink;

/* -- between workers.c and delivery.c --------------------------------------------------- */

/* What became of one attempt. */
enum rv__outcome {
	RV__DONE,  /* settled, or stale: the item is finished, its message given back */
	RV__AGAIN, /* another attempt after *ret_delay_ms; the item stays at the head */
	RV__DEFERRED, /* a listener took it, or it becomes a dead letter: the item is no longer ours, its bytes are 0 */
	RV__ACKED, /* to be acknowledged, with others; the item keeps its message until then */
	RV__BURY,  /* to the dead letters, which the core makes */
};

/** Runs the listeners (`poller`: that one instead, unless NULL) for one delivery and settles it, or leaves an
 * acknowledgement to the caller where that gathers them. No lock held. */
enum rv__outcome rv__delivery_run(struct rv__input *input, struct rv__slot *slot, struct rv__item *item,
    const struct rv__listener *poller, bool gathers, int64_t *ret_delay_ms);

/** Settles gathered acknowledgements. RV_E_STALE is a normal result; of another failure another call may succeed. */
rv_err rv__delivery_acknowledge(
    struct rv__input *input, const struct rv__slot *slot, const struct rv__item *items, size_t n);
/** Counts them, and gives their messages back. Locks: none held. */
void rv__delivery_conclude(
    struct rv__input *input, const struct rv__slot *slot, const struct rv__item *items, size_t n, bool stale);

/** Around every call into the binder: false once detached. Paired with rv__input_leave() if true. */
bool rv__input_enter(struct rv__input *input);
void rv__input_leave(struct rv__input *input);

#endif
