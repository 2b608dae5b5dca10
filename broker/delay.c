/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/delay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "broker/document.h"
#include "broker/put.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"

#define DOCUMENT "delayOffset"

enum {
	AT_ONCE = 64,     /* messages of one level that one look takes */
	RETRY_MS = 500,   /* after the store has refused */
	CLOCK_MS = 10000, /* by so much the clock may be set back, and messages be held longer */
	SAVE_PERIOD_MS = 5000
};

struct level {
	int64_t delay_ms;
	int64_t next;      /* offset that is looked at next */
	int64_t delivered; /* all before it are acknowledged in their own topic */
};

struct rv__delay {
	struct level levels
	    [RV__DELAY_LEVELS_MAX]; /* all are served: what was sent while there were more levels, too */
	size_t count;               /* of those that may be asked for */
	uv_timer_t timer;
	bool timer_open;
	bool dirty;
	int64_t saved_ms;
};

int32_t rv__delay_levels(const struct rv__broker *broker)
{
	return (int32_t)broker->delay->count;
}

int64_t rv__delay_of_level(const struct rv__broker *broker, int32_t level)
{
	return broker->delay->levels[level - 1].delay_ms;
}

static rv__queue *queue_of(struct rv__broker *broker, size_t level)
{
	return rv__store_queue(
	    broker->store, RV__TOPIC_SCHEDULE, strlen(RV__TOPIC_SCHEDULE), (int32_t)level, false);
}

/* -- delivery ------------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

/* Looks again after so many ms, or sooner. */
static void look_within(struct rv__broker *broker, int64_t wait)
{
	uv_timer_t *timer = &broker->delay->timer;

	if (broker->stopping)
		return;
	if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > (uint64_t)wait)
		uv_timer_start(timer, on_timer, (uint64_t)wait, 0);
}

static void on_delivered(
    struct rv__broker *broker, struct rv__waiting *waiting, rv_err code, const struct rv_error *err)
{
	struct level *level = waiting->arg;

	(void)err;
	if (code == RV_OK) {
		if (waiting->number + 1 > level->delivered)
			level->delivered = waiting->number + 1;
		broker->delay->dirty = true;
	} else {
		if (waiting->number < level->next)
			level->next = waiting->number; /* it was taken back: again */
		look_within(broker, RETRY_MS);
	}
}

/* Builds the message as its sender meant it. The stored properties stay as they are, DELAY included. */
static bool restore(
    struct rv__broker *broker, const struct rv__record *record, struct rv__put *put, struct rv_error *err)
{
	char topic[RV__NAME_SIZE];
	size_t length = 0;
	const char *name =
	    rv__properties_get(record->properties, record->properties_length, "REAL_TOPIC", &length);
	size_t id_length = 0;
	const char *id_text =
	    rv__properties_get(record->properties, record->properties_length, "REAL_QID", &id_length);
	int64_t id;

	if (!name || length >= sizeof(topic) || !rv__span_i64((struct rv_span){id_text, id_length}, &id) ||
	    id < 0) {
		rv_error_set(
		    err, RV_E_CORRUPT, 0, RV__TOPIC, "its properties do not name a topic and a queue");
		return false;
	}
	memcpy(topic, name, length);
	topic[length] = '\0';
	*put = (struct rv__put){
	    .topic = rv__topic_find(broker, topic),
	    .record = *record,
	    .properties = {record->properties, record->properties_length},
	    .as_is = true,
	};
	/* The topic was deleted meanwhile, or its definition lost: nobody may lose what was acknowledged. */
	if (!put->topic)
		put->topic = rv__topic_ensure(broker, topic, 1, 1, RV__PERM_READ | RV__PERM_WRITE, 0, err);
	if (!put->topic)
		return false;
	put->queue_id = put->topic->write_queues > 0 ? (int32_t)(id % put->topic->write_queues) : 0;
	return true;
}

/* Whether a failure lies in the message itself, and would come again. */
static bool is_lost(rv_err code)
{
	return code == RV_E_CORRUPT || code == RV_E_NOTFOUND || code == RV_E_INVALID;
}

/* Reads a due message and says where it goes. */
static rv_err prepare(
    struct rv__broker *broker, const struct rv__store_entry *entry, struct rv__put *put, struct rv_error *err)
{
	struct rv__record record;
	rv_err code;

	rv__buffer_clear(&broker->scratch);
	code = rv__store_read_at(broker->store, entry->physical_offset, &broker->scratch, err);
	if (code == RV_OK)
		code = rv__record_decode(broker->scratch.bytes, broker->scratch.length, &record, err);
	if (code == RV_OK && !restore(broker, &record, put, err))
		code = err->code;
	return code;
}

/* Appends one due message again; false: not now. */
static bool deliver(struct rv__broker *broker, struct level *level, const struct rv__store_entry *entry)
{
	struct rv__waiting waiting = {.done = on_delivered, .arg = level, .number = level->next};
	struct rv_error error;
	struct rv__put put;
	rv_err code = prepare(broker, entry, &put, &error);

	if (code != RV_OK && !is_lost(code))
		return false;
	if (code != RV_OK) {
		rv_log(RV_LOG_ERROR, RV__TOPIC,
		    "the delayed message at %lld cannot be delivered and is skipped: %s",
		    (long long)entry->physical_offset, error.text);
		return true;
	}
	if (rv__put(broker, &put, &waiting.position, &error) != RV_OK)
		return false;
	return rv__append_wait(broker, &waiting) == RV_OK;
}

