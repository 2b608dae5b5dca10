#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Faults that are not a death: a full disk, a broker that stands still, clients that send nonsense or nothing."""

import contextlib
import os
import resource
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import inhouse, processes, remoting, tree  # noqa: E402
from peers.probe import Probe  # noqa: E402
from peers.services import Service  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite()


class SmallDisk(inhouse.Broker):
    """A broker that may write no file beyond `limit` bytes; what the disk then answers is 'file too large'."""

    def __init__(self, limit, **options):
        super().__init__(**options)
        self.limit = limit

    def start_broker(self, wait=True):
        def prepare():
            if self.limit:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, resource.RLIM_INFINITY))

        self.broker_process = processes.Process("broker", self._command("all"), preexec=prepare)
        if wait:
            self.wait_ready()


def fill(broker, topic, body, most=2000):
    """Sends until the broker refuses: (bodies acknowledged, the refusal)."""
    acked = []
    for number in range(most):
        text = b"%d %s" % (number, body)
        answer = remoting.send(broker.address, topic, text)
        if answer.code != 0:
            return acked, answer
        acked.append(text)
    return acked, None


def read_all(broker, topic):
    """Payload bytes of every message in queue 0, by raw pulls."""
    fields = {"consumerGroup": "raw", "topic": topic, "queueId": 0, "maxMsgNums": 32, "sysFlag": 4, "commitOffset": 0,
              "suspendTimeoutMillis": 0, "subscription": "*", "subVersion": 0, "expressionType": "TAG"}
    offset, bodies = 0, []
    while True:
        answer = remoting.call(broker.address, 11, dict(fields, queueOffset=offset))
        if answer.code != 0:
            return bodies
        data = answer.body
        while data:
            size = struct.unpack(">I", data[:4])[0]
            length = struct.unpack(">I", data[84:88])[0]
            bodies.append(data[88:88 + length])
            data = data[size:]
        offset = int(answer.fields["nextBeginOffset"])


@suite.case()
def a_full_disk_is_an_answer_and_loses_nothing(_):
    for flush in ("SYNC_FLUSH", "ASYNC_FLUSH"):
        broker = SmallDisk(2 * 1024 * 1024, flush=flush)
        broker.start()
        try:
            acked, refusal = fill(broker, "full-topic", b"x" * 20000)
            expect(refusal is not None, "40 MB went into a disk of 2 MB a file")
            expect(refusal.code in (1, 14), "code %d: %s" % (refusal.code, refusal.remark))
            expect(refusal.remark, "a refusal without a reason")
            expect(len(acked) > 10, "only %d messages were taken" % len(acked))
            expect(broker.broker_process.alive(), "the broker died of it")
            expect_equal(len(read_all(broker, "full-topic")), len(acked), "messages readable while the disk is full")
            broker.kill_broker()
            broker.limit = None
            broker.start_broker()
            bodies = read_all(broker, "full-topic")
            expect_equal([b for b in acked if b not in bodies], [], "acknowledged and lost")
            expect_equal(remoting.send(broker.address, "full-topic", b"room again").code, 0, "a send with room again")
            broker.stop_broker()
        finally:
            broker.kill_broker()


def liveness(service):
    began = time.monotonic()
    expect_equal(service.health("/liveness")[0], 200, "liveness meanwhile")
    return time.monotonic() - began


@suite.case()
def a_broker_that_stands_still_is_a_time_out_and_then_forgotten(_):
    with inhouse.Broker() as broker:
        with Service("message", broker.name_server) as message, Service("charging", broker.name_server) as charging:
            message.wait_consumed(charging.send_test_message())
            broker.broker_process.signal(signal.SIGSTOP)
            try:
                began = time.monotonic()
                status, answer = charging.request("POST", "/sendTestMsg", timeout=60)
                took = time.monotonic() - began
                comment("503 after %.2f s" % took)
                expect_equal(status, 503, "answer %s" % (answer,))
                expect(took < 25, "the answer took %.1f s" % took)
                # The quickest of some: a machine that hangs for a while makes one or two of them slow.
                quickest = min(liveness(charging) for _ in range(5))
                expect(quickest < 1, "liveness took %.1f s" % quickest)
            finally:
                broker.broker_process.signal(signal.SIGCONT)
            message_id = processes.wait_for(
                lambda: charging.request("POST", "/sendTestMsg")[1].get("messageId"), what="a send afterwards")
            message.wait_consumed(message_id)


