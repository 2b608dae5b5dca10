/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of an input: events, the way to the broker, and what is seen of it from outside. */
#include "binder/kafka/consumer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/numbers.h"

enum {
	WAIT_MS = 100,
	EVENTS_MAX = 100,
	TICK_MS = 500,
	TROUBLE_MS = 3000,
	ANEW_MS = 1000,
	SLOW_MS = 60000,
	JOIN_MS = 2000
};

/* -- telling ----------------------------------------------------------------------------------------- */

void rv__kafka_consumer_wake(struct rv__kafka_consumer *consumer)
{
	static const uint64_t one = 1;

	if (!atomic_exchange(&consumer->wake_pending, true))
		while (write(consumer->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
			;
}

void rv__kafka_consumer_tell(struct rv__kafka_consumer *consumer, const struct rv_error *why)
{
	int number = why ? why->number : 0;
	bool news;

	pthread_mutex_lock(&consumer->lock);
	news = !consumer->told || consumer->told_up != !why || consumer->told_number != number;
	consumer->told = true;
	consumer->told_up = !why;
	consumer->told_number = number;
	pthread_mutex_unlock(&consumer->lock);
	if (!news)
		return;
	consumer->sink_ops->state(consumer->sink, why);
	/* Who binds waits for the word, and must not find it before the core did. */
	pthread_mutex_lock(&consumer->lock);
	consumer->bound = true;
	pthread_cond_broadcast(&consumer->changed);
	pthread_mutex_unlock(&consumer->lock);
}

void rv__kafka_consumer_trouble(struct rv__kafka_consumer *consumer, int code, const char *words)
{
	const char *cure;
	int number;

	switch (code) {
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		number = RV__N_KAFKA_REFUSED;
		cure = "grant this user read on the topic and the group";
		break;
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
		number = RV__N_KAFKA_LOGIN;
		cure = "correct sasl.mechanism and sasl.jaas.config";
		break;
	case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
	case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
	case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED:
		number = RV__N_KAFKA_BAD_KEY;
		cure =
		    "make session.timeout.ms and partition.assignment.strategy fit the broker and the other "
		    "members";
		break;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		number = RV__N_KAFKA_BAD_KEY;
		cure = "auto.offset.reset=none reads nothing then; set start-offset, or store a position for "
		       "the "
		       "group, and start the binding again";
		break;
	default:
		rv__kafka_watch_heard(consumer->kafka->watch, code, words);
		return;
	}
	rv_error_set(&consumer->trouble, RV_E_UNAVAILABLE, (uint16_t)number, RV__KAFKA_TOPIC,
	    "group '%s': %s; %s", consumer->group, words, cure);
	consumer->trouble.native = code;
	consumer->trouble_ms = rv__monotonic_ms();
}

/* -- the way to the broker ------------------------------------------------------------------------------ */

void rv__kafka_consumer_judged(void *owner, int32_t partitions, const struct rv_error *why)
{
	struct rv__kafka_consumer *consumer = owner;

	pthread_mutex_lock(&consumer->lock);
	consumer->judged = true;
	consumer->partitions = partitions;
	consumer->missing = why && why->number == RV__N_KAFKA_NO_TOPIC;
	consumer->why = why ? *why : (struct rv_error){0};
	pthread_mutex_unlock(&consumer->lock);
	rv__kafka_consumer_wake(consumer);
}

void rv__kafka_consumer_dead_letters_judged(void *owner, int32_t partitions, const struct rv_error *why)
{
	struct rv__kafka_consumer *consumer = owner;

	(void)partitions;
	if (why && why->number == RV__N_KAFKA_NOT_MADE)
		consumer->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC, "RV%04u binding=%s: %s",
		    (unsigned)why->number, consumer->binding, why->text);
}

/*
 * An anonymous consumer of a pattern has its positions from the first assignment: it runs from then on, and joins
 * without waiting for the start, since nothing is handed on before that.
 */
static bool await_place(struct rv__kafka_consumer *consumer)
{
	struct rv_error why;

	if (!consumer->subscribed) {
		rv__kafka_join(consumer);
		consumer->joined_ms = rv__monotonic_ms();
	}
	if (consumer->placed)
		return true;
	if (rv__monotonic_ms() - consumer->joined_ms < JOIN_MS)
		return false;
	rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_KAFKA_JOINING, RV__KAFKA_TOPIC,
	    "no partition of a topic that matches '%s' was assigned yet; create such a topic, or wait for "
	    "the "
	    "group to form",
	    consumer->pattern);
	rv__kafka_consumer_tell(consumer, &why);
	return false;
}

