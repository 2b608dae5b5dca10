#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What other frameworks write into a Redis stream, and what they read of ours by the producer's message-format, each by
the framework itself. Arguments: go|faststream|spring [case…]; in Go there are Watermill and Dapr
"""

import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import faststream, golang, lines, maven, processes, redis, tap  # noqa: E402
from peers.probe import Probe  # noqa: E402
from peers.tap import Suite, expect, expect_equal  # noqa: E402

BYTES = bytes(range(256)).replace(b"{", b"") + b"\r\n\0"
NOTICE = '{"mtype":"支付消息","amount":9007199254740993,"rate":1.50}'
TYPE = "spring.cloud.stream.bindings.output.content-type="
FORMAT = "spring.cloud.stream.redis.bindings.output.producer.message-format="
HEADERS = {"plate": "京A12345", "empty": "", "fee": ("int", "15"), "long": "这" * 100}
ARRIVED = {"plate": "京A12345", "empty": "", "fee": "15", "long": "这" * 100}


class Scene:
    """Redis, a service of the other framework, and one in C that reads `to-c`."""

    def __init__(self, broker, other, probe, word):
        self.broker, self.other, self.probe, self.word = broker, other, probe, word

    def c(self, stream="from-c", kind="application/json", word=None):
        """A service in C that writes in the other's format; leave it as a context."""
        return Probe(self.broker, stream, channels="out", options=[FORMAT + (word or self.word), TYPE + kind])

    def from_c(self, payload, headers, kind="application/json"):
        """What the other framework has of a message that C sent; its id is checked."""
        with self.c(kind=kind) as probe:
            sent = c_sent(probe.send(payload, headers))
        got = self.other.find("from-c", lambda m: m.get("id") == sent)
        expect_equal(got.get("error"), None, "what the other framework says")
        return got

    def to_c(self, payload, headers=None, **more):
        """What C has of a message that the other framework sent."""
        number = len(self.probe.received())
        answer = self.other.ask({"hex": payload.hex(), "headers": headers or {}, **more})
        expect_equal(answer.get("error"), None, "what the other framework says to its send")
        return self.arrived(number)

    def arrived(self, number):
        return self.probe.wait_received(number + 1)[number]


def c_sent(answer):
    expect("sent" in answer, "C could not send: %s" % answer)
    return answer["sent"]


def expect_members(headers, wanted, what):
    expect_equal({name: headers.get(name) for name in wanted}, wanted, what)


# -- Watermill -------------------------------------------------------------------------------------------------------

in_go = Suite(setup_deadline=390)


@in_go.case()
def watermill_reads_what_c_writes(scenes):
    scene = scenes["watermill"]
    got = scene.from_c(NOTICE, HEADERS)
    expect_equal(bytes.fromhex(got["hex"]).decode(), NOTICE, "payload")
    expect_members(got["headers"], dict(ARRIVED, contentType="application/json"), "metadata")
    many = {"header-%d" % n: "value" for n in range(40)}
    got = scene.from_c(BYTES, many, "application/octet-stream")
    expect_equal(got["hex"], BYTES.hex(), "bytes")
    expect_members(got["headers"], dict(many, contentType="application/octet-stream"), "metadata")
    got = scene.from_c("", {}, "text/plain")
    expect_equal(got["hex"], "", "an empty payload")


@in_go.case()
def c_reads_what_watermill_writes(scenes):
    scene = scenes["watermill"]
    got = scene.to_c(BYTES[:250], ARRIVED, id="a-uuid", type="application/octet-stream")
    expect_equal((got["id"], got["hex"]), ("a-uuid", BYTES[:250].hex()), "id and bytes")
    expect_members(got["headers"], dict(ARRIVED, contentType="application/octet-stream"), "headers")
    got = scene.to_c(NOTICE.encode(), {"header-%d" % n: "value" for n in range(40)}, id="b")
    expect_equal(got["body"], NOTICE, "payload")
    expect_members(got["headers"], {"header-0": "value", "header-39": "value"}, "headers")
    got = scene.to_c(b"", id="c")
    expect_equal((got["id"], got["length"], got.get("null")), ("c", 0, None), "an empty message without metadata")


