#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Faults of Kafka, with a checker each: what is acknowledged, what the bindings say, and that they come back."""

import contextlib
import itertools
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import shared_faults  # noqa: E402
from peers import kafka, kafkaraw, processes, tree  # noqa: E402
from peers.probe import PATIENT, Probe  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402
from scene import Scene  # noqa: E402

suite = Suite()
_numbers = itertools.count(1)
LONG = bool(os.environ.get("RV_TEST_LONG"))
SEED = int(os.environ.get("RV_TEST_SEED") or time.time_ns() % 1000000)
BINDER = "spring.cloud.stream.kafka.binder."
CONSUMER = "spring.cloud.stream.kafka.bindings.input.consumer."
PRODUCER = "spring.cloud.stream.kafka.bindings.output.producer."
# A member that dies is missed after six seconds, the least that a broker allows by default.
QUICK = [CONSUMER + "configuration.session.timeout.ms=6000", CONSUMER + "configuration.heartbeat.interval.ms=1000",
         "rivulet.stop-deadline=60s"]


def fresh(what):
    return "%s-%d" % (what, next(_numbers))


@suite.case(deadline=300)
def services_started_before_the_broker_say_so_and_recover(_):
    broker = kafka.Kafka()
    try:
        shared_faults.started_before_the_broker(broker, fresh("early"), "")
    finally:
        broker.kill_broker()


# -- the group -----------------------------------------------------------------------------------------------------

class Members:
    """Members of one group that come and go. All append whole lines to one file of deliveries."""

    def __init__(self, scene, chance):
        self.scene, self.chance = scene, chance
        self.living = []
        self.joined = self.killed = 0

    def join(self):
        self.joined += 1
        self.living.append(Probe(self.scene.broker, self.scene.destination, group=self.scene.group, channels="in",
                                 name="member-%d" % self.joined, received=self.scene.received_path,
                                 options=self.scene.receiver_options))

    def leave(self):
        member = self.living.pop(self.chance.randrange(len(self.living)))
        if self.chance.random() < 0.3:
            member.process.kill()  # and its session runs out
            self.killed += 1
        else:
            expect_equal(member.stop(), 0, "exit code of a member that left: " + member.process.tail(5))

    def change(self):
        """One more or one less, between none and three beside the receiver of the scene."""
        if not self.living or (len(self.living) < 3 and self.chance.random() < 0.5):
            self.join()
        else:
            self.leave()

    def stop(self):
        for member in self.living:
            if member.process.alive():
                member.process.kill()


@suite.case(deadline=1200 if LONG else 500)
def nothing_acknowledged_is_lost_and_order_holds_while_members_join_and_leave_every_two_seconds(broker):
    seconds = int(os.environ.get("RV_TEST_SECONDS") or (600 if LONG else 60))
    destination = fresh("rebalance")
    kafkaraw.create_topic(broker.address, destination, 6)
    chance = random.Random(SEED)
    with Scene(broker, receiver_options=QUICK + ["spring.cloud.stream.bindings.input.consumer.concurrency=3"],
               destination=destination,
               rhythm=lambda: {"SENDER_LANES": "4", "SENDER_PAUSE_US": "1000"}) as scene:
        members = Members(scene, chance)
        try:
            scene.wait_traffic(10, 10)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                begun = time.monotonic()
                members.change()
                # Until the next change, at least one message makes it through the group as it is now.
                scene.wait_traffic(1, 1, 2 * shared_faults.RECOVERY_S)
                processes.wait_for(lambda: time.monotonic() >= begun + 2)  # noqa: B023
            comment("seed %d: %d joined, %d of them were killed" % (SEED, members.joined, members.killed))
            scene.finish()
        finally:
            members.stop()
    left = [kafkaraw.offset(broker.address, destination, p)
            - max(0, kafkaraw.committed(broker.address, scene.group, destination, p)) for p in range(6)]
    comment("not committed at the end: %s" % left)
    doubles = sum(scene.checker.received.values()) - len(scene.checker.received)
    expect(doubles < len(scene.checker.received), "%d of %d deliveries were doubles"
           % (doubles, sum(scene.checker.received.values())))


@suite.case(deadline=300)
def a_listener_slower_than_max_poll_interval_keeps_its_message_and_its_place(broker):
    destination = fresh("slow")
    kafkaraw.create_topic(broker.address, destination, 2)
    # No member dies here: a session as long as its poll interval outlasts a machine that stands still for a while.
    options = [CONSUMER + "configuration.session.timeout.ms=12000", CONSUMER + "configuration.max.poll.interval.ms=12000"]
    with Probe(broker, destination, channels="out", name="sender", options=PATIENT) as sender:
        with Probe(broker, destination, group="g", channels="in", name="slow", options=[*PATIENT, *options],
                   work_ms=20000, slow="block") as slow:
            slow.wait_state("input", "running")
            expect("sent" in sender.send("block here"), "a send")
            slow.wait_received(1)
            began = time.monotonic()
            expect("sent" in sender.send("behind it"), "a send")
            slow.wait_received(2, 90)
            comment("the next came %.1f s later" % (time.monotonic() - began))
            processes.wait_for(lambda: committed(broker, destination, "g") == 2, what="both positions committed", every=0.1)
            expect_equal(sorted(m["body"] for m in slow.received()), ["behind it", "block here"], "deliveries")
            expect_equal(kafkaraw.group_members(broker.address, "g")[1], 1, "members of the group")
            expect_equal(slow.stop(), 0, "exit code")


