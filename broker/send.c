/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/groups.h"
#include "broker/put.h"
#include "broker/reply.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "broker/transactions.h"

/* The fields of both forms. Source: SendMessageRequestHeader(V2).java. */
struct send {
	char topic[RV__TOPIC_NAME_MAX + 1];
	char template_topic[RV__TOPIC_NAME_MAX + 1];
	struct rv_span group, properties;
	int64_t queues, queue_id, sysflag, born_timestamp, flag, reconsume, max_reconsume;
	bool has_max_reconsume;
	bool batch;
};

/* -- parsing -------------------------------------------------------------------------------------------- */

static bool copy_text(struct rv_span span, char *text, size_t size)
{
	if (span.length == 0 || span.length >= size || memchr(span.bytes, 0, span.length))
		return false;
	memcpy(text, span.bytes, span.length);
	text[span.length] = '\0';
	return true;
}

/* One field by its letter; the long names were turned into letters before. */
static bool take_field(struct send *send, char letter, struct rv_span value)
{
	switch (letter) {
	case 'a':
		send->group = value;
		return true;
	case 'b':
		return copy_text(value, send->topic, sizeof(send->topic));
	case 'c':
		return value.length == 0 ||
		    copy_text(value, send->template_topic, sizeof(send->template_topic));
	case 'd':
		return rv__span_i64(value, &send->queues);
	case 'e':
		return rv__span_i64(value, &send->queue_id);
	case 'f':
		return rv__span_i64(value, &send->sysflag);
	case 'g':
		return rv__span_i64(value, &send->born_timestamp);
	case 'h':
		return rv__span_i64(value, &send->flag);
	case 'i':
		send->properties = value;
		return true;
	case 'j':
		return rv__span_i64(value, &send->reconsume);
	case 'l':
		send->has_max_reconsume = rv__span_i64(value, &send->max_reconsume);
		return send->has_max_reconsume;
	case 'm':
		send->batch = rv__span_is(value, "true");
		return true;
	default:
		return true; /* k unitMode, n broker name */
	}
}

static char letter_of(struct rv_span name)
{
	static const struct {
		const char *name;
		char letter;
	} names[] = {{"producerGroup", 'a'}, {"topic", 'b'}, {"defaultTopic", 'c'},
	    {"defaultTopicQueueNums", 'd'}, {"queueId", 'e'}, {"sysFlag", 'f'}, {"bornTimestamp", 'g'},
	    {"flag", 'h'}, {"properties", 'i'}, {"reconsumeTimes", 'j'}, {"maxReconsumeTimes", 'l'},
	    {"batch", 'm'}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (rv__span_is(name, names[i].name))
			return names[i].letter;
	return '\0';
}

static bool parse_send(struct rv__request *request, struct send *send)
{
	const struct rv__command *command = request->command;
	bool letters = command->code != RV__REQ_SEND_MESSAGE && command->code != RV__REQ_SEND_REPLY_MESSAGE;

	memset(send, 0, sizeof(*send));
	send->queues = 4;
	for (size_t i = 0; i < command->field_count; i++) {
		const struct rv__field *field = &command->fields[i];
		char letter = letters ? (field->name.length == 1 ? field->name.bytes[0] : '\0')
		                      : letter_of(field->name);

		if (!take_field(send, letter, field->value)) {
			rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "the field '%.*s' is malformed",
			    (int)(field->name.length < 32 ? field->name.length : 32), field->name.bytes);
			return false;
		}
	}
	if (command->code == RV__REQ_SEND_BATCH_MESSAGE)
		send->batch = true;
	if (send->topic[0] && send->group.length)
		return true;
	rv__answer(
	    request, RV__RSP_SYSTEM_ERROR, "producer group or topic is missing, or the topic is too long");
	return false;
}

/* -- checks --------------------------------------------------------------------------------------------- */

/* The topic, in the order of questions of Apache's broker. NULL: answered. */
static struct rv__topic *admit(struct rv__request *request, const struct send *send)
{
	struct rv__broker *broker = request->broker;
	struct rv__topic *topic;
	struct rv_error error;
	int32_t most;

