#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# alone: rates are compared
# tasd against Linux over the same bad link, in turns and with the same algorithm: what arrives is what was
# sent, it comes about as fast, and tshark has nothing to say against it. Topology: lib_link.sh. All settings,
# and more pairs: test_long_goodput.sh.
#
# Links are so slow that no machine is the limit; a machine that is busy makes both slower in turn.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_link.sh"
. "$(dirname "$0")/lib_judge.sh"

PAIRS=3 BYTES=1500000 FLOOR_PERCENT=60

# Both stacks over a link with losses each way, by all bytes in all the time.
assert_goodput() { # get|put ALGORITHM SPEC
	local percent tasd linux

	: >"$WORK/runs"
	goodput_pairs "$WORK/runs" $PAIRS $BYTES "$1" "$2" "$3" "$3"
	read -r percent tasd linux < <(awk -F '\t' '
		{ ns[$6] += $8; bytes[$6] += $7 }
		END {
			tasd = bytes["tasd"] * 8e3 / ns["tasd"]
			linux = bytes["linux"] * 8e3 / ns["linux"]
			printf "%d %.2f %.2f\n", 100 * tasd / linux, tasd, linux
		}' "$WORK/runs")
	say "$1 with $2 over $3: tasd $tasd Mb/s, Linux $linux Mb/s, $percent %"
	[ "$percent" -ge $FLOOR_PERCENT ] || fail "$1 with $2 over $3: less than $FLOOR_PERCENT %"
}

link_make
link_tasd_start memory.rx_buffer=4M memory.tx_buffer=4M
link_start 1 delay=10us delay=10us
goodput_serve reno cubic bbr

carried_begin
short=delay=100us,loss=1,rate=10M,queue=50K
long=delay=10ms,loss=1,rate=20M,queue=60K
assert_goodput get reno $short
assert_goodput get cubic $long
assert_goodput get bbr $long
assert_goodput put bbr $long
goodput_judged get bbr $BYTES $long
goodput_judged put bbr $BYTES $long
assert_carried $((BYTES * (4 * PAIRS + 2)))

say "a link that takes smaller packets than either end, with frames that come late and twice"
link_stop
for device in cli0 ker0; do
	ip -n "$([ $device = cli0 ] && echo "$CLI" || echo "$SRV")" link set $device mtu 1300
done
odd=delay=2ms,jitter=1ms,reorder=0.5,late=1ms,dup=0.5,loss=0.5,mtu=1300,rate=20M,queue=60K
link_start 1 $odd $odd
capture_start "$CLI" cli0 odd
goodput_move tasd get cubic $BYTES >/dev/null
goodput_move tasd put cubic $BYTES >/dev/null
capture_stop
link_stop
judge odd
assert_eq "packets that were too large" "$(link_count ab lost_mtu)" 0
