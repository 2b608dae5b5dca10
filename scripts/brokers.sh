# SPDX-License-Identifier: Apache-2.0
# The brokers that demo and run can start, by the word after --binder. Sourced by demo.sh and ./dev.
#
# start_broker_KIND starts one as process `broker`, waits until it takes connections, and fills
#   broker_options   what both services are told on the command line
#   broker_hints     what a reader can try next
# The in-house one has fixed ports and a store that can be kept; the others take free ports and leave nothing behind.

known_binder() {
	case $1 in
	inhouse | rocketmq | kafka | redis) ;;
	*) die "--binder needs inhouse, rocketmq, kafka or redis" ;;
	esac
}

# packages_of_binder KIND: the groups of packages.sh that its broker needs.
packages_of_binder() {
	case $1 in
	rocketmq | kafka) say java ;;
	redis) say redis ;;
	esac
}

start_broker_inhouse() {
	local address=127.0.0.1:$name_server_port
	need_port "$name_server_port" name-server-port "the name server"
	need_port "$broker_port" broker-port "the broker"
	if [ -z "$store" ]; then
		store=$work/store
		[ "$word" = demo ] || store=${XDG_STATE_HOME:-$HOME/.local/state}/rivulet/run
	fi
	mkdir -p "$store" || die "cannot create the store $store; see --store"
	need_space "$store" 100 "the broker's store"
	say "Starting the broker (name server $address, broker 127.0.0.1:$broker_port, store $store)"
	start broker "$build"/cli/rivulet broker --store "$store" --port "$broker_port" --name-server-port "$name_server_port"
	wait_until broker 60 "it took connections on port $name_server_port" listening "$name_server_port"
	wait_until broker 60 "it took connections on port $broker_port" listening "$broker_port"
	on_rocketmq "$address"
}

start_broker_rocketmq() {
	start_java_broker rocketmq4 apache "Apache RocketMQ"
	on_rocketmq "$address"
}

on_rocketmq() { # on_rocketmq NAME-SERVER
	broker_options=(--spring.cloud.stream.rocketmq.binder.name-server="$1")
	broker_hints=("  $build/cli/rivulet tail park-pay-topic -n $1"
		"  $build/cli/rivulet send park-pay-topic '{\"mcontent\":\"hello\"}' -n $1")
}

start_broker_kafka() {
	need_module kafka librdkafka-dev
	start_java_broker kafka kafka "Apache Kafka"
	broker_options=(--spring.profiles.active=kafka --spring.cloud.stream.kafka.binder.brokers="$address"
		--rivulet.binder.path="$build/binder/kafka")
	broker_hints=("  java -cp '$(tests/peers/install --where kafka)/lib/*' org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server $address --topic park-pay-topic --from-beginning")
}

start_broker_redis() {
	local port
	need_module redis libhiredis-dev
	port=$(free_ports 1)
	say "Starting Redis (127.0.0.1:$port)"
	start broker redis-server --bind 127.0.0.1 --port "$port" --dir "$work" --appendonly yes
	wait_until broker 60 "it took connections on port $port" listening "$port"
	broker_options=(--spring.profiles.active=redis --spring.cloud.stream.redis.binder.nodes="127.0.0.1:$port"
		--rivulet.binder.path="$build/binder/redis")
	broker_hints=("  redis-cli -p $port XRANGE park-pay-topic - +")
}

# start_java_broker MODULE KIND NAME: fetched once from Maven Central, run by tests/peers; sets `address`.
start_java_broker() {
	say "Looking for $3 (fetched once from Maven Central into ${XDG_CACHE_HOME:-~/.cache}/rivulet)"
	tests/peers/install "$1" || die "$3 could not be installed from Maven Central; is the network up?"
	say "Starting $3"
	start broker tests/peers/run "$2"
	wait_until broker 240 "it was ready" grep -qs 'address [0-9.]*:[0-9]' "$work/broker.log"
	address=$(sed -n 's/.*address //p' "$work/broker.log")
	say "$3 answers on $address"
}

need_module() { # need_module TYPE PACKAGE
	[ -f "$build/binder/$1/rivulet-binder-$1.so" ] ||
		die "the binder '$1' was not built; install $2 and build again with ./dev build"
}
