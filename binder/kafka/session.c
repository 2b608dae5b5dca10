/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consumer's client of librdkafka: made from the properties, and ended with a watchdog, since closing and
 * destroying it may hang in librdkafka 2.0.2 (a topic deleted under way: its issue 4187; an incremental assignment
 * while closing: 4527). What hangs is left behind, and said.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "binder/kafka/config_keys.h"
#include "binder/kafka/consumer.h"
#include "binder/kafka/lane.h"
#include "binder/kafka/provision.h"

enum { EVENT_MS = 20, DESTROY_MS = 5000, LEAST_CLOSE_MS = 2000, COMMIT_MS = 5000 };

static const uint64_t wake_word = 1;

#define INTERNAL_TOPICS "^__consumer_offsets$,^__transaction_state$"

/* -- references --------------------------------------------------------------------------------------- */

void rv__kafka_session_ref(struct rv__kafka_session *session)
{
	atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
}

/* Destroying joins librdkafka's threads, which may not be done by one that must not wait. */
static void *destroy_client(void *argument)
{
	struct rv__kafka_session *session = argument;

	rd_kafka_destroy_flags(session->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	free(session);
	return NULL;
}

void rv__kafka_session_unref(struct rv__kafka_session *session)
{
	pthread_t thread;

	if (!session || atomic_fetch_sub_explicit(&session->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (pthread_create(&thread, NULL, destroy_client, session) == 0)
		pthread_detach(thread);
}

/* -- making -------------------------------------------------------------------------------------------- */

/* Java: earliest with a group, latest without; the properties over that, and startOffset over all. */
static void choose_start(struct rv__kafka_consumer *consumer, struct rv__kafka_config *config)
{
	const char *reset;

	rv__kafka_config_put(
	    config, "auto.offset.reset", consumer->anonymous ? "latest" : "earliest", RV__KAFKA_BUILT_IN);
	if (consumer->settings->start_offset != RV__KAFKA_START_DEFAULT)
		rv__kafka_config_put(config, "auto.offset.reset",
		    consumer->settings->start_offset == RV__KAFKA_START_LATEST ? "latest" : "earliest",
		    RV__KAFKA_BINDING);
	reset = rv__kafka_config_get(config, "auto.offset.reset");
	consumer->from_end = strcasecmp(reset, "latest") == 0 || strcasecmp(reset, "largest") == 0 ||
	    strcasecmp(reset, "end") == 0;
	/* As in Java: without a start there is nothing to be set back to. */
	consumer->resets = consumer->settings->reset_offsets && strcasecmp(reset, "none") != 0;
	if (consumer->settings->reset_offsets && !consumer->resets && !consumer->session)
		consumer->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
		    "binding=%s: reset-offsets has no effect with auto.offset.reset=none; set start-offset, "
		    "or leave "
		    "it out",
		    consumer->binding);
	/* Its first position is always given; only what the broker deleted meanwhile is decided by this. */
	if (consumer->anonymous && consumer->fixed &&
	    rv__kafka_config_layer(config, "auto.offset.reset") == RV__KAFKA_BUILT_IN)
		rv__kafka_config_put(config, "auto.offset.reset", "earliest", RV__KAFKA_BUILT_IN);
}

static void choose_commits(struct rv__kafka_consumer *consumer, const struct rv__kafka_config *config)
{
	const struct rv__kafka_boot *boot = &consumer->kafka->settings->boot;
	int64_t poll_ms = rv__kafka_config_number(config, "max.poll.interval.ms", 300000);
	bool by_time =
	    consumer->ack_mode == RV__KAFKA_ACK_TIME || consumer->ack_mode == RV__KAFKA_ACK_COUNT_TIME;

	consumer->commit_interval_ms = rv__kafka_config_number(config, "auto.commit.interval.ms", 100);
	if (by_time && boot->listener_ack_time_ms > 0)
		consumer->commit_interval_ms = boot->listener_ack_time_ms;
	consumer->commit_count = boot->listener_ack_count > 0 ? boot->listener_ack_count : 1;
	if (consumer->commit_interval_ms < 1)
		consumer->commit_interval_ms = 1;
	consumer->revoke_ms = consumer->settings->revoke_timeout_ms;
	if (consumer->revoke_ms > poll_ms / 2)
		consumer->revoke_ms = poll_ms / 2;
}

static void choose_key(struct rv__kafka_consumer *consumer, const struct rv__kafka_config *config)
{
	const char *class_name = rv__kafka_config_get(config, "key.deserializer");

	consumer->key_format = RV__KAFKA_FORMAT_BYTES;
	if (class_name && !rv__kafka_format_of(class_name, &consumer->key_format))
		consumer->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
		    "binding=%s: key.deserializer '%s' is a class that only Java has; keys stay bytes",
		    consumer->binding, class_name);
}

static rv_err make_conf(struct rv__kafka_consumer *consumer, rd_kafka_conf_t **ret_conf, struct rv_error *err)
{
	struct rv__kafka *kafka = consumer->kafka;
	struct rv__kafka_config config;
	rd_kafka_conf_t *conf = NULL;
	bool backs_off;
	rv_err failed = rv__kafka_config_collect(&config, kafka->settings, RV__KAFKA_CONSUMER,
	    consumer->binding, &consumer->settings->configuration, err);

	if (failed == RV_OK) {
		/* Of what another transaction took back nothing may be made. And librdkafka waits for positions on
		 * their way in one (KIP-447, as Java does always) only at this level. */
		if (consumer->lane)
			rv__kafka_config_put(
			    &config, "isolation.level", "read_committed", RV__KAFKA_BUILT_IN);
		choose_start(consumer, &config);
		choose_commits(consumer, &config);
		choose_key(consumer, &config);
		failed = rv__kafka_config_build(&config, kafka->env, &conf, err);
	}
	if (failed == RV_OK)
		failed =
		    rv__kafka_conf_set(conf, "group.id", consumer->group, "group.id", consumer->binding, err);
	backs_off = rv__kafka_config_get(&config, "fetch.queue.backoff.ms");
	rv__kafka_config_finish(&config);
	if (failed != RV_OK) {
		if (conf)
			rd_kafka_conf_destroy(conf);
		return failed;
	}
	/* Known from librdkafka 2.2 on; before, see rv__kafka_session_fetch(). */
	if (!backs_off)
		(void)rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "10", NULL, 0);
	if (consumer->pattern) /* as Java's client does: exclude.internal.topics */
		(void)rd_kafka_conf_set(conf, "topic.blacklist", INTERNAL_TOPICS, NULL, 0);
	rd_kafka_conf_set_opaque(conf, kafka->watch);
	rd_kafka_conf_set_log_cb(conf, rv__kafka_log);
	rd_kafka_conf_set_events(
	    conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_OFFSET_COMMIT);
	*ret_conf = conf;
	return RV_OK;
}

