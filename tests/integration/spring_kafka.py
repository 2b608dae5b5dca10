#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
A Spring Cloud Stream service and a service in C over one Kafka, both ways: what the one writes the other reads as if
it had written it itself. Arguments: [case…]
"""

import collections
import contextlib
import json
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import kafka, kafkaraw, processes, spring, tree  # noqa: E402
from peers.probe import PATIENT, Probe  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite(setup_deadline=400)
PLATES = ["京A%05d" % n for n in range(20)] + ["B-RV %d" % n for n in range(20)]
KEY = "rivulet_key"
STREAM = "spring.cloud.stream.bindings."
KAFKA = "spring.cloud.stream.kafka.bindings."

# Every binding of the Java service. `tell` reads whatever C sent, and its dead letters.
JAVA = [
    STREAM + "tell-in-0.destination=from-c,parts-from-c,error.fails-in-c.c-group",
    STREAM + "tell-in-0.group=java-group",
    STREAM + "convert-in-0.destination=json-from-c", STREAM + "convert-in-0.group=java-group",
    STREAM + "text-in-0.destination=text-from-c", STREAM + "text-in-0.group=java-group",
    STREAM + "embedded-in-0.destination=embedded-from-c", STREAM + "embedded-in-0.group=java-group",
    STREAM + "embedded-in-0.consumer.header-mode=embeddedHeaders",
    STREAM + "share-in-0.destination=shared", STREAM + "share-in-0.group=shared-group",
    STREAM + "share-in-0.consumer.concurrency=2",
    STREAM + "fail-in-0.destination=fails-in-java", STREAM + "fail-in-0.group=java-group",
    STREAM + "fail-in-0.consumer.max-attempts=1",
    KAFKA + "fail-in-0.consumer.enable-dlq=true",
    STREAM + "to-c.destination=to-c", STREAM + "text-to-c.destination=to-c",
    STREAM + "text-to-c.content-type=text/plain",
    # Nothing is converted, so that its contentType goes to the header mapper as the MimeType that it is.
    STREAM + "quoted-to-c.destination=quoted-to-c", STREAM + "quoted-to-c.producer.use-native-encoding=true",
    STREAM + "quoted-in-0.destination=quoted-to-c", STREAM + "quoted-in-0.group=java-group",
    KAFKA + "to-c.producer.sync=true",
    STREAM + "parts-to-c.destination=parts-to-c",
    STREAM + "parts-to-c.producer.partition-key-expression=headers['plate']",
    STREAM + "parts-to-c.producer.partition-count=4",
    STREAM + "keys-to-c.destination=keyed",
    STREAM + "embedded-to-c.destination=embedded-to-c",
    STREAM + "embedded-to-c.producer.header-mode=embeddedHeaders",
    "spring.cloud.stream.kafka.binder.headers=plate",
]


class Scene:
    """The broker, the Java service, and the C service that most cases talk through."""

    def __init__(self, broker, java, probe):
        self.broker, self.java, self.probe = broker, java, probe

    def c(self, destination, channels="in", group=None, options=(), **more):
        """
        Another C service on a destination; leave it as a context. It is killed then, so that its group waits for it
        until its session ends: each has a group of its own.
        """
        return Probe(self.broker, destination, group=group or "group-of-" + destination, channels=channels,
                     options=[*PATIENT, *options], **more)


def sent(answer):
    expect("sent" in answer, "C could not send: %s" % answer)
    return answer["sent"]


def find(probe, accept, deadline=60):
    """The first delivery of a C service that `accept` takes, waited for."""
    return processes.wait_for(lambda: next((m for m in probe.received() if accept(m)), None), deadline,
                              "a delivery; there are %s" % probe.received()[-3:], every=0.05)


def with_body(text):
    """For Java's messages."""
    return lambda message: message["payload"].get("text") == text or message["payload"]["value"] == text


def last(address, topic, partitions=1):
    """Where a topic ends now, by partition."""
    return [kafkaraw.offset(address, topic, p) for p in range(partitions)]


# -- headers -------------------------------------------------------------------------------------------------------

