#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Keys of the Java Kafka binder, spelt as a Java service has them, on a C service: what each one changes at the broker,
in a record, or in what the service says. That every key is known is in java_names.py. Arguments: [case…]
"""

import contextlib
import itertools
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import kafka, kafkaraw, processes, tree  # noqa: E402
from peers.probe import PATIENT, Probe  # noqa: E402
from peers.tap import Suite, expect, expect_equal  # noqa: E402

suite = Suite()
BINDER = "spring.cloud.stream.kafka.binder."
IN = "spring.cloud.stream.kafka.bindings.input.consumer."
OUT = "spring.cloud.stream.kafka.bindings.output.producer."
COMMON_IN = "spring.cloud.stream.bindings.input.consumer."
COMMON_OUT = "spring.cloud.stream.bindings.output.producer."


def service(broker, destination, *options, channels="both", group="of-%s", **more):
    """A probe that is killed at the end: its group then waits for it, so each destination has one of its own."""
    return Probe(broker, destination, group=group and group.replace("%s", destination), channels=channels,
                 options=[*PATIENT, *options], **more)


def sent(answer):
    """None; a failure when it was not."""
    expect("sent" in answer, "not sent: %s" % answer)


def holds(condition, seconds, what):
    """What must not happen does not, for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        expect(condition(), what)
        time.sleep(0.05)  # between looks, of which the last decides


def committed(broker, topic, expected):
    """Waits until a position is stored; how long that took."""
    began = time.monotonic()
    processes.wait_for(lambda: kafkaraw.committed(broker.address, "of-" + topic, topic) == expected,
                       what="position %d of %s" % (expected, topic), every=0.02)
    return time.monotonic() - began


def quickest(probe, broker, topic, settled):
    """
    The shortest of three times from a message to its stored position, behind `settled` ones; the one that begins it is not
    counted, so that each begins with an interval. A machine that stands still for a moment spoils one of them.
    """
    sent(probe.send("a"))
    committed(broker, topic, settled + 1)
    took = []
    for number in range(2, 5):
        sent(probe.send("a"))
        took.append(committed(broker, topic, settled + number))
    return min(took)


# -- records -------------------------------------------------------------------------------------------------------

@suite.case()
def header_patterns_and_key_expression_decide_what_goes_into_a_record(broker):
    with service(broker, "mapped", OUT + "headerPatterns=!pla*,*ate,COL*,exact",
                 OUT + "messageKeyExpression=headers['plate']") as probe:
        sent(probe.send("a", {"plate": "京A1", "gate": "3", "colour": "red", "exact": "x", "other": "y"}))
        got = probe.wait_received(1)[0]["headers"]
    expect_equal(got.pop("rivulet_key"), "京A1", "key")
    expect_equal(set(got) - {"contentType"}, {"gate", "colour", "exact"}, "headers")


@suite.case()
def standard_headers_are_added_to_what_comes_and_stay_here(broker):
    with service(broker, "standard", IN + "standardHeaders=both") as probe:
        before = int(time.time() * 1000)
        sent(probe.send("a", {"id": "mine", "timestamp": "then"}))
        sent(probe.send("b"))
        first, second = (m for m in probe.wait_received(2))
    expect_equal(len(first["headers"]["id"]), 36, "length of '%s'" % first["headers"]["id"])
    expect(first["headers"]["id"] != second["headers"]["id"], "two messages have one id")
    expect_equal(first["types"]["timestamp"], "long", "type of timestamp")
    expect(before <= int(first["headers"]["timestamp"]) <= time.time() * 1000, "timestamp: %s" % first["headers"])


@suite.case()
def a_topic_header_leads_elsewhere_only_when_asked(broker):
    with service(broker, "here", OUT + "useTopicHeader=true", channels="out") as probe:
        sent(probe.send("a", {"kafka_topic": "there"}))
        sent(probe.send("b"))
    with service(broker, "here", channels="out") as probe:
        sent(probe.send("c", {"kafka_topic": "there"}))
    expect_equal((kafkaraw.count(broker.address, "here"), kafkaraw.count(broker.address, "there")), (2, 1), "records")


