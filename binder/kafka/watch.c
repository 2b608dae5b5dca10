/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that looks at the cluster; making and changing topics is in provision.c. */
#include "binder/kafka/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/back_off.h"
#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "binder/kafka/kafka.h"
#include "binder/kafka/provision.h"

enum { LOOK_MS = 1000, SOON_MS = 60, WRONG_MS = 1000, CALM_MS = 3000 };

struct known_topic {
	struct known_topic *next;
	rd_kafka_topic_t *handle; /* keeps the topic among those that are asked for */
};

struct rv__kafka_watch {
	struct rv__kafka *kafka;
	rd_kafka_t *rk;
	struct known_topic *topics; /* the thread's own */
	pthread_t thread;
	pthread_mutex_t lock; /* protects what follows, and the watch's part of each need */
	pthread_cond_t changed;
	struct rv__kafka_need *needs;
	struct rv__kafka_need *busy; /* the thread works on it with no lock held */
	bool closing, hurry;
	bool asked, up;
	struct rv_error why; /* while not up */
	int heard_code;
	char heard[256]; /* since the cluster last answered; empty: nothing */
	int broker_count;
	int leaderless; /* partitions */
	unsigned round;
};

/* -- what clients say ------------------------------------------------------------------------------- */

static bool is_connection_trouble(int code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__RESOLVE:
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR__SSL:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
		return true;
	default:
		return false;
	}
}

void rv__kafka_watch_heard(struct rv__kafka_watch *watch, int code, const char *reason)
{
	if (!is_connection_trouble(code))
		return;
	pthread_mutex_lock(&watch->lock);
	/* That all are down follows from the words before it, which tell more. */
	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !watch->heard[0]) {
		watch->heard_code = code;
		snprintf(watch->heard, sizeof watch->heard, "%s", reason ? reason : "");
	}
	if (watch->up && !watch->hurry) {
		watch->hurry = true;
		pthread_cond_broadcast(&watch->changed);
	}
	pthread_mutex_unlock(&watch->lock);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	(void)rk;
	rv__kafka_watch_heard(opaque, code, reason);
}

/* The binder tells in its own words what matters; this is for whoever looks closer. */
void rv__kafka_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const struct rv__kafka_watch *watch = rd_kafka_opaque(rk);

	(void)level;
	watch->kafka->env->log(RV_LOG_DEBUG, "librdkafka", "%s: %s: %s", rd_kafka_name(rk), facility, text);
}

/* Why the cluster cannot be reached. librdkafka repeats the same words only twice a minute. Locks: watch->lock held. */
static void explain(struct rv__kafka_watch *watch, rd_kafka_resp_err_t code)
{
	const char *words = watch->heard[0] ? watch->heard : rd_kafka_err2str(code);
	bool login = watch->heard[0] &&
	    (watch->heard_code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
	        watch->heard_code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED);

	if (login)
		rv_error_set(&watch->why, RV_E_UNAVAILABLE, RV__N_KAFKA_LOGIN, RV__KAFKA_TOPIC,
		    "the cluster refused the log-in (%s); correct sasl.mechanism and sasl.jaas.config of the "
		    "binder",
		    words);
	else if (strstr(words, "SSL"))
		rv_error_set(&watch->why, RV_E_UNAVAILABLE, RV__N_KAFKA_UNREACHABLE, RV__KAFKA_TOPIC,
		    "no broker can be reached by TLS (%s); correct security.protocol, ssl.truststore.* and "
		    "ssl.keystore.* of the binder",
		    words);
	else
		rv_error_set(&watch->why, RV_E_UNAVAILABLE, RV__N_KAFKA_UNREACHABLE, RV__KAFKA_TOPIC,
		    "no broker can be reached (%s); start one, or correct "
		    "spring.cloud.stream.kafka.binder.brokers, security.protocol "
		    "and the brokers' advertised.listeners",
		    words);
	watch->why.native = code;
}

/* -- judging ------------------------------------------------------------------------------------------- */

