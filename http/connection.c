/* SPDX-License-Identifier: Apache-2.0 */
#include "http/connection.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"

#include <rivulet/log.h>

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void rv__http_peer(int fd, char *text, size_t size)
{
	struct sockaddr_storage name;
	socklen_t name_size = sizeof name;
	char host[64];
	char port[16];

	snprintf(text, size, "an unknown client");
	if (getpeername(fd, (struct sockaddr *)&name, &name_size) == 0 &&
	    getnameinfo((struct sockaddr *)&name, name_size, host, sizeof host, port, sizeof port,
	        NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(text, size, "%s:%s", host, port);
}

static void log_slow(
    const struct rv__http_connection *connection, int phase, const struct rv__http_limits *limits)
{
	bool writing = phase == RV__HTTP_WRITING;
	char peer[96];

	rv__http_peer(connection->fd, peer, sizeof peer);
	rv_log(RV_LOG_WARN, "http", "RV%04d closed the connection of %s: %s within %lld ms (rivulet.http.%s)",
	    RV__N_SLOW_CLIENT, peer, writing ? "it did not take its answer" : "its request was not complete",
	    (long long)(writing ? limits->write_timeout_ms : limits->request_timeout_ms),
	    writing ? "write-timeout" : "request-timeout");
}

/* Locks: held. The descriptor is open, since close takes the connection out of the list first. */
static void cut_if_late(struct rv__http_connections *all, struct rv__http_connection *connection, int64_t now)
{
	int phase = atomic_load(&connection->phase);

	if (now < atomic_load(&connection->until))
		return;
	/* The connection's thread may have moved on just now; then it is in time. */
	if (!atomic_compare_exchange_strong(&connection->phase, &phase, RV__HTTP_CUT))
		return;
	atomic_store(&connection->until, INT64_MAX);
	/* A connection that rests too long is nobody's fault, unless it never said a word. */
	if (phase != RV__HTTP_IDLE)
		log_slow(connection, phase, &all->limits);
	shutdown(connection->fd, SHUT_RDWR);
}

static int64_t smallest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Often enough that a time-out is kept within a quarter, seldom enough to cost nothing. */
static int64_t watch_pause_ms(const struct rv__http_limits *limits)
{
	int64_t timeout = smallest(smallest(limits->request_timeout_ms, limits->write_timeout_ms),
	    smallest(limits->idle_timeout_ms, 4000));

	return timeout / 4 < 5 ? 5 : timeout / 4;
}

static void wait_ms(struct rv__http_connections *all, int64_t pause_ms)
{
	(void)rv__wait_until(&all->changed, &all->lock, rv__monotonic_ns() + pause_ms * 1000000);
}

static void *watch(void *arg)
{
	struct rv__http_connections *all = arg;
	int64_t pause_ms = watch_pause_ms(&all->limits);

	pthread_mutex_lock(&all->lock);
	while (!all->closing) {
		int64_t now = rv__monotonic_ms();

		for (struct rv__http_connection *it = all->first; it; it = it->next)
			cut_if_late(all, it, now);
		if (all->first)
			wait_ms(all, pause_ms);
		else
			pthread_cond_wait(&all->changed, &all->lock);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

rv_err rv__http_connections_init(
    struct rv__http_connections *all, const struct rv__http_limits *limits, struct rv_error *err)
{
	pthread_attr_t small;
	int why;

	all->limits = *limits;
	if (!rv__wait_init(&all->lock, &all->changed))
		return rv_error_set(err, RV_E_NOMEM, 0, "http", "no memory for the connections");
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 * 1024);
	why = pthread_create(&all->watch, &small, watch, all);
	pthread_attr_destroy(&small);
	if (why == 0)
		return RV_OK;
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	return rv_error_set(err, RV_E_IO, RV__N_HTTP_START, "http",
	    "cannot start a thread: %s; look at 'ulimit -u'", strerror(why));
}

void rv__http_connections_finish(struct rv__http_connections *all)
{
	pthread_mutex_lock(&all->lock);
	all->closing = true;
	pthread_cond_signal(&all->changed);
	pthread_mutex_unlock(&all->lock);
	pthread_join(all->watch, NULL);
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
}

struct rv__http_connection *rv__http_connection_open(struct rv__http_connections *all, int fd)
{
	struct rv__http_connection *connection = calloc(1, sizeof *connection);

	if (!connection)
		return NULL;
	connection->fd = fd;
	rv__request_init(&connection->request, (size_t)all->limits.max_body_size);
	/* A connection exists to bring a request; its first one is due now. */
	rv__http_connection_enter(connection, RV__HTTP_READING, all->limits.request_timeout_ms);
	pthread_mutex_lock(&all->lock);
	connection->extra = all->count >= (size_t)all->limits.max_connections;
	connection->next = all->first;
	if (all->first)
		all->first->previous = connection;
	else
		pthread_cond_signal(&all->changed);
	all->first = connection;
	all->count++;
	pthread_mutex_unlock(&all->lock);
	return connection;
}

void rv__http_connection_close(struct rv__http_connections *all, struct rv__http_connection *connection)
{
	pthread_mutex_lock(&all->lock);
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		all->first = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	all->count--;
	pthread_mutex_unlock(&all->lock);
	rv__request_finish(&connection->request);
	free(connection);
}

void rv__http_connection_enter(
    struct rv__http_connection *connection, enum rv__http_phase phase, int64_t timeout_ms)
{
	int before = atomic_load(&connection->phase);

	/* The deadline goes out of the way first, so that the watch never judges a phase by another's. */
	atomic_store(&connection->until, INT64_MAX);
	do {
		if (before == RV__HTTP_CUT)
			return;
	} while (!atomic_compare_exchange_weak(&connection->phase, &before, phase));
	if (timeout_ms >= 0)
		atomic_store(&connection->until, rv__monotonic_ms() + timeout_ms);
}
