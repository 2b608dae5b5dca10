/* SPDX-License-Identifier: Apache-2.0 */
#include <rivulet/channel.h>

#include "base/numbers.h"
#include "bindings/app.h"

static rv_err refuse(const rv_channel *channel, struct rv_error *err)
{
	if (!channel)
		return rv_error_set(err, RV_E_CONFIG, RV__N_NO_CHANNEL, "channel",
		    "there is no channel to send to; keep what rv_app_channel() returned");
	if (channel->input)
		return rv_error_set(err, RV_E_CONFIG, RV__N_NOT_OUTPUT, "channel",
		    "channel '%s' is an input; send to an output", channel->name);
	return rv_error_set(err, RV_E_CONFIG, RV__N_NO_CHANNEL, "channel",
	    "channel '%s' was never declared; declare it with rv_app_enable_binding()", channel->name);
}

rv_err rv_channel_send(rv_channel *channel, rv_message *message, struct rv_error *err)
{
	if (!channel || !channel->output)
		return refuse(channel, err);
	return rv__output_send(&channel->output->output, message, err);
}

rv_err rv_channel_send_async(
    rv_channel *channel, rv_message *message, rv_sent_fn done, void *context, struct rv_error *err)
{
	if (!channel || !channel->output)
		return refuse(channel, err);
	return rv__output_send_async(&channel->output->output, message, done, context, err);
}

static rv_err refuse_poll(const rv_channel *channel, struct rv_error *err)
{
	if (!channel)
		return rv_error_set(err, RV_E_CONFIG, RV__N_NO_CHANNEL, "channel",
		    "there is no channel to poll; keep what rv_app_channel() returned");
	return rv_error_set(err, RV_E_CONFIG, RV__N_NOT_POLLED, "channel",
	    "channel '%s' is no polled input; declare it with RV_POLLED(\"%s\")", channel->name,
	    channel->name);
}

rv_err rv_channel_poll(
    rv_channel *channel, int timeout_ms, rv_listener_fn listener, void *context, struct rv_error *err)
{
	struct rv__listener poller = {.call = listener, .context = context};

	if (!channel || !channel->input || !channel->polled)
		return refuse_poll(channel, err);
	if (!listener)
		return rv_error_set(err, RV_E_INVALID, RV__N_LISTENER, "channel",
		    "channel '%s' was polled without a listener; pass a function", channel->name);
	return rv__binding_poll(channel->input, timeout_ms > 0 ? timeout_ms : 0, &poller, err);
}

const char *rv_channel_name(const rv_channel *channel)
{
	return channel ? channel->name : "";
}
