/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <rivulet/test.h> from the inside: the application runs on a thread of its own (test_harness.c); the test stands
 * outside, with an instance of the binder of its own on the same broker (test_peer.c).
 */
#ifndef BINDINGS_TEST_HARNESS_H
#define BINDINGS_TEST_HARNESS_H

#include <rivulet/test.h>

#include "bindings/app.h"
#include "base/wait.h"

/* What arrived at one destination and was not taken yet. */
struct rv__tap {
	struct rv__tap *next;
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
struct rv__port {
	struct rv__port *next;
	char *destination;
	void *producer;
	struct rv_test *test;
};

struct rv__settlement {
	struct rv__settlement *next;
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
	struct rv__tap *taps;
	struct rv__port *ports;

	pthread_mutex_t lock; /* protects all below, and arrivals */
	pthread_cond_t changed;
	bool ready, over;
	struct rv__settlement *settlements, **last_settlement;
};

/** Opens the test's own instance, once the application has its binder. */
bool rv__test_open_binder(struct rv_test *test, struct rv_error *err);
/** Leaves and closes whatever was opened. */
void rv__test_close_binder(struct rv_test *test);

#endif
