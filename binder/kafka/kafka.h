/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this binder share: the binder itself, and where its two halves meet.
 *
 *     binder.c    operations of the contract, health, counters       settings.*  the tables of keys
 *     config.*    from Java's names to librdkafka's                  watch.*     topics and the cluster
 *     consumer.*  assign.c deliver.c settle.c window.*  commits.c    receiving
 *     producer.*  headers.*                                          sending, and headers both ways
 *     lane.*  transaction.c process.c unit.c                         transactions
 */
#ifndef BINDER_KAFKA_KAFKA_H
#define BINDER_KAFKA_KAFKA_H

#include <pthread.h>
#include <stdatomic.h>

#include <rivulet/binder.h>

#include "binder/kafka/config.h"
#include "binder/kafka/settings.h"
#include "binder/kafka/watch.h"

#define RV__KAFKA_TOPIC "kafka" /* of log lines and errors */

struct rv__kafka_consumer;
struct rv__kafka_senders; /* all that the producing half keeps: producer.c */

/* One open binder. */
struct rv__kafka {
	const struct rv_binder_env *env;
	const struct rv__kafka_binder_settings *settings;
	struct rv__kafka_watch *watch;
	struct rv__kafka_senders *senders;
	atomic_bool stopping;
	pthread_mutex_t lock;                 /* protects what follows */
	struct rv__kafka_consumer *consumers; /* linked */
};

/* -- the producing half (producer.c) --------------------------------------------------------------- */

rv_err rv__kafka_senders_create(
    struct rv__kafka *kafka, struct rv__kafka_senders **ret_senders, struct rv_error *err);
/** Pending sends end with RV_E_CLOSED; returns at once. */
void rv__kafka_senders_stop(struct rv__kafka_senders *senders);
/** Joins and frees; all producers are unbound. */
void rv__kafka_senders_destroy(struct rv__kafka_senders *senders);
/** "sent", "send_errors", "in_flight" of each producer. */
void rv__kafka_senders_stats(struct rv__kafka_senders *senders, rv_stat_fn stat, void *arg);
/** Whether all its clients can send, from cached state; a problem goes to `detail` (may be NULL). */
bool rv__kafka_senders_health(struct rv__kafka_senders *senders, rv_detail_fn detail, void *arg);

rv_err rv__kafka_bind_producer(void *binder, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err);
size_t rv__kafka_send(void *producer, const struct rv_outbound *batch, size_t n);
size_t rv__kafka_unbind_producer(void *producer, int64_t deadline_ms);

/* -- the receiving half ---------------------------------------------------------------------------- */

rv_err rv__kafka_bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err);
rv_err rv__kafka_start_consumer(void *consumer, struct rv_error *err);
rv_err rv__kafka_commit(void *consumer, const struct rv_commit *commit);
void rv__kafka_credit(void *consumer, uint32_t slot, uint32_t room);
rv_err rv__kafka_settle(void *consumer, const struct rv_settle *settle, int64_t *ret_hold_ms);
rv_err rv__kafka_acknowledge(void *consumer, const struct rv_token *tokens, size_t n);
void rv__kafka_attempt(void *consumer, const struct rv_token *token, bool begins);
void rv__kafka_released(void *consumer, uint32_t slot, uint32_t epoch);
void rv__kafka_pause(void *consumer);
void rv__kafka_resume(void *consumer);
void rv__kafka_stop_consumer(void *consumer);
size_t rv__kafka_unbind_consumer(void *consumer, int64_t deadline_ms);
void rv__kafka_consumers_stats(struct rv__kafka *kafka, rv_stat_fn stat, void *arg);
bool rv__kafka_consumers_health(struct rv__kafka *kafka, rv_detail_fn detail, void *arg);

extern const struct rv_binder_ops rv__kafka_binder;

/* -- names ------------------------------------------------------------------------------------------ */

/** RV_E_CONFIG with a sentence unless it is a topic's name: letters, digits, '.', '_', '-', at most 249. */
rv_err rv__kafka_check_topic(const char *topic, const char *binding, struct rv_error *err);

/** A pattern of whole names in Java's words as librdkafka takes it, owned. RV_E_CONFIG with a sentence; RV_E_NOMEM. */
rv_err rv__kafka_pattern(const char *java, const char *binding, char **ret_pattern, struct rv_error *err);

#endif
