/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binder configuration in use: the operations of its type, its settings, and the opened instance.
 *
 * Lifecycle: resolve (properties only) -> open, by the first binding that needs it, again while it
 * fails -> stop -> close. Threads: that of rv_app_run(); the rest is constant.
 */
#ifndef BINDINGS_BINDER_H
#define BINDINGS_BINDER_H

#include <rivulet/binder.h>

#include "base/config.h"

struct rv_app;

struct rv__binder {
	struct rv__binder *next;
	char *name;
	const struct rv_binder_ops *ops;
	rv_config *config; /* what its settings are read from; a reference */
	void *settings;    /* of ops->binder_props; owned */
	struct rv_binder_env env;
	void *instance; /* NULL: not open */
};

/**
 * The binder configuration of a name or type; made on first use. NULL when there is none: the
 * mistake, which names `key`, goes to *problems.
 */
struct rv__binder *rv__binder_resolve(
    struct rv_app *app, const char *name, const char *key, struct rv__problems *problems);

/** What a binding that names no binder gets; NULL when the properties leave it open. */
struct rv__binder *rv__binder_default(struct rv_app *app, const char *channel, struct rv__problems *problems);

/** Opens it unless it is open. */
rv_err rv__binder_open(struct rv__binder *binder, struct rv_error *err);

void rv__binder_close(struct rv__binder *binder);
void rv__binder_free(struct rv__binder *binder);

#endif
