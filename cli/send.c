/* SPDX-License-Identifier: Apache-2.0 */
/* `rivulet send`: puts messages on a topic, with the same library as a service. */
#include "cli/app_args.h"

#include <rivulet/rivulet.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_MAX = 64, INPUT_MAX = 64 * 1024 * 1024, COUNT_MAX = 100000000 };

struct send {
	struct rv__app_args args;
	const char *topic;
	const char *text; /* NULL: standard input */
	struct {
		char *name; /* owned; the value stands behind its NUL */
		const char *value;
	} headers[HEADERS_MAX];
	size_t header_count;
	long count;
	bool lines;
	bool quiet;
	const char *complaint; /* a header that cannot be */
	rv_channel *output;
	int result;
};

static volatile sig_atomic_t interrupted;

static bool add_header(struct send *send, const char *name, const char *value)
{
	size_t size = strlen(name) + 1;
	char *copy = send->header_count < HEADERS_MAX ? malloc(size + strlen(value) + 1) : NULL;

	if (!copy)
		return false;
	memcpy(copy, name, size);
	memcpy(copy + size, value, strlen(value) + 1);
	send->headers[send->header_count].name = copy;
	send->headers[send->header_count++].value = copy + size;
	return true;
}

/* "name=value". */
static bool add_pair(struct send *send, const char *pair)
{
	char name[256];
	const char *equals = strchr(pair, '=');

	if (!equals || equals == pair || (size_t)(equals - pair) >= sizeof name)
		return false;
	snprintf(name, sizeof name, "%.*s", (int)(equals - pair), pair);
	return add_header(send, name, equals + 1);
}

static void set_text_header(struct send *send, const char *name, const char *value)
{
	if (!add_header(send, name, value))
		send->complaint = value;
}

/* How many words were read; 0 when it is no option, -1 when it is a wrong one. */
static int read_option(struct send *send, char **argv)
{
	const char *value;
	int used;

	if ((value = rv__option_value(argv, "-n", "--name-server", &used))) {
		rv__app_args_set(&send->args, "spring.cloud.stream.rocketmq.binder.name-server", value);
	} else if (!used && (value = rv__option_value(argv, "-H", "--header", &used))) {
		if (!add_pair(send, value))
			send->complaint = value;
	} else if (!used && (value = rv__option_value(argv, "-t", "--tag", &used))) {
		set_text_header(send, RV_HEADER_TAGS, value);
	} else if (!used && (value = rv__option_value(argv, "-k", "--key", &used))) {
		set_text_header(send, RV_HEADER_KEY, value);
	} else if (!used && (value = rv__option_value(argv, NULL, "--content-type", &used))) {
		set_text_header(send, RV_HEADER_CONTENT_TYPE, value);
	} else if (!used && (value = rv__option_value(argv, "-c", "--count", &used))) {
		if (!(send->count = rv__positive_number(value, COUNT_MAX)))
			send->complaint = value;
	} else if (!used && strcmp(argv[0], "--lines") == 0) {
		send->lines = true;
		return 1;
	} else if (!used && (strcmp(argv[0], "-q") == 0 || strcmp(argv[0], "--quiet") == 0)) {
		send->quiet = true;
		return 1;
	}
	return used && (!value || send->complaint) ? -1 : used;
}

static rv_message *make_message(const struct send *send, const char *payload, size_t length)
{
	rv_message *message = rv_message_create(payload, length);

	rv_message_set_header(message, RV_HEADER_CONTENT_TYPE, "text/plain");
	for (size_t i = 0; i < send->header_count; i++)
		if (rv_message_set_header(message, send->headers[i].name, send->headers[i].value) != RV_OK)
			fprintf(stderr, "rivulet send: header '%s' cannot be set and is left out\n",
			    send->headers[i].name);
	return message;
}

static bool send_one(struct send *send, const char *payload, size_t length)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = make_message(send, payload, length);
	struct rv_error error;

	if (interrupted) {
		fputs("rivulet send: interrupted\n", stderr);
		return false;
	}
	if (rv_channel_send(send->output, message, &error) != RV_OK) {
		fprintf(stderr, "rivulet send: %s\n", error.text);
		return false;
	}
	if (!send->quiet)
		puts(rv_message_id(message));
	return true;
}

static bool send_lines(struct send *send)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	bool sent = true;

	while (sent && (length = getline(&line, &size, stdin)) >= 0) {
		if (length && line[length - 1] == '\n')
			length--;
		for (long i = 0; sent && i < send->count; i++)
			sent = send_one(send, line, (size_t)length);
	}
	free(line);
	return sent;
}

