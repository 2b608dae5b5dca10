/* SPDX-License-Identifier: Apache-2.0 */
/* Making, judging, tending and ending an input's consumer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/rocketmq/consumer.h"
#include "binder/rocketmq/producer.h"
#include "remoting/codes.h"

enum { FIRST_JUDGEMENT_MS = 1000, ASK_MS = 3000, GROUP_MAX = 120 };

struct bind_call {
	struct rv__call call;
	struct rv__rmq_consumer *consumer;
	char *topic, *retry; /* owned */
	bool failed;
	bool up; /* as judged; the state may change at any time after */
};

/* No answer may find the consumer after this. */
static void end_requests(struct rv__rmq_consumer *consumer)
{
	while (consumer->moves) {
		struct rv__rmq_move *move = consumer->moves;

		consumer->moves = move->next;
		rv__rmq_move_destroy(move);
	}
	for (size_t i = 0; i < consumer->end_count; i++)
		rv__rmq_request_cancel(&consumer->ends[i].request);
	rv__rmq_request_cancel(&consumer->main.request);
	rv__rmq_request_cancel(&consumer->retry.request);
}

static void destroy(struct rv__rmq_consumer *consumer)
{
	while (consumer->queues)
		rv__rmq_queue_destroy(consumer->queues);
	end_requests(consumer);
	uv_mutex_destroy(&consumer->lock);
	rv__tags_finish(&consumer->tags);
	free(consumer->ends);
	free(consumer->slots);
	free(consumer->binding);
	free(consumer->destination);
	free(consumer->group);
	free(consumer->space);
	free(consumer);
}

/* -- judging ------------------------------------------------------------------------------------- */

static void tell(struct rv__rmq_consumer *consumer, bool up)
{
	if (consumer->bind_call) {
		struct bind_call *bind = (struct bind_call *)consumer->bind_call;

		consumer->bind_call = NULL;
		consumer->up = bind->up = up;
		if (!up) /* the reason; that it waits is said by bind_consumer() */
			consumer->sink_ops->state(consumer->sink, &consumer->trouble);
		rv__call_done(&bind->call);
		return;
	}
	if (consumer->up == up || consumer->close_call)
		return;
	consumer->up = up;
	consumer->sink_ops->state(consumer->sink, up ? NULL : &consumer->trouble);
}

/* Whether a connection to one of the topic's brokers is on its way. */
static bool is_connecting(const struct rv__rmq_consumer *consumer)
{
	for (const struct rv__rmq_connection *c = consumer->client->connections; c; c = c->next)
		if (c->broker && c->identity == consumer->identity && c->link == RV__RMQ_CONNECTING)
			return true;
	return false;
}

void rv__rmq_consumer_judge(struct rv__rmq_consumer *consumer)
{
	struct rv__rmq_topic *topic = consumer->main.topic;

	if (!topic->answered || (!consumer->client->names.up && !topic->known)) {
		if (consumer->trouble.code == RV_OK && !consumer->client->names.up)
			consumer->trouble = consumer->client->names.why;
		if (consumer->trouble.code != RV_OK && !consumer->client->names.up)
			tell(consumer, false);
		return;
	}
	rv__rmq_ends_ask(consumer);
	if (!topic->known) { /* running without queues: it looks again by itself */
		consumer->trouble = (struct rv_error){0};
		tell(consumer, true);
	} else if (rv__rmq_topic_connection(consumer, topic)) {
		if (consumer->anonymous && consumer->ends_state != RV__RMQ_ENDS_KNOWN)
			return; /* bound once it is read */
		consumer->trouble = (struct rv_error){0};
		tell(consumer, true);
	} else if (!is_connecting(consumer)) {
		if (consumer->trouble.code == RV_OK)
			rv_error_set(&consumer->trouble, RV_E_UNAVAILABLE, RV__N_RMQ_LOST, RV__RMQ_TOPIC,
			    "no broker of topic '%s' can be reached", topic->name);
		tell(consumer, false);
	}
}

