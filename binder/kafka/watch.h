/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread a binder that asks: it owns a client of its own for administration, makes topics, looks whether
 * they are there and how many partitions they have, and whether the cluster can be reached. Producers and consumers
 * register what they need and are told of every change; they never ask themselves, so that no call of
 * the contract waits for a broker.
 *
 * It looks at once when something is new or suspect, every second (jittered) while something is wrong, and every
 * three otherwise.
 */
#ifndef BINDER_KAFKA_WATCH_H
#define BINDER_KAFKA_WATCH_H

#include <librdkafka/rdkafka.h>

#include <rivulet/binder.h>

#include "binder/kafka/settings.h"

struct rv__kafka;
struct rv__kafka_watch;

/* One need. The owner fills in the first part, zeroes the rest, and keeps it in place while it is watched. */
struct rv__kafka_need {
	const char *topic; /* NULL or a pattern ("^…"): only the cluster is watched */
	const char *binding;
	int32_t partitions; /* wanted when the topic is made or, with auto-add-partitions, enlarged */
	bool strict;        /* fewer than wanted is a failure, not a warning */
	/* The topic is made with as many partitions as that one has, not before it is known; NULL: does not matter. */
	const struct rv__kafka_need *like;
	const struct rv__kafka_topic_settings *settings; /* NULL: the defaults */
	/*
	 * On the watch thread, with no lock held, at the first judgement and at every change after it. why NULL: the
	 * topic has `partitions` now (0 without a topic). Else: why not; *why is borrowed.
	 */
	void (*judged)(void *owner, int32_t partitions, const struct rv_error *why);
	/* On the watch thread, with no lock held, now and then while the topic is there; may block for some seconds.
	 * NULL: nothing to look for. */
	void (*verify)(void *owner, rd_kafka_t *rk);
	void *owner;

	/* The watch's own, under its lock. */
	struct rv__kafka_need *next;
	unsigned round;
	bool known;   /* it was judged */
	bool up;      /* as told last */
	bool was_up;  /* once, ever: from then on a missing topic is not made again */
	bool altered; /* its settings were looked at */
	int32_t count;
	int32_t make; /* partitions to make the topic with: what all needs of that topic want */
	int number;   /* of the failure told last */
};

rv_err rv__kafka_watch_create(
    struct rv__kafka *kafka, struct rv__kafka_watch **ret_watch, struct rv_error *err);
/** Ends the thread. No need may be left. */
void rv__kafka_watch_destroy(struct rv__kafka_watch *watch);

void rv__kafka_watch_add(struct rv__kafka_watch *watch, struct rv__kafka_need *need);
/** Returns once judged() does not run and never will. Not from judged(). */
void rv__kafka_watch_remove(struct rv__kafka_watch *watch, struct rv__kafka_need *need);
/** Waits until the need has been judged, at most so long; whether it was. */
bool rv__kafka_watch_wait(struct rv__kafka_watch *watch, struct rv__kafka_need *need, int64_t timeout_ms);

/**
 * What a client of librdkafka said (RD_KAFKA_EVENT_ERROR) about its connections: keeps the sentence, and looks at
 * the cluster at once when that is what is in doubt. Any thread, never blocks.
 */
void rv__kafka_watch_heard(struct rv__kafka_watch *watch, int code, const char *reason);

/** Looks at once. Any thread, never blocks. */
void rv__kafka_watch_hurry(struct rv__kafka_watch *watch);

/** Whether the cluster answered last time; *ret_why (may be NULL) is filled when not. */
bool rv__kafka_watch_is_up(struct rv__kafka_watch *watch, struct rv_error *ret_why);

/** What stands in health: a partition without leader counts by its property. */
enum rv_health_status rv__kafka_watch_health(struct rv__kafka_watch *watch, rv_detail_fn detail, void *arg);

#endif
