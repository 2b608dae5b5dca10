/* SPDX-License-Identifier: Apache-2.0 */
/* The table of Java's client settings: what each comes to in librdkafka. Private to config*.c. */
#ifndef BINDER_KAFKA_CONFIG_KEYS_H
#define BINDER_KAFKA_CONFIG_KEYS_H

#include <stdbool.h>

#include <rivulet/property.h>

#include "binder/kafka/config.h"

enum rv__kafka_change {
	RV__KAFKA_SAME,      /* the value as it is, under `to` (or the same name) */
	RV__KAFKA_BOTH,      /* under `to` and under `also` */
	RV__KAFKA_KIB,       /* bytes to KiB */
	RV__KAFKA_NOT_MINUS, /* -1 (the system's choice) is 0 */
	RV__KAFKA_RESET,     /* `none` is `error` */
	RV__KAFKA_ASSIGNOR,  /* class names to short ones */
	RV__KAFKA_SPREAD,    /* partitioner.class */
	RV__KAFKA_HOSTNAME,  /* ssl.endpoint.identification.algorithm: empty is `none` */
	RV__KAFKA_OURS,      /* this binder itself reads it */
	RV__KAFKA_TLS,       /* part of key store and trust store, see config_tls.c */
	RV__KAFKA_LOGIN,     /* sasl.jaas.config */
	RV__KAFKA_PLAIN, /* payload serializers: those that leave bytes and texts alone say what happens anyway */
	RV__KAFKA_JAVA /* Java's own business, without a counterpart: said, with what to use instead */
};

struct rv__kafka_key_row {
	const char *java;
	enum rv__kafka_change change;
	const char *to; /* NULL: the same name; RV__KAFKA_JAVA, _PLAIN: what to use instead, NULL: nothing */
	const char *also; /* RV__KAFKA_BOTH */
	unsigned roles;   /* bits 1 << enum rv__kafka_role; 0: all */
};

/** NULL: not a Java key that differs; librdkafka judges it. */
const struct rv__kafka_key_row *rv__kafka_key_find(const char *name);

/**
 * Adds spring.kafka.* to a configuration, by Java's names: "fetch-max-wait" below `consumer` is
 * fetch.max.wait.ms.
 */
void rv__kafka_boot_collect(struct rv__kafka_config *config, const struct rv__kafka_boot *boot);

/** One setting of librdkafka; RV_E_CONFIG names the Java key. An unknown one is RV_E_NOTFOUND without a sentence. */
rv_err rv__kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, const char *java,
    const char *binding, struct rv_error *err);

/** Key store, trust store and log-in, which take several keys each. */
rv_err rv__kafka_config_build_tls(
    const struct rv__kafka_config *config, rd_kafka_conf_t *conf, struct rv_error *err);
rv_err rv__kafka_config_build_login(
    const struct rv__kafka_config *config, rd_kafka_conf_t *conf, struct rv_error *err);

#endif
