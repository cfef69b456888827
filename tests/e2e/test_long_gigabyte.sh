#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 14400
# alone: it takes what links let through
# A gigabyte each way over each of the links of test_long_goodput.sh, at each loss rate: every byte is
# compared (goodput.c). tasd's programs are the servers; and the clients, of a tenth of that. Topology:
# lib_link.sh.
#
# Environment: GIGABYTE_BYTES (1000000000), GIGABYTE_LOSSES and GIGABYTE_LINKS choose a part.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_link.sh"

BYTES=${GIGABYTE_BYTES:-1000000000} CLIENT_PORT=7300
read -ra losses <<<"${GIGABYTE_LOSSES:-0 0.1 1 3 5}"
read -ra links <<<"${GIGABYTE_LINKS:-delay=100us,rate=100M,queue=100K delay=25ms,rate=50M,queue=300K}"

# As goodput_move, but who connects is under tasd, and the server is Linux's.
from_tasd() { # get|put AMOUNT
	under_tas timeout 600 "$BUILD/tests/e2e/goodput" "$1" $CLI_IP $CLIENT_PORT "$2" bbr ||
		fail "$1 by a client over tasd"
}

assert_moved() { # WHAT BYTES BYTES-AND-NS
	assert_eq "bytes, $1" "${3% *}" "$2"
	say "$1: $(($2 * 8000 / ${3#* })) Mb/s"
	moved_bytes=$((moved_bytes + $2))
}

link_make
link_tasd_start memory.rx_buffer=4M memory.tx_buffer=4M memory.app_memory_max=2G
link_start 1 delay=10us delay=10us
goodput_serve bbr
spawn "$CLI" client-peer "$BUILD/tests/e2e/goodput" serve $CLIENT_PORT bbr
wait_for 10 "goodput of the peer" grep -q ready "$WORK/client-peer.log"
carried_begin
moved_bytes=0
for link in "${links[@]}"; do
	for loss in "${losses[@]}"; do
		link_start 1 "$link,loss=$loss" "$link,loss=$loss"
		for way in get put; do
			assert_moved "$way, $link,loss=$loss" "$BYTES" \
				"$(goodput_move tasd $way bbr "$BYTES")"
			assert_moved "$way by a client of tasd's" $((BYTES / 10)) \
				"$(from_tasd $way $((BYTES / 10)))"
		done
	done
done
assert_carried $moved_bytes
