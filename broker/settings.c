/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/numbers.h"
#include "remoting/codes.h"
#include "remoting/record.h"

#define AT(member) .offset = offsetof(struct rv__broker_settings, member)
#define DELAY_LEVELS "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h"

static const char *const roles[] = {"all", "namesrv", "broker", NULL};
static const char *const flushes[] = {"SYNC_FLUSH", "ASYNC_FLUSH", NULL};

/* Known, and nothing here to tune: one thread serves, the store writes by itself. */
#define IGNORED_NUMBER(key, why) \
	{ \
		.name = (key), .type = RV_PROP_INT, .doc = "RocketMQ's; has no effect here.", \
		.flags = RV_PROP_NO_EFFECT, .instead = (why), AT(ignored_number) \
	}
#define IGNORED_FLAG(key, why) \
	{ \
		.name = (key), .type = RV_PROP_BOOL, .doc = "RocketMQ's; has no effect here.", \
		.flags = RV_PROP_NO_EFFECT, .instead = (why), AT(ignored_flag) \
	}
#define IGNORED_TEXT(key, why) \
	{ \
		.name = (key), .type = RV_PROP_STRING, .doc = "RocketMQ's; has no effect here.", \
		.flags = RV_PROP_NO_EFFECT, .instead = (why), AT(ignored_text) \
	}
/* Known, not there yet, and it would change delivery or safety. */
#define REFUSED_FLAG(key, text) \
	{ \
		.name = (key), .type = RV_PROP_BOOL, .def = "false", .doc = (text), \
		.flags = RV_PROP_REFUSED, AT(ignored_flag) \
	}

