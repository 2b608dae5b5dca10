/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's loop: turns, timers, the store's news, and how it ends. */
#ifndef BROKER_LOOP_H
#define BROKER_LOOP_H

#include "broker/server.h"

/** Sets up the loop with its handles; rv__loop_finish() undoes it in any state. */
rv_err rv__loop_init(struct rv__broker *broker, struct rv_error *err);
/** Starts the thread that runs it. */
rv_err rv__loop_start(struct rv__broker *broker, struct rv_error *err);
/** Asks it to stop, joins, and closes what is open. Also when it was never started. */
void rv__loop_finish(struct rv__broker *broker);

/** Frees what the hooks use: once the store is closed. */
void rv__loop_forget(struct rv__broker *broker);

/** The store's hooks, for rv__store_options. */
struct rv__store_hooks rv__loop_hooks(struct rv__broker *broker);

#endif
