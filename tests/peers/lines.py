# SPDX-License-Identifier: Apache-2.0
"""Peers that are driven over pipes: they tell what they receive and answer what they are asked, one JSON line each."""

import json
import subprocess
import threading

from . import processes


class Piped:
    """What such peers share: a process, and a thread that hands each line to `_take`, under the lock."""

    def __init__(self, name, argv, env=None):
        self.name = name
        self._lock = threading.Condition()
        self._messages = {}
        self._ready = self._ended = False
        self.process = processes.Process(name, argv, env=env, stdin=True, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.popen.stdout:
            event = json.loads(line)
            with self._lock:
                self._take(event)
                self._lock.notify_all()
        with self._lock:
            self._ended = True
            self._lock.notify_all()

    def _wait(self, condition, deadline, what):
        with self._lock:
            self._lock.wait_for(lambda: self._ended or condition(), deadline)
            if not condition():
                raise TimeoutError("%s: %s\n%s" % (what, self.name + " ended" if self._ended else
                                                   "nothing within %.1f s" % deadline, self.process.tail()))

    def wait_ready(self, deadline=240):
        self._wait(lambda: self._ready, deadline, self.name)
        return self

    def _write(self, line):
        self.process.popen.stdin.write((line + "\n").encode())
        self.process.popen.stdin.flush()

    def messages(self, of):
        with self._lock:
            return list(self._messages.get(of, []))

    def stop(self):
        if self.process.alive():
            self.process.popen.stdin.close()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def __enter__(self):
        return self.wait_ready()

    def __exit__(self, *_):
        self.stop()


class Lines(Piped):
    """
    Says {"event": "ready"}, {"event": "sent"} for each line it is given, and {"event": "message", …} for what it
    receives. `by` is the member by which its messages are told apart.
    """

    def __init__(self, name, argv, by, env=None):
        self._by = by
        self._answers = []
        super().__init__(name, argv, env)

    def _take(self, event):
        if event["event"] == "message":
            self._messages.setdefault(event[self._by], []).append(event)
        elif event["event"] == "sent":
            self._answers.append(event)
        else:
            self._ready = True

    def ask(self, line, deadline=60):
        """Gives it a line and waits for the answer."""
        self._write(json.dumps(line))
        self._wait(lambda: self._answers, deadline, "an answer to %s" % line)
        return self._answers.pop(0)

    def find(self, of, accept, deadline=60):
        """The first of these messages that `accept` takes, waited for."""
        def look():
            return next((message for message in self._messages.get(of, []) if accept(message)), None)

        self._wait(lambda: look() is not None, deadline, "a message of " + of)
        with self._lock:
            return look()

    def __exit__(self, *_):
        if self.process.alive():
            self.process.kill()
