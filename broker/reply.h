/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request and reply (324, 325): an answer on its way to the producer that asked is pushed to it (326) by
 * its client id, and kept in <cluster>_REPLY_TOPIC.
 */
#ifndef BROKER_REPLY_H
#define BROKER_REPLY_H

#include "broker/put.h"

struct rv__request;

/**
 * Pushes the reply to the client that its properties name. `put` is the reply as its sender meant it.
 *
 * @return false when that client is not connected; `ret_id` then holds its id for the remark
 */
bool rv__reply_push(struct rv__request *request, const struct rv__put *put,
    const struct rv_span *producer_group, char ret_id[256]);

#endif
