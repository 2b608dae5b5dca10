/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/server.h"

enum { WAIT_MS = 10000, PENDING_MAX = 1024 };

/* One request that a client has not answered yet. */
struct pending {
	struct rv__ticket ticket;      /* who asked; owned reference */
	struct rv__connection *client; /* borrowed: goes with it */
	int32_t opaque;                /* ours, towards the client */
	int64_t deadline_ms;
	struct pending *next;
};

struct rv__relay {
	struct pending *first;
	size_t count;
	int32_t opaque;
};

int32_t rv__relay_next_opaque(struct rv__broker *broker)
{
	broker->relay->opaque = broker->relay->opaque == INT32_MAX ? 1 : broker->relay->opaque + 1;
	return broker->relay->opaque;
}

static void write_request(struct rv__request *request, struct rv__connection *client, int32_t opaque,
    const void *body, size_t length)
{
	const struct rv__command *command = request->command;
	struct rv__buffer *out = rv__connection_out(client);
	struct rv__command_writer writer;
	char name[128];

	rv__command_begin(&writer, out,
	    &(struct rv__command_head){
	        .code = command->code, .opaque = opaque, .language = RV__LANGUAGE_CPP});
	for (size_t i = 0; i < command->field_count; i++) {
		const struct rv__field *field = &command->fields[i];

		if (field->name.length >= sizeof(name))
			continue;
		memcpy(name, field->name.bytes, field->name.length);
		name[field->name.length] = '\0';
		rv__command_add(&writer, name, field->value.bytes, field->value.length);
	}
	rv__command_end(&writer, length);
	rv__buffer_add(out, body, length);
}

void rv__relay_forward(
    struct rv__request *request, struct rv__connection *client, const void *body, size_t length)
{
	struct rv__relay *relay = request->broker->relay;
	struct pending *pending = relay->count < PENDING_MAX ? malloc(sizeof(*pending)) : NULL;

	if (!pending) {
		rv__answer(request, RV__RSP_SYSTEM_BUSY, "too many requests to clients are on their way");
		return;
	}
	*pending = (struct pending){
	    .ticket = rv__ticket_keep(request),
	    .client = client,
	    .opaque = rv__relay_next_opaque(request->broker),
	    .deadline_ms = rv__broker_now(request->broker) + WAIT_MS,
	    .next = relay->first,
	};
	relay->first = pending;
	relay->count++;
	write_request(request, client, pending->opaque, body, length);
}

static void remove_at(struct rv__relay *relay, struct pending **slot)
{
	struct pending *pending = *slot;

	*slot = pending->next;
	relay->count--;
	rv__ticket_drop(&pending->ticket);
	free(pending);
}

void rv__relay_take_response(struct rv__connection *connection, const struct rv__command *response)
{
	struct rv__relay *relay = connection->broker->relay;
	struct rv__command_writer writer;
	char remark[512];

	for (struct pending **slot = &relay->first; *slot; slot = &(*slot)->next) {
		struct pending *pending = *slot;

		if (pending->client != connection || pending->opaque != response->opaque)
			continue;
		snprintf(remark, sizeof(remark), "%.*s", (int)response->remark.length,
		    response->remark.bytes ? response->remark.bytes : "");
		if (rv__ticket_begin(&pending->ticket, &writer, response->code, *remark ? remark : NULL))
			rv__ticket_end(&pending->ticket, &writer, response->body, response->body_length);
		remove_at(relay, slot);
		return;
	}
	/* Answers to notices are not waited for. */
}

/* Answers for those that `lost` names. */
static void give_up(struct rv__broker *broker, const struct rv__connection *client, const char *remark)
{
	struct pending **slot = &broker->relay->first;

	while (*slot) {
		struct pending *pending = *slot;

		if (client ? pending->client != client : rv__broker_now(broker) < pending->deadline_ms) {
			slot = &pending->next;
			continue;
		}
		rv__ticket_answer(&pending->ticket,
		    client ? RV__RSP_CONSUMER_NOT_ONLINE : RV__RSP_CONSUME_MSG_TIMEOUT, remark);
		remove_at(broker->relay, slot);
	}
}

void rv__relay_connection_closed(struct rv__broker *broker, struct rv__connection *connection)
{
	if (broker->relay)
		give_up(broker, connection, "the client left before it answered");
}

void rv__relay_expire(struct rv__broker *broker)
{
	give_up(broker, NULL, "the client did not answer");
}

rv_err rv__relay_open(struct rv__broker *broker, struct rv_error *err)
{
	broker->relay = calloc(1, sizeof(*broker->relay));
	return broker->relay ? RV_OK : rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for the relay");
}

void rv__relay_close(struct rv__broker *broker)
{
	while (broker->relay && broker->relay->first)
		remove_at(broker->relay, &broker->relay->first);
	free(broker->relay);
	broker->relay = NULL;
}
