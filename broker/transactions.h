/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: a half message lies in RMQ_SYS_TRANS_HALF_TOPIC until its producer commits or rolls
 * back (37); then a note with its offset goes to RMQ_SYS_TRANS_OP_HALF_TOPIC, in the same write as the
 * committed message. Producers that stay silent are asked (39); after too many questions the message is
 * put aside into TRANS_CHECK_MAX_TIME_TOPIC.
 *
 * What is undecided is kept in memory and found again at start from both topics, read from the places
 * that transactionOffset.json remembers.
 */
#ifndef BROKER_TRANSACTIONS_H
#define BROKER_TRANSACTIONS_H

#include "broker/answer.h"
#include "broker/put.h"

rv_err rv__transactions_open(struct rv__broker *broker, struct rv_error *err);
void rv__transactions_stop(struct rv__broker *broker);
void rv__transactions_close(struct rv__broker *broker);
/** Once a second: remembers how far everything is decided. */
void rv__transactions_save(struct rv__broker *broker);

/** Stores a half message; `put` is as the producer meant it. Answers the request. */
void rv__transactions_prepare(struct rv__request *request, struct rv__put *put);

/** END_TRANSACTION (37). */
void rv__transactions_end(struct rv__request *request);

#endif
