# SPDX-License-Identifier: Apache-2.0
# Building and testing with meson. Sourced by ./dev and ci.sh.

# build_in FOLDER [meson options]: configures once, then compiles what changed.
build_in() {
	local folder=$1 start=$SECONDS
	shift
	command -v meson >/dev/null || die "meson is missing; run ./dev setup"
	[ -n "${CC:-}" ] || command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null ||
		die "there is no C compiler; run ./dev setup, or: apt-get install gcc libc6-dev"
	need_space . 300 "a build"
	if [ ! -f "$folder/build.ninja" ]; then
		rm -rf "$folder"
		logged "meson setup $folder" meson setup "$folder" "$@" || return 1
	elif [ $# -gt 0 ]; then
		logged "meson configure $folder" meson configure "$folder" "$@" || return 1
	fi
	logged "building in $folder" ninja -C "$folder" -j "$(nproc)" || return 1
	[ $((SECONDS - start)) -lt 3 ] || say "Built $folder in $((SECONDS - start)) s"
}

build_release() { build_in build || exit 1; }

parse_test_options() {
	ci=no
	test_packages="java peers"
	while [ $# -gt 0 ]; do
		case $1 in
		--ci) ci=yes ;;
		--long) export RV_TEST_LONG=1 ;;
		--without-java)
			export RV_WITHOUT_JAVA=1
			test_packages=peers
			;;
		*) die "unknown option '$1'; see ./dev help" ;;
		esac
		shift
	done
}

# Jars of the Java peers, below the user's cache; quick and quiet when they are there.
install_java_peers() { [ ! -x tests/peers/install ] || tests/peers/install; }

# The release build's tests, for a user.
run_tests() {
	local status=0
	if [ -n "${RV_WITHOUT_JAVA:-}" ]; then
		say "Left out by --without-java: everything that needs Apache RocketMQ or its Java client."
	else
		install_java_peers || die "the Java peers could not be installed from Maven Central; ./dev test --without-java leaves them out"
	fi
	meson test -C build --no-rebuild ${RV_TEST_LONG:+--timeout-multiplier 20} ${RV_WITHOUT_JAVA:+--no-suite java --no-suite java-sanitized} || status=1
	python3 scripts/summary.py build/meson-logs/testlog.json || status=1
	return $status
}
