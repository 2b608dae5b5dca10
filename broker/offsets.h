/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far each group has consumed each queue (consumerOffset.json in RocketMQ's form). Kept in memory,
 * saved every few seconds behind the log: what is stored may lag, and never leads the synced log.
 */
#ifndef BROKER_OFFSETS_H
#define BROKER_OFFSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#include "base/buffer.h"
#include "broker/answer.h"

struct rv__broker;

/** Loads, clamping what lies behind the end of a queue. */
rv_err rv__offsets_open(struct rv__broker *broker, struct rv_error *err);
void rv__offsets_close(struct rv__broker *broker);

/** -1 when none is stored. */
int64_t rv__offset_get(const struct rv__broker *broker, const char *topic, const char *group, int32_t queue);
/**
 * Ignores what lies behind the queue's end, and decreases; except when the group has no members, or for a
 * minute after a reset, since members commit by what they have heard.
 */
void rv__offset_set(
    struct rv__broker *broker, const char *topic, const char *group, int32_t queue, int64_t offset);
/** Sets whatever it was before. */
void rv__offset_reset(
    struct rv__broker *broker, const char *topic, const char *group, int32_t queue, int64_t offset);
/** The topics that a group has offsets of: calls `visit` for each, with the number of queues known. */
void rv__offsets_each_topic(const struct rv__broker *broker, const char *group,
    void (*visit)(void *arg, const char *topic, int32_t queues), void *arg);
/** The groups that have offsets of a topic. */
void rv__offsets_each_group(const struct rv__broker *broker, const char *topic,
    void (*visit)(void *arg, const char *group), void *arg);
void rv__offsets_forget_topic(struct rv__broker *broker, const char *topic);
void rv__offsets_forget_group(struct rv__broker *broker, const char *group);
void rv__offsets_copy(struct rv__broker *broker, const char *topic, const char *from, const char *to);

/** Once a second: saves when it is time and something changed. `now`: at once. */
void rv__offsets_save(struct rv__broker *broker, bool now);
void rv__offsets_encode(const struct rv__broker *broker, struct rv__buffer *out);

/* Handlers. */
void rv__offsets_query(struct rv__request *request);
void rv__offsets_update(struct rv__request *request);
void rv__offsets_max(struct rv__request *request);
void rv__offsets_min(struct rv__request *request);
void rv__offsets_search(struct rv__request *request);
void rv__offsets_earliest(struct rv__request *request);

#endif
