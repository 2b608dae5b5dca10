/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching with long polls, within the limits, and handing out what came. */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/rocketmq/compress.h"
#include "binder/rocketmq/consumer.h"
#include "binder/rocketmq/headers.h"
#include "remoting/codes.h"

enum {
	SUSPEND_MS = 15000,  /* how long the broker may hold a pull */
	PULL_MS = 30000,     /* our own patience with it */
	LOCK_MS = 30000,     /* our lock counts that long after the broker confirmed it */
	SHARED_BODY = 1024,  /* smaller payloads are cheaper copied than kept with their block */
	EMPTY_PAUSE_MS = 50, /* after a broker that does not hold pulls said that there is nothing */
	BUSY_PAUSE_MS = 20
};

static void pause_until(struct rv__rmq_queue *queue, int64_t pause_ms)
{
	queue->not_before_ms = rv__rmq_now_ms(queue->consumer->client) + pause_ms;
	rv__rmq_client_hurry(queue->consumer->client);
}

/* -- handing out ----------------------------------------------------------------------------- */

void rv__rmq_queue_drop_held(struct rv__rmq_queue *queue)
{
	for (size_t i = queue->held_at; i < queue->held_count; i++)
		rv_message_unref(queue->held[i].message);
	queue->held_at = queue->held_count = 0;
}

static void hand_out(struct rv__rmq_queue *queue)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	size_t n = queue->held_count - queue->held_at, taken;

	if (n == 0 || atomic_load(&consumer->paused) || atomic_load(&consumer->stopped))
		return;
	taken = consumer->sink_ops->deliver(consumer->sink, queue->held + queue->held_at, n);
	atomic_fetch_add_explicit(&consumer->received, taken, memory_order_relaxed);
	queue->held_at += taken;
	if (queue->held_at == queue->held_count)
		queue->held_at = queue->held_count = 0;
}

static bool hold(struct rv__rmq_queue *queue, const struct rv_inbound *inbound)
{
	if (queue->held_count == queue->held_capacity) {
		size_t capacity = queue->held_capacity ? queue->held_capacity * 2 : 32;
		struct rv_inbound *held = realloc(queue->held, capacity * sizeof *held);

		if (!held)
			return false;
		queue->held = held;
		queue->held_capacity = capacity;
	}
	queue->held[queue->held_count++] = *inbound;
	return true;
}

/* -- one record ---------------------------------------------------------------------------------- */

static bool wanted_tag(const struct rv__rmq_queue *queue, const struct rv__record *record)
{
	size_t length = 0;
	const char *tag;

	if (queue->source->retry || queue->consumer->plan.sql || queue->consumer->tags.count == 0)
		return true;
	tag = rv__properties_get(record->properties, record->properties_length, "TAGS", &length);
	return rv__tags_match(&queue->consumer->tags, tag, length);
}

static bool is_topic(const struct rv__rmq_consumer *consumer, const char *name, size_t length)
{
	return strlen(consumer->main.topic->name) == length &&
	    memcmp(consumer->main.topic->name, name, length) == 0;
}

/* Bindings of one group share %RETRY%<group>: each takes what was its own before. */
static bool belongs_to_sibling(const struct rv__rmq_queue *queue, const struct rv__record *record)
{
	const struct rv__rmq_consumer *self = queue->consumer;
	size_t length = 0;
	const char *topic;

	if (!queue->source->retry)
		return false;
	topic = rv__properties_get(record->properties, record->properties_length, "RETRY_TOPIC", &length);
	if (!topic || is_topic(self, topic, length))
		return false;
	for (const struct rv__rmq_consumer *c = self->client->consumers; c; c = c->next)
		if (c != self && c->identity == self->identity && c->started &&
		    strcmp(c->group, self->group) == 0 && is_topic(c, topic, length))
			return true;
	return false;
}

static void release_block(void *owner)
{
	rv__block_unref(owner);
}

