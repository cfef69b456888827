#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 900
# Applications that die, by whatever signal and in the middle of whatever they did, are reclaimed completely
# and at once; tasd serves as many after ten thousand as after one, and hundreds at a time.
#
#   echo (Linux) ---- veth ---- tasd <== shared memory ==> mortal: processes that attach and die
#
# After 1,000 and after 10,000 that attached tasd's memory, descriptors and shared memory must be equal:
# descriptors and shared memory exactly. Of its resident memory the pages of libraries and files come and go
# with the machine, so its own is compared; a MiB is free to malloc(), which 64 bytes lost at each death would
# take half of, and a page 36 times. All its flows are in use early (flows_max): a slot takes memory when it
# is used for the first time.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

slack_kib=1024
mortal=$BUILD/tests/e2e/mortal
signals=(HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT XCPU XFSZ VTALRM PROF IO
	PWR SYS)

status() { # NAME
	tasctl -i "$INSTANCE" status --json |
		python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

nothing_is_left() {
	[ "$(status apps)-$(status listeners)-$(status app_memory_bytes)" = 0-0-0 ]
}
no_flow_is_left() { [ "$(status flows)" = 0 ]; }

descriptors() { find "/proc/$TASD/fd" -mindepth 1 | wc -l; }
regions() { grep -c "memfd:tasd" "/proc/$TASD/maps"; }
private_kib() { awk '/^RssAnon/ { print $2 }' "/proc/$TASD/status"; }
threads() { find "/proc/$TASD/task" -mindepth 1 -maxdepth 1 | wc -l; }

# Everything that a dead one had is gone within so many seconds.
assert_reclaimed() { # SECONDS WHAT
	wait_for "$1" "the end of $2" nothing_is_left
	wait_for 10 "the end of threads that give back memory of $2" e2e_threads_at "$threads_before"
	assert_eq "descriptors after $2" "$(descriptors)" "$descriptors_before"
	assert_eq "regions after $2" "$(regions || true)" 0
	alive "$TASD" || fail "tasd is gone"
}
e2e_threads_at() { [ "$(threads)" -eq "$1" ]; }

cycles() { # NUMBER
	local began=${EPOCHREALTIME/./}

	in_srv "$mortal" cycles "$1" $CLI_IP 7
	echo "    $1 cycles: $(((${EPOCHREALTIME/./} - began) / $1)) us each"
	assert_reclaimed 10 "$1 processes"
	wait_for 30 "the end of their connections" no_flow_is_left
}

port_listens() { tasctl -i "$INSTANCE" listeners | grep -q ":$1 "; } # PORT
tasd_stopped() { grep -q '^State:.T' "/proc/$TASD/status"; }

ns_make
ulimit -c 0
tasd_start memory.app_memory_max=64M memory.flows_max=1024 tcp.time_wait_ms=100
export TAS_SOCKET=/run/tasd/$INSTANCE.sock
spawn "$CLI" remote "$BUILD/tests/e2e/echo" 7
remote=$SPAWNED
descriptors_before=$(descriptors) threads_before=$(threads)

say "by any signal, with a listener and connections"
for signal in "${signals[@]}"; do
	in_srv "$mortal" signal "$(kill -l "$signal")" $CLI_IP 7 || fail "SIG$signal"
	assert_reclaimed 10 "SIG$signal"
done

say "12,500 processes that die in every stage, 10 x 4 ways; two stages are before they are attached"
cycles 1250
memory=$(private_kib) attached=$(counters apps_attached)
cycles 11250
echo "    private memory: $memory KiB after $attached, $(private_kib) KiB after $(counters apps_attached)"
[ "$(private_kib)" -le $((memory + slack_kib)) ] || fail "memory grows"
[ "$(counters apps_attached)" -ge 10000 ] || fail "only $(counters apps_attached) were attached"

say "300 at once, each with a listener and a connection that works"
mkfifo "$WORK/crowd.in"
spawn "$SRV" crowd sh -c "exec '$mortal' crowd 300 $CLI_IP 7 <>'$WORK/crowd.in'"
crowd=$SPAWNED
wait_for 60 "all 300" grep -q "^300 of 300" "$WORK/crowd.log"
assert_eq "applications" "$(status apps)" 300
assert_eq "listeners" "$(status listeners)" 300
for port in 3000 3100 3299; do
	port_answers $port || fail "port $port does not answer"
done
for pid in $(tasctl -i "$INSTANCE" apps --json | python3 -c '
import json, sys
print(*(a["pid"] for a in json.load(sys.stdin)))'); do
	kill -KILL "$pid"
done
assert_reclaimed 10 "300 that died at once"
stop "$crowd"

say "the last words of one that is killed go out, and then a FIN"
for bytes in 1 1000 60000; do
	spawn "$SRV" words "$mortal" words 3000 $bytes "$TASD"
	words=$SPAWNED
	wait_for 10 "its listener" port_listens 3000
	spawn "$CLI" listener$bytes timeout 20 bash -c "exec 3<>/dev/tcp/$TASD_IP/3000; cat <&3"
	listener=$SPAWNED
	wait_for 10 "a tasd that was stopped" tasd_stopped
	wait_for 10 "its death" e2e_gone "$words"
	kill -CONT "$TASD"
	wait "$listener" || fail "the connection ended badly: $(tail -c 200 "$WORK/listener$bytes.log")"
	assert_eq "bytes of its last words" "$(stat -c %s "$WORK/listener$bytes.log")" $bytes
	assert_reclaimed 10 "one with last words"
done

alive "$remote" || fail "the echo server is gone"
