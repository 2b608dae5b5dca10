/* SPDX-License-Identifier: Apache-2.0 */
/* Binding an input, its thread, and its end. */
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
	BIND_MS = 3000,
	EVENTS_MAX = 100,
	TICK_MS = 500,
	TROUBLE_MS = 3000,
	ANEW_MS = 1000,
	SLOW_MS = 60000
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

static void on_judged(void *owner, int32_t partitions, const struct rv_error *why)
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

static void on_dead_letters_judged(void *owner, int32_t partitions, const struct rv_error *why)
{
	struct rv__kafka_consumer *consumer = owner;

	(void)partitions;
	if (why && why->number == RV__N_KAFKA_NOT_MADE)
		consumer->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC, "RV%04u binding=%s: %s",
		    (unsigned)why->number, consumer->binding, why->text);
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

static int64_t lag_of(struct rv__kafka_consumer *consumer, struct rv__kafka_partition *partition)
{
	int64_t low, high, position;

	pthread_mutex_lock(&partition->lock);
	position = partition->window.base == partition->window.next
	    ? partition->window.position
	    : rv__kafka_window_head(&partition->window);
	pthread_mutex_unlock(&partition->lock);
	if (position < 0 ||
	    rd_kafka_get_watermark_offsets(consumer->session->rk, partition->topic, partition->number, &low,
	        &high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
	    high < position)
		return 0;
	return high - position;
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
	if (consumer->trouble.code != RV_OK && now - consumer->trouble_ms > TROUBLE_MS)
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

static void *run(void *argument)
{
	struct rv__kafka_consumer *consumer = argument;

	pthread_setname_np(pthread_self(), "kafka-consumer");
	while (!atomic_load(&consumer->closing))
		step(consumer);
	rv__kafka_session_close(consumer, consumer->close_deadline_ms);
	return NULL;
}

/* -- making and freeing --------------------------------------------------------------------------------------------- */

static void destroy(struct rv__kafka_consumer *consumer)
{
	while (consumer->all) {
		struct rv__kafka_partition *partition = consumer->all;

		consumer->all = partition->next;
		rv__kafka_window_finish(&partition->window);
		pthread_mutex_destroy(&partition->lock);
		free(partition->topic);
		free(partition->held);
		free(partition);
	}
	if (consumer->wake_fd >= 0)
		close(consumer->wake_fd);
	rv__journal_close(consumer->journal);
	rv__kafka_header_reader_finish(&consumer->reader);
	pthread_cond_destroy(&consumer->changed);
	pthread_mutex_destroy(&consumer->lock);
	free((void *)consumer->slots);
	free(consumer->ends);
	free(consumer->binding);
	free(consumer->destination);
	free(consumer->group);
	free(consumer->pattern);
	free(consumer->dead_letters);
	free(consumer);
}

static rv_err no_memory(struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for a consumer");
}

static rv_err unfit(const struct rv_consumer_spec *spec, struct rv_error *err, const char *words)
{
	return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_BAD_VALUE, RV__KAFKA_TOPIC, "binding '%s': %s",
	    spec->binding, words);
}

/* What the properties ask for and Kafka cannot mean. */
static rv_err check(const struct rv_consumer_spec *spec, struct rv_error *err)
{
	const struct rv__kafka_consumer_settings *settings = spec->settings;
	bool anonymous = !spec->group || !*spec->group;

	if (settings->enable_dlq && anonymous)
		return unfit(spec, err,
		    "enable-dlq needs a group, since the dead-letter topic is one group's; set group, or "
		    "leave "
		    "enable-dlq out");
	if (settings->enable_dlq && settings->destination_is_pattern)
		return unfit(spec, err,
		    "enable-dlq and destination-is-pattern exclude each other; name the topics, or leave "
		    "enable-dlq out");
	if (settings->destination_is_pattern)
		return RV_OK;
	return rv__kafka_check_topic(spec->destination, spec->binding, err);
}

static char *anonymous_group(struct rv__kafka_consumer *consumer)
{
	uint64_t a = consumer->kafka->env->random(), b = consumer->kafka->env->random();
	char *name;

	/* As Java's: a UUID of version 4. */
	if (asprintf(&name, "anonymous.%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
	        (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
	        (unsigned long long)(b & 0xffffffffffff)) < 0)
		return NULL;
	return name;
}

static rv_err name_it(
    struct rv__kafka_consumer *consumer, const struct rv_consumer_spec *spec, struct rv_error *err)
{
	const struct rv__kafka_consumer_settings *settings = spec->settings;
	int made = 0;

	consumer->anonymous = !spec->group || !*spec->group;
	consumer->binding = strdup(spec->binding);
	consumer->destination = strdup(spec->destination);
	consumer->group = consumer->anonymous ? anonymous_group(consumer) : strdup(spec->group);
	if (settings->destination_is_pattern) /* that is how librdkafka knows a pattern */
		made = asprintf(
		    &consumer->pattern, "%s%s", *spec->destination == '^' ? "" : "^", spec->destination);
	if (made >= 0 && settings->enable_dlq)
		made = settings->dlq_name && *settings->dlq_name
		    ? asprintf(&consumer->dead_letters, "%s", settings->dlq_name)
		    : asprintf(&consumer->dead_letters, "error.%s.%s", spec->destination, spec->group);
	if (made < 0 || !consumer->binding || !consumer->destination || !consumer->group)
		return no_memory(err);
	return consumer->dead_letters ? rv__kafka_check_topic(consumer->dead_letters, spec->binding, err)
	                              : RV_OK;
}

/* Spring's container reads its ack-mode from Boot's keys where the binding says nothing. */
static enum rv__kafka_ack_mode ack_mode(const struct rv__kafka_consumer *consumer)
{
	static const char *const words[] = {
	    "", "record", "batch", "time", "count", "count-time", "manual", "manual-immediate"};
	const struct rv_pairs *listener = &consumer->kafka->settings->boot.listener;
	enum rv__kafka_ack_mode own = rv__kafka_ack_mode(consumer->settings);

	if (consumer->settings->ack_mode != RV__KAFKA_ACK_DEFAULT || own != RV__KAFKA_ACK_BATCH)
		return own;
	for (size_t i = 0; i < listener->count; i++) {
		char plain[24];

		if (strcasecmp(listener->items[i].name, "ack-mode") != 0)
			continue;
		snprintf(plain, sizeof plain, "%s", listener->items[i].value);
		for (char *at = plain; *at; at++)
			*at = *at == '_' ? '-' : *at;
		for (int mode = RV__KAFKA_ACK_RECORD; mode <= RV__KAFKA_ACK_MANUAL_IMMEDIATE; mode++)
			if (strcasecmp(words[mode], plain) == 0)
				return (enum rv__kafka_ack_mode)mode;
	}
	return own;
}

static rv_err set_up(
    struct rv__kafka_consumer *consumer, const struct rv_consumer_spec *spec, struct rv_error *err)
{
	const struct rv__kafka_consumer_settings *settings = spec->settings;
	rv_err failed = name_it(consumer, spec, err);

	if (failed != RV_OK)
		return failed;
	consumer->instance_index = spec->instance_index;
	consumer->instance_count = spec->instance_count;
	consumer->max_attempts = spec->max_attempts;
	consumer->fixed = !consumer->pattern && (consumer->anonymous || !settings->auto_rebalance);
	consumer->ack_mode = ack_mode(consumer);
	consumer->slots = calloc(RV__KAFKA_SLOTS, sizeof *consumer->slots);
	consumer->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!consumer->slots || consumer->wake_fd < 0)
		return no_memory(err);
	if (settings->attempts_directory && *settings->attempts_directory && !consumer->anonymous)
		failed =
		    rv__journal_open(settings->attempts_directory, consumer->group, &consumer->journal, err);
	return failed == RV_OK ? rv__kafka_session_create(consumer, err) : failed;
}

/* -- binding ------------------------------------------------------------------------------------------------------ */

static int32_t wanted_partitions(const struct rv_consumer_spec *spec)
{
	int64_t wanted = (int64_t)(spec->instance_count > 0 ? spec->instance_count : 1) *
	    (spec->concurrency > 0 ? spec->concurrency : 1);

	return wanted > 100000 ? 100000 : (int32_t)wanted;
}

static void watch_topics(struct rv__kafka_consumer *consumer, const struct rv_consumer_spec *spec)
{
	const struct rv__kafka_consumer_settings *settings = consumer->settings;

	consumer->need = (struct rv__kafka_need){.topic = consumer->pattern ? NULL : consumer->destination,
	    .binding = consumer->binding,
	    .partitions = wanted_partitions(spec),
	    .strict = !settings->auto_rebalance && !consumer->anonymous,
	    .settings = &settings->topic,
	    .judged = on_judged,
	    .owner = consumer};
	consumer->dead_letter_need = (struct rv__kafka_need){.topic = consumer->dead_letters,
	    .binding = consumer->binding,
	    .partitions = settings->dlq_partitions > 1 ? (int32_t)settings->dlq_partitions : 1,
	    .like = settings->dlq_partitions < 0 ? &consumer->need : NULL,
	    .settings = &settings->dlq_producer.topic,
	    .judged = on_dead_letters_judged,
	    .owner = consumer};
	rv__kafka_watch_add(consumer->kafka->watch, &consumer->need);
	if (consumer->dead_letters)
		rv__kafka_watch_add(consumer->kafka->watch, &consumer->dead_letter_need);
}

/* Waits a while for the first word of the broker. Whether the way is open. */
static bool wait_bound(struct rv__kafka_consumer *consumer)
{
	struct timespec until;
	bool up;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += BIND_MS / 1000;
	pthread_mutex_lock(&consumer->lock);
	while (!consumer->bound && pthread_cond_timedwait(&consumer->changed, &consumer->lock, &until) == 0)
		;
	up = consumer->bound && consumer->told_up;
	pthread_mutex_unlock(&consumer->lock);
	return up;
}

static void fill_info(const struct rv__kafka_consumer *consumer, bool up, struct rv_consumer_info *info)
{
	const struct rv__kafka_consumer_settings *settings = consumer->settings;

	*info = (struct rv_consumer_info){
	    .waiting = !up,
	    .redelivers = !consumer->dead_letters && consumer->max_attempts == 1,
	    .max_deliveries = consumer->journal ? (int32_t)settings->max_deliveries : 0,
	};
	if (!consumer->dead_letters)
		return;
	info->dead_letter = info->core_dead_letters = true;
	info->dead_letter_destination = consumer->dead_letters;
	info->dead_letter_settings = &settings->dlq_producer;
	info->dead_letter_partitions = settings->dlq_partitions == 0 || settings->dlq_partitions == 1;
}

rv_err rv__kafka_bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err)
{
	struct rv__kafka *kafka = binder;
	struct rv__kafka_consumer *consumer;
	pthread_condattr_t attributes;
	rv_err failed = check(spec, err);

	if (failed != RV_OK)
		return failed;
	consumer = calloc(1, sizeof *consumer);
	if (!consumer)
		return no_memory(err);
	consumer->kafka = kafka;
	consumer->sink_ops = spec->sink_ops;
	consumer->sink = spec->sink;
	consumer->settings = spec->settings;
	consumer->wake_fd = -1;
	pthread_mutex_init(&consumer->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&consumer->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	failed = set_up(consumer, spec, err);
	if (failed == RV_OK && pthread_create(&consumer->thread, NULL, run, consumer) != 0) {
		rv__kafka_session_close(consumer, 0);
		failed = rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no thread for a consumer");
	}
	if (failed != RV_OK) {
		destroy(consumer);
		return failed;
	}
	pthread_mutex_lock(&kafka->lock);
	consumer->next = kafka->consumers;
	kafka->consumers = consumer;
	pthread_mutex_unlock(&kafka->lock);
	watch_topics(consumer, spec);
	fill_info(consumer, wait_bound(consumer), info);
	*ret_consumer = consumer;
	return RV_OK;
}

rv_err rv__kafka_start_consumer(void *consumer, struct rv_error *err)
{
	(void)err;
	atomic_store(&((struct rv__kafka_consumer *)consumer)->started, true);
	rv__kafka_consumer_wake(consumer);
	return RV_OK;
}

size_t rv__kafka_unbind_consumer(void *consumer_pointer, int64_t deadline_ms)
{
	struct rv__kafka_consumer *consumer = consumer_pointer;
	struct rv__kafka *kafka = consumer->kafka;
	struct rv__kafka_consumer **at = &kafka->consumers;

	rv__kafka_watch_remove(kafka->watch, &consumer->need);
	if (consumer->dead_letters)
		rv__kafka_watch_remove(kafka->watch, &consumer->dead_letter_need);
	consumer->close_deadline_ms = rv__monotonic_ms() + deadline_ms;
	atomic_store(&consumer->stopped, true);
	atomic_store(&consumer->closing, true);
	rv__kafka_consumer_wake(consumer);
	pthread_join(consumer->thread, NULL);
	pthread_mutex_lock(&kafka->lock);
	while (*at != consumer)
		at = &(*at)->next;
	*at = consumer->next;
	pthread_mutex_unlock(&kafka->lock);
	destroy(consumer);
	return 0;
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
