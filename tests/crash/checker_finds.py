#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kill loop's checker sees what it is there to see."""

import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from checker import Checker, end_torn_line  # noqa: E402
from peers import processes  # noqa: E402
from peers.tap import Suite, expect, expect_equal  # noqa: E402

suite = Suite()


def check(acked, received, torn="", again=(), **rules):
    """
    A checker that has looked at these bodies and (partition, position, body) deliveries, `torn` behind them, and
    what the next life of the receiver then wrote.
    """
    folder = processes.directory("checker")
    with open(os.path.join(folder, "acked"), "w") as file:
        file.write("".join(body + "\n" for body in acked))
    with open(os.path.join(folder, "received"), "w") as file:
        for partition, position, body in received:
            file.write(json.dumps({"partition": partition, "position": position, "body": body}) + "\n")
        file.write(torn)
    if again:
        end_torn_line(os.path.join(folder, "received"))
    with open(os.path.join(folder, "received"), "a") as file:
        for partition, position, body in again:
            file.write(json.dumps({"partition": partition, "position": position, "body": body}) + "\n")
    checker = Checker(os.path.join(folder, "acked"), os.path.join(folder, "received"), **rules)
    checker.look()
    return checker


@suite.case()
def a_whole_run_is_fine(_):
    checker = check(["a", "b"], [(0, 0, "a"), (1, 0, "b"), (0, 1, "c")], torn='{"part')
    expect_equal((checker.lost(), checker.mistakes, checker.duplicates()), ([], [], 0), "findings")


@suite.case()
def a_lost_message_is_found(_):
    expect_equal(check(["a", "b"], [(0, 0, "a")]).lost(), ["b"], "lost")


@suite.case()
def a_duplicate_is_counted_and_no_mistake(_):
    checker = check(["a", "b"], [(0, 0, "a"), (0, 1, "b"), (0, 0, "a"), (0, 1, "b")])
    expect_equal((checker.duplicates(), checker.mistakes), (2, []), "findings")


@suite.case()
def a_gap_and_a_wrong_order_are_mistakes(_):
    expect(check([], [(0, 0, "a"), (0, 2, "c")]).mistakes, "a gap was not found")
    expect(check([], [(0, 1, "b"), (0, 0, "a")]).mistakes, "a wrong order was not found")


@suite.case()
def a_broker_that_leaves_gaps_still_owes_the_order(_):
    expect_equal(check([], [(0, 10, "a"), (0, 20, "c")], gapless=False).mistakes, [], "gaps where they are allowed")
    expect(check([], [(0, 20, "b"), (0, 10, "a")], gapless=False).mistakes, "a wrong order was not found")
    expect_equal(check([], [(0, 20, "b"), (0, 10, "a")], order=False, gapless=False).mistakes, [], "order nobody owes")


@suite.case()
def a_place_that_comes_late_is_a_mistake_also_when_its_message_came_before(_):
    """The sender wrote it twice, having lost the answer; the second place was passed over."""
    checker = check([], [(0, 1, "a"), (0, 4, "c"), (0, 2, "a")], gapless=False)
    expect(checker.mistakes, "a place that came late was not found")


@suite.case()
def messages_of_one_lane_come_as_they_were_sent(_):
    expect_equal(check([], [(0, 0, "1.0 7"), (0, 1, "1.1 0"), (0, 2, "2.0 0"), (0, 3, "1.0 9"), (0, 4, "1.0 7"),
                            (1, 0, "1.0 8")]).mistakes, [], "lanes of their own, a gap, a duplicate, two partitions")
    expect(check([], [(0, 0, "1.0 8"), (0, 1, "1.0 7")]).mistakes, "an order that the sender turned was not found")


@suite.case()
def a_line_that_a_kill_tore_is_left_out(_):
    checker = check(["b"], [(0, 0, "a")], torn='{"partition": 0, "posi', again=[(0, 0, "a"), (0, 1, "b")])
    expect_equal((checker.lost(), checker.mistakes, checker.duplicates()), ([], [], 1), "findings")


@suite.case()
def an_offset_with_another_message_is_a_mistake(_):
    expect(check([], [(0, 0, "a"), (0, 0, "b")]).mistakes, "two messages in one place were not found")


if __name__ == "__main__":
    suite.run(contextlib.nullcontext)
