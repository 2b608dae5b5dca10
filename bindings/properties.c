/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row a key. In each table the rows with an effect come first, then Spring's others: REFUSED
 * where ignoring them would change delivery, order or safety, NO_EFFECT where not, JAVA_ONLY
 * where only a Java program can mean something by them.
 */
#include "bindings/properties.h"

#include "bindings/partition.h"

/* The one enumeration among the keys without effect. */
static const char *const header_modes[] = {"headers", "none", "embeddedHeaders", NULL};

#define AT(type, member) .offset = offsetof(struct type, member)
#define UNUSED(owner, key, kind, default_, flag, use, text) \
	{ \
		.name = (key), .type = (kind), .def = (default_), .flags = (flag), .instead = (use), \
		.doc = (text), .choices = (kind) == RV_PROP_ENUM ? header_modes : NULL, \
		.offset = offsetof(struct owner, unused) \
	}

#define TABLE(owner, rows_) \
	{ \
		.rows = (rows_), .size = sizeof(struct owner) \
	}

/* -- spring.cloud.stream.bindings.<name> ------------------------------------------- */

static const struct rv_prop_desc binding_rows[] = {
    {.name = "destination",
        .doc =
            "The broker's topic, queue or stream; several on an input are separated by commas. Absent: the "
            "binding's name.",
        AT(rv__binding_settings, destination)},
    {.name = "group",
        .doc = "Consumer group of an input. Absent: anonymous, an own copy of every message from now on.",
        AT(rv__binding_settings, group)},
    {.name = "content-type",
        .def = "application/json",
        .doc = "Content type of messages that have no contentType header of their own.",
        AT(rv__binding_settings, content_type)},
    {.name = "binder",
        .doc = "Name of the binder configuration, or type of the binder. Absent: the default binder.",
        AT(rv__binding_settings, binder)},
    UNUSED(rv__binding_settings, "error-handler-definition", RV_PROP_STRING, NULL, RV_PROP_JAVA_ONLY,
        "decide in the listener: return RV_REJECT for what shall become a dead letter",
        "Name of a Java function that handles errors."),
    {.name = NULL}};

const struct rv_prop_table rv__binding_table = TABLE(rv__binding_settings, binding_rows);

/* -- spring.cloud.stream.bindings.<name>.consumer ------------------------------------ */

#define CONSUMER(key, kind, default_, flag, use, text) \
	UNUSED(rv__consumer_settings, key, kind, default_, flag, use, text)

