/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules: the parts of an application that start and stop with it (HTTP, actuator, embedded
 * broker), named in one table (compose/builtin.c), so that no layer includes one above it.
 *
 * An rv_app begins with its host: `(struct rv__host *)app` is valid everywhere.
 */
#ifndef BASE_MODULE_H
#define BASE_MODULE_H

#include "base/config.h"

struct rv__host;

/* Modules start in this order and stop in the reverse one. */
enum rv__phase {
	RV__PHASE_BROKER, /* before any binding binds */
	RV__PHASE_SERVING /* once bindings had their first attempt */
};

struct rv__module {
	const char *name;
	enum rv__phase phase;
	const struct rv__section *sections; /* ends with a NULL prefix */
	/*
	 * Reads its settings, and starts. *state is the module's slot, possibly filled by declarations
	 * before (routes). Configuration mistakes go to `problems` and RV_E_CONFIG; a
	 * module that has nothing to do returns RV_OK and does nothing.
	 */
	rv_err (*check)(struct rv__host *host, void **state,
	    struct rv__problems *problems); /* optional: before anything starts */
	rv_err (*start)(struct rv__host *host, void **state, struct rv_error *err);
	void (*stop)(struct rv__host *host, void *state); /* optional; no new work; returns at once */
	void (*close)(struct rv__host *host,
	    void *state); /* joins and frees; also when start never ran, state may be NULL */
};

enum { RV__MODULES_MAX = 8 };

/* First member of rv_app; set up by rv_app_create(), modules resolved from rv__builtin_modules. */
struct rv__host {
	const rv_config *config;      /* NULL before run */
	const char *name;             /* application name */
	void *slots[RV__MODULES_MAX]; /* one a module, in table order */
	int64_t started_ns;           /* monotonic, at rv_app_create() */
	int ports[RV__MODULES_MAX];   /* port that a module serves on, 0 none; for the ready line */
};

/* Defined in compose/builtin.c; ends with NULL. */
extern const struct rv__module *const rv__builtin_modules[];

/** The slot of a module in a host. */
void **rv__host_slot(struct rv__host *host, const struct rv__module *module);

/** Tells the port that a module serves on; shown in the ready line. */
void rv__host_set_port(struct rv__host *host, const struct rv__module *module, int port);

#endif
