/* SPDX-License-Identifier: Apache-2.0 */
/* Binding outputs: from properties to a client, the watch over their topic, and the end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/kafka/lane.h"
#include "binder/kafka/producer.h"

enum {
	FIRST_JUDGEMENT_MS = 3000, /* that a bind waits for a slow broker before it calls itself waiting */
	DELIVERY_MS = 120000       /* Java's delivery.timeout.ms */
};

/* -- what the watch says ----------------------------------------------------------------------- */

static void on_judged(void *owner, int32_t partitions, const struct rv_error *why)
{
	struct rv__kafka_producer *producer = owner;
	bool tell, more;

	if (!why && producer->client)
		rv__kafka_client_open_topic(producer->client, producer);
	pthread_mutex_lock(&producer->lock);
	more = !why && partitions > 0 && partitions != producer->partitions;
	if (more)
		producer->partitions = partitions;
	producer->judged = true;
	producer->up = !why;
	if (why)
		producer->trouble = *why;
	tell = producer->bound;
	pthread_mutex_unlock(&producer->lock);
	if (!tell)
		return;
	if (more && producer->sink_ops->partitions)
		producer->sink_ops->partitions(producer->sink, partitions);
	producer->sink_ops->state(producer->sink, why);
}

/* -- from properties to a client ------------------------------------------------------------------ */

static rv_err no_memory(struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for a producer");
}

/* A property of the binder's, below whatever Java's own name says. */
static void put_unset(struct rv__kafka_config *config, const char *name, const char *value)
{
	if (rv__kafka_config_layer(config, name) == RV__KAFKA_BUILT_IN)
		rv__kafka_config_put(config, name, value, RV__KAFKA_CALLER);
}

static void put_number(struct rv__kafka_config *config, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)value);
	put_unset(config, name, text);
}

/* Each producer needs an id of its own, and sends would wait for a transaction that nobody begins. */
static rv_err check_transactions(const struct rv__kafka_config *config, struct rv_error *err)
{
	if (!rv__kafka_config_get(config, "transactional.id"))
		return RV_OK;
	return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_KAFKA_TRANSACTIONS, RV__KAFKA_TOPIC,
	    "binding '%s': transactional.id stands among the client's settings; set "
	    "spring.cloud.stream.kafka.binder.transaction.transaction-id-prefix instead, of which each "
	    "producer's id is made",
	    config->binding);
}

static rv_err read_format(
    const struct rv__kafka_config *config, struct rv__kafka_producer *producer, struct rv_error *err)
{
	const char *class_name = rv__kafka_config_get(config, "key.serializer");

	producer->key_format = RV__KAFKA_FORMAT_BYTES;
	if (!class_name || !*class_name || rv__kafka_format_of(class_name, &producer->key_format))
		return RV_OK;
	return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_KAFKA_SERIALIZER, RV__KAFKA_TOPIC,
	    "binding '%s': key.serializer %s does not exist here; use Kafka's own for String, ByteArray, "
	    "Integer, "
	    "Long, Short or UUID, and encode other keys yourself",
	    producer->binding, class_name);
}

void rv__kafka_put_settings(struct rv__kafka_config *config,
    const struct rv__kafka_producer_settings *settings, int64_t message_timeout_ms)
{
	int64_t compression = settings->compression ? settings->compression : settings->compression_old;
	int64_t linger_ms;

	if (settings->buffer_size > 0)
		put_number(config, "batch.size", settings->buffer_size);
	if (settings->batch_timeout_ms >= 0)
		put_number(config, "linger.ms", settings->batch_timeout_ms);
	else if (!rv__kafka_config_get(config, "linger.ms"))
		rv__kafka_config_put(
		    config, "linger.ms", "1", RV__KAFKA_BUILT_IN); /* a sender waits for it */
	if (compression > 0)
		put_unset(config, "compression.type", rv__kafka_compressions[compression]);
	/* librdkafka wants time behind what lingers. */
	linger_ms = rv__kafka_config_number(config, "linger.ms", 0);
	put_number(config, "delivery.timeout.ms",
	    message_timeout_ms > 2 * linger_ms ? message_timeout_ms : 2 * linger_ms);
	if (!rv__kafka_config_get(config, "max.request.size"))
		rv__kafka_config_put(config, "max.request.size", "1048576", RV__KAFKA_BUILT_IN);
}

