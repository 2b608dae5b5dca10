/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /actuator/health and its parts. The whole is as bad as its worst part, in Spring's order; DOWN and
 * OUT_OF_SERVICE answer 503. Liveness never depends on a broker: restarting a service does not mend one.
 * Everything is read from cached state, so that a probe never waits.
 */
#include "actuator/actuator.h"

#include "bindings/inspect.h"

#include <stdio.h>
#include <string.h>

static const char *word(enum rv_health_status status)
{
	switch (status) {
	case RV_HEALTH_UP:
		return "UP";
	case RV_HEALTH_DOWN:
		return "DOWN";
	case RV_HEALTH_OUT_OF_SERVICE:
		return "OUT_OF_SERVICE";
	case RV_HEALTH_UNKNOWN:
		break;
	}
	return "UNKNOWN";
}

/* Spring's SimpleStatusAggregator: DOWN, OUT_OF_SERVICE, UP, UNKNOWN. */
static enum rv_health_status worst(enum rv_health_status a, enum rv_health_status b)
{
	static const enum rv_health_status order[] = {
	    RV_HEALTH_DOWN, RV_HEALTH_OUT_OF_SERVICE, RV_HEALTH_UP, RV_HEALTH_UNKNOWN};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return RV_HEALTH_UNKNOWN;
}

/* One answer being built. */
struct health {
	json_t *components; /* owned */
	json_t *binders;    /* borrowed: members of components */
	enum rv_health_status binders_status;
	enum rv_health_status status;
};

static void add_detail(void *arg, const char *name, const char *value)
{
	json_object_set_new(arg, name, json_string(value));
}

static void add_binder(void *arg, const struct rv__binder_view *view)
{
	struct health *health = arg;
	enum rv_health_status status = view->waiting ? RV_HEALTH_DOWN : view->status;
	json_t *details = json_pack("{s:s, s:s}", "type", view->type, "label", view->label);

	if (view->binder && view->ops)
		view->ops->health(view->binder, add_detail, details);
	if (view->why && *view->why)
		json_object_set_new(details, "error", json_string(view->why));
	health->binders_status = worst(health->binders_status, status);
	json_object_set_new(
	    health->binders, view->name, json_pack("{s:s, s:o}", "status", word(status), "details", details));
}

/* What holds a binding that runs otherwise (a dead letter that cannot be moved) is told beside its binder. */
static void add_trouble(void *arg, const struct rv__binding_view *view)
{
	const struct health *health = arg;
	json_t *binder = json_object_get(health->binders, view->binder_name);
	json_t *details = json_object_get(binder, "details");
	char name[96];

	if (!details || !view->why || !*view->why)
		return;
	snprintf(name, sizeof name, "binding.%s", view->channel);
	json_object_set_new(details, name, json_string(view->why));
}

static void add_component(
    struct health *health, const char *name, enum rv_health_status status, json_t *component)
{
	json_object_set_new(component, "status", json_string(word(status)));
	json_object_set_new(health->components, name, component);
	health->status = worst(health->status, status);
}

static void add_binders(struct health *health, struct rv__host *host)
{
	json_t *component = json_pack("{s:n, s:{}}", "status", "components");

	health->binders = json_object_get(component, "components");
	health->binders_status = RV_HEALTH_UNKNOWN;
	rv__app_visit_binders(host, add_binder, health);
	rv__app_visit_bindings(host, add_trouble, health);
	add_component(health, "binders", health->binders_status, component);
}

static void add_readiness(struct health *health, struct rv__host *host)
{
	char why[512] = "";
	bool ready = rv__app_is_ready(host, why, sizeof why);
	json_t *component = json_pack("{s:n}", "status");

	if (!ready && *why)
		json_object_set_new(component, "details", json_pack("{s:s}", "why", why));
	add_component(health, "readinessState", ready ? RV_HEALTH_UP : RV_HEALTH_OUT_OF_SERVICE, component);
}

static void add_plain(struct health *health, const char *name)
{
	add_component(health, name, RV_HEALTH_UP, json_pack("{s:n}", "status"));
}

/* `whole`: the parts may be shown, and the groups are named. Spring shows no parts of a probe's group. */
static int answer(
    struct rv__actuator *actuator, struct health *health, bool whole, rv_http_response *response)
{
	bool sick = health->status == RV_HEALTH_DOWN || health->status == RV_HEALTH_OUT_OF_SERVICE;
	json_t *body = json_pack("{s:s}", "status", word(health->status));

	if (whole && actuator->settings.show_details == RV__SHOW_ALWAYS)
		json_object_set(body, "components", health->components);
	if (whole)
		json_object_set_new(body, "groups", json_pack("[s, s]", "liveness", "readiness"));
	json_decref(health->components);
	return rv_http_json_value(response, sick ? 503 : 200, body);
}

static void collect(struct health *health, struct rv__host *host)
{
	health->components = json_object();
	health->status = RV_HEALTH_UNKNOWN;
	add_binders(health, host);
	add_plain(health, "livenessState");
	add_plain(health, "ping");
	add_readiness(health, host);
}

int rv__health_get(const rv_http_request *request, rv_http_response *response, void *context)
{
	struct rv__actuator *actuator = context;
	struct health health = {0};

	(void)request;
	collect(&health, actuator->host);
	return answer(actuator, &health, true, response);
}

/* One component by its name; only for those who may see components at all. */
static int answer_component(struct rv__actuator *actuator, const rv_http_request *request, const char *name,
    rv_http_response *response)
{
	struct health health = {0};
	json_t *component;
	const char *status;

	collect(&health, actuator->host);
	component = json_incref(json_object_get(health.components, name));
	json_decref(health.components);
	if (!component || actuator->settings.show_details != RV__SHOW_ALWAYS) {
		json_decref(component);
		return rv__actuator_error(request, response, 404, "there is no such part of the health");
	}
	status = json_string_value(json_object_get(component, "status"));
	return rv_http_json_value(
	    response, strcmp(status, "UP") == 0 || strcmp(status, "UNKNOWN") == 0 ? 200 : 503, component);
}

int rv__health_get_part(const rv_http_request *request, rv_http_response *response, void *context)
{
	const char *part = rv_http_path_value(request, "part");
	struct rv__actuator *actuator = context;
	struct health health = {.components = NULL, .status = RV_HEALTH_UNKNOWN};

	if (strcmp(part, "liveness") == 0) {
		health.components = json_object();
		add_plain(&health, "livenessState");
	} else if (strcmp(part, "readiness") == 0) {
		health.components = json_object();
		add_readiness(&health, actuator->host);
	} else {
		return answer_component(actuator, request, part, response);
	}
	return answer(actuator, &health, false, response);
}
