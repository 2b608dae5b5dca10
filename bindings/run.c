/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running an application: start in order, move bindings on, stop in order.
 *
 *     start   modules of phase BROKER, outputs, inputs (one attempt each), modules of phase SERVING, ready
 *     stop    serving modules take no new work; inputs pause and drain; outputs flush; positions
 *             are committed; modules and binders close; what was left is said
 */
#include "bindings/app.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/numbers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rivulet/version.h>

/* -- signals ---------------------------------------------------------------------------------- */

/* The one application of this process that stops on a signal. */
static _Atomic(rv_app *) signalled;

/* When the first signal came; 0: none yet. */
static atomic_llong first_signal_ns;

/*
 * A signal that comes again later ends the process at once: somebody means it. One that comes again within
 * the first moment is the same one, sent to the process and to its group (as timeout(1) does), or by a
 * terminal and a script that passes it on.
 */
static void on_signal(int number)
{
	enum { SAME_SIGNAL_NS = 500000000 };

	rv_app *app = atomic_load(&signalled);
	long long now_ns = rv__monotonic_ns();
	long long first_ns = 0;
	int saved = errno;

	if (atomic_compare_exchange_strong(&first_signal_ns, &first_ns, now_ns)) {
		if (app)
			rv_app_request_stop(app);
	} else if (now_ns - first_ns > SAME_SIGNAL_NS) {
		signal(number, SIG_DFL);
		raise(number);
	}
	errno = saved;
}

static void catch_signals(rv_app *app)
{
	struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (!app->handles_signals)
		return;
	atomic_store(&first_signal_ns, 0);
	atomic_store(&signalled, app);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	/* A peer that closes its end is told by the write, not by the end of the process. */
	sigaction(SIGPIPE, &ignore, NULL);
}

/* -- starting ----------------------------------------------------------------------------------- */

static rv_err start_modules(rv_app *app, enum rv__phase phase, struct rv_error *err)
{
	rv_err code = RV_OK;

	for (size_t i = 0; rv__builtin_modules[i] && code == RV_OK; i++) {
		const struct rv__module *module = rv__builtin_modules[i];

		if (module->phase == phase && module->start)
			code = module->start(&app->host, &app->host.slots[i], err);
	}
	return code;
}

static void log_binding(struct rv__binding *binding)
{
	struct rv__binding_view view;
	struct rv_error why;

	rv__binding_view(binding, &view, &why);
	rv_log(RV_LOG_INFO, "app", "%s %s %s @ %s (%s%s%s)", view.channel, view.input ? "<-" : "->",
	    view.destination, view.binder_name, view.input ? (view.group ? view.group : "anonymous") : "",
	    view.input ? ", " : "", view.true_state);
}

/* The first attempt of every binding. RV_E_CONFIG: a mistake; other failures only with fail-fast. */
static rv_err bind_all(rv_app *app, struct rv_error *err)
{
	rv_err code = RV_OK;

	for (size_t i = 0; i < app->binding_count; i++) {
		struct rv__binding *binding = app->bindings[i];
		enum rv__binding_state state;

		rv__binding_step(binding);
		log_binding(binding);
		state = rv__binding_state(binding);
		if (state == RV__BINDING_FAILED)
			code = rv_error_set(err, RV_E_CONFIG, RV__N_NOT_BOUND, "app",
			    "channel '%s' cannot be bound; see above", binding->channel);
		else if (state == RV__BINDING_WAITING && binding->own.fail_fast && code == RV_OK)
			code = rv_error_set(err, RV_E_UNAVAILABLE, RV__N_FAIL_FAST, "app",
			    "channel '%s' could not bind at once, and rivulet.bindings.%s.fail-fast=true; "
			    "start its "
			    "broker first",
			    binding->channel, binding->channel);
	}
	return code;
}

static void log_ready(rv_app *app)
{
	struct rv__buffer ports = {.limit = 256};

	for (size_t i = 0; rv__builtin_modules[i]; i++)
		if (app->host.ports[i] > 0)
			rv__buffer_printf(
			    &ports, ", %s on port %d", rv__builtin_modules[i]->name, app->host.ports[i]);
	rv_log(RV_LOG_INFO, "app", "ready in %lld ms, version %s%s",
	    (long long)((rv__monotonic_ns() - app->host.started_ns + 500000) / 1000000), RV_VERSION,
	    rv__buffer_text(&ports));
	rv__buffer_finish(&ports);
}

/* Starts what is configured; RV_OK or why not. */
static rv_err start(rv_app *app, struct rv_error *err)
{
	rv_err code = start_modules(app, RV__PHASE_BROKER, err);

	if (code == RV_OK)
		code = bind_all(app, err);
	if (code != RV_OK)
		return code;
	atomic_store(&app->serving, true);
	code = start_modules(app, RV__PHASE_SERVING, err);
	if (code != RV_OK)
		return code;
	log_ready(app);
	if (app->ready)
		app->ready(app, app->ready_context);
	if (app->observer && app->observer->ready)
		app->observer->ready(app->observer->context);
	return RV_OK;
}

/* -- running -------------------------------------------------------------------------------------- */

static void wait_for_wake(rv_app *app, int64_t until_ns)
{
	struct pollfd wake = {.fd = app->wake_fd, .events = POLLIN};
	int64_t rest_ms = -1;
	uint64_t count;

	if (until_ns != INT64_MAX) {
		rest_ms = (until_ns - rv__monotonic_ns() + 999999) / 1000000;
		rest_ms = rest_ms < 0 ? 0 : rest_ms > 60000 ? 60000 : rest_ms;
	}
	/* Woken, timed out or interrupted: in each case the caller looks again. */
	if (poll(&wake, 1, (int)rest_ms) > 0 && read(app->wake_fd, &count, sizeof count) < 0)
		return;
}

