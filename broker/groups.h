/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumer groups: their settings (subscriptionGroup.json in RocketMQ's form), live members and what
 * they subscribe to; and the groups of producers. Members live with their connection and heartbeat.
 */
#ifndef BROKER_GROUPS_H
#define BROKER_GROUPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#include "base/buffer.h"
#include "broker/answer.h"
#include "remoting/codes.h"
#include "remoting/tags.h"

struct rv__broker;

struct rv__member {
	struct rv__connection *connection; /* borrowed: the member goes with it */
	char *client_id;
	uint8_t language;
	int32_t version;
	int64_t last_ms; /* uv_now() of the last heartbeat */
};

struct rv__members {
	struct rv__member *items;
	size_t count;
};

/* What the group's members subscribe to on one topic. */
struct rv__interest {
	char *topic;
	char *expression;
	char *type;
	int64_t version; /* the largest subVersion seen */
	struct rv__tags tags;
	bool seen; /* in the heartbeat at hand */
};

struct rv__group {
	char name[RV__GROUP_NAME_MAX + 1];
	/* Settings. */
	bool consume_enabled;
	bool consume_from_min;
	bool broadcast_enabled;
	bool notify_changes;
	int32_t retry_queues;
	int32_t retry_max;
	int64_t broker_id;
	int64_t slow_broker_id;
	/* While it has members. */
	struct rv__members members;
	bool broadcasting;
	char consume_type[32];
	char message_model[32];
	char consume_from_where[64];
	struct rv__interest *interests;
	size_t interest_count;
	bool told_conflict; /* members that subscribe to different things were reported */
	uint64_t got;       /* messages since start */
};

rv_err rv__groups_open(struct rv__broker *broker, struct rv_error *err);
void rv__groups_close(struct rv__broker *broker);

struct rv__group *rv__group_find(const struct rv__broker *broker, const char *name);
/** The group, made if that is allowed; NULL otherwise. */
struct rv__group *rv__group_ensure(struct rv__broker *broker, const char *name);
/** The group, made if it is not there, without asking and without saving; NULL: illegal name, or too many. */
struct rv__group *rv__group_create(struct rv__broker *broker, const char *name);
struct rv__group *rv__groups_next(const struct rv__broker *broker, size_t *cursor);
const struct rv__interest *rv__group_interest(const struct rv__group *group, const char *topic);
/** A member by client id; NULL when it is not there. */
const struct rv__member *rv__members_find(const struct rv__members *members, const char *client_id);
/** The producers of a group; NULL when there are none. */
const struct rv__members *rv__producers_find(const struct rv__broker *broker, const char *group);
/** Walks the groups of producers. */
bool rv__producers_next(const struct rv__broker *broker, size_t *cursor, const char **ret_group,
    const struct rv__members **ret_members);
/** A producer's connection by client id, in any group; NULL. */
struct rv__connection *rv__producer_connection(const struct rv__broker *broker, const char *client_id);

/** Settings from a JSON object, over those that stand. */
void rv__group_take_settings(struct rv__group *group, const json_t *config);
/** End of a turn: saves the groups that were made in it. */
void rv__groups_save(struct rv__broker *broker);
/** A group's settings were changed: saves, and calls `saved` (may be NULL) when they are on disk. */
rv_err rv__groups_changed(struct rv__broker *broker,
    void (*saved)(void *arg, rv_err, const struct rv_error *), void *arg, struct rv_error *err);
/** Forgets the group's settings; live members stay until they leave. */
void rv__group_delete(struct rv__broker *broker, const char *name);

/** A connection is gone: its members leave, and the others are told. */
void rv__groups_connection_closed(struct rv__broker *broker, struct rv__connection *connection);
/** Every few seconds: members without heartbeat for 120 s leave. */
void rv__groups_expire(struct rv__broker *broker);

void rv__group_encode(struct rv__buffer *out, const struct rv__group *group);
void rv__groups_encode(const struct rv__broker *broker, struct rv__buffer *out);

/* Handlers. */
void rv__groups_heartbeat(struct rv__request *request);
void rv__groups_unregister(struct rv__request *request);
void rv__groups_members(struct rv__request *request);
void rv__groups_check_config(struct rv__request *request);

#endif
