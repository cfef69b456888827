#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 1200
# Applications that break the contract in every way, beside one that keeps it. Through all of it the decent
# one serves without an error, tasd lives, and the offender is counted and cut off, or held back.
#
#   reqload (Linux) ---- veth ---- tasd <== shared memory ==> echo: the decent one
#   push    (Linux) ----              |  <== shared memory ==> hostile, as nobody
#                                     |  <== shared memory ==> echo: stopped and continued
#
# How fast the decent one is beside them is compared with the same run beside a process that is as busy and
# harms nobody, in rounds that alternate. The usual run asserts a fifth of the best round, which no noise of
# a busy machine takes away from the best of three. --long asserts 90 % of the median of ten, unless the
# machine is so busy with other work that the rounds beside the harmless one differ by as much among
# themselves; it says so then. Not so of the torrent of valid messages: it has a turn in each pass and no
# more, but its work keeps the core awake, which costs the others CPU time where all share two CPUs. There it
# is a fifth of the best, always. What tasd works for each answer of the decent one, the offender's share
# included, is shown beside it: it does not depend on who else has the CPU.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

if [ -n "${CHECK_LONG-}" ]; then
	rounds=10 round_s=3 scribble_s=60 median=0.9
else
	rounds=3 round_s=0.7 scribble_s=2 median=0
fi
offender=$WORK/hostile # nobody may not read where we were built
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
bells_cut_off=(flow-beyond read-ahead read-far-ahead sent-ahead sent-far-ahead flag-unknown
	context-unknown produced-ahead produced-back)
bells_borne=(flow-unused gen-later gen-zero read-before-birth sent-back sent-before-birth read-back
	told-for-ever consumed-nonsense their-index contexts-unknown layout-nonsense)

# --- the decent one

load_begin() {
	spawn "$CLI" load "$BUILD/tests/e2e/reqload" echo $TASD_IP 7 20 3600 64
	load=$SPAWNED
}

# It must have had no error, and some answers.
load_end() {
	alive "$load" || fail "the decent one failed: $(cat "$WORK/load.log")"
	kill -TERM "$load"
	wait "$load" || fail "the decent one failed: $(cat "$WORK/load.log")"
	[ "$(requests "$WORK/load.log")" -gt 0 ] || fail "the decent one answered nothing"
	alive "$TASD" || fail "tasd is gone"
	sed 's/^/    beside it: /' "$WORK/load.log"
}

requests() { awk '/^requests/ { print $2 }' "$1"; } # FILE

# --- offenders

offend() { in_srv timeout 150 "${nobody[@]}" "$offender" "$@"; } # OFFENCE...

# Runs until it is ended.
offend_on() { spawn "$SRV" offender "${nobody[@]}" "$offender" "$@"; } # OFFENCE...

end_now() { # PID...
	kill -KILL "$@" 2>/dev/null || true
	wait "$@" 2>/dev/null || true
}

said() { grep -q "$1" "$WORK/$2.log"; } # WORD NAME

cut_off_so_far() { counters apps_cut_off; }

# The last offence has cut off so many, and no other.
assert_cut_off() { # WHAT NUMBER
	e2e_until 5 e2e_cut_off $((before + $2)) || fail "$1: $(($(cut_off_so_far) - before)) cut off, not $2"
}
e2e_cut_off() { [ "$(cut_off_so_far)" -eq "$1" ]; }

