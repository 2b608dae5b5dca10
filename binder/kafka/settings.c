/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of keys. */
#include "binder/kafka/settings.h"

#include "base/prop_rows.h"

const char *const rv__kafka_compressions[] = {"default", "none", "gzip", "snappy", "lz4", "zstd", NULL};

static const char *const switch_words[] = {"default", "true", "false", NULL};
static const char *const ack_words[] = {
    "default", "RECORD", "BATCH", "TIME", "COUNT", "COUNT_TIME", "MANUAL", "MANUAL_IMMEDIATE", NULL};
static const char *const standard_words[] = {"none", "id", "timestamp", "both", NULL};
static const char *const start_words[] = {"default", "earliest", "latest", NULL};

#define TOPIC_ROWS(before, member) \
	MAP(before "topic.properties", member.properties, \
	    "Settings of the topic when this binding makes it (`retention.ms` …)."), \
	    MAP(before "topic.replicas-assignment", member.replicas_assignment, \
	        "Broker ids of each partition when this binding makes the topic."), \
	    NUMBER(before "topic.replication-factor", member.replication_factor, "0", -1, 32767, NULL, \
	        "Copies of each partition when this binding makes the topic; 0: the binder's, -1: the " \
	        "broker's.")

/* The keys of a producer, which also stand below dlq-producer-properties and transaction.producer. */
#define PRODUCER_ROWS(before, own) \
	NUMBER(before "buffer-size", own buffer_size, NULL, 1, 2147483647, "bytes", \
	    "Largest batch of one partition (Java's batch.size). Absent: librdkafka's, 1000000."), \
	    DURATION(before "batch-timeout", own batch_timeout_ms, "-1", -1, 900000, "ms", \
	        "How long a batch waits for more (Java's linger.ms). Absent: 1, since a sender waits " \
	        "meanwhile."), \
	    CHOICE(before "compression-type", own compression, rv__kafka_compressions, "default", \
	        "How batches are packed."), \
	    CHOICE(before "compression", own compression_old, rv__kafka_compressions, "default", \
	        "The name of compression-type in Spring's manual."), \
	    CHOICE(before "sync", own sync, switch_words, "default", \
	        "true (the default): a send waits for the broker's answer; false: it returns when queued."), \
	    TEXT(before "send-timeout-expression", own send_timeout_expression, NULL, \
	        "Milliseconds that a send may wait for the broker's answer; a number."), \
	    TEXT(before "message-key-expression", own message_key_expression, NULL, \
	        "Where the record's key comes from, such as headers['plate']. Absent: the header " \
	        "rivulet_key."), \
	    LIST(before "header-patterns", own header_patterns, \
	        "Headers that go out: names with `*` at an end, `!` excludes, the first match decides. " \
	        "Absent: " \
	        "all."), \
	    SWITCH(before "use-topic-header", own use_topic_header, "false", \
	        "Whether the header kafka_topic names the topic of a message."), \
	    IDLE(before "record-metadata-channel", RV_PROP_STRING, own record_metadata_channel, NULL, \
	        "Channel that learns of each success.", "rv_channel_send_async()"), \
	    SECRET_MAP(before "configuration", own configuration, \
	        "Further settings of the producer by the names of the Java client; `librdkafka.<name>` " \
	        "reaches " \
	        "librdkafka as it is."), \
	    TOPIC_ROWS(before, own topic), \
	    JAVA(before "transaction-manager", "Bean that manages transactions.", \
	        "spring.cloud.stream.kafka.binder.transaction.transaction-id-prefix"), \
	    DURATION(before "close-timeout", own close_timeout_ms, "0", 0, 86400, "s", \
	        "How long a stop waits for what is on its way; 0: the send time-out of the binding."), \
	    JAVA(before "partitioner", "Bean or class that chooses the partition.", \
	        "spring.cloud.stream.bindings.<name>.producer.partition-key-expression")

#define OWNER struct rv__kafka_producer_settings
const struct rv_prop_desc rv__kafka_producer_rows[] = {PRODUCER_ROWS("", ),
    SWITCH("allow-non-transactional", allow_non_transactional, "false",
        "With transaction-id-prefix: true: what is sent outside of a listener goes without a transaction; "
        "false: it has one of its own. What a listener sends goes with its delivery either way."),
    {.name = NULL}};
#undef OWNER