/* Tells the owner what it does not know yet. Locks: watch->lock held; dropped meanwhile. */
static void tell(struct rv__kafka_watch *watch, struct rv__kafka_need *need, int32_t partitions,
    const struct rv_error *why)
{
	int number = why ? why->number : 0;

	if (need->known && need->up == !why && need->count == partitions && need->number == number)
		return;
	need->up = !why;
	need->was_up |= need->up;
	need->count = partitions;
	need->number = number;
	watch->busy = need;
	pthread_mutex_unlock(&watch->lock);
	need->judged(need->owner, partitions, why);
	pthread_mutex_lock(&watch->lock);
	need->known = true;
	watch->busy = NULL;
	pthread_cond_broadcast(&watch->changed);
}

/* Something to be done at the broker, with no lock held. */
static rv_err work(struct rv__kafka_watch *watch, struct rv__kafka_need *need,
    rv_err (*task)(rd_kafka_t *rk, const struct rv__kafka *kafka, const struct rv__kafka_need *need,
        struct rv_error *err),
    struct rv_error *err)
{
	rv_err code;

	watch->busy = need;
	pthread_mutex_unlock(&watch->lock);
	code = task(watch->rk, watch->kafka, need, err);
	pthread_mutex_lock(&watch->lock);
	watch->busy = NULL;
	pthread_cond_broadcast(&watch->changed);
	return code;
}

static const struct rd_kafka_metadata_topic *find_topic(
    const struct rd_kafka_metadata *metadata, const char *name)
{
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (strcmp(metadata->topics[i].topic, name) == 0)
			return &metadata->topics[i];
	return NULL;
}

/* Several may need one topic. False: how many partitions it shall have is not known yet. Locks: watch->lock held. */
static bool count_wanted(struct rv__kafka_watch *watch, struct rv__kafka_need *need)
{
	need->make = need->partitions;
	for (const struct rv__kafka_need *at = watch->needs; at; at = at->next) {
		int32_t wanted = at->like ? at->like->count : at->partitions;

		if (!at->topic || strcmp(at->topic, need->topic) != 0)
			continue;
		if (at->like && at->like->count == 0)
			return false;
		if (wanted > need->make)
			need->make = wanted;
	}
	return true;
}

/* The topic is not there. True: look again soon. */
static bool judge_missing(struct rv__kafka_watch *watch, struct rv__kafka_need *need)
{
	struct rv_error why;

	if (watch->kafka->settings->auto_create_topics && !need->was_up) {
		if (!count_wanted(watch, need))
			return true;
		if (work(watch, need, rv__kafka_create_topic, &why) == RV_OK)
			return true;
		tell(watch, need, 0, &why);
		return false;
	}
	rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_KAFKA_NO_TOPIC, RV__KAFKA_TOPIC,
	    need->was_up ? "topic '%s' does not exist any more; create it again"
	                 : "topic '%s' does not exist; create it, or set "
	                   "spring.cloud.stream.kafka.binder.auto-create-topics=true",
	    need->topic);
	tell(watch, need, 0, &why);
	return false;
}

static bool judge_count(struct rv__kafka_watch *watch, struct rv__kafka_need *need, int32_t count)
{
	const struct rv__kafka_binder_settings *settings = watch->kafka->settings;
	int64_t wanted = need->partitions;
	struct rv_error why;

	if (settings->auto_add_partitions && settings->min_partition_count > wanted)
		wanted = settings->min_partition_count;
	if (count >= wanted) {
		tell(watch, need, count, NULL);
		return false;
	}
	if (settings->auto_add_partitions) {
		need->make = need->partitions;
		if (work(watch, need, rv__kafka_add_partitions, &why) == RV_OK)
			return true;
		tell(watch, need, 0, &why);
		return false;
	}
	if (need->strict) {
		rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_KAFKA_TOO_FEW, RV__KAFKA_TOPIC,
		    "topic '%s' has %d partitions and %d are needed; set "
		    "spring.cloud.stream.kafka.binder.auto-add-partitions=true, or enlarge it by hand",
		    need->topic, (int)count, (int)need->partitions);
		tell(watch, need, 0, &why);
		return false;
	}
	if (!need->known || need->count != count)
		watch->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
		    "RV%04u binding=%s: topic '%s' has %d partitions, fewer than the %d that would keep all "
		    "workers busy; set spring.cloud.stream.kafka.binder.auto-add-partitions=true, or enlarge "
		    "it "
		    "by hand",
		    (unsigned)RV__N_KAFKA_TOO_FEW, need->binding, need->topic, (int)count,
		    (int)need->partitions);
	tell(watch, need, count, NULL);
	return false;
}

