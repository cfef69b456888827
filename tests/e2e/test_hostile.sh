#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 1200
# Applications that break the contract in every way, beside one that keeps it. Through all of it the decent
# one serves without an error, tasd lives, and the offender is counted and cut off, or held back.
#
#   reqload (Linux) ---- veth ---- tasd <== shared memory ==> echo: the decent one
#   push    (Linux) ----              |  <== shared memory ==> hostile, as nobody
#                                     |  <== shared memory ==> echo: stopped and continued
# How fast the decent one is beside them: test_beside.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hostile_lib.sh"

scribble_s=2
[ -z "${CHECK_LONG-}" ] || scribble_s=60

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

# The last offence has cut off so many, and no other.
assert_cut_off() { # WHAT NUMBER
	e2e_until 5 e2e_cut_off $((before + $2)) || fail "$1: $(($(cut_off_so_far) - before)) cut off, not $2"
}
e2e_cut_off() { [ "$(cut_off_so_far)" -eq "$1" ]; }

# --- the test

hostile_begin

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
offend peek 1 $CLI_IP 7 || fail "peek"
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
end_now "$haunt"

say "what was held back is given free"
wait_for 10 "answers of the server that was stopped" port_answers 9009
[ "$(counters apps_attached)" -gt 0 ] && wait_for 10 "a tasd without offenders" only_the_decent_are_left
grep -q "was cut off" "$WORK/tasd.log" || fail "the log does not name those that were cut off"
