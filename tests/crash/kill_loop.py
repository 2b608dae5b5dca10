#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
kill -9 of broker, producer and consumer at random moments under traffic; nothing acknowledged may be lost.
Arguments: written|synced|redis|kafka [case…]. RV_TEST_ROUNDS and RV_TEST_SEED override how many and which.
"""

import contextlib
import functools
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from checker import Checker  # noqa: E402
from peers import brokers, processes, tree  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402
from scene import Scene  # noqa: E402

suite = Suite()
LONG = bool(os.environ.get("RV_TEST_LONG"))
PAUSES_US = (300, 3000) if LONG else (0, 300, 3000)  # hours at full speed would be more than the checker can remember
SEED = int(os.environ.get("RV_TEST_SEED") or time.time_ns() % 1000000)


class Level:
    """
    How one broker is made, what both services are told for an orderly and for a concurrent consumer, what holds then,
    how often it is killed, and within how many seconds it starts, where that is ours to promise.
    """

    def __init__(self, kind, create, rounds, long_rounds, gapless, unordered_keeps_order, options, in_recovery,
                 start_s=5):
        self.create = lambda: brokers.create(kind, **create)
        self.rounds = int(os.environ.get("RV_TEST_ROUNDS") or (long_rounds if LONG else rounds))
        self.gapless, self.unordered_keeps_order = gapless, unordered_keeps_order
        self.options = options  # of `orderly`: those of the sender and those of the receiver
        self.start_s = start_s
        self.in_recovery = in_recovery  # whether a broker may be killed again while it starts

    def checker(self, orderly):
        order = orderly or self.unordered_keeps_order
        return functools.partial(Checker, order=order, gapless=self.gapless and order)


def orderly_by(key):
    return lambda orderly: ([], ["%s=%s" % (key, str(orderly).lower())])


def quick_claims(orderly):
    """What a killed consumer held comes to the next after two seconds instead of sixty."""
    consumer = "spring.cloud.stream.redis.bindings.input.consumer."
    return [], [consumer + "claim-min-idle=2s", consumer + "claim-interval=500ms",
                *([consumer + "orderly=true", consumer + "lease=2s"] if orderly else [])]


def on_kafka(orderly):
    """
    Kafka always keeps the order of a partition: one worker for one, or four for four. A member that was killed is
    missed after six seconds instead of 45.
    """
    few = "spring.cloud.stream.kafka.binder.min-partition-count=4"
    quick = ["spring.cloud.stream.kafka.bindings.input.consumer.configuration.session.timeout.ms=6000"]
    if orderly:
        return [], quick
    return [few], [few, "spring.cloud.stream.bindings.input.consumer.concurrency=4", *quick]


_INHOUSE = {"kind": "inhouse", "rounds": 100, "long_rounds": 2000, "gapless": True, "unordered_keeps_order": True,
            "options": orderly_by("spring.cloud.stream.rocketmq.bindings.input.consumer.orderly"), "in_recovery": True}
LEVELS = {
    "written": lambda: Level(create={"flush": "ASYNC_FLUSH"}, **_INHOUSE),
    "synced": lambda: Level(create={"flush": "SYNC_FLUSH"}, **_INHOUSE),
    "redis": lambda: Level("redis", {"fsync": "always"}, 10, 200, False, False, quick_claims, False, None),
    "kafka": lambda: Level("kafka", {}, 10, 200, True, True, on_kafka, False, None),
}


def choose(chance, number):
    """Every second one is the broker, so that a short run has its share."""
    return "broker" if number % 2 == 0 else chance.choice(("sender", "receiver"))


def kill_in_recovery(scene, chance):
    scene.start_broker(wait=False)
    end = time.monotonic() + chance.random() * 0.03
    processes.wait_for(lambda: time.monotonic() >= end, 1, every=0.001)
    scene.kill("broker")


def play(level, rounds, orderly, chance):
    """The loop. Each round waits for traffic in both directions, then kills one after a random number of messages."""
    def rhythm():
        return {"SENDER_LANES": str(chance.choice((1, 4, 8))), "SENDER_PAUSE_US": str(chance.choice(PAUSES_US))}

    killed = {"broker": 0, "sender": 0, "receiver": 0}
    with level.create() as broker:
        sender, receiver = level.options(orderly)
        with Scene(broker, sender, receiver, rhythm, level.checker(orderly)) as scene:
            for number in range(rounds):
                scene.wait_traffic(chance.randint(1, 400), 1)
                who = choose(chance, number)
                scene.kill(who)
                killed[who] += 1
                if who == "broker" and level.in_recovery and chance.random() < 0.3:
                    kill_in_recovery(scene, chance)
                    killed[who] += 1
                scene.start(who)
                if who == "broker":
                    scene.wait_recovered()
                expect_equal(scene.checker.mistakes[:10], [], "order and places")
            comment("seed %d, killed %s" % (SEED, killed))
            scene.finish()
            # All but one: a machine that hangs for a while makes one start slow, a broker that is slow does it again.
            slow = sorted(scene.starts)[-2]
            expect(level.start_s is None or slow < level.start_s, "the broker took %.1f s to start" % slow)
        broker.stop_broker()


ROUNDS = 2000 if LONG else 100


@suite.case(deadline=ROUNDS * 3 + 300)
def nothing_acknowledged_is_lost_by_a_concurrent_consumer(level):
    play(level, (level.rounds + 1) // 2, False, random.Random(SEED))


@suite.case(deadline=ROUNDS * 3 + 300)
def nothing_acknowledged_is_lost_by_an_orderly_consumer_and_first_deliveries_keep_their_order(level):
    play(level, (level.rounds + 1) // 2, True, random.Random(SEED + 1))


@contextlib.contextmanager
def setup(level):
    tree.rivulet()
    tree.program("tests/crash/sender")
    yield level


if __name__ == "__main__":
    level = LEVELS[sys.argv[1]]()
    del sys.argv[1]
    suite.run(setup, level)
