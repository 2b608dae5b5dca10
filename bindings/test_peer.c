/* SPDX-License-Identifier: Apache-2.0 */
/* What the test sends to and takes from the broker beside the application. */
#include "bindings/test_harness.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "binder/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEND_MS = 5000, TEXT_SIZE = 128 };

/* -- our own instance of the binder --------------------------------------------------------------- */

bool rv__test_open_binder(struct rv_test *test, struct rv_error *err)
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

void rv__test_close_binder(struct rv_test *test)
{
	while (test->taps) {
		struct rv__tap *tap = test->taps;

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
		struct rv__port *port = test->ports;

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
	struct rv__port *port = sink;

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

static struct rv__port *get_port(struct rv_test *test, const char *destination, struct rv_error *err)
{
	static const struct rv_strings no_groups = {NULL, 0};
	struct rv_producer_spec spec = {.binding = "test",
	    .destination = destination,
	    .partition_count = 1,
	    .required_groups = &no_groups,
	    .settings = test->producer_settings,
	    .sink_ops = &port_sink};
	struct rv_producer_info info = {0};
	struct rv__port *port = test->ports;

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

static rv_err send_and_wait(struct rv__port *port, rv_message *message, struct rv_error *err)
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
	struct rv__port *port;
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
	struct rv__tap *tap = sink;
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

static struct rv__tap *get_tap(struct rv_test *test, const char *destination)
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
	struct rv__tap *tap = test->taps;

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

static rv_message *take_from(struct rv__tap *tap, int deadline_ms)
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
	struct rv__tap *tap;

	if (!find_destination(test, channel, false, &binding, destination, sizeof destination))
		return NULL;
	tap = get_tap(test, destination);
	return tap ? take_from(tap, deadline_ms) : NULL;
}

rv_message *rv_test_dead_letter(struct rv_test *test, const char *channel, int deadline_ms)
{
	struct rv__binding *binding;
	char destination[TEXT_SIZE];
	struct rv__tap *tap = NULL;

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
