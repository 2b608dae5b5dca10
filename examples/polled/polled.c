/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A polled input: the service asks for the next message when it has time for it, here once a second, and handles
 * it on its own thread. What is not asked for stays with the broker.
 */
#include <rivulet/rivulet.h>

#include <pthread.h>
#include <unistd.h>

static rv_verdict print_one(const rv_message *message, void *context)
{
	(void)context;
	rv_log_info("asked for and got: %s", rv_message_text(message));
	return RV_ACK;
}

static void *ask(void *input)
{
	struct rv_error error = {0};
	rv_err code;

	do {
		code = rv_channel_poll(input, 1000, print_one, NULL, &error);
		if (code == RV_E_UNAVAILABLE)
			rv_log_warn("%s", error.text);
		if (code == RV_OK)
			sleep(1);
	} while (code != RV_E_CLOSED);
	return NULL;
}

/* The channel is valid until here: the thread must not ask again. */
static void join(rv_app *app, void *thread)
{
	(void)app;
	pthread_join(*(pthread_t *)thread, NULL);
}

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("polled", argc, argv);
	pthread_t thread;

	rv_app_enable_binding(app, RV_POLLED("input"));
	if (pthread_create(&thread, NULL, ask, rv_app_channel(app, "input")) != 0)
		return 1;
	rv_app_on_stopped(app, join, &thread);
	return rv_app_run(app);
}
