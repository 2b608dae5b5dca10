/* SPDX-License-Identifier: Apache-2.0 */
/* SEND_MESSAGE (10), SEND_MESSAGE_V2 (310) and SEND_BATCH_MESSAGE (320). */
#ifndef BROKER_SEND_H
#define BROKER_SEND_H

#include "broker/answer.h"

struct rv__store_position;
struct rv__topic;

void rv__send_handle(struct rv__request *request);

/** Answers a send once what was appended last, at `position`, is acknowledged, and the topic durable. */
void rv__send_answer_later(struct rv__request *request, const struct rv__topic *topic, int32_t queue_id,
    const struct rv__store_position *position);

#endif
