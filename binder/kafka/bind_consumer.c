/* SPDX-License-Identifier: Apache-2.0 */
/* Binding an input, and its end. */
#include "binder/kafka/consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "binder/kafka/lane.h"

enum { BIND_MS = 3000 };

/* -- making and freeing --------------------------------------------------------------------------------------------- */

static void destroy(struct rv__kafka_consumer *consumer)
{
	rv__kafka_lane_close(consumer->lane, 0); /* all its deliveries are stale by now */
	while (consumer->all) {
		struct rv__kafka_partition *partition = consumer->all;

		consumer->all = partition->next;
		rv__kafka_window_finish(&partition->window);
		pthread_mutex_destroy(&partition->lock);
		free(partition->topic);
		free(partition->held);
		free(partition);
	}
	if (consumer->wake_fd >= 0)
		close(consumer->wake_fd);
	rv__journal_close(consumer->journal);
	rv__kafka_header_reader_finish(&consumer->reader);
	pthread_cond_destroy(&consumer->changed);
	pthread_mutex_destroy(&consumer->lock);
	free((void *)consumer->slots);
	free(consumer->ends);
	free(consumer->binding);
	free(consumer->destination);
	free(consumer->group);
	free(consumer->pattern);
	free(consumer->dead_letters);
	free(consumer);
}

static rv_err no_memory(struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for a consumer");
}

static rv_err unfit(const struct rv_consumer_spec *spec, struct rv_error *err, const char *words)
{
	return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_BAD_VALUE, RV__KAFKA_TOPIC, "binding '%s': %s",
	    spec->binding, words);
}

/* What the properties ask for and Kafka cannot mean. */
static rv_err check(const struct rv_consumer_spec *spec, struct rv_error *err)
{
	const struct rv__kafka_consumer_settings *settings = spec->settings;
	bool anonymous = !spec->group || !*spec->group;

	if (settings->enable_dlq && anonymous)
		return unfit(spec, err,
		    "enable-dlq needs a group, since the dead-letter topic is one group's; set group, or "
		    "leave "
		    "enable-dlq out");
	if (settings->enable_dlq && settings->destination_is_pattern)
		return unfit(spec, err,
		    "enable-dlq and destination-is-pattern exclude each other; name the topics, or leave "
		    "enable-dlq out");
	if (!settings->auto_rebalance && !anonymous && spec->instances_count == 0 &&
	    spec->instance_count > 0 && spec->instance_index >= spec->instance_count)
		return unfit(spec, err,
		    "with auto-rebalance-enabled=false an instance-index that is not below instance-count "
		    "gets "
		    "no partition; count instances from 0, or raise instance-count");
	if (settings->destination_is_pattern)
		return RV_OK;
	return rv__kafka_check_topic(spec->destination, spec->binding, err);
}

static char *anonymous_group(struct rv__kafka_consumer *consumer)
{
	char uuid[37], *name;

	rv__kafka_uuid(consumer->kafka->env, uuid);
	return asprintf(&name, "anonymous.%s", uuid) < 0 ? NULL : name;
}

static rv_err name_it(
    struct rv__kafka_consumer *consumer, const struct rv_consumer_spec *spec, struct rv_error *err)
{
	const struct rv__kafka_consumer_settings *settings = spec->settings;
	int made = 0;

	consumer->anonymous = !spec->group || !*spec->group;
	consumer->binding = strdup(spec->binding);
	consumer->destination = strdup(spec->destination);
	consumer->group = consumer->anonymous ? anonymous_group(consumer) : strdup(spec->group);
	if (made >= 0 && settings->enable_dlq)
		made = settings->dlq_name && *settings->dlq_name
		    ? asprintf(&consumer->dead_letters, "%s", settings->dlq_name)
		    : asprintf(&consumer->dead_letters, "error.%s.%s", spec->destination, spec->group);
	if (made < 0 || !consumer->binding || !consumer->destination || !consumer->group)
		return no_memory(err);
	if (settings->destination_is_pattern)
		return rv__kafka_pattern(spec->destination, spec->binding, &consumer->pattern, err);
	return consumer->dead_letters ? rv__kafka_check_topic(consumer->dead_letters, spec->binding, err)
	                              : RV_OK;
}

