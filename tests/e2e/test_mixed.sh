#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs under tas-run that use tasd and the kernel at once: 127.0.0.1, unix, tasd's address, as servers
# and as clients, in one event loop. The topology is in lib.sh.
#
#   Linux ---- veth ---- tasd <== shared memory ==> program ---- kernel: 127.0.0.1, unix ---- local clients
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

came_back() { grep -q "all came back" "$WORK/mixed.log"; }

refused() { # COMMAND...: a connection that bash makes is refused
	! "$@" 2>"$WORK/refused.log" || fail "$*: somebody is there"
	grep -q "Connection refused" "$WORK/refused.log" || fail "$*: $(cat "$WORK/refused.log")"
}

echoes() { # NAMESPACE ADDRESS PORT
	ip netns exec "$1" "$BUILD/tests/e2e/reqload" echo "$2" "$3" 10 1 1000
}

bench() { # NAME NAMESPACE ARGUMENTS...
	spawn "$2" "$1" timeout 60 redis-benchmark "${@:3}" -n 20000 -c 10 -t set,get --csv
	benches+=("$SPAWNED")
}

redis_locally() { in_srv redis-cli -s "$WORK/redis.sock" "$@"; }

ns_make
tasd_start

say "a program that serves and asks over everything at once"
spawn "$CLI" echo "$BUILD/tests/e2e/echo" 7
carried_begin
serve mixed python3 "$e2e_root/tests/e2e/mixed.py" $CLI_IP 7 "$WORK/mixed.sock"
server=$SPAWNED
wait_for 60 "all answers" came_back
assert_carried "$(awk '/all came back/ { print $4 }' "$WORK/mixed.log")"

say "from outside the wildcard is reached, the loopback address is not"
carried_begin
result=$(echoes "$CLI" $TASD_IP 9000)
assert_carried "${result##* }"
refused in_cli bash -c "exec 3<>/dev/tcp/$TASD_IP/9001"

say "local programs without tasd reach both by the kernel"
before=$(carried)
echoes "$SRV" 127.0.0.1 9000
echoes "$SRV" 127.0.0.1 9001
assert_eq "bytes that tasd carried for local clients" "$(carried)" "$before"
stop "$server"

say "redis by tasd, by 127.0.0.1 and by a unix socket at once"
serve redis redis-server --port 6379 --save '' --protected-mode no --dir "$WORK" \
	--unixsocket "$WORK/redis.sock"
server=$SPAWNED
wait_for 10 "redis-server" port_answers 6379
before=$(redis_bytes redis_locally)
asked=$(($(redis_bytes redis_locally) - before)) # by each question
before=$((before + asked))
carried_begin
benches=()
bench bench-tasd "$CLI" -h $TASD_IP
bench bench-local "$SRV" -h 127.0.0.1
bench bench-unix "$SRV" -s "$WORK/redis.sock"
for pid in "${benches[@]}"; do
	wait "$pid" || fail "a redis-benchmark failed"
done
all=$(($(redis_bytes redis_locally) - asked - before))
assert_carried $((all / ${#benches[@]})) # all three did the same
for name in bench-tasd bench-local bench-unix; do
	assert_eq "results of $name" "$(grep -c '^"[SG]ET"' "$WORK/$name.log")" 2
done

say "a program that knows only loopback and unix sockets stays with the kernel"
serve local redis-server --port 6380 --bind 127.0.0.1 --save '' --unixsocket "$WORK/local.sock" --dir "$WORK"
wait_for 10 "the local redis-server" in_srv redis-cli -h 127.0.0.1 -p 6380 ping
assert_eq "redis by the unix socket" "$(in_srv redis-cli -s "$WORK/local.sock" ping)" PONG
refused in_cli bash -c "exec 3<>/dev/tcp/$TASD_IP/6380"
alive "$TASD" || fail "tasd is gone"
