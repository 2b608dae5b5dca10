/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics and the queues that serve them, as the name servers tell: looked up when first used, soon again and then every
 * second while unknown, and every poll-name-server-interval when all is quiet. Loop thread only.
 */
#ifndef BINDER_ROCKETMQ_ROUTE_H
#define BINDER_ROCKETMQ_ROUTE_H

#include "binder/rocketmq/connection.h"

/* A broker by name. Lives as long as the client, so that places may point at it. */
struct rv__rmq_broker {
	struct rv__rmq_broker *next;
	char *name;
	char *master; /* "host:port"; NULL: no master at present */
	char *any;    /* some replica's address; reading goes there without a master */
};

/* One queue of a topic. */
struct rv__rmq_place {
	struct rv__rmq_broker *broker;
	int32_t queue;
};

struct rv__rmq_topic {
	struct rv__rmq_topic *next;
	struct rv__rmq_client *client;
	char *name;
	bool is_template; /* TBW102 itself */
	bool known;       /* has a route */
	bool answered;    /* the name server said something, be it that there is none */
	bool wanted;      /* somebody waits for it */
	int64_t pause_ms; /* until the next look while it is missed; grows up to a second */
	struct rv__rmq_place *writes;
	size_t write_count;
	struct rv__rmq_place *reads;
	size_t read_count;
	int64_t next_query_ms;
	int64_t answered_ms; /* when the name server last said whether there is one */
	struct rv__rmq_request request;
	unsigned tries; /* of the current question, one a name server */
	bool asking;
};

/** The topic of that name, made and looked up when new. NULL: no memory. */
struct rv__rmq_topic *rv__rmq_topic_get(struct rv__rmq_client *client, const char *name);

/** Asks the name server now, unless a question is under way. */
void rv__rmq_topic_ask(struct rv__rmq_topic *topic);

/** Forgets what was answered so far, and asks. */
void rv__rmq_topic_ask_anew(struct rv__rmq_topic *topic);

/** Somebody waits for it from now on: while it is unknown, the first looks follow each other soon. */
void rv__rmq_topic_want(struct rv__rmq_topic *topic);

/** Asks for what is due. */
void rv__rmq_routes_tend(struct rv__rmq_client *client, int64_t now_ms);

/** How long the tick may wait for the next topic that is missed; at most `longest_ms`. */
int64_t rv__rmq_routes_wait_ms(const struct rv__rmq_client *client, int64_t now_ms, int64_t longest_ms);

void rv__rmq_topic_destroy(struct rv__rmq_topic *topic);
void rv__rmq_broker_destroy(struct rv__rmq_broker *broker);

/** The connection to a broker; `write`: only its master will do. NULL: it has no address now. */
struct rv__rmq_connection *rv__rmq_broker_connection(struct rv__rmq_client *client,
    struct rv__rmq_identity *identity, struct rv__rmq_broker *broker, bool write);

/** Told when the first answer about a topic, or another one than before, is there. */
void rv__rmq_on_route(struct rv__rmq_topic *topic, bool changed);

/** Told when no name server answered. */
void rv__rmq_on_no_nameserver(struct rv__rmq_client *client, const struct rv_error *why);

/* nameserver.c */

/** Reads the list of the properties, else of NAMESRV_ADDR, else 127.0.0.1:9876. */
rv_err rv__rmq_nameservers_init(
    struct rv__rmq_nameservers *names, const struct rv_strings *list, struct rv_error *err);
void rv__rmq_nameservers_finish(struct rv__rmq_nameservers *names);

/** The connection to the name server in use, or to the next that may be tried; NULL: none can be now. */
struct rv__rmq_connection *rv__rmq_nameserver(struct rv__rmq_client *client);
/** It did not answer: the next one's turn. */
void rv__rmq_nameserver_failed(struct rv__rmq_client *client);
/** Words for a binding whose first question had no answer in time; the next binding need not wait as long. */
void rv__rmq_silence(struct rv__rmq_client *client, const struct rv__rmq_topic *topic, int waited_ms,
    struct rv_error *ret_why);

#endif
