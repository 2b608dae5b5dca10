/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/rocketmq/headers.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"

#define PREFIX "ROCKET_"

enum { HEADERS_MAX = 128 };

/* Names that Java's API rejects as user properties; in the order of MessageConst.java. */
static const char *const reserved[] = {"KEYS", "TAGS", "WAIT", "DELAY", "RETRY_TOPIC", "REAL_TOPIC",
    "REAL_QID", "TRAN_MSG", "PGROUP", "MIN_OFFSET", "MAX_OFFSET", "BUYER_ID", "ORIGIN_MESSAGE_ID",
    "TRANSFER_FLAG", "CORRECTION_FLAG", "MQ2_FLAG", "RECONSUME_TIME", "MSG_REGION", "TRACE_ON", "UNIQ_KEY",
    "MAX_RECONSUME_TIMES", "CONSUME_START_TIME", "TRAN_PREPARED_QUEUE_OFFSET", "TRANSACTION_CHECK_TIMES",
    "CHECK_IMMUNITY_TIME_IN_SECONDS", "INSTANCE_ID", "CORRELATION_ID", "REPLY_TO_CLIENT", "TTL",
    "ARRIVE_TIME", "PUSH_REPLY_TIME", "CLUSTER", "MSG_TYPE", "INNER_MULTI_DISPATCH",
    "INNER_MULTI_QUEUE_OFFSET", "POP_CK", "1ST_POP_TIME", "INNER_NUM", "INNER_BASE", "DUP_INFO",
    "EXTEND_UNIQ_INFO", "TIMER_DELAY_SEC", "TIMER_DELAY_MS", "TIMER_DELIVER_MS", "TIMER_OUT_MS",
    "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS", "TIMER_ROLL_TIMES", "TIMER_DEL_UNIQKEY", "TIMER_DELAY_LEVEL",
    "DLQ_ORIGIN_TOPIC", "DLQ_ORIGIN_MESSAGE_ID", "__BORNHOST", "BORN_TIMESTAMP", "__CRC32#", "TRACE_CONTEXT"};

/* Whether RocketMQ keeps that property name for itself, so that it is no user property. */
static bool is_reserved(const char *name, size_t length)
{
	/* Nearly all header names begin with a small letter, no reserved one does. */
	if (length == 0 || (name[0] >= 'a' && name[0] <= 'z'))
		return false;
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (strlen(reserved[i]) == length && memcmp(reserved[i], name, length) == 0)
			return true;
	return false;
}

/* -- out ------------------------------------------------------------------------------------ */