/* Spring's container reads its ack-mode from Boot's keys where the binding says nothing. */
static enum rv__kafka_ack_mode ack_mode(const struct rv__kafka_consumer *consumer)
{
	int64_t boot = consumer->kafka->settings->boot.listener_ack_mode;
	enum rv__kafka_ack_mode own = rv__kafka_ack_mode(consumer->settings);

	if (consumer->settings->ack_mode == RV__KAFKA_ACK_DEFAULT && own == RV__KAFKA_ACK_BATCH &&
	    boot != RV__KAFKA_ACK_DEFAULT)
		return (enum rv__kafka_ack_mode)boot;
	return own;
}

/* Commits what its listeners send to outputs of this binder. */
static rv_err get_lane(
    struct rv__kafka_consumer *consumer, const struct rv_consumer_spec *spec, struct rv_error *err)
{
	struct rv__kafka_lane_spec lane = {.binding = spec->binding,
	    .destination = spec->destination,
	    .consumer = consumer,
	    .deliveries = &rv__kafka_deliveries};

	if (!rv__kafka_transactional(consumer->kafka))
		return RV_OK;
	return rv__kafka_lane_open(consumer->kafka, &lane, &consumer->lane, err);
}

static rv_err set_up(
    struct rv__kafka_consumer *consumer, const struct rv_consumer_spec *spec, struct rv_error *err)
{
	const struct rv__kafka_consumer_settings *settings = spec->settings;
	rv_err failed = name_it(consumer, spec, err);

	if (failed != RV_OK)
		return failed;
	consumer->instance_index = spec->instance_index;
	consumer->instance_count = spec->instance_count;
	consumer->instances = spec->instances;
	consumer->instances_count = spec->instances_count;
	consumer->max_attempts = spec->max_attempts;
	consumer->fixed = !consumer->pattern && (consumer->anonymous || !settings->auto_rebalance);
	consumer->ack_mode = ack_mode(consumer);
	consumer->slots = calloc(RV__KAFKA_SLOTS, sizeof *consumer->slots);
	consumer->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!consumer->slots || consumer->wake_fd < 0)
		return no_memory(err);
	if (settings->attempts_directory && *settings->attempts_directory && !consumer->anonymous)
		failed =
		    rv__journal_open(settings->attempts_directory, consumer->group, &consumer->journal, err);
	if (failed == RV_OK)
		failed = get_lane(consumer, spec, err);
	return failed == RV_OK ? rv__kafka_session_create(consumer, err) : failed;
}

/* -- binding ------------------------------------------------------------------------------------------------------ */

static int32_t wanted_partitions(const struct rv_consumer_spec *spec)
{
	int64_t wanted = (int64_t)(spec->instance_count > 0 ? spec->instance_count : 1) *
	    (spec->concurrency > 0 ? spec->concurrency : 1);

	return wanted > 100000 ? 100000 : (int32_t)wanted;
}

static void watch_topics(struct rv__kafka_consumer *consumer, const struct rv_consumer_spec *spec)
{
	const struct rv__kafka_consumer_settings *settings = consumer->settings;

	consumer->need = (struct rv__kafka_need){.topic = consumer->pattern ? NULL : consumer->destination,
	    .binding = consumer->binding,
	    .partitions = wanted_partitions(spec),
	    .strict = !settings->auto_rebalance && !consumer->anonymous,
	    .settings = &settings->topic,
	    .judged = rv__kafka_consumer_judged,
	    .verify = rv__kafka_verify,
	    .owner = consumer};
	consumer->dead_letter_need = (struct rv__kafka_need){.topic = consumer->dead_letters,
	    .binding = consumer->binding,
	    .partitions = settings->dlq_partitions > 1 ? (int32_t)settings->dlq_partitions : 1,
	    .like = settings->dlq_partitions < 0 ? &consumer->need : NULL,
	    .settings = &settings->dlq_producer.topic,
	    .judged = rv__kafka_consumer_dead_letters_judged,
	    .owner = consumer};
	rv__kafka_watch_add(consumer->kafka->watch, &consumer->need);
	if (consumer->dead_letters)
		rv__kafka_watch_add(consumer->kafka->watch, &consumer->dead_letter_need);
}

