/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of keys. */
#include "binder/redis/settings.h"

#include "base/prop_rows.h"

static const char *const mode_words[] = {"single", "sentinel", "cluster", NULL};
static const char *const start_words[] = {"earliest", "latest", NULL};
static const char *const trimming_words[] = {"safe", "eager", NULL};
static const char *const format_words[] = {
    "native", "dapr", "watermill", "faststream", "spring", "flat", NULL};

#define DAY_MS 86400000.0

#define OWNER struct rv__redis_binder_settings
const struct rv_prop_desc rv__redis_binder_rows[] = {
    CHOICE("mode", mode, mode_words, "single",
        "What the nodes are: one server, Sentinels that name the master, or nodes of a Cluster."),
    {.name = "nodes",
        .type = RV_PROP_LIST,
        .def = "127.0.0.1:6379",
        .doc = "Addresses, host:port. With mode=single the first one counts.",
        AT(nodes)},
    TEXT("host", host, NULL, "Host of the one server, instead of nodes."),
    NUMBER("port", port, "6379", 1, 65535, NULL, "Its port, and the port of nodes without one."),
    TEXT("username", username, NULL, "ACL user. Absent: the default user."),
    SECRET("password", password, "Password of that user."),
    NUMBER("database", database, "0", 0, 65535, NULL, "Number of the database (SELECT); 0 in a Cluster."),
    TEXT("client-name", client_name, NULL, "Name in CLIENT LIST. Absent: <application>-<binder>."),
    MILLIS("connect-timeout", connect_timeout_ms, "2000", 50, 120000, "Longest wait for a connection."),
    MILLIS("timeout", command_timeout_ms, "5000", 50, 600000,
        "Silence of the server, while an answer is due, after which the connection is made anew."),
    TEXT("key-prefix", key_prefix, NULL, "Stands before the name of every destination to make its key."),
    SWITCH("auto-create", auto_create, "true",
        "Whether streams are made when they do not exist. false: sending to a missing one fails."),
    SWITCH("check-server", check_server, "true",
        "Whether to warn of a server that does not persist, or evicts streams."),
    TEXT("sentinel.master", sentinel_master, NULL, "Name of the master that the Sentinels watch."),
    TEXT("sentinel.username", sentinel_username, NULL, "ACL user at the Sentinels."),
    SECRET("sentinel.password", sentinel_password, "Password at the Sentinels."),
    SWITCH("ssl.enabled", tls, "false", "TLS to the server."),
    TEXT("ssl.ca", tls_ca, NULL, "File of CA certificates in PEM. Absent: those of the system."),
    TEXT("ssl.certificate", tls_certificate, NULL, "File of our own certificate in PEM."),
    TEXT("ssl.key", tls_key, NULL, "File of its private key in PEM."),
    SWITCH("ssl.verify", tls_verify, "true", "Whether the server's certificate and name are checked."),
    {.name = NULL}};

/* The key of a section. */
#define JAVA_SECTION(key, text) \
	{ \
		.name = key, .type = RV_PROP_MAP, .flags = RV_PROP_JAVA_ONLY, .instead = "leave it out", \
		.doc = text, AT(boot.unused) \
	}
const struct rv_prop_desc rv__redis_boot_rows[] = {
    SECRET("url", boot.url, "redis://user:password@host:port/database; rediss:// with TLS. Wins over host."),
    TEXT("host", boot.host, NULL, "Host of the one server."),
    NUMBER("port", boot.port, "-1", -1, 65535, NULL, "Its port; -1: 6379."),
    NUMBER("database", boot.database, "-1", -1, 65535, NULL, "Number of the database; -1: 0."),
    TEXT("username", boot.username, NULL, "ACL user."),
    SECRET("password", boot.password, "Password of that user."),
    TEXT("client-name", boot.client_name, NULL, "Name in CLIENT LIST."),
    MILLIS("connect-timeout", boot.connect_timeout_ms, "0", 0, 120000,
        "Longest wait for a connection; 0: not said."),
    MILLIS("timeout", boot.command_timeout_ms, "0", 0, 600000,
        "Longest silence while an answer is due; 0: not said."),
    SWITCH("ssl.enabled", boot.tls, "false", "TLS to the server."),
    TEXT("sentinel.master", boot.sentinel_master, NULL, "Name of the master that the Sentinels watch."),
    LIST("sentinel.nodes", boot.sentinel_nodes, "Addresses of the Sentinels."),
    TEXT("sentinel.username", boot.sentinel_username, NULL, "ACL user at the Sentinels."),
    SECRET("sentinel.password", boot.sentinel_password, "Password at the Sentinels."),
    LIST("cluster.nodes", boot.cluster_nodes, "Addresses of some nodes of a Cluster."),
    JAVA_SECTION("lettuce", "Settings of a Java client."),
    JAVA_SECTION("jedis", "Settings of a Java client."),
    JAVA_SECTION("repositories", "Java repositories over Redis."), {.name = NULL}};
#undef OWNER

