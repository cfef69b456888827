#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# Payload buffers grow where they are what limits a connection, either way; those of idle connections, and of
# servers that set SO_RCVBUF and SO_SNDBUF, do not; where memory is short everything goes on all the same.
# Topology: lib.sh.
#
#   exact.py, iperf3 -c (Linux) ---- veth ---- tasd <== shared memory ==> exact.py serve, iperf3 -s
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

FIRST=16384 MOST=1048576 BYTES=40000000 PORT=7000
exact=$e2e_root/tests/e2e/exact.py

# The largest buffer of this kind, "rx" or "tx", of all connections to a port; 0 if there is none.
largest() { # KIND PORT
	tasctl -i "$INSTANCE" flows --json | python3 -c '
import json, sys
kind, port = sys.argv[1:]
flows = [f for f in json.load(sys.stdin) if f["local"].endswith(":" + port)]
print(max((f[kind + "_buffer_bytes"] for f in flows), default=0))' "$@"
}

no_flows() { [ "$(largest rx "$1")" = 0 ]; } # PORT
all_small() { [ "$(largest rx "$1") $(largest tx "$1")" = "$FIRST $FIRST" ]; } # PORT
grown_to() { [ "$(largest "$1" "$2")" -ge "$3" ]; } # KIND PORT BYTES

start() { # [SECTION.KEY=VALUE...]
	tasd_start memory.rx_buffer=$FIRST memory.tx_buffer=$FIRST memory.rx_buffer_max=$MOST \
		memory.tx_buffer_max=$MOST tcp.time_wait_ms=100 tcp.fin_wait2_ms=1000 "$@"
	serve exact python3 "$exact" serve $PORT
	wait_for 20 "exact.py serve" port_answers $PORT
}

exactly() { # put or get
	carried_begin
	in_cli timeout 100 python3 "$exact" "$1" $TASD_IP $PORT $BYTES || fail "$1"
	assert_carried $BYTES
}

ns_make
start

say "a connection that does nothing has what it had"
in_cli python3 -c 'import socket, sys, time
idle = [socket.create_connection((sys.argv[1], int(sys.argv[2]))) for _ in range(20)]
time.sleep(600)' $TASD_IP $PORT &
idle=$!
e2e_pids+=("$idle")
wait_for 20 "idle connections" grown_to rx $PORT $FIRST

say "bytes come through while their buffers grow"
before=$(counters rings_grown)
exactly put
exactly get
[ "$(counters rings_grown)" -gt "$before" ] || fail "no buffer grew"
wait_for 10 "none but idle connections, with what they had" all_small $PORT
stop $idle

say "one connection in each direction"
serve iperf3 iperf3 -s --forceflush
server=$SPAWNED
iperf3_ready iperf3
spawn "$CLI" up iperf3 -c $TASD_IP -t 60
wait_for 50 "the receive buffer to grow" grown_to rx 5201 $((2 * FIRST))
stop "$SPAWNED"
wait_for 10 "iperf3's end" no_flows 5201
iperf3_ready iperf3
spawn "$CLI" down iperf3 -c $TASD_IP -t 60 -R
wait_for 50 "the transmit buffer to grow" grown_to tx 5201 $((2 * FIRST))
[ "$(largest tx 5201)" -le $MOST ] || fail "a transmit buffer of $(largest tx 5201) bytes"
[ "$(largest rx 5201)" -le $MOST ] || fail "a receive buffer of $(largest rx 5201) bytes"
stop "$SPAWNED"

say "not where the program says how large it is"
wait_for 10 "iperf3's end" no_flows 5201
iperf3_ready iperf3
before=$(counters rings_grown)
carried_begin
spawn "$CLI" set iperf3 -c $TASD_IP -t 60 -w 32K
wait_for 50 "bytes through buffers that were set" e2e_carried_enough 20000000
assert_eq "buffers that grew" "$(counters rings_grown)" "$before"
stop "$SPAWNED"
stop "$server"
alive "$TASD" || fail "tasd is gone"
tasd_stop

say "and where there is no memory it goes on as it is"
start memory.app_memory_max=1M memory.app_flows_max=64
exactly put
exactly get
alive "$TASD" || fail "tasd is gone"
