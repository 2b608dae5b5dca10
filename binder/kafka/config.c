/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting the layers, and the translation of all that takes one key. */
#include "binder/kafka/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/numbers.h"
#include "binder/kafka/config_keys.h"
#include "binder/kafka/kafka.h"

#define RAW_PREFIX "librdkafka."

/* -- the set of keys -------------------------------------------------------------------------------- */

static struct rv__kafka_key *find(const struct rv__kafka_config *config, const char *name)
{
	for (size_t i = 0; i < config->count; i++)
		if (strcmp(config->keys[i].name, name) == 0)
			return &config->keys[i];
	return NULL;
}

const char *rv__kafka_config_get(const struct rv__kafka_config *config, const char *name)
{
	const struct rv__kafka_key *key = find(config, name);

	return key ? key->value : NULL;
}

enum rv__kafka_layer rv__kafka_config_layer(const struct rv__kafka_config *config, const char *name)
{
	const struct rv__kafka_key *key = find(config, name);

	return key ? key->layer : RV__KAFKA_BUILT_IN;
}

int64_t rv__kafka_config_number(const struct rv__kafka_config *config, const char *name, int64_t otherwise)
{
	const char *text = rv__kafka_config_get(config, name);
	char *end;
	long long number;

	if (!text || !*text)
		return otherwise;
	errno = 0;
	number = strtoll(text, &end, 10);
	return errno || *end ? otherwise : number;
}

static struct rv__kafka_key *append(struct rv__kafka_config *config)
{
	if (config->count == config->room) {
		size_t room = config->room ? config->room * 2 : 32;
		struct rv__kafka_key *keys = realloc(config->keys, room * sizeof *keys);

		if (!keys)
			return NULL;
		config->keys = keys;
		config->room = room;
	}
	return &config->keys[config->count++];
}

/* Relaxed names: FETCH_MAX_WAIT_MS of an environment is fetch.max.wait.ms. What is raw keeps its letters. */
static char *plain_name(struct rv__kafka_config *config, const char *name)
{
	char *plain = rv__arena_text(&config->arena, name);

	for (char *at = plain; at && *at; at++)
		*at = *at == '_' ? '.' : (char)tolower((unsigned char)*at);
	return plain;
}

void rv__kafka_config_put(
    struct rv__kafka_config *config, const char *name, const char *value, enum rv__kafka_layer layer)
{
	char *plain = plain_name(config, name);
	struct rv__kafka_key *key = plain ? find(config, plain) : NULL;

	if (key && key->layer > layer)
		return;
	if (!value) {
		if (key)
			*key = config->keys[--config->count];
		return;
	}
	if (!key && plain && (key = append(config)))
		key->name = plain;
	if (key) {
		key->value = rv__arena_text(&config->arena, value);
		key->layer = layer;
	}
	if (!key || !key->value)
		config->no_memory = true;
}

void rv__kafka_config_finish(struct rv__kafka_config *config)
{
	free(config->keys);
	rv__arena_finish(&config->arena);
	*config = (struct rv__kafka_config){0};
}

/* -- layers -------------------------------------------------------------------------------------------- */

struct preset {
	const char *name, *value;
};

/* Where Java's default is another than librdkafka's. */
static const struct preset parity_all[] = {
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "1000"},
    {"socket.connection.setup.timeout.ms", "10000"},
    {"socket.nagle.disable", "true"},
    {"log.connection.close", "false"},
    {NULL, NULL},
};

/* The bounds of what is fetched ahead count for each partition: each has a queue of its own. */
static const struct preset parity_consumer[] = {
    {"isolation.level", "read_uncommitted"},
    {"partition.assignment.strategy", "range"},
    {"topic.metadata.refresh.interval.ms", "5000"},
    {"fetch.error.backoff.ms", "250"},
    {"queued.min.messages", "50000"},
    {"queued.max.messages.kbytes", "32768"},
    {NULL, NULL},
};

static const struct preset parity_producer[] = {
    {"partitioner", "murmur2_random"},
    {"enable.idempotence", "true"},
    {"max.in.flight.requests.per.connection", "5"},
    {"delivery.timeout.ms", "120000"},
    {NULL, NULL},
};