static const struct rv_prop_desc consumer_rows[] = {
    {.name = "auto-startup",
        .type = RV_PROP_BOOL,
        .def = "true",
        .doc = "Whether the binding starts with the application; otherwise POST {\"state\":\"STARTED\"} does "
               "it.",
        AT(rv__consumer_settings, auto_startup)},
    {.name = "concurrency",
        .type = RV_PROP_INT,
        .def = "1",
        .min = 1,
        .max = 1024,
        .doc = "Listener calls that may run at once; messages of one partition never run side by side.",
        AT(rv__consumer_settings, concurrency)},
    {.name = "max-attempts",
        .type = RV_PROP_INT,
        .def = "3",
        .min = 1,
        .max = 1000000,
        .doc = "In-place attempts of one delivery, the first included; 1 switches them off.",
        AT(rv__consumer_settings, max_attempts)},
    {.name = "back-off-initial-interval",
        .type = RV_PROP_DURATION,
        .def = "1000",
        .min = 1,
        .max = 86400000,
        .unit = "ms",
        .doc = "Wait before the second attempt.",
        AT(rv__consumer_settings, back_off_initial_ms)},
    {.name = "back-off-max-interval",
        .type = RV_PROP_DURATION,
        .def = "10000",
        .min = 1,
        .max = 86400000,
        .unit = "ms",
        .doc = "The longest wait between two attempts.",
        AT(rv__consumer_settings, back_off_max_ms)},
    {.name = "back-off-multiplier",
        .type = RV_PROP_DOUBLE,
        .def = "2.0",
        .min = 1,
        .max = 1000,
        .doc = "Factor from one wait to the next.",
        AT(rv__consumer_settings, back_off_multiplier)},
    {.name = "instance-count",
        .type = RV_PROP_INT,
        .def = "-1",
        .min = -1,
        .max = 100000,
        .doc = "Instances of this service, for the binder; -1: spring.cloud.stream.instance-count.",
        AT(rv__consumer_settings, instance_count)},
    {.name = "instance-index",
        .type = RV_PROP_INT,
        .def = "-1",
        .min = -1,
        .max = 100000,
        .doc = "Number of this instance, for the binder; -1: spring.cloud.stream.instance-index.",
        AT(rv__consumer_settings, instance_index)},
    {.name = "partitioned",
        .type = RV_PROP_BOOL,
        .def = "false",
        .doc =
            "Whether the sender partitions the destination: tells the binder, which may give this instance "
            "its part by instance-index and instance-count; binders whose groups share partitions by "
            "themselves do that either way.",
        AT(rv__consumer_settings, partitioned)},
    {.name = "header-mode",
        .type = RV_PROP_ENUM,
        .def = "headers",
        .choices = header_modes,
        .doc =
            "How headers come: natively, or inside the payload (embeddedHeaders: what has no such block is a "
            "payload like any other). With none, too, native ones are read, but dead letters carry no "
            "x-original-* and x-exception-*.",
        AT(rv__consumer_settings, header_mode)},
    {.name = "default-retryable",
        .type = RV_PROP_BOOL,
        .def = "true",
        .doc = "Whether RV_RETRY is tried again in place; false: one attempt, as with max-attempts=1.",
        AT(rv__consumer_settings, default_retryable)},
    {.name = "instance-index-list",
        .type = RV_PROP_LIST,
        .doc =
            "Numbers of this instance where it stands for several and the input is partitioned, in place of "
            "instance-index. Absent: spring.cloud.stream.instance-index-list.",
        AT(rv__consumer_settings, instance_index_list)},
    CONSUMER("retryable-exceptions", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY,
        "return RV_RETRY or RV_REJECT from the listener",
        "Java exception classes that are tried again or not."),
    CONSUMER("retry-template-name", RV_PROP_STRING, NULL, RV_PROP_JAVA_ONLY,
        "set max-attempts and the back-off keys", "Name of a Java retry template."),
    CONSUMER("use-native-decoding", RV_PROP_BOOL, "false", RV_PROP_NO_EFFECT,
        "nothing: a listener gets the bytes as they came", "Whether the client library decodes."),
    CONSUMER("multiplex", RV_PROP_BOOL, "false", RV_PROP_NO_EFFECT,
        "nothing: several destinations of one input share its workers already",
        "Whether several destinations are one subscription."),
    CONSUMER("batch-mode", RV_PROP_BOOL, "false", RV_PROP_REFUSED, "write the listener for one message",
        "Whether listeners get lists."),
    CONSUMER("binding-name", RV_PROP_STRING, NULL, RV_PROP_JAVA_ONLY, "leave it out",
        "Filled by the Java framework."),
    {.name = NULL}};

const struct rv_prop_table rv__consumer_table = TABLE(rv__consumer_settings, consumer_rows);

/* -- spring.cloud.stream.bindings.<name>.producer ------------------------------------ */

#define PRODUCER(key, kind, default_, flag, use, text) \
	UNUSED(rv__producer_settings, key, kind, default_, flag, use, text)

