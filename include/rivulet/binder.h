/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binder contract: what code must offer so that channels can be bound to one kind of broker.
 *
 * Stability: may change with RV_BINDER_ABI. A binder compiled against another ABI number is
 * refused with a sentence that names both. New members go at the end and are optional for one step.
 *
 * Purpose. A binder moves bytes and settles. Retry, conversion, partition choice, header rules,
 * dead-letter records, workers and metric names live once, in the binding layer above.
 *
 * Lifecycle   open -> { bind_producer, bind_consumer -> start_consumer } -> … unbind … -> stop -> close
 * Threads     bind_*, start, unbind_*, stop, close: one control thread at a time per binder, which may
 *             block until the stated deadline. send, settle, acknowledge, commit, credit, extend, pause, resume, health, stats:
 *             any thread, never blocking. Calls upwards (deliver, assigned, revoked, sent, writable,
 *             state, done) come from binder threads, with no binder lock held; they only enqueue.
 *
 * A binder outside this tree is a shared object `rivulet-binder-<type>.so` in a directory of
 * `rivulet.binder.path`, exporting exactly one symbol:
 *
 *     RV_API const struct rv_binder_ops *rv_binder_module(uint32_t host_abi) { return &ops; }
 */
#ifndef RIVULET_BINDER_H
#define RIVULET_BINDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>
#include <rivulet/log.h>
#include <rivulet/message.h>
#include <rivulet/property.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RV_BINDER_ABI 1u

/* What a broker can do; a configuration that asks for more fails at bind time. */
enum rv_cap {
	RV_CAP_PARTITIONS = 1u << 0,    /* destinations have partitions; members of a group share them */
	RV_CAP_HEADERS = 1u << 1,       /* headers travel natively */
	RV_CAP_KEY_ORDER = 1u << 2,     /* first attempts of one partition arrive in order */
	RV_CAP_REQUEUE = 1u << 3,       /* settle(REQUEUE) makes the broker deliver again */
	RV_CAP_REQUEUE_DELAY = 1u << 4, /* … after a delay */
	RV_CAP_DEAD_LETTER = 1u << 5, /* a named group can have dead letters (rv_consumer_info.dead_letter) */
	RV_CAP_DELIVERY_COUNT = 1u << 6, /* rv_inbound.delivery_count survives restarts */
	RV_CAP_DELAYED_SEND = 1u << 7,
	RV_CAP_TRANSACTIONS = 1u << 8,  /* consumers can be transactional: rv_consumer_info */
	RV_CAP_DURABLE = 1u << 9,       /* acknowledged messages survive the broker's process */
	RV_CAP_GROUP_RESUME = 1u << 10, /* a named group goes on where it was */
	RV_CAP_LEASE = 1u << 11,        /* deliveries expire unless extended */
	RV_CAP_LAG = 1u << 12,
	RV_CAP_SHARED_PARTITIONS = 1u << 13, /* members of a group share one partition message by message */
	RV_CAP_BINARY_HEADERS = 1u << 14,    /* a header's value may be any bytes; its type travels with it */
	RV_CAP_TOMBSTONE =
	    1u << 15, /* a message without a payload arrives as one; else the core refuses it */
	RV_CAP_COUNT_UNSETTLED =
	    1u << 16, /* delivery_count knows of deliveries whose owner ended without a word */
	RV_CAP_BINARY_LETTERS =
	    1u << 17 /* numbers in a dead letter's headers are big-endian bytes; else decimal text */
};

/* -- injected services ---------------------------------------------------------------- */

/* What a binder may use of its host. Valid until close() returned. */
struct rv_binder_env {
	uint32_t abi;
	const char *application; /* spring.application.name */
	const char *name;        /* of this binder configuration */
	int64_t (*monotonic_ns)(void);
	int64_t (*wall_ms)(void);
	uint64_t (*random)(void);
	void (*log)(rv_log_level level, const char *topic, const char *format, ...) RV_PRINTF(3, 4);
	void *(*reallocate)(void *block, size_t size); /* realloc; size 0 frees; NULL: no memory */
};

/* -- sending -------------------------------------------------------------------------- */

/* What the broker said of a sent message. Pointers borrowed until the callback returns. */
struct rv_receipt {
	int32_t partition;     /* -1 when unknown */
	int64_t position;      /* -1 when unknown */
	const char *broker_id; /* the broker's own message id; NULL when none */
};

/* One completion of many. */
struct rv_sent {
	void *arg;
	struct rv_receipt receipt;
	const struct rv_error *error; /* NULL: success; borrowed until the callback returns */
};

