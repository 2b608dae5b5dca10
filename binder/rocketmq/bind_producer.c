/* SPDX-License-Identifier: Apache-2.0 */
/* Making, judging and ending an output's producer. */
#include "binder/rocketmq/producer.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "remoting/codes.h"

enum { FIRST_JUDGEMENT_MS = 1000, SEND_MS = 3000 };

struct bind_call {
	struct rv__call call;
	struct rv__rmq_producer *producer;
	struct rv_producer_info *info;
	char *topic; /* owned */
	bool failed;
};

static void destroy(struct rv__rmq_producer *producer)
{
	free(producer->binding);
	free(producer->group);
	free(producer->instance);
	free(producer);
}

/* -- judging: is the way to the broker open? -------------------------------------------------- */

/* How many queues the topic has, or will have once the first message makes it. */
static int32_t queue_count(const struct rv__rmq_producer *producer)
{
	return (int32_t)(producer->topic->known ? producer->topic->write_count
	                                        : producer->template_topic->write_count);
}

static void fill_info(const struct rv__rmq_producer *producer, struct rv_producer_info *info)
{
	*info = (struct rv_producer_info){.partition_count = producer->up ? producer->told_queues : 0,
	    .send_timeout_ms = producer->own_timeout ? producer->plan.timeout_ms : 0,
	    .max_message_size = (size_t)producer->plan.max_message_size,
	    .queued_is_sent = producer->plan.queued_is_sent,
	    .waiting = !producer->up};
}

/* The answer to bind_producer(): from here on route and state may change at any time. */
static void finish_bind(struct rv__rmq_producer *producer, bool up)
{
	struct bind_call *bind = (struct bind_call *)producer->bind_call;

	producer->bind_call = NULL;
	producer->up = up;
	producer->told_queues = up ? queue_count(producer) : 0;
	fill_info(producer, bind->info);
	if (!up) /* the reason; that it waits is said by bind_producer() */
		producer->sink_ops->state(producer->sink, &producer->trouble);
	rv__call_done(&bind->call);
}

static void tell_queues(struct rv__rmq_producer *producer)
{
	int32_t queues = queue_count(producer);

	if (queues == producer->told_queues || !producer->sink_ops->partitions)
		return;
	producer->told_queues = queues;
	producer->sink_ops->partitions(producer->sink, queues);
}

static void tell(struct rv__rmq_producer *producer, bool up)
{
	if (producer->bind_call) {
		finish_bind(producer, up);
		return;
	}
	if (up)
		tell_queues(producer);
	if (producer->up == up)
		return;
	producer->up = up;
	producer->sink_ops->state(producer->sink, up ? NULL : &producer->trouble);
}

/* Whether one of the route's brokers is connected; starts connecting to the others. */
static bool is_any_open(struct rv__rmq_producer *producer, struct rv__rmq_topic *route, bool *ret_connecting)
{
	bool found = false;
	struct rv__rmq_broker *last = NULL;

	*ret_connecting = false;
	for (size_t i = 0; i < route->write_count; i++) {
		struct rv__rmq_connection *connection;

		if (route->writes[i].broker == last)
			continue;
		last = route->writes[i].broker;
		connection = rv__rmq_broker_connection(producer->client, &producer->client->self, last, true);
		if (!connection || !rv__rmq_connection_usable(connection))
			continue;
		if (connection->link == RV__RMQ_OPEN)
			found = true;
		else
			*ret_connecting = true;
	}
	return found;
}

