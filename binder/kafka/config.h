/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From properties to a client of librdkafka. Java's names and values are collected layer over layer, later
 * ones win, and only then translated by one table, since a Java key may come to several of librdkafka's or to none.
 *
 *     built-in parity with Java < spring.kafka.* < binder.configuration
 *         < binder.consumer-properties | producer-properties < [put by the caller] < configuration of the binding
 *
 * Keys that begin with `librdkafka.` reach librdkafka as they are, after all others.
 */
#ifndef BINDER_KAFKA_CONFIG_H
#define BINDER_KAFKA_CONFIG_H

#include <stdbool.h>

#include <librdkafka/rdkafka.h>

#include <rivulet/binder.h>

#include "base/arena.h"
#include "binder/kafka/settings.h"

enum rv__kafka_role { RV__KAFKA_CONSUMER, RV__KAFKA_PRODUCER, RV__KAFKA_ADMIN };

/* How strongly a value is meant: a built-in one gives way to any conflict, and is never warned of. */
enum rv__kafka_layer {
	RV__KAFKA_BUILT_IN,
	RV__KAFKA_BOOT,
	RV__KAFKA_BINDER,
	RV__KAFKA_BINDER_ROLE,
	RV__KAFKA_CALLER,
	RV__KAFKA_BINDING
};

struct rv__kafka_key {
	const char *name; /* Java's, lower case, with dots */
	const char *value;
	enum rv__kafka_layer layer;
};

/* Java keys of one client. */
struct rv__kafka_config {
	struct rv__arena arena;
	struct rv__kafka_key *keys;
	size_t count, room;
	enum rv__kafka_role role;
	const char *binding; /* for sentences; borrowed */
	bool no_memory;
};

/**
 * Collects all layers but the caller's. `binding` (channel name) and `configuration` (of the binding) may be
 * NULL; NULL configuration has no keys.
 *
 * @return RV_OK; RV_E_CONFIG for what cannot be meant (bootstrap.servers at a binding, group.protocol=consumer, a
 *         JKS trust store); RV_E_NOMEM. rv__kafka_config_finish() in any case.
 */
rv_err rv__kafka_config_collect(struct rv__kafka_config *config,
    const struct rv__kafka_binder_settings *settings, enum rv__kafka_role role, const char *binding,
    const struct rv_pairs *configuration, struct rv_error *err);

/** The value that counts now; NULL when nobody set it. */
const char *rv__kafka_config_get(const struct rv__kafka_config *config, const char *name);

/** The layer of that value; RV__KAFKA_BUILT_IN when nobody set it. */
enum rv__kafka_layer rv__kafka_config_layer(const struct rv__kafka_config *config, const char *name);

/** A checked number of a key; `otherwise` when it is absent or none. */
int64_t rv__kafka_config_number(const struct rv__kafka_config *config, const char *name, int64_t otherwise);

/** Sets a key unless a later layer set it; copies. value NULL takes the key away. */
void rv__kafka_config_put(
    struct rv__kafka_config *config, const char *name, const char *value, enum rv__kafka_layer layer);

/**
 * Translates into a configuration for rd_kafka_new(); owned by the caller until that takes it. Unknown keys are
 * dropped with one warning each in the log. What makes no sense together with enable.idempotence switches that off
 * unless somebody asked for it.
 *
 * @return RV_OK; RV_E_CONFIG naming key and value that librdkafka refuses; RV_E_NOMEM
 */
rv_err rv__kafka_config_build(const struct rv__kafka_config *config, const struct rv_binder_env *env,
    rd_kafka_conf_t **ret_conf, struct rv_error *err);

void rv__kafka_config_finish(struct rv__kafka_config *config);

#endif
