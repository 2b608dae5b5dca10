/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/binding.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "bindings/app.h"
#include "bindings/letters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACK_OFF_FIRST_MS = 50, BACK_OFF_MAX_MS = 1000 };

const struct rv__binding_words rv__binding_words[] = {
#define X(symbol, own, spring) {own, spring},
    RV__BINDING_STATE_LIST(X)
#undef X
};

rv_err rv__binding_init(struct rv__binding *binding, struct rv_app *app, const char *channel, bool is_input)
{
	*binding = (struct rv__binding){.app = app, .channel = channel, .is_input = is_input};
	binding->since_ms = rv__wall_ms();
	if (!rv__wait_init(&binding->lock, &binding->changed))
		return RV_E_NOMEM;
	if (!is_input && rv__output_init(&binding->output, binding) != RV_OK) {
		pthread_cond_destroy(&binding->changed);
		pthread_mutex_destroy(&binding->lock);
		return RV_E_NOMEM;
	}
	return RV_OK;
}

void rv__binding_finish(struct rv__binding *binding)
{
	rv__input_unref(binding->input);
	if (!binding->is_input)
		rv__output_finish(&binding->output);
	free(binding->extension);
	free(binding->instances);
	pthread_cond_destroy(&binding->changed);
	pthread_mutex_destroy(&binding->lock);
}

void rv__binding_wake(struct rv__binding *binding)
{
	rv__app_wake(binding->app);
}

/* -- state ------------------------------------------------------------------------------------- */

/* Locks: binding->lock held. What is worth a line is told by unlock_and_tell(), with no lock held. */
static void set_state(struct rv__binding *binding, enum rv__binding_state state)
{
	if (binding->state == state)
		return;
	if (!binding->news.any)
		binding->news.from = binding->state;
	binding->news.any = true;
	binding->news.to = state;
	binding->state = state;
	binding->since_ms = rv__wall_ms();
}

/* Locks: binding->lock held. */
static void note_news(struct rv__binding *binding, rv_log_level level, int64_t retry_ms)
{
	binding->news.level = level;
	binding->news.retry_ms = retry_ms;
	binding->news.why = binding->why;
}

static void tell(const struct rv__binding *binding, const struct rv__binding_news *news)
{
	const char *state = rv__binding_words[news->to].own;
	char number[16] = "";
	char retry[48] = "";

	if (news->why.number > 0)
		snprintf(number, sizeof number, "RV%04u ", (unsigned)news->why.number);
	if (news->retry_ms > 0)
		snprintf(retry, sizeof retry, ", retrying in %lld ms", (long long)news->retry_ms);
	if (news->level != RV_LOG_OFF)
		rv_log(news->level, "binding", "channel=%s binder=%s destination=%s: %s%s%s%s%s",
		    binding->channel, binding->binder->name, binding->destination, state,
		    news->why.code != RV_OK ? ": " : "", number, news->why.text, retry);
	else
		rv_log(RV_LOG_DEBUG, "binding", "channel=%s destination=%s: %s -> %s", binding->channel,
		    binding->destination, rv__binding_words[news->from].own, state);
}

static void unlock_and_tell(struct rv__binding *binding)
{
	struct rv__binding_news news = binding->news;

	binding->news = (struct rv__binding_news){0};
	if (news.any)
		pthread_cond_broadcast(&binding->changed);
	pthread_mutex_unlock(&binding->lock);
	if (news.any)
		tell(binding, &news);
}

enum rv__binding_state rv__binding_state(struct rv__binding *binding)
{
	enum rv__binding_state state;

	pthread_mutex_lock(&binding->lock);
	state = binding->state;
	pthread_mutex_unlock(&binding->lock);
	return state;
}

/* The state of a bound binding whose way to the broker is open. */
static enum rv__binding_state open_state(const struct rv__binding *binding)
{
	return binding->is_input && binding->desired_paused ? RV__BINDING_PAUSED : RV__BINDING_RUNNING;
}

