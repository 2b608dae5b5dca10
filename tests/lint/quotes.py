#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Code in documents is a file that is built: after `<!-- path -->` the next fenced block equals that file, without
its licence line. Links within the repository lead somewhere.

usage: quotes.py [--write]     --write puts the files' text in
"""
import os
import re
import subprocess
import sys

QUOTE = re.compile(r"(<!-- ([\w./-]+) -->\n```\w*\n)(.*?)(```\n)", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def quoted(path):
    with open(path, encoding="utf-8") as source:
        return "".join(line for line in source if "SPDX-License-Identifier" not in line)


def main(write):
    pages = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], check=True,
                           capture_output=True, text=True).stdout.split()
    found = 0
    for page in pages:
        with open(page, encoding="utf-8") as source:
            text = source.read()
        fresh = QUOTE.sub(lambda m: m[1] + quoted(m[2]) + m[4], text)
        if fresh != text and write:
            with open(page, "w", encoding="utf-8") as target:
                target.write(fresh)
        elif fresh != text:
            print("%s: a quoted file has changed; run ./dev docs" % page)
            found += 1
        for link in LINK.findall(text):
            if not os.path.exists(os.path.join(os.path.dirname(page), link)):
                print("%s: the link %s leads nowhere" % (page, link))
                found += 1
    print("documents: %d pages, %d breaches" % (len(pages), found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))