def a_message_at_work_for_over_a_minute_is_named_in_health(broker):
    destination = fresh("stuck")
    kafkaraw.create_topic(broker.address, destination)
    details = ["management.endpoint.health.show-details=always"]
    with Probe(broker, destination, group="g", options=details, work_ms=80000, slow="stuck") as probe:
        expect("sent" in probe.send("before"), "a send")
        expect("sent" in probe.send("stuck here"), "a send")
        probe.wait_received(2)
        health = processes.wait_for(
            lambda: (lambda text: "partition 0 offset 1 of " in text and text)(str(probe.get("/actuator/health")[1])),
            75, "health that names the message", every=0.5)
        comment(health)
        expect("partition 0 offset 0" not in health, "health names a message that is done with")
        probe.process.kill()


if LONG:  # it takes that minute
    suite.case(deadline=120)(a_message_at_work_for_over_a_minute_is_named_in_health)


def committed(broker, destination, group):
    """How many messages of a topic a group is done with."""
    return sum(max(0, kafkaraw.committed(broker.address, group, destination, p))
               for p in range(kafkaraw.partitions(broker.address, destination)))


@suite.case(deadline=500)
def a_message_that_kills_its_process_is_a_dead_letter_where_attempts_are_journalled(broker):
    destination = fresh("deadly")
    options = QUICK + [CONSUMER + "attempts-directory=" + processes.directory("journal"), CONSUMER + "max-deliveries=3",
                       CONSUMER + "enable-dlq=true"]
    dead = "error.%s.g" % destination
    # Innocent ones wait for the worker in both partitions, and just before it: none of them may be blamed.
    kafkaraw.create_topic(broker.address, destination, 2)
    with Probe(broker, dead, group="reader", channels="in", name="dead-letters") as reader:
        deaths = shared_faults.deadly_message(
            broker, destination, options, 3, lambda: [m["body"] for m in reader.received()],
            before=["innocent %d" % i for i in range(8)])
        expect_equal(deaths, 3, "deaths with max-deliveries=3")


# -- topics --------------------------------------------------------------------------------------------------------

@suite.case(deadline=300)
def a_topic_that_nobody_may_create_is_named_and_awaited(_):
    with kafka.Kafka(config={"auto.create.topics.enable": "false"}) as broker:
        destination = fresh("unknown")
        with Probe(broker, destination, group="g", options=[BINDER + "auto-create-topics=false"]) as probe:
            processes.wait_for(lambda: probe.get("/actuator/health/liveness")[0] == 200, what="liveness")
            answer = probe.send("nowhere to go")
            expect("error" in answer, "a send to a topic that is not there: %s" % answer)
            expect(destination in answer["error"], "a refusal that does not name the topic: %s" % answer["error"])
            comment(answer["error"])
            expect_equal(kafkaraw.partitions(broker.address, destination), 0, "partitions of a topic nobody may create")
            kafkaraw.create_topic(broker.address, destination, 2)
            shared_faults.wait_recovered(probe, "at last", "after somebody created the topic")
            expect_equal(probe.stop(), 0, "exit code")


@suite.case(deadline=400)
def a_topic_deleted_under_way_is_named_and_its_successor_used(_):
    # Where brokers make topics by themselves, the producer's next look would have it back before anybody sees it gone.
    with kafka.Kafka(config={"auto.create.topics.enable": "false"}) as broker:
        destination = fresh("deleted")
        kafkaraw.create_topic(broker.address, destination, 2)
        with Probe(broker, destination, group="g") as probe:
            shared_faults.wait_recovered(probe, "before", "at first")
            kafkaraw.delete_topic(broker.address, destination)
            for channel in ("input", "output"):
                comment("%s: %s" % (channel, probe.wait_state(channel, "waiting", destination)))
            answer = probe.send("into the void")
            expect("error" in answer and answer["retriable"], "a send to a topic that is gone: %s" % answer)
            expect_equal(kafkaraw.partitions(broker.address, destination), 0, "partitions of a topic that was deleted")
            kafkaraw.create_topic(broker.address, destination, 2)
            shared_faults.wait_recovered(probe, "after", "with a new topic of that name")
            expect_equal(probe.get("/actuator/health")[1]["status"], "UP", "health afterwards")
            expect_equal(probe.stop(), 0, "exit code")


# -- a cluster -----------------------------------------------------------------------------------------------------

def a_cluster_that_loses_its_leader_again_and_again_keeps_messages_and_order(_):
    rounds = int(os.environ.get("RV_TEST_ROUNDS") or 12)
    with kafka.Kafka(nodes=3) as broker:
        destination = fresh("cluster")
        kafkaraw.create_topic(broker.address.split(",")[0], destination, 2, 3, {"min.insync.replicas": 2})
        killed = {1: 0, 2: 0, 3: 0}
        with Scene(broker, destination=destination, receiver_options=QUICK) as scene:
            scene.wait_traffic(100, 100, 40)
            for number in range(rounds):
                node = broker.leader(destination, number % 2)
                broker.kill_node(node)
                killed[node] += 1
                scene.wait_recovered(shared_faults.RECOVERY_S)
                scene.wait_traffic(100, 100, shared_faults.RECOVERY_S)
                broker.start_node(node)
                processes.wait_for(lambda: kafkaraw.in_sync(broker.living()[0], destination) == 3, 60,
                                   "replicas in sync again", every=0.1)
            comment("leaders killed, by node: %s" % killed)
            scene.finish(60)


if LONG:  # three JVMs are not for every run
    suite.case(deadline=900)(a_cluster_that_loses_its_leader_again_and_again_keeps_messages_and_order)


@contextlib.contextmanager
def setup():
    tree.module("kafka")
    tree.program("tests/crash/sender")
    with kafka.Kafka() as broker:
        yield broker


if __name__ == "__main__":
    suite.run(setup)
