/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the bytes of one connection travel over its socket: as they are (plain.c), or through TLS (tls.c). A link
 * (link.h) connects the socket, then drives one session of a transport. I/O thread only.
 */
#ifndef BINDER_REDIS_TRANSPORT_H
#define BINDER_REDIS_TRANSPORT_H

#include <stddef.h>
#include <sys/types.h>

#include <rivulet/binder.h>

#include "binder/redis/settings.h"

/* What read(), write() and handshake() answer beside a count of bytes. */
enum { RV__TRANSPORT_AGAIN = 0, RV__TRANSPORT_LOST = -1 };

struct rv__redis_transport {
	const char *name; /* "plain", "TLS" */
	/* Once a client: what all its sessions share (certificates). May be NULL. *ret_shared owned, for close. */
	rv_err (*open)(
	    const struct rv__redis_binder_settings *settings, void **ret_shared, struct rv_error *err);
	void (*close)(void *shared);
	/* A session over a connected non-blocking socket, which stays the link's. `host` is the name that was asked
	 * for. NULL with *err on failure. */
	void *(*begin)(void *shared, int fd, const char *host, struct rv_error *err);
	void (*end)(void *session);
	/* 1: done; RV__TRANSPORT_AGAIN; RV__TRANSPORT_LOST with *err. */
	int (*handshake)(void *session, struct rv_error *err);
	/* Bytes, at least 1; RV__TRANSPORT_AGAIN: nothing now; RV__TRANSPORT_LOST with *err, also at the end of the
	 * stream. read() is called until it answers AGAIN. */
	ssize_t (*read)(void *session, void *bytes, size_t room, struct rv_error *err);
	ssize_t (*write)(void *session, const void *bytes, size_t length, struct rv_error *err);
	/* After AGAIN of whatever call: whether it goes on once the socket can be written (EPOLLOUT); it always
	 * goes on when it can be read. */
	bool (*wants_write)(const void *session);
};

extern const struct rv__redis_transport rv__redis_plain;

/** The transport that the settings ask for; RV_E_UNSUPPORTED when this build has none. */
rv_err rv__redis_transport_choose(const struct rv__redis_binder_settings *settings,
    const struct rv__redis_transport **ret_transport, struct rv_error *err);

#endif
