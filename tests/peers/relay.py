# SPDX-License-Identifier: Apache-2.0
"""A way to a server that resets connections: the client's end, right behind bytes that a test names."""

import select
import socket
import struct
import threading


class Relay:
    """Passes connections to 127.0.0.1:`port` on from `self.port`. While `reset_behind` is set, an answer with it is the last."""

    def __init__(self, port):
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.reset_behind = None
        self.resets = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client):
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            try:
                self._exchange(client, server)
            except OSError:
                pass  # either end is gone, and with it the other one

    def _exchange(self, client, server):
        while True:
            for end in select.select([client, server], [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return
                (server if end is client else client).sendall(data)
                if end is server and self.reset_behind and self.reset_behind in data:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.resets += 1
                    return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
