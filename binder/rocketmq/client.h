/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One open binder: a thread with a libuv loop that owns everything below (connections, routes,
 * producers, consumers). Other threads hand it operations through a lock-free list and one wake-up a
 * burst; what they share beyond that is marked where it stands.
 */
#ifndef BINDER_ROCKETMQ_CLIENT_H
#define BINDER_ROCKETMQ_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include <uv.h>

#include <rivulet/binder.h>

#include "base/inbox.h"
#include "binder/rocketmq/settings.h"

struct rv__rmq_connection;
struct rv__rmq_topic;
struct rv__rmq_broker;
struct rv__rmq_producer;
struct rv__rmq_consumer;

#define RV__RMQ_TOPIC "rocketmq" /* of log lines and errors */
#define RV__RMQ_ID_MAX 128

/*
 * Who we are towards a broker. A broker knows one client id a connection, so a second member of one
 * group in this process needs connections of its own; all else shares the first identity.
 */
struct rv__rmq_identity {
	struct rv__rmq_identity *next;
	char client_id[RV__RMQ_ID_MAX];
	struct rv__rmq_client *client;
};

struct rv__rmq_nameservers {
	char **addresses; /* owned */
	size_t count;
	size_t current;
	bool seen;           /* one answered at least once */
	bool up;             /* the last question was answered */
	struct rv_error why; /* why the last question was not; RV_OK: none failed */
};

struct rv__rmq_client {
	const struct rv_binder_env *env;
	const struct rv__rmq_binder_settings *settings;
	uv_loop_t loop;
	uv_thread_t thread;
	uv_async_t wake;
	uv_prepare_t prepare;
	uv_timer_t tick;
	uv_timer_t expiry;    /* fires at the earliest deadline of a request */
	int64_t expiry_at_ms; /* 0: not armed */
	int64_t tick_at_ms;
	struct rv__inbox inbox; /* what other threads want done */
	atomic_bool stopping;   /* stop() was called */
	atomic_bool stop_posted;
	struct rv__op stop_op;
	bool closing;  /* loop thread only: handles are being closed */
	bool restless; /* something is down or unknown: the tick comes more often */
	int64_t next_heartbeat_ms;
	int64_t connected_ms; /* last time a broker connection opened */

	struct rv__rmq_identity self;
	struct rv__rmq_identity *identities; /* self last */
	struct rv__rmq_nameservers names;
	struct rv__rmq_connection *connections;
	struct rv__rmq_broker *brokers;
	struct rv__rmq_topic *topics;
	struct rv__rmq_producer *producers;
	struct rv__rmq_consumer *consumers;
	struct rv__rmq_producer *dirty; /* producers with something to dispatch in this turn */
	int32_t opaque;
	bool heartbeat_due;

	/* Cached for health() and stats(); written by the loop, read by any thread under `view_lock`. */
	uv_mutex_t view_lock; /* protects `view`, and the lists of producers and consumers against readers */
	struct rv__rmq_view {
		bool names_up;
		char name_server[64];
		unsigned connections, connections_wanted;
		char problem[160];
	} view;
};

static inline int64_t rv__rmq_now_ms(const struct rv__rmq_client *client)
{
	return client->env->monotonic_ns() / 1000000;
}

/** Starts the thread. RV_E_CONFIG for an unreadable address; RV_E_IO, RV_E_NOMEM. */
rv_err rv__rmq_client_create(const struct rv_binder_env *env, const struct rv__rmq_binder_settings *settings,
    struct rv__rmq_client **ret_client, struct rv_error *err);

/** Ends the loop, joins the thread, frees. */
void rv__rmq_client_destroy(struct rv__rmq_client *client);

/* Ends the loop. */
struct rv__rmq_shutdown {
	struct rv__op op;
	struct rv__rmq_client *client;
};

/** Gives an identity its client id: address@pid#random[@unit]. */
void rv__rmq_identity_name(struct rv__rmq_client *client, struct rv__rmq_identity *identity);

/** The tick looks again soon. Loop thread. */
void rv__rmq_client_hurry(struct rv__rmq_client *client);

/** The tick looks again in `ms` at the latest. Loop thread. */
void rv__rmq_client_look_in(struct rv__rmq_client *client, int64_t ms);

/** Moves the timer of deadlines. Loop thread. */
void rv__rmq_client_expire_at(struct rv__rmq_client *client, int64_t at_ms);

/** A heartbeat goes to all brokers at the end of this turn. Loop thread. */
void rv__rmq_client_announce(struct rv__rmq_client *client);

/* heartbeat.c */
/** Tells every connected broker (or just the one of `only`) who is here. */
void rv__rmq_heartbeat(struct rv__rmq_client *client, struct rv__rmq_connection *only);

/** Leaves a group (one of the two is NULL) at every connected broker. */
void rv__rmq_leave(struct rv__rmq_client *client, struct rv__rmq_identity *identity,
    const char *producer_group, const char *consumer_group);

/** The identity under which a consumer joins: the first in which the group does not read that topic yet. */
struct rv__rmq_identity *rv__rmq_identity_for(
    struct rv__rmq_client *client, const char *group, const char *topic);

#endif
