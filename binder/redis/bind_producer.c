/* SPDX-License-Identifier: Apache-2.0 */
/* Binding an output, looking after its way to the broker, and letting it go. */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/producer.h"

enum { BIND_MS = 1000, LOOK_MS = 5000, TRY_MS = 100 };

/* -- lanes ------------------------------------------------------------------------------------- */

static void destroy_lanes(struct rv__redis_lanes *lanes)
{
	for (size_t i = 0; lanes && i < lanes->count; i++)
		if (lanes->items[i])
			rv__redis_lane_destroy(lanes->items[i]);
	free(lanes);
}

static struct rv__redis_lanes *create_lanes(struct rv__redis_producer *producer, int32_t count)
{
	struct rv__redis_lanes *lanes = calloc(1, sizeof *lanes + (size_t)count * sizeof *lanes->items);

	if (!lanes)
		return NULL;
	for (; lanes->count < (size_t)count; lanes->count++) {
		int32_t partition = (int32_t)lanes->count;
		char *key =
		    rv__redis_key(producer->client->settings, producer->destination, partition, count);

		lanes->items[partition] = key ? rv__redis_lane_create(producer, partition, key) : NULL;
		if (!lanes->items[partition]) {
			destroy_lanes(lanes);
			return NULL;
		}
	}
	return lanes;
}

static bool grow(struct rv__redis_producer *producer, int32_t partitions)
{
	struct rv__redis_lanes *before = atomic_load(&producer->lanes), *lanes;

	if (before->count == (size_t)partitions)
		return false;
	lanes = create_lanes(producer, partitions);
	if (!lanes)
		return false; /* the next look tries again */
	lanes->older = before;
	atomic_store_explicit(&producer->lanes, lanes, memory_order_release);
	return true;
}

/* Whoever was bound before the destination was made has not heard of its number yet, even if that is the wanted one. */
static void set_partitions(struct rv__redis_producer *producer, int32_t partitions)
{
	bool first = !producer->provisioned;

	producer->provisioned = true;
	if ((grow(producer, partitions) || first) && producer->told && producer->sink_ops->partitions)
		producer->sink_ops->partitions(producer->sink, (int32_t)atomic_load(&producer->lanes)->count);
}

/* -- the way to the broker --------------------------------------------------------------------------- */

static void say(struct rv__redis_producer *producer)
{
	producer->told_why = producer->up ? (struct rv_error){0} : producer->trouble;
	producer->sink_ops->state(producer->sink, producer->up ? NULL : &producer->trouble);
}

static void answer_bind(struct rv__redis_producer *producer)
{
	struct rv__call *call = producer->bind_call;

	if (!call)
		return;
	producer->bind_call = NULL;
	producer->told = true;
	if (!producer->up && producer->trouble.code != RV_OK)
		say(producer); /* why it waits from its first moment */
	/* What bind() looks at: by the time it does, the I/O thread may be further. */
	producer->bound_up = producer->up;
	producer->bound_partitions =
	    producer->provisioned ? (int32_t)atomic_load(&producer->lanes)->count : 0;
	producer->bound_why = producer->trouble;
	rv__call_done(call);
}

static void tell(struct rv__redis_producer *producer, bool up)
{
	bool changed = producer->up != up;

	producer->up = up;
	if (producer->bind_call) {
		if (up || producer->tried)
			answer_bind(producer);
		return;
	}
	if (producer->told &&
	    (changed || (!up && strcmp(producer->told_why.text, producer->trouble.text) != 0)))
		say(producer);
}

static bool all_open(struct rv__redis_producer *producer)
{
	const struct rv__redis_lanes *lanes = atomic_load(&producer->lanes);

	for (size_t i = 0; i < lanes->count; i++) {
		struct rv__redis_route *route = &lanes->items[i]->route;

		if (rv__redis_route_link(producer->client, route))
			continue;
		producer->tried = route->node && route->node->link->why.code != RV_OK;
		if (producer->tried)
			producer->trouble = route->node->link->why;
		else if (!route->node || producer->trouble.code == RV_OK)
			producer->tried = rv__redis_client_explain(producer->client, &producer->trouble);
		return false;
	}
	return true;
}

