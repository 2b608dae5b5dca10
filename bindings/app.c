/* SPDX-License-Identifier: Apache-2.0 */
/* Declaring an application: what a service's main() does before rv_app_run(). */
#include "bindings/app.h"

#include "base/clock.h"
#include "base/numbers.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

const struct rv_interface rv_source = {.outputs = (const char *const[]){RV_SOURCE_OUTPUT, NULL}};
const struct rv_interface rv_sink = {.inputs = (const char *const[]){RV_SINK_INPUT, NULL}};
const struct rv_interface rv_processor = {.inputs = (const char *const[]){RV_PROCESSOR_INPUT, NULL},
    .outputs = (const char *const[]){RV_PROCESSOR_OUTPUT, NULL}};

#define MISTAKE(app, number, ...) rv__problems_add(&(app)->problems, true, number, "", __VA_ARGS__)

static char **copy_arguments(int argc, char **argv)
{
	char **copy = calloc((size_t)(argc > 0 ? argc : 0) + 1, sizeof *copy);

	for (int i = 0; copy && i < argc; i++) {
		copy[i] = strdup(argv[i]);
		if (!copy[i]) {
			while (i > 0)
				free(copy[--i]);
			free(copy);
			return NULL;
		}
	}
	return copy;
}

/* The first application of a process began with the process, before main(); a later one begins now. */
static int64_t begin_ns(void)
{
	static atomic_flag later = ATOMIC_FLAG_INIT;

	return atomic_flag_test_and_set(&later) ? rv__monotonic_ns() : rv__process_started_ns();
}

rv_app *rv_app_create(const char *name, int argc, char **argv)
{
	rv_app *app = calloc(1, sizeof *app);

	if (!app)
		return NULL;
	app->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	app->name = strdup(name && *name ? name : "rivulet");
	app->argv = copy_arguments(argc, argv);
	app->argc = argc;
	if (app->wake_fd < 0 || !app->name || !app->argv) {
		rv__app_destroy(app);
		return NULL;
	}
	app->host.name = app->name;
	app->host.started_ns = begin_ns();
	app->handles_signals = true;
	return app;
}

/* -- channels ------------------------------------------------------------------------------ */

rv_channel *rv__app_find_channel(const rv_app *app, const char *name)
{
	rv_channel *at = app->channels;

	/* Spring's binding names have no case. */
	while (at && strcasecmp(at->name, name) != 0)
		at = at->next;
	return at;
}

static rv_channel *get_channel(rv_app *app, const char *name)
{
	rv_channel *channel = rv__app_find_channel(app, name);
	rv_channel **end = &app->channels;

	if (channel)
		return channel;
	channel = calloc(1, sizeof *channel);
	if (!channel || !(channel->name = strdup(name))) {
		free(channel);
		MISTAKE(app, RV__N_MESSAGE_NOMEM, "no memory to declare channel '%s'", name);
		return NULL;
	}
	channel->app = app;
	while (*end)
		end = &(*end)->next;
	*end = channel;
	return channel;
}

/* The channel, declared in that direction. NULL: no memory, which is kept as a mistake. */
static rv_channel *declare(rv_app *app, const char *name, bool is_input)
{
	rv_channel *channel = get_channel(app, name);
	struct rv__binding **slot;

	if (!channel)
		return NULL;
	slot = is_input ? &channel->input : &channel->output;
	if (*slot)
		return channel;
	*slot = calloc(1, sizeof **slot);
	if (!*slot || rv__binding_init(*slot, app, channel->name, is_input) != RV_OK) {
		free(*slot);
		*slot = NULL;
		MISTAKE(app, RV__N_MESSAGE_NOMEM, "no memory to declare channel '%s'", name);
		return NULL;
	}
	return channel;
}

static void declare_twice(rv_app *app, const char *name)
{
	MISTAKE(app, RV__N_NOT_POLLED,
	    "channel '%s' is declared as an input with listeners and as a polled one; declare it once", name);
}

static void declare_listened(rv_app *app, const char *name)
{
	const rv_channel *channel = declare(app, name, true);

	if (channel && channel->polled)
		declare_twice(app, name);
}

static void declare_polled(rv_app *app, const char *name)
{
	rv_channel *channel = rv__app_find_channel(app, name);

	if (channel && channel->input && !channel->polled) {
		declare_twice(app, name);
		return;
	}
	channel = declare(app, name, true);
	if (channel)
		channel->polled = true;
}

