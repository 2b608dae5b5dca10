# SPDX-License-Identifier: Apache-2.0
# Words that every script here uses. Sourced, from the top folder.

# One line a word.
say() { printf '%s\n' "$@"; }

# Ends with one clear sentence on standard error.
die() {
	printf 'dev: %s\n' "$*" >&2
	exit 1
}

no_options() { [ $# -eq 0 ] || die "unknown option '$1'; see ./dev help"; }

# Our own C sources and headers, tracked or new.
c_files() { git ls-files --cached --others --exclude-standard -- '*.c' '*.h' | while read -r f; do [ -f "$f" ] && say "$f"; done; }

# free_mb DIR: megabytes left on its file system.
free_mb() { df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }'; }

need_space() { # need_space DIR MB WHAT
	local left
	left=$(free_mb "$1")
	[ "$left" -ge "$2" ] || die "the disk is full: $3 needs about $2 MB in $1, where $left MB are left; free some and try again"
}

# logged WHAT COMMAND…: runs it quietly; on failure shows the end of its output and one sentence that says why.
logged() {
	local what=$1 log
	shift
	log=$(mktemp "${TMPDIR:-/tmp}/rivulet-dev.XXXXXX") || die "cannot create a file in ${TMPDIR:-/tmp}; is the disk full?"
	if "$@" >"$log" 2>&1 </dev/null; then
		rm -f "$log"
		return 0
	fi
	tail -n 40 "$log" >&2
	explain_failure "$what" "$log"
	return 1
}

explain_failure() { # explain_failure WHAT LOG
	if grep -q 'No space left on device' "$2"; then
		printf 'dev: %s failed because the disk is full; free some space and try again\n' "$1" >&2
	elif grep -q 'Unknown compiler' "$2"; then
		printf 'dev: %s failed because there is no working C compiler; try: apt-get install gcc libc6-dev\n' "$1" >&2
	else
		printf 'dev: %s failed; its whole output is in %s\n' "$1" "$2" >&2
	fi
}
