/* SPDX-License-Identifier: Apache-2.0 */
/* The whole kafka binder through its contract, against the cluster in RV_TEST_ADDRESS: what the cases share. */
#ifndef INTEGRATION_KAFKA_KIT_H
#define INTEGRATION_KAFKA_KIT_H

#include "tests/support/binder_kit.h"

enum { SOON_MS = 60000 }; /* a bound against hanging: a passing case never waits for it */

#define LINES(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

/* The binder, and the topic and the group, of the running case. */
extern struct kit kit;
extern char topic[64], group_name[64];

/** Fixtures of a case. */
void open_kit(void);
void close_kit(void);
/** A binder more, with further settings (NULL: none). */
void open_with(struct kit *which, const char *first, const char *second);

struct kit_consumer *make(void);
struct kit_consumer *consume(const char *of_group, const char *const *settings);
/** Waits until a consumer that was bound has heard from the broker: an anonymous one reads what comes from then on. */
void await_bound(struct kit_consumer *consumer);
void end_consumer(struct kit_consumer *consumer);
struct kit_producer *produce_with(struct kit *of);
struct kit_producer *produce(void);
/** A producer that is up. */
struct kit_producer *bind_producer(
    struct kit *of, const char *to, const char *const *settings, int64_t send_timeout_ms);
/** Waits until a topic is there and has so many partitions for whoever binds to it. */
void await_partitions(const char *of_topic, int32_t count);
void end_producer(struct kit_producer *producer);

/** The topic, with so many partitions. */
void make_topic(const char *partitions);
void send_text(struct kit_producer *producer, const char *text, int32_t partition);
/** Numbers, in turn to the partitions. */
void send_many(struct kit_producer *producer, int from, int to, int32_t partitions);
void settle_all(struct kit_consumer *consumer, size_t count);
/** Whether all of these numbers were delivered, at least once. */
bool has_numbers(struct kit_consumer *consumer, int from, int to);

#endif
