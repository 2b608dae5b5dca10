/* SPDX-License-Identifier: Apache-2.0 */
/* A binding as the actuator sees it. */
#include "bindings/binding.h"

#include "base/clock.h"
#include "bindings/app.h"

#include <stdio.h>

void rv__counters_add(struct rv__binding_counters *sum, const struct rv__input *input)
{
	sum->received += atomic_load(&input->received);
	sum->acked += atomic_load(&input->acked);
	sum->requeued += atomic_load(&input->requeued);
	sum->dead_lettered += atomic_load(&input->dead_lettered);
	sum->dropped += atomic_load(&input->dropped);
	sum->retried += atomic_load(&input->retried);
	sum->stale += atomic_load(&input->stale);
}

/* Locks: binding->lock held. */
static void view_traffic(struct rv__binding *binding, struct rv__binding_view *view, struct rv_error *why)
{
	struct rv__input *input = binding->input;

	view->counters = binding->past;
	if (!binding->is_input) {
		view->counters.sent = atomic_load(&binding->output.sent);
		view->counters.send_errors = atomic_load(&binding->output.send_errors);
		view->counters.in_flight = (uint64_t)atomic_load(&binding->output.in_flight);
	} else if (input) {
		rv__counters_add(&view->counters, input);
		pthread_mutex_lock(&input->lock);
		view->queued = (int64_t)input->queued;
		if (why->code == RV_OK && input->held > 0)
			*why = input->held_why;
		else if (why->code == RV_OK && input->closed_letters)
			*why = input->closed_why;
		view->counters.in_flight = input->queued + input->running + input->deferred;
		pthread_mutex_unlock(&input->lock);
	}
}

static void view_settings(const struct rv__binding *binding, struct rv__binding_view *view)
{
	const struct rv_binder_ops *ops = binding->binder ? binding->binder->ops : NULL;

	if (binding->is_input) {
		view->core = (struct rv__settings_view){&rv__consumer_table, &binding->consumer};
		view->own = (struct rv__settings_view){&rv__own_consumer_table, &binding->own_consumer};
	} else {
		view->core = (struct rv__settings_view){&rv__producer_table, &binding->producer};
		view->own = (struct rv__settings_view){&rv__own_producer_table, &binding->own_producer};
	}
	if (ops && binding->extension)
		view->extension = (struct rv__settings_view){
		    binding->is_input ? &ops->consumer_props : &ops->producer_props, binding->extension};
}

/* Copied: the source may go before the visitor has read it. Locks: binding->lock held. */
static void view_letters(const struct rv__binding *binding, struct rv__binding_view *view)
{
	const struct rv__input *input = binding->input;

	if (!input || !binding->bound || input->source_count == 0)
		return;
	if (input->sources[0].dead_letters)
		snprintf(view->dead_letters, sizeof view->dead_letters, "%s", input->sources[0].dead_letters);
	view->core_dead_letters = input->sources[0].info.core_dead_letters;
}

void rv__binding_view(struct rv__binding *binding, struct rv__binding_view *ret_view, struct rv_error *why)
{
	struct rv__binding_view view = {
	    .channel = binding->channel,
	    .input = binding->is_input,
	    .destination = binding->destination,
	    .group = binding->group,
	    .content_type = binding->content_type,
	    .binder_name = binding->binder ? binding->binder->name : "",
	    .binder_type = binding->binder ? binding->binder->ops->type : "",
	    .binder_label = binding->binder ? binding->binder->ops->label : "",
	    .pausable = binding->is_input,
	    .concurrency = binding->is_input && !binding->polled ? binding->consumer.concurrency : 0,
	};

	view_settings(binding, &view);
	pthread_mutex_lock(&binding->lock);
	*why = binding->why;
	view.state = rv__binding_words[binding->state].spring;
	view.true_state = rv__binding_words[binding->state].own;
	view.paused = binding->desired_paused;
	view.desired_running = binding->desired_running;
	view.since_ms = binding->since_ms;
	if (binding->state == RV__BINDING_WAITING && !binding->bound)
		view.next_try_ms = rv__wall_ms() + (binding->next_try_ns - rv__monotonic_ns()) / 1000000;
	view_traffic(binding, &view, why);
	view_letters(binding, &view);
	pthread_mutex_unlock(&binding->lock);
	view.why = why->text;
	*ret_view = view;
}