/* -- the loop's events ------------------------------------------------------------------------------- */

void rv__rmq_consumer_on_open(struct rv__rmq_consumer *consumer, struct rv__rmq_connection *connection)
{
	if (connection->identity != consumer->identity)
		return;
	for (struct rv__rmq_queue *queue = consumer->queues; queue; queue = queue->next)
		if (!queue->asking)
			queue->not_before_ms = 0;
	rv__rmq_locks_renew(consumer, rv__rmq_now_ms(consumer->client));
	rv__rmq_consumer_wake(consumer);
	rv__rmq_rebalance(consumer);
}

void rv__rmq_consumer_on_route(struct rv__rmq_consumer *consumer, struct rv__rmq_topic *topic)
{
	if (topic == consumer->main.topic || topic == consumer->retry.topic)
		rv__rmq_rebalance(consumer);
}

static void tend_queue(struct rv__rmq_queue *queue, int64_t now_ms)
{
	if (queue->asking || now_ms < queue->not_before_ms)
		return;
	switch (queue->stage) {
	case RV__RMQ_LOCKING:
		rv__rmq_lock_queue(queue);
		break;
	case RV__RMQ_LOCATING:
		rv__rmq_locate(queue);
		break;
	case RV__RMQ_READING:
		rv__rmq_queue_advance(queue);
		break;
	default:
		break;
	}
}

bool rv__rmq_consumer_restless(const struct rv__rmq_consumer *consumer)
{
	int64_t now = rv__rmq_now_ms(consumer->client);

	if (consumer->bind_call || consumer->close_call)
		return true;
	if (consumer->started && consumer->next_rebalance_ms < now + 1000)
		return true;
	for (const struct rv__rmq_move *move = consumer->moves; move; move = move->next)
		if (!move->asking && move->not_before_ms < now + 200)
			return true;
	for (const struct rv__rmq_queue *queue = consumer->queues; queue; queue = queue->next)
		if (!queue->asking && (queue->not_before_ms > now || queue->stage < RV__RMQ_READING))
			return true;
	return false;
}

/* A broker that knows nothing of us yet is told before it is asked for members. */
static void tend_membership(struct rv__rmq_consumer *consumer)
{
	for (struct rv__rmq_connection *c = consumer->client->connections; c; c = c->next)
		if (c->broker && c->identity == consumer->identity && c->link == RV__RMQ_OPEN &&
		    !c->heartbeat_answered && !c->heartbeat.connection)
			rv__rmq_client_announce(consumer->client);
}

static void close_step(struct rv__rmq_consumer *consumer);

void rv__rmq_consumer_tend(struct rv__rmq_consumer *consumer, int64_t now_ms)
{
	struct rv__rmq_topic *topic = consumer->main.topic;

	rv__rmq_consumer_judge(consumer);
	if (consumer->bind_call && now_ms >= consumer->bind_deadline_ms) {
		if (consumer->trouble.code == RV_OK)
			rv__rmq_silence(consumer->client, topic, FIRST_JUDGEMENT_MS, &consumer->trouble);
		tell(consumer, false);
	}
	if (consumer->started && !consumer->leaving)
		tend_membership(consumer);
	if (now_ms >= consumer->next_rebalance_ms)
		rv__rmq_rebalance(consumer);
	if (now_ms >= consumer->next_lock_ms)
		rv__rmq_locks_renew(consumer, now_ms);
	for (struct rv__rmq_queue *queue = consumer->queues, *next; queue; queue = next) {
		next = queue->next;
		tend_queue(queue, now_ms);
	}
	rv__rmq_moves_tend(consumer, now_ms);
	if (now_ms >= consumer->next_persist_ms) {
		consumer->next_persist_ms = now_ms + consumer->persist_ms;
		rv__rmq_offsets_store(consumer);
	}
	if (consumer->close_call)
		close_step(consumer);
}

