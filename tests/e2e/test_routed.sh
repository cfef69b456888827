#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# Through a router: connections both ways, a path that takes only small packets, networks that nobody reaches,
# and a router that gets another hardware address. Topology: ns_make_routed of lib.sh.
#
#   exact.py <== shared memory ==> tasd ---- veth ---- router (Linux) ---- MTU 1400 ---- exact.py (Linux)
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

BYTES=2000000 MTU=1400
TRANSFERS=5 # each way that tasd sends
exact=$e2e_root/tests/e2e/exact.py

far_answers() { in_cli timeout 1 bash -c "exec 3<>/dev/tcp/$FAR_IP/7001"; }

# shellcheck disable=SC2016  # the field is awk's
refused_by_router() { in_rtr awk '/^Icmp: [0-9]/ { print $16 }' /proc/net/snmp; } # OutDestUnreachs

# What connect() says about addresses, at once and after waiting.
errors_of() { # ADDRESS...
	cat <<-'T' >"$WORK/errors.py"
		import errno, select, socket, sys

		for address in sys.argv[1:]:
		    s, t = socket.socket(), socket.socket()
		    t.setblocking(False)
		    began = t.connect_ex((address, 80))
		    waited = s.connect_ex((address, 80))
		    select.select([], [t], [], 20)
		    ended = t.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
		    print(address, *(errno.errorcode.get(e, "0") for e in (began, ended, waited)))
	T
	python3 "$WORK/errors.py" "$@"
}

# Transfers in which tasd sends; the first is to find out about the path, and the others to know it. Of 200 ms
# and more that a timer would wait each time, other programs on the CPU may be the reason for a few.
finds_the_path() { # WHAT KNOWN COMMAND...
	local refused timeouts again i

	say "$1"
	refused=$(refused_by_router) timeouts=$(counters tcp_timeouts) again=$(counters tcp_tx_retransmits)
	carried_begin
	for ((i = 0; i < TRANSFERS; i++)); do
		"${@:3}" || fail "$1"
	done
	assert_carried $((TRANSFERS * BYTES))
	refused=$(($(refused_by_router) - refused)) timeouts=$(($(counters tcp_timeouts) - timeouts))
	again=$(($(counters tcp_tx_retransmits) - again))
	echo "    $refused packets were too large, $again segments sent again, $timeouts timeouts"
	[ $refused -gt 0 ] || [ "$2" = known ] || fail "$1: the router refused nothing"
	[ $refused -eq 0 ] || [ "$2" = unknown ] || fail "$1: the router had to refuse $refused packets again"
	[ $timeouts -le $((TRANSFERS / 2)) ] || fail "$1: $timeouts timeouts in $TRANSFERS transfers"
}

# To all, as often as it takes: an address that was just learned is not replaced in the first second.
announce() {
	in_rtr python3 - "$1" <<-'T'
		import socket, sys

		mac = bytes.fromhex(sys.argv[1].replace(":", ""))
		ip = socket.inet_aton("10.77.0.254")
		s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		s.bind(("rtr0", 0))
		s.send(b"\xff" * 6 + mac + b"\x08\x06\0\x01\x08\0\x06\x04\0\x01" + mac + ip + bytes(6) + ip)
	T
}

gone_or_announced() { e2e_gone "$client" || { announce "$1" && false; }; } # ADDRESS

stalled() { [ "$(counters tcp_tx_payload_bytes)" -gt $((before + 100000)) ]; }

ns_make_routed $MTU
# the kernel's own way through the same router, to compare with
ip link add ker0 netns "$SRV" type veth peer name rtr2 netns "$RTR"
ip -n "$SRV" address add 10.79.0.1/24 dev ker0
ip -n "$RTR" address add 10.79.0.254/24 dev rtr2
ip -n "$SRV" link set ker0 up
ip -n "$RTR" link set rtr2 up
ip -n "$SRV" route add default via 10.79.0.254
ip -n "$RTR" route add unreachable 203.0.113.0/24
ip -n "$RTR" route add prohibit 198.51.100.0/24

tasd_start ip.gateway=$RTR_IP
serve exact python3 "$exact" serve 7000
spawn "$CLI" far python3 "$exact" serve 7001
wait_for 20 "exact.py under tas-run" port_answers 7000
wait_for 20 "exact.py beyond the router" far_answers

say "what arrives: passive and active open"
carried_begin
in_cli timeout 60 python3 "$exact" put $TASD_IP 7000 $BYTES || fail "put from beyond the router"
under_tas timeout 60 python3 "$exact" get $FAR_IP 7001 $BYTES || fail "get from beyond the router"
assert_carried $((2 * BYTES))

finds_the_path "the path takes $MTU bytes, passive open" unknown \
	in_cli timeout 60 python3 "$exact" get $TASD_IP 7000 $BYTES
finds_the_path "the path takes $MTU bytes, active open" known \
	under_tas timeout 60 python3 "$exact" put $FAR_IP 7001 $BYTES

say "networks without a route, unreachable, prohibited"
nowhere=(192.0.2.1 203.0.113.1 198.51.100.1)
errors="$(declare -f errors_of); WORK=$WORK errors_of ${nowhere[*]}"
failed=$(counters tcp_attempt_fails)
in_srv bash -c "$errors" >"$WORK/over-kernel"
under_tas bash -c "$errors" >"$WORK/over-tasd"
sed 's/^/    /' "$WORK/over-tasd"
diff -u "$WORK/over-kernel" "$WORK/over-tasd" || fail "tasd (+) differs from the kernel (-)"
assert_eq "attempts over tasd" $(($(counters tcp_attempt_fails) - failed)) $((2 * ${#nowhere[@]}))

say "the router gets another hardware address in the midst of a transfer, and announces it"
before=$(counters tcp_tx_payload_bytes)
spawn "$CLI" client python3 "$exact" get $TASD_IP 7000 20000000 "$WORK/go-on"
client=$SPAWNED
wait_for 20 "the transfer" stalled
ip -n "$RTR" link set rtr0 address 02:00:00:00:77:fe
touch "$WORK/go-on"
wait_for 20 "the end of the transfer" gone_or_announced 02:00:00:00:77:fe
wait "$client" || fail "the transfer through the other hardware address"
under_tas timeout 60 python3 "$exact" get $FAR_IP 7001 $BYTES || fail "a new connection through it"
alive "$TASD" || fail "tasd is gone"