/* Tells how things are, joins once it may. False: there is nothing to read from yet. */
static bool attend(struct rv__kafka_consumer *consumer)
{
	bool judged, missing;
	int32_t partitions;
	struct rv_error why;

	pthread_mutex_lock(&consumer->lock);
	judged = consumer->judged;
	missing = consumer->missing;
	partitions = consumer->partitions;
	why = consumer->why;
	pthread_mutex_unlock(&consumer->lock);
	if (!judged)
		return false;
	if (why.code != RV_OK) {
		if (missing)
			rv__kafka_forget_carried(consumer);
		/* What comes to a topic that is not there yet comes after the binding. */
		if (missing && consumer->fixed) {
			consumer->ends_known = true;
			consumer->end_count = 0;
			if (consumer->assigned_count > 0) {
				rv__kafka_lose_all(consumer);
				rd_kafka_assign(consumer->session->rk, NULL);
			}
		}
		rv__kafka_consumer_tell(consumer, &why);
		return false;
	}
	if (consumer->anonymous && consumer->fixed && consumer->from_end && !consumer->ends_known) {
		if (!rv__kafka_read_ends(consumer, partitions))
			return false;
		consumer->ends_known = true;
	}
	if (consumer->anonymous && !consumer->fixed && !await_place(consumer))
		return false;
	rv__kafka_consumer_tell(consumer, consumer->trouble.code != RV_OK ? &consumer->trouble : NULL);
	if (!atomic_load(&consumer->started))
		return false;
	if (consumer->fixed)
		rv__kafka_refresh_fixed(consumer, partitions);
	else if (!consumer->subscribed)
		rv__kafka_join(consumer);
	return true;
}

/* -- events ---------------------------------------------------------------------------------------------- */

static void on_error(struct rv__kafka_consumer *consumer, rd_kafka_event_t *event)
{
	int code = rd_kafka_event_error(event);
	char words[256];

	if (code == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_event_error_is_fatal(event)) {
		rd_kafka_fatal_error(consumer->session->rk, words, sizeof words);
		consumer->kafka->env->log(RV_LOG_ERROR, RV__KAFKA_TOPIC,
		    "RV%04u binding=%s group=%s: %s; the consumer begins anew",
		    (unsigned)RV__N_KAFKA_CONSUMER, consumer->binding, consumer->group, words);
		consumer->begin_anew = true;
		return;
	}
	rv__kafka_consumer_trouble(consumer, code, rd_kafka_event_error_string(event));
}

static void on_event(struct rv__kafka_consumer *consumer, rd_kafka_event_t *event)
{
	const rd_kafka_message_t *message;

	switch (rd_kafka_event_type(event)) {
	case RD_KAFKA_EVENT_REBALANCE:
		rv__kafka_on_rebalance(consumer, event);
		break;
	case RD_KAFKA_EVENT_OFFSET_COMMIT:
		rv__kafka_on_committed(consumer, event);
		break;
	case RD_KAFKA_EVENT_ERROR:
		on_error(consumer, event);
		break;
	case RD_KAFKA_EVENT_FETCH: /* all messages have queues of their own; what comes here is an error */
		message = rd_kafka_event_message_next(event);
		if (message && message->err)
			rv__kafka_consumer_trouble(consumer, message->err, rd_kafka_message_errstr(message));
		break;
	default:
		break;
	}
	rd_kafka_event_destroy(event);
}

static bool serve_events(struct rv__kafka_consumer *consumer)
{
	rd_kafka_event_t *event;
	int n = 0;

	while (n < EVENTS_MAX && (event = rd_kafka_queue_poll(consumer->queue, 0))) {
		on_event(consumer, event);
		n++;
	}
	return n > 0;
}

