/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key store, trust store and log-in: what Java spreads over several keys, or writes in one text. Java's forms:
 * apache/kafka clients/src/main/java/org/apache/kafka/common/config/SslConfigs.java and
 * common/security/JaasConfig.java.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/numbers.h"
#include "binder/kafka/config_keys.h"
#include "binder/kafka/kafka.h"

/* -- stores ------------------------------------------------------------------------------------------ */

enum kind { KIND_PEM, KIND_PKCS12, KIND_JKS, KIND_OTHER };

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && strcasecmp(text + a - b, end) == 0;
}

/* A store without a type is taken by the end of its name; Java would call it JKS. */
static enum kind kind_of(const char *type, const char *file)
{
	if (type && strcasecmp(type, "PEM") == 0)
		return KIND_PEM;
	if (type && strcasecmp(type, "PKCS12") == 0)
		return KIND_PKCS12;
	if (type && *type)
		return strcasecmp(type, "JKS") == 0 ? KIND_JKS : KIND_OTHER;
	if (ends_with(file, ".pem") || ends_with(file, ".crt") || ends_with(file, ".cer"))
		return KIND_PEM;
	if (ends_with(file, ".p12") || ends_with(file, ".pfx") || ends_with(file, ".pkcs12"))
		return KIND_PKCS12;
	return KIND_JKS;
}

/* Spring writes files as resources. */
static const char *path_of(const char *file)
{
	if (file && strncmp(file, "file:", 5) == 0)
		return strncmp(file + 5, "//", 2) == 0 ? file + 7 : file + 5;
	return file;
}

static rv_err set(const struct rv__kafka_config *config, rd_kafka_conf_t *conf, const char *name,
    const char *value, const char *java, struct rv_error *err)
{
	return value ? rv__kafka_conf_set(conf, name, value, java, config->binding, err) : RV_OK;
}

static rv_err build_trust(const struct rv__kafka_config *config, rd_kafka_conf_t *conf, struct rv_error *err)
{
	const char *file = path_of(rv__kafka_config_get(config, "ssl.truststore.location"));
	const char *pem = rv__kafka_config_get(config, "ssl.truststore.certificates");

	if (pem)
		return set(config, conf, "ssl.ca.pem", pem, "ssl.truststore.certificates", err);
	if (!file || !*file)
		return RV_OK;
	if (kind_of(rv__kafka_config_get(config, "ssl.truststore.type"), file) != KIND_PEM)
		return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_STORE, RV__KAFKA_TOPIC,
		    "ssl.truststore.location: '%s' is not a PEM file, and librdkafka reads no other trust "
		    "store; "
		    "convert it (keytool -exportcert -rfc) and set ssl.truststore.type=PEM",
		    file);
	return set(config, conf, "ssl.ca.location", file, "ssl.truststore.location", err);
}

static rv_err build_key_file(
    const struct rv__kafka_config *config, const char *file, rd_kafka_conf_t *conf, struct rv_error *err)
{
	rv_err failed;

	switch (kind_of(rv__kafka_config_get(config, "ssl.keystore.type"), file)) {
	case KIND_PEM: /* chain and key in one file */
		failed = set(config, conf, "ssl.certificate.location", file, "ssl.keystore.location", err);
		return failed != RV_OK
		    ? failed
		    : set(config, conf, "ssl.key.location", file, "ssl.keystore.location", err);
	case KIND_PKCS12:
		failed = set(config, conf, "ssl.keystore.location", file, "ssl.keystore.location", err);
		return failed != RV_OK ? failed
		                       : set(config, conf, "ssl.keystore.password",
		                             rv__kafka_config_get(config, "ssl.keystore.password"),
		                             "ssl.keystore.password", err);
	default:
		return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_STORE, RV__KAFKA_TOPIC,
		    "ssl.keystore.location: '%s' is a key store that only Java reads; convert it to PKCS#12 "
		    "(keytool -importkeystore -deststoretype PKCS12) or PEM, and set ssl.keystore.type",
		    file);
	}
}

rv_err rv__kafka_config_build_tls(
    const struct rv__kafka_config *config, rd_kafka_conf_t *conf, struct rv_error *err)
{
	const char *file = path_of(rv__kafka_config_get(config, "ssl.keystore.location"));
	rv_err failed = build_trust(config, conf, err);

	if (failed == RV_OK)
		failed = set(config, conf, "ssl.certificate.pem",
		    rv__kafka_config_get(config, "ssl.keystore.certificate.chain"),
		    "ssl.keystore.certificate.chain", err);
	if (failed == RV_OK)
		failed = set(config, conf, "ssl.key.pem", rv__kafka_config_get(config, "ssl.keystore.key"),
		    "ssl.keystore.key", err);
	if (failed == RV_OK && file && *file)
		failed = build_key_file(config, file, conf, err);
	if (failed == RV_OK)
		failed = set(config, conf, "ssl.key.password",
		    rv__kafka_config_get(config, "ssl.key.password"), "ssl.key.password", err);
	return failed;
}