	if (!(broker->settings.permission & RV__PERM_WRITE)) {
		rv__answer_format(request, RV__RSP_NO_PERMISSION,
		    "the broker[%s] sending message is forbidden", broker->settings.broker_ip);
		return NULL;
	}
	if (!rv__name_legal(send->topic, RV__TOPIC_NAME_MAX)) {
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR,
		    "The specified topic[%s] contains illegal characters", send->topic);
		return NULL;
	}
	if (rv__topic_forbidden(send->topic)) {
		rv__answer_format(request, RV__RSP_NO_PERMISSION,
		    "Sending message to topic[%s] is forbidden.", send->topic);
		return NULL;
	}
	topic = rv__topic_for_send(broker, send->topic, send->template_topic, (int32_t)send->queues, &error);
	if (!topic) {
		rv__answer_error(request,
		    error.code == RV_E_NOTFOUND ? RV__RSP_TOPIC_NOT_EXIST : RV__RSP_SYSTEM_ERROR, &error);
		return NULL;
	}
	most = topic->read_queues > topic->write_queues ? topic->read_queues : topic->write_queues;
	if (send->queue_id >= most) {
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR,
		    "request queueId[%lld] is illegal, topic:[%s] has %d queues", (long long)send->queue_id,
		    send->topic, most);
		return NULL;
	}
	if (!(topic->perm & RV__PERM_WRITE)) {
		rv__answer_format(request, RV__RSP_NO_PERMISSION,
		    "the topic[%s] sending message is forbidden", send->topic);
		return NULL;
	}
	return topic;
}

/* A message to a retry topic that was consumed often enough goes to the dead letters instead. False: answered. */
static bool redirect_dead(
    struct rv__request *request, const struct send *send, struct rv__topic **topic, int64_t *queue_id)
{
	static const char prefix[] = RV__TOPIC_RETRY_PREFIX;
	char name[RV__NAME_SIZE];
	struct rv__group *group;
	struct rv_error error;
	int64_t most;

	if (strncmp(send->topic, prefix, sizeof(prefix) - 1) != 0)
		return true;
	group = rv__group_ensure(request->broker, send->topic + sizeof(prefix) - 1);
	if (!group) {
		rv__answer_format(request, RV__RSP_SUBSCRIPTION_GROUP_NOT_EXIST,
		    "subscription group not exist, %s", send->topic + sizeof(prefix) - 1);
		return false;
	}
	most = send->has_max_reconsume && request->command->version >= RV__MQ_VERSION_MAX_RECONSUME
	    ? send->max_reconsume
	    : group->retry_max;
	if (send->reconsume < most)
		return true;
	snprintf(name, sizeof(name), "%s%.200s", RV__TOPIC_DLQ_PREFIX, group->name);
	*topic = rv__topic_ensure(request->broker, name, 1, 1, RV__PERM_READ | RV__PERM_WRITE, 0, &error);
	*queue_id = 0;
	if (!*topic)
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	return *topic != NULL;
}

/* -- the answer ----------------------------------------------------------------------------------------- */

static void on_sent(
    struct rv__broker *broker, struct rv__waiting *waiting, rv_err code, const struct rv_error *err)
{
	char id[RV__OFFSET_ID_MAX + 1];
	struct rv__command_writer writer;

	if (code != RV_OK) {
		rv__ticket_answer(&waiting->ticket, rv__append_response(code, err), err->text);
		return;
	}
	/* A reply whose asker is gone is stored all the same; `arg` is the remark then. */
	if (!rv__ticket_begin(&waiting->ticket, &writer,
	        waiting->arg ? RV__RSP_SYSTEM_ERROR : RV__RSP_SUCCESS, waiting->arg))
		return;
	rv__offset_id_format(&broker->host, waiting->position.physical_offset, id);
	rv__command_add_i64(&writer, "queueId", waiting->queue_id);
	rv__command_add_text(&writer, "TRACE_ON", "true");
	rv__command_add_text(&writer, "MSG_REGION", broker->settings.region);
	rv__command_add_text(&writer, "msgId", waiting->text ? waiting->text : id);
	rv__command_add_i64(&writer, "queueOffset", waiting->position.queue_offset);
	rv__ticket_end(&waiting->ticket, &writer, NULL, 0);
}

/* The answer follows the acknowledgement; one-way sends wait for nothing. */
static void answer_later(struct rv__request *request, const struct rv__topic *topic, int32_t queue_id,
    const struct rv__store_position *position, char *ids)
{
	struct rv_error error;
	struct rv__waiting waiting = {
	    .done = on_sent,
	    .queue_id = queue_id,
	    .position = *position,
	    .text = ids,
	};

	if (!request->ticket.connection) {
		free(ids);
		return;
	}
	if (topic->change && rv__topics_durable(request->broker, topic->change, &error) != RV_OK)
		waiting.topics_change = topic->change;
	waiting.ticket = rv__ticket_keep(request);
	if (rv__append_wait(request->broker, &waiting) == RV_OK)
		return;
	rv__ticket_answer(&waiting.ticket, RV__RSP_SYSTEM_ERROR, "no memory for the answer");
	rv__ticket_drop(&waiting.ticket);
	free(ids);
}

