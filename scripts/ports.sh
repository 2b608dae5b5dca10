# SPDX-License-Identifier: Apache-2.0
# Ports: which are taken, by whom, and which are free. Sourced by demo.sh and bench/run.sh.

# port_inode PORT: the socket that listens there, from /proc (no tool needed); nothing when it is free.
port_inode() {
	local hex
	hex=$(printf '%04X' "$1")
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		awk -v port=":$hex\$" '$2 ~ port && $4 == "0A" { inode = $10 } END { if (inode) print inode }'
}

# holder INODE: "process NAME (pid N)", as far as we may look.
holder() {
	local fd pid
	for fd in /proc/[0-9]*/fd/*; do
		[ "$(readlink "$fd" 2>/dev/null)" = "socket:[$1]" ] || continue
		pid=${fd#/proc/}
		pid=${pid%%/*}
		say "process $(cat "/proc/$pid/comm" 2>/dev/null || say '?') (pid $pid)"
		return
	done
	say "a process of another user"
}

need_port() { # need_port PORT OPTION WHO
	local inode
	inode=$(port_inode "$1")
	[ -z "$inode" ] || die "port $1, which $3 needs, is taken by $(holder "$inode"); choose another with --$2 N, or let --free-ports choose all"
}

# free_ports N: that many different free ports, below the range from which the kernel takes ports for clients and the one
# from which tests/peers/ports.py takes blocks; four apart, since a broker of RocketMQ takes the one two below its own, too.
free_ports() {
	local -A taken=()
	local port
	while [ ${#taken[@]} -lt "$1" ]; do
		port=$((12002 + RANDOM % 1900 * 4))
		[ -z "${taken[$port]:-}" ] && [ -z "$(port_inode $port)" ] || continue
		taken[$port]=yes
		say $port
	done
}
