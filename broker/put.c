/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/put.h"

#include <stdio.h>
#include <string.h>

#include "broker/append.h"
#include "broker/delay.h"
#include "broker/server.h"
#include "broker/topics.h"

/* The delay that the message asks for: the level of its property, or of the caller. 0: none. */
static int32_t find_level(const struct rv__broker *broker, const struct rv__put *put)
{
	int32_t levels = rv__delay_levels(broker), level = put->delay_level;
	int32_t transaction = put->record.sys_flag & RV__SYS_TX_MASK;
	const char *text;
	size_t length;
	int64_t value;

	/* A dead letter waits for nothing: the Java client marks an orderly one with the level of its next retry. */
	if (strncmp(put->topic->name, RV__TOPIC_DLQ_PREFIX, sizeof(RV__TOPIC_DLQ_PREFIX) - 1) == 0)
		return 0;
	if (put->as_is || transaction == RV__SYS_TX_PREPARED || transaction == RV__SYS_TX_ROLLBACK)
		return 0;
	if (level <= 0) {
		text = rv__properties_get(put->properties.bytes, put->properties.length, "DELAY", &length);
		if (!text || !rv__span_i64((struct rv_span){text, length}, &value) || value <= 0)
			return 0;
		level = value > levels ? levels : (int32_t)value;
	}
	return level > levels ? levels : level;
}

static void append_number(struct rv__buffer *out, const char *name, int64_t value)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%lld", (long long)value);

	rv__properties_append(out, name, text, (size_t)length);
}

/* The stored properties: without WAIT, with the cluster, and with the way back from the schedule topic. */
static void build_properties(
    const struct rv__broker *broker, const struct rv__put *put, int32_t level, struct rv__buffer *out)
{
	static const char *const plain[] = {"CLUSTER", "WAIT", NULL};
	static const char *const batch[] = {"CLUSTER", NULL};
	static const char *const delayed[] = {"CLUSTER", "WAIT", "DELAY", "REAL_TOPIC", "REAL_QID", NULL};
	const char *const *drop = level ? delayed : put->keep_wait ? batch : plain;

	rv__properties_copy(out, put->properties.bytes, put->properties.length, drop);
	rv__properties_append(out, "CLUSTER", broker->settings.cluster, strlen(broker->settings.cluster));
	if (!level)
		return;
	append_number(out, "DELAY", level);
	rv__properties_append(out, "REAL_TOPIC", put->topic->name, put->topic->name_length);
	append_number(out, "REAL_QID", put->queue_id);
}

rv_err rv__put(struct rv__broker *broker, const struct rv__put *put, struct rv__store_position *ret_position,
    struct rv_error *err)
{
	int32_t level = find_level(broker, put);
	struct rv__topic *topic = level ? rv__topic_find(broker, RV__TOPIC_SCHEDULE) : put->topic;
	struct rv__topic_queue *queue =
	    topic ? rv__topic_queue(broker, topic, level ? level - 1 : put->queue_id) : NULL;
	struct rv__store_message message = {.record = put->record};
	struct rv__buffer *properties = &broker->properties;

	if (!queue)
		return rv_error_set(err, RV_E_NOTFOUND, 0, RV__TOPIC, "topic '%s' has no queue %d",
		    put->topic->name, put->queue_id);
	message.queue = queue->store;
	message.record.properties = put->properties.bytes;
	message.record.properties_length = put->properties.length;
	if (!put->as_is) {
		rv__buffer_clear(properties);
		build_properties(broker, put, level, properties);
		if (rv__buffer_error(properties) != RV_OK)
			return rv_error_set(
			    err, rv__buffer_error(properties), 0, RV__TOPIC, "no room for the properties");
		message.record.properties = (const char *)properties->bytes;
		message.record.properties_length = properties->length;
	}
	if (level)
		message.delay_ms = rv__delay_of_level(broker, level);
	else
		message.tags_code =
		    rv__tags_code(message.record.properties, message.record.properties_length);
	topic->put++;
	broker->put_messages++;
	return rv__append(broker, &message, ret_position, err);
}