static rv_err get_client(struct rv__kafka *kafka, struct rv__kafka_producer *producer,
    const struct rv__kafka_producer_settings *settings, struct rv_error *err)
{
	struct rv__kafka_config config;
	rd_kafka_conf_t *conf = NULL;
	rv_err failed = rv__kafka_config_collect(
	    &config, kafka->settings, RV__KAFKA_PRODUCER, producer->binding, &settings->configuration, err);

	if (failed == RV_OK)
		failed = check_transactions(&config, err);
	if (failed == RV_OK)
		failed = read_format(&config, producer, err);
	if (failed == RV_OK) {
		rv__kafka_put_settings(&config, settings, producer->message_timeout_ms);
		producer->max_message_bytes = rv__kafka_config_number(&config, "max.request.size", 1048576);
		failed = rv__kafka_config_build(&config, kafka->env, &conf, err);
	}
	rv__kafka_config_finish(&config);
	if (failed != RV_OK)
		return failed;
	failed = rv__kafka_client_get(kafka->senders, conf, producer->binding, &producer->client, err);
	if (failed == RV_OK)
		rv__kafka_client_join(producer->client, producer);
	return failed;
}

/* As Java has it: one set of client settings for all, and those of the binding have no effect. */
static void warn_of_ignored(const struct rv__kafka *kafka, const struct rv__kafka_producer *producer,
    const struct rv__kafka_producer_settings *settings)
{
	if (settings->configuration.count == 0 && settings->buffer_size == 0 &&
	    settings->batch_timeout_ms < 0 && settings->compression == 0 && settings->compression_old == 0)
		return;
	kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
	    "RV%04u binding '%s': its configuration, buffer-size, batch-timeout and compression-type have no "
	    "effect "
	    "with transactions; set them under spring.cloud.stream.kafka.binder.transaction.producer",
	    (unsigned)RV__N_KAFKA_TRANSACTION_IGNORES, producer->binding);
}

static rv_err read_lane_settings(
    const struct rv__kafka *kafka, struct rv__kafka_producer *producer, struct rv_error *err)
{
	struct rv__kafka_config config;
	rv_err failed =
	    rv__kafka_lane_collect(&config, kafka, producer->binding, producer->message_timeout_ms, err);

	if (failed == RV_OK)
		failed = read_format(&config, producer, err);
	if (failed == RV_OK)
		producer->max_message_bytes = rv__kafka_config_number(&config, "max.request.size", 1048576);
	rv__kafka_config_finish(&config);
	return failed;
}

/* As in Java: by the settings of the transactional producers, but without transactions. */
static rv_err get_plain_client(struct rv__kafka *kafka, struct rv__kafka_producer *producer,
    const struct rv__kafka_producer_settings *settings, struct rv_error *err)
{
	warn_of_ignored(kafka, producer, settings);
	return get_client(kafka, producer, &kafka->settings->transaction_producer, err);
}

/* A lane of its own. One for dead letters mostly has nothing to do: they go with the lane of their input. */
static rv_err get_lane(struct rv__kafka *kafka, struct rv__kafka_producer *producer,
    const struct rv_producer_spec *spec, struct rv_error *err)
{
	struct rv__kafka_lane_spec lane = {.binding = spec->binding,
	    .destination = spec->destination,
	    .producer = producer,
	    .message_timeout_ms = producer->message_timeout_ms,
	    .on_demand = spec->dead_letters};
	rv_err failed = read_lane_settings(kafka, producer, err);

	if (failed != RV_OK)
		return failed;
	warn_of_ignored(kafka, producer, spec->settings);
	return rv__kafka_lane_open(kafka, &lane, &producer->lane, err);
}

static rv_err get_way(struct rv__kafka *kafka, struct rv__kafka_producer *producer,
    const struct rv_producer_spec *spec, struct rv_error *err)
{
	const struct rv__kafka_producer_settings *settings = spec->settings;

	if (!rv__kafka_transactional(kafka))
		return get_client(kafka, producer, settings, err);
	if (settings->allow_non_transactional && !spec->dead_letters)
		return get_plain_client(kafka, producer, settings, err);
	return get_lane(kafka, producer, spec, err);
}

/* -- what a binding asks for ------------------------------------------------------------------------ */

/* sendTimeoutExpression is a number in all that was ever seen; 0: not set. */
static rv_err read_timeout(const struct rv__kafka_producer_settings *settings, const char *binding,
    int64_t *ret_ms, struct rv_error *err)
{
	const char *text = settings->send_timeout_expression;
	char *end;
	long long value;

	*ret_ms = 0;
	if (!text || !*text)
		return RV_OK;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || errno || value < 1 || value > 86400000 || end[strspn(end, " lL")])
		return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_BAD_VALUE, RV__KAFKA_TOPIC,
		    "binding '%s': send-timeout-expression '%s' is no number of milliseconds; write one, "
		    "such as "
		    "5000",
		    binding, text);
	*ret_ms = value;
	return RV_OK;
}

