/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocketMQ's quickstart consumer: prints each message of the topic TopicTest until Ctrl-C.
 *
 *     quickstart-consumer --spring.config.location=examples/quickstart/
 */
#include <rivulet/rivulet.h>

#include <stdio.h>

static rv_verdict print(const rv_message *message, void *context)
{
	const char *tag = rv_message_header(message, RV_HEADER_TAGS);

	printf("%s queue %d offset %lld tag %s: %s\n", rv_message_id(message), rv_message_partition(message),
	    (long long)rv_message_position(message), tag ? tag : "-", rv_message_text(message));
	fflush(stdout);
	return RV_ACK;
}

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("quickstart-consumer", argc, argv);

	rv_app_enable_binding(app, RV_SINK);
	rv_app_listen(app, RV_SINK_INPUT, print, NULL);
	return rv_app_run(app);
}