#define OWNER struct rv__kafka_consumer_settings
const struct rv_prop_desc rv__kafka_consumer_rows[] = {
    SWITCH("auto-rebalance-enabled", auto_rebalance, "true",
        "true: the members of a group share the partitions; false: this instance has those whose number "
        "modulo "
        "instance-count is instance-index."),
    CHOICE("ack-mode", ack_mode, ack_words, "default",
        "When positions are stored at the broker: RECORD and MANUAL_IMMEDIATE at once, BATCH (the default) "
        "and "
        "MANUAL every auto.commit.interval.ms, TIME every spring.kafka.listener.ack-time, COUNT after "
        "spring.kafka.listener.ack-count settlements."),
    CHOICE("ack-each-record", ack_each, switch_words, "default", "Old name of ack-mode=RECORD."),
    CHOICE("auto-commit-offset", auto_commit, switch_words, "default", "Old; false is ack-mode=MANUAL."),
    IDLE("auto-commit-on-error", RV_PROP_BOOL, unused_switch, NULL,
        "What becomes of a polled message that failed.", "the verdict of the polled delivery"),
    CHOICE("start-offset", start_offset, start_words, "default",
        "Where a group without a stored position begins. Default: earliest, latest without a group."),
    SWITCH("reset-offsets", reset_offsets, "false",
        "Whether each partition is read from start-offset when it is first assigned to this process."),
    SWITCH("enable-dlq", enable_dlq, "false", "Whether failed messages go to a dead-letter topic."),
    TEXT("dlq-name", dlq_name, NULL, "The dead-letter topic. Absent: error.<destination>.<group>."),
    NUMBER("dlq-partitions", dlq_partitions, "-1", -1, 100000, NULL,
        "Partitions of the dead-letter topic; 0 or 1: all go to partition 0. Absent: as many as the "
        "destination "
        "has, each message in the partition of its original."),
    PRODUCER_ROWS("dlq-producer-properties.", dlq_producer.),
    IDLE("dlq-producer-properties.allow-non-transactional", RV_PROP_BOOL,
        dlq_producer.allow_non_transactional, "false", "Whether dead letters may go without a transaction.",
        "nothing: a dead letter goes with the position of its message, or with tx-commit-recovered=false by "
        "a transaction of its own"),
    IDLE("trusted-packages", RV_PROP_LIST, trusted_packages, NULL,
        "Java packages whose classes header values may become.",
        "nothing: no class is loaded, and JSON in a header stays JSON"),
    CHOICE("standard-headers", standard_headers, standard_words, "none",
        "Headers to add to each received message: `id`, a new UUID, and `timestamp`, when it came, in ms. "
        "Neither "
        "is sent on."),
    JAVA("converter-bean-name", "Bean that converts records.", "a listener that reads the payload"),
    DURATION("idle-event-interval", idle_event_interval_ms, "30000", 0, 86400000, "ms",
        "A line in the log (debug) each time nothing came for so long; 0: never."),
    SWITCH("destination-is-pattern", destination_is_pattern, "false",
        "Whether the destination is a regular expression; every topic that matches is read."),
    SECRET_MAP("configuration", configuration,
        "Further settings of the consumer by the names of the Java client; `librdkafka.<name>` reaches "
        "librdkafka as it is."),
    TOPIC_ROWS("", topic),
    IDLE("poll-timeout", RV_PROP_DURATION, unused_number, NULL, "Time-out of a polled consumer.",
        "the time-out of the poll itself"),
    JAVA("transaction-manager", "Bean that manages transactions.",
        "spring.cloud.stream.kafka.binder.transaction.transaction-id-prefix"),
    SWITCH("tx-commit-recovered", tx_commit_recovered, "true",
        "With transactions: whether a dead letter and the position of its message are committed as one, "
        "behind all "
        "that came before in its partition; else the dead letter has a transaction of its own at once, the "
        "position "
        "follows with the next, and an end of the process in between leaves the letter twice."),
    JAVA("common-error-handler-bean-name", "Bean that handles errors.", "the listener's verdict"),
    JAVA("rebalance-listener", "Bean that is told of rebalances.", "the debug log of topic 'binding'"),
    REFUSED("reactive-auto-commit", RV_PROP_BOOL, unused_switch, "false",
        "Whether positions are stored before the message is handled.", "ack-mode"),
    REFUSED("reactive-at-most-once", RV_PROP_BOOL, unused_switch, "false",
        "Whether positions are stored before the message is handled.",
        "ack-mode; a listener that always returns RV_ACK"),
    NUMBER("max-deliveries", max_deliveries, "5", 1, 1000000, NULL,
        "With attempts-directory: deliveries that were begun and never settled, above which a message is "
        "dead-lettered unseen. Not in Java."),
    TEXT("attempts-directory", attempts_directory, NULL,
        "Directory of a local journal that counts deliveries over restarts of this process. Absent: none. "
        "Not in "
        "Java."),
    DURATION("revoke-timeout", revoke_timeout_ms, "30000", 0, 600000, "ms",
        "How long a rebalance waits for running listeners, at most half of max.poll.interval.ms. Not in "
        "Java."),
    {.name = NULL}};
