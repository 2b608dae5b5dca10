/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the broker to clients, and of admin tools through the broker to clients (307, 309, 221):
 * the client's answer finds its way back.
 */
#ifndef BROKER_RELAY_H
#define BROKER_RELAY_H

#include "broker/answer.h"
#include "broker/connection.h"

rv_err rv__relay_open(struct rv__broker *broker, struct rv_error *err);
void rv__relay_close(struct rv__broker *broker);

/** Passes a request, with its fields and `body`, on to a client. The request counts as answered. */
void rv__relay_forward(
    struct rv__request *request, struct rv__connection *client, const void *body, size_t length);

/** Number of the next request to a client. */
int32_t rv__relay_next_opaque(struct rv__broker *broker);

/** A client answered. */
void rv__relay_take_response(struct rv__connection *connection, const struct rv__command *response);
void rv__relay_connection_closed(struct rv__broker *broker, struct rv__connection *connection);
/** Every few seconds: answers for clients that stay silent. */
void rv__relay_expire(struct rv__broker *broker);

#endif
