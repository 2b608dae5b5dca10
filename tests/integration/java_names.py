#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Every key of the Java Kafka binder, and of the common keys that it reads, in a file as a Java service has it: each one
works, or says in one sentence that it does not and what to use instead. None is unknown. Source of the names:
spring-cloud-stream KafkaBinderConfigurationProperties, KafkaConsumerProperties, KafkaProducerProperties,
ConsumerProperties, ProducerProperties; spring-boot KafkaProperties.
"""

import contextlib
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import processes, tree  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite()
WORKS, SPEAKS = "works", "speaks"

TOPIC = {
    "topic.properties.retention.ms": ("60000", WORKS), "topic.replicasAssignment.0": ("1,2", WORKS),
    "topic.replicationFactor": ("2", WORKS),
}

PRODUCER = {
    "bufferSize": ("32768", WORKS), "batchTimeout": ("5", WORKS), "compressionType": ("lz4", WORKS),
    "compression": ("zstd", WORKS), "sync": ("true", WORKS), "sendTimeoutExpression": ("5000", WORKS),
    "messageKeyExpression": ("headers['plate']", WORKS), "headerPatterns": ("!secret,*", WORKS),
    "useTopicHeader": ("true", WORKS), "recordMetadataChannel": ("sent", SPEAKS),
    "configuration.max.request.size": ("2000000", WORKS), "transactionManager": ("bean", SPEAKS),
    "closeTimeout": ("30", WORKS), **TOPIC,
}

CONSUMER = {
    "autoRebalanceEnabled": ("false", WORKS), "ackMode": ("MANUAL_IMMEDIATE", WORKS), "ackEachRecord": ("true", WORKS),
    "autoCommitOffset": ("false", WORKS), "autoCommitOnError": ("true", SPEAKS), "startOffset": ("latest", WORKS),
    "resetOffsets": ("true", WORKS), "enableDlq": ("true", WORKS), "dlqName": ("lost", WORKS),
    "dlqPartitions": ("1", WORKS), "trustedPackages": ("com.example", SPEAKS), "standardHeaders": ("both", WORKS),
    "converterBeanName": ("bean", SPEAKS), "idleEventInterval": ("5000", WORKS), "destinationIsPattern": ("true", WORKS),
    "configuration.max.poll.interval.ms": ("60000", WORKS), "pollTimeout": ("1000", SPEAKS),
    "transactionManager": ("bean", SPEAKS), "commonErrorHandlerBeanName": ("bean", SPEAKS),
    "reactiveAutoCommit": ("true", SPEAKS), "reactiveAtMostOnce": ("true", SPEAKS), **TOPIC,
    **{"dlqProducerProperties." + name: row for name, row in PRODUCER.items()},
}

BINDER = {
    "brokers": ("127.0.0.1:9092", WORKS), "defaultBrokerPort": ("9093", WORKS),
    "configuration.security.protocol": ("PLAINTEXT", WORKS), "consumerProperties.fetch.min.bytes": ("1", WORKS),
    "producerProperties.linger.ms": ("5", WORKS), "headers": ("plate", WORKS), "autoCreateTopics": ("false", WORKS),
    "autoAlterTopics": ("true", WORKS), "autoAddPartitions": ("true", WORKS), "minPartitionCount": ("3", WORKS),
    "replicationFactor": ("2", WORKS), "requiredAcks": ("1", WORKS), "healthTimeout": ("10", SPEAKS),
    "considerDownWhenAnyPartitionHasNoLeader": ("false", WORKS), "healthIndicatorConsumerGroup": ("health", SPEAKS),
    "headerMapperBeanName": ("bean", SPEAKS), "authorizationExceptionRetryInterval": ("10s", SPEAKS),
    "certificateStoreDirectory": ("/tmp", SPEAKS),
    "jaas.loginModule": ("org.apache.kafka.common.security.plain.PlainLoginModule", WORKS),
    "jaas.controlFlag": ("required", WORKS), "jaas.options.username": ("me", WORKS),
    "enableObservation": ("true", SPEAKS), "metrics.defaultOffsetLagMetricsEnabled": ("false", SPEAKS),
    "metrics.offsetLagMetricsInterval": ("30s", SPEAKS),
}

# Of these it is only said here that they are known: what they do is told where transactions are tried.
TRANSACTIONS = {
    "spring.cloud.stream.kafka.binder.transaction.transactionIdPrefix": "tx-",
    "spring.cloud.stream.kafka.bindings.input.consumer.txCommitRecovered": "false",
    "spring.cloud.stream.kafka.bindings.output.producer.allowNonTransactional": "true",
    **{"spring.cloud.stream.kafka.binder.transaction.producer." + name: row[0] for name, row in PRODUCER.items()},
}

COMMON = {
    "bindings.input.destination": ("parking", WORKS), "bindings.input.group": ("g", WORKS),
    "bindings.input.contentType": ("text/plain", WORKS), "bindings.input.binder": ("kafka", WORKS),
}
COMMON_CONSUMER = {
    "autoStartup": ("false", WORKS), "concurrency": ("3", WORKS), "partitioned": ("true", WORKS),
    "instanceCount": ("2", WORKS), "instanceIndex": ("1", WORKS), "instanceIndexList": ("0,1", WORKS),
    "maxAttempts": ("5", WORKS), "backOffInitialInterval": ("100", WORKS), "backOffMaxInterval": ("1000", WORKS),
    "backOffMultiplier": ("1.5", WORKS), "defaultRetryable": ("false", WORKS),
    "retryableExceptions.java.lang.IllegalStateException": ("false", SPEAKS), "headerMode": ("embeddedHeaders", WORKS),
    "useNativeDecoding": ("true", SPEAKS), "multiplex": ("true", SPEAKS), "batchMode": ("true", SPEAKS),
    "retryTemplateName": ("bean", SPEAKS),
}
COMMON_PRODUCER = {
    "autoStartup": ("false", WORKS), "partitionKeyExpression": ("headers['plate']", WORKS),
    "partitionKeyExtractorName": ("bean", SPEAKS), "partitionSelectorName": ("bean", SPEAKS),
    "partitionSelectorExpression": ("#root", WORKS), "partitionCount": ("4", WORKS), "requiredGroups": ("g", WORKS),
    "headerMode": ("none", WORKS), "useNativeEncoding": ("true", WORKS), "errorChannelEnabled": ("true", WORKS),
    "dynamicPartitionUpdatesEnabled": ("true", WORKS), "poller.fixedDelay": ("100", SPEAKS),
}
BOOT = {
    "bootstrapServers": ("127.0.0.1:9092", WORKS), "clientId": ("parking", WORKS),
    "properties.session.timeout.ms": ("9000", WORKS), "security.protocol": ("PLAINTEXT", WORKS),
    "ssl.trustStoreLocation": ("file:/tmp/ca.pem", WORKS), "consumer.maxPollRecords": ("10", WORKS),
    "consumer.bootstrapServers": ("127.0.0.1:9092", SPEAKS), "consumer.groupId": ("g", SPEAKS),
    "consumer.enableAutoCommit": ("true", SPEAKS), "producer.acks": ("all", WORKS),
    "producer.bootstrapServers": ("127.0.0.1:9092", SPEAKS), "listener.ackMode": ("record", WORKS),
    "listener.ackCount": ("5", WORKS), "listener.ackTime": ("5s", WORKS), "listener.asyncAcks": ("true", SPEAKS),
    "listener.pollTimeout": ("5s", SPEAKS), "listener.noPollThreshold": ("3", SPEAKS),
    "listener.idleBetweenPolls": ("1s", SPEAKS), "listener.idleEventInterval": ("1s", SPEAKS),
    "listener.monitorInterval": ("30s", SPEAKS), "listener.missingTopicsFatal": ("true", SPEAKS),
    "listener.immediateStop": ("true", SPEAKS), "jaas.enabled": ("false", WORKS), "admin.clientId": ("a", WORKS),
    "template.defaultTopic": ("t", SPEAKS),
}


def full():
    """Every key with its value and what is claimed of it."""
    for before, names in (
            ("spring.cloud.stream.kafka.binder.", BINDER),
            ("spring.cloud.stream.kafka.bindings.input.consumer.", CONSUMER),
            ("spring.cloud.stream.kafka.default.consumer.", CONSUMER),
            ("spring.cloud.stream.kafka.bindings.output.producer.", PRODUCER),
            ("spring.cloud.stream.kafka.default.producer.", PRODUCER),
            ("spring.cloud.stream.", COMMON),
            ("spring.cloud.stream.bindings.input.consumer.", COMMON_CONSUMER),
            ("spring.cloud.stream.bindings.output.producer.", COMMON_PRODUCER),
            ("spring.kafka.", BOOT)):
        for name, (value, claim) in names.items():
            yield before + name, value, claim
    for name, value in TRANSACTIONS.items():
        yield name, value, None


def kebab(key):
    return re.sub("[A-Z]", lambda letter: "-" + letter.group().lower(), key)


def judge(rows):
    """What `rivulet config check` says of each key: nothing, or its sentence."""
    path = os.path.join(processes.directory("names"), "application.properties")
    with open(path, "w") as file:
        file.writelines("%s=%s\n" % row for row in rows)
    code, out, err = processes.run(
        [tree.rivulet(), "config", "check", path], env={"RIVULET_BINDER_PATH": tree.module("kafka")})
    expect(code in (0, 2), "config check ended with %d: %s%s" % (code, out, err))
    said = {}
    for line in (out + err).splitlines():
        found = re.search(r"%s:(\d+): (.*)" % re.escape(os.path.basename(path)), line)
        if found:
            said[rows[int(found.group(1)) - 1][0]] = found.group(2)
    return said


def audit(spell):
    rows = [(spell(key), value) for key, value, _ in full()]
    said = judge(rows)
    counts = {WORKS: 0, SPEAKS: 0, None: 0}
    for key, _, claim in full():
        words = said.get(spell(key), "")
        expect("unknown key" not in words, "%s is not known: %s" % (key, words))
        expect(claim != WORKS or not words, "%s is said to work, and speaks: %s" % (key, words))
        expect(claim != SPEAKS or re.search(r": .+; .+\[RV\d{4}\]", words),
               "%s neither works nor says in one sentence what to do instead: '%s'" % (key, words))
        counts[claim] += 1
    comment("%d keys: %d work, %d explain themselves, %d are about transactions"
            % (len(rows), counts[WORKS], counts[SPEAKS], counts[None]))


@suite.case()
def each_key_of_java_works_or_explains_itself(_):
    audit(lambda key: key)


@suite.case()
def so_does_each_with_hyphens(_):
    audit(kebab)


@suite.case()
def the_words_of_java_are_values_in_any_spelling(_):
    consumer = "spring.cloud.stream.kafka.bindings.input.consumer."
    for key, values in {
            "ackMode": ["RECORD", "BATCH", "TIME", "COUNT", "COUNT_TIME", "MANUAL", "MANUAL_IMMEDIATE",
                        "manual-immediate", "manual_immediate", "record"],
            "startOffset": ["earliest", "latest"], "standardHeaders": ["none", "id", "timestamp", "both"],
            "dlqProducerProperties.compressionType": ["none", "gzip", "snappy", "lz4", "zstd"]}.items():
        for value in values:
            expect_equal(judge([(consumer + key, value)]), {}, "%s=%s" % (key, value))


if __name__ == "__main__":
    suite.run(contextlib.nullcontext)