@suite.case()
def headers_of_every_type_arrive_in_java_as_what_they_were(scene):
    sent(scene.probe.send("typed by C", {
        "text": "这是第一个", "empty": "", "quoted": '"so to say"', "yes": ("boolean", "true"), "int": ("int", "-7"),
        "long": ("long", "9007199254740993"), "double": ("double", "1.5"),
        "object": ("json", '{"a":[1,"x"]}'), "array": ("json", "[1,2]"), "bytes": ("bytes", "00ff7f80")}))
    got = scene.java.find("tell", with_body("typed by C"))["headers"]
    wanted = {
        "text": ("java.lang.String", "这是第一个"), "empty": ("java.lang.String", ""),
        "quoted": ("java.lang.String", '"so to say"'), "yes": ("java.lang.Boolean", True),
        "int": ("java.lang.Integer", -7), "long": ("java.lang.Long", 9007199254740993),
        "double": ("java.lang.Double", 1.5), "object": ("java.util.LinkedHashMap", {"a": [1, "x"]}),
        "array": ("java.util.ArrayList", [1, 2]), "bytes": ("byte[]", "00ff7f80")}
    for name, (kind, value) in wanted.items():
        expect(name in got, "header '%s' did not arrive; there are %s" % (name, sorted(got)))
        expect_equal((got[name]["type"], got[name]["value"]), (kind, value), "header '%s'" % name)
    expect("spring_json_header_types" not in got, "the map of types was delivered as a header")


@suite.case()
def headers_of_every_type_arrive_in_c_as_what_they_were(scene):
    scene.java.send("to-c", "typed by Java", {
        "text": "这是第一个", "empty": "", "quoted": '"so to say"', "yes": ("boolean", True), "int": ("int", -7),
        "long": ("long", 9007199254740993), "double": ("double", 1.5), "object": ("json", {"a": [1, "x"]}),
        "array": ("json", [1, 2]), "bytes": ("bytes", "00ff7f80"),
        "uuid": ("uuid", "6b5d8c0e-1d0f-4c43-9c9a-0d5a3f1b2c4d"), "mime": ("mime", "text/plain")})
    got = find(scene.probe, lambda m: m["body"] == "typed by Java")
    # Java writes a text that begins with a quote as it is and takes it for JSON when it reads it; so do we.
    wanted = {"text": ("text", "这是第一个"), "empty": ("text", ""), "quoted": ("text", "so to say"),
              "yes": ("boolean", "true"), "int": ("int", "-7"), "long": ("long", "9007199254740993"),
              "double": ("double", "1.5"), "bytes": ("bytes", "00ff7f80"), "mime": ("text", "text/plain")}
    for name, (kind, value) in wanted.items():
        expect_equal((got["types"].get(name), got["headers"].get(name)), (kind, value), "header '%s'" % name)
    for name, value in {"object": {"a": [1, "x"]}, "array": [1, 2]}.items():
        expect_equal(got["types"].get(name), "json", "type of header '%s'" % name)
        expect_equal(json.loads(got["headers"][name]), value, "header '%s'" % name)
    expect("6b5d8c0e-1d0f-4c43-9c9a-0d5a3f1b2c4d" in got["headers"]["uuid"], "uuid: %s" % got["headers"]["uuid"])
    expect("spring_json_header_types" not in got["headers"], "the map of types was delivered as a header")


# -- payloads ------------------------------------------------------------------------------------------------------

@suite.case()
def content_types_of_c_are_converted_by_javas_listeners(scene):
    with scene.c("json-from-c", "out") as probe:
        sent(probe.send('{"mtype":"支付消息","amount":12}'))
    got = scene.java.find("convert", lambda message: True)
    expect_equal(got["payload"]["value"], {"mtype": "支付消息", "amount": 12}, "the map that the listener got")
    expect_equal(got["headers"]["contentType"]["value"], "application/json", "content type")
    with scene.c("text-from-c", "out", options=[STREAM + "output.content-type=text/plain"]) as probe:
        sent(probe.send("plain 这是"))
    got = scene.java.find("text", lambda message: True)
    expect_equal(got["payload"]["value"], "plain 这是", "the text that the listener got")
    expect_equal(got["headers"]["contentType"]["value"], "text/plain", "content type")


