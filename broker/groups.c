/* SPDX-License-Identifier: Apache-2.0 */
/* Settings and members of groups; what arrives from clients is in heartbeat.c. */
#include "broker/groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "broker/document.h"
#include "broker/groups_tables.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"

#define DOCUMENT "subscriptionGroup"

/* -- members ------------------------------------------------------------------------------------------ */

struct rv__member *rv__members_of_connection(
    struct rv__members *members, const struct rv__connection *connection)
{
	for (size_t i = 0; i < members->count; i++)
		if (members->items[i].connection == connection)
			return &members->items[i];
	return NULL;
}

const struct rv__member *rv__members_find(const struct rv__members *members, const char *client_id)
{
	for (size_t i = 0; i < members->count; i++)
		if (strcmp(members->items[i].client_id, client_id) == 0)
			return &members->items[i];
	return NULL;
}

struct rv__member *rv__members_add(
    struct rv__members *members, struct rv__connection *connection, const char *client_id)
{
	struct rv__member *items = realloc(members->items, (members->count + 1) * sizeof(*items));
	char *copy = strdup(client_id);

	if (items)
		members->items = items;
	if (!items || !copy) {
		free(copy);
		return NULL;
	}
	items[members->count] = (struct rv__member){.connection = connection, .client_id = copy};
	return &items[members->count++];
}

void rv__members_remove(struct rv__members *members, struct rv__member *member)
{
	size_t at = (size_t)(member - members->items);

	free(member->client_id);
	memmove(member, member + 1, (members->count - at - 1) * sizeof(*member));
	members->count--;
}

static void finish_members(struct rv__members *members)
{
	while (members->count)
		rv__members_remove(members, &members->items[0]);
	free(members->items);
	members->items = NULL;
}

/* -- groups ------------------------------------------------------------------------------------------- */

struct rv__group *rv__group_find(const struct rv__broker *broker, const char *name)
{
	return rv__map_get(&broker->groups->by_name, name);
}

struct rv__group *rv__groups_next(const struct rv__broker *broker, size_t *cursor)
{
	void *value;

	return rv__map_next(&broker->groups->by_name, cursor, NULL, &value) ? value : NULL;
}

static struct rv__group *add_group(struct rv__groups *groups, const char *name)
{
	struct rv__group *group = calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	snprintf(group->name, sizeof(group->name), "%s", name);
	group->consume_enabled = group->consume_from_min = group->broadcast_enabled = group->notify_changes =
	    true;
	group->retry_queues = 1;
	group->retry_max = 16;
	group->slow_broker_id = 1;
	if (rv__map_put(&groups->by_name, group->name, group, NULL) == RV_OK)
		return group;
	free(group);
	return NULL;
}

struct rv__group *rv__group_ensure(struct rv__broker *broker, const char *name)
{
	struct rv__group *group = rv__group_find(broker, name);

	if (group)
		return group;
	if (!broker->settings.auto_create_group && strncmp(name, "CID_RMQ_SYS_", 12) != 0)
		return NULL;
	group = rv__group_create(broker, name);
	/* With the others of this turn: one heartbeat may name thousands. */
	broker->groups->unsaved = broker->groups->unsaved || group;
	return group;
}

void rv__groups_save(struct rv__broker *broker)
{
	if (broker->groups && broker->groups->unsaved)
		(void)rv__groups_changed(broker, NULL, NULL, NULL);
}

struct rv__group *rv__group_create(struct rv__broker *broker, const char *name)
{
	struct rv__group *group = rv__group_find(broker, name);

	if (group)
		return group;
	if (!rv__name_legal(name, RV__GROUP_NAME_MAX) ||
	    (int64_t)broker->groups->by_name.count >= broker->settings.max_groups)
		return NULL;
	return add_group(broker->groups, name);
}

static void finish_interests(struct rv__group *group)
{
	for (size_t i = 0; i < group->interest_count; i++)
		rv__interest_finish(&group->interests[i]);
	free(group->interests);
	group->interests = NULL;
	group->interest_count = 0;
}

void rv__interest_finish(struct rv__interest *interest)
{
	free(interest->topic);
	free(interest->expression);
	free(interest->type);
	rv__tags_finish(&interest->tags);
}

static void free_group(struct rv__group *group)
{
	finish_members(&group->members);
	finish_interests(group);
	free(group);
}

const struct rv__interest *rv__group_interest(const struct rv__group *group, const char *topic)
{
	for (size_t i = 0; i < group->interest_count; i++)
		if (strcmp(group->interests[i].topic, topic) == 0)
			return &group->interests[i];
	return NULL;
}

void rv__group_delete(struct rv__broker *broker, const char *name)
{
	struct rv__group *group = rv__map_remove(&broker->groups->by_name, name);

	if (group)
		free_group(group);
}

/* -- producers ------------------------------------------------------------------------------------------ */

const struct rv__members *rv__producers_find(const struct rv__broker *broker, const char *group)
{
	return rv__map_get(&broker->groups->producers, group);
}

bool rv__producers_next(const struct rv__broker *broker, size_t *cursor, const char **ret_group,
    const struct rv__members **ret_members)
{
	void *value;

	if (!rv__map_next(&broker->groups->producers, cursor, ret_group, &value))
		return false;
	*ret_members = value;
	return true;
}

struct rv__connection *rv__producer_connection(const struct rv__broker *broker, const char *client_id)
{
	const struct rv__members *members;
	const struct rv__member *member;
	size_t cursor = 0;

