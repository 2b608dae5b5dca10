/* SPDX-License-Identifier: Apache-2.0 */
/* Which resolver and which transport the settings ask for, and addresses in properties. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/client.h"
#include "binder/redis/cluster.h"
#include "binder/redis/sentinel.h"
#include "binder/redis/tls.h"

rv_err rv__redis_transport_choose(const struct rv__redis_binder_settings *settings,
    const struct rv__redis_transport **ret_transport, struct rv_error *err)
{
#if RV_HAVE_OPENSSL
	*ret_transport = settings->tls ? &rv__redis_tls : &rv__redis_plain;
#else
	if (settings->tls)
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_REDIS_NO_TLS, RV__REDIS_TOPIC,
		    "this build of the Redis binder has no TLS; build it with OpenSSL, or switch "
		    "spring.cloud.stream.redis.binder.ssl.enabled off");
	*ret_transport = &rv__redis_plain;
#endif
	return RV_OK;
}

rv_err rv__redis_resolver_choose(
    int64_t mode, const struct rv__redis_resolver **ret_resolver, struct rv_error *err)
{
	static const struct rv__redis_resolver *const resolvers[] = {
	    [RV__REDIS_SINGLE] = &rv__redis_single,
	    [RV__REDIS_SENTINEL] = &rv__redis_sentinel,
	    [RV__REDIS_CLUSTER] = &rv__redis_cluster,
	};

	if (mode < 0 || (size_t)mode >= sizeof resolvers / sizeof *resolvers)
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_REDIS_MODE, RV__REDIS_TOPIC,
		    "spring.cloud.stream.redis.binder.mode is none of single, sentinel and cluster");
	*ret_resolver = resolvers[mode];
	return RV_OK;
}

bool rv__redis_endpoint_equal(const struct rv__redis_endpoint *a, const struct rv__redis_endpoint *b)
{
	return a->port == b->port && a->asks == b->asks && strcmp(a->host, b->host) == 0;
}

static bool parse_port(const char *text, size_t length, uint16_t *ret_port)
{
	unsigned port = 0;

	if (length == 0 || length > 5)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	*ret_port = (uint16_t)port;
	return port > 0 && port <= 65535;
}

bool rv__redis_endpoint_parse(
    const char *text, size_t length, uint16_t default_port, struct rv__redis_endpoint *ret_endpoint)
{
	const char *end = text + length, *host = text, *host_end = NULL, *port = NULL;
	struct rv__redis_endpoint endpoint = {.port = default_port};

	if (length > 0 && *text == '[') {
		host = text + 1;
		host_end = memchr(text, ']', length);
		if (!host_end || (host_end + 1 < end && host_end[1] != ':'))
			return false;
		port = host_end + 1 < end ? host_end + 2 : NULL;
	} else {
		const char *colon = memrchr(text, ':', length);

		/* More than one colon without brackets is an IPv6 address alone. */
		if (colon && memchr(text, ':', (size_t)(colon - text)))
			colon = NULL;
		host_end = colon ? colon : end;
		port = colon ? colon + 1 : NULL;
	}
	if (host_end == host || (size_t)(host_end - host) >= sizeof endpoint.host ||
	    memchr(host, ' ', (size_t)(host_end - host)))
		return false;
	memcpy(endpoint.host, host, (size_t)(host_end - host));
	if (port && !parse_port(port, (size_t)(end - port), &endpoint.port))
		return false;
	*ret_endpoint = endpoint;
	return true;
}
