/* SPDX-License-Identifier: Apache-2.0 */
/* Sharing clients, and the thread of each. */
#include "binder/kafka/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "binder/kafka/producer.h"

enum {
	PLACES_MAX = 1000000, /* on their way at most, whatever queue.buffering.max.messages says */
	IDLE_MS = 1000,
	BUSY_MS = 20,     /* while something is awaited that no event tells */
	PURGED_MS = 5000, /* what was purged is completed long before */
	FLUSH_MS = 100,   /* one look whether all has left */
	JOIN_AFTER = 256  /* messages */
};

/* -- librdkafka's side ---------------------------------------------------------------------------- */

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const struct rv__kafka_client *client = rd_kafka_opaque(rk);

	/* Lost connections come as events too, and are the watch's matter. */
	if (client)
		client->kafka->env->log(
		    level <= 2 ? RV_LOG_WARN : RV_LOG_DEBUG, RV__KAFKA_TOPIC, "%s: %s", facility, text);
}

rd_kafka_t *rv__kafka_client_make(struct rv__kafka_client *client, char *why, size_t size)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(client->conf);
	rd_kafka_t *rk;

	rd_kafka_conf_set_opaque(conf, client);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, size);
	if (!rk)
		rd_kafka_conf_destroy(conf);
	return rk;
}

void rv__kafka_client_wake(struct rv__kafka_client *client)
{
	pthread_mutex_lock(&client->lock);
	if (client->queue)
		rd_kafka_queue_yield(client->queue);
	pthread_mutex_unlock(&client->lock);
}

/* -- room -------------------------------------------------------------------------------------------- */

/* A producer that turned a message away, held in place until the sink was told. NULL: none. */
static struct rv__kafka_producer *pin_one_that_waits(struct rv__kafka_client *client)
{
	struct rv__kafka_producer *producer;

	pthread_mutex_lock(&client->lock);
	for (producer = client->producers; producer; producer = producer->next) {
		if (!producer->leaving && atomic_exchange(&producer->wants_room, false)) {
			producer->pins++;
			break;
		}
	}
	pthread_mutex_unlock(&client->lock);
	return producer;
}

static void tell_room(struct rv__kafka_client *client)
{
	struct rv__kafka_producer *producer;

	if (!atomic_load(&client->wants_room) || !atomic_load(&client->open) ||
	    !atomic_exchange(&client->wants_room, false))
		return;
	while ((producer = pin_one_that_waits(client))) {
		producer->sink_ops->writable(producer->sink);
		pthread_mutex_lock(&client->lock);
		producer->pins--;
		pthread_cond_broadcast(&client->changed);
		pthread_mutex_unlock(&client->lock);
	}
}

static void tell_closers(struct rv__kafka_client *client)
{
	if (!atomic_load(&client->closers))
		return;
	pthread_mutex_lock(&client->lock);
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->lock);
}

/* -- the thread ------------------------------------------------------------------------------------- */

/* Not for each report of a few: those that are far between lie anyhow. */
static void join_freed(struct rv__kafka_client *client, uint64_t number)
{
	if (number - atomic_load_explicit(&client->joined, memory_order_relaxed) < JOIN_AFTER)
		return;
	atomic_store_explicit(&client->joined, number, memory_order_relaxed);
	rv__kafka_pool_join_freed();
}

void rv__kafka_client_tidy(struct rv__kafka_client *client, uint64_t number)
{
	for (size_t i = 0; i < RV__KAFKA_SPENT; i++) {
		rd_kafka_event_t *event;

		if (!atomic_load_explicit(&client->spent[i], memory_order_relaxed))
			continue;
		event = atomic_exchange_explicit(&client->spent[i], NULL, memory_order_acquire);
		if (event) {
			rd_kafka_event_destroy(event);
			join_freed(client, number);
		}
		return;
	}
}

void rv__kafka_client_tidy_all(struct rv__kafka_client *client)
{
	for (size_t i = 0; i < RV__KAFKA_SPENT; i++) {
		rd_kafka_event_t *event =
		    atomic_exchange_explicit(&client->spent[i], NULL, memory_order_acquire);

		if (event)
			rd_kafka_event_destroy(event);
	}
}

