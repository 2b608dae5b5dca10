/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "broker/document.h"
#include "broker/longpoll.h"
#include "broker/namesrv.h"
#include "broker/register.h"
#include "broker/server.h"
#include "remoting/json_dialect.h"

#define DOCUMENT "topics"

enum { QUEUES_MAX = 16384 };

struct rv__topics {
	struct rv__map by_name; /* struct rv__topic */
	int64_t version_counter;
	int64_t version_timestamp;
	uint64_t changes; /* number of the newest change */
	uint64_t durable; /* newest change that is on disk */
	uint64_t failed;  /* newest change whose save failed */
	bool unsaved;     /* a change is to be saved at the end of this turn */
	struct rv_error failure;
};

/* One save under way: which changes it makes durable. */
struct save {
	struct rv__broker *broker;
	uint64_t changes;
};

/* Made at every start, as Apache's broker does. Zero queues: as many as the template has. */
static const struct {
	const char *name;
	int queues;
	int perm;
} system_topics[] = {
    {"SELF_TEST_TOPIC", 1, RV__PERM_READ | RV__PERM_WRITE},
    {"BenchmarkTest", 1024, RV__PERM_READ | RV__PERM_WRITE},
    {"OFFSET_MOVED_EVENT", 1, RV__PERM_READ | RV__PERM_WRITE},
    {RV__TOPIC_SCHEDULE, RV__DELAY_LEVELS_MAX, RV__PERM_READ | RV__PERM_WRITE},
    {"RMQ_SYS_TRANS_HALF_TOPIC", 1, RV__PERM_READ | RV__PERM_WRITE},
    {"RMQ_SYS_TRANS_OP_HALF_TOPIC", 1, RV__PERM_READ | RV__PERM_WRITE},
    {"TRANS_CHECK_MAX_TIME_TOPIC", 1, RV__PERM_READ | RV__PERM_WRITE},
};

static const char *const forbidden[] = {RV__TOPIC_SCHEDULE, "RMQ_SYS_TRANS_HALF_TOPIC",
    "RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT"};

/* -- names ------------------------------------------------------------------------------------------ */

bool rv__name_legal(const char *name, size_t limit)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-|%");

	return length > 0 && !name[length] && length <= limit;
}

bool rv__topic_forbidden(const char *name)
{
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (strcmp(name, forbidden[i]) == 0)
			return true;
	return false;
}

bool rv__topic_is_system(const struct rv__broker *broker, const char *name)
{
	const struct rv__topic *topic = rv__topic_find(broker, name);

	return topic && topic->system;
}

struct rv__topic *rv__topic_find(const struct rv__broker *broker, const char *name)
{
	return rv__map_get(&broker->topics->by_name, name);
}

struct rv__topic *rv__topics_next(const struct rv__broker *broker, size_t *cursor)
{
	void *value;

	return rv__map_next(&broker->topics->by_name, cursor, NULL, &value) ? value : NULL;
}

/* -- making ----------------------------------------------------------------------------------------- */

static struct rv__topic *add_topic(struct rv__topics *topics, const char *name, int32_t read_queues,
    int32_t write_queues, int32_t perm, int32_t sysflag)
{
	struct rv__topic *topic = calloc(1, sizeof(*topic));

	if (!topic)
		return NULL;
	topic->name_length = strlen(name);
	memcpy(topic->name, name, topic->name_length + 1);
	topic->read_queues = read_queues;
	topic->write_queues = write_queues;
	topic->perm = perm;
	topic->sysflag = sysflag;
	topic->next_queue = (uint32_t)rv__random();
	if (rv__map_put(&topics->by_name, topic->name, topic, NULL) != RV_OK) {
		free(topic);
		return NULL;
	}
	return topic;
}

struct rv__topic *rv__topic_ensure(struct rv__broker *broker, const char *name, int32_t read_queues,
    int32_t write_queues, int32_t perm, int32_t sysflag, struct rv_error *err)
{
	struct rv__topic *topic = rv__topic_find(broker, name);

	if (topic)
		return topic;
	if (!rv__name_legal(name, RV__TOPIC_NAME_MAX) || read_queues > QUEUES_MAX ||
	    write_queues > QUEUES_MAX || read_queues < 0 || write_queues < 0) {
		rv_error_set(err, RV_E_INVALID, 0, RV__TOPIC,
		    "'%.130s' cannot be a topic: at most %d letters, digits, %%, |, _ and -, and at most %d "
		    "queues",
		    name, RV__TOPIC_NAME_MAX, QUEUES_MAX);
		return NULL;
	}
	if ((int64_t)broker->topics->by_name.count >= broker->settings.max_topics) {
		rv_error_set(err, RV_E_FULL, RV__N_BROKER_LIMIT, RV__TOPIC,
		    "topic '%s' is not made: there are %zu topics, the limit (maxTopics)", name,
		    broker->topics->by_name.count);
		return NULL;
	}
	topic = add_topic(broker->topics, name, read_queues, write_queues, perm, sysflag);
	if (!topic) {
		rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for topic '%s'", name);
		return NULL;
	}
	topic->change = rv__topics_changed(broker, topic);
	rv_log(RV_LOG_DEBUG, RV__TOPIC, "topic=%s: made with %d queues", name, write_queues);
	return topic;
}

