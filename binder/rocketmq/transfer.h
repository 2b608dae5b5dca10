/* SPDX-License-Identifier: Apache-2.0 */
/* One message, or one batch of them, on its way to a queue, and what the answer means. Loop thread. */
#ifndef BINDER_ROCKETMQ_TRANSFER_H
#define BINDER_ROCKETMQ_TRANSFER_H

#include "binder/rocketmq/producer.h"

/** Sends `first` with the `batch` messages linked behind it. The connection is open. */
void rv__rmq_transfer(
    struct rv__rmq_send *first, struct rv__rmq_connection *connection, const struct rv__rmq_place *place);

/** Gives up waiting for answers: everything under way fails with *why. */
void rv__rmq_transfers_abandon(struct rv__rmq_producer *producer, const struct rv_error *why);

/** Tells the sink, and frees. */
void rv__rmq_send_complete(
    struct rv__rmq_send *send, const struct rv_receipt *receipt, const struct rv_error *error);

#endif
