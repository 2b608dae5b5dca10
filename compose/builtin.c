/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that names what is built in: modules, in the order of their start, and binders, the default first. */
#include "actuator/actuator.h"
#include "base/module.h"
#include "binder/memory/memory.h"
#include "binder/registry.h"
#include "binder/rocketmq/binder.h"
#include "broker/module.h"
#include "http/module.h"

const struct rv__module *const rv__builtin_modules[] = {&rv__http_socket_module, &rv__actuator_socket_module,
    &rv__broker_module, &rv__http_module, &rv__actuator_module, NULL};

const struct rv_binder_ops *const rv__builtin_binders[] = {&rv__rocketmq_binder, &rv__memory_binder, NULL};
