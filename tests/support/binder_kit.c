/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/binder_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/wait.h"

void *kit_settings(const struct rv_prop_table *table, const char *const *lines, struct rv_error *err)
{
	char *arguments[64] = {(char *)"kit"};
	struct rv__config_sources sources = {.argc = 1, .argv = arguments, .no_files = true};
	struct rv__problems problems = {0};
	const char *const prefixes[] = {"kit", NULL};
	void *settings = calloc(1, table->size);
	static rv_config *kept[4096]; /* settings borrow from these: they live as long as the process */
	static size_t kept_count;
	rv_config *config;

	for (; lines && *lines; lines++)
		if (asprintf(&arguments[sources.argc++], "--kit.%s", *lines) < 0)
			abort();
	config = rv__config_load(&sources, &problems);
	rv__config_fill(config, table, prefixes, settings, &problems);
	if (problems.fatal_count > 0)
		rv_error_set(err, RV_E_CONFIG, 0, "kit", "%s", problems.items[0].text);
	if (kept_count == sizeof kept / sizeof *kept)
		abort();
	kept[kept_count++] = config;
	for (int i = 1; i < sources.argc; i++)
		free(arguments[i]);
	if (problems.fatal_count > 0) {
		rv__problems_finish(&problems);
		free(settings);
		return NULL;
	}
	rv__problems_finish(&problems);
	return settings;
}

static _Atomic int64_t ahead_ns;

static int64_t clock_ns(void)
{
	return rv__monotonic_ns() + ahead_ns;
}

void kit_advance_ms(int64_t ms)
{
	ahead_ns += ms * 1000000;
}

bool kit_open(struct kit *kit, const struct rv_binder_ops *ops, const char *const *settings)
{
	*kit = (struct kit){.ops = ops,
	    .env = {.abi = RV_BINDER_ABI,
	        .application = "kit",
	        .name = ops->type,
	        .monotonic_ns = clock_ns,
	        .wall_ms = rv__wall_ms,
	        .random = rv__random,
	        .log = rv_log,
	        .reallocate = realloc}};
	ahead_ns = 0;
	kit->settings = kit_settings(&ops->binder_props, settings, &kit->error);
	return kit->settings && ops->open(&kit->env, kit->settings, &kit->binder, &kit->error) == RV_OK;
}

void kit_close(struct kit *kit)
{
	if (kit->binder) {
		kit->ops->stop(kit->binder);
		kit->ops->close(kit->binder);
	}
	free(kit->settings);
}

/* -- consuming -------------------------------------------------------------------------------- */

static size_t on_deliver(void *sink, const struct rv_inbound *batch, size_t n)
{
	struct kit_consumer *consumer = sink;
	size_t taken = 0, first;

	pthread_mutex_lock(&consumer->lock);
	first = consumer->count;
	while (taken < n && consumer->count < KIT_KEPT_MAX &&
	    (consumer->capacity == 0 || consumer->count < consumer->capacity)) {
		consumer->messages[consumer->count] = batch[taken].message;
		consumer->tokens[consumer->count] = batch[taken].token;
		consumer->count++;
		taken++;
	}
	pthread_cond_broadcast(&consumer->changed);
	pthread_mutex_unlock(&consumer->lock);
	for (size_t i = 0; consumer->settle_at_once && i < taken; i++)
		(void)kit_settle(consumer, first + i, RV_SETTLE_ACK, NULL);
	return taken;
}

static void on_assigned(void *sink, const struct rv_assignment *assignments, size_t n)
{
	struct kit_consumer *consumer = sink;

	(void)assignments;
	pthread_mutex_lock(&consumer->lock);
	consumer->assigned += n;
	pthread_cond_broadcast(&consumer->changed);
	pthread_mutex_unlock(&consumer->lock);
}

static void on_revoked(void *sink, const uint32_t *slots, size_t n, bool lost, int64_t deadline_ms)
{
	struct kit_consumer *consumer = sink;
	struct rv_token last[16];
	size_t count = 0;

	(void)deadline_ms;
	pthread_mutex_lock(&consumer->lock);
	consumer->revoked += n;
	consumer->lost += lost ? n : 0;
	for (size_t i = 0; i < n && count < 16; i++)
		for (size_t k = consumer->count; k-- > 0;)
			if (consumer->tokens[k].slot == slots[i]) {
				last[count++] = consumer->tokens[k];
				break;
			}
	pthread_cond_broadcast(&consumer->changed);
	pthread_mutex_unlock(&consumer->lock);
	/* Nothing runs here beyond what was settled: the slots are drained at once. */
	for (size_t i = 0; i < count && !consumer->holds_revoked; i++)
		consumer->kit->ops->released(consumer->consumer, last[i].slot, last[i].epoch);
}

