#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Faults of Redis, with a checker each: what is acknowledged, what the bindings say, and that they come back."""

import contextlib
import functools
import itertools
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import shared_faults  # noqa: E402
from checker import Checker  # noqa: E402
from peers import processes, redis, tree  # noqa: E402
from peers.probe import Probe  # noqa: E402
from peers.relay import Relay  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402
from scene import Scene  # noqa: E402

suite = Suite()
_numbers = itertools.count(1)
UNORDERED = functools.partial(Checker, order=False, gapless=False)
CONSUMER = "spring.cloud.stream.redis.bindings.input.consumer."
PRODUCER = "spring.cloud.stream.redis.bindings.output.producer."
DETAILS = ["management.endpoint.health.show-details=always"]
QUICK_CLAIMS = [CONSUMER + "claim-min-idle=2s", CONSUMER + "claim-interval=500ms"]


def fresh(what):
    return "%s-%d" % (what, next(_numbers))


def payloads(server, stream):
    return [fields["payload"].decode() for _, fields in server.entries(stream)]


@suite.case(deadline=240)
def services_started_before_the_server_say_so_and_recover(_):
    server = redis.Single()
    try:
        shared_faults.started_before_the_broker(server, fresh("early"), "cannot be reached")
    finally:
        server.__exit__()


@suite.case(deadline=240)
def services_started_before_sentinels_or_a_cluster_say_so_and_recover(_):
    for peer, why in ((redis.Sentinel(sentinels=1), "none of 1 Sentinels answers"),
                      (redis.Cluster(), "no node of the Cluster tells its slots")):
        try:
            shared_faults.started_before_the_broker(peer, fresh("early"), why)
        finally:
            peer.__exit__()


@suite.case(deadline=240)
def a_master_that_no_sentinel_knows_is_named(_):
    with redis.Sentinel(sentinels=1) as peer:
        with Probe(peer, fresh("master"), channels="out",
                   options=["spring.cloud.stream.redis.binder.sentinel.master=somebody-else"]) as probe:
            comment(probe.wait_state("output", "waiting", "knows no master 'somebody-else'"))


@suite.case(deadline=240)
def a_server_that_stands_still_is_a_time_out_and_then_forgotten(server):
    with Probe(server, fresh("still"), group="g") as probe:
        shared_faults.wait_recovered(probe, "before", "at first")
        server.server.pause()
        try:
            answer = probe.send("while it stands still")
            expect("error" in answer and answer["retriable"], "a send to a server that stands still: %s" % answer)
            expect_equal(probe.get("/actuator/health/liveness")[0], 200, "liveness meanwhile")
        finally:
            server.server.resume()
        shared_faults.wait_recovered(probe, "after", "after the server stood still")


@suite.case(deadline=240)
def a_connection_that_is_reset_behind_an_answer_takes_nothing_along(server):
    destination, count = fresh("reset"), 200
    with Relay(server.server.port) as relay:
        nodes = [redis.BINDER + "nodes=127.0.0.1:%d" % relay.port]
        with Probe(server, destination, group="g", channels="in", options=[*nodes, *QUICK_CLAIMS]) as probe:
            probe.wait_state("input", "running")
            relay.reset_behind = b"payload"
            for number in range(count):
                server.call("XADD", destination, "*", "payload", "message %d" % number)
            processes.wait_for(lambda: relay.resets >= 3, 60, "connections that were reset")
            relay.reset_behind = None
            processes.wait_for(lambda: len({delivery["body"] for delivery in probe.received()}) == count, 60,
                               "all messages")
            expect_equal(probe.stop(), 0, "exit code")


@suite.case(deadline=240)
def a_wrong_password_is_named_and_a_corrected_one_is_enough(_):
    with redis.Single(password="right") as server:
        server.password = "wrong"  # what services are told
        with Probe(server, fresh("password"), group="g") as probe:
            for channel in ("input", "output"):
                comment(probe.wait_state(channel, "waiting", "WRONGPASS"))
            expect("DOWN" in str(probe.get("/actuator/health")[1]), "health with a wrong password")
            server.call("CONFIG", "SET", "requirepass", "wrong")
            server.server.password = "wrong"
            shared_faults.wait_recovered(probe, "let in", "after the password was corrected")
            expect_equal(probe.stop(), 0, "exit code")


