# SPDX-License-Identifier: Apache-2.0
"""Apache RocketMQ 4.9.7: a name server and a broker on loopback, small enough to run beside the tests."""

import os

from . import maven, pair, ports, processes, remoting, tap

_OPENS = ("--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED", "--add-opens=java.base/java.nio=ALL-UNNAMED",
          "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED")

# From 90 % on it takes nothing more, whatever diskMaxUsedSpaceRatio says; what a test writes does not fill a disk.
_FULL = ("-Drocketmq.broker.diskSpaceWarningLevelRatio=0.99", "-Drocketmq.broker.diskSpaceCleanForciblyRatio=0.98")

# The last two: it would refuse what waited 200 ms for a thread, which a loaded machine makes it do.
_BROKER = """brokerClusterName=DefaultCluster
brokerName=broker-a
brokerId=0
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
bindAddress=127.0.0.1
listenPort={port}
namesrvAddr={name_server}
storePathRootDir={store}
storePathCommitLog={store}/commitlog
flushDiskType={flush}
mappedFileSizeCommitLog=16777216
mappedFileSizeConsumeQueue=60000
maxHashSlotNum=5000
maxIndexNum=20000
diskMaxUsedSpaceRatio=99
deleteWhen=04
fileReservedTime=72
autoCreateTopicEnable=true
registerNameServerPeriod=10000
brokerFastFailureEnable=false
osPageCacheBusyTimeOutMills=60000
"""


class Apache(pair.Pair):
    """Name server and broker as two JVMs; the same methods as inhouse.Broker."""

    kind = "apache"
    name = "Apache RocketMQ"
    ready_seconds = 120

    def __init__(self, flush="ASYNC_FLUSH"):
        why = maven.missing("rocketmq4")
        if why:
            raise tap.Skipped(why)
        self.flush = flush
        self.home = processes.directory("apache")
        maven.write_logback(self.home, "namesrv", "broker")
        self._choose_ports()

    def _choose_ports(self):
        base = ports.reserve()
        self.namesrv_port, self.port = base, base + 4  # the broker also takes port - 2 and port + 1
        self.name_server = "127.0.0.1:%d" % self.namesrv_port
        self.address = "127.0.0.1:%d" % self.port
        self._write("conf/namesrv.conf", "listenPort=%d\nbindAddress=127.0.0.1\nkvConfigPath=%s/kvConfig.json\n"
                    % (self.namesrv_port, self.home))
        self._write("conf/broker.conf", _BROKER.format(port=self.port, name_server=self.name_server,
                                                       store=os.path.join(self.home, "store"), flush=self.flush))

    def _write(self, name, text):
        with open(os.path.join(self.home, name), "w") as file:
            file.write(text)

    def _jvm(self, name, main, heap, options=()):
        command = maven.java("rocketmq4", main, ["-c", os.path.join(self.home, "conf", name + ".conf")], heap,
                             (*options, "-Duser.home=" + self.home))
        return processes.Process("apache-" + name, command, env={"ROCKETMQ_HOME": self.home, "NAMESRV_ADDR": ""})

    def start_name_server(self, wait=True):
        self.namesrv_process = self._jvm("namesrv", "org.apache.rocketmq.namesrv.NamesrvStartup", "64m")
        if wait:
            self._wait(lambda: remoting.answers(self.name_server), self.namesrv_process)

    def start_broker(self, wait=True):
        self.broker_process = self._jvm("broker", "org.apache.rocketmq.broker.BrokerStartup", "384m",
                                        ("-XX:MaxDirectMemorySize=256m", *_FULL, *_OPENS))
        if wait:
            self.wait_ready()

    def wait_ready(self):
        self._wait(lambda: remoting.has_route(self.name_server, "TBW102"), self.namesrv_process,
                   self.broker_process)

    def stop_broker(self):
        self.broker_process.stop(self.stop_seconds)

    def __exit__(self, *_):
        for process in (self.broker_process, self.namesrv_process):
            if process and process.alive():
                process.kill()  # a clean stop takes it seconds, and nobody looks at what it leaves
