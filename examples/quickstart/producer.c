/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocketMQ's quickstart producer: 1000 messages with the tag TagA to the topic TopicTest, then the end.
 *
 *     rivulet broker &
 *     quickstart-producer --spring.config.location=examples/quickstart/
 */
#include <rivulet/rivulet.h>

#include <stdio.h>

enum { MESSAGES = 1000 };

struct producer {
	rv_channel *output;
	int sent;
};

static bool send_one(struct producer *producer, int i)
{
	char text[32];
	struct rv_error error = {.text = "its tag does not fit"};

	snprintf(text, sizeof(text), "Hello RocketMQ %d", i);
	RV_CLEANUP(rv_message_unrefp)
	rv_message *message = rv_message_create_text(text);

	if (rv_message_set_header(message, RV_HEADER_TAGS, "TagA") != RV_OK ||
	    rv_channel_send(producer->output, message, &error) != RV_OK) {
		rv_log_error("message %d was not sent: %s", i, error.text);
		return false;
	}
	printf("%s sent %s\n", rv_message_id(message), text);
	return true;
}

static void send_all(rv_app *app, void *context)
{
	struct producer *producer = context;

	while (producer->sent < MESSAGES && send_one(producer, producer->sent))
		producer->sent++;
	rv_app_request_stop(app);
}

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("quickstart-producer", argc, argv);
	struct producer producer = {.output = rv_app_channel(app, RV_SOURCE_OUTPUT)};
	int status;

	rv_app_enable_binding(app, RV_SOURCE);
	rv_app_on_ready(app, send_all, &producer);
	status = rv_app_run(app);
	return status ? status : producer.sent < MESSAGES;
}