static int count_leaderless(const struct rd_kafka_metadata_topic *topic)
{
	int n = 0;

	for (int i = 0; i < topic->partition_cnt; i++)
		n += topic->partitions[i].leader < 0;
	return n;
}

/* True: look again soon. Locks: watch->lock held; dropped meanwhile. */
static bool judge(
    struct rv__kafka_watch *watch, struct rv__kafka_need *need, const struct rd_kafka_metadata *metadata)
{
	const struct rd_kafka_metadata_topic *topic;
	struct rv_error why;

	if (!need->topic) {
		tell(watch, need, 0, NULL);
		return false;
	}
	topic = find_topic(metadata, need->topic);
	if (!topic || topic->err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
		return true;
	if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
	    (topic->err == RD_KAFKA_RESP_ERR_NO_ERROR && topic->partition_cnt == 0))
		return judge_missing(watch, need);
	if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_KAFKA_REFUSED, RV__KAFKA_TOPIC,
		    "topic '%s': %s; grant this user describe, read or write on it, or correct its name",
		    need->topic, rd_kafka_err2str(topic->err));
		tell(watch, need, 0, &why);
		return false;
	}
	watch->leaderless += count_leaderless(topic);
	if (!need->altered && watch->kafka->settings->auto_alter_topics && need->settings &&
	    need->settings->properties.count > 0) {
		need->altered = true;
		if (work(watch, need, rv__kafka_alter_topic, &why) != RV_OK)
			watch->kafka->env->log(
			    RV_LOG_WARN, RV__KAFKA_TOPIC, "RV%04u %s", (unsigned)why.number, why.text);
	}
	return judge_count(watch, need, topic->partition_cnt);
}

/* The next need that this round has not seen. Locks: watch->lock held. */
static struct rv__kafka_need *next_need(struct rv__kafka_watch *watch)
{
	struct rv__kafka_need *need = watch->needs;

	while (need && need->round == watch->round)
		need = need->next;
	if (need)
		need->round = watch->round;
	return need;
}

/* -- looking ------------------------------------------------------------------------------------------- */

/* A topic with a handle is among those that rd_kafka_metadata() asks for. */
static void know_topic(struct rv__kafka_watch *watch, const char *name)
{
	struct known_topic *topic = watch->topics;

	while (topic && strcmp(rd_kafka_topic_name(topic->handle), name) != 0)
		topic = topic->next;
	if (topic || !(topic = calloc(1, sizeof *topic)))
		return;
	topic->handle = rd_kafka_topic_new(watch->rk, name, NULL);
	if (!topic->handle) {
		free(topic);
		return;
	}
	topic->next = watch->topics;
	watch->topics = topic;
}

static void know_topics(struct rv__kafka_watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	for (struct rv__kafka_need *need = watch->needs; need; need = need->next)
		if (need->topic)
			know_topic(watch, need->topic);
	pthread_mutex_unlock(&watch->lock);
}

/* The owner looks closer itself. Locks: watch->lock held; dropped meanwhile. */
static void verify(struct rv__kafka_watch *watch, struct rv__kafka_need *need)
{
	watch->busy = need;
	pthread_mutex_unlock(&watch->lock);
	need->verify(need->owner, watch->rk);
	pthread_mutex_lock(&watch->lock);
	watch->busy = NULL;
	pthread_cond_broadcast(&watch->changed);
}

/* Those whose topic is there, once all were judged: it takes time. Locks: watch->lock held; dropped meanwhile. */
static void verify_all(struct rv__kafka_watch *watch)
{
	struct rv__kafka_need *need;

	watch->round++;
	while (!watch->closing && (need = next_need(watch)))
		if (need->verify && need->up)
			verify(watch, need);
}

