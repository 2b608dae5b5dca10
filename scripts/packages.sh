# SPDX-License-Identifier: Apache-2.0
# What Rivulet needs from Debian, by purpose, and how it gets there. Sourced by ./dev.

packages_of() {
	case $1 in
	build) # compiler, build system, the libraries of meson/meson.build, and what the demo calls
		say gcc libc6-dev meson ninja-build 'pkgconf|pkg-config' python3 ccache curl ca-certificates \
			libjansson-dev libuv1-dev libmicrohttpd-dev zlib1g-dev libssl-dev libyaml-dev \
			librdkafka-dev libhiredis-dev check
		;;
	java) # Apache RocketMQ, Apache Kafka and their Java clients, from Maven Central
		say openjdk-17-jdk-headless maven
		;;
	redis) say redis-server ;;
	peers) # real peers that Debian carries, and a compiler that reads our headers as C++
		say redis-server g++
		;;
	lint) say git clang clang-format clang-tidy ;;
	bench) say wrk valgrind ;;
	esac
}

installed() { # installed 'name|alternative'
	local name
	for name in ${1//|/ }; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] && return 0
	done
	return 1
}

# install_packages PURPOSE…: installs what is missing, says what, and touches nothing when all is there.
install_packages() {
	local purpose package wanted=() missing=()
	for purpose in "$@"; do
		for package in $(packages_of "$purpose"); do wanted+=("$package"); done
	done
	if ! command -v dpkg-query >/dev/null; then
		check_by_hand "${wanted[@]}"
		return
	fi
	for package in "${wanted[@]}"; do
		installed "$package" || missing+=("${package%%|*}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	local sudo=()
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || die "these packages are missing and need root: ${missing[*]}; run as root: apt-get install ${missing[*]}"
		sudo=(sudo)
	fi
	say "Installing with apt: ${missing[*]}"
	need_space /usr 400 "installing packages"
	logged "apt-get update" "${sudo[@]}" apt-get -q update ||
		die "apt could not read its package lists; is the network up?"
	logged "apt-get install" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qy --no-install-recommends install "${missing[@]}" ||
		die "apt could not install: ${missing[*]}"
}

# Not a Debian: nothing is installed; what building cannot do without is named.
check_by_hand() {
	local tool
	for tool in meson ninja pkg-config curl; do
		command -v "$tool" >/dev/null || die "'$tool' is missing, and this system has no apt; install what Debian calls: $*"
	done
	command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null ||
		die "there is no C compiler, and this system has no apt; install gcc or clang"
}