/* Locks: binding->lock held. */
static bool any_way_waits(const struct rv__binding *binding)
{
	if (!binding->is_input)
		return binding->way.waits;
	for (size_t i = 0; binding->input && i < binding->input->source_count; i++)
		if (binding->input->sources[i].way.waits)
			return true;
	return false;
}

/* Locks: binding->lock held. Why: NULL when the way is open. */
static void enter_way(struct rv__binding *binding, bool waits, const struct rv_error *why)
{
	bool was_waiting = binding->state == RV__BINDING_WAITING;

	if (waits) {
		if (why)
			binding->why = *why;
		set_state(binding, RV__BINDING_WAITING);
		if (!was_waiting)
			note_news(binding, RV_LOG_WARN, 0);
		return;
	}
	binding->why = (struct rv_error){0};
	set_state(binding, open_state(binding));
	if (was_waiting && binding->attempted)
		note_news(binding, RV_LOG_INFO, 0);
}

void rv__binding_tell_way(struct rv__binding *binding, struct rv__source *source, const struct rv_error *why)
{
	bool waits;

	pthread_mutex_lock(&binding->lock);
	*(source ? &source->way : &binding->way) = (struct rv__way){.told = true, .waits = why != NULL};
	if (!binding->bound && why)
		binding->why = *why; /* told while it binds; complete_bind() looks at it */
	if (binding->bound && binding->state != RV__BINDING_DRAINING) {
		waits = any_way_waits(binding);
		enter_way(binding, waits, why);
		if (!binding->is_input)
			rv__output_set_gate(&binding->output, waits ? RV__GATE_WAITING : RV__GATE_OPEN);
	}
	unlock_and_tell(binding);
	rv__binding_wake(binding);
}

void rv__binding_describe_wait(struct rv__binding *binding, char *text, size_t size)
{
	pthread_mutex_lock(&binding->lock);
	snprintf(text, size, "%s",
	    binding->why.code != RV_OK ? binding->why.text : "the binding has not started yet; try again");
	pthread_mutex_unlock(&binding->lock);
}

void rv__binding_want_running(struct rv__binding *binding, bool running)
{
	pthread_mutex_lock(&binding->lock);
	binding->desired_running = running;
	pthread_cond_broadcast(&binding->changed);
	if (running) {
		binding->final = false;
		binding->next_try_ns = 0;
		/* Whoever sends from here on waits for the start. */
		if (!binding->is_input && atomic_load(&binding->output.gate) == RV__GATE_STOPPED)
			rv__output_set_gate(&binding->output, RV__GATE_WAITING);
	}
	pthread_mutex_unlock(&binding->lock);
	rv__binding_wake(binding);
}

/* Locks: binding->lock held; binder calls here never block. */
static void apply_pause(struct rv__binding *binding)
{
	struct rv__input *input = binding->input;

	if (!input || !binding->bound)
		return;
	rv__input_set_paused(input, binding->desired_paused);
	for (size_t i = 0; i < input->source_count; i++) {
		if (!input->sources[i].consumer)
			continue;
		if (binding->desired_paused)
			input->ops->pause(input->sources[i].consumer);
		else
			input->ops->resume(input->sources[i].consumer);
	}
}

rv_err rv__binding_want_paused(struct rv__binding *binding, bool paused, struct rv_error *err)
{
	if (!binding->is_input)
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_NOT_PAUSABLE, "binding",
		    "'%s' is an output, which cannot be paused; stop it instead", binding->channel);
	pthread_mutex_lock(&binding->lock);
	if (binding->desired_paused != paused) {
		binding->desired_paused = paused;
		apply_pause(binding);
		if (binding->state == RV__BINDING_RUNNING || binding->state == RV__BINDING_PAUSED)
			set_state(binding, open_state(binding));
	}
	unlock_and_tell(binding);
	return RV_OK;
}

/* -- binding ----------------------------------------------------------------------------------------- */

