/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of a message and the property string of RocketMQ, as the Spring Cloud Alibaba binder maps
 * them (new style). Functions without state; any thread.
 */
#ifndef BINDER_ROCKETMQ_HEADERS_H
#define BINDER_ROCKETMQ_HEADERS_H

#include <rivulet/binder.h>

#include "base/buffer.h"
#include "remoting/record.h"

/* What else of the headers goes into a send. */
struct rv__rmq_outgoing {
	bool bare; /* told by the caller: no header travels, but those that steer the send do their work */
	int32_t flag;
	int32_t delay_level; /* 0: none */
};

/**
 * Appends the property string of a message: TAGS, KEYS, UNIQ_KEY, WAIT, DELAY, contentType and every
 * header that is neither blank nor a name that RocketMQ keeps for itself.
 *
 * @param instance  namespace, for INSTANCE_ID; NULL or "": none
 * @return RV_OK; RV_E_INVALID for a header with \x01 or \x02; RV_E_TOOBIG over 32767 bytes; RV_E_NOMEM
 */
rv_err rv__rmq_properties_encode(struct rv__buffer *out, const rv_message *message, const char *instance,
    struct rv__rmq_outgoing *ret_outgoing, struct rv_error *err);

/* Where a received message's payload stands when it is not to be copied, or was unpacked. */
struct rv__rmq_body {
	const void *bytes;
	size_t length;
	rv_release_fn release; /* NULL: copy */
	void *owner;
};

/**
 * Builds the message of a record. `destination` is what the service knows it by (the original topic of
 * a redelivered one). NULL: no memory, the body is released.
 */
rv_message *rv__rmq_message_from_record(const struct rv__record *record, const struct rv__rmq_body *body,
    const char *destination, const char *source);

#endif
