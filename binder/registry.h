/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds binders by type: built-in ones (compose/builtin.c), those registered with
 * rv_binder_register(), and modules `rivulet-binder-<type>.so` that are loaded on first use
 * and stay loaded.
 *
 * Threads: any.
 */
#ifndef BINDER_REGISTRY_H
#define BINDER_REGISTRY_H

#include <rivulet/binder.h>

/* Defined in compose/builtin.c; ends with NULL. */
extern const struct rv_binder_ops *const rv__builtin_binders[];

/** The binder of a type that is in this process already, or NULL. Loads nothing. */
const struct rv_binder_ops *rv__binder_lookup(const char *type);

/**
 * The binder of a type; loads its module when it is not in this process.
 *
 * @param path  directories of `rivulet.binder.path`; searched before the install directory
 * @return NULL with *err: RV_E_CONFIG for a type that cannot be found (naming those that can, and where it
 *         looked), RV_E_UNSUPPORTED for another ABI, RV_E_INVALID for a module that breaks the contract
 */
const struct rv_binder_ops *rv__binder_find(
    const char *type, const struct rv_strings *path, struct rv_error *err);

/** Visits all binders in this process. */
void rv__binder_each(void (*visit)(void *arg, const struct rv_binder_ops *ops), void *arg);

#endif