# -- Dapr ------------------------------------------------------------------------------------------------------------

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@in_go.case()
def dapr_reads_what_c_writes(scenes):
    scene = scenes["dapr"]
    got = scene.from_c(NOTICE, dict(HEADERS, traceparent=TRACE))
    expect_equal(json.loads(bytes.fromhex(got["hex"])), dict(json.loads(NOTICE), amount=9007199254740992.0),
                 "JSON, as Go's floating point has it")
    expect_equal(got["type"], "application/json", "type")
    expect_members(got["headers"], ARRIVED, "metadata")
    expect_members(got["fields"], {"specversion": "1.0", "type": "com.dapr.event.sent", "source": "probe",
                                   "traceparent": TRACE}, "attributes")
    for kind, payload in (("text/plain", "plain \"这是\"\n"), ("application/octet-stream", BYTES),
                          ("application/json", "no JSON"), ("application/x-yaml", "a: 1"), ("text/json", '{"a":1}'),
                          ("application/vnd.parking+json", '{"a":1}'), ("application/xml", "<a/>"),
                          ("text/plain;charset=ISO-8859-1", b"\xe9"), ("text/plain", "")):
        got = scene.from_c(payload, {}, kind)
        expect_equal(bytes.fromhex(got["hex"]), payload if isinstance(payload, bytes) else payload.encode(),
                     "payload of type " + kind)
        expect_equal(got["type"], kind, "type")


@in_go.case()
def c_reads_what_dapr_writes(scenes):
    scene = scenes["dapr"]
    got = scene.to_c(NOTICE.encode(), ARRIVED, id="e-1", type="application/json", fields={"traceparent": TRACE})
    expect_equal((got["id"], json.loads(got["body"])), ("e-1", json.loads(NOTICE)), "id and payload")
    expect_members(got["headers"], dict(ARRIVED, contentType="application/json", traceparent=TRACE), "headers")
    expect_members(got["headers"], {"ce-source": "go-service", "ce-topic": "to-c", "ce-pubsubname": "peer"}, "attributes")
    for kind, payload in (("text/plain", "plain \"这是\"".encode()), ("application/octet-stream", BYTES[:250]),
                          ("application/vnd.parking+json", b'{"a":1}'), ("text/json", b'{"a":1}'),
                          ("application/json", b'"text"'), ("text/plain", b"")):
        got = scene.to_c(payload, type=kind)
        expect_equal(bytes.fromhex(got["hex"]), payload, "payload of type " + kind)
        expect_equal(got["headers"].get("contentType"), kind, "type")
    got = scene.to_c(BYTES[:250], {"rawPayload": "true", "plate": "京A1"})
    expect_equal(got["hex"], BYTES[:250].hex(), "what is sent raw, without an event")
    expect_equal(got["headers"].get("plate"), "京A1", "its metadata")


# -- FastStream ------------------------------------------------------------------------------------------------------

fast_stream = Suite(setup_deadline=300)


@fast_stream.case()
def faststream_reads_what_c_writes(scenes):
    scene = scenes["faststream"]
    got = scene.from_c(NOTICE, dict(HEADERS, correlation_id="c-1"))
    expect_equal(bytes.fromhex(got["hex"]).decode(), NOTICE, "payload")
    expect_equal(got["decoded"], ["dict", json.loads(NOTICE)], "what a subscriber gets")
    expect_members(got["headers"], dict(ARRIVED, correlation_id="c-1"), "headers")
    for kind, payload, wanted in (("text/plain", "plain 这是", ["str", "plain 这是"]),
                                  ("application/octet-stream", BYTES, ["bytes", BYTES.hex()])):
        got = scene.from_c(payload, {"raw": ("bytes", "ff00fe"), "long": "这" * 10000}, kind)
        expect_equal((got["type"], got["decoded"]), (kind, wanted), "type, and what a subscriber gets")
        expect_equal(got["headers"]["raw"], "/wD+", "a header of bytes")
        expect_equal(got["headers"]["long"], "这" * 10000, "a long header")


@fast_stream.case()
def c_reads_what_faststream_writes(scenes):
    scene = scenes["faststream"]
    got = scene.to_c(b"plain \xe8\xbf\x99", {"plate": "B 1", "empty": ""}, id="f-1", type="text/plain")
    expect_equal((got["id"], got["body"]), ("f-1", "plain 这"), "id and payload")
    expect_members(got["headers"], {"plate": "B 1", "empty": "", "contentType": "text/plain"}, "headers")
    expect("correlation_id" in got["headers"], "no correlation_id: %s" % got["headers"])
    got = scene.to_c(b"", json=json.loads(NOTICE))
    expect_equal(json.loads(got["body"]), json.loads(NOTICE), "what a publisher gave as a dict")
    expect_equal(got["headers"].get("contentType"), "application/json", "type")
    got = scene.to_c(BYTES[:250])
    expect_equal(got["hex"], BYTES[:250].hex(), "bytes")


@fast_stream.case()
def a_header_that_faststream_counted_in_characters_is_whole(scenes):
    scene = scenes["faststream"]
    got = scene.to_c(b"{}", {"city": "深圳", "plate": "京A12345", "fee": "15"})
    expect_equal(got["body"], "{}", "payload")
    expect_members(got["headers"], {"city": "深圳", "plate": "京A12345", "fee": "15"}, "headers")


