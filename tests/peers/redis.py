# SPDX-License-Identifier: Apache-2.0
"""Redis on loopback: one server, a master with replicas watched by Sentinels, or a Cluster; each can be killed."""

import contextlib
import os
import shutil
import signal
import time

from . import ports, processes, resp, tap, tree

BINDER = "spring.cloud.stream.redis.binder."
_TROUBLE = (OSError, ConnectionError, resp.ReplyError)
# How long a master may be silent: longer than any machine stands still, or short, where a test takes one away.
CALM_MS, CALM_NODE_MS, HASTY_MS = 60000, 20000, 1000
PATIENCE_S = 120  # for a failover: Sentinels that were held up themselves do nothing for half a minute


class Certificates:
    """An authority, a certificate for localhost and 127.0.0.1, and one for a client, made as they are asked for."""

    def __init__(self):
        self.home = processes.directory("certificates")
        self.authority, self._authority_key = self._path("ca.crt"), self._path("ca.key")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=rivulet test authority", "-keyout", self._authority_key, "-out", self.authority)
        self.server, self.server_key = self.issue("server", "DNS:localhost,IP:127.0.0.1")
        self.client, self.client_key = self.issue("client", "DNS:client")

    def _path(self, name):
        return os.path.join(self.home, name)

    @staticmethod
    def _openssl(*words):
        code, _, why = processes.run(["openssl", *words])
        if code != 0:
            raise RuntimeError("openssl %s: %s" % (words[0], why))

    def issue(self, name, alternatives):
        """(certificate, key) signed by the authority for these subject alternative names."""
        certificate, key = self._path(name + ".crt"), self._path(name + ".key")
        request, extension = self._path(name + ".csr"), self._path(name + ".ext")
        with open(extension, "w") as file:
            file.write("subjectAltName=" + alternatives + "\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
                      "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.authority, "-CAkey", self._authority_key,
                      "-CAcreateserial", "-days", "2", "-extfile", extension, "-out", certificate)
        return certificate, key


class Server:
    """One redis-server with a folder of its own: what it keeps is there again after a kill."""

    def __init__(self, name, port, settings=(), user=None, password=None, certificates=None, sentinel=False):
        if not shutil.which("redis-server"):
            raise tap.Skipped("redis-server is not installed: apt install redis-server")
        self.name, self.port, self.user, self.password = name, port, user, password
        self.certificates, self.sentinel = certificates, sentinel
        self.address = "127.0.0.1:%d" % port
        self.home = processes.directory(name)
        self.config_path = os.path.join(self.home, "redis.conf")
        self.process = None
        lines = ["bind 127.0.0.1", "dir " + self.home, "daemonize no", "loglevel notice"]
        lines += self._listen() + ([] if sentinel else ["save \"\"", "enable-debug-command yes"]) + list(settings)
        with open(self.config_path, "w") as file:
            file.write("".join(line + "\n" for line in lines))

    def _listen(self):
        if not self.certificates:
            return ["port %d" % self.port]
        return ["port 0", "tls-port %d" % self.port, "tls-cert-file " + self.certificates.server,
                "tls-key-file " + self.certificates.server_key, "tls-ca-cert-file " + self.certificates.authority]

    def start(self, wait=True):
        command = ["redis-server", self.config_path] + (["--sentinel"] if self.sentinel else [])
        self.process = processes.Process(self.name, command, cwd=self.home)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, deadline=60):
        def look():
            if not self.process.alive():
                raise RuntimeError("%s ended with %s: %s"
                                   % (self.name, self.process.popen.returncode, self.process.tail()))
            return self.answers()

        processes.wait_for(look, deadline, self.name)

    def answers(self):
        try:
            return self.call("PING") == b"PONG"
        except _TROUBLE:
            return False

    def link(self, timeout=20.0):
        context = None
        if self.certificates:
            context = resp.tls_context(self.certificates.authority, self.certificates.client,
                                       self.certificates.client_key)
        return resp.Link(self.port, self.user, self.password, context, timeout)

    def call(self, *words, timeout=20.0):
        """One command on a connection of its own."""
        with self.link(timeout) as link:
            return link.call(*words)

    def role(self):
        try:
            return self.call("ROLE")[0].decode()
        except _TROUBLE:
            return "none"

    def info(self, section):
        return resp.info(self.call("INFO", section))

    def alive(self):
        return self.process is not None and self.process.alive()

    def kill(self):
        self.process.kill()

    def pause(self):
        """It stands still, with its connections open, until resume()."""
        self.process.signal(signal.SIGSTOP)

    def resume(self):
        self.process.signal(signal.SIGCONT)

    def sleep(self, seconds):
        """The server answers nobody for so long; returns at once."""
        with self.link() as link:
            link.send("DEBUG", "SLEEP", seconds)

    def stop(self):
        if self.alive():
            self.resume()
            self.process.stop()


