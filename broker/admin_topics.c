/* SPDX-License-Identifier: Apache-2.0 */
/* What admin tools do with topics. */
#include "broker/admin.h"

#include <string.h>

#include "broker/append.h"
#include "broker/offsets.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"
#include "remoting/queue.h"

static void on_durable(
    struct rv__broker *broker, struct rv__waiting *waiting, rv_err code, const struct rv_error *err)
{
	(void)broker;
	rv__ticket_answer(&waiting->ticket, code == RV_OK ? RV__RSP_SUCCESS : RV__RSP_SYSTEM_ERROR,
	    code == RV_OK ? NULL : err->text);
}

/* The answer follows when the definitions are on disk. */
static void answer_when_durable(struct rv__request *request, uint64_t change)
{
	struct rv__waiting waiting = {.done = on_durable, .topics_change = change};

	waiting.ticket = rv__ticket_keep(request);
	if (rv__append_wait(request->broker, &waiting) != RV_OK) {
		rv__ticket_answer(&waiting.ticket, RV__RSP_SYSTEM_ERROR, "no memory for the answer");
		rv__ticket_drop(&waiting.ticket);
	}
}

/* A name that admin tools may change. False: answered. */
static bool need_own_topic(struct rv__request *request, char name[RV__NAME_SIZE])
{
	if (!rv__need_text(request, "topic", name, RV__NAME_SIZE))
		return false;
	if (!rv__name_legal(name, RV__TOPIC_NAME_MAX)) {
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR,
		    "The specified topic[%s] contains illegal characters", name);
		return false;
	}
	if (rv__topic_is_system(request->broker, name)) {
		rv__answer_format(
		    request, RV__RSP_SYSTEM_ERROR, "The topic[%s] is conflict with system topic.", name);
		return false;
	}
	return true;
}

void rv__admin_update_topic(struct rv__request *request)
{
	const struct rv__command *command = request->command;
	char name[RV__NAME_SIZE];
	int32_t read_queues, write_queues, perm, sysflag = 0;
	struct rv__topic *topic;
	struct rv_error error;

	if (!need_own_topic(request, name) || !rv__need_i32(request, "readQueueNums", &read_queues) ||
	    !rv__need_i32(request, "writeQueueNums", &write_queues) || !rv__need_i32(request, "perm", &perm))
		return;
	(void)rv__command_i32(command, "topicSysFlag", &sysflag);
	if (read_queues < 1 || read_queues > 16384 || write_queues < 1 || write_queues > 16384 || perm < 0 ||
	    perm > 7) {
		rv__answer(
		    request, RV__RSP_SYSTEM_ERROR, "a topic has 1 to 16384 queues, and a perm of 0 to 7");
		return;
	}
	topic = rv__topic_ensure(request->broker, name, read_queues, write_queues, perm, sysflag, &error);
	if (!topic) {
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
		return;
	}
	topic->read_queues = read_queues;
	topic->write_queues = write_queues;
	topic->perm = perm;
	topic->sysflag = sysflag;
	topic->order = rv__command_bool(command, "order", false);
	topic->multi_tags = rv__span_is(rv__command_field(command, "topicFilterType"), "MULTI_TAG");
	answer_when_durable(request, rv__topics_changed(request->broker, topic));
}

void rv__admin_delete_topic(struct rv__request *request)
{
	char name[RV__NAME_SIZE];
	struct rv__topic *topic;

	if (!need_own_topic(request, name))
		return;
	topic = rv__topic_find(request->broker, name);
	if (!topic) {
		rv__answer(request, RV__RSP_SUCCESS, NULL);
		return;
	}
	rv__offsets_forget_topic(request->broker, name);
	answer_when_durable(request, rv__topic_delete(request->broker, topic));
}

void rv__admin_all_topics(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__topics_encode(request->broker, &body, true);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

/* A topic of the request, which must be there. NULL: answered. */
static struct rv__topic *need_topic(struct rv__request *request)
{
	char name[RV__NAME_SIZE];
	struct rv__topic *topic;

	if (!rv__need_text(request, "topic", name, sizeof(name)))
		return NULL;
	topic = rv__topic_find(request->broker, name);
	if (!topic)
		rv__answer_format(request, RV__RSP_TOPIC_NOT_EXIST, "topic[%s] not exist", name);
	return topic;
}

void rv__admin_topic(struct rv__request *request)
{
	const struct rv__topic *topic = need_topic(request);
	struct rv__buffer body = RV__BUFFER_INIT(0);

	if (!topic)
		return;
	rv__topic_encode(&body, topic);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

static void encode_stats(
    struct rv__buffer *body, struct rv__broker *broker, const struct rv__topic *topic, int32_t id)
{
	struct rv__message_queue name = {
	    .topic = topic->name, .broker = broker->settings.broker_name, .id = id};
	rv__queue *queue = rv__store_queue(broker->store, topic->name, topic->name_length, id, false);
	struct rv__store_entry last = {.store_timestamp = 0};
	int64_t max = queue ? rv__queue_max(queue) : 0;

	if (max > 0)
		(void)rv__queue_entry(broker->store, queue, max - 1, &last, NULL);
	rv__queue_encode(body, &name);
	rv__buffer_printf(body, ":{\"lastUpdateTimestamp\":%lld,\"maxOffset\":%lld,\"minOffset\":%lld}",
	    (long long)last.store_timestamp, (long long)max,
	    (long long)(queue ? rv__queue_min(broker->store, queue) : 0));
}

void rv__admin_topic_stats(struct rv__request *request)
{
	const struct rv__topic *topic = need_topic(request);
	struct rv__buffer body = RV__BUFFER_INIT(0);
	int32_t queues;

	if (!topic)
		return;
	queues = topic->read_queues > topic->write_queues ? topic->read_queues : topic->write_queues;
	rv__buffer_add_text(&body, "{\"offsetTable\":{");
	for (int32_t i = 0; i < queues; i++) {
		rv__buffer_add_text(&body, i ? "," : "");
		encode_stats(&body, request->broker, topic, i);
	}
	rv__buffer_add_text(&body, "}}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

void rv__admin_system_topics(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	const struct rv__topic *topic;
	size_t cursor = 0;
	bool any = false;

	rv__buffer_add_text(&body, "{\"topicList\":[");
	while ((topic = rv__topics_next(request->broker, &cursor))) {
		if (!topic->system)
			continue;
		rv__buffer_add_text(&body, any ? "," : "");
		any = true;
		rv__json_add_string(&body, topic->name, topic->name_length);
	}
	rv__buffer_add_text(&body, "]}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}
