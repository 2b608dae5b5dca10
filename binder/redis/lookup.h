/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of hosts, looked up on a thread of their own, since the system's resolver blocks. I/O thread, but for that
 * thread. A lookup that nobody waits for any more ends by itself.
 */
#ifndef BINDER_REDIS_LOOKUP_H
#define BINDER_REDIS_LOOKUP_H

#include <sys/socket.h>

#include "binder/redis/client.h"

enum { RV__REDIS_ADDRESSES_MAX = 8 };

struct rv__redis_addresses {
	struct sockaddr_storage items[RV__REDIS_ADDRESSES_MAX];
	socklen_t lengths[RV__REDIS_ADDRESSES_MAX];
	size_t count, current;
};

/** A number ("127.0.0.1", "::1"), without looking up; false when `endpoint` has a name. */
bool rv__redis_addresses_of_number(
    const struct rv__redis_endpoint *endpoint, struct rv__redis_addresses *ret_addresses);

/** `error` "": found. */
typedef void (*rv__redis_found_fn)(
    void *owner, const struct rv__redis_addresses *addresses, const char *error);

/** Begins; NULL: no thread or memory. found() runs once on the I/O thread unless it is forgotten. */
struct rv__redis_lookup *rv__redis_lookup_start(struct rv__redis_client *client,
    const struct rv__redis_endpoint *endpoint, rv__redis_found_fn found, void *owner);
void rv__redis_lookup_forget(struct rv__redis_lookup *lookup);

#endif
