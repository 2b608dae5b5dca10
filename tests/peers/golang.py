# SPDX-License-Identifier: Apache-2.0
"""Programs in Go, built on first use into the user's cache where `go` is installed."""

import os
import shutil

from . import maven, processes, tap

# What others wrote is compiled once and runs for a second: half the time goes into making it fast.
_QUICK = ["-ldflags=-s -w", "-gcflags=github.com/...=-N -l"]


def build(folder, name):
    """Path of the program that a folder here makes; modules come through Go's own proxy setting."""
    if not shutil.which("go"):
        raise tap.Skipped("go is not installed: apt install golang-go")
    target = os.path.join(maven.cache(), "go", name)
    code, out, err = processes.run(["go", "build", *_QUICK, "-o", target, "."], deadline=280,
                                   cwd=os.path.join(maven.HERE, folder))
    if code != 0:
        raise RuntimeError("go build failed: " + out + err)
    return target


def client():
    """The official Go client of RocketMQ."""
    return build("go", "goclient")


def streams():
    """Watermill and Dapr's component over Redis Streams."""
    return build("gostreams", "gostreams")
