# SPDX-License-Identifier: Apache-2.0
"""Compares what was acknowledged to the sender with what the receiver saw, over all their lives."""

import collections
import json
import os


CUT = "\x18"  # ends a line that a kill tore


def end_torn_line(path):
    """Before another life appends to the file of one that was killed: the kernel may end a write in its middle."""
    try:
        with open(path, "rb+") as file:
            if file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read())[1] != b"\n":
                file.write(CUT.encode() + b"\n")
    except FileNotFoundError:
        pass


class Tail:
    """Reads the whole lines that were appended to a file since the last look, but for those that a kill tore."""

    def __init__(self, path):
        self.path = path
        self.offset = 0

    def lines(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return []
        end = data.rfind(b"\n") + 1
        self.offset += end
        return [line for line in data[:end].decode().split("\n")[:-1] if not line.endswith(CUT)]


class Checker:
    """
    `order`: what is in a place of a partition is delivered for the first time after all that is before it, and the
    messages of one sender and lane, whose bodies are "<lane> <number>", come for the first time in the order in which
    they were sent. `gapless`: and without holes between places, as the queues of RocketMQ promise it.
    """

    def __init__(self, acked_path, received_path, order=True, gapless=True):
        self.order, self.gapless = order, gapless
        self._acked_tail, self._received_tail = Tail(acked_path), Tail(received_path)
        self.acked = set()
        self.received = collections.Counter()
        self.ids = {}  # body -> message id: a duplicate says that it is one
        self.places = {}  # (partition, position) -> body: one place holds one message for ever
        self.last = {}  # partition -> highest position delivered so far
        self.sent = {}  # (partition, lane) -> highest number delivered so far
        self.mistakes = []

    def look(self):
        """Reads on; returns (acknowledged, different bodies received)."""
        self.acked.update(self._acked_tail.lines())
        for line in self._received_tail.lines():
            self._receive(json.loads(line))
        return len(self.acked), len(self.received)

    def _receive(self, delivery):
        partition, position, body = delivery["partition"], delivery["position"], delivery["body"]
        self.received[body] += 1
        if "id" in delivery and self.ids.setdefault(body, delivery["id"]) != delivery["id"]:
            self.mistakes.append("'%s' came again under another id: %s, then %s" % (body, self.ids[body], delivery["id"]))
        new_place = (partition, position) not in self.places
        before = self.places.setdefault((partition, position), body)
        if before != body:
            self.mistakes.append("partition %d position %d held '%s' and later '%s'" % (partition, position, before, body))
        last = self.last.get(partition, -1)
        if position > last:
            if self.gapless and position != last + 1:
                self.mistakes.append("partition %d went from position %d to %d" % (partition, last, position))
            self.last[partition] = position
        elif self.order and new_place:
            self.mistakes.append("partition %d had '%s' at %d first after %d" % (partition, body, position, last))
        if self.order and self.received[body] == 1:
            self._compare_with_lane(partition, body)

    def _compare_with_lane(self, partition, body):
        lane, _, number = body.rpartition(" ")
        if not lane or not number.isdigit():
            return
        last = self.sent.get((partition, lane), -1)
        if int(number) < last:
            self.mistakes.append("partition %d had '%s' first after number %d" % (partition, body, last))
        self.sent[partition, lane] = max(last, int(number))

    def lost(self, what=None):
        return sorted((self.acked if what is None else what) - set(self.received))

    def duplicates(self):
        return sum(self.received.values()) - len(self.received)

    def summary(self):
        return "%d acknowledged, %d received, %d never acknowledged, %d duplicates, %d lost" % (
            len(self.acked), len(self.received), len(set(self.received) - self.acked), self.duplicates(),
            len(self.lost()))
