/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "binder/redis/greet.h"

static struct rv__redis_connecting *own(struct rv__redis_link *link)
{
	return (struct rv__redis_connecting *)link;
}

void rv__redis_link_miss(struct rv__redis_link *link, const char *what, const char *why)
{
	char text[320];

	snprintf(
	    text, sizeof text, "%.200s; start it, or correct spring.cloud.stream.redis.binder.nodes", why);
	rv__redis_link_lose(link, what, text);
}

static void shake(struct rv__redis_link *link)
{
	struct rv_error why = {0};
	int done = link->client->transport->handshake(link->session, &why);

	if (done == RV__TRANSPORT_LOST) {
		rv__redis_link_lose(link, "did not begin a connection", why.text);
	} else if (done == RV__TRANSPORT_AGAIN) {
		rv__redis_link_watch(
		    link, EPOLLIN | (link->client->transport->wants_write(link->session) ? EPOLLOUT : 0));
	} else {
		rv__redis_link_watch(link, EPOLLIN);
		link->heard_ms = link->client->now_ms;
		rv__redis_link_enter(link, RV__REDIS_LINK_GREETING);
		if (link->greets)
			rv__redis_greet(link);
		else
			rv__redis_link_greeted(link);
	}
}

/* 0, or why this address cannot even be tried: no such family here, no route, … */
static int start_connecting(struct rv__redis_link *link, const struct sockaddr *address, socklen_t length)
{
	int failed;

	link->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		return errno;
	if (connect(link->fd, address, length) == 0 || errno == EINPROGRESS)
		return 0;
	failed = errno;
	rv__redis_link_forget_socket(link);
	return failed;
}

/* Tries the current address, and those behind it while they fail at once. */
static void connect_next(struct rv__redis_link *link)
{
	struct rv__redis_addresses *all = &own(link)->addresses;
	int failed = 0;

	rv__redis_link_enter(link, RV__REDIS_LINK_CONNECTING);
	for (; all->current < all->count; all->current++) {
		failed = start_connecting(
		    link, (const struct sockaddr *)&all->items[all->current], all->lengths[all->current]);
		if (!failed) {
			rv__redis_link_watch(link, EPOLLOUT);
			return;
		}
	}
	rv__redis_link_miss(link, "cannot be reached", strerror(failed));
}

/* The current address led nowhere. */
void rv__redis_link_connect_failed(struct rv__redis_link *link, const char *why)
{
	if (++own(link)->addresses.current >= own(link)->addresses.count) {
		rv__redis_link_miss(link, "cannot be reached", why);
		return;
	}
	rv__redis_link_forget_socket(link);
	connect_next(link);
}

static void on_connected(struct rv__redis_link *link)
{
	int failed = 0, on = 1;
	socklen_t length = sizeof failed;
	struct rv_error why = {0};

	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &failed, &length) != 0)
		failed = errno;
	if (failed) {
		rv__redis_link_connect_failed(link, strerror(failed));
		return;
	}
	(void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	link->session = link->client->transport->begin(
	    link->client->transport_state, link->fd, link->endpoint.host, &why);
	if (!link->session) {
		rv__redis_link_lose(link, "did not begin a connection", why.text);
		return;
	}
	rv__redis_link_enter(link, RV__REDIS_LINK_HANDSHAKE);
	shake(link);
}

static void on_found(void *owner, const struct rv__redis_addresses *addresses, const char *error)
{
	struct rv__redis_link *link = owner;

	link->lookup = NULL;
	if (addresses->count == 0) {
		rv__redis_link_miss(link, "has no address", *error ? error : "the name is not known");
		return;
	}
	own(link)->addresses = *addresses;
	connect_next(link);
}

void rv__redis_link_connect(struct rv__redis_link *link)
{
	if (rv__redis_addresses_of_number(&link->endpoint, &own(link)->addresses)) {
		connect_next(link);
		return;
	}
	rv__redis_link_enter(link, RV__REDIS_LINK_LOOKUP);
	link->lookup = rv__redis_lookup_start(link->client, &link->endpoint, on_found, link);
	if (!link->lookup)
		rv__redis_link_lose(link, "cannot be looked up", "no thread or memory");
}

void rv__redis_link_go_on_connecting(struct rv__redis_link *link)
{
	if (link->state == RV__REDIS_LINK_CONNECTING)
		on_connected(link);
	else
		shake(link);
}