/* For the next sender; or for nobody, when none comes. */
static void leave_spent(struct rv__kafka_client *client, rd_kafka_event_t *event)
{
	for (size_t i = 0; i < RV__KAFKA_SPENT; i++) {
		rd_kafka_event_t *none = NULL;

		if (atomic_compare_exchange_strong_explicit(
		        &client->spent[i], &none, event, memory_order_release, memory_order_relaxed))
			return;
	}
	rd_kafka_event_destroy(event);
}

static void serve_reports(struct rv__kafka_client *client, rd_kafka_event_t *event)
{
	struct rv__kafka_returns returns = {NULL, NULL};
	struct rv__kafka_successes successes;
	const rd_kafka_message_t *records[RV__KAFKA_SUCCESSES];
	bool kept = false, waits = false;
	size_t n;

	successes.producer = NULL;
	successes.count = 0;
	do {
		for (n = 0; n < RV__KAFKA_SUCCESSES && (records[n] = rd_kafka_event_message_next(event)); n++)
			__builtin_prefetch(
			    records[n]->_private, 1); /* nobody looked at it since it was sent */
		for (size_t i = 0; i < n; i++) {
			if (!records[i]->err)
				rv__kafka_successes_add(client, &successes, records[i], &returns);
			else if (rv__kafka_renewal_takes(client, records[i]))
				kept = true;
			else if (rv__kafka_again_takes(client, records[i]))
				waits = true;
			else
				rv__kafka_complete(client, records[i]->_private, records[i], &returns);
		}
		rv__kafka_successes_tell(&successes);
	} while (n == RV__KAFKA_SUCCESSES);
	rv__kafka_pool_give(&client->pool, &returns);
	/* All of one event fail for one reason, mostly: one that is for both is the renewal's, which ends the waiting. */
	if (kept)
		rv__kafka_renewal_keep(client, event);
	else if (waits)
		rv__kafka_again_keep(client, event);
	else
		leave_spent(client, event);
}

static void serve_error(struct rv__kafka_client *client, rd_kafka_event_t *event)
{
	rd_kafka_resp_err_t code = rd_kafka_event_error(event);

	if (rd_kafka_event_error_is_fatal(event) || code == RD_KAFKA_RESP_ERR__FATAL)
		rv__kafka_renewal_begin(client);
	else
		rv__kafka_watch_heard(client->kafka->watch, code, rd_kafka_event_error_string(event));
	rd_kafka_event_destroy(event);
}

static void serve_event(struct rv__kafka_client *client, rd_kafka_event_t *event)
{
	switch (rd_kafka_event_type(event)) {
	case RD_KAFKA_EVENT_DR:
		serve_reports(client, event);
		break;
	case RD_KAFKA_EVENT_ERROR:
		serve_error(client, event);
		break;
	default:
		rd_kafka_event_destroy(event);
	}
}

/* Those that never got into librdkafka's queue, in the order of their sends. */
static void serve_refused(struct rv__kafka_client *client)
{
	struct rv__kafka_returns returns = {NULL, NULL};
	uint32_t number, reversed = 0;

	if (atomic_load_explicit(&client->refused, memory_order_relaxed) == 0)
		return;
	number = atomic_exchange(&client->refused, 0);
	while (number) {
		struct rv__kafka_place *place = &client->pool.places[number - 1];
		uint32_t next = atomic_load(&place->next);

		atomic_store(&place->next, reversed);
		reversed = number;
		number = next;
	}
	while (reversed) {
		struct rv__kafka_place *place = &client->pool.places[reversed - 1];

		reversed = atomic_load(&place->next);
		if (!rv__kafka_again_takes_refused(client, place))
			rv__kafka_complete(client, place, NULL, &returns);
	}
	rv__kafka_pool_give(&client->pool, &returns);
}

