#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev demo` as a newcomer meets it. Arguments: inhouse|rocketmq|kafka|redis [case…]"""

import contextlib
import os
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import maven, ports, processes, tree  # noqa: E402
from peers.tap import Skipped, Suite, expect, expect_equal  # noqa: E402

suite = Suite()
inhouse = Suite()  # what the default binder alone has to show
DEMO = os.path.join(tree.SOURCE, "scripts", "demo.sh")
SOURCE = {"inhouse": "RocketMQ", "rocketmq": "RocketMQ", "kafka": "Kafka", "redis": "Redis"}
PAYLOAD = '{"mcontent":"这是第一个消息测试.","mtype":"支付消息"}'


def demo(*options):
    return processes.run([DEMO, "demo", *options], deadline=270, env={"RV_BUILD_DIR": tree.BUILD})


def listener():
    """A socket that listens on a port of a reserved block."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", ports.reserve()))
    taken.listen()
    return taken


@suite.case(deadline=280)
def a_message_goes_from_http_to_the_listener(kind):
    code, out, err = demo("--once", "--free-ports", "--binder", kind)
    expect_equal(code, 0, "exit code of:\n%s%s" % (out, err))
    expect("Receive input msg = %s by %s..." % (PAYLOAD, SOURCE[kind]) in out, out)
    sent = re.search('"messageId" ?: ?"([0-9A-F]{32})"', out)
    expect(sent, "no message id in:\n" + out)
    expect(re.search(r"consume %s cost: \d+ ms" % sent.group(1), out), out)
    for line in (r"\$ curl -X POST http://.*/sendTestMsg", "parking-message received it:", "The message arrived\\."):
        expect(re.search("^%s$" % line, out, re.MULTILINE), "'%s' has no line of its own in:\n%s" % (line, out))


@inhouse.case()
def without_a_terminal_everything_is_stopped_again(_):
    base = ports.reserve()
    # The broker takes the port two below its own as well.
    chosen = ["--name-server-port", base, "--broker-port", base + 4, "--charging-port", base + 1, "--message-port", base + 3]
    code, out, err = demo(*chosen)
    expect_equal(code, 0, "exit code of:\n%s%s" % (out, err))
    for port in (base, base + 4, base + 1, base + 3):
        with socket.socket() as probe:
            expect(probe.connect_ex(("127.0.0.1", port)) != 0, "something still listens on %d" % port)


@inhouse.case()
def a_taken_port_is_named_with_its_holder_and_the_cure(_):
    for option in ("--name-server-port", "--broker-port", "--charging-port", "--message-port"):
        with contextlib.closing(listener()) as taken:
            port = taken.getsockname()[1]
            code, out, err = demo("--once", "--free-ports", option, str(port))
            expect_equal(code, 1, "exit code of:\n%s%s" % (out, err))
            expect(re.search(r"port %d.* is taken by process python3 \(pid %d\); choose another with %s N"
                             % (port, os.getpid(), option), err), err)


@inhouse.case()
def an_unknown_option_is_one_sentence(_):
    code, _out, err = demo("--nonsense")
    expect_equal(code, 1, "exit code")
    expect_equal(err, "dev: unknown option '--nonsense'; see ./dev help\n", "standard error")


@inhouse.case()
def an_unknown_binder_and_an_option_of_another_are_one_sentence(_):
    code, _out, err = demo("--binder", "rabbit")
    expect_equal(code, 1, "exit code")
    expect_equal(err, "dev: --binder needs inhouse, rocketmq, kafka or redis\n", "standard error")
    code, _out, err = demo("--binder", "kafka", "--broker-port", "9092")
    expect_equal(code, 1, "exit code")
    expect("belong to the in-house broker" in err, err)


@contextlib.contextmanager
def peers(kind):
    tree.rivulet()
    why = maven.missing({"rocketmq": "rocketmq4", "kafka": "kafka"}[kind]) if kind in ("rocketmq", "kafka") else None
    if why:
        raise Skipped(why)
    yield kind


if __name__ == "__main__":
    kind = sys.argv[1]
    del sys.argv[1]
    suite.cases += inhouse.cases if kind == "inhouse" else []
    suite.run(peers, kind)