/* -- binding -------------------------------------------------------------------------------------------- */

/* A group that stands for different topics or filters at different members loses messages silently. */
static void warn_of_conflicts(const struct rv__rmq_consumer *consumer)
{
	for (const struct rv__rmq_consumer *c = consumer->client->consumers; c; c = c->next)
		if (c != consumer && strcmp(c->group, consumer->group) == 0 &&
		    strcmp(c->main.topic->name, consumer->main.topic->name) == 0 &&
		    strcmp(c->main.expression, consumer->main.expression) != 0)
			consumer->client->env->log(RV_LOG_WARN, RV__RMQ_TOPIC,
			    "bindings '%s' and '%s' are one group ('%s') with different filters ('%s', "
			    "'%s'): each gets "
			    "only part of the queues and loses what the other filters away; give them groups "
			    "of their own",
			    consumer->binding, c->binding, consumer->group, consumer->main.expression,
			    c->main.expression);
}

static void run_bind(struct rv__op *op)
{
	struct bind_call *bind = (struct bind_call *)op;
	struct rv__rmq_consumer *consumer = bind->consumer;
	struct rv__rmq_client *client = consumer->client;

	consumer->identity = rv__rmq_identity_for(client, consumer->group, bind->topic);
	consumer->main.topic = rv__rmq_topic_get(client, bind->topic);
	if (bind->retry)
		consumer->retry.topic = rv__rmq_topic_get(client, bind->retry);
	if (!consumer->identity || !consumer->main.topic || (bind->retry && !consumer->retry.topic) ||
	    atomic_load(&client->stopping)) {
		bind->failed = true;
		rv__call_done(&bind->call);
		return;
	}
	rv__rmq_topic_want(consumer->main.topic);
	/* That there was no such topic a while ago says nothing of now, and an anonymous group starts from now. */
	if (!consumer->main.topic->known)
		rv__rmq_topic_ask_anew(consumer->main.topic);
	if (consumer->retry.topic)
		rv__rmq_topic_want(consumer->retry.topic);
	uv_mutex_lock(&client->view_lock);
	consumer->next = client->consumers;
	client->consumers = consumer;
	uv_mutex_unlock(&client->view_lock);
	warn_of_conflicts(consumer);
	consumer->bind_call = &bind->call;
	consumer->bind_deadline_ms = rv__rmq_now_ms(client) + FIRST_JUDGEMENT_MS;
	rv__rmq_client_hurry(client);
	rv__rmq_consumer_judge(consumer);
}

static rv_err no_memory(struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOMEM, 0, RV__RMQ_TOPIC, "no memory for a consumer");
}

/* A name that nobody else has, so that the group gets a copy of its own. */
static char *anonymous_group(const struct rv__rmq_consumer *consumer, const char *destination)
{
	char *name, *at;

	if (asprintf(&name, "anonymous-%.60s-%016llx", destination,
	        (unsigned long long)consumer->client->env->random()) < 0)
		return NULL;
	for (at = name; *at; at++)
		if (*at == '%' || *at == '|')
			*at = '_';
	return name;
}

static rv_err name_group(
    struct rv__rmq_consumer *consumer, const struct rv_consumer_spec *spec, struct rv_error *err)
{
	char *plain;

	consumer->anonymous = (!spec->group || !*spec->group) && !consumer->plan.broadcasting;
	if (consumer->anonymous)
		plain = anonymous_group(consumer, spec->destination);
	else if (!spec->group || !*spec->group) /* broadcasting: the name only labels the stored positions */
		plain = asprintf(&plain, "anonymous_%.90s", spec->destination) < 0 ? NULL : plain;
	else
		plain = strdup(spec->group);
	consumer->group = plain ? rv__rmq_qualify(consumer->space, plain) : NULL;
	free(plain);
	if (!consumer->group)
		return no_memory(err);
	return rv__rmq_check_name("group", consumer->group, GROUP_MAX, err);
}

