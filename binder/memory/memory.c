/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the `memory` binder, as the core calls them. */
#include "binder/memory/memory.h"

#include "base/numbers.h"
#include "base/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- binder -------------------------------------------------------------------------------- */

static rv_err out_of_memory(struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOMEM, RV__N_MEMORY_NOMEM, "memory",
	    "no memory or threads for the memory broker; lower max-messages or give the process more");
}

static rv_err open_binder(
    const struct rv_binder_env *env, const void *settings, void **ret_binder, struct rv_error *err)
{
	struct rv__memory_instance *binder = calloc(1, sizeof *binder);

	if (!binder)
		return out_of_memory(err);
	binder->env = *env;
	binder->settings = settings;
	binder->broker = rv__memory_broker_open(binder->settings->broker, env);
	if (!binder->broker) {
		free(binder);
		return out_of_memory(err);
	}
	*ret_binder = binder;
	return RV_OK;
}

static void stop_binder(void *arg)
{
	struct rv__memory_instance *binder = arg;

	atomic_store(&binder->stopped, true);
}

static void close_binder(void *arg)
{
	struct rv__memory_instance *binder = arg;

	rv__memory_broker_close(binder->broker);
	free(binder);
}

/* -- producer --------------------------------------------------------------------------------- */

static void free_producer(struct rv__memory_producer *producer)
{
	pthread_mutex_destroy(&producer->lock);
	free(producer->inbox);
	free(producer);
}

static struct rv__memory_producer *new_producer(
    struct rv__memory_instance *binder, const struct rv_producer_spec *spec)
{
	struct rv__memory_producer *producer =
	    aligned_alloc(_Alignof(struct rv__memory_producer), sizeof *producer);

	if (!producer)
		return NULL;
	memset(producer, 0, sizeof *producer);
	producer->inbox = malloc(RV__MEMORY_SEND_ROOM * sizeof *producer->inbox);
	if (!producer->inbox) {
		free(producer);
		return NULL;
	}
	pthread_mutex_init(&producer->lock, NULL);
	producer->binder = binder;
	producer->sink_ops = spec->sink_ops;
	producer->sink = spec->sink;
	return producer;
}

static bool make_required_groups(
    struct rv__memory_broker *broker, struct rv__memory_topic *topic, const struct rv_strings *groups)
{
	for (size_t i = 0; i < groups->count; i++)
		if (!rv__memory_group_get(broker, topic, groups->items[i]))
			return false;
	return true;
}

static rv_err bind_producer(void *arg, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err)
{
	struct rv__memory_instance *binder = arg;
	struct rv__memory_broker *broker = binder->broker;
	struct rv__memory_producer *producer = new_producer(binder, spec);
	bool made = false;

	if (!producer)
		return out_of_memory(err);
	pthread_mutex_lock(&broker->lock);
	producer->topic =
	    rv__memory_topic_get(broker, binder->settings, spec->destination, spec->partition_count);
	if (producer->topic && make_required_groups(broker, producer->topic, spec->required_groups)) {
		info->partition_count = (int32_t)producer->topic->partition_count;
		producer->told_partitions = producer->topic->partition_count;
		producer->next = broker->producers;
		broker->producers = producer;
		made = true;
	}
	pthread_mutex_unlock(&broker->lock);
	if (!made) {
		free_producer(producer);
		return out_of_memory(err);
	}
	rv__memory_wake(broker); /* other producers of the topic hear of its new partitions */
	*ret_producer = producer;
	return RV_OK;
}

/* The topic that a message names instead of the producer's own; NULL: no memory. */
static struct rv__memory_topic *other_topic(struct rv__memory_producer *producer, const char *name)
{
	struct rv__memory_broker *broker = producer->binder->broker;
	struct rv__memory_topic *topic;

	pthread_mutex_lock(&broker->lock);
	topic = rv__memory_topic_get(broker, producer->binder->settings, name, 1);
	pthread_mutex_unlock(&broker->lock);
	return topic;
}

