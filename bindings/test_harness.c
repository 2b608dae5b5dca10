/* SPDX-License-Identifier: Apache-2.0 */
/* The application under test: its thread, its start and stop, its settlements. */
#include "bindings/test_harness.h"

#include "base/clock.h"
#include "base/numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_MS = 30000 };

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
	struct rv__settlement *item = malloc(sizeof *item + strlen(channel) + 1);

	if (!item)
		return;
	*item = (struct rv__settlement){.settled = words[settlement]};
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
/* -- starting and stopping -------------------------------------------------------------------------- */

static void free_test(struct rv_test *test)
{
	while (test->settlements) {
		struct rv__settlement *next = test->settlements->next;

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
	if (wait_for_start(test) && rv__test_open_binder(test, err))
		return test;
	rv_app_request_stop(test->app);
	pthread_join(test->thread, NULL);
	explain(test, err);
	rv__test_close_binder(test);
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
	rv__test_close_binder(test);
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
/* -- settlements ------------------------------------------------------------------------------------- */

/* Locks: test->lock held. Unlinks the first settlement of a channel. */
static struct rv__settlement *pop_settlement(struct rv_test *test, const char *channel)
{
	struct rv__settlement **at = &test->settlements;
	struct rv__settlement *found;

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
	struct rv__settlement *found;
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
