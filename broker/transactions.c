/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/transactions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "broker/document.h"
#include "broker/groups.h"
#include "broker/halves.h"
#include "broker/relay.h"
#include "broker/send.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"

#define DOCUMENT "transactionOffset"
#define HALF "RMQ_SYS_TRANS_HALF_TOPIC"
#define NOTES "RMQ_SYS_TRANS_OP_HALF_TOPIC"
#define PUT_ASIDE "TRANS_CHECK_MAX_TIME_TOPIC"
#define NOTE_TAG "d"

enum {
	SAVE_PERIOD_MS = 5000,
	PENDING_MAX = 1000000,
	READ_COUNT = 256,
	READ_BYTES = 1 << 20,
	LOOKS_MAX = 256, /* records read in one turn of the loop */
	NEXT_LOOK_MS = 5 /* until the next turn that looks at more */
};

struct rv__transactions {
	struct rv__halves halves;
	uv_timer_t timer;
	size_t looked; /* so many from the front were looked at in this round */
	bool timer_open;
	bool dirty;
	int64_t saved_ms;
};

/* -- what is undecided ---------------------------------------------------------------------------------- */

static rv__queue *queue_of(struct rv__broker *broker, const char *topic)
{
	return rv__store_queue(broker->store, topic, strlen(topic), 0, false);
}

static int64_t end_of(struct rv__broker *broker, const char *topic)
{
	rv__queue *queue = queue_of(broker, topic);

	return queue ? rv__queue_max(queue) : 0;
}

static void drop_decided(struct rv__transactions *transactions)
{
	size_t n = rv__halves_drop_decided(&transactions->halves);

	if (n == 0)
		return;
	transactions->looked -= transactions->looked < n ? transactions->looked : n;
	transactions->dirty = true;
}

static void set_state(struct rv__broker *broker, int64_t offset, enum rv__half_state state)
{
	struct rv__half *half = rv__halves_find(&broker->transactions->halves, offset);

	if (half)
		half->state = state;
}

static int64_t immunity_ms(const struct rv__broker *broker, const char *properties, size_t properties_length)
{
	size_t length = 0;
	const char *text =
	    rv__properties_get(properties, properties_length, "CHECK_IMMUNITY_TIME_IN_SECONDS", &length);
	int64_t seconds;

	if (text && rv__span_i64((struct rv_span){text, length}, &seconds) && seconds >= 0 &&
	    seconds < 86400 * 30)
		return seconds * 1000;
	return broker->settings.transaction_timeout_ms;
}

/* -- half messages ---------------------------------------------------------------------------------------- */

static void append_number(struct rv__buffer *out, const char *name, int64_t value)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRId64, value);

	rv__properties_append(out, name, text, (size_t)length);
}

static void build_half(const struct rv__broker *broker, const struct rv__put *put, struct rv__buffer *out)
{
	static const char *const drop[] = {"CLUSTER", "WAIT", "DELAY", "REAL_TOPIC", "REAL_QID", NULL};

	rv__properties_copy(out, put->properties.bytes, put->properties.length, drop);
	rv__properties_append(out, "CLUSTER", broker->settings.cluster, strlen(broker->settings.cluster));
	rv__properties_append(out, "REAL_TOPIC", put->topic->name, put->topic->name_length);
	append_number(out, "REAL_QID", put->queue_id);
}

void rv__transactions_prepare(struct rv__request *request, struct rv__put *put)
{
	struct rv__broker *broker = request->broker;
	struct rv__topic *topic = put->topic;
	int32_t queue_id = put->queue_id;
	struct rv__buffer properties = RV__BUFFER_INIT(RV__PROPERTIES_MAX * 2);
	struct rv__store_position position;
	struct rv__half half = {
	    .notes_at = end_of(broker, NOTES),
	    .immunity_ms = immunity_ms(broker, put->properties.bytes, put->properties.length),
	};
	struct rv_error error;
	rv_err code;

	if (broker->settings.reject_transactions || broker->transactions->halves.count >= PENDING_MAX ||
	    !rv__halves_reserve(&broker->transactions->halves)) {
		rv__answer_format(request, RV__RSP_NO_PERMISSION,
		    "the broker[%s] sending transaction message is forbidden", broker->settings.broker_ip);
		return;
	}
	build_half(broker, put, &properties);
	put->topic = rv__topic_find(broker, HALF);
	put->queue_id = 0;
	put->properties = (struct rv_span){(const char *)properties.bytes, properties.length};
	put->as_is = true;
	code = rv__put(broker, put, &position, &error);
	rv__buffer_finish(&properties);
	if (code != RV_OK) {
		rv__answer(request, rv__append_response(code, &error), error.text);
		return;
	}
	half.offset = position.queue_offset;
	half.physical_offset = position.physical_offset;
	half.stored_ms = position.store_timestamp;
	rv__halves_enter(&broker->transactions->halves, &half);
	rv__send_answer_later(request, topic, queue_id, &position);
}