struct rv_producer_sink {
	/* Exactly once for each accepted message, in any order, also after stop. `error` NULL: success. */
	void (*sent)(void *sink, void *arg, const struct rv_receipt *receipt, const struct rv_error *error);
	/* There is room again after send() took fewer than offered. */
	void (*writable)(void *sink);
	/* The way to the broker opened (why NULL) or was lost; the last word counts. */
	void (*state)(void *sink, const struct rv_error *why);
	/* Optional to call, and NULL in a sink that does not care: the destination has so many partitions now.
	 * Whoever answers rv_producer_info.partition_count with 0 calls it as soon as the number is known. */
	void (*partitions)(void *sink, int32_t count);
	/* As sent() for each, and cheaper; NULL in a sink that does without. */
	void (*sent_batch)(void *sink, const struct rv_sent *sent, size_t n);
};

struct rv_producer_spec {
	const char *binding; /* channel name, for logs */
	const char *destination;
	int32_t partition_count; /* wanted when the destination is made; 1 when nobody asked */
	const struct rv_strings
	    *required_groups; /* durable groups to exist before the first send; never NULL */
	const void *settings; /* filled from ops->producer_props */
	const struct rv_producer_sink *sink_ops;
	void *sink;
	int64_t
	    send_timeout_ms; /* the core's, for what is queued; a property of the binder's own wins over it */
	bool partitioned;    /* the core chooses the partition of each message */
	bool
	    dead_letters; /* it carries the dead letters of a consumer (rv_consumer_info.core_dead_letters) */
};

/* Filled by bind_producer. */
struct rv_producer_info {
	int32_t partition_count; /* at least 1, 0 when not known yet */
	int64_t send_timeout_ms; /* the binder's own property; 0: the core's */
	size_t max_message_size; /* payload bytes; 0: no limit of its own */
	bool queued_is_sent;     /* an explicit property says that a send returns when queued */
	bool waiting;            /* bound, but the broker cannot be reached yet: state() will tell */
	/* Headers that go into the payload with header-mode=embeddedHeaders, by a property of the binder; NULL:
	 * none. Valid until unbind. */
	const struct rv_strings *embedded_headers;
	/* How long an end waits for answers, by a property of the binder; 0: the core's. */
	int64_t close_timeout_ms;
};

struct rv_outbound {
	rv_message *message;     /* borrowed; the binder takes a reference of each accepted one */
	int32_t partition;       /* -1: the binder chooses */
	const char *destination; /* NULL: the producer's own */
	void *arg;               /* handed to sent() */
	bool bare; /* payload and key alone: no header goes out, of the core's or the binder's */
};

/* -- receiving ------------------------------------------------------------------------ */

/* Names one delivery for its settlement. Opaque to the core but for partition and epoch. */
struct rv_token {
	uint32_t slot;    /* the binder's index of a partition, below 65536, dense where possible */
	uint32_t epoch;   /* of the assignment under which it was delivered */
	int64_t position; /* offset or number within the slot */
	uint64_t cookie;
};

struct rv_inbound {
	rv_message *message; /* the reference goes over to the core iff taken */
	struct rv_token token;
	int32_t delivery_count; /* earlier deliveries the broker counted; 0 on the first or unknown */
	int64_t lease_ms;       /* 0: none */
};

struct rv_assignment {
	uint32_t slot;
	uint32_t epoch;
	const char *name; /* "broker-a/3", for logs; borrowed until return */
};

struct rv_consumer_sink {
	/* Takes the first k of n and returns k; the binder keeps the rest of each slot, in order, until
	 * ops->credit() names that slot. All of one call may belong to different slots; once one
	 * message of a slot is refused, so are its later ones in that call (taken are always a prefix). */
	size_t (*deliver)(void *sink, const struct rv_inbound *batch, size_t n);
	void (*assigned)(void *sink, const struct rv_assignment *assignments, size_t n);
	/* The core stops handing out deliveries of the slots, waits for running listeners to settle until
	 * deadline_ms from now, then calls ops->released() once per slot, possibly before revoked() returns. With
	 * lost=true settlements are stale already. */
	void (*revoked)(void *sink, const uint32_t *slots, size_t n, bool lost, int64_t deadline_ms);
	void (*state)(void *sink, const struct rv_error *why); /* as in rv_producer_sink */
};