@suite.case()
def partition_hash_chooses_what_the_clients_own_partitioner_chooses(broker):
    plates = ["京A%05d" % n for n in range(12)]
    for name, own in (("murmur2", "murmur2"), ("crc32", "consistent"), ("fnv1a", "fnv1a")):
        kafkaraw.create_topic(broker.address, "hashed-" + name, 8)
        ways = {"core": [COMMON_OUT + "partitionKeyExpression=headers['plate']",
                         "rivulet.bindings.output.producer.partitionHash=" + name],
                "client": [OUT + "messageKeyExpression=headers['plate']", OUT + "configuration.librdkafka.partitioner=" + own]}
        with service(broker, "hashed-" + name, channels="in") as reader:
            for way, options in ways.items():
                with service(broker, "hashed-" + name, *options, channels="out") as probe:
                    for plate in plates:
                        sent(probe.send(way + plate, {"plate": plate}))
            places = {m["body"]: m["partition"] for m in reader.wait_received(2 * len(plates))}
        expect_equal([places["core" + p] for p in plates], [places["client" + p] for p in plates], "places by " + name)
        expect(len({places["core" + p] for p in plates}) > 2, "few partitions were used: %s" % places)


LINGER_MS = 800


def stored(broker, topic, number, *options):
    """How `number` messages are stored that were queued at once: before the first one's batch was due, or once more."""
    for place in (topic + "-%d" % n for n in itertools.count()):
        with service(broker, place, OUT + "sync=false", *options, channels="out") as probe:
            began = time.monotonic()
            for n in range(number):
                sent(probe.send("%04d" % n * 50))
            took = time.monotonic() - began
            expect_equal(probe.stop(), 0, "exit code")
        if took < LINGER_MS / 1000:
            break
    found = kafkaraw.batches(broker.address, place)
    expect_equal(sum(records for _, records in found), number, "records of %s" % found)
    return found


@suite.case()
def buffer_size_batch_timeout_and_compression_shape_the_batches(broker):
    expect_equal(stored(broker, "together", 20, OUT + "batchTimeout=%d" % LINGER_MS, OUT + "compressionType=lz4"),
                 [("lz4", 20)], "one batch")
    found = stored(broker, "apart", 20, OUT + "batchTimeout=%d" % LINGER_MS, OUT + "bufferSize=1000", OUT + "compression=zstd")
    expect(len(found) >= 5 and {name for name, _ in found} == {"zstd"}, "small batches: %s" % found)
    # Java's own names say it too, and win.
    found = stored(broker, "named", 20, OUT + "batchTimeout=0", OUT + "configuration.linger.ms=%d" % LINGER_MS,
                   OUT + "compressionType=lz4", OUT + "configuration.compression.type=gzip")
    expect_equal(found, [("gzip", 20)], "one batch")


# -- answers -------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def hanging(broker):
    """The broker takes connections and bytes, and answers nothing."""
    pid = broker.nodes[0].process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def timed(call):
    start = time.monotonic()
    return call(), time.monotonic() - start


@suite.case(deadline=200)
def sync_required_acks_and_time_outs_decide_what_is_waited_for(broker):
    with contextlib.ExitStack() as stack:
        waiting, unanswered, queued = (
            stack.enter_context(service(broker, "answered", *options, OUT + "closeTimeout=1", channels="out"))
            for options in ([OUT + "sendTimeoutExpression=700"], [BINDER + "requiredAcks=0"], [OUT + "sync=false"]))
        for probe in (waiting, unanswered, queued):
            processes.wait_for(lambda: "sent" in probe.send("while it answers"), what="an answer")  # noqa: B023
        with hanging(broker):
            # Without the key each would take the half minute that PATIENT gives a send, a stop the minute.
            answer, took = timed(lambda: waiting.send("a"))
            expect("error" in answer and 0.6 < took < 20, "with all answers, after %.1f s: %s" % (took, answer))
            for probe in (unanswered, queued):
                answer, took = timed(lambda: probe.send("b"))  # noqa: B023
                expect("sent" in answer and took < 20, "waiting for nothing, after %.1f s: %s" % (took, answer))
            code, took = timed(queued.stop)
            expect(code == 1 and took < 30, "a stop with a message left took %.1f s and ended with %d" % (took, code))


# -- topics --------------------------------------------------------------------------------------------------------

@suite.case(deadline=200)
def topics_are_made_as_the_properties_say(broker):
    with service(broker, "made", BINDER + "minPartitionCount=3", OUT + "topic.properties.retention.ms=60000",
                 OUT + "topic.replicationFactor=1", channels="out") as probe:
        probe.wait_state("output", "running")
        expect_equal(kafkaraw.partitions(broker.address, "made"), 3, "partitions")
        expect_equal(kafkaraw.topic_config(broker.address, "made").get("retention.ms"), "60000", "retention.ms")
    with service(broker, "placed", OUT + "topic.replicasAssignment.0=1", OUT + "topic.replicasAssignment.1=1",
                 channels="out") as probe:
        probe.wait_state("output", "running")
        expect_equal(kafkaraw.partitions(broker.address, "placed"), 2, "partitions that were placed")
    with service(broker, "misplaced", OUT + "topic.replicas-assignment.0=7", channels="out") as probe:
        probe.wait_state("output", "waiting", "topic 'misplaced'.*broker")
    with service(broker, "copied", BINDER + "replicationFactor=3", channels="out") as probe:
        probe.wait_state("output", "waiting", "topic 'copied'.*[Rr]eplication")
    with service(broker, "unmade", BINDER + "autoCreateTopics=false", channels="out") as probe:
        probe.wait_state("output", "waiting", "topic 'unmade'.*auto-create-topics")
    expect_equal(kafkaraw.partitions(broker.address, "unmade"), 0, "partitions of a topic that nobody may make")


