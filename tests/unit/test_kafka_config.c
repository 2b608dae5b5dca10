/* SPDX-License-Identifier: Apache-2.0 */
/* From Java's client settings to librdkafka's: layers, names, values, and what is refused in words. */
#include "binder/kafka/config.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binder/kafka/kafka.h"
#include "tests/support/binder_kit.h"
#include "tests/support/unit.h"

static struct rv_error why;
static struct rv__kafka_binder_settings *settings;
static struct rv__kafka_config config;
static rd_kafka_conf_t *conf;
static char warning[512];

RV_PRINTF(3, 4) static void note(rv_log_level level, const char *topic, const char *format, ...)
{
	va_list arguments;

	(void)level;
	(void)topic;
	va_start(arguments, format);
	vsnprintf(warning, sizeof warning, format, arguments);
	va_end(arguments);
}

static const struct rv_binder_env env = {.application = "parking", .log = note};

#define LINES(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static void binder(const char *const *lines)
{
	free(settings);
	settings = kit_settings(&rv__kafka_binder.binder_props, lines, &why);
	ck_assert_msg(settings != NULL, "%s", why.text);
}

static rv_err build(enum rv__kafka_role role, const struct rv_pairs *own)
{
	rv_err code;

	if (!settings)
		binder(NULL);
	if (conf)
		rd_kafka_conf_destroy(conf);
	conf = NULL;
	rv__kafka_config_finish(&config);
	warning[0] = '\0';
	code = rv__kafka_config_collect(&config, settings, role, "input", own, &why);
	return code == RV_OK ? rv__kafka_config_build(&config, &env, &conf, &why) : code;
}

/* Builds from one key of the binding. */
static rv_err with(enum rv__kafka_role role, const char *name, const char *value)
{
	const struct rv_pair pair = {name, value};

	return build(role, &(struct rv_pairs){&pair, 1});
}

static const char *value_of(const char *name)
{
	static char value[1024];
	size_t size = sizeof value;

	return rd_kafka_conf_get(conf, name, value, &size) == RD_KAFKA_CONF_OK ? value : "(none)";
}

static void tear_down(void)
{
	if (conf)
		rd_kafka_conf_destroy(conf);
	conf = NULL;
	rv__kafka_config_finish(&config);
	free(settings);
	settings = NULL;
}

START_TEST(defaults_are_those_of_java)
{
	ck_assert_int_eq(build(RV__KAFKA_PRODUCER, NULL), RV_OK);
	ck_assert_str_eq(value_of("bootstrap.servers"), "localhost:9092");
	ck_assert_str_eq(value_of("partitioner"), "murmur2_random");
	ck_assert_str_eq(value_of("acks"), "-1"); /* all */
	ck_assert_str_eq(value_of("enable.idempotence"), "true");
	ck_assert_str_eq(value_of("delivery.timeout.ms"), "120000");
	ck_assert_str_eq(value_of("max.in.flight.requests.per.connection"), "5");
	ck_assert_str_eq(value_of("reconnect.backoff.max.ms"), "1000");
	ck_assert_str_eq(value_of("client.id"), "parking");
	ck_assert_int_eq(build(RV__KAFKA_CONSUMER, NULL), RV_OK);
	ck_assert_str_eq(value_of("isolation.level"), "read_uncommitted");
	ck_assert_str_eq(value_of("partition.assignment.strategy"), "range");
	ck_assert_str_eq(value_of("enable.auto.commit"), "false");
	ck_assert_str_eq(value_of("enable.auto.offset.store"), "false");
	ck_assert_str_eq(value_of("allow.auto.create.topics"), "false");
}
END_TEST

