/* SPDX-License-Identifier: Apache-2.0 */
/* From properties to settings: every binding, its binder, and every mistake at once. */
#include "base/config_home.h"
#include "base/log.h"
#include "base/numbers.h"
#include "bindings/app.h"
#include "bindings/instances.h"
#include "bindings/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { KEY_SIZE = 512, ROOT_SIZE = 80 };

extern char **environ;

/* -- layers below one binding ------------------------------------------------------------- */

/* Prefixes of a binding's section, most specific first. */
struct layers {
	char specific[KEY_SIZE];
	char common[KEY_SIZE];
	const char *prefixes[3];
};

static const char *const *layers_of(
    struct layers *layers, const char *root, const char *channel, const char *default_word, const char *part)
{
	const char *dot = *part ? "." : "";

	snprintf(layers->specific, sizeof layers->specific, "%s.bindings.%s%s%s", root, channel, dot, part);
	snprintf(layers->common, sizeof layers->common, "%s.%s%s%s", root, default_word, dot, part);
	layers->prefixes[0] = layers->specific;
	layers->prefixes[1] = layers->common;
	layers->prefixes[2] = NULL;
	return layers->prefixes;
}

static void fill(rv_app *app, const char *root, const char *channel, const char *part,
    const struct rv_prop_table *table, void *settings)
{
	struct layers layers;

	rv__config_fill(
	    app->config, table, layers_of(&layers, root, channel, "default", part), settings, &app->problems);
}

static void read_settings(rv_app *app, struct rv__binding *binding)
{
	const char *channel = binding->channel;
	char prefix[KEY_SIZE];
	const char *const own[] = {prefix, NULL};
	struct rv__binding_settings specific = {0};

	fill(app, RV__STREAM_PREFIX, channel, "", &rv__binding_table, &binding->settings);
	/* A common destination makes no sense: each binding falls back to its own name. */
	snprintf(prefix, sizeof prefix, RV__STREAM_PREFIX ".bindings.%s", channel);
	rv__config_fill(app->config, &rv__binding_table, own, &specific, &app->problems);
	binding->destination = specific.destination && *specific.destination ? specific.destination : channel;
	binding->group = binding->is_input && binding->settings.group && *binding->settings.group
	    ? binding->settings.group
	    : NULL;
	binding->content_type = rv__intern(binding->settings.content_type);
	fill(app, "rivulet", channel, "", &rv__own_table, &binding->own);
	if (binding->is_input) {
		fill(app, RV__STREAM_PREFIX, channel, "consumer", &rv__consumer_table, &binding->consumer);
		fill(app, "rivulet", channel, "consumer", &rv__own_consumer_table, &binding->own_consumer);
	} else {
		fill(app, RV__STREAM_PREFIX, channel, "producer", &rv__producer_table, &binding->producer);
		fill(app, "rivulet", channel, "producer", &rv__own_producer_table, &binding->own_producer);
	}
}

/* The binder's own settings of a binding: from the configuration of that binder. */
static void read_extension(rv_app *app, struct rv__binding *binding)
{
	const struct rv_binder_ops *ops = binding->binder->ops;
	const struct rv_prop_table *table = binding->is_input ? &ops->consumer_props : &ops->producer_props;
	char root[ROOT_SIZE];
	struct layers layers;

	if (!table->rows)
		return;
	binding->extension = calloc(1, table->size);
	if (!binding->extension) {
		rv__problems_add(&app->problems, true, RV__N_MESSAGE_NOMEM, "",
		    "no memory for the settings of '%s'", binding->channel);
		return;
	}
	snprintf(root, sizeof root, RV__STREAM_PREFIX ".%s", ops->type);
	rv__config_fill(binding->binder->config, table,
	    layers_of(
	        &layers, root, binding->channel, "default", binding->is_input ? "consumer" : "producer"),
	    binding->extension, &app->problems);
}

