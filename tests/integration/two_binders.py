#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/two-binders: one service between Kafka and Redis, with its unchanged properties. Arguments: [case…]"""

import collections
import contextlib
import http.client
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import brokers, ports, processes, tree  # noqa: E402
from peers.probe import Probe  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite(setup_deadline=240)
PATIENT = "rivulet.bindings.output.producer.send-timeout=30s"  # a machine may stand still for some seconds
ENVIRONMENT = "--spring.cloud.stream.binders.%s.environment.spring.cloud.stream."


class Scene:
    """Both brokers, the service between them, and a C service at either end."""

    def __init__(self, kafka, redis):
        self.kafka, self.redis = kafka, redis
        self.port = ports.reserve()
        self.command = [
            tree.program("examples/two-binders"),
            "--spring.config.location=" + os.path.join(tree.SOURCE, "examples", "two-binders") + "/",
            "--server.port=%d" % self.port, "--management.server.port=%d" % (self.port + 1),
            "--management.endpoint.health.show-details=always",
            "--rivulet.binder.path=%s,%s" % (tree.module("kafka"), tree.module("redis")),
            ENVIRONMENT % "events" + "kafka.binder.brokers=" + kafka.address,
            ENVIRONMENT % "receipts" + "redis.binder.nodes=" + redis.address]
        self.service = self.payments = self.receipts = None

    def start(self):
        self.service = processes.Process("two-binders", self.command)

    def health(self):
        link = http.client.HTTPConnection("127.0.0.1", self.port + 1, timeout=60)
        try:
            link.request("GET", "/actuator/health")
            return json.loads(link.getresponse().read())
        finally:
            link.close()

    def pay(self, body):
        answer = self.payments.send(body)
        expect("sent" in answer, "a payment was refused: %s" % answer)

    def receipts_of(self, bodies):
        """How many receipts there are of each."""
        names = [json.loads(m["body"]).get("receiptFor") for m in self.receipts.received()]
        return collections.Counter(name for name in names if name in bodies)

    def wait_receipts(self, bodies, deadline=60):
        processes.wait_for(lambda: len(self.receipts_of(bodies)) == len(bodies), deadline,
                           "a receipt for each of %d payments" % len(bodies), every=0.05)
        return self.receipts_of(bodies)

    def __enter__(self):
        self.start()
        self.receipts = Probe(self.redis, "receipts", group="readers", channels="in", name="receipts")
        self.payments = Probe(self.kafka, "payments", channels="out", name="payments", options=[PATIENT])
        return self

    def __exit__(self, *_):
        for process in (self.service, self.receipts.process, self.payments.process):
            if process.alive():
                process.kill()


@suite.case()
def what_comes_from_kafka_goes_to_redis(scene):
    bodies = ["payment %d" % n for n in range(20)]
    for body in bodies:
        scene.pay(body)
    counts = scene.wait_receipts(bodies)
    expect_equal(set(counts.values()), {1}, "receipts of one payment")
    expect_equal({m["source"] for m in scene.receipts.received()}, {"Redis"}, "where receipts come from")
    binders = scene.health()["components"]["binders"]["components"]
    expect_equal(sorted(binders), ["events", "receipts"], "binder configurations in health")


@suite.case(deadline=240)
def a_payment_waits_while_redis_is_away(scene):
    bodies = ["while away %d" % n for n in range(5)]
    scene.redis.kill_broker()
    for body in bodies:
        scene.pay(body)
    processes.wait_for(lambda: scene.health()["status"] != "UP", 60, "health that says it", every=0.2)
    expect(not scene.receipts_of(bodies), "receipts without Redis")
    scene.redis.start_broker()
    counts = scene.wait_receipts(bodies)
    comment("receipts: %s" % dict(counts))
    processes.wait_for(lambda: scene.health()["status"] == "UP", 60, "health that recovered", every=0.2)


@suite.case(deadline=300)
def what_was_paid_while_the_service_was_dead_gets_its_receipt(scene):
    scene.pay("before the kill")
    scene.wait_receipts(["before the kill"])
    scene.service.kill()
    bodies = ["while dead %d" % n for n in range(5)]
    for body in bodies:
        scene.pay(body)
    scene.start()
    scene.wait_receipts(bodies, 180)  # Kafka misses the dead member after 45 s only
    expect_equal(scene.service.stop(), 0, "exit code")


@contextlib.contextmanager
def peers():
    with brokers.create("kafka") as kafka, brokers.create("redis", fsync="always") as redis, Scene(kafka, redis) as scene:
        yield scene


if __name__ == "__main__":
    suite.run(peers)
