# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka 3.9 in KRaft mode: one node that is broker and controller, or three of them, on loopback."""

import base64
import os
import uuid

from . import kafkaraw, maven, ports, processes, tap, tree

_LOG4J = """log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.target=System.err
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{HH:mm:ss.SSS} %p %c{1} - %m%n
"""

# Groups form without waiting for more members, and a broker that is gone is missed within two seconds.
_NODE = """process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
offsets.topic.num.partitions={partitions}
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions={partitions}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={insync}
default.replication.factor={replicas}
min.insync.replicas={insync}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1500
controller.quorum.election.timeout.ms=500
log.segment.bytes=67108864
"""


def new_id():
    """As Kafka writes a UUID."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


class _Node:
    """One JVM with its log directory; killed and started again it goes on where it was."""

    def __init__(self, number, home, port, heap):
        self.number = number
        self.home = home
        self.heap = heap
        self.address = "127.0.0.1:%d" % port
        self.config_path = os.path.join(home, "node-%d.properties" % number)
        self.data_path = os.path.join(home, "data-%d-%d" % (port, number))
        self.process = None

    def _java(self, main, arguments):
        return maven.java("kafka", main, arguments, self.heap,
                          ("-Dlog4j.configuration=file:%s/log4j.properties" % self.home,))

    def format(self, cluster):
        """Writes what kafka-storage.sh would into an empty log directory, without a JVM for it."""
        os.makedirs(self.data_path)
        with open(os.path.join(self.data_path, "meta.properties"), "w") as file:
            file.write("version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n" % (cluster, self.number, new_id()))

    def start(self):
        self.process = processes.Process("kafka-%d" % self.number, self._java("kafka.Kafka", [self.config_path]))

    def alive(self):
        return self.process is not None and self.process.alive()

    def kill(self):
        self.process.kill()

    def stop(self, deadline):
        self.process.stop(deadline)


class Kafka:
    """`address` is what clients connect to. The same methods as apache.Apache for stopping and killing."""

    kind = "kafka"
    name = "Apache Kafka"
    binder, label = "kafka", "Kafka"
    ready_seconds = 240
    stop_seconds = 120

    def __init__(self, nodes=1, config=None, home=None):
        """`config` adds lines of server.properties; `home` keeps the files there instead of in the workspace."""
        why = maven.missing("kafka")
        if why:
            raise tap.Skipped(why)
        self.home = home or processes.directory("kafka")
        self.config = config or {}
        self.count = nodes
        self.nodes = []
        with open(os.path.join(self.home, "log4j.properties"), "w") as file:
            file.write(_LOG4J)
        self._lay_out()

    def _lay_out(self):
        """Takes free ports and writes the files of every node."""
        base = ports.reserve()
        heap = "512m" if self.count == 1 else "320m"
        self.nodes = [_Node(n, self.home, base + n - 1, heap) for n in range(1, self.count + 1)]
        self.address = ",".join(node.address for node in self.nodes)
        voters = ",".join("%d@127.0.0.1:%d" % (n, base + 3 + n) for n in range(1, self.count + 1))
        for node in self.nodes:
            text = _NODE.format(number=node.number, voters=voters, port=base + node.number - 1,
                                controller_port=base + 3 + node.number, replicas=self.count,
                                data=node.data_path,
                                partitions=1 if self.count == 1 else 3, insync=self.count // 2 + 1)
            with open(node.config_path, "w") as file:
                file.write(text + "".join("%s=%s\n" % pair for pair in self.config.items()))

    def start(self, attempts=3):
        """All nodes on new log directories, ready to be used; takes other ports when somebody else was quicker."""
        for attempt in range(attempts):
            cluster = new_id()
            try:
                for node in self.nodes:
                    node.format(cluster)
                self.start_broker()
                return self
            except RuntimeError:
                if attempt + 1 == attempts:
                    raise
                self.kill_broker()
                self._lay_out()
        return self

    def start_node(self, number, wait=True):
        """Node 1, 2 or 3, on the log directory that it had."""
        self.nodes[number - 1].start()
        if wait:
            self.wait_ready()

    def stop_node(self, number):
        self.nodes[number - 1].stop(self.stop_seconds)

    def kill_node(self, number):
        self.nodes[number - 1].kill()

    def living(self):
        """The address of each node that runs."""
        return [node.address for node in self.nodes if node.alive()]

    def leader(self, topic, partition=0):
        """The number of the node that leads a partition."""
        address = kafkaraw.leader(self.living()[0], topic, partition)
        return next(node.number for node in self.nodes if node.address == address)

    def start_broker(self, wait=True):
        for node in self.nodes:
            if not node.alive():
                node.start()
        if wait:
            self.wait_ready()

    def wait_ready(self):
        """Every node that was started knows of every other."""
        started = [node for node in self.nodes if node.process is not None and node.process.alive()]

        def look():
            for node in started:
                if not node.alive():
                    raise RuntimeError("%s ended with %s: %s"
                                       % (node.process.name, node.process.popen.returncode, node.process.tail()))
            return all(kafkaraw.brokers(node.address) >= len(started) for node in started)

        processes.wait_for(look, self.ready_seconds, self.name, every=0.05)

    def round_trip(self):
        """Whether a raw client can send a record, acknowledged by all, and read it back now."""
        topic, alive = "raw-round-trip", self.living()
        try:
            if not kafkaraw.partitions(alive[0], topic, 2.0):
                kafkaraw.create_topic(alive[0], topic, 1, self.count)
            leader = kafkaraw.leader(alive[0], topic, timeout=2.0)
            position = kafkaraw.produce(leader, topic, b"there and back")
            return b"there and back" in kafkaraw.fetch(leader, topic, position)
        except (IndexError, kafkaraw.Error, *kafkaraw.TROUBLE):
            return False

    def properties(self):
        """Properties, key=value, with which a service reaches it."""
        return ["rivulet.binder.path=" + tree.module("kafka"), "spring.cloud.stream.default-binder=kafka",
                "spring.cloud.stream.kafka.binder.brokers=" + self.address]

    def broker_alive(self):
        return any(node.alive() for node in self.nodes)

    def stop_broker(self):
        if self.count == 1:
            self.nodes[0].stop(self.stop_seconds)
        else:
            self.kill_broker()  # the last of several waits in vain for a majority that lets it go

    def kill_broker(self):
        """kill -9 to every node."""
        for node in self.nodes:
            if node.alive():
                node.kill()

    def restart_broker(self):
        self.stop_broker()
        self.start_broker()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill_broker()  # nobody looks at what it leaves