@suite.case(deadline=200)
def topics_that_exist_are_changed_only_when_asked(broker):
    settings = [COMMON_OUT + "partitionCount=4", OUT + "topic.properties.retention.ms=70000"]
    kafkaraw.create_topic(broker.address, "old", 1, config={"max.message.bytes": 123456})
    with service(broker, "old", *settings, channels="out") as probe:
        sent(probe.send("a"))
    expect_equal((kafkaraw.partitions(broker.address, "old"), kafkaraw.topic_config(broker.address, "old")),
                 (1, {"max.message.bytes": "123456"}), "without leave")
    with service(broker, "old", *settings, BINDER + "autoAddPartitions=true", BINDER + "autoAlterTopics=true",
                 channels="out") as probe:
        sent(probe.send("b"))
    processes.wait_for(lambda: (kafkaraw.partitions(broker.address, "old"), kafkaraw.topic_config(broker.address, "old"))
                       == (4, {"max.message.bytes": "123456", "retention.ms": "70000"}), what="the changes", every=0.05)


@suite.case()
def brokers_without_a_port_have_the_default_one(broker):
    host, port = broker.address.rsplit(":", 1)
    with service(broker, "ported", BINDER + "brokers=" + host, BINDER + "defaultBrokerPort=" + port) as probe:
        sent(probe.send("a"))


# -- dead letters --------------------------------------------------------------------------------------------------

def dead_letter(broker, topic):
    """Waits for one message of a topic that is just being made: its partitions may have no leader yet."""
    def look():
        try:
            return kafkaraw.count(broker.address, topic) == 1
        except kafkaraw.Error:
            return False

    processes.wait_for(look, what="one message of " + topic, every=0.05)


FAILING = [COMMON_IN + "maxAttempts=1", IN + "enableDlq=true"]


@suite.case(deadline=200)
def dead_letters_go_where_their_properties_say(broker):
    own = IN + "dlqProducerProperties."
    kafkaraw.create_topic(broker.address, "wide", 3)
    with service(broker, "wide", *FAILING, IN + "dlqName=lost", IN + "dlqPartitions=1", own + "compressionType=gzip",
                 own + "topic.properties.retention.ms=80000", own + "headerPatterns=plate", fail="bad") as probe:
        sent(probe.send("bad" * 500, {"kafka_partitionId": ("int", "2"), "plate": "京A1", "other": "x"}))
        dead_letter(broker, "lost")
        said = probe.process.output()
    expect_equal(kafkaraw.offset(broker.address, "wide", 2), 1, "where the original is")
    expect_equal(kafkaraw.partitions(broker.address, "lost"), 1, "partitions of the dead letters")
    expect_equal(kafkaraw.batches(broker.address, "lost"), [("gzip", 1)], "the dead letter as it is stored")
    expect_equal(kafkaraw.topic_config(broker.address, "lost").get("retention.ms"), "80000", "retention.ms")
    with service(broker, "lost", channels="in", group="readers") as probe:
        got = probe.wait_received(1)[0]["headers"]
    expect("plate" in got and "other" in got and "x-exception-message" in got, "headers: %s" % got)
    expect("header-patterns has no effect on dead letters" in said, said)
    # Without the two keys: error.<topic>.<group>, as wide as the source, each in its own partition.
    with service(broker, "wide", *FAILING, fail="worse", group="h") as probe:
        sent(probe.send("worse", {"kafka_partitionId": ("int", "2")}))
        dead_letter(broker, "error.wide.h")
    expect_equal([kafkaraw.offset(broker.address, "error.wide.h", p) for p in range(3)], [0, 0, 1], "dead letters")


@suite.case()
def dead_letters_without_a_group_are_a_mistake(broker):
    with service(broker, "nobody", *FAILING, channels="in", group=None) as probe:
        expect_equal(probe.process.wait(), 2, "exit code")
        expect("enable-dlq needs a group" in probe.process.tail(), probe.process.tail())


