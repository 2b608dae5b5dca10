/* SPDX-License-Identifier: Apache-2.0 */
/* PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361): its parts, so that a held one can run again. */
#ifndef BROKER_PULL_H
#define BROKER_PULL_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/answer.h"
#include "remoting/codes.h"
#include "remoting/tags.h"

struct rv__broker;

struct rv__pull {
	char group[RV__GROUP_NAME_MAX + 1];
	char topic[RV__TOPIC_NAME_MAX + 1];
	int32_t queue_id;
	int64_t offset;
	int32_t max_messages;
	int32_t max_bytes;
	int32_t sysflag;
	int64_t commit_offset;
	int64_t suspend_ms;
	struct rv__tags tags; /* owned by a held pull; during a request by the request */
};

/** Handler of 11 and 361. */
void rv__pull_handle(struct rv__request *request);

/** Runs a held pull again and answers it, whatever there is. */
void rv__pull_again(struct rv__broker *broker, const struct rv__ticket *ticket, const struct rv__pull *pull);

#endif
