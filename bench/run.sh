#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ./dev bench [PART…]: measures the figures of bench/README.md and prints each beside its target.
# Parts: startup broker latency wrk throughput instructions memory kafka redis recovery. All of them without arguments.
# RV_BENCH_SECONDS and RV_BENCH_PAIRS shorten memory, kafka and redis, RV_BENCH_KILLS recovery.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh
. scripts/ports.sh

work=$(mktemp -d "${TMPDIR:-/tmp}/rivulet-bench.XXXXXX")
build=${RV_BUILD_DIR:-build}
pids=()
read -r name_server_port broker_port charging_port message_port < <(free_ports 4 | xargs)
name_server=127.0.0.1:$name_server_port
written=$work/written.conf
synced=$work/synced.conf
say flushDiskType=ASYNC_FLUSH >"$written"
say flushDiskType=SYNC_FLUSH >"$synced"

stop() { # stop PID…: by process id, waits
	local pid
	for pid in "$@"; do
		kill -TERM "$pid" 2>/dev/null || continue
		wait "$pid" 2>/dev/null || true
	done
}
cleanup() {
	trap '' INT TERM
	[ ${#pids[@]} -eq 0 ] || stop "${pids[@]}"
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

start() { # start LOG PROGRAM…; its process id is in $started
	local log=$work/$1.log
	shift
	setsid "$@" >"$log" 2>&1 </dev/null &
	started=$!
	pids=("$started" "${pids[@]}")
}

until_ok() { # until_ok SECONDS WHAT COMMAND…
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ $SECONDS -lt $deadline ] || { tail -n 5 "$work"/*.log >&2; die "not in time: $what"; }
		sleep 0.02
	done
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
ready() { curl -fsS -m 2 "http://127.0.0.1:$1/actuator/health/readiness" 2>/dev/null | grep -q '"UP"'; }
said() { grep -q "$2" "$work/$1.log"; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

broker_command=("$build"/cli/rivulet broker --port "$broker_port" --name-server-port "$name_server_port")
message_command=("$build"/services/parking-message --spring.config.location=config/message/
	--spring.cloud.stream.rocketmq.binder.name-server="$name_server"
	--server.port="$message_port")
charging_command=("$build"/services/parking-charging --spring.config.location=config/charging/
	--spring.cloud.stream.rocketmq.binder.name-server="$name_server"
	--server.port="$charging_port")
rocketmq=(--spring.cloud.stream.rocketmq.binder.name-server="$name_server" --spring.config.location="$work/empty.properties"
	--spring.cloud.stream.default-binder=rocketmq)
: >"$work/empty.properties"

start_broker() { # start_broker LEVEL: an empty store each time
	rm -rf "$work/store"
	start broker "${broker_command[@]}" --store "$work/store" --config "$1"
	broker=$started
	until_ok 10 "the broker listens" listening "$broker_port"
	until_ok 10 "the name server listens" listening "$name_server_port"
}

start_services() {
	start message "${message_command[@]}"
	message=$started
	start charging "${charging_command[@]}"
	charging=$started
	until_ok 10 "parking-message is ready" ready "$message_port"
	until_ok 10 "parking-charging is ready" ready "$charging_port"
}

post() { curl -fsS -m 5 -X POST "http://127.0.0.1:$charging_port/sendTestMsg" >/dev/null; }
received() { [ "$(grep -c 'Receive input msg' "$work/message.log")" -ge "$1" ]; }

# -- the figures -----------------------------------------------------------------

part_startup() { # exec to readiness UP, resident after 100 messages
	local i
	start_broker "$written"
	start_services
	post # the topic is there
	until_ok 10 "the first message" received 1
	stop "$message" "$charging"
	say "" "A service, from exec to readiness UP (broker and name server up, topic there; target: median of 20 at most 20 ms)"
	printf '  parking-message:  '
	"$build"/bench/bench-startup 20 http "$message_port" /actuator/health/readiness -- "${message_command[@]}"
	printf '  parking-charging: '
	"$build"/bench/bench-startup 20 http "$charging_port" /actuator/health/readiness -- "${charging_command[@]}"
	start_services
	for ((i = 0; i < 100; i++)); do post; done
	until_ok 20 "100 messages" received 100
	say "A service, VmRSS after 100 messages (TLS off; target: at most 8192 KiB)" \
		"  parking-message:  $(resident "$message") KiB" \
		"  parking-charging: $(resident "$charging") KiB" \
		"  the broker then:  $(resident "$broker") KiB"
	stop "$message" "$charging" "$broker"
}

part_broker() { # exec to ready on an empty store, resident when idle
	say "" "The broker, from exec to ready on an empty store (target: at most 20 ms; idle at most 8192 KiB)"
	printf '  written: '
	"$build"/bench/bench-startup 20 broker "$name_server_port" "$broker_port" -- "${broker_command[@]}" --store "$work/fresh{run}" --config "$written"
	printf '  synced:  '
	"$build"/bench/bench-startup 20 broker "$name_server_port" "$broker_port" -- "${broker_command[@]}" --store "$work/other{run}" --config "$synced"
	start_broker "$synced"
	sleep 3
	say "  idle for 3 s: $(resident "$broker") KiB"
	stop "$broker"
}

latency() { # latency RATE COUNT
	start receiver "$build"/bench/bench-service receive "$2" "${rocketmq[@]}" \
		--spring.cloud.stream.bindings.input.destination=bench-latency --spring.cloud.stream.bindings.input.group=bench
	local receiver=$started
	until_ok 10 "the receiver is ready" said receiver ready
	"$build"/bench/bench-service send "$2" "$1" "${rocketmq[@]}" \
		--spring.cloud.stream.bindings.output.destination=bench-latency 2>/dev/null | sed 's/^/    /'
	local deadline=$((SECONDS + 20))
	while kill -0 "$receiver" 2>/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
	stop "$receiver"
	grep '^received' "$work/receiver.log" | sed 's/^/    /'
}

part_latency() {
	local rate
	say "" "End to end, send to listener: two processes and the broker on loopback, 70 bytes, written (target: median at most 300 µs)"
	for rate in 200 1000 5000; do
		start_broker "$written"
		say "  $rate messages a second, open loop:"
		latency 50 20 >/dev/null # the topic, the group and the connections are there
		latency $rate $((rate * 5))
		stop "$broker"
	done
}

part_wrk() {
	start_broker "$written"
	start_services
	post
	until_ok 10 "the first message" received 1
	say "" "POST /sendTestMsg with the consumer running, wrk -t1 -c8 -d${RV_BENCH_WRK_SECONDS:=30}s, written, producer.sync=true (target: at least 10000/s)"
	say 'wrk.method = "POST"' >"$work/post.lua"
	wrk -t1 -c8 -d"${RV_BENCH_WRK_SECONDS}s" --latency -s "$work/post.lua" "http://127.0.0.1:$charging_port/sendTestMsg" | sed 's/^/  /'
	say "  received meanwhile: $(grep -c 'Receive input msg' "$work/message.log")"
	stop "$message" "$charging" "$broker"
}

part_throughput() {
	local level window size
	say "" "The broker alone, one connection of a raw client (bench/raw.h)"
	for level in written synced; do
		start_broker "${!level}"
		for size in 100 1024; do
			for window in 1 64 1024; do
				printf '  %-7s ' $level
				"$build"/bench/bench-throughput "$broker_port" bench-throughput $([ $window = 1 ] && say 10000 || say 100000) $size $window
			done
		done
		stop "$broker"
	done
}

count_instructions() { # instructions of one run of the arguments; the program's own output is dropped
	local out=$work/callgrind.out
	valgrind --tool=callgrind --callgrind-out-file="$out" "$@" >/dev/null 2>"$work/valgrind.log" ||
		{ tail -n 5 "$work/valgrind.log" >&2; die "callgrind failed: $*"; }
	awk '/^(summary|totals):/ { print $2; exit }' "$out"
}

per_message() { # per_message ROLE ARGUMENTS…: (25000 messages - 5000 messages) / 20000
	local role=$1 few many rate=0
	shift
	[ "$role" = receive ] && rate='' || rate=0
	few=$(count_instructions "$build"/bench/bench-service "$role" 5000 $rate "$@")
	many=$(count_instructions "$build"/bench/bench-service "$role" 25000 $rate "$@")
	say "$(((many - few) / 20000)) instructions a message"
}

part_instructions() {
	local memory=(--spring.config.location="$work/empty.properties" --spring.cloud.stream.default-binder=memory)
	say "" "Instructions a message (callgrind; the difference of 25000 and 5000 messages over 20000, 70 bytes)"
	say "  memory, send alone:        $(per_message send "${memory[@]}" --spring.cloud.stream.bindings.output.destination=bench)"
	say "  memory, send and receive:  $(per_message both "${memory[@]}" --spring.cloud.stream.bindings.output.destination=bench \
		--spring.cloud.stream.bindings.input.destination=bench --spring.cloud.stream.bindings.input.group=bench)"
	start_broker "$written"
	say "  rocketmq, send alone:      $(per_message send "${rocketmq[@]}" --spring.cloud.stream.bindings.output.destination=bench-send)"
	say "  rocketmq, send and receive: $(per_message both "${rocketmq[@]}" --spring.cloud.stream.bindings.output.destination=bench-both \
		--spring.cloud.stream.bindings.input.destination=bench-both --spring.cloud.stream.bindings.input.group=bench)"
	stop "$broker"
}

part_memory() { # the binder inside this process
	local seconds=${RV_BENCH_SECONDS:-60}
	say "" "The memory binder, one sender to one listener, 70 bytes, contentType, messageId and two more headers (target: at least 3 M/s)"
	"$build"/bench/bench-memory rate 3000000 9 | sed 's/^/  /'
	say "What the framework adds, open loop (target: at most 50 µs at the 99th percentile)"
	"$build"/bench/bench-memory latency 10000 "$seconds"
	say "Size over ten million messages (target: no growth)"
	printf '  '
	"$build"/bench/bench-memory growth 10000000
	printf '  instructions a message, send and receive: '
	say "$((($(count_instructions "$build"/bench/bench-memory count 80000) - $(count_instructions "$build"/bench/bench-memory count 40000)) / 40000))"
}

part_kafka() { # Apache Kafka, one node
	local pairs=${RV_BENCH_PAIRS:-9} address
	start kafka tests/peers/run kafka
	until_ok 90 "Apache Kafka" said kafka address
	address=$(sed -n 's/.* address //p' "$work/kafka.log")
	say "" "Kafka, channels against a bare loop of librdkafka, alternating pairs in one process (target: at least 0.95)"
	RIVULET_BINDER_PATH=$build/binder/kafka "$build"/bench/bench-kafka "$address" send 300000 "$pairs"
	RIVULET_BINDER_PATH=$build/binder/kafka "$build"/bench/bench-kafka "$address" receive 500000 "$pairs"
	stop "$started"
}

part_redis() { # a server of Debian, nothing on disk
	local pairs=${RV_BENCH_PAIRS:-9} port
	port=$(free_ports 1)
	start redis redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$work"
	until_ok 10 "Redis" listening "$port"
	say "" "Redis Streams, channels against a bare pipelining loop of hiredis, alternating pairs in one process (target: at least 0.95)"
	RIVULET_BINDER_PATH=$build/binder/redis "$build"/bench/bench-redis "$port" send 300000 "$pairs"
	RIVULET_BINDER_PATH=$build/binder/redis "$build"/bench/bench-redis "$port" receive 300000 "$pairs"
	stop "$started"
}

part_recovery() { # a broker that dies under traffic, again and again
	local kind
	say "" "A broker killed under traffic and started again: ours behind a raw client without back-off (target: at most 5000 ms)"
	for kind in inhouse redis kafka; do
		RV_BUILD_DIR=$(realpath "$build") python3 bench/recovery.py $kind "${RV_BENCH_KILLS:-20}"
	done
}

say "Measured $(date +%F) on $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ { print int($2 / 1048576) }' /proc/meminfo) GiB, Linux $(uname -r | cut -d. -f1,2); store on $(df --output=fstype "$work" | tail -n 1)"
need_space "$work" 1500 "the bench"
for part in "${@:-startup broker latency wrk throughput instructions memory kafka redis recovery}"; do
	for name in $part; do
		case $name in
		startup | broker | latency | wrk | throughput | instructions | memory | kafka | redis | recovery) part_$name ;;
		*) die "unknown part '$name'; there are: startup broker latency wrk throughput instructions memory kafka redis recovery" ;;
		esac
	done
done
