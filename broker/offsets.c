/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/offsets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/numbers.h"
#include "broker/document.h"
#include "broker/groups.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"

#define DOCUMENT "consumerOffset"

enum { KEY_SIZE = 2 * RV__NAME_SIZE, QUEUES_MAX = 16384, RESET_MS = 60000 };

/* One group on one topic; -1: none. */
struct entry {
	int64_t *values;
	int32_t count;
	int64_t reset_until_ms; /* the members are still told of a reset: what they say meanwhile counts */
};

struct rv__offsets {
	struct rv__map table; /* struct entry by "topic@group" */
	bool dirty;
	bool saving;
	int64_t saved_ms;
};

static const char *make_key(char key[KEY_SIZE], const char *topic, const char *group)
{
	snprintf(key, KEY_SIZE, "%s@%s", topic, group);
	return key;
}

int64_t rv__offset_get(const struct rv__broker *broker, const char *topic, const char *group, int32_t queue)
{
	char key[KEY_SIZE];
	const struct entry *entry = rv__map_get(&broker->offsets->table, make_key(key, topic, group));

	return entry && queue >= 0 && queue < entry->count ? entry->values[queue] : -1;
}

static struct entry *ensure_entry(struct rv__offsets *offsets, const char *key)
{
	struct entry *entry = rv__map_get(&offsets->table, key);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (entry && rv__map_put(&offsets->table, key, entry, NULL) == RV_OK)
		return entry;
	free(entry);
	return NULL;
}

static void set_value(struct rv__offsets *offsets, const char *key, int32_t queue, int64_t offset)
{
	struct entry *entry = ensure_entry(offsets, key);
	int64_t *values;

	if (!entry || queue < 0 || queue >= QUEUES_MAX)
		return;
	if (queue >= entry->count) {
		values = realloc(entry->values, (size_t)(queue + 1) * sizeof(*values));
		if (!values)
			return;
		for (int32_t i = entry->count; i <= queue; i++)
			values[i] = -1;
		entry->values = values;
		entry->count = queue + 1;
	}
	if (entry->values[queue] != offset)
		offsets->dirty = true;
	entry->values[queue] = offset;
}

/* The end of a queue that is known; a queue that nothing was ever sent to ends at 0. */
static int64_t end_of(struct rv__broker *broker, const char *topic_name, int32_t id)
{
	rv__queue *queue = rv__store_queue(broker->store, topic_name, strlen(topic_name), id, false);

	return queue ? rv__queue_max(queue) : 0;
}

/* Whether an offset may go back: nobody is there whom it could confuse, or a reset is under way. */
static bool may_decrease(const struct rv__broker *broker, const char *key, const char *group_name)
{
	const struct entry *entry = rv__map_get(&broker->offsets->table, key);
	const struct rv__group *group = rv__group_find(broker, group_name);

	return !group || group->members.count == 0 ||
	    (entry && rv__broker_now(broker) < entry->reset_until_ms);
}

void rv__offset_set(
    struct rv__broker *broker, const char *topic, const char *group, int32_t queue, int64_t offset)
{
	char key[KEY_SIZE];
	int64_t old = rv__offset_get(broker, topic, group, queue);

	/* A rebalance race can bring an older value, and a broken client any: neither may repeat or lose messages. */
	if (offset < 0 || offset == old || offset > end_of(broker, topic, queue))
		return;
	make_key(key, topic, group);
	if (offset > old || may_decrease(broker, key, group))
		set_value(broker->offsets, key, queue, offset);
}

void rv__offset_reset(
    struct rv__broker *broker, const char *topic, const char *group, int32_t queue, int64_t offset)
{
	char key[KEY_SIZE];
	struct entry *entry;

	set_value(broker->offsets, make_key(key, topic, group), queue, offset);
	entry = rv__map_get(&broker->offsets->table, key);
	if (entry)
		entry->reset_until_ms = rv__broker_now(broker) + RESET_MS;
}

void rv__offsets_each_topic(const struct rv__broker *broker, const char *group,
    void (*visit)(void *arg, const char *topic, int32_t queues), void *arg)
{
	size_t cursor = 0;
	const char *key;
	void *value;

	while (rv__map_next(&broker->offsets->table, &cursor, &key, &value)) {
		const char *at = strchr(key, '@');
		char topic[RV__NAME_SIZE];

		if (!at || strcmp(at + 1, group) != 0)
			continue;
		snprintf(topic, sizeof(topic), "%.*s", (int)(at - key), key);
		visit(arg, topic, ((struct entry *)value)->count);
	}
}

void rv__offsets_each_group(const struct rv__broker *broker, const char *topic,
    void (*visit)(void *arg, const char *group), void *arg)
{
	size_t length = strlen(topic), cursor = 0;
	const char *key;

	while (rv__map_next(&broker->offsets->table, &cursor, &key, NULL))
		if (strncmp(key, topic, length) == 0 && key[length] == '@')
			visit(arg, key + length + 1);
}

