/* SPDX-License-Identifier: Apache-2.0 */
/* Passes payment notices on to the customer; today by writing them to the log. */
#include "message.h"

static rv_verdict receive_input(const rv_message *message, void *context)
{
	(void)context;
	rv_log_info("Receive input msg = %s by %s...", rv_message_text(message), rv_message_source(message));
	return RV_ACK;
}

static rv_verdict receive_input1(const rv_message *message, void *context)
{
	(void)context;
	rv_log_info("Receive input1 msg = %s by %s...", rv_message_text(message), rv_message_source(message));
	return RV_ACK;
}

void message_declare(rv_app *app, void *context)
{
	(void)context;
	rv_app_enable_binding(app, RV_SINK);             /* input */
	rv_app_enable_binding(app, RV_INPUTS("input1")); /* a channel of our own */
	rv_app_listen(app, RV_SINK_INPUT, receive_input, NULL);
	rv_app_listen(app, "input1", receive_input1, NULL);
}
