/* SPDX-License-Identifier: Apache-2.0 */
/* Names of topics and groups: what is allowed, and the namespace in front. */
#include "binder/rocketmq/producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "remoting/codes.h"

char *rv__rmq_qualify(const char *space, const char *name)
{
	static const char *const prefixes[] = {RV__TOPIC_RETRY_PREFIX, RV__TOPIC_DLQ_PREFIX};
	const char *prefix = "";
	size_t length = space ? strlen(space) : 0;
	char *qualified;

	if (length == 0)
		return strdup(name);
	for (size_t i = 0; i < 2; i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			prefix = prefixes[i];
	name += strlen(prefix);
	if (strncmp(name, space, length) == 0 && name[length] == '%')
		length = 0; /* it is there already */
	if (asprintf(&qualified, "%s%s%s%s", prefix, length ? space : "", length ? "%" : "", name) < 0)
		return NULL;
	return qualified;
}

rv_err rv__rmq_check_name(const char *what, const char *name, size_t limit, struct rv_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%|_-";
	size_t length = strlen(name), good = strspn(name, allowed);

	if (length == 0)
		return rv_error_set(
		    err, RV_E_CONFIG, RV__N_RMQ_BAD_NAME, RV__RMQ_TOPIC, "a %s without a name; set it", what);
	if (good < length)
		return rv_error_set(err, RV_E_CONFIG, RV__N_RMQ_BAD_NAME, RV__RMQ_TOPIC,
		    "%s '%.150s' has a character that RocketMQ does not allow; use letters, digits, '_', "
		    "'-', '%%' "
		    "and '|'",
		    what, name);
	if (length > limit)
		return rv_error_set(err, RV_E_CONFIG, RV__N_RMQ_BAD_NAME, RV__RMQ_TOPIC,
		    "%s '%.150s' is longer than the %zu bytes that RocketMQ allows", what, name, limit);
	return RV_OK;
}