/* One more for the pump; false: no room, or no more. Locks: producer->lock held. */
static bool push_sending(struct rv__memory_producer *producer, const struct rv__memory_sending *sending)
{
	size_t tail = atomic_load_explicit(&producer->tail, memory_order_relaxed);

	if (producer->closed || atomic_load_explicit(&producer->binder->stopped, memory_order_relaxed))
		return false;
	if (tail - atomic_load_explicit(&producer->head, memory_order_acquire) == RV__MEMORY_SEND_ROOM) {
		/* Both sequentially consistent, as in the pump: it sees our wish, or we see the room it made. */
		atomic_store(&producer->wants_room, true);
		if (tail - atomic_load(&producer->head) == RV__MEMORY_SEND_ROOM)
			return false;
	}
	rv_message_ref(sending->message);
	producer->inbox[tail & (RV__MEMORY_SEND_ROOM - 1)] = *sending;
	atomic_store(&producer->tail, tail + 1); /* sequentially consistent with rv__memory_wake() */
	return true;
}

static void unref(void *owner)
{
	rv_message_unref(owner);
}

/* The same payload and key, and nothing else: what a broker without headers would keep. A reference, owned. */
static rv_message *strip(const rv_message *message)
{
	struct rv_header key;
	struct rv_header_span headers[1];
	struct rv_received bare = {.headers = headers,
	    .id = {rv_message_id(message), strlen(rv_message_id(message))},
	    .partition = -1,
	    .position = -1,
	    .timestamp_ms = rv_message_timestamp_ms(message),
	    .null = rv_message_is_null(message),
	    .release = unref,
	    .owner = rv_message_ref(message)};

	bare.payload = rv_message_payload(message, &bare.length);
	if (rv_message_header_find(message, RV_HEADER_KEY, &key))
		headers[bare.header_count++] = (struct rv_header_span){
		    .name = {key.name, strlen(key.name)}, .value = {key.value, key.length}, .type = key.type};
	return rv_message_create_received(&bare);
}

/* Takes one in; false: no room. Locks: producer->lock held. */
static bool take_in(
    struct rv__memory_producer *producer, const struct rv_outbound *from, struct rv__memory_topic *topic)
{
	struct rv__memory_sending sending = {from->message, from->arg, topic, from->partition};
	bool taken;

	if (from->bare && !(sending.message = strip(from->message)))
		return false;
	taken = push_sending(producer, &sending);
	if (from->bare)
		rv_message_unref(sending.message);
	return taken;
}

static size_t send_batch(void *arg, const struct rv_outbound *batch, size_t n)
{
	struct rv__memory_producer *producer = arg;
	size_t accepted = 0;
	bool full = false;

	while (accepted < n && !full) {
		const char *destination = batch[accepted].destination;
		struct rv__memory_topic *topic =
		    destination ? other_topic(producer, destination) : producer->topic;

		if (!topic)
			break;
		pthread_mutex_lock(&producer->lock);
		while (accepted < n && batch[accepted].destination == destination && !full) {
			full = !take_in(producer, &batch[accepted], topic);
			accepted += !full;
		}
		pthread_mutex_unlock(&producer->lock);
	}
	if (accepted > 0)
		rv__memory_wake(producer->binder->broker);
	return accepted;
}

/* Wakes the pump, too. Locks: broker.lock held. */
static void wait_for_pump(struct rv__memory_broker *broker, const bool *gone, int64_t deadline_ns)
{
	atomic_store(&broker->work, true);
	pthread_cond_signal(&broker->wake);
	while (!*gone && rv__wait_until(&broker->settled, &broker->lock, deadline_ns))
		;
}

static size_t unbind_producer(void *arg, int64_t deadline_ms)
{
	struct rv__memory_producer *producer = arg;
	struct rv__memory_broker *broker = producer->binder->broker;
	size_t failed;

	pthread_mutex_lock(&producer->lock);
	producer->closed = true;
	pthread_mutex_unlock(&producer->lock);
	pthread_mutex_lock(&broker->lock);
	producer->leaving = true;
	wait_for_pump(broker, &producer->gone, broker->env.monotonic_ns() + deadline_ms * 1000000);
	if (!producer->gone) {
		producer->expired = true;
		wait_for_pump(broker, &producer->gone, INT64_MAX);
	}
	failed = producer->failed;
	pthread_mutex_unlock(&broker->lock);
	free_producer(producer);
	return failed;
}

/* -- consumer ------------------------------------------------------------------------------------ */

static void free_consumer(struct rv__memory_consumer *consumer)
{
	free(consumer->inbox.items);
	free(consumer->spare.items);
	free(consumer->dead_letters);
	pthread_mutex_destroy(&consumer->lock);
	free(consumer);
}