static void on_consumer_state(void *sink, const struct rv_error *why)
{
	struct kit_consumer *consumer = sink;

	pthread_mutex_lock(&consumer->lock);
	consumer->up = why == NULL;
	consumer->why = why ? *why : (struct rv_error){0};
	pthread_cond_broadcast(&consumer->changed);
	pthread_mutex_unlock(&consumer->lock);
}

static const struct rv_consumer_sink consumer_sink = {on_deliver, on_assigned, on_revoked, on_consumer_state};

bool kit_bind_consumer(struct kit *kit, struct kit_consumer *consumer, const char *destination,
    const char *group, const char *const *settings)
{
	struct rv_consumer_spec spec = {.binding = "input",
	    .destination = destination,
	    .group = group,
	    .concurrency = 1,
	    .max_attempts = 1,
	    .instance_index = consumer->instance_index,
	    .instance_count = consumer->instance_count ? consumer->instance_count : 1,
	    .sink_ops = &consumer_sink,
	    .sink = consumer};

	consumer->kit = kit;
	consumer->up = -1;
	if (!rv__wait_init(&consumer->lock, &consumer->changed))
		return false;
	consumer->settings = kit_settings(&kit->ops->consumer_props, settings, &kit->error);
	spec.settings = consumer->settings;
	return consumer->settings &&
	    kit->ops->bind_consumer(kit->binder, &spec, &consumer->consumer, &consumer->info, &kit->error) ==
	    RV_OK;
}

bool kit_consume(struct kit *kit, struct kit_consumer *consumer, const char *destination, const char *group,
    const char *const *settings)
{
	return kit_bind_consumer(kit, consumer, destination, group, settings) &&
	    kit->ops->start_consumer(consumer->consumer, &kit->error) == RV_OK;
}

size_t kit_consumer_close(struct kit_consumer *consumer, int64_t deadline_ms)
{
	const struct rv_binder_ops *ops = consumer->kit->ops;
	size_t left = 0;

	if (consumer->consumer) {
		ops->stop_consumer(consumer->consumer);
		left = ops->unbind_consumer(consumer->consumer, deadline_ms);
	}
	for (size_t i = 0; i < consumer->count; i++)
		rv_message_unref(consumer->messages[i]);
	free(consumer->settings);
	return left;
}

static bool wait_changed(
    pthread_mutex_t *lock, pthread_cond_t *changed, const size_t *value, size_t least, int ms)
{
	int64_t until_ns = rv__monotonic_ns() + (int64_t)ms * 1000000;
	bool reached;

	pthread_mutex_lock(lock);
	while (*value < least && rv__wait_until(changed, lock, until_ns))
		;
	reached = *value >= least;
	pthread_mutex_unlock(lock);
	return reached;
}

bool kit_wait_count(struct kit_consumer *consumer, size_t count, int timeout_ms)
{
	return wait_changed(&consumer->lock, &consumer->changed, &consumer->count, count, timeout_ms);
}

rv_err kit_settle(
    struct kit_consumer *consumer, size_t index, enum rv_settlement settlement, int64_t *ret_hold_ms)
{
	int64_t hold = -1;
	struct rv_settle settle = {
	    .token = consumer->tokens[index], .settlement = settlement, .message = consumer->messages[index]};
	rv_err result = consumer->kit->ops->settle(consumer->consumer, &settle, &hold);

	if (ret_hold_ms)
		*ret_hold_ms = hold;
	return result;
}

static size_t look(struct kit_consumer *consumer, const size_t *value)
{
	size_t seen;

	pthread_mutex_lock(&consumer->lock);
	seen = *value;
	pthread_mutex_unlock(&consumer->lock);
	return seen;
}

size_t kit_assigned(struct kit_consumer *consumer)
{
	return look(consumer, &consumer->assigned);
}

size_t kit_lost(struct kit_consumer *consumer)
{
	return look(consumer, &consumer->lost);
}

size_t kit_count(struct kit_consumer *consumer)
{
	return look(consumer, &consumer->count);
}

/* -- producing -------------------------------------------------------------------------------- */

static void on_sent(void *sink, void *arg, const struct rv_receipt *receipt, const struct rv_error *error)
{
	struct kit_producer *producer = sink;

	(void)arg;
	pthread_mutex_lock(&producer->lock);
	producer->completed++;
	producer->failed += error != NULL;
	producer->last = error ? *error : (struct rv_error){0};
	if (receipt) {
		producer->receipt = *receipt;
		snprintf(producer->broker_id, sizeof producer->broker_id, "%s",
		    receipt->broker_id ? receipt->broker_id : "");
	}
	pthread_cond_broadcast(&producer->changed);
	pthread_mutex_unlock(&producer->lock);
}