void rv__rmq_producer_judge(struct rv__rmq_producer *producer)
{
	struct rv__rmq_topic *topic = producer->topic, *template_topic = producer->template_topic, *route;
	bool connecting;

	if (!topic->answered) { /* no name server so far */
		if (producer->trouble.code == RV_OK && !producer->client->names.up)
			producer->trouble = producer->client->names.why;
		if (producer->trouble.code != RV_OK)
			tell(producer, false);
		return;
	}
	route = topic->known ? topic : template_topic;
	if (!route->known) {
		if (!topic->known && !template_topic->answered)
			return; /* its answer is under way */
		rv_error_set(&producer->trouble, RV_E_NOTFOUND, RV__N_RMQ_NO_ROUTE, RV__RMQ_TOPIC,
		    "no route to topic '%s', and the brokers make none by themselves; create it, or set "
		    "autoCreateTopicEnable=true there",
		    topic->name);
		producer->trouble.retriable = true;
		tell(producer, false);
		return;
	}
	if (is_any_open(producer, route, &connecting)) {
		if (rv__rmq_provision(producer))
			return; /* its end looks again */
		producer->trouble = (struct rv_error){0};
		if (producer->pending)
			rv__rmq_producer_mark(producer);
		tell(producer, true);
	} else if (!connecting) {
		if (producer->trouble.code == RV_OK)
			rv_error_set(&producer->trouble, RV_E_UNAVAILABLE, RV__N_RMQ_LOST, RV__RMQ_TOPIC,
			    "no broker of topic '%s' can be reached", topic->name);
		tell(producer, false);
	}
}

void rv__rmq_producer_give_up_binding(struct rv__rmq_producer *producer)
{
	if (producer->trouble.code == RV_OK)
		rv__rmq_silence(producer->client, producer->topic, FIRST_JUDGEMENT_MS, &producer->trouble);
	tell(producer, false);
}

/* -- binding ------------------------------------------------------------------------------------ */

static void run_bind(struct rv__op *op)
{
	struct bind_call *bind = (struct bind_call *)op;
	struct rv__rmq_producer *producer = bind->producer;
	struct rv__rmq_client *client = producer->client;

	producer->topic = rv__rmq_topic_get(client, bind->topic);
	producer->template_topic = rv__rmq_topic_get(client, RV__TOPIC_TEMPLATE);
	if (!producer->topic || !producer->template_topic || atomic_load(&client->stopping)) {
		bind->failed = true;
		rv__call_done(&bind->call);
		return;
	}
	rv__rmq_topic_want(producer->topic);
	uv_mutex_lock(&client->view_lock);
	producer->next = client->producers;
	client->producers = producer;
	uv_mutex_unlock(&client->view_lock);
	producer->bind_call = &bind->call;
	producer->bind_deadline_ms = rv__rmq_now_ms(client) + FIRST_JUDGEMENT_MS;
	rv__rmq_client_announce(client);
	rv__rmq_client_hurry(client);
	rv__rmq_producer_judge(producer);
}

static rv_err no_memory(struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOMEM, 0, RV__RMQ_TOPIC, "no memory for a producer");
}

/* Names and plan; all that may be wrong with the properties. */
static rv_err prepare(struct rv__rmq_producer *producer, const struct rv_producer_spec *spec,
    const char *topic, struct rv_error *err)
{
	const struct rv__rmq_producer_settings *settings = spec->settings;
	const struct rv__rmq_binder_settings *binder = producer->client->settings;
	const char *group;
	rv_err failed;

	failed = rv__rmq_producer_plan(settings, spec->binding, &producer->plan, err);
	if (failed == RV_OK)
		failed =
		    rv__rmq_check_common(&binder->common, &settings->common, spec->binding, "producer", err);
	if (failed == RV_OK)
		failed = rv__rmq_check_name("destination", topic, RV__TOPIC_NAME_MAX, err);
	if (failed != RV_OK)
		return failed;
	producer->own_timeout = producer->plan.timeout_ms > 0;
	if (!producer->own_timeout)
		producer->plan.timeout_ms = spec->send_timeout_ms > 0 ? spec->send_timeout_ms : SEND_MS;
	group = producer->plan.group          ? producer->plan.group
	    : binder->group && *binder->group ? binder->group
	                                      : spec->destination;
	producer->group = rv__rmq_qualify(producer->instance, group);
	producer->binding = strdup(spec->binding);
	if (!producer->group || !producer->binding)
		return no_memory(err);
	return rv__rmq_check_name("group", producer->group, RV__GROUP_NAME_MAX, err);
}

static const char *own_namespace(const char *binder, const char *binding)
{
	if (binding && *binding)
		return binding;
	return binder && *binder ? binder : NULL;
}

