#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 18000
# alone: rates are compared
# The whole table: tasd against Linux over the same link (lib_link.sh), in turns, the same seed for both of a
# pair. Losses in both directions; the sender's algorithm on both sides. bbr is also the default of both. The
# receiver counts what comes in some seconds from the first byte on. Of each setting one more transfer of each
# stack is captured, and judged by tshark (lib_judge.sh).
#
# tasd is to have as much as Linux. Where the pairs say that it is less, twice as many more are made, and what
# is typical of them all decides (ratios.py).
#
# Environment: GOODPUT_RAW=FILE also keeps the runs there, as TSV (columns: goodput_pairs in lib_link.sh);
# GOODPUT_PAIRS, GOODPUT_TIME (10s), GOODPUT_ALGORITHMS, GOODPUT_LOSSES, GOODPUT_WAYS and GOODPUT_LINKS (spec
# of the link without losses) choose a part of the table; GOODPUT_JUDGED: how much is captured (2s);
# GOODPUT_FLOOR: what counts as as much, in per cent (99.5: rounded it is all).
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_link.sh"
. "$(dirname "$0")/lib_judge.sh"

PAIRS=${GOODPUT_PAIRS:-5} TIME=${GOODPUT_TIME:-10s} FLOOR_PERCENT=${GOODPUT_FLOOR:-99.5}
read -ra ways <<<"${GOODPUT_WAYS:-get put}"
read -ra losses <<<"${GOODPUT_LOSSES:-0 0.1 1 3 5}"
read -ra links <<<"${GOODPUT_LINKS:-delay=100us,rate=100M,queue=100K delay=25ms,rate=50M,queue=300K}"

read -ra algorithms <<<"${GOODPUT_ALGORITHMS:-reno cubic bbr}"
raw=$WORK/goodput.tsv

below() { # FILE: as many settings have less than Linux
	goodput_table "$1" | awk -F '\t' -v floor="$FLOOR_PERCENT" '$6 < floor' | wc -l
}

compare() { # ALGORITHM WAY LINK
	: >"$WORK/part.tsv"
	goodput_pairs "$WORK/part.tsv" "$PAIRS" "$TIME" "$2" "$1" "$3" "$3"
	[ "$(below "$WORK/part.tsv")" -eq 0 ] ||
		goodput_pairs "$WORK/part.tsv" $((2 * PAIRS)) "$TIME" "$2" "$1" "$3" "$3" $((PAIRS + 1))
	cat "$WORK/part.tsv" >>"$raw"
	goodput_table "$WORK/part.tsv"
	[ -z "${GOODPUT_RAW-}" ] || cp "$raw" "$GOODPUT_RAW"
	goodput_judged "$2" "$1" "${GOODPUT_JUDGED:-2s}" "$3"
}

link_make
link_tasd_start memory.rx_buffer=4M memory.tx_buffer=4M memory.app_memory_max=2G
link_start 1 delay=10us delay=10us
goodput_serve "${algorithms[@]}"
say "algorithm way to-client to-server, pairs: per cent of Linux (98 % interval), Mb/s of tasd, of Linux"
for link in "${links[@]}"; do
	for loss in "${losses[@]}"; do
		for algorithm in "${algorithms[@]}"; do
			for way in "${ways[@]}"; do
				compare "$algorithm" "$way" "$link,loss=$loss"
			done
		done
	done
done
less=$(below "$raw")
[ "$less" -eq 0 ] || fail "in $less settings less than Linux's goodput"
