/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application from the inside. The thread of rv_app_run() is the only one that opens binders,
 * binds and unbinds; everybody else sets wishes and wakes it through `wake_fd`.
 */
#ifndef BINDINGS_APP_H
#define BINDINGS_APP_H

#include <stdatomic.h>

#include <rivulet/app.h>

#include "base/module.h"
#include "bindings/binder.h"
#include "bindings/binding.h"

/* A declared name. It may be both an input and an output. */
struct rv_channel {
	rv_channel *next;
	char *name;
	rv_app *app;
	struct rv__listener *listeners;
	size_t listener_count;
	rv_sent_fn failed; /* of sends nobody waits for; NULL: the application's */
	void *failed_context;
	struct rv__binding *input, *output; /* made when declared; NULL: not declared as such */
	bool polled;                        /* the input is */
};

/* What a test harness sees of an application; all may be NULL. Called on the threads where it happens. */
struct rv__observer {
	void (*ready)(void *context);
	void (*settled)(void *context, const char *channel, enum rv_settlement settlement);
	void *context;
};

struct rv_app {
	struct rv__host host; /* first: see base/module.h */
	char *name;
	int argc;
	char **argv;                 /* owned copies */
	const char *const *defaults; /* the built-in layer of properties; borrowed */
	bool no_files;               /* tests read none */
	bool no_environment;         /* … */
	bool handles_signals;
	rv_config *config;
	struct rv__problems problems; /* declaration mistakes, then those of the properties */

	rv_channel *channels;          /* in order of declaration */
	struct rv__binding **bindings; /* from configure on; outputs first: they bind first */
	size_t binding_count;
	struct rv__binder *binders;

	struct rv__stream_settings stream;
	struct rv__app_settings settings;
	struct rv__application_settings application;
	struct rv__logging_settings logging;

	void (*ready)(rv_app *app, void *context);
	void *ready_context;
	void (*stopped)(rv_app *app, void *context);
	void *stopped_context;
	rv_sent_fn failed; /* of sends nobody waits for; NULL: none */
	void *failed_context;

	const struct rv__observer *observer; /* NULL: none; borrowed */

	int wake_fd;         /* eventfd */
	atomic_int stoppers; /* inside rv_app_request_stop() now */
	atomic_bool stop_requested;
	atomic_bool serving; /* bindings may be visited and changed */
	bool failing_fast;
	size_t left;  /* work left at the stop deadline */
	size_t stuck; /* of it, workers that did not return from their listeners */
};

/** The declared channel of a name, or NULL. */
rv_channel *rv__app_find_channel(const rv_app *app, const char *name);

/** Wakes the thread of rv_app_run(). Any thread, also signal handlers. */
void rv__app_wake(rv_app *app);

/** As rv_app_run(), but does not free the application. */
int rv__app_run_only(rv_app *app);

/** Reads the properties and judges them and all declarations. false: problems has fatal ones. */
bool rv__app_configure(rv_app *app);

/** Adds to app->problems what is wrong with a key of the binding: `key_end` as "consumer.instance-index". Named is the
 * key that was set, its own or that of `default.`. */
__attribute__((format(printf, 6, 7))) void rv__binding_complain(rv_app *app,
    const struct rv__binding *binding, const char *key_end, bool fatal, uint16_t number, const char *format,
    ...);

/** Frees everything; not after work was left in listeners. */
void rv__app_destroy(rv_app *app);

#endif
