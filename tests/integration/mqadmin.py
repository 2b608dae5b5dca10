#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mqadmin 4.9.7 as an operator of a broker. Arguments: inhouse|apache [case…]"""

import collections
import contextlib
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import brokers, processes, remoting  # noqa: E402
from peers.driver import Driver  # noqa: E402
from peers.tap import Suite, expect, expect_equal  # noqa: E402

suite = Suite()
Peer = collections.namedtuple("Peer", "broker java cluster name sent")
TOPIC, GROUP = "admin-topic", "admin-group"


def rows(output):
    """The table of a command's output without its heading: words of each line."""
    return [line.split() for line in output.splitlines() if line.strip() and not line.startswith("#")]


def one_row(output):
    found = rows(output)
    expect_equal(len(found), 1, "rows in:\n" + output)
    return found[0]


@suite.case()
def topic_list_names_the_topics(peer):
    topics = peer.java.mqadmin("topicList").split()
    for topic in (TOPIC, "%RETRY%" + GROUP, "TBW102", peer.cluster):
        expect(topic in topics, "%s is not among %s" % (topic, topics))
    expect_equal(len(topics), len(set(topics)), "topics named once")


@suite.case()
def topic_list_by_cluster_names_topic_and_group(peer):
    output = peer.java.mqadmin("topicList", "-c")
    expect([peer.cluster, TOPIC, GROUP] in rows(output), output)


@suite.case()
def topic_route_shows_brokers_and_queues(peer):
    output = peer.java.mqadmin("topicRoute", "-t", TOPIC)
    expect(peer.broker.address in output, output)
    for key, value in (("perm", "6"), ("readQueueNums", "4"), ("writeQueueNums", "4"),
                       ("brokerName", '"%s"' % peer.name)):
        expect(re.search('"%s": ?%s' % (key, value), output), "no %s=%s in %s" % (key, value, output))


@suite.case()
def topic_route_of_an_unknown_topic_says_so(peer):
    output = peer.java.mqadmin("topicRoute", "-t", "nowhere")
    expect("CODE: 17" in output and "No topic route info" in output, output)


@suite.case()
def cluster_list_shows_the_broker_and_its_version(peer):
    output = peer.java.mqadmin("clusterList")
    row = one_row(output)
    expect_equal(row[:4], [peer.cluster, peer.name, "0", peer.broker.address], "cluster, broker, id, address")
    expect(re.fullmatch(r"V[45]_\d+_\d+", row[4]), "version " + row[4])


@suite.case()
def cluster_list_with_totals_counts_the_messages(peer):
    output = peer.java.mqadmin("clusterList", "-m")
    row = one_row(output)
    expect_equal(row[:2], [peer.cluster, peer.name], "cluster and broker")


