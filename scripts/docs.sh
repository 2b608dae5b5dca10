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

# What binders take and claim can only be told where all of them are built.
pages="errors.md"
missing=
for type in kafka redis; do
	[ -e "build/binder/$type/rivulet-binder-$type.so" ] || missing="$missing $type"
done
if [ -n "$missing" ]; then
	say "docs/binders.md and docs/properties.md stay as they are: not built:$missing"
else
	build/tests/conformance/rivulet-conformance --capabilities memory rocketmq kafka redis \
		"--rivulet.binder.path=build/binder/kafka,build/binder/redis" >"$fresh/binders.md"
	build/cli/rivulet config reference kafka redis \
		"--rivulet.binder.path=build/binder/kafka,build/binder/redis" >"$fresh/properties.md"
	pages="$pages binders.md properties.md"
fi

status=0
for page in $pages; do
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
