/* SPDX-License-Identifier: Apache-2.0 */
/* From a command's code to the function that serves it, and what happens when a connection is gone. */
#ifndef BROKER_DISPATCH_H
#define BROKER_DISPATCH_H

#include "broker/answer.h"
#include "broker/connection.h"

/** Handles one received command: a request by its code, a response by the relay it belongs to. */
void rv__dispatch(struct rv__connection *connection, struct rv__command *command);

/** The connection is closed: every table forgets it. */
void rv__dispatch_closed(struct rv__connection *connection);

#endif