/* Locks: binding->lock held. */
static void complete_bind(struct rv__binding *binding)
{
	static const struct rv_error unreachable = {
	    .code = RV_E_UNAVAILABLE, .retriable = true, .text = "its broker cannot be reached yet"};

	bool waits = any_way_waits(binding);
	struct rv_error why = binding->why.code != RV_OK ? binding->why : unreachable;

	binding->bound = true;
	binding->failures = 0;
	enter_way(binding, waits, &why);
	if (!binding->is_input)
		rv__output_set_gate(&binding->output, waits ? RV__GATE_WAITING : RV__GATE_OPEN);
	else if (binding->desired_paused)
		apply_pause(binding);
}

/* Locks: binding->lock held. */
static void schedule_retry(struct rv__binding *binding, const struct rv_error *why)
{
	bool first = binding->failures == 0;
	int64_t delay_ms;

	binding->why = *why;
	binding->final =
	    why->code == RV_E_CONFIG || why->code == RV_E_UNSUPPORTED || why->code == RV_E_DENIED;
	delay_ms = rv__jitter_ms(
	    rv__back_off_ms(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS, ++binding->failures), rv__random());
	binding->next_try_ns = rv__monotonic_ns() + delay_ms * 1000000;
	set_state(binding, binding->final ? RV__BINDING_FAILED : RV__BINDING_WAITING);
	if (binding->final || first)
		note_news(
		    binding, binding->final ? RV_LOG_ERROR : RV_LOG_WARN, binding->final ? 0 : delay_ms);
}

static void attempt(struct rv__binding *binding)
{
	struct rv_error error = {0};
	rv_err code = rv__binder_open(binding->binder, &error);

	pthread_mutex_lock(&binding->lock);
	binding->why = (struct rv_error){0};
	pthread_mutex_unlock(&binding->lock);
	if (code == RV_OK)
		code = rv__binding_bind(binding, &error);
	pthread_mutex_lock(&binding->lock);
	if (code == RV_OK)
		complete_bind(binding);
	else
		schedule_retry(binding, &error);
	binding->attempted = true;
	unlock_and_tell(binding);
}

/* -- stopping -------------------------------------------------------------------------------------------- */

/* `starts`: it was told to start again meanwhile, and does so once it is drained. */
static void stop_intake(struct rv__binding *binding, bool starts)
{
	struct rv__input *input = binding->input;

	if (!binding->is_input)
		rv__output_set_gate(&binding->output, starts ? RV__GATE_WAITING : RV__GATE_STOPPED);
	if (!input)
		return;
	for (size_t i = 0; i < input->source_count; i++)
		if (input->sources[i].consumer)
			input->ops->stop_consumer(input->sources[i].consumer);
	rv__input_halt(input);
}

/* A property of the binder may make an output's end shorter. Locks: binding->lock held. */
static int64_t own_deadline(const struct rv__binding *binding, int64_t deadline_ns)
{
	int64_t own_ms = binding->is_input || !binding->bound ? 0 : binding->output.info.close_timeout_ms;
	int64_t own_ns = rv__monotonic_ns() + own_ms * 1000000;

	return own_ms > 0 && own_ns < deadline_ns ? own_ns : deadline_ns;
}

static void begin_drain(struct rv__binding *binding, int64_t deadline_ns)
{
	bool starts;

	pthread_mutex_lock(&binding->lock);
	binding->deadline_ns = own_deadline(binding, deadline_ns);
	starts = binding->desired_running;
	if (binding->state != RV__BINDING_STOPPED)
		set_state(binding, binding->bound ? RV__BINDING_DRAINING : RV__BINDING_STOPPED);
	unlock_and_tell(binding);
	stop_intake(binding, starts);
}

void rv__binding_begin_stop(struct rv__binding *binding, int64_t deadline_ns)
{
	pthread_mutex_lock(&binding->lock);
	binding->desired_running = false;
	pthread_cond_broadcast(&binding->changed);
	pthread_mutex_unlock(&binding->lock);
	begin_drain(binding, deadline_ns);
}