static rv_err read_expression(struct rv__kafka_producer *producer,
    const struct rv__kafka_producer_settings *settings, struct rv_error *err)
{
	struct rv_error why;
	rv_err failed;

	if (producer->dead_letters || !settings->message_key_expression || !*settings->message_key_expression)
		return RV_OK;
	failed = rv__expression_create(
	    settings->message_key_expression, RV__ROOT_MESSAGE, &producer->key_expression, &why);
	if (failed == RV_OK)
		return RV_OK;
	return rv_error_set(err, failed, RV__N_KAFKA_KEY_EXPRESSION, RV__KAFKA_TOPIC,
	    "binding '%s': message-key-expression: %s", producer->binding, why.text);
}

static bool copy_patterns(struct rv__kafka_producer *producer, const struct rv_strings *patterns)
{
	producer->patterns = calloc(patterns->count + 1, sizeof *producer->patterns);
	if (!producer->patterns)
		return false;
	for (size_t i = 0; i < patterns->count; i++)
		if (!(producer->patterns[i] = strdup(patterns->items[i])))
			return false;
	producer->mapping.patterns =
	    (struct rv_strings){(const char *const *)producer->patterns, patterns->count};
	return true;
}

static void destroy(struct rv__kafka_producer *producer)
{
	for (size_t i = 0; producer->patterns && producer->patterns[i]; i++)
		free(producer->patterns[i]);
	free(producer->patterns);
	rv__expression_destroy(producer->key_expression);
	pthread_mutex_destroy(&producer->lock);
	free(producer->binding);
	free(producer->topic);
	free(producer);
}

/* As in Java, a dead letter keeps headers and key of its original, and goes where the consumer says. */
static void tell_dead_letters(
    const struct rv__kafka *kafka, const char *binding, const struct rv__kafka_producer_settings *settings)
{
	const char *key = settings->header_patterns.count > 0 ? "header-patterns"
	    : settings->message_key_expression                ? "message-key-expression"
	    : settings->use_topic_header                      ? "use-topic-header"
	                                                      : NULL;

	if (key)
		kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
		    "RV%04u binding '%s': %s has no effect on dead letters, which keep headers and key of "
		    "their "
		    "original and go to dlq-name; leave it out of dlq-producer-properties",
		    (unsigned)RV__N_KAFKA_BAD_VALUE, binding, key);
}

void rv__kafka_producer_unref(struct rv__kafka_producer *producer)
{
	if (atomic_fetch_sub_explicit(&producer->refs, 1, memory_order_acq_rel) == 1)
		destroy(producer);
}

static struct rv__kafka_producer *create(
    const struct rv_producer_spec *spec, const struct rv__kafka_producer_settings *settings)
{
	static const struct rv_strings no_patterns;
	struct rv__kafka_producer *producer = aligned_alloc(64, (sizeof *producer + 63) & ~(size_t)63);

	if (!producer)
		return NULL;
	memset(producer, 0, sizeof *producer);
	atomic_init(&producer->refs, 1);
	pthread_mutex_init(&producer->lock, NULL);
	producer->sink_ops = spec->sink_ops;
	producer->sink = spec->sink;
	producer->dead_letters = spec->dead_letters;
	producer->use_topic_header = !spec->dead_letters && settings->use_topic_header;
	producer->close_timeout_ms = settings->close_timeout_ms;
	producer->binding = strdup(spec->binding);
	producer->topic = strdup(spec->destination);
	if (producer->binding && producer->topic &&
	    copy_patterns(producer, spec->dead_letters ? &no_patterns : &settings->header_patterns))
		return producer;
	destroy(producer);
	return NULL;
}

/* -- binding ---------------------------------------------------------------------------------------- */

static void watch_topic(struct rv__kafka *kafka, struct rv__kafka_producer *producer,
    const struct rv_producer_spec *spec, const struct rv__kafka_producer_settings *settings)
{
	producer->need = (struct rv__kafka_need){.topic = producer->topic,
	    .binding = producer->binding,
	    .partitions = spec->partition_count,
	    .strict = spec->partitioned,
	    .settings = &settings->topic,
	    .judged = on_judged,
	    .owner = producer};
	rv__kafka_watch_add(kafka->watch, &producer->need);
	(void)rv__kafka_watch_wait(kafka->watch, &producer->need, FIRST_JUDGEMENT_MS);
}

