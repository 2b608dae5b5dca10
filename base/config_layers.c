/* SPDX-License-Identifier: Apache-2.0 */
/* The layers above the files: environment variables, SPRING_APPLICATION_JSON, arguments. */
#include "base/config_store.h"
#include "base/numbers.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

/* NAME of "NAME=value" as a key, lower case with dots; NULL when its first word is none of our roots. */
static const char *key_of_variable(struct rv__arena *arena, const char *variable, size_t length)
{
	static const char *const roots[] = {"spring", "rivulet", "server", "management", "logging"};
	size_t first = 0;
	bool ours = false;
	char *key;

	while (first < length && variable[first] != '_' && variable[first] != '.')
		first++;
	for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
		ours |= first == strlen(roots[i]) && strncasecmp(variable, roots[i], first) == 0;
	if (!ours || first == length || !(key = rv__arena_text_n(arena, variable, length)))
		return NULL;
	for (char *c = key; *c; c++)
		*c = *c == '_' ? '.' : *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
	return key;
}

void rv__config_add_environment(rv_config *config, unsigned source)
{
	struct rv__arena *arena = &config->arena;

	for (char **variable = config->environment; variable && *variable; variable++) {
		size_t length = strcspn(*variable, "=");
		const char *key = key_of_variable(arena, *variable, length);

		if (!key || (*variable)[length] != '=' || strcmp(key, "spring.application.json") == 0)
			continue;
		rv__config_add(config, source, key, rv__arena_text(arena, *variable + length + 1),
		    rv__arena_printf(arena, "environment variable %.*s", (int)length, *variable), true);
	}
}

static const char SPRING_JSON[] = "SPRING_APPLICATION_JSON";

static void add_json(rv_config *config, unsigned source, const char *key, const json_t *value, int depth)
{
	struct rv__arena *arena = &config->arena;
	char number[64];
	const char *text = number;
	const char *name;
	size_t index;
	json_t *child;

	if (depth > 32)
		return;
	if (json_is_object(value)) {
		json_object_foreach((json_t *)value, name, child) add_json(config, source,
		    rv__arena_printf(arena, "%s%s%s", key, *key ? "." : "", name), child, depth + 1);
		return;
	}
	if (json_is_array(value)) {
		json_array_foreach((json_t *)value, index, child) add_json(
		    config, source, rv__arena_printf(arena, "%s[%zu]", key, index), child, depth + 1);
		return;
	}
	if (json_is_string(value))
		text = json_string_value(value);
	else if (json_is_integer(value))
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(number, sizeof number, "%.17g", json_real_value(value));
	else
		text = json_is_true(value) ? "true" : json_is_false(value) ? "false" : "";
	rv__config_add(config, source, key, rv__arena_text(arena, text),
	    "environment variable SPRING_APPLICATION_JSON", false);
}

void rv__config_add_json(rv_config *config, unsigned source, struct rv__problems *problems)
{
	size_t length = sizeof SPRING_JSON - 1;

	for (char **variable = config->environment; variable && *variable; variable++) {
		json_error_t error;
		json_t *object;

		if (strncmp(*variable, SPRING_JSON, length) != 0 || (*variable)[length] != '=')
			continue;
		object = json_loads(*variable + length + 1, JSON_REJECT_DUPLICATES, &error);
		if (json_is_object(object))
			add_json(config, source, "", object, 0);
		else if (problems)
			rv__problems_add(problems, true, RV__N_CONFIG_JSON, "",
			    "environment variable SPRING_APPLICATION_JSON: is no JSON object (line %d, "
			    "column %d); correct or unset it",
			    object ? 1 : error.line, object ? 1 : error.column);
		json_decref(object);
	}
}

/* Complains of an argument that sets nothing; a value may be a secret and is not repeated. */
static void refuse_argument(const char *argument, int position, struct rv__problems *problems)
{
	const char *sign = strchr(argument, '=');

	if (!problems)
		return;
	if (strncmp(argument, "--", 2) == 0 && !sign)
		rv__problems_add(problems, true, RV__N_CONFIG_ARGUMENT, "",
		    "argument '%.80s': has no value; write %.80s=value", argument, argument);
	else if (sign)
		rv__problems_add(problems, true, RV__N_CONFIG_ARGUMENT, "",
		    "argument number %d, '%.*s=…': is not understood; write --key=value", position,
		    (int)(sign - argument), argument);
	else
		rv__problems_add(problems, true, RV__N_CONFIG_ARGUMENT, "",
		    "argument number %d: is not understood; write --key=value", position);
}

static void add_argument(
    rv_config *config, unsigned source, const char *argument, int position, struct rv__problems *problems)
{
	struct rv__arena *arena = &config->arena;
	const char *sign = strchr(argument, '=');
	char uniform[RV__KEY_MAX];
	const char *key;

	if (strncmp(argument, "--", 2) != 0 || !sign || sign == argument + 2) {
		refuse_argument(argument, position, problems);
		return;
	}
	key = rv__arena_text_n(arena, argument + 2, (size_t)(sign - argument - 2));
	if (key && !rv__key_uniform(key, uniform, sizeof uniform) && problems)
		rv__problems_add(problems, true, RV__N_CONFIG_ARGUMENT, key,
		    "argument '--%.80s': the key is malformed; write words with dots between", key);
	else if (key)
		rv__config_add(config, source, key, rv__arena_text(arena, sign + 1),
		    rv__arena_printf(arena, "argument --%s", key), false);
}

void rv__config_add_arguments(
    rv_config *config, unsigned source, int argc, char **argv, struct rv__problems *problems)
{
	for (int i = 1; i < argc; i++) {
		bool bare = strncmp(argv[i], "--", 2) == 0 && !strchr(argv[i], '=');

		add_argument(config, source, argv[i], i, problems);
		/* "--key value" is one mistake. */
		if (bare && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
			i++;
	}
}
