/* SPDX-License-Identifier: Apache-2.0 */
/* Binding an input, looking after it, and letting it go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/numbers.h"
#include "binder/redis/consumer.h"
#include "binder/redis/producer.h"

enum {
	BIND_MS = 1000,
	MEASURE_MS = 2000,
	LEAVE_MS = 500 /* for giving back what is held, even when no time is left */
};

/* -- the way to the broker ---------------------------------------------------------------------------- */

static void say(struct rv__redis_consumer *consumer)
{
	consumer->told_why = consumer->up ? (struct rv_error){0} : consumer->trouble;
	consumer->sink_ops->state(consumer->sink, consumer->up ? NULL : &consumer->trouble);
}

static void answer_bind(struct rv__redis_consumer *consumer)
{
	struct rv__call *call = consumer->bind_call;

	if (!call)
		return;
	consumer->bind_call = NULL;
	consumer->told = true;
	if (!consumer->up && consumer->trouble.code != RV_OK)
		say(consumer); /* why it waits from its first moment */
	consumer->bound_up = consumer->up;
	consumer->bound_why = consumer->trouble;
	rv__call_done(call);
}

static void tell(struct rv__redis_consumer *consumer, bool up)
{
	bool changed = consumer->up != up;

	consumer->up = up;
	if (up)
		consumer->trouble = (struct rv_error){0};
	if (consumer->bind_call) {
		if (up || consumer->tried)
			answer_bind(consumer);
		return;
	}
	if (consumer->told &&
	    (changed || (!up && strcmp(consumer->told_why.text, consumer->trouble.text) != 0)))
		say(consumer);
}

static bool link_fails(struct rv__redis_consumer *consumer, const struct rv__redis_link *link)
{
	if (rv__redis_link_is_open(link) || link->why.code == RV_OK)
		return false;
	consumer->trouble = link->why;
	consumer->tried = true;
	return true;
}

/* Whether the stream can be read as far as one knows. */
static bool slot_is_fine(struct rv__redis_consumer *consumer, struct rv__redis_slot *slot)
{
	struct rv__redis_node *node = rv__redis_route_node(consumer->client, &slot->route);

	if (!node || link_fails(consumer, node->link) || !rv__redis_link_is_open(node->link))
		return false;
	if (slot->reader && link_fails(consumer, slot->reader->link))
		return false;
	/* What auto-create=false waits for is no trouble of the way. */
	return slot->state >= RV__REDIS_SLOT_DRAIN || (slot->state == RV__REDIS_SLOT_NEW && consumer->up);
}

static bool is_fine(struct rv__redis_consumer *consumer)
{
	struct rv__redis_link *link = NULL;
	struct rv__redis_endpoint endpoint;

	if (!consumer->discovered) {
		if (consumer->client->resolver->locate(
		        consumer->client->resolver_state, NULL, 0, &endpoint)) {
			struct rv__redis_node *node = rv__redis_node_get(consumer->client, &endpoint);

			link = node ? node->link : NULL;
		}
		if (link)
			(void)link_fails(consumer, link);
		return false;
	}
	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++)
		if (!slot_is_fine(consumer, consumer->slots[i]))
			return false;
	return true;
}

static bool nothing_is_known(struct rv__redis_consumer *consumer)
{
	struct rv__redis_endpoint ignored;

	return !consumer->client->resolver->locate(consumer->client->resolver_state, NULL, 0, &ignored);
}

void rv__redis_consumer_judge(struct rv__redis_consumer *consumer)
{
	bool fine;

	if (consumer->close_call)
		return;
	fine = is_fine(consumer);
	if (!fine && (consumer->trouble.code == RV_OK || nothing_is_known(consumer)))
		consumer->tried |= rv__redis_client_explain(consumer->client, &consumer->trouble);
	tell(consumer, fine);
	rv__redis_client_tend_at(consumer->client, consumer->client->now_ms);
}

void rv__redis_consumer_troubled(struct rv__redis_consumer *consumer, const struct rv_error *why)
{
	consumer->trouble = *why;
	consumer->tried = true;
	if (!consumer->close_call)
		tell(consumer, false);
}

