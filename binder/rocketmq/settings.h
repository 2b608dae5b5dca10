/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The properties of this binder: the names of the Spring Cloud Alibaba binder in its old style (up to
 * 2.2.6 and 2021.1: `tags`, `orderly`, `sync`) and its new one (`subscription`, `push.orderly`,
 * `sendType`), in tables, and what they come to once both spellings of one thing are merged.
 */
#ifndef BINDER_ROCKETMQ_SETTINGS_H
#define BINDER_ROCKETMQ_SETTINGS_H

#include <stdbool.h>

#include <rivulet/error.h>
#include <rivulet/property.h>

/* Words of a yes-or-no key that has two spellings: the first one means that it was not set. */
enum rv__rmq_tristate { RV__RMQ_UNSET, RV__RMQ_TRUE, RV__RMQ_FALSE };

/* Keys that stand at the binder and again at each binding. */
struct rv__rmq_common {
	struct rv_strings name_server; /* "host:port", each possibly "a;b" */
	const char *access_key;
	const char *secret_key;
	const char *namespace_name;
	const char *unit_name;
	const char *access_channel;
	int64_t poll_name_server_ms;
	int64_t heartbeat_ms;
	int64_t persist_offset_ms; /* 0 at a binding: the binder's */
	bool vip_channel;
	bool use_tls;
	bool msg_trace;
	const char *trace_topic;
};

struct rv__rmq_binder_settings {
	struct rv__rmq_common common;
	bool enabled;
	bool auto_create_topics;
	const char *group;
};

struct rv__rmq_consumer_settings {
	struct rv__rmq_common common;
	bool enabled;
	const char *unused; /* where keys without effect put their value */
	int64_t unused_number;
	bool unused_switch;
	/* Old and new spelling of one thing side by side. */
	const char *tags, *sql, *subscription;
	int64_t broadcasting, message_model;
	int64_t orderly, push_orderly;
	int64_t delay_level, push_delay_level;
	int64_t suspend_ms, push_suspend_ms;
	int64_t pull_error_delay_ms;
	int64_t consume_from;
	const char *consume_timestamp;
	int64_t threshold_queue, threshold_queue_mib;
	int64_t threshold_topic, threshold_topic_mib;
	int64_t max_span;
	int64_t pull_batch;
	int64_t pull_interval_ms;
	int64_t max_reconsume;
};

struct rv__rmq_producer_settings {
	struct rv__rmq_common common;
	bool enabled;
	const char *unused;
	const char *group;
	int64_t max_message_size;
	bool transactional;
	int64_t producer_type;
	int64_t sync, send_type;
	int64_t send_message_timeout_ms, send_msg_timeout_ms;
	int64_t compress_message_threshold, compress_msg_threshold;
	int64_t retry_sync, retry_async;
	int64_t retry_next_server, retry_another_broker;
};

/* Where a group without a stored position begins. */
enum rv__rmq_from { RV__RMQ_FROM_FIRST, RV__RMQ_FROM_LAST, RV__RMQ_FROM_TIMESTAMP };

/* What the consumer's properties come to. Strings borrowed from the settings. */
struct rv__rmq_consumer_plan {
	const char *expression; /* "*", "TagA || TagB", or the SQL text */
	bool sql;
	bool broadcasting;
	bool orderly;
	int delay_level; /* -1: dead letter at once; 0: the broker decides */
	int64_t suspend_ms;
	int64_t pull_error_delay_ms;
	enum rv__rmq_from from;
	int64_t from_timestamp_ms;
	int64_t max_count; /* unsettled messages of one queue */
	int64_t max_bytes;
	int64_t max_count_topic; /* -1: no limit over all queues */
	int64_t max_bytes_topic;
	int64_t max_span;
	int pull_batch;
	int64_t pull_interval_ms;
	int max_reconsume; /* -1: 16 when concurrent, without end when orderly */
};

enum rv__rmq_send_type { RV__RMQ_SEND_SYNC, RV__RMQ_SEND_ASYNC, RV__RMQ_SEND_ONEWAY };

struct rv__rmq_producer_plan {
	const char *group; /* NULL: named after the destination */
	enum rv__rmq_send_type type;
	bool queued_is_sent;
	int64_t timeout_ms; /* 0: no property says; the core's */
	int64_t max_message_size;
	int64_t compress_threshold;
	int retries;
	bool retry_not_stored; /* another broker when the first says that it could not flush or replicate */
};

extern const struct rv_prop_desc rv__rmq_binder_rows[];
extern const struct rv_prop_desc rv__rmq_consumer_rows[];
extern const struct rv_prop_desc rv__rmq_producer_rows[];

/**
 * Merges both spellings. RV_E_CONFIG names the two keys that contradict each other, or the value that
 * cannot be meant; `binding` is the channel's name for that sentence.
 */
rv_err rv__rmq_consumer_plan(const struct rv__rmq_consumer_settings *settings, const char *binding,
    struct rv__rmq_consumer_plan *ret_plan, struct rv_error *err);
rv_err rv__rmq_producer_plan(const struct rv__rmq_producer_settings *settings, const char *binding,
    struct rv__rmq_producer_plan *ret_plan, struct rv_error *err);

/**
 * Judges the connection keys that a binding repeats: one binder configuration has one set of
 * connections, so a different name server, account or namespace at a binding is RV_E_CONFIG.
 */
rv_err rv__rmq_check_common(const struct rv__rmq_common *binder, const struct rv__rmq_common *binding,
    const char *name, const char *side, struct rv_error *err);

/** Milliseconds since 1970 of yyyyMMddHHmmss in local time; false when it is not one. */
bool rv__rmq_parse_timestamp(const char *text, int64_t *ret_ms);

#endif
