/* SPDX-License-Identifier: Apache-2.0 */
/* Putting one command together: fields first, then signature, then the frame. */
#include "binder/rocketmq/connection.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/rocketmq/acl.h"
#include "remoting/codes.h"

void rv__rmq_ask_begin(struct rv__rmq_ask *ask, struct rv__rmq_connection *connection, int code)
{
	ask->connection = connection;
	ask->code = code;
	/* The binary header where messages pass by the thousand, JSON where people read along. */
	ask->serialize = code == RV__REQ_SEND_MESSAGE_V2 || code == RV__REQ_SEND_BATCH_MESSAGE ||
	        code == RV__REQ_PULL_MESSAGE
	    ? RV__SERIALIZE_ROCKETMQ
	    : RV__SERIALIZE_JSON;
	ask->count = 0;
	ask->used = 0;
}

void rv__rmq_ask_bytes(struct rv__rmq_ask *ask, const char *name, const char *value, size_t length)
{
	assert(ask->count < RV__RMQ_ASK_FIELDS);
	ask->fields[ask->count++] =
	    (struct rv__field){.name = {name, strlen(name)}, .value = {value, length}};
}

void rv__rmq_ask_text(struct rv__rmq_ask *ask, const char *name, const char *value)
{
	rv__rmq_ask_bytes(ask, name, value, strlen(value));
}

void rv__rmq_ask_number(struct rv__rmq_ask *ask, const char *name, int64_t value)
{
	char *at = ask->scratch + ask->used;
	size_t room = sizeof ask->scratch - ask->used;
	int length;

	/* Two digits are the most common number by far: queue ids, flags, levels. */
	if (value >= 0 && value < 10 && room > 1) {
		at[0] = (char)('0' + value);
		length = 1;
	} else {
		length = snprintf(at, room, "%" PRId64, value);
	}
	assert(length > 0 && (size_t)length < room);
	ask->used += (size_t)length;
	rv__rmq_ask_bytes(ask, name, at, (size_t)length);
}

void rv__rmq_ask_bool(struct rv__rmq_ask *ask, const char *name, bool value)
{
	rv__rmq_ask_text(ask, name, value ? "true" : "false");
}

static void sign(struct rv__rmq_ask *ask, char *signature, const void *body, size_t body_length)
{
	const struct rv__rmq_common *common = &ask->connection->client->settings->common;

	if (!common->access_key || !*common->access_key || !common->secret_key)
		return;
	rv__rmq_ask_text(ask, "AccessKey", common->access_key);
	if (rv__rmq_acl_sign(common->secret_key, ask->fields, ask->count, body, body_length, signature))
		rv__rmq_ask_text(ask, "Signature", signature);
}

/* Deadlines are kept by one timer that fires at the earliest. */
static void enter(struct rv__rmq_connection *connection, struct rv__rmq_request *request, int64_t timeout_ms)
{
	struct rv__rmq_client *client = connection->client;
	struct rv__rmq_request **bucket = &connection->buckets[(uint32_t)request->opaque % RV__RMQ_BUCKETS];

	request->asked_ms = rv__rmq_now_ms(client);
	request->deadline_ms = request->asked_ms + timeout_ms;
	request->connection = connection;
	request->next = *bucket;
	*bucket = request;
	connection->request_count++;
	if (client->expiry_at_ms == 0 || request->deadline_ms < client->expiry_at_ms)
		rv__rmq_client_expire_at(client, request->deadline_ms);
}

void rv__rmq_ask_end(struct rv__rmq_ask *ask, struct rv__rmq_request *request, int64_t timeout_ms,
    rv__rmq_done_fn done, const void *body, size_t body_length)
{
	struct rv__rmq_connection *connection = ask->connection;
	struct rv__command_head head = {.code = ask->code,
	    .opaque = connection->client->opaque++ & INT32_MAX,
	    .flag = request ? 0 : RV__FLAG_ONEWAY,
	    .language = RV__LANGUAGE_CPP,
	    .serialize = ask->serialize};
	struct rv__command_writer writer;
	char signature[RV__RMQ_SIGNATURE_MAX];

	assert(connection->link != RV__RMQ_DOWN);
	sign(ask, signature, body, body_length);
	rv__command_begin(&writer, &connection->out, &head);
	for (size_t i = 0; i < ask->count; i++)
		rv__command_add(&writer, ask->fields[i].name.bytes, ask->fields[i].value.bytes,
		    ask->fields[i].value.length);
	rv__command_end(&writer, body_length);
	rv__buffer_add(&connection->out, body, body_length);
	if (!request)
		return;
	request->opaque = head.opaque;
	request->done = done;
	enter(connection, request, timeout_ms);
}

void rv__rmq_answer(struct rv__rmq_connection *connection, const struct rv__command *request, int code,
    const char *remark, const void *body, size_t body_length)
{
	struct rv__command_writer writer;

	if (rv__command_is_oneway(request) || connection->link != RV__RMQ_OPEN)
		return;
	rv__command_begin_response(&writer, &connection->out, request, code, remark);
	rv__command_end(&writer, body_length);
	rv__buffer_add(&connection->out, body, body_length);
}

/* Class and retriability of the response codes that a client meets. */
static rv_err class_of(int code, bool *ret_retriable)
{
	*ret_retriable = false;
	switch (code) {
	case RV__RSP_SYSTEM_BUSY:
	case RV__RSP_FLOW_CONTROL:
		*ret_retriable = true;
		return RV_E_FULL;
	case RV__RSP_SERVICE_NOT_AVAILABLE:
		*ret_retriable = true;
		return RV_E_UNAVAILABLE;
	case RV__RSP_MESSAGE_ILLEGAL:
		return RV_E_TOOBIG;
	case RV__RSP_NO_PERMISSION:
		return RV_E_DENIED;
	case RV__RSP_TOPIC_NOT_EXIST:
		*ret_retriable = true;
		return RV_E_NOTFOUND;
	case RV__RSP_REQUEST_CODE_NOT_SUPPORTED:
		return RV_E_UNSUPPORTED;
	default:
		return RV_E_PROTOCOL;
	}
}

rv_err rv__rmq_refusal(struct rv_error *err, const char *what, const struct rv__command *answer)
{
	bool retriable;
	rv_err code = class_of(answer->code, &retriable);
	int length = answer->remark.bytes && answer->remark.length < 300 ? (int)answer->remark.length : 300;

	if (!answer->remark.bytes)
		length = 0;
	rv_error_set(err, code, RV__N_RMQ_REFUSED, RV__RMQ_TOPIC, "%s: the broker answered %s (%d)%s%.*s",
	    what, rv__response_name(answer->code), answer->code, length ? ": " : "", length,
	    length ? answer->remark.bytes : "");
	if (err) {
		err->retriable = retriable;
		err->native = answer->code;
	}
	return code;
}
