/* SPDX-License-Identifier: Apache-2.0 */
/* What admin tools ask of groups and their members. */
#include "broker/admin.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "broker/groups.h"
#include "broker/offsets.h"
#include "broker/relay.h"
#include "broker/server.h"
#include "remoting/heartbeat.h"
#include "remoting/json_dialect.h"

/* -- settings ------------------------------------------------------------------------------------------------- */

/* The answer follows when the settings are on disk. */
static void save_and_answer(struct rv__request *request)
{
	struct rv__ticket *ticket = malloc(sizeof(*ticket));
	struct rv_error error;

	if (!ticket) {
		rv__answer(request, RV__RSP_SYSTEM_ERROR, "no memory for the answer");
		return;
	}
	*ticket = rv__ticket_keep(request);
	if (rv__groups_changed(request->broker, rv__ticket_saved, ticket, &error) != RV_OK)
		rv__ticket_saved(ticket, error.code, &error);
}

void rv__admin_update_group(struct rv__request *request)
{
	struct rv_error error;
	json_t *root = rv__json_parse(request->command->body, request->command->body_length, &error);
	const char *name = rv__json_text(root, "groupName", "");
	struct rv__group *group = NULL;

	if (!root)
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	else if (!(group = rv__group_create(request->broker, name)))
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR,
		    "'%.130s' cannot be a group: at most %d letters, digits, %%, |, _ and -; or there are "
		    "too many",
		    name, RV__GROUP_NAME_MAX);
	if (group) {
		rv__group_take_settings(group, root);
		save_and_answer(request);
	}
	json_decref(root);
}

void rv__admin_delete_group(struct rv__request *request)
{
	char name[RV__NAME_SIZE];

	if (!rv__need_text(request, "groupName", name, sizeof(name)))
		return;
	rv__group_delete(request->broker, name);
	if (rv__command_bool(request->command, "removeOffset", false) ||
	    rv__command_bool(request->command, "cleanOffset", false))
		rv__offsets_forget_group(request->broker, name);
	save_and_answer(request);
}