/* -- time ------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void unlist(struct rv__redis_consumer *consumer)
{
	struct rv__redis_client *client = consumer->client;
	struct rv__redis_consumer **at = &client->consumers;

	pthread_mutex_lock(&client->view_lock);
	while (*at != consumer)
		at = &(*at)->next;
	*at = consumer->next;
	pthread_mutex_unlock(&client->view_lock);
}

static void finish_close(struct rv__redis_consumer *consumer)
{
	struct rv__call *call = consumer->close_call;

	unlist(consumer);
	rv__redis_readers_destroy(consumer);
	rv__redis_discovery_destroy(consumer);
	rv__redis_members_destroy(consumer);
	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++) {
		struct rv__redis_slot *slot = consumer->slots[i];

		rv__redis_request_cancel(&slot->request);
		rv__redis_request_cancel(&slot->claim.request);
		rv__redis_request_cancel(&slot->gap);
		rv__redis_lease_cancel(slot);
		rv__redis_mixture_destroy(slot);
		rv__redis_request_cancel(&slot->measure);
		consumer->left_over +=
		    rv__redis_tell_cancel(slot) + slot->settled.count + slot->requeued.count;
		rv__redis_route_clear(&slot->route);
	}
	consumer->close_call = NULL;
	rv__call_done(call);
}

/* The way to the stream is being opened and did not fail so far. */
static bool is_opening(struct rv__redis_slot *slot)
{
	const struct rv__redis_node *node = rv__redis_route_node(slot->consumer->client, &slot->route);

	return node && !rv__redis_link_is_open(node->link) && node->link->failures == 0;
}

/* Settlements are told and confirmed, then what is left goes back to the group. */
static bool slot_has_left(struct rv__redis_slot *slot)
{
	const struct rv__redis_link *link = rv__redis_route_link(slot->consumer->client, &slot->route);

	if (slot->settled.count > 0 || slot->requeued.count > 0) {
		if (!link && is_opening(slot))
			return false; /* the stream went to another node a moment ago */
		if (link)
			rv__redis_tell(slot, true);
	}
	if (slot->tellings || slot->claim.asked ||
	    (slot->request.link && slot->state == RV__REDIS_SLOT_ASKED))
		return false;
	if (!slot->left) {
		rv__redis_lease_release(slot);
		rv__redis_leave(slot);
	}
	return slot->left;
}

static int64_t tend_close(struct rv__redis_consumer *consumer, int64_t now_ms)
{
	bool left = true;

	if (now_ms < consumer->close_deadline_ms) {
		rv__redis_unblock(consumer);
		if (rv__redis_is_reading(consumer))
			return consumer->close_deadline_ms;
		rv__redis_members_leave(consumer);
		for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++)
			left &= slot_has_left(consumer->slots[i]);
		if (!left)
			return consumer->close_deadline_ms;
	}
	finish_close(consumer);
	return INT64_MAX;
}

int64_t rv__redis_consumer_tend(struct rv__redis_consumer *consumer, int64_t now_ms)
{
	const struct rv__redis_consumer_settings *settings = consumer->settings;
	int64_t next_ms = INT64_MAX;

	if (consumer->close_call)
		return tend_close(consumer, now_ms);
	if (consumer->bind_call && now_ms >= consumer->bind_deadline_ms)
		answer_bind(consumer);
	if (consumer->bind_call)
		next_ms = consumer->bind_deadline_ms;
	next_ms = earlier(next_ms, rv__redis_discover(consumer, now_ms));
	next_ms = earlier(next_ms, rv__redis_members_tend(consumer, now_ms));
	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++)
		next_ms = earlier(next_ms, rv__redis_slot_tend(consumer->slots[i], now_ms));
	if (consumer->group && consumer->started && now_ms >= consumer->clean_ms) {
		for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++)
			rv__redis_clean(consumer->slots[i]);
		consumer->clean_ms = now_ms + settings->cleanup_interval_ms;
	}
	if (consumer->group && consumer->started && now_ms >= consumer->measure_ms) {
		for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++) {
			rv__redis_measure(consumer->slots[i]);
			rv__redis_mixture_look(consumer->slots[i]);
		}
		consumer->measure_ms = now_ms + MEASURE_MS;
	}
	if (consumer->group && consumer->started)
		next_ms = earlier(next_ms, earlier(consumer->clean_ms, consumer->measure_ms));
	if (consumer->started)
		rv__redis_read(consumer);
	return next_ms;
}

/* -- binding ------------------------------------------------------------------------------------------------ */

struct binding {
	struct rv__call call;
	struct rv__redis_consumer *consumer;
};