static const struct {
	enum rv__kafka_role role;
	const char *java, *value, *name, *expected;
} translations[] = {
    {RV__KAFKA_CONSUMER, "fetch.max.wait.ms", "250", "fetch.wait.max.ms", "250"},
    {RV__KAFKA_CONSUMER, "receive.buffer.bytes", "-1", "socket.receive.buffer.bytes", "0"},
    {RV__KAFKA_CONSUMER, "send.buffer.bytes", "65536", "socket.send.buffer.bytes", "65536"},
    {RV__KAFKA_PRODUCER, "buffer.memory", "33554432", "queue.buffering.max.kbytes", "32768"},
    {RV__KAFKA_PRODUCER, "max.request.size", "2000000", "message.max.bytes", "2000000"},
    {RV__KAFKA_PRODUCER, "request.timeout.ms", "7000", "request.timeout.ms", "7000"},
    {RV__KAFKA_PRODUCER, "request.timeout.ms", "7000", "socket.timeout.ms", "7000"},
    {RV__KAFKA_CONSUMER, "request.timeout.ms", "7000", "socket.timeout.ms", "7000"},
    {RV__KAFKA_CONSUMER, "auto.offset.reset", "none", "auto.offset.reset", "error"},
    {RV__KAFKA_CONSUMER, "metadata.max.age.ms", "60000", "topic.metadata.refresh.interval.ms", "60000"},
    {RV__KAFKA_CONSUMER, "partition.assignment.strategy",
        "org.apache.kafka.clients.consumer.RoundRobinAssignor, "
        "org.apache.kafka.clients.consumer.RangeAssignor",
        "partition.assignment.strategy", "roundrobin,range"},
    {RV__KAFKA_CONSUMER, "partition.assignment.strategy",
        "org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "partition.assignment.strategy",
        "cooperative-sticky"},
    {RV__KAFKA_PRODUCER, "partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner",
        "partitioner", "random"},
    {RV__KAFKA_CONSUMER, "ssl.endpoint.identification.algorithm", "", "ssl.endpoint.identification.algorithm",
        "none"},
    {RV__KAFKA_CONSUMER, "isolation.level", "read_committed", "isolation.level", "read_committed"},
    {RV__KAFKA_CONSUMER, "SESSION_TIMEOUT_MS", "9000", "session.timeout.ms", "9000"},
    {RV__KAFKA_CONSUMER, "librdkafka.queued.min.messages", "77", "queued.min.messages", "77"},
    {RV__KAFKA_CONSUMER, "ssl.truststore.location", "file:/tmp/ca.pem", "ssl.ca.location", "/tmp/ca.pem"},
    {RV__KAFKA_CONSUMER, "ssl.keystore.location", "/tmp/me.p12", "ssl.keystore.location", "/tmp/me.p12"},
    {RV__KAFKA_CONSUMER, "ssl.keystore.location", "/tmp/me.pem", "ssl.certificate.location", "/tmp/me.pem"},
    {RV__KAFKA_CONSUMER, "ssl.keystore.location", "/tmp/me.pem", "ssl.key.location", "/tmp/me.pem"},
};

START_TEST(javas_key_comes_to_librdkafkas)
{
	ck_assert_msg(with(translations[_i].role, translations[_i].java, translations[_i].value) == RV_OK,
	    "%s", why.text);
	ck_assert_str_eq(value_of(translations[_i].name), translations[_i].expected);
	ck_assert_str_eq(warning, "");
}
END_TEST

static const struct {
	const char *java, *value, *words;
} refusals[] = {
    {"bootstrap.servers", "other:9092", "spring.cloud.stream.kafka.binder.brokers"},
    {"group.protocol", "consumer", "group.protocol=consumer"},
    {"partition.assignment.strategy", "org.apache.kafka.clients.consumer.StickyAssignor", "StickyAssignor"},
    {"ssl.truststore.location", "/etc/trust.jks", "PEM"},
    {"ssl.truststore.location", "/etc/trust.p12", "PEM"},
    {"ssl.keystore.location", "/etc/key.jks", "PKCS"},
    {"session.timeout.ms", "soon", "session.timeout.ms"},
    {"auto.offset.reset", "sometimes", "auto.offset.reset"},
    {"sasl.jaas.config", "com.example.OurLoginModule required user=\"a\";", "only Java"},
    {"sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule", "control flag"},
    {"librdkafka.no.such.thing", "1", "librdkafka"},
};

