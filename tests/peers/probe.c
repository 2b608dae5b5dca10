/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that tells all it sees, for tests: each delivery on `input` is one JSON line, written to the file
 * PROBE_RECEIVED before the listener returns; each JSON line on standard input is sent to `output` and answered with
 * one JSON line on standard output; end of input stops the probe. PROBE_CHANNELS=in|out leaves the other channel away.
 *
 * What is sent: {"body": text, or null for a tombstone, or "hex": digits, "headers": {name: text, or {"type": …,
 * "value": …}}}. Types are those of enum rv_header_type in words, a value is text and of bytes hexadecimal digits.
 * What arrives has "headers" as text alike, "types" beside them, and "null" and "hex" where the body does not say it.
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

static const char *const types[] = {
    [RV_HEADER_TEXT] = "text",
    [RV_HEADER_BOOLEAN] = "boolean",
    [RV_HEADER_INT] = "int",
    [RV_HEADER_LONG] = "long",
    [RV_HEADER_DOUBLE] = "double",
    [RV_HEADER_JSON] = "json",
    [RV_HEADER_BYTES] = "bytes",
};

static json_t *hex(const void *bytes, size_t length)
{
	char *digits = malloc(2 * length + 1);
	json_t *text;

	if (!digits)
		return NULL;
	digits[0] = '\0';
	for (size_t i = 0; i < length; i++)
		snprintf(digits + 2 * i, 3, "%02x", ((const unsigned char *)bytes)[i]);
	text = json_string(digits);
	free(digits);
	return text;
}

static void describe_headers(const rv_message *message, json_t *line)
{
	json_t *headers = json_object(), *names = json_object();
	struct rv_header header;

	for (size_t i = 0; rv_message_header_entry(message, i, &header); i++) {
		json_object_set_new(headers, header.name,
		    header.type == RV_HEADER_BYTES ? hex(header.value, header.length)
		                                   : json_stringn(header.value, header.length));
		json_object_set_new(names, header.name, json_string(types[header.type]));
	}
	json_object_set_new(line, "headers", headers);
	json_object_set_new(line, "types", names);
}

static json_t *describe(const rv_message *message)
{
	size_t length;
	const void *payload = rv_message_payload(message, &length);
	json_t *line = json_pack("{s:s, s:s, s:I, s:s, s:s, s:i, s:I, s:i, s:I}", "id",
	    rv_message_id(message), "body", length > 65536 ? "(large)" : rv_message_text(message), "length",
	    (json_int_t)length, "source", rv_message_source(message), "destination",
	    rv_message_destination(message), "partition", (int)rv_message_partition(message), "position",
	    (json_int_t)rv_message_position(message), "attempt", rv_message_attempt(message), "timestamp",
	    (json_int_t)rv_message_timestamp_ms(message));

	describe_headers(message, line);
	if (rv_message_is_null(message))
		json_object_set_new(line, "null", json_true());
	if (length <= 256)
		json_object_set_new(line, "hex", hex(payload, length));
	return line;
}

static rv_verdict receive(const rv_message *message, void *context)
{
	struct probe *probe = context;
	const char *text = rv_message_text(message);

	write_line(probe->received, describe(message));
	if (probe->abort && strstr(text, probe->abort))
		kill(getpid(), SIGKILL);
	if (!probe->slow || strstr(text, probe->slow))
		nanosleep(&(struct timespec){.tv_sec = probe->work_ms / 1000,
		              .tv_nsec = probe->work_ms % 1000 * 1000000},
		    NULL);
	return probe->fail && strstr(text, probe->fail) ? RV_RETRY : RV_ACK;
}

/* Bytes of hexadecimal digits, owned, with a NUL behind them; anything else ends where it is none. */
static unsigned char *from_hex(const char *digits, size_t *ret_length)
{
	unsigned char *bytes = calloc(1, strlen(digits) / 2 + 1);
	unsigned int byte;

	for (*ret_length = 0; bytes && sscanf(digits, "%2x", &byte) == 1; digits += 2)
		bytes[(*ret_length)++] = (unsigned char)byte;
	return bytes;
}

static rv_err set_header(rv_message *message, const char *name, json_t *wanted)
{
	const char *type = json_string_value(json_object_get(wanted, "type"));
	const char *value =
	    json_string_value(json_is_object(wanted) ? json_object_get(wanted, "value") : wanted);
	unsigned char *bytes;
	size_t length;
	rv_err result;

	if (!type || !value)
		return rv_message_set_header(message, name, value);
	if (strcmp(type, "bytes") == 0) {
		bytes = from_hex(value, &length);
		result = rv_message_set_header_typed(message, name, RV_HEADER_BYTES, bytes, length);
		free(bytes);
		return result;
	}
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(type, types[i]) == 0)
			return rv_message_set_header_typed(
			    message, name, (enum rv_header_type)i, value, strlen(value));
	return RV_E_INVALID;
}

static rv_message *read_message(const char *line)
{
	json_t *root = json_loads(line, 0, NULL);
	json_t *body = json_object_get(root, "body");
	const char *digits = json_string_value(json_object_get(root, "hex"));
	size_t length = json_string_length(body);
	unsigned char *bytes = digits ? from_hex(digits, &length) : NULL;
	rv_message *message = json_is_null(body)
	    ? rv_message_create_null()
	    : rv_message_create(digits ? (const void *)bytes : json_string_value(body), length);
	const char *name;
	json_t *value;

	json_object_foreach(
	    json_object_get(root, "headers"), name, value) if (set_header(message, name, value) != RV_OK)
	    rv_log_error("header '%s' was refused", name);
	free(bytes);
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
