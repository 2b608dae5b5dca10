/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a running application and changing the state of its bindings, for the actuator,
 * the test harness and tests. Nothing here waits for a broker: visitors read cached state.
 *
 * Threads: any, from RV__PHASE_SERVING's start until its close returned. Visitors run on the
 * calling thread with no lock of the application held; views are borrowed until they return.
 */
#ifndef BINDINGS_INSPECT_H
#define BINDINGS_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include <rivulet/binder.h>
#include <rivulet/property.h>

#include "base/module.h"

/* One row a state: symbol, own word, word towards Spring's JSON. */
#define RV__BINDING_STATE_LIST(X) \
	X(CREATED, "created", "stopped") \
	X(BINDING, "binding", "stopped") \
	X(WAITING, "waiting", "stopped") \
	X(RUNNING, "running", "running") \
	X(PAUSED, "paused", "paused") \
	X(DRAINING, "draining", "running") \
	X(STOPPED, "stopped", "stopped") \
	X(FAILED, "failed", "stopped")

enum rv__binding_state {
#define X(symbol, word, spring) RV__BINDING_##symbol,
	RV__BINDING_STATE_LIST(X)
#undef X
};

/* Counted since the start; a set read one by one, not a snapshot. */
struct rv__binding_counters {
	uint64_t received;      /* deliveries taken from the binder */
	uint64_t acked;         /* settlements */
	uint64_t requeued;      /* … */
	uint64_t dead_lettered; /* … */
	uint64_t dropped;       /* … */
	uint64_t retried;       /* further in-place attempts */
	uint64_t stale;         /* settlements that came too late */
	uint64_t in_flight;     /* now: taken and not yet settled; sends not yet completed */
	uint64_t sent;          /* completed with success */
	uint64_t send_errors;   /* refused or completed with an error */
};

/* An effective settings struct with the table that describes it; rows NULL: none. */
struct rv__settings_view {
	const struct rv_prop_table *table;
	const void *settings;
};

struct rv__binding_view {
	const char *channel;
	bool input;
	const char *destination;  /* as in the properties; may be a comma-separated list */
	const char *group;        /* NULL: anonymous, or an output */
	const char *content_type; /* of the binding */
	const char *binder_name;  /* of the binder configuration */
	const char *binder_type;  /* "rocketmq" */
	const char *binder_label; /* "RocketMQ" */
	const char *state;        /* Spring's word: running, stopped, paused */
	const char *true_state;   /* ours: created, binding, waiting, running, … */
	bool paused;
	bool pausable;                 /* inputs are */
	bool desired_running;          /* what the properties and the last command ask for */
	int64_t since_ms;              /* wall clock of the last change of state */
	int64_t next_try_ms;           /* wall clock of the next attempt to bind; 0: none is due */
	const char *why;               /* why it waits or failed, or what holds a partition; "" otherwise */
	int64_t queued;                /* deliveries waiting for a worker */
	int64_t concurrency;           /* workers; 0 on outputs */
	char dead_letters[256];        /* their destination, of the first source; "": none, or not known */
	bool core_dead_letters;        /* made here, with x-original-* and x-exception-* */
	struct rv__settings_view core; /* consumer.* or producer.* */
	struct rv__settings_view own;  /* rivulet.bindings.<name>.consumer.* or .producer.* */
	struct rv__settings_view extension; /* spring.cloud.stream.<type>.bindings.<name>… */
	struct rv__binding_counters counters;
};

typedef void (*rv__binding_visit_fn)(void *arg, const struct rv__binding_view *view);

/** Visits all bindings, inputs first, each in order of declaration. */
void rv__app_visit_bindings(struct rv__host *host, rv__binding_visit_fn visit, void *arg);

/** Visits one binding by its channel's name, without case; RV_E_NOTFOUND when there is none. */
rv_err rv__app_visit_binding(
    struct rv__host *host, const char *channel, rv__binding_visit_fn visit, void *arg, struct rv_error *err);

/**
 * Changes the desired state of a binding: "STOPPED", "STARTED", "PAUSED" or "RESUMED" (without case).
 * Asking for what already is succeeds. The change goes on after the return; PAUSED and RESUMED are at once. An
 * anonymous input that is started again has a new group, and so reads from then on.
 *
 * @return RV_OK; RV_E_NOTFOUND for an unknown binding; RV_E_INVALID for an unknown state; RV_E_UNSUPPORTED
 *         for pausing an output; RV_E_CLOSED while the application stops
 */
rv_err rv__app_change_binding(
    struct rv__host *host, const char *channel, const char *state, struct rv_error *err);

/* One opened binder configuration. */
struct rv__binder_view {
	const char *name;
	const char *type;
	const char *label;
	enum rv_health_status status;
	rv_err waiting; /* not RV_OK: could not be opened, see why */
	const char *why;
	const struct rv_binder_ops *ops; /* for health details and stats: ops->health(binder, …) */
	void *binder;
};

typedef void (*rv__binder_visit_fn)(void *arg, const struct rv__binder_view *view);

/** Visits the binder configurations in use. A binder that no binding uses is absent. */
void rv__app_visit_binders(struct rv__host *host, rv__binder_visit_fn visit, void *arg);

/** Readiness: every binding that is desired to run does. *ret_why (may be NULL, `size` bytes) names the first
 * that does not. */
bool rv__app_is_ready(struct rv__host *host, char *ret_why, size_t size);

#endif
