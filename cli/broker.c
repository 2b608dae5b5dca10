/* SPDX-License-Identifier: Apache-2.0 */
/* `rivulet broker`: the in-house broker, its name server, or both, as a process. */
#include "cli/command.h"

#include <rivulet/version.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/numbers.h"
#include "broker/broker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_broker(int argc, char **argv);

const struct rv__command rv__command_broker = {
    .name = "broker",
    .summary = "run the in-house broker and its name server",
    .usage = "usage: rivulet broker [--config FILE] [--store DIR] [--port N] [--name-server-port N]\n"
             "                      [--role all|namesrv|broker] [-n HOST:PORT[;…]] [--ports-file FILE]\n"
             "                      [--KEY=VALUE …]\n"
             "\n"
             "Serves RocketMQ's protocol: a name server on port 9876 and a broker on port 10911 by default,\n"
             "on loopback only. Runs until SIGTERM or SIGINT; 'rivulet shutdown broker' sends it.\n"
             "\n"
             "  --config FILE, -c FILE   keys by RocketMQ's names, as in its broker.conf: "
             "flushDiskType=ASYNC_FLUSH\n"
             "  --store DIR              default $XDG_STATE_HOME/rivulet, /var/lib/rivulet for root\n"
             "  --port N                 of the broker; 0: chosen by the system\n"
             "  --name-server-port N     of the name server; 0: chosen by the system\n"
             "  --role ROLE              all: both in this process; namesrv or broker: one of them\n"
             "  -n HOST:PORT             name servers to register at, in role broker; also NAMESRV_ADDR\n"
             "  --ports-file FILE        receives the ports in use once they are known\n"
             "  --KEY=VALUE              any key of the file, for example --brokerName=broker-b\n"
             "\n"
             "flushDiskType=SYNC_FLUSH (default): what is acknowledged survives power loss;\n"
             "ASYNC_FLUSH: it survives the death of the process.\n",
    .run = run_broker,
};

enum { ARGUMENTS_MAX = 128, ARGUMENT_SIZE = 4096 };

/* Command line words turned into --key=value for the configuration. */
struct arguments {
	char *items[ARGUMENTS_MAX];
	int count;
};

/* -- the command line --------------------------------------------------------------------------------------- */

static const struct {
	const char *option;
	const char *key;
} options[] = {
    {"--config", "spring.config.location"},
    {"-c", "spring.config.location"},
    {"--store", "store-path-root-dir"},
    {"--port", "listen-port"},
    {"--name-server-port", "name-server-port"},
    {"--role", "role"},
    {"-n", "namesrv-addr"},
    {"--ports-file", "ports-file"},
};

static bool add_argument(struct arguments *arguments, const char *key, const char *value)
{
	char text[ARGUMENT_SIZE];

	if (arguments->count == ARGUMENTS_MAX - 1 ||
	    snprintf(text, sizeof(text), "--%s=%s", key, value) >= (int)sizeof(text))
		return false;
	arguments->items[arguments->count] = strdup(text);
	return arguments->items[arguments->count++] != NULL;
}

/* The key of an option that takes its value from the next word, or behind '='. */
static const char *find_key(const char *word, const char **ret_value)
{
	size_t length = strcspn(word, "=");

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strlen(options[i].option) != length || strncmp(options[i].option, word, length) != 0)
			continue;
		*ret_value = word[length] ? word + length + 1 : NULL;
		return options[i].key;
	}
	return NULL;
}

static int read_arguments(int argc, char **argv, struct arguments *arguments)
{
	for (int i = 1; i < argc; i++) {
		const char *value = NULL, *key = find_key(argv[i], &value);

		if (!key && strncmp(argv[i], "--", 2) == 0 && strchr(argv[i], '=')) {
			arguments->items[arguments->count] = strdup(argv[i]);
			if (arguments->count == ARGUMENTS_MAX - 1 || !arguments->items[arguments->count++])
				return rv__usage_error(&rv__command_broker, "too many arguments");
			continue;
		}
		if (!key)
			return rv__usage_error(&rv__command_broker, "unexpected argument '%s'", argv[i]);
		if (!value && i + 1 < argc)
			value = argv[++i];
		if (!value)
			return rv__usage_error(&rv__command_broker, "'%s' needs a value", argv[i]);
		if (!add_argument(arguments, key, value))
			return rv__usage_error(&rv__command_broker, "the value of '%s' is too long", argv[i]);
	}
	return RV__EXIT_OK;
}

static void free_arguments(struct arguments *arguments)
{
	for (int i = 0; i < arguments->count; i++)
		free(arguments->items[i]);
}

/* -- the configuration ---------------------------------------------------------------------------------------- */

static bool is_row(const char *key)
{
	for (const struct rv_prop_desc *row = rv__broker_properties.rows; row->name; row++)
		if (rv__key_equal(row->name, key))
			return true;
	return false;
}

/* Whose turn it is while all keys are visited. */
struct judging {
	struct rv__problems *problems;
	const char *known[256];
	size_t known_count;
};

