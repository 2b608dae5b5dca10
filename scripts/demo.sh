#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# demo: a broker and both services as real processes on loopback, one message through them.
# run:  the same processes, staying up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh
. scripts/ports.sh
. scripts/brokers.sh

word=$1
shift
build=${RV_BUILD_DIR:-build}
once=no store='' free=no binder=inhouse
name_server_port='' broker_port='' charging_port='' message_port=''
while [ $# -gt 0 ]; do
	case $1 in
	--once) once=yes ;;
	--free-ports) free=yes ;;
	--binder)
		known_binder "${2:-}"
		binder=$2
		shift
		;;
	--name-server-port | --broker-port | --charging-port | --message-port)
		[[ ${2:-} =~ ^[0-9]+$ && $2 -ge 1 && $2 -le 65535 ]] || die "$1 needs a port from 1 to 65535"
		name=${1#--}
		printf -v "${name//-/_}" %s "$2"
		shift
		;;
	--store)
		[ -n "${2:-}" ] || die "--store needs a folder"
		store=$2
		shift
		;;
	*) die "unknown option '$1'; see ./dev help" ;;
	esac
	shift
done
# Nobody to press Ctrl-C: show it once and go.
[ "$word" = run ] || [ -t 1 ] || once=yes

[ $binder = inhouse ] || [ -z "$store$name_server_port$broker_port" ] ||
	die "--store, --name-server-port and --broker-port belong to the in-house broker; with --binder $binder leave them away"

defaults=(9876 10911 8081 8082)
[ $free = no ] || read -r -a defaults < <(free_ports 4 | xargs)
: "${name_server_port:=${defaults[0]}}" "${broker_port:=${defaults[1]}}"
: "${charging_port:=${defaults[2]}}" "${message_port:=${defaults[3]}}"

# -- starting and stopping ------------------------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/rivulet-$word.XXXXXX") || die "cannot create a folder in ${TMPDIR:-/tmp}; is the disk full?"
(need_space "$work" 100 "the demo") || { rmdir "$work"; exit 1; }

declare -A pid_of
order=()

start() { # start NAME PROGRAM [arguments]; a session of its own, so that Ctrl-C reaches this script alone
	local name=$1
	shift
	setsid "$@" >"$work/$name.log" 2>&1 </dev/null &
	pid_of[$name]=$!
	order=("$name" "${order[@]}")
}

alive() { kill -0 "${pid_of[$1]}" 2>/dev/null; }

stop_all() {
	local name i
	trap '' INT TERM HUP
	for name in "${order[@]}"; do # last started first: services before the broker
		alive "$name" || continue
		kill -TERM "${pid_of[$name]}" 2>/dev/null || true
		for ((i = 0; i < 600; i++)); do
			alive "$name" || break
			sleep 0.1
		done
		if alive "$name"; then
			say "$name did not stop within 60 s and was killed; its log: $work/$name.log"
			kill -KILL "${pid_of[$name]}" 2>/dev/null || true
			keep_logs=yes
		fi
		wait "${pid_of[$name]}" 2>/dev/null || true
	done
	[ "${keep_logs:-no}" = yes ] || rm -rf "$work"
}

# Ends with the reason, what the process said last, and everything stopped.
fail() { # fail NAME REASON
	say "--- the last lines of $1:" >&2
	tail -n 15 "$work/$1.log" >&2 || true
	keep_logs=yes
	die "$2 (logs: $work)"
}

trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

wait_until() { # wait_until NAME SECONDS WHAT COMMAND…: polls while NAME lives
	local name=$1 deadline=$((SECONDS + $2)) what=$3
	shift 3
	until "$@"; do
		alive "$name" || fail "$name" "$name ended before $what"
		[ $SECONDS -lt $deadline ] || fail "$name" "$name was not there in time: $what"
		sleep 0.05
	done
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

ready() { curl -fsS -m 2 "http://127.0.0.1:$1/actuator/health/readiness" 2>/dev/null | grep -q '"UP"'; }

# -- the three processes ----------------------------------------------------------

need_port "$charging_port" charging-port parking-charging
need_port "$message_port" message-port parking-message
start_broker_"$binder"

say "Starting parking-message on port $message_port and parking-charging on port $charging_port"
start parking-message "$build"/services/parking-message \
	--spring.config.location=config/message/ --server.port="$message_port" "${broker_options[@]}"
# One message is to arrive, however slow the machine; what stays up has the time-out of its properties.
patience=(--rivulet.bindings.output.producer.send-timeout=30s)
[ "$word" = demo ] || patience=()
start parking-charging "$build"/services/parking-charging \
	--spring.config.location=config/charging/ --server.port="$charging_port" "${broker_options[@]}" "${patience[@]}"
wait_until parking-message 60 "it was ready" ready "$message_port"
wait_until parking-charging 60 "it was ready" ready "$charging_port"
say "Both services are ready."

# -- one message -----------------------------------------------------------------

url=http://127.0.0.1:$charging_port/sendTestMsg

send_and_show() {
	local answer id
	say "" "\$ curl -X POST $url"
	answer=$(curl -sS -m 60 -X POST -w '\n%{http_code}' "$url" 2>&1) || fail parking-charging "the request failed: $answer"
	[ "${answer##*$'\n'}" = 200 ] || fail parking-charging "parking-charging answered ${answer##*$'\n'}: ${answer%$'\n'*}"
	answer=${answer%$'\n'*}
	say "$answer"
	id=$(sed -n 's/.*"messageId" *: *"\([^"]*\)".*/\1/p' <<<"$answer")
	[ -n "$id" ] || fail parking-charging "its answer names no messageId"
	wait_until parking-message 60 "the message $id arrived" grep -q "consume $id cost" "$work/parking-message.log"
	say "" "parking-message received it:"
	grep -e 'Receive input msg = ' -e "consume $id cost" "$work/parking-message.log" | tail -n 2
}

stay_up() {
	local name
	say "" "Ctrl-C stops everything. What the services say from now on:" ""
	tail -q -n 0 -F "$work/parking-message.log" "$work/parking-charging.log" 2>/dev/null &
	tail_pid=$!
	trap 'kill $tail_pid 2>/dev/null; stop_all' EXIT
	while sleep 0.5; do
		for name in "${order[@]}"; do
			alive "$name" || fail "$name" "$name ended by itself"
		done
	done
}

if [ "$word" = demo ]; then
	send_and_show
	[ $once = no ] || { say "" "The message arrived."; exit 0; }
fi
say "" "Try next:" \
	"  curl -X POST $url" \
	"  curl http://127.0.0.1:$message_port/actuator/bindings" \
	"${broker_hints[@]}" \
	"  edit config/message/application.properties, and look at what it comes to: $build/cli/rivulet config show config/message/application.properties"
stay_up
