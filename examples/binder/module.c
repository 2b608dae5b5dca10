/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binder from outside the library, whole and by its public headers alone: type `shelf`, whose broker is a shelf in this
 * process. It shows the shape: one thread calls into the core, under no lock, and everything else only notes what
 * that thread shall do.
 */
#include "shelf.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 32, LARGEST = 16 << 20 };

#define TOPIC "shelf"
#define LABEL "Shelf"

struct binder {
	const struct rv_binder_env *env;
	pthread_t thread;
	bool closing;
	struct producer *producers;
	struct consumer *consumers;
	struct pending *first, **last; /* accepted, and the core does not know yet */
};

struct producer {
	struct binder *binder;
	struct topic *topic;
	const struct rv_producer_sink *ops;
	void *sink;
	size_t pending;
	struct producer *next;
};

struct pending {
	struct producer *producer;
	void *arg;
	int64_t position;
	struct pending *next;
};

struct consumer {
	struct binder *binder;
	struct group *group;
	const struct rv_consumer_sink *ops;
	void *sink;
	bool started, paused, stopped;
	bool full; /* the core refused one, and has not said that there is room */
	bool busy; /* the thread is in the core on its behalf */
	struct consumer *next;
};

static rv_err no_memory(struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOMEM, 0, TOPIC, "no memory for a binding");
}

/* -- the thread ------------------------------------------------------------------------------------ */

/* Tells what became of a send: it is on the shelf. Locks: shelf_lock, given up meanwhile. */
static void complete(struct binder *binder)
{
	struct pending *one = binder->first;
	struct rv_receipt receipt = {.partition = 0, .position = one->position};

	binder->first = one->next;
	if (!binder->first)
		binder->last = &binder->first;
	pthread_mutex_unlock(&shelf_lock);
	one->producer->ops->sent(one->producer->sink, one->arg, &receipt, NULL);
	pthread_mutex_lock(&shelf_lock);
	one->producer->pending--;
	free(one);
	pthread_cond_broadcast(&shelf_changed);
}

/* The body as the sender left it, in an envelope of this delivery. NULL: no memory. */
static rv_message *envelope(const struct consumer *consumer, size_t position)
{
	const struct topic *topic = consumer->group->topic;
	const struct rv_received where = {.source = LABEL,
	    .destination = topic->name,
	    .position = (int64_t)position,
	    .attempt = 1,
	    .timestamp_ms = consumer->binder->env->wall_ms(),
	    .timestamp_type = RV_TIMESTAMP_APPENDED};

	return rv_message_create_envelope(topic->messages[position], &where);
}

/* Locks: shelf_lock, given up meanwhile. */
static void hand_out(struct consumer *consumer)
{
	struct group *group = consumer->group;
	struct rv_inbound batch[BATCH];
	size_t n = 0, taken;

	for (size_t at = group->next; n < BATCH && at < group->topic->count; at++) {
		batch[n] = (struct rv_inbound){.message = envelope(consumer, at),
		    .token = {.epoch = group->epoch, .position = (int64_t)at}};
		if (!batch[n].message)
			break;
		n++;
	}
	consumer->busy = true;
	consumer->full = true; /* before it is asked, so that a credit() meanwhile is not lost */
	pthread_mutex_unlock(&shelf_lock);
	taken = consumer->ops->deliver(consumer->sink, batch, n);
	for (size_t i = taken; i < n; i++)
		rv_message_unref(batch[i].message);
	pthread_mutex_lock(&shelf_lock);
	consumer->busy = false;
	if (taken == n)
		consumer->full = false;
	group->next += taken;
	pthread_cond_broadcast(&shelf_changed);
}

/* Locks: shelf_lock, given up meanwhile. */
static void announce(struct consumer *consumer)
{
	const struct rv_assignment assignment = {.epoch = consumer->group->epoch, .name = "shelf/0"};

	consumer->busy = true;
	consumer->full = false;
	pthread_mutex_unlock(&shelf_lock);
	consumer->ops->assigned(consumer->sink, &assignment, 1);
	pthread_mutex_lock(&shelf_lock);
	consumer->busy = false;
	pthread_cond_broadcast(&shelf_changed);
}

/* Whether there was something to do. Locks: shelf_lock, given up meanwhile. */
static bool serve(struct consumer *consumer)
{
	struct group *group = consumer->group;

	if (!consumer->started || consumer->stopped)
		return false;
	if (shelf_own(group, consumer)) {
		announce(consumer);
		return true;
	}
	if (group->owner != consumer || consumer->paused || consumer->full ||
	    group->next >= group->topic->count)
		return false;
	hand_out(consumer);
	return true;
}

