/* SPDX-License-Identifier: Apache-2.0 */
/* What admin tools ask of consumer offsets, and how they change them. */
#include "broker/admin.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "broker/delay.h"
#include "broker/groups.h"
#include "broker/offsets.h"
#include "broker/relay.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"
#include "remoting/queue.h"

/* -- progress --------------------------------------------------------------------------------------------------- */

/* One walk over the topics of a group. */
struct progress {
	struct rv__broker *broker;
	const char *group;
	const char *only; /* topic; NULL: all */
	struct rv__buffer body;
	bool any;
};

/* Store timestamp of one message; 0 when it is not there. */
static int64_t timestamp_of(struct rv__broker *broker, rv__queue *queue, int64_t offset)
{
	struct rv__store_entry entry = {.store_timestamp = 0};

	if (queue && offset >= 0)
		(void)rv__queue_entry(broker->store, queue, offset, &entry, NULL);
	return entry.store_timestamp;
}

static void add_progress(struct progress *progress, const struct rv__topic *topic, int32_t id)
{
	struct rv__broker *broker = progress->broker;
	struct rv__message_queue name = {
	    .topic = topic->name, .broker = broker->settings.broker_name, .id = id};
	rv__queue *queue = rv__store_queue(broker->store, topic->name, topic->name_length, id, false);
	int64_t consumed = rv__offset_get(broker, topic->name, progress->group, id);

	if (consumed < 0)
		consumed = 0;
	rv__buffer_add_text(&progress->body, progress->any ? "," : "");
	progress->any = true;
	rv__queue_encode(&progress->body, &name);
	rv__buffer_printf(&progress->body,
	    ":{\"brokerOffset\":%lld,\"consumerOffset\":%lld,\"lastTimestamp\":%lld}",
	    (long long)(queue ? rv__queue_max(queue) : 0), (long long)consumed,
	    (long long)timestamp_of(broker, queue, consumed - 1));
}

static void visit_topic(void *arg, const char *name, int32_t queues)
{
	struct progress *progress = arg;
	const struct rv__topic *topic = rv__topic_find(progress->broker, name);

	(void)queues;
	if (!topic || (progress->only && strcmp(progress->only, name) != 0))
		return;
	for (int32_t i = 0; i < topic->read_queues; i++)
		add_progress(progress, topic, i);
}

void rv__admin_consume_stats(struct rv__request *request)
{
	struct progress progress = {.broker = request->broker, .body = RV__BUFFER_INIT(0)};
	char group[RV__NAME_SIZE], topic[RV__NAME_SIZE];

	if (!rv__need_text(request, "consumerGroup", group, sizeof(group)))
		return;
	progress.group = group;
	progress.only = rv__command_text(request->command, "topic", topic, sizeof(topic)) ? topic : NULL;
	rv__buffer_add_text(&progress.body, "{\"consumeTps\":0.0,\"offsetTable\":{");
	rv__offsets_each_topic(request->broker, group, visit_topic, &progress);
	rv__buffer_add_text(&progress.body, "}}");
	rv__answer_body(request, &progress.body);
	rv__buffer_finish(&progress.body);
}

static bool is_subscribed(const struct rv__group *group, const char *topic)
{
	return group && group->members.count && rv__group_interest(group, topic);
}

static void add_group(struct progress *progress, const char *group)
{
	rv__buffer_add_text(&progress->body, progress->any ? "," : "");
	progress->any = true;
	rv__json_add_string(&progress->body, group, strlen(group));
}

/* A group with offsets, unless it was named for its subscription. */
static void visit_group(void *arg, const char *group)
{
	struct progress *progress = arg;

	if (!is_subscribed(rv__group_find(progress->broker, group), progress->only))
		add_group(progress, group);
}

void rv__admin_consumed_by(struct rv__request *request)
{
	struct progress progress = {.broker = request->broker, .body = RV__BUFFER_INIT(0)};
	char topic[RV__NAME_SIZE];
	const struct rv__group *group;
	size_t cursor = 0;

	if (!rv__need_text(request, "topic", topic, sizeof(topic)))
		return;
	progress.only = topic;
	rv__buffer_add_text(&progress.body, "{\"groupList\":[");
	while ((group = rv__groups_next(request->broker, &cursor)))
		if (is_subscribed(group, topic))
			add_group(&progress, group->name);
	rv__offsets_each_group(request->broker, topic, visit_group, &progress);
	rv__buffer_add_text(&progress.body, "]}");
	rv__answer_body(request, &progress.body);
	rv__buffer_finish(&progress.body);
}

