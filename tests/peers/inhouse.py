# SPDX-License-Identifier: Apache-2.0
"""Our own broker behind the same methods as apache.Apache: one process, or name server and broker apart."""

import os

from . import pair, ports, processes, remoting, tree


class Broker(pair.Pair):
    kind = "inhouse"
    name = "our broker"
    look_every = 0.005

    def __init__(self, flush="ASYNC_FLUSH", split=False, store=None, options=()):
        self.program = tree.rivulet()
        self.flush = flush
        self.split = split
        self.options = list(options)
        self.home = processes.directory("inhouse")
        self.store = store or os.path.join(self.home, "store")
        self._choose_ports()

    def _choose_ports(self):
        base = ports.reserve()
        self.namesrv_port, self.port = base, base + 4
        self.name_server = "127.0.0.1:%d" % self.namesrv_port
        self.address = "127.0.0.1:%d" % self.port
        self.config_path = os.path.join(self.home, "broker.conf")
        with open(self.config_path, "w") as file:
            file.write("flushDiskType=%s\n" % self.flush)

    def _command(self, role):
        command = [self.program, "broker", "--role", role]
        if role != "namesrv":
            command += ["--config", self.config_path, "--store", self.store, "--port", str(self.port)]
        if role == "broker":
            command += ["-n", self.name_server]
        else:
            command += ["--name-server-port", str(self.namesrv_port)]
        if role == "namesrv":
            command += ["--store", self.store + "-namesrv"]
        return command + self.options

    def _start_both(self):
        if self.split:
            self.start_name_server()
        self.start_broker()

    def start_name_server(self, wait=True):
        if not self.split:
            self.start_broker(wait)
            return
        self.namesrv_process = processes.Process("namesrv", self._command("namesrv"))
        if wait:
            self._wait(lambda: remoting.answers(self.name_server), self.namesrv_process)

    def start_broker(self, wait=True):
        self.broker_process = processes.Process("broker", self._command("broker" if self.split else "all"))
        if wait:
            self.wait_ready()

    def wait_ready(self):
        self._wait(lambda: remoting.has_route(self.name_server, "TBW102") and remoting.answers(self.address),
                   self.broker_process)

    def stop_broker(self):
        code = self.broker_process.stop(self.stop_seconds)
        if code != 0:
            raise RuntimeError("the broker stopped with exit code %d: %s" % (code, self.broker_process.tail()))