@suite.case(deadline=240)
def an_account_without_a_permission_is_named(_):
    with redis.Single(user="joe", password="pass") as server:
        server.call("ACL", "SETUSER", "joe", "-xadd")
        with Probe(server, fresh("permission"), channels="out") as probe:
            answer = probe.send("not allowed")
            expect("error" in answer and "NOPERM" in answer["error"], "a send without permission: %s" % answer)
            server.call("ACL", "SETUSER", "joe", "+xadd")
            shared_faults.wait_sent(probe, "allowed")
            expect_equal(probe.stop(), 0, "exit code")


@suite.case(deadline=240)
def a_group_that_is_destroyed_under_way_is_made_again(server):
    with Scene(server, checker=UNORDERED) as scene:
        scene.wait_traffic(50, 50)
        expect_equal(server.call("XGROUP", "DESTROY", scene.destination, scene.group), 1, "groups destroyed")
        scene.wait_recovered(shared_faults.RECOVERY_S)
        scene.wait_traffic(50, 50)
        expect("RV0809" in scene.receiver.process.output(), "the log is silent of it")
        scene.finish()


@suite.case(deadline=240)
def a_stream_that_is_deleted_under_way_is_made_again(server):
    with Probe(server, fresh("deleted"), group="g") as probe:
        shared_faults.wait_recovered(probe, "before", "at first")
        destination = probe.received()[0]["destination"]
        expect_equal(server.call("DEL", destination), 1, "streams deleted")
        shared_faults.wait_recovered(probe, "after", "after the stream was deleted")
        expect_equal(probe.state("input")[0], "running", "state of the input")
        expect_equal(probe.stop(), 0, "exit code")


@suite.case(deadline=240)
def a_stream_that_nobody_may_make_is_named_and_awaited(server):
    destination = fresh("unknown")
    with Probe(server, destination, group="g", options=[redis.BINDER + "auto-create=false"]) as probe:
        for round_number in range(2):
            comment(probe.wait_state("input", "waiting", "there is no stream '%s' and auto-create is false" % destination))
            answer = probe.send("nowhere to go")
            expect("error" in answer and destination in answer["error"], "a send to no stream: %s" % answer)
            expect_equal(server.call("EXISTS", destination), 0, "streams that nobody may make")
            server.call("XGROUP", "CREATE", destination, "somebody", "0", "MKSTREAM")
            shared_faults.wait_recovered(probe, "round %d" % round_number, "after somebody made the stream")
            probe.wait_state("input", "running")
            expect_equal(server.call("DEL", destination), 1, "streams deleted")
        expect_equal(probe.stop(), 0, "exit code")


@suite.case(deadline=240)
def a_server_without_memory_is_back_pressure_and_passes(_):
    with redis.Single(maxmemory="4mb") as server:
        with Probe(server, fresh("memory"), group="g", options=DETAILS) as probe:
            shared_faults.wait_recovered(probe, "before", "at first")
            refusal, most = None, 400
            while most and not refusal:
                most -= 1
                refusal = probe.send("x" * 50000).get("error")
            expect(refusal and "OOM" in refusal, "after 20 MB into 4 MB: %s" % refusal)
            comment(refusal)
            processes.wait_for(lambda: "no memory for another message" in str(probe.get("/actuator/health")[1]), 60,
                               "health that says so")
            server.call("CONFIG", "SET", "maxmemory", "0")
            shared_faults.wait_recovered(probe, "after", "with memory again")
            expect_equal(probe.stop(), 0, "exit code")


