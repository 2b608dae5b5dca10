/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pulls that found nothing and are held until a message comes that their filter lets through, or
 * until their time is over.
 */
#ifndef BROKER_LONGPOLL_H
#define BROKER_LONGPOLL_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/answer.h"
#include "broker/pull.h"
#include "broker/store/store.h"
#include "remoting/tags.h"

struct rv__topic_queue;

struct rv__held {
	struct rv__ticket ticket; /* owned reference */
	struct rv__pull pull;
	int64_t deadline_ms; /* uv_now() */
	bool ready;          /* stands in broker->ready instead of its queue's list */
	struct rv__held *next, **link;
};

enum { RV__HELD_MAX = 16384 }; /* of one connection; one a queue is what a client needs */

/** Holds the pull of a request for suspend_ms. False: the connection has RV__HELD_MAX, or no memory; nothing happened. */
bool rv__longpoll_hold(struct rv__request *request, struct rv__topic_queue *queue,
    const struct rv__pull *pull, int64_t suspend_ms);

/** A message is visible: those it is for become ready. */
void rv__longpoll_arrived(
    struct rv__broker *broker, const rv__queue *queue, int64_t queue_offset, int64_t tags_code);

/** End of a turn: runs the ready ones again and answers them. */
void rv__longpoll_wake(struct rv__broker *broker);

/** Once a second: those whose time is over become ready; those whose client is gone are dropped. */
void rv__longpoll_expire(struct rv__broker *broker);

/** Answers all of one list with a code. */
void rv__longpoll_end(struct rv__broker *broker, struct rv__held **list, int code, const char *remark);

/** The broker closes: drops them all, without an answer. */
void rv__longpoll_close(struct rv__broker *broker);

#endif
