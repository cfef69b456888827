#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# A path that takes smaller packets from the midst of a transfer on, in both families: a router says so, or
# drops them and says nothing. Every byte arrives. Topology: ns_make_routed of lib.sh, with IPv6 beside IPv4.
#
#   exact.py <== shared memory ==> tasd ---- veth ---- router (Linux) ---- MTU 1500, then less ---- exact.py
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

BYTES=30000000
TASD_IP6=fd00:77::1 RTR_IP6=fd00:77::254 FAR_IP6=fd00:78::2
exact=$e2e_root/tests/e2e/exact.py

answers() { "$1" timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3"; } # STARTER ADDRESS PORT

# What the router refused as too large, by both families.
refused() {
	# shellcheck disable=SC2016  # the fields are awk's
	in_rtr awk '/^Icmp: [0-9]/ { sum += $16 }
		$1 == "Icmp6OutPktTooBigs" { sum += $2 }
		END { print sum }' /proc/net/snmp /proc/net/snmp6
}

sent_some() { [ "$(counters tcp_tx_payload_bytes)" -gt $((before + 100000)) ]; }

# tasd sends; once it has, the path takes only MTU bytes. Nobody reads before that, be it the client or the
# server at the other end, so that most of the transfer is yet to come.
shrinks() { # MTU WHAT COMMAND...
	say "$2: the path takes $1 bytes from the midst on"
	rm -f "$WORK/go-on"
	refused=$(refused) timeouts=$(counters tcp_timeouts) holes=$(counters tcp_black_holes)
	again=$(counters tcp_tx_retransmits) before=$(counters tcp_tx_payload_bytes)
	kill -STOP "$far"
	"${@:3}" >"$WORK/client.log" 2>&1 &
	client=$!
	e2e_pids+=("$client")
	wait_for 20 "the transfer" sent_some
	ip -n "$RTR" link set rtr1 mtu "$1"
	kill -CONT "$far"
	touch "$WORK/go-on"
	wait "$client" || fail "$2: $(cat "$WORK/client.log")"
	[ $(($(counters tcp_tx_payload_bytes) - before)) -ge $BYTES ] || fail "$2: tasd did not carry it"
	refused=$(($(refused) - refused)) timeouts=$(($(counters tcp_timeouts) - timeouts))
	holes=$(($(counters tcp_black_holes) - holes)) again=$(($(counters tcp_tx_retransmits) - again))
	echo "    $refused packets were too large, $again segments sent again," \
		"$timeouts timeouts, $holes black holes"
}

get() { in_cli timeout 100 python3 "$exact" get "$1" 7000 $BYTES "$WORK/go-on"; } # ADDRESS
put() { under_tas timeout 100 python3 "$exact" put "$1" 7001 $BYTES; } # ADDRESS

told() { # after shrinks
	[ "$refused" -ge 1 ] || fail "the router refused nothing"
	[ "$holes" -eq 0 ] || fail "$holes times a timer found out what the router had said"
}

not_told() { # after shrinks
	[ "$holes" -ge 1 ] || fail "no black hole was found"
}

ns_make_routed 1500
for pair in "$RTR rtr0" "$RTR rtr1" "$CLI cli0"; do
	read -r namespace device <<<"$pair"
	ip netns exec "$namespace" sysctl -q -w "net.ipv6.conf.$device.disable_ipv6=0" \
		"net.ipv6.conf.$device.accept_dad=0"
done
in_rtr sysctl -q -w net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0
ip -n "$RTR" -6 address add $RTR_IP6/64 dev rtr0 nodad
ip -n "$RTR" -6 address add fd00:78::254/64 dev rtr1 nodad
ip -n "$CLI" -6 address add $FAR_IP6/64 dev cli0 nodad
ip -n "$CLI" -6 route add default via fd00:78::254
tasd_start ip.gateway=$RTR_IP ip.address6=$TASD_IP6/64 ip.gateway6=$RTR_IP6
serve exact python3 "$exact" serve 7000 dual
spawn "$CLI" far python3 "$exact" serve 7001 both
far=$SPAWNED
for address in $TASD_IP $TASD_IP6; do
	wait_for 20 "exact.py under tas-run at $address" answers in_cli "$address" 7000
done
for address in $FAR_IP $FAR_IP6; do
	wait_for 20 "exact.py beyond the router at $address" answers in_cli "$address" 7001
done

shrinks 1450 "IPv4, passive open" get $TASD_IP
told
shrinks 1420 "IPv6, passive open" get $TASD_IP6
told
shrinks 1400 "IPv4, active open" put $FAR_IP
told
shrinks 1380 "IPv6, active open" put $FAR_IP6
told

in_rtr nft -f - <<'T'
table inet hole {
	chain out {
		type filter hook output priority 0
		icmp type destination-unreachable drop
		icmpv6 type packet-too-big drop
	}
}
T
shrinks 1350 "IPv4, nobody says so" get $TASD_IP
not_told
shrinks 1320 "IPv6, nobody says so" get $TASD_IP6
not_told

alive "$TASD" || fail "tasd is gone"