def kill_by_message(server, most, deadly, options=()):
    destination = fresh("deadly")
    # One delivery alone: the next life reads on before it claims, so that no reading ends it among its dead letters.
    idle = "5s" if most == 1 else "500ms"
    limits = [CONSUMER + "claim-min-idle=" + idle, CONSUMER + "claim-interval=100ms", CONSUMER + "enable-dlq=true",
              CONSUMER + "max-deliveries=%d" % most]
    shared_faults.deadly_message(server, destination, [*limits, *options], most,
                                 lambda: payloads(server, "error.%s.g" % destination), deadly=deadly, exact=True)
    ids = {fields["payload"].decode(): entry for entry, fields in server.entries(destination)}
    for _, fields in server.entries("error.%s.g" % destination):
        headers = json.loads(fields["headers"])
        expect_equal([headers["x-original-" + name] for name in ("stream", "id", "group")],
                     [destination, ids[fields["payload"].decode()], "g"], "where it says that it was")
        expect_equal(headers["x-delivery-count"], str(most), "how often it says that it was delivered")


@suite.case(deadline=400)
def messages_that_kill_the_process_are_dead_letters_after_so_many_deliveries_each(server):
    for most in (1, 2, 6):
        kill_by_message(server, most, ("this is deadly", "deadly too"))


@suite.case(deadline=400)
def so_they_are_where_a_stream_has_one_owner_and_where_failed_ones_come_again(server):
    kill_by_message(server, 3, ("this is deadly", "deadly too"), [CONSUMER + "orderly=true", CONSUMER + "lease=1s"])
    kill_by_message(server, 3, ("this is deadly",), [CONSUMER + "redeliver=true", CONSUMER + "redelivery-delay=100ms"])


@suite.case(deadline=240)
def a_backlog_is_not_used_up_by_restarts(server):
    """What was read ahead and never begun keeps its deliveries, however often the service ends as it should."""
    destination, bodies, received = fresh("restarted"), ["message %d" % number for number in range(20)], None
    with Probe(server, destination, channels="out", name="sender") as sender:
        for body in bodies:
            expect("sent" in sender.send(body), "a send")
    for life in range(6):
        with Probe(server, destination, group="g", channels="in", work_ms=100 if life < 5 else 0, received=received,
                   options=[CONSUMER + "max-deliveries=4", *QUICK_CLAIMS]) as probe:
            received = probe.received_path
            probe.wait_received(2 * life + 1 if life < 5 else len(bodies))
            expect_equal(probe.stop(), 0, "exit code")
    expect_equal([m["body"] for m in probe.received()], bodies, "what was delivered, once each")
    expect_equal(server.pending(destination, "g"), 0, "pending entries")


@suite.case(deadline=240)
def an_owner_that_stood_still_neither_delivers_nor_acknowledges_what_the_next_one_has(server):
    destination, options = fresh("frozen"), [CONSUMER + "orderly=true", CONSUMER + "lease=1s"]
    patient = [CONSUMER + "orderly=true", CONSUMER + "lease=30s"]  # its successor stands still for nothing
    bodies = ["message %d" % number for number in range(40)]
    with Probe(server, destination, channels="out", name="sender") as sender, \
            Probe(server, destination, group="g", channels="in", name="frozen", options=options, work_ms=50) as frozen:
        frozen.wait_state("input", "running")
        for body in bodies:
            expect("sent" in sender.send(body), "a send")
        frozen.wait_received(5)
        frozen.process.signal(signal.SIGSTOP)
        before = len(frozen.received())
        with Probe(server, destination, group="g", channels="in", name="next", options=patient, work_ms=20) as other:
            other.wait_received(5)
            pending = server.pending(destination, "g")
            frozen.process.signal(signal.SIGCONT)
            processes.wait_for(lambda: {m["body"] for m in other.received()} | {m["body"] for m in frozen.received()}
                               >= set(bodies), 60, "everything")
            processes.wait_for(lambda: server.pending(destination, "g") == 0, 60, "an acknowledgement of everything")
            after = frozen.received()[before:]
            got = [m["body"] for m in other.received()]
            comment("before %d, pending %d, after it woke up %s; next from %s on"
                    % (before, pending, [m["body"] for m in after], got[0]))
            expect(len(after) <= 1, "it delivered after it woke up: %s" % [m["body"] for m in after])
            expect_equal(got, bodies[bodies.index(got[0]):], "deliveries of its successor, in order and once each")
            expect_equal(other.stop(), 0, "exit code of the next")
        expect_equal(frozen.stop(), 0, "exit code of the frozen one")