static void serve_purge(struct rv__kafka_client *client)
{
	if (!atomic_exchange(&client->purge, false))
		return;
	rv__kafka_again_abort(client);
	rv__kafka_renewal_abort(client);
	rd_kafka_purge(
	    client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

static void *run(void *argument)
{
	struct rv__kafka_client *client = argument;

	while (!atomic_load(&client->quit)) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(
		    client->queue, client->renewal || rv__kafka_again_waits(client) ? BUSY_MS : IDLE_MS);

		if (event)
			serve_event(client, event);
		else
			rv__kafka_client_tidy_all(client);
		serve_refused(client);
		serve_purge(client);
		rv__kafka_again_step(client);
		if (client->renewal)
			rv__kafka_renewal_step(client);
		tell_room(client);
		tell_closers(client);
	}
	rv__kafka_again_end(client);
	rv__kafka_renewal_end(client);
	rv__kafka_client_tidy_all(client);
	return NULL;
}

/* -- making and ending ---------------------------------------------------------------------------------- */

static rv_err no_memory(struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for a producing client");
}

static void destroy(struct rv__kafka_client *client)
{
	if (client->queue)
		rd_kafka_queue_destroy(client->queue);
	if (client->rk)
		rd_kafka_destroy(client->rk);
	if (client->conf)
		rd_kafka_conf_destroy(client->conf);
	/* Of what was abandoned and never reported. */
	for (uint32_t i = 0; client->pool.places && i < atomic_load(&client->pool.fresh); i++)
		rv_message_unref(client->pool.places[i].message);
	rv__kafka_pool_finish(&client->pool);
	pthread_cond_destroy(&client->changed);
	pthread_mutex_destroy(&client->lock);
	free(client->identity);
	free(client);
}

static uint32_t places_of(const rd_kafka_conf_t *conf)
{
	char text[32] = "";
	size_t size = sizeof text;
	long long number = 0;

	if (rd_kafka_conf_get(conf, "queue.buffering.max.messages", text, &size) == RD_KAFKA_CONF_OK)
		number = strtoll(text, NULL, 10);
	return number <= 0 || number > PLACES_MAX ? PLACES_MAX : (uint32_t)number;
}

/* Consumes both strings' owner: conf and identity belong to the client from here on. */
static rv_err make(struct rv__kafka_senders *senders, rd_kafka_conf_t *conf, char *identity,
    const char *binding, struct rv__kafka_client **ret_client, struct rv_error *err)
{
	struct rv__kafka_client *client = aligned_alloc(64, (sizeof *client + 63) & ~(size_t)63);
	char why[256];

	if (!client || !memset(client, 0, sizeof *client) ||
	    !rv__wait_init(&client->lock, &client->changed)) {
		free(client);
		free(identity);
		rd_kafka_conf_destroy(conf);
		return no_memory(err);
	}
	client->kafka = senders->kafka;
	client->conf = conf;
	client->identity = identity;
	atomic_init(&client->open, true);
	if (!rv__kafka_pool_init(&client->pool, places_of(conf))) {
		destroy(client);
		return no_memory(err);
	}
	client->rk = rv__kafka_client_make(client, why, sizeof why);
	if (!client->rk) {
		destroy(client);
		return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_CLIENT, RV__KAFKA_TOPIC,
		    "binding '%s': the producer cannot be made: %s; correct the settings under "
		    "configuration, "
		    "producer-properties or spring.kafka.producer",
		    binding, why);
	}
	client->queue = rd_kafka_queue_get_main(client->rk);
	if (pthread_create(&client->thread, NULL, run, client) != 0) {
		destroy(client);
		return no_memory(err);
	}
	*ret_client = client;
	return RV_OK;
}

static bool append(char **text, size_t *length, const char *more)
{
	size_t extra = strlen(more) + 1;
	char *grown = realloc(*text, *length + extra + 1);

	if (!grown)
		return false;
	*text = grown;
	memcpy(grown + *length, more, extra);
	grown[*length + extra - 1] = '\n';
	grown[*length + extra] = '\0';
	*length += extra;
	return true;
}