struct rv__topic *rv__topic_for_send(struct rv__broker *broker, const char *name, const char *template_name,
    int32_t wanted_queues, struct rv_error *err)
{
	struct rv__topic *topic = rv__topic_find(broker, name);
	const struct rv__topic *model;
	int32_t queues;

	if (topic)
		return topic;
	if (strncmp(name, RV__TOPIC_RETRY_PREFIX, strlen(RV__TOPIC_RETRY_PREFIX)) == 0)
		return rv__topic_ensure(broker, name, 1, 1, RV__PERM_READ | RV__PERM_WRITE, 0, err);
	model = rv__topic_find(broker, template_name);
	if (!model || !(model->perm & RV__PERM_INHERIT)) {
		rv_error_set(err, RV_E_NOTFOUND, 0, RV__TOPIC,
		    "topic[%s] not exist, apply first please: autoCreateTopicEnable is off, or '%s' may not "
		    "be inherited",
		    name, template_name);
		return NULL;
	}
	queues = wanted_queues < model->write_queues ? wanted_queues : model->write_queues;
	if (queues < 1)
		queues = 1;
	return rv__topic_ensure(broker, name, queues, queues, model->perm & ~RV__PERM_INHERIT, 0, err);
}

/* -- queues ----------------------------------------------------------------------------------------- */

static bool grow_queues(struct rv__topic *topic, int32_t count)
{
	struct rv__topic_queue *queues = realloc(topic->queues, (size_t)count * sizeof(*queues));

	if (!queues)
		return false;
	/* The first of each list of held pulls points back at its queue, which may have moved. */
	for (int32_t i = 0; i < topic->queue_count; i++)
		if (queues[i].held)
			queues[i].held->link = &queues[i].held;
	memset(queues + topic->queue_count, 0, (size_t)(count - topic->queue_count) * sizeof(*queues));
	topic->queues = queues;
	topic->queue_count = count;
	return true;
}

struct rv__topic_queue *rv__topic_queue(struct rv__broker *broker, struct rv__topic *topic, int32_t id)
{
	int32_t count = topic->read_queues > topic->write_queues ? topic->read_queues : topic->write_queues;
	struct rv__topic_queue *queue;

	if (id < 0 || id >= count || (id >= topic->queue_count && !grow_queues(topic, id + 1)))
		return NULL;
	queue = &topic->queues[id];
	if (!queue->store)
		queue->store = rv__store_queue(broker->store, topic->name, topic->name_length, id, true);
	return queue->store ? queue : NULL;
}

struct rv__topic_queue *rv__topic_queue_of(const struct rv__broker *broker, const rv__queue *queue)
{
	struct rv__topic *topic = rv__topic_find(broker, rv__queue_topic(queue, NULL));
	int32_t id = rv__queue_id(queue);

	return topic && id >= 0 && id < topic->queue_count ? &topic->queues[id] : NULL;
}

/* -- changes ---------------------------------------------------------------------------------------- */

static void on_saved(void *arg, rv_err code, const struct rv_error *err)
{
	struct save *save = arg;
	struct rv__topics *topics = save->broker->topics;

	if (code == RV_OK) {
		if (save->changes > topics->durable)
			topics->durable = save->changes;
	} else {
		topics->failed = save->changes;
		topics->failure = *err;
		rv_log(RV_LOG_ERROR, RV__TOPIC, "the definitions of topics were not saved: %s", err->text);
	}
	free(save);
}

void rv__topics_save(struct rv__broker *broker)
{
	struct rv__topics *topics = broker->topics;
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv_error error;
	rv_err code = RV_E_NOMEM;
	struct save *save;

	if (!topics || !topics->unsaved)
		return;
	topics->unsaved = false;
	save = malloc(sizeof(*save));

	rv_error_set(&error, code, 0, RV__TOPIC, "no memory to save the topics");
	rv__topics_encode(broker, &out, false);
	if (save && rv__buffer_error(&out) == RV_OK) {
		*save = (struct save){broker, topics->changes};
		code = rv__state_file_save(
		    broker->store, DOCUMENT, out.bytes, out.length, on_saved, save, &error);
	}
	if (code != RV_OK) {
		topics->failed = topics->changes;
		topics->failure = error;
		free(save);
	}
	rv__buffer_finish(&out);
}