@suite.case(deadline=240)
def what_was_settled_while_the_server_was_away_is_acknowledged_without_other_traffic(_):
    with redis.Single() as server:
        destination, bodies = fresh("settled"), ["message %d" % number for number in range(4)]
        with Probe(server, destination, channels="out", name="sender") as sender:
            for body in bodies:
                expect("sent" in sender.send(body), "a send")
        # The last one fails, so the log says when it is settled: from then on nothing happens but the server's return.
        with Probe(server, destination, group="g", channels="in", work_ms=300, fail=bodies[-1],
                   options=["spring.cloud.stream.bindings.input.consumer.max-attempts=1"]) as probe:
            probe.wait_received(1)
            server.kill_broker()
            probe.process.wait_output("dropped, there is no dead-letter destination")
            server.start_broker()
            processes.wait_for(lambda: server.pending(destination, "g") == 0, shared_faults.RECOVERY_S, "acknowledgements")
            expect_equal([m["body"] for m in probe.received()], bodies, "what was delivered")
            expect_equal(probe.stop(), 0, "exit code")


@suite.case(deadline=240)
def a_listener_that_blocks_beyond_its_lease_keeps_its_message_while_it_lives(server):
    patient = [CONSUMER + "claim-min-idle=8s", CONSUMER + "claim-interval=500ms"]
    shared_faults.blocked_listener(server, fresh("blocked"), QUICK_CLAIMS, patient, 8)


@suite.case(deadline=240)
def tls_with_an_account_works_and_a_stranger_is_refused(_):
    with redis.Single(tls=True, user="joe", password="pass") as server:
        with Probe(server, fresh("tls"), group="g") as probe:
            shared_faults.wait_recovered(probe, "under TLS", "by TLS")
            expect_equal(probe.stop(), 0, "exit code")
        server.certificates = redis.Certificates()  # of another authority
        with Probe(server, fresh("tls"), group="g", channels="out") as probe:
            comment(probe.wait_state("output", "waiting", "certificate"))


# -- failover: what WAIT is for

def lose_the_master(scene, owner, replicas, some, seconds=0.5):
    """
    The replicas are cut off for a moment under traffic, while nobody receives, and then the master dies: what it
    acknowledged in that moment, `some` messages at least, is nowhere else. Returns what was acknowledged and copied
    before, and how many came while no replica listened.
    """
    scene.receiver.process.signal(signal.SIGSTOP)
    scene.checker.look()
    copied = set(scene.checker.acked)
    with owner.link() as link:  # behind all of them in what the replicas read
        link.call("SET", "{%s}:behind" % scene.destination, 1)
        expect_equal(link.call("WAIT", len(replicas), 15000), len(replicas), "replicas that have all that was acknowledged")
    for replica in replicas:
        replica.pause()
    owner.call("CLIENT", "KILL", "TYPE", "replica")  # else all of it would wait in the replica's socket
    before, end = scene.checker.look()[0], time.monotonic() + seconds
    processes.wait_for(lambda: time.monotonic() > end and scene.checker.look()[0] >= before + some, 60,
                       "traffic that no replica saw", every=0.05)
    owner.kill()
    unseen = scene.checker.look()[0] - before
    scene.receiver.process.signal(signal.SIGCONT)
    for replica in replicas:
        replica.resume()
    return copied, unseen


def fail_over(peer, sender_options, restore):
    """
    (lost, of which a replica had, acknowledged while none saw it) of one master that is killed; it comes back as a replica.
    """
    with Scene(peer, checker=UNORDERED, sender_options=sender_options, receiver_options=QUICK_CLAIMS,
               destination=fresh("failover")) as scene:
        scene.wait_traffic(100, 100)
        master = peer.owner(scene.destination)
        peer.hasten()
        copied, unseen = lose_the_master(scene, master, peer.replicas(scene.destination), 0 if sender_options else 20)
        peer.wait_master(master, scene.destination)
        restore()
        peer.calm()
        scene.wait_recovered(shared_faults.RECOVERY_S)
        until = set(scene.checker.acked)
        scene.wait_traffic(100, 100)
        scene.stop_sender()
        scene.checker.look()
        safe = scene.checker.acked if sender_options else copied | (scene.checker.acked - until)
        scene.wait_complete(60, safe)
        comment("%s; acknowledged unseen by any replica: %d; recovery %.2f s"
                % (scene.checker.summary(), unseen, scene.slowest_recovery))
        expect_equal(scene.receiver.stop(), 0, "exit code of the receiver")
        lost = scene.checker.lost()
        return lost, [body for body in lost if body in safe], unseen


