#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# Clients that send, and perhaps close, before the server accepts: what they sent is acknowledged, kept, and
# there afterwards. One program, over the kernel and over tasd. Topology: lib.sh.
#
#   late.py client (Linux) ---- veth ---- tasd <== shared memory ==> late.py serve
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

begun() { [ -e "$WORK/$1/listening" ]; } # NAME

# The server, by the given command, and the clients that come to it before it accepts.
both_sides() { # NAME ADDRESS PORT SPAWN...
	mkdir "$WORK/$1"
	"${@:4}" "$3" "$WORK/$1"
	wait_for 20 "the server" begun "$1"
	in_cli timeout 60 "${late[@]}" client "$2" "$3" "$WORK/$1" || fail "$1: a client"
	wait_for 20 "the end of the server" e2e_gone "$SPAWNED"
	wait "$SPAWNED" || fail "$1: the server"
}

ns_make
late=(python3 "$e2e_root/tests/e2e/late.py")
say "over the kernel"
both_sides kernel 127.0.0.1 7001 spawn "$CLI" kernel "${late[@]}" serve

tasd_start
say "over tasd"
both_sides tasd $TASD_IP 7002 serve tasd "${late[@]}" serve
assert_carried 1006000

say "over tasd, accepted by a child of the process that listens"
carried_begin
both_sides fork $TASD_IP 7003 serve fork "${late[@]}" fork
assert_carried 1006000
assert_eq "segments without room" "$(counters tcp_unaccepted_dropped)" 0
alive "$TASD" || fail "tasd is gone"