static void put_presets(struct rv__kafka_config *config, const struct preset *presets)
{
	for (; presets->name; presets++)
		rv__kafka_config_put(config, presets->name, presets->value, RV__KAFKA_BUILT_IN);
}

static void put_pairs(
    struct rv__kafka_config *config, const struct rv_pairs *pairs, enum rv__kafka_layer layer)
{
	for (size_t i = 0; pairs && i < pairs->count; i++)
		rv__kafka_config_put(config, pairs->items[i].name, pairs->items[i].value, layer);
}

static rv_err bad(const struct rv__kafka_config *config, struct rv_error *err, const char *sentence)
{
	return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_BAD_KEY, RV__KAFKA_TOPIC, "%s%s%s",
	    config->binding ? config->binding : "", config->binding ? ": " : "", sentence);
}

static rv_err check(const struct rv__kafka_config *config, struct rv_error *err)
{
	const char *protocol = rv__kafka_config_get(config, "group.protocol");

	if (rv__kafka_config_layer(config, "bootstrap.servers") > RV__KAFKA_BOOT)
		return bad(config, err,
		    "bootstrap.servers stands among the client's settings; set "
		    "spring.cloud.stream.kafka.binder.brokers, or give the binding a binder configuration of "
		    "its own");
	if (protocol && strcasecmp(protocol, "consumer") == 0)
		return bad(config, err,
		    "group.protocol=consumer is not offered by librdkafka 2.0; leave it out, members with "
		    "the "
		    "classic protocol can share the group");
	if (config->no_memory)
		return rv_error_set(
		    err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for the settings of a client");
	return RV_OK;
}

static bool has_port(const char *address)
{
	const char *bracket = strrchr(address, ']');

	return strchr(bracket ? bracket : address, ':') != NULL;
}

static void put_brokers(struct rv__kafka_config *config, const struct rv__kafka_binder_settings *settings)
{
	const struct rv_strings *list =
	    settings->brokers.count ? &settings->brokers : &settings->boot.bootstrap_servers;
	const char *text = "";

	for (size_t i = 0; text && i < list->count; i++)
		text = rv__arena_printf(&config->arena, "%s%s%s%s%s", text, *text ? "," : "", list->items[i],
		    has_port(list->items[i]) ? "" : ":",
		    has_port(list->items[i]) ? "" : settings->default_broker_port);
	if (text && !*text)
		text = rv__arena_printf(&config->arena, "localhost:%s", settings->default_broker_port);
	/* Boot's layer: whatever a later one says is refused in words. */
	rv__kafka_config_put(config, "bootstrap.servers", text ? text : "", RV__KAFKA_BOOT);
	config->no_memory |= !text;
}

/* The binder's own jaas.* comes to the one text that Java would make of it. */
static void put_jaas(struct rv__kafka_config *config, const struct rv__kafka_binder_settings *settings)
{
	const char *text = settings->jaas_login_module;

	if (!text || !*text)
		return;
	text = rv__arena_printf(&config->arena, "%s %s", text, settings->jaas_control_flag);
	for (size_t i = 0; text && i < settings->jaas_options.count; i++)
		text = rv__arena_printf(&config->arena, "%s %s=\"%s\"", text,
		    settings->jaas_options.items[i].name, settings->jaas_options.items[i].value);
	rv__kafka_config_put(config, "sasl.jaas.config", text ? text : "", RV__KAFKA_BINDER);
}

rv_err rv__kafka_config_collect(struct rv__kafka_config *config,
    const struct rv__kafka_binder_settings *settings, enum rv__kafka_role role, const char *binding,
    const struct rv_pairs *configuration, struct rv_error *err)
{
	*config = (struct rv__kafka_config){.role = role, .binding = binding};
	put_presets(config, parity_all);
	if (role == RV__KAFKA_CONSUMER)
		put_presets(config, parity_consumer);
	else if (role == RV__KAFKA_PRODUCER) {
		put_presets(config, parity_producer);
		rv__kafka_config_put(config, "acks", settings->required_acks, RV__KAFKA_BUILT_IN);
	}
	rv__kafka_boot_collect(config, &settings->boot);
	put_brokers(config, settings);
	put_jaas(config, settings);
	put_pairs(config, &settings->configuration, RV__KAFKA_BINDER);
	if (role == RV__KAFKA_CONSUMER)
		put_pairs(config, &settings->consumer_properties, RV__KAFKA_BINDER_ROLE);
	else if (role == RV__KAFKA_PRODUCER)
		put_pairs(config, &settings->producer_properties, RV__KAFKA_BINDER_ROLE);
	put_pairs(config, configuration, RV__KAFKA_BINDING);
	return check(config, err);
}

/* -- translation ------------------------------------------------------------------------------------------ */

rv_err rv__kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, const char *java,
    const char *binding, struct rv_error *err)
{
	char why[256];

	switch (rd_kafka_conf_set(conf, name, value, why, sizeof why)) {
	case RD_KAFKA_CONF_OK:
		return RV_OK;
	case RD_KAFKA_CONF_UNKNOWN:
		return RV_E_NOTFOUND;
	default:
		/* librdkafka's words repeat the value, which may be a secret. */
		if (strstr(name, "password") || strstr(name, "pem") || strstr(name, "sasl"))
			snprintf(why, sizeof why, "librdkafka refuses its value");
		return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_BAD_KEY, RV__KAFKA_TOPIC,
		    "%s%sclient setting %s: %s; correct it, or leave it out", binding ? binding : "",
		    binding ? ": " : "", java, why);
	}
}

