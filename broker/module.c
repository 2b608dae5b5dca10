/* SPDX-License-Identifier: Apache-2.0 */
/* The broker inside a service: rivulet.broker.embedded=true opens one before any binding binds. */
#include "broker/module.h"

#include <stdlib.h>

#include <rivulet/log.h>

#include "base/config.h"
#include "broker/broker.h"

static const struct rv__section sections[] = {
    {.prefix = "rivulet.broker", .table = &rv__broker_properties, .title = "In-house broker"},
    {.prefix = NULL},
};

/* Slot of the module: the settings from the check on, the broker from the start on. */
struct embedded {
	struct rv__broker_settings settings;
	rv__broker *broker;
};

static rv_err check(struct rv__host *host, void **state, struct rv__problems *problems)
{
	static const char *const prefixes[] = {"rivulet.broker", NULL};
	struct embedded *embedded = calloc(1, sizeof(*embedded));
	struct rv_error error;

	if (!embedded)
		return RV_E_NOMEM;
	rv__config_fill(host->config, &rv__broker_properties, prefixes, &embedded->settings, problems);
	*state = embedded;
	if (!embedded->settings.embedded || rv__broker_settings_check(&embedded->settings, &error) == RV_OK)
		return RV_OK;
	rv__problems_add(problems, true, error.number, "rivulet.broker", "%s", error.text);
	return RV_E_CONFIG;
}

static rv_err start(struct rv__host *host, void **state, struct rv_error *err)
{
	struct embedded *embedded = *state;
	rv_err code;

	if (!embedded || !embedded->settings.embedded)
		return RV_OK;
	code = rv__broker_open(&embedded->settings, &embedded->broker, err);
	if (code != RV_OK)
		return code;
	rv__host_set_port(host, &rv__broker_module, rv__broker_port(embedded->broker));
	rv_log(RV_LOG_INFO, "broker", "embedded: name server on port %d, broker on port %d, store %s, %s",
	    rv__broker_name_server_port(embedded->broker), rv__broker_port(embedded->broker),
	    rv__broker_store(embedded->broker), rv__broker_level(embedded->broker));
	return RV_OK;
}

static void close_module(struct rv__host *host, void *state)
{
	struct embedded *embedded = state;

	(void)host;
	if (!embedded)
		return;
	rv__broker_close(embedded->broker);
	free(embedded);
}

const struct rv__module rv__broker_module = {
    .name = "broker",
    .phase = RV__PHASE_BROKER,
    .sections = sections,
    .check = check,
    .start = start,
    .close = close_module,
};