/* Headers that steer the send and are written by name, in their own places. */
static bool steers(const char *name)
{
	static const char *const names[] = {
	    RV_HEADER_MESSAGE_ID, RV_HEADER_KEY, "MQ_FLAG", "FLAG", "WAIT_STORE_MSG_OK", NULL};

	if (strncmp(name, PREFIX, sizeof PREFIX - 1) == 0)
		return true;
	for (size_t i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

static bool legal(const char *text)
{
	return text[strcspn(text, "\x01\x02")] == '\0';
}

static void append(struct rv__buffer *out, size_t start, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	if (out->length > start)
		rv__buffer_add(out, "\x02", 1);
	rv__buffer_add(out, name, strlen(name));
	rv__buffer_add(out, "\x01", 1);
	rv__buffer_add(out, value, strlen(value));
}

/* A header under its plain name, then under its name with Java's prefix. */
static const char *either(const rv_message *message, const char *name, const char *prefixed)
{
	const char *value = rv_message_header(message, name);

	return value ? value : rv_message_header(message, prefixed);
}

static int32_t number_of(const char *text)
{
	char *end;
	long value = text ? strtol(text, &end, 10) : 0;

	return text && *text && !*end && value >= INT32_MIN && value <= INT32_MAX ? (int32_t)value : 0;
}

static rv_err bad_header(struct rv_error *err, const char *name)
{
	return rv_error_set(err, RV_E_INVALID, RV__N_RMQ_BAD_VALUE, "rocketmq",
	    "header '%.100s' has a control character (1 or 2) that RocketMQ uses between headers; remove or "
	    "encode it",
	    name);
}

static rv_err append_users(
    struct rv__buffer *out, size_t start, const rv_message *message, struct rv_error *err)
{
	const char *name, *value;

	for (size_t i = 0; rv_message_header_at(message, i, &name, &value); i++) {
		if (is_reserved(name, strlen(name)) || steers(name) || is_blank(value))
			continue;
		if (!legal(name) || !legal(value))
			return bad_header(err, name);
		append(out, start, name, value);
	}
	return RV_OK;
}

static rv_err append_headers(
    struct rv__buffer *out, size_t start, const rv_message *message, const char *tags, struct rv_error *err)
{
	append(out, start, "TAGS", tags);
	if (!rv_message_header(message, RV_HEADER_CONTENT_TYPE))
		append(out, start, RV_HEADER_CONTENT_TYPE, "text/plain");
	return append_users(out, start, message, err);
}

rv_err rv__rmq_properties_encode(struct rv__buffer *out, const rv_message *message, const char *instance,
    struct rv__rmq_outgoing *ret_outgoing, struct rv_error *err)
{
	size_t start = out->length;
	const char *tags = either(message, RV_HEADER_TAGS, PREFIX "TAGS");
	const char *keys = either(message, "KEYS", PREFIX "KEYS");
	const char *delay = either(message, "DELAY", PREFIX "DELAY");
	const char *flag = either(message, "MQ_FLAG", PREFIX "MQ_FLAG");
	const char *wait = either(message, "WAIT", "WAIT_STORE_MSG_OK");
	rv_err failed;

	if (!keys)
		keys = rv_message_header(message, RV_HEADER_KEY);
	if (tags && !legal(tags))
		return bad_header(err, RV_HEADER_TAGS);
	if (keys && !legal(keys))
		return bad_header(err, "KEYS");
	if (!flag)
		flag = rv_message_header(message, "FLAG");
	ret_outgoing->flag = number_of(flag);
	ret_outgoing->delay_level = number_of(delay);
	append(out, start, "KEYS", keys);
	append(out, start, "UNIQ_KEY", rv_message_id(message));
	append(out, start, "WAIT", wait && strcmp(wait, "false") == 0 ? "false" : "true");
	if (ret_outgoing->delay_level > 0)
		append(out, start, "DELAY", delay);
	append(out, start, "INSTANCE_ID", instance);
	failed = ret_outgoing->bare ? RV_OK : append_headers(out, start, message, tags, err);
	if (failed == RV_OK && rv__buffer_error(out) != RV_OK)
		failed =
		    rv_error_set(err, RV_E_NOMEM, 0, "rocketmq", "no memory for the headers of a message");
	if (failed == RV_OK && out->length - start > RV__PROPERTIES_MAX)
		failed = rv_error_set(err, RV_E_TOOBIG, RV__N_RMQ_TOO_BIG, "rocketmq",
		    "the headers of a message take %zu bytes, over RocketMQ's 32767; send fewer or shorter "
		    "ones",
		    out->length - start);
	return failed;
}

/* -- in ------------------------------------------------------------------------------------- */

struct incoming {
	struct rv_header_span headers[HEADERS_MAX];
	size_t count;
	char scratch[256];
	size_t used;
};

static void put(struct incoming *in, const char *name, size_t name_length, const char *value, size_t length)
{
	if (in->count < HEADERS_MAX && value && length > 0)
		in->headers[in->count++] =
		    (struct rv_header_span){.name = {name, name_length}, .value = {value, length}};
}

static void put_number(struct incoming *in, const char *name, int64_t value)
{
	char *at = in->scratch + in->used;
	int length = snprintf(at, sizeof in->scratch - in->used, "%" PRId64, value);

	if (length <= 0 || (size_t)length >= sizeof in->scratch - in->used)
		return;
	in->used += (size_t)length;
	put(in, name, strlen(name), at, (size_t)length);
}

static void put_host(struct incoming *in, const struct rv__address *host)
{
	char *at = in->scratch + in->used;
	char ip[INET6_ADDRSTRLEN];
	int length;

	if (!inet_ntop(host->length == 16 ? AF_INET6 : AF_INET, host->ip, ip, sizeof ip))
		return;
	length = snprintf(at, sizeof in->scratch - in->used, "%s:%" PRIu32, ip, host->port);
	if (length <= 0 || (size_t)length >= sizeof in->scratch - in->used)
		return;
	in->used += (size_t)length;
	put(in, PREFIX "MQ_BORN_HOST", sizeof PREFIX "MQ_BORN_HOST" - 1, at, (size_t)length);
}

#define PUT(name, value, length) put(in, name, sizeof(name) - 1, value, length)

/* The facts first, then what the sender wrote; ids and times of Spring's own are left to the receiver. */
static void put_properties(struct incoming *in, const struct rv__record *record, struct rv_span *ret_id)
{
	struct rv__property property;
	size_t position = 0;

	while (rv__properties_next(record->properties, record->properties_length, &position, &property)) {
		struct rv_span name = {property.name, property.name_length};
		const char *value = property.value;
		size_t length = property.value_length;

		if (name.length == 4 && memcmp(name.bytes, "TAGS", 4) == 0) {
			PUT(RV_HEADER_TAGS, value, length);
			PUT(PREFIX "TAGS", value, length);
		} else if (name.length == 4 && memcmp(name.bytes, "KEYS", 4) == 0) {
			PUT(RV_HEADER_KEY, value, length);
			PUT(PREFIX "KEYS", value, length);
		} else if (name.length == 8 && memcmp(name.bytes, "UNIQ_KEY", 8) == 0) {
			*ret_id = (struct rv_span){value, length};
			PUT(PREFIX "MQ_MESSAGE_ID", value, length);
		} else if (!is_reserved(name.bytes, name.length) &&
		    !(name.length == 2 && memcmp(name.bytes, "id", 2) == 0) &&
		    !(name.length == 9 && memcmp(name.bytes, "timestamp", 9) == 0)) {
			put(in, name.bytes, name.length, value, length);
		}
	}
}

rv_message *rv__rmq_message_from_record(const struct rv__record *record, const struct rv__rmq_body *body,
    const char *destination, const char *source)
{
	struct incoming headers = {.count = 0}, *in = &headers;
	char offset_id[RV__OFFSET_ID_MAX + 1];
	struct rv_received received = {.payload = body->bytes,
	    .length = body->length,
	    .release = body->release,
	    .owner = body->owner,
	    .source = source,
	    .destination = destination,
	    .partition = record->queue_id,
	    .position = record->queue_offset,
	    .attempt = record->reconsume_times + 1,
	    .timestamp_ms = record->born_timestamp};

	put_properties(in, record, &received.id);
	if (received.id.length == 0) { /* from a client that gives none: the broker's own id */
		size_t length = rv__offset_id_format(&record->store_host, record->physical_offset, offset_id);

		received.id = (struct rv_span){offset_id, length};
		PUT(PREFIX "MQ_MESSAGE_ID", offset_id, length);
	}
	PUT(PREFIX "MQ_TOPIC", destination, strlen(destination));
	put_number(in, PREFIX "MQ_BORN_TIMESTAMP", record->born_timestamp);
	put_host(in, &record->born_host);
	put_number(in, PREFIX "MQ_FLAG", record->flag);
	put_number(in, PREFIX "MQ_QUEUE_ID", record->queue_id);
	put_number(in, PREFIX "MQ_SYS_FLAG", record->sys_flag);
	received.headers = headers.headers;
	received.header_count = headers.count;
	return rv_message_create_received(&received);
}
