/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a link gets its connection: the name looked up, one address after the other, the transport's handshake, the greeting. Between
 * link.c and connect.c; I/O thread.
 */
#ifndef BINDER_REDIS_CONNECT_H
#define BINDER_REDIS_CONNECT_H

#include "binder/redis/lookup.h"

/* What link.c creates: the link, and what it is connected by. */
struct rv__redis_connecting {
	struct rv__redis_link link;
	struct rv__redis_addresses addresses;
};

/* connect.c */
/** From the name of the endpoint to an open link, or to its loss. */
void rv__redis_link_connect(struct rv__redis_link *link);
/** The socket of a link that is connecting, or shaking hands, has something to say. */
void rv__redis_link_go_on_connecting(struct rv__redis_link *link);
/** The current address led nowhere: the next one, or the link is lost. */
void rv__redis_link_connect_failed(struct rv__redis_link *link, const char *why);
/** Lost, for nobody is there: what to do about it stands beside. */
void rv__redis_link_miss(struct rv__redis_link *link, const char *what, const char *why);

/* link.c */
void rv__redis_link_watch(struct rv__redis_link *link, unsigned events);
void rv__redis_link_enter(struct rv__redis_link *link, enum rv__redis_link_state state);
void rv__redis_link_lose(struct rv__redis_link *link, const char *what, const char *why);
/** Closes the socket alone. */
void rv__redis_link_forget_socket(struct rv__redis_link *link);

#endif
