/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be configured: RocketMQ's broker.conf keys and our own, one row each. `rivulet broker`
 * reads them from a file of bare names, an embedded broker below `rivulet.broker.`.
 */
#ifndef BROKER_SETTINGS_H
#define BROKER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>
#include <rivulet/property.h>

enum rv__broker_role { RV__ROLE_ALL, RV__ROLE_NAMESRV, RV__ROLE_BROKER };
enum rv__flush { RV__FLUSH_SYNC, RV__FLUSH_ASYNC };

enum { RV__DELAY_LEVELS_MAX = 64 };

/* Strings are borrowed from the configuration; rv__broker_open() copies what it keeps. */
struct rv__broker_settings {
	bool embedded; /* module only */
	int64_t role;  /* enum rv__broker_role */
	const char *broker_name;
	const char *cluster;
	int64_t broker_id;
	const char *broker_ip;      /* what clients are told to connect to, and storeHost */
	const char *listen_address; /* what the sockets bind to */
	int64_t listen_port;        /* 0: chosen by the system */
	int64_t name_server_port;
	const char *name_servers; /* "host:port;host:port": where to register; NULL in role all */
	const char *store;        /* directory; NULL: the default */
	const char *ports_file;   /* written once the ports are known; NULL: none */
	bool insecure_remote;     /* the words that allow other than loopback */
	int64_t flush;            /* enum rv__flush */
	int64_t segment_bytes;
	int64_t reserved_hours;
	int64_t retention_bytes;
	int64_t delete_when; /* accepted; files go when they are old, at any hour */
	int64_t disk_ratio;  /* percent */
	int64_t max_message;
	bool auto_create_topic;
	bool auto_create_group;
	int64_t default_queues;
	int64_t permission; /* of the broker: RV__PERM_READ | RV__PERM_WRITE */
	const char *delay_levels;
	bool long_polling;
	int64_t short_polling_ms;
	int64_t register_period_ms;
	int64_t lock_live_ms;
	int64_t offsets_period_ms;
	bool reject_transactions;
	int64_t transaction_timeout_ms;
	int64_t transaction_check_max;
	int64_t transaction_check_ms;
	bool trace_topic;
	const char *trace_topic_name;
	const char *region;
	int64_t max_connections;
	int64_t idle_ms;
	int64_t max_output;  /* bytes that one connection may have unread */
	int64_t max_partial; /* bytes of unfinished requests, all connections together */
	int64_t max_topics;
	int64_t max_groups;
	const char *ignored_text; /* where rows without effect put their value */
	int64_t ignored_number;
	bool ignored_flag;
};

extern const struct rv_prop_table rv__broker_properties;

/** Fills settings from the rows' defaults alone: what a test or an embedder starts from. */
void rv__broker_settings_init(struct rv__broker_settings *settings);

/** `$XDG_STATE_HOME/rivulet`, `~/.local/state/rivulet`, or /var/lib/rivulet for root. */
void rv__broker_default_store(char *path, size_t size);

/** What rows cannot say: loopback or told in words, names that can stand in a topic, delay levels. RV_E_CONFIG. */
rv_err rv__broker_settings_check(const struct rv__broker_settings *settings, struct rv_error *err);

/** Parses "1s 5s 10s 30s 1m 2h 1d"; RV_E_CONFIG. */
rv_err rv__delay_levels_parse(const char *text, int64_t *levels_ms, size_t *ret_count, struct rv_error *err);

#endif