class Peer:
    """What the three below have in common. `servers` are all processes; the first holds everything of a single one."""

    binder = "redis"
    label = "Redis"
    servers = ()

    @property
    def address(self):
        """Every process, as a client is told them."""
        return ",".join(server.address for server in self.servers)

    def start(self):
        for server in self.servers:
            server.start()
        return self

    def stop(self):
        for server in reversed(self.servers):
            server.stop()

    def properties(self):
        """Properties, key=value, with which a service reaches it."""
        return ["rivulet.binder.path=" + tree.module("redis"), "spring.cloud.stream.default-binder=redis",
                *self.where()]

    def where(self):
        raise NotImplementedError

    def owner(self, _key=None):
        """The server that serves a key now."""
        return self.servers[0]

    def round_trip(self, stream="raw-round-trip"):
        """Whether a raw client can add an entry to a stream and read it back now, where `stream` lives."""
        try:
            server = self.owner(stream)
            entry = server.call("XADD", stream, "MAXLEN", 1, "*", "there", "and back", timeout=1)
            return bool(server.call("XRANGE", stream, entry, entry, timeout=1))
        except (*_TROUBLE, LookupError, StopIteration):
            return False

    def call(self, command, *words):
        """One command where its key lives; the key is the first argument, or the second of XGROUP and XINFO."""
        key = words[1] if command.upper() in ("XGROUP", "XINFO") else words[0] if words else None
        return self.owner(key).call(command, *words)

    def entries(self, stream):
        """Every entry of a stream: (id, {field: value})."""
        return [(entry[0].decode(), resp.pairs(entry[1])) for entry in self.call("XRANGE", stream, "-", "+")]

    def pending(self, stream, group):
        return self.call("XPENDING", stream, group)[0]

    # The names by which tests/crash kills any broker.
    def start_broker(self, wait=True):
        for server in self.servers:
            if not server.alive():
                server.start(wait)

    def kill_broker(self):
        for server in self.servers:
            server.kill()

    def stop_broker(self):
        self.stop()

    def broker_alive(self):
        return any(server.alive() for server in self.servers)

    def wait_ready(self):
        for server in self.servers:
            server.wait_ready()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        for server in reversed(self.servers):
            if server.alive():
                server.kill()


def persistence(fsync):
    """What was written survives a kill at `no`, too: the page cache has it, and no slow disk stops the server."""
    return ["appendonly no"] if fsync is None else ["appendonly yes", "appendfsync " + fsync]