struct rv_consumer_spec {
	const char *binding;
	const char *destination;
	const char *group;    /* NULL: anonymous */
	int32_t concurrency;  /* workers of the core; a hint for provisioning */
	int32_t max_attempts; /* in-place attempts that the core makes, for information */
	int32_t instance_index, instance_count;
	bool partitioned;
	const void *settings; /* filled from ops->consumer_props */
	const struct rv_consumer_sink *sink_ops;
	void *sink;
	int32_t max_deliveries; /* the binding's own limit, which wins over the binder's; 0: none */
	/* All numbers of an instance that has several, ascending, instance_index being the first; valid until unbind.
	 * NULL: that one alone. See rv_is_own_partition(). */
	const int32_t *instances;
	size_t instances_count;
};

/** Whether a partition is one of this instance's, where a binder shares them out by number. */
static inline bool rv_is_own_partition(
    int32_t partition, int32_t instance_count, int32_t instance_index, const int32_t *instances, size_t n)
{
	size_t i;

	if (instance_count <= 1)
		return true;
	if (n == 0)
		return partition % instance_count == instance_index;
	for (i = 0; i < n; i++)
		if (partition % instance_count == instances[i])
			return true;
	return false;
}

/* Filled by bind_consumer. */
struct rv_consumer_info {
	bool dead_letter; /* settle(DEAD_LETTER) has somewhere to go */
	bool redelivers; /* what follows the last in-place attempt is settle(REQUEUE), the broker's own way */
	bool waiting;    /* as in rv_producer_info */
	const char *dead_letter_destination; /* valid until unbind; NULL: none, or not known */
	/*
	 * With dead_letter and core_dead_letters the core itself makes the dead letter: it binds a producer of this
	 * binder to dead_letter_destination, sends the message with the x-original-* and x-exception-* headers,
	 * and acknowledges the original when the broker has it; settle(DEAD_LETTER) is never called.
	 */
	bool core_dead_letters;
	const void *dead_letter_settings; /* of producer_props, valid until unbind; NULL: their defaults */
	int32_t
	    dead_letter_partitions; /* 0: the partition of the original; 1: partition 0; -1: the binder chooses */
	/* After so many counted deliveries no listener sees it again, and instead of settle(REQUEUE) of the last one
	 * comes the dead letter or the drop; 0: no limit. */
	int32_t max_deliveries;
	/* The binder counts deliveries itself, by what ops->attempt() tells. */
	bool watches_attempts;
	/* What is delivered is ours for a time only, by a clock: ops->holds() is asked before each attempt. */
	bool fenced;
	/*
	 * What a listener of this consumer sends to outputs of this binder is kept by the core until the verdict, and
	 * handed over with the acknowledgement by commit(); a verdict other than RV_ACK throws it away. The dead
	 * letters of the core go that way too, unless letters_apart.
	 */
	bool transactional;
	bool letters_apart; /* dead letters are sent on their own, and the original is settled behind them */
};

enum rv_settlement {
	RV_SETTLE_ACK,
	RV_SETTLE_REQUEUE,
	RV_SETTLE_DEAD_LETTER,
	RV_SETTLE_DROP /* as ACK towards the broker; counted apart by the core */
};

/* Instead of a delay; see settle(). */
#define RV_HOLD_DEAD_LETTER (-2)
#define RV_HOLD_DROP (-3) /* likewise, where there are no dead letters */

struct rv_settle {
	struct rv_token token;
	enum rv_settlement settlement;
	const char *reason;  /* NULL-able, borrowed */
	rv_message *message; /* the delivered one; borrowed; for binders that move it themselves */
};

/* One message that goes out with a settlement. */
struct rv_joint {
	void *producer;              /* of the same binder */
	struct rv_outbound outbound; /* its `arg` has no meaning: sent() is not called */
};

/* A delivery and what came of it. All but `arg` is borrowed until commit() returns. */
struct rv_commit {
	struct rv_token token;
	const struct rv_joint *joints;
	size_t count; /* at least 1 */
	/*
	 * Once, if commit() returned RV_OK. `error` NULL: the delivery is acknowledged and all its messages can be
	 * seen. RV_E_STALE: the epoch is gone; none of them can be seen. Any other: likewise, one of them being the cause,
	 * and the delivery is as unsettled as before. Trouble of the broker is no error: the binder goes on trying.
	 */
	void (*done)(void *arg, const struct rv_error *error);
	void *arg;
};

/* -- observation ---------------------------------------------------------------------- */

enum rv_health_status { RV_HEALTH_UNKNOWN, RV_HEALTH_UP, RV_HEALTH_DOWN, RV_HEALTH_OUT_OF_SERVICE };

/** Receives one detail; strings borrowed until return. */
typedef void (*rv_detail_fn)(void *arg, const char *name, const char *value);

