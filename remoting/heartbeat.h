/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of HEART_BEAT (34): who a client is, and what its consumer groups subscribe to.
 * Source: apache/rocketmq, common/…/protocol/heartbeat/{HeartbeatData,ConsumerData,SubscriptionData}.java.
 */
#ifndef REMOTING_HEARTBEAT_H
#define REMOTING_HEARTBEAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#include "base/buffer.h"

struct rv__subscription {
	const char *topic;
	const char *expression; /* subString: "*" or "A || B"; NULL reads as "*" */
	const char *type;       /* "TAG" or "SQL92"; NULL reads as "TAG" */
	int64_t version;        /* subVersion: ms at which it changed */
	bool class_filter;
};

struct rv__heartbeat_consumer {
	const char *group;
	const char *consume_type;       /* "CONSUME_PASSIVELY" (push), "CONSUME_ACTIVELY" (pull) */
	const char *message_model;      /* "CLUSTERING", "BROADCASTING" */
	const char *consume_from_where; /* "CONSUME_FROM_LAST_OFFSET" … */
	bool unit_mode;
	struct rv__subscription *subscriptions;
	size_t subscription_count;
};

/* Zeroed is empty. Decoded: names point into `root`, arrays are owned. To encode: build one from borrowed
 * parts. */
struct rv__heartbeat {
	const char *client_id;
	struct rv__heartbeat_consumer *consumers;
	size_t consumer_count;
	const char **producers; /* group names */
	size_t producer_count;
	json_t *root;
	struct rv__subscription *subscriptions; /* storage of all consumers' */
};

/** As Java writes it: keys in alphabetical order, tagsSet and codeSet from the expression of TAG
 * subscriptions. */
void rv__heartbeat_encode(struct rv__buffer *out, const struct rv__heartbeat *heartbeat);
/** One SubscriptionData object. */
void rv__subscription_encode(struct rv__buffer *out, const struct rv__subscription *subscription);

/** @return RV_OK; RV_E_PROTOCOL: not JSON, no clientID, a group or topic without name; RV_E_NOMEM */
rv_err rv__heartbeat_decode(
    const void *body, size_t length, struct rv__heartbeat *ret_heartbeat, struct rv_error *err);
void rv__heartbeat_finish(struct rv__heartbeat *heartbeat);

/** The answer to GET_CONSUMER_LIST_BY_GROUP: {"consumerIdList":["cid",…]}. */
void rv__consumer_list_encode(struct rv__buffer *out, const char *const *ids, size_t count);

/* Decoded; zeroed is empty. */
struct rv__consumer_list {
	const char **ids;
	size_t count;
	json_t *root;
};
rv_err rv__consumer_list_decode(
    const void *body, size_t length, struct rv__consumer_list *ret_list, struct rv_error *err);
void rv__consumer_list_finish(struct rv__consumer_list *list);

#endif