void rv__send_answer_later(struct rv__request *request, const struct rv__topic *topic, int32_t queue_id,
    const struct rv__store_position *position)
{
	answer_later(request, topic, queue_id, position, NULL);
}

static void refuse(struct rv__request *request, rv_err code, const struct rv_error *err)
{
	rv__answer(request, rv__append_response(code, err), err->text);
}

/* -- one message ------------------------------------------------------------------------------------------ */

static void fill_put(
    struct rv__request *request, const struct send *send, struct rv__topic *topic, struct rv__put *put)
{
	*put = (struct rv__put){
	    .topic = topic,
	    .record =
	        {
	            .flag = (int32_t)send->flag,
	            .sys_flag = (int32_t)send->sysflag & (RV__SYS_COMPRESSED | RV__SYS_COMPRESSION_MASK),
	            .born_timestamp = send->born_timestamp,
	            .born_host = request->connection->address,
	            .reconsume_times = (int32_t)send->reconsume,
	            .body = request->command->body,
	            .body_length = request->command->body_length,
	        },
	    .properties = send->properties,
	};
	if (topic->multi_tags)
		put->record.sys_flag |= RV__SYS_MULTI_TAGS;
}

static int32_t choose_queue(struct rv__topic *topic, int64_t wanted)
{
	if (wanted >= 0)
		return (int32_t)wanted;
	return topic->write_queues > 0 ? (int32_t)(topic->next_queue++ % (uint32_t)topic->write_queues) : 0;
}

static void send_one(
    struct rv__request *request, const struct send *send, struct rv__topic *topic, int64_t queue_id)
{
	struct rv__store_position position;
	struct rv_error error;
	struct rv__put put;
	rv_err code;

	fill_put(request, send, topic, &put);
	put.queue_id = choose_queue(topic, queue_id);
	code = rv__put(request->broker, &put, &position, &error);
	if (code != RV_OK)
		refuse(request, code, &error);
	else
		answer_later(request, topic, put.queue_id, &position, NULL);
}

/* -- batches ---------------------------------------------------------------------------------------------- */

/* int32 size, magic, crc, flag, body length; body; int16 properties length; properties. */
static bool read_entry(struct rv__reader *reader, struct rv__put *put)
{
	size_t start = reader->at;
	uint32_t size = rv__read_u32(reader);

	(void)rv__read_u32(reader);
	(void)rv__read_u32(reader);
	put->record.flag = (int32_t)rv__read_u32(reader);
	put->record.body_length = rv__read_u32(reader);
	put->record.body = rv__read_bytes(reader, put->record.body_length);
	put->properties.length = rv__read_u16(reader);
	put->properties.bytes = (const char *)rv__read_bytes(reader, put->properties.length);
	return !reader->failed && reader->at - start == size;
}

static bool is_batch_whole(const struct rv__command *command)
{
	struct rv__reader reader = {.bytes = command->body, .length = command->body_length};
	struct rv__put put;

	if (command->body_length == 0)
		return false;
	while (reader.at < reader.length)
		if (!read_entry(&reader, &put))
			return false;
	return true;
}

static void send_batch(
    struct rv__request *request, const struct send *send, struct rv__topic *topic, int64_t queue_id)
{
	struct rv__reader reader = {.bytes = request->command->body, .length = request->command->body_length};
	struct rv__store_position first = {0}, position;
	struct rv__buffer ids = RV__BUFFER_INIT(0);
	char id[RV__OFFSET_ID_MAX + 1];
	struct rv_error error;
	struct rv__put put;
	rv_err code = RV_OK;