#undef OWNER

#define OWNER struct rv__kafka_binder_settings
const struct rv_prop_desc rv__kafka_binder_rows[] = {
    LIST(
        "brokers", brokers, "Brokers, host or host:port. Absent: spring.kafka.bootstrap-servers, localhost."),
    TEXT("default-broker-port", default_broker_port, "9092", "Port of brokers that are named without one."),
    SECRET_MAP("configuration", configuration,
        "Settings of all clients by the names of the Java client; `librdkafka.<name>` reaches librdkafka as "
        "it "
        "is."),
    SECRET_MAP("consumer-properties", consumer_properties, "Likewise, of consumers only."),
    SECRET_MAP("producer-properties", producer_properties, "Likewise, of producers only."),
    LIST("headers", headers, "Further headers to embed with header-mode=embeddedHeaders."),
    SWITCH("auto-create-topics", auto_create_topics, "true", "Whether missing topics are made."),
    SWITCH("auto-alter-topics", auto_alter_topics, "false",
        "Whether settings of an existing topic are changed to topic.properties."),
    SWITCH("auto-add-partitions", auto_add_partitions, "false",
        "Whether partitions are added to an existing topic that has too few."),
    NUMBER("min-partition-count", min_partition_count, "1", 1, 100000, NULL,
        "Least number of partitions of a topic that is made or enlarged."),
    NUMBER("replication-factor", replication_factor, "-1", -1, 32767, NULL,
        "Copies of each partition of a topic that is made; -1: the broker's."),
    TEXT("required-acks", required_acks, "all",
        "Copies that must have a message before it counts as sent: all, 1 or 0."),
    IDLE("health-timeout", RV_PROP_INT, unused_number, "60", "Time-out of a look at the cluster's health.",
        "nothing: health answers at once from what is known"),
    SWITCH("consider-down-when-any-partition-has-no-leader", down_without_leader, "true",
        "Whether a partition without a leader makes the binder's health DOWN."),
    IDLE("health-indicator-consumer-group", RV_PROP_STRING, unused, NULL, "Group that looks at the cluster.",
        "nothing: no group is needed to look"),
    TEXT("transaction.transaction-id-prefix", transaction_id_prefix, NULL,
        "Makes this binder transactional: what a listener sends to its outputs and what it read are "
        "committed as one; "
        "what is sent elsewhere is committed before the send returns. Another one for each instance."),
    PRODUCER_ROWS("transaction.producer.", transaction_producer.),
    IDLE("transaction.producer.allow-non-transactional", RV_PROP_BOOL,
        transaction_producer.allow_non_transactional, "false",
        "Whether sends outside of a listener may go without a transaction.",
        "spring.cloud.stream.kafka.bindings.<name>.producer.allow-non-transactional, as in Java"),
    JAVA("header-mapper-bean-name", "Bean that maps headers.",
        "nothing: headers travel as Java's default mapper writes them"),
    IDLE("authorization-exception-retry-interval", RV_PROP_DURATION, unused_number, NULL,
        "How long to wait after a refusal.", "nothing: it is tried again each second"),
    IDLE("certificate-store-directory", RV_PROP_STRING, unused, NULL, "Where certificates are copied to.",
        "files in ssl.truststore.location and ssl.keystore.location"),
    TEXT("jaas.login-module", jaas_login_module, NULL, "Java class that tells the kind of log-in."),
    TEXT("jaas.control-flag", jaas_control_flag, "required",
        "Of the log-in; only `required` means something."),
    SECRET_MAP("jaas.options", jaas_options, "`username`, `password`, or those of Kerberos."),
    IDLE("enable-observation", RV_PROP_BOOL, unused_switch, "false", "Tracing.",
        "the traceparent header, which passes through"),
    IDLE("metrics.default-offset-lag-metrics-enabled", RV_PROP_BOOL, unused_switch, "true",
        "Whether the lag is computed when metrics are read.", "nothing: it is known without asking"),
    IDLE("metrics.offset-lag-metrics-interval", RV_PROP_DURATION, unused_number, "60000",
        "Interval of computing the lag.", "nothing: it is known without asking"),
    {.name = NULL}};