/* -- the end of one ------------------------------------------------------------------------------------------ */

/* The note that a half message is decided; read again at start. */
static rv_err put_note(struct rv__broker *broker, int64_t offset, struct rv_error *err)
{
	char body[24];
	int length = snprintf(body, sizeof(body), "%" PRId64, offset);
	struct rv__store_position position;
	struct rv__put put = {
	    .topic = rv__topic_find(broker, NOTES),
	    .record =
	        {
	            .born_timestamp = rv__wall_ms(),
	            .born_host = broker->host,
	            .body = (const uint8_t *)body,
	            .body_length = (size_t)length,
	        },
	    .properties = {"TAGS\x01" NOTE_TAG, 6},
	    .as_is = true,
	};

	return rv__put(broker, &put, &position, err);
}

/* Topic and queue that the message was meant for. */
static bool find_real(const struct rv__record *record, char *topic, size_t size, int32_t *ret_queue)
{
	size_t length = 0, id_length = 0;
	const char *name =
	    rv__properties_get(record->properties, record->properties_length, "REAL_TOPIC", &length);
	const char *id =
	    rv__properties_get(record->properties, record->properties_length, "REAL_QID", &id_length);
	int64_t queue;

	if (!name || length >= size || !rv__span_i64((struct rv_span){id, id_length}, &queue) || queue < 0 ||
	    queue > INT32_MAX)
		return false;
	memcpy(topic, name, length);
	topic[length] = '\0';
	*ret_queue = (int32_t)queue;
	return true;
}

/* The message as its consumers get it, or as it is put aside. */
static rv_err put_final(
    struct rv__broker *broker, const struct rv__record *record, const char *aside, struct rv_error *err)
{
	static const char *const drop[] = {"TRAN_MSG", "REAL_TOPIC", "REAL_QID", NULL};
	struct rv__buffer properties = RV__BUFFER_INIT(RV__PROPERTIES_MAX * 2);
	struct rv__store_position position;
	struct rv__put put = {.record = *record, .as_is = true};
	char topic[RV__NAME_SIZE];
	rv_err code;

	if (!find_real(record, topic, sizeof(topic), &put.queue_id))
		return rv_error_set(
		    err, RV_E_INVALID, 0, RV__TOPIC, "the half message does not name its topic and queue");
	put.topic = aside ? rv__topic_find(broker, aside)
	                  : rv__topic_ensure(broker, topic, 1, 1, RV__PERM_READ | RV__PERM_WRITE, 0, err);
	if (!put.topic)
		return RV_E_NOTFOUND;
	if (put.queue_id >= put.topic->write_queues)
		put.queue_id = 0;
	rv__properties_copy(&properties, record->properties, record->properties_length, aside ? NULL : drop);
	put.properties = (struct rv_span){(const char *)properties.bytes, properties.length};
	if (!aside) {
		put.record.sys_flag = (record->sys_flag & ~RV__SYS_TX_MASK) | RV__SYS_TX_COMMIT;
		put.record.prepared_offset = record->physical_offset;
	}
	code = rv__put(broker, &put, &position, err);
	rv__buffer_finish(&properties);
	return code;
}

/* The note was written, or taken back. */
static void on_ended(
    struct rv__broker *broker, struct rv__waiting *waiting, rv_err code, const struct rv_error *err)
{
	set_state(broker, waiting->number, code == RV_OK ? RV__HALF_DECIDED : RV__HALF_OPEN);
	drop_decided(broker->transactions);
	rv__ticket_answer(&waiting->ticket, code == RV_OK ? RV__RSP_SUCCESS : rv__append_response(code, err),
	    code == RV_OK ? NULL : err->text);
}

/* Writes the outcome; message and note go out in one write. */
static rv_err decide(struct rv__broker *broker, const struct rv__record *record, bool commit,
    const char *aside, struct rv__ticket ticket, struct rv_error *err)
{
	struct rv__waiting waiting = {.done = on_ended, .number = record->queue_offset, .ticket = ticket};
	rv_err code = commit || aside ? put_final(broker, record, aside, err) : RV_OK;

	if (code == RV_OK)
		code = put_note(broker, record->queue_offset, err);
	if (code != RV_OK)
		return code;
	set_state(broker, record->queue_offset, RV__HALF_DECIDING);
	code = rv__append_wait(broker, &waiting);
	return code == RV_OK ? code : rv_error_set(err, code, 0, RV__TOPIC, "no memory for the answer");
}