START_TEST(what_cannot_be_meant_is_refused_with_its_name)
{
	ck_assert_int_eq(with(RV__KAFKA_CONSUMER, refusals[_i].java, refusals[_i].value), RV_E_CONFIG);
	ck_assert_msg(strstr(why.text, refusals[_i].words) != NULL, "%s", why.text);
}
END_TEST

static const struct {
	enum rv__kafka_role role;
	const char *java, *value, *cure; /* NULL: silence, since that is what happens */
} foreign[] = {
    {RV__KAFKA_CONSUMER, "interceptor.classes", "com.example.Spy", "in the listener"},
    {RV__KAFKA_CONSUMER, "max.poll.records", "10", "queue-messages"},
    {RV__KAFKA_CONSUMER, "ssl.provider", "BC", "leave it out"},
    {RV__KAFKA_CONSUMER, "value.deserializer",
        "org.springframework.kafka.support.serializer.JsonDeserializer", "decodes the payload"},
    {RV__KAFKA_CONSUMER, "value.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer",
        NULL},
    {RV__KAFKA_CONSUMER, "value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer",
        NULL},
    {RV__KAFKA_PRODUCER, "max.block.ms", "1000", "send-timeout"},
    {RV__KAFKA_PRODUCER, "value.serializer", "io.confluent.kafka.serializers.KafkaAvroSerializer",
        "encoded before"},
    {RV__KAFKA_PRODUCER, "value.serializer", "org.apache.kafka.common.serialization.BytesSerializer", NULL},
    {RV__KAFKA_PRODUCER, "value.serializer", "org.apache.kafka.common.serialization.DoubleSerializer",
        "encoded before"},
};

START_TEST(what_only_java_has_says_what_to_use_instead)
{
	ck_assert_int_eq(with(foreign[_i].role, foreign[_i].java, foreign[_i].value), RV_OK);
	if (!foreign[_i].cure)
		ck_assert_str_eq(warning, "");
	else
		ck_assert_msg(
		    strstr(warning, foreign[_i].java) && strstr(warning, foreign[_i].cure), "'%s'", warning);
}
END_TEST

START_TEST(classes_of_keys_are_judged_by_the_bindings)
{
	ck_assert_int_eq(with(RV__KAFKA_CONSUMER, "key.deserializer", "com.example.Keys"), RV_OK);
	ck_assert_str_eq(warning, "");
	ck_assert_str_eq(rv__kafka_config_get(&config, "key.deserializer"), "com.example.Keys");
}
END_TEST

START_TEST(an_unknown_key_warns_and_is_dropped)
{
	ck_assert_int_eq(with(RV__KAFKA_CONSUMER, "fetch.mximum.bytes", "1"), RV_OK);
	ck_assert_ptr_nonnull(strstr(warning, "fetch.mximum.bytes"));
}
END_TEST

START_TEST(later_layers_win)
{
	binder(LINES("configuration.session.timeout.ms=10001", "configuration.fetch.min.bytes=2",
	    "consumer-properties.session.timeout.ms=10002", "producer-properties.linger.ms=3"));
	ck_assert_int_eq(build(RV__KAFKA_CONSUMER, NULL), RV_OK);
	ck_assert_str_eq(value_of("session.timeout.ms"), "10002");
	ck_assert_str_eq(value_of("fetch.min.bytes"), "2");
	ck_assert_int_eq(with(RV__KAFKA_CONSUMER, "session.timeout.ms", "10003"), RV_OK);
	ck_assert_str_eq(value_of("session.timeout.ms"), "10003");
	ck_assert_int_eq(build(RV__KAFKA_PRODUCER, NULL), RV_OK);
	ck_assert_str_eq(value_of("linger.ms"), "3");
	ck_assert_str_eq(warning, ""); /* the consumer's keys are none of its business */
}
END_TEST