static rv_err find_body(
    const struct rv__record *record, struct rv__block *block, struct rv__rmq_body *body, struct rv_error *err)
{
	void *unpacked;

	*body = (struct rv__rmq_body){.bytes = record->body, .length = record->body_length};
	if (record->sys_flag & RV__SYS_COMPRESSED) {
		rv_err failed = rv__rmq_unpack(
		    record->body, record->body_length, record->sys_flag, &unpacked, &body->length, err);

		if (failed != RV_OK)
			return failed;
		body->bytes = unpacked;
		body->release = free;
		body->owner = unpacked;
	} else if (record->body_length >= SHARED_BODY) {
		body->release = release_block;
		body->owner = rv__block_ref(block);
	}
	return RV_OK;
}

/* A message that cannot be read goes to the dead letters: waiting would not make it readable. */
static bool set_aside(
    struct rv__rmq_queue *queue, const struct rv__record *record, const struct rv_error *why)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv__rmq_move *move;

	consumer->client->env->log(RV_LOG_ERROR, RV__RMQ_TOPIC, "binding=%s %s/%s/%d offset=%lld: %s; %s",
	    consumer->binding, queue->source->topic->name, queue->broker->name, queue->id,
	    (long long)record->queue_offset, why->text,
	    consumer->retry.topic ? "it goes to the dead letters" : "it is dropped");
	if (!consumer->retry.topic) {
		uv_mutex_lock(&consumer->lock);
		(void)rv__process_queue_settle(&queue->window, record->queue_offset);
		uv_mutex_unlock(&consumer->lock);
		return true;
	}
	move = calloc(1, sizeof *move);
	if (!move)
		return false;
	move->consumer = consumer;
	move->slot = queue->slot;
	move->epoch = queue->epoch;
	move->position = record->queue_offset;
	move->physical = record->physical_offset;
	move->reconsumed = record->reconsume_times;
	move->dead_letter = true;
	uv_mutex_lock(&consumer->lock);
	rv__process_queue_find(&queue->window, record->queue_offset)->state = RV__PQ_MOVING;
	uv_mutex_unlock(&consumer->lock);
	rv__rmq_move_run(&move->op);
	return true;
}

static bool enter_window(struct rv__rmq_queue *queue, const struct rv__record *record)
{
	struct rv__pq_entry entry = {.offset = record->queue_offset,
	    .physical = record->physical_offset,
	    .size = record->size,
	    .reconsumed = record->reconsume_times};
	bool entered;

	uv_mutex_lock(&queue->consumer->lock);
	entered = rv__process_queue_add(&queue->window, &entry);
	uv_mutex_unlock(&queue->consumer->lock);
	return entered;
}

/* False: no memory; the same pull comes again. */
static bool take_record(struct rv__rmq_queue *queue, const struct rv__record *record, struct rv__block *block)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv_inbound inbound = {
	    .token = {.slot = queue->slot, .epoch = queue->epoch, .position = record->queue_offset},
	    .delivery_count = record->reconsume_times};
	struct rv__rmq_body body;
	struct rv_error why;

	if (record->queue_offset < queue->next_offset || !wanted_tag(queue, record) ||
	    belongs_to_sibling(queue, record))
		return true;
	if (find_body(record, block, &body, &why) != RV_OK) {
		if (why.code == RV_E_NOMEM || !enter_window(queue, record))
			return false;
		return set_aside(queue, record, &why);
	}
	inbound.message = rv__rmq_message_from_record(record, &body, consumer->destination, "RocketMQ");
	if (!inbound.message)
		return false;
	if (!enter_window(queue, record)) {
		rv_message_unref(inbound.message);
		return false;
	}
	if (hold(queue, &inbound))
		return true;
	uv_mutex_lock(&consumer->lock);
	(void)rv__process_queue_settle(&queue->window, record->queue_offset);
	uv_mutex_unlock(&consumer->lock);
	rv_message_unref(inbound.message);
	return false;
}

static void take_records(
    struct rv__rmq_queue *queue, const struct rv__command *answer, struct rv__block *block, int64_t next)
{
	const uint8_t *at = answer->body;
	size_t left = answer->body_length;
	struct rv__record record;
	struct rv_error why;