static const struct rv_prop_desc producer_rows[] = {
    {.name = "auto-startup",
        .type = RV_PROP_BOOL,
        .def = "true",
        .doc = "Whether the binding starts with the application; otherwise POST {\"state\":\"STARTED\"} does "
               "it.",
        AT(rv__producer_settings, auto_startup)},
    {.name = "partition-count",
        .type = RV_PROP_INT,
        .def = "1",
        .min = 1,
        .max = 65535,
        .doc = "Partitions wanted when the destination is made; one that exists keeps its own number.",
        AT(rv__producer_settings, partition_count)},
    {.name = "required-groups",
        .type = RV_PROP_LIST,
        .doc = "Groups that exist before the first message is sent, so that none of them misses it.",
        AT(rv__producer_settings, required_groups)},
    {.name = "partition-key-expression",
        .doc = "Expression whose value is the key that chooses the partition, as in headers['plate']; see "
               "docs/expressions.md. Absent: the binder spreads the messages.",
        AT(rv__producer_settings, partition_key_expression)},
    {.name = "partition-selector-expression",
        .doc =
            "Expression from the key (#root) to a number; its remainder by the number of partitions is the "
            "partition. Absent: the hash of the key.",
        AT(rv__producer_settings, partition_selector_expression)},
    {.name = "dynamic-partition-updates-enabled",
        .type = RV_PROP_BOOL,
        .def = "false",
        .doc = "Whether a destination that gets more partitions while the binding runs is partitioned anew; "
               "otherwise the number at the time of binding stands.",
        AT(rv__producer_settings, dynamic_partitions)},
    {.name = "header-mode",
        .type = RV_PROP_ENUM,
        .def = "headers",
        .choices = header_modes,
        .doc = "How headers travel: natively, not at all, or inside the payload as Spring's old releases and "
               "brokers without headers have them (embeddedHeaders).",
        AT(rv__producer_settings, header_mode)},
    {.name = "use-native-encoding",
        .type = RV_PROP_BOOL,
        .def = "false",
        .doc = "Whether the client library encodes. Payloads of a C service are bytes already and go out as "
               "they "
               "are, either way.",
        AT(rv__producer_settings, native_encoding)},
    {.name = "error-channel-enabled",
        .type = RV_PROP_BOOL,
        .def = "false",
        .doc = "Whether a send that was queued and failed later goes to what rv_app_on_send_error() "
               "registered; it "
               "is logged either way.",
        AT(rv__producer_settings, error_channel)},
    PRODUCER("partition-key-extractor-name", RV_PROP_STRING, NULL, RV_PROP_JAVA_ONLY,
        "set partition-key-expression", "Name of a Java bean that takes the key out."),
    PRODUCER("partition-key-extractor-class", RV_PROP_STRING, NULL, RV_PROP_JAVA_ONLY,
        "set partition-key-expression", "Java class that takes the key out; gone since 3.0."),
    PRODUCER("partition-selector-name", RV_PROP_STRING, NULL, RV_PROP_JAVA_ONLY,
        "set partition-selector-expression", "Name of a Java bean that chooses the partition."),
    PRODUCER("partition-selector-class", RV_PROP_STRING, NULL, RV_PROP_JAVA_ONLY,
        "set partition-selector-expression", "Java class that chooses the partition; gone since 3.0."),
    PRODUCER("poller", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY,
        "call rv_channel_send() from a thread of the service", "When a Java Supplier is polled."),
    {.name = NULL}};

const struct rv_prop_table rv__producer_table = TABLE(rv__producer_settings, producer_rows);

/* -- rivulet.bindings.<name> ------------------------------------------------------------ */

static const struct rv_prop_desc own_rows[] = {
    {.name = "fail-fast",
        .type = RV_PROP_BOOL,
        .def = "false",
        .doc = "Whether the service ends with exit code 1 when the first attempt to bind does not succeed.",
        AT(rv__own_settings, fail_fast)},
    {.name = NULL}};

const struct rv_prop_table rv__own_table = TABLE(rv__own_settings, own_rows);

static const struct rv_prop_desc own_consumer_rows[] = {
    {.name = "queue-messages",
        .type = RV_PROP_INT,
        .def = "1024",
        .min = 1,
        .max = 1000000,
        .doc = "Deliveries of one partition that may wait for a worker; above it fetching stops.",
        AT(rv__own_consumer_settings, queue_messages)},
    {.name = "queue-bytes",
        .type = RV_PROP_SIZE,
        .def = "16MB",
        .min = 1024,
        .max = 17179869184.0,
        .unit = "bytes",
        .doc = "Bytes of one partition that may wait for a worker; above it fetching stops.",
        AT(rv__own_consumer_settings, queue_bytes)},
    {.name = "stop-deadline",
        .type = RV_PROP_DURATION,
        .def = "10s",
        .max = 3600000,
        .unit = "ms",
        .doc = "How long running listeners may go on when the binding alone is stopped.",
        AT(rv__own_consumer_settings, stop_deadline_ms)},
    {.name = "max-deliveries",
        .type = RV_PROP_INT,
        .def = "0",
        .max = 1000000,
        .doc =
            "Deliveries, as the broker counts them, after which a message is a dead letter (or dropped) "
            "without another call of the listener, since it may be what ended the process; 0: the binder's "
            "limit.",
        AT(rv__own_consumer_settings, max_deliveries)},
    {.name = NULL}};

