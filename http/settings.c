/* SPDX-License-Identifier: Apache-2.0 */
#include "http/settings.h"

#include <stddef.h>

#define SERVER(member) offsetof(struct rv__http_server_settings, member)
#define LIMITS(member) offsetof(struct rv__http_limits, member)

static const struct rv_prop_desc server_rows[] = {
    {.name = "port",
        .type = RV_PROP_INT,
        .def = "8080",
        .min = -1,
        .max = 65535,
        .offset = SERVER(port),
        .doc = "TCP port of the service's HTTP server; 0 lets the system choose, -1 opens none. Without "
               "routes a port is opened only when this key is set, for the actuator."},
    {.name = "address",
        .type = RV_PROP_STRING,
        .def = "127.0.0.1",
        .offset = SERVER(address),
        .doc = "Address to listen on; 0.0.0.0 or :: serves every network that the machine is on."},
    {.name = "max-http-request-header-size",
        .type = RV_PROP_SIZE,
        .def = "8KB",
        .min = 1024,
        .max = 1048576,
        .unit = "bytes",
        .offset = SERVER(max_header_size),
        .doc = "Request line and headers of one request together; larger ones are answered with 431."},
    {.name = NULL},
};

static const struct rv_prop_desc limits_rows[] = {
    {.name = "max-body-size",
        .type = RV_PROP_SIZE,
        .def = "1MB",
        .min = 0,
        .max = 67108864,
        .unit = "bytes",
        .offset = LIMITS(max_body_size),
        .doc = "Body of one request; larger ones are answered with 413."},
    {.name = "max-connections",
        .type = RV_PROP_INT,
        .def = "256",
        .min = 1,
        .max = 10000,
        .offset = LIMITS(max_connections),
        .doc = "Connections served at once; requests on further ones get 503, but for the actuator."},
    {.name = "max-requests",
        .type = RV_PROP_INT,
        .def = "128",
        .min = 1,
        .max = 10000,
        .offset = LIMITS(max_requests),
        .doc = "Requests handled at once, waiting for a broker for instance; further ones get 503 with "
               "Retry-After. The actuator is never counted."},
    {.name = "request-timeout",
        .type = RV_PROP_DURATION,
        .def = "10s",
        .min = 10,
        .max = 3600000,
        .unit = "ms",
        .offset = LIMITS(request_timeout_ms),
        .doc = "Time in which a whole request must have arrived; a slower client is cut off and logged."},
    {.name = "write-timeout",
        .type = RV_PROP_DURATION,
        .def = "10s",
        .min = 10,
        .max = 3600000,
        .unit = "ms",
        .offset = LIMITS(write_timeout_ms),
        .doc = "Time in which a client must have taken its answer; a slower one is cut off and logged."},
    {.name = "idle-timeout",
        .type = RV_PROP_DURATION,
        .def = "60s",
        .min = 10,
        .max = 86400000,
        .unit = "ms",
        .offset = LIMITS(idle_timeout_ms),
        .doc = "Time that a connection may rest between two requests."},
    {.name = "stop-timeout",
        .type = RV_PROP_DURATION,
        .def = "5s",
        .min = 0,
        .max = 3600000,
        .unit = "ms",
        .offset = LIMITS(stop_timeout_ms),
        .doc = "Time that a stop gives to running handlers before it names them in the log."},
    {.name = NULL},
};

const struct rv_prop_table rv__http_server_table = {server_rows, sizeof(struct rv__http_server_settings)};
const struct rv_prop_table rv__http_limits_table = {limits_rows, sizeof(struct rv__http_limits)};

void rv__http_settings_read(
    struct rv__http_settings *settings, const rv_config *config, struct rv__problems *problems)
{
	static const char *const server[] = {"server", NULL};
	static const char *const limits[] = {"rivulet.http", NULL};

	rv__config_fill(config, &rv__http_server_table, server, &settings->server, problems);
	rv__config_fill(config, &rv__http_limits_table, limits, &settings->limits, problems);
}
