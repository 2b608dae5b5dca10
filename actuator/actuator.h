/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management endpoints of an application: health and bindings in the JSON shapes of Spring
 * Boot's actuator, so that dashboards and probes written for the Java sibling work here.
 *
 * Without `management.server.port` they are served on the service's own port, on threads that handlers cannot
 * delay; with it, by a server of their own.
 */
#ifndef ACTUATOR_ACTUATOR_H
#define ACTUATOR_ACTUATOR_H

#include "base/module.h"
#include "http/server.h"

enum rv__show_details { RV__SHOW_NEVER, RV__SHOW_WHEN_AUTHORIZED, RV__SHOW_ALWAYS };

/* Below `management.`, by Spring's names. */
struct rv__management_settings {
	int64_t port;        /* -1: no endpoints; meaningful only when the key is set */
	const char *address; /* NULL: that of `server.address` */
	const char *base_path;
	struct rv_strings include;
	struct rv_strings exclude;
	int64_t show_details; /* enum rv__show_details */
};

/* The module's state; the context of every endpoint's handler. */
struct rv__actuator {
	struct rv__host *host;
	struct rv__management_settings settings;
	struct rv__http_settings http; /* of the own server */
	bool own_server;
	struct rv__routes routes; /* of the own server */
	int listen_fd;            /* taken and not yet served; else -1 */
	int port;
	struct rv__http_server *server;
};

extern const struct rv__module rv__actuator_module;

/** Takes the port of the own server before anything binds; its state is that of rv__actuator_module. */
extern const struct rv__module rv__actuator_socket_module;

/* Endpoints. */
int rv__health_get(const rv_http_request *request, rv_http_response *response, void *actuator);
int rv__health_get_part(const rv_http_request *request, rv_http_response *response, void *actuator);
int rv__bindings_list(const rv_http_request *request, rv_http_response *response, void *actuator);
int rv__bindings_get(const rv_http_request *request, rv_http_response *response, void *actuator);
int rv__bindings_change(const rv_http_request *request, rv_http_response *response, void *actuator);

/** Spring Boot's error shape: {"timestamp","status","error","message","path"}. Returns 0. */
int rv__actuator_error(
    const rv_http_request *request, rv_http_response *response, int status, const char *message);

/** "2026-11-22T13:45:00.123Z". */
void rv__iso_time(int64_t wall_ms, char *text, size_t size);

#endif
