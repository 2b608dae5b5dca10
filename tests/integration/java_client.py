#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The official Java client as a user of a broker. Arguments: rocketmq4|rocketmq5 inhouse|apache [case…]"""

import collections
import contextlib
import itertools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import brokers, processes, remoting  # noqa: E402
from peers.driver import Driver, DriverError  # noqa: E402
from peers.tap import Suite, expect, expect_equal  # noqa: E402

suite = Suite()
Peer = collections.namedtuple("Peer", "broker java module")
_numbers = itertools.count(1)


def fresh(prefix):
    return "%s-%d" % (prefix, next(_numbers))


def new_topic(peer, prefix="topic", queues=4):
    """Creates a topic by its first message, as producers do, and returns its name; the message is 'first'."""
    topic = fresh(prefix)
    peer.java.send("p", topic, "first", tag="Setup")
    processes.wait_for(lambda: remoting.has_route(peer.broker.name_server, topic), 60, "route of " + topic)
    return topic


def without_first(messages):
    return [m for m in messages if m["tags"] != "Setup"]


def wait_bodies(peer, consumer, bodies, deadline=60):
    """Waits for these bodies and checks that each came exactly once, besides the one that made the topic."""
    def look():
        got = [m["body"] for m in without_first(peer.java.messages(consumer))]
        return len(got) >= len(bodies) and got

    try:
        got = processes.wait_for(look, deadline, "%d messages" % len(bodies))
    except TimeoutError:
        got = [m["body"] for m in without_first(peer.java.messages(consumer))]
    expect_equal(sorted(got), sorted(bodies), "bodies received by " + consumer)
    return without_first(peer.java.messages(consumer))


def check_same_ids(results, messages):
    expect_equal(sorted(m["msgId"] for m in messages), sorted(r["msgId"] for r in results), "message ids")
    by_id = {m["msgId"]: m for m in messages}
    for result in results:
        expect_equal(result["status"], "SEND_OK", "status of " + result["msgId"])
        got = by_id[result["msgId"]]
        expect_equal((got["queueId"], got["queueOffset"]), (result["queueId"], result["queueOffset"]),
                     "place of " + result["msgId"])


@suite.case()
def synchronous_sends_arrive_once_with_tags_keys_and_properties(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic)
    results = peer.java.send("p", topic, "支付 {i}", {"plate": "粤B{i}", "contentType": "text/plain"}, count=100,
                             tag="TagA", keys="key{i} order{i}")
    messages = wait_bodies(peer, consumer, ["支付 %d" % i for i in range(100)])
    check_same_ids(results, messages)
    for message in messages:
        number = message["body"].split()[1]
        expect_equal(message["tags"], "TagA", "tags")
        expect_equal(message["keys"], "key%s order%s" % (number, number), "keys")
        expect_equal(message["properties"]["plate"], "粤B" + number, "user property")
        expect_equal(message["properties"]["contentType"], "text/plain", "user property")
        expect_equal(message["reconsumeTimes"], 0, "reconsumeTimes")
        expect_equal(message["topic"], topic, "topic")


@suite.case()
def a_new_topic_is_created_by_its_first_message_with_four_queues(peer):
    topic = new_topic(peer)
    queues = remoting.route(peer.broker.name_server, topic)["queueDatas"]
    expect_equal([(q["readQueueNums"], q["writeQueueNums"], q["perm"]) for q in queues], [(4, 4, 6)], "queues")


@suite.case()
def asynchronous_sends_complete_and_arrive_once(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic)
    results = peer.java.send("p", topic, "async {i}", mode="async", count=200)
    expect(all(isinstance(r, dict) for r in results), "an asynchronous send failed: %s" % results)
    check_same_ids(results, wait_bodies(peer, consumer, ["async %d" % i for i in range(200)]))


@suite.case()
def one_way_sends_arrive(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic)
    peer.java.send("p", topic, "oneway {i}", mode="oneway", count=50)
    wait_bodies(peer, consumer, ["oneway %d" % i for i in range(50)])


