/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP module of an application: collects the routes, serves them from RV__PHASE_SERVING on. */
#ifndef HTTP_MODULE_H
#define HTTP_MODULE_H

#include "base/module.h"
#include "http/server.h"

extern const struct rv__module rv__http_module;

/** Takes the port in RV__PHASE_BROKER, before anything binds; its state is that of rv__http_module. */
extern const struct rv__module rv__http_socket_module;

/**
 * Adds a route of the actuator to the service's own server, before it starts. Such routes are served whatever
 * the load, and make the server listen when there are no others and `server.port` is set.
 */
rv_err rv__http_add_management(struct rv__host *host, const char *method, const char *path,
    rv_http_handler_fn handler, void *context, struct rv_error *err);

#endif