/* What the producer names must be a half message of its group. */
static rv_err check_half(struct rv__request *request, const struct rv__record *record, struct rv_error *err)
{
	struct rv_span group = rv__command_field(request->command, "producerGroup");
	int64_t offset = -1;
	size_t length = 0;
	const char *stored =
	    rv__properties_get(record->properties, record->properties_length, "PGROUP", &length);

	(void)rv__command_i64(request->command, "tranStateTableOffset", &offset);
	if (record->topic_length != strlen(HALF) || memcmp(record->topic, HALF, record->topic_length) != 0)
		return rv_error_set(
		    err, RV_E_INVALID, 0, RV__TOPIC, "there is no half message at this offset");
	if (!stored || length != group.length || memcmp(stored, group.bytes, length) != 0)
		return rv_error_set(err, RV_E_INVALID, 0, RV__TOPIC, "The producer group wrong");
	if (record->queue_offset != offset)
		return rv_error_set(
		    err, RV_E_INVALID, 0, RV__TOPIC, "The transaction state table offset wrong");
	return RV_OK;
}

static void on_repeated(
    struct rv__broker *broker, struct rv__waiting *waiting, rv_err code, const struct rv_error *err)
{
	(void)broker;
	rv__ticket_answer(&waiting->ticket, code == RV_OK ? RV__RSP_SUCCESS : rv__append_response(code, err),
	    code == RV_OK ? NULL : err->text);
}

/* Decided before: the same again changes nothing, but is not told before the outcome is durable. */
static void answer_again(struct rv__request *request, const struct rv__half *half)
{
	struct rv__waiting waiting = {.done = on_repeated};

	if (!half || half->state != RV__HALF_DECIDING) {
		rv__answer(request, RV__RSP_SUCCESS, NULL);
		return;
	}
	waiting.ticket = rv__ticket_keep(request);
	if (rv__append_wait(request->broker, &waiting) == RV_OK)
		return;
	rv__ticket_answer(&waiting.ticket, RV__RSP_SYSTEM_ERROR, "no memory for the answer");
	rv__ticket_drop(&waiting.ticket);
}

void rv__transactions_end(struct rv__request *request)
{
	struct rv__broker *broker = request->broker;
	struct rv__buffer bytes = RV__BUFFER_INIT(RV__FRAME_MAX);
	struct rv__record record;
	struct rv_error error;
	const struct rv__half *half;
	int64_t physical;
	int32_t outcome;
	rv_err code;

	if (!rv__need_i64(request, "commitLogOffset", &physical) ||
	    !rv__need_i32(request, "commitOrRollback", &outcome))
		return;
	if (outcome != RV__TRANSACTION_COMMIT && outcome != RV__TRANSACTION_ROLLBACK) {
		rv__answer(request, RV__RSP_SUCCESS, NULL); /* still unknown: it is asked again */
		return;
	}
	code = rv__store_read_at(broker->store, physical, &bytes, &error);
	if (code == RV_OK)
		code = rv__record_decode(bytes.bytes, bytes.length, &record, &error);
	if (code == RV_OK)
		code = check_half(request, &record, &error);
	half = code == RV_OK ? rv__halves_find(&broker->transactions->halves, record.queue_offset) : NULL;
	if (code == RV_OK && half && half->state == RV__HALF_OPEN) {
		struct rv__ticket ticket = rv__ticket_keep(request);

		code = decide(broker, &record, outcome == RV__TRANSACTION_COMMIT, NULL, ticket, &error);
		if (code != RV_OK)
			rv__ticket_drop(&ticket);
	} else if (code == RV_OK) {
		answer_again(request, half);
	}
	if (code != RV_OK)
		rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	rv__buffer_finish(&bytes);
}

/* -- questions -------------------------------------------------------------------------------------------------- */

