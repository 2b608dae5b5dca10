/* SPDX-License-Identifier: Apache-2.0 */
/* Members come and go: heartbeats, farewells, lost connections; and the notices that follow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/groups.h"
#include "broker/groups_tables.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/heartbeat.h"
#include "remoting/json_dialect.h"

enum { MEMBER_LIVE_MS = 120000 };

/* -- notices ------------------------------------------------------------------------------------------ */

static void notify_member(struct rv__broker *broker, const struct rv__member *member, const char *group)
{
	struct rv__command_writer writer;

	if (member->connection->closing)
		return;
	rv__command_begin(&writer, rv__connection_out(member->connection),
	    &(struct rv__command_head){
	        .code = RV__REQ_NOTIFY_CONSUMER_IDS_CHANGED,
	        .opaque = ++broker->groups->next_opaque,
	        .flag = RV__FLAG_ONEWAY,
	        .language = RV__LANGUAGE_CPP,
	    });
	rv__command_add_text(&writer, "consumerGroup", group);
	rv__command_end(&writer, 0);
}

/* All members, the newest too: without the notice a rebalance waits for its period of 20 s. */
static void notify_group(struct rv__broker *broker, const struct rv__group *group)
{
	for (size_t i = 0; group->notify_changes && i < group->members.count; i++)
		notify_member(broker, &group->members.items[i], group->name);
}

/* -- heartbeat ------------------------------------------------------------------------------------------ */

/* Enters or refreshes one member; true when it is new. */
static bool enter_member(struct rv__members *members, struct rv__request *request, const char *client_id)
{
	struct rv__member *member = rv__members_of_connection(members, request->connection);
	bool is_new = !member;
	char *copy;

	if (is_new)
		member = rv__members_add(members, request->connection, client_id);
	if (!member)
		return false;
	if (strcmp(member->client_id, client_id) != 0 && (copy = strdup(client_id))) {
		free(member->client_id);
		member->client_id = copy;
		is_new = true;
	}
	member->language = request->command->language;
	member->version = request->command->version;
	member->last_ms = rv__broker_now(request->broker);
	return is_new;
}

static bool fill_interest(struct rv__interest *interest, const struct rv__subscription *subscription)
{
	struct rv__interest fresh = {
	    .topic = strdup(subscription->topic),
	    .expression = strdup(subscription->expression),
	    .type = strdup(subscription->type),
	    .version = subscription->version,
	    .seen = true,
	};
	struct rv__tags tags = {0};
	bool ok = fresh.topic && fresh.expression && fresh.type;

	/* A malformed expression matches everything here; the client filters again by itself. */
	if (ok && strcmp(fresh.type, "TAG") == 0)
		(void)rv__tags_parse(fresh.expression, strlen(fresh.expression), &tags, NULL);
	fresh.tags = tags;
	if (!ok) {
		rv__interest_finish(&fresh);
		return false;
	}
	rv__interest_finish(interest);
	*interest = fresh;
	return true;
}

/* Adds or replaces what the group wants of one topic; true when the topic is new to it. */
static bool take_subscription(struct rv__group *group, const struct rv__subscription *subscription)
{
	struct rv__interest *list,
	    *old = (struct rv__interest *)rv__group_interest(group, subscription->topic);

	if (old) {
		old->seen = true;
		if (subscription->version > old->version)
			fill_interest(old, subscription);
		return false;
	}
	list = realloc(group->interests, (group->interest_count + 1) * sizeof(*list));
	if (!list)
		return false;
	group->interests = list;
	memset(&list[group->interest_count], 0, sizeof(*list));
	if (!fill_interest(&list[group->interest_count], subscription))
		return false;
	group->interest_count++;
	return true;
}

