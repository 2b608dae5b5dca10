/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Route data: which brokers serve a topic, and with how many queues (answer to GET_ROUTEINFO_BY_TOPIC).
 * Reads both dialects of broker ids; writes the one that a peer's version asks for.
 * Source: apache/rocketmq, common/…/protocol/route/TopicRouteData.java.
 */
#ifndef REMOTING_ROUTE_H
#define REMOTING_ROUTE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#include "base/buffer.h"

struct rv__route_address {
	int64_t id;          /* 0: master */
	const char *address; /* "host:port" */
};

struct rv__route_broker {
	const char *name;
	const char *cluster;
	struct rv__route_address *addresses;
	size_t address_count;
};

struct rv__route_queue {
	const char *broker;
	int32_t read_queues;
	int32_t write_queues;
	int32_t perm; /* RV__PERM_* */
	int32_t sysflag;
};

/* Zeroed is empty. When decoded, names point into `root` and the arrays are owned; an encoder may be
 * given one that is built from borrowed parts and not finished. */
struct rv__route {
	const char *order_conf; /* "broker-a:4;broker-b:4"; NULL: none */
	struct rv__route_broker *brokers;
	size_t broker_count;
	struct rv__route_queue *queues;
	size_t queue_count;
	json_t *root;
	struct rv__route_address *addresses; /* storage of all brokers' */
};

rv_err rv__route_decode(const void *body, size_t length, struct rv__route *ret_route, struct rv_error *err);
void rv__route_finish(struct rv__route *route);

/** @param quoted  true for peers of version >= RV__MQ_VERSION_STANDARD_JSON or acceptStandardJsonOnly */
void rv__route_encode(struct rv__buffer *out, const struct rv__route *route, bool quoted);

/** Address of a broker by name and id (0: master); NULL when the route has none. */
const char *rv__route_find_address(const struct rv__route *route, const char *broker, int64_t id);

/** {"brokerAddrs":{"0":"…"},"brokerName":"…","cluster":"…"} */
void rv__route_broker_encode(struct rv__buffer *out, const struct rv__route_broker *broker, bool quoted);

#endif
