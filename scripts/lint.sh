#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks that read sources instead of running them: --quick (seconds), --tidy (minutes), both without option.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

quick() {
	local status=0
	say "clang-format: $(c_files | wc -l) files"
	c_files | xargs clang-format --dry-run -Werror || {
		say "Run ./dev format."
		status=1
	}
	python3 tests/lint/includes.py || status=1
	python3 tests/lint/sources.py || status=1
	bash_files | xargs -n 1 bash -n || status=1
	return $status
}

bash_files() {
	local file
	git ls-files dev .ci scripts tests bench | while read -r file; do
		if head -n 1 "$file" | grep -aq bash; then say "$file"; fi
	done
}

# Every compiled source of ours once, as many at a time as there are processors.
tidy() {
	local database=build
	[ -f $database/compile_commands.json ] || die "clang-tidy needs a build; run ./dev build first"
	python3 tests/lint/tidy.py $database "$@"
}

case ${1:-all} in
--quick) quick ;;
--tidy)
	shift
	tidy "$@"
	;;
all)
	status=0
	quick || status=1
	tidy || status=1
	exit $status
	;;
*) die "unknown option '$1'; lint takes --quick or --tidy [FILE…]" ;;
esac
