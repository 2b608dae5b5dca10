/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The properties of this binder, with the names of the Spring Cloud Stream Kafka binder, and Spring Boot's
 * spring.kafka.* beneath them. What they come to for a client of librdkafka is in config.h.
 */
#ifndef BINDER_KAFKA_SETTINGS_H
#define BINDER_KAFKA_SETTINGS_H

#include <stdbool.h>

#include <rivulet/property.h>

/* What a topic is made with. */
struct rv__kafka_topic_settings {
	struct rv_pairs properties;
	struct rv_pairs replicas_assignment; /* partition number, list of broker ids */
	int64_t replication_factor;          /* 0: the binder's */
};

/* Words of a yes-or-no key for which "not set" is an answer of its own. */
enum rv__kafka_switch { RV__KAFKA_UNSET, RV__KAFKA_TRUE, RV__KAFKA_FALSE };

struct rv__kafka_producer_settings {
	const char *unused; /* where keys without effect put their value; keeps offset 0 free */
	int64_t unused_number;
	bool unused_switch;
	int64_t buffer_size;      /* bytes; 0: not set */
	int64_t batch_timeout_ms; /* -1: not set */
	int64_t compression;      /* index of rv__kafka_compressions; 0: not set */
	int64_t compression_old;  /* likewise, of the name that the manual uses */
	int64_t sync;             /* enum rv__kafka_switch */
	const char *send_timeout_expression;
	const char *message_key_expression;
	struct rv_strings header_patterns;
	bool use_topic_header;
	const char *record_metadata_channel;
	struct rv_pairs configuration; /* names of the Java client */
	struct rv__kafka_topic_settings topic;
	bool allow_non_transactional; /* an output: outside of deliveries it needs no lane */
	int64_t close_timeout_ms;     /* 0: the caller's */
};

enum rv__kafka_ack_mode {
	RV__KAFKA_ACK_DEFAULT, /* not set: BATCH */
	RV__KAFKA_ACK_RECORD,
	RV__KAFKA_ACK_BATCH,
	RV__KAFKA_ACK_TIME,
	RV__KAFKA_ACK_COUNT,
	RV__KAFKA_ACK_COUNT_TIME,
	RV__KAFKA_ACK_MANUAL,
	RV__KAFKA_ACK_MANUAL_IMMEDIATE
};

/* Bits: which headers that Spring's MessageHeaders have are added to a received message. */
enum rv__kafka_standard { RV__KAFKA_NO_STANDARD = 0, RV__KAFKA_WITH_ID = 1, RV__KAFKA_WITH_TIMESTAMP = 2 };

enum rv__kafka_start { RV__KAFKA_START_DEFAULT, RV__KAFKA_START_EARLIEST, RV__KAFKA_START_LATEST };

struct rv__kafka_consumer_settings {
	const char *unused;
	int64_t unused_number;
	bool unused_switch;
	bool auto_rebalance;
	int64_t ack_mode;    /* enum rv__kafka_ack_mode */
	int64_t ack_each;    /* enum rv__kafka_switch; old name of ack-mode=RECORD */
	int64_t auto_commit; /* enum rv__kafka_switch; old: false is ack-mode=MANUAL */
	int64_t start_offset;
	bool reset_offsets;
	bool enable_dlq;
	const char *dlq_name;
	int64_t dlq_partitions; /* -1: not set */
	struct rv__kafka_producer_settings dlq_producer;
	struct rv_strings trusted_packages;
	int64_t standard_headers; /* enum rv__kafka_standard */
	int64_t idle_event_interval_ms;
	bool destination_is_pattern;
	bool tx_commit_recovered;
	struct rv_pairs configuration;
	struct rv__kafka_topic_settings topic;
	const char *attempts_directory; /* of the journal; NULL: none */
	int64_t max_deliveries;
	int64_t revoke_timeout_ms;
};

/* spring.kafka.*, Spring Boot's own keys: the lowest layer. */
struct rv__kafka_boot {
	struct rv_strings bootstrap_servers;
	const char *client_id;
	struct rv_pairs properties, ssl, consumer, producer, jaas, admin;
	const char *security_protocol;
	int64_t listener_ack_mode;    /* enum rv__kafka_ack_mode */
	int64_t listener_ack_count;   /* 0: not set */
	int64_t listener_ack_time_ms; /* 0: not set */
};

struct rv__kafka_binder_settings {
	const char *unused;
	int64_t unused_number;
	bool unused_switch;
	struct rv_strings brokers;
	const char *default_broker_port;
	struct rv_pairs configuration, consumer_properties, producer_properties;
	struct rv_strings headers;
	bool auto_create_topics, auto_alter_topics, auto_add_partitions;
	int64_t min_partition_count;
	int64_t replication_factor;
	const char *required_acks;
	bool down_without_leader;
	const char *transaction_id_prefix;
	struct rv__kafka_producer_settings transaction_producer;
	const char *jaas_login_module;
	const char *jaas_control_flag;
	struct rv_pairs jaas_options;
	struct rv__kafka_boot boot;
};

/* "default", "none", "gzip", "snappy", "lz4", "zstd"; index 0 means not set. */
extern const char *const rv__kafka_compressions[];

extern const struct rv_prop_desc rv__kafka_binder_rows[];
extern const struct rv_prop_desc rv__kafka_consumer_rows[];
extern const struct rv_prop_desc rv__kafka_producer_rows[];
extern const struct rv_prop_desc rv__kafka_boot_rows[];

/** How positions are stored, from the three names that this setting has had. */
enum rv__kafka_ack_mode rv__kafka_ack_mode(const struct rv__kafka_consumer_settings *settings);

#endif
