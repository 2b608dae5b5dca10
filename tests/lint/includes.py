#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: downwards only.

Reads the #include lines of every product source. A quoted include names a file of this repository from
its top; `<rivulet/…>` is public and open to all. Prints each breach as file:line and exits 1.
"""
import re
import subprocess
import sys

# Room: the rooms it may include besides itself. The longest matching prefix of a path is its room.
MAY = {
    "include/rivulet": [],
    "base": [],
    "remoting": ["base"],
    "binder": ["base"],  # the contract and the registry
    "binder/memory": ["binder", "base"],
    "binder/rocketmq": ["binder", "base", "remoting"],
    "binder/kafka": ["binder", "base"],
    "binder/redis": ["binder", "base"],
    "bindings": ["binder", "base"],
    "http": ["base"],
    "actuator": ["http", "bindings", "base"],
    "broker": ["remoting", "base"],
    # The one table that names everything an application opens; nothing includes it.
    "compose": ["base", "binder", "binder/memory", "binder/rocketmq", "http", "actuator", "broker", "bindings"],
    "services": [],
    # `config check` and `config show` come straight out of the property tables below.
    "cli": ["broker", "remoting", "base", "binder", "bindings"],
    "examples": [],
}
# Client libraries and the only rooms that may name them.
ONLY = {
    "uv.h": ["binder/rocketmq", "broker", "remoting"],
    "microhttpd.h": ["http", "actuator"],
    "librdkafka/": ["binder/kafka"],
    "hiredis/": ["binder/redis"],
    "yaml.h": ["base"],
}
# Words of one broker type that the binding layer and the base must not contain, outside comments.
TYPES = re.compile(r'"(?:rocketmq|kafka|redis)"')
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def room_of(path):
    rooms = [room for room in MAY if path.startswith(room + "/")]
    return max(rooms, key=len) if rooms else None


def breaches(path):
    room = room_of(path)
    folder = path.rsplit("/", 1)[0]
    with open(path, encoding="utf-8") as source:
        for number, line in enumerate(source, 1):
            if room in ("bindings", "base") and TYPES.search(line) and "/*" not in line:
                yield number, "%s names a binder type" % room
            match = INCLUDE.match(line)
            if not match:
                continue
            quoted, angled = match.groups()
            if angled:
                for name, rooms in ONLY.items():
                    if angled.startswith(name) and room not in rooms:
                        yield number, "<%s> belongs to %s alone" % (angled, ", ".join(rooms))
                continue
            if quoted.endswith("numbers.def"):  # rows of one number space, gathered by base/numbers.h
                continue
            if "/" not in quoted:  # generated (rivulet-config.h), or a neighbour in the same folder
                continue
            target = room_of(quoted)
            if target is None or target == room or quoted.startswith(folder + "/"):
                continue
            if target not in MAY[room]:
                yield number, "%s may not include %s" % (room, quoted)


def main():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h", "*.def"],
                            check=True, capture_output=True, text=True).stdout.split()
    files = [path for path in listed if room_of(path)]
    found = 0
    for path in files:
        try:
            for number, what in breaches(path):
                print("%s:%d: %s" % (path, number, what))
                found += 1
        except FileNotFoundError:
            pass  # deleted, not committed yet
    print("include rule: %d files, %d breaches" % (len(files), found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
