#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# What has nothing to do takes no CPU: servers that wait in accept and recv, in epoll_wait, and in many
# threads, after loads in which they were woken in every way; and tasd.
#
#   goodput, reqload (Linux) ---- veth ---- tasd <== shared memory ==> goodput, echo, memcached
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

ROUNDS=4 LOOK_S=1 TICKS_MAX=$(($(getconf CLK_TCK) / 10)) # in LOOK_S: a tenth of a CPU

ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; } # PID

is_idle() { # PID
	local before

	before=$(ticks "$1")
	sleep $LOOK_S # the time that is asked about
	[ $(($(ticks "$1") - before)) -le "$TICKS_MAX" ]
}

load() {
	local way

	for way in get put; do
		in_cli "$BUILD/tests/e2e/goodput" $way $TASD_IP 7100 300ms >/dev/null || fail "goodput $way"
	done
	in_cli "$BUILD/tests/e2e/reqload" echo $TASD_IP 7 20 0.5 64 >/dev/null || fail "echo"
	in_cli "$BUILD/tests/e2e/reqload" memcached $TASD_IP 11211 20 0.5 64 >/dev/null || fail "memcached"
}

ns_make
tasd_start
declare -A pid=([tasd]=$TASD)
serve goodput "$BUILD/tests/e2e/goodput" serve 7100
pid[goodput]=$SPAWNED
serve echo "$BUILD/tests/e2e/echo" 7
pid[echo]=$SPAWNED
serve memcached memcached -u nobody -t 4 -l 0.0.0.0 -p 11211 -U 0
pid[memcached]=$SPAWNED
for port in 7100 7 11211; do
	wait_for 10 "the server on port $port" port_answers $port
done
for ((i = 0; i < ROUNDS; i++)); do
	load
	for name in "${!pid[@]}"; do
		wait_for 20 "$name at rest" is_idle "${pid[$name]}"
	done
done
say "ticks in all: $(for name in "${!pid[@]}"; do echo -n "$name $(ticks "${pid[$name]}"), "; done)"
alive "$TASD" || fail "tasd is gone"