static void on_writable(void *sink)
{
	struct kit_producer *producer = sink;

	pthread_mutex_lock(&producer->lock);
	producer->writable++;
	pthread_cond_broadcast(&producer->changed);
	pthread_mutex_unlock(&producer->lock);
}

static void on_producer_state(void *sink, const struct rv_error *why)
{
	struct kit_producer *producer = sink;

	pthread_mutex_lock(&producer->lock);
	producer->up = why == NULL;
	if (why)
		producer->why = *why;
	pthread_cond_broadcast(&producer->changed);
	pthread_mutex_unlock(&producer->lock);
}

size_t kit_writable(struct kit_producer *producer)
{
	size_t told;

	pthread_mutex_lock(&producer->lock);
	told = producer->writable;
	pthread_mutex_unlock(&producer->lock);
	return told;
}

bool kit_is_assigned(struct kit_consumer *consumer)
{
	bool assigned;

	pthread_mutex_lock(&consumer->lock);
	assigned = consumer->assigned > 0;
	pthread_mutex_unlock(&consumer->lock);
	return assigned;
}

bool kit_consumer_is_up(struct kit_consumer *consumer)
{
	bool up;

	pthread_mutex_lock(&consumer->lock);
	up = consumer->up == 1;
	pthread_mutex_unlock(&consumer->lock);
	return up;
}

struct rv_error kit_consumer_why(struct kit_consumer *consumer)
{
	struct rv_error why;

	pthread_mutex_lock(&consumer->lock);
	why = consumer->why;
	pthread_mutex_unlock(&consumer->lock);
	return why;
}

static struct rv_error copy_error(struct kit_producer *producer, const struct rv_error *which)
{
	struct rv_error copy;

	pthread_mutex_lock(&producer->lock);
	copy = *which;
	pthread_mutex_unlock(&producer->lock);
	return copy;
}

struct rv_error kit_last(struct kit_producer *producer)
{
	return copy_error(producer, &producer->last);
}

struct rv_error kit_why(struct kit_producer *producer)
{
	return copy_error(producer, &producer->why);
}

bool kit_is_up(struct kit_producer *producer)
{
	bool up;

	pthread_mutex_lock(&producer->lock);
	up = producer->up == 1;
	pthread_mutex_unlock(&producer->lock);
	return up;
}

static const struct rv_producer_sink producer_sink = {on_sent, on_writable, on_producer_state};

bool kit_produce(
    struct kit *kit, struct kit_producer *producer, const char *destination, const char *const *settings)
{
	static const struct rv_strings no_groups;
	struct rv_producer_spec spec = {.binding = "output",
	    .destination = destination,
	    .partition_count = producer->partition_count ? producer->partition_count : 1,
	    .required_groups = &no_groups,
	    .sink_ops = &producer_sink,
	    .sink = producer,
	    .send_timeout_ms = producer->send_timeout_ms};

	producer->kit = kit;
	producer->up = -1;
	if (!rv__wait_init(&producer->lock, &producer->changed))
		return false;
	producer->settings = kit_settings(&kit->ops->producer_props, settings, &kit->error);
	spec.settings = producer->settings;
	return producer->settings &&
	    kit->ops->bind_producer(kit->binder, &spec, &producer->producer, &producer->info, &kit->error) ==
	    RV_OK;
}

size_t kit_producer_close(struct kit_producer *producer, int64_t deadline_ms)
{
	size_t failed =
	    producer->producer ? producer->kit->ops->unbind_producer(producer->producer, deadline_ms) : 0;

	free(producer->settings);
	return failed;
}

bool kit_queue(struct kit_producer *producer, rv_message *message, int32_t partition)
{
	struct rv_outbound outbound = {.message = message, .partition = partition};

	return producer->kit->ops->send(producer->producer, &outbound, 1) == 1;
}

bool kit_wait_completed(struct kit_producer *producer, size_t count, int timeout_ms)
{
	return wait_changed(&producer->lock, &producer->changed, &producer->completed, count, timeout_ms);
}

rv_err kit_send(struct kit_producer *producer, rv_message *message, int32_t partition)
{
	size_t before = producer->completed;

	if (!kit_queue(producer, message, partition))
		return RV_E_FULL;
	if (!kit_wait_completed(producer, before + 1, 60000))
		return RV_E_INTERNAL; /* a binder must complete what it accepted */
	return kit_last(producer).code;
}

rv_err kit_send_text(struct kit_producer *producer, const char *text)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text(text);

	return kit_send(producer, message, -1);
}
