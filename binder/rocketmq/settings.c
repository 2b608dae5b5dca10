/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of keys. What they come to is in plan.c. */
#include "binder/rocketmq/settings.h"

#include "base/prop_rows.h"

/* Both spellings of a switch: unset is told from false, so that a contradiction can be named. */
static const char *const switch_words[] = {"default", "true", "false", NULL};
static const char *const model_words[] = {"default", "CLUSTERING", "BROADCASTING", NULL};
static const char *const send_words[] = {"default", "Sync", "Async", "OneWay", NULL};
static const char *const type_words[] = {"Normal", "Trans", NULL};
static const char *const from_words[] = {"CONSUME_FROM_FIRST_OFFSET", "CONSUME_FROM_LAST_OFFSET",
    "CONSUME_FROM_TIMESTAMP", "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
    "CONSUME_FROM_MIN_OFFSET", "CONSUME_FROM_MAX_OFFSET", NULL};

#define ENVIRONMENT "a binder configuration of its own (spring.cloud.stream.binders.<name>.environment)"
#define POLLED "a listener; polled consumers do not exist here"

/* Keys of struct rv__rmq_common that mean the same at the binder and at a binding. */
#define CONNECTION_ROWS \
	{.name = "name-server", \
	    .type = RV_PROP_LIST, \
	    .unit = "host:port", \
	    AT(common.name_server), \
	    .doc = "Name servers, host:port, separated by ';' or ','. Absent: NAMESRV_ADDR of the " \
	           "environment, else 127.0.0.1:9876. At a binding it may only repeat the binder's."}, \
	    TEXT("access-key", common.access_key, NULL, \
	        "Account whose key signs each request (ACL, HmacSHA1)."), \
	    SECRET("secret-key", common.secret_key, "The key that belongs to access-key."), \
	    TEXT("namespace", common.namespace_name, NULL, \
	        "Prefixed to topics and groups as `namespace%name`."), \
	    IDLE("access-channel", RV_PROP_STRING, common.access_channel, NULL, \
	        "LOCAL or CLOUD; chooses a trace topic in Java.", "nothing: no trace is sent"), \
	    IDLE("vip-channel-enabled", RV_PROP_BOOL, common.vip_channel, "false", \
	        "Whether to use the broker's second port.", "nothing: the broker's normal port serves all"), \
	    {.name = "use-tls", \
	        .type = RV_PROP_BOOL, \
	        .def = "false", \
	        AT(common.use_tls), \
	        .doc = "TLS towards name server and broker.", \
	        .flags = RV_PROP_REFUSED, \
	        .instead = "a tunnel or a private network"}, \
	    IDLE("enable-msg-trace", RV_PROP_BOOL, common.msg_trace, "false", \
	        "Trace messages of Java's client.", "the traceparent header, which passes through"), \
	    IDLE("customized-trace-topic", RV_PROP_STRING, common.trace_topic, NULL, \
	        "Topic of trace messages.", "the traceparent header, which passes through")

/* The intervals belong to the shared client: at a binding they say where to set them. */
#define BINDING_ROWS \
	CONNECTION_ROWS, \
	    {.name = "enabled", \
	        .type = RV_PROP_BOOL, \
	        .def = "true", \
	        AT(enabled), \
	        .doc = "Whether the binding is made.", \
	        .flags = RV_PROP_REFUSED, \
	        .instead = "spring.cloud.stream.bindings.<name>.consumer.auto-startup=false"}, \
	    IDLE("unit-name", RV_PROP_STRING, common.unit_name, NULL, "Suffix of the client's id.", \
	        "spring.cloud.stream.rocketmq.binder.unit-name"), \
	    IDLE("poll-name-server-interval", RV_PROP_DURATION, common.poll_name_server_ms, NULL, \
	        "Interval of route look-ups.", \
	        "spring.cloud.stream.rocketmq.binder.poll-name-server-interval"), \
	    IDLE("heartbeat-broker-interval", RV_PROP_DURATION, common.heartbeat_ms, NULL, \
	        "Interval of heartbeats.", "spring.cloud.stream.rocketmq.binder.heartbeat-broker-interval")

#define OWNER struct rv__rmq_binder_settings
const struct rv_prop_desc rv__rmq_binder_rows[] = {CONNECTION_ROWS,
    {.name = "enabled",
        .type = RV_PROP_BOOL,
        .def = "true",
        AT(enabled),
        .doc = "Whether the binder may be used.",
        .flags = RV_PROP_REFUSED,
        .instead = "another spring.cloud.stream.bindings.<name>.binder"},
    SWITCH("auto-create-topics", auto_create_topics, "true",
        "Whether an output makes its destination when it is bound, where the broker makes topics by itself. "
        "false: the "
        "first message does."),
    TEXT("group", group, NULL, "Producer group of bindings that name none; absent: the destination."),
    TEXT("unit-name", common.unit_name, NULL, "Suffix of the client's id, `ip@instance@unit`."),
    MILLIS("poll-name-server-interval", common.poll_name_server_ms, "30000", 100, 86400000,
        "Interval of route look-ups while all is quiet; an unknown destination is looked up soon, then each "
        "second."),
    MILLIS("heartbeat-broker-interval", common.heartbeat_ms, "30000", 100, 60000, "Interval of heartbeats."),
    MILLIS("persist-consumer-offset-interval", common.persist_offset_ms, "5000", 10, 3600000,
        "Interval at which consumed positions are stored at the broker."),
    {.name = NULL}};