static void share_session(struct rv__kafka_consumer *consumer, struct rv__kafka_session *session)
{
	pthread_mutex_lock(&consumer->lock);
	consumer->shared = session;
	pthread_mutex_unlock(&consumer->lock);
}

rv_err rv__kafka_session_create(struct rv__kafka_consumer *consumer, struct rv_error *err)
{
	struct rv__kafka_session *session = calloc(1, sizeof *session);
	rd_kafka_conf_t *conf = NULL;
	char why[256];
	rv_err failed;

	if (!session)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for a consumer");
	failed = make_conf(consumer, &conf, err);
	if (failed != RV_OK) {
		free(session);
		return failed;
	}
	session->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
	if (!session->rk) {
		rd_kafka_conf_destroy(conf);
		free(session);
		return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_CLIENT, RV__KAFKA_TOPIC,
		    "binding '%s': the consumer's client could not be made: %s; correct its settings",
		    consumer->binding, why);
	}
	atomic_init(&session->refs, 1);
	rd_kafka_poll_set_consumer(session->rk);
	share_session(consumer, session);
	consumer->session = session;
	consumer->queue = rd_kafka_queue_get_consumer(session->rk);
	rd_kafka_queue_io_event_enable(consumer->queue, consumer->wake_fd, &wake_word, sizeof wake_word);
	consumer->subscribed = false;
	consumer->committing = false;
	return RV_OK;
}

/* -- fetching ---------------------------------------------------------------------------------------------- */

static const char *setting(rd_kafka_t *rk, const char *name, char *room, size_t size)
{
	if (rd_kafka_conf_get(rd_kafka_conf(rk), name, room, &size) != RD_KAFKA_CONF_OK)
		room[0] = '\0';
	return room;
}

/*
 * A broker's thread that found a queue full sleeps until its socket or an operation wakes it, a second at most. The one
 * call that wakes it and changes nothing is to set the credentials that are set: rdkafka_broker.c,
 * rd_kafka_broker_consumer_serve(), and rdkafka_sasl.c, rd_kafka_sasl_set_credentials(), of v2.0.2.
 */
void rv__kafka_session_fetch(struct rv__kafka_session *session)
{
	enum { LEAST_NS = 10000000, WORD_MAX = 4096 };
	int64_t now_ns = rv__coarse_ns();
	char user[WORD_MAX], password[WORD_MAX];
	size_t size = 0;
	rd_kafka_error_t *error;

	if (now_ns - session->woken_ns < LEAST_NS)
		return;
	session->woken_ns = now_ns;
	/* Too long for us to set it again. */
	if (rd_kafka_conf_get(rd_kafka_conf(session->rk), "sasl.password", NULL, &size) == RD_KAFKA_CONF_OK &&
	    size > WORD_MAX)
		return;
	error = rd_kafka_sasl_set_credentials(session->rk,
	    setting(session->rk, "sasl.username", user, sizeof user),
	    setting(session->rk, "sasl.password", password, sizeof password));
	explicit_bzero(password, sizeof password);
	if (error)
		rd_kafka_error_destroy(error);
}