static const struct rv_prop_desc rows[] = {{.name = "embedded",
                                               .type = RV_PROP_BOOL,
                                               .def = "false",
                                               .doc = "Starts the broker inside this service.",
                                               AT(embedded)},
    {.name = "role",
        .type = RV_PROP_ENUM,
        .def = "all",
        .choices = roles,
        .doc = "What runs in this process: name server and broker, or one of them.",
        AT(role)},
    {.name = "broker-name",
        .type = RV_PROP_STRING,
        .def = "broker-a",
        .doc = "Name of the broker in routes.",
        AT(broker_name)},
    {.name = "broker-cluster-name",
        .type = RV_PROP_STRING,
        .def = "DefaultCluster",
        .doc = "Name of the cluster in routes.",
        AT(cluster)},
    {.name = "broker-id",
        .type = RV_PROP_INT,
        .def = "0",
        .doc = "Always 0: this broker is its own master and has no slaves.",
        .flags = RV_PROP_REFUSED,
        AT(broker_id)},
    {.name = "broker-ip1",
        .type = RV_PROP_STRING,
        .def = "127.0.0.1",
        .doc = "Address that clients are told to connect to.",
        AT(broker_ip)},
    {.name = "listen-address",
        .type = RV_PROP_STRING,
        .doc = "Address that the sockets bind to; default: broker-ip1.",
        AT(listen_address)},
    {.name = "listen-port",
        .type = RV_PROP_INT,
        .def = "10911",
        .max = 65535,
        .doc = "Port of the broker, two below it the one of RocketMQ's VIP channel; 0: chosen by the system.",
        AT(listen_port)},
    {.name = "name-server-port",
        .type = RV_PROP_INT,
        .def = "9876",
        .max = 65535,
        .doc = "Port of the name server; 0: chosen by the system.",
        AT(name_server_port)},
    {.name = "namesrv-addr",
        .type = RV_PROP_STRING,
        .doc = "Name servers to register at, host:port;host:port, in role broker.",
        AT(name_servers)},
    {.name = "store-path-root-dir",
        .type = RV_PROP_STRING,
        .doc = "Directory of the store; default: $XDG_STATE_HOME/rivulet, /var/lib/rivulet for root.",
        AT(store)},
    {.name = "ports-file",
        .type = RV_PROP_STRING,
        .doc = "File that receives the ports in use, as name=value lines, once they are known.",
        AT(ports_file)},
    {.name = "insecure-remote",
        .type = RV_PROP_BOOL,
        .def = "false",
        .doc = "Allows addresses other than loopback although nobody is asked who he is.",
        AT(insecure_remote)},
    {.name = "flush-disk-type",
        .type = RV_PROP_ENUM,
        .def = "SYNC_FLUSH",
        .choices = flushes,
        .doc = "SYNC_FLUSH: acknowledged messages survive power loss; ASYNC_FLUSH: the death of the process.",
        AT(flush)},
    {.name = "mapped-file-size-commit-log",
        .type = RV_PROP_SIZE,
        .def = "1073741824",
        .min = 65536,
        .max = 1099511627776.0,
        .unit = "bytes",
        .doc = "Size at which a new file of the log begins.",
        AT(segment_bytes)},
    {.name = "maped-file-size-commit-log",
        .type = RV_PROP_SIZE,
        .doc = "RocketMQ's old spelling.",
        .flags = RV_PROP_NO_EFFECT,
        .instead = "use mappedFileSizeCommitLog",
        AT(ignored_number)},
    {.name = "file-reserved-time",
        .type = RV_PROP_INT,
        .def = "72",
        .min = -1,
        .max = 876000,
        .unit = "hours",
        .doc = "Age at which a whole file of the log goes; -1: never.",
        AT(reserved_hours)},
    {.name = "retention-bytes",
        .type = RV_PROP_SIZE,
        .def = "0",
        .unit = "bytes",
        .doc = "Size of the log above which its oldest file goes; 0: any.",
        AT(retention_bytes)},
    {.name = "delete-when",
        .type = RV_PROP_INT,
        .def = "4",
        .max = 23,
        .doc = "RocketMQ's hour of deletion; files go here when their time has come.",
        .flags = RV_PROP_NO_EFFECT,
        .instead = "old files go at any hour",
        AT(delete_when)},
    {.name = "disk-max-used-space-ratio",
        .type = RV_PROP_INT,
        .def = "75",
        .min = 10,
        .max = 95,
        .unit = "percent",
        .doc = "Use of the disk from which on the broker warns; 10 above it old files go early.",
        AT(disk_ratio)},
    {.name = "max-message-size",
        .type = RV_PROP_SIZE,
        .def = "4194304",
        .min = 1,
        .max = 16000000,
        .unit = "bytes",
        .doc = "Largest body of a message.",
        AT(max_message)},
    {.name = "auto-create-topic-enable",
        .type = RV_PROP_BOOL,
        .def = "true",
        .doc = "Makes a topic on the first message that is sent to it.",
        AT(auto_create_topic)},
    {.name = "auto-create-subscription-group",
        .type = RV_PROP_BOOL,
        .def = "true",
        .doc = "Makes a consumer group when its first member appears.",
        AT(auto_create_group)},
    {.name = "default-topic-queue-nums",
        .type = RV_PROP_INT,
        .def = "8",
        .min = 1,
        .max = 1024,
        .doc = "Queues of the template topic: the most that an automatically made topic gets.",
        AT(default_queues)},
    {.name = "broker-permission",
        .type = RV_PROP_INT,
        .def = "6",
        .max = 7,
        .doc = "4 read, 2 write; the sum is what clients may do.",
        AT(permission)},
    {.name = "message-delay-level",
        .type = RV_PROP_STRING,
        .def = DELAY_LEVELS,
        .doc = "Delay levels, from 1, with s, m, h or d.",
        AT(delay_levels)},
    {.name = "long-polling-enable",
        .type = RV_PROP_BOOL,
        .def = "true",
        .doc = "Holds a pull that finds nothing until there is a message.",
        AT(long_polling)},
    {.name = "short-polling-time-mills",
        .type = RV_PROP_DURATION,
        .def = "1000",
        .min = 1,
        .max = 60000,
        .unit = "ms",
        .doc = "How long such a pull is held without long polling.",
        AT(short_polling_ms)},
    {.name = "register-name-server-period",
        .type = RV_PROP_DURATION,
        .def = "30000",
        .min = 1000,
        .max = 60000,
        .unit = "ms",
        .doc = "Period of the registration at name servers.",
        AT(register_period_ms)},
    {.name = "rebalance-lock-max-live-time",
        .type = RV_PROP_DURATION,
        .def = "60000",
        .min = 1000,
        .max = 3600000,
        .unit = "ms",
        .doc = "A queue lock that is not renewed for so long is free.",
        AT(lock_live_ms)},
    {.name = "flush-consumer-offset-interval",
        .type = RV_PROP_DURATION,
        .def = "5000",
        .min = 100,
        .max = 60000,
        .unit = "ms",
        .doc = "Consumer offsets on disk lag by at most this.",
        AT(offsets_period_ms)},
    {.name = "reject-transaction-message",
        .type = RV_PROP_BOOL,
        .def = "false",
        .doc = "Refuses half messages.",
        AT(reject_transactions)},
    {.name = "transaction-time-out",
        .type = RV_PROP_DURATION,
        .def = "6000",
        .min = 1,
        .max = 86400000,
        .unit = "ms",
        .doc = "Age from which on the producer of a half message is asked about it.",
        AT(transaction_timeout_ms)},
    {.name = "transaction-check-max",
        .type = RV_PROP_INT,
        .def = "15",
        .min = 1,
        .max = 1000,
        .doc = "Questions about one half message before it is given up.",
        AT(transaction_check_max)},
    {.name = "transaction-check-interval",
        .type = RV_PROP_DURATION,
        .def = "60000",
        .min = 100,
        .max = 86400000,
        .unit = "ms",
        .doc = "Time between two such questions.",
        AT(transaction_check_ms)},
    {.name = "trace-topic-enable",
        .type = RV_PROP_BOOL,
        .def = "false",
        .doc = "Makes the topic for message traces at start.",
        AT(trace_topic)},
    {.name = "msg-trace-topic-name",
        .type = RV_PROP_STRING,
        .def = "RMQ_SYS_TRACE_TOPIC",
        .doc = "Name of that topic.",
        AT(trace_topic_name)},
    {.name = "region-id",
        .type = RV_PROP_STRING,
        .def = "DefaultRegion",
        .doc = "Region that answers to sends carry.",
        AT(region)},
    {.name = "max-connections",
        .type = RV_PROP_INT,
        .def = "4096",
        .min = 1,
        .max = 1000000,
        .doc = "Connections at once; further ones are closed.",
        AT(max_connections)},
    {.name = "connection-idle-time",
        .type = RV_PROP_DURATION,
        .def = "120000",
        .min = 100,
        .max = 86400000,
        .unit = "ms",
        .doc = "A connection without traffic for so long is closed; also one that does not finish a request.",
        AT(idle_ms)},
    {.name = "max-unread-output",
        .type = RV_PROP_SIZE,
        .def = "32MB",
        .min = 65536,
        .max = 1073741824,
        .unit = "bytes",
        .doc = "Answers that a client may leave unread; above, its connection is closed.",
        AT(max_output)},
    {.name = "max-partial-input",
        .type = RV_PROP_SIZE,
        .def = "256MB",
        .min = 65536,
        .max = 17179869184.0,
        .unit = "bytes",
        .doc = "Bytes of unfinished requests, all connections together; above, the oldest is closed.",
        AT(max_partial)},
    {.name = "max-topics",
        .type = RV_PROP_INT,
        .def = "20000",
        .min = 16,
        .max = 1000000,
        .doc = "Topics at most; further ones are not made.",
        AT(max_topics)},
    {.name = "max-groups",
        .type = RV_PROP_INT,
        .def = "20000",
        .min = 16,
        .max = 1000000,
        .doc = "Consumer groups at most; further ones are not made.",
        AT(max_groups)},
    REFUSED_FLAG("acl-enable", "Access control is not there yet."),
    REFUSED_FLAG("enable-property-filter", "SQL92 filters are not there yet."),
    REFUSED_FLAG("slave-read-enable", "There are no slaves."),
    REFUSED_FLAG("enable-d-leger-commit-log", "There is no replication."),
    {.name = "broker-role",
        .type = RV_PROP_STRING,
        .def = "ASYNC_MASTER",
        .doc = "Always ASYNC_MASTER: there is no replication.",
        .flags = RV_PROP_REFUSED,
        AT(ignored_text)},
    IGNORED_TEXT("broker-ip2", "there is no replication"),
    IGNORED_TEXT("store-path-commit-log", "the log is in storePathRootDir"),
    IGNORED_TEXT("store-path-consume-queue", "the index is in storePathRootDir"),
    IGNORED_TEXT("store-path-index", "the index is in storePathRootDir"),
    IGNORED_TEXT("store-checkpoint", "checkpoints are in storePathRootDir"),
    IGNORED_TEXT("abort-file", "recovery needs none"), IGNORED_TEXT("rocketmq-home", "there is none"),
    IGNORED_TEXT("kv-config-path", "it is kept in storePathRootDir"),
    IGNORED_TEXT("config-store-path", "nothing is changed over the network"),
    IGNORED_NUMBER("ha-listen-port", "there is no replication"),
    IGNORED_NUMBER("mapped-file-size-consume-queue", "the index chooses its sizes"),
    IGNORED_NUMBER("send-message-thread-pool-nums", "one thread serves all"),
    IGNORED_NUMBER("pull-message-thread-pool-nums", "one thread serves all"),
    IGNORED_NUMBER("query-message-thread-pool-nums", "one thread serves all"),
    IGNORED_NUMBER("admin-broker-thread-pool-nums", "one thread serves all"),
    IGNORED_NUMBER("client-manager-thread-pool-nums", "one thread serves all"),
    IGNORED_NUMBER("consumer-manager-thread-pool-nums", "one thread serves all"),
    IGNORED_NUMBER("heartbeat-thread-pool-nums", "one thread serves all"),
    IGNORED_NUMBER("wait-time-mills-in-send-queue", "requests do not wait in a queue"),
    IGNORED_NUMBER("flush-interval-commit-log", "the log is synced as soon as there is something to sync"),
    IGNORED_NUMBER("flush-commit-log-least-pages", "the log is synced as soon as there is something to sync"),
    IGNORED_NUMBER("os-page-cache-busy-time-out-mills", "requests do not wait in a queue"),
    IGNORED_NUMBER("max-transfer-count-on-message-in-memory", "pulls are limited by their own numbers"),
    IGNORED_FLAG("transient-store-pool-enable", "what is acknowledged is written"),
    IGNORED_FLAG("warm-mapped-file-enable", "files are not mapped"),
    IGNORED_FLAG("use-reentrant-lock-when-put-message", "one thread serves all"),
    IGNORED_FLAG("compressed-register", "registrations are not compressed"),
    IGNORED_FLAG("filter-support-retry", "there are no SQL92 filters"),
    IGNORED_FLAG("cluster-topic-enable", "the system topics are always there"),
    IGNORED_FLAG("broker-topic-enable", "the system topics are always there"), {.name = NULL}};

