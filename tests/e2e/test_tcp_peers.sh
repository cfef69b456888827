#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# Peers that lack this or that, small and large packets, and a lossy path: some MB each way, byte by byte.
# Topology: lib.sh; what the peer lacks is set in $CLI.
#
#   exact.py put/get (Linux) ---- veth ---- tasd <== shared memory ==> exact.py serve
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

BYTES=4000000 PORT=7000
exact=$e2e_root/tests/e2e/exact.py

# The server under tas-run, on a tasd for packets of this size. The client's kernel hands its hooks one packet
# at a time, not many in one piece to be cut behind them.
start() { # MTU [SECTION.KEY=VALUE...]
	ip -n "$SRV" link set srv0 mtu "$1"
	ip -n "$CLI" link set cli0 mtu "$1" gso_max_segs 1
	tasd_start port.mtu="$1" "${@:2}"
	serve exact python3 "$exact" serve $PORT
	server=$SPAWNED
	wait_for 20 "exact.py serve" port_answers $PORT
}

finish() {
	stop "$server"
	alive "$TASD" || fail "tasd is gone"
	tasd_stop
}

# Both ways, each of them carried.
both_ways() { # WHAT [BYTES]
	local bytes=${2:-$BYTES} way

	say "$1"
	for way in put get; do
		carried_begin
		in_cli timeout 100 python3 "$exact" $way $TASD_IP $PORT "$bytes" || fail "$1: $way"
		assert_carried "$bytes"
	done
}

# With these settings of the client's kernel, and not afterwards.
without() { # WHAT SETTING...
	local setting

	for setting in "${@:2}"; do
		in_cli sysctl -q -w "net.ipv4.$setting=0"
	done
	both_ways "$1"
	for setting in "${@:2}"; do
		in_cli sysctl -q -w "net.ipv4.$setting=1"
	done
}

# What both_ways sent from here went in segments of no more than so many bytes.
assert_small_segments() { # SIZE SEGMENTS-BEFORE
	local sent=$(($(counters tcp_tx_segments) - $2))

	[ $((sent * $1)) -ge $BYTES ] || fail "$BYTES bytes in $sent segments: larger ones than $1 bytes"
}

# 1 % of what comes to the client is dropped; 1 % of what it sends goes to an address that nobody has, as
# what is dropped on the way out the kernel's TCP knows not to have been sent. Payload is counted.
lose() {
	in_cli ip neigh replace 10.77.0.66 lladdr 02:00:00:00:00:66 dev cli0
	in_cli nft -f - <<-'T'
		table ip loss {
			chain input {
				type filter hook input priority 0
				ip length > 100 numgen random mod 100 < 1 counter drop
				ip length <= 100 numgen random mod 100 < 1 drop
			}
			chain output {
				type filter hook postrouting priority 0
				ip protocol tcp numgen random mod 100 < 1 counter ip daddr set 10.77.0.66
			}
		}
	T
}

# 1 % of the data meets congestion, each way.
mark() {
	in_cli nft -f - <<-'T'
		table ip congestion {
			chain prerouting {
				type filter hook prerouting priority 0
				ip ecn ect0 numgen random mod 100 < 1 ip ecn set ce
			}
			chain postrouting {
				type filter hook postrouting priority 0
				ip ecn ect0 numgen random mod 100 < 1 ip ecn set ce
			}
		}
	T
}

# Bytes of payload that were dropped on their way from tasd: nftables counts IP packets, with headers of 52
# bytes.
lost() {
	in_cli nft list chain ip loss input |
		sed -n 's/.*counter packets \([0-9]*\) bytes \([0-9]*\) drop.*/\1 \2/p' |
		while read -r packets bytes; do echo $((bytes - 52 * packets)); done
}

ns_make
start 1500
both_ways "a usual peer"
without "a peer without window scaling" tcp_window_scaling
without "a peer without timestamps" tcp_timestamps
without "a peer without SACK" tcp_sack
without "a peer without all three" tcp_window_scaling tcp_timestamps tcp_sack

in_cli ip route change 10.77.0.0/24 dev cli0 advmss 536
segments=$(counters tcp_tx_segments)
both_ways "a peer with an MSS of 536"
assert_small_segments 536 "$segments"
in_cli ip route change 10.77.0.0/24 dev cli0

lose
again=$(counters tcp_tx_retransmit_bytes)
both_ways "1 % loss each way" 12000000
again=$(($(counters tcp_tx_retransmit_bytes) - again)) gone=$(lost)
say "$gone bytes lost, $again sent again"
[ "$gone" -ge 40000 ] || fail "only $gone bytes were lost"
[ $((again * 2)) -le $((gone * 3)) ] || fail "$again bytes sent again for $gone lost"
in_cli nft delete table ip loss
finish

start 576
segments=$(counters tcp_tx_segments)
both_ways "packets of 576 bytes"
assert_small_segments 536 "$segments"
finish

start 9000
segments=$(counters tcp_tx_segments)
both_ways "packets of 9000 bytes"
segments=$(($(counters tcp_tx_segments) - segments))
[ $segments -le $((BYTES / 4000)) ] || fail "$BYTES bytes in $segments segments: no large ones"
finish

start 1500 tcp.ecn=on
in_cli sysctl -q -w net.ipv4.tcp_ecn=1
mark
both_ways "a peer with ECN, 1 % marked"
[ "$(counters tcp_rx_ce)" -gt 0 ] || fail "no mark was seen on what came"
[ "$(counters tcp_rx_ece)" -gt 0 ] || fail "the peer echoed no mark"
assert_eq "sent again" "$(counters tcp_tx_retransmits)" 0
finish
