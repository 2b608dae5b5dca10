/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One producing client of librdkafka, shared by all bindings whose configuration comes to the same, and the thread that
 * completes what it sent. After a fatal error of an idempotent producer that thread makes a new one and sends again,
 * in order, what the broker does not have.
 *
 * Lifecycle: rv__kafka_client_get -> join -> … -> leave -> rv__kafka_client_release; the last one ends it.
 * Threads: producers send from any; the client's own thread alone completes, renews and purges.
 */
#ifndef BINDER_KAFKA_CLIENT_H
#define BINDER_KAFKA_CLIENT_H

#include <pthread.h>

#include "binder/kafka/kafka.h"
#include "binder/kafka/pool.h"

struct rv__kafka_again;
struct rv__kafka_renewal;

enum { RV__KAFKA_SPENT = 4 };

struct rv__kafka_client {
	struct rv__kafka *kafka;
	struct rv__kafka_client *next; /* under senders->lock, as `users` */
	unsigned users;
	char *identity;        /* owned; the whole configuration as text */
	rd_kafka_conf_t *conf; /* owned; to make the client again */
	pthread_t thread;
	struct rv__kafka_pool pool;
	struct rv__kafka_renewal *renewal; /* its thread's alone; NULL: none under way */
	struct rv__kafka_again *again;     /* likewise; NULL: nothing ever waited for its topic */

	/* Senders that took a place look whether it is open; who shuts it waits until the places are back. */
	atomic_bool open;
	rd_kafka_t *rk;         /* exchanged while it is shut and nobody is inside */
	_Atomic uint64_t count; /* of accepted messages, for their order */
	atomic_uint refused;    /* places, the last first, that are to be completed with an error */
	atomic_uint abandoned;  /* completed by an unbinding, while librdkafka still has them */
	atomic_bool wants_room; /* some producer turned a message away */
	atomic_bool quit;       /* the thread ends */
	atomic_bool purge;      /* all that is on its way is to fail now */
	atomic_bool closers;    /* somebody waits for producers to have nothing on their way */

	/* Served reports. Their messages were allocated by senders, who free them fastest: the C library's allocator
	 * has a place of its own for each thread. */
	_Alignas(64) _Atomic(rd_kafka_event_t *) spent[RV__KAFKA_SPENT];
	_Atomic uint64_t joined; /* number of a message: when what was freed was last joined */

	pthread_mutex_t lock;   /* protects what follows; nothing is called under it */
	pthread_cond_t changed; /* a producer has nothing on its way, or is not pinned any more */
	rd_kafka_queue_t *queue;
	unsigned flushing; /* threads that use `rk` for a flush: it stays */
	struct rv__kafka_producer *producers;
	_Atomic uint64_t renewals;
};

/* All that the producing half of a binder keeps. */
struct rv__kafka_senders {
	struct rv__kafka *kafka;
	pthread_mutex_t lock; /* protects the list and the number of users of each */
	struct rv__kafka_client *clients;
	struct rv__kafka_lane *lanes; /* with transactions; likewise */
	atomic_bool stopping;
};

/**
 * A client for this configuration: one that is there, or a new one. Consumes `conf` in any case. `binding` is for the
 * sentence of a failure.
 */
rv_err rv__kafka_client_get(struct rv__kafka_senders *senders, rd_kafka_conf_t *conf, const char *binding,
    struct rv__kafka_client **ret_client, struct rv_error *err);
/** The last one joins the thread and frees. No producer of the caller is joined any more. */
void rv__kafka_client_release(struct rv__kafka_senders *senders, struct rv__kafka_client *client);

/** From now on the client serves the producer. */
void rv__kafka_client_join(struct rv__kafka_client *client, struct rv__kafka_producer *producer);
/**
 * From now on it may send. Not before its topic is there: a client that has a handle asks for the topic, and the
 * broker would make it with settings of its own.
 */
