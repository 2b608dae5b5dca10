/* SPDX-License-Identifier: Apache-2.0 */
#include "remoting/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "remoting/json_dialect.h"

void rv__queues_finish(struct rv__queues *queues)
{
	free(queues->items);
	json_decref(queues->root);
	*queues = (struct rv__queues){NULL, 0, NULL};
}

void rv__queue_encode(struct rv__buffer *out, const struct rv__message_queue *queue)
{
	rv__buffer_add_text(out, "{\"brokerName\":");
	rv__json_add_string(out, queue->broker, strlen(queue->broker));
	rv__buffer_printf(out, ",\"queueId\":%d,\"topic\":", queue->id);
	rv__json_add_string(out, queue->topic, strlen(queue->topic));
	rv__buffer_add_text(out, "}");
}

static void encode_list(struct rv__buffer *out, const struct rv__message_queue *queues, size_t count)
{
	rv__buffer_add_text(out, "[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			rv__buffer_add_text(out, ",");
		rv__queue_encode(out, &queues[i]);
	}
	rv__buffer_add_text(out, "]");
}

static rv_err decode_queue(json_t *object, struct rv__message_queue *ret_queue, struct rv_error *err)
{
	int64_t id = rv__json_i64(object, "queueId", -1);

	*ret_queue = (struct rv__message_queue){
	    .topic = rv__json_text(object, "topic", NULL),
	    .broker = rv__json_text(object, "brokerName", NULL),
	    .id = (int32_t)id,
	    .offset = rv__json_i64(object, "offset", 0),
	};
	if (!ret_queue->topic || !ret_queue->broker || id < INT32_MIN || id > INT32_MAX)
		return rv_error_set(err, RV_E_PROTOCOL, RV__N_BODY_MALFORMED, "remoting",
		    "malformed JSON body: a message queue needs topic, brokerName and queueId");
	return RV_OK;
}

/* Fills queues->items from an array whose values live in queues->root. */
static rv_err decode_list(const json_t *array, struct rv__queues *queues, struct rv_error *err)
{
	size_t n = json_array_size(array);

	queues->items = calloc(n ? n : 1, sizeof(*queues->items));
	if (!queues->items)
		return rv_error_set(err, RV_E_NOMEM, 0, "remoting", "no memory for %zu queues", n);
	for (size_t i = 0; i < n; i++) {
		if (decode_queue(json_array_get(array, i), &queues->items[i], err) != RV_OK)
			return RV_E_PROTOCOL;
		queues->count++;
	}
	return RV_OK;
}

void rv__lock_request_encode(struct rv__buffer *out, const char *client_id, const char *group,
    const struct rv__message_queue *queues, size_t count)
{
	rv__buffer_add_text(out, "{\"clientId\":");
	rv__json_add_string(out, client_id, strlen(client_id));
	rv__buffer_add_text(out, ",\"consumerGroup\":");
	rv__json_add_string(out, group, strlen(group));
	rv__buffer_add_text(out, ",\"mqSet\":");
	encode_list(out, queues, count);
	rv__buffer_add_text(out, "}");
}

rv_err rv__lock_request_decode(
    const void *body, size_t length, struct rv__lock_request *ret_request, struct rv_error *err)
{
	struct rv__lock_request request = {.queues.root = rv__json_parse(body, length, err)};
	rv_err code;

	if (!request.queues.root)
		return RV_E_PROTOCOL;
	request.client_id = rv__json_text(request.queues.root, "clientId", NULL);
	request.group = rv__json_text(request.queues.root, "consumerGroup", NULL);
	code = request.client_id && request.group
	    ? decode_list(json_object_get(request.queues.root, "mqSet"), &request.queues, err)
	    : rv_error_set(err, RV_E_PROTOCOL, RV__N_BODY_MALFORMED, "remoting",
	          "malformed JSON body: a lock request needs clientId and consumerGroup");
	if (code != RV_OK)
		rv__lock_request_finish(&request);
	else
		*ret_request = request;
	return code;
}

void rv__lock_request_finish(struct rv__lock_request *request)
{
	rv__queues_finish(&request->queues);
	request->client_id = request->group = NULL;
}

void rv__lock_answer_encode(struct rv__buffer *out, const struct rv__message_queue *queues, size_t count)
{
	rv__buffer_add_text(out, "{\"lockOKMQSet\":");
	encode_list(out, queues, count);
	rv__buffer_add_text(out, "}");
}

rv_err rv__lock_answer_decode(
    const void *body, size_t length, struct rv__queues *ret_queues, struct rv_error *err)
{
	struct rv__queues queues = {.root = rv__json_parse(body, length, err)};
	rv_err code;

	if (!queues.root)
		return RV_E_PROTOCOL;
	code = decode_list(json_object_get(queues.root, "lockOKMQSet"), &queues, err);
	if (code != RV_OK)
		rv__queues_finish(&queues);
	else
		*ret_queues = queues;
	return code;
}

void rv__offset_table_encode(struct rv__buffer *out, const struct rv__message_queue *queues, size_t count)
{
	rv__buffer_add_text(out, "{\"offsetTable\":{");
	for (size_t i = 0; i < count; i++) {
		if (i)
			rv__buffer_add_text(out, ",");
		rv__queue_encode(out, &queues[i]);
		rv__buffer_printf(out, ":%lld", (long long)queues[i].offset);
	}
	rv__buffer_add_text(out, "}}");
}

/* Object keys came through as text; their parsed forms are kept in an array so that the names live on. */
static rv_err decode_table(const json_t *table, struct rv__queues *queues, struct rv_error *err)
{
	json_t *list = json_array();
	const char *key;
	json_t *value;
	rv_err code = RV_OK;

	json_object_foreach((json_t *)table, key, value)
	{
		json_t *queue = rv__json_parse(key, strlen(key), err);

		if (!queue) {
			code = RV_E_PROTOCOL;
			break;
		}
		json_object_set(queue, "offset", value);
		json_array_append_new(list, queue);
	}
	json_decref(queues->root);
	queues->root = list;
	return code == RV_OK ? decode_list(list, queues, err) : code;
}

rv_err rv__offset_table_decode(
    const void *body, size_t length, struct rv__queues *ret_queues, struct rv_error *err)
{
	struct rv__queues queues = {.root = rv__json_parse(body, length, err)};
	json_t *table = json_object_get(queues.root, "offsetTable");
	rv_err code;

	if (!queues.root)
		return RV_E_PROTOCOL;
	code = json_is_array(table) ? decode_list(table, &queues, err) : decode_table(table, &queues, err);
	if (code != RV_OK)
		rv__queues_finish(&queues);
	else
		*ret_queues = queues;
	return code;
}