START_TEST(a_caller_gives_way_to_the_binding_only)
{
	const struct rv_pair own = {"linger.ms", "7"};

	binder(LINES("configuration.batch.size=100"));
	ck_assert_int_eq(rv__kafka_config_collect(
	                     &config, settings, RV__KAFKA_PRODUCER, NULL, &(struct rv_pairs){&own, 1}, &why),
	    RV_OK);
	rv__kafka_config_put(&config, "linger.ms", "1", RV__KAFKA_CALLER);
	rv__kafka_config_put(&config, "batch.size", "200", RV__KAFKA_CALLER);
	ck_assert_str_eq(rv__kafka_config_get(&config, "linger.ms"), "7");
	ck_assert_str_eq(rv__kafka_config_get(&config, "batch.size"), "200");
	ck_assert_int_eq(rv__kafka_config_number(&config, "batch.size", 0), 200);
	ck_assert_int_eq(rv__kafka_config_layer(&config, "linger.ms"), RV__KAFKA_BINDING);
}
END_TEST

START_TEST(brokers_get_the_default_port)
{
	binder(LINES("brokers=one,two:9093,[::1],[::1]:9094", "default-broker-port=9099"));
	ck_assert_int_eq(build(RV__KAFKA_ADMIN, NULL), RV_OK);
	ck_assert_str_eq(value_of("bootstrap.servers"), "one:9099,two:9093,[::1]:9099,[::1]:9094");
}
END_TEST

START_TEST(idempotence_gives_way_unless_it_was_asked_for)
{
	binder(LINES("required-acks=1"));
	ck_assert_int_eq(build(RV__KAFKA_PRODUCER, NULL), RV_OK);
	ck_assert_str_eq(value_of("enable.idempotence"), "false");
	ck_assert_str_eq(value_of("acks"), "1");
	ck_assert_int_eq(with(RV__KAFKA_PRODUCER, "enable.idempotence", "true"), RV_OK);
	ck_assert_str_eq(value_of("enable.idempotence"), "true");
	binder(NULL);
	ck_assert_int_eq(with(RV__KAFKA_PRODUCER, "retries", "0"), RV_OK);
	ck_assert_str_eq(value_of("enable.idempotence"), "false");
}
END_TEST

START_TEST(a_transaction_keeps_its_own_time_out)
{
	const char *standard;

	ck_assert_int_eq(with(RV__KAFKA_PRODUCER, "transactional.id", "t-1"), RV_OK);
	standard = value_of("delivery.timeout.ms");
	ck_assert_str_ne(standard, "120000");
	ck_assert_str_eq(value_of("enable.idempotence"), "true");
}
END_TEST

START_TEST(a_login_text_is_taken_apart)
{
	ck_assert_int_eq(with(RV__KAFKA_CONSUMER, "sasl.jaas.config",
	                     "org.apache.kafka.common.security.scram.ScramLoginModule required "
	                     "username=\"me\" password=\"a \\\"b\\\" ; c\";"),
	    RV_OK);
	ck_assert_str_eq(value_of("sasl.username"), "me");
	ck_assert_str_eq(value_of("sasl.password"), "a \"b\" ; c");
	binder(LINES("jaas.login-module=org.apache.kafka.common.security.plain.PlainLoginModule",
	    "jaas.options.username=you", "jaas.options.password=secret", "configuration.sasl.mechanism=PLAIN",
	    "configuration.security.protocol=SASL_PLAINTEXT"));
	ck_assert_msg(build(RV__KAFKA_CONSUMER, NULL) == RV_OK, "%s", why.text);
	ck_assert_str_eq(value_of("sasl.username"), "you");
	ck_assert_str_eq(value_of("sasl.password"), "secret");
	ck_assert_str_eq(value_of("sasl.mechanism"), "PLAIN");
	ck_assert_str_eq(value_of("security.protocol"), "sasl_plaintext");
}
END_TEST

