# SPDX-License-Identifier: Apache-2.0
"""The Python side of the Spring Cloud Stream service (spring/): bindings by properties, messages both ways."""

import json
import subprocess
import threading

from . import maven, processes, tap


class Spring:
    """One JVM. `functions` names the listeners that run, `options` are properties as key=value strings."""

    def __init__(self, kafka, functions, options=(), name="spring"):
        why = maven.missing("spring")
        if why:
            raise tap.Skipped(why)
        words = ["--spring.cloud.stream.kafka.binder.brokers=" + kafka.address,
                 "--spring.cloud.function.definition=" + ";".join(functions)]
        self._lock = threading.Condition()
        self._messages = {}
        self._answers = []
        self._ready = self._ended = False
        self.process = processes.Process(
            name, maven.java("spring", "peer.Spring", words + ["--" + option for option in options], "256m"),
            stdin=True, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.popen.stdout:
            event = json.loads(line)
            with self._lock:
                if event["event"] == "message":
                    self._messages.setdefault(event["function"], []).append(event)
                elif event["event"] == "sent":
                    self._answers.append(event)
                else:
                    self._ready = True
                self._lock.notify_all()
        with self._lock:
            self._ended = True
            self._lock.notify_all()

    def _wait(self, condition, deadline, what):
        with self._lock:
            self._lock.wait_for(lambda: self._ended or condition(), deadline)
            if not condition():
                raise TimeoutError("%s: %s\n%s" % (what, "the JVM ended" if self._ended else
                                                   "nothing within %.1f s" % deadline, self.process.tail()))

    def wait_ready(self):
        self._wait(lambda: self._ready, 60, "Spring Cloud Stream")
        return self

    def send(self, binding, payload, headers=None, deadline=30):
        """
        Sends through a binding and waits until Java says that it did. Payload and headers are pairs (type, value) as
        Values.java has them; text alone is text. Raises RuntimeError with Java's exception.
        """
        def typed(value):
            return dict(zip(("type", "value"), value if isinstance(value, tuple) else ("text", value)))

        line = json.dumps({"binding": binding, "payload": typed(payload),
                           "headers": {name: typed(value) for name, value in (headers or {}).items()}})
        self.process.popen.stdin.write((line + "\n").encode())
        self.process.popen.stdin.flush()
        self._wait(lambda: self._answers, deadline, "send to " + binding)
        answer = self._answers.pop(0)
        if not answer.get("ok"):
            raise RuntimeError("Java could not send to %s: %s" % (binding, answer))

    def messages(self, function):
        with self._lock:
            return list(self._messages.get(function, []))

    def find(self, function, accept, deadline=20):
        """The first message of a function that `accept` takes, waited for."""
        def look():
            return next((message for message in self._messages.get(function, []) if accept(message)), None)

        self._wait(lambda: look() is not None, deadline, "a message for " + function)
        with self._lock:
            return look()

    def stop(self):
        if self.process.alive():
            self.process.popen.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def __enter__(self):
        return self.wait_ready()

    def __exit__(self, *_):
        if self.process.alive():
            self.process.kill()
