# SPDX-License-Identifier: Apache-2.0
"""The two parking services as real processes, with the properties of the source tree and other ports."""

import http.client
import json

from . import ports, processes, tree


class Service:
    def __init__(self, name, broker, options=(), env=None):
        """`name` is charging or message; `broker` as tree.options() takes it. What is no RocketMQ has a profile."""
        self.name = name
        base = ports.reserve()
        self.port, self.management_port = base, base + 1
        self.command = [tree.program("services/parking-" + name),
                        "--spring.config.location=" + tree.config(name),
                        "--server.port=%d" % self.port, "--management.server.port=%d" % self.management_port]
        binder = getattr(broker, "binder", "rocketmq")
        if binder != "rocketmq":
            self.command.append("--spring.profiles.active=" + binder)
        self.command += [*tree.options(broker), *options]
        self.env = env
        self.process = None

    def start(self, wait=True):
        self.process = processes.Process("parking-" + self.name, self.command, env=self.env)
        if wait:
            self.wait_ready()
        return self

    def request(self, method, path, body=None, management=False, timeout=60):
        """(status, decoded JSON or text) of one request on a connection of its own."""
        link = http.client.HTTPConnection("127.0.0.1", self.management_port if management else self.port,
                                          timeout=timeout)
        try:
            link.request(method, path, body)
            answer = link.getresponse()
            text = answer.read().decode()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, text
        finally:
            link.close()

    def health(self, path=""):
        try:
            return self.request("GET", "/actuator/health" + path, management=True)
        except (OSError, http.client.HTTPException):
            return 0, {}

    def wait_live(self, deadline=60):
        self._wait(lambda: self.health("/liveness")[0] == 200, deadline, "liveness")

    def wait_ready(self, deadline=60):
        self._wait(lambda: self.health("/readiness")[0] == 200, deadline, "readiness")

    def _wait(self, condition, deadline, what):
        def look():
            if not self.process.alive():
                raise RuntimeError("parking-%s ended with %s: %s"
                                   % (self.name, self.process.popen.returncode, self.process.tail()))
            return condition()

        processes.wait_for(look, deadline, "%s of parking-%s" % (what, self.name))

    def send_test_message(self):
        """POST /sendTestMsg: the message id, or RuntimeError with the reason."""
        status, answer = self.request("POST", "/sendTestMsg")
        if status != 200:
            raise RuntimeError("POST /sendTestMsg answered %d: %s" % (status, answer))
        return answer["messageId"]

    def wait_consumed(self, message_id, deadline=60):
        """Waits for the line that parking-message prints once it is done with a message."""
        return self.process.wait_output("consume %s cost: [0-9]+ ms" % message_id, deadline)

    def stop(self, deadline=60):
        code = self.process.stop(deadline)
        if code != 0:
            raise RuntimeError("parking-%s stopped with exit code %d: %s" % (self.name, code, self.process.tail()))

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        if self.process.alive():
            self.process.stop(60)
