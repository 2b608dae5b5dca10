/* SPDX-License-Identifier: Apache-2.0 */
/* Why a message is not taken, in words. */
#include "bindings/output_path.h"

#include "base/numbers.h"
#include "bindings/binding.h"
#include "bindings/message.h"

rv_err rv__output_refuse(struct rv__output *output, rv_err code, struct rv_error *err)
{
	const char *channel = output->binding->channel;

	atomic_fetch_add(&output->send_errors, 1);
	if (code == RV_E_CLOSED)
		return rv_error_set(err, code, RV__N_SEND_CLOSED, "channel",
		    "channel '%s' is stopped; start its binding again, or send before the application stops",
		    channel);
	if (code == RV_E_FULL)
		return rv_error_set(err, code, RV__N_SEND_FULL, "channel",
		    "channel '%s' has no room for another message now; try again after a completion",
		    channel);
	if (code == RV_E_TIMEOUT)
		return rv_error_set(err, code, RV__N_SEND_NO_ROOM, "channel",
		    "channel '%s' had no room for another message within %lld ms; send slower or raise "
		    "rivulet.bindings.%s.producer.max-in-flight",
		    channel, (long long)atomic_load(&output->send_timeout_ms), channel);
	if (code == RV_E_TOOBIG)
		return rv_error_set(err, code, RV__N_MESSAGE_TOOBIG, "channel",
		    "with its headers in the payload the message is larger than the broker of channel '%s' "
		    "takes "
		    "(%zu bytes); send less, or raise the broker's limit",
		    channel, output->info.max_message_size);
	if (code == RV_E_NOTFOUND)
		return rv_error_set(err, RV_E_INVALID, RV__N_NO_PARTITION, "channel",
		    "channel '%s' is partitioned, and the header scst_partitionOverride of a message names "
		    "none of "
		    "its %d partitions; set one from 0 to %d",
		    channel, (int)atomic_load(&output->partition_count),
		    (int)atomic_load(&output->partition_count) - 1);
	if (code == RV_E_UNAVAILABLE && output->partitioner && atomic_load(&output->gate) == RV__GATE_OPEN)
		return rv_error_set(err, code, RV__N_PARTITIONS_UNKNOWN, "channel",
		    "channel '%s' does not know yet how many partitions '%s' has; try again, or create it "
		    "there",
		    channel, output->binding->destination);
	if (code == RV_E_UNAVAILABLE) {
		char why[400];

		rv__binding_describe_wait(output->binding, why, sizeof why);
		return rv_error_set(err, code, RV__N_SEND_UNAVAILABLE, "channel",
		    "channel '%s' has no way to its broker: %s", channel, why);
	}
	return rv_message_error(rv__message_failed(RV_E_NOMEM), err);
}

/* What the broker of this channel cannot carry. */
static rv_err check_kind(const struct rv__output *output, const rv_message *message, struct rv_error *err)
{
	if (rv__message_body(message)->null && !(output->ops->caps & RV_CAP_TOMBSTONE))
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_NO_TOMBSTONE, "channel",
		    "%s, to which channel '%s' is bound, carries no tombstones; send a payload that says it, "
		    "or "
		    "bind the channel to a broker that does",
		    output->ops->label, output->binding->channel);
	if (rv__message_body(message)->binary_headers && output->header_mode != RV__HEADERS_NONE &&
	    (output->header_mode == RV__HEADERS_EMBEDDED || !(output->ops->caps & RV_CAP_BINARY_HEADERS)))
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_NO_BINARY_HEADERS, "channel",
		    "%s, to which channel '%s' is bound, carries text in headers, and one of this message's "
		    "is "
		    "no UTF-8 text; encode its bytes (base64), or leave it out",
		    output->ops->label, output->binding->channel);
	return RV_OK;
}

rv_err rv__output_check(struct rv__output *output, rv_message *message, struct rv_error *err)
{
	size_t length;
	rv_err code = rv_message_error(message, err);

	if (code != RV_OK) {
		atomic_fetch_add(&output->send_errors, 1);
		return code;
	}
	rv_message_payload(message, &length);
	if (atomic_load(&output->gate) != RV__GATE_OPEN)
		return RV_OK;
	code = check_kind(output, message, err);
	if (code != RV_OK) {
		atomic_fetch_add(&output->send_errors, 1);
		return code;
	}
	if (output->info.max_message_size == 0 || length <= output->info.max_message_size)
		return RV_OK;
	atomic_fetch_add(&output->send_errors, 1);
	return rv_error_set(err, RV_E_TOOBIG, RV__N_MESSAGE_TOOBIG, "channel",
	    "the message has %zu bytes, the broker of channel '%s' takes %zu; send less, or raise the "
	    "broker's limit",
	    length, output->binding->channel, output->info.max_message_size);
}

rv_err rv__output_unanswered(struct rv__output *output, struct rv_error *err)
{
	bool lost = atomic_load(&output->gate) == RV__GATE_WAITING;
	char why[256] = "";

	if (lost) /* while the message was under way */
		rv__binding_describe_wait(output->binding, why, sizeof why);
	return rv_error_set(err, RV_E_TIMEOUT, RV__N_SEND_NO_ANSWER, "channel",
	    "the broker of channel '%s' did not answer within %lld ms%s%s; it may have the message or not; "
	    "send it again where a duplicate does no harm, or raise "
	    "rivulet.bindings.%s.producer.send-timeout",
	    output->binding->channel, (long long)atomic_load(&output->send_timeout_ms), lost ? ": " : "", why,
	    output->binding->channel);
}
