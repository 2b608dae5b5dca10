# SPDX-License-Identifier: Apache-2.0
"""A broker of any kind with a producer and a consumer under traffic, each of which can be killed and started again."""

import itertools
import os
import signal
import time

from checker import Checker, end_torn_line
from peers import ports, processes, tree
from peers.probe import Probe
from peers.raw import RawClient
from peers.tap import comment, expect, expect_equal

_numbers = itertools.count(1)
# A stop that finds a broker slow is no fault of the service.
PATIENT_STOP = ["rivulet.stop-deadline=60s"]


class Scene:
    """
    `broker` is a peer of any kind (peers/brokers.py), running. What the broker acknowledged to sender.c and what
    probe.c received meet in `checker`. Used as a context it kills what it started and leaves the broker alone.
    """

    def __init__(self, broker, sender_options=(), receiver_options=(), rhythm=None, checker=None, destination=None,
                 receiver_work_ms=0):
        self.broker = broker
        self.folder = processes.directory("scene")
        self.acked_path = os.path.join(self.folder, "acked")
        self.received_path = os.path.join(self.folder, "received")
        self.checker = (checker or Checker)(self.acked_path, self.received_path)
        self.destination = destination or "scene-%d-%d" % (os.getpid(), next(_numbers))
        self.group = "scene-group"
        self.sender_options, self.receiver_options = list(sender_options), list(receiver_options)
        self.rhythm = rhythm or (lambda: {})
        self.receiver_work_ms = receiver_work_ms
        self.run = 0
        self.sender = self.receiver = None
        self.sender_port = ports.reserve()
        self.starts = [0.0]  # of the broker, in seconds
        self.slowest_recovery = 0.0

    # -- the three

    def start_sender(self):
        """Each life may send in another rhythm: `rhythm` returns SENDER_LANES and SENDER_PAUSE_US."""
        self.run += 1
        end_torn_line(self.acked_path)
        self.sender = processes.Process("sender", [
            tree.program("tests/crash/sender"), "--server.port=%d" % self.sender_port,
            "--management.server.port=%d" % (self.sender_port + 1), *tree.options(self.broker),
            "--spring.cloud.stream.bindings.output.destination=" + self.destination,
            *("--" + option for option in [*PATIENT_STOP, *self.sender_options]),
        ], env={"SENDER_ACKED": self.acked_path, "SENDER_RUN": str(self.run), **self.rhythm()}, stdin=True)

    def start_receiver(self):
        end_torn_line(self.received_path)
        self.receiver = Probe(self.broker, self.destination, group=self.group, channels="in", name="receiver",
                              received=self.received_path, options=[*PATIENT_STOP, *self.receiver_options],
                              work_ms=self.receiver_work_ms)

    def start_broker(self, wait=True):
        began = time.monotonic()
        self.broker.start_broker(wait=wait)
        if wait:
            self.starts.append(time.monotonic() - began)

    def kill(self, who):
        if who == "broker":
            expect(self.broker.broker_alive(), "the broker ended by itself")
            self.broker.kill_broker()
            return
        process = self.sender if who == "sender" else self.receiver.process
        expect(process.alive(), "%s ended by itself with %s: %s" % (who, process.popen.returncode, process.tail()))
        expect_equal(process.kill(), -signal.SIGKILL, "end of " + who)

    def start(self, who):
        {"broker": self.start_broker, "sender": self.start_sender, "receiver": self.start_receiver}[who]()

    # -- traffic

    def wait_traffic(self, sent=1, received=1, deadline=90):
        """Waits until so many more were acknowledged and so many more bodies came through."""
        acked, seen = self.checker.look()
        more = (acked + sent, seen + received)
        processes.wait_for(lambda: all(x >= y for x, y in zip(self.checker.look(), more)), deadline,
                           "traffic (%s)" % self.checker.summary(), every=0.002)

    def wait_recovered(self, deadline=30, outage=120):
        """
        Both directions work again by themselves within `deadline` of the moment at which a raw client, which polls
        beside the services, first succeeds; that one is given `outage` seconds.
        """
        acked, seen = self.checker.look()
        with RawClient(self.broker) as raw:
            def back():
                expect(raw.elapsed() < deadline, "not back %.1f s after a raw client (%s)"
                       % (raw.elapsed(), self.checker.summary()))
                return all(now > before for now, before in zip(self.checker.look(), (acked, seen)))

            processes.wait_for(back, outage + deadline, "traffic after an outage (%s)" % self.checker.summary(), every=0.002)
            self.slowest_recovery = max(self.slowest_recovery, raw.elapsed())

    def stop_sender(self):
        self.sender.popen.stdin.close()
        expect_equal(self.sender.wait(120), 0, "exit code of the sender: " + self.sender.tail(5))

    def wait_complete(self, deadline=90, what=None):
        """Waits until everything acknowledged (or of `what`) was received; what is missing afterwards is lost."""
        def complete():
            self.checker.look()
            return not self.checker.lost(what)

        try:
            processes.wait_for(complete, deadline, "everything acknowledged", every=0.05)
        except TimeoutError:
            pass

    def finish(self, deadline=90):
        """Ends the traffic: nothing acknowledged may be missing, no place mistaken, and both services stop cleanly."""
        self.stop_sender()
        self.wait_complete(deadline)
        comment("%s; slowest start of the broker %.0f ms, slowest recovery %.0f ms"
                % (self.checker.summary(), max(self.starts) * 1000, self.slowest_recovery * 1000))
        expect_equal(self.checker.lost()[:10], [], "acknowledged and lost")
        expect_equal(self.checker.mistakes[:10], [], "order and places")
        expect(self.checker.acked, "nothing was acknowledged at all")
        expect_equal(self.receiver.stop(), 0, "exit code of the receiver")

    def __enter__(self):
        self.start_sender()
        self.start_receiver()
        return self

    def __exit__(self, *_):
        for process in (self.sender, self.receiver and self.receiver.process):
            if process and process.alive():
                process.kill()
