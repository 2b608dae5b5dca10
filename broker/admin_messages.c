/* SPDX-License-Identifier: Apache-2.0 */
/* What admin tools look up among the messages. */
#include "broker/admin.h"

#include <string.h>

#include "base/clock.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"

enum {
	SEARCH_BUDGET = 20000, /* records that one look-up by key may read: it must not hold up the others */
	FOUND_MAX = 64,
	FOUND_BYTES = 4 << 20,
	ENTRIES_MAX = 256
};

void rv__admin_view_message(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	struct rv_error error;
	int64_t offset;

	if (!rv__need_i64(request, "offset", &offset))
		return;
	rv__buffer_clear(&broker->scratch);
	if (rv__store_read_at(broker->store, offset, &broker->scratch, &error) != RV_OK)
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR,
		    "can not find message by the offset, %lld: %s", (long long)offset, error.text);
	else
		rv__answer_body(request, &broker->scratch);
}

/* -- by key ---------------------------------------------------------------------------------------------------- */

struct search {
	struct rv__buffer *found;
	int64_t most;
	int64_t count;
	int64_t newest_timestamp;
	int64_t newest_offset;
};

static bool on_match(void *arg, const struct rv__record *record, const uint8_t *bytes)
{
	struct search *search = arg;

	rv__buffer_add(search->found, bytes, record->size);
	search->count++;
	if (record->store_timestamp > search->newest_timestamp) {
		search->newest_timestamp = record->store_timestamp;
		search->newest_offset = record->physical_offset;
	}
	return search->count < search->most && search->found->length < FOUND_BYTES;
}

void rv__admin_query_message(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	struct rv_span key = rv__command_field(request->command, "key");
	struct rv__buffer found = RV__BUFFER_INIT(RV__FRAME_MAX);
	struct search search = {.found = &found, .most = 32};
	struct rv__command_writer writer;
	int64_t begin = 0, end = INT64_MAX;
	uint32_t budget = SEARCH_BUDGET;
	char topic[RV__NAME_SIZE];
	struct rv_error error;

	if (!rv__need_text(request, "topic", topic, sizeof(topic)))
		return;
	(void)rv__command_i64(request->command, "maxNum", &search.most);
	(void)rv__command_i64(request->command, "beginTimestamp", &begin);
	(void)rv__command_i64(request->command, "endTimestamp", &end);
	if (search.most < 1 || search.most > FOUND_MAX)
		search.most = FOUND_MAX;
	if (key.length == 0) {
		rv__answer(request, RV__RSP_SYSTEM_ERROR, "the field 'key' is missing");
	} else if (rv__store_find_key(broker->store, topic, strlen(topic), key.bytes, key.length, begin, end,
	               &budget, on_match, &search, &error) != RV_OK) {
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	} else if (search.count == 0) {
		rv__answer(
		    request, RV__RSP_QUERY_NOT_FOUND, "can not find message, maybe time range not correct");
	} else if (rv__answer_begin(request, &writer, RV__RSP_SUCCESS, NULL)) {
		rv__command_add_i64(&writer, "indexLastUpdateTimestamp", search.newest_timestamp);
		rv__command_add_i64(&writer, "indexLastUpdatePhyoffset", search.newest_offset);
		rv__answer_end(request, &writer, found.bytes, found.length);
	}
	rv__buffer_finish(&found);
}

/* -- the index of a queue ---------------------------------------------------------------------------------------- */

static void encode_entries(
    struct rv__buffer *body, struct rv__broker *broker, rv__queue *queue, int64_t from, int64_t count)
{
	int64_t max = rv__queue_max(queue);
	bool any = false;

	for (int64_t i = from; i < max && i - from < count && i - from < ENTRIES_MAX; i++) {
		struct rv__store_entry entry;

		if (rv__queue_entry(broker->store, queue, i, &entry, NULL) != RV_OK)
			continue;
		rv__buffer_printf(body,
		    "%s{\"eval\":true,\"physicOffset\":%lld,\"physicSize\":%u,\"tagsCode\":%lld}",
		    any ? "," : "", (long long)entry.physical_offset, entry.size, (long long)entry.tags_code);
		any = true;
	}
}

void rv__admin_query_queue(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	struct rv__buffer body = RV__BUFFER_INIT(0);
	char topic[RV__NAME_SIZE];
	int64_t index, count;
	rv__queue *queue;
	int32_t id;

	if (!rv__need_text(request, "topic", topic, sizeof(topic)) ||
	    !rv__need_i32(request, "queueId", &id) || !rv__need_i64(request, "index", &index) ||
	    !rv__need_i64(request, "count", &count))
		return;
	queue = rv__store_queue(broker->store, topic, strlen(topic), id, false);
	if (!queue) {
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "%d@%s is not exist!", id, topic);
		return;
	}
	rv__buffer_printf(&body, "{\"maxQueueIndex\":%lld,\"minQueueIndex\":%lld,\"queueData\":[",
	    (long long)rv__queue_max(queue), (long long)rv__queue_min(broker->store, queue));
	encode_entries(&body, broker, queue, index < 0 ? 0 : index, count);
	rv__buffer_add_text(&body, "]}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}