def compare(peer, restore):
    """Without WAIT the loss is reported, with it there is none."""
    lost, copied, unseen = fail_over(peer, [], restore)
    comment("without WAIT: %d acknowledged messages lost" % len(lost))
    expect(unseen > 0, "nothing was acknowledged while the replicas were cut off")
    expect_equal(copied[:10], [], "lost though a replica had it, or the new master")
    lost, _, _ = fail_over(peer, [PRODUCER + "wait-replicas=1", PRODUCER + "wait-timeout=1s"], restore)
    comment("with WAIT: %d acknowledged messages lost" % len(lost))
    expect_equal(lost[:10], [], "lost though a replica had it")


@suite.case(deadline=400)
def a_failover_of_sentinel_loses_nothing_that_a_replica_had(_):
    with redis.Sentinel() as peer:
        def restore():
            peer.start_broker()
            peer.rejoin()

        compare(peer, restore)


@suite.case(deadline=400)
def a_failover_of_a_cluster_loses_nothing_that_a_replica_had(_):
    with redis.Cluster(masters=3, replicas=1) as peer:
        def restore():
            peer.start_broker()
            peer.wait_whole()

        compare(peer, restore)


@suite.case(deadline=240)
def an_orderly_failover_and_moved_slots_lose_nothing(_):
    with redis.Cluster(masters=3, replicas=1) as peer:
        with Scene(peer, checker=UNORDERED, sender_options=[PRODUCER + "wait-replicas=1"]) as scene:
            stream = scene.destination
            scene.wait_traffic(50, 50)
            peer.failover(stream)
            scene.wait_recovered(shared_faults.RECOVERY_S)
            for _ in range(3):
                old = peer.owner(stream)
                target = next(s for s in peer.living() if s.role() == "master" and s is not old)
                peer.migrate(stream, target)
                scene.wait_recovered(shared_faults.RECOVERY_S)
                scene.wait_traffic(50, 50)
            scene.finish()


@suite.case(deadline=240)
def a_key_on_its_way_to_another_node_is_used_there(_):
    with redis.Cluster(masters=3) as peer:
        with Scene(peer, checker=UNORDERED) as scene:
            stream = scene.destination
            scene.wait_traffic(50, 50)
            old = peer.owner(stream)
            target = next(s for s in peer.living() if s is not old)
            source, slot = peer.start_migration(stream, target)
            scene.wait_traffic(20, 20)  # it is where it was
            peer.move_keys(source, slot, target)
            expect_equal(peer.owner(stream), old, "owner of the slot while it is on its way")
            scene.wait_recovered(shared_faults.RECOVERY_S)  # ASK
            scene.wait_traffic(200, 200)
            peer.finish_migration(slot, target)
            scene.wait_recovered(shared_faults.RECOVERY_S)
            scene.wait_traffic(100, 100)
            scene.finish()


@suite.case(deadline=240)
def too_few_replicas_are_a_failed_send_that_may_be_tried_again(_):
    with redis.Sentinel(sentinels=1) as peer:
        with Probe(peer, fresh("replicas"), channels="out",
                   options=[PRODUCER + "wait-replicas=1", PRODUCER + "wait-timeout=300ms"]) as probe:
            shared_faults.wait_sent(probe, "with a replica")
            (replica,) = peer.replicas()
            replica.pause()
            answer = probe.send("without one")
            replica.resume()
            expect("error" in answer and answer["retriable"] and "replica" in answer["error"], str(answer))
            comment(answer["error"])
            shared_faults.wait_sent(probe, "with a replica again")


@contextlib.contextmanager
def setup():
    tree.module("redis")
    tree.program("tests/crash/sender")
    with redis.Single() as server:
        yield server


if __name__ == "__main__":
    suite.run(setup)
