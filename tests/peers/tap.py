# SPDX-License-Identifier: Apache-2.0
"""TAP for meson: cases are functions, each under a deadline; standard output belongs to TAP alone."""

import os
import signal
import sys
import time
import traceback

from . import processes


class Failed(Exception):
    """An expectation that did not hold."""


class Skipped(Exception):
    """What a case needs is not on this machine. With CI set it is a failure."""


def expect(condition, message):
    if not condition:
        raise Failed(message)


def expect_equal(actual, expected, what):
    if actual != expected:
        raise Failed("%s: expected %r, got %r" % (what, expected, actual))


def in_ci():
    return os.environ.get("CI", "") not in ("", "0", "false")


def comment(text):
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def _on_alarm(_number, _frame):
    raise Failed("the case ran into its deadline")


class Suite:
    """
    Collects cases and runs them in order of declaration. A deadline is a bound against hanging, not an expectation.

        suite = Suite()

        @suite.case(deadline=20)
        def producer_and_consumer_meet(peer): ...

        suite.run(setup)     # setup() is a context manager that yields what the cases get
    """

    def __init__(self, setup_deadline=300):
        self.cases = []
        self.setup_deadline = setup_deadline

    def case(self, deadline=120):
        def add(function):
            self.cases.append((function, deadline))
            return function

        return add

    def run(self, setup, *arguments):
        """Runs every case (or those named on the command line) and exits."""
        names = sys.argv[1:]
        cases = [c for c in self.cases if not names or c[0].__name__ in names]
        signal.signal(signal.SIGALRM, _on_alarm)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        print("1..%d" % len(cases), flush=True)
        failed = 0
        try:
            signal.alarm(self.setup_deadline)
            with setup(*arguments) as peers:
                for number, (function, deadline) in enumerate(cases, 1):
                    failed += self._run_case(number, function, deadline, peers)
                signal.alarm(180)
        except Skipped as reason:
            failed += self._all(cases, reason)
        except Exception:  # the suite could not start: every case that did not run failed
            comment(traceback.format_exc())
            comment(processes.all_output())
            print("Bail out! the peers did not start or stop", flush=True)
            failed += 1
        finally:
            signal.alarm(0)
            processes.stop_all()
        sys.exit(1 if failed else 0)

    @staticmethod
    def _all(cases, reason):
        for number, (function, _) in enumerate(cases, 1):
            if in_ci():
                print("not ok %d - %s # %s" % (number, function.__name__, reason), flush=True)
            else:
                print("ok %d - %s # SKIP %s" % (number, function.__name__, reason), flush=True)
        return len(cases) if in_ci() else 0

    @staticmethod
    def _run_case(number, function, deadline, peers):
        began = time.monotonic()
        try:
            signal.alarm(deadline)
            function(peers)
            signal.alarm(0)
        except Skipped as reason:
            signal.alarm(0)
            if in_ci():
                print("not ok %d - %s # %s" % (number, function.__name__, reason), flush=True)
                return 1
            print("ok %d - %s # SKIP %s" % (number, function.__name__, reason), flush=True)
            return 0
        except Exception as error:
            signal.alarm(0)
            print("not ok %d - %s" % (number, function.__name__), flush=True)
            comment(error if isinstance(error, Failed) else traceback.format_exc())
            comment(traceback.format_tb(error.__traceback__)[-1])
            comment(processes.all_output())
            return 1
        print("ok %d - %s" % (number, function.__name__), flush=True)
        comment("%.1f s" % (time.monotonic() - began))
        return 0