/* From here on the sink is told of changes. RV_E_CONFIG and RV_E_UNSUPPORTED: it will never be up. */
static rv_err finish_bind(
    struct rv__kafka_producer *producer, struct rv_producer_info *info, struct rv_error *err)
{
	struct rv_error why;
	rv_err failed = RV_OK;

	pthread_mutex_lock(&producer->lock);
	if (producer->judged && !producer->up &&
	    (producer->trouble.code == RV_E_CONFIG || producer->trouble.code == RV_E_UNSUPPORTED)) {
		failed = producer->trouble.code;
		if (err)
			*err = producer->trouble;
	}
	producer->bound = failed == RV_OK;
	info->waiting = !producer->up;
	info->partition_count = producer->partitions;
	why = producer->judged && !producer->up ? producer->trouble : (struct rv_error){0};
	pthread_mutex_unlock(&producer->lock);
	if (failed == RV_OK && why.code != RV_OK) /* so that a send says what is wrong */
		producer->sink_ops->state(producer->sink, &why);
	return failed;
}

rv_err rv__kafka_bind_producer(void *binder, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err)
{
	struct rv__kafka *kafka = binder;
	const struct rv__kafka_producer_settings *settings = spec->settings;
	struct rv__kafka_producer *producer;
	int64_t own_timeout_ms = 0;
	rv_err failed = rv__kafka_check_topic(spec->destination, spec->binding, err);

	if (failed == RV_OK)
		failed = read_timeout(settings, spec->binding, &own_timeout_ms, err);
	if (failed != RV_OK)
		return failed;
	producer = create(spec, settings);
	if (!producer)
		return no_memory(err);
	if (spec->dead_letters)
		tell_dead_letters(kafka, spec->binding, settings);
	info->queued_is_sent = settings->sync == RV__KAFKA_FALSE;
	info->send_timeout_ms = own_timeout_ms;
	info->close_timeout_ms = settings->close_timeout_ms;
	/* A message ends with the sender's patience, or takes Java's time where nobody waits for it. */
	producer->message_timeout_ms = info->queued_is_sent ? DELIVERY_MS
	    : own_timeout_ms > 0                            ? own_timeout_ms
	    : spec->send_timeout_ms > 0                     ? spec->send_timeout_ms
	                                                    : DELIVERY_MS;
	failed = read_expression(producer, settings, err);
	if (failed == RV_OK)
		failed = get_way(kafka, producer, spec, err);
	if (failed != RV_OK) {
		destroy(producer);
		return failed;
	}
	if (spec->required_groups->count > 0)
		kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
		    "RV%04u binding '%s': required-groups has no effect on Kafka: a group that comes later "
		    "reads "
		    "from the start of the topic by itself",
		    (unsigned)RV__N_KAFKA_REQUIRED_GROUPS, spec->binding);
	info->max_message_size = (size_t)producer->max_message_bytes;
	info->embedded_headers = &kafka->settings->headers;
	watch_topic(kafka, producer, spec, settings);
	failed = finish_bind(producer, info, err);
	if (failed != RV_OK) {
		(void)rv__kafka_unbind_producer(producer, 0);
		return failed;
	}
	*ret_producer = producer;
	return RV_OK;
}

/* Messages that wait in an input's lane keep the producer, and go out with their delivery. */
static size_t leave_lane(struct rv__kafka_producer *producer, int64_t deadline_ms)
{
	size_t failed;

	atomic_store(&producer->ending, true);
	rv__kafka_lane_close(producer->lane, deadline_ms);
	producer->lane = NULL;
	failed = (size_t)atomic_load(&producer->failed_leaving);
	rv__kafka_producer_unref(producer);
	return failed;
}

size_t rv__kafka_unbind_producer(void *producer_pointer, int64_t deadline_ms)
{
	struct rv__kafka_producer *producer = producer_pointer;
	struct rv__kafka_client *client = producer->client;
	struct rv__kafka *kafka = producer->lane ? producer->lane->kafka : client->kafka;
	int64_t wait_ms = producer->close_timeout_ms > 0 && producer->close_timeout_ms < deadline_ms
	    ? producer->close_timeout_ms
	    : deadline_ms;
	size_t failed;

	rv__kafka_watch_remove(kafka->watch, &producer->need);
	if (producer->lane)
		return leave_lane(producer, wait_ms);
	rv__kafka_client_leave(client, producer, wait_ms);
	failed = (size_t)atomic_load(&producer->failed_leaving);
	rv__kafka_client_release(kafka->senders, client);
	rv__kafka_producer_unref(producer);
	return failed;
}

