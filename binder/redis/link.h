/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to one endpoint: looking its name up, connecting, AUTH and SELECT, commands in a row and
 * their replies in the same row, silence, and trying again with jittered back-off. I/O thread only.
 *
 *     down -> looking up -> connecting -> shaking hands -> greeting -> open -> down …
 *
 * Commands are written into rv__redis_link_out() and followed by one rv__redis_link_ask(); they leave at
 * the end of the turn in one write. A lost link answers every request with `why` first, in order.
 */
#ifndef BINDER_REDIS_LINK_H
#define BINDER_REDIS_LINK_H

#include <hiredis/hiredis.h>

#include "base/buffer.h"
#include "base/owner.h"
#include "binder/redis/resolver.h"
#include "binder/redis/resp.h"

struct rv__redis_link;
struct rv__redis_lookup;

/* What an error reply asks for. Reply prefixes: redis 7.0 src/server.c (shared.*err), src/cluster.c. */
enum rv__redis_trouble {
	RV__REDIS_FINE,
	RV__REDIS_LOST, /* no reply: the link is gone; the outcome is unknown */
	RV__REDIS_LATER, /* LOADING, TRYAGAIN, CLUSTERDOWN, MASTERDOWN, BUSY, NOREPLICAS: the same again, later */
	RV__REDIS_ELSEWHERE,  /* MOVED, READONLY, UNBLOCKED: ask the resolver anew */
	RV__REDIS_ASK,        /* ASK: once, at another node */
	RV__REDIS_FULL,       /* OOM */
	RV__REDIS_NO_GROUP,   /* NOGROUP */
	RV__REDIS_BUSY_GROUP, /* BUSYGROUP: it is there already */
	RV__REDIS_DENIED,     /* NOAUTH, WRONGPASS, NOPERM */
	RV__REDIS_WRONG_TYPE, /* WRONGTYPE */
	RV__REDIS_REFUSED     /* any other error */
};

struct rv__redis_answer {
	enum rv__redis_trouble trouble;
	const struct rv_error *why;    /* with any trouble; borrowed until return */
	struct rv__resp_cursor cursor; /* over the reply; empty when LOST */
	redisReply *tree;              /* if the request wants it and it is no error; borrowed until return */
};

/* A question under way, embedded in whoever asks: one command, or `replies` of one kind in a row. */
struct rv__redis_request {
	struct rv__redis_request *next;
	struct rv__redis_link *link; /* NULL: not under way */
	size_t replies;              /* that are still to come */
	bool tree;                   /* wants replies as hiredis' trees */
	/* Runs once a reply, in order; with RV__REDIS_LOST once for all that are left. request->replies is what is
	 * left after this one. It may free the request with its last. */
	void (*done)(struct rv__redis_request *request, const struct rv__redis_answer *answer);
};

enum rv__redis_link_state {
	RV__REDIS_LINK_DOWN,
	RV__REDIS_LINK_LOOKUP,
	RV__REDIS_LINK_CONNECTING,
	RV__REDIS_LINK_HANDSHAKE,
	RV__REDIS_LINK_GREETING,
	RV__REDIS_LINK_OPEN
};

struct rv__redis_link_events {
	void (*opened)(struct rv__redis_link *link);
	/* After the requests were answered. It may be tried again by then: by itself while link->wanted. */
	void (*lost)(struct rv__redis_link *link, const struct rv_error *why);
	/* Optional. A burst of replies was answered; what points into them ends now. Runs before `lost`, too. */
	void (*answered)(struct rv__redis_link *link);
};

struct rv__redis_greeting {
	struct rv__redis_request request;
	struct rv__redis_link *link;
	unsigned step; /* replies so far */
	unsigned kinds[8];
};