class Single(Peer):
    """One server. `fsync` is no, always, everysec, or None for a server that keeps nothing."""

    kind = "redis"

    def __init__(self, fsync="no", user=None, password=None, maxmemory=None, tls=False, settings=()):
        lines = persistence(fsync) + list(settings)
        if password:
            lines.append("user %s on >%s ~* &* +@all" % (user, password) if user else "requirepass " + password)
            lines += ["user default off"] if user else []
        if maxmemory:
            lines += ["maxmemory %s" % maxmemory, "maxmemory-policy noeviction"]
        self.user, self.password = user, password
        self.certificates = Certificates() if tls else None
        self.server = Server("redis", ports.reserve(), lines, user, password, self.certificates)
        self.servers = [self.server]

    def where(self):
        options = [BINDER + "nodes=" + self.address]
        if self.user:
            options.append(BINDER + "username=" + self.user)
        if self.password:
            options.append(BINDER + "password=" + self.password)
        if self.certificates:
            options += [BINDER + "ssl.enabled=true", BINDER + "ssl.ca=" + self.certificates.authority,
                        BINDER + "ssl.certificate=" + self.certificates.client,
                        BINDER + "ssl.key=" + self.certificates.client_key]
        return options


class Sentinel(Peer):
    """
    A master, its replicas, and Sentinels that promote one when they are asked to, or when the master is gone for a
    second after hasten(): before it, a machine that stands still for a moment changes nothing.
    """

    kind = "redis-sentinel"
    master_name = "rivulet-test"

    def __init__(self, replicas=1, sentinels=3, fsync="no", settings=()):
        base = ports.reserve()
        lines = persistence(fsync) + ["repl-diskless-sync-delay 0", *settings]
        self.data = [Server("redis-data-%d" % i, base + i,
                            lines + (["replicaof 127.0.0.1 %d" % base] if i else [])) for i in range(replicas + 1)]
        quorum = sentinels // 2 + 1
        name = self.master_name
        self.sentinels = [Server("redis-sentinel-%d" % i, base + 4 + i, [
            "sentinel monitor %s 127.0.0.1 %d %d" % (name, base, quorum),
            "sentinel down-after-milliseconds %s %d" % (name, CALM_MS),
            "sentinel failover-timeout %s 4000" % name], sentinel=True) for i in range(sentinels)]
        self.servers = self.data + self.sentinels

    def start(self):
        for server in self.data:
            server.start()
        processes.wait_for(lambda: self.synchronous() == len(self.data) - 1, 60, "the replicas")
        for server in self.sentinels:
            server.start()
        processes.wait_for(self._complete, 60, "Sentinels that know each other and the replicas")
        return self

    def synchronous(self):
        """How many replicas follow the master online."""
        return sum("state=online" in value for key, value in self.owner().info("replication").items()
                   if key.startswith("slave") and key[5:].isdigit())

    def _complete(self):
        for sentinel in self.sentinels:
            known = resp.pairs(sentinel.call("SENTINEL", "MASTER", self.master_name))
            if (int(known["num-slaves"]), int(known["num-other-sentinels"])) != (len(self.data) - 1,
                                                                                len(self.sentinels) - 1):
                return False
        return True

    def where(self):
        return [BINDER + "mode=sentinel", BINDER + "sentinel.master=" + self.master_name,
                BINDER + "nodes=" + ",".join(server.address for server in self.sentinels)]

    def owner(self, _key=None):
        """The master the Sentinels name; before there are any, the first server."""
        for sentinel in self.sentinels:
            if sentinel.alive():
                try:
                    port = int(sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.master_name)[1])
                except _TROUBLE:
                    continue
                return next(server for server in self.data if server.port == port)
        return self.data[0]

    def replicas(self, _key=None):
        master = self.owner()
        return [server for server in self.data if server is not master and server.alive()]

    def hasten(self):
        """From now on a master is missed after a second."""
        self._notice_after(HASTY_MS)

    def calm(self):
        self._notice_after(CALM_MS)

    def _notice_after(self, ms):
        for sentinel in self.sentinels:
            sentinel.call("SENTINEL", "SET", self.master_name, "down-after-milliseconds", ms)

    def failover(self, deadline=PATIENCE_S):
        """Asks for a failover, again where a Sentinel gave it up, and waits until the new master serves."""
        old = self.owner()
        again = 0.0

        def moved():
            nonlocal again
            if time.monotonic() >= again:  # asked while one is under way, it would lead back
                again = time.monotonic() + 4
                try:
                    self.sentinels[0].call("SENTINEL", "FAILOVER", self.master_name)
                except resp.ReplyError:  # no replica is good enough yet
                    again = time.monotonic() + 0.2
            return self._follow(old)

        processes.wait_for(moved, deadline, "another master than %s" % old.address, every=0.05)

    def _follow(self, old):
        """Whether all Sentinels name one master, which is not `old` and says so itself."""
        try:
            named = {int(s.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.master_name)[1])
                     for s in self.sentinels}
        except _TROUBLE:
            return False
        return len(named) == 1 and old.port not in named and self.owner().role() == "master"

    def wait_master(self, old, _key=None, deadline=PATIENCE_S):
        """Waits until all Sentinels name another master than `old`, and it says that it is one."""
        processes.wait_for(lambda: self._follow(old), deadline, "another master than %s" % old.address, every=0.05)

    def rejoin(self):
        """Data servers that are not the master follow it now; Sentinels would see to it every ten seconds only."""
        master = self.owner()
        for server in self.replicas():
            server.call("REPLICAOF", "127.0.0.1", master.port)
        self.wait_whole()

    def kill_broker(self):
        """The master alone: Sentinels replace it."""
        self.owner().kill()

    def broker_alive(self):
        return self.owner().alive()

    def wait_whole(self):
        """Waits until every data server that lives is the master or follows it."""
        living = [server for server in self.data if server.alive()]
        processes.wait_for(lambda: self.synchronous() == len(living) - 1, 60, "the replicas of %s"
                           % self.owner().address, every=0.05)


