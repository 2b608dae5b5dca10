/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests a service without a broker: the whole application runs in this process, every
 * binding on the `memory` binder. No HTTP port opens unless a test asks for it.
 *
 *     struct rv_test *test = rv_test_start(build_app, NULL, properties, &error);
 *     rv_test_put(test, "input", message, &error);
 *     settlement = rv_test_settlement(test, "input", 2000);
 *     message = rv_test_take(test, "output", 2000);
 *     rv_test_stop(test);
 *
 * Threads: one test thread drives one rv_test.
 */
#ifndef RIVULET_TEST_H
#define RIVULET_TEST_H

#include <rivulet/app.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_test rv_test;

/* How the broker was done with a message. */
enum rv_settled {
	RV_SETTLED_NONE, /* nothing within the deadline */
	RV_SETTLED_ACK,
	RV_SETTLED_REQUEUE,
	RV_SETTLED_DEAD_LETTER,
	RV_SETTLED_DROP
};

/**
 * Declares an application: what a service's main() does between create and run. `properties` ("key=value",
 * NULL-terminated, may be NULL) come on top of the built-in defaults; no file is read unless
 * spring.config.location names one.
 */
typedef void (*rv_test_declare_fn)(rv_app *app, void *context);

/** Starts it and returns once it is ready. Owned: rv_test_stop(). NULL with *err: RV_E_CONFIG for the first mistake of
 * declarations or properties; RV_E_UNAVAILABLE when it did not come up (its log says why); RV_E_NOMEM. */
RV_API rv_test *rv_test_start(
    rv_test_declare_fn declare, void *context, const char *const *properties, struct rv_error *err);

/** Sends to the destination of an input (or output) channel from outside, as another service would. `message`
 * is borrowed. RV_E_NOTFOUND for a channel that the application does not declare; else as rv_channel_send(). */
RV_API rv_err rv_test_put(rv_test *test, const char *channel, rv_message *message, struct rv_error *err);

/** Takes the next message that arrived at the destination of an output channel; owned (unref). NULL after
 * deadline_ms. */
RV_API rv_message *rv_test_take(rv_test *test, const char *channel, int deadline_ms);

/** Waits for the next settlement of an input channel, in order of settlement; RV_SETTLED_NONE after deadline_ms. */
RV_API enum rv_settled rv_test_settlement(rv_test *test, const char *channel, int deadline_ms);

/** Takes the next dead letter of an input channel; owned. NULL after deadline_ms. */
RV_API rv_message *rv_test_dead_letter(rv_test *test, const char *channel, int deadline_ms);

/** The application under test, for rv_app_channel(). Borrowed. */
RV_API rv_app *rv_test_app(rv_test *test);

/** The port of the service's HTTP server (test with "server.port=0"), 0 when it has none. */
RV_API int rv_test_http_port(rv_test *test);

/** Stops and frees; returns what rv_app_run() would have returned. */
RV_API int rv_test_stop(rv_test *test);

#ifdef __cplusplus
}
#endif
#endif