void rv_app_enable_binding(rv_app *app, const struct rv_interface *interface_)
{
	if (!app || !interface_)
		return;
	for (size_t i = 0; interface_->inputs && interface_->inputs[i]; i++)
		declare_listened(app, interface_->inputs[i]);
	for (size_t i = 0; interface_->outputs && interface_->outputs[i]; i++)
		(void)declare(app, interface_->outputs[i], false);
	for (size_t i = 0; interface_->polled && interface_->polled[i]; i++)
		declare_polled(app, interface_->polled[i]);
}

void rv_app_listen(rv_app *app, const char *name, rv_listener_fn listener, void *context)
{
	rv_channel *channel = app && name ? get_channel(app, name) : NULL;
	struct rv__listener *listeners;

	if (!channel)
		return;
	if (!listener) {
		MISTAKE(app, RV__N_LISTENER, "the listener of channel '%s' is NULL; pass a function", name);
		return;
	}
	listeners = realloc(channel->listeners, (channel->listener_count + 1) * sizeof *listeners);
	if (!listeners) {
		MISTAKE(app, RV__N_MESSAGE_NOMEM, "no memory for a listener of channel '%s'", name);
		return;
	}
	channel->listeners = listeners;
	listeners[channel->listener_count++] = (struct rv__listener){.call = listener, .context = context};
}

void rv_app_on_send_error(rv_app *app, const char *name, rv_sent_fn failed, void *context)
{
	rv_channel *channel = app && name ? get_channel(app, name) : NULL;

	if (channel) {
		channel->failed = failed;
		channel->failed_context = context;
	} else if (app && !name) {
		app->failed = failed;
		app->failed_context = context;
	}
}

rv_channel *rv_app_channel(rv_app *app, const char *name)
{
	return app ? get_channel(app, name ? name : "") : NULL;
}

void rv_app_on_ready(rv_app *app, void (*ready)(rv_app *app, void *context), void *context)
{
	if (!app)
		return;
	app->ready = ready;
	app->ready_context = context;
}

void rv_app_on_stopped(rv_app *app, void (*stopped)(rv_app *app, void *context), void *context)
{
	if (!app)
		return;
	app->stopped = stopped;
	app->stopped_context = context;
}

const char *rv_app_name(const rv_app *app)
{
	return app ? app->host.name : "";
}

/* -- waking ----------------------------------------------------------------------------------- */

void rv__app_wake(rv_app *app)
{
	static const uint64_t one = 1;
	ssize_t written = write(app->wake_fd, &one, sizeof one);

	(void)written; /* a full counter wakes as well; nothing else can go wrong with a valid descriptor */
}

void rv_app_request_stop(rv_app *app)
{
	if (!app)
		return;
	/* Counted, so that run, which may see the wish at once, frees nothing under us. */
	atomic_fetch_add(&app->stoppers, 1);
	atomic_store(&app->stop_requested, true);
	rv__app_wake(app);
	atomic_fetch_sub(&app->stoppers, 1);
}

/* Whoever asked for the stop leaves within a system call. */
static void wait_for_stoppers(rv_app *app)
{
	while (atomic_load(&app->stoppers) > 0)
		sched_yield();
}

/* -- freeing ------------------------------------------------------------------------------------- */

static void free_binding(struct rv__binding *binding)
{
	if (!binding)
		return;
	rv__binding_finish(binding);
	free(binding);
}

static void free_channels(rv_app *app)
{
	while (app->channels) {
		rv_channel *channel = app->channels;

		app->channels = channel->next;
		free_binding(channel->input);
		free_binding(channel->output);
		free(channel->listeners);
		free(channel->name);
		free(channel);
	}
}

void rv__app_destroy(rv_app *app)
{
	if (!app)
		return;
	wait_for_stoppers(app);
	free_channels(app);
	free(app->bindings);
	while (app->binders) {
		struct rv__binder *binder = app->binders;

		app->binders = binder->next;
		rv__binder_free(binder);
	}
	rv__problems_finish(&app->problems);
	rv__config_unref(app->config);
	for (int i = 0; app->argv && i < app->argc; i++)
		free(app->argv[i]);
	free(app->argv);
	free(app->name);
	if (app->wake_fd >= 0)
		close(app->wake_fd);
	free(app);
}