/* A client that failed for good is replaced; what it had was lost. */
static void begin_anew(struct rv__kafka_consumer *consumer)
{
	struct rv_error error;
	int64_t now = rv__monotonic_ms();

	if (now < consumer->recreate_ms)
		return;
	consumer->recreate_ms = now + ANEW_MS;
	rv__kafka_lose_all(consumer);
	rv__kafka_session_close(consumer, now);
	if (rv__kafka_session_create(consumer, &error) == RV_OK)
		consumer->begin_anew = false;
	else
		rv__kafka_consumer_tell(consumer, &error);
}

/* -- now and then --------------------------------------------------------------------------------------------- */

/* From the oldest open message, or the position, to the end; where nothing is fetched the watch knows the end. */
static int64_t lag_of(struct rv__kafka_consumer *consumer, struct rv__kafka_partition *partition)
{
	int64_t low, high, position, end = atomic_load(&partition->end);

	pthread_mutex_lock(&partition->lock);
	position = partition->window.base == partition->window.next
	    ? partition->window.position
	    : rv__kafka_window_head(&partition->window);
	if (position < 0)
		position = partition->start;
	pthread_mutex_unlock(&partition->lock);
	if (rd_kafka_get_watermark_offsets(consumer->session->rk, partition->topic, partition->number, &low,
	        &high) == RD_KAFKA_RESP_ERR_NO_ERROR &&
	    high > end)
		end = high;
	return position < 0 || end < position ? 0 : end - position;
}

/* How long the oldest unsettled message of the partition has been that. */
static int64_t age_of_head(struct rv__kafka_partition *partition, int64_t now, int64_t *ret_offset)
{
	uint64_t base;

	pthread_mutex_lock(&partition->lock);
	base = partition->window.base;
	*ret_offset = rv__kafka_window_head(&partition->window);
	pthread_mutex_unlock(&partition->lock);
	if (*ret_offset < 0 || base != partition->slow_base || partition->slow_since_ms == 0) {
		partition->slow_base = base;
		partition->slow_since_ms = *ret_offset < 0 ? 0 : now;
		return 0;
	}
	return now - partition->slow_since_ms;
}