@suite.case()
def content_types_of_java_arrive_without_quotes(scene):
    scene.java.send("to-c", ("json", {"mtype": "支付消息"}))
    got = find(scene.probe, lambda m: m["body"] == '{"mtype":"支付消息"}')
    expect_equal(got["headers"].get("contentType"), "application/json", "content type of a map")
    scene.java.send("text-to-c", "plain by Java")
    got = find(scene.probe, lambda m: m["body"] == "plain by Java")
    expect_equal(got["headers"].get("contentType"), "text/plain", "content type of a text")


@suite.case()
def a_content_type_that_java_quotes_is_read_in_c_and_ours_in_java(scene):
    """Older versions, and newer ones that convert nothing, write the header as JSON: with quotes."""
    body = '{"mtype":"支付消息"}'
    with scene.c("quoted-to-c", "both") as probe:
        scene.java.send("quoted-to-c", ("bytes", body.encode().hex()), {"contentType": ("mime", "application/json"), "plate": "京A1"})
        got = find(probe, lambda m: m["body"] == body)
        expect_equal((got["headers"].get("contentType"), got["types"].get("contentType"), got["headers"].get("plate")),
                     ("application/json", "text", "京A1"), "content type in C, its type, and a header")
        record = kafkaraw.fetch(scene.broker.address, "quoted-to-c", 0)
        expect(b'"application/json"' in record, "Java did not quote it: %r" % record)
        answer = '{"mtype":"C"}'
        sent(probe.send(answer))
    for mtype in ("支付消息", "C"):
        got = scene.java.find("quoted", lambda m: m["payload"]["value"] == {"mtype": mtype})  # noqa: B023
        expect_equal(got["headers"]["contentType"]["value"], "application/json", "content type in Java of " + mtype)
    record = kafkaraw.fetch(scene.broker.address, "quoted-to-c", 1)
    expect(b'"application/json"' not in record, "C quoted it: %r" % record)


@suite.case()
def keys_go_both_ways(scene):
    sent(scene.probe.send("keyed by C", {KEY: "京A12345"}))
    got = scene.java.find("tell", with_body("keyed by C"))["headers"]
    expect_equal(got.get("kafka_receivedMessageKey", {}).get("text"), "京A12345", "key in Java")
    scene.java.send("to-c", "keyed by Java", {"kafka_messageKey": ("bytes", "京B54321".encode().hex())})
    got = find(scene.probe, lambda m: m["body"] == "keyed by Java")
    expect_equal(got["headers"].get(KEY), "京B54321", "key in C")


@suite.case()
def tombstones_go_both_ways(scene):
    sent(scene.probe.send(None, {KEY: "gone by C"}))
    got = scene.java.find("tell", lambda m: m["headers"].get("kafka_receivedMessageKey", {}).get("text") == "gone by C")
    expect_equal(got["payload"]["type"], "org.springframework.kafka.support.KafkaNull", "payload in Java")
    sent(scene.probe.send("", {KEY: "empty by C"}))
    got = scene.java.find("tell", lambda m: m["headers"].get("kafka_receivedMessageKey", {}).get("text") == "empty by C")
    expect_equal((got["payload"]["type"], got["payload"]["value"]), ("byte[]", ""), "an empty payload in Java")
    scene.java.send("to-c", ("null", None), {"kafka_messageKey": ("bytes", b"gone by Java".hex())})
    got = find(scene.probe, lambda m: m["headers"].get(KEY) == "gone by Java")
    expect(got.get("null"), "no tombstone in C: %s" % got)


@suite.case()
def embedded_headers_go_both_ways(scene):
    with scene.c("embedded-from-c", "out",
                 options=[STREAM + "output.producer.header-mode=embeddedHeaders",
                          "spring.cloud.stream.kafka.binder.headers=plate"]) as probe:
        sent(probe.send("embedded by C", {"plate": "京A1", "other": "not embedded"}))
    got = scene.java.find("embedded", with_body("embedded by C"))["headers"]
    expect_equal(got.get("plate", {}).get("value"), "京A1", "the embedded header in Java")
    expect("other" not in got, "a header that is not listed was embedded")
    with scene.c("embedded-to-c", options=[STREAM + "input.consumer.header-mode=embeddedHeaders"]) as probe:
        scene.java.send("embedded-to-c", "embedded by Java", {"plate": "京A2", "other": "not embedded"})
        got = find(probe, lambda m: m["body"] == "embedded by Java")
        expect_equal(got["headers"].get("plate"), "京A2", "the embedded header in C")
        expect_equal(got["headers"].get("contentType"), "application/json", "content type")
        expect("other" not in got["headers"], "a header that is not listed was embedded")


