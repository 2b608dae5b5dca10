/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One channel tied to its destination: what the properties say of it, and the state machine
 *
 *     created -> binding -> running <-> paused -> draining -> stopped -> binding …
 *                   |  ^       |
 *                   v  |       v
 *                  waiting <---+          (no way to the broker; recovers by itself)
 *
 * The desired state is set by anybody; rv__binding_step(), on the thread of rv_app_run() alone,
 * moves the actual one towards it. Binders report the way to the broker from their threads.
 *
 * Order of locks, outermost first: rv__binding.lock, rv__input.lock, and rv__output.lock, which
 * is innermost. Calls into a binder are made with at most rv__binding.lock held; listeners, completions and
 * visitors run with none.
 */
#ifndef BINDINGS_BINDING_H
#define BINDINGS_BINDING_H

#include <pthread.h>

#include "bindings/inspect.h"
#include "bindings/input.h"
#include "bindings/output.h"
#include "bindings/properties.h"

struct rv_app;
struct rv__binder;

/* The words of each state: our own, and those of Spring's JSON. */
extern const struct rv__binding_words {
	const char *own;
	const char *spring;
} rv__binding_words[];

/* A change of state that is to be told once the lock is off. */
struct rv__binding_news {
	bool any;
	enum rv__binding_state from, to;
	rv_log_level level; /* RV_LOG_OFF: only at debug */
	int64_t retry_ms;   /* 0: none */
	struct rv_error why;
};

struct rv__binding {
	struct rv_app *app;
	const char *channel; /* as declared; owned by the channel */
	bool is_input;
	bool polled;         /* no workers: rv_channel_poll() */
	atomic_uint pollers; /* threads inside a poll */

	/* Read from the properties once; constant afterwards. */
	struct rv__binding_settings settings;
	struct rv__own_settings own;
	struct rv__consumer_settings consumer;
	struct rv__own_consumer_settings own_consumer;
	struct rv__producer_settings producer;
	struct rv__own_producer_settings own_producer;
	const char *destination;
	const char *group; /* NULL: anonymous */
	const char *content_type;
	struct rv__binder *binder;
	void *extension; /* settings of the binder's own table; owned */
	/* Numbers of an input that has several, ascending; owned; NULL: consumer.instance_index. */
	int32_t *instances;
	size_t instances_count;

	struct rv__input *input; /* inputs; one reference is ours */
	struct rv__output output;

	pthread_mutex_t lock;   /* protects all below */
	pthread_cond_t changed; /* the state, or the input; for pollers */
	bool configured;        /* what stands above is valid */
	enum rv__binding_state state;
	bool desired_running;
	bool desired_paused;
	bool bound;                       /* the binder knows us */
	struct rv__way way;               /* of an output */
	bool attempted;                   /* the first attempt is over */
	bool final;                       /* an error that no further attempt can cure */
	struct rv_error why;              /* code RV_OK: nothing to say */
	struct rv__binding_news news;     /* of what changed under this lock */
	int64_t since_ms;                 /* wall clock of the last change of state */
	int64_t next_try_ns;              /* WAITING and not bound */
	int64_t deadline_ns;              /* DRAINING */
	unsigned failures;                /* attempts in a row that did not bind */
	size_t left;                      /* deliveries and sends left behind by the last stop */
	struct rv__binding_counters past; /* of inputs that were stopped */
};

/** Prepares everything that can fail later: locks, the input's queues. */
rv_err rv__binding_init(struct rv__binding *binding, struct rv_app *app, const char *channel, bool is_input);
void rv__binding_finish(struct rv__binding *binding);

/**
 * Moves the binding one step: binds, drains, unbinds. May block in the binder until its deadline.
 *
 * @return when to call again at the latest, of rv__monotonic_ns(); INT64_MAX: when told
 * Threads: that of rv_app_run() only.
 */
int64_t rv__binding_step(struct rv__binding *binding);

/** The desired state. Any thread. */
void rv__binding_want_running(struct rv__binding *binding, bool running);
rv_err rv__binding_want_paused(struct rv__binding *binding, bool paused, struct rv_error *err);

/** First half of a stop: no new deliveries and sends; the deadline by which it drains. Only rv_app_run()'s thread. */
void rv__binding_begin_stop(struct rv__binding *binding, int64_t deadline_ns);

/** The way to the broker opened (why NULL) or was lost; of one source of an input, or of the output (NULL). */
void rv__binding_tell_way(struct rv__binding *binding, struct rv__source *source, const struct rv_error *why);

enum rv__binding_state rv__binding_state(struct rv__binding *binding);

/** Why it waits, for people. */
void rv__binding_describe_wait(struct rv__binding *binding, char *text, size_t size);

/** Wakes the thread of the application for another step. Any thread. */
void rv__binding_wake(struct rv__binding *binding);

/** One attempt to bind; on failure everything is as before. */
rv_err rv__binding_bind(struct rv__binding *binding, struct rv_error *err);

/** Unbinds what is drained as far as it will be; how many deliveries or sends were left. */
size_t rv__binding_unbind(struct rv__binding *binding, int64_t deadline_ns);

/** Lets pollers read the settings; before, they wait. */
void rv__binding_configured(struct rv__binding *binding);

/** rv_channel_poll() on a polled input. */
rv_err rv__binding_poll(
    struct rv__binding *binding, int timeout_ms, const struct rv__listener *poller, struct rv_error *err);

/** Ends the polls of a binding that is stopped; returns how many did not leave their listeners in time. */
size_t rv__binding_leave_pollers(struct rv__binding *binding);

/** Adds the counters of an input. */
void rv__counters_add(struct rv__binding_counters *sum, const struct rv__input *input);

/** Fills a view. Strings of the view live as long as the binding; *why must outlive the view. */
void rv__binding_view(struct rv__binding *binding, struct rv__binding_view *ret_view, struct rv_error *why);

#endif
