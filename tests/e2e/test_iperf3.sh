#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# iperf3 -s, unmodified, under tas-run: bulk in both directions, one and eight streams. Topology: lib.sh.
#
#   iperf3 -c (Linux) ---- veth ---- tasd <== shared memory ==> iperf3 -s
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

run() { # ARGUMENTS...: the bytes that went through
	in_cli iperf3 -c $TASD_IP -J "$@" >"$WORK/iperf.json" || {
		cat "$WORK/iperf.json"
		fail "iperf3 $*"
	}
	python3 -c '
import json, sys
end = json.load(open(sys.argv[1]))["end"]
got = end["sum_received"]
print(got["bytes"], round(got["bits_per_second"] / 1e9, 2), "Gb/s", file=sys.stderr)
print(got["bytes"])' "$WORK/iperf.json"
}

ns_make
tasd_start
serve iperf3 iperf3 -s --forceflush
server=$SPAWNED
for arguments in "-n 50M" "-n 50M -R" "-n 80M -P 8" "-n 80M -P 8 -R"; do
	say "iperf3 $arguments"
	iperf3_ready iperf3
	carried_begin
	# shellcheck disable=SC2086
	bytes=$(run $arguments)
	# The end is told by another connection, and does not wait for what is in buffers.
	[ "$bytes" -ge 40000000 ] || fail "only $bytes bytes"
	assert_carried "$bytes"
done
stop "$server"
alive "$TASD" || fail "tasd is gone"
