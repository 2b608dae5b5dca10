/* SPDX-License-Identifier: Apache-2.0 */
/* What a binding asks of its binder to begin, and how it leaves again. Threads: that of rv_app_run(). */
#include "bindings/binding.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "bindings/app.h"
#include "bindings/letters.h"

#include <string.h>

enum { LEAVE_NS = 300000000 };

static void forget_way(struct rv__binding *binding, struct rv__way *way)
{
	pthread_mutex_lock(&binding->lock);
	*way = (struct rv__way){0};
	pthread_mutex_unlock(&binding->lock);
}

/* What bind_*() returned counts unless state() was called meanwhile. Locks: binding->lock held. */
static void learn_way(struct rv__way *way, bool waits)
{
	if (!way->told)
		way->waits = waits;
}

static rv_err bind_output(struct rv__binding *binding, struct rv_error *err)
{
	struct rv__output *output = &binding->output;
	struct rv_producer_info info = {0};
	struct rv_producer_spec spec = {
	    .binding = binding->channel,
	    .destination = binding->destination,
	    .partition_count = (int32_t)binding->producer.partition_count,
	    .required_groups = &binding->producer.required_groups,
	    .settings = binding->extension,
	    .sink_ops = &rv__output_sink,
	    .sink = output,
	    .send_timeout_ms = binding->own_producer.send_timeout_ms,
	    .partitioned = output->partitioner != NULL,
	};
	void *producer = NULL;
	rv_err code;

	output->ops = binding->binder->ops;
	forget_way(binding, &binding->way);
	rv__output_forget_partitions(output);
	code = output->ops->bind_producer(binding->binder->instance, &spec, &producer, &info, err);
	if (code != RV_OK)
		return code;
	pthread_mutex_lock(&binding->lock);
	output->producer = producer;
	output->info = info;
	atomic_store(&output->queued_is_sent, info.queued_is_sent);
	learn_way(&binding->way, info.waiting);
	if (info.send_timeout_ms > 0)
		atomic_store(&output->send_timeout_ms, info.send_timeout_ms);
	pthread_mutex_unlock(&binding->lock);
	rv__output_learn_partitions(output, info.partition_count);
	return RV_OK;
}

/* The limit of deliveries: the binding's own, else the binder's. */
static rv_err limit_deliveries(
    const struct rv__binding *binding, struct rv__source *source, struct rv_error *err)
{
	int32_t wanted = (int32_t)binding->own_consumer.max_deliveries;

	source->max_deliveries = wanted > 0 ? wanted : source->info.max_deliveries;
	if (wanted == 0 || source->info.max_deliveries > 0 ||
	    (source->input->ops->caps & RV_CAP_DELIVERY_COUNT))
		return RV_OK;
	return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_UNFIT, "binding",
	    "rivulet.bindings.%s.consumer.max-deliveries: %s does not count deliveries; leave the key out",
	    binding->channel, source->input->ops->label);
}

static rv_err bind_source(struct rv__binding *binding, struct rv__source *source, struct rv_error *err)
{
	const struct rv__consumer_settings *consumer = &binding->consumer;
	struct rv_consumer_spec spec = {
	    .binding = binding->channel,
	    .destination = source->destination,
	    .group = binding->group,
	    .concurrency = (int32_t)consumer->concurrency,
	    .max_attempts = source->input->max_attempts,
	    .instance_index = (int32_t)consumer->instance_index,
	    .instance_count = (int32_t)consumer->instance_count,
	    .partitioned = consumer->partitioned,
	    .settings = binding->extension,
	    .sink_ops = &rv__input_sink,
	    .sink = source,
	    .max_deliveries = (int32_t)binding->own_consumer.max_deliveries,
	    .instances = binding->instances,
	    .instances_count = binding->instances_count,
	};
	struct rv_consumer_info info = {0};
	void *opened = NULL;
	rv_err code;

	forget_way(binding, &source->way);
	code = source->input->ops->bind_consumer(binding->binder->instance, &spec, &opened, &info, err);

	if (code != RV_OK)
		return code;
	source->consumer = opened;
	source->info = info;
	source->dead_letters = info.dead_letter_destination ? strdup(info.dead_letter_destination) : NULL;
	pthread_mutex_lock(&binding->lock);
	learn_way(&source->way, info.waiting);
	pthread_mutex_unlock(&binding->lock);
	code = limit_deliveries(binding, source, err);
	if (code == RV_OK && info.dead_letter && info.core_dead_letters)
		code = rv__letters_open(binding, source, err);
	return code;
}

