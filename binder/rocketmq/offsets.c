/* SPDX-License-Identifier: Apache-2.0 */
/* Consumed positions: at the broker for a group, in a file for a broadcasting member. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binder/rocketmq/consumer.h"
#include "remoting/codes.h"
#include "remoting/json_dialect.h"
#include "remoting/queue.h"

static int64_t own_position(struct rv__rmq_queue *queue)
{
	int64_t position;

	uv_mutex_lock(&queue->consumer->lock);
	position = rv__process_queue_committable(&queue->window);
	uv_mutex_unlock(&queue->consumer->lock);
	return position;
}

/* Bindings of one group read %RETRY%<group> each for itself; what is stored must suit them all. */
static int64_t common_position(struct rv__rmq_queue *queue)
{
	const struct rv__rmq_consumer *self = queue->consumer;
	int64_t position = own_position(queue);

	for (struct rv__rmq_consumer *c = self->client->consumers; c; c = c->next) {
		struct rv__rmq_queue *other = c->queues;

		if (c == self || c->identity != self->identity || !c->started ||
		    strcmp(c->group, self->group) != 0)
			continue;
		while (other &&
		    !(other->source->retry && other->broker == queue->broker && other->id == queue->id))
			other = other->next;
		if (!other || other->stage != RV__RMQ_READING)
			return -1; /* it has not begun: nothing may be passed yet */
		int64_t theirs = own_position(other);

		position = theirs < position ? theirs : position;
	}
	return position;
}

int64_t rv__rmq_committable(struct rv__rmq_queue *queue)
{
	return queue->source->retry ? common_position(queue) : own_position(queue);
}

void rv__rmq_offset_ask(struct rv__rmq_ask *ask, struct rv__rmq_connection *connection,
    const struct rv__rmq_queue *queue, int64_t position)
{
	rv__rmq_ask_begin(ask, connection, RV__REQ_UPDATE_CONSUMER_OFFSET);
	rv__rmq_ask_text(ask, "consumerGroup", queue->consumer->group);
	rv__rmq_ask_text(ask, "topic", queue->source->topic->name);
	rv__rmq_ask_number(ask, "queueId", queue->id);
	rv__rmq_ask_number(ask, "commitOffset", position);
}

void rv__rmq_offset_store(struct rv__rmq_queue *queue)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv__rmq_connection *connection = rv__rmq_queue_connection(queue);
	int64_t position = queue->reset_to >= 0 ? queue->reset_to : rv__rmq_committable(queue);
	struct rv__rmq_ask ask;

	if (!queue->told || consumer->plan.broadcasting || !connection || position < 0 ||
	    position == queue->stored)
		return;
	rv__rmq_offset_ask(&ask, connection, queue, position);
	rv__rmq_ask_end(&ask, NULL, 0, NULL, NULL, 0);
	queue->stored = position;
}

void rv__rmq_offsets_store(struct rv__rmq_consumer *consumer)
{
	int64_t lag = 0;

	if (consumer->plan.broadcasting)
		rv__rmq_local_offsets_store(consumer);
	for (struct rv__rmq_queue *queue = consumer->queues; queue; queue = queue->next) {
		int64_t behind = queue->max_offset - own_position(queue);

		if (queue->stage == RV__RMQ_READING && behind > 0)
			lag += behind;
		if (queue->stage == RV__RMQ_READING && !consumer->plan.broadcasting)
			rv__rmq_offset_store(queue);
	}
	atomic_store_explicit(&consumer->lag, lag, memory_order_relaxed);
}

/* -- an operator's reset (220) ------------------------------------------------------------------------ */

static void reset_queue(struct rv__rmq_consumer *consumer, const struct rv__message_queue *to)
{
	for (struct rv__rmq_queue *queue = consumer->queues, *next; queue; queue = next) {
		next = queue->next;
		if (queue->id != to->id || queue->stage == RV__RMQ_DRAINING ||
		    strcmp(queue->broker->name, to->broker) != 0 ||
		    strcmp(queue->source->topic->name, to->topic) != 0)
			continue;
		queue->reset_to = to->offset;
		rv__rmq_queue_revoke(queue, true); /* what runs is not to move the position any more */
	}
}