/* `<destination>.<group>.dlq`, or what the properties say. An anonymous group has none. */
static bool name_dead_letters(struct rv__memory_consumer *consumer, const struct rv_consumer_spec *spec)
{
	const struct rv__memory_consumer_settings *settings = consumer->settings;

	if (!settings->dead_letter || !spec->group)
		return true;
	if (settings->dead_letter_destination && *settings->dead_letter_destination) {
		consumer->dead_letters = strdup(settings->dead_letter_destination);
		return consumer->dead_letters != NULL;
	}
	return asprintf(&consumer->dead_letters, "%s.%s.dlq", spec->destination, spec->group) >= 0;
}

static struct rv__memory_consumer *new_consumer(
    struct rv__memory_instance *binder, const struct rv_consumer_spec *spec)
{
	struct rv__memory_consumer *consumer = calloc(1, sizeof *consumer);

	if (!consumer)
		return NULL;
	pthread_mutex_init(&consumer->lock, NULL);
	consumer->binder = binder;
	consumer->settings = spec->settings;
	consumer->sink_ops = spec->sink_ops;
	consumer->sink = spec->sink;
	if (!name_dead_letters(consumer, spec)) {
		consumer->dead_letters = NULL;
		free_consumer(consumer);
		return NULL;
	}
	return consumer;
}

static void add_member(struct rv__memory_consumer *consumer)
{
	struct rv__memory_consumer **end = &consumer->group->members;

	while (*end)
		end = &(*end)->next;
	*end = consumer;
}

static rv_err bind_consumer(void *arg, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err)
{
	struct rv__memory_instance *binder = arg;
	struct rv__memory_broker *broker = binder->broker;
	struct rv__memory_consumer *consumer = new_consumer(binder, spec);
	struct rv__memory_topic *topic;

	if (!consumer)
		return out_of_memory(err);
	pthread_mutex_lock(&broker->lock);
	topic = rv__memory_topic_get(broker, binder->settings, spec->destination, 1);
	consumer->group = topic ? rv__memory_group_get(broker, topic, spec->group) : NULL;
	if (consumer->group)
		add_member(consumer);
	pthread_mutex_unlock(&broker->lock);
	if (!consumer->group) {
		free_consumer(consumer);
		return out_of_memory(err);
	}
	info->dead_letter = consumer->dead_letters != NULL;
	info->dead_letter_destination = consumer->dead_letters;
	info->core_dead_letters = true;
	info->redelivers = consumer->settings->redeliver;
	if (info->redelivers)
		info->max_deliveries = (int32_t)consumer->settings->max_redeliveries + 1;
	*ret_consumer = consumer;
	return RV_OK;
}

static rv_err start_consumer(void *arg, struct rv_error *err)
{
	struct rv__memory_consumer *consumer = arg;
	struct rv__memory_broker *broker = consumer->binder->broker;

	(void)err;
	pthread_mutex_lock(&broker->lock);
	consumer->started = true;
	consumer->group->unbalanced = true;
	pthread_mutex_unlock(&broker->lock);
	rv__memory_wake(broker);
	return RV_OK;
}

static bool push_word(struct rv__memory_words *inbox, const struct rv__memory_word *word)
{
	if (inbox->count == inbox->room) {
		size_t room = inbox->room ? inbox->room * 2 : 64;
		struct rv__memory_word *items = realloc(inbox->items, room * sizeof *items);

		if (!items)
			return false;
		inbox->items = items;
		inbox->room = room;
	}
	inbox->items[inbox->count++] = *word;
	return true;
}

static rv_err say(struct rv__memory_consumer *consumer, const struct rv__memory_word *word)
{
	rv_err code = RV_E_STALE;

	if (word->slot >= RV__MEMORY_SLOTS)
		return RV_E_STALE;
	pthread_mutex_lock(&consumer->lock);
	if (word->epoch != 0 && atomic_load(&consumer->epochs[word->slot]) == word->epoch)
		code = push_word(&consumer->inbox, word) ? RV_OK : RV_E_NOMEM;
	if (code == RV_OK && word->kind == RV__WORD_RELEASED)
		atomic_store(&consumer->epochs[word->slot], 0);
	pthread_mutex_unlock(&consumer->lock);
	if (code == RV_OK)
		rv__memory_wake(consumer->binder->broker);
	return code;
}

static rv_err settle(void *arg, const struct rv_settle *settle, int64_t *ret_hold_ms)
{
	struct rv__memory_word word = {
	    .kind = RV__WORD_SETTLE,
	    .settlement = settle->settlement,
	    .slot = settle->token.slot,
	    .epoch = settle->token.epoch,
	    .count = 1,
	    .position = settle->token.position,
	};

	(void)ret_hold_ms; /* a redelivery comes from the broker */
	return say(arg, &word);
}

