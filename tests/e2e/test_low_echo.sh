#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# An echo through the low-level library, driven from Linux: every byte comes back, and tasd carried it.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

echoes() { # CONNECTIONS SECONDS BYTES
	local result

	carried_begin
	result=$(in_cli "$BUILD/tests/e2e/reqload" echo $TASD_IP 7 "$@")
	echo "$*: $result"
	assert_carried "${result##* }"
}

ns_make
tasd_start
mkfifo "$WORK/stdin"
export TAS_SOCKET=/run/tasd/$INSTANCE.sock
spawn "$SRV" low_echo sh -c "exec '$BUILD/tests/e2e/low_echo' 7 <>'$WORK/stdin'"
wait_for 5 "the echo server" port_answers 7

say "one byte, one connection"
echoes 1 1 1
say "64 bytes, 1 to 1,000 connections"
echoes 1 1 64
echoes 50 1 64
echoes 1000 2 64
say "more than a segment, more than both buffers"
echoes 10 1 1460
echoes 10 1 5000
echoes 4 2 1000000