/* Nothing waits longer than its delay, unless the clock was set back by years or the level made shorter. */
static bool is_clock_back(const struct level *level, int64_t wait)
{
	return level->delay_ms > 0 && wait > level->delay_ms + CLOCK_MS;
}

/* Takes what is due; returns after how many ms to look again, -1: not before something arrives. */
static int64_t look(struct rv__broker *broker, size_t index)
{
	struct level *level = &broker->delay->levels[index];
	rv__queue *queue = queue_of(broker, index);
	int64_t now = rv__wall_ms();

	if (!queue)
		return -1;
	if (level->next < rv__queue_min(broker->store, queue))
		level->next = rv__queue_min(broker->store, queue);
	for (int n = 0; level->next < rv__queue_max(queue); level->next++) {
		struct rv__store_entry entry;

		if (rv__queue_entry(broker->store, queue, level->next, &entry, NULL) != RV_OK)
			continue; /* lost, and reported by the store */
		if (entry.tags_code > now && !is_clock_back(level, entry.tags_code - now))
			return entry.tags_code - now;
		if (n++ == AT_ONCE)
			return 0;
		if (!deliver(broker, level, &entry))
			return RETRY_MS;
	}
	return -1;
}

static void on_timer(uv_timer_t *timer)
{
	struct rv__broker *broker = timer->data;
	int64_t soonest = -1;

	for (size_t i = 0; i < RV__DELAY_LEVELS_MAX; i++) {
		int64_t wait = look(broker, i);

		if (wait >= 0 && (soonest < 0 || wait < soonest))
			soonest = wait;
	}
	if (soonest >= 0)
		look_within(broker, soonest);
}

void rv__delay_arrived(struct rv__broker *broker, int32_t queue_id)
{
	const struct rv__delay *delay = broker->delay;

	if (queue_id >= 0 && (size_t)queue_id < delay->count)
		look_within(broker, delay->levels[queue_id].delay_ms);
}

/* -- progress ------------------------------------------------------------------------------------------- */

void rv__delay_encode(const struct rv__broker *broker, struct rv__buffer *out)
{
	bool any = false;

	rv__buffer_add_text(out, "{\"offsetTable\":{");
	for (size_t i = 0; i < RV__DELAY_LEVELS_MAX; i++) {
		if (broker->delay->levels[i].delivered == 0)
			continue;
		rv__buffer_printf(
		    out, "%s%zu:%lld", any ? "," : "", i + 1, (long long)broker->delay->levels[i].delivered);
		any = true;
	}
	rv__buffer_add_text(out, "}}");
}

void rv__delay_save(struct rv__broker *broker)
{
	struct rv__delay *delay = broker->delay;
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv_error error;

	if (!delay || !delay->dirty ||
	    (!broker->stopping && rv__broker_now(broker) - delay->saved_ms < SAVE_PERIOD_MS))
		return;
	rv__delay_encode(broker, &out);
	if (rv__buffer_error(&out) == RV_OK &&
	    rv__state_file_save(broker->store, DOCUMENT, out.bytes, out.length, NULL, NULL, &error) ==
	        RV_OK) {
		delay->dirty = false;
		delay->saved_ms = rv__broker_now(broker);
	}
	rv__buffer_finish(&out);
}

static rv_err load_progress(struct rv__broker *broker, struct rv_error *err)
{
	struct rv__delay *delay = broker->delay;
	json_t *root;
	rv_err code = rv__document_load(broker, DOCUMENT, &root, err);
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(root, "offsetTable"), key, value)
	{
		long number = strtol(key, NULL, 10);
		rv__queue *queue = number >= 1 && number <= RV__DELAY_LEVELS_MAX
		    ? queue_of(broker, (size_t)number - 1)
		    : NULL;
		int64_t offset = json_integer_value(value);

		if (!queue || offset < 0)
			continue;
		if (offset > rv__queue_max(queue))
			offset = rv__queue_max(queue);
		delay->levels[number - 1].next = delay->levels[number - 1].delivered = offset;
	}
	json_decref(root);
	return code;
}

rv_err rv__delay_open(struct rv__broker *broker, struct rv_error *err)
{
	struct rv__delay *delay = calloc(1, sizeof(*delay));
	int64_t levels[RV__DELAY_LEVELS_MAX];
	rv_err code;

	broker->delay = delay;
	if (!delay)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for delays");
	code = rv__delay_levels_parse(broker->settings.delay_levels, levels, &delay->count, err);
	for (size_t i = 0; code == RV_OK && i < delay->count; i++)
		delay->levels[i].delay_ms = levels[i];
	if (code == RV_OK)
		code = load_progress(broker, err);
	if (code != RV_OK)
		return code;
	uv_timer_init(&broker->loop, &delay->timer);
	delay->timer.data = broker;
	delay->timer_open = true;
	return uv_timer_start(&delay->timer, on_timer, 0, 0) == 0 ? RV_OK : RV_E_INTERNAL;
}

void rv__delay_stop(struct rv__broker *broker)
{
	if (!broker->delay)
		return;
	if (broker->delay->timer_open)
		uv_close((uv_handle_t *)&broker->delay->timer, NULL);
	broker->delay->timer_open = false;
}

void rv__delay_close(struct rv__broker *broker)
{
	free(broker->delay);
	broker->delay = NULL;
}
