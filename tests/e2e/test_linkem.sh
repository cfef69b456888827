#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# The link emulator of the tests does what it is asked: by its own model, between real devices, and without
# work it takes no time of the CPU. Topology: lib_link.sh.
#
#   frames.py ---- veth ---- linkem ---- veth ---- frames.py
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_link.sh"

FRAMES=3000 frames=$e2e_root/tests/e2e/frames.py

# Over a link with SPEC; what arrived in got, twice, overtaken, least, median, took.
through() { # SPEC SIZE GAP-US
	local receiver sender

	link_start 7 delay=0us "$1"
	spawn "$SRV" receiver python3 "$frames" receive ker0 $FRAMES
	receiver=$SPAWNED
	wait_for 10 "the receiver" grep -q ready "$WORK/receiver.log"
	spawn "$CLI" sender python3 "$frames" send cli0 $FRAMES "$2" "$3"
	sender=$SPAWNED
	wait_for 60 "the end of what was sent" e2e_gone_pid "$receiver"
	stop "$sender"
	link_stop
	read -r got twice overtaken least median took <<<"$(tail -n 1 "$WORK/receiver.log")"
	say "$1: $got of $FRAMES, $twice twice, $overtaken overtaken, $least us at least, median $median us"
}

e2e_gone_pid() { ! alive "$1"; }

assert_range() { # WHAT GOT FROM TO
	if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		fail "$1: $2, not $3 to $4"
	fi
}

# Clock ticks that a process has used.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; } # PID

"$BUILD/tests/e2e/linkem" --self-test
link_make

count() { link_count ba "$1"; } # NAME: at the end of the last link

# A machine that is busy may lose frames before the link and behind it, when what was late comes at once: what
# the link itself did is compared with what it got. That it does the same with the same seed, --self-test
# knows.
assert_conserved() { # LOST MORE: of what it got
	assert_eq "frames out" "$(count out)" $(($(count in) - $1 + $2))
	[ "$(count in)" -ge $((FRAMES / 2)) ] || fail "only $(count in) frames came to the link"
	[ "$got" -le "$(count out)" ] || fail "$got frames came out of $(count out)"
}

assert_twentieth() { # WHAT NUMBER: of what it got; 5 standard deviations of 3000 draws
	assert_range "$1" "$2" $(($(count in) / 20 - 60)) $(($(count in) / 20 + 60))
}

# What comes in time on a busy machine nobody knows: no delay is shorter than asked.
through delay=20ms 200 200
assert_conserved 0 0
assert_eq "frames twice, overtaken" "$twice $overtaken" "0 0"
[ "$least" -ge 20000 ] || fail "a frame came after $least us"

through loss=5,delay=1ms 200 200
assert_conserved "$(count lost_random)" 0
assert_twentieth "frames lost at 5 %" "$(count lost_random)"

through dup=5,reorder=5,late=5ms 200 200
assert_conserved 0 "$(count duplicated)"
assert_twentieth "frames that came twice" "$(count duplicated)"
assert_twentieth "late ones" "$(count late)"
[ "$overtaken" -gt 0 ] || fail "none was overtaken"

# A frame of 1024 bytes on the wire (1000 and 24) takes 819 us at 10 Mb/s; the first may be late.
through rate=10M 1000 100
assert_conserved 0 0
[ "$took" -ge $((got * 819 - 25000)) ] || fail "$got frames took only $took us"

through rate=10M,queue=20K 1000 100
assert_conserved "$(count lost_queue)" 0
[ "$(count lost_queue)" -gt $((FRAMES / 10)) ] || fail "a short queue lost $(count lost_queue) frames"

through mtu=600 615 100
assert_eq "frames larger than the link's" "$got" 0
[ "$(count lost_mtu)" -ge $((FRAMES / 2)) ] || fail "only $(count lost_mtu) were too large"
through mtu=600 614 100
assert_conserved 0 0

say "idle"
link_start 1 delay=0us delay=0us
used=$(ticks "$LINK_PID")
sleep 1
used=$(($(ticks "$LINK_PID") - used))
[ $used -le 5 ] || fail "idle it used $used ticks in 1 s"
