/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producing half of the Kafka binder on librdkafka's mock cluster, which can be made to fail, with a watch that says
 * what it is told; and a reader of what arrived there.
 */
#ifndef SUPPORT_KAFKA_HALF_H
#define SUPPORT_KAFKA_HALF_H

#include "binder/kafka/producer.h"

#include <librdkafka/rdkafka_mock.h> /* wants rdkafka.h before it */

#include "tests/support/binder_kit.h"

enum { HALF_SOON_MS = 60000 }; /* a bound against hanging: a passing case never waits for it */

struct kafka_half {
	rd_kafka_t *owner;
	rd_kafka_mock_cluster_t *cluster;
	struct kit kit;
	struct rv_error trouble; /* of topics; code RV_OK: every one is there, with one partition */
};

/* The one of the running case. */
extern struct kafka_half half;

/** Fixtures of a case. */
void half_setup(void);
/** As half_setup(), with transactions. */
void half_setup_transactions(void);
void half_teardown(void);

/** Makes the topic and binds to it. */
void half_bind(struct kit_producer *producer, const char *topic, const char *const *settings);
struct rv__kafka_client *half_client(const struct kit_producer *producer);
/** The message "m<number>". */
rv_message *half_numbered(int number);
void half_queue_number(struct kit_producer *producer, int number);

/* A consumer of partition 0 from its beginning. */
struct reading {
	rd_kafka_t *rk;
};

struct reading reading_begin(const char *topic);
/** The next record, owned by the caller. */
rd_kafka_message_t *reading_next(struct reading *reading);
void reading_expect_text(struct reading *reading, const char *text);
/** "m0" and so on, so many. */
void reading_expect_numbers(struct reading *reading, int count);
void reading_end(struct reading *reading);

#endif
