/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <rivulet/test.h>: the application runs on a thread of its own, every binding on the `memory`
 * binder; the test stands outside, with a binder instance of its own on the same broker.
 */
#include <rivulet/test.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "binder/registry.h"
#include "bindings/app.h"
#include "bindings/wait.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_MS = 30000, SEND_MS = 5000, TEXT_SIZE = 128 };

/* What arrived at one destination and was not taken yet. */
struct tap {
	struct tap *next;
	struct rv_test *test;
	char *destination;
	void *consumer;
	struct arrival {
		struct arrival *next;
		rv_message *message;
		struct rv_token token;
	} * first, **last;
};

/* A way in. */
struct port {
	struct port *next;
	char *destination;
	void *producer;
	struct rv_test *test;
};

struct settlement {
	struct settlement *next;
	enum rv_settled settled;
	char channel[];
};

struct rv_test {
	rv_app *app;
	pthread_t thread;
	int status; /* of rv_app_run(), once `over` */
	struct rv__observer observer;
	const struct rv_binder_ops *ops;
	void *binder; /* our own instance; NULL until the first use */
	struct rv_binder_env env;
	void *consumer_settings, *producer_settings;
	struct tap *taps;
	struct port *ports;

	pthread_mutex_t lock; /* protects all below, and arrivals */
	pthread_cond_t changed;
	bool ready, over;
	struct settlement *settlements, **last_settlement;
};

/* -- the application -------------------------------------------------------------------------- */

static void on_ready(void *context)
{
	struct rv_test *test = context;

	pthread_mutex_lock(&test->lock);
	test->ready = true;
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
}

static void on_settled(void *context, const char *channel, enum rv_settlement settlement)
{
	static const enum rv_settled words[] = {
	    [RV_SETTLE_ACK] = RV_SETTLED_ACK,
	    [RV_SETTLE_REQUEUE] = RV_SETTLED_REQUEUE,
	    [RV_SETTLE_DEAD_LETTER] = RV_SETTLED_DEAD_LETTER,
	    [RV_SETTLE_DROP] = RV_SETTLED_DROP,
	};
	struct rv_test *test = context;
	struct settlement *item = malloc(sizeof *item + strlen(channel) + 1);

	if (!item)
		return;
	*item = (struct settlement){.settled = words[settlement]};
	memcpy(item->channel, channel, strlen(channel) + 1);
	pthread_mutex_lock(&test->lock);
	*test->last_settlement = item;
	test->last_settlement = &item->next;
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
}

static void *run(void *arg)
{
	struct rv_test *test = arg;
	int status = rv__app_run_only(test->app);

	pthread_mutex_lock(&test->lock);
	test->status = status;
	test->over = true;
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
	return NULL;
}

static bool wait_for_start(struct rv_test *test)
{
	int64_t deadline_ns = rv__monotonic_ns() + (int64_t)START_MS * 1000000;
	bool in_time = true;
	bool ready;

	pthread_mutex_lock(&test->lock);
	while (!test->ready && !test->over && in_time)
		in_time = rv__wait_until(&test->changed, &test->lock, deadline_ns);
	ready = test->ready && !test->over;
	pthread_mutex_unlock(&test->lock);
	return ready;
}

/* "key=value" as arguments, so that they stand over every other layer. */
static char **make_arguments(const char *const *properties, int *ret_count)
{
	size_t n = 0;
	char **arguments;

	while (properties && properties[n])
		n++;
	arguments = calloc(n + 2, sizeof *arguments);
	if (!arguments)
		return NULL;
	arguments[0] = strdup("test");
	for (size_t i = 0; i < n; i++)
		if (asprintf(&arguments[i + 1], "--%s", properties[i]) < 0)
			arguments[i + 1] = NULL;
	*ret_count = (int)n + 1;
	return arguments;
}

