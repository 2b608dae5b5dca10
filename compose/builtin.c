/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that names every built-in module, in the order of their start. */
#include "base/module.h"

const struct rv__module *const rv__builtin_modules[] = {NULL};