const struct rv_prop_table rv__broker_properties = {rows, sizeof(struct rv__broker_settings)};

void rv__broker_default_store(char *path, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (geteuid() == 0)
		snprintf(path, size, "/var/lib/rivulet");
	else if (state && *state == '/')
		snprintf(path, size, "%s/rivulet", state);
	else
		snprintf(path, size, "%s/.local/state/rivulet", home && *home ? home : ".");
}

/* -- checks beyond the rows ---------------------------------------------------------------------- */

static bool is_loopback(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static rv_err check_address(
    const struct rv__broker_settings *settings, const char *key, const char *address, struct rv_error *err)
{
	unsigned char ip[16];

	if (inet_pton(AF_INET, address, ip) != 1 && inet_pton(AF_INET6, address, ip) != 1)
		return rv_error_set(err, RV_E_CONFIG, RV__N_BROKER_ADDRESS, "broker",
		    "%s '%s' is not an IP address; write one of this machine, for example 127.0.0.1", key,
		    address);
	if (!is_loopback(address) && !settings->insecure_remote)
		return rv_error_set(err, RV_E_CONFIG, RV__N_BROKER_REMOTE, "broker",
		    "%s '%s' can be reached from other machines, and this broker does not ask anybody who he "
		    "is; "
		    "use 127.0.0.1, or set insecureRemote=true if the network is trusted",
		    key, address);
	return RV_OK;
}

static rv_err check_name(const char *key, const char *name, struct rv_error *err)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-|%");

	if (length == 0 || name[length] || length > RV__TOPIC_NAME_MAX)
		return rv_error_set(err, RV_E_CONFIG, RV__N_BROKER_NAME, "broker",
		    "%s '%s' is not a name of 1 to %d letters, digits, '_' and '-'", key, name,
		    RV__TOPIC_NAME_MAX);
	return RV_OK;
}

