#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
How much later than a raw client a service is back: a broker under traffic is killed and started again, and beside
sender and receiver a raw client polls it with connections of its own and no back-off. Arguments: inhouse|redis|kafka
COUNT [SEED]. Prints median and maximum of (first success of ours) - (first success of the raw one).
"""

import functools
import os
import random
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", *below)
                for below in ([], ["crash"])]

from checker import Checker  # noqa: E402
from peers import brokers, processes  # noqa: E402
from peers.raw import RawClient  # noqa: E402
from scene import Scene  # noqa: E402

OPTIONS = {"inhouse": {}, "kafka": {}, "redis": {"fsync": "always"}}
UNORDERED = functools.partial(Checker, order=False, gapless=False)
DOWN_S = (0.2, 8)  # how long the broker stays away, at least and at most
PATIENCE_S = 90


def until(moment):
    processes.wait_for(lambda: time.monotonic() >= moment, PATIENCE_S, every=0.005)


def settle(scene):
    """Until nothing that happened before the death comes in any more; what was counted then."""
    last, since = scene.checker.look(), time.monotonic()

    def quiet():
        nonlocal last, since
        now = scene.checker.look()
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 0.15

    processes.wait_for(quiet, PATIENCE_S, "the last of the traffic", every=0.005)
    return last


def outage(scene, broker, seconds):
    """(start of the broker's process to raw success, producer's delay behind it, consumer's) of one death, in seconds."""
    began = time.monotonic()
    scene.kill("broker")
    before = settle(scene)
    until(began + seconds)
    firsts = [None, None]
    with RawClient(broker) as raw:
        started = time.monotonic()
        broker.start_broker(wait=False)

        def all_back():
            for which, count in enumerate(scene.checker.look()):
                if firsts[which] is None and count > before[which]:
                    firsts[which] = time.monotonic()
            return None not in firsts and raw.since is not None

        processes.wait_for(all_back, PATIENCE_S, "recovery of all three", every=0.002)
        return (raw.since - started, *(first - raw.since for first in firsts))


def line(name, values):
    return "  %s: median %+.0f ms, %+.0f to %+.0f ms" % (
        name, statistics.median(values) * 1000, min(values) * 1000, max(values) * 1000)


def measure(kind, count, seed):
    chance = random.Random(seed)
    taken = []
    with brokers.create(kind, **OPTIONS[kind]) as broker:
        broker.round_trip()  # what the raw client uses is made before the first outage
        with Scene(broker, rhythm=lambda: {"SENDER_LANES": "4", "SENDER_PAUSE_US": "2000"}, checker=UNORDERED) as scene:
            for _ in range(count):
                scene.wait_traffic(100, 100, PATIENCE_S)
                taken.append(outage(scene, broker, chance.uniform(*DOWN_S)))
                if os.environ.get("RV_BENCH_EACH"):
                    print("    raw after %.2f s; producer %+.3f s, consumer %+.3f s" % taken[-1], flush=True)
            scene.stop_sender()
            scene.wait_complete(PATIENCE_S)
            scene.receiver.stop()
    raw, producer, consumer = zip(*taken)
    print("  %s, %d kills, away for %g to %g s (seed %d); raw client back %.2f s after the start at the median; %s"
          % (kind, count, *DOWN_S, seed, statistics.median(raw), scene.checker.summary()))
    print(line("producer behind the raw client", producer))
    print(line("consumer behind the raw client", consumer))


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else time.time_ns() % 1000000)
