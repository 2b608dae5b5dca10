# SPDX-License-Identifier: Apache-2.0
"""
A raw client of Kafka's protocol, for readiness and for looking from outside. Old versions of few requests, which
Kafka 3.9 still answers: Produce 2, Fetch 4, Metadata 1, CreateTopics 1, DeleteTopics 1, ListOffsets 1,
DescribeGroups 0, OffsetFetch 1, FindCoordinator 0, DescribeConfigs 1 (https://kafka.apache.org/protocol).
"""

import socket
import struct
import time
import zlib

_PRODUCE, _FETCH, _DESCRIBE_CONFIGS = 0, 1, 32
_LIST_OFFSETS, _METADATA, _OFFSET_FETCH, _FIND_COORDINATOR = 2, 3, 9, 10
_DESCRIBE_GROUPS, _CREATE_TOPICS, _DELETE_TOPICS = 15, 19, 20
EARLIEST, LATEST = -2, -1
_TOPIC_EXISTS = 36
_TOPIC_RESOURCE, _SET_AT_THE_TOPIC = 2, 1
_COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")


TROUBLE = (OSError, struct.error)  # what a call meets while nobody, or half a broker, is there


class Error(Exception):
    """The broker answered with an error code."""

    def __init__(self, text, code=0):
        super().__init__(text)
        self.code = code


# While a topic or the group's coordinator is just being made, or after a broker stood still.
_PASSING = {3: "UNKNOWN_TOPIC_OR_PARTITION", 5: "LEADER_NOT_AVAILABLE", 6: "NOT_LEADER_OR_FOLLOWER",
            14: "COORDINATOR_LOAD_IN_PROGRESS", 15: "COORDINATOR_NOT_AVAILABLE", 16: "NOT_COORDINATOR"}


def _patient(look):
    """A look from outside asks again for a while where the broker says that its answer will change by itself."""
    def patiently(*arguments, **named):
        end = time.monotonic() + 30
        while True:
            try:
                return look(*arguments, **named)
            except Error as error:
                if error.code not in _PASSING or time.monotonic() >= end:
                    raise
            time.sleep(0.05)  # a poll under a deadline

    patiently.__doc__ = look.__doc__
    return patiently


def _text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


class _Reader:
    def __init__(self, data):
        self._data = data
        self._at = 0

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self._data, self._at)
        self._at += struct.calcsize(">" + layout)
        return values[0] if len(values) == 1 else values

    def text(self):
        length = self.take("h")
        return None if length < 0 else self._bytes(length).decode()

    def blob(self):
        length = self.take("i")
        return None if length < 0 else self._bytes(length)

    def _bytes(self, length):
        self._at += length
        return self._data[self._at - length:self._at]

    def each(self, read):
        return [read() for _ in range(max(0, self.take("i")))]


def _exactly(link, count):
    data = b""
    while len(data) < count:
        piece = link.recv(count - len(data))
        if not piece:
            raise ConnectionError("the broker closed the connection")
        data += piece
    return data


def call(address, key, version, body, timeout=30.0):
    """One request on a connection of its own; OSError when the peer is not there."""
    host, port = address.rsplit(":", 1)
    request = struct.pack(">hhi", key, version, 1) + _text("raw") + body
    with socket.create_connection((host, int(port)), timeout) as link:
        link.sendall(struct.pack(">i", len(request)) + request)
        answer = _exactly(link, struct.unpack(">i", _exactly(link, 4))[0])
    reader = _Reader(answer)
    reader.take("i")
    return reader