const struct rv_prop_table rv__own_consumer_table = TABLE(rv__own_consumer_settings, own_consumer_rows);

static const struct rv_prop_desc own_producer_rows[] = {
    {.name = "send-timeout",
        .type = RV_PROP_DURATION,
        .def = "3s",
        .min = 1,
        .max = 3600000,
        .unit = "ms",
        .doc = "How long rv_channel_send() waits for room, for the broker and for its answer, together.",
        AT(rv__own_producer_settings, send_timeout_ms)},
    {.name = "max-in-flight",
        .type = RV_PROP_INT,
        .def = "10000",
        .min = 1,
        .max = 10000000,
        .doc = "Messages that may be on their way at once; above it senders wait.",
        AT(rv__own_producer_settings, max_in_flight)},
    {.name = "max-in-flight-bytes",
        .type = RV_PROP_SIZE,
        .def = "64MB",
        .min = 1024,
        .max = 17179869184.0,
        .unit = "bytes",
        .doc = "Bytes that may be on their way at once; above it senders wait.",
        AT(rv__own_producer_settings, max_in_flight_bytes)},
    {.name = "partition-hash",
        .type = RV_PROP_ENUM,
        .def = "java",
        .choices = rv__partition_hashes,
        .doc =
            "How a key becomes a number where no partition-selector-expression does: as Spring Cloud Stream "
            "(java, hashCode()), as Kafka's own producers (murmur2), or as librdkafka (crc32, fnv1a).",
        AT(rv__own_producer_settings, partition_hash)},
    {.name = "embedded-headers",
        .type = RV_PROP_LIST,
        .doc = "With header-mode=embeddedHeaders, headers that go into the payload beside contentType, "
               "correlationId, sequenceNumber and sequenceSize.",
        AT(rv__own_producer_settings, embedded_headers)},
    {.name = NULL}};

const struct rv_prop_table rv__own_producer_table = TABLE(rv__own_producer_settings, own_producer_rows);

/* -- spring.cloud.stream.binders.<name> --------------------------------------------------- */

static const struct rv_prop_desc binder_rows[] = {
    {.name = "type",
        .doc = "Type of the binder. Absent: the name, if there is a binder of that type.",
        AT(rv__binder_settings, type)},
    {.name = "inherit-environment",
        .type = RV_PROP_BOOL,
        .def = "true",
        .doc = "Whether the application's properties stand beneath `environment`.",
        AT(rv__binder_settings, inherit_environment)},
    {.name = "default-candidate",
        .type = RV_PROP_BOOL,
        .def = "true",
        .doc = "Whether bindings that name no binder may get this one.",
        AT(rv__binder_settings, default_candidate)},
    {.name = "environment",
        .type = RV_PROP_MAP,
        .doc = "Properties that hold for this binder configuration alone.",
        AT(rv__binder_settings, unused)},
    {.name = NULL}};

const struct rv_prop_table rv__binder_table = TABLE(rv__binder_settings, binder_rows);

/* -- spring.cloud.stream ---------------------------------------------------------------------- */

#define STREAM(key, kind, default_, flag, use, text) \
	UNUSED(rv__stream_settings, key, kind, default_, flag, use, text)
#define DECLARE "declare the channels with rv_app_enable_binding()"

