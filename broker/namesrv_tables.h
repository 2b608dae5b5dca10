/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that the name server's two halves share. Nobody else includes this. */
#ifndef BROKER_NAMESRV_TABLES_H
#define BROKER_NAMESRV_TABLES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#include "base/buffer.h"
#include "base/map.h"

#define RV__NS_DOCUMENT "kvConfig"

struct rv__ns_version {
	int64_t timestamp;
	int64_t counter;
	int64_t state;
};

struct rv__ns_address {
	int64_t id;
	char *address;
	bool local;             /* the broker of this process: never expires */
	const void *connection; /* that it registered on; compared only */
	int64_t last_ms;        /* of the last registration; 0: none yet */
	struct rv__ns_version version;
};

struct rv__ns_broker {
	char *name;
	char *cluster;
	struct rv__ns_address *addresses;
	size_t address_count;
};

struct rv__ns_queue {
	struct rv__ns_broker *broker;
	int32_t read_queues;
	int32_t write_queues;
	int32_t perm;
	int32_t sysflag;
};

struct rv__ns_topic {
	char *name;
	struct rv__ns_queue *queues; /* by name of the broker */
	size_t queue_count;
};

struct rv__namesrv {
	struct rv__map brokers; /* struct rv__ns_broker by name */
	struct rv__map topics;  /* struct rv__ns_topic by name */
	json_t *kv;             /* {"namespace":{"key":"value"}} */
};

/** {"table":{…}} of one namespace. */
void rv__ns_encode_table(struct rv__buffer *out, const json_t *table);

/** The compressed form of a registration's body, turned into what the other form parses to; owned. */
json_t *rv__ns_inflate_registration(const void *bytes, size_t length, struct rv_error *err);

#endif
