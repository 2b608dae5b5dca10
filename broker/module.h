/* SPDX-License-Identifier: Apache-2.0 */
/* The broker as a module of an application; named in compose/builtin.c. */
#ifndef BROKER_MODULE_H
#define BROKER_MODULE_H

#include "base/module.h"

extern const struct rv__module rv__broker_module;

#endif