@suite.case()
def a_batch_arrives_message_by_message_in_one_queue(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic)
    (result,) = peer.java.send("p", topic, "batch {i}", {"n": "{i}"}, mode="batch", count=20, tag="B", keys="k{i}")
    messages = wait_bodies(peer, consumer, ["batch %d" % i for i in range(20)])
    expect_equal(result["status"], "SEND_OK", "status")
    expect_equal(result["offsetMsgId"].count(","), 19, "separators of offsetMsgId")
    messages.sort(key=lambda m: m["queueOffset"])
    expect_equal([m["queueOffset"] for m in messages], list(range(result["queueOffset"], result["queueOffset"] + 20)),
                 "queue offsets")
    expect_equal([m["body"] for m in messages], ["batch %d" % i for i in range(20)], "order by offset")
    expect_equal({m["queueId"] for m in messages}, {result["queueId"]}, "queues")
    expect_equal([m["keys"] for m in messages], ["k%d" % i for i in range(20)], "keys")


@suite.case()
def a_subscription_by_tags_gets_only_these(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic, tags="TagA || TagC")
    for tag in ("TagA", "TagB", "TagC", "AaAa", "BBBB"):
        peer.java.send("p", topic, tag + " {i}", tag=tag, count=10)
    wait_bodies(peer, consumer, ["%s %d" % (t, i) for t in ("TagA", "TagC") for i in range(10)])


@suite.case()
def tags_with_the_same_hash_are_told_apart(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic, tags="AaAa")
    peer.java.send("p", topic, "wrong {i}", tag="BBBB", count=5)  # the same Java hash code
    peer.java.send("p", topic, "right {i}", tag="AaAa", count=5)
    wait_bodies(peer, consumer, ["right %d" % i for i in range(5)])


@suite.case()
def a_delay_level_holds_a_message_back(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic)
    peer.java.wait_messages(consumer, 1)
    (result,) = peer.java.send("p", topic, "later", delay=3, tag="D", keys="delayed")
    (message,) = wait_bodies(peer, consumer, ["later"])
    waited = message["storeTimestamp"] - message["bornTimestamp"]
    # The next level is 30 s: the first with room for a machine that stands still for a while.
    expect(9900 <= waited <= 29000, "level 3 is 10 s, the message was stored in its queue after %d ms" % waited)
    expect_equal(message["msgId"], result["msgId"], "message id")
    expect_equal((message["tags"], message["keys"], message["topic"]), ("D", "delayed", topic), "tags, keys, topic")


@suite.case()
def a_large_body_arrives_as_it_was_sent(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic)
    peer.java.send("p", topic, "0123456789", repeat=300000)  # the client compresses it
    (message,) = wait_bodies(peer, consumer, ["0123456789" * 300000])
    expect_equal(message["length"], 3000000, "length")


@suite.case()
def a_body_above_the_limit_is_refused_at_the_client_or_by_the_broker(peer):
    topic = new_topic(peer)
    try:
        peer.java.send("p", topic, "0123456789", repeat=500000)
    except DriverError as error:
        expect("exceed" in str(error).lower() or "13" in str(error) or "maximum" in str(error).lower(), str(error))
    else:
        expect(False, "5 MB were accepted")