START_TEST(springs_own_keys_lie_beneath)
{
	static const char *const servers[] = {"boot:9092"};
	static const struct rv_pair consumer[] = {{"fetch-max-wait", "1s"}, {"fetch-min-size", "2KB"},
	    {"maxPollInterval", "90s"}, {"group-id", "ignored"}, {"properties.session.timeout.ms", "11000"},
	    {"auto-offset-reset", "latest"}, {"heartbeat-interval", "PT2S"}};
	static const struct rv_pair ssl[] = {{"trust-store-location", "file:/tmp/ca.pem"}};

	binder(NULL);
	settings->boot.bootstrap_servers = (struct rv_strings){servers, 1};
	settings->boot.consumer = (struct rv_pairs){consumer, 7};
	settings->boot.ssl = (struct rv_pairs){ssl, 1};
	settings->boot.security_protocol = "SSL";
	ck_assert_msg(build(RV__KAFKA_CONSUMER, NULL) == RV_OK, "%s", why.text);
	ck_assert_str_eq(value_of("bootstrap.servers"), "boot:9092");
	ck_assert_str_eq(value_of("fetch.wait.max.ms"), "1000");
	ck_assert_str_eq(value_of("fetch.min.bytes"), "2048");
	ck_assert_str_eq(value_of("session.timeout.ms"), "11000");
	ck_assert_str_eq(value_of("ssl.ca.location"), "/tmp/ca.pem");
	ck_assert_str_eq(value_of("security.protocol"), "ssl");
	ck_assert_str_eq(value_of("max.poll.interval.ms"), "90000");
	ck_assert_str_eq(value_of("heartbeat.interval.ms"), "2000");
	ck_assert_str_eq(warning, "");
}
END_TEST

START_TEST(old_names_of_the_ack_mode_count)
{
	struct rv__kafka_consumer_settings own = {0};

	ck_assert_int_eq(rv__kafka_ack_mode(&own), RV__KAFKA_ACK_BATCH);
	own.auto_commit = RV__KAFKA_FALSE;
	ck_assert_int_eq(rv__kafka_ack_mode(&own), RV__KAFKA_ACK_MANUAL);
	own.ack_each = RV__KAFKA_TRUE;
	ck_assert_int_eq(rv__kafka_ack_mode(&own), RV__KAFKA_ACK_RECORD);
	own.ack_mode = RV__KAFKA_ACK_COUNT;
	ck_assert_int_eq(rv__kafka_ack_mode(&own), RV__KAFKA_ACK_COUNT);
}
END_TEST

START_TEST(names_of_topics_are_checked)
{
	ck_assert_int_eq(rv__kafka_check_topic("error.orders_1-b.g", "input", &why), RV_OK);
	ck_assert_int_eq(rv__kafka_check_topic("orders/eu", "input", &why), RV_E_CONFIG);
	ck_assert_int_eq(rv__kafka_check_topic("..", "input", &why), RV_E_CONFIG);
	ck_assert_int_eq(rv__kafka_check_topic("", "input", &why), RV_E_CONFIG);
}
END_TEST

static const struct {
	const char *java, *name;
	bool matches;
} patterns[] = {
    {"orders", "orders", true},
    {"orders", "orders-archive", false},
    {"orders", "my-orders", false},
    {"^orders-.*$", "orders-eu", true},
    {"orders|bills", "bills", true},
    {"orders|bills", "bills2", false},
    {"orders-\\d+", "orders-17", true},
    {"orders-\\d+", "orders-d", false},
    {"orders\\.\\w{2}", "orders.eu", true},
    {"orders\\.\\w{2}", "orders-eu", false},
    {"\\D+", "orders1", false},
    {"[\\w.\\-]+", "a-b.c_1", true},
    {"[\\w.\\-]+", "a\\b", false},
    {"[^\\d]+", "orders", true},
    {"(?:a|b)-.*?", "b-1", true},
};