class Cluster(Peer):
    """
    Masters that share the slots, each with `replicas` replicas. A master that dies is replaced within seconds after
    hasten(): before it, a machine that stands still for a moment changes nothing.
    """

    kind = "redis-cluster"

    def __init__(self, masters=3, replicas=0, fsync="no", settings=()):
        listen = [port for _ in range(2) for port in range(*(lambda b: (b, b + 8))(ports.reserve()))]
        count = masters * (replicas + 1)
        if count > 8:
            raise ValueError("at most eight nodes")
        lines = persistence(fsync) + ["cluster-enabled yes", "cluster-node-timeout %d" % HASTY_MS,
                                      "cluster-replica-validity-factor 0", "repl-diskless-sync-delay 0",
                                      "repl-ping-replica-period 1", *settings]
        self.servers = [Server("redis-node-%d" % i, listen[i], [*lines, "cluster-port %d" % listen[i + 8]])
                        for i in range(count)]
        self.bus = {server: listen[i + 8] for i, server in enumerate(self.servers)}
        self.masters = masters

    def where(self):
        return [BINDER + "mode=cluster", BINDER + "nodes=" + self.address]

    def start(self):
        for server in self.servers:
            server.start()
        for number, server in enumerate(self.servers):
            server.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < self.masters:
                first, behind = (16384 * n // self.masters for n in (number, number + 1))
                server.call("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
        self._meet()
        for number, server in enumerate(self.servers[self.masters:]):
            server.call("CLUSTER", "REPLICATE", self.node_id(self.servers[number % self.masters]))
        processes.wait_for(lambda: sum(len(replicas) for *_, replicas in self.slots()) == len(self.servers) - self.masters,
                           60, "replicas that the first node knows", every=0.05)
        self.wait_whole()
        self.calm()
        return self

    def hasten(self):
        """From now on a node is missed after a second."""
        self._notice_after(HASTY_MS)

    def calm(self):
        self._notice_after(CALM_NODE_MS)

    def _notice_after(self, ms):
        for server in self.living():
            server.call("CONFIG", "SET", "cluster-node-timeout", ms)

    def _meet(self):
        """Until each knows all others; said again, since nodes forget a meeting that took longer than a second."""
        again = 0.0

        def met():
            nonlocal again
            if all(self._knows(server) for server in self.servers):
                return True
            if time.monotonic() >= again:
                again = time.monotonic() + 3
                for server in self.servers[1:]:
                    self.servers[0].call("CLUSTER", "MEET", "127.0.0.1", server.port, self.bus[server])
            return False

        processes.wait_for(met, 60, "nodes that know each other")

    def _knows(self, server):
        nodes = server.call("CLUSTER", "NODES").decode().splitlines()
        return len(nodes) == len(self.servers) and not any("handshake" in node for node in nodes)

    @staticmethod
    def node_id(server):
        return server.call("CLUSTER", "MYID").decode()

    def living(self):
        return [server for server in self.servers if server.alive()]

    def wait_whole(self, deadline=60):
        """Waits until every living node says that all slots are served, and every replica follows its master."""
        def whole():
            try:
                return all(resp.info(s.call("CLUSTER", "INFO"))["cluster_state"] == "ok" and
                           (s.role() == "master" or s.info("replication")["master_link_status"] == "up")
                           for s in self.living())
            except (*_TROUBLE, KeyError):
                return False

        processes.wait_for(whole, deadline, "a whole cluster", every=0.05)

    def wait_ready(self):
        self.wait_whole()

    def slots(self):
        """[(first, last, master's port, [replicas' ports])] as a living node sees it."""
        for server in self.living():
            try:
                return [(first, last, nodes[0][1], [node[1] for node in nodes[1:]])
                        for first, last, *nodes in server.call("CLUSTER", "SLOTS")]
            except _TROUBLE:
                continue
        raise ConnectionError("no node answers")

    def slot(self, key):
        return self.living()[0].call("CLUSTER", "KEYSLOT", key)

    def _by_port(self, port):
        return next(server for server in self.servers if server.port == port)

    def owner(self, key=None):
        slot = self.slot(key) if key else 0
        return self._by_port(next(m for first, last, m, _ in self.slots() if first <= slot <= last))

    def replicas(self, key):
        slot = self.slot(key)
        return [self._by_port(p) for first, last, _, r in self.slots() if first <= slot <= last for p in r]

    def failover(self, key):
        """An orderly failover of the node that serves a key; returns when its replica serves."""
        old, replica = self.owner(key), self.replicas(key)[0]
        again = 0.0

        def moved():
            nonlocal again
            if time.monotonic() >= again:  # the replica gives up after five seconds
                again = time.monotonic() + 6
                with contextlib.suppress(resp.ReplyError):  # it is the master by now
                    replica.call("CLUSTER", "FAILOVER")
            return self._moved(old, key)

        processes.wait_for(moved, PATIENCE_S, "another node for '%s' than %s" % (key, old.address), every=0.05)
        self.wait_whole()

    def _moved(self, old, key):
        try:
            new = self.owner(key)
            return new is not old and new.alive() and new.role() == "master"
        except _TROUBLE:
            return False

    def wait_master(self, old, key, deadline=PATIENCE_S):
        processes.wait_for(lambda: self._moved(old, key), deadline, "another node for '%s' than %s" % (key, old.address), every=0.05)
        self.wait_whole()

    def start_migration(self, key, target):
        """From now on the slot of a key is half moved: what is not at the source any more answers with ASK."""
        slot, source = self.slot(key), self.owner(key)
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", self.node_id(source))
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", self.node_id(target))
        return source, slot

    def move_keys(self, source, slot, target):
        for key in source.call("CLUSTER", "GETKEYSINSLOT", slot, 1000):
            source.call("MIGRATE", "127.0.0.1", target.port, key, 0, 60000)

    def finish_migration(self, slot, target):
        for server in (target, *(s for s in self.living() if s is not target and s.role() == "master")):
            server.call("CLUSTER", "SETSLOT", slot, "NODE", self.node_id(target))

    def migrate(self, key, target):
        """Moves the slot of a key as a whole: afterwards its old node answers with MOVED."""
        source, slot = self.start_migration(key, target)
        self.move_keys(source, slot, target)
        self.finish_migration(slot, target)

    def kill_broker(self):
        for server in self.living():
            server.kill()
