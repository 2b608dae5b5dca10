/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places for accepted messages, from send() to their completion: as many as may be on their way, made once, taken and
 * given back without a lock. A place that is not taken was never touched or is used again soonest, so memory follows
 * the most that ever was on its way.
 */
#ifndef BINDER_KAFKA_POOL_H
#define BINDER_KAFKA_POOL_H

#include <stdatomic.h>

#include <librdkafka/rdkafka.h>

#include <rivulet/binder.h>

struct rv__kafka_producer;

/* One accepted message. Written by its sender, then read by the client's thread. */
struct rv__kafka_place {
	/* Whose it is until somebody completes it: that one takes it out, so that it happens once. */
	_Atomic(struct rv__kafka_producer *) owner;
	void *arg;
	rv_message *message; /* a reference; NULL: librdkafka has a copy of the payload */
	uint64_t number;     /* in the order of acceptance */
	atomic_uint next;    /* number of the next free or refused place, from 1; 0: none */
	int64_t patience_ns; /* its time is over then; 0: it never waited for its topic, see again.c */
	int32_t partition;   /* of a refused one, … */
	bool bare;
	bool own_topic;  /* … and whether it went to the binding's topic */
	int32_t refused; /* rd_kafka_resp_err_t of a send that never reached librdkafka's queue */
};

struct rv__kafka_pool {
	struct rv__kafka_place *places;
	uint32_t capacity;
	_Alignas(64) _Atomic uint64_t free; /* a count that makes each value new, and the first free place */
	atomic_uint fresh;                  /* places from here on were never taken */
};

/** False: no memory. */
bool rv__kafka_pool_init(struct rv__kafka_pool *pool, uint32_t capacity);
void rv__kafka_pool_finish(struct rv__kafka_pool *pool);

/** A place; NULL when all are taken. Any thread. */
struct rv__kafka_place *rv__kafka_pool_take(struct rv__kafka_pool *pool);

/* Places on their way back, gathered by one thread. Zeroed memory is an empty one. */
struct rv__kafka_returns {
	struct rv__kafka_place *first, *last;
};

void rv__kafka_pool_gather(
    struct rv__kafka_pool *pool, struct rv__kafka_returns *returns, struct rv__kafka_place *place);
/** Gives back all that was gathered. */
void rv__kafka_pool_give(struct rv__kafka_pool *pool, struct rv__kafka_returns *returns);

/**
 * For who freed the records of many messages: the C library then joins the small pieces that it had set aside, so that
 * the next messages lie one behind the other again. librdkafka follows lists of thousands of them, and processors fetch
 * ahead only what lies at even distances.
 */
void rv__kafka_pool_join_freed(void);

/** From 1, for lists of places. */
static inline uint32_t rv__kafka_place_number(
    const struct rv__kafka_pool *pool, const struct rv__kafka_place *place)
{
	return (uint32_t)(place - pool->places) + 1;
}

#endif