	while (left > 0) {
		if (rv__record_decode(at, left, &record, &why) != RV_OK) {
			queue->consumer->client->env->log(RV_LOG_ERROR, RV__RMQ_TOPIC,
			    "binding=%s %s/%s/%d from offset %lld: the broker sent what is no message (%s), "
			    "reading "
			    "again in 1 s",
			    queue->consumer->binding, queue->source->topic->name, queue->broker->name,
			    queue->id, (long long)queue->next_offset, why.text);
			pause_until(queue, 1000);
			return;
		}
		if (!take_record(queue, &record, block)) {
			pause_until(queue, 1000);
			return;
		}
		if (record.queue_offset >= queue->next_offset)
			queue->next_offset = record.queue_offset + 1;
		at += record.size;
		left -= record.size;
	}
	if (next > queue->next_offset)
		queue->next_offset = next;
}

/* -- the answer ------------------------------------------------------------------------------------ */

/* Everything below next_offset was seen, be it filtered away. */
static void pass(struct rv__rmq_queue *queue)
{
	uv_mutex_lock(&queue->consumer->lock);
	rv__process_queue_pass(&queue->window, queue->next_offset);
	uv_mutex_unlock(&queue->consumer->lock);
}

static void on_refused(struct rv__rmq_queue *queue, const struct rv__command *answer)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv_error refusal;

	switch (answer->code) {
	case RV__RSP_FLOW_CONTROL:
		pause_until(queue, BUSY_PAUSE_MS);
		return;
	case RV__RSP_SUBSCRIPTION_NOT_EXIST:
	case RV__RSP_SUBSCRIPTION_NOT_LATEST:
		rv__rmq_client_announce(consumer->client);
		pause_until(queue, EMPTY_PAUSE_MS);
		return;
	case RV__RSP_TOPIC_NOT_EXIST:
		rv__rmq_topic_ask(queue->source->topic);
		break;
	default:
		break;
	}
	rv__rmq_refusal(&refusal, queue->source->topic->name, answer);
	consumer->client->env->log(RV_LOG_WARN, RV__RMQ_TOPIC, "binding=%s: %s; reading again in %lld ms",
	    consumer->binding, refusal.text, (long long)consumer->plan.pull_error_delay_ms);
	pause_until(queue, consumer->plan.pull_error_delay_ms);
}

static void on_moved(struct rv__rmq_queue *queue, int64_t next)
{
	queue->consumer->client->env->log(RV_LOG_WARN, RV__RMQ_TOPIC,
	    "binding=%s %s/%s/%d: the broker no longer has offset %lld; going on at %lld",
	    queue->consumer->binding, queue->source->topic->name, queue->broker->name, queue->id,
	    (long long)queue->next_offset, (long long)next);
	queue->moved_to = next;
}

static void on_pulled(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_queue *queue = RV__OWNER(request, struct rv__rmq_queue, request);
	struct rv__rmq_consumer *consumer = queue->consumer;
	int64_t next = queue->next_offset;

	(void)why;
	queue->asking = false;
	if (!answer) {
		queue->stored = -1; /* the position that went with it may not have arrived */
		pause_until(queue, EMPTY_PAUSE_MS);
		return;
	}
	(void)rv__command_i64(answer, "maxOffset", &queue->max_offset);
	(void)rv__command_i64(answer, "nextBeginOffset", &next);
	if (consumer->plan.pull_interval_ms > 0)
		pause_until(queue, consumer->plan.pull_interval_ms);
	switch (answer->code) {
	case RV__RSP_SUCCESS:
		take_records(queue, answer, block, next);
		break;
	case RV__RSP_PULL_NOT_FOUND:
		if (rv__rmq_now_ms(consumer->client) - request->asked_ms < EMPTY_PAUSE_MS / 5)
			pause_until(queue, EMPTY_PAUSE_MS);
		/* fall through */
	case RV__RSP_PULL_RETRY_IMMEDIATELY:
		if (next > queue->next_offset)
			queue->next_offset = next;
		break;
	case RV__RSP_PULL_OFFSET_MOVED:
		on_moved(queue, next);
		break;
	default:
		on_refused(queue, answer);
	}
	pass(queue);
	rv__rmq_queue_advance(queue);
}

