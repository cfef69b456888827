#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A veth peer that leaves checksums to its device is recognised, and the operator is told once what to do; a
# peer that does as it was told is not accused.
. "$(dirname "$0")/lib.sh"

datagrams() { in_cli bash -c "for i in {1..40}; do echo x >/dev/udp/$TASD_IP/9; done"; }

listen() { # NAME
	spawn "$SRV" "$1" "$BUILD/tests/e2e/port_link" bad net_af_packet0,iface=srv0 3
	wait_for 10 "the port" grep -q ready "$WORK/$1.log"
	datagrams
	wait_for 10 "the port's end" e2e_gone "$SPAWNED"
}

told() { # NAME
	grep -c "other end of srv0, run: ethtool -K PEER tx off tso off gso off" "$WORK/$1.log" || true
}

ns_make 1500
ip -n "$CLI" neighbour add "$TASD_IP" lladdr "$(in_srv cat /sys/class/net/srv0/address)" dev cli0

say "the peer finishes its checksums"
listen finished
assert_eq "lines of advice" "$(told finished)" 0
grep -q "^0 suspects" "$WORK/finished.log"

say "the peer leaves them to its device"
in_cli ethtool -K cli0 tx on >/dev/null
listen unfinished
assert_eq "lines of advice" "$(told unfinished)" 1
