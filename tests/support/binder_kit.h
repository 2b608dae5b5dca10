/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binder driven through its contract alone, without the binding layer: settings from "key=value"
 * lines, a sink that collects what arrives, sends that wait for their completion.
 */
#ifndef SUPPORT_BINDER_KIT_H
#define SUPPORT_BINDER_KIT_H

#include <pthread.h>
#include <stdbool.h>

#include <rivulet/binder.h>

enum { KIT_KEPT_MAX = 65536 };

struct kit {
	const struct rv_binder_ops *ops;
	void *binder;
	void *settings;
	struct rv_binder_env env;
	struct rv_error error;
};

struct kit_consumer {
	struct kit *kit;
	void *consumer;
	void *settings;
	struct rv_consumer_info info;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t changed;
	rv_message *messages[KIT_KEPT_MAX];
	struct rv_token tokens[KIT_KEPT_MAX];
	size_t count;
	size_t capacity; /* refuses what is beyond; 0: takes all */
	bool settle_at_once;
	bool holds_revoked;                     /* does not answer released(): a listener is still at it */
	int32_t instance_index, instance_count; /* set before kit_consume(); 0 instances: 1 */
	struct rv_error why;                    /* of the way to the broker; read by kit_consumer_why() */
	size_t assigned, revoked, lost;
	int up; /* last word of state(): 1 up, 0 down, -1 nothing said */
};

struct kit_producer {
	struct kit *kit;
	void *producer;
	void *settings;
	struct rv_producer_info info;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t completed, failed;
	int64_t send_timeout_ms; /* the core's; set before kit_produce() */
	int32_t partition_count; /* set before; 0: 1 */
	struct rv_error last;    /* of the last send that completed; read by kit_last() */
	struct rv_error why;     /* of the way to the broker; read by kit_why() */
	struct rv_receipt receipt;
	char broker_id[128];
	int up;
	size_t writable;
};

/** A settings struct from "key=value" lines (NULL: defaults); owned (free()). NULL with *err when one is bad. */
void *kit_settings(const struct rv_prop_table *table, const char *const *lines, struct rv_error *err);

/** Sets the clock of the opened binder forward; kit_open() begins with that of the machine. */
void kit_advance_ms(int64_t ms);
/* Each "key=value" line is below the section; ends with NULL. False with kit->error on failure. */
bool kit_open(struct kit *kit, const struct rv_binder_ops *ops, const char *const *settings);
void kit_close(struct kit *kit);

bool kit_consume(struct kit *kit, struct kit_consumer *consumer, const char *destination, const char *group,
    const char *const *settings);
/** Binds without starting. */
bool kit_bind_consumer(struct kit *kit, struct kit_consumer *consumer, const char *destination,
    const char *group, const char *const *settings);
size_t kit_consumer_close(struct kit_consumer *consumer, int64_t deadline_ms);
/** How often the binder told that there is room again. */
size_t kit_writable(struct kit_producer *producer);
/** Waits until `count` messages are there; false after timeout_ms. */
bool kit_wait_count(struct kit_consumer *consumer, size_t count, int timeout_ms);
rv_err kit_settle(
    struct kit_consumer *consumer, size_t index, enum rv_settlement settlement, int64_t *ret_hold_ms);

bool kit_produce(
    struct kit *kit, struct kit_producer *producer, const char *destination, const char *const *settings);
size_t kit_producer_close(struct kit_producer *producer, int64_t deadline_ms);
/** Sends one and waits for its completion: RV_OK or why not. */
rv_err kit_send(struct kit_producer *producer, rv_message *message, int32_t partition);
rv_err kit_send_text(struct kit_producer *producer, const char *text);
/** Sends without waiting; false when it was not accepted. */
bool kit_queue(struct kit_producer *producer, rv_message *message, int32_t partition);
/** How the last completed send ended, and why the way to the broker was last called down. */
struct rv_error kit_last(struct kit_producer *producer);
struct rv_error kit_why(struct kit_producer *producer);
struct rv_error kit_consumer_why(struct kit_consumer *consumer);
bool kit_consumer_is_up(struct kit_consumer *consumer);
bool kit_is_assigned(struct kit_consumer *consumer);
size_t kit_assigned(struct kit_consumer *consumer);
size_t kit_lost(struct kit_consumer *consumer);
size_t kit_count(struct kit_consumer *consumer);
bool kit_is_up(struct kit_producer *producer);
bool kit_wait_completed(struct kit_producer *producer, size_t count, int timeout_ms);

#endif
