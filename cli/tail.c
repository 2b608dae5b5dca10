/* SPDX-License-Identifier: Apache-2.0 */
/* `rivulet tail`: shows the messages of a topic as they come, with the same library as a service. */
#include "cli/app_args.h"

#include "base/base64.h"

#include <rivulet/rivulet.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { COUNT_MAX = 1000000000, IDLE_MAX_MS = 86400000 };

struct tail {
	struct rv__app_args args;
	const char *topic;
	const char *group; /* NULL: anonymous */
	bool from_beginning;
	bool json;
	bool quiet;
	long count;   /* 0: for ever */
	long idle_ms; /* 0: for ever */
	long seen;    /* by the one worker */
	const char *complaint;
};

/* For the signal handler, which is given nothing. */
static rv_app *running_app;

static void on_alarm(int number)
{
	(void)number;
	rv_app_request_stop(running_app);
}

/* Every message starts the waiting anew. */
static void wait_for_next(const struct tail *tail)
{
	struct itimerval timer = {
	    .it_value = {.tv_sec = tail->idle_ms / 1000, .tv_usec = tail->idle_ms % 1000 * 1000}};

	if (tail->idle_ms)
		setitimer(ITIMER_REAL, &timer, NULL);
}

/* -- printing --------------------------------------------------------------------------- */

