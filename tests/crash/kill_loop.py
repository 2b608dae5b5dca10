#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
kill -9 of broker, producer and consumer at random moments under traffic; nothing acknowledged may be lost.
Arguments: written|synced [case…]. RV_TEST_ROUNDS and RV_TEST_SEED override how many and which.
"""

import contextlib
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from checker import Checker  # noqa: E402
from peers import inhouse, ports, processes, tree  # noqa: E402
from peers.probe import Probe  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite()
ROUNDS = int(os.environ.get("RV_TEST_ROUNDS") or (2000 if os.environ.get("RV_TEST_LONG") else 100))
SEED = int(os.environ.get("RV_TEST_SEED") or time.time_ns() % 1000000)
FLUSH = {"written": "ASYNC_FLUSH", "synced": "SYNC_FLUSH"}
TOPIC, GROUP = "kill-topic", "kill-group"


class Scene:
    """Broker, producer and consumer, each of which can be killed and started again."""

    def __init__(self, level, orderly, chance):
        self.chance = chance
        self.folder = processes.directory("kill")
        self.acked_path = os.path.join(self.folder, "acked")
        self.received_path = os.path.join(self.folder, "received")
        self.broker = inhouse.Broker(flush=FLUSH[level])
        self.orderly = orderly
        self.run = 0
        self.sender = self.receiver = None
        self.sender_port = ports.reserve()
        self.slowest_start = 0.0

    def start_sender(self):
        """Each life sends in another rhythm, from one message at a time to as fast as it goes."""
        self.run += 1
        rhythm = {"SENDER_LANES": str(self.chance.choice((1, 4, 8))),
                  "SENDER_PAUSE_US": str(self.chance.choice((0, 300, 3000)))}
        self.sender = processes.Process("sender", [
            tree.program("tests/crash/sender"), "--server.port=%d" % self.sender_port,
            "--management.server.port=%d" % (self.sender_port + 1),
            "--spring.cloud.stream.rocketmq.binder.name-server=" + self.broker.name_server,
            "--spring.cloud.stream.bindings.output.destination=" + TOPIC,
        ], env={"SENDER_ACKED": self.acked_path, "SENDER_RUN": str(self.run), **rhythm}, stdin=True)

    def start_receiver(self):
        option = "spring.cloud.stream.rocketmq.bindings.input.consumer.orderly=" + str(self.orderly).lower()
        self.receiver = Probe(self.broker.name_server, TOPIC, group=GROUP, channels="in", name="receiver",
                              received=self.received_path, options=[option])

    def start_broker(self):
        began = time.monotonic()
        self.broker.start_broker()
        self.slowest_start = max(self.slowest_start, time.monotonic() - began)

    def kill(self, who):
        process = {"broker": self.broker.broker_process, "sender": self.sender,
                   "receiver": self.receiver.process}[who]
        expect(process.alive(), "%s ended by itself with %s: %s" % (who, process.popen.returncode, process.tail()))
        expect_equal(process.kill(), -signal.SIGKILL, "end of " + who)

    def start(self, who):
        {"broker": self.start_broker, "sender": self.start_sender, "receiver": self.start_receiver}[who]()


def play(level, rounds, orderly, chance):
    """The loop. Each round waits for traffic in both directions, then kills one after a random number of messages."""
    scene = Scene(level, orderly, chance)
    checker = Checker(scene.acked_path, scene.received_path)
    killed = {"broker": 0, "sender": 0, "receiver": 0}
    scene.broker.start()
    try:
        scene.start_sender()
        scene.start_receiver()
        for _ in range(rounds):
            acked, received = checker.look()
            more, seen = acked + chance.randint(1, 400), received + 1
            processes.wait_for(lambda: all(x >= y for x, y in zip(checker.look(), (more, seen))),  # noqa: B023
                               20, "traffic (%s)" % checker.summary(), every=0.002)
            who = chance.choice(("broker", "broker", "sender", "receiver"))
            scene.kill(who)
            killed[who] += 1
            if who == "broker" and chance.random() < 0.3:  # once more, in the middle of its recovery
                scene.broker.start_broker(wait=False)
                end = time.monotonic() + chance.random() * 0.03
                processes.wait_for(lambda: time.monotonic() >= end, 1, every=0.001)  # noqa: B023
                scene.kill(who)
                killed[who] += 1
            scene.start(who)
            expect_equal(checker.mistakes, [], "order and places")
        finish(scene, checker, killed)
    finally:
        for process in (scene.sender, scene.receiver and scene.receiver.process):
            if process and process.alive():
                process.kill()
        if scene.broker.broker_process.alive():
            scene.broker.kill_broker()


def finish(scene, checker, killed):
    scene.sender.popen.stdin.close()
    expect_equal(scene.sender.wait(20), 0, "exit code of the sender: " + scene.sender.tail(5))

    def complete():
        checker.look()
        return not checker.lost()

    try:
        processes.wait_for(complete, 30, "everything acknowledged", every=0.05)
    except TimeoutError:
        pass
    comment("seed %d, killed %s, slowest start of the broker %.0f ms" % (SEED, killed, scene.slowest_start * 1000))
    comment(checker.summary())
    expect_equal(checker.lost()[:10], [], "acknowledged and lost")
    expect_equal(checker.mistakes, [], "order and places")
    expect(checker.acked, "nothing was acknowledged at all")
    expect(scene.slowest_start < 5, "the broker took %.1f s to start" % scene.slowest_start)
    expect_equal(scene.receiver.stop(), 0, "exit code of the receiver")
    scene.broker.stop_broker()


@suite.case(deadline=ROUNDS * 3 + 60)
def nothing_acknowledged_is_lost_and_concurrent_first_deliveries_keep_their_order(level):
    play(level, (ROUNDS + 1) // 2, False, random.Random(SEED))


@suite.case(deadline=ROUNDS * 3 + 60)
def nothing_acknowledged_is_lost_and_orderly_first_deliveries_keep_their_order(level):
    play(level, (ROUNDS + 1) // 2, True, random.Random(SEED + 1))


@contextlib.contextmanager
def setup(level):
    tree.rivulet()
    tree.program("tests/crash/sender")
    yield level


if __name__ == "__main__":
    level = sys.argv[1]
    del sys.argv[1]
    suite.run(setup, level)
