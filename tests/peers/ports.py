# SPDX-License-Identifier: Apache-2.0
"""Blocks of ports for peers that cannot take port 0, reserved for as long as this process lives."""

import fcntl
import os
import random
import socket
import tempfile

_FIRST, _LAST, _SIZE = 20000, 32000, 8  # below the range from which the kernel takes ports for clients
_locks = []


def _free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def reserve():
    """The first of eight neighbouring free ports that no other test run holds."""
    folder = os.path.join(tempfile.gettempdir(), "rivulet-ports-%d" % os.getuid())
    os.makedirs(folder, exist_ok=True)
    for _ in range(200):
        base = random.randrange(_FIRST, _LAST, _SIZE)
        lock = os.open(os.path.join(folder, str(base)), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        if all(_free(base + i) for i in range(_SIZE)):
            _locks.append(lock)
            return base
        os.close(lock)
    raise RuntimeError("no block of %d free ports between %d and %d" % (_SIZE, _FIRST, _LAST))
