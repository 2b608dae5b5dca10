/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver of one server: `host` and `port`, or the first of `nodes`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/client.h"

enum { DEFAULT_PORT = 6379 };

static rv_err open_single(struct rv__redis_client *client, void **ret_state, struct rv_error *err)
{
	const struct rv__redis_binder_settings *settings = client->settings;
	struct rv__redis_endpoint *endpoint = calloc(1, sizeof *endpoint);
	bool own_host = settings->host && *settings->host;
	const char *text = own_host ? settings->host
	    : settings->nodes.count ? settings->nodes.items[0]
	                            : "127.0.0.1";
	uint16_t port = settings->port ? (uint16_t)settings->port : DEFAULT_PORT;

	if (!endpoint)
		return rv_error_set(
		    err, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC, "no memory for the Redis binder");
	if (!rv__redis_endpoint_parse(text, strlen(text), port, endpoint)) {
		free(endpoint);
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_ADDRESS, RV__REDIS_TOPIC,
		    "'%s' is no address of a Redis server; write host:port in "
		    "spring.cloud.stream.redis.binder.%s",
		    text, own_host ? "host" : "nodes");
	}
	*ret_state = endpoint;
	return RV_OK;
}

static bool locate(void *state, const char *key, size_t length, struct rv__redis_endpoint *ret_endpoint)
{
	(void)key;
	(void)length;
	*ret_endpoint = *(const struct rv__redis_endpoint *)state;
	return true;
}

const struct rv__redis_resolver rv__redis_single = {
    .name = "single",
    .open = open_single,
    .close = free,
    .locate = locate,
};