# -- partitions and groups -----------------------------------------------------------------------------------------

@suite.case(deadline=200)
def one_key_has_one_partition_whoever_sends_it(scene):
    with scene.c("parts-from-c", "out", options=[
            STREAM + "output.producer.partition-key-expression=headers['plate']",
            STREAM + "output.producer.partition-count=4"]) as probe:
        for plate in PLATES:
            sent(probe.send("parts " + plate, {"plate": plate}))
    by_c = {p: scene.java.find("tell", with_body("parts " + p))["headers"]["kafka_receivedPartitionId"]["value"]
            for p in PLATES}
    with scene.c("parts-to-c") as probe:
        for plate in PLATES:
            scene.java.send("parts-to-c", plate, {"plate": plate})
        by_java = {p: find(probe, lambda m: m["body"] == p)["partition"] for p in PLATES}  # noqa: B023
    expect_equal(by_c, by_java, "partitions that C chose beside those that Java chose")
    expect_equal(len(set(by_java.values())), 4, "partitions that were used")


@suite.case(deadline=200)
def one_key_has_one_partition_where_the_clients_choose_it(scene):
    with scene.c("keyed") as reader:
        for plate in PLATES:
            scene.java.send("keys-to-c", "java " + plate, {"kafka_messageKey": ("bytes", plate.encode().hex())})
        with scene.c("keyed", "out") as probe:
            for plate in PLATES:
                sent(probe.send("key " + plate, {KEY: plate}))
        with scene.c("keyed", "out", options=[STREAM + "output.producer.partition-key-expression=headers['plate']",
                                              "rivulet.bindings.output.producer.partition-hash=murmur2"]) as probe:
            for plate in PLATES:
                sent(probe.send("hash " + plate, {"plate": plate}))
        chosen = {who: {p: find(reader, lambda m: m["body"] == who + " " + p)["partition"] for p in PLATES}  # noqa: B023
                  for who in ("java", "key", "hash")}
    expect_equal(chosen["key"], chosen["java"], "partitions of the key in C beside those in Java")
    expect_equal(chosen["hash"], chosen["java"], "partitions by partition-hash=murmur2 beside those in Java")
    expect_equal(len(set(chosen["java"].values())), 4, "partitions that were used")


def share_of(scene, probe, bodies):
    """How often each body arrived, at Java's member and at C's."""
    java = collections.Counter(m["payload"]["text"] for m in scene.java.messages("share"))
    c = collections.Counter(m["body"] for m in probe.received())
    return (sum(java[b] for b in bodies), sum(c[b] for b in bodies),
            [b for b in bodies if java[b] + c[b] != 1])


@suite.case(deadline=300)
def java_and_c_share_the_partitions_of_one_group(scene):
    with scene.c("shared", group="shared-group") as probe, scene.c("shared", "out", options=[
            STREAM + "output.producer.partition-key-expression=headers['plate']",
            STREAM + "output.producer.partition-count=6"]) as producer:
        processes.wait_for(lambda: kafkaraw.group_members(scene.broker.address, "shared-group") == ("Stable", 3), 90,
                           "a stable group of two members in Java and one in C", every=0.2)
        bodies = ["shared %d" % n for n in range(120)]
        for number, body in enumerate(bodies):
            sent(producer.send(body, {"plate": "plate %d" % number}))
        processes.wait_for(lambda: not share_of(scene, probe, bodies)[2], 90, "each message once", every=0.1)
        java, c, _ = share_of(scene, probe, bodies)
        comment("Java had %d, C %d" % (java, c))
        expect(java > 0 and c > 0, "one member had everything: Java %d, C %d" % (java, c))
        expect_equal(probe.stop(), 0, "exit code of the member in C")
    # It left with its positions committed: Java takes its partitions over and sees nothing of it again.
    with scene.c("shared", "out", options=[
            STREAM + "output.producer.partition-key-expression=headers['plate']",
            STREAM + "output.producer.partition-count=6"]) as producer:
        more = ["later %d" % n for n in range(60)]
        for number, body in enumerate(more):
            sent(producer.send(body, {"plate": "plate %d" % number}))
    for body in more:
        scene.java.find("share", with_body(body))
    expect_equal(share_of(scene, probe, bodies)[2], [], "messages that came again after C left")


