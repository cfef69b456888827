#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# tasd is killed under load, and started again: programs lose their connections and go on; what they serve is
# accelerated again. The topology is in lib.sh.
#
#   Linux ---- veth ---- tasd, killed by -9 <== shared memory ==> redis-server, echo, clients
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

# Without tasd, too: both listen on the kernel's loopback address as well.
redis_locally() { in_srv timeout 5 redis-cli -h 127.0.0.1 "$@" | tr -d '\r'; }
only_we_are_connected() {
	asked=${EPOCHREALTIME/./}
	[ "$(redis_locally client list | grep -c addr=)" = 1 ]
}
said() { grep -q "$1" "$WORK/bereft$round.log"; } # WORDS

# Each of the client's connections, from when tasd was killed.
assert_within_a_second() {
	awk -v killed="$killed" '$(NF - 1) == "at" {
			ms = ($NF - killed / 1e6) * 1000
			latest = ms > latest ? ms : latest
		}
		END {
			printf "    the client has lost them after %d ms\n", latest
			exit !(latest > 0 && latest <= 1000)
		}' "$WORK/bereft$round.log" || fail "not within a second"
}

load_begin() {
	spawn "$CLI" load$round redis-benchmark -h $TASD_IP -n 100000000 -c 20 -t set,get -q
	load=$SPAWNED
	wait_for 10 "the load" test -s "$WORK/load$round.log"
}

ns_make
tasd_start
spawn "$CLI" remote "$BUILD/tests/e2e/echo" 7
serve redis redis-server --port 6379 --save '' --protected-mode no --dir "$WORK"
redis=$SPAWNED
serve echo "$BUILD/tests/e2e/echo" 8
echo=$SPAWNED
wait_for 10 "redis-server" port_answers 6379
wait_for 10 "the echo server" port_answers 8

# A client on Linux that has nothing to send while tasd is away learns of the end when it asks the next tasd.
idler_begin() {
	rm -f "$WORK/tasd-is-back"
	spawn "$CLI" idler$round bash -c "exec 3<>/dev/tcp/$TASD_IP/8; echo ready
		until [ -e '$WORK/tasd-is-back' ]; do sleep 0.05; done
		echo x >&3; cat <&3"
	wait_for 10 "the idle client" grep -q ready "$WORK/idler$round.log"
}

for round in 1 2 3; do
	say "tasd is killed under load ($round)"
	load_begin
	idler_begin
	serve bereft$round python3 "$e2e_root/tests/e2e/bereft.py" $CLI_IP 7
	bereft=$SPAWNED
	wait_for 20 "the client's connections" said ready
	killed=${EPOCHREALTIME/./}
	kill -KILL "$TASD"
	wait "$TASD" 2>/dev/null || true
	wait_for 5 "the end of redis' connections" only_we_are_connected
	lost_ms=$(((asked - killed) / 1000))
	echo "    redis has lost them after $lost_ms ms"
	[ "$lost_ms" -le 1000 ] || fail "not within a second"
	wait_for 5 "the end of the client's connections" said "all ended"
	assert_within_a_second
	! grep -v "ECONNRESET\|EPIPE\|ready\|all ended\|again\|libtas: " "$WORK/bereft$round.log" ||
		fail "connections ended otherwise"

	say "without tasd the servers serve on by the kernel"
	assert_eq "redis by the kernel" "$(redis_locally ping)" PONG
	in_srv "$BUILD/tests/e2e/reqload" echo 127.0.0.1 8 10 0.2 1000

	say "the same servers are accelerated by the next tasd"
	tasd_start
	wait_for 10 "redis-server" port_answers 6379
	wait_for 10 "the echo server" port_answers 8
	stop "$load" # it may wait for answers that were lost with tasd
	touch "$WORK/tasd-is-back"
	wait_for 10 "a RST for whom the next tasd does not know" \
		grep -q "reset by peer" "$WORK/idler$round.log"
	carried_begin
	result=$(in_cli "$BUILD/tests/e2e/reqload" echo $TASD_IP 8 50 0.5 1000)
	assert_carried "${result##* }"
	carried_begin
	before=$(redis_bytes redis_locally)
	in_cli redis-benchmark -h $TASD_IP -n 50000 -c 20 -t set,get -q | tr '\r' '\n' | grep 'requests per'
	assert_carried $(($(redis_bytes redis_locally) - before))
	wait_for 10 "the client's new connection" e2e_gone "$bereft"
	said "^again" || fail "the client: $(cat "$WORK/bereft$round.log")"
	[ "$(counters tcp_active_opens)" -gt 0 ] || fail "tasd has not carried the client's new connection"
done
alive "$redis" || fail "redis-server is gone"
alive "$echo" || fail "the echo server is gone"