only_the_decent_are_left() { # only their records, no offender's
	[ "$(tasctl -i "$INSTANCE" apps --json | python3 -c 'import json, sys
print(sum(a["program"] != "echo" for a in json.load(sys.stdin)))')" = 0 ]
}

# --- rates

beside_harmless() { spawn "$SRV" beside "${nobody[@]}" "$offender" harmless 3600; }
beside_nothing() { spawn "$SRV" beside sleep 3600; }

beside_scribble() {
	spawn "$SRV" beside "${nobody[@]}" "$offender" scribble 3600 4000
}

beside_torrent() { talk torrent; }
beside_chatter() { talk chatter; }

talk() { # torrent|chatter
	spawn "$SRV" beside "${nobody[@]}" "$offender" "$1" 3600 $CLI_IP 7
	e2e_until 10 said begins beside || fail "the $1 does not begin: $(cat "$WORK/beside.log")"
}

# One that drains nothing and one that is stopped, each with clients that send until nothing more is taken.
beside_held_back() {
	local pid
	spawn "$SRV" beside "${nobody[@]}" "$offender" hoard 4001 8
	pid=$SPAWNED
	e2e_until 10 said listens beside || fail "the hoard does not listen: $(cat "$WORK/beside.log")"
	held_back=("$pid")
	push_begin hoard 4001
	kill -STOP "$stopped"
	push_begin stopped 9009
	for pid in hoard stopped; do
		e2e_until 20 said stuck push-$pid || fail "push-$pid: $(cat "$WORK/push-$pid.log")"
	done
}

push_begin() { # NAME PORT
	spawn "$CLI" "push-$1" python3 "$e2e_root/tests/e2e/push.py" $TASD_IP "$2" 8
	held_back+=("$SPAWNED")
}

# Requests a second of the decent one beside what beside_NAME starts.
rate_beside() { # NAME
	local busy

	held_back=()
	"beside_$1"
	[ ${#held_back[@]} -gt 0 ] || held_back=("$SPAWNED")
	busy=$(counters core_busy_ns slow_busy_ns)
	in_cli "$BUILD/tests/e2e/reqload" echo $TASD_IP 7 20 $round_s 64 >"$WORK/round" ||
		fail "the decent one failed beside $1"
	busy=$(($(counters core_busy_ns slow_busy_ns) - busy))
	awk -v busy=$busy '{ printf "%.0f %.0f\n", $2 / $4, busy / $2 }' "$WORK/round" >>"$WORK/rates.$1"
	kill -CONT "$stopped"
	end_now "${held_back[@]}"
	wait_for 10 "the end of $1" only_the_decent_are_left
	alive "$TASD" || fail "tasd is gone"
}

# A machine on which others work may need more rounds for the best of them to be a good one.
compare() { # OFFENDER HARMLESS BEST MEDIAN: the least of both that will do
	local i

	rm -f "$WORK"/rates.*
	for ((i = 1; i <= 4 * rounds; i++)); do
		rate_beside "$2"
		rate_beside "$1"
		[ $((i % rounds)) -ne 0 ] || ! judge "$@" || return 0
	done
	fail "$1 slows others down"
}

judge() { # as compare
	python3 - "$WORK/rates.$1" "$WORK/rates.$2" "$@" <<'P'
import statistics, sys
(offender, cost), (harmless, usual) = (zip(*(map(int, line.split()) for line in open(name)))
	for name in sys.argv[1:3])
least_best, least_median = map(float, sys.argv[5:7])
best = max(offender) / max(harmless)
median = statistics.median(offender) / statistics.median(harmless)
quarter = statistics.quantiles(harmless, n=4)
spread = (quarter[2] - quarter[0]) / quarter[1]
print("    beside %s %d, beside %s %d requests/s: best %.2f, median %.2f of it" % (sys.argv[3],
	statistics.median(offender), sys.argv[4], statistics.median(harmless), best, median))
print("    tasd worked %d, %d ns for each" % (statistics.median(cost), statistics.median(usual)))
if least_median > 0 and spread > 1 - least_median:
	print("    other work moves the rounds beside %s by %.2f: no median" % (sys.argv[4], spread))
	least_median = 0
sys.exit(best < least_best or median < least_median)
P
}

# --- the test

ns_make
tasd_start memory.app_memory_max=128M
cp "$BUILD/tests/e2e/hostile" "$offender"
export TAS_SOCKET=/run/tasd/$INSTANCE.sock
spawn "$CLI" remote "$BUILD/tests/e2e/echo" 7
serve echo "$BUILD/tests/e2e/echo" 7
serve stopped "$BUILD/tests/e2e/echo" 9009
stopped=$SPAWNED
wait_for 10 "the decent server" port_answers 7
wait_for 10 "the server that will be stopped" port_answers 9009

say "valid messages with one field wrong, and indices that run ahead or back"
load_begin
before=$(cut_off_so_far)
for kind in "${bells_borne[@]}"; do
	offend bell "$kind" $CLI_IP 7 || fail "bell $kind"
done
assert_cut_off "what hurts nobody" 0
for kind in "${bells_cut_off[@]}"; do
	before=$(cut_off_so_far)
	offend bell "$kind" $CLI_IP 7 || fail "bell $kind"
	assert_cut_off "bell $kind" 1
done
offend flags $CLI_IP 7 || fail "flags"
offend pry 48 20 || fail "pry"
load_end

say "holes, seals, what wakes it, and locks that are held for ever"
load_begin
for offence in "holes $CLI_IP 7" seal "wake $CLI_IP 7"; do
	# shellcheck disable=SC2086
	offend $offence || fail "$offence"
done
if [ -n "${CHECK_LONG:-}" ]; then # how dear it is, the machine says; in virtual time: test_app_wake.c
	before=$(cut_off_so_far)
	offend dear $CLI_IP 7 || fail "dear"
	assert_cut_off "who is dear to wake" 1
	[ "$(counters app_fault_wake)" -gt 0 ] || fail "no dear ring was counted"
fi
for what in wake seal passed; do
	spawn "$SRV" stall-$what "$offender" stall $what $CLI_IP 7
	e2e_until 10 eval "said stalling stall-$what || ! alive $SPAWNED" || fail "stall $what does not stall"
	alive "$SPAWNED" || echo "    stall $what: not with this kernel"
	offend greedy versions || fail "no newcomer is served during stall $what"
	in_cli ping -q -c 1 -W 5 $TASD_IP >/dev/null || fail "tasd does not answer during stall $what"
	end_now "$SPAWNED"
done
wait_for 10 "the end of those that stalled" only_the_decent_are_left
load_end

say "what the control socket does not expect"
load_begin
before=$(cut_off_so_far)
offend control all || fail "control"
[ "$(cut_off_so_far)" -gt "$before" ] || fail "nobody was cut off"
for kind in contexts listeners buffers arguments versions; do
	offend greedy $kind || fail "greedy $kind"
done
before=$(cut_off_so_far)
offend flood 1 || fail "flood"
[ "$(cut_off_so_far)" -gt "$before" ] || fail "nobody was cut off"
load_end

say "random bytes over the whole region for $scribble_s s"
spawn "$CLI" haunt python3 "$e2e_root/tests/e2e/push.py" $TASD_IP 4000 8 again
haunt=$SPAWNED
load_begin
before=$(cut_off_so_far)
offend scribble $scribble_s 4000 || fail "scribble"
[ "$(cut_off_so_far)" -gt "$before" ] || fail "nobody was cut off"
load_end

say "a server is stopped under load, and continued: its clients wait, and lose nothing"
load_begin
spawn "$CLI" waiting "$BUILD/tests/e2e/reqload" echo $TASD_IP 9009 20 3600 64
waiting=$SPAWNED
for _ in 1 2 3; do
	wait_for 10 "answers of the server" port_answers 9009
	kill -STOP "$stopped"
	sleep 0.5
	kill -CONT "$stopped"
done
wait_for 10 "answers of the server" port_answers 9009
kill -TERM "$waiting"
wait "$waiting" || fail "its clients: $(cat "$WORK/waiting.log")"
load_end

say "requests a second of the decent one, in $rounds rounds of $round_s s"
compare scribble harmless 0.2 $median
end_now "$haunt"
compare held_back nothing 0.2 $median
compare torrent chatter 0.2 0

say "what was held back is given free"
wait_for 10 "answers of the server that was stopped" port_answers 9009
[ "$(counters apps_attached)" -gt 0 ] && wait_for 10 "a tasd without offenders" only_the_decent_are_left
grep -q "was cut off" "$WORK/tasd.log" || fail "the log does not name those that were cut off"