void rv__kafka_client_open_topic(struct rv__kafka_client *client, struct rv__kafka_producer *producer);
/** Waits up to deadline_ms for what is on its way, fails the rest and takes the producer out. */
void rv__kafka_client_leave(
    struct rv__kafka_client *client, struct rv__kafka_producer *producer, int64_t deadline_ms);

/** Completes a place with an error, on the client's thread. `place->refused` says why. Any thread. */
void rv__kafka_client_refuse(struct rv__kafka_client *client, struct rv__kafka_place *place);

/** Makes the client's thread look about. Any thread. */
void rv__kafka_client_wake(struct rv__kafka_client *client);

/** Frees one served report, if there is one. Any thread inside the gate; `number` is that of the message it sends. */
void rv__kafka_client_tidy(struct rv__kafka_client *client, uint64_t number);

/* -- private to the client's files, on its thread ---------------------------------------------------- */

/** A librdkafka client of client->conf. NULL with the reason in `why`. */
rd_kafka_t *rv__kafka_client_make(struct rv__kafka_client *client, char *why, size_t size);

/** Messages that are with librdkafka or inside a send. */
uint64_t rv__kafka_client_on_the_way(struct rv__kafka_client *client);

/** Frees all served reports. */
void rv__kafka_client_tidy_all(struct rv__kafka_client *client);

/** Completes, unless that was done before; the place goes to `returns`. record NULL: refused. */
void rv__kafka_complete(struct rv__kafka_client *client, struct rv__kafka_place *place,
    const rd_kafka_message_t *record, struct rv__kafka_returns *returns);

/* Reports of success for one producer, told together. Zeroed but for the array it is an empty one. */
enum { RV__KAFKA_SUCCESSES = 64 };

struct rv__kafka_successes {
	struct rv__kafka_producer *producer;
	size_t count;
	struct rv_sent sent[RV__KAFKA_SUCCESSES];
};

/** As rv__kafka_complete() of a record without an error; some wait for rv__kafka_successes_tell(). */
void rv__kafka_successes_add(struct rv__kafka_client *client, struct rv__kafka_successes *successes,
    const rd_kafka_message_t *record, struct rv__kafka_returns *returns);
void rv__kafka_successes_tell(struct rv__kafka_successes *successes);

/** Whether the record waits for its topic or partition to come back; its event is then kept. */
bool rv__kafka_again_takes(struct rv__kafka_client *client, const rd_kafka_message_t *record);
/** Likewise of one that never got into librdkafka's queue. */
bool rv__kafka_again_takes_refused(struct rv__kafka_client *client, struct rv__kafka_place *place);
void rv__kafka_again_keep(struct rv__kafka_client *client, rd_kafka_event_t *event);
/** Whether anything waits. */
bool rv__kafka_again_waits(const struct rv__kafka_client *client);
/** Sends again what waits, now and then. */
void rv__kafka_again_step(struct rv__kafka_client *client);
/** Fails what waits. */
void rv__kafka_again_abort(struct rv__kafka_client *client);
void rv__kafka_again_end(struct rv__kafka_client *client);

/** Begins to renew, after RD_KAFKA_RESP_ERR__FATAL; does nothing when that is under way. */
void rv__kafka_renewal_begin(struct rv__kafka_client *client);
/** Whether the record will be sent again by the renewal, which keeps it. */
bool rv__kafka_renewal_takes(struct rv__kafka_client *client, const rd_kafka_message_t *record);
/** The event whose records were taken; it is kept with them. */
void rv__kafka_renewal_keep(struct rv__kafka_client *client, rd_kafka_event_t *event);
/** Goes on with it, as far as that is possible now. */
void rv__kafka_renewal_step(struct rv__kafka_client *client);
/** Fails what it holds, and goes on. */
void rv__kafka_renewal_abort(struct rv__kafka_client *client);
/** Fails what it holds, and frees it. */
void rv__kafka_renewal_end(struct rv__kafka_client *client);

#endif