static rv_app *make_app(struct rv_test *test, const char *const *properties)
{
	static const char *const defaults[] = {
	    "spring.cloud.stream.default-binder=memory", "server.port=-1", "rivulet.stop-deadline=5s", NULL};
	int count = 0;
	char **arguments = make_arguments(properties, &count);
	rv_app *app = arguments ? rv_app_create("test", count, arguments) : NULL;

	for (int i = 0; arguments && i < count; i++)
		free(arguments[i]);
	free(arguments);
	if (!app)
		return NULL;
	app->defaults = defaults;
	app->no_files = true;
	app->no_environment = true;
	app->handles_signals = false;
	app->observer = &test->observer;
	return app;
}

/* -- our own instance of the binder --------------------------------------------------------------- */

static bool open_binder(struct rv_test *test, struct rv_error *err)
{
	const struct rv__binder *theirs = test->app->binders;
	struct rv__problems none = {0};
	static const char *const no_prefixes[] = {NULL};

	if (!theirs) {
		rv_error_set(
		    err, RV_E_CONFIG, RV__N_NO_CHANNEL, "test", "the application has no bindings to test");
		return false;
	}
	test->ops = theirs->ops;
	test->env = theirs->env;
	test->env.name = "test";
	test->consumer_settings = calloc(1, test->ops->consumer_props.size + 1);
	test->producer_settings = calloc(1, test->ops->producer_props.size + 1);
	if (!test->consumer_settings || !test->producer_settings)
		return false;
	if (test->ops->consumer_props.rows)
		rv__config_fill(
		    NULL, &test->ops->consumer_props, no_prefixes, test->consumer_settings, &none);
	if (test->ops->producer_props.rows)
		rv__config_fill(
		    NULL, &test->ops->producer_props, no_prefixes, test->producer_settings, &none);
	rv__problems_finish(&none);
	return test->ops->open(&test->env, theirs->settings, &test->binder, err) == RV_OK;
}

static void close_binder(struct rv_test *test)
{
	while (test->taps) {
		struct tap *tap = test->taps;

		test->taps = tap->next;
		test->ops->stop_consumer(tap->consumer);
		(void)test->ops->unbind_consumer(tap->consumer, SEND_MS);
		while (tap->first) {
			struct arrival *next = tap->first->next;

			rv_message_unref(tap->first->message);
			free(tap->first);
			tap->first = next;
		}
		free(tap->destination);
		free(tap);
	}
	while (test->ports) {
		struct port *port = test->ports;

		test->ports = port->next;
		(void)test->ops->unbind_producer(port->producer, SEND_MS);
		free(port->destination);
		free(port);
	}
	if (test->binder) {
		test->ops->stop(test->binder);
		test->ops->close(test->binder);
	}
	free(test->consumer_settings);
	free(test->producer_settings);
}

/* -- starting and stopping -------------------------------------------------------------------------- */

static void free_test(struct rv_test *test)
{
	while (test->settlements) {
		struct settlement *next = test->settlements->next;

		free(test->settlements);
		test->settlements = next;
	}
	/* A listener that did not return still uses the application, and what it tells us. */
	if (test->app && test->app->stuck > 0)
		return;
	rv__app_destroy(test->app);
	pthread_cond_destroy(&test->changed);
	pthread_mutex_destroy(&test->lock);
	free(test);
}

static struct rv_test *new_test(const char *const *properties)
{
	struct rv_test *test = calloc(1, sizeof *test);

	if (!test || !rv__wait_init(&test->lock, &test->changed)) {
		free(test);
		return NULL;
	}
	test->last_settlement = &test->settlements;
	test->observer = (struct rv__observer){.ready = on_ready, .settled = on_settled, .context = test};
	test->app = make_app(test, properties);
	return test;
}

/* What kept the application from starting. */
static void explain(const struct rv_test *test, struct rv_error *err)
{
	const struct rv__problems *problems = &test->app->problems;

	for (size_t i = 0; i < problems->count; i++) {
		if (problems->items[i].fatal) {
			rv_error_set(err, RV_E_CONFIG, problems->items[i].number, "test", "%s",
			    problems->items[i].text);
			return;
		}
	}
	rv_error_set(err, RV_E_UNAVAILABLE, 0, "test",
	    "the application under test did not start (status %d); its log says why", test->status);
}

