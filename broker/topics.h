/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics: their definitions (topics.json in RocketMQ's form), creation by first use, and for each queue
 * the store's queue and the pulls that are held on it.
 */
#ifndef BROKER_TOPICS_H
#define BROKER_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#include "base/buffer.h"
#include "broker/store/store.h"
#include "remoting/codes.h"

struct rv__broker;
struct rv__held;
struct rv__request;

struct rv__topic_queue {
	rv__queue *store; /* NULL until first used */
	struct rv__held *held;
};

struct rv__topic {
	char name[RV__TOPIC_NAME_MAX + 1];
	size_t name_length;
	int32_t read_queues;
	int32_t write_queues;
	int32_t perm;
	int32_t sysflag;
	bool order;
	bool multi_tags;
	bool system;         /* made by the broker itself: not stored, not changed by clients */
	uint64_t change;     /* the change that made it, see rv__topics_durable() */
	uint32_t next_queue; /* for senders that leave the choice */
	struct rv__topic_queue *queues;
	int32_t queue_count; /* of `queues` */
	uint64_t put;        /* messages since start */
};

/** Loads the definitions and adds the system topics. RV_E_CORRUPT, RV_E_NOMEM. */
rv_err rv__topics_open(struct rv__broker *broker, struct rv_error *err);
void rv__topics_close(struct rv__broker *broker);

struct rv__topic *rv__topic_find(const struct rv__broker *broker, const char *name);
/** Whether a name may be a topic's or group's: letters, digits, % | _ -, and short enough. */
bool rv__name_legal(const char *name, size_t limit);
/** Whether clients may not send to it or change it. */
bool rv__topic_forbidden(const char *name);
bool rv__topic_is_system(const struct rv__broker *broker, const char *name);

/**
 * The topic, made if it is not there. Registers it at the name servers and saves the definitions in the background.
 *
 * @return NULL with *err: RV_E_INVALID (name), RV_E_FULL (too many topics), RV_E_NOMEM
 */
struct rv__topic *rv__topic_ensure(struct rv__broker *broker, const char *name, int32_t read_queues,
    int32_t write_queues, int32_t perm, int32_t sysflag, struct rv_error *err);

/**
 * For a send: the topic, else made after the template that the sender names.
 *
 * @return NULL with *err: RV_E_NOTFOUND when it may not be made
 */
struct rv__topic *rv__topic_for_send(struct rv__broker *broker, const char *name, const char *template_name,
    int32_t wanted_queues, struct rv_error *err);

/** A definition was changed in place, or removed (`topic` NULL): save, tell the name servers. Returns the change's
 * number. */
uint64_t rv__topics_changed(struct rv__broker *broker, struct rv__topic *topic);

/** End of a turn: saves what was changed in it. */
void rv__topics_save(struct rv__broker *broker);

/** Now and then: has what could not be saved saved again, so that its topics take messages again. */
void rv__topics_retry(struct rv__broker *broker);

/** Removes the definition and the messages; held pulls are answered. Returns the change's number. */
uint64_t rv__topic_delete(struct rv__broker *broker, struct rv__topic *topic);

/** RV_OK once the change is durable; RV_E_FULL: not yet; anything else: it could not be made so. */
rv_err rv__topics_durable(const struct rv__broker *broker, uint64_t change, struct rv_error *err);

/** The queue, made when missing; NULL: outside [0, max(read, write)) or no memory. */
struct rv__topic_queue *rv__topic_queue(struct rv__broker *broker, struct rv__topic *topic, int32_t id);
/** The same by the store's queue; NULL when the topic is gone. */
struct rv__topic_queue *rv__topic_queue_of(const struct rv__broker *broker, const rv__queue *queue);

/** Walks all topics; *cursor starts at 0; NULL at the end. */
struct rv__topic *rv__topics_next(const struct rv__broker *broker, size_t *cursor);

/** One TopicConfig object, and the whole document. */
void rv__topic_encode(struct rv__buffer *out, const struct rv__topic *topic);
void rv__topics_encode(const struct rv__broker *broker, struct rv__buffer *out, bool with_system);
/** {"counter":n,"timestamp":ms} */
void rv__topics_version_encode(const struct rv__broker *broker, struct rv__buffer *out);

#endif