const struct rv_prop_desc rv__kafka_boot_rows[] = {
    LIST("bootstrap-servers", boot.bootstrap_servers,
        "Brokers, below spring.cloud.stream.kafka.binder.brokers."),
    TEXT("client-id", boot.client_id, NULL, "Name of this client in the broker's log."),
    SECRET_MAP("properties", boot.properties, "Settings of all clients by the names of the Java client."),
    TEXT("security.protocol", boot.security_protocol, NULL, "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."),
    SECRET_MAP("ssl", boot.ssl, "Key store and trust store; PEM, or PKCS#12 for the key store."),
    IDLE("consumer.bootstrap-servers", RV_PROP_LIST, unused, NULL, "Brokers of consumers alone.",
        "spring.cloud.stream.kafka.binder.brokers, or a binder configuration of its own"),
    IDLE("consumer.enable-auto-commit", RV_PROP_BOOL, unused_switch, "false",
        "Whether the client stores positions by time.",
        "spring.cloud.stream.kafka.bindings.<name>.consumer.ack-mode"),
    IDLE("consumer.group-id", RV_PROP_STRING, unused, NULL, "Group of all consumers.",
        "spring.cloud.stream.bindings.<name>.group"),
    IDLE("producer.bootstrap-servers", RV_PROP_LIST, unused, NULL, "Brokers of producers alone.",
        "spring.cloud.stream.kafka.binder.brokers, or a binder configuration of its own"),
    SECRET_MAP("consumer", boot.consumer, "Settings of all consumers."),
    SECRET_MAP("producer", boot.producer, "Settings of all producers."),
    CHOICE("listener.ack-mode", boot.listener_ack_mode, ack_words, "default",
        "ack-mode of inputs that name none."),
    NUMBER("listener.ack-count", boot.listener_ack_count, "0", 0, 2147483647, NULL,
        "Settlements after which ack-mode COUNT and COUNT_TIME store positions; 0: each."),
    DURATION("listener.ack-time", boot.listener_ack_time_ms, "0", 0, 86400000, "ms",
        "Interval at which ack-mode TIME and COUNT_TIME store positions; 0: auto.commit.interval.ms."),
    IDLE("listener.async-acks", RV_PROP_BOOL, unused_switch, "false",
        "Whether messages may be settled in any order.",
        "nothing: they may, and a position never passes one that is not settled"),
    IDLE("listener.concurrency", RV_PROP_INT, unused_number, NULL, "Threads of listeners.",
        "spring.cloud.stream.bindings.<name>.consumer.concurrency"),
    IDLE("listener.poll-timeout", RV_PROP_DURATION, unused_number, NULL, "Time-out of a poll.",
        "nothing: what comes is read at once"),
    IDLE("listener.no-poll-threshold", RV_PROP_STRING, unused, NULL, "When a container counts as stuck.",
        "the health details, which name the message at work for over a minute"),
    IDLE("listener.idle-between-polls", RV_PROP_DURATION, unused_number, NULL, "Pause between two polls.",
        "rivulet.bindings.<name>.consumer.queue-messages, above which fetching stops"),
    IDLE("listener.idle-event-interval", RV_PROP_DURATION, unused_number, NULL,
        "Time without a message after which that is said.",
        "spring.cloud.stream.kafka.bindings.<name>.consumer.idle-event-interval, which wins in Java too"),
    IDLE("listener.monitor-interval", RV_PROP_DURATION, unused_number, NULL,
        "Interval of looks for containers that are stuck.",
        "the health details, which name the message at work for over a minute"),
    IDLE("listener.missing-topics-fatal", RV_PROP_BOOL, unused_switch, "false",
        "Whether a missing topic ends the service.",
        "spring.cloud.stream.kafka.binder.auto-create-topics=false with "
        "rivulet.bindings.<name>.fail-fast=true"),
    IDLE("listener.immediate-stop", RV_PROP_BOOL, unused_switch, "false",
        "Whether a stop leaves what was fetched.",
        "nothing: it does; running listeners have rivulet.stop-deadline"),
    SECRET_MAP("jaas", boot.jaas, "`login-module`, `control-flag` and `options`, with `enabled=true`."),
    MAP("admin", boot.admin, "Settings of Java's administration client; `properties` count here too."),
    {.name = NULL}};
#undef OWNER

enum rv__kafka_ack_mode rv__kafka_ack_mode(const struct rv__kafka_consumer_settings *settings)
{
	if (settings->ack_mode != RV__KAFKA_ACK_DEFAULT)
		return (enum rv__kafka_ack_mode)settings->ack_mode;
	if (settings->ack_each == RV__KAFKA_TRUE)
		return RV__KAFKA_ACK_RECORD;
	if (settings->auto_commit == RV__KAFKA_FALSE)
		return RV__KAFKA_ACK_MANUAL;
	return RV__KAFKA_ACK_BATCH;
}