static int64_t unit_ms(char unit)
{
	switch (unit) {
	case 's':
		return 1000;
	case 'm':
		return 60000;
	case 'h':
		return 3600000;
	case 'd':
		return 86400000;
	default:
		return 0;
	}
}

rv_err rv__delay_levels_parse(const char *text, int64_t *levels_ms, size_t *ret_count, struct rv_error *err)
{
	size_t count = 0;

	while (*text) {
		char *end;
		unsigned long number;

		if (*text == ' ') {
			text++;
			continue;
		}
		number = strtoul(text, &end, 10);
		if (end == text || number > 100000 || !unit_ms(*end) || (end[1] && end[1] != ' ') ||
		    count == RV__DELAY_LEVELS_MAX)
			return rv_error_set(err, RV_E_CONFIG, RV__N_BROKER_DELAY_LEVELS, "broker",
			    "messageDelayLevel: '%.40s' is not a delay; write at most %d of them like '1s 5s "
			    "1m 2h'",
			    text, RV__DELAY_LEVELS_MAX);
		levels_ms[count++] = (int64_t)number * unit_ms(*end);
		text = end + 1;
	}
	*ret_count = count;
	return RV_OK;
}

rv_err rv__broker_settings_check(const struct rv__broker_settings *settings, struct rv_error *err)
{
	int64_t levels[RV__DELAY_LEVELS_MAX];
	size_t count;
	rv_err code;

	code = check_address(settings, "brokerIP1", settings->broker_ip, err);
	if (code == RV_OK && settings->listen_address)
		code = check_address(settings, "listenAddress", settings->listen_address, err);
	if (code == RV_OK)
		code = check_name("brokerName", settings->broker_name, err);
	if (code == RV_OK)
		code = check_name("brokerClusterName", settings->cluster, err);
	if (code == RV_OK)
		code = rv__delay_levels_parse(settings->delay_levels, levels, &count, err);
	if (code == RV_OK && settings->role == RV__ROLE_BROKER && !settings->name_servers)
		code = rv_error_set(err, RV_E_CONFIG, RV__N_BROKER_NAMESRV, "broker",
		    "role broker needs a name server to register at: give -n HOST:PORT, namesrvAddr or "
		    "NAMESRV_ADDR");
	return code;
}

/* -- defaults ------------------------------------------------------------------------------------- */

void rv__broker_settings_init(struct rv__broker_settings *settings)
{
	static const char *const none[] = {NULL};
	struct rv__problems problems = {NULL, 0, 0};

	memset(settings, 0, sizeof(*settings));
	rv__config_fill(NULL, &rv__broker_properties, none, settings, &problems);
	rv__problems_finish(&problems);
}
