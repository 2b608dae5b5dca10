/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that tells all it sees, for tests: each delivery on `input` is one JSON line, written to the file
 * PROBE_RECEIVED before the listener returns; each JSON line on standard input ({"body": …, "headers": {…}}) is sent
 * to `output` and answered with one JSON line on standard output; end of input stops the probe. PROBE_CHANNELS=in|out
 * leaves the other channel away.
 * PROBE_FAIL=TEXT asks for another delivery of every message that contains TEXT; PROBE_ABORT=TEXT dies of it, once the
 * delivery was written down; PROBE_WORK_MS is how long a delivery takes after that, PROBE_SLOW=TEXT only of such messages.
 */
#include <rivulet/rivulet.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct probe {
	rv_app *app;
	int received;      /* descriptor that deliveries are appended to */
	const char *fail;  /* NULL: accept all */
	const char *abort; /* NULL: survive all */
	const char *slow;  /* NULL: all take work_ms */
	long work_ms;
	rv_channel *output;
};

/* One write a line: whoever is killed leaves whole lines only. */
static void write_line(int fd, json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);
	size_t length;

	json_decref(line);
	if (!text)
		return;
	length = strlen(text);
	text[length] = '\n';
	if (write(fd, text, length + 1) != (ssize_t)length + 1)
		rv_log_error("cannot write down a delivery");
	free(text);
}

static json_t *describe_headers(const rv_message *message)
{
	json_t *headers = json_object();
	const char *name;
	const char *value;

	for (size_t i = 0; rv_message_header_at(message, i, &name, &value); i++)
		json_object_set_new(headers, name, json_string(value));
	return headers;
}

static rv_verdict receive(const rv_message *message, void *context)
{
	struct probe *probe = context;
	const char *text = rv_message_text(message);
	size_t length;

	(void)rv_message_payload(message, &length);
	write_line(probe->received,
	    json_pack("{s:s, s:s, s:I, s:s, s:s, s:i, s:I, s:i, s:I, s:o}", "id", rv_message_id(message),
	        "body", length > 65536 ? "(large)" : text, "length", (json_int_t)length, "source",
	        rv_message_source(message), "destination", rv_message_destination(message), "partition",
	        (int)rv_message_partition(message), "position", (json_int_t)rv_message_position(message),
	        "attempt", rv_message_attempt(message), "timestamp",
	        (json_int_t)rv_message_timestamp_ms(message), "headers", describe_headers(message)));
	if (probe->abort && strstr(text, probe->abort))
		kill(getpid(), SIGKILL);
	if (!probe->slow || strstr(text, probe->slow))
		nanosleep(&(struct timespec){.tv_sec = probe->work_ms / 1000,
		              .tv_nsec = probe->work_ms % 1000 * 1000000},
		    NULL);
	return probe->fail && strstr(text, probe->fail) ? RV_RETRY : RV_ACK;
}

static rv_message *read_message(const char *line)
{
	json_t *root = json_loads(line, 0, NULL);
	const char *body = json_string_value(json_object_get(root, "body"));
	rv_message *message = rv_message_create(body ? body : "", body ? strlen(body) : 0);
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(root, "headers"), name, value)(void)
	    rv_message_set_header(message, name, json_string_value(value));
	json_decref(root);
	return message;
}

static void *send_lines(void *context)
{
	struct probe *probe = context;
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		rv_message *message = read_message(line);
		struct rv_error error;
		rv_err result = rv_channel_send(probe->output, message, &error);

		write_line(STDOUT_FILENO,
		    result == RV_OK
		        ? json_pack("{s:s}", "sent", rv_message_id(message))
		        : json_pack("{s:s, s:b}", "error", error.text, "retriable", error.retriable));
		rv_message_unref(message);
	}
	free(line);
	rv_app_request_stop(probe->app);
	return NULL;
}

static void start_sending(rv_app *app, void *context)
{
	pthread_t thread;

	(void)app;
	if (pthread_create(&thread, NULL, send_lines, context) == 0)
		pthread_detach(thread);
}

int main(int argc, char **argv)
{
	static struct probe probe;
	const char *channels = getenv("PROBE_CHANNELS");
	const char *path = getenv("PROBE_RECEIVED");
	const char *work_ms = getenv("PROBE_WORK_MS");
	rv_app *app = rv_app_create("probe", argc, argv);

	probe.app = app;
	probe.fail = getenv("PROBE_FAIL");
	probe.abort = getenv("PROBE_ABORT");
	probe.slow = getenv("PROBE_SLOW");
	probe.work_ms = work_ms ? strtol(work_ms, NULL, 10) : 0;
	probe.received = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : STDOUT_FILENO;
	if (probe.received < 0) {
		perror(path);
		return 1;
	}
	if (!channels || strcmp(channels, "out") != 0) {
		rv_app_enable_binding(app, RV_SINK);
		rv_app_listen(app, RV_SINK_INPUT, receive, &probe);
	}
	if (!channels || strcmp(channels, "in") != 0) {
		rv_app_enable_binding(app, RV_SOURCE);
		probe.output = rv_app_channel(app, RV_SOURCE_OUTPUT);
		rv_app_on_ready(app, start_sending, &probe);
	}
	return rv_app_run(app);
}
