/* SPDX-License-Identifier: Apache-2.0 */
/* The module: its properties, its routes, and on which server they stand. */
#include "actuator/actuator.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "http/listen.h"
#include "http/module.h"
#include "http/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define AT(member) offsetof(struct rv__management_settings, member)

static const char *const show_details[] = {"never", "when-authorized", "always", NULL};

static const struct rv_prop_desc rows[] = {
    {.name = "server.port",
        .type = RV_PROP_INT,
        .min = -1,
        .max = 65535,
        .offset = AT(port),
        .doc = "TCP port of the actuator's own server; absent: the actuator is reached on server.port; 0 "
               "lets the "
               "system choose, -1 switches it off."},
    {.name = "server.address",
        .type = RV_PROP_STRING,
        .offset = AT(address),
        .doc = "Address of the actuator's own server; absent: server.address."},
    {.name = "endpoints.web.base-path",
        .type = RV_PROP_STRING,
        .def = "/actuator",
        .offset = AT(base_path),
        .doc = "Path before every endpoint."},
    {.name = "endpoints.web.exposure.include",
        .type = RV_PROP_LIST,
        .def = "*",
        .offset = AT(include),
        .doc = "Endpoints to serve: health, bindings, or * for all."},
    {.name = "endpoints.web.exposure.exclude",
        .type = RV_PROP_LIST,
        .offset = AT(exclude),
        .doc = "Endpoints not to serve, over those included."},
    {.name = "endpoint.health.show-details",
        .type = RV_PROP_ENUM,
        .def = "never",
        .choices = show_details,
        .offset = AT(show_details),
        .doc = "Whether /health tells its parts; when-authorized tells nobody, since nobody can log in."},
    {.name = NULL},
};

static const struct rv_prop_table table = {rows, sizeof(struct rv__management_settings)};

/* -- what endpoints share --------------------------------------------------------------- */

void rv__iso_time(int64_t wall_ms, char *text, size_t size)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm utc;
	size_t length;

	gmtime_r(&seconds, &utc);
	length = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + length, size - length, ".%03dZ", (int)(wall_ms % 1000));
}

int rv__actuator_error(
    const rv_http_request *request, rv_http_response *response, int status, const char *message)
{
	char timestamp[40];

	rv__iso_time(rv__wall_ms(), timestamp, sizeof timestamp);
	return rv_http_json(response, status, "{s:s, s:i, s:s, s:s, s:s}", "timestamp", timestamp, "status",
	    status, "error", rv__http_phrase(status), "message", message, "path", rv_http_path(request));
}

static int list_links(const rv_http_request *request, rv_http_response *response, void *context);

/* -- endpoints -------------------------------------------------------------------------- */

/* One row a route. `link` is its name in the list at the base path; NULL: not listed. */
static const struct endpoint {
	const char *id; /* in the exposure lists; "" always served */
	const char *method;
	const char *path; /* behind the base path */
	const char *link;
	rv_http_handler_fn handler;
} endpoints[] = {
    {"", "GET", "", "self", list_links},
    {"health", "GET", "/health", "health", rv__health_get},
    {"health", "GET", "/health/{part}", "health-path", rv__health_get_part},
    {"bindings", "GET", "/bindings", "bindings", rv__bindings_list},
    {"bindings", "GET", "/bindings/{name}", "bindings-name", rv__bindings_get},
    {"bindings", "POST", "/bindings/{name}", NULL, rv__bindings_change},
};

enum { ENDPOINT_COUNT = sizeof endpoints / sizeof *endpoints };

static bool names(const struct rv_strings *list, const char *id)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], id) == 0 || strcmp(list->items[i], "*") == 0)
			return true;
	return false;
}

static bool is_exposed(const struct rv__actuator *actuator, const struct endpoint *endpoint)
{
	if (!*endpoint->id)
		return true;
	return names(&actuator->settings.include, endpoint->id) &&
	    !names(&actuator->settings.exclude, endpoint->id);
}

/* HAL, as Spring's discovery page has it. */
static int list_links(const rv_http_request *request, rv_http_response *response, void *context)
{
	const struct rv__actuator *actuator = context;
	const char *host = rv_http_header(request, "Host");
	json_t *links = json_object();
	char href[1024];

	for (int i = 0; i < ENDPOINT_COUNT; i++) {
		if (!endpoints[i].link || !is_exposed(actuator, &endpoints[i]))
			continue;
		snprintf(href, sizeof href, "http://%.300s%s%s", host ? host : "localhost",
		    actuator->settings.base_path, endpoints[i].path);
		json_object_set_new(links, endpoints[i].link,
		    json_pack(
		        "{s:s, s:b}", "href", href, "templated", strchr(endpoints[i].path, '{') != NULL));
	}
	return rv_http_json(response, 200, "{s:o}", "_links", links);
}

