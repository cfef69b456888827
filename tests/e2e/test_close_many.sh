#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# 20,000 connections that end at once leave nothing: neither flows nor memory, whoever ends them. Topology:
# lib.sh; two servers and two clients, since each has so many descriptors only. More of them: $PAIRS.
#
#   crowd, crowd (Linux) ---- veth ---- tasd <== shared memory ==> echo, echo
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

each=10000 pairs=${PAIRS:-2}
all=$((pairs * each)) last=$((6 + pairs)) # echo servers on ports 7 to $last
ulimit -n $((each + 2000)) || fail "needs $((each + 2000)) open files: raise the hard limit"

status() { # NAME
	tasctl -i "$INSTANCE" status --json |
		python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}
no_flow_left() { [ "$(status flows)" = 0 ]; }
no_memory_left() { [ "$(status app_memory_bytes)" = 0 ]; }

said() { cat "$WORK"/crowd*.log 2>/dev/null | grep -c "^$1"; }
all_open() { [ "$(said "open $each")" = "$pairs" ]; }

crowds_start() {
	local port

	crowds=()
	carried_begin
	rm -f "$WORK"/crowd*.log
	for ((port = 7; port <= last; port++)); do
		spawn "$CLI" crowd$port "$BUILD/tests/e2e/crowd" $TASD_IP $port 1 $each
		crowds+=("$SPAWNED")
	done
	e2e_until $((30 * pairs)) all_open || fail "not all connections are open: $(cat "$WORK"/crowd*.log)"
	[ "$(status flows)" -ge $all ] || fail "tasd has only $(status flows) flows"
	assert_carried $((all * 2)) # a byte there and back on each
}

crowds_end() { # HOW: what each of them must say
	local crowd

	for crowd in "${crowds[@]}"; do
		wait_for 60 "the end of a crowd" e2e_gone "$crowd"
	done
	cat "$WORK"/crowd*.log
	assert_eq "crowds that ended so" "$(said "$1")" "$pairs"
}

ns_make
in_cli sysctl -q -w net.ipv4.ip_local_port_range="1024 65000" net.ipv4.tcp_max_tw_buckets=100000
tasd_start memory.rx_buffer=4K memory.tx_buffer=4K memory.app_memory_max=256M memory.flows_max=131072 \
	memory.dpdk_memory=512M tcp.time_wait_ms=1000
servers=()
for ((port = 7; port <= last; port++)); do
	serve "echo$port" "$BUILD/tests/e2e/echo" "$port"
	servers+=("$SPAWNED")
	wait_for 10 "the server on port $port" port_answers "$port"
done

say "$all connections are closed by their clients"
crowds_start
memory=$(status app_memory_bytes)
kill -USR1 "${crowds[@]}"
crowds_end "closed $each ended 0 reset 0"
wait_for 20 "a tasd without flows" no_flow_left

say "$all connections are closed by their servers, and pass TIME_WAIT"
crowds_start
kill -USR1 "${servers[@]}"
crowds_end "closed 0 ended $each reset 0"
wait_for 20 "a tasd without flows" no_flow_left

say "the same memory was used again"
[ "$(status app_memory_bytes)" -le $((memory + memory / 50)) ] ||
	fail "$(status app_memory_bytes), not $memory bytes"

say "$all connections lose their servers"
crowds_start
kill -KILL "${servers[@]}"
wait "${servers[@]}" 2>/dev/null || true
crowds_end "closed 0 ended $each reset 0"
wait_for 20 "a tasd without flows" no_flow_left
wait_for 10 "a tasd without memory of applications" no_memory_left
alive "$TASD" || fail "tasd is gone"
