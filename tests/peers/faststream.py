# SPDX-License-Identifier: Apache-2.0
"""FastStream, installed by pip on first use into the user's cache; nothing else of Python's is touched."""

import fcntl
import hashlib
import os
import shutil
import sys

from . import lines, maven, processes, tap

_FOLDER = os.path.join(maven.HERE, "faststream")


def _home():
    """Where it lies: named after what was asked for and by which Python."""
    with open(os.path.join(_FOLDER, "requirements.txt"), "rb") as file:
        asked = hashlib.sha256(file.read() + sys.version.encode()).hexdigest()
    return os.path.join(maven.cache(), "faststream-" + asked[:12])


def install():
    """The folder with the modules, made when it is not there; the case skips (fails in CI) when it cannot be."""
    home = _home()
    os.makedirs(maven.cache(), exist_ok=True)
    with open(os.path.join(maven.cache(), "faststream.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(home):
            staging = home + ".staging"
            shutil.rmtree(staging, ignore_errors=True)
            code, out, err = processes.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", staging,
                                            "--requirement", os.path.join(_FOLDER, "requirements.txt")], deadline=200)
            if code != 0:
                raise tap.Skipped("pip could not install FastStream: " + (out + err).strip()[-500:])
            os.rename(staging, home)
    return home


class FastStream(lines.Lines):
    """One service over the Redis at an address."""

    def __init__(self, address):
        super().__init__("faststream", [sys.executable, os.path.join(_FOLDER, "service.py"), "redis://" + address],
                         by="from", env={"PYTHONPATH": install()})