/* Waits a while for the first word of the broker. Whether the way is open. */
static bool wait_bound(struct rv__kafka_consumer *consumer)
{
	int64_t until_ns = rv__monotonic_ns() + (int64_t)BIND_MS * 1000000;
	bool up;

	pthread_mutex_lock(&consumer->lock);
	while (!consumer->bound && rv__wait_until(&consumer->changed, &consumer->lock, until_ns))
		;
	up = consumer->bound && consumer->told_up;
	pthread_mutex_unlock(&consumer->lock);
	return up;
}

static void fill_info(const struct rv__kafka_consumer *consumer, bool up, struct rv_consumer_info *info)
{
	const struct rv__kafka_consumer_settings *settings = consumer->settings;

	*info = (struct rv_consumer_info){
	    .waiting = !up,
	    .redelivers = !consumer->dead_letters && consumer->max_attempts == 1 && !consumer->lane,
	    .transactional = consumer->lane != NULL,
	    .letters_apart = !settings->tx_commit_recovered,
	    .max_deliveries = consumer->journal ? (int32_t)settings->max_deliveries : 0,
	    .watches_attempts = consumer->journal != NULL,
	};
	if (!consumer->dead_letters)
		return;
	info->dead_letter = info->core_dead_letters = true;
	info->dead_letter_destination = consumer->dead_letters;
	info->dead_letter_settings = &settings->dlq_producer;
	info->dead_letter_partitions = settings->dlq_partitions == 0 || settings->dlq_partitions == 1;
}

rv_err rv__kafka_bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err)
{
	struct rv__kafka *kafka = binder;
	struct rv__kafka_consumer *consumer;
	rv_err failed = check(spec, err);

	if (failed != RV_OK)
		return failed;
	consumer = calloc(1, sizeof *consumer);
	if (!consumer || !rv__wait_init(&consumer->lock, &consumer->changed)) {
		free(consumer);
		return no_memory(err);
	}
	consumer->kafka = kafka;
	consumer->sink_ops = spec->sink_ops;
	consumer->sink = spec->sink;
	consumer->settings = spec->settings;
	consumer->wake_fd = -1;
	failed = set_up(consumer, spec, err);
	if (failed == RV_OK &&
	    pthread_create(&consumer->thread, NULL, rv__kafka_consumer_run, consumer) != 0) {
		rv__kafka_session_close(consumer, 0);
		failed = rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no thread for a consumer");
	}
	if (failed != RV_OK) {
		destroy(consumer);
		return failed;
	}
	pthread_mutex_lock(&kafka->lock);
	consumer->next = kafka->consumers;
	kafka->consumers = consumer;
	pthread_mutex_unlock(&kafka->lock);
	watch_topics(consumer, spec);
	fill_info(consumer, wait_bound(consumer), info);
	*ret_consumer = consumer;
	return RV_OK;
}

rv_err rv__kafka_start_consumer(void *consumer, struct rv_error *err)
{
	(void)err;
	atomic_store(&((struct rv__kafka_consumer *)consumer)->started, true);
	rv__kafka_consumer_wake(consumer);
	return RV_OK;
}

size_t rv__kafka_unbind_consumer(void *consumer_pointer, int64_t deadline_ms)
{
	struct rv__kafka_consumer *consumer = consumer_pointer;
	struct rv__kafka *kafka = consumer->kafka;
	struct rv__kafka_consumer **at = &kafka->consumers;

	atomic_store(&consumer->stopped, true); /* the watch lets go of it at once */
	rv__kafka_watch_remove(kafka->watch, &consumer->need);
	if (consumer->dead_letters)
		rv__kafka_watch_remove(kafka->watch, &consumer->dead_letter_need);
	consumer->close_deadline_ms = rv__monotonic_ms() + deadline_ms;
	atomic_store(&consumer->closing, true);
	rv__kafka_consumer_wake(consumer);
	pthread_join(consumer->thread, NULL);
	pthread_mutex_lock(&kafka->lock);
	while (*at != consumer)
		at = &(*at)->next;
	*at = consumer->next;
	pthread_mutex_unlock(&kafka->lock);
	destroy(consumer);
	return 0;
}
