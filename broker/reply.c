/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/reply.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include "base/clock.h"
#include "broker/groups.h"
#include "broker/relay.h"
#include "broker/server.h"
#include "broker/topics.h"

/* "ip:port", as Java prints a socket address; IPv6 without brackets is what its parser takes. */
static void format_address(const struct rv__address *address, char *text, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "0.0.0.0";

	inet_ntop(address->length == 16 ? AF_INET6 : AF_INET, address->ip, ip, sizeof(ip));
	snprintf(text, size, "%s:%u", ip, address->port);
}

static void add_hosts(
    struct rv__command_writer *writer, const struct rv__broker *broker, const struct rv__put *put)
{
	char text[80];

	format_address(&put->record.born_host, text, sizeof(text));
	rv__command_add_text(writer, "bornHost", text);
	rv__command_add_text(writer, "storeHost", broker->address);
	rv__command_add_i64(writer, "storeTimestamp", rv__wall_ms());
}

/* Source: apache/rocketmq 4.9, ReplyMessageRequestHeader.java. */
static void push(struct rv__request *request, struct rv__connection *client, const struct rv__put *put,
    const struct rv_span *producer_group)
{
	struct rv__broker *broker = request->broker;
	struct rv__command_writer writer;
	struct rv__buffer *out = rv__connection_out(client);

	rv__command_begin(&writer, out,
	    &(struct rv__command_head){
	        .code = RV__REQ_PUSH_REPLY_MESSAGE_TO_CLIENT,
	        .opaque = rv__relay_next_opaque(broker),
	        .language = RV__LANGUAGE_CPP,
	    });
	rv__command_add(&writer, "producerGroup", producer_group->bytes, producer_group->length);
	rv__command_add_text(&writer, "topic", put->topic->name);
	rv__command_add_text(&writer, "defaultTopic", RV__TOPIC_TEMPLATE);
	rv__command_add_text(&writer, "defaultTopicQueueNums", "4");
	rv__command_add_i64(&writer, "queueId", put->queue_id);
	rv__command_add_i64(&writer, "sysFlag", put->record.sys_flag);
	rv__command_add_i64(&writer, "bornTimestamp", put->record.born_timestamp);
	rv__command_add_i64(&writer, "flag", put->record.flag);
	rv__command_add(&writer, "properties", put->properties.bytes, put->properties.length);
	rv__command_add_i64(&writer, "reconsumeTimes", put->record.reconsume_times);
	rv__command_add_bool(&writer, "unitMode", false);
	add_hosts(&writer, broker, put);
	rv__command_end(&writer, put->record.body_length);
	rv__buffer_add(out, put->record.body, put->record.body_length);
}

bool rv__reply_push(struct rv__request *request, const struct rv__put *put,
    const struct rv_span *producer_group, char ret_id[256])
{
	size_t length = 0;
	const char *id =
	    rv__properties_get(put->properties.bytes, put->properties.length, "REPLY_TO_CLIENT", &length);
	struct rv__connection *client;

	snprintf(ret_id, 256, "%.*s", (int)(length < 255 ? length : 255), id ? id : "");
	client = *ret_id ? rv__producer_connection(request->broker, ret_id) : NULL;
	if (!client || client->closing)
		return false;
	push(request, client, put, producer_group);
	return true;
}
