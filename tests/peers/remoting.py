# SPDX-License-Identifier: Apache-2.0
"""A raw client of RocketMQ's remoting protocol (JSON headers), for readiness and for looking from outside."""

import json
import socket
import struct
import time

SEND_MESSAGE, PULL_MESSAGE, QUERY_OFFSET, UPDATE_OFFSET = 10, 11, 14, 15
MAX_OFFSET, MIN_OFFSET = 30, 31
ROUTE, CLUSTER, TOPICS = 105, 106, 206
LOOK_S = 2.0  # for an answer where "not yet" is one, too, and the caller looks again


class Answer:
    def __init__(self, header, body):
        self.code = header["code"]
        self.remark = header.get("remark")
        self.fields = header.get("extFields") or {}
        self.body = body


def call(address, code, fields=None, body=b"", timeout=30.0):
    """One request on a connection of its own; OSError when the peer is not there."""
    host, port = address.rsplit(":", 1)
    header = json.dumps({"code": code, "language": "OTHER", "version": 409, "opaque": 1, "flag": 0,
                         "extFields": {k: str(v) for k, v in (fields or {}).items()}}).encode()
    with socket.create_connection((host, int(port)), timeout) as link:
        link.sendall(struct.pack(">II", 4 + len(header) + len(body), len(header)) + header + body)
        total, mark = struct.unpack(">II", _exactly(link, 8))
        rest = _exactly(link, total - 4)
    length = mark & 0xFFFFFF
    return Answer(json.loads(rest[:length]), rest[length:])


def _exactly(link, count):
    data = b""
    while len(data) < count:
        piece = link.recv(count - len(data))
        if not piece:
            raise ConnectionError("the peer closed the connection")
        data += piece
    return data


def answers(address):
    """Whether something speaks the protocol there."""
    try:
        call(address, TOPICS, timeout=LOOK_S)
        return True
    except (OSError, ValueError, struct.error):
        return False


def has_route(name_server, topic):
    try:
        fields = {"topic": topic, "acceptStandardJsonOnly": "true"}
        return call(name_server, ROUTE, fields, timeout=LOOK_S).code == 0
    except (OSError, ValueError, struct.error):
        return False


def route(name_server, topic):
    """The route as JSON, or None while there is none."""
    answer = call(name_server, ROUTE, {"topic": topic, "acceptStandardJsonOnly": "true"})
    return json.loads(answer.body) if answer.code == 0 else None


def queue_offsets(broker, topic, queues):
    """Sum of the maximum offsets of a topic's queues: how many messages it ever got."""
    return sum(int(call(broker, MAX_OFFSET, {"topic": topic, "queueId": q}).fields["offset"])
               for q in range(queues))


def send(broker, topic, body, queue=0, properties="", queues=4, timeout=30.0):
    fields = {"producerGroup": "raw", "topic": topic, "defaultTopic": "TBW102", "defaultTopicQueueNums": queues,
              "queueId": queue, "sysFlag": 0, "bornTimestamp": int(time.time() * 1000), "flag": 0,
              "properties": properties, "reconsumeTimes": 0, "unitMode": "false"}
    return call(broker, SEND_MESSAGE, fields, body, timeout)


def pull(broker, topic, offset, queue=0, timeout=30.0):
    """The bytes of the messages from an offset on; nothing when there are none."""
    fields = {"consumerGroup": "raw", "topic": topic, "queueId": queue, "queueOffset": offset, "maxMsgNums": 1,
              "sysFlag": 4, "commitOffset": 0, "suspendTimeoutMillis": 0, "subscription": "*", "subVersion": 0,
              "expressionType": "TAG"}
    answer = call(broker, PULL_MESSAGE, fields, timeout=timeout)
    return answer.body if answer.code == 0 else b""
