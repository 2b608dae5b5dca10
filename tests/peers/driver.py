# SPDX-License-Identifier: Apache-2.0
"""The Python side of the Java driver (java/): commands in, answers and received messages out."""

import urllib.parse

from . import lines, maven, processes, tap


class DriverError(Exception):
    """The Java side answered with an exception; its text."""


class Driver(lines.Piped):
    """
    One JVM with the official client: 'rocketmq4' (4.9.7, and mqadmin) or 'rocketmq5' (5.3.3). Clients look for
    changes every second instead of every 20-30 s, so that cases are short; rebalance_ms=20000 is the original. A
    message's "at" is the moment, in seconds of the JVM's clock, at which the listener had it.
    """

    def __init__(self, module="rocketmq4", name_server=None, env=None, rebalance_ms=1000):
        why = maven.missing(module)
        if why:
            raise tap.Skipped(why)
        self.name_server = name_server
        self.home = processes.directory("driver")
        maven.write_logback(self.home, "tools")
        command = maven.java(module, "peer.Driver", [], "256m", (
            "-Duser.home=" + self.home, "-Drocketmq.client.logRoot=" + self.home,
            "-Drocketmq.log.root=" + self.home, "-Drocketmq.client.logLevel=WARN",
            "-Dcom.rocketmq.remoting.client.connect.timeout=30000",
            "-Drocketmq.client.rebalance.waitInterval=%d" % rebalance_ms))
        self._answers = {}
        self._next = 0
        super().__init__(module + "-driver", command, {"NAMESRV_ADDR": "", "ROCKETMQ_HOME": self.home, **(env or {})})

    def _take(self, event):
        if "reply" in event:
            self._answers[event["reply"]] = event
        elif event["event"] == "message":
            self._messages.setdefault(event["consumer"], []).append(event["message"])
        else:
            self._ready = True

    def call(self, verb, *words, deadline=90.0, **options):
        """Runs one command; None options are left out. Returns its value or raises DriverError."""
        self._next += 1
        number = str(self._next)
        parts = [number, verb] + [urllib.parse.quote(str(word)) for word in words]
        for name, value in options.items():
            if value is not None:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                parts.append("%s=%s" % (name.replace("__", ".").replace("_", "-"), urllib.parse.quote(text)))
        self._write(" ".join(parts))
        self._wait(lambda: number in self._answers, deadline, verb)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise DriverError("%s: %s" % (verb, answer["error"]))
        return answer["value"]

    def producer(self, name, group=None, **options):
        options.setdefault("namesrv", self.name_server)
        return self.call("producer.start", name=name, group=group or name, **options)

    def send(self, name, topic, body, properties=None, **options):
        options.update({"prop." + key: value for key, value in (properties or {}).items()})
        return self.call("producer.send", name=name, topic=topic, body=body, **options)

    def consumer(self, name, group, topic, **options):
        options.setdefault("namesrv", self.name_server)
        return self.call("consumer.start", name=name, group=group, topic=topic, **options)

    def stop_consumer(self, name):
        self.call("consumer.stop", name=name)

    def wait_messages(self, consumer, count, deadline=60.0):
        """At least `count` messages of a consumer, in order of arrival."""
        try:
            self._wait(lambda: len(self._messages.get(consumer, [])) >= count, deadline, consumer)
        except TimeoutError as error:
            raise TimeoutError("%s; %d of %d messages arrived"
                               % (error, len(self.messages(consumer)), count)) from None
        return self.messages(consumer)

    def mqadmin(self, *words, deadline=90.0):
        """What one mqadmin command printed; its complaints if that is nothing. Logs of the client go among the latter."""
        answer = self.call("mqadmin", *words, "-n", self.name_server, deadline=deadline)
        return answer["out"] if answer["out"].strip() else answer["err"]
