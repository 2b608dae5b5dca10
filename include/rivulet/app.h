/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application: declares channels, registers listeners, reads the properties,
 * binds, runs until SIGTERM or SIGINT, drains and stops.
 *
 *     rv_app *app = rv_app_create("parking-message", argc, argv);
 *     rv_app_enable_binding(app, RV_SINK);
 *     rv_app_listen(app, RV_SINK_INPUT, receive_input, NULL);
 *     return rv_app_run(app);
 *
 * Declaring cannot fail half-way: what is wrong is kept and reported by rv_app_run()
 * together with every mistake of the properties. Every call copies what it is given
 * before it returns and accepts a NULL app; contexts are borrowed until rv_app_run()
 * (rv_app_destroy() for a test) returns.
 *
 * Threads: declare from one thread, before run. rv_app_channel(), rv_app_request_stop()
 * and everything on channels: any thread.
 */
#ifndef RIVULET_APP_H
#define RIVULET_APP_H

#include <stddef.h>

#include <rivulet/channel.h>
#include <rivulet/error.h>
#include <rivulet/export.h>
#include <rivulet/message.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_app rv_app;

#define RV_SINK_INPUT "input"
#define RV_SOURCE_OUTPUT "output"
#define RV_PROCESSOR_INPUT "input"
#define RV_PROCESSOR_OUTPUT "output"

/* An interface: the channels that a service declares together. The lists end with NULL; each may be NULL. */
struct rv_interface {
	const char *const *inputs;
	const char *const *outputs;
	const char *const *polled; /* inputs without listeners, read with rv_channel_poll() */
};

RV_API extern const struct rv_interface rv_source;    /* output */
RV_API extern const struct rv_interface rv_sink;      /* input */
RV_API extern const struct rv_interface rv_processor; /* input and output */

#define RV_SOURCE (&rv_source)
#define RV_SINK (&rv_sink)
#define RV_PROCESSOR (&rv_processor)
#ifndef __cplusplus
/* One-off interfaces: rv_app_enable_binding(app, RV_INPUTS("input1", "input2")). */
#define RV_INPUTS(...) (&(const struct rv_interface){.inputs = (const char *const[]){__VA_ARGS__, NULL}})
#define RV_OUTPUTS(...) (&(const struct rv_interface){.outputs = (const char *const[]){__VA_ARGS__, NULL}})
#define RV_POLLED(...) (&(const struct rv_interface){.polled = (const char *const[]){__VA_ARGS__, NULL}})
#endif

/* What a listener says of a delivery. */
typedef enum rv_verdict {
	RV_ACK,    /* done; the broker may forget it */
	RV_RETRY,  /* deliver again, within max-attempts and back-off */
	RV_REJECT, /* never again; goes to the dead-letter destination if there is one */
	RV_DEFER   /* the listener took the delivery and settles it later */
} rv_verdict;

/**
 * Handles one inbound message, borrowed until return (rv_message_ref() keeps it). At most
 * `concurrency` calls at once per binding and never two at once for one partition; at least
 * once per message; in order within a partition. May block and send; must not stop or
 * destroy the application. An unknown verdict counts as RV_RETRY.
 */
typedef rv_verdict (*rv_listener_fn)(const rv_message *message, void *context);

/** Creates an application named `name` (spring.application.name overrides it). argv: --key=value. NULL: no
 * memory. */
RV_API rv_app *rv_app_create(const char *name, int argc, char **argv);

/** Declares the channels of an interface; several calls add up; the same name twice is one channel. */
RV_API void rv_app_enable_binding(rv_app *app, const struct rv_interface *interface_);

/** Registers a listener of an input channel. Several on one channel all see each message, in order of
 * registration; the first verdict that is not RV_ACK is that of the delivery. A NULL listener, an undeclared channel
 * or an output is a mistake that run reports. */
RV_API void rv_app_listen(rv_app *app, const char *channel, rv_listener_fn listener, void *context);

/**
 * Registers what is told of a failed send that nobody waited for: one whose rv_channel_send() returned when queued, as an
 * explicit property of the binder can have it. It needs producer.error-channel-enabled=true on the binding, and runs
 * on a binder thread: it must not block. The failure is logged and counted too.
 *
 * @param channel  an output; NULL: all outputs that have none of their own
 */