# -- positions -----------------------------------------------------------------------------------------------------

def look_until_stored(broker, topic, expected):
    """A moment surely before a position was stored, and one surely after."""
    before = time.monotonic()
    while True:
        look = time.monotonic()
        position = kafkaraw.committed(broker.address, "of-" + topic, topic)
        if position == expected:
            return before, time.monotonic()
        before = look
        time.sleep(0.02)  # between looks


@suite.case()
def each_ack_mode_stores_positions_in_its_own_time(broker):
    rare = IN + "configuration.auto.commit.interval.ms=600000"
    for mode in ("RECORD", "MANUAL_IMMEDIATE"):
        with service(broker, "at-once-" + mode, IN + "ackMode=" + mode, rare) as probe:
            for n in (1, 2):
                sent(probe.send("a"))
                committed(broker, "at-once-" + mode, n)
    for mode in ("BATCH", "MANUAL"):
        with service(broker, "often-" + mode, IN + "ackMode=" + mode) as probe:
            took = quickest(probe, broker, "often-" + mode, 0)
            expect(took < 3, "%s: stored after %.1f s, by Kafka's own clients after five" % (mode, took))
    with service(broker, "counted", IN + "ackMode=COUNT", "spring.kafka.listener.ackCount=3", rare) as probe:
        sent(probe.send("a"))
        sent(probe.send("b"))
        probe.wait_received(2)
        holds(lambda: kafkaraw.committed(broker.address, "of-counted", "counted") == -1, 0.5, "stored before the third")
        sent(probe.send("c"))
        committed(broker, "counted", 3)
    with service(broker, "timed", "spring.kafka.listener.ackMode=time", "spring.kafka.listener.ackTime=1s") as probe:
        sent(probe.send("a"))
        first = look_until_stored(broker, "timed", 1)
        sent(probe.send("b"))
        expect(look_until_stored(broker, "timed", 2)[1] >= first[0] + 1, "stored before its time")
        took = quickest(probe, broker, "timed", 2)
        expect(took < 3, "stored after %.1f s, with ackTime=1s" % took)
        sent(probe.send("last"))
        probe.wait_received(7)
        expect_equal(probe.stop(), 0, "exit code")
        committed(broker, "timed", 7)  # an end stores what is settled


@suite.case(deadline=200)
def start_offset_and_reset_offsets_decide_where_reading_begins(broker):
    with service(broker, "begun", channels="out") as probe:
        sent(probe.send("old"))
    with service(broker, "begun", IN + "startOffset=latest") as probe:
        # Where the end is, is asked after the group formed: what is sent before that is before the end.
        processes.wait_for(lambda: sent(probe.send("new")) or probe.received(), what="a delivery", every=0.1)
        expect_equal({m["body"] for m in probe.received()}, {"new"}, "from the end")
        expect_equal(probe.stop(), 0, "exit code")
    with service(broker, "begun", IN + "startOffset=earliest", channels="in", group=None) as probe:
        expect_equal(probe.wait_received(1)[0]["body"], "old", "anonymous, from the start")
    with service(broker, "begun", IN + "startOffset=earliest", IN + "resetOffsets=true", channels="in") as probe:
        expect_equal(probe.wait_received(1)[0]["body"], "old", "reset")


# -- what the service says -----------------------------------------------------------------------------------------

@suite.case()
def idleness_is_said_in_its_interval(broker):
    with service(broker, "idle", IN + "idleEventInterval=300", "logging.level.kafka=DEBUG", channels="in") as probe:
        probe.process.wait_output("binding=input group=of-idle: idle for [3-9].. ms")


@suite.case()
def what_does_nothing_here_is_said_once_at_the_start(broker):
    with service(broker, "said", OUT + "recordMetadataChannel=sent", BINDER + "enableObservation=true",
                 BINDER + "certificateStoreDirectory=/tmp", "spring.kafka.consumer.maxPollRecords=5") as probe:
        sent(probe.send("a"))
        log = probe.process.output()
    for words in ("recordMetadataChannel.*rv_channel_send_async", "enableObservation.*traceparent",
                  "certificateStoreDirectory.*ssl.truststore.location", "max.poll.records.*queue-messages"):
        probe.process.wait_output(words)
        expect_equal(len([line for line in log.splitlines() if words.split(".*", maxsplit=1)[0] in line]), 1, words)


@contextlib.contextmanager
def peers():
    tree.module("kafka")
    with kafka.Kafka() as broker:
        kafkaraw.create_topic(broker.address, "there")
        yield broker


if __name__ == "__main__":
    try:
        suite.run(peers)
    finally:
        processes.stop_all()
