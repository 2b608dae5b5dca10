/* SPDX-License-Identifier: Apache-2.0 */
/* Takes payments from one broker and leaves a receipt for each at another; which brokers, the properties say. */
#include <rivulet/rivulet.h>

static rv_verdict write_receipt(const rv_message *payment, void *context)
{
	rv_channel *output = context;
	struct rv_error error;
	RV_CLEANUP(rv_message_unrefp)
	rv_message *receipt = rv_message_create_json("{s:s}", "receiptFor", rv_message_text(payment));

	return rv_channel_send(output, receipt, &error) == RV_OK ? RV_ACK : RV_RETRY;
}

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("receipts", argc, argv);

	rv_app_enable_binding(app, RV_PROCESSOR); /* input and output */
	rv_app_listen(app, RV_PROCESSOR_INPUT, write_receipt, rv_app_channel(app, RV_PROCESSOR_OUTPUT));
	return rv_app_run(app);
}