/* Unbinds all sources; how many settlements were left on their way. */
static size_t unbind_sources(struct rv__input *input, int64_t deadline_ns)
{
	size_t left = 0;

	for (size_t i = 0; i < input->source_count; i++) {
		int64_t rest_ms = (deadline_ns - rv__monotonic_ns()) / 1000000;
		void *consumer = input->sources[i].consumer;

		if (!consumer)
			continue;
		left += input->ops->unbind_consumer(consumer, rest_ms > 0 ? rest_ms : 0);
		input->sources[i].consumer = NULL;
		rv__letters_close(input->sources[i].letters, 0); /* drained, or its time is over */
	}
	return left;
}

static rv_err start_sources(struct rv__binding *binding, struct rv__input *input, struct rv_error *err)
{
	rv_err code = RV_OK;

	for (size_t i = 0; i < input->source_count && code == RV_OK; i++)
		code = bind_source(binding, &input->sources[i], err);
	if (code == RV_OK)
		code = rv__input_start(input, err);
	for (size_t i = 0; i < input->source_count && code == RV_OK; i++)
		code = input->ops->start_consumer(input->sources[i].consumer, err);
	return code;
}

static void discard_input(struct rv__binding *binding, struct rv__input *input)
{
	rv__input_halt(input);
	for (size_t i = 0; i < input->source_count; i++)
		if (input->sources[i].consumer)
			input->ops->stop_consumer(input->sources[i].consumer);
	rv__input_drain(input, rv__monotonic_ns() + binding->own_consumer.stop_deadline_ms * 1000000);
	rv__input_detach(input);
	(void)unbind_sources(input, 0);
	(void)rv__input_stop(input, rv__monotonic_ns() + 1000000000);
	pthread_mutex_lock(&binding->lock);
	binding->input = NULL;
	pthread_mutex_unlock(&binding->lock);
	rv__input_unref(input);
}

static rv_err bind_input(struct rv__binding *binding, struct rv_error *err)
{
	const rv_channel *channel = rv__app_find_channel(binding->app, binding->channel);
	struct rv__input *input = rv__input_create(binding, channel->listeners, channel->listener_count);
	rv_err code;

	if (!input)
		return rv_error_set(err, RV_E_NOMEM, RV__N_MESSAGE_NOMEM, "binding",
		    "no memory to bind '%s'; give the process more", binding->channel);
	pthread_mutex_lock(&binding->lock);
	binding->input = input;
	if (binding->desired_paused)
		rv__input_set_paused(input, true);
	pthread_cond_broadcast(&binding->changed);
	pthread_mutex_unlock(&binding->lock);
	code = start_sources(binding, input, err);
	if (code != RV_OK)
		discard_input(binding, input);
	return code;
}

static size_t unbind_input(struct rv__binding *binding, int64_t deadline_ns)
{
	struct rv__input *input = binding->input;
	size_t left = rv__input_drain(input, 0);
	size_t stuck;

	rv__input_detach(input);
	left += unbind_sources(input, deadline_ns);
	/* Idle workers leave at once; one in a listener had its time. */
	stuck = rv__input_stop(input, left ? rv__monotonic_ns() + LEAVE_NS : INT64_MAX);
	if (stuck > 0)
		binding->app->stuck += stuck;
	pthread_mutex_lock(&binding->lock);
	rv__counters_add(&binding->past, input);
	binding->input = NULL;
	pthread_mutex_unlock(&binding->lock);
	rv__input_unref(input);
	return left;
}

static size_t unbind_output(struct rv__binding *binding, int64_t deadline_ns)
{
	struct rv__output *output = &binding->output;
	int64_t rest_ms = (deadline_ns - rv__monotonic_ns()) / 1000000;
	size_t left;

	rv__output_wait_unused(output);
	left = output->ops->unbind_producer(output->producer, rest_ms > 0 ? rest_ms : 0);
	output->producer = NULL;
	return left;
}

rv_err rv__binding_bind(struct rv__binding *binding, struct rv_error *err)
{
	return binding->is_input ? bind_input(binding, err) : bind_output(binding, err);
}

size_t rv__binding_unbind(struct rv__binding *binding, int64_t deadline_ns)
{
	return binding->is_input ? unbind_input(binding, deadline_ns) : unbind_output(binding, deadline_ns);
}
