#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# Frames that no honest host sends, over real ports, one that looks at no checksum and one that does: each is
# counted by its name and answered by nothing, and a connection that is open meanwhile goes on.
#
#   malformed.py, a host made of raw frames ---- veth or TAP ---- tasd <== shared memory ==> echo
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

malformed=$e2e_root/tests/e2e/malformed.py
tap=tap-$$

# From a namespace where the kernel knows tasd's hardware address.
suffers() { # NAMESPACE DEVICE WHO-JOINS-FRAGMENTS
	ip netns exec "$1" timeout 150 python3 "$malformed" "$2" "$INSTANCE" $TASD_IP 7 10.77.0.3 "$3"
	alive "$server" || fail "the echo server is gone"
	alive "$TASD" || fail "tasd is gone"
	stop "$server"
	tasd_stop
}

echo_start() {
	serve echo "$BUILD/tests/e2e/echo" 7
	server=$SPAWNED
}

tap_answers() { in_srv timeout 1 bash -c "exec 3<>/dev/tcp/$TASD_IP/7"; }

ns_make
say "net_af_packet"
tasd_start
echo_start
wait_for 10 "the echo server" port_answers 7
suffers "$CLI" cli0 kernel

say "net_tap"
tasd_start port.device="net_tap0,iface=$tap"
wait_for 10 "the TAP device" ip -n "$SRV" link show "$tap"
in_srv sysctl -q -w "net.ipv6.conf.$tap.disable_ipv6=1"
ip -n "$SRV" address add "$CLI_IP/24" dev "$tap"
ip -n "$SRV" link set "$tap" up
echo_start
wait_for 10 "the echo server" tap_answers
suffers "$SRV" "$tap" tasd