static bool is_foreign(const char *key)
{
	return strncmp(key, "spring.", 7) == 0 || strncmp(key, "rivulet.", 8) == 0 ||
	    strncmp(key, "logging.", 8) == 0;
}

/* Files made for Apache's broker may hold keys that nobody here has heard of: said, and passed over. */
static void judge_key(void *arg, const struct rv__config_value *value)
{
	struct judging *judging = arg;
	const char *near;

	if (is_row(value->key) || is_foreign(value->key))
		return;
	near = rv__key_nearest(value->key, judging->known, judging->known_count);
	rv__problems_add(judging->problems, false, RV__N_BROKER_KEY, value->key,
	    "%s: '%s' is not a key of the broker%s%s%s; it is passed over", value->origin, value->key,
	    near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static void judge_keys(const rv_config *config, struct rv__problems *problems)
{
	struct judging judging = {.problems = problems};

	for (const struct rv_prop_desc *row = rv__broker_properties.rows;
	     row->name && judging.known_count < 256; row++)
		judging.known[judging.known_count++] = row->name;
	rv__config_visit(config, NULL, 0, judge_key, &judging);
}

static rv_config *load(
    const struct arguments *arguments, struct rv__broker_settings *settings, struct rv__problems *problems)
{
	static const char *const prefixes[] = {"", "rivulet.broker", NULL};
	struct rv__config_sources sources = {
	    .argc = arguments->count,
	    .argv = (char **)(uintptr_t)arguments->items,
	    .no_files = true,
	};
	rv_config *config = rv__config_load(&sources, problems);

	if (!config)
		return NULL;
	rv__config_fill(config, &rv__broker_properties, prefixes, settings, problems);
	judge_keys(config, problems);
	/* RocketMQ's own variable; the command line and the file come first. */
	if (!settings->name_servers)
		settings->name_servers = getenv("NAMESRV_ADDR");
	return config;
}

/* -- running ---------------------------------------------------------------------------------------------------- */

static void print_ready(
    const rv__broker *broker, const struct rv__broker_settings *settings, int64_t began_ns)
{
	double ms = (double)(rv__monotonic_ns() - began_ns) / 1e6;
	int port = rv__broker_port(broker), name_server = rv__broker_name_server_port(broker);

	printf("rivulet " RV_VERSION " ready in %.1f ms:", ms);
	if (name_server)
		printf(" name server on port %d,", name_server);
	if (port)
		printf(" broker on port %d,", port);
	printf(" store %s", rv__broker_store(broker));
	if (port)
		printf(", messages are acknowledged when %s", rv__broker_level(broker));
	printf("\n");
	if (name_server)
		printf("The Name Server boot success. serializeType=JSON, address %s:%d\n",
		    settings->broker_ip, name_server);
	if (port)
		printf("The broker[%s, %s:%d] boot success. serializeType=JSON%s%s\n", settings->broker_name,
		    settings->broker_ip, port,
		    settings->role == RV__ROLE_BROKER ? " and name server is " : "",
		    settings->role == RV__ROLE_BROKER ? settings->name_servers : "");
	fflush(stdout);
}

static int wait_for_signal(const sigset_t *signals)
{
	int number = 0;

	while (sigwait(signals, &number) != 0)
		;
	return number;
}

static int serve(const struct rv__broker_settings *settings, int64_t began_ns)
{
	rv__broker *broker = NULL;
	struct rv_error error;
	sigset_t signals;
	int number;
	int64_t stop_ns;

	/* Blocked before any thread starts, so that only this one receives them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (rv__broker_open(settings, &broker, &error) != RV_OK) {
		fprintf(stderr, "rivulet broker: RV%04d %s\n", error.number, error.text);
		return error.code == RV_E_CONFIG ? RV__EXIT_USAGE : RV__EXIT_FAILED;
	}
	print_ready(broker, settings, began_ns);
	number = wait_for_signal(&signals);
	stop_ns = rv__monotonic_ns();
	rv__broker_close(broker);
	printf("stopped by %s in %.0f ms\n", number == SIGINT ? "SIGINT" : "SIGTERM",
	    (double)(rv__monotonic_ns() - stop_ns) / 1e6);
	return RV__EXIT_OK;
}

static int run_broker(int argc, char **argv)
{
	int64_t began_ns = rv__monotonic_ns();
	struct arguments arguments = {.items = {(char *)(uintptr_t) "rivulet"}, .count = 0};
	struct rv__problems problems = {NULL, 0, 0};
	struct rv__broker_settings settings;
	rv_config *config;
	int status;

	arguments.items[arguments.count++] = strdup(argv[0]);
	rv__log_set_process("rivulet-broker");
	status = read_arguments(argc, argv, &arguments);
	if (status == RV__EXIT_OK) {
		config = load(&arguments, &settings, &problems);
		rv__problems_log(&problems);
		status = config && problems.fatal_count == 0 ? serve(&settings, began_ns) : RV__EXIT_USAGE;
		rv__config_unref(config);
	}
	rv__problems_finish(&problems);
	free_arguments(&arguments);
	return status;
}
