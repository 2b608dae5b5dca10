/* SPDX-License-Identifier: Apache-2.0 */
/* Error replies of Redis: what each asks for, and a sentence that says how to cure it. */
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/client.h"

#define BINDER "spring.cloud.stream.redis.binder."

/* Prefixes: redis 7.0 src/server.c createSharedObjects(), src/cluster.c clusterRedirectClient(). */
static const struct word {
	const char *prefix;
	enum rv__redis_trouble trouble;
	rv_err code;
	uint16_t number;
	const char *cure;
} words[] = {
    {"LOADING", RV__REDIS_LATER, RV_E_UNAVAILABLE, RV__N_REDIS_LATER, "it is tried again by itself"},
    {"TRYAGAIN", RV__REDIS_LATER, RV_E_UNAVAILABLE, RV__N_REDIS_LATER, "it is tried again by itself"},
    {"CLUSTERDOWN", RV__REDIS_LATER, RV_E_UNAVAILABLE, RV__N_REDIS_LATER, "it is tried again by itself"},
    {"MASTERDOWN", RV__REDIS_LATER, RV_E_UNAVAILABLE, RV__N_REDIS_LATER, "it is tried again by itself"},
    {"BUSY", RV__REDIS_LATER, RV_E_UNAVAILABLE, RV__N_REDIS_LATER, "it is tried again by itself"},
    {"NOREPLICAS", RV__REDIS_LATER, RV_E_UNAVAILABLE, RV__N_REDIS_LATER,
        "bring a replica back, or lower min-replicas-to-write"},
    {"EXECABORT", RV__REDIS_LATER, RV_E_UNAVAILABLE, RV__N_REDIS_LATER, "it is tried again by itself"},
    {"MISCONF", RV__REDIS_LATER, RV_E_UNAVAILABLE, RV__N_REDIS_LATER,
        "the server cannot write its snapshots; see its log"},
    {"READONLY", RV__REDIS_ELSEWHERE, RV_E_UNAVAILABLE, RV__N_REDIS_READONLY,
        "name the master in " BINDER "nodes, or use mode=sentinel"},
    {"UNBLOCKED", RV__REDIS_ELSEWHERE, RV_E_UNAVAILABLE, RV__N_REDIS_READONLY,
        "the stream was deleted, or the server changed its role; it is asked again by itself"},
    {"MOVED", RV__REDIS_ELSEWHERE, RV_E_UNAVAILABLE, RV__N_REDIS_READONLY,
        "the server is part of a Cluster; set " BINDER "mode=cluster"},
    {"ASK", RV__REDIS_ASK, RV_E_UNAVAILABLE, RV__N_REDIS_READONLY,
        "the server is part of a Cluster; set " BINDER "mode=cluster"},
    {"OOM", RV__REDIS_FULL, RV_E_FULL, RV__N_REDIS_OOM,
        "raise the server's maxmemory, or trim streams (producer max-length, retention)"},
    {"NOGROUP", RV__REDIS_NO_GROUP, RV_E_NOTFOUND, RV__N_REDIS_NO_GROUP, "it is created again"},
    {"BUSYGROUP", RV__REDIS_BUSY_GROUP, RV_E_INVALID, 0, "it exists"},
    {"NOAUTH", RV__REDIS_DENIED, RV_E_DENIED, RV__N_REDIS_DENIED,
        "set " BINDER "password, and " BINDER "username for an ACL user"},
    {"WRONGPASS", RV__REDIS_DENIED, RV_E_DENIED, RV__N_REDIS_DENIED,
        "correct " BINDER "username and " BINDER "password"},
    {"NOPERM", RV__REDIS_DENIED, RV_E_DENIED, RV__N_REDIS_DENIED,
        "allow the ACL user what binder/redis/README.md lists"},
    {"ERR The user executing", RV__REDIS_DENIED, RV_E_DENIED, RV__N_REDIS_DENIED, /* a script */
        "allow the ACL user what binder/redis/README.md lists"},
    {"ERR DB index", RV__REDIS_REFUSED, RV_E_PROTOCOL, RV__N_REDIS_REFUSED,
        "correct " BINDER "database, or raise 'databases' of the server"},
    {"WRONGTYPE", RV__REDIS_WRONG_TYPE, RV_E_CONFIG, RV__N_REDIS_WRONG_TYPE,
        "the key holds something else than a stream; choose another destination or a key-prefix"},
};

static bool has_prefix(struct rv_span text, const char *prefix)
{
	size_t length = strlen(prefix);

	return text.length >= length && memcmp(text.bytes, prefix, length) == 0 &&
	    (text.length == length || text.bytes[length] == ' ');
}

/* "ERR AUTH <password> called without any password configured …", "ERR invalid password": also about letting in. */
static bool is_about_auth(struct rv_span text)
{
	return has_prefix(text, "ERR AUTH") || has_prefix(text, "ERR invalid password") ||
	    has_prefix(text, "ERR Client sent AUTH");
}

enum rv__redis_trouble rv__redis_trouble_of(struct rv_span text, const char *endpoint, struct rv_error *err)
{
	int shown = text.length < 200 ? (int)text.length : 200;
	const struct word *found = NULL;

	for (size_t i = 0; i < sizeof words / sizeof *words && !found; i++)
		if (has_prefix(text, words[i].prefix))
			found = &words[i];
	if (!found && is_about_auth(text)) {
		rv_error_set(err, RV_E_DENIED, RV__N_REDIS_DENIED, RV__REDIS_TOPIC,
		    "redis %s answers '%.*s'; the server knows no such account: correct " BINDER
		    "username and " BINDER "password",
		    endpoint, shown, text.bytes);
		return RV__REDIS_DENIED;
	}
	if (!found) {
		rv_error_set(err, RV_E_PROTOCOL, RV__N_REDIS_REFUSED, RV__REDIS_TOPIC,
		    "redis %s answers '%.*s'", endpoint, shown, text.bytes);
		return RV__REDIS_REFUSED;
	}
	rv_error_set(err, found->code, found->number, RV__REDIS_TOPIC, "redis %s answers '%.*s'; %s",
	    endpoint, shown, text.bytes, found->cure);
	return found->trouble;
}

/* "MOVED 3999 127.0.0.1:6381", "ASK 3999 :6381" (the host of the node that answers). */
bool rv__redis_redirection(
    struct rv_span text, const struct rv__redis_endpoint *from, struct rv__redis_endpoint *ret_to)
{
	const char *end = text.bytes + text.length;
	const char *at = text.bytes ? memchr(text.bytes, ' ', text.length) : NULL;
	const char *address = at ? memchr(at + 1, ' ', (size_t)(end - at - 1)) : NULL;
	struct rv__redis_endpoint to;
	char whole[RV__REDIS_HOST_MAX + 8];
	int length;

	if (!address || (!has_prefix(text, "MOVED") && !has_prefix(text, "ASK")))
		return false;
	address++;
	if (address < end && *address != ':')
		return rv__redis_endpoint_parse(address, (size_t)(end - address), 0, ret_to) &&
		    ret_to->port != 0;
	length = snprintf(whole, sizeof whole, "h%.*s", (int)(end - address), address);
	if (length < 0 || !rv__redis_endpoint_parse(whole, strlen(whole), 0, &to) || to.port == 0)
		return false;
	*ret_to = *from;
	ret_to->port = to.port;
	return true;
}
