#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a user of the library sees: each public header compiles alone, and what they declare is what is exported.

usage: public.py LIBRARY GENERATED_INCLUDE_FOLDER CC…     prints TAP
"""
import glob
import os
import re
import shutil
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDE = os.path.join(SOURCE, "include")
HEADERS = sorted(glob.glob(os.path.join(INCLUDE, "rivulet", "*.h")))


def compiles(compiler, header, includes):
    line = "#include <rivulet/%s>\nint rv_test_nothing(void);\n" % os.path.basename(header)
    done = subprocess.run(compiler + ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic-errors"] +
                          ["-I" + folder for folder in includes] + ["-"], input=line, capture_output=True, text=True)
    return done.returncode == 0, done.stderr


def cplusplus():
    for name in ("g++", "clang++", "clang"):
        if shutil.which(name):
            return [name, "-x", "c++", "-std=c++11"]
    return None


def declared():
    """Names that the headers mark RV_API."""
    names = set()
    for header in HEADERS:
        with open(header, encoding="utf-8") as source:
            text = re.sub(r"/\*.*?\*/", "", source.read(), flags=re.DOTALL)
        for declaration in re.findall(r"^RV_API\b([^;{]*?);", text, flags=re.DOTALL | re.MULTILINE):
            match = re.search(r"\b(rv_\w+)\s*(?:\(|$)", declaration.strip())
            if match:
                names.add(match.group(1))
    return names


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return {line.split()[2] for line in lines.splitlines() if line.split()[1] in "TDBRVW"}


def main(library, generated, cc):
    number = failed = 0

    def case(good, name, why=""):
        nonlocal number, failed
        number += 1
        failed += not good
        print("%sok %d - %s" % ("" if good else "not ", number, name))
        for line in why.splitlines() if not good else []:
            print("# " + line)

    # <rivulet/version.h> is generated next to a folder of that name.
    includes = [INCLUDE, generated]
    cpp = cplusplus()
    print("1..%d" % (2 * len(HEADERS) + 2))
    for header in HEADERS:
        name = os.path.basename(header)
        good, why = compiles(cc + ["-x", "c", "-std=c99"], header, includes)
        case(good, "%s compiles alone as C99" % name, why)
        if cpp:
            good, why = compiles(cpp, header, includes)
            case(good, "%s compiles alone as C++11" % name, why)
        else:
            number += 1
            print("ok %d - %s compiles alone as C++11 # SKIP there is no C++ compiler" % (number, name))
    want, have = declared(), exported(library)
    case(not want - have, "every declared function is exported", "missing: " + ", ".join(sorted(want - have)))
    case(not have - want, "nothing else is exported", "too many: " + ", ".join(sorted(have - want)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