rv_err rv__rmq_bind_producer(void *binder, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err)
{
	struct rv__rmq_client *client = binder;
	const struct rv__rmq_producer_settings *settings = spec->settings;
	const char *space =
	    own_namespace(client->settings->common.namespace_name, settings->common.namespace_name);
	struct rv__rmq_producer *producer = calloc(1, sizeof *producer);
	struct bind_call bind = {.producer = producer, .info = info};
	rv_err failed;

	if (!producer)
		return no_memory(err);
	producer->client = client;
	producer->sink_ops = spec->sink_ops;
	producer->sink = spec->sink;
	producer->partition_count = spec->partition_count;
	producer->partitioned = spec->partitioned;
	producer->pending_tail = &producer->pending;
	producer->instance = space ? strdup(space) : NULL;
	bind.topic = rv__rmq_qualify(space, spec->destination);
	failed = bind.topic ? prepare(producer, spec, bind.topic, err) : no_memory(err);
	if (failed == RV_OK) {
		rv__inbox_call(&client->inbox, &bind.call, run_bind);
		if (bind.failed)
			failed = rv_error_set(err, RV_E_CLOSED, 0, RV__RMQ_TOPIC, "the binder is stopping");
	}
	free(bind.topic);
	if (failed != RV_OK) {
		destroy(producer);
		return failed;
	}
	if (spec->required_groups->count > 0)
		client->env->log(RV_LOG_WARN, RV__RMQ_TOPIC,
		    "RV%04u binding '%s': required-groups has no effect on RocketMQ: a group that comes "
		    "later "
		    "reads from the first message that the broker still has",
		    (unsigned)RV__N_RMQ_REQUIRED_GROUPS, spec->binding);
	*ret_producer = producer;
	return RV_OK;
}

/* -- unbinding ------------------------------------------------------------------------------------ */

static void leave(struct rv__rmq_producer *producer)
{
	struct rv__rmq_client *client = producer->client;
	struct rv__rmq_producer **slot = &client->producers;
	bool shared = false;

	uv_mutex_lock(&client->view_lock);
	while (*slot != producer)
		slot = &(*slot)->next;
	*slot = producer->next;
	uv_mutex_unlock(&client->view_lock);
	for (struct rv__rmq_producer *other = client->producers; other; other = other->next)
		shared |= strcmp(other->group, producer->group) == 0;
	if (!shared)
		rv__rmq_leave(client, &client->self, producer->group, NULL);
	for (struct rv__rmq_producer **dirty = &client->dirty; *dirty;) {
		if (*dirty == producer)
			*dirty = producer->next_dirty;
		else
			dirty = &(*dirty)->next_dirty;
	}
	rv__rmq_request_cancel(&producer->provision_request);
}

void rv__rmq_producer_close(struct rv__rmq_producer *producer)
{
	struct rv__call *call = producer->close_call;

	if (!call || atomic_load(&producer->in_flight) > 0)
		return;
	leave(producer);
	producer->close_call = NULL;
	rv__call_done(call);
}

struct close_call {
	struct rv__call call;
	struct rv__rmq_producer *producer;
	int64_t deadline_ms;
};

static void run_close(struct rv__op *op)
{
	struct close_call *closing = (struct close_call *)op;
	struct rv__rmq_producer *producer = closing->producer;

	producer->close_call = &closing->call;
	producer->close_deadline_ms = rv__rmq_now_ms(producer->client) + closing->deadline_ms;
	rv__rmq_client_hurry(producer->client);
	rv__rmq_producer_tend(producer, rv__rmq_now_ms(producer->client));
	rv__rmq_producer_close(producer);
}

size_t rv__rmq_unbind_producer(void *producer_pointer, int64_t deadline_ms)
{
	struct rv__rmq_producer *producer = producer_pointer;
	struct close_call closing = {.producer = producer, .deadline_ms = deadline_ms};
	size_t failed;

	rv__inbox_call(&producer->client->inbox, &closing.call, run_close);
	failed = producer->failed_at_close;
	destroy(producer);
	return failed;
}
