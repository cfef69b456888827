#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# Through a router that lets through no more than a rate, with a small bucket and a short queue (tbf): both
# ways, both roles, byte by byte, and a capture of it all without a fault. Topology: ns_make_routed of lib.sh.
#
#   exact.py <== shared memory ==> tasd ---- veth ---- router (tbf both ways) ---- veth ---- exact.py (Linux)
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_judge.sh"

exact=$e2e_root/tests/e2e/exact.py

far_answers() { in_cli timeout 1 bash -c "exec 3<>/dev/tcp/$FAR_IP/7001"; }

# From now on, in both directions.
limit() { # MBIT/S BURST QUEUE_MS
	local device

	for device in rtr0 rtr1; do
		in_rtr tc qdisc replace dev $device root tbf rate "$1mbit" burst "$2" latency "$3ms"
	done
}

dropped() { in_rtr tc -s qdisc show dev "$1" | awk '/Sent/ { sub(",", "", $7); print $7 }'; } # DEVICE

# What one transfer took; the bucket's first burst passes at once, and some of what was dropped comes twice.
timed() { # WHAT COMMAND...
	local begin=${EPOCHREALTIME/./} us

	"${@:2}" || fail "$1"
	us=$((${EPOCHREALTIME/./} - begin))
	say "$1: $((bytes * 8 / us)) of $mbit Mbit/s"
	[ $us -ge $(((bytes - 100000) * 8 / mbit)) ] || fail "$1: the router let more through than it should"
}

# All four, of so many bytes.
transfers() { # MBIT/S BYTES
	local mbit=$1 bytes=$2

	carried_begin
	timed "get from a server over tasd" in_cli timeout 60 python3 "$exact" get $TASD_IP 7000 "$bytes"
	timed "put to a server over tasd" in_cli timeout 60 python3 "$exact" put $TASD_IP 7000 "$bytes"
	timed "get by a client over tasd" under_tas timeout 60 python3 "$exact" get $FAR_IP 7001 "$bytes"
	timed "put by a client over tasd" under_tas timeout 60 python3 "$exact" put $FAR_IP 7001 "$bytes"
	assert_carried $((4 * bytes))
}

ns_make_routed 1500
spawn "$CLI" far python3 "$exact" serve 7001
wait_for 20 "exact.py beyond the router" far_answers
for algorithm in bbr cubic; do
	say "$algorithm"
	tasd_start ip.gateway=$RTR_IP tcp.congestion=$algorithm
	serve exact python3 "$exact" serve 7000
	server=$SPAWNED
	wait_for 20 "exact.py under tas-run" port_answers 7000
	capture_start "$RTR" rtr0 $algorithm
	limit 40 20k 15
	transfers 40 6000000
	limit 4 6k 100
	transfers 4 500000
	capture_stop
	judge $algorithm
	stop "$server"
	alive "$TASD" || fail "tasd is gone"
	tasd_stop
done
[ "$(dropped rtr1)" -gt 0 ] || fail "cubic never filled the router's queue"