static void *run(void *context)
{
	struct binder *binder = context;

	pthread_mutex_lock(&shelf_lock);
	while (!binder->closing || binder->first) {
		bool worked = binder->first != NULL;

		if (worked)
			complete(binder);
		/* From the start again after each: the list may have changed meanwhile. */
		for (struct consumer *at = binder->consumers; at && !worked; at = at->next)
			worked = serve(at);
		if (!worked)
			pthread_cond_wait(&shelf_changed, &shelf_lock);
	}
	pthread_mutex_unlock(&shelf_lock);
	return NULL;
}

/* -- the binder ------------------------------------------------------------------------------------ */

static rv_err open_binder(
    const struct rv_binder_env *env, const void *settings, void **ret_binder, struct rv_error *err)
{
	struct binder *binder = calloc(1, sizeof *binder);

	(void)settings;
	if (!binder)
		return no_memory(err);
	binder->env = env;
	binder->last = &binder->first;
	if (pthread_create(&binder->thread, NULL, run, binder) != 0) {
		free(binder);
		return rv_error_set(err, RV_E_NOMEM, 0, TOPIC, "no thread for the binder");
	}
	pthread_mutex_lock(&shelf_lock);
	shelf_enter();
	pthread_mutex_unlock(&shelf_lock);
	*ret_binder = binder;
	return RV_OK;
}

static void stop_binder(void *binder)
{
	(void)binder; /* what was accepted is on the shelf already */
}

static void close_binder(void *binder_pointer)
{
	struct binder *binder = binder_pointer;

	pthread_mutex_lock(&shelf_lock);
	binder->closing = true;
	pthread_cond_broadcast(&shelf_changed);
	pthread_mutex_unlock(&shelf_lock);
	pthread_join(binder->thread, NULL);
	pthread_mutex_lock(&shelf_lock);
	shelf_leave();
	pthread_mutex_unlock(&shelf_lock);
	free(binder);
}

static enum rv_health_status health(void *binder, rv_detail_fn detail, void *arg)
{
	(void)binder;
	(void)detail;
	(void)arg;
	return RV_HEALTH_UP;
}

/* -- sending --------------------------------------------------------------------------------------- */

static rv_err bind_producer(void *binder_pointer, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err)
{
	struct binder *binder = binder_pointer;
	struct producer *producer = calloc(1, sizeof *producer);

	if (!producer)
		return no_memory(err);
	*producer = (struct producer){.binder = binder, .ops = spec->sink_ops, .sink = spec->sink};
	pthread_mutex_lock(&shelf_lock);
	producer->topic = shelf_topic(spec->destination);
	producer->next = binder->producers;
	if (producer->topic)
		binder->producers = producer;
	pthread_mutex_unlock(&shelf_lock);
	if (!producer->topic) {
		free(producer);
		return no_memory(err);
	}
	info->partition_count = 1;
	info->max_message_size = LARGEST;
	*ret_producer = producer;
	return RV_OK;
}

/* Payload and key without any other header. */
static rv_message *strip(const rv_message *message)
{
	const char *key = rv_message_header(message, RV_HEADER_KEY);
	const char *id = rv_message_id(message);
	const struct rv_header_span header = {
	    {RV_HEADER_KEY, sizeof RV_HEADER_KEY - 1}, {key, key ? strlen(key) : 0}, RV_HEADER_TEXT};
	struct rv_received bare = {.headers = &header,
	    .header_count = key ? 1 : 0,
	    .id = {id, strlen(id)},
	    .source = LABEL,
	    .attempt = 1,
	    .null = rv_message_is_null(message)};

	bare.payload = rv_message_payload(message, &bare.length);
	return rv_message_create_received(&bare);
}

/* Locks: shelf_lock held. */
static bool accept(struct producer *producer, const struct rv_outbound *outbound)
{
	struct topic *topic = outbound->destination ? shelf_topic(outbound->destination) : producer->topic;
	struct pending *pending = calloc(1, sizeof *pending);
	rv_message *message = outbound->bare ? strip(outbound->message) : rv_message_ref(outbound->message);
	bool accepted = topic && pending && message && shelf_put(topic, message);

	rv_message_unref(message);
	if (!accepted) {
		free(pending);
		return false;
	}
	*pending = (struct pending){producer, outbound->arg, (int64_t)topic->count - 1, NULL};
	*producer->binder->last = pending;
	producer->binder->last = &pending->next;
	producer->pending++;
	return true;
}

static size_t send_batch(void *producer, const struct rv_outbound *batch, size_t n)
{
	size_t accepted = 0;

	pthread_mutex_lock(&shelf_lock);
	while (accepted < n && accept(producer, &batch[accepted]))
		accepted++;
	pthread_mutex_unlock(&shelf_lock);
	return accepted;
}