@suite.case()
def topic_status_shows_the_offsets_of_each_queue(peer):
    output = peer.java.mqadmin("topicStatus", "-t", TOPIC)
    table = rows(output)
    expect_equal([row[:2] for row in table], [[peer.name, str(q)] for q in range(4)], "queues")
    expect_equal(sum(int(row[3]) - int(row[2]) for row in table), peer.sent, "messages between the offsets")
    expect(all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", row[4]) for row in table if row[3] != "0"), output)


@suite.case()
def consumer_progress_of_a_group_shows_no_backlog(peer):
    def look():
        output = peer.java.mqadmin("consumerProgress", "-g", GROUP)
        return re.search(r"Diff Total: 0\b", output) and output

    output = processes.wait_for(look, 60, "offsets to be committed", every=0.3)
    table = [row for row in rows(output) if row[0] == TOPIC]
    expect_equal([row[2] for row in table], ["0", "1", "2", "3"], "queues")
    expect_equal(sum(int(row[4]) for row in table), peer.sent, "consumer offsets")


@suite.case()
def consumer_progress_lists_the_groups(peer):
    output = peer.java.mqadmin("consumerProgress")
    (row,) = [row for row in rows(output) if row[0] == GROUP]
    expect("PUSH" in row or "CONSUME_PASSIVELY" in row, "%s in %s" % (row, output))
    expect_equal(row[1], "1", "members")


@suite.case()
def update_topic_creates_and_changes_a_topic(peer):
    output = peer.java.mqadmin("updateTopic", "-c", peer.cluster, "-t", "made-by-admin", "-r", "6", "-w", "5")
    expect("success" in output, output)
    route = remoting.route(peer.broker.name_server, "made-by-admin")
    queue = route["queueDatas"][0]
    expect_equal((queue["readQueueNums"], queue["writeQueueNums"], queue["perm"]), (6, 5, 6), "queues")
    output = peer.java.mqadmin("updateTopic", "-b", peer.broker.address, "-t", "made-by-admin", "-r", "2", "-w", "2",
                               "-p", "4")
    expect("success" in output, output)
    queue = remoting.route(peer.broker.name_server, "made-by-admin")["queueDatas"][0]
    expect_equal((queue["readQueueNums"], queue["writeQueueNums"], queue["perm"]), (2, 2, 4), "queues after the change")


@suite.case()
def update_topic_with_an_illegal_name_is_refused(peer):
    output = peer.java.mqadmin("updateTopic", "-b", peer.broker.address, "-t", "bad name!", "-r", "2", "-w", "2")
    expect("create topic to" not in output, output)


@suite.case()
def send_message_sends_and_query_message_by_id_finds_it(peer):
    output = peer.java.mqadmin("sendMessage", "-t", TOPIC, "-p", "from mqadmin", "-k", "adminkey", "-c", "AdminTag")
    row = one_row(output)
    expect_equal((row[0], row[2]), (peer.name, "SEND_OK"), "broker and status")
    processes.wait_for(lambda: any(m["body"] == "from mqadmin" for m in peer.java.messages("c")), 60, "the message")
    (result,) = peer.java.send("p", "other-topic", "find me", tag="T", keys="K1 K2")
    output = peer.java.mqadmin("queryMsgById", "-i", result["offsetMsgId"])
    for name, value in (("Topic", "other-topic"), ("Tags", "[T]"), ("Keys", "[K1 K2]"),
                        ("Queue ID", str(result["queueId"])), ("Queue Offset", str(result["queueOffset"])),
                        ("Reconsume Times", "0"), ("OffsetID", result["offsetMsgId"])):
        expect(re.search(r"^%s:\s+%s$" % (re.escape(name), re.escape(value)), output, re.M),
               "no '%s: %s' in %s" % (name, value, output))
    expect("UNIQ_KEY=" + result["msgId"] in output, output)
    path = re.search(r"^Message Body Path:\s+(\S+)$", output, re.M).group(1)
    with open(path) as body:
        expect_equal(body.read(), "find me", "the body that it saved")


@suite.case()
def query_message_by_key_and_unique_key_find_it(peer):
    (result,) = peer.java.send("p", "other-topic", "by key", keys="needle")
    found = lambda: result["msgId"] in peer.java.mqadmin("queryMsgByKey", "-t", "other-topic", "-k", "needle")  # noqa: E731
    processes.wait_for(found, 60, "the key in the index", every=0.2)
    output = peer.java.mqadmin("queryMsgByUniqueKey", "-t", "other-topic", "-i", result["msgId"])
    expect(re.search(r"^Keys:\s+\[needle\]$", output, re.M) and result["msgId"] in output, output)


@suite.case()
def query_message_by_an_unknown_id_says_so(peer):
    (result,) = peer.java.send("p", "other-topic", "x")
    nowhere = result["offsetMsgId"][:-16] + "00000FFFFFFFFFF0"
    output = peer.java.mqadmin("queryMsgById", "-i", nowhere)
    expect("Exception" in output and "OffsetID" not in output, output)


@suite.case()
def consumer_connection_names_the_member_and_its_subscription(peer):
    output = peer.java.mqadmin("consumerConnection", "-g", GROUP)
    expect(re.search(r"\bJAVA\b", output) and "V4_9_7" in output, output)
    expect(TOPIC in output and "CLUSTERING" in output, output)


@suite.case()
def producer_connection_names_the_producer(peer):
    output = peer.java.mqadmin("producerConnection", "-g", "p", "-t", TOPIC)
    expect("V4_9_7" in output and "JAVA" in output, output)


@contextlib.contextmanager
def setup(kind):
    driver = Driver("rocketmq4")
    with brokers.create(kind) as broker, driver as java:
        java.name_server = broker.name_server
        java.producer("p")
        java.send("p", TOPIC, "message {i}", queue=None, count=20, tag="T")
        java.consumer("c", GROUP, TOPIC)
        java.wait_messages("c", 20)
        route = remoting.route(broker.name_server, TOPIC)["brokerDatas"][0]
        yield Peer(broker, java, route["cluster"], route["brokerName"], 20)


if __name__ == "__main__":
    kind = sys.argv[1]
    del sys.argv[1]
    suite.run(setup, kind)
