#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# An epoll server in C with up to 1,000 connections, under tas-run. The topology is in lib.sh.
#
#   reqload (Linux) ---- veth ---- tasd <== shared memory ==> echo
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

seconds=2
[ -z "${CHECK_LONG:-}" ] || seconds=30

echoes() { # CONNECTIONS SECONDS BYTES
	local result

	carried_begin
	result=$(in_cli "$BUILD/tests/e2e/reqload" echo $TASD_IP 7 "$@")
	echo "    $*: $result"
	assert_carried "${result##* }"
}

ns_make
tasd_start
serve echo "$BUILD/tests/e2e/echo" 7
server=$SPAWNED
wait_for 10 "the echo server" port_answers 7

say "64 bytes on 1, 50 and 1,000 connections"
echoes 1 1 64
echoes 50 $seconds 64
echoes 1000 $seconds 64

say "more than a segment, more than both buffers"
echoes 1000 1 5000
echoes 20 1 1000000
stop "$server"
alive "$TASD" || fail "tasd is gone"
