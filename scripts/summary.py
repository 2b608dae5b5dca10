#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the cases of meson test logs: `N passed, N failed, N skipped` alone on the last line.

usage: summary.py [--plus PASSED FAILED] testlog.json…

A TAP test counts each of its cases, any other test counts as one. Skipped ones are named, then failed ones with the
first lines of what they said, so that the end of a log is enough to see why. A case of the conformance suite whose
capability the binder does not claim is no skip: docs/binders.md tells who claims what, and CI compares that page with
the binders.
Exit 1 when something failed, or was skipped while CI is set.
"""
import itertools
import json
import os
import re
import sys

CASE = re.compile(r"^(not )?ok\b[^#\n]*(#\s*(skip|todo)\b.*)?", re.IGNORECASE)
UNCLAIMED = re.compile(r"^ok\b[^#\n]*#\s*SKIP .* does not claim: ")
PLAN_SKIP = re.compile(r"^1\.\.0\s*#\s*skip\s*(.*)", re.IGNORECASE)
REASON_LINES = 12  # of a failed case; the whole is in the log


def is_conformance(test):
    """meson names a test by project, suites and title: "rivulet:conformance+java / kafka"."""
    return "conformance" in test["name"].split(" / ")[0].split(":")[-1].split("+")


def reason(lines):
    """The comments that a failed TAP case left behind its result."""
    said = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return "".join("\n    " + line for line in itertools.islice(said, REASON_LINES))


def last_words(test):
    """The end of what a test wrote that failed without a failed case: a crash, a time-out, a sanitizer's report."""
    return "".join("\n    " + line for line in test.get("stderr", "").splitlines()[-REASON_LINES:])


def count(test):
    """(passed, failed, skipped, remarks, failures) of one meson test."""
    passed, failed, skipped, unclaimed, remarks, failures = 0, 0, 0, 0, [], []
    lines = test.get("stdout", "").splitlines()
    for number, line in enumerate(lines, 1):
        plan = PLAN_SKIP.match(line)
        case = CASE.match(line)
        if plan:
            skipped += 1
            remarks.append("skipped: %s: %s" % (test["name"], plan.group(1)))
        elif is_conformance(test) and UNCLAIMED.match(line):
            unclaimed += 1
        elif case and case.group(2) and case.group(3).lower() == "skip":
            skipped += 1
            remarks.append("skipped: %s: %s" % (test["name"], line))
        elif case and case.group(1):
            failed += 1
            failures.append("failed: %s: %s%s" % (test["name"], line, reason(lines[number:])))
        elif case:
            passed += 1
    result = test["result"]
    if passed + failed + skipped == 0:
        if result in ("OK", "EXPECTEDFAIL"):
            passed = 1
        elif result == "SKIP":
            skipped = 1
            remarks.append("skipped: %s" % test["name"])
    if result not in ("OK", "EXPECTEDFAIL", "SKIP") and failed == 0:
        failed = 1
        failures.append("failed: %s: %s%s" % (test["name"], result.lower(), last_words(test)))
    if unclaimed:
        remarks.append("%s: left out %d cases of capabilities that it does not claim" % (test["name"], unclaimed))
    return passed, failed, skipped, remarks, failures


def main(arguments):
    passed = failed = skipped = 0
    failures = []
    if arguments[:1] == ["--plus"]:
        passed, failed = int(arguments[1]), int(arguments[2])
        arguments = arguments[3:]
    for path in arguments:
        if not os.path.exists(path):
            failures.append("failed: %s was not written" % path)
            failed += 1
            continue
        with open(path, encoding="utf-8") as log:
            for line in log:
                p, f, s, remarks, failed_here = count(json.loads(line))
                passed, failed, skipped = passed + p, failed + f, skipped + s
                failures += failed_here
                for remark in remarks:
                    print(remark)
    for failure in failures:
        print(failure)
    if passed + failed + skipped == 0:
        print("failed: no test ran")
        failed = 1
    bad = failed > 0 or (skipped > 0 and bool(os.environ.get("CI")))
    if not failed and bad:
        print("With CI set, a skipped test is a failure.")
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