static bool is_drained(struct rv__binding *binding)
{
	if (!binding->is_input)
		return atomic_load(&binding->output.in_flight) == 0;
	return !binding->input || rv__input_busy(binding->input) == 0;
}

/* Second half of a stop: what is not drained by now is left. */
static void finish_stop(struct rv__binding *binding)
{
	size_t left;

	pthread_mutex_lock(&binding->lock);
	binding->bound = false; /* from here on nobody else calls into the binder */
	pthread_mutex_unlock(&binding->lock);
	left = rv__binding_unbind(binding, binding->deadline_ns);
	if (left > 0)
		rv_log(RV_LOG_ERROR, "binding", "channel=%s destination=%s left=%zu: RV%04u stopped with %s",
		    binding->channel, binding->destination, left, (unsigned)RV__N_LEFT,
		    binding->is_input ? "deliveries unsettled; the broker delivers them again"
		                      : "sends unanswered; they were reported as failed");
	pthread_mutex_lock(&binding->lock);
	binding->left = left;
	binding->why = (struct rv_error){0};
	set_state(binding, RV__BINDING_STOPPED);
	unlock_and_tell(binding);
}

/* -- the step ----------------------------------------------------------------------------------------------- */

/* Revocations whose time is over, leases, and dead letters that are due again. */
static int64_t tend_input(struct rv__input *input, int64_t now_ns)
{
	int64_t expiry_ns = rv__input_expire(input, now_ns);
	int64_t extend_ns = rv__input_extend(input, now_ns);
	int64_t letters_ns = rv__letters_retry(input, now_ns);
	int64_t next_ns = expiry_ns < extend_ns ? expiry_ns : extend_ns;

	return next_ns < letters_ns ? next_ns : letters_ns;
}

static int64_t step_draining(struct rv__binding *binding, int64_t now_ns)
{
	/* Drained listeners and completions do not wake us: look again soon. */
	enum { LOOK_AGAIN_NS = 2000000 };

	if (binding->input)
		(void)tend_input(binding->input, now_ns);
	if (!is_drained(binding) && now_ns < binding->deadline_ns)
		return now_ns + LOOK_AGAIN_NS;
	finish_stop(binding);
	return 0;
}

static int64_t stop_deadline_ns(const struct rv__binding *binding, int64_t now_ns)
{
	int64_t ms = binding->is_input ? binding->own_consumer.stop_deadline_ms
	                               : binding->own_producer.send_timeout_ms;

	return now_ns + ms * 1000000;
}

int64_t rv__binding_step(struct rv__binding *binding)
{
	int64_t now_ns = rv__monotonic_ns();
	enum rv__binding_state state;
	int64_t next_try_ns;
	bool desired;
	bool bound;
	bool final;
	bool wants_try;

	pthread_mutex_lock(&binding->lock);
	state = binding->state;
	desired = binding->desired_running;
	bound = binding->bound;
	final = binding->final;
	next_try_ns = binding->next_try_ns;
	wants_try = desired && !bound && !final && state != RV__BINDING_DRAINING;
	if (wants_try && state != RV__BINDING_WAITING)
		set_state(binding, RV__BINDING_BINDING);
	unlock_and_tell(binding);

	if (state == RV__BINDING_DRAINING)
		return step_draining(binding, now_ns);
	if (!desired && state != RV__BINDING_STOPPED && state != RV__BINDING_CREATED) {
		/* Not with begin_stop(): a STARTED that comes right now must not be forgotten. */
		begin_drain(binding, stop_deadline_ns(binding, now_ns));
		return 0;
	}
	if (wants_try && now_ns < next_try_ns)
		return next_try_ns;
	if (wants_try) {
		if (!binding->is_input && atomic_load(&binding->output.gate) == RV__GATE_STOPPED)
			rv__output_set_gate(&binding->output, RV__GATE_WAITING);
		attempt(binding);
		return 0;
	}
	return bound && binding->input ? tend_input(binding->input, now_ns) : INT64_MAX;
}
