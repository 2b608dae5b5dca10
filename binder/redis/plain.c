/* SPDX-License-Identifier: Apache-2.0 */
/* The transport that adds nothing: the bytes of the socket as they are. */
#include "binder/redis/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/numbers.h"

#define TOPIC "redis"

struct plain {
	int fd;
	bool drained; /* the last read was short: there is nothing more until the socket says so */
	bool blocked; /* the last write was */
};

static rv_err open_plain(
    const struct rv__redis_binder_settings *settings, void **ret_shared, struct rv_error *err)
{
	(void)settings;
	(void)err;
	*ret_shared = NULL;
	return RV_OK;
}

static void close_plain(void *shared)
{
	(void)shared;
}

static void *begin(void *shared, int fd, const char *host, struct rv_error *err)
{
	struct plain *session = calloc(1, sizeof *session);

	(void)shared;
	(void)host;
	if (session)
		session->fd = fd;
	else
		rv_error_set(err, RV_E_NOMEM, RV__N_REDIS_NOMEM, TOPIC, "no memory for a connection");
	return session;
}

static int handshake(void *session, struct rv_error *err)
{
	(void)session;
	(void)err;
	return 1;
}

static ssize_t lost(struct rv_error *err)
{
	rv_error_set(err, RV_E_UNAVAILABLE, RV__N_REDIS_LOST, TOPIC, "%s", strerror(errno));
	if (err)
		err->native = errno;
	return RV__TRANSPORT_LOST;
}

static ssize_t read_plain(void *arg, void *bytes, size_t room, struct rv_error *err)
{
	struct plain *session = arg;
	ssize_t n;

	if (session->drained) {
		session->drained = false;
		return RV__TRANSPORT_AGAIN;
	}
	do
		n = recv(session->fd, bytes, room, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return RV__TRANSPORT_AGAIN;
	if (n < 0)
		return lost(err);
	if (n == 0) {
		rv_error_set(
		    err, RV_E_UNAVAILABLE, RV__N_REDIS_LOST, TOPIC, "the server closed the connection");
		return RV__TRANSPORT_LOST;
	}
	session->drained = (size_t)n < room;
	return n;
}

static ssize_t write_plain(void *arg, const void *bytes, size_t length, struct rv_error *err)
{
	struct plain *session = arg;
	ssize_t n;

	do
		n = send(session->fd, bytes, length, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	session->blocked = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
	if (session->blocked)
		return RV__TRANSPORT_AGAIN;
	return n < 0 ? lost(err) : n;
}

static bool wants_write(const void *session)
{
	return ((const struct plain *)session)->blocked;
}

const struct rv__redis_transport rv__redis_plain = {
    .name = "plain",
    .open = open_plain,
    .close = close_plain,
    .begin = begin,
    .end = free,
    .handshake = handshake,
    .read = read_plain,
    .write = write_plain,
    .wants_write = wants_write,
};