/* Removes the entries of a topic, or of a group; the other is NULL. */
static void forget(struct rv__offsets *offsets, const char *topic, const char *group)
{
	size_t cursor = 0;
	const char *key;
	void *value;

	while (rv__map_next(&offsets->table, &cursor, &key, &value)) {
		const char *at = strchr(key, '@');
		struct entry *entry;

		if (!at || (group && strcmp(at + 1, group) != 0) ||
		    (topic && (strncmp(key, topic, strlen(topic)) != 0 || key[strlen(topic)] != '@')))
			continue;
		entry = rv__map_remove(&offsets->table, key);
		free(entry->values);
		free(entry);
		offsets->dirty = true;
		cursor--; /* another may stand there now */
	}
}

void rv__offsets_forget_topic(struct rv__broker *broker, const char *topic)
{
	forget(broker->offsets, topic, NULL);
}

void rv__offsets_forget_group(struct rv__broker *broker, const char *group)
{
	forget(broker->offsets, NULL, group);
}

void rv__offsets_copy(struct rv__broker *broker, const char *topic, const char *from, const char *to)
{
	char key[KEY_SIZE];
	const struct entry *entry = rv__map_get(&broker->offsets->table, make_key(key, topic, from));

	for (int32_t i = 0; entry && i < entry->count; i++)
		if (entry->values[i] >= 0)
			rv__offset_reset(broker, topic, to, i, entry->values[i]);
}

/* -- the document ------------------------------------------------------------------------------------- */

void rv__offsets_encode(const struct rv__broker *broker, struct rv__buffer *out)
{
	size_t cursor = 0;
	const char *key;
	void *value;
	bool any = false;

	rv__buffer_add_text(out, "{\"offsetTable\":{");
	while (rv__map_next(&broker->offsets->table, &cursor, &key, &value)) {
		const struct entry *entry = value;
		bool first = true;

		rv__buffer_add_text(out, any ? "," : "");
		any = true;
		rv__json_add_string(out, key, strlen(key));
		rv__buffer_add_text(out, ":{");
		for (int32_t i = 0; i < entry->count; i++) {
			if (entry->values[i] < 0)
				continue;
			rv__buffer_printf(out, "%s%d:%lld", first ? "" : ",", i, (long long)entry->values[i]);
			first = false;
		}
		rv__buffer_add_text(out, "}");
	}
	rv__buffer_add_text(out, "}}");
}

static void on_saved(void *arg, rv_err code, const struct rv_error *err)
{
	struct rv__broker *broker = arg;

	broker->offsets->saving = false;
	if (code == RV_OK)
		return;
	broker->offsets->dirty = true;
	rv_log(RV_LOG_ERROR, RV__TOPIC, "consumer offsets were not saved: %s", err->text);
}

void rv__offsets_save(struct rv__broker *broker, bool now)
{
	struct rv__offsets *offsets = broker->offsets;
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv_error error;

	if (!offsets || !offsets->dirty)
		return;
	if (!now &&
	    (offsets->saving ||
	        rv__broker_now(broker) - offsets->saved_ms < broker->settings.offsets_period_ms))
		return;
	rv__offsets_encode(broker, &out);
	if (rv__buffer_error(&out) == RV_OK &&
	    rv__state_file_save(broker->store, DOCUMENT, out.bytes, out.length, on_saved, broker, &error) ==
	        RV_OK) {
		offsets->dirty = false;
		offsets->saving = true;
		offsets->saved_ms = rv__broker_now(broker);
	}
	rv__buffer_finish(&out);
}

static void load_entry(struct rv__broker *broker, const char *key, json_t *queues)
{
	const char *at = strchr(key, '@');
	char topic[RV__NAME_SIZE];
	const char *id;
	json_t *value;

	if (!at || at - key >= RV__NAME_SIZE || strlen(key) >= KEY_SIZE)
		return;
	snprintf(topic, sizeof(topic), "%.*s", (int)(at - key), key);
	json_object_foreach(queues, id, value)
	{
		int32_t queue = (int32_t)strtol(id, NULL, 10);
		int64_t offset = json_integer_value(value);
		int64_t end = end_of(broker, topic, queue);

		if (offset > end) {
			rv_log(RV_LOG_WARN, RV__TOPIC,
			    "RV%04d offset %lld of %s queue %d was behind the end of the log; it goes on at "
			    "%lld",
			    RV__N_BROKER_OFFSET_CLAMPED, (long long)offset, key, queue, (long long)end);
			offset = end;
		}
		set_value(broker->offsets, key, queue, offset);
	}
}

rv_err rv__offsets_open(struct rv__broker *broker, struct rv_error *err)
{
	json_t *root, *queues;
	const char *key;
	rv_err code;

	broker->offsets = calloc(1, sizeof(*broker->offsets));
	if (!broker->offsets)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for offsets");
	code = rv__document_load(broker, DOCUMENT, &root, err);
	json_object_foreach(json_object_get(root, "offsetTable"), key, queues)
	    load_entry(broker, key, queues);
	json_decref(root);
	broker->offsets->dirty = false;
	return code;
}