static rv_err prepare(struct rv__rmq_consumer *consumer, const struct rv_consumer_spec *spec,
    struct bind_call *bind, struct rv_error *err)
{
	const struct rv__rmq_consumer_settings *settings = spec->settings;
	const struct rv__rmq_common *binder = &consumer->client->settings->common;
	const char *space = settings->common.namespace_name && *settings->common.namespace_name
	    ? settings->common.namespace_name
	    : binder->namespace_name;
	rv_err failed = rv__rmq_consumer_plan(settings, spec->binding, &consumer->plan, err);

	if (failed == RV_OK)
		failed = rv__rmq_check_common(binder, &settings->common, spec->binding, "consumer", err);
	if (failed == RV_OK && !consumer->plan.sql)
		failed = rv__tags_parse(
		    consumer->plan.expression, strlen(consumer->plan.expression), &consumer->tags, err);
	if (failed != RV_OK)
		return failed;
	if (space && *space && !(consumer->space = strdup(space)))
		return no_memory(err);
	consumer->binding = strdup(spec->binding);
	consumer->destination = strdup(spec->destination);
	bind->topic = rv__rmq_qualify(consumer->space, spec->destination);
	if (!consumer->binding || !consumer->destination || !bind->topic)
		return no_memory(err);
	failed = rv__rmq_check_name("destination", bind->topic, RV__TOPIC_NAME_MAX, err);
	if (failed == RV_OK)
		failed = name_group(consumer, spec, err);
	if (failed == RV_OK && !consumer->plan.broadcasting &&
	    asprintf(&bind->retry, "%s%s", RV__TOPIC_RETRY_PREFIX, consumer->group) < 0) {
		bind->retry = NULL;
		failed = no_memory(err);
	}
	consumer->main.consumer = consumer->retry.consumer = consumer;
	consumer->main.expression = consumer->plan.expression;
	consumer->retry.expression = "*";
	consumer->retry.retry = true;
	consumer->persist_ms = settings->common.persist_offset_ms ? settings->common.persist_offset_ms
	                                                          : binder->persist_offset_ms;
	return failed;
}

rv_err rv__rmq_bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err)
{
	struct rv__rmq_client *client = binder;
	struct rv__rmq_consumer *consumer = calloc(1, sizeof *consumer);
	struct bind_call bind = {.consumer = consumer};
	rv_err failed;

	if (!consumer)
		return no_memory(err);
	consumer->client = client;
	consumer->sink_ops = spec->sink_ops;
	consumer->sink = spec->sink;
	consumer->wake.run = rv__rmq_consumer_run_wake;
	consumer->sub_version = client->env->wall_ms();
	uv_mutex_init(&consumer->lock);
	failed = prepare(consumer, spec, &bind, err);
	if (failed == RV_OK) {
		rv__inbox_call(&client->inbox, &bind.call, run_bind);
		if (bind.failed)
			failed = rv_error_set(err, RV_E_CLOSED, 0, RV__RMQ_TOPIC, "the binder is stopping");
	}
	free(bind.topic);
	free(bind.retry);
	if (failed != RV_OK) {
		destroy(consumer);
		return failed;
	}
	*info = (struct rv_consumer_info){.dead_letter = consumer->retry.topic && !consumer->anonymous,
	    .redelivers = consumer->retry.topic != NULL,
	    .waiting = !bind.up};
	*ret_consumer = consumer;
	return RV_OK;
}

struct start_call {
	struct rv__call call;
	struct rv__rmq_consumer *consumer;
};

