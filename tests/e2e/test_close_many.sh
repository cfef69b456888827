#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# 20,000 connections that end at once leave nothing: neither flows nor memory, whoever ends them. Topology:
# lib.sh; two servers and two clients, since each has so many descriptors only.
#
#   crowd, crowd (Linux) ---- veth ---- tasd <== shared memory ==> echo, echo
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

each=10000
ulimit -n $((each + 2000)) || fail "needs $((each + 2000)) open files: raise the hard limit"

status() { # NAME
	tasctl -i "$INSTANCE" status --json |
		python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}
no_flow_left() { [ "$(status flows)" = 0 ]; }
no_memory_left() { [ "$(status app_memory_bytes)" = 0 ]; }

all_open() { [ "$(cat "$WORK"/crowd?.log 2>/dev/null | grep -c "^open $each")" = 2 ]; }

crowds_start() {
	local port

	crowds=()
	carried_begin
	rm -f "$WORK"/crowd?.log
	for port in 7 8; do
		spawn "$CLI" crowd$port "$BUILD/tests/e2e/crowd" $TASD_IP $port 1 $each
		crowds+=("$SPAWNED")
	done
	e2e_until 60 all_open || fail "not all connections are open: $(cat "$WORK"/crowd?.log)"
	[ "$(status flows)" -ge $((2 * each)) ] || fail "tasd has only $(status flows) flows"
	assert_carried $((2 * each * 2)) # a byte there and back on each
}

crowds_end() { # HOW: what each of them must say
	wait_for 30 "the end of the first crowd" e2e_gone "${crowds[0]}"
	wait_for 30 "the end of the second crowd" e2e_gone "${crowds[1]}"
	cat "$WORK"/crowd?.log
	assert_eq "crowds that ended so" "$(cat "$WORK"/crowd?.log | grep -c "^$1")" 2
}

ns_make
in_cli sysctl -q -w net.ipv4.ip_local_port_range="1024 65000" net.ipv4.tcp_max_tw_buckets=100000
tasd_start memory.rx_buffer=4K memory.tx_buffer=4K memory.app_memory_max=256M tcp.time_wait_ms=1000
serve echo7 "$BUILD/tests/e2e/echo" 7
servers=("$SPAWNED")
serve echo8 "$BUILD/tests/e2e/echo" 8
servers+=("$SPAWNED")
wait_for 10 "the first server" port_answers 7
wait_for 10 "the second server" port_answers 8

say "$((2 * each)) connections are closed by their clients"
crowds_start
memory=$(status app_memory_bytes)
kill -USR1 "${crowds[@]}"
crowds_end "closed $each ended 0 reset 0"
wait_for 20 "a tasd without flows" no_flow_left

say "$((2 * each)) connections are closed by their servers, and pass TIME_WAIT"
crowds_start
kill -USR1 "${servers[@]}"
crowds_end "closed 0 ended $each reset 0"
wait_for 20 "a tasd without flows" no_flow_left

say "the same memory was used again"
[ "$(status app_memory_bytes)" -le $((memory + memory / 50)) ] ||
	fail "$(status app_memory_bytes), not $memory bytes"

say "$((2 * each)) connections lose their servers"
crowds_start
kill -KILL "${servers[@]}"
wait "${servers[@]}" 2>/dev/null || true
crowds_end "closed 0 ended $each reset 0"
wait_for 20 "a tasd without flows" no_flow_left
wait_for 10 "a tasd without memory of applications" no_memory_left
alive "$TASD" || fail "tasd is gone"
