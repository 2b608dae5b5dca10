#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regenerates the pages that come out of tables; --check only compares them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

check=no
[ "${1:-}" != --check ] || { check=yes; shift; }
no_options "$@"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

python3 scripts/errors.py >"$fresh/errors.md"
build/cli/rivulet config reference >"$fresh/properties.md"

status=0
for page in errors.md properties.md; do
	if [ $check = no ]; then
		cp "$fresh/$page" "docs/$page"
	elif ! diff -u "docs/$page" "$fresh/$page"; then
		say "docs/$page is out of date; run ./dev docs"
		status=1
	fi
done
if [ $check = yes ]; then
	python3 tests/lint/quotes.py || status=1
else
	python3 tests/lint/quotes.py --write
fi
exit $status
