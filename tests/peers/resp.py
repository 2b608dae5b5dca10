# SPDX-License-Identifier: Apache-2.0
"""A raw Redis client, for readiness, for administration and for looking from outside. RESP2, one socket, no pool."""

import socket
import ssl


class ReplyError(Exception):
    """An error reply: its text begins with the code, such as NOGROUP."""


class Link:
    """One connection. Replies are bytes, int, list or None; every call is under the socket's time-out."""

    def __init__(self, port, user=None, password=None, context=None, timeout=20.0, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        if password:
            self.call("AUTH", *([user] if user else []), password)

    def send(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ReplyError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.file.read(length + 2)[:-2]
        return None if rest == b"-1" else [self._item() for _ in range(int(rest))]

    def _item(self):
        try:
            return self.read()
        except ReplyError as error:
            return error

    def call(self, *words):
        self.send(*words)
        return self.read()

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def tls_context(authority, certificate=None, key=None):
    context = ssl.create_default_context(cafile=authority)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


def pairs(reply):
    """A flat reply (field, value, field, value …) as a dictionary with text for keys."""
    return {reply[i].decode(): reply[i + 1] for i in range(0, len(reply), 2)}


def info(text):
    """What INFO answers as a dictionary of text."""
    return dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
