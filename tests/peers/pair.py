# SPDX-License-Identifier: Apache-2.0
"""What apache.Apache and inhouse.Broker share: a name server and a broker that start, stop, and are killed alike."""

import struct

from . import processes, remoting


class Pair:
    name = None  # for people, in messages
    binder, label = "rocketmq", "RocketMQ"  # the type a service binds to it, and what it calls its messages' source
    ready_seconds = 60  # how long a start may take …
    look_every = 0.05  # … and how often it is looked at
    stop_seconds = 60
    namesrv_process = broker_process = None

    def start(self, attempts=3):
        """Both, ready to be used; takes other ports when somebody else was quicker."""
        for attempt in range(attempts):
            try:
                self._start_both()
                return self
            except RuntimeError:
                if attempt + 1 == attempts:
                    raise
                self.stop()
                self._choose_ports()
        return self

    def _start_both(self):
        self.start_name_server()  # first: a broker that misses it registers only 10 s later
        self.start_broker()

    def _wait(self, condition, *needed):
        def look():
            for process in needed:
                if not process.alive():
                    raise RuntimeError("%s ended with %s: %s"
                                       % (process.name, process.popen.returncode, process.tail()))
            return condition()

        processes.wait_for(look, self.ready_seconds, self.name, every=self.look_every)

    def properties(self):
        """Properties, key=value, with which a service reaches it."""
        return ["spring.cloud.stream.rocketmq.binder.name-server=" + self.name_server]

    def round_trip(self, topic="raw-round-trip"):
        """Whether a raw client finds the topic's broker, can send a message there and read it back now."""
        try:
            sent = remoting.send(self.address, topic, b"there and back", timeout=remoting.LOOK_S)
            known = remoting.has_route(self.name_server, topic)
            offset = sent.fields["queueOffset"]
            return known and b"there and back" in remoting.pull(self.address, topic, offset, timeout=remoting.LOOK_S)
        except (OSError, ValueError, KeyError, struct.error):
            return False

    def broker_alive(self):
        return self.broker_process is not None and self.broker_process.alive()

    def kill_broker(self):
        self.broker_process.kill()

    def restart_broker(self):
        self.stop_broker()
        self.start_broker()

    def stop(self):
        for process in (self.broker_process, self.namesrv_process):
            if process and process.alive():
                process.stop(self.stop_seconds)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
