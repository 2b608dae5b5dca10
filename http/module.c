/* SPDX-License-Identifier: Apache-2.0 */
#include "http/module.h"

#include "base/numbers.h"
#include "http/listen.h"

#include <stdlib.h>
#include <unistd.h>

/* The module's slot: made by the first route or by check. */
struct http {
	struct rv__routes routes;
	struct rv__problems mistakes; /* of declarations, told by check */
	bool serves_application;      /* there is a route that is not the actuator's */
	struct rv__http_settings settings;
	int listen_fd; /* from open_socket until the server has it; else -1 */
	int port;
	struct rv__http_server *server;
};

static struct http *slot_of(struct rv__host *host)
{
	void **slot = rv__host_slot(host, &rv__http_module);
	struct http *http = *slot;

	if (!http && (*slot = http = calloc(1, sizeof *http)))
		http->listen_fd = -1;
	return http;
}

void rv_app_route(
    rv_app *app, const char *method, const char *path, rv_http_handler_fn handler, void *context)
{
	struct rv_error error;
	struct http *http;

	if (!app || !(http = slot_of((struct rv__host *)app)))
		return;
	http->serves_application = true;
	if (rv__routes_add(&http->routes, method, path, handler, context, false, &error) != RV_OK)
		rv__problems_add(&http->mistakes, true, error.number, "", "%s", error.text);
}

rv_err rv__http_add_management(struct rv__host *host, const char *method, const char *path,
    rv_http_handler_fn handler, void *context, struct rv_error *err)
{
	struct http *http = slot_of(host);

	if (!http)
		return rv_error_set(err, RV_E_NOMEM, 0, "http", "no memory for the actuator's routes");
	return rv__routes_add(&http->routes, method, path, handler, context, true, err);
}

static rv_err check(struct rv__host *host, void **state, struct rv__problems *problems)
{
	struct http *http = slot_of(host);
	size_t fatal = problems->fatal_count;

	(void)state;
	if (!http)
		return RV_E_NOMEM;
	for (size_t i = 0; i < http->mistakes.count; i++)
		rv__problems_add(
		    problems, true, http->mistakes.items[i].number, "", "%s", http->mistakes.items[i].text);
	rv__http_settings_read(&http->settings, host->config, problems);
	return problems->fatal_count > fatal ? RV_E_CONFIG : RV_OK;
}

/* Two services without routes on one machine must not fight for a default port that neither asked for. */
static bool wants_port(const struct http *http, const rv_config *config)
{
	if (http->settings.server.port < 0 || http->routes.count == 0)
		return false;
	return http->serves_application || rv__config_get(config, "server.port");
}

/*
 * The port is taken before anything binds: a second process of a service must not join its groups, receive
 * messages, and only then find that it cannot stay. Clients that come early wait in the socket.
 */
static rv_err open_socket(struct rv__host *host, void **state, struct rv_error *err)
{
	struct http *http = slot_of(host);

	(void)state;
	if (!http)
		return rv_error_set(err, RV_E_NOMEM, 0, "http", "no memory for the HTTP module");
	if (!wants_port(http, host->config))
		return RV_OK;
	return rv__listen(http->settings.server.address, http->settings.server.port, "server.port",
	    &http->listen_fd, &http->port, err);
}

static rv_err start(struct rv__host *host, void **state, struct rv_error *err)
{
	struct http *http = *state;
	rv_err code;

	if (!http || http->listen_fd < 0)
		return RV_OK;
	code = rv__http_server_start(&http->settings, &http->routes, http->listen_fd, &http->server, err);
	if (code)
		return code;
	http->listen_fd = -1;
	rv__host_set_port(host, &rv__http_module, http->port);
	return RV_OK;
}

static void stop(struct rv__host *host, void *state)
{
	struct http *http = state;

	(void)host;
	if (http)
		rv__http_server_stop(http->server);
}

static void close_module(struct rv__host *host, void *state)
{
	struct http *http = state;

	(void)host;
	if (!http)
		return;
	rv__http_server_close(http->server);
	if (http->listen_fd >= 0)
		close(http->listen_fd);
	rv__routes_finish(&http->routes);
	rv__problems_finish(&http->mistakes);
	free(http);
}

static const struct rv__section sections[] = {
    {.prefix = "server", .table = &rv__http_server_table, .title = "HTTP server"},
    {.prefix = "rivulet.http", .table = &rv__http_limits_table, .title = "HTTP server: limits and time-outs"},
    {.prefix = NULL},
};

const struct rv__module rv__http_socket_module = {
    .name = "http socket",
    .phase = RV__PHASE_BROKER,
    .start = open_socket,
};

const struct rv__module rv__http_module = {
    .name = "http",
    .phase = RV__PHASE_SERVING,
    .sections = sections,
    .check = check,
    .start = start,
    .stop = stop,
    .close = close_module,
};
