/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listen.h"

#include "base/numbers.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 511 };

static rv_err explain(const char *address, int64_t port, const char *key, int why, struct rv_error *err)
{
	if (why == EADDRINUSE)
		rv_error_set(err, RV_E_IO, RV__N_PORT_IN_USE, "http",
		    "port %d on %s is in use by another process; stop it ('ss -ltnp' names it) or choose "
		    "another "
		    "with --%s=…, 0 for any free one",
		    (int)port, address, key);
	else
		rv_error_set(err, RV_E_IO, RV__N_BAD_ADDRESS, "http",
		    "cannot listen on %s port %d: %s; choose an address of this machine (--server.address=…) "
		    "and a "
		    "port from 1024 on (--%s=…)",
		    address, (int)port, strerror(why), key);
	if (err)
		err->native = why;
	return RV_E_IO;
}

static int listen_on(const struct addrinfo *info)
{
	int one = 1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	    bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	one = errno;
	close(fd);
	errno = one;
	return -1;
}

static int port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name = {0};
	socklen_t size = sizeof name;

	if (getsockname(fd, &name.any, &size) != 0)
		return 0;
	return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

rv_err rv__listen(
    const char *address, int64_t port, const char *key, int *ret_fd, int *ret_port, struct rv_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST};
	struct addrinfo *found;
	char service[16];
	int why;
	int fd;

	snprintf(service, sizeof service, "%d", (int)port);
	/* Numbers first: a resolver costs milliseconds that most starts need not pay. */
	why = getaddrinfo(address, service, &hints, &found);
	if (why) {
		hints.ai_flags = AI_PASSIVE;
		why = getaddrinfo(address, service, &hints, &found);
	}
	if (why)
		return rv_error_set(err, RV_E_CONFIG, RV__N_BAD_ADDRESS, "http",
		    "cannot listen on '%s': %s; use 127.0.0.1, 0.0.0.0 or an address of this machine",
		    address, gai_strerror(why));
	fd = listen_on(found);
	why = errno;
	freeaddrinfo(found);
	if (fd < 0)
		return explain(address, port, key, why, err);
	*ret_fd = fd;
	*ret_port = port_of(fd);
	return RV_OK;
}
