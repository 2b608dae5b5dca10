/* SPDX-License-Identifier: Apache-2.0 */
/* SEND_MESSAGE (10), SEND_MESSAGE_V2 (310) and SEND_BATCH_MESSAGE (320). */
#ifndef BROKER_SEND_H
#define BROKER_SEND_H

#include "broker/answer.h"

void rv__send_handle(struct rv__request *request);

#endif