/* Sends CHECK_TRANSACTION_STATE to one live producer of the group; the message as it was meant. */
static void ask(struct rv__broker *broker, const struct rv__record *record, const struct rv__member *member)
{
	struct rv__record real = *record;
	struct rv__buffer body = RV__BUFFER_INIT(RV__FRAME_MAX),
	                  *out = rv__connection_out(member->connection);
	struct rv__command_writer writer;
	char topic[RV__NAME_SIZE], id[RV__OFFSET_ID_MAX + 1];
	size_t length = 0;
	const char *unique;

	if (!find_real(record, topic, sizeof(topic), &real.queue_id))
		return;
	real.topic = topic;
	real.topic_length = strlen(topic);
	if (rv__record_encode(&real, &body, NULL) == RV_OK) {
		unique =
		    rv__properties_get(record->properties, record->properties_length, "UNIQ_KEY", &length);
		rv__command_begin(&writer, out,
		    &(struct rv__command_head){
		        .code = RV__REQ_CHECK_TRANSACTION_STATE,
		        .opaque = rv__relay_next_opaque(broker),
		        .flag = RV__FLAG_ONEWAY,
		        .language = RV__LANGUAGE_CPP,
		    });
		rv__command_add_i64(&writer, "tranStateTableOffset", record->queue_offset);
		rv__command_add_i64(&writer, "commitLogOffset", record->physical_offset);
		if (unique) {
			rv__command_add(&writer, "msgId", unique, length);
			rv__command_add(&writer, "transactionId", unique, length);
		}
		rv__offset_id_format(&record->store_host, record->physical_offset, id);
		rv__command_add_text(&writer, "offsetMsgId", id);
		rv__command_end(&writer, body.length);
		rv__buffer_add(out, body.bytes, body.length);
	}
	rv__buffer_finish(&body);
}

static const struct rv__member *find_producer(
    const struct rv__broker *broker, const struct rv__record *record)
{
	char group[RV__NAME_SIZE];
	size_t length = 0;
	const char *name =
	    rv__properties_get(record->properties, record->properties_length, "PGROUP", &length);
	const struct rv__members *members;

	if (!name || length >= sizeof(group))
		return NULL;
	memcpy(group, name, length);
	group[length] = '\0';
	members = rv__producers_find(broker, group);
	return members && members->count > 0 ? &members->items[rv__random() % members->count] : NULL;
}

static void look_at(struct rv__broker *broker, struct rv__half *half)
{
	const struct rv__broker_settings *settings = &broker->settings;
	struct rv__buffer *bytes = &broker->scratch;
	const struct rv__member *member;
	struct rv__record record;
	struct rv_error error;
	rv_err code;

	rv__buffer_clear(bytes);
	code = rv__store_read_at(broker->store, half->physical_offset, bytes, &error);
	if (code == RV_OK)
		code = rv__record_decode(bytes->bytes, bytes->length, &record, &error);
	if (code == RV_E_NOTFOUND || code == RV_E_CORRUPT) {
		rv_log(RV_LOG_ERROR, RV__TOPIC, "the half message at %" PRId64 " is lost: %s",
		    half->physical_offset, error.text);
		half->state = RV__HALF_DECIDED;
	}
	if (code != RV_OK)
		return;
	if (half->checks >= settings->transaction_check_max) {
		rv_log(RV_LOG_WARN, RV__TOPIC,
		    "the half message at %" PRId64 " was asked about %d times; it is put aside",
		    half->physical_offset, half->checks);
		(void)decide(
		    broker, &record, false, PUT_ASIDE, (struct rv__ticket){.connection = NULL}, &error);
		return;
	}
	member = find_producer(broker, &record);
	if (!member)
		return; /* nobody to ask: a producer may still come back */
	half->checks++;
	ask(broker, &record, member);
}

static void on_timer(uv_timer_t *timer)
{
	struct rv__broker *broker = timer->data;
	struct rv__transactions *transactions = broker->transactions;

	int64_t end = end_of(broker, HALF), now = rv__wall_ms();
	int looks = 0;

	for (; transactions->looked < transactions->halves.count && looks < LOOKS_MAX;
	     transactions->looked++) {
		struct rv__half *half = &transactions->halves.items[transactions->looked];

		/* One that is not synced yet cannot be read, and is nobody's business. */
		if (half->state != RV__HALF_OPEN || half->offset >= end ||
		    now - half->stored_ms < half->immunity_ms)
			continue;
		look_at(broker, half);
		looks++;
	}
	if (looks == LOOKS_MAX) {
		uv_timer_start(
		    timer, on_timer, NEXT_LOOK_MS, (uint64_t)broker->settings.transaction_check_ms);
		return;
	}
	transactions->looked = 0;
	drop_decided(transactions);
}

/* -- progress ------------------------------------------------------------------------------------------------------ */

