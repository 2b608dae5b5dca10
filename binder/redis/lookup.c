/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shared by the I/O thread, which may forget it, and the thread that looks up. */
struct rv__redis_lookup {
	struct rv__op op;
	pthread_mutex_t lock;            /* protects client */
	struct rv__redis_client *client; /* NULL: forgotten */
	struct rv__redis_endpoint endpoint;
	struct rv__redis_addresses addresses;
	char error[128];
	rv__redis_found_fn found; /* I/O thread only */
	void *owner;
};

static void add_address(struct rv__redis_addresses *addresses, const void *address, size_t length)
{
	if (addresses->count == RV__REDIS_ADDRESSES_MAX || length > sizeof addresses->items[0])
		return;
	memcpy(&addresses->items[addresses->count], address, length);
	addresses->lengths[addresses->count++] = (socklen_t)length;
}

bool rv__redis_addresses_of_number(
    const struct rv__redis_endpoint *endpoint, struct rv__redis_addresses *ret_addresses)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};

	memset(ret_addresses, 0, sizeof *ret_addresses);
	if (inet_pton(AF_INET, endpoint->host, &v4.sin_addr) == 1)
		add_address(ret_addresses, &v4, sizeof v4);
	else if (inet_pton(AF_INET6, endpoint->host, &v6.sin6_addr) == 1)
		add_address(ret_addresses, &v6, sizeof v6);
	return ret_addresses->count > 0;
}

static void free_lookup(struct rv__redis_lookup *lookup)
{
	pthread_mutex_destroy(&lookup->lock);
	free(lookup);
}

static void run_found(struct rv__op *op)
{
	struct rv__redis_lookup *lookup = (struct rv__redis_lookup *)op;
	rv__redis_found_fn found;

	/* Forgotten since it was posted: nobody else has it any more. */
	pthread_mutex_lock(&lookup->lock);
	found = lookup->client ? lookup->found : NULL;
	pthread_mutex_unlock(&lookup->lock);
	if (found)
		found(lookup->owner, &lookup->addresses, lookup->error);
	free_lookup(lookup);
}

static void *look_up(void *arg)
{
	struct rv__redis_lookup *lookup = arg;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	char port[8];
	bool forgotten;
	int failed;

	snprintf(port, sizeof port, "%u", (unsigned)lookup->endpoint.port);
	failed = getaddrinfo(lookup->endpoint.host, port, &hints, &list);
	if (failed)
		snprintf(lookup->error, sizeof lookup->error, "%s", gai_strerror(failed));
	for (const struct addrinfo *at = failed ? NULL : list; at; at = at->ai_next)
		add_address(&lookup->addresses, at->ai_addr, at->ai_addrlen);
	if (!failed)
		freeaddrinfo(list);
	pthread_mutex_lock(&lookup->lock);
	forgotten = !lookup->client;
	if (!forgotten) /* under the lock: the client waits for it to forget */
		rv__inbox_post(&lookup->client->inbox, &lookup->op);
	pthread_mutex_unlock(&lookup->lock);
	if (forgotten)
		free_lookup(lookup);
	return NULL;
}

struct rv__redis_lookup *rv__redis_lookup_start(struct rv__redis_client *client,
    const struct rv__redis_endpoint *endpoint, rv__redis_found_fn found, void *owner)
{
	struct rv__redis_lookup *lookup = calloc(1, sizeof *lookup);
	pthread_attr_t detached;
	pthread_t thread;
	int failed;

	if (!lookup)
		return NULL;
	lookup->op.run = run_found;
	lookup->client = client;
	lookup->endpoint = *endpoint;
	lookup->found = found;
	lookup->owner = owner;
	pthread_mutex_init(&lookup->lock, NULL);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	failed = pthread_create(&thread, &detached, look_up, lookup);
	pthread_attr_destroy(&detached);
	if (!failed)
		return lookup;
	free_lookup(lookup);
	return NULL;
}

void rv__redis_lookup_forget(struct rv__redis_lookup *lookup)
{
	/* Posted already: run_found() frees it; else its thread does. */
	pthread_mutex_lock(&lookup->lock);
	lookup->client = NULL;
	pthread_mutex_unlock(&lookup->lock);
}