START_TEST(a_pattern_means_what_it_does_in_java)
{
	char *pattern = NULL;
	regex_t compiled;

	ck_assert_int_eq(rv__kafka_pattern(patterns[_i].java, "input", &pattern, &why), RV_OK);
	ck_assert_int_eq(pattern[0], '^'); /* that is how librdkafka knows one */
	ck_assert_int_eq(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg((regexec(&compiled, patterns[_i].name, 0, NULL, 0) == 0) == patterns[_i].matches,
	    "'%s' became '%s'", patterns[_i].java, pattern);
	regfree(&compiled);
	free(pattern);
}
END_TEST

static const char *const no_patterns[] = {"(?i)orders", "orders(?=-eu)", "orders\\b", "\\Qorders\\E",
    "[a-z&&[^b]]", "[a\\]]", "(orders", "[a-z", "orders\\", "[z-a]"};

START_TEST(a_pattern_that_librdkafka_cannot_take_is_refused)
{
	char *pattern = NULL;

	ck_assert_int_eq(rv__kafka_pattern(no_patterns[_i], "input", &pattern, &why), RV_E_CONFIG);
	ck_assert_msg(strstr(why.text, no_patterns[_i]) != NULL, "%s", why.text);
	ck_assert_ptr_null(pattern);
}
END_TEST

START_TEST(acks_that_no_broker_knows_are_refused)
{
	ck_assert_int_eq(with(RV__KAFKA_PRODUCER, "acks", "7"), RV_E_CONFIG);
	ck_assert_msg(strstr(why.text, "all, 1 or 0") != NULL, "%s", why.text);
	ck_assert_int_eq(with(RV__KAFKA_PRODUCER, "acks", "ALL"), RV_OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kafka_config");
	TCase *group = tcase_create("kafka_config");

	tcase_add_checked_fixture(group, NULL, tear_down);
	tcase_add_test(group, defaults_are_those_of_java);
	tcase_add_loop_test(
	    group, javas_key_comes_to_librdkafkas, 0, sizeof translations / sizeof *translations);
	tcase_add_loop_test(
	    group, what_cannot_be_meant_is_refused_with_its_name, 0, sizeof refusals / sizeof *refusals);
	tcase_add_loop_test(
	    group, what_only_java_has_says_what_to_use_instead, 0, sizeof foreign / sizeof *foreign);
	tcase_add_test(group, classes_of_keys_are_judged_by_the_bindings);
	tcase_add_test(group, an_unknown_key_warns_and_is_dropped);
	tcase_add_test(group, later_layers_win);
	tcase_add_test(group, a_caller_gives_way_to_the_binding_only);
	tcase_add_test(group, brokers_get_the_default_port);
	tcase_add_test(group, idempotence_gives_way_unless_it_was_asked_for);
	tcase_add_test(group, a_transaction_keeps_its_own_time_out);
	tcase_add_test(group, a_login_text_is_taken_apart);
	tcase_add_test(group, springs_own_keys_lie_beneath);
	tcase_add_test(group, old_names_of_the_ack_mode_count);
	tcase_add_test(group, names_of_topics_are_checked);
	tcase_add_loop_test(
	    group, a_pattern_means_what_it_does_in_java, 0, sizeof patterns / sizeof *patterns);
	tcase_add_loop_test(group, a_pattern_that_librdkafka_cannot_take_is_refused, 0,
	    sizeof no_patterns / sizeof *no_patterns);
	tcase_add_test(group, acks_that_no_broker_knows_are_refused);
	suite_add_tcase(suite, group);
	return unit_run_suite(suite);
}
