/* SPDX-License-Identifier: Apache-2.0 */
/* CONSUMER_SEND_MSG_BACK (36): a message that could not be consumed comes again later, or goes to the dead letters. */
#ifndef BROKER_SENDBACK_H
#define BROKER_SENDBACK_H

#include "broker/answer.h"

void rv__sendback_handle(struct rv__request *request);

#endif
