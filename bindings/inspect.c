/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/inspect.h"

#include "base/numbers.h"
#include "bindings/app.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The host is the first member of its application. */
static rv_app *app_of(struct rv__host *host)
{
	return (rv_app *)host;
}

static void visit_one(struct rv__binding *binding, rv__binding_visit_fn visit, void *arg)
{
	struct rv__binding_view view;
	struct rv_error why;

	rv__binding_view(binding, &view, &why);
	visit(arg, &view);
}

void rv__app_visit_bindings(struct rv__host *host, rv__binding_visit_fn visit, void *arg)
{
	rv_app *app = app_of(host);

	for (int inputs = 1; inputs >= 0; inputs--)
		for (size_t i = 0; i < app->binding_count; i++)
			if (app->bindings[i]->is_input == (inputs == 1))
				visit_one(app->bindings[i], visit, arg);
}

static rv_err unknown_binding(const char *channel, struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOTFOUND, RV__N_NO_BINDING, "binding",
	    "there is no binding '%s'; GET /actuator/bindings lists them", channel);
}

rv_err rv__app_visit_binding(
    struct rv__host *host, const char *channel, rv__binding_visit_fn visit, void *arg, struct rv_error *err)
{
	const rv_channel *found = rv__app_find_channel(app_of(host), channel);

	if (!found || (!found->input && !found->output))
		return unknown_binding(channel, err);
	if (found->input)
		visit_one(found->input, visit, arg);
	if (found->output)
		visit_one(found->output, visit, arg);
	return RV_OK;
}

static rv_err change(struct rv__binding *binding, const char *state, struct rv_error *err)
{
	if (strcasecmp(state, "STOPPED") == 0)
		rv__binding_want_running(binding, false);
	else if (strcasecmp(state, "STARTED") == 0)
		rv__binding_want_running(binding, true);
	else if (strcasecmp(state, "PAUSED") == 0)
		return rv__binding_want_paused(binding, true, err);
	else if (strcasecmp(state, "RESUMED") == 0)
		return rv__binding_want_paused(binding, false, err);
	else
		return rv_error_set(err, RV_E_INVALID, RV__N_UNKNOWN_STATE, "binding",
		    "'%s' is no state to ask for; use STOPPED, STARTED, PAUSED or RESUMED", state);
	return RV_OK;
}

rv_err rv__app_change_binding(
    struct rv__host *host, const char *channel, const char *state, struct rv_error *err)
{
	rv_app *app = app_of(host);
	const rv_channel *found = rv__app_find_channel(app, channel);
	rv_err code = RV_OK;

	if (!found || (!found->input && !found->output))
		return unknown_binding(channel, err);
	if (atomic_load(&app->stop_requested))
		return rv_error_set(err, RV_E_CLOSED, RV__N_APP_STOPPING, "binding",
		    "the application is stopping; its bindings change no more");
	if (found->input)
		code = change(found->input, state, err);
	if (found->output && code == RV_OK)
		code = change(found->output, state, err);
	return code;
}

void rv__app_visit_binders(struct rv__host *host, rv__binder_visit_fn visit, void *arg)
{
	for (const struct rv__binder *at = app_of(host)->binders; at; at = at->next) {
		void *instance = __atomic_load_n(&at->instance, __ATOMIC_ACQUIRE);
		struct rv__binder_view view = {
		    .name = at->name,
		    .type = at->ops->type,
		    .label = at->ops->label,
		    .ops = at->ops,
		    .binder = instance,
		    .status = instance ? at->ops->health(instance, NULL, NULL) : RV_HEALTH_UNKNOWN,
		    .waiting = instance ? RV_OK : RV_E_UNAVAILABLE,
		    .why = instance ? "" : "it is not open yet",
		};

		visit(arg, &view);
	}
}

bool rv__app_is_ready(struct rv__host *host, char *ret_why, size_t size)
{
	rv_app *app = app_of(host);

	if (atomic_load(&app->stop_requested)) {
		if (ret_why)
			snprintf(ret_why, size, "the application is stopping");
		return false;
	}
	for (size_t i = 0; i < app->binding_count; i++) {
		struct rv__binding_view view;
		struct rv_error why;

		rv__binding_view(app->bindings[i], &view, &why);
		if (!view.desired_running || strcmp(view.true_state, "running") == 0 ||
		    strcmp(view.true_state, "paused") == 0)
			continue;
		if (ret_why)
			snprintf(ret_why, size, "channel '%s' is %s%s%s", view.channel, view.true_state,
			    *view.why ? ": " : "", view.why);
		return false;
	}
	return true;
}
