#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# A client without path MTU discovery, beyond a router whose next link is narrow: its segments arrive in
# fragments, and every byte is there. tasd has a TAP device, for AF_PACKET shows what the kernel has put
# together.
#
#   exact.py ---- veth ---- router ($SRV) ---- MTU 600, TAP ---- tasd <== shared memory ==> exact.py
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

BYTES=2000000
exact=$e2e_root/tests/e2e/exact.py
tap=tap-$$

ns_make
ip -n "$CLI" address replace 10.78.0.2/24 dev cli0
ip -n "$CLI" address delete $CLI_IP/24 dev cli0
ip -n "$CLI" route add default via 10.78.0.254
in_cli sysctl -q -w net.ipv4.ip_no_pmtu_disc=1
ip -n "$SRV" address add 10.78.0.254/24 dev srv0
in_srv sysctl -q -w net.ipv4.ip_forward=1
tasd_start port.device="net_tap0,iface=$tap" ip.gateway=10.77.0.254
wait_for 10 "the TAP device" ip -n "$SRV" link show "$tap"
in_srv sysctl -q -w "net.ipv6.conf.$tap.disable_ipv6=1"
ip -n "$SRV" address add 10.77.0.254/24 dev "$tap"
ip -n "$SRV" link set "$tap" up
ip -n "$SRV" route add $TASD_IP/32 dev "$tap" mtu lock 600
serve exact python3 "$exact" serve 7000
wait_for 20 "exact.py under tas-run" port_answers 7000

say "from the client: in fragments"
carried_begin
in_cli timeout 60 python3 "$exact" put $TASD_IP 7000 $BYTES || fail "what arrived is not what was sent"
assert_carried $BYTES
[ "$(counters rx_reassembled)" -ge 1000 ] || fail "$(counters rx_reassembled) packets came in fragments"
echo "    $(counters rx_fragments) fragments, $(counters rx_reassembled) packets," \
	"$(counters rx_fragments_dropped) fragments dropped"

say "to the client: whole"
in_cli timeout 60 python3 "$exact" get $TASD_IP 7000 $BYTES || fail "what arrived is not what was sent"
alive "$TASD" || fail "tasd is gone"
