/* SPDX-License-Identifier: Apache-2.0 */
/* Which instance of how many an input is, for binders that share partitions out by number. */
#ifndef BINDINGS_INSTANCES_H
#define BINDINGS_INSTANCES_H

#include "bindings/app.h"
#include "bindings/binding.h"

/** The binding's own numbers, else those of the service. What does not fit goes to app->problems. */
void rv__instances_settle(rv_app *app, struct rv__binding *binding);

#endif