#undef OWNER

#define OWNER struct rv__rmq_consumer_settings
const struct rv_prop_desc rv__rmq_consumer_rows[] = {BINDING_ROWS,
    MILLIS("persist-consumer-offset-interval", common.persist_offset_ms, NULL, 10, 3600000,
        "Interval at which consumed positions are stored at the broker. Absent: the binder's."),
    TEXT("tags", tags, NULL, "Tags to receive, `a || b` (old name of subscription)."),
    TEXT("sql", sql, NULL, "SQL92 filter (old name of subscription=sql:…); the broker must allow it."),
    TEXT(
        "subscription", subscription, NULL, "Tags to receive, `a || b`, or `sql:<expression>`. Absent: all."),
    CHOICE("broadcasting", broadcasting, switch_words, "default",
        "Each instance gets each message (old name of message-model=BROADCASTING)."),
    CHOICE("message-model", message_model, model_words, "default",
        "CLUSTERING (the default): members share the messages; BROADCASTING: each gets all."),
    CHOICE("orderly", orderly, switch_words, "default",
        "One queue is consumed by one thread at a time, under the broker's lock (old name of push.orderly)."),
    CHOICE("push.orderly", push_orderly, switch_words, "default",
        "One queue is consumed by one thread at a time, under the broker's lock. Default false."),
    NUMBER("delay-level-when-next-consume", delay_level, NULL, -1, 18, NULL,
        "Old name of push.delay-level-when-next-consume."),
    NUMBER("push.delay-level-when-next-consume", push_delay_level, NULL, -1, 18, NULL,
        "Delay of a redelivery: -1 dead letter at once, 0 the broker decides, 1-18 a fixed level."),
    MILLIS("suspend-current-queue-time-millis", suspend_ms, NULL, 10, 30000,
        "Old name of push.suspend-current-queue-time-millis."),
    MILLIS("push.suspend-current-queue-time-millis", push_suspend_ms, NULL, 10, 30000,
        "Pause of an orderly queue before a failed message is tried again. Default 1000."),
    MILLIS("pull-time-delay-mills-when-exception", pull_error_delay_ms, "1000", 10, 60000,
        "Pause after a pull that the broker refused."),
    CHOICE("consume-from-where", consume_from, from_words, "CONSUME_FROM_FIRST_OFFSET",
        "Where a group without a stored position begins; a young queue is always read from its start."),
    TEXT("consume-timestamp", consume_timestamp, NULL,
        "Local time yyyyMMddHHmmss for CONSUME_FROM_TIMESTAMP. Absent: 30 minutes ago."),
    NUMBER("pull-threshold-for-queue", threshold_queue, "1000", 1, 65535, "messages",
        "Unsettled messages of one queue above which it is not fetched."),
    NUMBER("pull-threshold-size-for-queue", threshold_queue_mib, "100", 1, 1024, "MiB",
        "Unsettled bytes of one queue above which it is not fetched."),
    NUMBER("consume-max-span", max_span, "2000", 1, 65535, "messages",
        "Distance between the oldest unsettled message and the newest fetched one (concurrent only)."),
    NUMBER("pull-batch-size", pull_batch, "32", 1, 1024, "messages", "Messages of one pull at most."),
    NUMBER("push.max-reconsume-times", max_reconsume, "-1", -1, 1000000, NULL,
        "Redeliveries before %DLQ%<group>; -1: 16, and without end when orderly."),
    MILLIS("push.pull-interval", pull_interval_ms, "0", 0, 65535, "Pause between two pulls of one queue."),
    NUMBER("push.pull-threshold-for-topic", threshold_topic, "-1", -1, 6553500, "messages",
        "As pull-threshold-for-queue, over all queues, shared out evenly; -1: no limit."),
    NUMBER("push.pull-threshold-size-for-topic", threshold_topic_mib, "-1", -1, 102400, "MiB",
        "As pull-threshold-size-for-queue, over all queues, shared out evenly; -1: no limit."),
    IDLE("push.consume-message-batch-max-size", RV_PROP_INT, unused_number, "1",
        "Messages handed to one call of the listener.",
        "spring.cloud.stream.bindings.<name>.consumer.batch-mode"),
    JAVA("trusted-packages", "Java packages that may be deserialised.", "nothing: no classes are loaded"),
    JAVA("allocate-message-queue-strategy", "Bean that shares out the queues.",
        "nothing: queues are shared out by averages, as Java's default does"),
    IDLE("pull-timeout", RV_PROP_DURATION, unused_number, NULL, "Time-out of a polled consumer.", POLLED),
    IDLE("from-store", RV_PROP_BOOL, unused_switch, "false", "Position of a polled consumer.", POLLED),
    IDLE("pull.poll-timeout-millis", RV_PROP_DURATION, unused_number, NULL, "Of polled consumers.", POLLED),
    IDLE("pull.pull-thread-nums", RV_PROP_INT, unused_number, NULL, "Of polled consumers.", POLLED),
    IDLE("pull.topic-metadata-check-interval-millis", RV_PROP_DURATION, unused_number, NULL,
        "Of polled consumers.", POLLED),
    IDLE("pull.consumer-timeout-millis-when-suspend", RV_PROP_DURATION, unused_number, NULL,
        "Of polled consumers.", POLLED),
    IDLE("pull.pull-threshold-for-all", RV_PROP_INT, unused_number, NULL, "Of polled consumers.", POLLED),
    JAVA("pull.err-acknowledge", "Bean that answers for a failed polled message.", "the listener's verdict"),
    {.name = NULL}};
