#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# memcached with 4 threads, unmodified, under tas-run: one thread accepts, others serve what it hands to them.
# The topology is in lib.sh.
#
#   clients (Linux) ---- veth ---- tasd <== shared memory, a context for each thread ==> memcached -t 4
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

seconds=3
[ -z "${CHECK_LONG:-}" ] || seconds=30

talk() { # COMMANDS (with \r\n): the answer
	in_cli timeout 10 bash -c "exec 3<>/dev/tcp/$TASD_IP/11211; printf '$1quit\r\n' >&3; cat <&3" |
		tr -d '\r'
}

stat() { talk 'stats\r\n' | awk -v name="$1" '$2 == name { print $3 }'; } # NAME

load() { # CONNECTIONS SECONDS BYTES
	local result

	carried_begin
	result=$(in_cli "$BUILD/tests/e2e/reqload" memcached $TASD_IP 11211 "$@")
	echo "    $*: $result"
	assert_carried "${result##* }"
}

only_we_are_connected() { [ "$(stat curr_connections)" -le 2 ]; } # its listener counts, too

ns_make
tasd_start
serve memcached memcached -t 4 -p 11211 -u nobody -l 0.0.0.0
server=$SPAWNED
wait_for 10 "memcached" port_answers 11211

say "a value comes back"
assert_eq "memcached" "$(talk 'set k 0 0 5\r\nhello\r\nget k\r\n' | tr '\n' ' ')" \
	"STORED VALUE k 0 5 hello END "

say "64 connections on 4 threads, values of 100 bytes and of 500 KB"
load 64 $seconds 100
load 64 1 500000

say "every connection ends"
wait_for 10 "the end of all connections" only_we_are_connected
stop "$server"
alive "$TASD" || fail "tasd is gone"
