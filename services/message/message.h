/* SPDX-License-Identifier: Apache-2.0 */
/* What parking-message is, apart from its process: so that a test can run it on the memory binder. */
#ifndef MESSAGE_MESSAGE_H
#define MESSAGE_MESSAGE_H

#include <rivulet/rivulet.h>

/** Declares the channels `input` and `input1` and their listeners. `context` is not used. */
void message_declare(rv_app *app, void *context);

#endif