/* "org.apache.kafka.clients.consumer.RangeAssignor, …" to "range,…". False: one that librdkafka does not have. */
static bool short_assignors(const char *list, char *to, size_t size)
{
	static const struct preset words[] = {{"CooperativeStickyAssignor", "cooperative-sticky"},
	    {"cooperative-sticky", "cooperative-sticky"}, {"RoundRobinAssignor", "roundrobin"},
	    {"roundrobin", "roundrobin"}, {"RangeAssignor", "range"}, {"range", "range"}, {NULL, NULL}};
	size_t used = 0;

	to[0] = '\0';
	while (*(list += strspn(list, " ,"))) {
		size_t length = strcspn(list, " ,"), i = 0, at = length;

		while (at > 0 && list[at - 1] != '.')
			at--;
		while (words[i].name &&
		    (strlen(words[i].name) != length - at ||
		        strncasecmp(words[i].name, list + at, length - at) != 0))
			i++;
		if (!words[i].name || used + 24 > size)
			return false;
		used += (size_t)snprintf(to + used, size - used, "%s%s", used ? "," : "", words[i].value);
		list += length;
	}
	return used > 0;
}

static const char *short_partitioner(const char *class_name)
{
	const char *name = strrchr(class_name, '.');

	name = name ? name + 1 : class_name;
	if (strcmp(name, "RoundRobinPartitioner") == 0)
		return "random";
	if (strcmp(name, "DefaultPartitioner") == 0 || strcmp(name, "UniformStickyPartitioner") == 0)
		return "murmur2_random";
	return name; /* librdkafka's own words, or a class that it refuses by name */
}

/* The value of a key in librdkafka's words; `room` is where it may be written. NULL: it has none. */
static const char *translate_value(
    const struct rv__kafka_key_row *row, const char *value, char *room, size_t size)
{
	switch (row->change) {
	case RV__KAFKA_KIB:
		snprintf(room, size, "%lld", strtoll(value, NULL, 10) / 1024);
		return room;
	case RV__KAFKA_NOT_MINUS:
		return strcmp(value, "-1") == 0 ? "0" : value;
	case RV__KAFKA_RESET:
		return strcasecmp(value, "none") == 0 ? "error" : value;
	case RV__KAFKA_ASSIGNOR:
		return short_assignors(value, room, size) ? room : NULL;
	case RV__KAFKA_SPREAD:
		return short_partitioner(value);
	case RV__KAFKA_HOSTNAME:
		return *value ? value : "none";
	default:
		return value;
	}
}