@suite.case()
def an_orderly_consumer_keeps_the_order_of_each_queue(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.send("p", topic, "{i}", queue="each", count=200)
    peer.java.consumer(consumer, consumer, topic, orderly=True, threads=8)
    messages = wait_bodies(peer, consumer, [str(i) for i in range(200)])
    for queue in range(4):
        order = [int(m["body"]) for m in messages if m["queueId"] == queue]
        expect_equal(order, list(range(queue, 200, 4)), "order in queue %d" % queue)


@suite.case()
def an_orderly_failure_holds_its_queue_until_it_succeeds(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.send("p", topic, "poison", queue=1)
    peer.java.send("p", topic, "after {i}", queue=1, count=3)
    peer.java.consumer(consumer, consumer, topic, orderly=True, fail="poison", fail_times=2, suspend=50)
    processes.wait_for(lambda: len(without_first(peer.java.messages(consumer))) >= 6, 60, "six deliveries")
    bodies = [m["body"] for m in without_first(peer.java.messages(consumer))]
    expect_equal(bodies, ["poison"] * 3 + ["after 0", "after 1", "after 2"], "order of deliveries")


@suite.case()
def a_failed_message_comes_back_by_its_delay_level(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic, fail="again", fail_times=1, delay_level=1)
    (result,) = peer.java.send("p", topic, "again", {"who": "me"}, tag="T", keys="K")
    processes.wait_for(lambda: len(without_first(peer.java.messages(consumer))) >= 2, 60, "the second delivery")
    first, second = without_first(peer.java.messages(consumer))
    expect_equal((first["reconsumeTimes"], second["reconsumeTimes"]), (0, 1), "reconsumeTimes")
    expect_equal(second["msgId"], result["msgId"], "message id")
    expect_equal(second["topic"], topic, "topic as the listener sees it")
    expect_equal((second["tags"], second["keys"], second["properties"]["who"]), ("T", "K", "me"), "properties")
    expect(second["at"] - first["at"] >= 0.9, "it came back after %.2f s, before its second" % (second["at"] - first["at"]))


def check_dead_letter(peer, group, body, result, topic, deadline=60):
    reader = fresh("dlq")
    dead = "%DLQ%" + group
    processes.wait_for(lambda: remoting.has_route(peer.broker.name_server, dead), 60, "route of " + dead)
    peer.java.consumer(reader, reader, dead)
    (message,) = peer.java.wait_messages(reader, 1, deadline)
    expect_equal(message["body"], body, "body of the dead letter")
    expect_equal(message["msgId"], result["msgId"], "id of the dead letter")
    expect_equal(message["keys"], "K", "keys of the dead letter")
    expect_equal(message["properties"].get("RETRY_TOPIC"), topic, "RETRY_TOPIC of the dead letter")
    peer.java.stop_consumer(reader)
    return message


@suite.case()
def after_max_reconsume_times_a_message_is_a_dead_letter(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic, fail="poison", max_reconsume=2, delay_level=1)
    (result,) = peer.java.send("p", topic, "poison", keys="K", tag="T")
    peer.java.send("p", topic, "good {i}", count=8)
    dead = check_dead_letter(peer, consumer, "poison", result, topic)
    expect("ORIGIN_MESSAGE_ID" in dead["properties"], "no ORIGIN_MESSAGE_ID")
    poison = [m["reconsumeTimes"] for m in peer.java.messages(consumer) if m["body"] == "poison"]
    expect_equal(poison, [0, 1, 2], "reconsumeTimes of the deliveries")
    good = lambda: sorted(m["body"] for m in peer.java.messages(consumer) if m["body"].startswith("good"))  # noqa: E731
    processes.wait_for(lambda: len(good()) >= 8, 60, "the messages beside it")
    expect_equal(good(), ["good %d" % i for i in range(8)], "messages beside it")


@suite.case()
def delay_level_minus_one_is_a_dead_letter_at_once(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic, fail="poison", delay_level=-1)
    (result,) = peer.java.send("p", topic, "poison", keys="K")
    check_dead_letter(peer, consumer, "poison", result, topic)
    expect_equal(sum(m["body"] == "poison" for m in peer.java.messages(consumer)), 1, "deliveries")


@suite.case(deadline=200)
def an_orderly_message_is_a_dead_letter_after_its_attempts(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    peer.java.consumer(consumer, consumer, topic, orderly=True, fail="poison", max_reconsume=2, suspend=50)
    (result,) = peer.java.send("p", topic, "poison", keys="K", queue=0)
    peer.java.send("p", topic, "next", queue=0)
    # The client marks this send with delay level 3 + 2, which Apache's broker obeys even on the way to the dead letters.
    check_dead_letter(peer, consumer, "poison", result, topic, 120 if peer.broker.kind == "apache" else 60)
    wait = lambda: [m["body"] for m in without_first(peer.java.messages(consumer))][-1:] == ["next"]  # noqa: E731
    processes.wait_for(wait, 60, "the message behind the dead letter")


@suite.case()
def a_group_goes_on_where_it_stopped(peer):
    topic = new_topic(peer)
    group = fresh("group")
    one, two = fresh("c"), fresh("c")
    peer.java.consumer(one, group, topic)
    peer.java.send("p", topic, "before {i}", count=20)
    wait_bodies(peer, one, ["before %d" % i for i in range(20)])
    peer.java.stop_consumer(one)
    peer.java.send("p", topic, "between {i}", count=20)
    peer.java.consumer(two, group, topic)
    wait_bodies(peer, two, ["between %d" % i for i in range(20)])


@suite.case()
def members_share_the_queues_and_the_rest_takes_over(peer):
    topic = new_topic(peer)
    group = fresh("group")
    one, two = fresh("c"), fresh("c")
    peer.java.consumer(one, group, topic)
    peer.java.wait_messages(one, 1)
    peer.java.consumer(two, group, topic)

    def both_receive():  # once rebalanced each has two queues; a probe a queue shows it
        peer.java.send("p", topic, "probe", queue="each", count=4, tag="Setup")
        return peer.java.messages(two)

    processes.wait_for(both_receive, 60, "a share for the second member", every=0.2)
    counts = (len(without_first(peer.java.messages(one))), len(without_first(peer.java.messages(two))))
    expect_equal(counts, (0, 0), "messages before")
    processes.wait_for(lambda: settled(peer, one, two, topic), 60, "a stable assignment", every=0.2)
    peer.java.send("p", topic, "shared {i}", queue="each", count=40)
    merged = lambda: [m["body"] for c in (one, two) for m in without_first(peer.java.messages(c))]  # noqa: E731
    processes.wait_for(lambda: len(merged()) >= 40, 60, "40 messages")
    expect_equal(sorted(merged()), sorted("shared %d" % i for i in range(40)), "bodies over both members")
    expect_equal([len({m["queueId"] for m in without_first(peer.java.messages(c))}) for c in (one, two)], [2, 2],
                 "queues of each member")
    peer.java.stop_consumer(two)
    peer.java.send("p", topic, "rest {i}", queue="each", count=40)
    rest = lambda: {m["body"] for m in peer.java.messages(one) if m["body"].startswith("rest")}  # noqa: E731
    processes.wait_for(lambda: len(rest()) == 40, 60, "the rest takes over")


def settled(peer, one, two, topic):
    """
    Whether a probe in each queue reaches exactly two queues a member, and a second one, too: who has not heard yet that
    a queue is another's gets the first one of it as well, a moment later.
    """
    before = [len(peer.java.messages(c)) for c in (one, two)]
    total = lambda: sum(len(peer.java.messages(c)) for c in (one, two)) - sum(before)  # noqa: E731
    for count in (4, 8):
        peer.java.send("p", topic, "probe", queue="each", count=4, tag="Setup")
        processes.wait_for(lambda n=count: total() >= n, 60, "probes")
    queues = [{m["queueId"] for m in peer.java.messages(c)[n:]} for c, n in zip((one, two), before)]
    return [len(q) for q in queues] == [2, 2] and total() == 8


@suite.case(deadline=60)
def members_that_come_and_die_are_noticed_at_once(peer):
    """
    With the client's own 20 s between rebalances only the broker's notices can be this quick. Heartbeats go every
    second: a client of 5.x pulls nothing between a rebalance and the heartbeat after it, and its first rebalance
    and its first heartbeat, both a second after its start, now and then swallow each other.
    """
    topic = new_topic(peer)
    group = fresh("group")
    options = {"name_server": peer.broker.name_server, "rebalance_ms": 20000}
    with Driver(peer.module, **options) as first, Driver(peer.module, **options) as second:
        first.consumer("one", group, topic)
        first.wait_messages("one", 1)
        second.consumer("two", group, topic)

        def reaches(driver, consumer, queues):
            known = len(driver.messages(consumer))
            peer.java.send("p", topic, "probe", queue="each", count=4, tag="Setup")
            try:
                processes.wait_for(lambda: len({m["queueId"] for m in driver.messages(consumer)[known:]}) >= queues,
                                   0.5, every=0.02)
                return True
            except TimeoutError:
                return False

        processes.wait_for(lambda: reaches(second, "two", 2), 15, "a share for the second member")
        second.process.kill()
        processes.wait_for(lambda: reaches(first, "one", 4), 15, "all queues for the first member again")


@suite.case()
def broadcasting_gives_every_member_its_copy(peer):
    topic = new_topic(peer)
    group = fresh("group")
    members = fresh("c"), fresh("c")
    for number, member in enumerate(members):
        peer.java.consumer(member, group, topic, broadcast=True, **{"from": "first"}, instance="b%d" % number)
    for member in members:
        processes.wait_for(lambda m=member: probe_reaches(peer, topic, m), 60, "the member's first message", every=0.2)
    peer.java.send("p", topic, "all {i}", count=10)
    for member in members:
        wait_bodies(peer, member, ["all %d" % i for i in range(10)])


def probe_reaches(peer, topic, consumer):
    peer.java.send("p", topic, "probe", tag="Setup", queue="each", count=4)
    return peer.java.messages(consumer)


@suite.case()
def a_pull_consumer_reads_each_queue_by_offset(peer):
    topic = new_topic(peer)
    peer.java.send("p", topic, "pull {i}", queue="each", count=100)
    answer = peer.java.call("pull.all", topic=topic, group=fresh("pull"), namesrv=peer.broker.name_server)
    bodies = [m["body"] for m in without_first(answer["messages"])]
    expect_equal(sorted(bodies), sorted("pull %d" % i for i in range(100)), "bodies")
    expect_equal(sorted(q["queueId"] for q in answer["queues"]), [0, 1, 2, 3], "queues")
    for queue in answer["queues"]:
        expect_equal(queue["min"], 0, "minimum offset")
        expect_equal(queue["searched"], 0, "offset by time 0")
        expect(queue["max"] in (25, 26), "maximum offset %d" % queue["max"])


@suite.case()
def a_lite_pull_consumer_polls_everything(peer):
    if (peer.module, peer.broker.kind) == ("rocketmq5", "apache"):
        return  # the 5.3.3 client pulls with a command that Apache 4.9.7 does not know; our broker does
    topic = new_topic(peer)
    peer.java.send("p", topic, "lite {i}", queue="each", count=60)
    name = fresh("lite")
    peer.java.call("litepull.start", name=name, group=name, topic=topic, namesrv=peer.broker.name_server)
    got = []

    def poll():
        got.extend(m["body"] for m in without_first(peer.java.call("litepull.poll", name=name, timeout=500)))
        return len(got) >= 60

    processes.wait_for(poll, 60, "60 messages")
    peer.java.call("litepull.stop", name=name)
    expect_equal(sorted(got), sorted("lite %d" % i for i in range(60)), "bodies")


@suite.case()
def the_vip_channel_answers_too(peer):
    topic = new_topic(peer)
    consumer = fresh("c")
    producer = fresh("vip")
    peer.java.producer(producer, vip=True)
    peer.java.consumer(consumer, consumer, topic, vip=True)
    peer.java.send(producer, topic, "vip {i}", count=5)
    wait_bodies(peer, consumer, ["vip %d" % i for i in range(5)])
    peer.java.call("producer.stop", name=producer)


@suite.case()
def messages_and_offsets_survive_a_restart_of_the_broker(peer):
    topic = new_topic(peer)
    group = fresh("group")
    one, two = fresh("c"), fresh("c")
    peer.java.consumer(one, group, topic)
    peer.java.send("p", topic, "read {i}", count=10)
    wait_bodies(peer, one, ["read %d" % i for i in range(10)])
    peer.java.stop_consumer(one)
    peer.java.send("p", topic, "kept {i}", count=10)
    peer.broker.restart_broker()
    peer.java.consumer(two, group, topic)
    wait_bodies(peer, two, ["kept %d" % i for i in range(10)])
    expect(peer.java.send("p", topic, "after")[0]["status"] == "SEND_OK", "a send after the restart")


@contextlib.contextmanager
def setup(module, kind):
    driver = Driver(module)
    with brokers.create(kind) as broker, driver as java:
        java.name_server = broker.name_server
        java.producer("p")
        yield Peer(broker, java, module)


if __name__ == "__main__":
    module, kind = sys.argv[1:3]
    del sys.argv[1:3]
    suite.run(setup, module, kind)
