/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delayed messages: they lie in SCHEDULE_TOPIC_XXXX, one queue a level, their index entries carrying
 * the time at which they are due; then they are appended again, to their own topic. How far each level
 * has come is kept in delayOffset.json.
 */
#ifndef BROKER_DELAY_H
#define BROKER_DELAY_H

#include <stdint.h>

#include <rivulet/error.h>

#include "base/buffer.h"
#include "broker/store/store.h"

struct rv__broker;

rv_err rv__delay_open(struct rv__broker *broker, struct rv_error *err);
void rv__delay_stop(struct rv__broker *broker);
void rv__delay_close(struct rv__broker *broker);

int32_t rv__delay_levels(const struct rv__broker *broker);
/** Milliseconds of a level from 1. */
int64_t rv__delay_of_level(const struct rv__broker *broker, int32_t level);

/** A message of the schedule topic is visible: look when it is due. */
void rv__delay_arrived(struct rv__broker *broker, int32_t queue_id);

/** Once a second: saves the progress when something changed. */
void rv__delay_save(struct rv__broker *broker);
void rv__delay_encode(const struct rv__broker *broker, struct rv__buffer *out);

#endif
