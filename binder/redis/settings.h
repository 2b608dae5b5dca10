/* SPDX-License-Identifier: Apache-2.0 */
/* spring.cloud.stream.redis.binder.*, .bindings.<name>.consumer.* and .producer.*; the tables are in settings.c. */
#ifndef BINDER_REDIS_SETTINGS_H
#define BINDER_REDIS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <rivulet/error.h>
#include <rivulet/property.h>

enum rv__redis_mode { RV__REDIS_SINGLE, RV__REDIS_SENTINEL, RV__REDIS_CLUSTER };

/* spring.data.redis.*, Spring Boot's own keys: the lowest layer. Absent: NULL, no items, a negative number, no time. */
struct rv__redis_boot {
	const char *url, *host;
	int64_t port, database;
	const char *username, *password, *client_name;
	int64_t connect_timeout_ms, command_timeout_ms;
	bool tls;
	const char *sentinel_master, *sentinel_username, *sentinel_password;
	struct rv_strings sentinel_nodes, cluster_nodes;
	const char *unused;
};

struct rv__redis_binder_settings {
	int64_t mode; /* enum rv__redis_mode */
	struct rv_strings nodes;
	const char *host; /* NULL: the first of nodes */
	int64_t port;
	const char *username, *password;
	int64_t database;
	const char *client_name; /* NULL: <application>-<binder> */
	int64_t connect_timeout_ms, command_timeout_ms;
	const char *key_prefix;
	bool auto_create;
	bool check_server;
	/* Sentinel; sentinel.c */
	const char *sentinel_master;
	const char *sentinel_username, *sentinel_password;
	/* TLS; tls.c */
	bool tls;
	const char *tls_ca, *tls_certificate, *tls_key;
	bool tls_verify;
	struct rv__redis_boot boot;
};

enum { RV__REDIS_URL_MAX = 1024 };

/* The settings with Boot's keys beneath them, and what a URL was taken apart into. */
struct rv__redis_merged {
	struct rv__redis_binder_settings settings;
	char url[RV__REDIS_URL_MAX];
};

enum rv__redis_start { RV__REDIS_EARLIEST, RV__REDIS_LATEST };

struct rv__redis_consumer_settings {
	int64_t start; /* enum rv__redis_start */
	bool reset_offsets;
	int64_t batch_size;
	int64_t block_ms;
	int64_t claim_idle_ms, claim_interval_ms;
	int64_t max_deliveries;
	bool redeliver;
	int64_t redelivery_delay_ms;
	int64_t ack_interval_ms, ack_batch;
	bool enable_dlq;
	const char *dlq_name;
	int64_t dlq_partitions;
	const char *consumer_name; /* NULL: a new one of our own */
	int64_t cleanup_interval_ms, cleanup_idle_ms;
	bool orderly;
	int64_t lease_ms;
	bool receive_headers;
};

struct rv__redis_producer_settings {
	bool sync;
	int64_t max_in_flight, max_in_flight_bytes;
	int64_t max_length;
	int64_t retention_ms;
	int64_t trimming; /* enum rv__redis_trimming */
	int64_t trim_interval_ms;
	int64_t wait_replicas, wait_timeout_ms;
	int64_t format; /* enum rv__redis_format */
};

enum rv__redis_trimming { RV__REDIS_TRIM_SAFE, RV__REDIS_TRIM_EAGER };

extern const struct rv_prop_desc rv__redis_binder_rows[];
extern const struct rv_prop_desc rv__redis_boot_rows[];
extern const struct rv_prop_desc rv__redis_consumer_rows[];
extern const struct rv_prop_desc rv__redis_producer_rows[];

/**
 * Puts Boot's keys beneath the binder's own: of each, what the binder's section leaves at its default. Where the server
 * is (host, port, nodes, mode) is taken from one of them as a whole.
 *
 * @return RV_OK; RV_E_CONFIG for a URL that is none, or is too long
 */
rv_err rv__redis_settings_merge(const struct rv__redis_binder_settings *settings,
    struct rv__redis_merged *ret_merged, struct rv_error *err);

#endif
