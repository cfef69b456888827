#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# A flood of SYNs from addresses that nobody has keeps nobody out, takes no more than the backlog, and leaves
# nothing behind: RFC 4987. IPv4 and IPv6. The topology of lib.sh, in wider networks.
#
#   flood.py, exact.py put/get (Linux) ---- veth ---- tasd <== shared memory ==> exact.py serve
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

TASD_IP6=fd00:77::1 CLI_IP6=fd00:77::2
BACKLOG=64 SYNS=20000 BYTES=3000000 PORT=7000
exact=$e2e_root/tests/e2e/exact.py

flows() {
	tasctl -i "$INSTANCE" flows --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'
}
no_flows() { [ "$(flows)" = 0 ]; }
flooded() { [ "$(counters tcp_syn_cookies_sent)" -gt "$1" ]; } # SO-MANY
memory_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$TASD/status"; }

ns_make
in_cli ip address add $CLI_IP/16 dev cli0
in_cli ip address del $CLI_IP/24 dev cli0
in_cli sysctl -q -w net.ipv6.conf.cli0.disable_ipv6=0 net.ipv6.conf.cli0.accept_dad=0
in_cli ip -6 address add $CLI_IP6/64 dev cli0 nodad
tasd_start ip.address=$TASD_IP/16 ip.address6=$TASD_IP6/64 tcp.backlog_max=$BACKLOG \
	tcp.synack_retries=4 tcp.rto_initial_ms=500 tcp.time_wait_ms=100 \
	memory.rx_buffer_max=0 memory.tx_buffer_max=0 # so that only the flood could take memory
mac=$(in_srv cat /sys/class/net/srv0/address)
serve exact python3 "$exact" serve $PORT dual
wait_for 20 "exact.py serve" port_answers $PORT

say "a few connections know no cookies"
in_cli python3 "$exact" put $TASD_IP $PORT $BYTES
assert_eq "cookies" "$(counters tcp_syn_cookies_sent)" 0
wait_for 20 "all connections to end" no_flows
before=$(memory_kb)

for address in $TASD_IP $TASD_IP6; do
	say "$SYNS SYNs and more to $address"
	sent=$(counters tcp_syn_cookies_sent) opened=$(counters tcp_syn_cookies_opened)
	spawn "$CLI" flood python3 "$e2e_root/tests/e2e/flood.py" cli0 "$mac" "$address" $PORT $SYNS
	flood=$SPAWNED
	wait_for 60 "the backlog to overflow" flooded "$sent"
	# All handshakes of a backlog are given up together, and who comes just then needs no cookie.
	for round in 1 2 3; do
		carried_begin
		in_cli timeout 60 python3 "$exact" put "$address" $PORT $BYTES || fail "put in a flood"
		in_cli timeout 60 python3 "$exact" get "$address" $PORT $BYTES || fail "get in a flood"
		assert_carried $((2 * BYTES))
		[ "$(counters tcp_syn_cookies_opened)" -lt $((opened + 2)) ] || break
		[ $round -lt 3 ] || fail "connections without cookies"
	done
	kill "$flood"
	wait "$flood" || fail "flood.py"
	[ "$(flows)" -le $((BACKLOG + 4)) ] || fail "$(flows) connections with a backlog of $BACKLOG"
	say "$(counters tcp_syn_cookies_sent) cookies, $(counters tcp_syn_cookies_opened) opened"
done

say "nothing remains"
wait_for 60 "the handshakes to be given up" no_flows
after=$(memory_kb)
[ $((after - before)) -lt 4096 ] || fail "tasd grew from $before to $after KiB"
assert_eq "cookies that failed" "$(counters tcp_syn_cookies_failed)" 0
sent=$(counters tcp_syn_cookies_sent)
in_cli timeout 60 python3 "$exact" put $TASD_IP $PORT $BYTES
assert_eq "cookies of a quiet listener" "$(counters tcp_syn_cookies_sent)" "$sent"
alive "$TASD" || fail "tasd is gone"