static const struct rv_prop_desc stream_rows[] = {
    {.name = "default-binder",
        .doc = "Binder configuration or type of bindings that name none.",
        AT(rv__stream_settings, default_binder)},
    {.name = "instance-count",
        .type = RV_PROP_INT,
        .def = "1",
        .min = 1,
        .max = 100000,
        .doc = "Instances of this service.",
        AT(rv__stream_settings, instance_count)},
    {.name = "instance-index",
        .type = RV_PROP_INT,
        .def = "0",
        .min = 0,
        .max = 99999,
        .doc = "Number of this instance, from 0.",
        AT(rv__stream_settings, instance_index)},
    {.name = "instance-index-list",
        .type = RV_PROP_LIST,
        .doc = "Numbers of this instance where it stands for several, for inputs that are partitioned.",
        AT(rv__stream_settings, instance_index_list)},
    STREAM("binding-retry-interval", RV_PROP_INT, "30", RV_PROP_NO_EFFECT,
        "nothing: a binding that waits tries again within a second; rivulet.bindings.<name>.fail-fast ends "
        "instead",
        "Seconds between attempts to bind."),
    STREAM("dynamic-destination-cache-size", RV_PROP_INT, "10", RV_PROP_NO_EFFECT,
        "declare every output channel", "Dynamic output bindings kept at once."),
    STREAM("dynamic-destinations", RV_PROP_LIST, NULL, RV_PROP_NO_EFFECT, "declare every output channel",
        "Destinations that may be bound while running."),
    STREAM("input-bindings", RV_PROP_STRING, NULL, RV_PROP_NO_EFFECT, DECLARE,
        "Inputs without code behind them."),
    STREAM("output-bindings", RV_PROP_STRING, NULL, RV_PROP_NO_EFFECT, DECLARE,
        "Outputs without code behind them."),
    STREAM("pollable-source", RV_PROP_STRING, NULL, RV_PROP_NO_EFFECT, DECLARE, "Inputs that are polled."),
    STREAM(
        "source", RV_PROP_STRING, NULL, RV_PROP_NO_EFFECT, DECLARE, "Outputs without code; gone since 4.2."),
    STREAM("override-cloud-connectors", RV_PROP_BOOL, "false", RV_PROP_JAVA_ONLY, "leave it out",
        "Whether services of a platform are ignored."),
    STREAM("integration", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY, "copy the headers that shall go on",
        "Settings of Spring Integration."),
    STREAM("poller", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY,
        "call rv_channel_send() from a thread of the service", "When Java Suppliers are polled."),
    STREAM("function", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY, DECLARE " and rv_app_listen()",
        "Java functions and their bindings."),
    STREAM(
        "internal", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY, "leave it out", "Internal to the Java framework."),
    STREAM("metrics", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY, "read the counters of /actuator/bindings",
        "Metrics sent as messages; gone since 4.0."),
    STREAM("schema-registry-client", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY, "encode and decode in the service",
        "Client of a schema registry."),
    STREAM(
        "schema", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY, "encode and decode in the service", "Avro schemas."),
    STREAM("sendto", RV_PROP_MAP, NULL, RV_PROP_JAVA_ONLY, "send to the channel that you mean",
        "In Java a message header, not a property."),
    {.name = NULL}};

const struct rv_prop_table rv__stream_table = TABLE(rv__stream_settings, stream_rows);

/* -- rivulet, spring.application, logging -------------------------------------------------------- */

static const struct rv_prop_desc app_rows[] = {
    {.name = "binder.path",
        .type = RV_PROP_LIST,
        .doc = "Directories that are searched for rivulet-binder-<type>.so before the install directory.",
        AT(rv__app_settings, binder_path)},
    {.name = "stop-deadline",
        .type = RV_PROP_DURATION,
        .def = "10s",
        .max = 3600000,
        .unit = "ms",
        .doc = "How long a stopping service drains listeners and outputs; what is left then makes it end "
               "with 1.",
        AT(rv__app_settings, stop_deadline_ms)},
    {.name = NULL}};

const struct rv_prop_table rv__app_table = TABLE(rv__app_settings, app_rows);

static const struct rv_prop_desc application_rows[] = {
    {.name = "name",
        .doc = "Name of the service. Absent: the one in its code.",
        AT(rv__application_settings, name)},
    {.name = NULL}};

const struct rv_prop_table rv__application_table = TABLE(rv__application_settings, application_rows);

static const struct rv_prop_desc logging_rows[] = {
    {.name = "level",
        .type = RV_PROP_MAP,
        .doc = "Level (OFF, ERROR, WARN, INFO, DEBUG) of a topic, or of `root`.",
        AT(rv__logging_settings, levels)},
    {.name = NULL}};

const struct rv_prop_table rv__logging_table = TABLE(rv__logging_settings, logging_rows);