static void add_span(struct rv__buffer *body, struct rv__broker *broker, const struct rv__topic *topic,
    const char *group, int32_t id)
{
	struct rv__message_queue name = {
	    .topic = topic->name, .broker = broker->settings.broker_name, .id = id};
	rv__queue *queue = rv__store_queue(broker->store, topic->name, topic->name_length, id, false);
	int64_t max = queue ? rv__queue_max(queue) : 0,
	        consumed = rv__offset_get(broker, topic->name, group, id);
	int64_t reached = timestamp_of(broker, queue, consumed - 1);
	int64_t next = consumed >= 0 && consumed < max ? timestamp_of(broker, queue, consumed) : 0;

	rv__buffer_printf(body,
	    "{\"consumeTimeStamp\":%lld,\"delayTime\":%lld,\"maxTimeStamp\":%lld,\"messageQueue\":",
	    (long long)reached, (long long)(next ? rv__wall_ms() - next : 0),
	    (long long)timestamp_of(broker, queue, max - 1));
	rv__queue_encode(body, &name);
	rv__buffer_printf(body, ",\"minTimeStamp\":%lld}",
	    (long long)timestamp_of(broker, queue, queue ? rv__queue_min(broker->store, queue) : -1));
}

void rv__admin_time_span(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	char name[RV__NAME_SIZE], group[RV__NAME_SIZE];
	const struct rv__topic *topic;

	if (!rv__need_text(request, "topic", name, sizeof(name)) ||
	    !rv__need_text(request, "group", group, sizeof(group)))
		return;
	topic = rv__topic_find(request->broker, name);
	if (!topic) {
		rv__answer_format(request, RV__RSP_TOPIC_NOT_EXIST, "topic[%s] not exist", name);
		return;
	}
	rv__buffer_add_text(&body, "{\"consumeTimeSpanSet\":[");
	for (int32_t i = 0; i < topic->write_queues; i++) {
		rv__buffer_add_text(&body, i ? "," : "");
		add_span(&body, request->broker, topic, group, i);
	}
	rv__buffer_add_text(&body, "]}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

/* -- changing --------------------------------------------------------------------------------------------------- */

/* Tells one member to go on at the new offsets. */
static void send_reset(
    struct rv__request *request, const struct rv__member *member, const struct rv__buffer *body)
{
	static const char *const fields[] = {"topic", "group", "timestamp", "isForce"};
	struct rv__buffer *out = rv__connection_out(member->connection);
	struct rv__command_writer writer;

	rv__command_begin(&writer, out,
	    &(struct rv__command_head){
	        .code = RV__REQ_RESET_CONSUMER_CLIENT_OFFSET,
	        .opaque = rv__relay_next_opaque(request->broker),
	        .flag = RV__FLAG_ONEWAY,
	        .language = RV__LANGUAGE_CPP,
	    });
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct rv_span value = rv__command_field(request->command, fields[i]);

		if (value.bytes)
			rv__command_add(&writer, fields[i], value.bytes, value.length);
	}
	rv__command_end(&writer, body->length);
	rv__buffer_add(out, body->bytes, body->length);
}

/* Where one queue is to go on: by time, but not forwards unless that is forced. */
static rv_err find_reset(struct rv__broker *broker, const struct rv__topic *topic, int32_t id,
    int64_t timestamp, bool force, int64_t consumed, int64_t *ret_offset, struct rv_error *err)
{
	rv__queue *queue = rv__store_queue(broker->store, topic->name, topic->name_length, id, false);
	rv_err code = RV_OK;

	*ret_offset = 0;
	if (queue && timestamp == -1)
		*ret_offset = rv__queue_max(queue);
	else if (queue)
		code = rv__queue_offset_at(broker->store, queue, timestamp, ret_offset, err);
	if (!force && *ret_offset > consumed)
		*ret_offset = consumed;
	return code;
}

/* Fills `queues` with the new offsets of all queues. False: answered. */
static bool find_resets(struct rv__request *request, const struct rv__topic *topic, const char *group,
    int64_t timestamp, struct rv__message_queue *queues)
{
	struct rv__broker *broker = request->broker;
	bool force = rv__command_bool(request->command, "isForce", false);
	struct rv_error error;

	for (int32_t i = 0; i < topic->write_queues; i++) {
		int64_t consumed = rv__offset_get(broker, topic->name, group, i);

		queues[i] = (struct rv__message_queue){topic->name, broker->settings.broker_name, i, 0};
		if (consumed < 0)
			consumed = 0;
		if (find_reset(broker, topic, i, timestamp, force, consumed, &queues[i].offset, &error) !=
		    RV_OK) {
			rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
			return false;
		}
	}
	return true;
}

static void apply_resets(struct rv__request *request, const struct rv__topic *topic,
    const struct rv__group *group, const struct rv__message_queue *queues)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__offset_table_encode(&body, queues, (size_t)topic->write_queues);
	for (int32_t i = 0; i < topic->write_queues; i++)
		rv__offset_reset(request->broker, topic->name, group->name, i, queues[i].offset);
	for (size_t i = 0; i < group->members.count; i++)
		send_reset(request, &group->members.items[i], &body);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

void rv__admin_reset_offset(struct rv__request *request)
{
	char topic_name[RV__NAME_SIZE], group_name[RV__NAME_SIZE];
	struct rv__message_queue *queues;
	const struct rv__group *group;
	const struct rv__topic *topic;
	int64_t timestamp;

	if (!rv__need_text(request, "topic", topic_name, sizeof(topic_name)) ||
	    !rv__need_text(request, "group", group_name, sizeof(group_name)) ||
	    !rv__need_i64(request, "timestamp", &timestamp))
		return;
	topic = rv__topic_find(request->broker, topic_name);
	group = rv__group_find(request->broker, group_name);
	if (!topic) {
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR,
		    "[reset-offset] reset offset failed, no topic in this broker. "
		    "topic=%s",
		    topic_name);
		return;
	}
	if (!group || group->members.count == 0) {
		rv__answer_format(request, RV__RSP_CONSUMER_NOT_ONLINE,
		    "Consumer not online, so can not reset offset, Group: %s Topic: %s Timestamp: %lld",
		    group_name, topic_name, (long long)timestamp);
		return;
	}
	queues = calloc((size_t)topic->write_queues + 1, sizeof(*queues));
	if (!queues)
		rv__answer(request, RV__RSP_SYSTEM_ERROR, "no memory for the offsets");
	else if (find_resets(request, topic, group_name, timestamp, queues))
		apply_resets(request, topic, group, queues);
	free(queues);
}

