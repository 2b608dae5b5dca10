/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the contract, and the one symbol of the module. */
#include <stdlib.h>

#include "binder/kafka/kafka.h"

static rv_err open_binder(
    const struct rv_binder_env *env, const void *settings, void **ret_binder, struct rv_error *err)
{
	struct rv__kafka *kafka = calloc(1, sizeof *kafka);
	rv_err failed;

	if (!kafka)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for the binder");
	kafka->env = env;
	kafka->settings = settings;
	pthread_mutex_init(&kafka->lock, NULL);
	failed = rv__kafka_watch_create(kafka, &kafka->watch, err);
	if (failed == RV_OK)
		failed = rv__kafka_senders_create(kafka, &kafka->senders, err);
	if (failed != RV_OK) {
		rv__kafka_watch_destroy(kafka->watch);
		pthread_mutex_destroy(&kafka->lock);
		free(kafka);
		return failed;
	}
	*ret_binder = kafka;
	return RV_OK;
}

static void stop_binder(void *binder)
{
	struct rv__kafka *kafka = binder;

	atomic_store(&kafka->stopping, true);
	rv__kafka_senders_stop(kafka->senders);
}

static void close_binder(void *binder)
{
	struct rv__kafka *kafka = binder;

	rv__kafka_senders_destroy(kafka->senders);
	rv__kafka_watch_destroy(kafka->watch);
	pthread_mutex_destroy(&kafka->lock);
	free(kafka);
}

static enum rv_health_status health(void *binder, rv_detail_fn detail, void *arg)
{
	struct rv__kafka *kafka = binder;
	enum rv_health_status status = rv__kafka_watch_health(kafka->watch, detail, arg);
	bool senders = rv__kafka_senders_health(kafka->senders, detail, arg);
	bool consumers = rv__kafka_consumers_health(kafka, detail, arg);

	return status == RV_HEALTH_UP && !(senders && consumers) ? RV_HEALTH_DOWN : status;
}

static void stats(void *binder, rv_stat_fn stat, void *arg)
{
	struct rv__kafka *kafka = binder;

	rv__kafka_senders_stats(kafka->senders, stat, arg);
	rv__kafka_consumers_stats(kafka, stat, arg);
}

const struct rv_binder_ops rv__kafka_binder = {
    .abi = RV_BINDER_ABI,
    .caps = RV_CAP_PARTITIONS | RV_CAP_HEADERS | RV_CAP_KEY_ORDER | RV_CAP_DEAD_LETTER | RV_CAP_DURABLE |
        RV_CAP_GROUP_RESUME | RV_CAP_LAG | RV_CAP_BINARY_HEADERS | RV_CAP_BINARY_LETTERS | RV_CAP_TOMBSTONE |
        RV_CAP_TRANSACTIONS,
    .type = "kafka",
    .label = "Kafka",
    .binder_props = {rv__kafka_binder_rows, sizeof(struct rv__kafka_binder_settings)},
    .consumer_props = {rv__kafka_consumer_rows, sizeof(struct rv__kafka_consumer_settings)},
    .producer_props = {rv__kafka_producer_rows, sizeof(struct rv__kafka_producer_settings)},
    .open = open_binder,
    .stop = stop_binder,
    .close = close_binder,
    .bind_producer = rv__kafka_bind_producer,
    .send = rv__kafka_send,
    .unbind_producer = rv__kafka_unbind_producer,
    .bind_consumer = rv__kafka_bind_consumer,
    .start_consumer = rv__kafka_start_consumer,
    .credit = rv__kafka_credit,
    .settle = rv__kafka_settle,
    .acknowledge = rv__kafka_acknowledge,
    .released = rv__kafka_released,
    .pause = rv__kafka_pause,
    .resume = rv__kafka_resume,
    .stop_consumer = rv__kafka_stop_consumer,
    .unbind_consumer = rv__kafka_unbind_consumer,
    .health = health,
    .stats = stats,
    .boot_prefix = "spring.kafka",
    .boot_props = {rv__kafka_boot_rows, 0},
    .attempt = rv__kafka_attempt,
    .commit = rv__kafka_commit,
};