RV_API void rv_app_on_send_error(rv_app *app, const char *channel, rv_sent_fn failed, void *context);

/** The handle of a declared channel, valid until rv_app_run() returned; works before run. An
 *  undeclared name is a mistake that run reports; the handle then refuses to send. Never NULL unless `app`
 * is. */
RV_API rv_channel *rv_app_channel(rv_app *app, const char *name);

/** Called on the thread of rv_app_run() once the application is ready (HTTP serves, bindings had their first
 * attempt); the last function set counts. */
RV_API void rv_app_on_ready(rv_app *app, void (*ready)(rv_app *app, void *context), void *context);

/**
 * Called on the thread of rv_app_run() when everything is stopped and before anything is freed, also after a start
 * that failed: from here on sends and polls answer RV_E_CLOSED. The place to join threads of the service that use
 * channels, since no handle is valid once run returned.
 */
RV_API void rv_app_on_stopped(rv_app *app, void (*stopped)(rv_app *app, void *context), void *context);

/**
 * Reads the properties, binds, serves, and blocks until asked to stop; then drains, stops and frees `app`.
 *
 * @return 0 stopped cleanly; 1 run-time failure (port taken, fail-fast, work left at the stop
 *         deadline); 2 configuration or declaration: every mistake stands in the log
 */
RV_API int rv_app_run(rv_app *app) RV_MUST_CHECK;

/** Asks a running application to stop. Any thread, also signal handlers; returns at once. */
RV_API void rv_app_request_stop(rv_app *app);

/** The effective application name. Borrowed until run returns. */
RV_API const char *rv_app_name(const rv_app *app);

/**
 * Takes the next delivery of a polled input (RV_POLLED("name")) and runs the listener for it, once, on the calling
 * thread. The verdict means what it means elsewhere: RV_RETRY tries again in place, waiting for the back-off in
 * here, until it is settled or the attempts are used up; RV_REJECT makes a dead letter, or drops; after
 * rv_delivery_take() and RV_DEFER the delivery is settled later. Order, credit, leases and bounds hold as with
 * listeners of the application: up to the binding's queue-messages wait in this process for the next poll.
 *
 * @param channel     a polled input; works before rv_app_run(), and waits for it
 * @param timeout_ms  how long to wait for a delivery, from 0 (only look); the listener and its attempts may take
 *                    longer
 * @param listener    borrowed until return, as `context` is
 * @param err         filled on failure only; may be NULL
 * @return RV_OK when a delivery was handled, whatever became of it; RV_E_TIMEOUT when none came (retriable);
 *         RV_E_UNAVAILABLE when none came since the broker cannot be reached (retriable); RV_E_CLOSED when the
 *         binding or the application is stopped; RV_E_CONFIG if `channel` is NULL or no polled input; RV_E_INVALID
 *         without a listener
 * Threads: any, several at once: each gets another partition. Blocks: at most timeout_ms, and for the listener.
 * rv_app_run() waits for a poll that is under way until its stop deadline; join the thread in rv_app_on_stopped().
 */
RV_API rv_err rv_channel_poll(
    rv_channel *channel, int timeout_ms, rv_listener_fn listener, void *context, struct rv_error *err);

/* Deferred settlement. */

typedef struct rv_delivery rv_delivery;

/**
 * Takes the delivery out of the running listener, which must then return RV_DEFER. Owned: settle it exactly
 * once. NULL when `message` is not the one being handled on this thread or was taken before.
 */
RV_API rv_delivery *rv_delivery_take(const rv_message *message);

/** The message of a taken delivery; borrowed until it is settled. */
RV_API const rv_message *rv_delivery_message(const rv_delivery *delivery);

/**
 * Settles and frees a taken delivery. RV_RETRY goes on with the attempts as if the listener had said it.
 *
 * @param reason  for logs and dead letters; NULL is fine
 * @return RV_OK; RV_E_STALE when the partition has moved to another owner meanwhile (a normal
 *         result: the new owner gets the message); RV_E_INVALID for RV_DEFER or NULL (nothing freed)
 * Threads: any.
 */
RV_API rv_err rv_delivery_settle(rv_delivery *delivery, rv_verdict verdict, const char *reason);

#ifdef __cplusplus
}
#endif
#endif
