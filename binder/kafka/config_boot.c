/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spring.kafka.*: Spring Boot's names for the settings of Java's client. Most differ in their punctuation only
 * ("max-poll-records"), some in a word or in the unit of the value ("fetch-max-wait=1s", "batch-size=16KB").
 * Source: spring-boot KafkaProperties.java.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/prop_value.h"
#include "binder/kafka/config_keys.h"

enum unit { PLAIN, MILLIS, BYTES };

struct word {
	const char *boot, *java; /* java NULL: not the client's */
	enum unit unit;
};

static const struct word consumer_words[] = {
    {"auto.commit.interval", "auto.commit.interval.ms", MILLIS},
    {"bootstrap.servers", NULL, PLAIN},
    {"enable.auto.commit", NULL, PLAIN},
    {"fetch.max.wait", "fetch.max.wait.ms", MILLIS},
    {"fetch.min.size", "fetch.min.bytes", BYTES},
    {"group.id", NULL, PLAIN},
    {"heartbeat.interval", "heartbeat.interval.ms", MILLIS},
    {"max.poll.interval", "max.poll.interval.ms", MILLIS},
    {NULL, NULL, PLAIN},
};

static const struct word producer_words[] = {
    {"batch.size", "batch.size", BYTES},
    {"bootstrap.servers", NULL, PLAIN},
    {"buffer.memory", "buffer.memory", BYTES},
    {"transaction.id.prefix", NULL, PLAIN},
    {NULL, NULL, PLAIN},
};

static const struct word no_words[] = {{NULL, NULL, PLAIN}};

/* "fetch-max-wait", "fetchMaxWait" and "FETCH_MAX_WAIT" to "fetch.max.wait". */
static void dotted(const char *name, char *to, size_t size)
{
	size_t used = 0;
	bool lower_before = false;

	for (; *name && used + 3 < size; name++) {
		unsigned char c = (unsigned char)*name;

		if (isupper(c) && lower_before)
			to[used++] = '.';
		to[used++] = c == '-' || c == '_' ? '.' : (char)tolower(c);
		lower_before = islower(c) || isdigit(c);
	}
	to[used] = '\0';
}

/* "2s" and "16KB" in the client's unit; anything else as it is, for librdkafka to judge. */
static const char *in_unit(const char *value, enum unit unit, char *room, size_t size)
{
	static const struct rv_prop_desc rows[] = {
	    [MILLIS] = {.type = RV_PROP_DURATION}, [BYTES] = {.type = RV_PROP_SIZE}};
	union rv__prop_value number;
	char cure[96];

	if (unit == PLAIN || !rv__prop_parse(&rows[unit], value, &number, cure, sizeof cure))
		return value;
	snprintf(room, size, "%lld", (long long)number.integer);
	return room;
}

/* Within `ssl`, Boot writes "trust-store-location" for ssl.truststore.location. */
static void ssl_name(const char *plain, char *to, size_t size)
{
	if (strncmp(plain, "key.store.", 10) == 0)
		snprintf(to, size, "ssl.keystore.%s", plain + 10);
	else if (strncmp(plain, "trust.store.", 12) == 0)
		snprintf(to, size, "ssl.truststore.%s", plain + 12);
	else
		snprintf(to, size, "ssl.%s", plain);
}

static const struct word *find_word(const struct word *words, const char *plain)
{
	while (words->boot && strcmp(words->boot, plain) != 0)
		words++;
	return words->boot ? words : NULL;
}

static void put(struct rv__kafka_config *config, const struct rv_pair *pair, const struct word *words)
{
	char plain[128], name[160], room[32];
	const struct word *word;

	if (strncasecmp(pair->name, "properties.", 11) == 0) {
		rv__kafka_config_put(config, pair->name + 11, pair->value, RV__KAFKA_BOOT);
		return;
	}
	dotted(pair->name, plain, sizeof plain);
	if (strncmp(plain, "ssl.", 4) == 0) {
		ssl_name(plain + 4, name, sizeof name);
		rv__kafka_config_put(config, name, pair->value, RV__KAFKA_BOOT);
		return;
	}
	word = find_word(words, plain);
	if (word && !word->java)
		return;
	rv__kafka_config_put(config, word ? word->java : plain,
	    word ? in_unit(pair->value, word->unit, room, sizeof room) : pair->value, RV__KAFKA_BOOT);
}

static void put_section(
    struct rv__kafka_config *config, const struct rv_pairs *pairs, const struct word *words)
{
	for (size_t i = 0; i < pairs->count; i++)
		put(config, &pairs->items[i], words);
}

static void put_ssl(struct rv__kafka_config *config, const struct rv_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		char plain[128], name[160];

		dotted(pairs->items[i].name, plain, sizeof plain);
		ssl_name(plain, name, sizeof name);
		rv__kafka_config_put(config, name, pairs->items[i].value, RV__KAFKA_BOOT);
	}
}

/* `enabled`, `login-module`, `control-flag`, `options.*` to the one text of sasl.jaas.config. */
static void put_jaas(struct rv__kafka_config *config, const struct rv_pairs *pairs)
{
	const char *module = NULL, *flag = "required", *options = "", *text;
	bool enabled = false;

	for (size_t i = 0; i < pairs->count && options; i++) {
		char plain[128];
		const char *value = pairs->items[i].value;

		dotted(pairs->items[i].name, plain, sizeof plain);
		if (strcmp(plain, "enabled") == 0)
			enabled = strcasecmp(value, "true") == 0;
		else if (strcmp(plain, "login.module") == 0)
			module = value;
		else if (strcmp(plain, "control.flag") == 0)
			flag = value;
		else if (strncmp(plain, "options.", 8) == 0)
			options = rv__arena_printf(
			    &config->arena, "%s %s=\"%s\"", options, pairs->items[i].name + 8, value);
	}
	if (!enabled || !module || !options)
		return;
	text = rv__arena_printf(&config->arena, "%s %s%s", module, flag, options);
	if (text)
		rv__kafka_config_put(config, "sasl.jaas.config", text, RV__KAFKA_BOOT);
}

void rv__kafka_boot_collect(struct rv__kafka_config *config, const struct rv__kafka_boot *boot)
{
	if (boot->client_id)
		rv__kafka_config_put(config, "client.id", boot->client_id, RV__KAFKA_BOOT);
	for (size_t i = 0; i < boot->properties.count; i++)
		rv__kafka_config_put(
		    config, boot->properties.items[i].name, boot->properties.items[i].value, RV__KAFKA_BOOT);
	if (boot->security_protocol)
		rv__kafka_config_put(config, "security.protocol", boot->security_protocol, RV__KAFKA_BOOT);
	put_ssl(config, &boot->ssl);
	put_jaas(config, &boot->jaas);
	if (config->role == RV__KAFKA_CONSUMER)
		put_section(config, &boot->consumer, consumer_words);
	else if (config->role == RV__KAFKA_PRODUCER)
		put_section(config, &boot->producer, producer_words);
	else
		put_section(config, &boot->admin, no_words);
}
