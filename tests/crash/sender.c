/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer service that never rests, for the kill loop: sends numbered messages on `output` from SENDER_LANES threads
 * and appends each one that the broker acknowledged to the file SENDER_ACKED, one write a line. A body is "<run>.<lane>
 * <number>": the run (SENDER_RUN) tells one life of this program from the next, and within a lane the numbers ascend.
 * Each lane rests SENDER_PAUSE_US after a message, so that a run of minutes stays small enough to be checked.
 * End of standard input stops it cleanly: the lanes end first, then the application.
 */
#include <rivulet/rivulet.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LANES_MAX = 16 };

static struct {
	rv_app *app;
	rv_channel *output;
	const char *run;
	int acked; /* descriptor */
	long lanes;
	long pause_us;
	atomic_bool stopping;
} sender;

/* A failed send is not repeated: its message may or may not arrive, and the checker knows neither. */
static void send_one(int lane, unsigned long number)
{
	char body[96];
	struct rv_error error;
	int length = snprintf(body, sizeof body, "%s.%d %lu", sender.run, lane, number);
	rv_message *message = rv_message_create_text(body);
	rv_err result = rv_channel_send(sender.output, message, &error);

	rv_message_unref(message);
	body[length++] = '\n';
	if (result == RV_OK && write(sender.acked, body, (size_t)length) != length)
		rv_log_error("cannot write down what was acknowledged");
}

static void *run_lane(void *context)
{
	int lane = (int)(intptr_t)context;
	struct timespec pause = {.tv_nsec = sender.pause_us * 1000};

	for (unsigned long number = 0; !atomic_load(&sender.stopping); number++) {
		send_one(lane, number);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void *supervise(void *context)
{
	pthread_t lanes[LANES_MAX] = {0};
	char ignored[64];

	(void)context;
	for (long lane = 0; lane < sender.lanes; lane++)
		if (pthread_create(&lanes[lane], NULL, run_lane, (void *)(intptr_t)lane) != 0)
			abort();
	while (read(STDIN_FILENO, ignored, sizeof ignored) > 0)
		;
	atomic_store(&sender.stopping, true);
	for (long lane = 0; lane < sender.lanes; lane++)
		pthread_join(lanes[lane], NULL);
	rv_app_request_stop(sender.app);
	return NULL;
}

static void start_sending(rv_app *app, void *context)
{
	pthread_t thread;

	(void)app;
	(void)context;
	if (pthread_create(&thread, NULL, supervise, NULL) == 0)
		pthread_detach(thread);
}

static long read_number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	const char *path = getenv("SENDER_ACKED");

	sender.app = rv_app_create("sender", argc, argv);
	sender.run = getenv("SENDER_RUN") ? getenv("SENDER_RUN") : "0";
	sender.lanes = read_number("SENDER_LANES", 4);
	sender.pause_us = read_number("SENDER_PAUSE_US", 2000);
	sender.acked = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : STDOUT_FILENO;
	if (sender.acked < 0 || sender.lanes < 1 || sender.lanes > LANES_MAX || sender.pause_us < 0 ||
	    sender.pause_us > 900000) {
		fprintf(stderr,
		    "sender: SENDER_ACKED must be a file that can be written, SENDER_LANES 1 to 16, "
		    "SENDER_PAUSE_US up to 900000\n");
		return 2;
	}
	rv_app_enable_binding(sender.app, RV_SOURCE);
	sender.output = rv_app_channel(sender.app, RV_SOURCE_OUTPUT);
	rv_app_on_ready(sender.app, start_sending, NULL);
	return rv_app_run(sender.app);
}