	if (!is_batch_whole(request->command) ||
	    strncmp(topic->name, RV__TOPIC_RETRY_PREFIX, strlen(RV__TOPIC_RETRY_PREFIX)) == 0) {
		rv__answer(
		    request, RV__RSP_MESSAGE_ILLEGAL, "the batch is malformed, or goes to a retry topic");
		return;
	}
	fill_put(request, send, topic, &put);
	put.queue_id = choose_queue(topic, queue_id);
	put.keep_wait = true;
	while (code == RV_OK && reader.at < reader.length) {
		(void)read_entry(&reader, &put);
		code = rv__put(request->broker, &put, &position, &error);
		if (code != RV_OK)
			break;
		if (ids.length == 0)
			first = position;
		else
			rv__buffer_add_text(&ids, ",");
		rv__offset_id_format(&request->broker->host, position.physical_offset, id);
		rv__buffer_add_text(&ids, id);
	}
	if (code == RV_OK && rv__buffer_error(&ids) != RV_OK)
		code = rv_error_set(&error, RV_E_NOMEM, 0, RV__TOPIC, "no memory for the answer");
	if (code != RV_OK) {
		refuse(request, code, &error);
	} else {
		rv__buffer_add_u8(&ids, 0);
		answer_later(request, topic, put.queue_id, &first, rv__buffer_take(&ids, NULL));
	}
	rv__buffer_finish(&ids);
}

/* -- replies ---------------------------------------------------------------------------------------------- */

static const char asker_is_gone[] = "push reply message fail, channel of the asking client not found.";

/* Stored in the cluster's reply topic whether or not the asker is still there, as Apache's broker does. */
static void send_reply(struct rv__request *request, const struct send *send, struct rv__topic *topic)
{
	struct rv__waiting waiting = {.done = on_sent};
	char name[RV__NAME_SIZE], client_id[256];
	struct rv_error error;
	struct rv__put put;
	rv_err code;

	fill_put(request, send, topic, &put);
	put.queue_id = choose_queue(topic, send->queue_id);
	if (!rv__reply_push(request, &put, &send->group, client_id)) {
		rv_log(RV_LOG_WARN, RV__TOPIC, "a reply for client '%s' finds it gone", client_id);
		waiting.arg = (void *)(uintptr_t)asker_is_gone;
	}
	snprintf(name, sizeof(name), "%.100s_REPLY_TOPIC", request->broker->settings.cluster);
	put.topic = rv__topic_find(request->broker, name);
	put.queue_id = 0;
	code = put.topic ? rv__put(request->broker, &put, &waiting.position, &error)
	                 : rv_error_set(&error, RV_E_NOTFOUND, 0, RV__TOPIC, "topic[%s] not exist", name);
	if (code != RV_OK) {
		refuse(request, code, &error);
		return;
	}
	waiting.ticket = rv__ticket_keep(request);
	if (rv__append_wait(request->broker, &waiting) != RV_OK) {
		rv__ticket_answer(&waiting.ticket, RV__RSP_SYSTEM_ERROR, "no memory for the answer");
		rv__ticket_drop(&waiting.ticket);
	}
}

static bool is_reply(const struct rv__command *command)
{
	return command->code == RV__REQ_SEND_REPLY_MESSAGE || command->code == RV__REQ_SEND_REPLY_MESSAGE_V2;
}

/* -- the request -------------------------------------------------------------------------------------------- */

static bool is_half(const struct send *send)
{
	size_t length;
	const char *value =
	    rv__properties_get(send->properties.bytes, send->properties.length, "TRAN_MSG", &length);

	return (send->sysflag & RV__SYS_TX_MASK) == RV__SYS_TX_PREPARED ||
	    (value && length == 4 && memcmp(value, "true", 4) == 0);
}

void rv__send_handle(struct rv__request *request)
{
	struct rv__topic *topic;
	struct send send;
	struct rv__put put;

	if (!parse_send(request, &send))
		return;
	topic = admit(request, &send);
	if (!topic || !redirect_dead(request, &send, &topic, &send.queue_id))
		return;
	if (request->command->body_length > (size_t)request->broker->settings.max_message ||
	    send.properties.length > RV__PROPERTIES_MAX) {
		rv__answer_format(request, RV__RSP_MESSAGE_ILLEGAL,
		    "the message is illegal, maybe msg body or properties length not matched. msg body "
		    "length limit %lldB, "
		    "msg properties length limit 32KB.",
		    (long long)request->broker->settings.max_message);
		return;
	}
	if (is_reply(request->command)) {
		send_reply(request, &send, topic);
	} else if (send.batch) {
		send_batch(request, &send, topic, send.queue_id);
	} else if (is_half(&send)) {
		fill_put(request, &send, topic, &put);
		put.queue_id = choose_queue(topic, send.queue_id);
		rv__transactions_prepare(request, &put);
	} else {
		send_one(request, &send, topic, send.queue_id);
	}
}