#define OWNER struct rv__redis_consumer_settings
const struct rv_prop_desc rv__redis_consumer_rows[] = {
    CHOICE("start-offset", start, start_words, "earliest",
        "Where a new group begins: with the first message of the stream, or behind its last one."),
    SWITCH("reset-offsets", reset_offsets, "false",
        "Whether an existing group is set to start-offset at each start; only instance 0 does it."),
    NUMBER("batch-size", batch_size, "256", 1, 10000, NULL,
        "Entries of one stream that a read brings at most (COUNT)."),
    MILLIS("block-timeout", block_ms, "2000", 50, 60000, "How long a read waits at the server (BLOCK)."),
    MILLIS("claim-min-idle", claim_idle_ms, "60000", 100, DAY_MS,
        "Time without a sign of life after which a pending message goes to another consumer; ours are kept "
        "alive."),
    MILLIS("claim-interval", claim_interval_ms, "5000", 20, DAY_MS,
        "Time between two looks for messages that others left behind."),
    NUMBER("max-deliveries", max_deliveries, "10", 0, 1000000, NULL,
        "Times that a message is given to a listener, those included in which the process ended, after which "
        "it is a dead letter, or dropped; 0: no limit. What was read ahead and never begun does not count, "
        "but for one that stood behind a message of another failure at the same time, and with redeliver."),
    SWITCH("redeliver", redeliver, "false",
        "Whether a message that failed its last in-place attempt is delivered again, up to max-deliveries."),
    MILLIS("redelivery-delay", redelivery_delay_ms, "1000", 0, DAY_MS,
        "Wait before such a redelivery; at most claim-min-idle."),
    MILLIS("ack-interval", ack_interval_ms, "2", 0, 1000,
        "Longest wait for company of an acknowledgement (XACK)."),
    NUMBER("ack-batch", ack_batch, "100", 1, 10000, NULL,
        "Acknowledgements that go out together, at most and at once."),
    SWITCH("enable-dlq", enable_dlq, "false", "Whether failed messages go to a dead-letter destination."),
    TEXT("dlq-name", dlq_name, NULL, "Name of that destination. Absent: error.<destination>.<group>."),
    NUMBER("dlq-partitions", dlq_partitions, "1", 1, 4096, NULL,
        "Partitions of it; with several, a dead letter keeps the number of its original."),
    TEXT("consumer-name", consumer_name, NULL,
        "Name in the group, fixed over restarts and used by one process at a time. Absent: a new one each "
        "time."),
    MILLIS("cleanup-interval", cleanup_interval_ms, "300000", 1000, DAY_MS,
        "Time between two looks for consumers that are gone."),
    MILLIS("cleanup-idle", cleanup_idle_ms, "600000", 1000, 31 * DAY_MS,
        "Idle time after which a consumer with nothing pending is removed from the group."),
    SWITCH("orderly", orderly, "false",
        "Whether each stream has one owner at a time, by a lease, so that its messages come in order."),
    MILLIS("lease", lease_ms, "15000", 500, 600000,
        "With orderly: how long a stream stays owned without renewal."),
    SWITCH("receive-headers", receive_headers, "false",
        "Whether a received message has redis_stream, redis_messageId, redis_group, redis_consumer, "
        "redis_deliveryCount and redis_receivedTimestamp as headers. They are never sent."),
    {.name = NULL}};
#undef OWNER

#define OWNER struct rv__redis_producer_settings
const struct rv_prop_desc rv__redis_producer_rows[] = {
    SWITCH("sync", sync, "true",
        "Whether a send waits for the server's answer. false: it returns when queued, failures are logged."),
    NUMBER("max-in-flight", max_in_flight, "16384", 1, 10000000, NULL,
        "Messages accepted and not answered yet."),
    BYTES("max-in-flight-bytes", max_in_flight_bytes, "64MB", 1024, 17179869184.0, "Their bytes."),
    NUMBER("max-length", max_length, "0", 0, 1e15, NULL,
        "Entries that a stream keeps, about; 0: all. What a group has not settled stays, with "
        "trimming=safe."),
    MILLIS("retention", retention_ms, "0", 0, 3650 * DAY_MS,
        "Age up to which a stream keeps entries, about; 0: any. What a group has not settled stays."),
    CHOICE("trimming", trimming, trimming_words, "safe",
        "How max-length is kept: by a look at the groups now and then, or with each message (MAXLEN ~), "
        "which may "
        "take unread messages away."),
    MILLIS("trim-interval", trim_interval_ms, "5000", 50, DAY_MS, "Time between two such looks."),
    NUMBER("wait-replicas", wait_replicas, "0", 0, 100, NULL,
        "Replicas that must have a message before it counts as sent (WAIT); 0: none is waited for."),
    MILLIS("wait-timeout", wait_timeout_ms, "1000", 1, 600000, "Longest wait for them."),
    CHOICE("message-format", format, format_words, "native",
        "Fields of an entry, for consumers that are none of ours: as Dapr, Watermill, FastStream or Spring "
        "Data Redis "
        "(_raw) have them, or the members of a JSON payload and the headers as fields each. What is received "
        "is "
        "recognised by itself."),
    {.name = NULL}};
#undef OWNER