/* Two configurations are one when librdkafka would print them alike. NULL: no memory. */
static char *identity_of(rd_kafka_conf_t *conf)
{
	rd_kafka_topic_conf_t *topic_conf = rd_kafka_conf_get_default_topic_conf(conf);
	char *text = NULL;
	size_t length = 0;
	bool ok = true;

	for (int part = 0; part < 2; part++) {
		size_t count = 0;
		const char **words = part == 0 ? rd_kafka_conf_dump(conf, &count)
		    : topic_conf               ? rd_kafka_topic_conf_dump(topic_conf, &count)
		                               : NULL;

		for (size_t i = 0; words && i + 1 < count; i += 2)
			/* Addresses differ without a difference in meaning. */
			if (strncmp(words[i + 1], "0x", 2) != 0)
				ok = ok && append(&text, &length, words[i]) &&
				    append(&text, &length, words[i + 1]);
		if (words)
			rd_kafka_conf_dump_free(words, count);
	}
	if (ok && text)
		return text;
	free(text);
	return NULL;
}

rv_err rv__kafka_client_get(struct rv__kafka_senders *senders, rd_kafka_conf_t *conf, const char *binding,
    struct rv__kafka_client **ret_client, struct rv_error *err)
{
	char *identity = identity_of(conf);
	struct rv__kafka_client *client;
	rv_err failed = RV_OK;

	if (!identity) {
		rd_kafka_conf_destroy(conf);
		return no_memory(err);
	}
	pthread_mutex_lock(&senders->lock);
	for (client = senders->clients; client; client = client->next)
		if (strcmp(client->identity, identity) == 0)
			break;
	if (client) {
		free(identity);
		rd_kafka_conf_destroy(conf);
	} else {
		failed = make(senders, conf, identity, binding, &client, err);
		if (client) {
			client->next = senders->clients;
			senders->clients = client;
		}
	}
	if (client) {
		client->users++;
		*ret_client = client;
	}
	pthread_mutex_unlock(&senders->lock);
	return failed;
}

void rv__kafka_client_release(struct rv__kafka_senders *senders, struct rv__kafka_client *client)
{
	struct rv__kafka_client **slot = &senders->clients;
	bool last;

	pthread_mutex_lock(&senders->lock);
	last = --client->users == 0;
	while (last && *slot != client)
		slot = &(*slot)->next;
	if (last)
		*slot = client->next;
	pthread_mutex_unlock(&senders->lock);
	if (!last)
		return;
	atomic_store(&client->quit, true);
	rv__kafka_client_wake(client);
	pthread_join(client->thread, NULL);
	destroy(client);
}

/* -- producers ----------------------------------------------------------------------------------------------- */

void rv__kafka_client_join(struct rv__kafka_client *client, struct rv__kafka_producer *producer)
{
	pthread_mutex_lock(&client->lock);
	producer->next = client->producers;
	client->producers = producer;
	pthread_mutex_unlock(&client->lock);
}

void rv__kafka_client_open_topic(struct rv__kafka_client *client, struct rv__kafka_producer *producer)
{
	pthread_mutex_lock(&client->lock);
	if (!producer->rkt)
		producer->rkt = rd_kafka_topic_new(client->rk, producer->topic, NULL);
	pthread_mutex_unlock(&client->lock);
}

static bool is_idle(const struct rv__kafka_producer *producer)
{
	return atomic_load(&producer->completed) == atomic_load(&producer->accepted);
}

/* Waits for what is on its way, until then. Locks: the client's. */
static void wait_idle(struct rv__kafka_client *client, struct rv__kafka_producer *producer, int64_t until_ns)
{
	while (!is_idle(producer) && rv__monotonic_ns() < until_ns)
		(void)rv__wait_until(
		    &client->changed, &client->lock, rv__monotonic_ns() + (int64_t)BUSY_MS * 1000000);
}