/* A stranger's header must not steer the terminal. */
static void print_value(const struct rv_header *header)
{
	for (size_t i = 0; i < header->length; i++) {
		unsigned char c = (unsigned char)header->value[i];

		if (c < 0x20 || c == 0x7f || (header->type == RV_HEADER_BYTES && c >= 0x80))
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

static void print_head(const rv_message *message)
{
	int64_t ms = rv_message_timestamp_ms(message);
	time_t seconds = (time_t)(ms / 1000);
	char when[32] = "-";
	struct rv_header header;
	struct tm utc;

	if (ms > 0 && gmtime_r(&seconds, &utc))
		strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
	printf("%s/%d@%lld  %s  id=%s", rv_message_destination(message), (int)rv_message_partition(message),
	    (long long)rv_message_position(message), when, rv_message_id(message));
	for (size_t i = 0; rv_message_header_entry(message, i, &header); i++) {
		printf("  %s=", header.name);
		print_value(&header);
	}
	puts(rv_message_is_null(message) ? "  (tombstone)" : "");
}

static void print_text(const struct tail *tail, const rv_message *message)
{
	if (!tail->quiet)
		print_head(message);
	puts(rv_message_text(message));
}

/* Owned. */
static char *base64(const unsigned char *bytes, size_t length)
{
	char *text = malloc(rv__base64_length(length) + 1);

	if (text)
		*rv__base64_put(text, bytes, length) = '\0';
	return text;
}

/* Text as such; other bytes as an object that says so. */
static json_t *value_json(const struct rv_header *header)
{
	json_t *text =
	    memchr(header->value, 0, header->length) ? NULL : json_stringn(header->value, header->length);
	char *encoded;

	if (text)
		return text;
	encoded = base64((const unsigned char *)header->value, header->length);
	text = json_pack("{s:s}", "base64", encoded ? encoded : "");
	free(encoded);
	return text;
}

static json_t *headers_json(const rv_message *message)
{
	json_t *headers = json_object();
	struct rv_header header;

	for (size_t i = 0; rv_message_header_entry(message, i, &header); i++)
		json_object_set_new(headers, header.name, value_json(&header));
	return headers;
}

/* A payload that is text stands as such; other bytes as base64 under another name, so that nobody mixes them up. */
static void set_payload(json_t *line, const rv_message *message)
{
	size_t length;
	const void *bytes = rv_message_payload(message, &length);
	json_t *text = memchr(bytes, 0, length) ? NULL : json_stringn(bytes, length);
	char *encoded;

	if (rv_message_is_null(message)) {
		json_decref(text);
		text = json_null();
	}
	if (text) {
		json_object_set_new(line, "payload", text);
		return;
	}
	encoded = base64(bytes, length);
	json_object_set_new(line, "payloadBase64", encoded ? json_string(encoded) : json_null());
	free(encoded);
}

static void print_json(const rv_message *message)
{
	json_t *line = json_pack("{s:s, s:i, s:I, s:s, s:I, s:i, s:o}", "destination",
	    rv_message_destination(message), "partition", (int)rv_message_partition(message), "position",
	    (json_int_t)rv_message_position(message), "id", rv_message_id(message), "timestamp",
	    (json_int_t)rv_message_timestamp_ms(message), "attempt", rv_message_attempt(message), "headers",
	    headers_json(message));

	set_payload(line, message);
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

/* -- receiving -------------------------------------------------------------------------- */

static rv_verdict show(const rv_message *message, void *context)
{
	struct tail *tail = context;

	/* Beyond the count nothing is taken from the group. */
	if (tail->count && tail->seen >= tail->count)
		return RV_RETRY;
	if (tail->json)
		print_json(message);
	else
		print_text(tail, message);
	if (fflush(stdout) != 0) {
		/* Nobody reads on: no failure. Anything else is told at the end. */
		if (errno == EPIPE)
			clearerr(stdout);
		rv_app_request_stop(running_app);
	}
	tail->seen++;
	wait_for_next(tail);
	if (tail->count && tail->seen >= tail->count)
		rv_app_request_stop(running_app);
	return RV_ACK;
}

static void on_ready(rv_app *app, void *context)
{
	const struct tail *tail = context;

	(void)app;
	/* On standard error, so that scripts know when to send and pipes stay clean. */
	if (!tail->quiet)
		fprintf(stderr, "rivulet tail: listening on %s; Ctrl-C ends it\n", tail->topic);
	wait_for_next(tail);
}

static void choose_group(struct tail *tail)
{
	char own[64];

	/* A new named group begins at the first message, an anonymous one behind the last. */
	if (tail->from_beginning && !tail->group) {
		snprintf(
		    own, sizeof own, "rivulet-tail-%lx-%x", (unsigned long)time(NULL), (unsigned)getpid());
		rv__app_args_set(&tail->args, "spring.cloud.stream.bindings.input.group", own);
	} else if (tail->group) {
		rv__app_args_set(&tail->args, "spring.cloud.stream.bindings.input.group", tail->group);
	}
}

static int run_app(struct tail *tail)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	rv_app *app;
	int result;

	choose_group(tail);
	if (tail->args.failed)
		return rv__usage_error(&rv__command_tail, "too many arguments");
	app = rv_app_create("rivulet-tail", tail->args.argc, tail->args.argv);
	running_app = app;
	sigaction(SIGALRM, &action, NULL);
	rv_app_enable_binding(app, RV_SINK);
	rv_app_listen(app, RV_SINK_INPUT, show, tail);
	rv_app_on_ready(app, on_ready, tail);
	result = rv_app_run(app);
	if (result == RV__EXIT_OK && tail->count && tail->idle_ms && tail->seen < tail->count) {
		fprintf(stderr, "rivulet tail: only %ld of %ld messages came\n", tail->seen, tail->count);
		return RV__EXIT_FAILED;
	}
	return result;
}

/* -- words ------------------------------------------------------------------------------ */

static bool is_flag(const char *word, const char *brief, const char *full)
{
	return strcmp(word, full) == 0 || (brief && strcmp(word, brief) == 0);
}

static bool read_flag(struct tail *tail, const char *word)
{
	if (is_flag(word, "-b", "--from-beginning"))
		tail->from_beginning = true;
	else if (is_flag(word, "-j", "--json"))
		tail->json = true;
	else if (is_flag(word, "-q", "--quiet"))
		tail->quiet = true;
	else
		return is_flag(word, "-f", "--follow"); /* what it does anyway */
	return true;
}

/* How many words were read; 0 when it is no option, -1 when it is a wrong one. */
static int read_option(struct tail *tail, char **argv)
{
	const char *value;
	int used;

	if (read_flag(tail, argv[0]))
		return 1;
	if ((value = rv__option_value(argv, "-n", "--name-server", &used))) {
		rv__app_args_set(&tail->args, "spring.cloud.stream.rocketmq.binder.name-server", value);
	} else if (!used && (value = rv__option_value(argv, "-g", "--group", &used))) {
		tail->group = value;
	} else if (!used && (value = rv__option_value(argv, "-c", "--count", &used))) {
		if (!(tail->count = rv__positive_number(value, COUNT_MAX)))
			tail->complaint = value;
	} else if (!used && (value = rv__option_value(argv, NULL, "--idle", &used))) {
		if (!(tail->idle_ms = rv__positive_number(value, IDLE_MAX_MS)))
			tail->complaint = value;
	}
	return used && (!value || tail->complaint) ? -1 : used;
}

static int read_words(struct tail *tail, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int used;

		if (rv__is_property(argv[i])) {
			rv__app_args_add(&tail->args, argv[i]);
			continue;
		}
		if (argv[i][0] != '-') {
			if (tail->topic)
				return rv__usage_error(&rv__command_tail, "unexpected word '%s'", argv[i]);
			tail->topic = argv[i];
			continue;
		}
		used = read_option(tail, argv + i);
		if (used < 0 && !tail->complaint)
			return rv__usage_error(&rv__command_tail, "%s needs a value", argv[i]);
		if (used < 0)
			return rv__usage_error(
			    &rv__command_tail, "'%s' cannot be used with %s", tail->complaint, argv[i]);
		if (used == 0)
			return rv__usage_error(&rv__command_tail, "unknown option '%s'", argv[i]);
		i += used - 1;
	}
	return RV__EXIT_OK;
}

static int run(int argc, char **argv)
{
	struct tail tail = {0};
	int result;

	rv__app_args_init(&tail.args);
	result = read_words(&tail, argc, argv);
	if (result == RV__EXIT_OK && (!tail.topic || !*tail.topic))
		result = rv__usage_error(&rv__command_tail, "which topic?");
	if (result == RV__EXIT_OK) {
		rv__app_args_bind(&tail.args, "input", tail.topic);
		result = run_app(&tail);
	}
	rv__app_args_finish(&tail.args);
	return result;
}

const struct rv__command rv__command_tail = {
    .name = "tail",
    .summary = "show the messages of a topic as they come",
    .usage =
        "usage: rivulet tail [OPTION…] TOPIC\n"
        "\n"
        "Prints a line with place, time, id and headers, then the payload, of every message from now on.\n"
        "\n"
        "  -n, --name-server HOST:PORT  where brokers are found (NAMESRV_ADDR; 127.0.0.1:9876)\n"
        "  -b, --from-beginning         begin at the first message that the broker still has\n"
        "  -g, --group GROUP            join a group: share its messages, go on where it was\n"
        "  -f, --follow                 go on waiting for more; always so\n"
        "  -c, --count N                end after N messages\n"
        "      --idle MS                end when no message came for MS milliseconds; with --count, exit\n"
        "                               code 1 says that fewer came\n"
        "  -j, --json                   one JSON object a line; bytes that are no text as payloadBase64\n"
        "  -q, --quiet                  payloads alone\n"
        "      --KEY=VALUE              any property of a service whose channel is `input`, such as\n"
        "                               --spring.cloud.stream.bindings.input.binder=kafka\n"
        "\n"
        "example: rivulet tail --from-beginning --count 1 park-pay-topic\n",
    .run = run,
};
