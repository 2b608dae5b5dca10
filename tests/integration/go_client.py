#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The official Go client as a user of a broker. Arguments: inhouse|apache [case…]"""

import collections
import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import brokers, golang, processes  # noqa: E402
from peers.tap import Suite, expect_equal  # noqa: E402

suite = Suite(setup_deadline=300)
Peer = collections.namedtuple("Peer", "broker program")


@suite.case(deadline=180)
def messages_sent_in_go_are_received_in_go(peer):
    code, out, err = processes.run([peer.program, peer.broker.name_server, "go-topic", "50"], deadline=170)
    expect_equal(code, 0, "exit code: " + err[-2000:])
    answer = json.loads(out)
    first = [m for m in answer["received"] if m["reconsumeTimes"] == 0]
    again = [m for m in answer["received"] if m["reconsumeTimes"] > 0]
    expect_equal(sorted(m["body"] for m in first), sorted(["go %d" % i for i in range(50)] + ["go one-way"]), "bodies")
    expect_equal([(m["body"], m["reconsumeTimes"]) for m in again], [("go 0", 1)], "what came back")
    received = {m["body"]: m for m in first}
    for sent in answer["sent"]:
        got = received[sent["body"]]
        expect_equal((got["id"], got["queue"], got["offset"]), (sent["id"], sent["queue"], sent["offset"]), "place")
        expect_equal((got["tags"], got["keys"].strip(), got["plate"]), ("TagGo", "key" + sent["body"][3:], "粤B1"), "headers")


@contextlib.contextmanager
def setup(kind):
    program = golang.client()
    with brokers.create(kind) as broker:
        yield Peer(broker, program)


if __name__ == "__main__":
    kind = sys.argv[1]
    del sys.argv[1]
    suite.run(setup, kind)