void rv__rmq_offsets_reset(struct rv__rmq_client *client, const struct rv__command *command)
{
	struct rv_span group = rv__command_field(command, "group");
	struct rv__queues table = {0};
	struct rv_error why;

	if (rv__offset_table_decode(command->body, command->body_length, &table, &why) != RV_OK) {
		client->env->log(
		    RV_LOG_WARN, RV__RMQ_TOPIC, "a reset of positions cannot be read: %s", why.text);
		return;
	}
	for (struct rv__rmq_consumer *c = client->consumers; c; c = c->next) {
		if (!rv__span_is(group, c->group))
			continue;
		client->env->log(RV_LOG_INFO, RV__RMQ_TOPIC,
		    "binding=%s: an operator resets the positions of group %s", c->binding, c->group);
		for (size_t i = 0; i < table.count; i++)
			reset_queue(c, &table.items[i]);
	}
	rv__queues_finish(&table);
}

/* -- the file of a broadcasting member, where and as Java keeps it --------------------------------------- */

static bool file_of(const struct rv__rmq_consumer *consumer, char *path, size_t size, bool make)
{
	const char *home = getenv("HOME"), *at = strchr(consumer->identity->client_id, '@');
	int length;

	if (!home || !*home || !at)
		return false;
	length = snprintf(path, size, "%s/.rocketmq_offsets/%.*s@DEFAULT/%s/offsets.json", home,
	    (int)(at - consumer->identity->client_id), consumer->identity->client_id, consumer->group);
	if (length <= 0 || (size_t)length >= size)
		return false;
	for (char *slash = path + strlen(home) + 1; make && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	return true;
}

static void *read_file(const char *path, size_t *ret_length)
{
	FILE *file = fopen(path, "rbe");
	struct rv__buffer content = RV__BUFFER_INIT(4 << 20);
	uint8_t *room;
	size_t n;

	if (!file)
		return NULL;
	while ((room = rv__buffer_reserve(&content, 4096)) && (n = fread(room, 1, 4096, file)) > 0)
		content.length += n;
	fclose(file);
	return rv__buffer_take(&content, ret_length);
}

int64_t rv__rmq_local_offset(const struct rv__rmq_queue *queue)
{
	struct rv__queues table = {0};
	char path[1024];
	size_t length = 0;
	int64_t found = -1;
	void *content;

	if (!file_of(queue->consumer, path, sizeof path, false) || !(content = read_file(path, &length)))
		return -1;
	if (rv__offset_table_decode(content, length, &table, NULL) == RV_OK) {
		for (size_t i = 0; i < table.count; i++)
			if (table.items[i].id == queue->id &&
			    strcmp(table.items[i].broker, queue->broker->name) == 0 &&
			    strcmp(table.items[i].topic, queue->source->topic->name) == 0)
				found = table.items[i].offset;
		rv__queues_finish(&table);
	}
	free(content);
	return found;
}

static void write_file(const char *path, const struct rv__buffer *content)
{
	char temporary[1040];
	FILE *file;
	bool written;

	snprintf(temporary, sizeof temporary, "%s.tmp", path);
	file = fopen(temporary, "wbe");
	if (!file)
		return;
	written = fwrite(content->bytes, 1, content->length, file) == content->length;
	written &= fclose(file) == 0;
	if (!written || rename(temporary, path) != 0)
		(void)unlink(temporary);
}

void rv__rmq_local_offsets_store(struct rv__rmq_consumer *consumer)
{
	struct rv__buffer content = RV__BUFFER_INIT(4 << 20);
	struct rv__message_queue *table;
	size_t count = 0, total = 0;
	bool changed = false;
	char path[1024];

	for (struct rv__rmq_queue *queue = consumer->queues; queue; queue = queue->next)
		total++;
	table = calloc(total ? total : 1, sizeof *table);
	if (!table)
		return;
	for (struct rv__rmq_queue *queue = consumer->queues; queue; queue = queue->next) {
		int64_t position = own_position(queue);

		if (queue->stage != RV__RMQ_READING)
			continue;
		changed |= position != queue->stored;
		queue->stored = position;
		table[count++] = (struct rv__message_queue){
		    queue->source->topic->name, queue->broker->name, queue->id, position};
	}
	if (changed && file_of(consumer, path, sizeof path, true)) {
		rv__offset_table_encode(&content, table, count);
		if (rv__buffer_error(&content) == RV_OK)
			write_file(path, &content);
	}
	rv__buffer_finish(&content);
	free(table);
}
