# SPDX-License-Identifier: Apache-2.0
"""The Python side of probe.c: a C service that says what it receives and sends what it is told."""

import http.client
import json
import os
import queue
import re
import subprocess
import threading

from . import ports, processes, tree

# For a case that is not about time: a machine that stands still for some seconds fails no send and no stop.
PATIENT = ["rivulet.default.producer.send-timeout=30s", "rivulet.stop-deadline=60s"]


class Probe:
    """Starts at once. `destination` and `group` bind its channels; further properties as key=value strings."""

    def __init__(self, broker, destination, group=None, channels="both", fail=None, options=(), name="probe",
                 work_ms=0, received=None, abort=None, slow=None):
        self.broker = broker
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
        env.update({name: text for name, text in
                    (("PROBE_FAIL", fail), ("PROBE_ABORT", abort), ("PROBE_SLOW", slow)) if text})
        self.process = processes.Process(name, command, env=env, stdin=True, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.popen.stdout:
            self._answers.put(json.loads(line))

    def send(self, body, headers=None, deadline=60):
        """
        Sends one message; {'sent': id} or {'error': …}. A body of bytes goes as they are, None is a tombstone; a
        header's value is text or a pair (type, text), as probe.c has it.
        """
        content = {"hex": body.hex()} if isinstance(body, bytes) else {"body": body}
        typed = {name: {"type": value[0], "value": value[1]} if isinstance(value, tuple) else value
                 for name, value in (headers or {}).items()}
        line = json.dumps({**content, "headers": typed}) + "\n"
        self.process.popen.stdin.write(line.encode())
        self.process.popen.stdin.flush()
        return self._answers.get(timeout=deadline)

    def received(self):
        try:
            with open(self.received_path, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def wait_received(self, count, deadline=60):
        def look():
            got = self.received()
            if len(got) < count and not self.process.alive():
                raise RuntimeError("the probe ended with %s: %s" % (self.process.popen.returncode, self.process.tail()))
            return len(got) >= count and got

        return processes.wait_for(look, deadline, "%d deliveries (%d came)" % (count, len(self.received())))

    def get(self, path):
        """(status, decoded JSON) of a management page; (0, {}) while there is none."""
        link = http.client.HTTPConnection("127.0.0.1", self.management_port, timeout=30)
        try:
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, json.loads(answer.read().decode())
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            link.close()

    def state(self, channel):
        """(state, why) of a channel's binding, such as ('waiting', 'no name server answers')."""
        for binding in self.get("/actuator/bindings")[1] or []:
            if binding["bindingName"] == channel:
                return binding["extension"]["rivuletState"], binding["extension"].get("rivuletWhy", "")
        return "unknown", ""

    def wait_state(self, channel, state, why="", deadline=60):
        """Waits for a binding's state with a reason that matches; returns the reason."""
        last = [None]

        def look():
            last[0] = self.state(channel)
            return last[0][0] == state and re.search(why, last[0][1])

        try:
            processes.wait_for(look, deadline, every=0.05)
        except TimeoutError:
            raise TimeoutError("channel '%s' is not '%s' with '%s' after %.0f s but %s"
                               % (channel, state, why, deadline, last[0])) from None
        return last[0][1]

    def stop(self, deadline=90):
        return self.process.stop(deadline)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.alive():
            self.process.kill()