/* -- log-in -------------------------------------------------------------------------------------------- */

/*
 * The next `name=value` of a JAAS text behind *at; value with or without quotes, `\` before a quote escapes it.
 * False at its end. Names and values that do not fit are cut.
 */
static bool next_option(const char **at, char *name, size_t name_size, char *value, size_t value_size)
{
	const char *from = *at + strspn(*at, " \t\r\n");
	size_t length = strcspn(from, "= \t\r\n;");
	size_t used = 0;
	char quote;

	if (length == 0 || from[length] != '=')
		return false;
	snprintf(name, name_size, "%.*s", (int)length, from);
	from += length + 1;
	quote = *from == '"' || *from == '\'' ? *from++ : '\0';
	while (*from && (quote ? *from != quote : !strchr(" \t\r\n;", *from))) {
		if (quote && *from == '\\' && from[1])
			from++;
		if (used + 1 < value_size)
			value[used++] = *from;
		from++;
	}
	value[used] = '\0';
	*at = from + (quote && *from == quote);
	return true;
}

/* What an option of a log-in module is called in librdkafka; NULL: it has no counterpart. */
static const char *login_key(const char *module, const char *option)
{
	static const struct {
		const char *module, *option, *to;
	} words[] = {
	    {"PlainLoginModule", "username", "sasl.username"},
	    {"PlainLoginModule", "password", "sasl.password"},
	    {"ScramLoginModule", "username", "sasl.username"},
	    {"ScramLoginModule", "password", "sasl.password"},
	    {"Krb5LoginModule", "principal", "sasl.kerberos.principal"},
	    {"Krb5LoginModule", "keyTab", "sasl.kerberos.keytab"},
	    {"Krb5LoginModule", "serviceName", "sasl.kerberos.service.name"},
	    {"OAuthBearerLoginModule", "clientId", "sasl.oauthbearer.client.id"},
	    {"OAuthBearerLoginModule", "clientSecret", "sasl.oauthbearer.client.secret"},
	    {"OAuthBearerLoginModule", "scope", "sasl.oauthbearer.scope"},
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i].module, module) == 0 && strcmp(words[i].option, option) == 0)
			return words[i].to;
	return NULL;
}

static rv_err bad_login(struct rv_error *err, const char *what)
{
	return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_LOGIN, RV__KAFKA_TOPIC,
	    "sasl.jaas.config: %s; write `org.apache.kafka.common.security.plain.PlainLoginModule required "
	    "username=\"…\" password=\"…\";`, or ScramLoginModule, or sasl.username and sasl.password",
	    what);
}

static bool is_known_module(const char *module)
{
	return strcmp(module, "PlainLoginModule") == 0 || strcmp(module, "ScramLoginModule") == 0 ||
	    strcmp(module, "Krb5LoginModule") == 0 || strcmp(module, "OAuthBearerLoginModule") == 0;
}

/* Class and control flag; *at moves behind them. False: there is no flag. */
static bool read_head(const char **at, char *module, size_t size)
{
	const char *from = *at + strspn(*at, " \t\r\n");
	size_t length = strcspn(from, " \t\r\n;"), dot = length;

	while (dot > 0 && from[dot - 1] != '.')
		dot--;
	snprintf(module, size, "%.*s", (int)(length - dot), from + dot);
	from += length;
	from += strspn(from, " \t\r\n");
	length = strcspn(from, " \t\r\n;=");
	*at = from + length;
	return length > 0 && from[length] != '=';
}

rv_err rv__kafka_config_build_login(
    const struct rv__kafka_config *config, rd_kafka_conf_t *conf, struct rv_error *err)
{
	const char *text = rv__kafka_config_get(config, "sasl.jaas.config");
	char module[64], name[64], value[1024];
	rv_err failed = RV_OK;

	if (!text || !*text)
		return RV_OK;
	if (!read_head(&text, module, sizeof module))
		return bad_login(err, "it has no control flag (`required`)");
	if (!is_known_module(module))
		return bad_login(err, "its log-in module is one that only Java has");
	while (failed == RV_OK && next_option(&text, name, sizeof name, value, sizeof value)) {
		const char *to = login_key(module, name);

		if (to)
			failed =
			    rv__kafka_conf_set(conf, to, value, "sasl.jaas.config", config->binding, err);
	}
	explicit_bzero(value, sizeof value);
	return failed;
}
