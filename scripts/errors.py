#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints docs/errors.md from the rows of every numbers.def (see base/numbers.h).

Exits 1 when a number or symbol stands twice or outside the range of its folder.
"""
import ast
import re
import sys

# Order of the page, and the range of each table (base/numbers.h).
TABLES = [
    ("base/numbers.def", "Configuration and base", 1, 99),
    ("bindings/numbers.def", "Channels and bindings", 100, 199),
    ("binder/numbers.def", "Binders", 200, 299),
    ("binder/rocketmq/numbers.def", "Binder rocketmq", 300, 399),
    ("binder/kafka/numbers.def", "Binder kafka", 700, 799),
    ("binder/redis/numbers.def", "Binder redis", 800, 899),
    ("broker/numbers.def", "Broker", 400, 499),
    ("broker/store/numbers.def", "The broker's store", 400, 499),
    ("http/numbers.def", "HTTP and actuator", 500, 599),
    ("cli/numbers.def", "Command and services", 600, 699),
]

STRING = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
ROW = re.compile(r"RV__NUMBER\(\s*(\d+)\s*,\s*(\w+)\s*,\s*%s,\s*%s,\s*%s\)" % (STRING, STRING, STRING))


def text(literals):
    """Joins adjacent C string literals."""
    return "".join(ast.literal_eval(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"', literals))


def rows(path):
    with open(path, encoding="utf-8") as table:
        source = re.sub(r"/\*.*?\*/", "", table.read(), flags=re.DOTALL)
    found = [(int(m[0]), m[1], text(m[2]), text(m[3]), text(m[4])) for m in ROW.findall(source)]
    if len(found) != source.count("RV__NUMBER("):
        sys.exit("%s: a row is not RV__NUMBER(number, SYMBOL, \"…\", \"…\", \"…\")" % path)
    return sorted(found)


def main():
    seen = {}
    print("# Messages\n")
    print("Every message that a user can meet carries a number. Generated from the `numbers.def` tables by"
          " `./dev docs`; do not edit.\n")
    for path, title, low, high in TABLES:
        table = rows(path)
        if not table:
            continue
        print("## %s\n" % title)
        for number, symbol, what, cause, cure in table:
            for key in (number, symbol):
                if key in seen:
                    sys.exit("%s: %s stands already in %s" % (path, key, seen[key]))
                seen[key] = path
            if not low <= number <= high:
                sys.exit("%s: %d is outside of %d-%d" % (path, number, low, high))
            print("### RV%04d — %s\n\n- Cause: %s\n- Cure: %s\n" % (number, what, cause, cure))


if __name__ == "__main__":
    main()