void rv__redis_producer_provisioned(
    struct rv__redis_producer *producer, int32_t partitions, const struct rv_error *why)
{
	int64_t now_ms = producer->client->now_ms;

	producer->next_look_ms = now_ms + (why ? TRY_MS : LOOK_MS);
	rv__redis_client_tend_at(producer->client, producer->next_look_ms);
	if (why) {
		producer->trouble = *why;
		producer->tried |= why->code != RV_E_UNAVAILABLE;
		if (!producer->provisioned)
			tell(producer, false);
		return;
	}
	set_partitions(producer, partitions);
	rv__redis_producer_judge(producer);
}

void rv__redis_producer_judge(struct rv__redis_producer *producer)
{
	const struct rv__redis_lanes *lanes;
	bool open;

	if (producer->close_call)
		return;
	open = all_open(producer);
	if (!producer->provisioned) {
		if (open && !producer->provision)
			rv__redis_producer_provision(producer);
		else if (!open)
			tell(producer, false);
		return;
	}
	tell(producer, open);
	if (open) {
		/* Messages may still be in lanes of earlier times. */
		for (lanes = atomic_load(&producer->lanes); lanes; lanes = lanes->older)
			for (size_t i = 0; i < lanes->count; i++)
				rv__redis_lane_dispatch(lanes->items[i]);
	}
}

/* -- time ------------------------------------------------------------------------------------------------- */

static int64_t tend_lanes(struct rv__redis_producer *producer, int64_t now_ms, const struct rv_error *why)
{
	int64_t next_ms = INT64_MAX;

	for (const struct rv__redis_lanes *lanes = atomic_load(&producer->lanes); lanes;
	     lanes = lanes->older) {
		for (size_t i = 0; i < lanes->count; i++) {
			int64_t at_ms = rv__redis_lane_tend(lanes->items[i], now_ms, why);

			if (at_ms < next_ms)
				next_ms = at_ms;
		}
	}
	pthread_mutex_lock(&producer->lock);
	for (struct rv__redis_other *other = producer->others; other;) {
		struct rv__redis_other *next = other->next;
		int64_t at_ms;

		/* Completions may send again, and so come here: not under the lock. */
		pthread_mutex_unlock(&producer->lock);
		at_ms = rv__redis_lane_tend(other->lane, now_ms, why);
		if (at_ms < next_ms)
			next_ms = at_ms;
		pthread_mutex_lock(&producer->lock);
		other = next;
	}
	pthread_mutex_unlock(&producer->lock);
	return next_ms;
}

/* The nodes are the I/O thread's. */
static void clear_routes(struct rv__redis_producer *producer)
{
	for (const struct rv__redis_lanes *lanes = atomic_load(&producer->lanes); lanes; lanes = lanes->older)
		for (size_t i = 0; i < lanes->count; i++)
			rv__redis_route_clear(&lanes->items[i]->route);
	for (const struct rv__redis_other *other = producer->others; other; other = other->next)
		rv__redis_route_clear(&other->lane->route);
}

static void finish_close(struct rv__redis_producer *producer)
{
	struct rv__call *call = producer->close_call;
	struct rv__redis_client *client = producer->client;
	struct rv__redis_producer **at = &client->producers;

	rv__redis_complete_flush(client);
	pthread_mutex_lock(&client->view_lock);
	while (*at != producer)
		at = &(*at)->next;
	*at = producer->next;
	pthread_mutex_unlock(&client->view_lock);
	rv__redis_producer_provision_cancel(producer);
	rv__redis_trimmer_destroy(producer->trimmer);
	clear_routes(producer);
	producer->close_call = NULL;
	rv__call_done(call);
}

