/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/pull.h"

#include <stdio.h>
#include <string.h>

#include "broker/groups.h"
#include "broker/longpoll.h"
#include "broker/offsets.h"
#include "broker/server.h"
#include "broker/topics.h"

enum {
	MESSAGES_MAX = 1024,
	BYTES_MAX = 262144,
	SUSPEND_MAX_MS = 120000 /* nobody is held longer, whatever is asked for */
};

/* How the outcome of a read is told. Source: PullMessageProcessor.processRequest. */
static const struct {
	int code;
	const char *remark;
} outcomes[] = {
    [RV__READ_FOUND] = {RV__RSP_SUCCESS, "FOUND"},
    [RV__READ_NO_MATCHED] = {RV__RSP_PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE"},
    [RV__READ_OVERFLOW_ONE] = {RV__RSP_PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE"},
    [RV__READ_OVERFLOW_BADLY] = {RV__RSP_PULL_OFFSET_MOVED, "OFFSET_OVERFLOW_BADLY"},
    [RV__READ_TOO_SMALL] = {RV__RSP_PULL_OFFSET_MOVED, "OFFSET_TOO_SMALL"},
    [RV__READ_EMPTY] = {RV__RSP_PULL_NOT_FOUND, "NO_MESSAGE_IN_QUEUE"},
};

/* Every answer to a pull carries the four fields, whatever its code: Java's client unboxes them. */
static void answer_pull(const struct rv__ticket *ticket, int code, const char *remark,
    const struct rv__store_read *read, const struct rv__buffer *body)
{
	struct rv__command_writer writer;

	if (!rv__ticket_begin(ticket, &writer, code, remark))
		return;
	rv__command_add_i64(&writer, "suggestWhichBrokerId", 0);
	rv__command_add_i64(&writer, "nextBeginOffset", read->next_offset);
	rv__command_add_i64(&writer, "maxOffset", read->max_offset);
	rv__command_add_i64(&writer, "minOffset", read->min_offset);
	rv__ticket_end(ticket, &writer, body ? body->bytes : NULL, body ? body->length : 0);
}

static void refuse(struct rv__request *request, const struct rv__pull *pull, int code, const char *remark)
{
	struct rv__broker *broker = request->broker;
	rv__queue *queue =
	    rv__store_queue(broker->store, pull->topic, strlen(pull->topic), pull->queue_id, false);
	struct rv__store_read read = {
	    .next_offset = pull->offset,
	    .min_offset = queue ? rv__queue_min(broker->store, queue) : 0,
	    .max_offset = queue ? rv__queue_max(queue) : 0,
	};

	request->answered = true;
	answer_pull(&request->ticket, code, remark, &read, NULL);
}

static bool match_code(void *arg, int64_t tags_code)
{
	return rv__tags_match_code(arg, tags_code);
}

/* Reads into broker->scratch. */
static rv_err read_messages(struct rv__broker *broker, rv__queue *queue, const struct rv__pull *pull,
    struct rv__store_read *read, struct rv_error *err)
{
	struct rv__store_filter filter = {.match_code = match_code, .arg = (void *)(uintptr_t)&pull->tags};
	uint32_t count = pull->max_messages < 1 ? 1
	    : pull->max_messages > MESSAGES_MAX ? MESSAGES_MAX
	                                        : (uint32_t)pull->max_messages;
	size_t bytes =
	    pull->max_bytes > 0 && pull->max_bytes < BYTES_MAX ? (size_t)pull->max_bytes : BYTES_MAX;
	rv_err code;

	rv__buffer_clear(&broker->scratch);
	code = rv__store_read(broker->store, queue, pull->offset, count, bytes,
	    pull->tags.count ? &filter : NULL, &broker->scratch, read, err);
	/* A new group on a queue that lost its messages must be moved, not left waiting. */
	if (code == RV_OK && read->status == RV__READ_EMPTY && pull->offset != read->next_offset)
		read->status =
		    pull->offset > read->next_offset ? RV__READ_OVERFLOW_BADLY : RV__READ_TOO_SMALL;
	return code;
}

static void answer_read(struct rv__broker *broker, const struct rv__ticket *ticket,
    const struct rv__pull *pull, const struct rv__store_read *read)
{
	struct rv__group *group;

	answer_pull(ticket, outcomes[read->status].code, outcomes[read->status].remark, read,
	    read->status == RV__READ_FOUND ? &broker->scratch : NULL);
	if (read->status != RV__READ_FOUND)
		return;
	broker->got_messages += read->count;
	group = rv__group_find(broker, pull->group);
	if (group)
		group->got += read->count;
}

static void answer_failure(
    const struct rv__ticket *ticket, const struct rv__pull *pull, const struct rv_error *err)
{
	struct rv__store_read read = {.next_offset = pull->offset};

	answer_pull(ticket, RV__RSP_SYSTEM_ERROR, err->text, &read, NULL);
}

void rv__pull_again(struct rv__broker *broker, const struct rv__ticket *ticket, const struct rv__pull *pull)
{
	struct rv__topic *topic = rv__topic_find(broker, pull->topic);
	struct rv__topic_queue *queue = topic ? rv__topic_queue(broker, topic, pull->queue_id) : NULL;
	struct rv__store_read read;
	struct rv_error error;

	rv_error_set(&error, RV_E_NOTFOUND, 0, RV__TOPIC, "the topic '%s' not exist", pull->topic);
	if (!queue || read_messages(broker, queue->store, pull, &read, &error) != RV_OK)
		answer_failure(ticket, pull, &error);
	else
		answer_read(broker, ticket, pull, &read);
}

/* -- the request ---------------------------------------------------------------------------------------- */

static bool parse_pull(struct rv__request *request, struct rv__pull *pull)
{
	const struct rv__command *command = request->command;

	pull->max_bytes = 0;
	pull->suspend_ms = 0;
	pull->commit_offset = -1;
	pull->tags = (struct rv__tags){NULL, NULL, 0};
	(void)rv__command_i32(command, "maxMsgBytes", &pull->max_bytes);
	(void)rv__command_i64(command, "suspendTimeoutMillis", &pull->suspend_ms);
	(void)rv__command_i64(command, "commitOffset", &pull->commit_offset);
	return rv__need_text(request, "consumerGroup", pull->group, sizeof(pull->group)) &&
	    rv__need_text(request, "topic", pull->topic, sizeof(pull->topic)) &&
	    rv__need_i32(request, "queueId", &pull->queue_id) &&
	    rv__need_i64(request, "queueOffset", &pull->offset) &&
	    rv__need_i32(request, "maxMsgNums", &pull->max_messages) &&
	    rv__need_i32(request, "sysFlag", &pull->sysflag);
}

/* The tags of the request itself (bit 4), or of the group's heartbeat. False: refused. */
static bool find_tags(
    struct rv__request *request, struct rv__pull *pull, const struct rv__group *group, bool *ret_owned)
{
	const struct rv__interest *interest;
	struct rv_span expression, type;
	struct rv_error error;
	int64_t version = 0;

	*ret_owned = (pull->sysflag & RV__PULL_SUBSCRIPTION) != 0;
	if (*ret_owned) {
		expression = rv__command_field(request->command, "subscription");
		type = rv__command_field(request->command, "expressionType");
		if (type.length && !rv__span_is(type, "TAG")) {
			refuse(request, pull, RV__RSP_SYSTEM_ERROR,
			    "The broker does not support consumer to filter message by SQL92");
			return false;
		}
		if (rv__tags_parse(expression.bytes, expression.length, &pull->tags, &error) == RV_OK)
			return true;
		refuse(request, pull, RV__RSP_SUBSCRIPTION_PARSE_FAILED, error.text);
		return false;
	}
	if (group->members.count == 0) {
		refuse(request, pull, RV__RSP_SUBSCRIPTION_NOT_EXIST, "the consumer's group info not exist");
		return false;
	}
	if (group->broadcasting && !group->broadcast_enabled) {
		refuse(request, pull, RV__RSP_NO_PERMISSION,
		    "the consumer group can not consume by broadcast way");
		return false;
	}
	interest = rv__group_interest(group, pull->topic);
	if (!interest) {
		refuse(
		    request, pull, RV__RSP_SUBSCRIPTION_NOT_EXIST, "the consumer's subscription not exist");
		return false;
	}
	(void)rv__command_i64(request->command, "subVersion", &version);
	/* Seen for about a second after each rebalance: the client bumps its version, then sends a heartbeat. */
	if (interest->version < version) {
		refuse(
		    request, pull, RV__RSP_SUBSCRIPTION_NOT_LATEST, "the consumer's subscription not latest");
		return false;
	}
	pull->tags = interest->tags; /* borrowed for this call */
	return true;
}

/* Who may pull what, in the order in which Apache's broker asks. NULL: refused. */
static struct rv__group *admit(
    struct rv__request *request, const struct rv__pull *pull, struct rv__topic **ret_topic)
{
	struct rv__broker *broker = request->broker;
	struct rv__group *group;
	struct rv__topic *topic;
	char remark[RV__NAME_SIZE + 128];

	if (!(broker->settings.permission & RV__PERM_READ)) {
		refuse(request, pull, RV__RSP_NO_PERMISSION,
		    "the broker may not be read from (brokerPermission)");
		return NULL;
	}
	group = rv__group_ensure(broker, pull->group);
	if (!group) {
		snprintf(remark, sizeof(remark), "subscription group [%s] does not exist", pull->group);
		refuse(request, pull, RV__RSP_SUBSCRIPTION_GROUP_NOT_EXIST, remark);
		return NULL;
	}
	if (!group->consume_enabled) {
		refuse(request, pull, RV__RSP_NO_PERMISSION, "the group may not consume (consumeEnable)");
		return NULL;
	}
	topic = *ret_topic = rv__topic_find(broker, pull->topic);
	if (!topic) {
		snprintf(remark, sizeof(remark), "topic[%s] not exist, apply first please!", pull->topic);
		refuse(request, pull, RV__RSP_TOPIC_NOT_EXIST, remark);
		return NULL;
	}
	if (!(topic->perm & RV__PERM_READ)) {
		refuse(request, pull, RV__RSP_NO_PERMISSION, "the topic may not be read (perm)");
		return NULL;
	}
	if (pull->queue_id < 0 || pull->queue_id >= topic->read_queues) {
		snprintf(remark, sizeof(remark),
		    "queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d]", pull->queue_id,
		    pull->topic, topic->read_queues);
		refuse(request, pull, RV__RSP_SYSTEM_ERROR, remark);
		return NULL;
	}
	return group;
}

/* Whether the request was taken care of: it is held, or its client holds too many. */
static bool hold(struct rv__request *request, struct rv__topic_queue *queue, const struct rv__pull *pull)
{
	const struct rv__broker_settings *settings = &request->broker->settings;
	int64_t suspend_ms = settings->long_polling ? pull->suspend_ms : settings->short_polling_ms;

	if (!(pull->sysflag & RV__PULL_SUSPEND) || suspend_ms <= 0 || !request->ticket.connection)
		return false;
	if (!rv__longpoll_hold(
	        request, queue, pull, suspend_ms < SUSPEND_MAX_MS ? suspend_ms : SUSPEND_MAX_MS))
		refuse(request, pull, RV__RSP_SYSTEM_BUSY, "this client has too many pulls waiting");
	return true;
}

static void serve(struct rv__request *request, struct rv__topic *topic, const struct rv__pull *pull)
{
	struct rv__broker *broker = request->broker;
	struct rv__topic_queue *queue = rv__topic_queue(broker, topic, pull->queue_id);
	struct rv__store_read read;
	struct rv_error error;

	if (!queue) {
		refuse(request, pull, RV__RSP_SYSTEM_ERROR, "no memory for a queue");
		return;
	}
	if (pull->sysflag & RV__PULL_COMMIT)
		rv__offset_set(broker, pull->topic, pull->group, pull->queue_id, pull->commit_offset);
	if (read_messages(broker, queue->store, pull, &read, &error) != RV_OK) {
		request->answered = true;
		answer_failure(&request->ticket, pull, &error);
		return;
	}
	if (outcomes[read.status].code == RV__RSP_PULL_NOT_FOUND && hold(request, queue, pull))
		return;
	request->answered = true;
	answer_read(broker, &request->ticket, pull, &read);
}

void rv__pull_handle(struct rv__request *request)
{
	struct rv__pull pull;
	struct rv__topic *topic;
	struct rv__group *group;
	bool owned = false;

	if (!parse_pull(request, &pull))
		return;
	group = admit(request, &pull, &topic);
	if (group && find_tags(request, &pull, group, &owned))
		serve(request, topic, &pull);
	if (owned)
		rv__tags_finish(&pull.tags);
}