	while (rv__producers_next(broker, &cursor, NULL, &members)) {
		member = rv__members_find(members, client_id);
		if (member)
			return member->connection;
	}
	return NULL;
}

/* -- the document --------------------------------------------------------------------------------------- */

static const char *word(bool value)
{
	return value ? "true" : "false";
}

void rv__group_encode(struct rv__buffer *out, const struct rv__group *group)
{
	rv__buffer_printf(out,
	    "{\"brokerId\":%lld,\"consumeBroadcastEnable\":%s,\"consumeEnable\":%s,\"consumeFromMinEnable\":%"
	    "s,"
	    "\"groupName\":",
	    (long long)group->broker_id, word(group->broadcast_enabled), word(group->consume_enabled),
	    word(group->consume_from_min));
	rv__json_add_string(out, group->name, strlen(group->name));
	rv__buffer_printf(out,
	    ",\"notifyConsumerIdsChangedEnable\":%s,\"retryMaxTimes\":%d,\"retryQueueNums\":%d,"
	    "\"whichBrokerWhenConsumeSlowly\":%lld}",
	    word(group->notify_changes), group->retry_max, group->retry_queues,
	    (long long)group->slow_broker_id);
}

void rv__groups_encode(const struct rv__broker *broker, struct rv__buffer *out)
{
	const struct rv__groups *groups = broker->groups;
	const struct rv__group *group;
	size_t cursor = 0;
	bool any = false;

	rv__buffer_printf(out,
	    "{\"dataVersion\":{\"counter\":%lld,\"timestamp\":%lld},\"subscriptionGroupTable\":{",
	    (long long)groups->version_counter, (long long)broker->started_ms);
	while ((group = rv__groups_next(broker, &cursor))) {
		rv__buffer_add_text(out, any ? "," : "");
		any = true;
		rv__json_add_string(out, group->name, strlen(group->name));
		rv__buffer_add_text(out, ":");
		rv__group_encode(out, group);
	}
	rv__buffer_add_text(out, "}}");
}

void rv__group_take_settings(struct rv__group *group, const json_t *config)
{
	group->consume_enabled = rv__json_bool(config, "consumeEnable", group->consume_enabled);
	group->consume_from_min = rv__json_bool(config, "consumeFromMinEnable", group->consume_from_min);
	group->broadcast_enabled = rv__json_bool(config, "consumeBroadcastEnable", group->broadcast_enabled);
	group->notify_changes =
	    rv__json_bool(config, "notifyConsumerIdsChangedEnable", group->notify_changes);
	group->retry_queues = (int32_t)rv__json_i64(config, "retryQueueNums", group->retry_queues);
	group->retry_max = (int32_t)rv__json_i64(config, "retryMaxTimes", group->retry_max);
	group->broker_id = rv__json_i64(config, "brokerId", group->broker_id);
	group->slow_broker_id = rv__json_i64(config, "whichBrokerWhenConsumeSlowly", group->slow_broker_id);
	/* Zero queues would lose what is sent back; more than a few serve nobody. */
	if (group->retry_queues < 1)
		group->retry_queues = 1;
	if (group->retry_queues > 1024)
		group->retry_queues = 1024;
}

rv_err rv__groups_changed(struct rv__broker *broker,
    void (*saved)(void *arg, rv_err, const struct rv_error *), void *arg, struct rv_error *err)
{
	struct rv__buffer out = RV__BUFFER_INIT(0);
	rv_err code;

	broker->groups->version_counter++;
	broker->groups->unsaved = false;
	rv__groups_encode(broker, &out);
	code = rv__buffer_error(&out);
	if (code == RV_OK)
		code = rv__state_file_save(broker->store, DOCUMENT, out.bytes, out.length, saved, arg, err);
	else
		rv_error_set(
		    err, code, 0, RV__TOPIC, "the settings of groups cannot be saved: %s", rv_err_text(code));
	rv__buffer_finish(&out);
	return code;
}

static rv_err load_groups(struct rv__broker *broker, struct rv_error *err)
{
	json_t *root;
	rv_err code = rv__document_load(broker, DOCUMENT, &root, err);
	const char *name;
	json_t *config;

	broker->groups->version_counter = rv__json_i64(json_object_get(root, "dataVersion"), "counter", 0);
	json_object_foreach(json_object_get(root, "subscriptionGroupTable"), name, config)
	{
		struct rv__group *group =
		    rv__name_legal(name, RV__GROUP_NAME_MAX) ? add_group(broker->groups, name) : NULL;

		if (group)
			rv__group_take_settings(group, config);
		else
			rv_log(RV_LOG_WARN, RV__TOPIC,
			    "RV%04d config/subscriptionGroup.json: group '%.130s' is left out",
			    RV__N_BROKER_STATE, name);
	}
	json_decref(root);
	return code;
}

rv_err rv__groups_open(struct rv__broker *broker, struct rv_error *err)
{
	broker->groups = calloc(1, sizeof(*broker->groups));
	if (!broker->groups)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for groups");
	return load_groups(broker, err);
}

void rv__groups_close(struct rv__broker *broker)
{
	struct rv__groups *groups = broker->groups;
	size_t cursor = 0;
	void *value;

	if (!groups)
		return;
	while (rv__map_next(&groups->by_name, &cursor, NULL, &value))
		free_group(value);
	for (cursor = 0; rv__map_next(&groups->producers, &cursor, NULL, &value);) {
		finish_members(value);
		free(value);
	}
	rv__map_finish(&groups->by_name);
	rv__map_finish(&groups->producers);
	free(groups);
	broker->groups = NULL;
}
