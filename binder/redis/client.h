/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One open binder: a thread with an epoll loop that owns nodes, links, producers and consumers. Other threads hand
 * it operations through a lock-free list and one wake-up a burst; what they share beyond that is marked
 * where it stands.
 *
 *     sender --lane.inbox--+                                  +--> link of a node (XADD, XACK, XCLAIM, control)
 *     worker --slot.acks---+--> I/O thread, a turn at a time --+--> links that block in XREADGROUP, one a binding
 *     control --operation--+
 */
#ifndef BINDER_REDIS_CLIENT_H
#define BINDER_REDIS_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/inbox.h"
#include "binder/redis/link.h"
#include "binder/redis/settings.h"
#include "binder/redis/transport.h"

#define RV__REDIS_TOPIC "redis" /* of log lines and errors */

struct rv__redis_producer;
struct rv__redis_consumer;

/* What a server said of itself when its node opened. Strings are cut. */
struct rv__redis_server {
	unsigned version; /* 70015 for 7.0.15; 0: not known */
	bool told_persistence, persists;
	char policy[32]; /* maxmemory-policy; "": not known */
};

/* One server, and the connection for everything that does not block. */
struct rv__redis_node {
	struct rv__redis_node *next;
	struct rv__redis_client *client;
	struct rv__redis_link *link;
	struct rv__redis_server server;
	struct rv__redis_request info, config;
	bool asked_info, asked_config; /* under way */
	bool full;                     /* refused for lack of memory (OOM) … */
	int64_t full_until_ms;         /* … and nothing is sent to it before */
	unsigned users;                /* routes that lead here */
	int64_t unused_ms;             /* since when there are none; 0: there are */
	bool doomed;                   /* freed at the end of the turn */
};

/* The way to one key. Zeroed with key and length set: nothing is known. */
struct rv__redis_route {
	const char *key; /* borrowed from its owner */
	size_t length;
	struct rv__redis_node *node; /* NULL: not known */
	uint64_t generation;         /* of client->generation when it was asked for */
};

enum { RV__REDIS_COMPLETING = 128 };

/* Good completions that are still to be told, all of one producer; see complete.c. */
struct rv__redis_completing {
	struct rv__redis_producer *producer;
	size_t count;
	long bytes;
	struct rv_sent sent[RV__REDIS_COMPLETING];
	rv_message *messages[RV__REDIS_COMPLETING];
};

struct rv__redis_client {
	const struct rv_binder_env *env;
	const struct rv__redis_binder_settings *settings; /* of `merged` */
	struct rv__redis_merged merged;
	const struct rv__redis_transport *transport;
	void *transport_state;
	const struct rv__redis_resolver *resolver;
	void *resolver_state;
	pthread_t thread;
	int epoll_fd, wake_fd;
	struct rv__inbox inbox; /* what other threads want done */
	atomic_bool stopping;   /* stop() was called */
	atomic_bool stop_posted;
	struct rv__op stop_op, end_op;
	bool ending;         /* I/O thread: the loop is over after this turn */
	bool has_doomed;     /* …: links or nodes to be freed */
	int64_t now_ms;      /* of this turn, monotonic */
	int64_t tend_ms;     /* the next look at everything */
	uint64_t generation; /* routes of an earlier one are asked for anew */
	struct rv__redis_node *nodes;
	struct rv__redis_link *links;
	struct rv__redis_link *to_flush;
	size_t resting; /* links that rest; see rest.c */
	struct rv__redis_producer *producers;
	struct rv__redis_consumer *consumers;
	struct rv__redis_completing completing;
	struct rv__redis_lane *left; /* lanes whose inbox is to be looked at once replies are told */

	/* Read by any thread under view_lock: the lists of producers and consumers, `view`, and what a resolver caches. */
	pthread_mutex_t view_lock;
	struct rv__redis_view {
		unsigned nodes, nodes_open, links_open;
		char server[RV__REDIS_HOST_MAX + 8];
		char problem[256];
		char warning[256];
		bool known; /* something was tried */
	} view;
	_Atomic uint64_t reconnects;
};

/** Starts the thread. RV_E_CONFIG for an unreadable address; RV_E_IO, RV_E_NOMEM. */
rv_err rv__redis_client_create(const struct rv_binder_env *env,
    const struct rv__redis_binder_settings *settings, struct rv__redis_client **ret_client,
    struct rv_error *err);
/** Ends the loop, joins the thread, frees. */
void rv__redis_client_destroy(struct rv__redis_client *client);

/* I/O thread from here on. */

/** Everything is tended again at that time, or earlier. */
void rv__redis_client_tend_at(struct rv__redis_client *client, int64_t at_ms);
/** The node of an endpoint, made on first use. NULL: no memory. */
struct rv__redis_node *rv__redis_node_get(
    struct rv__redis_client *client, const struct rv__redis_endpoint *endpoint);
/** The node of a route, whether connected or not; NULL: not known yet. */
struct rv__redis_node *rv__redis_route_node(struct rv__redis_client *client, struct rv__redis_route *route);
/** The open link of a route's node; NULL: none now. */
struct rv__redis_link *rv__redis_route_link(struct rv__redis_client *client, struct rv__redis_route *route);
/** Forgets where the route leads. Also before its owner goes. */
void rv__redis_route_clear(struct rv__redis_route *route);
/** An answer of route->node had trouble ELSEWHERE, ASK or LOST: tells the resolver, and the route is asked for anew. */
void rv__redis_route_refused(
    struct rv__redis_client *client, struct rv__redis_route *route, const struct rv__redis_answer *answer);
/** Called by a resolver: keys may live elsewhere now. Nodes that no route needs any more are closed. */
void rv__redis_client_rerouted(struct rv__redis_client *client);
/** Tells producers and consumers to look at their way to the broker again. */
void rv__redis_client_judge(struct rv__redis_client *client);

/** Why a route leads nowhere yet; whether it is known, or something to say meanwhile. */
bool rv__redis_client_explain(struct rv__redis_client *client, struct rv_error *ret_why);

/* rest.c, for client.c. */
/** How long a turn may wait for events; -1: for ever. */
int rv__redis_client_rest_ms(const struct rv__redis_client *client, int left_ms);
/** Takes what came on links that rest. */
void rv__redis_client_look_at_resting(struct rv__redis_client *client);

/* node.c, for client.c. */
void rv__redis_node_destroy(struct rv__redis_node *node);
/** Closes those that no route needs any more, once they answered everything. */
void rv__redis_nodes_tend(struct rv__redis_client *client);
/** Copies what health() shows. */
void rv__redis_nodes_view(struct rv__redis_client *client);

/** Jittered back-off after so many failures in a row: from 20 ms, at most 1 s. */
int64_t rv__redis_back_off_ms(struct rv__redis_client *client, unsigned failures);

#endif
