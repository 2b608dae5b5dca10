#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over every source of ours that was compiled, one process a processor.

usage: tidy.py BUILD_FOLDER [FILE…]

Which checks, and why not others, stands in .clang-tidy. Exits 1 when any file has a finding.
"""
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

# What gcc knows and clang does not.
UNKNOWN_TO_CLANG = ("-Wformat-signedness", "-fanalyzer")


def database(folder):
    """A copy of the compilation database that clang understands; each source once."""
    with open(os.path.join(folder, "compile_commands.json"), encoding="utf-8") as stored:
        entries = json.load(stored)
    top = os.getcwd()
    seen, kept = set(), []
    for entry in entries:
        source = os.path.relpath(os.path.join(entry["directory"], entry["file"]), top)
        if source.startswith("..") or source in seen or not source.endswith(".c"):
            continue
        seen.add(source)
        entry["command"] = " ".join(word for word in entry["command"].split() if word not in UNKNOWN_TO_CLANG)
        entry["file"] = os.path.join(top, source)
        kept.append(entry)
    return kept, sorted(seen)


def run(arguments):
    folder, source = arguments
    done = subprocess.run(["clang-tidy", "-p", folder, "--quiet", source], capture_output=True, text=True)
    return source, done.returncode, done.stdout, done.stderr


def main(arguments):
    entries, sources = database(arguments[0])
    wanted = [source for source in sources if not arguments[1:] or source in arguments[1:]]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as copy:
            json.dump(entries, copy)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for source, status, out, err in pool.map(run, [(folder, source) for source in wanted]):
                if out.strip() or status:
                    failed += 1
                    print(out.strip() or err.strip(), flush=True)
    print("clang-tidy: %d files, %d with findings" % (len(wanted), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
