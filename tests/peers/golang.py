# SPDX-License-Identifier: Apache-2.0
"""The official Go client, built on first use into the user's cache where `go` is installed."""

import os
import shutil

from . import maven, processes, tap


def client():
    """Path of the built program; modules come through Go's own proxy setting."""
    if not shutil.which("go"):
        raise tap.Skipped("go is not installed: apt install golang-go")
    target = os.path.join(maven.cache(), "go", "goclient")
    code, out, err = processes.run(["go", "build", "-o", target, "."], deadline=240,
                                   cwd=os.path.join(maven.HERE, "go"))
    if code != 0:
        raise RuntimeError("go build failed: " + out + err)
    return target