static int64_t tend_close(struct rv__redis_producer *producer, int64_t now_ms, bool stopping)
{
	struct rv_error why;
	int64_t next_ms;

	if (stopping || now_ms >= producer->close_deadline_ms) {
		rv_error_set(&why, RV_E_CLOSED, 0, RV__REDIS_TOPIC,
		    "binding '%s' is stopping; whether Redis took the message is not known",
		    producer->binding);
		(void)tend_lanes(producer, now_ms, &why);
		rv__redis_complete_flush(producer->client);
	}
	next_ms = tend_lanes(producer, now_ms, NULL);
	if (atomic_load(&producer->in_flight) > 0)
		return producer->close_deadline_ms < next_ms ? producer->close_deadline_ms : next_ms;
	finish_close(producer);
	return INT64_MAX;
}

int64_t rv__redis_producer_tend(struct rv__redis_producer *producer, int64_t now_ms)
{
	bool stopping = atomic_load(&producer->client->stopping);
	int64_t next_ms;

	if (producer->close_call)
		return tend_close(producer, now_ms, stopping);
	if (stopping) {
		struct rv_error why;

		rv_error_set(
		    &why, RV_E_CLOSED, 0, RV__REDIS_TOPIC, "binding '%s' is stopping", producer->binding);
		(void)tend_lanes(producer, now_ms, &why);
		rv__redis_complete_flush(producer->client);
		return INT64_MAX;
	}
	if (producer->bind_call && now_ms >= producer->bind_deadline_ms)
		answer_bind(producer);
	next_ms = tend_lanes(producer, now_ms, NULL);
	if (!producer->provision && now_ms >= producer->next_look_ms && all_open(producer))
		rv__redis_producer_provision(producer);
	if (producer->next_look_ms > now_ms && producer->next_look_ms < next_ms)
		next_ms = producer->next_look_ms;
	if (producer->bind_call && producer->bind_deadline_ms < next_ms)
		next_ms = producer->bind_deadline_ms;
	if (producer->trimmer && producer->provisioned) {
		int64_t trim_ms = rv__redis_trimmer_tend(producer->trimmer, now_ms);

		if (trim_ms < next_ms)
			next_ms = trim_ms;
	}
	return next_ms;
}

/* -- binding ------------------------------------------------------------------------------------------------ */

static void destroy(struct rv__redis_producer *producer)
{
	struct rv__redis_lanes *lanes = atomic_load(&producer->lanes);

	while (lanes) {
		struct rv__redis_lanes *older = lanes->older;

		destroy_lanes(lanes);
		lanes = older;
	}
	while (producer->others) {
		struct rv__redis_other *other = producer->others;

		producer->others = other->next;
		rv__redis_lane_destroy(other->lane);
		free(other->destination);
		free(other);
	}
	for (size_t i = 0; i < producer->group_count; i++)
		free(producer->groups[i]);
	free(producer->groups);
	pthread_mutex_destroy(&producer->lock);
	free(producer->binding);
	free(producer->destination);
	free(producer);
}

static bool copy_groups(struct rv__redis_producer *producer, const struct rv_strings *groups)
{
	producer->groups = calloc(groups->count + 1, sizeof *producer->groups);
	for (size_t i = 0; producer->groups && i < groups->count; i++) {
		producer->groups[i] = strdup(groups->items[i]);
		if (!producer->groups[i])
			return false;
		producer->group_count++;
	}
	return producer->groups;
}

static struct rv__redis_producer *create(struct rv__redis_client *client, const struct rv_producer_spec *spec)
{
	struct rv__redis_producer *producer = calloc(1, sizeof *producer);
	struct rv__redis_lanes *lanes;

	if (!producer)
		return NULL;
	producer->client = client;
	producer->settings = spec->settings;
	producer->sink_ops = spec->sink_ops;
	producer->sink = spec->sink;
	producer->wanted = spec->partition_count;
	producer->send_timeout_ms = spec->send_timeout_ms > 0 ? spec->send_timeout_ms : 30000;
	pthread_mutex_init(&producer->lock, NULL);
	producer->binding = strdup(spec->binding);
	producer->destination = strdup(spec->destination);
	lanes = producer->destination
	    ? create_lanes(producer, spec->partition_count < 1 ? 1 : spec->partition_count)
	    : NULL;
	atomic_init(&producer->lanes, lanes);
	if (producer->binding && lanes && copy_groups(producer, spec->required_groups))
		return producer;
	destroy(producer);
	return NULL;
}