/* Whether payloads go out and come in as the class would have them: as they are. */
static bool is_plain_class(const char *class_name)
{
	static const char *const plain[] = {"ByteArraySerializer", "ByteArrayDeserializer",
	    "StringSerializer", "StringDeserializer", "BytesSerializer", "BytesDeserializer", NULL};
	const char *name = strrchr(class_name, '.');
	size_t i = 0;

	name = name ? name + 1 : class_name;
	while (plain[i] && strcmp(plain[i], name) != 0)
		i++;
	return plain[i] != NULL;
}

static void tell_java_only(const struct rv__kafka_config *config, const struct rv_binder_env *env,
    const struct rv__kafka_key_row *row, const char *value)
{
	bool plain = row->change == RV__KAFKA_PLAIN && is_plain_class(value);

	if (!env || plain || config->role == RV__KAFKA_ADMIN)
		return;
	env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
	    "RV%04u %s%sclient setting %s belongs to Java's client and does nothing here; %s%s",
	    (unsigned)RV__N_KAFKA_UNKNOWN_KEY, config->binding ? config->binding : "",
	    config->binding ? ": " : "", row->java, row->to ? "use " : "leave it out",
	    row->to ? row->to : "");
}

static rv_err set_row(const struct rv__kafka_config *config, const struct rv_binder_env *env,
    const struct rv__kafka_key_row *row, const char *value, rd_kafka_conf_t *conf, struct rv_error *err)
{
	char room[160];
	const char *text;
	rv_err failed;

	if (row->roles && !(row->roles & (1u << config->role)))
		return RV_OK;
	if (row->change >= RV__KAFKA_PLAIN)
		tell_java_only(config, env, row, value);
	if (row->change >= RV__KAFKA_OURS)
		return RV_OK;
	text = translate_value(row, value, room, sizeof room);
	if (!text)
		return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_BAD_KEY, RV__KAFKA_TOPIC,
		    "%s%sclient setting %s: librdkafka has no '%s'; write RangeAssignor, RoundRobinAssignor "
		    "or "
		    "CooperativeStickyAssignor",
		    config->binding ? config->binding : "", config->binding ? ": " : "", row->java, value);
	failed =
	    rv__kafka_conf_set(conf, row->to ? row->to : row->java, text, row->java, config->binding, err);
	if (failed == RV_OK && row->change == RV__KAFKA_BOTH &&
	    !(config->role != RV__KAFKA_PRODUCER && strcmp(row->also, "request.timeout.ms") == 0))
		failed = rv__kafka_conf_set(conf, row->also, text, row->java, config->binding, err);
	return failed;
}

static bool is_one_of(const char *value, const char *one, const char *other)
{
	return value && (strcasecmp(value, one) == 0 || strcasecmp(value, other) == 0);
}

static rv_err set_key(const struct rv__kafka_config *config, const struct rv_binder_env *env,
    const struct rv__kafka_key *key, rd_kafka_conf_t *conf, struct rv_error *err)
{
	const struct rv__kafka_key_row *row = rv__kafka_key_find(key->name);
	rv_err failed;

	/* librdkafka takes any number, and the broker refuses each message. */
	if (strcmp(key->name, "acks") == 0 && !is_one_of(key->value, "all", "-1") &&
	    !is_one_of(key->value, "0", "1"))
		return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_BAD_KEY, RV__KAFKA_TOPIC,
		    "required-acks (acks) of '%.40s' means nothing to a broker; write all, 1 or 0",
		    key->value);
	if (row)
		return set_row(config, env, row, key->value, conf, err);
	failed = rv__kafka_conf_set(conf, key->name, key->value, key->name, config->binding, err);
	if (failed != RV_E_NOTFOUND)
		return failed;
	if (strncmp(key->name, "schema.registry.", 16) != 0 && env)
		env->log(RV_LOG_WARN, RV__KAFKA_TOPIC,
		    "RV%04u %s%sclient setting %s is not known to Kafka's client, and ignored; correct the "
		    "name, or leave it out",
		    (unsigned)RV__N_KAFKA_UNKNOWN_KEY, config->binding ? config->binding : "",
		    config->binding ? ": " : "", key->name);
	return RV_OK;
}