void rv__binding_complain(rv_app *app, const struct rv__binding *binding, const char *key_end, bool fatal,
    uint16_t number, const char *format, ...)
{
	char own[KEY_SIZE], common[KEY_SIZE], what[512];
	const char *key = own;
	va_list args;

	snprintf(own, sizeof own, RV__STREAM_PREFIX ".bindings.%s.%s", binding->channel, key_end);
	snprintf(common, sizeof common, RV__STREAM_PREFIX ".default.%s", key_end);
	if (!rv__config_get(app->config, own) && rv__config_get(app->config, common))
		key = common;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	rv__problems_add(
	    &app->problems, fatal, number, key, "%s: %s: %s", rv__config_origin(app->config, key), key, what);
}

static void check_back_off(rv_app *app, const struct rv__binding *binding)
{
	if (binding->consumer.back_off_initial_ms > binding->consumer.back_off_max_ms)
		rv__binding_complain(app, binding, "consumer.back-off-max-interval", true, RV__N_BACK_OFF,
		    "the longest wait (%lld ms) is shorter than the first (%lld ms); raise it, or lower "
		    "back-off-initial-interval",
		    (long long)binding->consumer.back_off_max_ms,
		    (long long)binding->consumer.back_off_initial_ms);
}

/* What the binder cannot do is refused in words, not ignored. */
static void check_capabilities(rv_app *app, const struct rv__binding *binding)
{
	bool counts = binding->producer.partition_count > 1;

	if ((!counts && !binding->producer.partition_key_expression) ||
	    (binding->binder->ops->caps & RV_CAP_PARTITIONS))
		return;
	rv__binding_complain(app, binding,
	    counts ? "producer.partition-count" : "producer.partition-key-expression", true, RV__N_UNFIT,
	    "the %s binder has no partitions; leave the key out, or use another binder",
	    binding->binder->ops->label);
}

/* A partitioned output has its expressions compiled once, here. */
static void set_up_partitions(rv_app *app, struct rv__binding *binding)
{
	const struct rv__producer_settings *producer = &binding->producer;
	struct rv__output *output = &binding->output;
	struct rv_error error;
	bool in_selector;
	rv_err code;

	output->least_partitions = (int32_t)producer->partition_count;
	output->dynamic_partitions = producer->dynamic_partitions;
	if (!producer->partition_key_expression) {
		if (producer->partition_selector_expression)
			rv__binding_complain(app, binding, "producer.partition-selector-expression", false,
			    RV__N_LONE_SELECTOR,
			    "there is no key to select by; set partition-key-expression, or leave it out");
		return;
	}
	code = rv__partitioner_create(producer->partition_key_expression,
	    producer->partition_selector_expression,
	    (enum rv__partition_hash)binding->own_producer.partition_hash, &output->partitioner, &in_selector,
	    &error);
	if (code != RV_OK)
		rv__binding_complain(app, binding,
		    in_selector ? "producer.partition-selector-expression"
		                : "producer.partition-key-expression",
		    true, error.number, "%s", error.text);
}

static void set_up_output(struct rv__binding *binding, const rv_channel *channel)
{
	struct rv__output *output = &binding->output;

	output->content_type = binding->content_type;
	atomic_store(&output->send_timeout_ms, binding->own_producer.send_timeout_ms);
	output->max_in_flight = binding->own_producer.max_in_flight;
	output->max_in_flight_bytes = binding->own_producer.max_in_flight_bytes;
	output->header_mode = (enum rv__header_mode)binding->producer.header_mode;
	output->embedded_headers = &binding->own_producer.embedded_headers;
	if (binding->producer.error_channel) {
		output->failed = channel->failed ? channel->failed : binding->app->failed;
		output->failed_context =
		    channel->failed ? channel->failed_context : binding->app->failed_context;
	}
	rv__output_configured(output);
}

