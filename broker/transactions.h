/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: half messages lie in RMQ_SYS_TRANS_HALF_TOPIC until their producer commits or rolls
 * back (37); producers that stay silent are asked (39).
 */
#ifndef BROKER_TRANSACTIONS_H
#define BROKER_TRANSACTIONS_H

#include "broker/answer.h"
#include "broker/put.h"

rv_err rv__transactions_open(struct rv__broker *broker, struct rv_error *err);
void rv__transactions_stop(struct rv__broker *broker);
void rv__transactions_close(struct rv__broker *broker);

/** Stores a half message; `put` is as the producer meant it. Answers the request. */
void rv__transactions_prepare(struct rv__request *request, struct rv__put *put);

#endif