void rv__transactions_save(struct rv__broker *broker)
{
	struct rv__transactions *transactions = broker->transactions;
	const struct rv__half *first;
	struct rv_error error;
	char text[128];
	int length;

	if (!transactions || !transactions->dirty ||
	    (!broker->stopping && rv__broker_now(broker) - transactions->saved_ms < SAVE_PERIOD_MS))
		return;
	first = transactions->halves.count ? &transactions->halves.items[0] : NULL;
	length = snprintf(text, sizeof(text), "{\"half\":%" PRId64 ",\"notes\":%" PRId64 "}",
	    first ? first->offset : end_of(broker, HALF), first ? first->notes_at : end_of(broker, NOTES));
	if (rv__state_file_save(broker->store, DOCUMENT, text, (size_t)length, NULL, NULL, &error) != RV_OK)
		return;
	transactions->dirty = false;
	transactions->saved_ms = rv__broker_now(broker);
}

static rv_err load_progress(struct rv__broker *broker, int64_t *half, int64_t *notes, struct rv_error *err)
{
	json_t *root;
	rv_err code = rv__document_load(broker, DOCUMENT, &root, err);

	*half = rv__json_i64(root, "half", 0);
	*notes = rv__json_i64(root, "notes", 0);
	json_decref(root);
	return code;
}

/* Calls `visit` for each record of a queue from `from` on. */
static rv_err each_record(struct rv__broker *broker, const char *topic, int64_t from,
    void (*visit)(struct rv__broker *broker, const struct rv__record *record, int64_t arg), int64_t arg,
    struct rv_error *err)
{
	rv__queue *queue = queue_of(broker, topic);
	struct rv__buffer bytes = RV__BUFFER_INIT(64 << 20);
	rv_err code = RV_OK;

	if (queue && from < rv__queue_min(broker->store, queue))
		from = rv__queue_min(broker->store, queue);
	while (queue && code == RV_OK && from < rv__queue_max(queue)) {
		struct rv__store_read read;
		struct rv__record record;
		size_t at = 0;

		rv__buffer_clear(&bytes);
		code = rv__store_read(
		    broker->store, queue, from, READ_COUNT, READ_BYTES, NULL, &bytes, &read, err);
		for (; code == RV_OK && at < bytes.length; at += record.size) {
			code = rv__record_decode(bytes.bytes + at, bytes.length - at, &record, err);
			if (code == RV_OK)
				visit(broker, &record, arg);
		}
		if (read.next_offset <= from)
			break;
		from = read.next_offset;
	}
	rv__buffer_finish(&bytes);
	return code;
}

static void visit_half(struct rv__broker *broker, const struct rv__record *record, int64_t notes_at)
{
	struct rv__half half = {
	    .offset = record->queue_offset,
	    .physical_offset = record->physical_offset,
	    .stored_ms = record->store_timestamp,
	    .immunity_ms = immunity_ms(broker, record->properties, record->properties_length),
	    .notes_at = notes_at,
	};

	if (rv__halves_reserve(&broker->transactions->halves))
		rv__halves_enter(&broker->transactions->halves, &half);
}

static void visit_note(struct rv__broker *broker, const struct rv__record *record, int64_t unused)
{
	int64_t offset;

	(void)unused;
	if (rv__span_i64((struct rv_span){(const char *)record->body, record->body_length}, &offset))
		set_state(broker, offset, RV__HALF_DECIDED);
}

rv_err rv__transactions_open(struct rv__broker *broker, struct rv_error *err)
{
	struct rv__transactions *transactions = calloc(1, sizeof(*transactions));
	uint64_t period = (uint64_t)broker->settings.transaction_check_ms;
	int64_t half, notes;
	rv_err code;

	broker->transactions = transactions;
	if (!transactions)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for transactions");
	code = load_progress(broker, &half, &notes, err);
	if (code == RV_OK)
		code = each_record(broker, HALF, half, visit_half, notes, err);
	if (code == RV_OK)
		code = each_record(broker, NOTES, notes, visit_note, 0, err);
	if (code != RV_OK)
		return code;
	drop_decided(transactions);
	uv_timer_init(&broker->loop, &transactions->timer);
	transactions->timer.data = broker;
	transactions->timer_open = true;
	return uv_timer_start(&transactions->timer, on_timer, period, period) == 0 ? RV_OK : RV_E_INTERNAL;
}

void rv__transactions_stop(struct rv__broker *broker)
{
	struct rv__transactions *transactions = broker->transactions;

	if (transactions && transactions->timer_open)
		uv_close((uv_handle_t *)&transactions->timer, NULL);
	if (transactions)
		transactions->timer_open = false;
}

void rv__transactions_close(struct rv__broker *broker)
{
	if (broker->transactions)
		rv__halves_finish(&broker->transactions->halves);
	free(broker->transactions);
	broker->transactions = NULL;
}