# -- Spring Data Redis and Spring Integration -------------------------------------------------------------------------

spring = Suite(setup_deadline=240)


class Spring(lines.Lines):
    def __init__(self, server):
        why = maven.missing("springdata")
        if why:
            raise tap.Skipped(why)
        super().__init__("springdata", maven.java("springdata", "peer.Streams", [server.port], "96m"), by="reader")


def on(stream):
    return lambda message: message["stream"] == stream


def java_sends(scene, how, value):
    number = len(scene.probe.received())
    expect_equal(scene.other.ask({"as": how, "value": value}).get("error"), None, "what Java says to its send")
    return scene.arrived(number)


@spring.case()
def java_reads_simple_values_that_c_writes(scenes):
    scene = scenes["spring"]
    with scene.c("text-from-c", "text/plain") as probe:
        sent = c_sent(probe.send("plain 这是", HEADERS))
    for reader in ("objects", "integration"):
        expect_equal(scene.other.find(reader, on("text-from-c"))["value"], "plain 这是", "text, for " + reader)
    fields = {name: bytes.fromhex(value).decode()
              for name, value in scene.other.find("fields", on("text-from-c"))["value"].items()}
    expect_members(fields, dict(ARRIVED, messageId=sent, contentType="text/plain", _raw="plain 这是"), "fields")
    with scene.c("bytes-from-c", "application/octet-stream") as probe:
        c_sent(probe.send(BYTES))
    expect_equal(scene.other.find("objects", on("bytes-from-c"))["value"], BYTES.hex(), "bytes")


@spring.case()
def java_reads_the_members_of_a_payload_as_an_object(scenes):
    scene = scenes["spring"]
    with scene.c("notice-from-c", word="flat") as probe:
        c_sent(probe.send('{"plate":"京A12345","fee":15,"paid":true}',
                          {"city": "深圳", "_class": "peer.Streams$Notice"}))  # Spring asks for the class
    got = scene.other.find("objects", on("notice-from-c"))
    expect_equal(got["value"], {"plate": "京A12345", "fee": 15, "paid": True}, "the object")
    got = scene.other.find("fields", on("notice-from-c"))
    expect_equal(bytes.fromhex(got["value"]["city"]).decode(), "深圳", "a header")


@spring.case()
def c_reads_what_java_writes(scenes):
    scene = scenes["spring"]
    expect_equal(java_sends(scene, "text", "plain 这是")["body"], "plain 这是", "a text")
    expect_equal(java_sends(scene, "text", "")["length"], 0, "an empty text")
    expect_equal(java_sends(scene, "bytes", BYTES[:250].hex())["hex"], BYTES[:250].hex(), "bytes")
    expect_equal(java_sends(scene, "payload", "of an integration flow")["body"], "of an integration flow", "a payload")
    got = java_sends(scene, "notice", {"plate": "京A12345", "fee": 15, "paid": True})
    expect_equal(got["headers"].get("contentType"), "application/json", "type of an object")
    expect_members(json.loads(got["body"]), {"plate": "京A12345", "fee": "15", "paid": "1"}, "members of an object")
    got = java_sends(scene, "fields", {"plate": "京A12345", "payload": "x"})
    expect_equal(json.loads(got["body"]), {"plate": "京A12345", "payload": "x"}, "fields")
    got = java_sends(scene, "fields", {"_raw": "京A12345", "contentType": "text/plain", "fee": "15"})
    expect_equal((got["body"], got["headers"]["contentType"], got["headers"]["fee"]),
                 ("京A12345", "text/plain", "15"), "fields as C writes them")


# -- setup -------------------------------------------------------------------------------------------------------------

def other_service(word, server):
    if word == "spring":
        return Spring(server)
    if word == "faststream":
        return faststream.FastStream(server.address)
    return lines.Lines(word, [golang.streams(), word, server.address], by="from")


@contextlib.contextmanager
def scene_of(word):
    with redis.Single(fsync=None) as broker, other_service(word, broker.server) as other:
        with Probe(broker, "to-c", group="c", channels="in") as probe:
            yield Scene(broker, other, probe, word)
        other.stop()


@contextlib.contextmanager
def setup(*words):
    with contextlib.ExitStack() as scenes:
        yield {word: scenes.enter_context(scene_of(word)) for word in words}


if __name__ == "__main__":
    suite, *frameworks = {"go": (in_go, "watermill", "dapr"), "faststream": (fast_stream, "faststream"),
                          "spring": (spring, "spring")}[sys.argv.pop(1)]
    suite.run(setup, *frameworks)
