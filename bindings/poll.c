/* SPDX-License-Identifier: Apache-2.0 */
/* Polls of an input without workers, across its starts and stops. */
#include "bindings/binding.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "bindings/app.h"

#include <time.h>

enum { LEAVE_NS = 300000000 };

void rv__binding_configured(struct rv__binding *binding)
{
	pthread_mutex_lock(&binding->lock);
	binding->configured = true;
	pthread_cond_broadcast(&binding->changed);
	pthread_mutex_unlock(&binding->lock);
}

/* Locks: binding->lock held. */
static bool is_stopped(const struct rv__binding *binding)
{
	return binding->configured && (!binding->desired_running || binding->state == RV__BINDING_FAILED);
}

/* The input that runs now, or comes to run until the deadline; a reference. NULL: none. */
static struct rv__input *wait_for_input(struct rv__binding *binding, int64_t deadline_ns)
{
	struct rv__input *input;
	bool in_time = true;

	pthread_mutex_lock(&binding->lock);
	for (;;) {
		input = binding->input && !atomic_load(&binding->input->halted) ? binding->input : NULL;
		if (input || is_stopped(binding) || !in_time)
			break;
		in_time = rv__wait_until(&binding->changed, &binding->lock, deadline_ns);
	}
	if (input)
		rv__input_ref(input);
	pthread_mutex_unlock(&binding->lock);
	return input;
}

static rv_err poll_until(struct rv__binding *binding, const struct rv__listener *poller, int64_t deadline_ns)
{
	rv_err code = RV_E_CLOSED;
	struct rv__input *input;

	/* One that is halted may be followed by another: the binding was started again. */
	while (code == RV_E_CLOSED && (input = wait_for_input(binding, deadline_ns))) {
		code = rv__input_poll(input, poller, deadline_ns);
		rv__input_unref(input);
	}
	return code;
}

/* Nothing was handled: why. */
static rv_err explain(struct rv__binding *binding, struct rv_error *err)
{
	char why[400];
	bool stopped;
	bool waits;

	pthread_mutex_lock(&binding->lock);
	stopped = is_stopped(binding);
	waits = !binding->bound || binding->state == RV__BINDING_WAITING;
	pthread_mutex_unlock(&binding->lock);
	if (stopped)
		return rv_error_set(err, RV_E_CLOSED, RV__N_POLL_STOPPED, "channel",
		    "channel '%s' is stopped; start its binding again", binding->channel);
	if (!waits)
		return rv_error_set(err, RV_E_TIMEOUT, RV__N_POLL_EMPTY, "channel",
		    "channel '%s' had no message in time; poll again", binding->channel);
	rv__binding_describe_wait(binding, why, sizeof why);
	return rv_error_set(err, RV_E_UNAVAILABLE, RV__N_POLL_STOPPED, "channel",
	    "channel '%s' has no way to its broker: %s", binding->channel, why);
}

rv_err rv__binding_poll(
    struct rv__binding *binding, int timeout_ms, const struct rv__listener *poller, struct rv_error *err)
{
	int64_t deadline_ns = rv__monotonic_ns() + (int64_t)timeout_ms * 1000000;
	rv_err code;

	atomic_fetch_add(&binding->pollers, 1);
	code = poll_until(binding, poller, deadline_ns);
	if (code != RV_OK)
		code = explain(binding, err);
	/* The last access: whoever sees nobody inside may free the binding. */
	atomic_fetch_sub(&binding->pollers, 1);
	return code;
}

size_t rv__binding_leave_pollers(struct rv__binding *binding)
{
	const struct timespec pause = {.tv_nsec = 100000};
	int64_t deadline_ns = rv__monotonic_ns() + LEAVE_NS;

	pthread_mutex_lock(&binding->lock);
	binding->configured = true;
	binding->desired_running = false;
	pthread_cond_broadcast(&binding->changed);
	pthread_mutex_unlock(&binding->lock);
	/* Once its listeners are drained every poll leaves by itself; one in a listener had its time. */
	while (atomic_load(&binding->pollers) > 0 && (binding->left == 0 || rv__monotonic_ns() < deadline_ns))
		nanosleep(&pause, NULL);
	return atomic_load(&binding->pollers);
}
