/* SPDX-License-Identifier: Apache-2.0 */
#include "http/module.h"

#include "base/numbers.h"

#include <stdlib.h>

/* The module's slot: made by the first route or by check. */
struct http {
	struct rv__routes routes;
	struct rv__problems mistakes; /* of declarations, told by check */
	bool serves_application;      /* there is a route that is not the actuator's */
	struct rv__http_settings settings;
	struct rv__http_server *server;
};

static struct http *slot_of(struct rv__host *host)
{
	void **slot = rv__host_slot(host, &rv__http_module);

	if (!*slot)
		*slot = calloc(1, sizeof(struct http));
	return *slot;
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

static rv_err start(struct rv__host *host, void **state, struct rv_error *err)
{
	struct http *http = slot_of(host);
	rv_err code;

	(void)state;
	if (!http)
		return rv_error_set(err, RV_E_NOMEM, 0, "http", "no memory for the HTTP module");
	if (!wants_port(http, host->config))
		return RV_OK;
	code = rv__http_server_start(&http->settings, &http->routes, "server.port", &http->server, err);
	if (code == RV_OK)
		rv__host_set_port(host, &rv__http_module, rv__http_server_port(http->server));
	return code;
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
	rv__routes_finish(&http->routes);
	rv__problems_finish(&http->mistakes);
	free(http);
}

static const struct rv__section sections[] = {
    {.prefix = "server", .table = &rv__http_server_table, .title = "HTTP server"},
    {.prefix = "rivulet.http", .table = &rv__http_limits_table, .title = "HTTP server: limits and time-outs"},
    {.prefix = NULL},
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