# -- dead letters --------------------------------------------------------------------------------------------------

def big_endian(layout, digits):
    return struct.unpack(">" + layout, bytes.fromhex(digits))[0]


@suite.case(deadline=200)
def dead_letters_of_c_are_read_by_java(scene):
    options = [STREAM + "input.consumer.max-attempts=1", KAFKA + "input.consumer.enable-dlq=true"]
    with scene.c("fails-in-c", "both", group="c-group", fail="no tariff", options=options) as probe:
        position = last(scene.broker.address, "fails-in-c")[0]
        sent(probe.send("no tariff for 京A1", {"plate": "京A1", KEY: "k", "n": ("int", "5")}))
        got = scene.java.find("tell", with_body("no tariff for 京A1"))["headers"]
    expect_equal(got["kafka_receivedTopic"]["value"], "error.fails-in-c.c-group", "topic")
    expect_equal(got["plate"]["value"], "京A1", "an original header")
    expect_equal((got["n"]["type"], got["n"]["value"]), ("java.lang.Integer", 5), "an original header")
    expect_equal(got["kafka_receivedMessageKey"]["text"], "k", "the original key")
    expect_equal(got["x-original-topic"]["text"], "fails-in-c", "x-original-topic")
    expect_equal(big_endian("i", got["x-original-partition"]["value"]), 0, "x-original-partition")
    expect_equal(big_endian("q", got["x-original-offset"]["value"]), position, "x-original-offset")
    expect(big_endian("q", got["x-original-timestamp"]["value"]) > 1500000000000, "x-original-timestamp")
    expect_equal(got["x-original-timestamp-type"]["text"], "CreateTime", "x-original-timestamp-type")
    expect(got["x-exception-fqcn"]["text"], "no x-exception-fqcn")
    expect(got["x-exception-message"]["text"], "no x-exception-message")


@suite.case(deadline=200)
def dead_letters_of_java_are_read_by_c(scene):
    with scene.c("fails-in-java", "out") as probe:
        sent(probe.send("no tariff for 京B2", {"plate": "京B2", "n": ("int", "6")}))
    with scene.c("error.fails-in-java.java-group") as probe:
        got = find(probe, lambda m: m["body"] == "no tariff for 京B2")
    headers, types = got["headers"], got["types"]
    expect_equal(headers.get("plate"), "京B2", "an original header")
    expect_equal((types.get("n"), headers.get("n")), ("int", "6"), "an original header")
    expect_equal(bytes.fromhex(headers["x-original-topic"]).decode(), "fails-in-java", "x-original-topic")
    expect_equal(big_endian("i", headers["x-original-partition"]), 0, "x-original-partition")
    expect_equal(big_endian("q", headers["x-original-offset"]), 0, "x-original-offset")
    expect("no tariff for this plate" in bytes.fromhex(headers["x-exception-message"]).decode(), "x-exception-message")


TOPICS = {"from-c": 1, "to-c": 1, "parts-from-c": 4, "parts-to-c": 4, "keyed": 4, "shared": 6, "fails-in-c": 1, "fails-in-java": 1,
          "error.fails-in-c.c-group": 1, "json-from-c": 1, "text-from-c": 1, "embedded-from-c": 1, "embedded-to-c": 1,
          "quoted-to-c": 1}


@contextlib.contextmanager
def peers():
    tree.module("kafka")
    with kafka.Kafka() as broker:
        for topic, partitions in TOPICS.items():
            kafkaraw.create_topic(broker.address, topic, partitions)
        functions = ["tell", "convert", "quoted", "text", "embedded", "share", "fail"]
        with spring.Spring(broker, functions, JAVA) as java:
            with Probe(broker, "to-c", group="talk",
                       options=[*PATIENT, STREAM + "output.destination=from-c"]) as probe:
                yield Scene(broker, java, probe)
            java.stop()


if __name__ == "__main__":
    suite.run(peers)