/* One look; how long to wait before the next. */
static int64_t look(struct rv__kafka_watch *watch)
{
	const struct rd_kafka_metadata *metadata = NULL;
	struct rv__kafka_need *need;
	rd_kafka_resp_err_t code;
	bool soon = false, wrong = false;

	know_topics(watch);
	code = rd_kafka_metadata(watch->rk, 0, NULL, &metadata, LOOK_MS);
	rd_kafka_poll(watch->rk, 0);
	pthread_mutex_lock(&watch->lock);
	watch->asked = true;
	watch->up = code == RD_KAFKA_RESP_ERR_NO_ERROR;
	watch->round++;
	watch->leaderless = 0;
	if (watch->up) {
		watch->broker_count = metadata->broker_cnt;
		watch->heard[0] = '\0';
	} else {
		explain(watch, code);
	}
	while ((need = next_need(watch))) {
		struct rv_error why = watch->why;

		if (watch->up)
			soon |= judge(watch, need, metadata);
		else
			tell(watch, need, 0, &why);
		wrong |= !need->up; /* it is still listed: whoever removes it waits for us */
	}
	if (watch->up && !soon && watch->leaderless == 0)
		verify_all(watch);
	pthread_mutex_unlock(&watch->lock);
	if (metadata)
		rd_kafka_metadata_destroy(metadata);
	return soon ? SOON_MS : wrong || !watch->up ? WRONG_MS : CALM_MS;
}

static void wait_for(struct rv__kafka_watch *watch, int64_t ms)
{
	int64_t until_ns;

	until_ns = rv__monotonic_ns() + rv__jitter_ms(ms, rv__random()) * 1000000;
	pthread_mutex_lock(&watch->lock);
	while (!watch->closing && !watch->hurry && rv__wait_until(&watch->changed, &watch->lock, until_ns))
		;
	watch->hurry = false;
	pthread_mutex_unlock(&watch->lock);
}

static bool is_closing(struct rv__kafka_watch *watch)
{
	bool closing;

	pthread_mutex_lock(&watch->lock);
	closing = watch->closing;
	pthread_mutex_unlock(&watch->lock);
	return closing;
}

static void *run(void *argument)
{
	struct rv__kafka_watch *watch = argument;

	pthread_setname_np(pthread_self(), "kafka-watch");
	while (!is_closing(watch))
		wait_for(watch, look(watch));
	return NULL;
}

/* -- making and ending ------------------------------------------------------------------------------------ */

static rv_err create_client(struct rv__kafka_watch *watch, struct rv_error *err)
{
	/* It reads single messages, see verify.c. */
	static const struct {
		const char *name, *value;
	} reading[] = {{"auto.offset.reset", "error"}, {"enable.auto.commit", "false"},
	    {"enable.auto.offset.store", "false"}, {"isolation.level", "read_uncommitted"},
	    {"fetch.message.max.bytes", "65536"}, {"queued.min.messages", "1"},
	    {"queued.max.messages.kbytes", "1024"}};
	struct rv__kafka_config config;
	rd_kafka_conf_t *conf = NULL;
	char why[256];
	rv_err failed =
	    rv__kafka_config_collect(&config, watch->kafka->settings, RV__KAFKA_ADMIN, NULL, NULL, err);

	if (failed == RV_OK)
		failed = rv__kafka_config_build(&config, watch->kafka->env, &conf, err);
	rv__kafka_config_finish(&config);
	if (failed != RV_OK)
		return failed;
	rd_kafka_conf_set_opaque(conf, watch);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_log_cb(conf, rv__kafka_log);
	for (size_t i = 0; i < sizeof reading / sizeof *reading; i++)
		(void)rd_kafka_conf_set(conf, reading[i].name, reading[i].value, NULL, 0);
	/* A consumer without a group: unlike a producer, it never makes a topic by asking for it. */
	watch->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
	if (watch->rk)
		return RV_OK;
	rd_kafka_conf_destroy(conf);
	return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_CLIENT, RV__KAFKA_TOPIC,
	    "the client of the binder could not be made: %s; %s", why,
	    strstr(why, "ssl.")
	        ? "look whether the files that ssl.truststore.* and ssl.keystore.* name are there, "
	          "and may be read"
	        : "correct its settings");
}

rv_err rv__kafka_watch_create(
    struct rv__kafka *kafka, struct rv__kafka_watch **ret_watch, struct rv_error *err)
{
	struct rv__kafka_watch *watch = calloc(1, sizeof *watch);
	rv_err failed;

