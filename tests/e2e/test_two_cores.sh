#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# alone: cores join by load
# timeout: 300
# Two fast-path cores, each with a queue of its own (net_af_packet; the kernel spreads by a hash of the
# connection). Both carry connections, and what a killed server had is taken apart on both. Then the number of
# cores that serve follows the load, under connections that do not notice. The topology is in lib.sh.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

cores() { # FIELD: of each core, one a line
	tasctl -i "$INSTANCE" cores --json | python3 -c '
import json, sys
for core in json.load(sys.stdin):
    print(core[sys.argv[1]])' "$1"
}

serving() { cores buckets | awk '$1 > 0' | wc -l; }
serves_now() { [ "$(serving)" = "$1" ]; } # CORES
received_by_each() { # PACKETS
	cores rx_packets | awk -v least="$1" '$1 < least { bad = 1 } END { exit bad }'
}

connected() { [ "$(tasctl -i "$INSTANCE" flows | grep -c ESTAB)" -ge "$1" ]; } # CONNECTIONS
no_flow_left() { ! tasctl -i "$INSTANCE" flows | grep -v TIME-WAIT | grep -q ":7 "; }

start_echo() {
	serve echo "$BUILD/tests/e2e/echo" 7
	server=$SPAWNED
	wait_for 10 "the echo server" port_answers 7
}

echoes() { # CONNECTIONS SECONDS BYTES
	local result

	carried_begin
	result=$(in_cli "$BUILD/tests/e2e/reqload" echo $TASD_IP 7 "$@")
	echo "    $*: $result"
	assert_carried "${result##* }"
}

ns_make
say "two cores that always serve"
tasd_start fastpath.cores_max=2 fastpath.cores_min=2 tcp.time_wait_ms=1000
assert_eq "cores that serve" "$(serving)" 2
start_echo
echoes 200 1 64
echoes 100 1 20000
received_by_each 1000 || fail "packets of 200 connections for each core: $(cores rx_packets | xargs)"

say "a server with connections on both is killed"
spawn "$CLI" load "$BUILD/tests/e2e/reqload" echo $TASD_IP 7 200 30 64
wait_for 10 "200 connections" connected 200
for pid in $(pgrep -P "$server") "$server"; do
	kill -KILL "$pid" 2>/dev/null || true
done
wait_for 10 "the end of its connections" no_flow_left
alive "$TASD" || fail "tasd is gone"
stop "$SPAWNED"
tasd_stop

# Whether a core is busy depends on who else has the CPUs. What must hold is that nobody notices, and that all
# is as before when the load is gone.
say "one core, a second one if the load keeps the first busy, and one again"
tasd_start fastpath.cores_min=1
assert_eq "cores that serve at the start" "$(serving)" 1
start_echo
echoes 1000 10 64
added=$(counters cores_added)
wait_for 30 "one core again" serves_now 1
echo "    cores added $added and removed $(counters cores_removed) times"
assert_eq "removed as often as added" "$(counters cores_removed)" "$(counters cores_added)"
[ "$added" -le 5 ] || fail "cores come and go: added $added times in 10 s"
echoes 200 1 64