static void run_start(struct rv__op *op)
{
	struct start_call *start = (struct start_call *)op;
	struct rv__rmq_consumer *consumer = start->consumer;
	struct rv__rmq_client *client = consumer->client;
	int64_t now = rv__rmq_now_ms(client);

	consumer->started = true;
	consumer->next_persist_ms = now + consumer->persist_ms;
	/* The members are asked for once the brokers have heard of us. */
	for (struct rv__rmq_connection *c = client->connections; c; c = c->next)
		if (c->identity == consumer->identity)
			c->heartbeat_answered = false;
	rv__rmq_client_announce(client);
	rv__rmq_rebalance(consumer);
	rv__rmq_client_hurry(client);
	rv__call_done(&start->call);
}

rv_err rv__rmq_start_consumer(void *consumer_pointer, struct rv_error *err)
{
	struct start_call start = {.consumer = consumer_pointer};

	(void)err;
	rv__inbox_call(&start.consumer->client->inbox, &start.call, run_start);
	return RV_OK;
}

void rv__rmq_pause(void *consumer)
{
	atomic_store(&((struct rv__rmq_consumer *)consumer)->paused, true);
}

void rv__rmq_resume(void *consumer)
{
	atomic_store(&((struct rv__rmq_consumer *)consumer)->paused, false);
	rv__rmq_consumer_wake(consumer);
}

void rv__rmq_stop_consumer(void *consumer)
{
	atomic_store(&((struct rv__rmq_consumer *)consumer)->stopped, true);
}

/* -- unbinding: moves, then positions, then locks and the goodbye ------------------------------------------- */

struct close_call {
	struct rv__call call;
	struct rv__rmq_consumer *consumer;
	int64_t deadline_ms;
	size_t left;
};

static void on_stored(struct rv__rmq_request *request, const struct rv__command *answer,
    struct rv__block *block, const struct rv_error *why)
{
	struct rv__rmq_queue *queue = RV__OWNER(request, struct rv__rmq_queue, store_request);
	struct rv__rmq_consumer *consumer = queue->consumer;

	(void)answer;
	(void)block;
	(void)why;
	if (--consumer->closing_requests == 0)
		close_step(consumer);
}

/* Unlike the ones before, the last store is answered: the group may go on elsewhere right away. */
static void store_finally(struct rv__rmq_queue *queue)
{
	struct rv__rmq_consumer *consumer = queue->consumer;
	struct rv__rmq_connection *connection = rv__rmq_queue_connection(queue);
	int64_t position = rv__rmq_committable(queue);
	struct rv__rmq_ask ask;

	if (!queue->told || queue->lost || !connection || position < 0)
		return;
	rv__rmq_offset_ask(&ask, connection, queue, position);
	rv__rmq_ask_end(&ask, &queue->store_request, ASK_MS, on_stored, NULL, 0);
	consumer->closing_requests++;
}

static void ask_plainly(
    struct rv__rmq_connection *connection, int code, const char *name, const char *value, const char *flag)
{
	struct rv__rmq_ask ask;

	rv__rmq_ask_begin(&ask, connection, code);
	rv__rmq_ask_text(&ask, name, value);
	if (flag)
		rv__rmq_ask_bool(&ask, flag, true);
	rv__rmq_ask_end(&ask, NULL, 0, NULL, NULL, 0);
}

/* Nobody can come back to an anonymous group; where the broker lets us, it leaves no trace. */
static void remove_group(struct rv__rmq_consumer *consumer)
{
	struct rv__rmq_client *client = consumer->client;
	struct rv__rmq_connection *names = rv__rmq_nameserver(client);

	for (struct rv__rmq_connection *c = client->connections; c; c = c->next) {
		if (!c->broker || c->identity != consumer->identity || c->link != RV__RMQ_OPEN)
			continue;
		ask_plainly(
		    c, RV__REQ_DELETE_SUBSCRIPTIONGROUP, "groupName", consumer->group, "removeOffset");
		ask_plainly(c, RV__REQ_DELETE_TOPIC_IN_BROKER, "topic", consumer->retry.topic->name, NULL);
	}
	if (names)
		ask_plainly(
		    names, RV__REQ_DELETE_TOPIC_IN_NAMESRV, "topic", consumer->retry.topic->name, NULL);
	consumer->retry.topic->wanted = false;
}

