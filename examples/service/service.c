/* SPDX-License-Identifier: Apache-2.0 */
/* A whole service: answers each greeting on `input` with another one on `output`. */
#include <rivulet/rivulet.h>

static rv_verdict answer(const rv_message *message, void *context)
{
	rv_channel *output = context;
	struct rv_error error;
	RV_CLEANUP(rv_message_unrefp)
	rv_message *reply = rv_message_create_json("{s:s}", "answerTo", rv_message_text(message));

	return rv_channel_send(output, reply, &error) == RV_OK ? RV_ACK : RV_RETRY;
}

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("greeter", argc, argv);

	rv_app_enable_binding(app, RV_PROCESSOR); /* input and output */
	rv_app_listen(app, RV_PROCESSOR_INPUT, answer, rv_app_channel(app, RV_PROCESSOR_OUTPUT));
	return rv_app_run(app);
}