/* -- life ------------------------------------------------------------------------------- */

static rv_err add_route(struct rv__actuator *actuator, const struct endpoint *endpoint, struct rv_error *err)
{
	char path[512];

	snprintf(path, sizeof path, "%s%s", actuator->settings.base_path, endpoint->path);
	if (!*path)
		snprintf(path, sizeof path, "/");
	if (actuator->own_server)
		return rv__routes_add(
		    &actuator->routes, endpoint->method, path, endpoint->handler, actuator, true, err);
	return rv__http_add_management(
	    actuator->host, endpoint->method, path, endpoint->handler, actuator, err);
}

/* An own server unless the port is the service's or none is asked for. */
static void choose_server(struct rv__actuator *actuator, const rv_config *config)
{
	const struct rv__http_settings *http = &actuator->http;
	bool set = rv__config_get(config, "management.server.port") != NULL;
	bool same = actuator->settings.port == http->server.port && http->server.port != 0;

	actuator->own_server = set && !same;
	if (!actuator->own_server)
		return;
	actuator->http.server.port = actuator->settings.port;
	if (actuator->settings.address)
		actuator->http.server.address = actuator->settings.address;
}

static rv_err check(struct rv__host *host, void **state, struct rv__problems *problems)
{
	static const char *const prefixes[] = {"management", NULL};
	size_t fatal = problems->fatal_count;
	struct rv__problems told = {0};
	struct rv__actuator *actuator;
	struct rv_error error;

	if (!*state)
		*state = calloc(1, sizeof *actuator);
	if (!(actuator = *state))
		return RV_E_NOMEM;
	actuator->listen_fd = -1;
	actuator->host = host;
	rv__config_fill(host->config, &table, prefixes, &actuator->settings, problems);
	/* The HTTP module tells its own mistakes. */
	rv__http_settings_read(&actuator->http, host->config, &told);
	rv__problems_finish(&told);
	if (problems->fatal_count > fatal)
		return RV_E_CONFIG;
	choose_server(actuator, host->config);
	if (actuator->own_server && actuator->settings.port < 0)
		return RV_OK;
	if (strcmp(actuator->settings.base_path, "/") == 0)
		actuator->settings.base_path = "";
	for (int i = 0; i < ENDPOINT_COUNT; i++)
		if (is_exposed(actuator, &endpoints[i]) &&
		    add_route(actuator, &endpoints[i], &error) != RV_OK)
			rv__problems_add(problems, true, error.number, "management.endpoints.web.base-path",
			    "%s", error.text);
	return problems->fatal_count > fatal ? RV_E_CONFIG : RV_OK;
}

/* Before anything binds, as the HTTP module does. */
static rv_err open_socket(struct rv__host *host, void **state, struct rv_error *err)
{
	struct rv__actuator *actuator = *rv__host_slot(host, &rv__actuator_module);

	(void)state;
	if (!actuator || !actuator->own_server || actuator->settings.port < 0)
		return RV_OK;
	return rv__listen(actuator->http.server.address, actuator->http.server.port, "management.server.port",
	    &actuator->listen_fd, &actuator->port, err);
}

static rv_err start(struct rv__host *host, void **state, struct rv_error *err)
{
	struct rv__actuator *actuator = *state;
	rv_err code;

	if (!actuator || actuator->listen_fd < 0)
		return RV_OK;
	code = rv__http_server_start(
	    &actuator->http, &actuator->routes, actuator->listen_fd, &actuator->server, err);
	if (code)
		return code;
	actuator->listen_fd = -1;
	rv__host_set_port(host, &rv__actuator_module, actuator->port);
	return RV_OK;
}

/* Nothing to stop: probes may look until the very end. */
static void close_module(struct rv__host *host, void *state)
{
	struct rv__actuator *actuator = state;

	(void)host;
	if (!actuator)
		return;
	rv__http_server_close(actuator->server);
	if (actuator->listen_fd >= 0)
		close(actuator->listen_fd);
	rv__routes_finish(&actuator->routes);
	free(actuator);
}

static const struct rv__section sections[] = {
    {.prefix = "management", .table = &table, .title = "Actuator"},
    {.prefix = NULL},
};

const struct rv__module rv__actuator_socket_module = {
    .name = "actuator socket",
    .phase = RV__PHASE_BROKER,
    .start = open_socket,
};

const struct rv__module rv__actuator_module = {
    .name = "actuator",
    .phase = RV__PHASE_SERVING,
    .sections = sections,
    .check = check,
    .start = start,
    .close = close_module,
};
