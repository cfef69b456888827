#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# Connections that several processes have after fork: the one that uses it has its bytes, and it ends with the
# last that has it. The topology is in lib.sh.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

peer() { # KIND PORT [CONNECTIONS]
	in_cli timeout 60 python3 "$e2e_root/tests/e2e/peer_of_heirs.py" "$1" $TASD_IP "${@:2}"
}

none_open() { [ "$(tasctl -i "$INSTANCE" flows | grep -cE "ESTAB|CLOSE_WAIT|CLOSE-WAIT|FIN_WAIT")" = 0 ]; }

heirs() { # KIND PORT [CONNECTIONS]
	local total

	say "$1${3:+, $3 connections}"
	serve "$1" "$BUILD/tests/e2e/heirs" "$1" "$2"
	server=$SPAWNED
	wait_for 10 "the server's port" port_listens "$2"
	carried_begin
	total=$(peer "$@")
	assert_carried "${total##*$'\n'}"
}

port_listens() { tasctl -i "$INSTANCE" listeners | grep -q ":$1 "; }

workers_are_back() { [ "$(tasctl -i "$INSTANCE" apps | grep -c heirs)" -ge 3 ]; }

finish() {
	wait_for 10 "the end of every connection" none_open
	stop "$server"
}

ns_make
tasd_start

port=7100
for kind in each double dropped; do
	heirs $kind $((port++)) 12
	finish
done
for kind in orphan turns polled killed unused; do
	heirs $kind $((port++))
	finish
done

say "kept by a child that never touches it"
serve kept "$BUILD/tests/e2e/heirs" kept $((++port))
server=$SPAWNED
wait_for 10 "the server's port" port_listens $port
spawn "$CLI" peer timeout 60 python3 "$e2e_root/tests/e2e/peer_of_heirs.py" kept $TASD_IP $port
peer=$SPAWNED
wait_for 10 "a connection that stays open" grep -q open "$WORK/peer.log"
kill -USR1 "$(head -n 1 "$WORK/kept.log")"
wait "$peer" || fail "the connection did not end with its last holder: $(cat "$WORK/peer.log")"
finish

heirs workers $((++port))
for round in 1 2; do
	say "tasd is killed, and every worker accepts again from the next ($round)"
	kill -KILL "$TASD"
	wait "$TASD" 2>/dev/null || true
	tasd_start
	wait_for 10 "three workers that accept" workers_are_back
	carried_begin
	total=$(peer workers $port)
	assert_carried "$total"
done
finish

say "python's ForkingTCPServer"
serve forking python3 "$e2e_root/tests/e2e/forking.py" 7300
server=$SPAWNED
wait_for 10 "the server's port" port_listens 7300
carried_begin
total=$(peer each 7300 12)
assert_carried "$total"
finish
alive "$TASD" || fail "tasd is gone"
