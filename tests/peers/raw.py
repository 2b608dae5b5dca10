# SPDX-License-Identifier: Apache-2.0
"""A raw client that polls beside the services of a test: when it succeeds, the broker is back."""

import threading
import time

EVERY_S = 0.02


class RawClient:
    """
    Tries again and again, each time on new connections and with no back-off, whether one message makes it to a peer's
    broker and back. `since` is the moment (time.monotonic) of the first success; None before it.
    """

    def __init__(self, peer):
        self.since = None
        self._peer = peer
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def _poll(self):
        while not self._over.is_set():
            if self._peer.round_trip():
                self.since = time.monotonic()
                return
            self._over.wait(EVERY_S)

    def elapsed(self):
        """Seconds since the first success; 0 before it."""
        since = self.since
        return 0.0 if since is None else time.monotonic() - since

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(10)