class Metadata:
    def __init__(self, reader):
        self.brokers = {}
        self.topics = {}  # name: {partition: leader}, those without an error alone
        self.in_sync = {}  # name: replicas in sync of the partition that has fewest
        in_sync = []

        def broker():
            number, host, port = reader.take("i"), reader.text(), reader.take("i")
            self.brokers[number] = "%s:%d" % (host, port)
            reader.text()

        def partition():
            _code, number, leader = reader.take("hii")
            reader.each(lambda: reader.take("i"))
            in_sync.append(len(reader.each(lambda: reader.take("i"))))
            return number, leader

        def topic():
            code, name, _internal = reader.take("h"), reader.text(), reader.take("b")
            in_sync.clear()
            partitions = dict(reader.each(partition))
            if code == 0:
                self.topics[name] = partitions
                self.in_sync[name] = min(in_sync, default=0)

        reader.each(broker)
        self.controller = reader.take("i")
        reader.each(topic)


def metadata(address, timeout=30.0):
    """All brokers and topics. Never creates a topic, since none is named."""
    return Metadata(call(address, _METADATA, 1, struct.pack(">i", -1), timeout))


def brokers(address):
    """How many brokers one of them knows of; 0 while it does not answer."""
    try:
        return len(metadata(address, 2.0).brokers)
    except (OSError, struct.error):
        return 0


def partitions(address, topic, timeout=30.0):
    """How many partitions a topic has; 0 without it."""
    return len(metadata(address, timeout).topics.get(topic, {}))


def _check(codes, what):
    bad = [code for code in codes if code != 0]
    if bad:
        raise Error("%s: error code %d" % (what, bad[0]), bad[0])


def create_topic(address, topic, count=1, replicas=1, config=None):
    """One that somebody else made meanwhile is as good."""
    settings = struct.pack(">i", len(config or {}))
    for name, value in (config or {}).items():
        settings += _text(name) + _text(str(value))
    reader = call(address, _CREATE_TOPICS, 1, struct.pack(">i", 1) + _text(topic) + struct.pack(">ih", count, replicas)
                  + struct.pack(">i", 0) + settings + struct.pack(">ib", 10000, 0), 15)
    codes = reader.each(lambda: (reader.text(), reader.take("h"), reader.text())[1])
    _check([code for code in codes if code != _TOPIC_EXISTS], "create topic " + topic)


def delete_topic(address, topic):
    reader = call(address, _DELETE_TOPICS, 1, struct.pack(">i", 1) + _text(topic) + struct.pack(">i", 10000), 15)
    _check(reader.each(lambda: (reader.text(), reader.take("h"))[1]), "delete topic " + topic)


@_patient
def offset(address, topic, partition=0, when=LATEST):
    """The first or the next position of a partition; asks the given broker, which must lead it."""
    body = struct.pack(">ii", -1, 1) + _text(topic) + struct.pack(">iiq", 1, partition, when)
    reader = call(address, _LIST_OFFSETS, 1, body)
    found = []

    def one():
        number, code, _time, position = reader.take("ihqq")
        found.append((code, position))
        return number

    reader.each(lambda: (reader.text(), reader.each(one)))
    _check([code for code, _ in found], "offsets of %s-%d" % (topic, partition))
    return found[0][1]


def leader(address, topic, partition=0, timeout=30.0):
    """The address of the broker that leads a partition; Error while nobody does."""
    known = metadata(address, timeout)
    number = known.topics.get(topic, {}).get(partition, -1)
    if number not in known.brokers:
        raise Error("nobody leads %s-%d" % (topic, partition))
    return known.brokers[number]


def in_sync(address, topic):
    """How many replicas of a topic are in sync, of the partition that has fewest; 0 while nobody answers."""
    try:
        return metadata(address, 2.0).in_sync.get(topic, 0)
    except TROUBLE:
        return 0


def _partition_answers(reader, read):
    """What `read` makes of each partition of each topic in an answer."""
    return [one for topic in reader.each(lambda: (reader.text(), reader.each(read))) for one in topic[1]]