/* Topics that the newest heartbeat does not name are dropped, as Apache does; true when there were some. */
static bool drop_unseen(struct rv__group *group)
{
	size_t kept = 0, count = group->interest_count;

	for (size_t i = 0; i < count; i++) {
		if (group->interests[i].seen) {
			group->interests[kept++] = group->interests[i];
			continue;
		}
		if (!group->told_conflict && group->members.count > 1)
			rv_log(RV_LOG_WARN, RV__TOPIC,
			    "group=%s: its members subscribe to different topics ('%s' is missing in the "
			    "newest "
			    "heartbeat), so messages will be lost to some; give each subscription a group of "
			    "its own",
			    group->name, group->interests[i].topic);
		group->told_conflict = group->told_conflict || group->members.count > 1;
		rv__interest_finish(&group->interests[i]);
	}
	group->interest_count = kept;
	return kept != count;
}

static bool take_subscriptions(struct rv__group *group, const struct rv__heartbeat_consumer *consumer)
{
	bool changed = false;

	for (size_t i = 0; i < group->interest_count; i++)
		group->interests[i].seen = false;
	for (size_t i = 0; i < consumer->subscription_count; i++)
		if (take_subscription(group, &consumer->subscriptions[i]))
			changed = true;
	return drop_unseen(group) || changed;
}

/* The group's retry topic, so that what fails can be sent back and its route is there to find. */
static void ensure_retry_topic(struct rv__broker *broker, const struct rv__group *group)
{
	char topic[RV__NAME_SIZE + 16];
	struct rv_error error;

	snprintf(topic, sizeof(topic), "%s%s", RV__TOPIC_RETRY_PREFIX, group->name);
	if (!rv__topic_ensure(broker, topic, group->retry_queues, group->retry_queues,
	        RV__PERM_READ | RV__PERM_WRITE, 0, &error))
		rv_log(RV_LOG_DEBUG, RV__TOPIC, "group=%s: %s", group->name, error.text);
}

static void take_consumer(
    struct rv__request *request, const char *client_id, const struct rv__heartbeat_consumer *consumer)
{
	struct rv__group *group = rv__group_ensure(request->broker, consumer->group);
	bool changed;

	if (!group) {
		rv_log(
		    RV_LOG_DEBUG, RV__TOPIC, "group '%.255s' is not there and is not made", consumer->group);
		return;
	}
	ensure_retry_topic(request->broker, group);
	snprintf(group->consume_type, sizeof(group->consume_type), "%s", consumer->consume_type);
	snprintf(group->message_model, sizeof(group->message_model), "%s", consumer->message_model);
	snprintf(
	    group->consume_from_where, sizeof(group->consume_from_where), "%s", consumer->consume_from_where);
	group->broadcasting = strcmp(consumer->message_model, "BROADCASTING") == 0;
	changed = enter_member(&group->members, request, client_id);
	changed = take_subscriptions(group, consumer) || changed;
	if (changed)
		notify_group(request->broker, group);
}

static void take_producer(struct rv__request *request, const char *client_id, const char *name)
{
	struct rv__groups *groups = request->broker->groups;
	struct rv__members *members = rv__map_get(&groups->producers, name);

	if (!members) {
		if ((int64_t)groups->producers.count >= request->broker->settings.max_groups)
			return;
		members = calloc(1, sizeof(*members));
		if (!members || rv__map_put(&groups->producers, name, members, NULL) != RV_OK) {
			free(members);
			return;
		}
	}
	enter_member(members, request, client_id);
}

void rv__groups_heartbeat(struct rv__request *request)
{
	struct rv__heartbeat heartbeat;
	struct rv_error error;

	if (rv__heartbeat_decode(request->command->body, request->command->body_length, &heartbeat, &error) !=
	    RV_OK) {
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
		return;
	}
	for (size_t i = 0; i < heartbeat.consumer_count; i++)
		take_consumer(request, heartbeat.client_id, &heartbeat.consumers[i]);
	for (size_t i = 0; i < heartbeat.producer_count; i++)
		take_producer(request, heartbeat.client_id, heartbeat.producers[i]);
	rv__heartbeat_finish(&heartbeat);
	rv__answer(request, RV__RSP_SUCCESS, NULL);
}

