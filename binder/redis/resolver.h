/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a key lives: one server (single.c), the master that Sentinels name (sentinel.c), or the owner of the key's
 * slot in a Cluster (cluster.c). A stream is one key, so it has one node at a time; producers and consumers
 * ask here whenever that node was lost, refused, or pointed elsewhere. I/O thread only, but open and close.
 */
#ifndef BINDER_REDIS_RESOLVER_H
#define BINDER_REDIS_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/binder.h>

enum { RV__REDIS_HOST_MAX = 256 };

struct rv__redis_endpoint {
	char host[RV__REDIS_HOST_MAX];
	uint16_t port;
	bool asks; /* the key's slot is on its way there: every command needs ASKING before it */
};

struct rv__redis_client;
struct rv__redis_node;

struct rv__redis_resolver {
	const char *name; /* "single" */
	/* Checks the settings of the client; connects nowhere. RV_E_CONFIG says what is wrong with them. */
	rv_err (*open)(struct rv__redis_client *client, void **ret_state, struct rv_error *err);
	void (*close)(void *state);
	/* Where the key lives, as far as is known; `key` NULL: any node that answers commands without a key. False: not
	 * known yet, the resolver is finding out and then calls rv__redis_client_rerouted(). */
	bool (*locate)(void *state, const char *key, size_t length, struct rv__redis_endpoint *ret_endpoint);
	/* Optional. Whether one XREADGROUP may name both keys; a Cluster takes one slot a command. NULL: any two. */
	bool (*may_share)(void *state, const char *a, size_t a_length, const char *b, size_t b_length);
	/* Optional. A node answered MOVED: the key lives at `to` from now on. Or ASK, with to->asks. */
	void (*moved)(void *state, const char *key, size_t length, const struct rv__redis_endpoint *to);
	/* Optional. A node was lost, is read-only, or could not be reached: is it still the one? */
	void (*doubt)(void *state, const struct rv__redis_endpoint *endpoint);
	/* Optional. Why locate() answers false, as far as is known; false: nothing was tried yet. */
	bool (*explain)(void *state, struct rv_error *ret_why);
	/* Optional. Time passes; when to call again (monotonic ms), INT64_MAX: never. */
	int64_t (*tend)(void *state, int64_t now_ms);
	/* Optional. Details for health(); any thread, from what was cached under client->view_lock, which it takes. */
	void (*describe)(void *state, rv_detail_fn detail, void *arg);
	/* Whether a node must say by ROLE that it is a master before it counts as open. */
	bool checks_role;
};

extern const struct rv__redis_resolver rv__redis_single;

/** The resolver of settings->mode; RV_E_UNSUPPORTED when this build has none. */
rv_err rv__redis_resolver_choose(
    int64_t mode, const struct rv__redis_resolver **ret_resolver, struct rv_error *err);

/** "host:port", "[v6]:port" or "host" (default_port) into an endpoint; false when it is none. */
bool rv__redis_endpoint_parse(
    const char *text, size_t length, uint16_t default_port, struct rv__redis_endpoint *ret_endpoint);
bool rv__redis_endpoint_equal(const struct rv__redis_endpoint *a, const struct rv__redis_endpoint *b);

#endif