void rv__topics_retry(struct rv__broker *broker)
{
	struct rv__topics *topics = broker->topics;
	struct rv__store_stats stats;

	if (topics->failed <= topics->durable)
		return;
	rv__store_stats(broker->store, &stats);
	topics->unsaved = topics->unsaved || !stats.read_only;
}

uint64_t rv__topics_changed(struct rv__broker *broker, struct rv__topic *topic)
{
	struct rv__topics *topics = broker->topics;

	topics->version_counter++;
	topics->version_timestamp = rv__wall_ms();
	topics->changes++;
	topics->unsaved = true;
	rv__namesrv_local_changed(broker, topic);
	rv__registrar_changed(broker);
	return topics->changes;
}

rv_err rv__topics_durable(const struct rv__broker *broker, uint64_t change, struct rv_error *err)
{
	const struct rv__topics *topics = broker->topics;

	if (topics->durable >= change)
		return RV_OK;
	if (topics->failed >= change) {
		*err = topics->failure;
		return topics->failure.code == RV_E_FULL ? RV_E_IO : topics->failure.code;
	}
	return RV_E_FULL;
}

static void free_topic(struct rv__topic *topic)
{
	free(topic->queues);
	free(topic);
}

uint64_t rv__topic_delete(struct rv__broker *broker, struct rv__topic *topic)
{
	for (int32_t i = 0; i < topic->queue_count; i++)
		rv__longpoll_end(
		    broker, &topic->queues[i].held, RV__RSP_TOPIC_NOT_EXIST, "the topic was deleted");
	rv__store_topic_clear(broker->store, topic->name, topic->name_length);
	rv__map_remove(&broker->topics->by_name, topic->name);
	rv__namesrv_local_removed(broker, topic->name);
	free_topic(topic);
	return rv__topics_changed(broker, NULL);
}

/* -- JSON ------------------------------------------------------------------------------------------- */

void rv__topic_encode(struct rv__buffer *out, const struct rv__topic *topic)
{
	rv__buffer_printf(out,
	    "{\"order\":%s,\"perm\":%d,\"readQueueNums\":%d,\"topicFilterType\":\"%s\",\"topicName\":",
	    topic->order ? "true" : "false", topic->perm, topic->read_queues,
	    topic->multi_tags ? "MULTI_TAG" : "SINGLE_TAG");
	rv__json_add_string(out, topic->name, topic->name_length);
	rv__buffer_printf(
	    out, ",\"topicSysFlag\":%d,\"writeQueueNums\":%d}", topic->sysflag, topic->write_queues);
}

void rv__topics_version_encode(const struct rv__broker *broker, struct rv__buffer *out)
{
	rv__buffer_printf(out, "{\"counter\":%lld,\"timestamp\":%lld}",
	    (long long)broker->topics->version_counter, (long long)broker->topics->version_timestamp);
}

void rv__topics_encode(const struct rv__broker *broker, struct rv__buffer *out, bool with_system)
{
	const struct rv__topic *topic;
	size_t cursor = 0;
	bool any = false;

	rv__buffer_add_text(out, "{\"dataVersion\":");
	rv__topics_version_encode(broker, out);
	rv__buffer_add_text(out, ",\"topicConfigTable\":{");
	while ((topic = rv__topics_next(broker, &cursor))) {
		if (topic->system && !with_system)
			continue;
		if (any)
			rv__buffer_add_text(out, ",");
		any = true;
		rv__json_add_string(out, topic->name, topic->name_length);
		rv__buffer_add_text(out, ":");
		rv__topic_encode(out, topic);
	}
	rv__buffer_add_text(out, "}}");
}

static rv_err load_topic(
    struct rv__topics *topics, const char *name, const json_t *config, struct rv_error *err)
{
	int64_t read = rv__json_i64(config, "readQueueNums", 0),
	        write = rv__json_i64(config, "writeQueueNums", 0);
	struct rv__topic *topic;

	if (!rv__name_legal(name, RV__TOPIC_NAME_MAX) || read < 0 || read > QUEUES_MAX || write < 0 ||
	    write > QUEUES_MAX)
		return rv_error_set(err, RV_E_CORRUPT, RV__N_BROKER_STATE, RV__TOPIC,
		    "config/topics.json: the definition of '%.130s' is not valid; correct or remove it",
		    name);
	topic = add_topic(topics, name, (int32_t)read, (int32_t)write,
	    (int32_t)rv__json_i64(config, "perm", 6), (int32_t)rv__json_i64(config, "topicSysFlag", 0));
	if (!topic)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for topics");
	topic->order = rv__json_bool(config, "order", false);
	topic->multi_tags = strcmp(rv__json_text(config, "topicFilterType", ""), "MULTI_TAG") == 0;
	return RV_OK;
}

