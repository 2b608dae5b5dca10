/* SPDX-License-Identifier: Apache-2.0 */
/* Queue locks of orderly consumers (41, 42): one client a queue and group, for 60 s after the last renewal. */
#ifndef BROKER_LOCKS_H
#define BROKER_LOCKS_H

#include "broker/answer.h"

rv_err rv__locks_open(struct rv__broker *broker, struct rv_error *err);
void rv__locks_close(struct rv__broker *broker);
/** Every few seconds: forgets the locks that nobody renews. */
void rv__locks_expire(struct rv__broker *broker);

void rv__locks_lock(struct rv__request *request);
void rv__locks_unlock(struct rv__request *request);

#endif