/** Receives one number. Uniform names: "received", "sent", "send_errors", "settled", "requeued", "lag",
 * "connections" … */
typedef void (*rv_stat_fn)(void *arg, const char *name, const char *binding, double value);

/* -- the operations ------------------------------------------------------------------- */

struct rv_binder_ops {
	uint32_t abi;      /* RV_BINDER_ABI of the header compiled against */
	uint32_t caps;     /* RV_CAP_* */
	const char *type;  /* "kafka"; [a-z0-9-], matched with the binder type property */
	const char *label; /* "Kafka"; for people and rv_message_source() */

	/* Below spring.cloud.stream.<type>.binder, .bindings.<name>.consumer and .producer (with
	 * .default.consumer and .default.producer beneath). Parsed and checked by the core. */
	struct rv_prop_table binder_props;
	struct rv_prop_table consumer_props;
	struct rv_prop_table producer_props;

	/* Required. Checks settings and starts threads; waits for no broker. `settings` and `env` are valid
	 * until close. On failure *ret_binder is untouched: RV_E_CONFIG for settings, RV_E_NOMEM, RV_E_IO. */
	rv_err (*open)(
	    const struct rv_binder_env *env, const void *settings, void **ret_binder, struct rv_error *err);
	/* Required. No new work, pending sends end with RV_E_CLOSED; returns at once. */
	void (*stop)(void *binder);
	/* Required. After all unbinds; joins threads and frees. Not from a callback. */
	void (*close)(void *binder);

	/* Required. Makes the destination if need be. An unreachable broker is not an error: info->waiting
	 * is set and the binder goes on trying (jittered back-off of at most 1 s once the broker has
	 * been seen) until state(NULL). RV_E_CONFIG, RV_E_UNSUPPORTED and RV_E_DENIED are final; after any other failure
	 * the core binds again. */
	rv_err (*bind_producer)(void *binder, const struct rv_producer_spec *spec, void **ret_producer,
	    struct rv_producer_info *info, struct rv_error *err);
	/* Required. Never blocks. Returns how many of the n it accepted, a prefix. */
	size_t (*send)(void *producer, const struct rv_outbound *batch, size_t n);
	/* Required. Waits at most deadline_ms for pending sends, fails the rest, frees. Returns how many
	 * failed. */
	size_t (*unbind_producer)(void *producer, int64_t deadline_ms);

	/* Required. Registers; no deliveries before start_consumer. Waiting as in bind_producer. */
	rv_err (*bind_consumer)(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
	    struct rv_consumer_info *info, struct rv_error *err);
	/* Required. Deliveries may begin before it returns. A failure ends this attempt to bind: the consumer is
	 * unbound, and bound again later unless the code is final, as in bind_producer. */
	rv_err (*start_consumer)(void *consumer, struct rv_error *err);
	/* Required. The core has room for about `room` more deliveries of that slot. */
	void (*credit)(void *consumer, uint32_t slot, uint32_t room);
	/*
	 * Required. RV_OK: settled, or on its way with the position held until the broker confirmed it.
	 * RV_E_STALE: the epoch is gone. *ret_hold_ms is preset to -1; a binder that answers REQUEUE
	 * by trying again in place (an orderly queue) sets it to the delay in ms (>= 0): the core keeps
	 * the message at the head of its slot, tries again after the delay and settles again; each time counts as a delivery
	 * towards max_deliveries. Where REQUEUE
	 * ended as a dead letter, since the broker's own limit was reached, it is RV_HOLD_DEAD_LETTER: the core
	 * counts and logs it as that.
	 */
	rv_err (*settle)(void *consumer, const struct rv_settle *settle, int64_t *ret_hold_ms);
	/* Optional. Extends the leases of running deliveries; called at half of lease_ms. */
	void (*extend)(void *consumer, const struct rv_token *tokens, size_t n);
	/* Required. The slot named by revoked() is drained as far as it will be. */
	void (*released)(void *consumer, uint32_t slot, uint32_t epoch);
	/* Required. Stops or resumes fetching; the membership of the group stays. */
	void (*pause)(void *consumer);
	void (*resume)(void *consumer);
	/* Required. First step of a stop: no further deliver(); settlements still count. Returns at once. */
	void (*stop_consumer)(void *consumer);
	/* Required. Waits at most deadline_ms for settlements on their way, stores positions, leaves the
	 * group (an anonymous one is removed where the broker lets it), frees. Returns how many were left. */
	size_t (*unbind_consumer)(void *consumer, int64_t deadline_ms);