/* From here settlements are stale. False while a release is on its way to the loop: it names its queue. */
static bool close_slots(struct rv__rmq_consumer *consumer)
{
	bool free_to_go = true;

	uv_mutex_lock(&consumer->lock);
	for (uint32_t i = 0; i < consumer->slot_count; i++)
		free_to_go &= !consumer->slots[i] || !consumer->slots[i]->releasing;
	for (uint32_t i = 0; free_to_go && i < consumer->slot_count; i++)
		consumer->slots[i] = NULL;
	uv_mutex_unlock(&consumer->lock);
	return free_to_go;
}

static void finish_close(struct rv__rmq_consumer *consumer)
{
	struct rv__rmq_client *client = consumer->client;
	struct rv__rmq_consumer **slot = &client->consumers;
	struct close_call *closing = (struct close_call *)consumer->close_call;
	bool shared = false;

	consumer->leaving = true;
	for (struct rv__rmq_queue *queue = consumer->queues; consumer->plan.orderly && queue;
	     queue = queue->next)
		rv__rmq_unlock_queue(queue);
	for (struct rv__rmq_consumer *c = client->consumers; c; c = c->next)
		shared |= c != consumer && c->identity == consumer->identity &&
		    strcmp(c->group, consumer->group) == 0;
	if (shared)
		rv__rmq_client_announce(client); /* the group stays, with one topic less */
	else
		rv__rmq_leave(client, consumer->identity, NULL, consumer->group);
	if (consumer->anonymous && consumer->started)
		remove_group(consumer);
	closing->left = consumer->move_count;
	while (consumer->queues)
		rv__rmq_queue_destroy(consumer->queues);
	uv_mutex_lock(&client->view_lock);
	while (*slot != consumer)
		slot = &(*slot)->next;
	*slot = consumer->next;
	uv_mutex_unlock(&client->view_lock);
	/* Requests of what is left must not find it; the rest is freed by the caller. */
	end_requests(consumer);
	consumer->close_call = NULL;
	rv__call_done(&closing->call);
}

static void close_step(struct rv__rmq_consumer *consumer)
{
	bool over = rv__rmq_now_ms(consumer->client) >= consumer->close_deadline_ms;

	if (consumer->closing_step == 0) {
		if (consumer->move_count > 0 && !over)
			return;
		consumer->closing_step = 1;
		if (consumer->plan.broadcasting)
			rv__rmq_local_offsets_store(consumer);
		else if (!consumer->anonymous)
			for (struct rv__rmq_queue *queue = consumer->queues; queue; queue = queue->next)
				store_finally(queue);
	}
	if ((consumer->closing_requests == 0 || over) && close_slots(consumer))
		finish_close(consumer);
}

static void run_close(struct rv__op *op)
{
	struct close_call *closing = (struct close_call *)op;
	struct rv__rmq_consumer *consumer = closing->consumer;

	consumer->close_call = &closing->call;
	consumer->close_deadline_ms = rv__rmq_now_ms(consumer->client) + closing->deadline_ms;
	rv__rmq_client_hurry(consumer->client);
	close_step(consumer);
}

static void run_barrier(struct rv__op *op)
{
	rv__call_done((struct rv__call *)op);
}

size_t rv__rmq_unbind_consumer(void *consumer_pointer, int64_t deadline_ms)
{
	struct rv__rmq_consumer *consumer = consumer_pointer;
	struct close_call closing = {.consumer = consumer, .deadline_ms = deadline_ms};
	struct rv__call barrier;

	atomic_store(&consumer->stopped, true);
	rv__inbox_call(&consumer->client->inbox, &closing.call, run_close);
	/* What was posted meanwhile (a wake, a move) still names the consumer: it runs before this. */
	rv__inbox_call(&consumer->client->inbox, &barrier, run_barrier);
	destroy(consumer);
	return closing.left;
}
