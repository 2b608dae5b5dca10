# SPDX-License-Identifier: Apache-2.0
"""Processes of a test: each in a group of its own, its output in a file, stopped by pid whatever happens."""

import atexit
import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_running = []
_directory = None


def workspace():
    """The directory of this run; removed at the end unless RV_TEST_KEEP is set."""
    global _directory
    if _directory is None:
        _directory = tempfile.mkdtemp(prefix="rivulet-test-")
    return _directory


def directory(name):
    """A new directory below the workspace."""
    return tempfile.mkdtemp(prefix=name + "-", dir=workspace())


def wait_for(condition, deadline=60.0, what="the condition", every=0.01):
    """Returns the first true answer of `condition`; TimeoutError after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise TimeoutError("%s did not come within %.1f s" % (what, deadline))
        time.sleep(every)  # a poll under a deadline, never a wait for luck


def _become_child():
    # A harness that is killed takes its children along.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    """A running program. `ended` with its code once it is gone."""

    def __init__(self, name, argv, env=None, cwd=None, stdin=False, stdout=None, preexec=None):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log_path = os.path.join(workspace(), "%s-%d.log" % (name, len(_running)))
        full = dict(os.environ)
        full.update(env or {})

        def prepare():
            _become_child()
            if preexec:
                preexec()

        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen(
                self.argv, env=full, cwd=cwd or workspace(), start_new_session=True, preexec_fn=prepare,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=stdout if stdout is not None else log, stderr=log)
        self.pid = self.popen.pid
        _running.append(self)

    def alive(self):
        return self.popen.poll() is None

    def output(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def wait_output(self, pattern, deadline=60.0, since=0):
        """The match of a pattern in the output; fails at once when the process ends without it."""
        def look():
            match = re.search(pattern, self.output()[since:])
            if not match and not self.alive():
                match = re.search(pattern, self.output()[since:])
                if not match:
                    raise RuntimeError("%s ended with %s before it said '%s':\n%s"
                                       % (self.name, self.popen.returncode, pattern, self.tail()))
            return match

        return wait_for(look, deadline, "'%s' from %s" % (pattern, self.name))

    def tail(self, lines=25):
        """The last lines, or a sanitizer's report from its beginning."""
        output = self.output().splitlines()
        report = [n for n, line in enumerate(output) if "ERROR: " in line and "Sanitizer" in line]
        return "\n".join(output[report[0]:report[0] + 50] if report else output[-lines:])

    def signal(self, number):
        if self.alive():
            os.killpg(self.pid, number)

    def wait(self, deadline=60.0):
        return self.popen.wait(deadline)

    def stop(self, deadline=60.0):
        """SIGTERM, then the exit code; a process that does not end in time is killed and that is an error."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError("%s did not stop within %.1f s" % (self.name, deadline)) from None

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.popen.wait(60)


def run(argv, deadline=60.0, env=None, cwd=None, stdin=None):
    """A short program: returns (code, stdout, stderr)."""
    full = dict(os.environ)
    full.update(env or {})
    done = subprocess.run([str(word) for word in argv], env=full, cwd=cwd or workspace(), timeout=deadline,
                          input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          encoding="utf-8", errors="replace", preexec_fn=_become_child)
    return done.returncode, done.stdout, done.stderr


def all_output():
    """The last lines of every process that ran, for a failure's diagnosis."""
    parts = []
    for process in _running:
        state = "running" if process.alive() else "ended with %s" % process.popen.returncode
        parts.append("--- %s (pid %d, %s)\n%s" % (process.name, process.pid, state, process.tail()))
    return "\n".join(parts)


def pids():
    """Of all that run."""
    return [process.pid for process in _running if process.alive()]


def stop_all():
    for process in reversed(_running):
        if process.alive():
            try:
                process.signal(signal.SIGCONT)
                process.stop(5)
            except (TimeoutError, ProcessLookupError):
                pass
    _running.clear()


@atexit.register
def _clean():
    stop_all()
    if _directory and not os.environ.get("RV_TEST_KEEP"):
        shutil.rmtree(_directory, ignore_errors=True)
