#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
RocketMQ's own walk-through with our words: name server and broker as two processes found by NAMESRV_ADDR, the
quickstart programs in C and in Java, and both shut down by command. Argument: c|java [case…]
"""

import contextlib
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import ports, processes, remoting, tree  # noqa: E402
from peers.driver import Driver  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite()
TOPIC, GROUP = "TopicTest", "please_rename_unique_group_name_4"
BODIES = sorted("Hello RocketMQ %d" % i for i in range(1000))


class Walk:
    """Both processes, told about each other by the environment alone."""

    def __init__(self):
        base = ports.reserve()
        self.name_server, self.address = "127.0.0.1:%d" % base, "127.0.0.1:%d" % (base + 4)
        self.env = {"NAMESRV_ADDR": self.name_server}
        self.store = processes.directory("store")
        self.namesrv = processes.Process("namesrv", [tree.rivulet(), "broker", "--role", "namesrv", "--store", self.store,
                                                     "--name-server-port", str(base)], env=self.env)
        processes.wait_for(lambda: remoting.answers(self.name_server), 60, "the name server")
        self.broker = processes.Process("broker", [tree.rivulet(), "broker", "--role", "broker", "--store", self.store,
                                                   "--port", str(base + 4)], env=self.env)
        processes.wait_for(lambda: remoting.has_route(self.name_server, "TBW102"), 60, "the broker's registration")
        self.http = ports.reserve()

    def program(self, name, **options):
        """A quickstart program with the properties of the source tree."""
        return processes.Process(name, [
            tree.program("examples/" + name),
            "--spring.config.location=" + os.path.join(tree.SOURCE, "examples", "quickstart") + "/",
            "--rivulet.default.producer.send-timeout=30s",  # a machine may stand still for some seconds
            "--server.port=%d" % self.http, "--management.server.port=%d" % (self.http + 1)], env=self.env, **options)

    def receive(self, count):
        """Runs the C consumer until it printed `count` messages and stops it with Ctrl-C: [(id, text)]."""
        consumer = self.program("quickstart-consumer")
        line = re.compile(r"^([0-9A-F]+) queue \d+ offset \d+ tag TagA: (.*)$", re.M)
        processes.wait_for(lambda: len(line.findall(consumer.output())) >= count, 60, "%d messages" % count)
        consumer.signal(signal.SIGINT)
        expect_equal(consumer.wait(60), 0, "exit code of the consumer after Ctrl-C")
        return line.findall(consumer.output())

    def shut_down(self, role, process):
        began = time.monotonic()
        code, _, complaint = processes.run([tree.rivulet(), "shutdown", role, "--store", self.store], env=self.env)
        expect_equal(code, 0, "exit code of rivulet shutdown %s: %s" % (role, complaint))
        expect_equal(process.wait(60), 0, "exit code of the " + role)
        took = time.monotonic() - began
        comment("rivulet shutdown %s: %.2f s" % (role, took))
        expect(took < 15, "rivulet shutdown %s took %.1f s" % (role, took))  # it would wait for 30 s


@suite.case()
def a_thousand_messages_go_from_c_to_c(walk):
    producer = walk.program("quickstart-producer")
    expect_equal(producer.wait(60), 0, "exit code of the producer")
    got = walk.receive(1000)
    expect_equal(sorted(text for _, text in got), BODIES, "texts")
    expect_equal(len({message_id for message_id, _ in got}), 1000, "different ids")


@suite.case()
def a_thousand_messages_go_from_java_to_java_and_to_c(walk):
    if sys.argv[0] != "java":
        return
    with Driver("rocketmq4", env=walk.env) as java:
        java.producer("p", "please_rename_unique_group_name", namesrv=None)
        results = java.send("p", TOPIC, "Hello RocketMQ {i}", tag="TagA", count=1000)
        expect_equal({r["status"] for r in results}, {"SEND_OK"}, "statuses")
        java.consumer("c", "please_rename_unique_group_name_5", TOPIC, namesrv=None)
        got = java.wait_messages("c", 2000)
        expect_equal(sorted(m["body"] for m in got), sorted(BODIES * 2), "bodies in Java")
        expect({r["msgId"] for r in results} <= {m["msgId"] for m in got}, "ids of Java's messages")
        expect_equal(sorted(i for i, _ in walk.receive(1000)), sorted(r["msgId"] for r in results), "ids in C")


@suite.case()
def shutdown_ends_the_broker_and_then_the_name_server(walk):
    walk.shut_down("broker", walk.broker)
    expect(remoting.answers(walk.name_server), "the name server went with the broker")
    walk.shut_down("namesrv", walk.namesrv)
    expect(not remoting.answers(walk.name_server), "something still answers for the name server")


@suite.case()
def shutdown_of_what_does_not_run_says_so(walk):
    code, _, complaint = processes.run([tree.rivulet(), "shutdown", "broker", "--store", walk.store], env=walk.env)
    expect_equal(code, 1, "exit code")
    expect(len(complaint.strip().splitlines()) == 1, "not one sentence: " + complaint)


@contextlib.contextmanager
def setup():
    tree.program("examples/quickstart-producer")
    yield Walk()


if __name__ == "__main__":
    sys.argv.pop(0)
    if sys.argv[0] != "java":
        suite.cases = [c for c in suite.cases if "java" not in c[0].__name__]
    suite.run(setup)
