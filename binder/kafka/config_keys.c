/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Java's names: apache/kafka clients/src/main/java/org/apache/kafka/clients/{consumer/ConsumerConfig,
 * producer/ProducerConfig,CommonClientConfigs}.java. librdkafka's: its CONFIGURATION.md of 2.0.2.
 * Names that both have with one meaning are not listed.
 */
#include "binder/kafka/config_keys.h"

#include <string.h>

enum { CONSUMER = 1u << RV__KAFKA_CONSUMER, PRODUCER = 1u << RV__KAFKA_PRODUCER };

static const struct rv__kafka_key_row rows[] = {
    {"acks", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"allow.auto.create.topics", RV__KAFKA_JAVA, "spring.cloud.stream.kafka.binder.auto-create-topics", NULL,
        0}, /* the binder makes topics, or nobody does */
    {"auto.commit.interval.ms", RV__KAFKA_OURS, NULL, NULL, CONSUMER},
    {"auto.include.jmx.reporter", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"auto.offset.reset", RV__KAFKA_RESET, NULL, NULL, CONSUMER},
    {"batch.size", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"buffer.memory", RV__KAFKA_KIB, "queue.buffering.max.kbytes", NULL, PRODUCER},
    {"check.crcs", RV__KAFKA_SAME, NULL, NULL, CONSUMER},
    {"client.dns.lookup", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"compression.type", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"default.api.timeout.ms", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"delivery.timeout.ms", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"enable.auto.commit", RV__KAFKA_OURS, NULL, NULL, CONSUMER},
    {"enable.idempotence", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"enable.metrics.push", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"exclude.internal.topics", RV__KAFKA_JAVA, NULL, NULL, CONSUMER},
    {"fetch.max.bytes", RV__KAFKA_SAME, NULL, NULL, CONSUMER},
    {"fetch.max.wait.ms", RV__KAFKA_SAME, "fetch.wait.max.ms", NULL, CONSUMER},
    {"fetch.min.bytes", RV__KAFKA_SAME, NULL, NULL, CONSUMER},
    {"group.id", RV__KAFKA_OURS, NULL, NULL, CONSUMER},
    {"group.instance.id", RV__KAFKA_SAME, NULL, NULL, CONSUMER},
    {"group.protocol", RV__KAFKA_OURS, NULL, NULL, CONSUMER},
    {"group.remote.assignor", RV__KAFKA_JAVA, NULL, NULL, CONSUMER},
    {"heartbeat.interval.ms", RV__KAFKA_SAME, NULL, NULL, CONSUMER},
    {"interceptor.classes", RV__KAFKA_JAVA, "code around rv_channel_send() and in the listener", NULL, 0},
    {"isolation.level", RV__KAFKA_SAME, NULL, NULL, CONSUMER},
    {"key.deserializer", RV__KAFKA_OURS, NULL, NULL, CONSUMER},
    {"key.serializer", RV__KAFKA_OURS, NULL, NULL, PRODUCER},
    {"linger.ms", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"max.block.ms", RV__KAFKA_JAVA, "rivulet.bindings.<name>.producer.send-timeout", NULL, PRODUCER},
    {"max.in.flight.requests.per.connection", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"max.partition.fetch.bytes", RV__KAFKA_SAME, NULL, NULL, CONSUMER},
    {"max.poll.interval.ms", RV__KAFKA_SAME, NULL, NULL, CONSUMER},
    {"max.poll.records", RV__KAFKA_JAVA, "rivulet.bindings.<name>.consumer.queue-messages", NULL, CONSUMER},
    {"max.request.size", RV__KAFKA_SAME, "message.max.bytes", NULL, PRODUCER},
    {"metadata.max.age.ms", RV__KAFKA_BOTH, "metadata.max.age.ms", "topic.metadata.refresh.interval.ms", 0},
    {"metadata.max.idle.ms", RV__KAFKA_JAVA, NULL, NULL, PRODUCER},
    {"metadata.recovery.strategy", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"metric.reporters", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"metrics.num.samples", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"metrics.recording.level", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"metrics.sample.window.ms", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"partition.assignment.strategy", RV__KAFKA_ASSIGNOR, NULL, NULL, CONSUMER},
    {"partitioner.adaptive.partitioning.enable", RV__KAFKA_JAVA, NULL, NULL, PRODUCER},
    {"partitioner.availability.timeout.ms", RV__KAFKA_JAVA, NULL, NULL, PRODUCER},
    {"partitioner.class", RV__KAFKA_SPREAD, "partitioner", NULL, PRODUCER},
    {"partitioner.ignore.keys", RV__KAFKA_JAVA, "messages without a key", NULL, PRODUCER},
    {"receive.buffer.bytes", RV__KAFKA_NOT_MINUS, "socket.receive.buffer.bytes", NULL, 0},
    {"request.timeout.ms", RV__KAFKA_BOTH, "socket.timeout.ms", "request.timeout.ms", 0},
    {"retries", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"retry.backoff.max.ms", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"retry.backoff.ms", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"sasl.client.callback.handler.class", RV__KAFKA_JAVA,
        "sasl.jaas.config of a PLAIN, SCRAM or Kerberos module", NULL, 0},
    {"sasl.jaas.config", RV__KAFKA_LOGIN, NULL, NULL, 0},
    {"sasl.login.callback.handler.class", RV__KAFKA_JAVA,
        "sasl.jaas.config of a PLAIN, SCRAM or Kerberos module", NULL, 0},
    {"sasl.login.class", RV__KAFKA_JAVA, "sasl.jaas.config of a PLAIN, SCRAM or Kerberos module", NULL, 0},
    {"security.providers", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"send.buffer.bytes", RV__KAFKA_NOT_MINUS, "socket.send.buffer.bytes", NULL, 0},
    {"session.timeout.ms", RV__KAFKA_SAME, NULL, NULL, CONSUMER},
    {"ssl.enabled.protocols", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"ssl.endpoint.identification.algorithm", RV__KAFKA_HOSTNAME, NULL, NULL, 0},
    {"ssl.engine.factory.class", RV__KAFKA_JAVA, "ssl.keystore and ssl.truststore in PEM", NULL, 0},
    {"ssl.key.password", RV__KAFKA_TLS, NULL, NULL, 0},
    {"ssl.keymanager.algorithm", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"ssl.keystore.certificate.chain", RV__KAFKA_TLS, NULL, NULL, 0},
    {"ssl.keystore.key", RV__KAFKA_TLS, NULL, NULL, 0},
    {"ssl.keystore.location", RV__KAFKA_TLS, NULL, NULL, 0},
    {"ssl.keystore.password", RV__KAFKA_TLS, NULL, NULL, 0},
    {"ssl.keystore.type", RV__KAFKA_TLS, NULL, NULL, 0},
    {"ssl.protocol", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"ssl.provider", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"ssl.secure.random.implementation", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"ssl.trustmanager.algorithm", RV__KAFKA_JAVA, NULL, NULL, 0},
    {"ssl.truststore.certificates", RV__KAFKA_TLS, NULL, NULL, 0},
    {"ssl.truststore.location", RV__KAFKA_TLS, NULL, NULL, 0},
    {"ssl.truststore.password", RV__KAFKA_TLS, NULL, NULL, 0},
    {"ssl.truststore.type", RV__KAFKA_TLS, NULL, NULL, 0},
    {"transaction.timeout.ms", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"transactional.id", RV__KAFKA_SAME, NULL, NULL, PRODUCER},
    {"value.deserializer", RV__KAFKA_PLAIN, "a listener that decodes the payload", NULL, CONSUMER},
    {"value.serializer", RV__KAFKA_PLAIN, "a payload encoded before rv_channel_send()", NULL, PRODUCER},
};

const struct rv__kafka_key_row *rv__kafka_key_find(const char *name)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].java, name) == 0)
			return &rows[i];
	return NULL;
}