	if (!watch || !rv__wait_init(&watch->lock, &watch->changed)) {
		free(watch);
		return rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for the binder");
	}
	watch->kafka = kafka;
	failed = create_client(watch, err);
	if (failed == RV_OK && pthread_create(&watch->thread, NULL, run, watch) != 0) {
		rd_kafka_destroy(watch->rk);
		failed = rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no thread for the binder");
	}
	if (failed != RV_OK) {
		pthread_cond_destroy(&watch->changed);
		pthread_mutex_destroy(&watch->lock);
		free(watch);
		return failed;
	}
	*ret_watch = watch;
	return RV_OK;
}

void rv__kafka_watch_destroy(struct rv__kafka_watch *watch)
{
	if (!watch)
		return;
	pthread_mutex_lock(&watch->lock);
	watch->closing = true;
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
	pthread_join(watch->thread, NULL);
	while (watch->topics) {
		struct known_topic *topic = watch->topics;

		watch->topics = topic->next;
		rd_kafka_topic_destroy(topic->handle);
		free(topic);
	}
	rd_kafka_destroy(watch->rk);
	pthread_cond_destroy(&watch->changed);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}

/* -- needs -------------------------------------------------------------------------------------------------- */

void rv__kafka_watch_add(struct rv__kafka_watch *watch, struct rv__kafka_need *need)
{
	pthread_mutex_lock(&watch->lock);
	need->round = watch->round; /* a look under way has not asked for its topic */
	need->next = watch->needs;
	watch->needs = need;
	watch->hurry = true;
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
}

void rv__kafka_watch_remove(struct rv__kafka_watch *watch, struct rv__kafka_need *need)
{
	struct rv__kafka_need **at = &watch->needs;

	pthread_mutex_lock(&watch->lock);
	while (*at && *at != need)
		at = &(*at)->next;
	if (*at)
		*at = need->next;
	while (watch->busy == need)
		pthread_cond_wait(&watch->changed, &watch->lock);
	pthread_mutex_unlock(&watch->lock);
}

bool rv__kafka_watch_wait(struct rv__kafka_watch *watch, struct rv__kafka_need *need, int64_t timeout_ms)
{
	int64_t until_ns = rv__monotonic_ns() + timeout_ms * 1000000;
	bool known;

	pthread_mutex_lock(&watch->lock);
	while (!need->known && rv__wait_until(&watch->changed, &watch->lock, until_ns))
		;
	known = need->known;
	pthread_mutex_unlock(&watch->lock);
	return known;
}

void rv__kafka_watch_hurry(struct rv__kafka_watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->hurry = true;
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
}

bool rv__kafka_watch_is_up(struct rv__kafka_watch *watch, struct rv_error *ret_why)
{
	bool up;

	pthread_mutex_lock(&watch->lock);
	up = watch->up;
	if (!up && ret_why)
		*ret_why = watch->why;
	pthread_mutex_unlock(&watch->lock);
	return up;
}

enum rv_health_status rv__kafka_watch_health(struct rv__kafka_watch *watch, rv_detail_fn detail, void *arg)
{
	bool down_without_leader = watch->kafka->settings->down_without_leader;
	char brokers[16], leaderless[16], problem[512];
	bool asked, up, lacks_leader;

	pthread_mutex_lock(&watch->lock);
	asked = watch->asked;
	up = watch->up;
	lacks_leader = watch->leaderless > 0;
	snprintf(brokers, sizeof brokers, "%d", watch->broker_count);
	snprintf(leaderless, sizeof leaderless, "%d", watch->leaderless);
	snprintf(problem, sizeof problem, "%s", watch->why.text);
	pthread_mutex_unlock(&watch->lock);
	if (!asked)
		return RV_HEALTH_UNKNOWN;
	if (detail && up)
		detail(arg, "brokers", brokers);
	if (detail && up && lacks_leader)
		detail(arg, "partitionsWithoutLeader", leaderless);
	if (detail && !up)
		detail(arg, "problem", problem);
	return up && !(lacks_leader && down_without_leader) ? RV_HEALTH_UP : RV_HEALTH_DOWN;
}