struct rv__redis_link {
	struct rv__redis_link *next; /* in the client's list */
	struct rv__redis_client *client;
	const struct rv__redis_link_events *events;
	void *owner;
	struct rv__redis_endpoint endpoint;
	const char *role;   /* "commands", "reads", "sentinel": for logs and CLIENT SETNAME */
	bool wanted;        /* connect, and again when lost */
	bool greets;        /* AUTH, SELECT and the rest; a Sentinel link does its own */
	bool blocks;        /* its commands may take long: silence is judged by silence_ms alone */
	int64_t silence_ms; /* without a byte for so long while a reply is due: lost */
	enum rv__redis_link_state state;
	int fd; /* -1: none */
	void *session;
	unsigned watched; /* epoll events now */
	struct rv__redis_lookup *lookup;
	int64_t since_ms;    /* of `state` */
	int64_t retry_ms;    /* DOWN: not before */
	unsigned failures;   /* in a row */
	bool denied;         /* the last failure was for lack of permission */
	bool seen;           /* was open once */
	int64_t client_id;   /* CLIENT ID, for CLIENT UNBLOCK; 0: not known */
	struct rv_error why; /* of the last loss; RV_OK: none */
	int64_t heard_ms, asked_ms;
	struct rv__buffer out; /* to be written */
	size_t out_at;         /* of it, written */
	size_t asked_at;       /* of it, with ASKING before each command, where endpoint.asks */
	bool answered;         /* anything came since it connected */
	bool asking_answered;  /* there: the next reply is the command's own */
	bool answering;        /* a reply is being looked at: `in` may not go now */
	bool flushing;         /* is in the client's list of this turn */
	struct rv__redis_link *next_flush;
	struct rv__buffer in;
	size_t in_at; /* of it, answered */
	struct rv__resp_framer framer;
	redisReader *reader;
	struct rv__redis_request *first, **last; /* under way, in order */
	size_t due;                              /* replies of all of them */
	bool rests;                              /* looked at each turn, and the socket wakes us … */
	int wakes_at;                            /* … with so many bytes; see rest.c */
	struct rv__redis_greeting greeting;
	bool doomed; /* freed at the end of the turn */
};

/** A link that begins to connect at once. NULL: no memory. */
struct rv__redis_link *rv__redis_link_create(struct rv__redis_client *client,
    const struct rv__redis_endpoint *endpoint, const char *role, const struct rv__redis_link_events *events,
    void *owner);
/** Answers what is under way as lost and closes; `lost` is not called. Also from its own upcalls: the memory stays
 * until the end of the turn. */
void rv__redis_link_destroy(struct rv__redis_link *link);

static inline bool rv__redis_link_is_open(const struct rv__redis_link *link)
{
	return link && link->state == RV__REDIS_LINK_OPEN;
}

/** Where commands are written. The link must be open (or greeting, for whoever greets by himself). */
struct rv__buffer *rv__redis_link_out(struct rv__redis_link *link);
/** Expects request->replies answers (0 counts as 1) to what was written. */
void rv__redis_link_ask(struct rv__redis_link *link, struct rv__redis_request *request);
/** Expects so many more replies to the last request under way. */
void rv__redis_link_ask_more(struct rv__redis_link *link, struct rv__redis_request *request, size_t replies);
/** Forgets a request without calling it: its replies are thrown away when they come. */
void rv__redis_request_cancel(struct rv__redis_request *request);
/** Closes it and tries again by itself. */
void rv__redis_link_drop(struct rv__redis_link *link, const struct rv_error *why);
/** Goes to another endpoint: drops the connection when it is another one. */
void rv__redis_link_redirect(struct rv__redis_link *link, const struct rv__redis_endpoint *endpoint);

/* For client.c. */
void rv__redis_link_free(struct rv__redis_link *link);
void rv__redis_link_handle(struct rv__redis_link *link, unsigned events);
void rv__redis_link_flush(struct rv__redis_link *link);
/** Rests, or ends that, by what is due now; see rest.c. */
void rv__redis_link_rest(struct rv__redis_link *link);
/** Deadlines, back-off; when to call again. */
int64_t rv__redis_link_tend(struct rv__redis_link *link, int64_t now_ms);

/** What an error reply ("-MOVED …" without its dash) asks for; fills *err with a sentence for people. */
enum rv__redis_trouble rv__redis_trouble_of(struct rv_span text, const char *endpoint, struct rv_error *err);
/** The endpoint that a MOVED or ASK reply names; false: it names none. `from` fills in an empty host. */
bool rv__redis_redirection(
    struct rv_span text, const struct rv__redis_endpoint *from, struct rv__redis_endpoint *ret_to);

#endif