static rv_err load_topics(struct rv__broker *broker, bool *ret_missing, struct rv_error *err)
{
	json_t *root;
	rv_err code = rv__document_load(broker, DOCUMENT, &root, err);
	json_t *version = json_object_get(root, "dataVersion");
	const char *name;
	json_t *config;

	*ret_missing = !root;
	broker->topics->version_counter = rv__json_i64(version, "counter", 0);
	broker->topics->version_timestamp = rv__json_i64(version, "timestamp", broker->started_ms);
	json_object_foreach(json_object_get(root, "topicConfigTable"), name, config) if (code == RV_OK) code =
	    load_topic(broker->topics, name, config, err);
	json_decref(root);
	return code;
}

/* -- system topics ------------------------------------------------------------------------------------ */

static bool add_system(struct rv__broker *broker, const char *name, int queues, int perm)
{
	struct rv__topic *topic = rv__topic_find(broker, name);

	if (!topic)
		topic = add_topic(broker->topics, name, queues, queues, perm, 0);
	if (topic)
		topic->system = true;
	return topic != NULL;
}

static bool add_system_topics(struct rv__broker *broker)
{
	const struct rv__broker_settings *settings = &broker->settings;
	int inherit = RV__PERM_READ | RV__PERM_WRITE | (settings->auto_create_topic ? RV__PERM_INHERIT : 0);
	char reply[RV__NAME_SIZE];
	bool ok = true;

	for (size_t i = 0; i < sizeof(system_topics) / sizeof(system_topics[0]); i++)
		ok = ok &&
		    add_system(broker, system_topics[i].name, system_topics[i].queues, system_topics[i].perm);
	snprintf(reply, sizeof(reply), "%.100s_REPLY_TOPIC", settings->cluster);
	ok = ok && add_system(broker, RV__TOPIC_TEMPLATE, (int)settings->default_queues, inherit);
	ok = ok &&
	    add_system(broker, settings->cluster, 16, RV__PERM_READ | RV__PERM_WRITE | RV__PERM_INHERIT);
	ok = ok &&
	    add_system(broker, settings->broker_name, 1, RV__PERM_READ | RV__PERM_WRITE | RV__PERM_INHERIT);
	ok = ok && add_system(broker, reply, 1, RV__PERM_READ | RV__PERM_WRITE);
	if (settings->trace_topic)
		ok = ok && add_system(broker, settings->trace_topic_name, 1, RV__PERM_READ | RV__PERM_WRITE);
	return ok;
}

/* What a look through the store's queues makes. */
struct remaking {
	struct rv__broker *broker;
	size_t made;
};

static void remake_topic(void *arg, rv__queue *queue)
{
	struct remaking *remaking = arg;
	const char *name = rv__queue_topic(queue, NULL);
	struct rv__topic *topic = rv__topic_find(remaking->broker, name);
	int32_t queues = rv__queue_id(queue) + 1;

	if (rv__queue_min(remaking->broker->store, queue) >= rv__queue_max(queue) || queues > QUEUES_MAX)
		return;
	if (!topic && rv__name_legal(name, RV__TOPIC_NAME_MAX)) {
		topic = add_topic(
		    remaking->broker->topics, name, queues, queues, RV__PERM_READ | RV__PERM_WRITE, 0);
		remaking->made += topic != NULL;
	}
	if (topic && !topic->system && topic->read_queues < queues)
		topic->read_queues = topic->write_queues = queues;
}

/* The document is gone: the log still tells which topics there were. */
static void remake_topics(struct rv__broker *broker)
{
	struct remaking remaking = {.broker = broker};

	rv__store_each_queue(broker->store, remake_topic, &remaking);
	if (!remaking.made)
		return;
	broker->topics->changes++;
	broker->topics->unsaved = true;
	rv_log(RV_LOG_WARN, RV__TOPIC,
	    "RV%04d '%s/config/topics.json' is missing: %zu topics were made again from the log, with the "
	    "queues that "
	    "held messages; restore the document if they had more, or permissions of their own",
	    RV__N_BROKER_STATE, broker->directory, remaking.made);
}

rv_err rv__topics_open(struct rv__broker *broker, struct rv_error *err)
{
	bool missing = false;
	rv_err code;

	broker->topics = calloc(1, sizeof(*broker->topics));
	if (!broker->topics)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for topics");
	broker->topics->version_timestamp = broker->started_ms;
	code = load_topics(broker, &missing, err);
	if (code == RV_OK && !add_system_topics(broker))
		code = rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for topics");
	if (code == RV_OK && missing)
		remake_topics(broker);
	return code;
}

void rv__topics_close(struct rv__broker *broker)
{
	struct rv__topic *topic;
	size_t cursor = 0;

	if (!broker->topics)
		return;
	while ((topic = rv__topics_next(broker, &cursor)))
		free_topic(topic);
	rv__map_finish(&broker->topics->by_name);
	free(broker->topics);
	broker->topics = NULL;
}
