/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger may say on a broker's port: bytes, cut into frames, their headers decoded, and the
 * bodies that have a structure of their own handed to their readers.
 */
#include "tests/fuzz/target.h"

#include "remoting/codes.h"
#include "remoting/command.h"
#include "remoting/heartbeat.h"
#include "remoting/queue.h"
#include "remoting/record.h"
#include "remoting/route.h"

#include <stdlib.h>
#include <string.h>

static void read_bodies(const struct rv__command *command)
{
	struct rv__heartbeat heartbeat;
	struct rv__lock_request lock;
	struct rv__queues queues;
	struct rv__route route;
	struct rv__record record;

	if (rv__heartbeat_decode(command->body, command->body_length, &heartbeat, NULL) == RV_OK)
		rv__heartbeat_finish(&heartbeat);
	if (rv__lock_request_decode(command->body, command->body_length, &lock, NULL) == RV_OK)
		rv__lock_request_finish(&lock);
	if (rv__offset_table_decode(command->body, command->body_length, &queues, NULL) == RV_OK)
		rv__queues_finish(&queues);
	if (rv__route_decode(command->body, command->body_length, &route, NULL) == RV_OK)
		rv__route_finish(&route);
	if (command->body_length)
		(void)rv__record_decode(command->body, command->body_length, &record, NULL);
}

/* What was accepted must be sayable again, in both forms. */
static void say_again(const struct rv__command *command, uint8_t serialize)
{
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv__command_writer writer;

	rv__command_begin(&writer, &out,
	    &(struct rv__command_head){.code = command->code,
	        .opaque = command->opaque,
	        .language = command->language,
	        .serialize = serialize});
	for (size_t i = 0; i < command->field_count; i++)
		rv__command_add(
		    &writer, "name", command->fields[i].value.bytes, command->fields[i].value.length);
	rv__command_end(&writer, 0);
	if (rv__buffer_error(&out) != RV_OK)
		abort();
	rv__buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct rv__frame_decoder decoder = {.limit = 1 << 20};
	struct rv__command *command = malloc(sizeof(*command));
	struct rv__frame frame;
	size_t at = 0;

	while (command && at < length) {
		size_t size = 0;
		uint8_t *room = rv__frame_decoder_room(&decoder, 1, &size);

		if (!room)
			break;
		if (size > length - at)
			size = length - at;
		memcpy(room, bytes + at, size);
		rv__frame_decoder_received(&decoder, size);
		at += size;
		while (rv__frame_decoder_next(&decoder, &frame, NULL) == RV__FRAME_WHOLE) {
			if (rv__command_decode(&frame, command, NULL) != RV_OK)
				continue;
			read_bodies(command);
			say_again(command, RV__SERIALIZE_JSON);
			say_again(command, RV__SERIALIZE_ROCKETMQ);
		}
	}
	free(command);
	rv__frame_decoder_finish(&decoder);
	return 0;
}
