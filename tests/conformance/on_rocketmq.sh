#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# on_rocketmq.sh RIVULET CONFORMANCE: runs the suite on the `rocketmq` binder and a broker of its own.
set -u
rivulet=$1 conformance=$2
dir=$(mktemp -d) || exit 1
broker=
finish() {
	[ -n "$broker" ] && kill "$broker" 2>/dev/null && wait "$broker" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

"$rivulet" broker --store "$dir/store" --port 0 --name-server-port 0 --ports-file "$dir/ports" \
	--flushDiskType=ASYNC_FLUSH >"$dir/log" 2>&1 &
broker=$!
for _ in $(seq 1200); do
	grep -qs '^namesrv=' "$dir/ports" && break
	kill -0 "$broker" 2>/dev/null || break
	sleep 0.05
done
port=$(sed -n 's/^namesrv=//p' "$dir/ports" 2>/dev/null)
if [ -z "$port" ]; then
	sed 's/^/# broker: /' "$dir/log"
	echo "Bail out! the broker did not start"
	exit 1
fi
"$conformance" "--broker-pid=$broker" rocketmq "--spring.cloud.stream.rocketmq.binder.name-server=127.0.0.1:$port"