/* WAIT is a silence of the server, and silence beyond `timeout` ends a connection. */
static rv_err check_wait(
    const struct rv__redis_client *client, const struct rv_producer_spec *spec, struct rv_error *err)
{
	const struct rv__redis_producer_settings *settings = spec->settings;

	if (settings->wait_replicas == 0 || settings->wait_timeout_ms < client->settings->command_timeout_ms)
		return RV_OK;
	return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_WAIT, RV__REDIS_TOPIC,
	    "binding '%s' waits for replicas for %lld ms, but the server may be silent for %lld ms only; "
	    "lower "
	    "producer.wait-timeout, or raise spring.cloud.stream.redis.binder.timeout",
	    spec->binding, (long long)settings->wait_timeout_ms,
	    (long long)client->settings->command_timeout_ms);
}

struct binding {
	struct rv__call call;
	struct rv__redis_producer *producer;
};

static void run_bind(struct rv__op *op)
{
	struct binding *binding = (struct binding *)op;
	struct rv__redis_producer *producer = binding->producer;
	struct rv__redis_client *client = producer->client;

	pthread_mutex_lock(&client->view_lock);
	producer->next = client->producers;
	client->producers = producer;
	pthread_mutex_unlock(&client->view_lock);
	producer->bind_call = &binding->call;
	producer->bind_deadline_ms = client->now_ms + BIND_MS;
	producer->trimmer = rv__redis_trimmer_create(producer);
	rv__redis_client_tend_at(client, client->now_ms);
	rv__redis_producer_judge(producer);
}

static void run_unbind(struct rv__op *op)
{
	struct binding *binding = (struct binding *)op;

	binding->producer->close_call = &binding->call;
	rv__redis_client_tend_at(binding->producer->client, binding->producer->client->now_ms);
}

rv_err rv__redis_bind_producer(void *binder, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err)
{
	struct rv__redis_client *client = binder;
	struct rv__redis_producer *producer;
	struct binding binding;
	rv_err code = rv__redis_check_name("destination", spec->destination, err);

	if (code != RV_OK)
		return code;
	if (spec->partition_count > RV__REDIS_PARTITIONS_MAX)
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_PARTITION, RV__REDIS_TOPIC,
		    "binding '%s' asks for %d partitions, at most %d are possible; lower "
		    "producer.partition-count",
		    spec->binding, (int)spec->partition_count, RV__REDIS_PARTITIONS_MAX);
	code = check_wait(client, spec, err);
	if (code != RV_OK)
		return code;
	producer = create(client, spec);
	if (!producer)
		return rv_error_set(err, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC,
		    "no memory to bind '%s'", spec->binding);
	binding.producer = producer;
	rv__inbox_call(&client->inbox, &binding.call, run_bind);
	if (!producer->bound_up && producer->bound_why.code == RV_E_CONFIG) {
		if (err)
			*err = producer->bound_why;
		(void)rv__redis_unbind_producer(producer, 0);
		return RV_E_CONFIG;
	}
	info->partition_count = producer->bound_partitions;
	info->waiting = !producer->bound_up;
	info->queued_is_sent = !producer->settings->sync;
	*ret_producer = producer;
	return RV_OK;
}

size_t rv__redis_unbind_producer(void *arg, int64_t deadline_ms)
{
	struct rv__redis_producer *producer = arg;
	struct binding binding = {.producer = producer};
	size_t failed;

	atomic_store(&producer->closed, true);
	producer->close_deadline_ms = producer->client->env->monotonic_ns() / 1000000 + deadline_ms;
	rv__inbox_call(&producer->client->inbox, &binding.call, run_unbind);
	failed = producer->failed_at_close;
	destroy(producer);
	return failed;
}