void rv__admin_all_groups(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__groups_encode(request->broker, &body);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

void rv__admin_group(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	const struct rv__group *group;
	char name[RV__NAME_SIZE];

	if (!rv__need_text(request, "group", name, sizeof(name)))
		return;
	group = rv__group_find(request->broker, name);
	if (!group) {
		rv__answer_format(request, RV__RSP_SUBSCRIPTION_GROUP_NOT_EXIST,
		    "No group in this broker. group: %s", name);
		return;
	}
	rv__group_encode(&body, group);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

/* -- members ---------------------------------------------------------------------------------------------------- */

static void add_text(struct rv__buffer *body, const char *before, const char *text)
{
	rv__buffer_add_text(body, before);
	rv__json_add_string(body, text, strlen(text));
}

static void encode_connections(struct rv__buffer *body, const struct rv__members *members)
{
	rv__buffer_add_text(body, "\"connectionSet\":[");
	for (size_t i = 0; i < members->count; i++) {
		const struct rv__member *member = &members->items[i];

		rv__buffer_add_text(body, i ? "," : "");
		add_text(body, "{\"clientAddr\":", member->connection->peer);
		add_text(body, ",\"clientId\":", member->client_id);
		add_text(body, ",\"language\":", rv__language_name(member->language));
		rv__buffer_printf(body, ",\"version\":%d}", member->version);
	}
	rv__buffer_add_text(body, "]");
}

static void encode_interests(struct rv__buffer *body, const struct rv__group *group)
{
	rv__buffer_add_text(body, "\"subscriptionTable\":{");
	for (size_t i = 0; i < group->interest_count; i++) {
		const struct rv__interest *interest = &group->interests[i];

		rv__buffer_add_text(body, i ? "," : "");
		add_text(body, "", interest->topic);
		rv__buffer_add_text(body, ":");
		rv__subscription_encode(body,
		    &(struct rv__subscription){
		        .topic = interest->topic,
		        .expression = interest->expression,
		        .type = interest->type,
		        .version = interest->version,
		    });
	}
	rv__buffer_add_text(body, "}");
}

/* A group with members. NULL: answered. */
static struct rv__group *need_online(struct rv__request *request, const char *field)
{
	char name[RV__NAME_SIZE];
	struct rv__group *group;

	if (!rv__need_text(request, field, name, sizeof(name)))
		return NULL;
	group = rv__group_find(request->broker, name);
	if (group && group->members.count > 0)
		return group;
	rv__answer_format(request, RV__RSP_CONSUMER_NOT_ONLINE, "the consumer group[%s] not online", name);
	return NULL;
}

void rv__admin_consumers(struct rv__request *request)
{
	const struct rv__group *group = need_online(request, "consumerGroup");
	struct rv__buffer body = RV__BUFFER_INIT(0);

	if (!group)
		return;
	rv__buffer_add_text(&body, "{");
	encode_connections(&body, &group->members);
	add_text(&body, ",\"consumeFromWhere\":", group->consume_from_where);
	add_text(&body, ",\"consumeType\":", group->consume_type);
	add_text(&body, ",\"messageModel\":", group->message_model);
	rv__buffer_add_text(&body, ",");
	encode_interests(&body, group);
	rv__buffer_add_text(&body, "}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

void rv__admin_producers(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	const struct rv__members *members;
	char name[RV__NAME_SIZE];

	if (!rv__need_text(request, "producerGroup", name, sizeof(name)))
		return;
	members = rv__producers_find(request->broker, name);
	if (!members || members->count == 0) {
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "the producer group[%s] not exist", name);
		return;
	}
	rv__buffer_add_text(&body, "{");
	encode_connections(&body, members);
	rv__buffer_add_text(&body, "}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

static void encode_producers(
    struct rv__buffer *body, const struct rv__broker *broker, const struct rv__members *members)
{
	for (size_t i = 0; i < members->count; i++) {
		const struct rv__member *member = &members->items[i];
		int64_t age = rv__broker_now(broker) - member->last_ms;

		rv__buffer_add_text(body, i ? "," : "");
		add_text(body, "{\"clientId\":", member->client_id);
		add_text(body, ",\"remoteIP\":", member->connection->peer);
		add_text(body, ",\"language\":", rv__language_name(member->language));
		rv__buffer_printf(body, ",\"lastUpdateTimestamp\":%lld,\"version\":%d}",
		    (long long)(rv__wall_ms() - age), member->version);
	}
}

void rv__admin_all_producers(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	const struct rv__members *members;
	const char *name;
	size_t cursor = 0;
	bool any = false;

	rv__buffer_add_text(&body, "{\"data\":{");
	while (rv__producers_next(request->broker, &cursor, &name, &members)) {
		rv__buffer_add_text(&body, any ? "," : "");
		any = true;
		add_text(&body, "", name);
		rv__buffer_add_text(&body, ":[");
		encode_producers(&body, request->broker, members);
		rv__buffer_add_text(&body, "]");
	}
	rv__buffer_add_text(&body, "}}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

/* -- questions that a member answers ------------------------------------------------------------------------------ */

/* The member that the request names. NULL: answered. */
static const struct rv__member *need_member(struct rv__request *request)
{
	char client_id[2 * RV__NAME_SIZE];
	const struct rv__member *member;
	const struct rv__group *group = need_online(request, "consumerGroup");

	if (!group || !rv__need_text(request, "clientId", client_id, sizeof(client_id)))
		return NULL;
	member = rv__members_find(&group->members, client_id);
	if (!member)
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "The Consumer <%s> <%s> not online",
		    group->name, client_id);
	return member;
}

void rv__admin_running_info(struct rv__request *request)
{
	const struct rv__member *member = need_member(request);

	if (member)
		rv__relay_forward(request, member->connection, NULL, 0);
}

void rv__admin_consume_directly(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	struct rv_span id = rv__command_field(request->command, "msgId");
	struct rv__address host;
	int64_t offset;
	struct rv_error error = {.text = "it is not an offset message id"};
	const struct rv__member *member = need_member(request);

	if (!member)
		return;
	rv__buffer_clear(&broker->scratch);
	if (!rv__offset_id_parse(id.bytes, id.length, &host, &offset) ||
	    rv__store_read_at(broker->store, offset, &broker->scratch, &error) != RV_OK)
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "the message '%.*s' is not there: %s",
		    (int)(id.length < 64 ? id.length : 64), id.bytes ? id.bytes : "", error.text);
	else
		rv__relay_forward(request, member->connection, broker->scratch.bytes, broker->scratch.length);
}
