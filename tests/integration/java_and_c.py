#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Java and C at the two ends of one topic. Arguments: inhouse|apache [case…]"""

import collections
import contextlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import brokers, processes, remoting  # noqa: E402
from peers.driver import Driver  # noqa: E402
from peers.probe import Probe  # noqa: E402
from peers.services import Service  # noqa: E402
from peers.tap import Suite, expect, expect_equal  # noqa: E402

suite = Suite()
Peer = collections.namedtuple("Peer", "broker java")
PATIENT = "rivulet.bindings.output.producer.send-timeout=30s"  # a machine may stand still for some seconds
TEXT = '{"mcontent":"这是第一个消息测试.","mtype":"支付消息"}'


@suite.case()
def java_sends_and_the_c_service_receives(peer):
    with Service("message", peer.broker.name_server) as message:
        (result,) = peer.java.send("p", "park-pay-topic", TEXT, {"contentType": "application/json"}, tag="pay",
                                   keys="order-1")
        message.wait_consumed(result["msgId"])
        expect("Receive input msg = %s by RocketMQ..." % TEXT in message.process.output(), message.process.tail())


@suite.case()
def the_c_service_sends_and_java_receives(peer):
    with Service("charging", peer.broker.name_server, ["--" + PATIENT]) as charging:
        peer.java.consumer("c", "java-group", "park-pay-topic")
        message_id = charging.send_test_message()
        find = lambda: [m for m in peer.java.messages("c") if m["msgId"] == message_id]  # noqa: E731
        (message,) = processes.wait_for(find, 60, "the message in Java")
        expect_equal(message["body"], TEXT, "body")
        expect_equal(message["properties"].get("contentType"), "application/json", "contentType property")
        expect_equal(message["reconsumeTimes"], 0, "reconsumeTimes")
        peer.java.stop_consumer("c")


@suite.case()
def headers_tags_keys_and_ids_mean_the_same_on_both_sides(peer):
    topic = "both-ways"
    with Probe(peer.broker.name_server, topic, group="c-group", options=[PATIENT]) as probe:
        sent = probe.send("from C", {"contentType": "text/plain", "plate": "粤B1", "TAGS": "TagC", "rivulet_key": "K 1"})
        probe.wait_received(1)
        peer.java.consumer("j", "j-group", topic)
        (message,) = peer.java.wait_messages("j", 1)
        expect_equal((message["msgId"], message["body"], message["tags"], message["keys"]),
                     (sent["sent"], "from C", "TagC", "K 1"), "id, body, tags, keys in Java")
        expect_equal(message["properties"].get("plate"), "粤B1", "user property in Java")
        (result,) = peer.java.send("p", topic, "from Java", {"plate": "沪A2", "contentType": "text/plain"}, tag="TagJ",
                                   keys="K2")
        got = probe.wait_received(2)[1]
        expect_equal((got["body"], got["id"], got["partition"], got["position"]),
                     ("from Java", result["msgId"], result["queueId"], result["queueOffset"]), "delivery in C")
        expect_equal({k: got["headers"].get(k) for k in ("plate", "contentType", "TAGS", "rivulet_key")},
                     {"plate": "沪A2", "contentType": "text/plain", "TAGS": "TagJ", "rivulet_key": "K2"}, "headers in C")


@suite.case()
def a_large_compressed_body_from_java_arrives_whole(peer):
    with Probe(peer.broker.name_server, "large-topic", group="c-large", channels="in") as probe:
        peer.java.send("p", "large-topic", "0123456789", repeat=20000)
        (got,) = probe.wait_received(1)
        expect_equal(got["length"], 200000, "length")


@suite.case()
def a_batch_from_java_arrives_one_by_one(peer):
    with Probe(peer.broker.name_server, "batch-topic", group="c-batch", channels="in") as probe:
        peer.java.send("p", "batch-topic", "b{i}", mode="batch", count=30)
        got = probe.wait_received(30)
        expect_equal([m["body"] for m in sorted(got, key=lambda m: m["position"])], ["b%d" % i for i in range(30)],
                     "bodies by position")


@suite.case()
def a_message_that_c_rejects_for_good_is_a_dead_letter_that_java_reads(peer):
    options = ["spring.cloud.stream.bindings.input.consumer.max-attempts=1",
               "spring.cloud.stream.rocketmq.bindings.input.consumer.delay-level-when-next-consume=-1"]
    with Probe(peer.broker.name_server, "dead-topic", group="c-dead", channels="in", fail="poison",
               options=options) as probe:
        (result,) = peer.java.send("p", "dead-topic", "poison", {"plate": "X"}, keys="K")
        probe.wait_received(1)
        dead = "%DLQ%c-dead"
        processes.wait_for(lambda: remoting.has_route(peer.broker.name_server, dead), 60, "route of " + dead)
        peer.java.consumer("dead", "dead-reader", dead)
        (message,) = peer.java.wait_messages("dead", 1)
        expect_equal((message["body"], message["msgId"], message["keys"], message["properties"]["plate"]),
                     ("poison", result["msgId"], "K", "X"), "dead letter")


@suite.case()
def a_java_and_a_c_member_share_a_group(peer):
    topic = "shared-topic"
    peer.java.send("p", topic, "first")
    with Probe(peer.broker.name_server, topic, group="mixed", channels="in") as probe:
        probe.wait_received(1)
        peer.java.consumer("m", "mixed", topic)

        def both():
            peer.java.send("p", topic, "probe", queue="each", count=4)
            return peer.java.messages("m") and len({x["queueId"] for x in peer.java.messages("m")}) == 2

        processes.wait_for(both, 60, "a share for Java", every=0.3)
        peer.java.stop_consumer("m")
        peer.java.send("p", topic, "rest {i}", queue="each", count=20)
        rest = lambda: {x["body"] for x in probe.received() if x["body"].startswith("rest")}  # noqa: E731
        processes.wait_for(lambda: len(rest()) == 20, 60, "C takes over")


@contextlib.contextmanager
def setup(kind):
    driver = Driver("rocketmq4")
    with brokers.create(kind) as broker, driver as java:
        java.name_server = broker.name_server
        java.producer("p")
        yield Peer(broker, java)


if __name__ == "__main__":
    kind = sys.argv[1]
    del sys.argv[1]
    suite.run(setup, kind)