	/* Required. From cached state, never blocking. `detail` may be NULL. */
	enum rv_health_status (*health)(void *binder, rv_detail_fn detail, void *arg);
	/* Optional. Likewise. */
	void (*stats)(void *binder, rv_stat_fn stat, void *arg);
	/* Optional. As settle(RV_SETTLE_ACK) of n >= 1 deliveries of one slot and one epoch, in their order, and
	 * cheaper: the core gathers those of a fast listener for some milliseconds. The code is that of all. */
	rv_err (*acknowledge)(void *consumer, const struct rv_token *tokens, size_t n);
	/* Optional. Keys that Spring Boot has for this broker beside the binder's own, such as `spring.kafka`: rows that
	 * fill further members of the settings of binder_props (boot_props.size is 0). NULL: none. */
	const char *boot_prefix;
	struct rv_prop_table boot_props;
	/* Optional; called where rv_consumer_info.watches_attempts says so. A listener is about to see the delivery
	 * (`begins`), or it returned and did not take the delivery over: the process outlived it. Between the two the
	 * delivery may be what ends the process. From any thread, must not block; also for deliveries whose epoch is
	 * gone. What a listener took over is in work until it is settled. */
	void (*attempt)(void *consumer, const struct rv_token *token, bool begins);
	/* Optional; called where rv_consumer_info.fenced says so. Whether the delivery is still ours at this moment; if
	 * not, no listener sees it, and it counts as settled too late. From any thread, must not block. */
	bool (*holds)(void *consumer, const struct rv_token *token);
	/* Optional. Headers of the binder's own, beside x-original-topic and the like, in a dead letter that the core makes
	 * of this delivery: calls `header` for each, with text. From any thread, must not block. */
	void (*describe)(void *consumer, const struct rv_token *token, rv_detail_fn header, void *arg);
	/*
	 * Required with rv_consumer_info.transactional, never blocking, from any thread: acknowledges a delivery and
	 * sends what came of it, all or nothing. Others of the slot that were delivered later wait for it.
	 * RV_E_STALE: the epoch is gone; RV_E_NOMEM: nothing was begun.
	 */
	rv_err (*commit)(void *consumer, const struct rv_commit *commit);
};

/**
 * Registers a binder of this process beside the built-in ones. Call before rv_app_run().
 *
 * @return RV_OK; RV_E_UNSUPPORTED for another ABI; RV_E_INVALID when a required member is missing
 *         or the type is taken. Logs type, label and capabilities at debug.
 */
RV_API rv_err rv_binder_register(const struct rv_binder_ops *ops, struct rv_error *err);

/** Type of the one symbol of a module. NULL: cannot serve that ABI. */
typedef const struct rv_binder_ops *(*rv_binder_module_fn)(uint32_t host_abi);

/* -- messages, from a binder's side --------------------------------------------------- */

/* A span of foreign bytes. */
struct rv_span {
	const char *bytes;
	size_t length;
};

struct rv_header_span {
	struct rv_span name;
	struct rv_span value;
	enum rv_header_type type; /* 0: text */
};

/* What rv_received.timestamp_ms is. */
enum rv_timestamp_type {
	RV_TIMESTAMP_UNKNOWN,
	RV_TIMESTAMP_CREATED,  /* when the producer made it */
	RV_TIMESTAMP_APPENDED, /* when the broker stored it */
	RV_TIMESTAMP_NONE      /* the broker says that it has none */
};

/* All that a binder knows of a received message. Everything is copied unless it says otherwise. */
struct rv_received {
	const void *payload;
	size_t length;
	rv_release_fn release; /* NULL: payload is copied; else it is kept and released with the last unref */
	void *owner;
	const struct rv_header_span *headers; /* at most 160 go in; RV_HEADER_MESSAGE_ID is the id's place */
	size_t header_count;
	struct rv_span id;  /* empty: named destination-partition-position */
	const char *source; /* the binder's label; static */
	const char *destination;
	int32_t partition;
	int64_t position;
	int32_t attempt; /* of the first in-place attempt, from 1 */
	int64_t timestamp_ms;
	bool null;                             /* a tombstone: no payload at all, which is not an empty one */
	enum rv_timestamp_type timestamp_type; /* for dead letters */
};

/** Builds a received message in one allocation (two when payload is kept by `release`). NULL: no memory,
 * released. */
RV_API rv_message *rv_message_create_received(const struct rv_received *received);

/** Another envelope (destination, partition, position, attempt, source of *envelope) over the same body.
 * NULL: no memory. */
RV_API rv_message *rv_message_create_envelope(const rv_message *body, const struct rv_received *envelope);

#ifdef __cplusplus
}
#endif
#endif
