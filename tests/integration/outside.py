#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The author of a binder outside this tree, with what `meson install` gives: examples/binder built by pkg-config, and judged."""

import contextlib
import glob
import os
import shlex
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from peers import processes, tree  # noqa: E402
from peers.tap import Suite, comment, expect, expect_equal  # noqa: E402

suite = Suite()


def told(argv, deadline=120, **env):
    code, out, err = processes.run(argv, deadline=deadline, env=env)
    expect_equal(code, 0, "exit code of %s:\n%s%s" % (" ".join(argv), out[-2000:], err[-2000:]))
    return out


class Installed:
    """A folder that holds what `meson install` would put below /."""

    def __init__(self):
        self.root = processes.directory("installed")
        told(["meson", "install", "-C", tree.BUILD, "--no-rebuild", "--quiet", "--destdir", self.root])
        self.folder, = (os.path.dirname(os.path.dirname(path)) for path in self.find("pkgconfig/rivulet.pc"))

    def find(self, end):
        return glob.glob(os.path.join(self.root, "**", end), recursive=True)

    def program(self, name):
        path, = self.find("bin/" + name)
        return path

    def pkg_config(self, *words):
        return shlex.split(told(["pkg-config", *words, "rivulet"], PKG_CONFIG_PATH=self.folder + "/pkgconfig",
                                PKG_CONFIG_SYSROOT_DIR=self.root))


@suite.case(deadline=280)
def a_binder_from_outside_is_built_by_pkg_config_and_passes_the_suite(installed):
    home = processes.directory("shelf")
    sources = sorted(glob.glob(os.path.join(tree.SOURCE, "examples", "binder", "*.c")))
    told([os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", *sources,
          *installed.pkg_config("--cflags"), "-o", os.path.join(home, "rivulet-binder-shelf.so")])
    out = told([installed.program("rivulet-conformance"), "shelf", "--rivulet.binder.path=" + home], 240,
               CK_TAP_LOG_FILE_NAME="-", CK_VERBOSITY="silent")
    lines = [line for line in out.splitlines() if line.startswith(("ok", "not ok"))]
    left_out = [line for line in lines if "# SKIP" in line]
    comment("%d cases, %d of them left out" % (len(lines), len(left_out)))
    expect(not [line for line in lines if line.startswith("not ok")], "\n".join(lines))
    expect(len(lines) - len(left_out) >= 50, "few cases ran: " + "\n".join(left_out))
    expect(all("does not claim" in line for line in left_out), "left out for another reason: " + "\n".join(left_out))


@suite.case()
def our_own_modules_lie_where_pkg_config_says_that_binders_belong(installed):
    folder, = installed.pkg_config("--variable=binderdir")
    # Some versions of pkg-config put the root before a variable, too.
    folder = folder if folder.startswith(installed.root) else installed.root + folder
    for binder in ("kafka", "redis"):
        if os.path.exists(os.path.join(tree.BUILD, "binder", binder, "rivulet-binder-%s.so" % binder)):
            path = os.path.join(folder, "rivulet-binder-%s.so" % binder)
            expect(os.path.exists(path), "there is no " + path)


@contextlib.contextmanager
def setup():
    tree.rivulet()
    yield Installed()


if __name__ == "__main__":
    suite.run(setup)
