#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# alone: rates are compared
# timeout: 120
# The default at 1 % loss each way, against Linux's cubic over a wire of the same kind under the same loss: in
# turns, since both share this machine's processors with whatever else runs.
#
#   iperf3 -c (Linux) ---- veth ---- tasd <== shared memory ==> iperf3 -s
#                     ---- veth ---- Linux's TCP -------------> iperf3 -s
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

LINUX_IP=10.79.0.1 NOBODY=66 TURNS=10 BYTES=5M FLOOR_PERCENT=75

# What is dropped on its way out the kernel's TCP knows not to have been sent; so that goes to an address that
# nobody has. No hook sees several packets in one piece to be cut behind it.
lose() {
	local device

	for device in cli0 cli1; do
		ip -n "$CLI" link set $device gso_max_segs 1
	done
	ip -n "$SRV" link set srv1 gso_max_segs 1
	in_cli ip neigh replace 10.77.0.$NOBODY lladdr 02:00:00:00:00:66 dev cli0
	in_cli ip neigh replace 10.79.0.$NOBODY lladdr 02:00:00:00:00:66 dev cli1
	in_cli nft -f - <<-T
		table ip loss {
			chain input {
				type filter hook input priority 0
				numgen random mod 100 < 1 drop
			}
			chain output {
				type filter hook postrouting priority 0
				ip daddr $TASD_IP numgen random mod 100 < 1 ip daddr set 10.77.0.$NOBODY
				ip daddr $LINUX_IP numgen random mod 100 < 1 ip daddr set 10.79.0.$NOBODY
			}
		}
	T
}

# What the clients said that moved BYTES: appends "BYTES SECONDS" to $WORK/NAME.
move() { # NAME ADDRESS ARGUMENTS...
	in_cli timeout 60 iperf3 -c "$2" -n $BYTES -J "${@:3}" >"$WORK/iperf.json" || {
		cat "$WORK/iperf.json"
		fail "iperf3 -c ${*:2}"
	}
	python3 -c '
import json, sys
got = json.load(open(sys.argv[1]))["end"]["sum_received"]
print(got["bytes"], got["seconds"])' "$WORK/iperf.json" >>"$WORK/$1"
}

mbit_s() { awk '{ bytes += $1; seconds += $2 } END { printf "%d\n", bytes * 8 / seconds / 1e6 }' "$WORK/$1"; }
bytes_of() { cat "$@" | awk '{ bytes += $1 } END { printf "%.0f", bytes }'; }

# By all bytes in all the time, so that no single lucky run decides.
assert_floor() { # WAY IPERF3-ARGUMENTS...
	local i ours linux

	for ((i = 0; i < TURNS; i++)); do
		iperf3_ready tasd-iperf3
		move "tasd-$1" $TASD_IP "${@:2}"
		iperf3_ready linux-iperf3
		move "linux-$1" $LINUX_IP -p 5202 -C cubic "${@:2}"
	done
	ours=$(mbit_s "tasd-$1") linux=$(mbit_s "linux-$1")
	say "$1: tasd $ours Mb/s, Linux $linux Mb/s"
	[ $((ours * 100)) -ge $((linux * FLOOR_PERCENT)) ] ||
		fail "$1 at 1 % loss: less than $FLOOR_PERCENT %"
}

ns_make
ip link add srv1 netns "$SRV" type veth peer name cli1 netns "$CLI"
e2e_device "$SRV" srv1
e2e_device "$CLI" cli1
ip -n "$SRV" address add $LINUX_IP/24 dev srv1
ip -n "$CLI" address add 10.79.0.2/24 dev cli1
tasd_start
serve tasd-iperf3 iperf3 -s --forceflush
spawn "$SRV" linux-iperf3 iperf3 -s -p 5202 --forceflush
lose
carried_begin
assert_floor download -R
assert_floor upload
assert_carried "$(bytes_of "$WORK"/tasd-download "$WORK"/tasd-upload)"