/* All of standard input; NULL with a complaint. */
static char *read_input(size_t *ret_length)
{
	size_t capacity = 64 * 1024;
	size_t length = 0;
	char *input = malloc(capacity);
	size_t n;

	while (input && (n = fread(input + length, 1, capacity - length, stdin)) > 0) {
		char *larger;

		length += n;
		if (length > INPUT_MAX) {
			fputs(
			    "rivulet send: standard input is larger than 64 MiB, more than a message holds\n",
			    stderr);
			free(input);
			return NULL;
		}
		if (length < capacity)
			continue;
		capacity *= 2;
		larger = realloc(input, capacity);
		if (!larger)
			free(input);
		input = larger;
	}
	if (!input)
		fputs("rivulet send: no memory for standard input\n", stderr);
	*ret_length = length;
	return input;
}

static bool send_whole(struct send *send)
{
	size_t length = send->text ? strlen(send->text) : 0;
	char *input = NULL;
	bool sent = true;

	if (!send->text && !(input = read_input(&length)))
		return false;
	for (long i = 0; sent && i < send->count; i++)
		sent = send_one(send, input ? input : send->text, length);
	free(input);
	return sent;
}

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/*
 * Runs on the application's own thread, so that the channel cannot go away meanwhile; a stop has to wait for
 * its return, which is why signals come here while it runs. They also end a read of standard input.
 */
static void send_when_ready(rv_app *app, void *context)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct send *send = context;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	send->result = (send->lines ? send_lines(send) : send_whole(send)) ? RV__EXIT_OK : RV__EXIT_FAILED;
	rv_app_request_stop(app);
}

static int run_app(struct send *send)
{
	rv_app *app;
	int result;

	send->result = RV__EXIT_FAILED;
	app = rv_app_create("rivulet-send", send->args.argc, send->args.argv);
	rv_app_enable_binding(app, RV_SOURCE);
	send->output = rv_app_channel(app, RV_SOURCE_OUTPUT);
	rv_app_on_ready(app, send_when_ready, send);
	result = rv_app_run(app);
	return result ? result : send->result;
}

static int read_words(struct send *send, int argc, char **argv)
{
	bool options = true;

	for (int i = 1; i < argc; i++) {
		int used = 0;

		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			continue;
		}
		if (options && rv__is_property(argv[i])) {
			rv__app_args_add(&send->args, argv[i]);
			continue;
		}
		if (options && argv[i][0] == '-' && argv[i][1])
			used = read_option(send, argv + i);
		if (used < 0 && !send->complaint)
			return rv__usage_error(&rv__command_send, "%s needs a value", argv[i]);
		if (used < 0)
			return rv__usage_error(
			    &rv__command_send, "'%s' cannot be used with %s", send->complaint, argv[i]);
		if (used == 0 && options && argv[i][0] == '-' && argv[i][1])
			return rv__usage_error(&rv__command_send, "unknown option '%s'", argv[i]);
		if (used > 0)
			i += used - 1;
		else if (!send->topic)
			send->topic = argv[i];
		else if (!send->text)
			send->text = argv[i];
		else
			return rv__usage_error(
			    &rv__command_send, "unexpected word '%s'; quote a text with blanks", argv[i]);
	}
	return RV__EXIT_OK;
}

static int run(int argc, char **argv)
{
	struct send send = {.count = 1};
	int result;

	rv__app_args_init(&send.args);
	result = read_words(&send, argc, argv);
	if (result == RV__EXIT_OK && (!send.topic || !*send.topic))
		result = rv__usage_error(&rv__command_send, "which topic?");
	if (result == RV__EXIT_OK && send.lines && send.text)
		result =
		    rv__usage_error(&rv__command_send, "--lines reads standard input; leave the text out");
	if (result == RV__EXIT_OK) {
		rv__app_args_bind(&send.args, "output", send.topic);
		result = send.args.failed ? rv__usage_error(&rv__command_send, "too many arguments")
		                          : run_app(&send);
	}
	for (size_t i = 0; i < send.header_count; i++)
		free(send.headers[i].name);
	rv__app_args_finish(&send.args);
	return result;
}

const struct rv__command rv__command_send = {
    .name = "send",
    .summary = "send messages to a topic",
    .usage =
        "usage: rivulet send [OPTION…] TOPIC [TEXT]\n"
        "\n"
        "Sends TEXT, or standard input as one message, and prints the message's id once the broker has it.\n"
        "\n"
        "  -n, --name-server HOST:PORT  where brokers are found (NAMESRV_ADDR; 127.0.0.1:9876)\n"
        "  -H, --header NAME=VALUE      add a header; may be repeated\n"
        "  -t, --tag TAG                RocketMQ's tag\n"
        "  -k, --key KEY                RocketMQ's key: finds the message again, chooses its partition\n"
        "      --content-type TYPE      text/plain unless given\n"
        "  -c, --count N                send it N times\n"
        "      --lines                  each line of standard input is a message\n"
        "  -q, --quiet                  print no ids\n"
        "      --KEY=VALUE              any property of a service whose channel is `output`, such as\n"
        "                               --spring.cloud.stream.bindings.output.binder=kafka\n"
        "\n"
        "example: rivulet send park-pay-topic '{\"mcontent\":\"hello\",\"mtype\":\"test\"}'\n",
    .run = run,
};