/* -- asking ------------------------------------------------------------------------------------------ */

/* Shares a limit over the whole topic out among the queues that we have of it. */
static int64_t limit_of(const struct rv__rmq_queue *queue, int64_t per_queue, int64_t per_topic)
{
	int64_t queues = 0, share;

	if (per_topic < 0)
		return per_queue;
	for (const struct rv__rmq_queue *other = queue->consumer->queues; other; other = other->next)
		queues += other->source == queue->source;
	share = per_topic / (queues ? queues : 1);
	share = share > 0 ? share : 1;
	return share < per_queue ? share : per_queue;
}

/* Whether the window has room; when not, settle() rings once it changed. */
static bool has_room(struct rv__rmq_queue *queue)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	const struct rv__rmq_consumer_plan *plan = &consumer->plan;
	int64_t count = limit_of(queue, plan->max_count, plan->max_count_topic);
	int64_t bytes = limit_of(queue, plan->max_bytes, plan->max_bytes_topic);
	bool room;

	uv_mutex_lock(&consumer->lock);
	room = (int64_t)queue->window.open < count && queue->window.bytes < bytes &&
	    (plan->orderly || rv__process_queue_span(&queue->window) < plan->max_span) &&
	    (queue->moved_to < 0 || queue->window.open == 0);
	if (room && queue->moved_to >= 0) {
		rv__process_queue_reset(&queue->window, queue->moved_to);
		queue->next_offset = queue->moved_to;
		queue->moved_to = -1;
		queue->stored = -1;
	}
	queue->blocked = !room;
	uv_mutex_unlock(&consumer->lock);
	return room;
}

static void ask(struct rv__rmq_queue *queue, struct rv__rmq_connection *connection)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	int64_t commit = consumer->plan.broadcasting ? 0 : rv__rmq_committable(queue);
	bool tell = commit > 0 && commit != queue->stored && !consumer->plan.broadcasting;
	struct rv__rmq_ask question;

	rv__rmq_ask_begin(&question, connection, RV__REQ_PULL_MESSAGE);
	rv__rmq_ask_text(&question, "consumerGroup", consumer->group);
	rv__rmq_ask_text(&question, "topic", queue->source->topic->name);
	rv__rmq_ask_number(&question, "queueId", queue->id);
	rv__rmq_ask_number(&question, "queueOffset", queue->next_offset);
	rv__rmq_ask_number(&question, "maxMsgNums", consumer->plan.pull_batch);
	rv__rmq_ask_number(
	    &question, "sysFlag", RV__PULL_SUSPEND | RV__PULL_SUBSCRIPTION | (tell ? RV__PULL_COMMIT : 0));
	rv__rmq_ask_number(&question, "commitOffset", tell ? commit : 0);
	rv__rmq_ask_number(&question, "suspendTimeoutMillis", SUSPEND_MS);
	rv__rmq_ask_text(&question, "subscription", queue->source->expression);
	rv__rmq_ask_number(&question, "subVersion", consumer->sub_version);
	rv__rmq_ask_text(
	    &question, "expressionType", consumer->plan.sql && !queue->source->retry ? "SQL92" : "TAG");
	rv__rmq_ask_end(&question, &queue->request, PULL_MS, on_pulled, NULL, 0);
	queue->asking = true;
	if (tell)
		queue->stored = commit;
}

static bool lock_is_fresh(struct rv__rmq_queue *queue)
{
	return !queue->consumer->plan.orderly ||
	    rv__rmq_now_ms(queue->consumer->client) - queue->lock_ms < LOCK_MS;
}

void rv__rmq_queue_advance(struct rv__rmq_queue *queue)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv__rmq_connection *connection;

	if (queue->stage != RV__RMQ_READING || atomic_load(&consumer->stopped))
		return;
	hand_out(queue);
	if (queue->asking || queue->held_count > 0 || atomic_load(&consumer->paused) ||
	    rv__rmq_now_ms(consumer->client) < queue->not_before_ms || !lock_is_fresh(queue) ||
	    !has_room(queue))
		return;
	connection = rv__rmq_queue_connection(queue);
	if (connection)
		ask(queue, connection);
}