/* -- the producing half of a binder ----------------------------------------------------------------- */

rv_err rv__kafka_senders_create(
    struct rv__kafka *kafka, struct rv__kafka_senders **ret_senders, struct rv_error *err)
{
	struct rv__kafka_senders *senders = calloc(1, sizeof *senders);

	if (!senders)
		return no_memory(err);
	senders->kafka = kafka;
	pthread_mutex_init(&senders->lock, NULL);
	*ret_senders = senders;
	return RV_OK;
}

void rv__kafka_senders_stop(struct rv__kafka_senders *senders)
{
	pthread_mutex_lock(&senders->lock);
	for (struct rv__kafka_client *client = senders->clients; client; client = client->next) {
		atomic_store(&client->purge, true);
		rv__kafka_client_wake(client);
	}
	for (struct rv__kafka_lane *lane = senders->lanes; lane; lane = lane->next) {
		atomic_store(&lane->purge, true);
		rv__kafka_lane_look(lane, false);
	}
	pthread_mutex_unlock(&senders->lock);
}

void rv__kafka_senders_destroy(struct rv__kafka_senders *senders)
{
	if (!senders)
		return;
	pthread_mutex_destroy(&senders->lock);
	free(senders);
}

static void tell_numbers(const struct rv__kafka_producer *producer, rv_stat_fn stat, void *arg)
{
	uint64_t completed = atomic_load(&producer->completed);

	stat(arg, "sent", producer->binding, (double)atomic_load(&producer->sent));
	stat(arg, "send_errors", producer->binding, (double)atomic_load(&producer->send_errors));
	stat(arg, "in_flight", producer->binding, (double)(atomic_load(&producer->accepted) - completed));
}

void rv__kafka_senders_stats(struct rv__kafka_senders *senders, rv_stat_fn stat, void *arg)
{
	pthread_mutex_lock(&senders->lock);
	for (struct rv__kafka_client *client = senders->clients; client; client = client->next) {
		pthread_mutex_lock(&client->lock);
		for (struct rv__kafka_producer *producer = client->producers; producer;
		     producer = producer->next) {
			tell_numbers(producer, stat, arg);
			stat(arg, "renewals", producer->binding, (double)atomic_load(&client->renewals));
		}
		pthread_mutex_unlock(&client->lock);
	}
	for (struct rv__kafka_lane *lane = senders->lanes; lane; lane = lane->next) {
		if (lane->producer)
			tell_numbers(lane->producer, stat, arg);
		stat(arg, "transactions", lane->binding, (double)atomic_load(&lane->transactions));
		stat(arg, "aborts", lane->binding, (double)atomic_load(&lane->aborts));
		stat(arg, "renewals", lane->binding, (double)atomic_load(&lane->renewals));
	}
	pthread_mutex_unlock(&senders->lock);
}

/* What is wrong with a producer, in the details. */
static bool is_well(struct rv__kafka_producer *producer, rv_detail_fn detail, void *arg)
{
	struct rv_error trouble;
	char name[160];
	bool up;

	pthread_mutex_lock(&producer->lock);
	up = producer->up;
	trouble = producer->trouble;
	pthread_mutex_unlock(&producer->lock);
	if (!up && detail) {
		snprintf(name, sizeof name, "producer.%.128s", producer->binding);
		detail(arg, name, trouble.text[0] ? trouble.text : "the broker has not answered yet");
	}
	return up;
}

bool rv__kafka_senders_health(struct rv__kafka_senders *senders, rv_detail_fn detail, void *arg)
{
	bool well = true;

	pthread_mutex_lock(&senders->lock);
	for (struct rv__kafka_client *client = senders->clients; client; client = client->next) {
		pthread_mutex_lock(&client->lock);
		for (struct rv__kafka_producer *producer = client->producers; producer;
		     producer = producer->next)
			well &= is_well(producer, detail, arg);
		pthread_mutex_unlock(&client->lock);
	}
	for (struct rv__kafka_lane *lane = senders->lanes; lane; lane = lane->next) {
		if (lane->producer)
			well &= is_well(lane->producer, detail, arg);
		well &= rv__kafka_lane_health(lane, detail, arg);
	}
	pthread_mutex_unlock(&senders->lock);
	return well;
}
