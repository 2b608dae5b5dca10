/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-house broker from outside: what the command, the module and the tests use.
 *
 *     rv__broker_settings_init(&settings); settings.listen_port = settings.name_server_port = 0; …
 *     rv__broker_open(&settings, &broker, &err)     store recovered, sockets bound, its thread serves
 *     rv__broker_close(broker)                      answers what is on its way, syncs, joins
 *
 * Threads: one of its own (a libuv loop) does all work; the store adds two. These calls: any one thread.
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <stdbool.h>

#include <rivulet/error.h>

#include "broker/settings.h"

typedef struct rv__broker rv__broker;

/**
 * @return RV_OK, serving; RV_E_CONFIG; RV_E_DENIED another process holds the store; RV_E_IO directory not
 *         writable or port in use (number BROKER_PORT); RV_E_NOMEM; RV_E_CORRUPT
 */
rv_err rv__broker_open(
    const struct rv__broker_settings *settings, rv__broker **ret_broker, struct rv_error *err);

/** Stops and frees; NULL is fine. Within a few milliseconds, plus the last sync. */
void rv__broker_close(rv__broker *broker);

/** The bound ports; 0 where the role has none. */
int rv__broker_port(const rv__broker *broker);
int rv__broker_name_server_port(const rv__broker *broker);
/** The store's directory, absolute or as configured. */
const char *rv__broker_store(const rv__broker *broker);
/** "synced" or "written". */
const char *rv__broker_level(const rv__broker *broker);

/** Directory of the lock that a process of this role holds below the store directory. */
void rv__broker_lock_directory(enum rv__broker_role role, const char *store, char *path, size_t size);

#endif