static void destroy(struct rv__redis_consumer *consumer)
{
	for (unsigned i = 0; consumer->slots && i < atomic_load(&consumer->slot_count); i++)
		rv__redis_slot_destroy(consumer->slots[i]);
	free(consumer->slots);
	rv__buffer_finish(&consumer->decoded.scratch);
	free(consumer->binding);
	free(consumer->destination);
	free(consumer->group);
	free(consumer->name);
	free(consumer->dead_letters);
	free(consumer);
}

/* `<host>-<process>-<instance>-<binding>-<random>`: another one each time, or what the properties say. */
static char *make_name(const struct rv__redis_consumer *consumer)
{
	const char *own = consumer->settings->consumer_name;
	char host[65] = "localhost", *name = NULL;

	if (own && *own)
		return strdup(own);
	(void)gethostname(host, sizeof host - 1);
	if (asprintf(&name, "%.64s-%ld-%d-%s-%08llx", host, (long)getpid(), (int)consumer->instance_index,
	        consumer->binding, (unsigned long long)(consumer->client->env->random() & 0xffffffff)) < 0)
		return NULL;
	return name;
}

static bool name_dead_letters(struct rv__redis_consumer *consumer)
{
	const char *own = consumer->settings->dlq_name;

	if (!consumer->settings->enable_dlq || !consumer->group)
		return true;
	if (own && *own) {
		consumer->dead_letters = strdup(own);
		return consumer->dead_letters;
	}
	if (asprintf(&consumer->dead_letters, "error.%s.%s", consumer->destination, consumer->group) >= 0)
		return true;
	consumer->dead_letters = NULL;
	return false;
}

static struct rv__redis_consumer *create(struct rv__redis_client *client, const struct rv_consumer_spec *spec)
{
	struct rv__redis_consumer *consumer = calloc(1, sizeof *consumer);

	if (!consumer)
		return NULL;
	consumer->client = client;
	consumer->settings = spec->settings;
	consumer->sink_ops = spec->sink_ops;
	consumer->sink = spec->sink;
	consumer->instance_index = spec->instance_index;
	consumer->instance_count = spec->instance_count;
	consumer->instances = spec->instances;
	consumer->instances_count = spec->instances_count;
	consumer->partitioned = spec->partitioned;
	consumer->max_deliveries =
	    spec->max_deliveries > 0 ? spec->max_deliveries : (int32_t)consumer->settings->max_deliveries;
	consumer->slots = calloc(RV__REDIS_SLOTS_MAX, sizeof *consumer->slots);
	consumer->binding = strdup(spec->binding);
	consumer->destination = strdup(spec->destination);
	consumer->group = spec->group ? strdup(spec->group) : NULL;
	consumer->name = consumer->binding ? make_name(consumer) : NULL;
	if (consumer->slots && consumer->destination && consumer->name && (consumer->group || !spec->group) &&
	    name_dead_letters(consumer))
		return consumer;
	destroy(consumer);
	return NULL;
}

static void run_bind(struct rv__op *op)
{
	struct binding *binding = (struct binding *)op;
	struct rv__redis_consumer *consumer = binding->consumer;
	struct rv__redis_client *client = consumer->client;

	pthread_mutex_lock(&client->view_lock);
	consumer->next = client->consumers;
	client->consumers = consumer;
	pthread_mutex_unlock(&client->view_lock);
	consumer->bind_call = &binding->call;
	consumer->bind_deadline_ms = client->now_ms + BIND_MS;
	consumer->clean_ms = client->now_ms + consumer->settings->cleanup_interval_ms;
	rv__redis_consumer_judge(consumer);
}

static rv_err check(const struct rv_consumer_spec *spec, struct rv_error *err)
{
	const struct rv__redis_consumer_settings *settings = spec->settings;
	rv_err code = rv__redis_check_name("destination", spec->destination, err);

	if (code == RV_OK && spec->group)
		code = rv__redis_check_name("group", spec->group, err);
	if (code != RV_OK)
		return code;
	if (!spec->group && (settings->enable_dlq || settings->redeliver))
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_ANONYMOUS, RV__REDIS_TOPIC,
		    "binding '%s' has no group, and %s needs one; set spring.cloud.stream.bindings.%s.group, "
		    "or remove it",
		    spec->binding, settings->enable_dlq ? "enable-dlq" : "redeliver", spec->binding);
	if (settings->redeliver && settings->redelivery_delay_ms > settings->claim_idle_ms)
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_ANONYMOUS, RV__REDIS_TOPIC,
		    "redelivery-delay of binding '%s' is longer than claim-min-idle, after which it would "
		    "come anyway; lower "
		    "the one or raise the other",
		    spec->binding);
	return RV_OK;
}

