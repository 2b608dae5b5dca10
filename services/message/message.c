/* SPDX-License-Identifier: Apache-2.0 */
/* Passes payment notices on to the customer; today by writing them to the log. */
#include "message.h"

#include <time.h>

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* What the customer should hear; `channel` is where the notice came from. */
static rv_verdict pass_on(const rv_message *message, void *channel)
{
	long long begun_us = now_us();

	rv_log_info("Receive %s msg = %s by %s...", (const char *)channel, rv_message_text(message),
	    rv_message_source(message));
	rv_log_info("consume %s cost: %lld ms", rv_message_id(message), (now_us() - begun_us) / 1000);
	return RV_ACK;
}

void message_declare(rv_app *app, void *context)
{
	static char input[] = RV_SINK_INPUT;
	static char input1[] = "input1"; /* a channel of our own */

	(void)context;
	rv_app_enable_binding(app, RV_SINK);
	rv_app_enable_binding(app, RV_INPUTS(input1));
	rv_app_listen(app, input, pass_on, input);
	rv_app_listen(app, input1, pass_on, input1);
}