/* -- leaving -------------------------------------------------------------------------------------------- */

typedef bool (*leaves_fn)(const struct rv__member *member, const void *arg);

/* Removes the members that `leaves` names; true when there were some. */
static bool remove_members(struct rv__members *members, leaves_fn leaves, const void *arg)
{
	bool any = false;

	for (size_t i = members->count; i-- > 0;) {
		if (!leaves(&members->items[i], arg))
			continue;
		rv__members_remove(members, &members->items[i]);
		any = true;
	}
	return any;
}

static void remove_everywhere(struct rv__broker *broker, leaves_fn leaves, const void *arg)
{
	struct rv__group *group;
	size_t cursor = 0;
	void *value;

	while ((group = rv__groups_next(broker, &cursor)))
		if (remove_members(&group->members, leaves, arg) && !broker->stopping)
			notify_group(broker, group);
	for (cursor = 0; rv__map_next(&broker->groups->producers, &cursor, NULL, &value);)
		remove_members(value, leaves, arg);
}

static bool is_on(const struct rv__member *member, const void *connection)
{
	return member->connection == connection;
}

static bool is_silent(const struct rv__member *member, const void *now)
{
	return *(const int64_t *)now - member->last_ms > MEMBER_LIVE_MS;
}

void rv__groups_connection_closed(struct rv__broker *broker, struct rv__connection *connection)
{
	remove_everywhere(broker, is_on, connection);
}

void rv__groups_expire(struct rv__broker *broker)
{
	int64_t now = rv__broker_now(broker);

	remove_everywhere(broker, is_silent, &now);
}

void rv__groups_unregister(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	struct rv__members *producers;
	struct rv__group *group;
	char name[RV__NAME_SIZE];

	if (rv__command_text(request->command, "producerGroup", name, sizeof(name))) {
		producers = rv__map_get(&broker->groups->producers, name);
		if (producers && remove_members(producers, is_on, request->connection) &&
		    producers->count == 0) {
			rv__map_remove(&broker->groups->producers, name);
			free(producers->items);
			free(producers);
		}
	}
	if (rv__command_text(request->command, "consumerGroup", name, sizeof(name))) {
		group = rv__group_find(broker, name);
		if (group && remove_members(&group->members, is_on, request->connection))
			notify_group(broker, group);
	}
	rv__answer(request, RV__RSP_SUCCESS, NULL);
}

/* -- questions about members ------------------------------------------------------------------------------- */

/* Ids are told once each, even when a client has two connections. */
void rv__groups_members(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	const struct rv__group *group;
	char name[RV__NAME_SIZE];
	const char **ids;
	size_t count = 0;

	if (!rv__need_text(request, "consumerGroup", name, sizeof(name)))
		return;
	group = rv__group_find(request->broker, name);
	if (!group || group->members.count == 0) {
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "no consumer for this group, %s", name);
		return;
	}
	ids = calloc(group->members.count, sizeof(*ids));
	for (size_t i = 0; ids && i < group->members.count; i++) {
		const struct rv__member *member = &group->members.items[i];

		if (rv__members_find(&group->members, member->client_id) == member)
			ids[count++] = member->client_id;
	}
	rv__consumer_list_encode(&body, ids, count);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
	free(ids);
}

/* Only clients with other than tag expressions ask, before they start. */
void rv__groups_check_config(struct rv__request *request)
{
	struct rv_error error;
	json_t *root = rv__json_parse(request->command->body, request->command->body_length, &error);
	const json_t *subscription = json_object_get(root, "subscriptionData");
	bool tags = strcmp(rv__json_text(subscription, "expressionType", "TAG"), "TAG") == 0;

	if (!root)
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	else if (!tags)
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR,
		    "The broker does not support consumer to filter message by %.32s",
		    rv__json_text(subscription, "expressionType", ""));
	else
		rv__answer(request, RV__RSP_SUCCESS, NULL);
	json_decref(root);
}
