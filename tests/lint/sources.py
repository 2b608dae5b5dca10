#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a reader may rely on in every file: a licence line, a purpose, a README per folder, functions on one
screen, no leftovers, nothing of one machine. Prints breaches as file:line and exits 1.
"""
import os
import re
import subprocess
import sys

FUNCTION_LINES = 80
FILE_LINES = 900
# A function may be longer when this comment, with the reason, stands directly above or inside it.
LONG_REASON = "long:"
CODE = (".c", ".h", ".py", ".sh", ".java", ".def")
SPDX = "SPDX-License-Identifier: Apache-2.0"
# Spelled in pieces, so that this file passes its own check.
FORBIDDEN = [
    (re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b"), "a leftover"),
    (re.compile(r"\b(?:HA" r"CK|stub imple" r"mentation|not imple" r"mented yet)\b"), "a leftover"),
    (re.compile(r"/(?:home|work|root|Users)/[a-z]{2}"), "a path of one machine"),
]
UNSAFE = re.compile(r"\b(atoi|atol|atof|strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(")
COMMAND = re.compile(r"\b(system|popen)\s*\(")
README_ROOMS = ["actuator", "base", "bench", "binder", "binder/memory", "binder/redis", "binder/rocketmq", "bindings", "broker",
                "cli", "compose", "config", "docs", "examples", "http", "include/rivulet", "remoting", "scripts",
                "services", "services/charging", "services/message", "tests"]


def tracked():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], check=True,
                         capture_output=True, text=True).stdout
    return [path for path in out.splitlines() if os.path.isfile(path)]


def words(path, lines):
    for number, line in enumerate(lines, 1):
        for pattern, what in FORBIDDEN:
            if pattern.search(line):
                yield number, "%s: %s" % (what, line.strip()[:80])
        if path.endswith((".c", ".h")) and UNSAFE.search(line) and not line.lstrip().startswith(("*", "/*")):
            yield number, "an unchecked function: %s" % UNSAFE.search(line).group(1)


def commands(path, lines):
    for number, line in enumerate(lines, 1):
        if COMMAND.search(line) and not path.startswith("tests/") and not line.lstrip().startswith(("*", "/*")):
            yield number, "runs a shell command"


def long_functions(path, lines):
    """By layout: a body opens with `{` and closes with `}` in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start is not None:
            around = "\n".join(lines[max(0, start - 12):number])
            if number - start > FUNCTION_LINES and LONG_REASON not in around:
                yield start, "a function of %d lines; split it, or say why in a comment 'long: …'" % (number - start)
            start = None


def check(path):
    """Yields (line, what) for each breach of one file."""
    try:
        with open(path, encoding="utf-8") as source:
            lines = source.read().splitlines()
    except UnicodeDecodeError:
        return  # binary: a fuzz corpus, captured bytes
    if path.startswith("tests/fuzz/corpus") or path == "LICENSE":
        return
    if path.endswith(CODE) and not any(SPDX in line for line in lines[:3]):
        yield 1, "no licence line"
    if path.endswith((".c", ".h")):
        name = os.path.basename(path)[:-1] + "h"
        told_by_header = path.endswith(".c") and (
            os.path.isfile(path[:-1] + "h") or os.path.isfile("include/rivulet/" + name) or "/test_" in path)
        if not told_by_header and not any(line.lstrip().startswith("/*") for line in lines[1:4]):
            yield 2, "no comment that says what the file is for"
        if len(lines) > FILE_LINES:
            yield len(lines), "a file of %d lines; one noun a file" % len(lines)
    yield from words(path, lines)
    if path.endswith(".c"):
        yield from commands(path, lines)
        yield from long_functions(path, lines)


def main():
    files = tracked()
    found = 0
    for path in files:
        for number, what in check(path):
            print("%s:%d: %s" % (path, number, what))
            found += 1
    for room in README_ROOMS:
        if os.path.isdir(room) and not os.path.isfile(os.path.join(room, "README.md")):
            print("%s: has no README.md" % room)
            found += 1
    print("sources: %d files, %d breaches" % (len(files), found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