/* What lingers leaves now. Locks: the client's, given up meanwhile. */
static void flush(struct rv__kafka_client *client, struct rv__kafka_producer *producer, int64_t until_ns)
{
	while (!is_idle(producer) && rv__monotonic_ns() < until_ns) {
		int64_t left_ms = (until_ns - rv__monotonic_ns()) / 1000000;

		if (atomic_load(&client->open)) {
			rd_kafka_t *rk = client->rk;

			client->flushing++;
			pthread_mutex_unlock(&client->lock);
			rd_kafka_flush(rk, left_ms < FLUSH_MS ? (int)left_ms : FLUSH_MS);
			pthread_mutex_lock(&client->lock);
			client->flushing--;
		}
		wait_idle(client, producer, rv__monotonic_ns() + (int64_t)BUSY_MS * 1000000);
	}
}

/* Completes what librdkafka goes on with for the sake of others. Locks: none. */
static void abandon(struct rv__kafka_client *client, struct rv__kafka_producer *producer)
{
	uint32_t used = atomic_load(&client->pool.fresh);

	for (uint32_t i = 0; i < used; i++) {
		struct rv__kafka_place *place = &client->pool.places[i];
		struct rv__kafka_producer *expected = producer;
		struct rv_error error;

		/* Counted before it is taken, so that its report finds the count. */
		atomic_fetch_add(&client->abandoned, 1);
		if (!atomic_compare_exchange_strong(&place->owner, &expected, NULL)) {
			atomic_fetch_sub(&client->abandoned, 1);
			continue;
		}
		rv__kafka_send_error(producer, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, NULL, NULL, &error);
		atomic_fetch_add(&producer->send_errors, 1);
		atomic_fetch_add(&producer->failed_leaving, 1);
		producer->sink_ops->sent(producer->sink, place->arg, NULL, &error);
		atomic_fetch_add(&producer->completed, 1);
	}
}

static void take_out(struct rv__kafka_client *client, struct rv__kafka_producer *producer)
{
	struct rv__kafka_producer **slot = &client->producers;

	while (producer->pins > 0)
		pthread_cond_wait(&client->changed, &client->lock);
	while (*slot != producer)
		slot = &(*slot)->next;
	*slot = producer->next;
	if (producer->rkt)
		rd_kafka_topic_destroy(producer->rkt);
}

void rv__kafka_client_leave(
    struct rv__kafka_client *client, struct rv__kafka_producer *producer, int64_t deadline_ms)
{
	bool alone;

	pthread_mutex_lock(&client->lock);
	producer->leaving = true;
	atomic_store(&client->closers, true);
	flush(client, producer, rv__monotonic_ns() + deadline_ms * 1000000);
	alone = client->producers == producer && !producer->next;
	if (!is_idle(producer) && alone) {
		atomic_store(&client->purge, true);
		rd_kafka_queue_yield(client->queue);
		wait_idle(client, producer, rv__monotonic_ns() + (int64_t)PURGED_MS * 1000000);
	}
	if (!is_idle(producer)) {
		pthread_mutex_unlock(&client->lock);
		abandon(client, producer);
		pthread_mutex_lock(&client->lock);
		/* Those that its thread took a moment earlier. */
		wait_idle(client, producer, INT64_MAX);
	}
	take_out(client, producer);
	atomic_store(&client->closers, false);
	pthread_mutex_unlock(&client->lock);
}

uint64_t rv__kafka_client_on_the_way(struct rv__kafka_client *client)
{
	uint64_t count = atomic_load(&client->abandoned);

	pthread_mutex_lock(&client->lock);
	for (struct rv__kafka_producer *producer = client->producers; producer; producer = producer->next)
		count += atomic_load(&producer->accepted) - atomic_load(&producer->completed);
	pthread_mutex_unlock(&client->lock);
	return count;
}

void rv__kafka_client_refuse(struct rv__kafka_client *client, struct rv__kafka_place *place)
{
	uint32_t number = rv__kafka_place_number(&client->pool, place);
	uint32_t before = atomic_load(&client->refused);

	do {
		atomic_store(&place->next, before);
	} while (!atomic_compare_exchange_weak(&client->refused, &before, number));
	rv__kafka_client_wake(client);
}