def produce(address, topic, payload, partition=0, timeout=1.0):
    """One record to the broker that leads the partition, acknowledged by all replicas in sync; its position."""
    record = struct.pack(">bbqi", 1, 0, int(time.time() * 1000), -1) + struct.pack(">i", len(payload)) + payload
    record = struct.pack(">I", zlib.crc32(record)) + record
    records = struct.pack(">qi", 0, len(record)) + record
    reader = call(address, _PRODUCE, 2, struct.pack(">hii", -1, int(timeout * 1000), 1) + _text(topic)
                  + struct.pack(">iii", 1, partition, len(records)) + records, timeout + 1)
    ((code, position),) = _partition_answers(reader, lambda: reader.take("ihqq")[1:3])
    _check([code], "send to %s-%d" % (topic, partition))
    return position


def fetch(address, topic, position, partition=0, timeout=1.0):
    """The bytes of the records from a position on."""
    reader = call(address, _FETCH, 4, struct.pack(">iiiibi", -1, int(timeout * 1000), 1, 1 << 20, 0, 1) + _text(topic)
                  + struct.pack(">iiqi", 1, partition, position, 1 << 20), timeout + 1)

    def one():
        code = reader.take("ihqq")[1]
        reader.each(lambda: reader.take("qq"))
        return code, reader.blob() or b""

    reader.take("i")
    ((code, records),) = _partition_answers(reader, one)
    _check([code], "records of %s-%d" % (topic, partition))
    return records


def count(address, topic):
    """How many messages a topic ever got; 0 without it."""
    return sum(offset(address, topic, p) for p in range(partitions(address, topic)))


@_patient
def committed(address, group, topic, partition=0):
    """The committed position of a group, -1 without one; asks the given broker, which must coordinate the group."""
    body = _text(group) + struct.pack(">i", 1) + _text(topic) + struct.pack(">ii", 1, partition)
    reader = call(address, _OFFSET_FETCH, 1, body)
    found = []

    def one():
        _number, position = reader.take("iq")
        reader.text()
        found.append((reader.take("h"), position))

    reader.each(lambda: (reader.text(), reader.each(one)))
    _check([code for code, _ in found], "offset of group " + group)
    return found[0][1]


@_patient
def group_members(address, group):
    """(state, number of members) of a consumer group, from its coordinator."""
    reader = call(address, _DESCRIBE_GROUPS, 0, struct.pack(">i", 1) + _text(group))
    answers = []

    def member():
        for _ in range(3):
            reader.text()
        reader.blob()
        reader.blob()

    def one():
        code = reader.take("h")
        reader.text()
        state = reader.text()
        reader.text()
        reader.text()
        answers.append((code, state, len(reader.each(member))))

    reader.each(one)
    code, state, members = answers[0]
    _check([code], "group " + group)
    return state, members


@_patient
def topic_config(address, topic):
    """{name: value} of the settings that were given to a topic itself (DescribeConfigs 1)."""
    reader = call(address, _DESCRIBE_CONFIGS, 1,
                  struct.pack(">ib", 1, _TOPIC_RESOURCE) + _text(topic) + struct.pack(">ib", -1, 0))
    reader.take("i")
    own = {}

    def synonym():
        reader.text()
        reader.text()
        reader.take("b")

    def setting():
        name, value, _read_only, source, _secret = reader.text(), reader.text(), *reader.take("bbb")
        reader.each(synonym)
        if source == _SET_AT_THE_TOPIC:
            own[name] = value

    def resource():
        _check([reader.take("h")], "settings of " + topic)
        reader.text()
        reader.take("b")
        reader.text()
        reader.each(setting)

    reader.each(resource)
    return own


@_patient
def batches(address, topic, partition=0):
    """[(compression, records)] of the batches of a partition as they are stored (record batch, magic 2)."""
    data, found = fetch(address, topic, 0, partition), []
    while len(data) >= 61:
        length, = struct.unpack_from(">i", data, 8)
        attributes, = struct.unpack_from(">h", data, 21)
        records, = struct.unpack_from(">i", data, 57)
        found.append((_COMPRESSIONS[attributes & 7], records))
        data = data[12 + length:]
    return found