/* One walk over the topics whose offsets are copied. */
struct copying {
	struct rv__broker *broker;
	const char *from, *to;
	char topics[64][RV__NAME_SIZE];
	size_t count;
};

static void collect_topic(void *arg, const char *topic, int32_t queues)
{
	struct copying *copying = arg;

	(void)queues;
	if (copying->count < 64)
		snprintf(copying->topics[copying->count++], sizeof copying->topics[0], "%s", topic);
}

void rv__admin_clone_offset(struct rv__request *request)
{
	char from[RV__NAME_SIZE], to[RV__NAME_SIZE], topic[RV__NAME_SIZE];
	struct copying copying = {.broker = request->broker, .from = from, .to = to};

	if (!rv__need_text(request, "srcGroup", from, sizeof(from)) ||
	    !rv__need_text(request, "destGroup", to, sizeof(to)))
		return;
	if (rv__command_text(request->command, "topic", topic, sizeof(topic)))
		collect_topic(&copying, topic, 0);
	else
		rv__offsets_each_topic(request->broker, from, collect_topic, &copying);
	for (size_t i = 0; i < copying.count; i++)
		rv__offsets_copy(request->broker, copying.topics[i], from, to);
	rv__answer(request, RV__RSP_SUCCESS, NULL);
}

/* -- documents as they are ----------------------------------------------------------------------------------------- */

void rv__admin_all_offsets(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__offsets_encode(request->broker, &body);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

void rv__admin_all_delays(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__delay_encode(request->broker, &body);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}
