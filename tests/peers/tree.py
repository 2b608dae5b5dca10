# SPDX-License-Identifier: Apache-2.0
"""Where the programs under test are: meson tells by RV_BUILD_DIR and RV_SOURCE_DIR; by hand, ./build is assumed."""

import os

from . import tap

SOURCE = os.environ.get("RV_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RV_BUILD_DIR") or os.path.join(SOURCE, "build")


def program(path):
    """Absolute path of a built program; the case skips (fails in CI) when it was not built."""
    full = os.path.join(BUILD, path)
    if not os.access(full, os.X_OK):
        raise tap.Skipped("%s was not built" % path)
    return full


def options(broker):
    """Command line words with which a service reaches a broker: a peer, a RocketMQ name server's address, or None."""
    if broker is None:
        return []
    if isinstance(broker, str):
        return ["--spring.cloud.stream.rocketmq.binder.name-server=" + broker]
    return ["--" + option for option in broker.properties()]


def module(binder):
    """The folder of a binder that is a module; the case skips (fails in CI) when it was not built."""
    return os.path.dirname(program("binder/%s/rivulet-binder-%s.so" % (binder, binder)))


def rivulet():
    return program("cli/rivulet")


def config(service):
    """The folder of a service's unchanged properties, as --spring.config.location takes it."""
    return os.path.join(SOURCE, "config", service) + "/"
