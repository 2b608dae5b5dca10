# SPDX-License-Identifier: Apache-2.0
"""Faults that every real broker has, as functions over a peer of any kind. What differs is a parameter."""

import time

from peers import processes
from peers.probe import PATIENT, Probe
from peers.raw import RawClient
from peers.tap import comment, expect, expect_equal

RECOVERY_S = 30  # the limit within which a binding must be back by itself once a raw client succeeds


def wait_sent(probe, body, deadline=RECOVERY_S):
    """Sends until it goes through; the number of refusals before, each of which must be retriable."""
    refusals = []

    def sent():
        answer = probe.send(body, deadline=deadline)
        if "sent" not in answer:
            expect(answer["retriable"], "a refusal that is final: %s" % answer["error"])
            refusals.append(answer["error"])
        return "sent" in answer

    processes.wait_for(sent, deadline, "a send that goes through", every=0.05)
    return len(refusals)


def wait_recovered(probe, body, what, deadline=RECOVERY_S):
    """From when a raw client succeeds, which is given a minute: both directions work within the limit."""
    with RawClient(probe.broker) as raw:
        processes.wait_for(lambda: raw.since, 120, "a raw client's success " + what)
    began = time.monotonic()
    wait_sent(probe, body, deadline)
    sent = time.monotonic() - began

    def arrived():
        return any(message["body"] == body for message in probe.received())

    processes.wait_for(arrived, deadline, "'%s' %s" % (body, what))
    took = time.monotonic() - began
    comment("%s: sent after %.2f s, received after %.2f s" % (what, sent, took))
    expect(took < deadline, "%s: recovery took %.1f s" % (what, took))


def started_before_the_broker(broker, destination, why):
    """`broker` was created and not started. The services say what they wait for, live, and come up by themselves."""
    with Probe(broker, destination, group="early") as probe:
        processes.wait_for(lambda: probe.get("/actuator/health/liveness")[0] == 200, 60, "liveness")
        for channel in ("input", "output"):
            comment("%s waits: %s" % (channel, probe.wait_state(channel, "waiting", why)))
        status, health = probe.get("/actuator/health")
        expect_equal((status, health["status"]), (503, "DOWN"), "health without the broker")
        answer = probe.send("too early")
        expect("error" in answer and answer["retriable"], "a send without the broker: %s" % answer)
        broker.start()
        wait_recovered(probe, "first", "after the broker's first start")
        for channel in ("input", "output"):
            probe.wait_state(channel, "running")
        expect_equal(probe.get("/actuator/health")[1]["status"], "UP", "health afterwards")
        expect_equal(probe.stop(), 0, "exit code")


def deadly_message(broker, destination, options, most, dead_letters, before=(), deadly=("this is deadly",), exact=False):
    """
    Each of `deadly` kills the process that handles it, `most` times at most (`exact`: so many times); then it is a dead
    letter. What was sent with them passes: `before`, innocent ones that come just before in each life, and others behind.
    `dead_letters()` returns the payloads in the dead-letter destination. Returns how often the process died.
    """
    deaths, limit = 0, most * len(deadly)
    with Probe(broker, destination, channels="out", name="sender", options=PATIENT) as sender:
        with Probe(broker, destination, group="g", channels="in", name="first", options=[*PATIENT, *options]) as first:
            expect("sent" in sender.send("before"), "a send")
            first.wait_received(1)
            received = first.received_path
            expect_equal(first.stop(), 0, "exit code of the first life")
        for body in (*before, *deadly, "after 1", "after 2"):
            expect("sent" in sender.send(body), "a send")
    while True:
        expect(deaths <= limit, "it died %d times, %d were allowed" % (deaths, limit))
        with Probe(broker, destination, group="g", channels="in", name="victim", options=options, abort="deadly",
                   received=received) as victim:
            def over():
                return not victim.process.alive() or set(deadly) <= set(dead_letters())  # noqa: B023

            processes.wait_for(over, 90, "a death, or the dead letter", every=0.02)
            if victim.process.alive():
                finished(victim, dead_letters, deadly)
                break
            deaths += 1
    seen = [message["body"] for message in victim.received()]
    comment("died %d times; deliveries: %s" % (deaths, seen))
    expect_equal(sum("deadly" in body for body in seen), deaths, "deliveries of what kills")
    expect(deaths >= 1, "nobody ever died of it")
    if exact:
        expect_equal([seen.count(body) for body in deadly], [most] * len(deadly), "deliveries of each")
    return deaths


def finished(victim, dead_letters, deadly):
    processes.wait_for(lambda: {"after 1", "after 2"} <= {m["body"] for m in victim.received()}, 90,
                       "what was sent behind it")
    expect_equal(sorted(dead_letters()), sorted(deadly), "dead letters")
    expect_equal(victim.stop(), 0, "exit code of the survivor")


def blocked_listener(broker, destination, options, other_options, lease_s):
    """
    A listener that works for longer than a delivery's lease keeps its message while it lives; when it is killed
    another member of the group has it after the lease. `options` renew the lease far more often than the other
    member's want it, which end it after `lease_s`: nobody loses it who stands still for a moment.
    """
    with Probe(broker, destination, channels="out", name="sender") as sender:
        with Probe(broker, destination, group="g", channels="in", name="slow", options=options,
                   work_ms=600000, slow="block") as slow:
            slow.wait_state("input", "running")
            expect("sent" in sender.send("block here"), "a send")
            slow.wait_received(1)
            with Probe(broker, destination, group="g", channels="in", name="other", options=other_options) as other:
                other.wait_state("input", "running")
                end = time.monotonic() + 1.25 * lease_s

                def passed():
                    expect_equal([m["body"] for m in other.received() if "block" in m["body"]], [],
                                 "deliveries to another member while the first works on it")
                    return time.monotonic() >= end

                processes.wait_for(passed, 60, "more than a lease")
                slow.process.kill()
                began = time.monotonic()
                processes.wait_for(lambda: any("block" in m["body"] for m in other.received()), 60,
                                   "the message of the killed one")
                comment("taken over %.1f s after the death" % (time.monotonic() - began))
                (again,) = [m for m in other.received() if "block" in m["body"]]
                expect(again["attempt"] > 1, "the second delivery says attempt %d" % again["attempt"])
                expect_equal(other.stop(), 0, "exit code")
