#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka behind TLS and a password: Java's properties open the door, and a wrong one is named."""

import contextlib
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import kafka, processes, tap, tree  # noqa: E402
from peers.probe import PATIENT, Probe  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite()
CLIENT = "spring.cloud.stream.kafka.binder.configuration."
LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="%s";'

_SERVER = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},GUARDED://127.0.0.1:{guarded}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},GUARDED://localhost:{guarded}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL
listener.name.guarded.sasl.enabled.mechanisms=PLAIN
listener.name.guarded.plain.sasl.jaas.config={login} user_me="right";
listener.name.guarded.ssl.keystore.type=PEM
listener.name.guarded.ssl.keystore.location={store}
"""


def _certificate(folder, name):
    """A key and a certificate of its own for localhost; the certificate and both in one file."""
    key, certificate, store = (os.path.join(folder, name + end) for end in (".key", ".crt", ".pem"))
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key,
                        "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError as why:
        raise tap.Skipped("openssl is not installed") from why
    with open(store, "w") as file:
        for part in (key, certificate):
            with open(part) as source:
                file.write(source.read())
    return certificate, store


class Guarded(kafka.Kafka):
    """`guarded` is the address behind TLS and log-in."""

    def _lay_out(self):
        super()._lay_out()
        port = int(self.address.rsplit(":", 1)[1])
        self.guarded = "localhost:%d" % (port + 1)
        self.trusted, store = _certificate(self.home, "server")
        self.untrusted = _certificate(self.home, "other")[0]
        with open(self.nodes[0].config_path, "a") as file:
            file.write(_SERVER.format(port=port, controller=port + 4, guarded=port + 1, store=store,
                                      login=LOGIN[:-1] % "internal"))

    def options(self, password="right", certificate=None):
        return ["spring.cloud.stream.kafka.binder.brokers=" + self.guarded,
                CLIENT + "security.protocol=SASL_SSL", CLIENT + "sasl.mechanism=PLAIN",
                CLIENT + "sasl.jaas.config=" + LOGIN % password,
                CLIENT + "ssl.truststore.type=PEM",
                CLIENT + "ssl.truststore.location=" + (certificate or self.trusted)]


@suite.case(deadline=200)
def javas_properties_open_the_door(broker):
    with Probe(broker, "behind", group="g", options=PATIENT + broker.options()) as probe:
        probe.wait_state("input", "running")
        expect("sent" in probe.send("hello"), "a send")
        expect_equal([m["body"] for m in probe.wait_received(1)], ["hello"], "deliveries")
        expect_equal(probe.get("/actuator/health")[1]["status"], "UP", "health")
        expect_equal(probe.stop(), 0, "exit code")


def expect_refused(broker, number, words, options):
    with Probe(broker, "closed", group="g", options=options) as probe:
        for channel in ("input", "output"):
            why = probe.wait_state(channel, "waiting", words)
            comment("%s: %s" % (channel, why))
        status, health = probe.get("/actuator/health")
        expect_equal((status, health["status"]), (503, "DOWN"), "health")
        answer = probe.send("nobody hears")
        expect("error" in answer and answer["retriable"], "a send without a way: %s" % answer)
        expect(number in probe.process.tail(40), "the log lacks " + number)
        expect("wrong-word" not in probe.process.tail(200), "the password stands in the log")
        expect_equal(probe.stop(), 0, "exit code")


@suite.case(deadline=200)
def a_wrong_password_is_named_and_not_told(broker):
    expect_refused(broker, "RV0705", "sasl.jaas.config", broker.options("wrong-word"))


@suite.case(deadline=200)
def a_certificate_that_nobody_trusts_is_named(broker):
    expect_refused(broker, "RV0704", "certificate", broker.options(certificate=broker.untrusted))


@contextlib.contextmanager
def setup():
    tree.module("kafka")
    with Guarded() as broker:
        yield broker


if __name__ == "__main__":
    try:
        suite.run(setup)
    finally:
        processes.stop_all()
