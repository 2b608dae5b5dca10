/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/app_args.h"

#include "base/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take(struct rv__app_args *args, char *argument)
{
	if (!argument || args->argc == RV__APP_ARGS_MAX) {
		free(argument);
		args->failed = true;
		return;
	}
	args->argv[args->argc++] = argument;
}

void rv__app_args_add(struct rv__app_args *args, const char *argument)
{
	take(args, strdup(argument));
}

void rv__app_args_set(struct rv__app_args *args, const char *key, const char *value)
{
	char *argument = NULL;

	if (asprintf(&argument, "--%s=%s", key, value) < 0)
		argument = NULL;
	take(args, argument);
}

void rv__app_args_init(struct rv__app_args *args)
{
	*args = (struct rv__app_args){0};
	rv__app_args_add(args, "rivulet");
	/* Files of this name are nobody's: a service's properties must not steer a command run beside them. */
	rv__app_args_set(args, "spring.config.name", "rivulet-command");
	rv__app_args_set(args, "server.port", "-1");
	rv__app_args_set(args, "logging.level.root", "warn");
	rv__app_args_set(args, "spring.cloud.stream.default-binder", "rocketmq");
}

void rv__app_args_bind(struct rv__app_args *args, const char *channel, const char *topic)
{
	char key[128];

	snprintf(key, sizeof key, "spring.cloud.stream.bindings.%s.destination", channel);
	rv__app_args_set(args, key, topic);
}

void rv__app_args_finish(struct rv__app_args *args)
{
	for (int i = 0; i < args->argc; i++)
		free(args->argv[i]);
	*args = (struct rv__app_args){0};
}

bool rv__is_property(const char *word)
{
	const char *equals = strchr(word, '=');
	const char *dot = strchr(word, '.');

	return strncmp(word, "--", 2) == 0 && equals && dot && dot < equals;
}

const char *rv__option_value(char **argv, const char *brief, const char *full, int *ret_used)
{
	size_t length = strlen(full);

	*ret_used = 0;
	if (strncmp(argv[0], full, length) == 0 && argv[0][length] == '=') {
		*ret_used = 1;
		return argv[0] + length + 1;
	}
	if (strcmp(argv[0], full) != 0 && (!brief || strcmp(argv[0], brief) != 0))
		return NULL;
	*ret_used = argv[1] ? 2 : 1;
	return argv[1];
}

long rv__positive_number(const char *text, long max)
{
	int64_t value;

	return rv__decimal_within(text, strlen(text), 1, max, &value) ? (long)value : 0;
}
