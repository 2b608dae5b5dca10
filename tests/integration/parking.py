#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The two parking services with their unchanged properties over a real broker. Arguments: inhouse|apache|kafka|redis [case…]"""

import contextlib
import itertools
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import brokers, processes, remoting  # noqa: E402
from peers.probe import Probe  # noqa: E402
from peers.services import Service  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite()
rocketmq = Suite()  # what needs a name server, or looks at RocketMQ's bytes
TEXT = '{"mcontent":"这是第一个消息测试.","mtype":"支付消息"}'
TOPIC = "park-pay-topic"
CONCURRENT = ["--spring.cloud.stream.bindings.input.consumer.concurrency=4"]
_numbers = itertools.count(1)
# A machine that stands still for some seconds is no reason to refuse a message; what refuses one is told apart below.
PATIENCE = "rivulet.bindings.output.producer.send-timeout="
PATIENT, LESS_PATIENT = ["--" + PATIENCE + "30s"], ["--" + PATIENCE + "8s"]


def fresh(prefix):
    return "%s-%d" % (prefix, next(_numbers))


def destination(channel, name):
    return "--spring.cloud.stream.bindings.%s.destination=%s" % (channel, name)


@contextlib.contextmanager
def pair(broker, charging_options=PATIENT, message_options=()):
    """Both services, ready."""
    with Service("message", broker, message_options) as message:
        with Service("charging", broker, charging_options) as charging:
            yield charging, message


def consumed(message, message_id):
    return len(re.findall("consume %s cost: [0-9]+ ms" % message_id, message.process.output()))


@suite.case()
def a_posted_message_is_received_and_logged(broker):
    with pair(broker) as (charging, message):
        message_id = charging.send_test_message()
        message.wait_consumed(message_id)
        expect("Receive input msg = %s by %s..." % (TEXT, broker.label) in message.process.output(), message.process.tail())
        expect(re.fullmatch("[0-9A-F]{32}", message_id), "message id " + message_id)
        charging.stop()
        message.stop()


def exchange(broker, options, count=50):
    with pair(broker, message_options=options) as (charging, message):
        sent = [charging.send_test_message() for _ in range(count)]
        for message_id in sent:
            message.wait_consumed(message_id)
        expect_equal(len(set(sent)), count, "different ids")
        expect_equal([i for i in sent if consumed(message, i) != 1], [], "messages not consumed exactly once")
        charging.stop()
        message.stop()


def orderly(broker, word):
    """RocketMQ has to be told; Kafka keeps the order of a partition always."""
    key = "--spring.cloud.stream.rocketmq.bindings.input.consumer.orderly="
    return [key + word] if broker.binder == "rocketmq" else []


@suite.case()
def messages_are_exchanged_orderly(broker):
    exchange(broker, [*orderly(broker, "true"), "--spring.cloud.stream.bindings.input.group=" + fresh("orderly")])


@suite.case()
def messages_are_exchanged_concurrently(broker):
    exchange(broker, [*CONCURRENT, *orderly(broker, "false"), "--spring.cloud.stream.bindings.input.group=" + fresh("concurrent")])


@suite.case()
def a_stopped_service_goes_on_where_it_was(broker):
    topic = fresh("go-on")
    with Service("charging", broker, [destination("output", topic), *PATIENT]) as charging:
        with Service("message", broker, [destination("input", topic)]) as message:
            first = charging.send_test_message()
            message.wait_consumed(first)
            message.stop()
        second = charging.send_test_message()
        with Service("message", broker, [destination("input", topic)]) as message:
            message.wait_consumed(second)
            expect_equal(consumed(message, first), 0, "deliveries of the message that was consumed before")


@suite.case(deadline=240)
def messages_pass_across_a_restart_of_the_broker(broker):
    with pair(broker, LESS_PATIENT) as (charging, message):
        before = [charging.send_test_message() for _ in range(10)]
        broker.stop_broker()
        status, answer = charging.request("POST", "/sendTestMsg")
        expect_equal(status, 503, "POST /sendTestMsg without a broker: %s" % (answer,))
        expect_equal(message.health("/liveness")[0], 200, "liveness without a broker")
        broker.start_broker()
        began = time.monotonic()
        after = [processes.wait_for(lambda: posted(charging), 60, "a send after the restart", every=0.05)]
        comment("first send %.2f s after a raw client's first success" % (time.monotonic() - began))
        after += [charging.send_test_message() for _ in range(9)]
        for message_id in before + after:
            message.wait_consumed(message_id, 120)  # after 45 s without Kafka a member is new to it
        comment("all there %.2f s after" % (time.monotonic() - began))
        charging.stop()
        message.stop()


# Two seconds are promised, of a machine that has time for it; who is not told looks for a topic once in 30 s.
SOON = 15


def posted(charging):
    status, answer = charging.request("POST", "/sendTestMsg")
    return status == 200 and answer["messageId"]