/* -- ending ---------------------------------------------------------------------------------------------- */

/* Serves what leaving the group asks for, until it is left or the time is over. */
static bool leave(struct rv__kafka_consumer *consumer, int64_t deadline_ms)
{
	rd_kafka_t *rk = consumer->session->rk;
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(rk, consumer->queue);

	if (error) {
		rd_kafka_error_destroy(error);
		return false;
	}
	while (!rd_kafka_consumer_closed(rk) && rv__monotonic_ms() < deadline_ms) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(consumer->queue, EVENT_MS);

		if (!event)
			continue;
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
			rv__kafka_on_rebalance(consumer, event);
		rd_kafka_event_destroy(event);
	}
	return rd_kafka_consumer_closed(rk) != 0;
}

/* A cooperative member gives its partitions back first: closing before that may hang or crash. */
static void give_back(struct rv__kafka_consumer *consumer, int64_t deadline_ms)
{
	rd_kafka_unsubscribe(consumer->session->rk);
	while (atomic_load(&consumer->assigned) > 0 && rv__monotonic_ms() < deadline_ms) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(consumer->queue, EVENT_MS);

		if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
			rv__kafka_on_rebalance(consumer, event);
		if (event)
			rd_kafka_event_destroy(event);
	}
}

/* The last reference's destroy runs on a thread of its own: whether it came to an end within the time. */
struct reaper {
	struct rv__kafka_session *session;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool over, left;
};

static void reaper_free(struct reaper *reaper)
{
	pthread_cond_destroy(&reaper->changed);
	pthread_mutex_destroy(&reaper->lock);
	free(reaper);
}

static void *reap(void *argument)
{
	struct reaper *reaper = argument;
	bool left;

	destroy_client(reaper->session);
	pthread_mutex_lock(&reaper->lock);
	reaper->over = true;
	left = reaper->left;
	pthread_cond_broadcast(&reaper->changed);
	pthread_mutex_unlock(&reaper->lock);
	if (left)
		reaper_free(reaper);
	return NULL;
}

/* False: it hangs, and is left to its thread. */
static bool destroy_in_time(struct rv__kafka_session *session)
{
	struct reaper *reaper = calloc(1, sizeof *reaper);
	int64_t until_ns;
	pthread_t thread;
	bool over;

	if (!reaper || !rv__wait_init(&reaper->lock, &reaper->changed)) {
		free(reaper);
		return false;
	}
	reaper->session = session;
	if (pthread_create(&thread, NULL, reap, reaper) != 0) {
		reaper_free(reaper);
		return false;
	}
	until_ns = rv__monotonic_ns() + (int64_t)DESTROY_MS * 1000000;
	pthread_mutex_lock(&reaper->lock);
	while (!reaper->over && rv__wait_until(&reaper->changed, &reaper->lock, until_ns))
		;
	over = reaper->over;
	reaper->left = !over;
	pthread_mutex_unlock(&reaper->lock);
	if (!over) {
		pthread_detach(thread);
		return false;
	}
	pthread_join(thread, NULL);
	reaper_free(reaper);
	return true;
}

void rv__kafka_session_close(struct rv__kafka_consumer *consumer, int64_t deadline_ms)
{
	struct rv__kafka_session *session = consumer->session;
	int64_t now = rv__monotonic_ms();
	bool closed;

	if (!session)
		return;
	if (deadline_ms < now + LEAST_CLOSE_MS)
		deadline_ms = now + LEAST_CLOSE_MS;
	rv__kafka_tend_revocation(consumer, true);
	(void)rv__kafka_commit_now(consumer, NULL, COMMIT_MS);
	share_session(consumer, NULL);
	if (session->cooperative)
		give_back(consumer, deadline_ms);
	closed = leave(consumer, deadline_ms);
	rv__kafka_lose_all(consumer);
	rd_kafka_queue_destroy(consumer->queue);
	consumer->queue = NULL;
	consumer->session = NULL;
	/* A message that somebody keeps points into it: then it ends with that. */
	if (atomic_fetch_sub_explicit(&session->refs, 1, memory_order_acq_rel) == 1)
		closed &= destroy_in_time(session);
	if (!closed)
		consumer->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
		    "binding=%s group=%s: librdkafka did not leave the group in time; the broker notices by "
		    "session.timeout.ms",
		    consumer->binding, consumer->group);
}
