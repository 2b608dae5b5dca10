/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/sendback.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker/groups.h"
#include "broker/put.h"
#include "broker/server.h"
#include "broker/topics.h"

enum { FIRST_RETRY_LEVEL = 3 }; /* 10 s, in RocketMQ's default levels */

static void on_stored(
    struct rv__broker *broker, struct rv__waiting *waiting, rv_err code, const struct rv_error *err)
{
	(void)broker;
	if (code == RV_OK)
		rv__ticket_answer(&waiting->ticket, RV__RSP_SUCCESS, NULL);
	else
		rv__ticket_answer(&waiting->ticket, rv__append_response(code, err), err->text);
}

/* What the client says to come back with, and the group's own limits. */
struct back {
	struct rv__group *group;
	int64_t offset;
	int32_t delay_level;
	int32_t most;
};

static bool parse_back(struct rv__request *request, struct back *back)
{
	char name[RV__NAME_SIZE];
	int32_t most;

	if (!rv__need_i64(request, "offset", &back->offset) ||
	    !rv__need_text(request, "group", name, sizeof(name)) ||
	    !rv__need_i32(request, "delayLevel", &back->delay_level))
		return false;
	back->group = rv__group_ensure(request->broker, name);
	if (!back->group) {
		rv__answer_format(
		    request, RV__RSP_SUBSCRIPTION_GROUP_NOT_EXIST, "subscription group not exist, %s", name);
		return false;
	}
	back->most = back->group->retry_max;
	if (request->command->version >= RV__MQ_VERSION_MAX_RECONSUME &&
	    rv__command_i32(request->command, "maxReconsumeTimes", &most))
		back->most = most;
	return true;
}

/* Where it goes: the retry topic, or the dead letters when it has been tried often enough. NULL: answered. */
static struct rv__topic *choose_topic(struct rv__request *request, const struct back *back, bool dead)
{
	char name[RV__NAME_SIZE + 16];
	struct rv_error error;
	struct rv__topic *topic;
	int32_t queues = dead ? 1 : back->group->retry_queues;

	snprintf(name, sizeof(name), "%s%s", dead ? RV__TOPIC_DLQ_PREFIX : RV__TOPIC_RETRY_PREFIX,
	    back->group->name);
	topic = rv__topic_ensure(
	    request->broker, name, queues, queues, RV__PERM_READ | RV__PERM_WRITE, 0, &error);
	if (!topic) {
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	} else if (!(topic->perm & RV__PERM_WRITE)) {
		rv__answer_format(
		    request, RV__RSP_NO_PERMISSION, "the topic[%s] sending message is forbidden", name);
		topic = NULL;
	}
	return topic;
}

/* RETRY_TOPIC names the topic of the first delivery, ORIGIN_MESSAGE_ID its message; both stay once set. */
static void build_properties(
    struct rv__broker *broker, const struct rv__record *record, struct rv__buffer *out)
{
	static const char *const drop[] = {"DELAY", "WAIT", NULL};
	char id[RV__OFFSET_ID_MAX + 1];
	size_t length;

	(void)broker;
	rv__buffer_clear(out);
	rv__properties_copy(out, record->properties, record->properties_length, drop);
	if (!rv__properties_get(record->properties, record->properties_length, "RETRY_TOPIC", &length))
		rv__properties_append(out, "RETRY_TOPIC", record->topic, record->topic_length);
	if (!rv__properties_get(
	        record->properties, record->properties_length, "ORIGIN_MESSAGE_ID", &length)) {
		length = rv__offset_id_format(&record->store_host, record->physical_offset, id);
		rv__properties_append(out, "ORIGIN_MESSAGE_ID", id, length);
	}
}

static void store_back(struct rv__request *request, const struct back *back, const struct rv__record *record)
{
	bool dead = record->reconsume_times >= back->most || back->delay_level < 0;
	struct rv__waiting waiting = {.done = on_stored};
	struct rv__buffer properties = RV__BUFFER_INIT(RV__PROPERTIES_MAX * 2);
	struct rv_error error;
	struct rv__put put = {.topic = choose_topic(request, back, dead), .record = *record};
	rv_err code;

	if (!put.topic)
		return;
	build_properties(request->broker, record, &properties);
	put.properties = (struct rv_span){(const char *)properties.bytes, properties.length};
	put.record.reconsume_times++;
	put.record.prepared_offset = 0;
	put.queue_id = put.topic->write_queues > 0
	    ? (int32_t)(put.topic->next_queue++ % (uint32_t)put.topic->write_queues)
	    : 0;
	if (!dead)
		put.delay_level =
		    back->delay_level > 0 ? back->delay_level : FIRST_RETRY_LEVEL + record->reconsume_times;
	code = rv__buffer_error(&properties);
	if (code != RV_OK)
		rv_error_set(&error, code, 0, RV__TOPIC, "no room for the properties");
	else
		code = rv__put(request->broker, &put, &waiting.position, &error);
	rv__buffer_finish(&properties);
	if (code != RV_OK) {
		rv__answer(request, rv__append_response(code, &error), error.text);
		return;
	}
	waiting.topics_change = put.topic->change;
	waiting.ticket = rv__ticket_keep(request);
	if (rv__append_wait(request->broker, &waiting) != RV_OK) {
		rv__ticket_answer(&waiting.ticket, RV__RSP_SYSTEM_ERROR, "no memory for the answer");
		rv__ticket_drop(&waiting.ticket);
	}
}

void rv__sendback_handle(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	struct rv__record record;
	struct rv_error error;
	struct back back;

	if (!parse_back(request, &back))
		return;
	rv__buffer_clear(&broker->scratch);
	if (rv__store_read_at(broker->store, back.offset, &broker->scratch, &error) != RV_OK ||
	    rv__record_decode(broker->scratch.bytes, broker->scratch.length, &record, &error) != RV_OK) {
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "look message by offset failed, %lld: %s",
		    (long long)back.offset, error.text);
		return;
	}
	store_back(request, &back, &record);
}