void rv__offsets_close(struct rv__broker *broker)
{
	size_t cursor = 0;
	void *value;

	if (!broker->offsets)
		return;
	while (rv__map_next(&broker->offsets->table, &cursor, NULL, &value)) {
		free(((struct entry *)value)->values);
		free(value);
	}
	rv__map_finish(&broker->offsets->table);
	free(broker->offsets);
	broker->offsets = NULL;
}

/* -- handlers ------------------------------------------------------------------------------------------- */

static void answer_offset(struct rv__request *request, const char *name, int64_t value)
{
	struct rv__command_writer writer;

	if (rv__answer_begin(request, &writer, RV__RSP_SUCCESS, NULL)) {
		rv__command_add_i64(&writer, name, value);
		rv__answer_end(request, &writer, NULL, 0);
	}
}

/* Whether the first message is young enough that a new group may be expected to want everything: within
 * 40 % of memory from the end of the log, Apache's measure of "not on disk". */
static bool is_young(struct rv__broker *broker, rv__queue *queue)
{
	struct rv__store_stats stats;
	struct rv__store_entry entry;
	int64_t memory = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);

	if (rv__queue_entry(broker->store, queue, 0, &entry, NULL) != RV_OK)
		return true;
	rv__store_stats(broker->store, &stats);
	return stats.log_end - entry.physical_offset <= memory / 10 * 4;
}

void rv__offsets_query(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	char topic[RV__NAME_SIZE], group[RV__NAME_SIZE];
	bool queue_is_young;
	rv__queue *queue;
	int64_t offset;
	int32_t id;

	if (!rv__need_text(request, "consumerGroup", group, sizeof(group)) ||
	    !rv__need_text(request, "topic", topic, sizeof(topic)) || !rv__need_i32(request, "queueId", &id))
		return;
	offset = rv__offset_get(broker, topic, group, id);
	if (offset >= 0) {
		answer_offset(request, "offset", offset);
		return;
	}
	queue = rv__store_queue(broker->store, topic, strlen(topic), id, false);
	/* Clients of 5.x say with setZeroIfNotFound=false that they want to hear that there is none. */
	if (!rv__command_bool(request->command, "setZeroIfNotFound", true))
		queue_is_young = false;
	else
		queue_is_young =
		    !queue || (rv__queue_min(broker->store, queue) <= 0 && is_young(broker, queue));
	if (queue_is_young)
		answer_offset(request, "offset", 0);
	else
		rv__answer(request, RV__RSP_QUERY_NOT_FOUND,
		    "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first");
}

void rv__offsets_update(struct rv__request *request)
{
	char topic[RV__NAME_SIZE], group[RV__NAME_SIZE];
	int64_t offset;
	int32_t id;

	if (!rv__need_text(request, "consumerGroup", group, sizeof(group)) ||
	    !rv__need_text(request, "topic", topic, sizeof(topic)) ||
	    !rv__need_i32(request, "queueId", &id) || !rv__need_i64(request, "commitOffset", &offset))
		return;
	if (rv__topic_find(request->broker, topic))
		rv__offset_set(request->broker, topic, group, id, offset);
	rv__answer(request, RV__RSP_SUCCESS, NULL);
}

/* topic! queueId!; false: answered. */
static bool need_queue(struct rv__request *request, rv__queue **ret_queue)
{
	char topic[RV__NAME_SIZE];
	int32_t id;

	if (!rv__need_text(request, "topic", topic, sizeof(topic)) || !rv__need_i32(request, "queueId", &id))
		return false;
	*ret_queue = rv__store_queue(request->broker->store, topic, strlen(topic), id, false);
	return true;
}

void rv__offsets_max(struct rv__request *request)
{
	rv__queue *queue;

	if (need_queue(request, &queue))
		answer_offset(request, "offset", queue ? rv__queue_max(queue) : 0);
}

void rv__offsets_min(struct rv__request *request)
{
	rv__queue *queue;

	if (need_queue(request, &queue))
		answer_offset(request, "offset", queue ? rv__queue_min(request->broker->store, queue) : 0);
}

void rv__offsets_search(struct rv__request *request)
{
	rv__queue *queue;
	int64_t timestamp, offset = 0;
	struct rv_error error;

	if (!need_queue(request, &queue) || !rv__need_i64(request, "timestamp", &timestamp))
		return;
	if (queue && rv__queue_offset_at(request->broker->store, queue, timestamp, &offset, &error) != RV_OK)
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	else
		answer_offset(request, "offset", offset);
}

void rv__offsets_earliest(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	struct rv__store_entry entry = {.store_timestamp = -1};
	rv__queue *queue;

	if (!need_queue(request, &queue))
		return;
	if (queue)
		(void)rv__queue_entry(
		    broker->store, queue, rv__queue_min(broker->store, queue), &entry, NULL);
	answer_offset(request, "timestamp", entry.store_timestamp);
}
