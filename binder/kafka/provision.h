/* SPDX-License-Identifier: Apache-2.0 */
/* Making and changing topics, by the watch thread: each call waits for the broker's answer, some seconds at most. */
#ifndef BINDER_KAFKA_PROVISION_H
#define BINDER_KAFKA_PROVISION_H

#include <librdkafka/rdkafka.h>

#include "binder/kafka/kafka.h"

/** CreateTopics (API key 19). A topic that is there already is a success. */
rv_err rv__kafka_create_topic(
    rd_kafka_t *rk, const struct rv__kafka *kafka, const struct rv__kafka_need *need, struct rv_error *err);

/** CreatePartitions (37) up to what is needed; never fewer than there are. */
rv_err rv__kafka_add_partitions(
    rd_kafka_t *rk, const struct rv__kafka *kafka, const struct rv__kafka_need *need, struct rv_error *err);

/**
 * Brings the topic's settings to those of the need: DescribeConfigs (32), then AlterConfigs (33) with what the
 * topic had of its own, since that call resets what it does not name.
 */
rv_err rv__kafka_alter_topic(
    rd_kafka_t *rk, const struct rv__kafka *kafka, const struct rv__kafka_need *need, struct rv_error *err);

/** librdkafka's log lines to the host's log, at debug. The client's opaque is the watch. */
void rv__kafka_log(const rd_kafka_t *rk, int level, const char *facility, const char *text);

#endif
