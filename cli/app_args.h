/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of the small applications that `rivulet send` and `rivulet tail` are: properties that the command
 * sets, then those that the user gave, which win. No application.properties of the working directory is read,
 * and no port is opened.
 */
#ifndef CLI_APP_ARGS_H
#define CLI_APP_ARGS_H

#include <stdbool.h>

#include "cli/command.h"

enum { RV__APP_ARGS_MAX = 96 };

struct rv__app_args {
	int argc;
	char *argv[RV__APP_ARGS_MAX + 1]; /* owned */
	bool failed;                      /* no memory, or too many */
};

/** Adds what every command sets; the binder is `rocketmq`. */
void rv__app_args_init(struct rv__app_args *args);

/** Ties `channel` to `topic`. */
void rv__app_args_bind(struct rv__app_args *args, const char *channel, const char *topic);

/** Adds "--key=value". */
void rv__app_args_set(struct rv__app_args *args, const char *key, const char *value);

/** Adds an argument of the user's as it is. */
void rv__app_args_add(struct rv__app_args *args, const char *argument);

void rv__app_args_finish(struct rv__app_args *args);

/** Whether a word is a property, "--key.with.dots=value". */
bool rv__is_property(const char *word);

/**
 * Tries an option that takes a value, "-n VALUE", "--name-server VALUE" or "--name-server=VALUE".
 *
 * @param argv     words not yet read; argv[0] is the one to judge
 * @param ret_used 1 or 2 words, when it is that option
 * @return the value; NULL when it is another word, or the value is missing (then *ret_used is 1)
 */
const char *rv__option_value(char **argv, const char *brief, const char *full, int *ret_used);

/** A whole number from 1 to `max`; 0 when `text` is none. */
long rv__positive_number(const char *text, long max);

#endif