struct rv_test *rv_test_start(
    rv_test_declare_fn declare, void *context, const char *const *properties, struct rv_error *err)
{
	struct rv_test *test = new_test(properties);

	if (!test || !test->app) {
		if (test)
			free_test(test);
		rv_error_set(
		    err, RV_E_NOMEM, RV__N_MESSAGE_NOMEM, "test", "no memory for the application under test");
		return NULL;
	}
	declare(test->app, context);
	if (pthread_create(&test->thread, NULL, run, test) != 0) {
		rv_error_set(
		    err, RV_E_NOMEM, RV__N_WORKERS, "test", "no thread for the application under test");
		free_test(test);
		return NULL;
	}
	if (wait_for_start(test) && open_binder(test, err))
		return test;
	rv_app_request_stop(test->app);
	pthread_join(test->thread, NULL);
	explain(test, err);
	close_binder(test);
	free_test(test);
	return NULL;
}

int rv_test_stop(struct rv_test *test)
{
	int status;

	if (!test)
		return 0;
	rv_app_request_stop(test->app);
	pthread_join(test->thread, NULL);
	status = test->status;
	close_binder(test);
	free_test(test);
	return status;
}

rv_app *rv_test_app(struct rv_test *test)
{
	return test->app;
}

int rv_test_http_port(struct rv_test *test)
{
	for (size_t i = 0; rv__builtin_modules[i]; i++)
		if (strcmp(rv__builtin_modules[i]->name, "http") == 0)
			return test->app->host.ports[i];
	return 0;
}

/* -- in ------------------------------------------------------------------------------------------------ */

/* A send that waits for its completion; on the stack of the sender. */
struct pending {
	struct rv_test *test;
	bool done;
	struct rv_error error;
};

static void on_sent(void *sink, void *arg, const struct rv_receipt *receipt, const struct rv_error *error)
{
	struct pending *pending = arg;
	struct rv_test *test = pending->test;

	(void)sink;
	(void)receipt;
	pthread_mutex_lock(&test->lock);
	if (error)
		pending->error = *error;
	pending->done = true;
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
}

static void on_writable(void *sink)
{
	struct port *port = sink;

	pthread_mutex_lock(&port->test->lock);
	pthread_cond_broadcast(&port->test->changed);
	pthread_mutex_unlock(&port->test->lock);
}

static void on_state(void *sink, const struct rv_error *why)
{
	(void)sink;
	(void)why;
}

static const struct rv_producer_sink port_sink = {
    .sent = on_sent, .writable = on_writable, .state = on_state};

static struct port *get_port(struct rv_test *test, const char *destination, struct rv_error *err)
{
	static const struct rv_strings no_groups = {NULL, 0};
	struct rv_producer_spec spec = {.binding = "test",
	    .destination = destination,
	    .partition_count = 1,
	    .required_groups = &no_groups,
	    .settings = test->producer_settings,
	    .sink_ops = &port_sink};
	struct rv_producer_info info = {0};
	struct port *port = test->ports;

	while (port && strcmp(port->destination, destination) != 0)
		port = port->next;
	if (port)
		return port;
	port = calloc(1, sizeof *port);
	if (!port || !(port->destination = strdup(destination))) {
		free(port);
		rv_error_set(err, RV_E_NOMEM, RV__N_MESSAGE_NOMEM, "test", "no memory to put a message");
		return NULL;
	}
	port->test = test;
	spec.sink = port;
	if (test->ops->bind_producer(test->binder, &spec, &port->producer, &info, err) != RV_OK) {
		free(port->destination);
		free(port);
		return NULL;
	}
	port->next = test->ports;
	test->ports = port;
	return port;
}

/* The first destination of a channel; *ret_binding of that direction. */
static bool find_destination(struct rv_test *test, const char *channel, bool prefer_input,
    struct rv__binding **ret_binding, char *text, size_t size)
{
	const rv_channel *found = rv__app_find_channel(test->app, channel);
	struct rv__binding *binding = NULL;

