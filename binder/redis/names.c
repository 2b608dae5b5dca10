/* SPDX-License-Identifier: Apache-2.0 */
/* Names of destinations as keys of Redis. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/producer.h"

enum { NAME_MAX_LENGTH = 512 };

char *rv__redis_key(const struct rv__redis_binder_settings *settings, const char *destination,
    int32_t partition, int32_t count)
{
	const char *prefix = settings->key_prefix ? settings->key_prefix : "";
	char *key = NULL;
	int length = count > 1 ? asprintf(&key, "%s%s-%d", prefix, destination, (int)partition)
	                       : asprintf(&key, "%s%s", prefix, destination);

	return length < 0 ? NULL : key;
}

char *rv__redis_helper_key(const char *key, const char *suffix)
{
	const char *open = strchr(key, '{'), *close = open ? strchr(open + 1, '}') : NULL;
	/* A key with a tag of its own keeps it: src/cluster.c keyHashSlot(). */
	bool tagged = close && close > open + 1;
	char *helper = NULL;

	return asprintf(&helper, tagged ? "%s:%s" : "{%s}:%s", key, suffix) < 0 ? NULL : helper;
}

char *rv__redis_suffix(const char *what, const char *group)
{
	char *suffix = NULL;

	return asprintf(&suffix, "%s:%s", what, group) < 0 ? NULL : suffix;
}

rv_err rv__redis_check_name(const char *what, const char *name, struct rv_error *err)
{
	if (name && *name && strlen(name) <= NAME_MAX_LENGTH)
		return RV_OK;
	return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_NAME, RV__REDIS_TOPIC,
	    "the name of a %s has 1 to %d bytes; shorten '%.60s'", what, NAME_MAX_LENGTH, name ? name : "");
}