static int64_t step_all(rv_app *app)
{
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < app->binding_count; i++) {
		int64_t at_ns = rv__binding_step(app->bindings[i]);

		if (at_ns < next_ns)
			next_ns = at_ns;
	}
	return next_ns;
}

/* Moves bindings on until a stop is requested. */
static void loop(rv_app *app)
{
	while (!atomic_load(&app->stop_requested)) {
		int64_t next_ns = step_all(app);

		if (!atomic_load(&app->stop_requested))
			wait_for_wake(app, next_ns);
	}
}

/* -- stopping ---------------------------------------------------------------------------------------- */

static void each_module(rv_app *app, enum rv__phase phase, bool close)
{
	size_t count = 0;

	while (rv__builtin_modules[count])
		count++;
	for (size_t i = count; i > 0; i--) {
		const struct rv__module *module = rv__builtin_modules[i - 1];
		void *state = app->host.slots[i - 1];

		if (module->phase != phase)
			continue;
		if (close && module->close)
			module->close(&app->host, state);
		else if (!close && module->stop)
			module->stop(&app->host, state);
	}
}

static void begin_stop(rv_app *app, bool inputs, int64_t deadline_ns)
{
	for (size_t i = 0; i < app->binding_count; i++)
		if (app->bindings[i]->is_input == inputs)
			rv__binding_begin_stop(app->bindings[i], deadline_ns);
}

static bool all_stopped(rv_app *app, bool inputs)
{
	bool stopped = true;

	for (size_t i = 0; i < app->binding_count; i++)
		if (app->bindings[i]->is_input == inputs)
			stopped = stopped && rv__binding_state(app->bindings[i]) == RV__BINDING_STOPPED;
	return stopped;
}

/* Stops one direction: all together, each until the common deadline. */
static void stop_bindings(rv_app *app, bool inputs, int64_t deadline_ns)
{
	begin_stop(app, inputs, deadline_ns);
	while (!all_stopped(app, inputs)) {
		int64_t next_ns = step_all(app);

		if (!all_stopped(app, inputs))
			wait_for_wake(app, next_ns);
	}
	for (size_t i = 0; i < app->binding_count; i++)
		if (app->bindings[i]->is_input == inputs)
			app->left += app->bindings[i]->left;
}

static void stop(rv_app *app)
{
	int64_t deadline_ns = rv__monotonic_ns() + app->settings.stop_deadline_ms * 1000000;

	each_module(app, RV__PHASE_SERVING, false);
	stop_bindings(app, true, deadline_ns);
	stop_bindings(app, false, deadline_ns);
	each_module(app, RV__PHASE_SERVING, true);
	atomic_store(&app->serving, false);
	for (size_t i = 0; i < app->binding_count; i++)
		if (!app->bindings[i]->is_input)
			rv__output_leave_all(&app->bindings[i]->output);
		else
			app->stuck += rv__binding_leave_pollers(app->bindings[i]);
	for (struct rv__binder *at = app->binders; at; at = at->next)
		rv__binder_close(at);
	each_module(app, RV__PHASE_BROKER, false);
	each_module(app, RV__PHASE_BROKER, true);
	if (app->left + app->stuck > 0)
		rv_log(RV_LOG_ERROR, "app",
		    "RV%04u stopped with %zu messages left and %zu listeners still running",
		    (unsigned)RV__N_LEFT, app->left, app->stuck);
	else
		rv_log(RV_LOG_INFO, "app", "stopped");
}

/* -- all of it ------------------------------------------------------------------------------------------ */

static int run_configured(rv_app *app)
{
	struct rv_error error = {0};
	rv_err code = start(app, &error);

	if (code == RV_OK)
		loop(app);
	else
		rv_log(RV_LOG_ERROR, error.where[0] ? error.where : "app", "RV%04u %s",
		    (unsigned)error.number, error.text);
	stop(app);
	if (code == RV_E_CONFIG)
		return 2;
	return code != RV_OK || app->left + app->stuck > 0 ? 1 : 0;
}

/* Senders of a thread of the service may still wait for an application that never starts. */
static void give_up(rv_app *app)
{
	for (rv_channel *at = app->channels; at; at = at->next) {
		if (at->input)
			(void)rv__binding_leave_pollers(at->input);
		if (!at->output)
			continue;
		rv__output_set_gate(&at->output->output, RV__GATE_STOPPED);
		rv__output_leave_all(&at->output->output);
	}
	each_module(app, RV__PHASE_SERVING, true);
	each_module(app, RV__PHASE_BROKER, true);
}

int rv__app_run_only(rv_app *app)
{
	int status = 2;
	bool configured;

	catch_signals(app);
	configured = rv__app_configure(app);
	rv__problems_log(&app->problems);
	if (configured)
		status = run_configured(app);
	else
		give_up(app);
	if (app->stopped)
		app->stopped(app, app->stopped_context);
	if (app->handles_signals)
		atomic_store(&signalled, NULL);
	return status;
}

int rv_app_run(rv_app *app)
{
	int status;

	if (!app) {
		rv_log(RV_LOG_ERROR, "app", "RV%04u no memory for the application; give the process more",
		    (unsigned)RV__N_MESSAGE_NOMEM);
		return 1;
	}
	status = rv__app_run_only(app);
	/* A listener that did not return still uses its channels: the process ends soon, with all its memory. */
	if (app->stuck == 0)
		rv__app_destroy(app);
	return status;
}
