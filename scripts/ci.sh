#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All that must hold before a change is taken: lint, two compilers without warnings, every test, sanitizers.
# Runs every step even after one failed, then counts cases and steps on the last line.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh
. scripts/packages.sh
. scripts/build.sh
export CI=true
install_packages build lint $test_packages
[ -z "${RV_WITHOUT_JAVA:-}" ] || say "Left out by --without-java: Apache RocketMQ and its Java client."

steps_passed=0 steps_failed=0 failed_steps=()
logs=()

step() { # step NAME COMMAND…
	local name=$1 start=$SECONDS
	shift
	say "" "== $name"
	if "$@"; then
		steps_passed=$((steps_passed + 1))
		say "== $name: passed in $((SECONDS - start)) s"
	else
		steps_failed=$((steps_failed + 1))
		failed_steps+=("$name")
		say "== $name: FAILED after $((SECONDS - start)) s"
		return 1
	fi
}

# tests FOLDER LOGNAME [meson test options]: the log is counted at the end, whatever the result.
tests() {
	local folder=$1 name=$2
	shift 2
	meson test -C "$folder" --no-rebuild --print-errorlogs --logbase "$name" "$@" </dev/null
	local status=$?
	logs+=("$folder/meson-logs/$name"*.json) # meson adds the set-up's name
	return $status
}

# Suites that run again under the sanitizers; `sanitized` marks one pass per real binder. Java peers run once, in the
# release build, but for one pass of the conformance suite over Apache Kafka.
sanitized=(--suite unit --suite wire --suite fuzz --suite conformance --suite sanitized --no-suite java
	${RV_WITHOUT_JAVA:+--no-suite java-sanitized})

release() {
	[ -n "${RV_WITHOUT_JAVA:-}" ] || step "Java peers are there" install_java_peers || return
	step "gcc, release, warnings are errors" build_in build -Dwerror=true -Dbench=true || return
	step "an installed library serves a service outside this tree" installed_build
	step "all tests" tests build all ${RV_WITHOUT_JAVA:+--no-suite java --no-suite java-sanitized}
}

# A service outside this tree finds headers and library through pkg-config, and nothing else is needed.
installed_build() {
	local prefix work status=1
	work=$(mktemp -d)
	prefix=$(meson introspect build --buildoptions | python3 -c 'import json, sys; print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
	if logged "meson install" meson install -C build --no-rebuild --destdir "$work"; then
		export PKG_CONFIG_SYSROOT_DIR=$work
		PKG_CONFIG_PATH=$(dirname "$(find "$work$prefix" -name rivulet.pc)")
		export PKG_CONFIG_PATH
		# shellcheck disable=SC2046
		cc -Wall -Wextra -Werror -Wno-unused-parameter -o "$work/greeter" examples/service/service.c $(pkg-config --cflags --libs rivulet) &&
			LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH") "$work$prefix/bin/rivulet" version &&
			[ -x "$work$prefix/bin/parking-charging" ] && [ -x "$work$prefix/bin/parking-message" ] &&
			installed_binders && status=0
	fi
	rm -rf "$work"
	return $status
}

# The installed command loads each installed binder, which then judges the installed profile without a warning.
installed_binders() {
	local libraries module type profile said
	libraries=$(dirname "$PKG_CONFIG_PATH")
	for module in "$libraries"/rivulet/rivulet-binder-*.so; do
		type=${module##*rivulet-binder-}
		type=${type%.so}
		profile=$(find "$work" -path "*parking-message/application-$type.properties")
		if ! said=$(LD_LIBRARY_PATH=$libraries RIVULET_BINDER_PATH=$libraries/rivulet \
			"$work$prefix/bin/rivulet" config check "$profile" 2>&1) || [[ $said = *warning* ]]; then
			say "$said"
			return 1
		fi
	done
}

clang_build() {
	step "clang, warnings are errors" env CC=clang bash -c '. scripts/common.sh; . scripts/build.sh; build_in build-clang -Dwerror=true -Dbench=true -Dbuildtype=debugoptimized'
}

asan() {
	step "gcc with address and undefined sanitizers" \
		build_in build-asan -Db_sanitize=address,undefined -Dbuildtype=debugoptimized -Db_lundef=false &&
		step "tests under address and undefined sanitizers" tests build-asan asan --setup asan "${sanitized[@]}"
}

tsan() {
	step "gcc with thread sanitizer" \
		build_in build-tsan -Db_sanitize=thread -Dbuildtype=debugoptimized -Db_lundef=false &&
		step "tests under thread sanitizer" tests build-tsan tsan --setup tsan "${sanitized[@]}"
}

step "format, include rule, headers, words" scripts/lint.sh --quick
release
step "documentation is up to date" scripts/docs.sh --check
clang_build
asan
tsan
step "clang-tidy" scripts/lint.sh --tidy

say "" "Took $((SECONDS / 60)) min $((SECONDS % 60)) s."
for name in "${failed_steps[@]}"; do say "failed step: $name"; done
python3 scripts/summary.py --plus "$steps_passed" "$steps_failed" "${logs[@]}"