static bool is_raw(const struct rv__kafka_key *key)
{
	return strncmp(key->name, RAW_PREFIX, sizeof RAW_PREFIX - 1) == 0;
}

/* As Java: what contradicts idempotence switches it off in silence unless somebody asked for it. */
static bool wants_idempotence(const struct rv__kafka_config *config)
{
	const char *acks = rv__kafka_config_get(config, "acks");

	return rv__kafka_config_layer(config, "enable.idempotence") > RV__KAFKA_BUILT_IN ||
	    rv__kafka_config_get(config, "transactional.id") ||
	    ((!acks || is_one_of(acks, "all", "-1")) && rv__kafka_config_number(config, "retries", 1) > 0 &&
	        rv__kafka_config_number(config, "max.in.flight.requests.per.connection", 5) <= 5);
}

static bool is_left_out(const struct rv__kafka_config *config, const struct rv__kafka_key *key)
{
	if (key->layer > RV__KAFKA_BUILT_IN)
		return false;
	if (strcmp(key->name, "enable.idempotence") == 0)
		return !wants_idempotence(config);
	/* librdkafka fits it to transaction.timeout.ms by itself. */
	if (strcmp(key->name, "delivery.timeout.ms") == 0)
		return rv__kafka_config_get(config, "transactional.id") != NULL;
	if (strcmp(key->name, "topic.metadata.refresh.interval.ms") == 0)
		return rv__kafka_config_get(config, "metadata.max.age.ms") != NULL;
	return false;
}

/* What this binder depends on, whatever the properties say. */
static rv_err set_own(const struct rv__kafka_config *config, const struct rv_binder_env *env,
    rd_kafka_conf_t *conf, struct rv_error *err)
{
	static const struct preset consumer[] = {{"enable.auto.commit", "false"},
	    {"enable.auto.offset.store", "false"}, {"enable.partition.eof", "false"},
	    {"allow.auto.create.topics", "false"}, {NULL, NULL}};
	rv_err failed = RV_OK;

	if (!rv__kafka_config_get(config, "client.id") && env && env->application && *env->application)
		failed = rv__kafka_conf_set(conf, "client.id", env->application, "client.id", NULL, err);
	for (const struct preset *at = consumer;
	     failed == RV_OK && config->role == RV__KAFKA_CONSUMER && at->name; at++)
		failed = rv__kafka_conf_set(conf, at->name, at->value, at->name, NULL, err);
	return failed;
}

static rv_err set_all(const struct rv__kafka_config *config, const struct rv_binder_env *env,
    rd_kafka_conf_t *conf, struct rv_error *err)
{
	rv_err failed = RV_OK;

	for (size_t i = 0; failed == RV_OK && i < config->count; i++)
		if (!is_raw(&config->keys[i]) && !is_left_out(config, &config->keys[i]))
			failed = set_key(config, env, &config->keys[i], conf, err);
	if (failed == RV_OK)
		failed = rv__kafka_config_build_tls(config, conf, err);
	if (failed == RV_OK)
		failed = rv__kafka_config_build_login(config, conf, err);
	if (failed == RV_OK)
		failed = set_own(config, env, conf, err);
	for (size_t i = 0; failed == RV_OK && i < config->count; i++) {
		const char *name = config->keys[i].name;

		if (!is_raw(&config->keys[i]))
			continue;
		failed = rv__kafka_conf_set(
		    conf, name + sizeof RAW_PREFIX - 1, config->keys[i].value, name, config->binding, err);
		if (failed == RV_E_NOTFOUND)
			failed = rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_UNKNOWN_KEY, RV__KAFKA_TOPIC,
			    "client setting %s: librdkafka %s has none of that name; correct it, or leave it "
			    "out",
			    name, rd_kafka_version_str());
	}
	return failed;
}

rv_err rv__kafka_config_build(const struct rv__kafka_config *config, const struct rv_binder_env *env,
    rd_kafka_conf_t **ret_conf, struct rv_error *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rv_err failed = set_all(config, env, conf, err);

	if (failed != RV_OK) {
		rd_kafka_conf_destroy(conf);
		return failed;
	}
	*ret_conf = conf;
	return RV_OK;
}