@suite.case()
def clients_that_send_nonsense_or_nothing_delay_nobody(_):
    with inhouse.Broker() as broker:
        links = []
        nonsense = [b"", b"\x00", b"\x00\x00\x00\x20", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64,
                    struct.pack(">II", 0x00FFFFFF, 16), struct.pack(">II", 3, 0), struct.pack(">II", 40, 0x00FFFFFF),
                    struct.pack(">II", 20, 16) + b"{not json at all", struct.pack(">II", 8, 0x01000004) + b"\x00" * 4,
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]
        for address in (broker.address, broker.name_server):
            host, port = address.split(":")
            for data in nonsense * 10:
                link = socket.create_connection((host, int(port)), 5)
                link.sendall(data)
                links.append(link)
        with Probe(broker.name_server, "calm", group="g") as probe:
            began = time.monotonic()
            for number in range(50):
                expect("sent" in probe.send("m%d" % number), "a send beside %d bad clients" % len(links))
            probe.wait_received(50)
            comment("50 messages beside %d bad clients in %.2f s" % (len(links), time.monotonic() - began))
        for link in links:
            link.close()
        expect(remoting.answers(broker.address) and remoting.answers(broker.name_server), "it no longer answers")
        expect_equal(remoting.call(broker.address, 29999).code, 3, "answer to an unknown command")
        broker.stop_broker()


@suite.case()
def a_consumer_that_never_reads_delays_nobody(_):
    with inhouse.Broker() as broker:
        body = b"x" * 100000
        for _number in range(100):
            expect_equal(remoting.send(broker.address, "slow-topic", body).code, 0, "a send")
        host, port = broker.address.split(":")
        link = socket.create_connection((host, int(port)), 5)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        header = (b'{"code":11,"language":"OTHER","version":409,"opaque":%d,"flag":0,"extFields":{"consumerGroup":"slow",'
                  b'"topic":"slow-topic","queueId":"0","queueOffset":"0","maxMsgNums":"32","sysFlag":"4",'
                  b'"commitOffset":"0","suspendTimeoutMillis":"0","subscription":"*","subVersion":"0"}}')
        link.setblocking(False)
        try:
            for opaque in range(2000):  # hundreds of megabytes of answers that nobody fetches
                text = header % opaque
                link.send(struct.pack(">II", 4 + len(text), len(text)) + text)
        except (BlockingIOError, ConnectionError):
            pass
        with Probe(broker.name_server, "calm", group="g") as probe:
            for number in range(20):
                expect("sent" in probe.send("m%d" % number), "a send beside it")
            probe.wait_received(20)
        with open("/proc/%d/status" % broker.broker_process.pid) as status:
            resident = [int(line.split()[1]) for line in status if line.startswith("VmRSS")][0]
        comment("broker's resident size %d kB" % resident)
        expect(resident < 200000, "the broker holds %d kB for a client that does not read" % resident)
        link.close()


@suite.case()
def a_stopped_service_finishes_the_message_in_its_hands(_):
    with inhouse.Broker() as broker:
        with Probe(broker.name_server, "graceful", group="g", work_ms=700) as probe:
            probe.send("in flight")
            probe.wait_received(1)
            expect_equal(probe.stop(), 0, "exit code")  # SIGTERM while the listener works
        with Probe(broker.name_server, "graceful", group="g") as probe:
            probe.send("next")
            expect_equal([m["body"] for m in probe.wait_received(1)], ["next"], "messages after the restart")


@contextlib.contextmanager
def setup():
    tree.rivulet()  # skips here, once, when it was not built
    yield None


if __name__ == "__main__":
    suite.run(setup)