/* One word for each run of positions without a gap. */
static rv_err acknowledge(void *arg, const struct rv_token *tokens, size_t n)
{
	struct rv__memory_word word = {.kind = RV__WORD_SETTLE,
	    .settlement = RV_SETTLE_ACK,
	    .slot = tokens->slot,
	    .epoch = tokens->epoch};
	rv_err code = RV_OK;

	for (size_t i = 0; i < n && code == RV_OK; i += word.count) {
		word.position = tokens[i].position;
		word.count = 1;
		while (i + word.count < n && tokens[i + word.count].position == word.position + word.count)
			word.count++;
		code = say(arg, &word);
	}
	return code;
}

static void credit(void *arg, uint32_t slot, uint32_t room)
{
	struct rv__memory_consumer *consumer = arg;
	struct rv__memory_word word = {.kind = RV__WORD_CREDIT, .slot = slot};

	(void)room;
	if (slot >= RV__MEMORY_SLOTS)
		return;
	word.epoch = atomic_load(&consumer->epochs[slot]);
	(void)say(consumer, &word); /* stale: the slot is no longer ours */
}

static void released(void *arg, uint32_t slot, uint32_t epoch)
{
	struct rv__memory_word word = {.kind = RV__WORD_RELEASED, .slot = slot, .epoch = epoch};

	(void)say(arg, &word); /* stale: it left the group meanwhile */
}

static void pause_consumer(void *arg)
{
	struct rv__memory_consumer *consumer = arg;

	atomic_store(&consumer->paused, true);
}

static void resume_consumer(void *arg)
{
	struct rv__memory_consumer *consumer = arg;

	atomic_store(&consumer->paused, false);
	rv__memory_wake(consumer->binder->broker);
}

static void stop_consumer(void *arg)
{
	struct rv__memory_consumer *consumer = arg;

	atomic_store(&consumer->stopped, true);
}

static size_t unbind_consumer(void *arg, int64_t deadline_ms)
{
	struct rv__memory_consumer *consumer = arg;
	struct rv__memory_broker *broker = consumer->binder->broker;

	/* The pump takes all settlements first; it waits for nobody, so no deadline is needed. */
	(void)deadline_ms;
	pthread_mutex_lock(&broker->lock);
	consumer->leaving = true;
	wait_for_pump(broker, &consumer->gone, INT64_MAX);
	pthread_mutex_unlock(&broker->lock);
	free_consumer(consumer);
	return 0;
}

/* -- observation -------------------------------------------------------------------------------------- */

static enum rv_health_status health(void *arg, rv_detail_fn detail, void *detail_arg)
{
	struct rv__memory_instance *binder = arg;

	if (detail)
		detail(detail_arg, "broker", binder->settings->broker);
	return RV_HEALTH_UP;
}

static void stats(void *arg, rv_stat_fn stat, void *stat_arg)
{
	struct rv__memory_instance *binder = arg;

	stat(stat_arg, "sent", NULL, (double)atomic_load(&binder->sent));
	stat(stat_arg, "received", NULL, (double)atomic_load(&binder->received));
	stat(stat_arg, "settled", NULL, (double)atomic_load(&binder->settled));
	stat(stat_arg, "requeued", NULL, (double)atomic_load(&binder->requeued));
}

const struct rv_binder_ops rv__memory_binder = {
    .abi = RV_BINDER_ABI,
    .caps = RV_CAP_PARTITIONS | RV_CAP_HEADERS | RV_CAP_BINARY_HEADERS | RV_CAP_BINARY_LETTERS |
        RV_CAP_TOMBSTONE | RV_CAP_KEY_ORDER | RV_CAP_REQUEUE | RV_CAP_REQUEUE_DELAY | RV_CAP_DEAD_LETTER |
        RV_CAP_DELIVERY_COUNT | RV_CAP_COUNT_UNSETTLED | RV_CAP_GROUP_RESUME,
    .type = "memory",
    .label = "Memory",
    .binder_props = {.rows = rv__memory_binder_rows, .size = sizeof(struct rv__memory_binder_settings)},
    .consumer_props = {.rows = rv__memory_consumer_rows, .size = sizeof(struct rv__memory_consumer_settings)},
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
    .stats = stats,
    .acknowledge = acknowledge,
};
