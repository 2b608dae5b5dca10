/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link that many replies are due on is not listened to reply by reply. Its socket wakes us when a good part of them is there
 * (SO_RCVLOWAT), and else each turn looks, at the latest after REST_MS. So the server does not pay for waking us whenever it has
 * answered a few, and we are not put on its processor just then. A completion may be told as much later, where it has waited
 * for hundreds of others before.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "binder/redis/client.h"

enum {
	RESTS_FROM = 512,   /* replies due: with fewer the server might run dry before we look */
	BYTES_A_REPLY = 8,  /* of some 24 that an id has: two thirds are still due when we wake */
	WAITS_MOST = 32768, /* bytes */
	REST_MS = 1
};

static void wake_at(struct rv__redis_link *link, int bytes)
{
	if (link->wakes_at != bytes &&
	    setsockopt(link->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0)
		link->wakes_at = bytes;
}

void rv__redis_link_rest(struct rv__redis_link *link)
{
	bool rests = link->due >= RESTS_FROM && link->fd >= 0;
	size_t bytes = RESTS_FROM * BYTES_A_REPLY;

	/* Powers of two, so that it is not told the socket again and again. */
	while (rests && bytes < WAITS_MOST && bytes * 2 <= link->due * BYTES_A_REPLY)
		bytes *= 2;
	if (link->fd >= 0 && (rests || link->rests))
		wake_at(link, rests ? (int)bytes : 1);
	link->client->resting += (size_t)rests - (size_t)link->rests;
	link->rests = rests;
}

int rv__redis_client_rest_ms(const struct rv__redis_client *client, int left_ms)
{
	return client->resting > 0 && (left_ms < 0 || left_ms > REST_MS) ? REST_MS : left_ms;
}

void rv__redis_client_look_at_resting(struct rv__redis_client *client)
{
	for (struct rv__redis_link *link = client->links; link && client->resting > 0; link = link->next)
		if (link->rests)
			rv__redis_link_handle(link, EPOLLIN);
}