static void configure_binding(rv_app *app, struct rv__binding *binding, const rv_channel *channel)
{
	char key[KEY_SIZE];

	read_settings(app, binding);
	snprintf(key, sizeof key, RV__STREAM_PREFIX ".bindings.%s.binder", binding->channel);
	binding->binder = binding->settings.binder
	    ? rv__binder_resolve(app, binding->settings.binder, key, &app->problems)
	    : rv__binder_default(app, binding->channel, &app->problems);
	if (!binding->content_type)
		rv__problems_add(
		    &app->problems, true, RV__N_MESSAGE_NOMEM, "", "no memory for '%s'", binding->channel);
	if (!binding->binder)
		return;
	read_extension(app, binding);
	if (!binding->is_input) {
		check_capabilities(app, binding);
		binding->desired_running = binding->producer.auto_startup;
		set_up_partitions(app, binding);
		set_up_output(binding, channel);
		return;
	}
	check_back_off(app, binding);
	rv__instances_settle(app, binding);
	binding->polled = channel->polled;
	binding->desired_running =
	    binding->consumer.auto_startup && (channel->listener_count > 0 || channel->polled);
	rv__binding_configured(binding);
	if (channel->listener_count == 0 && !channel->polled)
		rv__problems_add(&app->problems, false, RV__N_NO_LISTENER, "",
		    "input '%s' has no listener and is not bound; register one with rv_app_listen()",
		    binding->channel);
}

/* -- the whole ------------------------------------------------------------------------------- */

static bool read_level(const char *word, rv_log_level *ret_level)
{
	static const char *const words[] = {"OFF", "ERROR", "WARN", "INFO", "DEBUG", NULL};
	int level = 0;

	if (strcasecmp(word, "TRACE") == 0)
		word = "DEBUG";
	while (words[level] && strcasecmp(words[level], word) != 0)
		level++;
	*ret_level = (rv_log_level)level;
	return words[level] != NULL;
}

void rv__logging_read(
    const rv_config *config, struct rv__logging_settings *ret_logging, struct rv__problems *problems)
{
	static const char *const logging[] = {"logging", NULL};
	rv_log_level level;

	rv__config_fill(config, &rv__logging_table, logging, ret_logging, problems);
	for (size_t i = 0; i < ret_logging->levels.count; i++) {
		const struct rv_pair *pair = &ret_logging->levels.items[i];
		char key[KEY_SIZE];

		snprintf(key, sizeof key, "logging.level.%s", pair->name);
		if (!read_level(pair->value, &level))
			rv__problems_add(problems, false, RV__N_LOG_LEVEL, key,
			    "%s: %s: '%.80s' is no level; write OFF, ERROR, WARN, INFO, DEBUG or TRACE",
			    rv__config_origin(config, key), key, pair->value);
	}
}

static void set_levels(const struct rv__logging_settings *logging)
{
	rv_log_level level;

	for (size_t i = 0; i < logging->levels.count; i++)
		if (read_level(logging->levels.items[i].value, &level))
			rv__log_set_level(logging->levels.items[i].name, level);
}

static void read_common(rv_app *app)
{
	static const char *const stream[] = {RV__STREAM_PREFIX, NULL};
	static const char *const own[] = {"rivulet", NULL};
	static const char *const application[] = {"spring.application", NULL};

	rv__config_fill(app->config, &rv__stream_table, stream, &app->stream, &app->problems);
	rv__config_fill(app->config, &rv__app_table, own, &app->settings, &app->problems);
	rv__config_fill(app->config, &rv__application_table, application, &app->application, &app->problems);
	rv__logging_read(app->config, &app->logging, &app->problems);
	if (app->application.name && *app->application.name)
		app->host.name = app->application.name;
	rv__log_set_process(app->host.name);
	set_levels(&app->logging);
}

static void check_channel(rv_app *app, const rv_channel *channel)
{
	if (!channel->input && !channel->output)
		rv__problems_add(&app->problems, true, RV__N_NO_CHANNEL, "",
		    "channel '%s' is used but was never declared; declare it with rv_app_enable_binding()",
		    channel->name);
	else if (channel->listener_count > 0 && !channel->input)
		rv__problems_add(&app->problems, true, RV__N_LISTENER, "",
		    "channel '%s' has a listener, but is an output; listen on an input", channel->name);
	else if (channel->listener_count > 0 && channel->polled)
		rv__problems_add(&app->problems, true, RV__N_LISTENER, "",
		    "channel '%s' has a listener, but is polled; pass the listener to rv_channel_poll(), or "
		    "declare the channel with RV_INPUTS()",
		    channel->name);
}