static size_t unbind_producer(void *producer_pointer, int64_t deadline_ms)
{
	struct producer *producer = producer_pointer;
	struct producer **at = &producer->binder->producers;

	(void)deadline_ms; /* the thread is at it, and needs nobody for it */
	pthread_mutex_lock(&shelf_lock);
	while (producer->pending > 0)
		pthread_cond_wait(&shelf_changed, &shelf_lock);
	while (*at != producer)
		at = &(*at)->next;
	*at = producer->next;
	pthread_mutex_unlock(&shelf_lock);
	free(producer);
	return 0;
}

/* -- receiving ------------------------------------------------------------------------------------- */

static rv_err bind_consumer(void *binder_pointer, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err)
{
	struct binder *binder = binder_pointer;
	struct consumer *consumer = calloc(1, sizeof *consumer);
	struct topic *topic;

	(void)info; /* no dead letters, no redelivery */
	if (!consumer)
		return no_memory(err);
	*consumer = (struct consumer){.binder = binder, .ops = spec->sink_ops, .sink = spec->sink};
	pthread_mutex_lock(&shelf_lock);
	topic = shelf_topic(spec->destination);
	consumer->group = topic ? shelf_group(topic, spec->group && *spec->group ? spec->group : NULL) : NULL;
	consumer->next = binder->consumers;
	if (consumer->group)
		binder->consumers = consumer;
	pthread_mutex_unlock(&shelf_lock);
	if (!consumer->group) {
		free(consumer);
		return no_memory(err);
	}
	*ret_consumer = consumer;
	return RV_OK;
}

/* One of the switches of a consumer, which its thread looks at. */
static void turn(struct consumer *consumer, bool *which, bool on)
{
	(void)consumer;
	pthread_mutex_lock(&shelf_lock);
	*which = on;
	pthread_cond_broadcast(&shelf_changed);
	pthread_mutex_unlock(&shelf_lock);
}

static rv_err start_consumer(void *consumer, struct rv_error *err)
{
	(void)err;
	turn(consumer, &((struct consumer *)consumer)->started, true);
	return RV_OK;
}

static void credit(void *consumer, uint32_t slot, uint32_t room)
{
	(void)slot;
	(void)room;
	turn(consumer, &((struct consumer *)consumer)->full, false);
}

static void pause_consumer(void *consumer)
{
	turn(consumer, &((struct consumer *)consumer)->paused, true);
}

static void resume_consumer(void *consumer)
{
	turn(consumer, &((struct consumer *)consumer)->paused, false);
}

static void stop_consumer(void *consumer)
{
	turn(consumer, &((struct consumer *)consumer)->stopped, true);
}

/* Without redelivery and dead letters whatever is said ends the message. */
static rv_err settle(void *consumer, const struct rv_settle *settle, int64_t *ret_hold_ms)
{
	rv_err result;

	(void)ret_hold_ms;
	pthread_mutex_lock(&shelf_lock);
	result = shelf_settle(((struct consumer *)consumer)->group, &settle->token);
	pthread_mutex_unlock(&shelf_lock);
	return result;
}

static void released(void *consumer, uint32_t slot, uint32_t epoch)
{
	(void)consumer;
	(void)slot;
	(void)epoch; /* nothing is ever revoked: an owner keeps the group until it leaves */
}

static size_t unbind_consumer(void *consumer_pointer, int64_t deadline_ms)
{
	struct consumer *consumer = consumer_pointer;
	struct consumer **at = &consumer->binder->consumers;

	(void)deadline_ms;
	pthread_mutex_lock(&shelf_lock);
	consumer->stopped = true;
	while (consumer->busy)
		pthread_cond_wait(&shelf_changed, &shelf_lock);
	while (*at != consumer)
		at = &(*at)->next;
	*at = consumer->next;
	shelf_disown(consumer->group, consumer);
	pthread_mutex_unlock(&shelf_lock);
	free(consumer);
	return 0;
}

/* -- the one symbol -------------------------------------------------------------------------------- */

static const struct rv_binder_ops shelf = {
    .abi = RV_BINDER_ABI,
    .caps =
        RV_CAP_HEADERS | RV_CAP_BINARY_HEADERS | RV_CAP_TOMBSTONE | RV_CAP_KEY_ORDER | RV_CAP_GROUP_RESUME,
    .type = "shelf",
    .label = LABEL,
    .open = open_binder,
    .stop = stop_binder,
    .close = close_binder,
    .bind_producer = bind_producer,
    .send = send_batch,
    .unbind_producer = unbind_producer,
    .bind_consumer = bind_consumer,
    .start_consumer = start_consumer,
    .credit = credit,
    .settle = settle,
    .released = released,
    .pause = pause_consumer,
    .resume = resume_consumer,
    .stop_consumer = stop_consumer,
    .unbind_consumer = unbind_consumer,
    .health = health,
};

RV_API const struct rv_binder_ops *rv_binder_module(uint32_t host_abi);

RV_API const struct rv_binder_ops *rv_binder_module(uint32_t host_abi)
{
	return host_abi == RV_BINDER_ABI ? &shelf : NULL;
}