	if (found)
		binding = prefer_input ? (found->input ? found->input : found->output)
		                       : (found->output ? found->output : found->input);
	if (!binding)
		return false;
	snprintf(text, size, "%.*s", (int)strcspn(binding->destination, ", "), binding->destination);
	*ret_binding = binding;
	return true;
}

static rv_err send_and_wait(struct port *port, rv_message *message, struct rv_error *err)
{
	struct rv_test *test = port->test;
	struct pending pending = {.test = test};
	struct rv_outbound outbound = {.message = message, .partition = -1, .arg = &pending};
	int64_t deadline_ns = rv__monotonic_ns() + (int64_t)SEND_MS * 1000000;

	while (test->ops->send(port->producer, &outbound, 1) == 0) {
		bool in_time;

		pthread_mutex_lock(&test->lock);
		in_time = rv__wait_until(&test->changed, &test->lock, rv__monotonic_ns() + 10000000) ||
		    rv__monotonic_ns() < deadline_ns;
		pthread_mutex_unlock(&test->lock);
		if (!in_time)
			return rv_error_set(err, RV_E_TIMEOUT, RV__N_SEND_NO_ROOM, "test",
			    "destination '%s' has no room; let the application take messages first",
			    port->destination);
	}
	pthread_mutex_lock(&test->lock);
	/* The completion writes to our stack, so it is waited for; the memory broker always completes. */
	while (!pending.done)
		pthread_cond_wait(&test->changed, &test->lock);
	pthread_mutex_unlock(&test->lock);
	if (pending.error.code != RV_OK && err)
		*err = pending.error;
	return pending.error.code;
}

rv_err rv_test_put(struct rv_test *test, const char *channel, rv_message *message, struct rv_error *err)
{
	struct rv__binding *binding;
	char destination[TEXT_SIZE];
	struct port *port;
	rv_message *sealed;
	rv_err code = rv_message_error(message, err);

	if (code != RV_OK)
		return code;
	if (!find_destination(test, channel, true, &binding, destination, sizeof destination))
		return rv_error_set(err, RV_E_NOTFOUND, RV__N_NO_CHANNEL, "test",
		    "the application declares no channel '%s'; correct the name", channel);
	port = get_port(test, destination, err);
	if (!port)
		return err ? err->code : RV_E_UNAVAILABLE;
	sealed = rv_message_ref(message);
	code = send_and_wait(port, sealed, err);
	rv_message_unref(sealed);
	return code;
}

/* -- out ------------------------------------------------------------------------------------------------- */

static size_t on_deliver(void *sink, const struct rv_inbound *batch, size_t n)
{
	struct tap *tap = sink;
	size_t taken = 0;

	pthread_mutex_lock(&tap->test->lock);
	while (taken < n) {
		struct arrival *arrival = malloc(sizeof *arrival);

		if (!arrival)
			break;
		*arrival = (struct arrival){.message = batch[taken].message, .token = batch[taken].token};
		*tap->last = arrival;
		tap->last = &arrival->next;
		taken++;
	}
	pthread_cond_broadcast(&tap->test->changed);
	pthread_mutex_unlock(&tap->test->lock);
	return taken;
}

static void on_assigned(void *sink, const struct rv_assignment *assignments, size_t n)
{
	(void)sink;
	(void)assignments;
	(void)n;
}

static void on_revoked(void *sink, const uint32_t *slots, size_t n, bool lost, int64_t deadline_ms)
{
	/* Nobody else reads in the test's group: nothing is ever taken away. */
	(void)sink;
	(void)slots;
	(void)n;
	(void)lost;
	(void)deadline_ms;
}

static const struct rv_consumer_sink tap_sink = {
    .deliver = on_deliver, .assigned = on_assigned, .revoked = on_revoked, .state = on_state};

static struct tap *get_tap(struct rv_test *test, const char *destination)
{
	struct rv_consumer_spec spec = {.binding = "test",
	    .destination = destination,
	    .group = "rivulet.test",
	    .concurrency = 1,
	    .max_attempts = 1,
	    .instance_count = 1,
	    .settings = test->consumer_settings,
	    .sink_ops = &tap_sink};
	struct rv_consumer_info info = {0};
	struct tap *tap = test->taps;

