/* SPDX-License-Identifier: Apache-2.0 */
/* One message on its way into the store: its properties as the broker keeps them, and its delay. */
#ifndef BROKER_PUT_H
#define BROKER_PUT_H

#include <stdbool.h>
#include <stdint.h>

#include <rivulet/binder.h> /* struct rv_span */
#include <rivulet/error.h>

#include "broker/store/store.h"

struct rv__broker;
struct rv__topic;

struct rv__put {
	struct rv__topic *topic;
	int32_t queue_id;
	/* Read: flag, sys_flag, born_timestamp, born_host, reconsume_times, prepared_offset, body, body_length. */
	struct rv__record record;
	struct rv_span properties; /* as the client wrote them */
	int32_t delay_level;       /* > 0: instead of what DELAY says */
	bool as_is;                /* store the properties unchanged, without any delay */
	bool keep_wait;            /* batches keep WAIT */
};

/**
 * Appends to the batch of this turn. With a delay level the message goes to the schedule topic, and its own
 * topic and queue into REAL_TOPIC and REAL_QID.
 *
 * @return as rv__append(); RV_E_NOTFOUND: no such queue
 */
rv_err rv__put(struct rv__broker *broker, const struct rv__put *put, struct rv__store_position *ret_position,
    struct rv_error *err);

#endif
