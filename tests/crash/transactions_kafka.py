#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Consume, process, produce on Kafka with transactions, while the service in the middle is killed again and again: whoever
reads what was committed sees all that came of each message once, and nothing of what failed.
"""

import collections
import contextlib
import itertools
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from peers import kafka, kafkaraw, ports, processes, tree  # noqa: E402
from peers.probe import PATIENT, Probe  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite()
_numbers = itertools.count(1)
LONG = bool(os.environ.get("RV_TEST_LONG"))
SEED = int(os.environ.get("RV_TEST_SEED") or time.time_ns() % 1000000)
KILLS = 30 if LONG else 5
PARTITIONS = 3
COMMITTED = ["spring.cloud.stream.kafka.bindings.input.consumer.configuration.isolation.level=read_committed"]
QUICK = ["spring.cloud.stream.kafka.bindings.input.consumer.configuration.session.timeout.ms=6000",
         "spring.cloud.stream.kafka.bindings.input.consumer.configuration.heartbeat.interval.ms=1000",
         "spring.cloud.stream.bindings.input.consumer.back-off-initial-interval=50",
         "spring.cloud.stream.bindings.input.consumer.concurrency=2", *PATIENT]


class Line:
    """A sender, a processor and a reader of what was committed, one behind the other."""

    def __init__(self, broker, options=(), environment=None, sends=True):
        self.broker, self.options, self.environment = broker, list(options), environment or {}
        self.name = "line-%d-%d" % (os.getpid(), next(_numbers))
        self.folder = processes.directory(self.name)
        self.acked_path = os.path.join(self.folder, "acked")
        for topic in (self.name, self.name + "-out"):
            kafkaraw.create_topic(broker.address, topic, PARTITIONS)
        self.port = ports.reserve()
        self.start_processor()
        self.reader = Probe(broker, self.name + "-out", group=self.name + "-readers", channels="in", name="reader",
                            options=[*PATIENT, *COMMITTED])
        self.sender = sends and processes.Process("sender", [
            tree.program("tests/crash/sender"), "--server.port=%d" % ports.reserve(), *tree.options(broker),
            "--spring.cloud.stream.bindings.output.destination=" + self.name, *("--" + option for option in PATIENT),
        ], env={"SENDER_ACKED": self.acked_path, "SENDER_RUN": "1", "SENDER_LANES": "4",
                "SENDER_PAUSE_US": "15000"}, stdin=True)

    def start_processor(self):
        self.processor = processes.Process("processor", [
            tree.program("tests/crash/processor"), "--server.port=%d" % self.port,
            "--management.server.port=%d" % (self.port + 1), *tree.options(self.broker),
            "--spring.cloud.stream.bindings.input.destination=" + self.name,
            "--spring.cloud.stream.bindings.input.group=workers",
            "--spring.cloud.stream.bindings.output.destination=%s-out" % self.name,
            "--spring.cloud.stream.kafka.binder.transaction.transaction-id-prefix=%s-" % self.name,
            *("--" + option for option in QUICK + self.options)], env=self.environment)

    def acked(self):
        try:
            with open(self.acked_path, encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def arrived(self):
        return collections.Counter(line["body"] for line in self.reader.received())

    def wait_traffic(self, more=20, deadline=90):
        before = sum(self.arrived().values())
        processes.wait_for(lambda: sum(self.arrived().values()) >= before + more, deadline,
                           "%d more through the processor: %s" % (more, self.processor.tail()), every=0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.processor, self.reader.process, self.sender):
            if process and process.alive():
                process.kill()


@suite.case(deadline=1200 if LONG else 500)
def each_message_has_its_effect_once_though_the_service_is_killed(broker):
    chance = random.Random(SEED)
    with Line(broker) as line:
        line.wait_traffic()
        for _ in range(KILLS):
            end = time.monotonic() + chance.uniform(0.05, 1.0)
            processes.wait_for(lambda: time.monotonic() >= end)  # noqa: B023
            line.processor.kill()
            line.start_processor()
            line.wait_traffic()
        expect_equal(line.sender.stop(), 0, "exit code of the sender")
        acked = line.acked()
        wanted = {body + word for body in acked for word in (" a", " b")}
        try:
            processes.wait_for(lambda: wanted <= set(line.arrived()), 120, every=0.2)
        except TimeoutError:
            missing = sorted(wanted - set(line.arrived()))
            expect(False, "%d of %d never came, such as %s" % (len(missing), len(wanted), missing[:5]))
        expect_equal(line.processor.stop(), 0, "exit code of the processor: " + line.processor.tail(5))
        arrived = line.arrived()
        comment("seed %d: %d messages, %d kills" % (SEED, len(acked), KILLS))
        expect_equal([body for body, times in arrived.items() if times > 1][:5], [], "effects that came twice")
        expect_equal([body for body in arrived if body.endswith("failed")][:5], [], "effects of failed attempts")


@suite.case(deadline=300)
def what_is_given_up_goes_to_the_dead_letters_and_leaves_no_effect(broker):
    with Line(broker, ["spring.cloud.stream.kafka.bindings.input.consumer.enable-dlq=true"],
              {"PROCESSOR_DEADLY": "deadly"}, sends=False) as line:
        with Probe(broker, line.name, channels="out", name="feeder", options=PATIENT) as feeder, \
                Probe(broker, "error.%s.workers" % line.name, group="letters", channels="in", name="letters",
                      options=COMMITTED) as letters:
            for body in ("0.0 1", "deadly 2", "0.0 3"):
                expect("sent" in feeder.send(body), "'%s' was not sent" % body)
            expect_equal([letter["body"] for letter in letters.wait_received(1)], ["deadly 2"], "dead letters")
            processes.wait_for(lambda: sum(line.arrived().values()) >= 4, what="what came of the others", every=0.05)
            expect_equal(sorted(line.arrived().items()),
                         [("0.0 1 a", 1), ("0.0 1 b", 1), ("0.0 3 a", 1), ("0.0 3 b", 1)], "effects")
        expect_equal(line.processor.stop(), 0, "exit code of the processor: " + line.processor.tail(5))


@contextlib.contextmanager
def setup():
    tree.module("kafka")
    tree.program("tests/crash/processor")
    with kafka.Kafka() as broker:
        yield broker


if __name__ == "__main__":
    suite.run(setup)
