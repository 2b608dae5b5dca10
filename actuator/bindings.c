/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /actuator/bindings: Spring Cloud Stream's elements, from the tables that describe the properties. What Spring
 * has no word for stands in `extension` under names that begin with "rivulet".
 */
#include "actuator/actuator.h"

#include "actuator/values.h"
#include "base/numbers.h"
#include "bindings/inspect.h"
#include "http/response.h"

#include <rivulet/log.h>

#include <string.h>
#include <strings.h>

static void set_time(json_t *object, const char *name, int64_t wall_ms)
{
	char text[40];

	if (wall_ms <= 0)
		return;
	rv__iso_time(wall_ms, text, sizeof text);
	json_object_set_new(object, name, json_string(text));
}

static json_t *counters_json(const struct rv__binding_view *view)
{
	const struct rv__binding_counters *c = &view->counters;

	if (!view->input)
		return json_pack("{s:I, s:I, s:I}", "sent", (json_int_t)c->sent, "sendErrors",
		    (json_int_t)c->send_errors, "inFlight", (json_int_t)c->in_flight);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "received", (json_int_t)c->received,
	    "acknowledged", (json_int_t)c->acked, "requeued", (json_int_t)c->requeued, "deadLettered",
	    (json_int_t)c->dead_lettered, "dropped", (json_int_t)c->dropped, "retried",
	    (json_int_t)c->retried, "stale", (json_int_t)c->stale, "inFlight", (json_int_t)c->in_flight,
	    "queued", (json_int_t)view->queued);
}

static json_t *extension_json(const struct rv__binding_view *view)
{
	json_t *extension = rv__values_json(view->extension.table, view->extension.settings);

	json_object_set_new(extension, "rivuletState", json_string(view->true_state));
	json_object_set_new(
	    extension, "rivuletDesiredState", json_string(view->desired_running ? "running" : "stopped"));
	set_time(extension, "rivuletSince", view->since_ms);
	set_time(extension, "rivuletNextTry", view->next_try_ms);
	if (view->why && *view->why)
		json_object_set_new(extension, "rivuletWhy", json_string(view->why));
	json_object_set_new(extension, "rivuletCounters", counters_json(view));
	return extension;
}

/* Spring's ExtendedConsumerProperties or ExtendedProducerProperties. */
static json_t *properties_json(const struct rv__binding_view *view)
{
	json_t *properties = json_pack("{s:s}", "bindingName", view->channel);
	json_t *core = rv__values_json(view->core.table, view->core.settings);
	json_t *own = rv__values_json(view->own.table, view->own.settings);

	json_object_update(properties, core);
	json_object_update_missing(properties, own);
	json_decref(core);
	json_decref(own);
	json_object_set_new(
	    properties, "extension", rv__values_json(view->extension.table, view->extension.settings));
	return properties;
}

static json_t *binding_json(const struct rv__binding_view *view)
{
	return json_pack("{s:s, s:s, s:s?, s:b, s:s, s:b, s:o, s:s, s:{s:s, s:o}, s:s, s:b}", "bindingName",
	    view->channel, "name", view->destination, "group", view->group, "pausable", view->pausable,
	    "state", view->state, "paused", view->paused, "extension", extension_json(view), "binderType",
	    view->binder_type, "extendedInfo", "bindingDestination", view->destination,
	    view->input ? "ExtendedConsumerProperties" : "ExtendedProducerProperties", properties_json(view),
	    "binderName", view->binder_name, "input", view->input);
}

static void append_binding(void *arg, const struct rv__binding_view *view)
{
	json_array_append_new(arg, binding_json(view));
}

int rv__bindings_list(const rv_http_request *request, rv_http_response *response, void *context)
{
	struct rv__actuator *actuator = context;
	json_t *bindings = json_array();

	(void)request;
	rv__app_visit_bindings(actuator->host, append_binding, bindings);
	return rv_http_json_value(response, 200, bindings);
}

int rv__bindings_get(const rv_http_request *request, rv_http_response *response, void *context)
{
	struct rv__actuator *actuator = context;
	json_t *bindings = json_array();
	struct rv_error error;

	if (rv__app_visit_binding(
	        actuator->host, rv_http_path_value(request, "name"), append_binding, bindings, &error)) {
		json_decref(bindings);
		return rv__actuator_error(request, response, 404, error.text);
	}
	return rv_http_json_value(response, 200, bindings);
}

/*
 * A page of another site can make a browser post to a service on its user's machine. Browsers then name the
 * page's origin, which is not ours; programs name none.
 */
static bool is_cross_site(const rv_http_request *request)
{
	const char *origin = rv_http_header(request, "Origin");
	const char *host = rv_http_header(request, "Host");
	const char *rest;

	if (!origin)
		return false;
	rest = strstr(origin, "://");
	return !host || !rest || strcasecmp(rest + 3, host) != 0;
}

static int status_of(rv_err code)
{
	switch (code) {
	case RV_E_INVALID:
	case RV_E_TOOBIG:
		return 400;
	case RV_E_NOTFOUND:
		return 404;
	case RV_E_UNSUPPORTED:
		return 409;
	case RV_E_CLOSED:
	case RV_E_UNAVAILABLE:
		return 503;
	default:
		return 500;
	}
}

static void ignore_binding(void *arg, const struct rv__binding_view *view)
{
	(void)arg;
	(void)view;
}

static rv_err change(
    struct rv__actuator *actuator, const rv_http_request *request, json_t **ret_body, struct rv_error *err)
{
	const char *name = rv_http_path_value(request, "name");
	const char *state;
	rv_err code;

	/* Which binding is asked for first: its absence says more than a bad body. */
	code = rv__app_visit_binding(actuator->host, name, ignore_binding, NULL, err);
	if (code)
		return code;
	*ret_body = rv_http_body_json(request, err);
	if (!*ret_body)
		return err->code;
	state = json_string_value(json_object_get(*ret_body, "state"));
	if (!state)
		return rv_error_set(err, RV_E_INVALID, RV__N_NO_STATE, "actuator",
		    "the body must be {\"state\": \"STOPPED|STARTED|PAUSED|RESUMED\"}");
	code = rv__app_change_binding(actuator->host, name, state, err);
	if (code == RV_OK)
		rv_log(RV_LOG_INFO, "actuator", "channel=%s: %s, as asked for over HTTP", name, state);
	return code;
}

int rv__bindings_change(const rv_http_request *request, rv_http_response *response, void *context)
{
	struct rv_error error = {0};
	json_t *body = NULL;
	rv_err code;

	if (is_cross_site(request))
		return rv__actuator_error(
		    request, response, 403, "a page of another site must not change bindings");
	code = change(context, request, &body, &error);
	json_decref(body);
	if (code)
		return rv__actuator_error(request, response, status_of(code), error.text);
	return rv__http_empty(response, 204);
}