/* Lag, and the delivery that takes suspiciously long: without a count of deliveries that is all that tells of it. */
static void look_around(struct rv__kafka_consumer *consumer, int64_t now)
{
	char slow[sizeof consumer->slow] = "";
	int64_t lag = 0, oldest = SLOW_MS;

	for (struct rv__kafka_partition *partition = consumer->all; partition; partition = partition->next) {
		int64_t offset, age;

		if (!partition->queue)
			continue;
		lag += lag_of(consumer, partition);
		age = age_of_head(partition, now, &offset);
		if (age < oldest)
			continue;
		oldest = age;
		snprintf(slow, sizeof slow, "partition %d offset %lld of %.60s for %lld s",
		    (int)partition->number, (long long)offset, partition->topic, (long long)(age / 1000));
	}
	atomic_store_explicit(&consumer->lag, lag, memory_order_relaxed);
	/* Where reading has no place to begin, librdkafka says so once. */
	if (consumer->trouble.code != RV_OK && now - consumer->trouble_ms > TROUBLE_MS &&
	    consumer->trouble.native != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
		consumer->trouble = (struct rv_error){0};
	pthread_mutex_lock(&consumer->lock);
	snprintf(consumer->slow, sizeof consumer->slow, "%s", slow);
	snprintf(consumer->problem, sizeof consumer->problem, "%.255s", consumer->trouble.text);
	pthread_mutex_unlock(&consumer->lock);
}

static void note_idleness(struct rv__kafka_consumer *consumer, bool busy, int64_t now)
{
	int64_t interval = consumer->settings->idle_event_interval_ms;

	if (busy || consumer->idle_since_ms == 0)
		consumer->idle_since_ms = now;
	if (interval == 0 || now - consumer->idle_since_ms < interval)
		return;
	consumer->kafka->env->log(RV_LOG_DEBUG, RV__KAFKA_TOPIC, "binding=%s group=%s: idle for %lld ms%s",
	    consumer->binding, consumer->group, (long long)(now - consumer->idle_since_ms),
	    atomic_load(&consumer->paused) ? ", paused" : "");
	consumer->idle_since_ms = now;
}

/* -- the thread -------------------------------------------------------------------------------------------------- */

static void wait_for_work(struct rv__kafka_consumer *consumer, int64_t until_ms)
{
	struct pollfd descriptor = {.fd = consumer->wake_fd, .events = POLLIN};
	int64_t rest = until_ms - rv__monotonic_ms();
	uint64_t count;

	rest = rest < 0 ? 0 : rest > WAIT_MS ? WAIT_MS : rest;
	if (poll(&descriptor, 1, (int)rest) > 0)
		while (read(consumer->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
			;
}

static void step(struct rv__kafka_consumer *consumer)
{
	int64_t now = rv__monotonic_ms(), due;
	bool busy;

	atomic_store(&consumer->wake_pending, false);
	if (consumer->begin_anew)
		begin_anew(consumer);
	if (!consumer->session) {
		wait_for_work(consumer, now + WAIT_MS);
		return;
	}
	(void)attend(consumer);
	busy = serve_events(consumer);
	rv__kafka_tend_revocation(consumer, false);
	rv__kafka_tend_replaced(consumer);
	busy |= rv__kafka_feed(consumer);
	due = rv__kafka_tend_commits(consumer, now);
	if (now >= consumer->tick_ms) {
		consumer->tick_ms = now + TICK_MS;
		look_around(consumer, now);
		note_idleness(consumer, busy, now);
	} else if (busy) {
		consumer->idle_since_ms = now;
	}
	if (!busy)
		wait_for_work(consumer, due > now ? due : now + WAIT_MS);
}

void *rv__kafka_consumer_run(void *argument)
{
	struct rv__kafka_consumer *consumer = argument;

	pthread_setname_np(pthread_self(), "kafka-consumer");
	while (!atomic_load(&consumer->closing))
		step(consumer);
	rv__kafka_session_close(consumer, consumer->close_deadline_ms);
	return NULL;
}

/* -- seen from outside ----------------------------------------------------------------------------------------------- */

static double count_of(atomic_ullong *counter)
{
	return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

void rv__kafka_consumers_stats(struct rv__kafka *kafka, rv_stat_fn stat, void *arg)
{
	pthread_mutex_lock(&kafka->lock);
	for (struct rv__kafka_consumer *consumer = kafka->consumers; consumer; consumer = consumer->next) {
		stat(arg, "received", consumer->binding, count_of(&consumer->received));
		stat(arg, "settled", consumer->binding, count_of(&consumer->settled));
		stat(arg, "requeued", consumer->binding, count_of(&consumer->requeues));
		stat(arg, "commits", consumer->binding, count_of(&consumer->commits));
		stat(arg, "lag", consumer->binding,
		    (double)atomic_load_explicit(&consumer->lag, memory_order_relaxed));
		stat(arg, "partitions", consumer->binding, (double)atomic_load(&consumer->assigned));
	}
	pthread_mutex_unlock(&kafka->lock);
}

static bool consumer_health(struct rv__kafka_consumer *consumer, rv_detail_fn detail, void *arg)
{
	char name[128], text[sizeof consumer->problem];
	bool well;

	pthread_mutex_lock(&consumer->lock);
	well = consumer->problem[0] == '\0';
	snprintf(text, sizeof text, "%s", well ? consumer->slow : consumer->problem);
	pthread_mutex_unlock(&consumer->lock);
	if (!detail || !text[0])
		return well;
	snprintf(name, sizeof name, "%s.%s", consumer->binding, well ? "slow" : "problem");
	detail(arg, name, text);
	return well;
}

bool rv__kafka_consumers_health(struct rv__kafka *kafka, rv_detail_fn detail, void *arg)
{
	bool well = true;

	pthread_mutex_lock(&kafka->lock);
	for (struct rv__kafka_consumer *consumer = kafka->consumers; consumer; consumer = consumer->next)
		well &= consumer_health(consumer, detail, arg);
	pthread_mutex_unlock(&kafka->lock);
	return well;
}
