/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending side of one output binding: a gate that is open while the binding runs, bounds on
 * what is on its way, and the completions.
 *
 * Lifecycle: init -> (bind -> gate OPEN -> … -> gate STOPPED -> unbind)* -> finish.
 * Threads: send from any; bind and unbind from the application's thread; completions from binder threads.
 * The hot path takes no lock: it counts itself in, looks at the gate, and hands the message over.
 */
#ifndef BINDINGS_OUTPUT_H
#define BINDINGS_OUTPUT_H

#include <pthread.h>
#include <stdatomic.h>

#include <rivulet/binder.h>
#include <rivulet/channel.h>

#include "bindings/partition.h"
#include "bindings/properties.h"

struct rv__binding;
struct rv__ticket;

enum rv__gate {
	RV__GATE_WAITING, /* not bound yet, or the broker is away: senders wait */
	RV__GATE_OPEN,
	RV__GATE_STOPPED /* senders get RV_E_CLOSED */
};

struct rv__output {
	struct rv__binding *binding;
	const struct rv_binder_ops *ops; /* written before the gate opens first */
	void *producer;                  /* valid while the gate is open */
	struct rv_producer_info info;    /* likewise */
	const char *content_type;        /* interned */
	atomic_llong send_timeout_ms;
	atomic_bool queued_is_sent; /* a property of the binder says so */
	int64_t max_in_flight;
	int64_t max_in_flight_bytes;
	struct rv__partitioner *partitioner; /* owned; NULL: the binder chooses */
	int32_t least_partitions;            /* what the configuration says; a destination may have more */
	bool dynamic_partitions;             /* follow the destination while bound */
	enum rv__header_mode header_mode;
	const struct rv_strings *embedded_headers;
	rv_sent_fn failed; /* the error channel; NULL: none */
	void *failed_context;

	atomic_int partition_count; /* 0: not known yet */
	atomic_bool configured;     /* what stands above is valid */
	atomic_int gate;            /* enum rv__gate; written under `lock` */
	atomic_uint callers;        /* threads anywhere inside a send that waits */
	atomic_uint
	    users; /* between the look at the gate and the binder's return; all of one that does not wait */
	atomic_llong in_flight;
	atomic_llong in_flight_bytes;
	atomic_uint waiters; /* senders that wait; completions wake nobody without them */

	pthread_mutex_t lock;   /* protects waiting on what follows; nothing is called under it */
	pthread_cond_t changed; /* progress, or users became 0 */
	atomic_uint progress;   /* moves whenever another try may succeed; written under `lock` */

	atomic_ullong sent;
	atomic_ullong send_errors;
};

rv_err rv__output_init(struct rv__output *output, struct rv__binding *binding) RV_MUST_CHECK;
/** No thread may be inside; see rv__output_leave_all(). */
void rv__output_finish(struct rv__output *output);

/** Lets senders read the settings; before, they wait. */
void rv__output_configured(struct rv__output *output);

/** Before a bind: nothing is known of the destination. */
void rv__output_forget_partitions(struct rv__output *output);
/** The destination has so many partitions; 0 says nothing. Any thread. */
void rv__output_learn_partitions(struct rv__output *output, int32_t count);

/** Opens, closes or stops the gate; wakes who waits. */
void rv__output_set_gate(struct rv__output *output, enum rv__gate gate);

/** Waits until no thread is inside the binder's send(); the gate is not open. */
void rv__output_wait_unused(struct rv__output *output);

/** Waits until no sender is left anywhere inside; the gate is STOPPED. */
void rv__output_leave_all(struct rv__output *output);

rv_err rv__output_send(struct rv__output *output, rv_message *message, struct rv_error *err);
rv_err rv__output_send_async(
    struct rv__output *output, rv_message *message, rv_sent_fn done, void *context, struct rv_error *err);

/* -- for joints.c: messages that joined a delivery ----------------------------------------------------- */

/** Holds the producer until rv__output_leave_joined(). Another code: the gate is not open, and nothing is held. */
rv_err rv__output_enter_joined(struct rv__output *output, void **ret_producer);
void rv__output_leave_joined(struct rv__output *output);
/** As the binder's completion; `error` NULL: it is committed. */
void rv__output_complete_joined(
    struct rv__output *output, struct rv__ticket *ticket, const struct rv_error *error);

/* Upcalls of the binder; `sink` is the output. */
extern const struct rv_producer_sink rv__output_sink;

#endif