/* A binding in the properties that no code uses is a typing mistake more often than not. */
static void check_unused(rv_app *app)
{
	struct rv_strings names = rv__config_names(app->config, RV__STREAM_PREFIX ".bindings");

	for (size_t i = 0; i < names.count; i++) {
		char key[KEY_SIZE];

		if (rv__app_find_channel(app, names.items[i]))
			continue;
		snprintf(key, sizeof key, RV__STREAM_PREFIX ".bindings.%s", names.items[i]);
		rv__problems_add(&app->problems, false, RV__N_UNUSED_BINDING, key,
		    "%s: this service declares no channel '%s'; correct the name, or leave the key out", key,
		    names.items[i]);
	}
}

static bool list_bindings(rv_app *app)
{
	size_t count = 0;

	for (rv_channel *at = app->channels; at; at = at->next)
		count += (at->input != NULL) + (at->output != NULL);
	app->bindings = calloc(count + 1, sizeof *app->bindings);
	if (!app->bindings)
		return false;
	for (rv_channel *at = app->channels; at; at = at->next)
		if (at->output)
			app->bindings[app->binding_count++] = at->output;
	for (rv_channel *at = app->channels; at; at = at->next)
		if (at->input)
			app->bindings[app->binding_count++] = at->input;
	return true;
}

static void check_keys(rv_app *app)
{
	const char *modules[64] = {NULL};
	struct rv__sections sections;
	size_t count = 0;

	if (rv__collect_sections(&sections) != RV_OK) {
		rv__problems_add(
		    &app->problems, true, RV__N_MESSAGE_NOMEM, "", "no memory to judge the properties");
		return;
	}
	for (struct rv__binder *at = app->binders; at && count < 63; at = at->next)
		modules[count++] = at->ops->type;
	rv__config_check(app->config, sections.items, sections.count, modules, &app->problems);
	rv__sections_finish(&sections);
}

static void check_modules(rv_app *app)
{
	for (size_t i = 0; rv__builtin_modules[i]; i++) {
		const struct rv__module *module = rv__builtin_modules[i];

		if (module->check)
			(void)module->check(&app->host, &app->host.slots[i], &app->problems);
	}
}

/* Nobody should have to guess why a file had no effect. */
static void tell_missing_files(const rv_app *app, const char *installed)
{
	if (rv__config_get(app->config, "spring.config.location") ||
	    rv__config_get(app->config, "spring.config.additional-location") ||
	    rv__config_get(app->config, "spring.config.name"))
		return;
	rv_log(RV_LOG_INFO, "config",
	    "there is no application.properties or .yml in ./, ./config/ or %s/; running on defaults, "
	    "environment "
	    "and arguments; --spring.config.location=DIRECTORY/ names another place",
	    installed);
}

bool rv__app_configure(rv_app *app)
{
	char installed[1024];
	bool found = true;
	struct rv__config_sources sources = {
	    .argc = app->argc,
	    .argv = app->argv,
	    .environment = app->no_environment ? NULL : environ,
	    .defaults = app->defaults,
	    .no_files = app->no_files,
	};

	if (!app->no_files)
		sources.directory = rv__config_home(app->name, installed, sizeof installed, &found);
	app->config = rv__config_load(&sources, &app->problems);
	if (!app->config || !list_bindings(app)) {
		rv__problems_add(
		    &app->problems, true, RV__N_MESSAGE_NOMEM, "", "no memory for the configuration");
		return false;
	}
	app->host.config = app->config;
	read_common(app);
	if (!found)
		tell_missing_files(app, installed);
	for (rv_channel *at = app->channels; at; at = at->next) {
		check_channel(app, at);
		if (at->output)
			configure_binding(app, at->output, at);
		if (at->input)
			configure_binding(app, at->input, at);
	}
	check_unused(app);
	check_modules(app);
	check_keys(app);
	return app->problems.fatal_count == 0;
}