rv_err rv__redis_bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err)
{
	struct rv__redis_consumer *consumer;
	struct binding binding;
	rv_err code = check(spec, err);

	if (code != RV_OK)
		return code;
	consumer = create(binder, spec);
	if (!consumer)
		return rv_error_set(err, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC,
		    "no memory to bind '%s'", spec->binding);
	binding.consumer = consumer;
	rv__inbox_call(&consumer->client->inbox, &binding.call, run_bind);
	if (!consumer->bound_up && consumer->bound_why.code == RV_E_CONFIG) {
		if (err)
			*err = consumer->bound_why;
		(void)rv__redis_unbind_consumer(consumer, 0);
		return RV_E_CONFIG;
	}
	info->waiting = !consumer->bound_up;
	info->redelivers = consumer->settings->redeliver;
	info->dead_letter = info->core_dead_letters = consumer->dead_letters;
	info->dead_letter_destination = consumer->dead_letters;
	info->dead_letter_partitions = consumer->settings->dlq_partitions > 1 ? 0 : 1;
	info->fenced = consumer->group && consumer->settings->orderly;
	info->max_deliveries = consumer->group ? (int32_t)consumer->settings->max_deliveries : 0;
	*ret_consumer = consumer;
	return RV_OK;
}

static void run_start(struct rv__op *op)
{
	struct binding *binding = (struct binding *)op;

	binding->consumer->started = true;
	rv__redis_client_tend_at(binding->consumer->client, binding->consumer->client->now_ms);
	rv__call_done(&binding->call);
}

rv_err rv__redis_start_consumer(void *arg, struct rv_error *err)
{
	struct rv__redis_consumer *consumer = arg;
	struct binding binding = {.consumer = consumer};

	(void)err;
	rv__inbox_call(&consumer->client->inbox, &binding.call, run_start);
	return RV_OK;
}

/* Something changed that any thread may change; freed by itself. */
struct change {
	struct rv__op op;
	struct rv__redis_consumer *consumer;
};

static void run_change(struct rv__op *op)
{
	struct change *change = (struct change *)op;
	struct rv__redis_consumer *consumer = change->consumer;

	free(change);
	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++)
		rv__redis_deliver_backlog(consumer->slots[i]);
	if (atomic_load(&consumer->paused) || atomic_load(&consumer->stopped))
		rv__redis_unblock(consumer);
	rv__redis_client_tend_at(consumer->client, consumer->client->now_ms);
}

static void changed(struct rv__redis_consumer *consumer)
{
	struct change *change = malloc(sizeof *change);

	if (!change)
		return; /* it is seen at the end of the read under way */
	*change = (struct change){.op = {.run = run_change}, .consumer = consumer};
	rv__inbox_post(&consumer->client->inbox, &change->op);
}

void rv__redis_pause(void *arg)
{
	struct rv__redis_consumer *consumer = arg;

	atomic_store(&consumer->paused, true);
	changed(consumer);
}

void rv__redis_resume(void *arg)
{
	struct rv__redis_consumer *consumer = arg;

	atomic_store(&consumer->paused, false);
	changed(consumer);
}

void rv__redis_stop_consumer(void *arg)
{
	struct rv__redis_consumer *consumer = arg;

	atomic_store(&consumer->stopped, true);
	changed(consumer);
}

static void run_unbind(struct rv__op *op)
{
	struct binding *binding = (struct binding *)op;
	struct rv__redis_consumer *consumer = binding->consumer;

	consumer->close_call = &binding->call;
	for (unsigned i = 0; i < atomic_load(&consumer->slot_count); i++)
		rv__redis_backlog_drop(consumer->slots[i]);
	rv__redis_client_tend_at(consumer->client, consumer->client->now_ms);
}

size_t rv__redis_unbind_consumer(void *arg, int64_t deadline_ms)
{
	struct rv__redis_consumer *consumer = arg;
	struct binding binding = {.consumer = consumer};
	size_t left;

	atomic_store(&consumer->stopped, true);
	consumer->close_deadline_ms = consumer->client->env->monotonic_ns() / 1000000 +
	    (deadline_ms > LEAVE_MS ? deadline_ms : LEAVE_MS);
	rv__inbox_call(&consumer->client->inbox, &binding.call, run_unbind);
	left = consumer->left_over;
	destroy(consumer);
	return left;
}