#undef OWNER

#define OWNER struct rv__rmq_producer_settings
const struct rv_prop_desc rv__rmq_producer_rows[] = {BINDING_ROWS,
    IDLE("persist-consumer-offset-interval", RV_PROP_DURATION, common.persist_offset_ms, NULL,
        "Interval at which positions are stored.", "the same key of a consumer"),
    TEXT("group", group, NULL, "Producer group. Absent: the binder's, else the destination's name."),
    {.name = "max-message-size",
        .type = RV_PROP_SIZE,
        .def = "4194304",
        .min = 1,
        .max = 16777216,
        .unit = "bytes",
        AT(max_message_size),
        .doc = "Largest payload that is sent."},
    {.name = "transactional",
        .type = RV_PROP_BOOL,
        .def = "false",
        AT(transactional),
        .doc = "Transactional messages (old name of producer-type=Trans).",
        .flags = RV_PROP_REFUSED,
        .instead = "a plain producer: transactions are not offered yet"},
    {.name = "producer-type",
        .type = RV_PROP_ENUM,
        .choices = type_words,
        .def = "Normal",
        AT(producer_type),
        .doc = "Normal, or Trans for transactional messages.",
        .flags = RV_PROP_REFUSED,
        .instead = "Normal: transactions are not offered yet"},
    CHOICE("sync", sync, switch_words, "default",
        "true (the default): a send waits for the broker's answer; false: it returns when queued."),
    CHOICE("send-type", send_type, send_words, "default",
        "Sync (the default), Async: a send returns when queued; OneWay: and nobody answers."),
    MILLIS("send-message-timeout", send_message_timeout_ms, NULL, 1, 600000, "Old name of send-msg-timeout."),
    MILLIS("send-msg-timeout", send_msg_timeout_ms, NULL, 1, 600000,
        "Time for one send with all its retries. Default: rivulet.bindings.<name>.producer.send-timeout."),
    NUMBER("compress-message-body-threshold", compress_message_threshold, NULL, 1, 2147483647, "bytes",
        "Old name of compress-msg-body-threshold."),
    NUMBER("compress-msg-body-threshold", compress_msg_threshold, NULL, 1, 2147483647, "bytes",
        "Payloads of that size or more are compressed (zlib). Default 4096."),
    NUMBER("retry-times-when-send-failed", retry_sync, "2", 0, 100, NULL,
        "Further tries of a synchronous send, on another queue, within its time-out."),
    NUMBER("retry-times-when-send-async-failed", retry_async, "2", 0, 100, NULL,
        "Likewise of an asynchronous one."),
    CHOICE(
        "retry-next-server", retry_next_server, switch_words, "default", "Old name of retry-another-broker."),
    CHOICE("retry-another-broker", retry_another_broker, switch_words, "default",
        "Try another broker when one stored the message without flushing or replicating it in time."),
    JAVA("send-call-back", "Bean called after an asynchronous send.", "rv_channel_send_async()"),
    JAVA("transaction-listener", "Bean that runs local transactions.", "nothing: no transactions yet"),
    JAVA("message-queue-selector", "Bean that chooses a queue.",
        "spring.cloud.stream.bindings.<name>.producer.partition-key-expression"),
    JAVA("error-message-strategy", "Bean that builds error messages.", "the error channel"),
    JAVA("send-failure-channel", "Bean that takes failed messages.", "the error channel"),
    JAVA("check-forbidden-hook", "Bean that may forbid a send.", "a check before rv_channel_send()"),
    JAVA("send-message-hook", "Bean called around a send.", "code around rv_channel_send()"), {.name = NULL}};
#undef OWNER
