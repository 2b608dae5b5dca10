# SPDX-License-Identifier: Apache-2.0
"""The Python side of probe.c: a C service that says what it receives and sends what it is told."""

import json
import os
import queue
import subprocess
import threading

from . import ports, processes, tree


class Probe:
    """Starts at once. `destination` and `group` bind its channels; further properties as key=value strings."""

    def __init__(self, broker, destination, group=None, channels="both", fail=None, options=(), name="probe",
                 work_ms=0, received=None):
        self.received_path = received or os.path.join(processes.directory(name), "received")
        self._answers = queue.Queue()
        port = ports.reserve()
        command = [tree.program("tests/peers/probe"), "--server.port=%d" % port,
                   "--management.server.port=%d" % (port + 1), *tree.options(broker)]
        self.management_port = port + 1
        if channels != "out":
            command.append("--spring.cloud.stream.bindings.input.destination=" + destination)
            if group:
                command.append("--spring.cloud.stream.bindings.input.group=" + group)
        if channels != "in":
            command.append("--spring.cloud.stream.bindings.output.destination=" + destination)
        command += ["--" + option for option in options]
        env = {"PROBE_RECEIVED": self.received_path, "PROBE_CHANNELS": channels, "PROBE_WORK_MS": str(work_ms)}
        if fail:
            env["PROBE_FAIL"] = fail
        self.process = processes.Process(name, command, env=env, stdin=True, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.popen.stdout:
            self._answers.put(json.loads(line))

    def send(self, body, headers=None, deadline=15):
        """Sends one message; {'sent': id} or {'error': …}."""
        line = json.dumps({"body": body, "headers": headers or {}}) + "\n"
        self.process.popen.stdin.write(line.encode())
        self.process.popen.stdin.flush()
        return self._answers.get(timeout=deadline)

    def received(self):
        try:
            with open(self.received_path, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def wait_received(self, count, deadline=15):
        def look():
            got = self.received()
            if len(got) < count and not self.process.alive():
                raise RuntimeError("the probe ended with %s: %s" % (self.process.popen.returncode, self.process.tail()))
            return len(got) >= count and got

        return processes.wait_for(look, deadline, "%d deliveries (%d came)" % (count, len(self.received())))

    def stop(self, deadline=20):
        return self.process.stop(deadline)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.alive():
            self.process.kill()
