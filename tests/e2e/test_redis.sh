#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# redis-server, unmodified, under tas-run; redis-benchmark on Linux. The topology is in lib.sh.
#
#   redis-benchmark (Linux) ---- veth ---- tasd <== shared memory ==> redis-server
#
# Plain and pipelined requests, values larger than both buffers, BGSAVE under load (a fork whose child never
# touches its sockets), a child that is killed, a client that is killed; and tasd's counters carry it all.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

requests=200000 large=2000 huge=200
[ -z "${CHECK_LONG:-}" ] || requests=1000000 large=10000 huge=1000

redis() { in_cli timeout 20 redis-cli -h $TASD_IP "$@" | tr -d '\r'; }

bench() { # ARGUMENTS...
	in_cli timeout 120 redis-benchmark -h $TASD_IP "$@" --csv >"$WORK/bench.log" 2>&1 ||
		fail "redis-benchmark $*: it failed"
	! grep -i error "$WORK/bench.log" || fail "redis-benchmark $*: errors"
	grep '^"[SG]ET' "$WORK/bench.log" | tr -d '"' |
		awk -F, '{ print "    " $1 ": " $2 " requests/s, p50 " $5 " ms, p99 " $7 " ms" }'
}

stat() { redis info | sed -n "s/^$1://p"; } # NAME

saving() { [ "$(stat rdb_bgsave_in_progress)" = 1 ]; }
saved() { [ "$(stat rdb_bgsave_in_progress)" = 0 ]; }

bgsave_begin() {
	redis bgsave >/dev/null
	wait_for 10 "the child of BGSAVE" saving
}

only_we_are_connected() { [ "$(redis client list | grep -c addr=)" = 1 ]; }

no_program_left() { [ "$(tasctl -i "$INSTANCE" apps | grep -c redis-server)" = 0 ]; }

no_flow_left() { ! tasctl -i "$INSTANCE" flows | grep -v TIME-WAIT | grep -q :6379; }

ns_make
tasd_start tcp.time_wait_ms=1000
serve redis redis-server --port 6379 --save '' --protected-mode no --enable-debug-command yes --dir "$WORK"
server=$SPAWNED
wait_for 10 "redis-server" port_answers 6379
carried_begin

say "requests, one by one and pipelined"
bench -n $requests -c 50 -t set,get
bench -n $requests -c 50 -P 16 -t set,get

say "values of 100 KB and 1 MB"
bench -n $large -c 20 -d 100000 -t set,get
bench -n $huge -c 5 -d 1000000 -t set,get

say "a value comes back as it went"
head -c 3000000 /dev/urandom >"$WORK/value"
redis -x set blob <"$WORK/value" >/dev/null
in_cli redis-cli -h $TASD_IP --raw get blob | head -c 3000000 | cmp - "$WORK/value"

say "BGSAVE under load"
redis debug populate 200000 >/dev/null
spawn "$CLI" load redis-benchmark -h $TASD_IP -n 100000000 -c 20 -t set -q
load=$SPAWNED
for _ in 1 2 3; do
	redis bgsave >/dev/null
	wait_for 60 "the end of BGSAVE" saved
	assert_eq "BGSAVE" "$(stat rdb_last_bgsave_status)" ok
done

say "a child of BGSAVE is killed"
redis config set rdb-key-save-delay 1000 >/dev/null # so that it would take minutes
bgsave_begin
child=$(pgrep -P "$server")
kill -KILL "$child"
wait_for 10 "the end of the killed BGSAVE" saved
assert_eq "the killed BGSAVE" "$(stat rdb_last_bgsave_status)" err

say "a client is killed while it waits for answers"
alive "$load" || fail "the load ended by itself"
kill -KILL "$load"
wait "$load" 2>/dev/null || true
wait_for 10 "the end of the client's connections" only_we_are_connected
assert_eq "redis after that" "$(redis ping)" PONG

total=$(($(stat total_net_input_bytes) + $(stat total_net_output_bytes)))
assert_carried $total
say "tasd carried $total bytes"

say "redis-server ends during BGSAVE, and nothing is left of it"
bgsave_begin
child=$(pgrep -P "$server")
redis shutdown nosave || true
wait_for 10 "the end of redis-server" e2e_gone "$server"
wait_for 10 "the end of its child" e2e_gone "$child"
wait_for 10 "a tasd without redis-server" no_program_left
wait_for 10 "a tasd without flows" no_flow_left
alive "$TASD" || fail "tasd is gone"