	while (tap && strcmp(tap->destination, destination) != 0)
		tap = tap->next;
	if (tap)
		return tap;
	tap = calloc(1, sizeof *tap);
	if (!tap || !(tap->destination = strdup(destination))) {
		free(tap);
		return NULL;
	}
	tap->test = test;
	tap->last = &tap->first;
	spec.sink = tap;
	if (test->ops->bind_consumer(test->binder, &spec, &tap->consumer, &info, NULL) != RV_OK) {
		free(tap->destination);
		free(tap);
		return NULL;
	}
	tap->next = test->taps;
	test->taps = tap;
	(void)test->ops->start_consumer(tap->consumer, NULL);
	return tap;
}

static rv_message *take_from(struct tap *tap, int deadline_ms)
{
	struct rv_test *test = tap->test;
	int64_t deadline_ns = rv__monotonic_ns() + (int64_t)deadline_ms * 1000000;
	struct rv_settle settle = {.settlement = RV_SETTLE_ACK};
	struct arrival *arrival;
	bool in_time = true;
	int64_t hold_ms = -1;

	pthread_mutex_lock(&test->lock);
	while (!tap->first && in_time)
		in_time = rv__wait_until(&test->changed, &test->lock, deadline_ns);
	arrival = tap->first;
	if (arrival) {
		tap->first = arrival->next;
		if (!tap->first)
			tap->last = &tap->first;
	}
	pthread_mutex_unlock(&test->lock);
	if (!arrival)
		return NULL;
	settle.token = arrival->token;
	settle.message = arrival->message;
	(void)test->ops->settle(tap->consumer, &settle, &hold_ms); /* alone in its group: never stale */
	free(arrival);
	return settle.message;
}

rv_message *rv_test_take(struct rv_test *test, const char *channel, int deadline_ms)
{
	struct rv__binding *binding;
	char destination[TEXT_SIZE];
	struct tap *tap;

	if (!find_destination(test, channel, false, &binding, destination, sizeof destination))
		return NULL;
	tap = get_tap(test, destination);
	return tap ? take_from(tap, deadline_ms) : NULL;
}

rv_message *rv_test_dead_letter(struct rv_test *test, const char *channel, int deadline_ms)
{
	struct rv__binding *binding;
	char destination[TEXT_SIZE];
	struct tap *tap = NULL;

	if (!find_destination(test, channel, true, &binding, destination, sizeof destination) ||
	    !binding->is_input)
		return NULL;
	pthread_mutex_lock(&binding->lock);
	destination[0] = '\0';
	if (binding->input && binding->input->source_count > 0 &&
	    binding->input->sources[0].info.dead_letter_destination)
		snprintf(destination, sizeof destination, "%s",
		    binding->input->sources[0].info.dead_letter_destination);
	pthread_mutex_unlock(&binding->lock);
	if (destination[0])
		tap = get_tap(test, destination);
	return tap ? take_from(tap, deadline_ms) : NULL;
}

/* Locks: test->lock held. Unlinks the first settlement of a channel. */
static struct settlement *pop_settlement(struct rv_test *test, const char *channel)
{
	struct settlement **at = &test->settlements;
	struct settlement *found;

	while (*at && strcmp((*at)->channel, channel) != 0)
		at = &(*at)->next;
	found = *at;
	if (!found)
		return NULL;
	*at = found->next;
	if (test->last_settlement == &found->next)
		test->last_settlement = at;
	return found;
}

enum rv_settled rv_test_settlement(struct rv_test *test, const char *channel, int deadline_ms)
{
	int64_t deadline_ns = rv__monotonic_ns() + (int64_t)deadline_ms * 1000000;
	enum rv_settled settled = RV_SETTLED_NONE;
	struct settlement *found;
	bool in_time = true;

	pthread_mutex_lock(&test->lock);
	while (!(found = pop_settlement(test, channel)) && in_time)
		in_time = rv__wait_until(&test->changed, &test->lock, deadline_ns);
	pthread_mutex_unlock(&test->lock);
	if (found)
		settled = found->settled;
	free(found);
	return settled;
}
