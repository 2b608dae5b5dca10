/* SPDX-License-Identifier: Apache-2.0 */
/* What parking-charging is, apart from its process: so that a test can run it on the memory binder. */
#ifndef CHARGING_CHARGING_H
#define CHARGING_CHARGING_H

#include <rivulet/rivulet.h>

/** Declares the channels `output` and `output1` and the route POST /sendTestMsg. `context` is not used. */
void charging_declare(rv_app *app, void *context);

#endif
