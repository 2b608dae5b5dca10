#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs one program with a broker beside it and hands its TAP through. Arguments: KIND PROGRAM [argument…], in which
{address} stands for what clients are told: RocketMQ's name server, or the nodes. RV_TEST_ADDRESS says it too, and
RV_TEST_NAME_SERVER, which is the older word for RocketMQ. The argument {properties} stands for all that a service needs
to reach the broker, a word --key=value each; {outages} the processes that may be stopped for a moment (--broker-pid=…). KIND is one of brokers.KINDS.
"""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import brokers, processes, tap, tree  # noqa: E402


def expand(word, broker, place):
    if word == "{properties}":
        return tree.options(broker)
    if word == "{outages}":
        return ["--broker-pid=" + ",".join(str(pid) for pid in processes.pids())]
    return [word.replace("{address}", place)]


def main(kind, *command):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with brokers.create(kind) as broker:
            place = brokers.place(broker)
            environment = dict(os.environ, RV_TEST_ADDRESS=place, RV_TEST_NAME_SERVER=place)
            arguments = []
            for word in command:
                arguments += expand(word, broker, place)
            return subprocess.run(arguments, env=environment, check=False).returncode
    except tap.Skipped as why:
        if tap.in_ci():
            print("Bail out! %s" % why)
            return 1
        print("1..0 # SKIP %s" % why)
        return 0
    finally:
        processes.stop_all()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