def first_message(charging, message, limit, what):
    """From the broker's first answer: the time until a message is through, which must be below `limit`."""
    began = time.monotonic()
    message_id = processes.wait_for(lambda: posted(charging), 60, "the first send " + what, every=0.02)
    sent = time.monotonic()
    message.wait_consumed(message_id)
    comment("%s: sent after %.2f s, received %.2f s later" % (what, sent - began, time.monotonic() - sent))
    expect(time.monotonic() - began < limit, "it took %.2f s" % (time.monotonic() - began))


@suite.case()
def a_service_started_before_its_topic_gets_the_first_message(broker):
    topic = fresh("late-topic")
    with Service("message", broker, [destination("input", topic)]) as message:
        status, bindings = message.request("GET", "/actuator/bindings", management=True)
        expect_equal(status, 200, "GET /actuator/bindings")
        with Service("charging", broker, [destination("output", topic)]) as charging:
            first_message(charging, message, SOON if broker.binder == "rocketmq" else 30, "topic later")


@rocketmq.case(deadline=240)
def services_started_before_the_broker_recover_by_themselves(_):
    broker = brokers.create(kind, **({"split": True} if kind == "inhouse" else {}))
    try:
        broker.start_name_server()
        # A name server that answers is enough to be bound: the destination is only not there yet.
        started_early(broker, "broker later", 200, lambda: broker.start_broker(wait=False))
    finally:
        broker.__exit__()


@rocketmq.case(deadline=240)
def services_started_before_the_name_server_recover_by_themselves(_):
    broker = brokers.create(kind, **({"split": True} if kind == "inhouse" else {}))

    def start():
        broker.start_name_server()
        broker.start_broker(wait=False)

    try:
        started_early(broker, "name server later", 503, start)
    finally:
        broker.__exit__()


def started_early(broker, what, readiness, start, limit=SOON):
    message, charging = Service("message", broker), Service("charging", broker)
    for service in (message, charging):
        service.start(wait=False)
        service.wait_live()
    with message, charging:
        # Live comes before the first attempt to bind.
        processes.wait_for(lambda: message.health("/readiness")[0] == readiness, 60, "readiness %d" % readiness)
        status, answer = charging.request("POST", "/sendTestMsg")
        expect_equal(status, 503, "POST /sendTestMsg without a broker: %s" % (answer,))
        start()
        broker.wait_ready()
        first_message(charging, message, limit, what)
        charging.stop()
        message.stop()


@suite.case()
def a_c_service_sends_headers_and_reads_them_back(broker):
    topic = fresh("headers")
    with Probe(broker, topic, group=fresh("g"), options=[PATIENCE + "30s"]) as probe:
        answer = probe.send("支付", {"contentType": "text/plain", "plate": "粤B12345", "TAGS": "TagA",
                                   "rivulet_key": "order-7"})
        expect("sent" in answer, str(answer))
        (got,) = probe.wait_received(1)
        expect_equal(got["body"], "支付", "body")
        expect_equal(got["id"], answer["sent"], "id")
        expect_equal(got["headers"].get("contentType"), "text/plain", "contentType")
        expect_equal(got["headers"].get("plate"), "粤B12345", "header")
        expect_equal(got["headers"].get("TAGS"), "TagA", "tag")
        expect_equal(got["headers"].get("rivulet_key"), "order-7", "key")
        expect_equal((got["source"], got["destination"], got["attempt"]), (broker.label, topic, 1), "delivery")
        expect_equal(probe.stop(), 0, "exit code")


@rocketmq.case()
def a_sent_message_lies_in_the_broker_as_java_would_write_it(broker):
    topic = fresh("raw")
    with Probe(broker, topic, channels="out", options=[PATIENCE + "30s"]) as probe:
        answer = probe.send("{}", {"contentType": "application/json", "TAGS": "T", "rivulet_key": "K"})
    pull = {"consumerGroup": "raw", "topic": topic, "queueOffset": 0, "maxMsgNums": 32, "sysFlag": 4,
            "commitOffset": 0, "suspendTimeoutMillis": 0, "subscription": "*", "subVersion": 0,
            "expressionType": "TAG"}
    processes.wait_for(lambda: remoting.has_route(broker.name_server, topic), 60, "route of " + topic)
    bodies = [remoting.call(broker.address, 11, dict(pull, queueId=q)).body for q in range(4)]
    (record,) = [b for b in bodies if b]
    properties = record[record.rindex(topic.encode()) + len(topic) + 2:].decode()
    found = dict(p.split("\x01") for p in properties.split("\x02") if p)
    expect_equal({k: found.get(k) for k in ("contentType", "TAGS", "KEYS", "UNIQ_KEY")},
                 {"contentType": "application/json", "TAGS": "T", "KEYS": "K", "UNIQ_KEY": answer["sent"]},
                 "properties")


others = Suite()


@others.case(deadline=240)
def services_started_before_a_broker_of_another_kind_recover_by_themselves(_):
    broker = brokers.create(kind)
    try:
        started_early(broker, "broker later", 503, broker.start, limit=30)
    finally:
        broker.__exit__()


@contextlib.contextmanager
def setup():
    with brokers.create(kind) as broker:
        yield broker


if __name__ == "__main__":
    kind = sys.argv[1]
    del sys.argv[1]
    suite.cases += rocketmq.cases if kind in ("inhouse", "apache") else others.cases
    suite.run(setup)
